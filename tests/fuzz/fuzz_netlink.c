/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a netlink socket receives: one datagram of messages. The corpus was heard from a kernel, or is that, broken; it is little-endian. */
#include "fuzz.h"

#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>

#include "base/netlink.h"
#include "base/rtnl.h"

enum {
	LINK_HARDWARE,
	LINK_TAP,
	LINK_BRIDGE,
	LINK_OTHER_KIND,
	LINK_GONE,
	ADDR_V4,
	ADDR_V6,
	ADDR_GONE,
	OTHER,
	REJECT_SHORT,
	REJECT_ATTR,
	REJECT_VALUE,
	END_OK,
	END_ERROR,
	END_TEXT,
	REJECT_END,
	REJECT_DATAGRAM,
};

const char *const fuzz_classes[] = {
	[LINK_HARDWARE] = "link without a kind",
	[LINK_TAP] = "link: TAP",
	[LINK_BRIDGE] = "link: bridge",
	[LINK_OTHER_KIND] = "link of another kind",
	[LINK_GONE] = "link gone",
	[ADDR_V4] = "IPv4 address",
	[ADDR_V6] = "IPv6 address",
	[ADDR_GONE] = "address gone",
	[OTHER] = "another message",
	[REJECT_SHORT] = "short message",
	[REJECT_ATTR] = "attribute of a wrong length",
	[REJECT_VALUE] = "impossible value",
	[END_OK] = "end of a request",
	[END_ERROR] = "request refused",
	[END_TEXT] = "request refused in words",
	[REJECT_END] = "malformed end",
	[REJECT_DATAGRAM] = "datagram that does not end with a message",
	NULL,
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
saw_link(const struct rtnl_link *l)
{
	check(l->ifindex != 0 && l->name[0] != '\0');
	check(memchr(l->name, '\0', sizeof(l->name)) && memchr(l->kind, '\0', sizeof(l->kind)));
	if (l->kind[0] == '\0')
		fuzz_saw(LINK_HARDWARE);
	else if (strcmp(l->kind, "bridge") == 0)
		fuzz_saw(LINK_BRIDGE);
	else if (l->tun.owned && l->tun.type == IFF_TAP)
		fuzz_saw(LINK_TAP);
	else
		fuzz_saw(LINK_OTHER_KIND);
}

static void
saw_addr(const struct rtnl_addr *a, unsigned cls)
{
	check(a->ifindex != 0 && a->prefix_len <= (a->ip.family == AF_INET ? 32 : 128));
	fuzz_saw(cls);
}

static void
saw_end(const struct netlink_end *e)
{
	check(e->error <= 0 && memchr(e->text, '\0', sizeof(e->text)));
	fuzz_saw(e->error == 0 ? END_OK : e->text[0] ? END_TEXT : END_ERROR);
}

static void
message(void *arg, const struct nlmsghdr *nlh)
{
	struct netlink_end end;
	struct rtnl_msg m;

	(void)arg;
	switch (netlink_parse_end(nlh, &end)) {
	case NETLINK_END:
		saw_end(&end);
		return;
	case NETLINK_END_MALFORMED:
		fuzz_saw(REJECT_END);
		return;
	case NETLINK_NO_END:
		break;
	}
	switch (rtnl_parse(nlh, &m)) {
	case RTNL_LINK:
		saw_link(&m.link);
		return;
	case RTNL_LINK_GONE:
		fuzz_saw(LINK_GONE);
		return;
	case RTNL_ADDR:
		saw_addr(&m.addr, m.addr.ip.family == AF_INET ? ADDR_V4 : ADDR_V6);
		return;
	case RTNL_ADDR_GONE:
		saw_addr(&m.addr, ADDR_GONE);
		return;
	case RTNL_OTHER:
		fuzz_saw(OTHER);
		return;
	case RTNL_SHORT:
		fuzz_saw(REJECT_SHORT);
		return;
	case RTNL_BAD_ATTR:
		fuzz_saw(REJECT_ATTR);
		return;
	case RTNL_BAD_VALUE:
		fuzz_saw(REJECT_VALUE);
		return;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!netlink_walk(data, len, message, NULL))
		fuzz_saw(REJECT_DATAGRAM);
	return 0;
}
