/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "kernel"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rtnl.h"
#include "core/priv_kernel_internal.h"
#include "core/priv_tap.h"

#define DUMP_TRIES 8

static const char *const device_names[LEVELS] = { "vnet-none", "vnet-auth", "vnet-conf" };

/* --- links --- */

struct found_link {
	struct rtnl_link link;
	bool any;
};

static void
note_link(void *arg, const struct nlmsghdr *nlh)
{
	struct found_link *f = arg;
	struct rtnl_msg m;

	if (rtnl_parse(nlh, &m) != RTNL_LINK)
		return;
	f->link = m.link;
	f->any = true;
}

/* By its name and kind, and what nobody else gives it: a group, or a TAP root for owner. */
static bool
is_ours(const struct rtnl_link *link, const char *name, const char *kind)
{
	if (strcmp(link->name, name) != 0 || strcmp(link->kind, kind) != 0)
		return false;
	if (strcmp(kind, "tun") == 0)
		return link->tun.type == IFF_TAP && link->tun.owned && link->tun.owner == 0;
	return link->group == PATHNL_GROUP;
}

/* False if there is no such device of ours. */
static bool
find_link(struct netlink *route, const char *name, const char *kind, struct rtnl_link *out)
{
	struct found_link f = { 0 };
	struct rtnl_request r;

	if (netlink_request(route, rtnl_get_link(&r, name), note_link, &f) < 0 || !f.any ||
	    !is_ours(&f.link, name, kind))
		return false;
	*out = f.link;
	return true;
}

uint32_t
priv_path_ifindex(struct priv_kernel *k, const char *ifname, const char *kind)
{
	struct rtnl_link link;

	return find_link(k->route.requests, ifname, kind, &link) ? link.ifindex : 0;
}

void
priv_path_delete_link(struct netlink *route, const char *name, const char *kind)
{
	struct rtnl_request r;
	struct rtnl_link link;

	if (find_link(route, name, kind, &link))
		netlink_request(route, rtnl_del_link(&r, link.ifindex), NULL, NULL);
}

static int
set_up(struct priv_kernel *k, uint32_t ifindex, uint32_t mtu)
{
	const struct rtnl_change c = { .ifindex = ifindex, .mtu = mtu, .up = true };
	struct netlink *n = k->route.requests;
	struct pathnl_request r;
	struct rtnl_request up;

	/* Where there is no IPv6, it says nothing either. */
	netlink_request(n, pathnl_silence_ipv6(&r, ifindex), NULL, NULL);
	netlink_request(n, pathnl_silence_ipv4(&r, ifindex), NULL, NULL);
	return netlink_request(n, rtnl_set_link(&up, &c), NULL, NULL);
}

/* --- programs --- */

static const char *const program_names[FASTPATH_PROGRAMS] = { "vnet from_none", "vnet from_auth",
	"vnet from_conf", "vnet from_priv", "vnet unsealed", "vnet to_peer" };

int
priv_path_set_program(struct priv_kernel *k, uint32_t ifindex, bool out, enum fastpath_program p,
    struct priv_answer *a)
{
	struct netlink *n = k->route.requests;
	struct pathnl_request r;
	int err = netlink_request(n, pathnl_new_clsact(&r, ifindex), NULL, NULL);

	if (err && err != -EEXIST)
		return priv_kernel_failed(n, a, err, "cannot add clsact to device %u", ifindex);
	err = netlink_request(n,
	    pathnl_set_program(
		&r, ifindex, out, fastpath_program(k->programs, p), program_names[p]),
	    NULL, NULL);
	return err ? priv_kernel_failed(n, a, err, "cannot put program \"%s\" on device %u",
			 program_names[p], ifindex)
		   : 0;
}

static void
note_program(void *arg, const struct nlmsghdr *nlh)
{
	bool *any = arg, gone;

	*any |= pathnl_program_device(nlh, &gone) != 0 && !gone;
}

void
priv_path_del_program(struct netlink *route, uint32_t ifindex)
{
	struct pathnl_request r;
	bool others = false;

	if (netlink_request(route, pathnl_del_program(&r, ifindex, true), NULL, NULL) < 0)
		return;
	netlink_request(route, pathnl_get_programs(&r, ifindex, true), note_program, &others);
	netlink_request(route, pathnl_get_programs(&r, ifindex, false), note_program, &others);
	if (!others)
		netlink_request(route, pathnl_del_clsact(&r, ifindex), NULL, NULL);
}

/* --- the shared devices --- */

static uint16_t
device_port(unsigned level)
{
	return level == LEVEL_NONE ? KERNEL_PORT_NONE : priv_xfrm_port(level);
}

/* Its program is there before anything can come in. */
static int
open_device(struct priv_kernel *k, unsigned level, struct priv_answer *a)
{
	const char *name = device_names[level];
	struct netlink *n = k->route.requests;
	uint16_t port = device_port(level);
	struct pathnl_request r;
	int err = netlink_request(
	    n, pathnl_new_vxlan(&r, name, port, level != LEVEL_NONE), NULL, NULL);

	if (err)
		return priv_kernel_failed(n, a, err, "cannot create VXLAN device \"%s\"", name);
	k->ifindex[level] = priv_path_ifindex(k, name, "vxlan");
	err = priv_path_set_program(k, k->ifindex[level], false, (enum fastpath_program)level, a);
	if (err)
		return err;
	err = set_up(k, k->ifindex[level], 0);
	if (err)
		return priv_kernel_failed(
		    n, a, err, "cannot bring up VXLAN device \"%s\" with UDP port %u", name, port);
	err = fastpath_set_device(k->programs, level, k->ifindex[level]);
	return err ? priv_kernel_failed(NULL, a, err, "cannot set a map of devices") : 0;
}

static bool
is_wanted(const struct priv_kernel *k, unsigned level)
{
	return level == LEVEL_NONE || k->secured;
}

/* --- the probing device, and the routes to it --- */

static struct ipaddr
pseudo_prefix(uint32_t family)
{
	const struct kernel_peer nobody = { .local.family = family };

	return priv_xfrm_pseudo(&nobody);
}

static const struct {
	uint32_t family;
	uint8_t prefix_len;
	bool hole;
} routes[] = {
	{ AF_INET, 15, true },
	{ AF_INET, 15, false },
	{ AF_INET6, 64, true },
	{ AF_INET6, 64, false },
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static struct pathnl_route
route_at(size_t i, uint32_t ifindex)
{
	return (struct pathnl_route){ .dst = pseudo_prefix(routes[i].family),
		.prefix_len = routes[i].prefix_len,
		.ifindex = routes[i].hole ? 0 : ifindex };
}

static int
open_routes(struct priv_kernel *k, struct priv_answer *a)
{
	struct netlink *n = k->route.requests;
	struct pathnl_request r;

	k->ipv6 = true;
	for (size_t i = 0; i < ROUTES; i++) {
		const struct pathnl_route route = route_at(i, k->probe_ifindex);
		char ip[IPADDR_STRLEN];
		int err = netlink_request(n, pathnl_new_route(&r, &route), NULL, NULL);

		if (err && routes[i].family == AF_INET6)
			k->ipv6 = false;
		else if (err)
			return priv_kernel_failed(n, a, err, "cannot add a route to %s/%u",
			    ipaddr_format(&route.dst, ip), route.prefix_len);
	}
	return 0;
}

int
priv_path_check_routes(struct priv_kernel *k, struct priv_answer *a)
{
	bool restored = false;

	for (size_t i = 0; i < ROUTES && k->secured && k->probe_ifindex; i++) {
		const struct pathnl_route route = route_at(i, k->probe_ifindex);
		struct pathnl_request r;
		int err;

		if (routes[i].family == AF_INET6 && !k->ipv6)
			continue;
		err = netlink_request(k->route.requests, pathnl_new_route(&r, &route), NULL, NULL);
		if (err && err != -EEXIST)
			return priv_kernel_failed(
			    k->route.requests, a, err, "cannot add a route of pseudo-addresses");
		restored |= err == 0;
	}
	return restored;
}

static void
note_device(void *arg, const struct nlmsghdr *nlh)
{
	uint32_t *ifindex = arg;

	*ifindex = pathnl_route_device(nlh);
}

bool
priv_path_leads_to_probe(struct priv_kernel *k, const struct kernel_peer *p)
{
	const struct ipaddr pseudo = priv_xfrm_pseudo(p);
	struct pathnl_request r;
	uint32_t ifindex = 0;

	return netlink_request(k->route.requests, pathnl_get_route(&r, &p->local, &pseudo),
		   note_device, &ifindex) == 0 &&
	       ifindex && ifindex == k->probe_ifindex;
}

static int
open_probe(struct priv_kernel *k, struct priv_answer *a)
{
	bool opened;
	int err;

	k->probe = priv_tap_attach(PATH_PROBE, 0, true, &opened);
	if (k->probe < 0) {
		err = k->probe;
		return privmsg_refuse(
		    a, err, "cannot create TAP \"%s\": %s", PATH_PROBE, strerrordesc_np(-err));
	}
	err = priv_tap_make_plain(k->probe);
	if (err)
		return privmsg_refuse(
		    a, err, "cannot set up TAP \"%s\": %s", PATH_PROBE, strerrordesc_np(-err));
	k->probe_ifindex = priv_path_ifindex(k, PATH_PROBE, "tun");
	err = priv_path_set_program(k, k->probe_ifindex, false, FASTPATH_FROM_PRIV, a);
	if (!err)
		err = priv_path_set_program(k, k->probe_ifindex, true, FASTPATH_UNSEALED, a);
	if (err)
		return err;
	err = set_up(k, k->probe_ifindex, PRIV_MTU_MAX);
	if (err)
		return priv_kernel_failed(
		    k->route.requests, a, err, "cannot bring up TAP \"%s\"", PATH_PROBE);
	err = fastpath_set_device(k->programs, FASTPATH_PORT, k->probe_ifindex);
	if (err)
		return priv_kernel_failed(NULL, a, err, "cannot set a map of devices");
	return k->secured ? open_routes(k, a) : 0;
}

static void
close_probe(struct priv_kernel *k)
{
	if (k->probe >= 0)
		close(k->probe);
	k->probe = -1;
	k->probe_ifindex = 0;
	if (k->programs)
		fastpath_set_device(k->programs, FASTPATH_PORT, 0);
}

/* --- the barrier --- */

int
priv_path_open_barrier(struct priv_kernel *k, struct priv_answer *a)
{
	const uint16_t ports[] = { priv_xfrm_port(LEVEL_AUTH), priv_xfrm_port(LEVEL_CONF) };
	struct nftnl_batch b;
	int err;

	nftnl_begin(&b);
	nftnl_add_barrier(&b, PATH_TABLE, ports, sizeof(ports) / sizeof(ports[0]));
	nftnl_end(&b);
	err = netlink_batch(k->nft.requests, b.b, b.len);
	return err ? priv_kernel_failed(k->nft.requests, a, err,
			 "cannot make the nftables table \"%s\"", PATH_TABLE)
		   : 0;
}

void
priv_path_sweep_barrier(struct netlink *nft)
{
	struct nftnl_batch b;

	nftnl_begin(&b);
	nftnl_add_removal(&b, PATH_TABLE);
	nftnl_end(&b);
	netlink_batch(nft, b.b, b.len);
}

/* --- ESP in UDP --- */

static int
open_encap(int family)
{
	const struct endpoint any = { .ip.family = (uint32_t)family, .port = KERNEL_PORT_ESP };
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP), one = 1,
	    type = UDP_ENCAP_ESPINUDP, err;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&any, &sa);

	if (fd < 0)
		return -errno;
	if ((family == AF_INET ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    /* What is not ESP stays in it. */
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&sa, len) == 0 &&
	    (setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof(type)) == 0 ||
		errno == ENOPROTOOPT))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int
priv_path_lock(struct priv_kernel *k, struct priv_answer *a)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < 2; i++) {
		k->encap[i] = open_encap(families[i]);
		if (k->encap[i] < 0 && k->encap[i] != -EAFNOSUPPORT)
			return privmsg_refuse(a, k->encap[i], "cannot open UDP port %u: %s",
			    KERNEL_PORT_ESP, strerrordesc_np(-k->encap[i]));
	}
	return 0;
}

bool
priv_path_is_locked(const struct priv_kernel *k)
{
	return k->encap[0] >= 0 || k->encap[1] >= 0;
}

void
priv_path_unlock(struct priv_kernel *k)
{
	for (size_t i = 0; i < 2; i++) {
		if (k->encap[i] >= 0)
			close(k->encap[i]);
		k->encap[i] = -1;
	}
}

/* --- what is left of an earlier run --- */

struct taps {
	uint32_t *ifindex;
	size_t n;
};

static void
note_tap(void *arg, const struct nlmsghdr *nlh)
{
	struct taps *t = arg;
	struct rtnl_msg m;
	uint32_t *more;

	if (rtnl_parse(nlh, &m) != RTNL_LINK || strcmp(m.link.kind, "tun") != 0 ||
	    m.link.tun.type != IFF_TAP)
		return;
	more = reallocarray(t->ifindex, t->n + 1, sizeof(*more));
	if (!more)
		return;
	t->ifindex = more;
	more[t->n++] = m.link.ifindex;
}

static void
sweep_taps(struct netlink *route)
{
	struct taps t = { 0 };
	struct rtnl_request r;
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		t.n = 0;
		err = netlink_request(route, rtnl_get_links(&r, 0), note_tap, &t);
	}
	for (size_t i = 0; i < t.n; i++)
		priv_path_del_program(route, t.ifindex[i]);
	free(t.ifindex);
}

void
priv_path_sweep(struct netlink *route)
{
	struct pathnl_request r;

	sweep_taps(route);
	for (unsigned level = 0; level < LEVELS; level++)
		priv_path_delete_link(route, device_names[level], "vxlan");
	priv_path_delete_link(route, PATH_PROBE, "tun");
	for (size_t i = 0; i < ROUTES; i++) {
		const struct pathnl_route hole = route_at(i, 0);

		if (routes[i].hole)
			netlink_request(route, pathnl_del_route(&r, &hole), NULL, NULL);
	}
}

/* --- all of it --- */

int
priv_path_open(struct priv_kernel *k, struct priv_answer *a)
{
	int err = open_probe(k, a);

	for (unsigned level = 0; !err && level < LEVELS; level++)
		if (is_wanted(k, level))
			err = open_device(k, level, a);
	return err;
}

void
priv_path_close(struct priv_kernel *k)
{
	priv_path_sweep(k->route.requests);
	for (unsigned level = 0; level < LEVELS; level++) {
		fastpath_set_device(k->programs, level, 0);
		k->ifindex[level] = 0;
	}
	close_probe(k);
}

static bool
is_up(struct priv_kernel *k, const char *name, const char *kind, uint32_t ifindex)
{
	struct rtnl_link link;

	return ifindex && find_link(k->route.requests, name, kind, &link) &&
	       link.ifindex == ifindex && link.flags & IFF_UP;
}

/* One that is only down is made anew too: that is as good, and rare. */
static int
repair_links(struct priv_kernel *k, struct priv_answer *a)
{
	int err = 0;

	for (unsigned level = 0; !err && level < LEVELS; level++) {
		if (!is_wanted(k, level) ||
		    is_up(k, device_names[level], "vxlan", k->ifindex[level]))
			continue;
		priv_path_delete_link(k->route.requests, device_names[level], "vxlan");
		err = open_device(k, level, a);
	}
	if (err || is_up(k, PATH_PROBE, "tun", k->probe_ifindex))
		return err;
	close_probe(k);
	priv_path_delete_link(k->route.requests, PATH_PROBE, "tun");
	for (size_t i = 0; i < ROUTES; i++) {
		const struct pathnl_route hole = route_at(i, 0);
		struct pathnl_request r;

		if (routes[i].hole)
			netlink_request(k->route.requests, pathnl_del_route(&r, &hole), NULL, NULL);
	}
	return open_probe(k, a);
}

static int
repair_programs(struct priv_kernel *k, struct priv_answer *a)
{
	int err = 0;

	for (unsigned level = 0; !err && level < LEVELS; level++)
		if (k->ifindex[level])
			err = priv_path_set_program(
			    k, k->ifindex[level], false, (enum fastpath_program)level, a);
	if (!err)
		err = priv_path_set_program(k, k->probe_ifindex, false, FASTPATH_FROM_PRIV, a);
	if (!err)
		err = priv_path_set_program(k, k->probe_ifindex, true, FASTPATH_UNSEALED, a);
	return err;
}

int
priv_path_repair(struct priv_kernel *k, uint32_t gone, struct priv_answer *a)
{
	int err = 0;

	if (gone & GONE_BARRIER && k->secured)
		err = priv_path_open_barrier(k, a);
	if (!err && gone & GONE_LINK)
		err = repair_links(k, a);
	if (!err && gone & GONE_PROGRAM)
		err = repair_programs(k, a);
	return err;
}

/* --- events --- */

/* The name of a device that is shared, or NULL. */
static const char *
shared_name(const struct priv_kernel *k, uint32_t ifindex)
{
	for (unsigned level = 0; level < LEVELS; level++)
		if (k->ifindex[level] == ifindex)
			return device_names[level];
	return k->probe_ifindex == ifindex ? PATH_PROBE : NULL;
}

static bool
is_vnet(const struct priv_kernel *k, uint32_t ifindex)
{
	for (size_t i = 0; i < k->n_vnets; i++)
		if (k->vnets[i].ifindex == ifindex)
			return true;
	return false;
}

static void
link_changed(struct priv_kernel *k, const struct rtnl_link *link, bool gone)
{
	const char *name = shared_name(k, link->ifindex);
	char what[64];

	if (!name && gone)
		priv_flows_forget_vnet(k, link->ifindex);
	/* What an event says of a device may be old by now. */
	if (!name || (!gone && is_up(k, name, link->kind, link->ifindex)))
		return;
	snprintf(what, sizeof(what), "device \"%s\"", name);
	priv_kernel_note_gone(k, GONE_LINK, what);
}

void
priv_path_link_event(void *arg, const struct nlmsghdr *nlh)
{
	struct priv_kernel *k = arg;
	struct rtnl_msg m;
	uint32_t ifindex;
	bool gone;

	if (!k->started)
		return;
	switch (rtnl_parse(nlh, &m)) {
	case RTNL_LINK:
		link_changed(k, &m.link, false);
		return;
	case RTNL_LINK_GONE:
		link_changed(k, &m.link, true);
		return;
	default:
		break;
	}
	ifindex = pathnl_program_device(nlh, &gone);
	if (!ifindex || !gone || nlh->nlmsg_pid == netlink_port(k->route.requests))
		return;
	if (shared_name(k, ifindex) || is_vnet(k, ifindex))
		priv_kernel_note_gone(k, GONE_PROGRAM, "a program of a device");
}
