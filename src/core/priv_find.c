/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "kernel"

/*
 * What the kernel can do, found by trying: each object is removed before the next is made. XFRM
 * policies are not tried: one that nothing could ever obey is taken by every kernel, and breaks.
 */

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/datagram.h"
#include "base/rtnl.h"
#include "core/priv_kernel_internal.h"
#include "core/priv_tap.h"

/* Not those of what may be at work. */
#define TRY_VXLAN "vnet-try"
#define TRY_TAP	  "vnet-try-tap"
#define TRY_TABLE "vnetd-try"
#define TRY_SPI	  0x76000001
#define TRY_PORT  1803

static void
able(struct kernel_finding *f)
{
	*f = (struct kernel_finding){ .able = true };
}

static void
unable(struct kernel_finding *f, int err, const char *words)
{
	*f = (struct kernel_finding){ 0 };
	snprintf(f->reason, sizeof(f->reason), "%s%s%s%s", strerrordesc_np(-err),
	    *words ? " (" : "", words, *words ? ")" : "");
}

static void
judge(struct kernel_finding *f, int err, const struct netlink *n)
{
	if (err)
		unable(f, err, n ? netlink_text(n) : "");
	else
		able(f);
}

static void
note_ifindex(void *arg, const struct nlmsghdr *nlh)
{
	struct rtnl_msg m;

	if (rtnl_parse(nlh, &m) == RTNL_LINK)
		*(uint32_t *)arg = m.link.ifindex;
}

static uint32_t
find_device(struct netlink *route, const char *name)
{
	struct rtnl_request r;
	uint32_t ifindex = 0;

	netlink_request(route, rtnl_get_link(&r, name), note_ifindex, &ifindex);
	return ifindex;
}

/* A VXLAN device, and a program on it. */
static void
try_devices(const struct priv_kernel *k, struct netlink *route, struct kernel_finding *found)
{
	struct pathnl_request r;
	struct rtnl_request del;
	uint32_t ifindex;
	int err = netlink_request(
	    route, pathnl_new_vxlan(&r, TRY_VXLAN, TRY_PORT, true), NULL, NULL);

	judge(&found[KERNEL_VXLAN], err, route);
	if (err) {
		unable(&found[KERNEL_BPF], -ENODEV, "no VXLAN device to try it on");
		return;
	}
	ifindex = find_device(route, TRY_VXLAN);
	err = netlink_request(route, pathnl_new_clsact(&r, ifindex), NULL, NULL);
	if (!err && k->programs)
		err = netlink_request(route,
		    pathnl_set_program(&r, ifindex, false,
			fastpath_program(k->programs, FASTPATH_FROM_NONE), "vnet try"),
		    NULL, NULL);
	judge(&found[KERNEL_BPF], err, route);
	netlink_request(route, rtnl_del_link(&del, ifindex), NULL, NULL);
}

static void
try_barrier(struct netlink *nft, struct kernel_finding *f)
{
	const uint16_t port = TRY_PORT;
	struct nftnl_batch b;

	/* Made and removed in one step. */
	nftnl_begin(&b);
	nftnl_add_barrier(&b, TRY_TABLE, &port, 1);
	nftnl_add_removal(&b, TRY_TABLE);
	nftnl_end(&b);
	judge(f, netlink_batch(nft, b.b, b.len), nft);
}

static void
try_tap(struct kernel_finding *f)
{
	bool opened;
	int fd = priv_tap_attach(TRY_TAP, 0, true, &opened);

	judge(f, fd < 0 ? fd : 0, NULL);
	if (fd < 0)
		return;
	priv_tap_abandon(fd);
	close(fd);
}

static void
try_suite(struct netlink *xfrm, const struct suite *suite, struct kernel_finding *f)
{
	static const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1 };
	const struct xfrmnl_sa sa = {
		.src = ipaddr_v4(INADDR_LOOPBACK),
		.dst = ipaddr_v4(INADDR_LOOPBACK),
		.spi = TRY_SPI,
		.reqid = priv_xfrm_number(0),
		.suite = suite,
		.keymat = keymat,
		.port = TRY_PORT,
		.esn = true,
		.window = 4096,
		.mark = priv_xfrm_number(0),
	};
	const struct xfrmnl_id id = { .dst = sa.dst, .spi = sa.spi };
	struct xfrmnl_request r;
	int err = netlink_request(xfrm, xfrmnl_new_sa(&r, &sa), NULL, NULL);

	judge(f, err, xfrm);
	if (!err)
		netlink_request(xfrm, xfrmnl_del_sa(&r, &id), NULL, NULL);
}

/* What level none needs is all that its suite needs. */
static void
judge_none(struct kernel_finding *found)
{
	const struct kernel_finding *missing = !found[KERNEL_BPF].able	   ? &found[KERNEL_BPF]
					       : !found[KERNEL_VXLAN].able ? &found[KERNEL_VXLAN]
									   : &found[KERNEL_TAP];

	found[KERNEL_SUITE + SUITE_NONE] = *missing;
}

void
priv_kernel_find(struct priv_kernel *k, struct priv_found *out)
{
	struct kernel_finding *found = out->found;
	struct netlink *route = netlink_new(NETLINK_ROUTE, 0), *nft, *xfrm;
	int err;

	memset(out, 0, sizeof(*out));
	if (route) {
		/* Of a priv that was killed in between. */
		priv_path_delete_link(route, TRY_VXLAN, "vxlan");
		priv_path_delete_link(route, TRY_TAP, "tun");
		try_devices(k, route, found);
	} else {
		judge(&found[KERNEL_VXLAN], -errno, NULL);
		found[KERNEL_BPF] = found[KERNEL_VXLAN];
	}
	if (!k->programs) {
		found[KERNEL_BPF].able = false;
		memcpy(found[KERNEL_BPF].reason, k->why_not, sizeof(k->why_not));
	}
	try_tap(&found[KERNEL_TAP]);
	nft = netlink_new(NETLINK_NETFILTER, 0);
	if (nft)
		try_barrier(nft, &found[KERNEL_NFT]);
	else
		judge(&found[KERNEL_NFT], -errno, NULL);
	xfrm = netlink_new(NETLINK_XFRM, 0);
	err = xfrm ? 0 : -errno;
	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++) {
		if (xfrm)
			try_suite(xfrm, suite_by_id(id), &found[KERNEL_SUITE + id]);
		else
			judge(&found[KERNEL_SUITE + id], err, NULL);
	}
	judge_none(found);
	netlink_free(route);
	netlink_free(nft);
	netlink_free(xfrm);
}
