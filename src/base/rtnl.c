/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rtnl.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "netlink.h"

/* --- parsing --- */

/* Attributes by type, the last of each; those above max are none of ours. */
struct attrs {
	const struct nlattr **by_type;
	size_t max;
};

/* False if the attributes do not fill what they are in. */
static bool
collect(const void *buf, size_t len, struct attrs a)
{
	const struct nlattr *attr = buf;
	const char *end = (const char *)buf + len;

	while (mnl_attr_ok(attr, (int)(end - (const char *)attr))) {
		if (mnl_attr_get_type(attr) <= a.max)
			a.by_type[mnl_attr_get_type(attr)] = attr;
		attr = mnl_attr_next(attr);
	}
	return (const char *)attr >= end;
}

static bool
collect_nested(const struct nlattr *nest, struct attrs a)
{
	return collect(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), a);
}

/*
 * The next three leave *out alone when the attribute is absent, and are false when its length is
 * wrong.
 */
static bool
take_u32(const struct nlattr *attr, uint32_t *out)
{
	if (attr && mnl_attr_get_payload_len(attr) != sizeof(*out))
		return false;
	if (attr)
		*out = mnl_attr_get_u32(attr);
	return true;
}

static bool
take_u8(const struct nlattr *attr, uint8_t *out)
{
	if (attr && mnl_attr_get_payload_len(attr) != sizeof(*out))
		return false;
	if (attr)
		*out = mnl_attr_get_u8(attr);
	return true;
}

static bool
take_name(const struct nlattr *attr, char *out, size_t size)
{
	if (attr && (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
			mnl_attr_get_payload_len(attr) > size))
		return false;
	if (attr)
		strcpy(out, mnl_attr_get_str(attr));
	return true;
}

static bool
take_tun(const struct nlattr *data, struct rtnl_link *out)
{
	const struct nlattr *tb[IFLA_TUN_MAX + 1] = { 0 };
	uint8_t persist = 0, vnet_hdr = 0, multi_queue = 0;

	if (!collect_nested(data, (struct attrs){ tb, IFLA_TUN_MAX }) ||
	    !take_u32(tb[IFLA_TUN_OWNER], &out->tun.owner) ||
	    !take_u8(tb[IFLA_TUN_TYPE], &out->tun.type) ||
	    !take_u8(tb[IFLA_TUN_PERSIST], &persist) ||
	    !take_u8(tb[IFLA_TUN_VNET_HDR], &vnet_hdr) ||
	    !take_u8(tb[IFLA_TUN_MULTI_QUEUE], &multi_queue))
		return false;
	out->tun.owned = tb[IFLA_TUN_OWNER] != NULL;
	out->tun.persist = persist;
	out->tun.vnet_hdr = vnet_hdr;
	out->tun.multi_queue = multi_queue;
	return true;
}

/* What kinds we do not make call themselves may be longer than we keep, and does not matter. */
static bool
take_kind(const struct nlattr *info, struct rtnl_link *out)
{
	const struct nlattr *tb[IFLA_INFO_MAX + 1] = { 0 }, *kind;

	if (!collect_nested(info, (struct attrs){ tb, IFLA_INFO_MAX }))
		return false;
	kind = tb[IFLA_INFO_KIND];
	if (!kind)
		return true;
	if (mnl_attr_validate(kind, MNL_TYPE_NUL_STRING) < 0)
		return false;
	memcpy(out->kind, mnl_attr_get_str(kind),
	    strnlen(mnl_attr_get_str(kind), sizeof(out->kind) - 1));
	if (strcmp(out->kind, "tun") == 0 && tb[IFLA_INFO_DATA])
		return take_tun(tb[IFLA_INFO_DATA], out);
	return true;
}

static enum rtnl_verdict
parse_link(const struct nlmsghdr *nlh, struct rtnl_link *out)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_MAX + 1] = { 0 };

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return RTNL_SHORT;
	/*
	 * A bridge tells of its ports as family AF_BRIDGE: RTM_DELLINK then means that the port
	 * left, not that it is gone.
	 */
	if (info->ifi_family != AF_UNSPEC)
		return RTNL_OTHER;
	if (info->ifi_index <= 0)
		return RTNL_BAD_VALUE;
	out->ifindex = (uint32_t)info->ifi_index;
	if (nlh->nlmsg_type == RTM_DELLINK)
		return RTNL_LINK_GONE;
	if (!collect(mnl_nlmsg_get_payload_offset(nlh, sizeof(*info)),
		mnl_nlmsg_get_payload_len(nlh) - sizeof(*info), (struct attrs){ tb, IFLA_MAX }))
		return RTNL_BAD_ATTR;
	/* An event of the wireless extensions names the device and little else. */
	if (!tb[IFLA_MTU])
		return RTNL_OTHER;
	if (!take_name(tb[IFLA_IFNAME], out->name, sizeof(out->name)) ||
	    !take_u32(tb[IFLA_MTU], &out->mtu) || !take_u32(tb[IFLA_MASTER], &out->master) ||
	    !take_u32(tb[IFLA_GROUP], &out->group) ||
	    (tb[IFLA_LINKINFO] && !take_kind(tb[IFLA_LINKINFO], out)))
		return RTNL_BAD_ATTR;
	if (out->name[0] == '\0')
		return RTNL_BAD_VALUE;
	/* With that attribute the other is an index of another namespace. */
	if (!tb[IFLA_LINK_NETNSID] && !take_u32(tb[IFLA_LINK], &out->lower))
		return RTNL_BAD_ATTR;
	out->flags = info->ifi_flags;
	if (tb[IFLA_ADDRESS] && mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) == sizeof(out->mac))
		memcpy(&out->mac, mnl_attr_get_payload(tb[IFLA_ADDRESS]), sizeof(out->mac));
	return RTNL_LINK;
}

static uint16_t
address_len(uint32_t family)
{
	return family == AF_INET ? 4 : 16;
}

static enum rtnl_verdict
parse_addr(const struct nlmsghdr *nlh, struct rtnl_addr *out)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFA_MAX + 1] = { 0 }, *ip;
	uint16_t len;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return RTNL_SHORT;
	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return RTNL_OTHER;
	len = address_len(info->ifa_family);
	if (!collect(mnl_nlmsg_get_payload_offset(nlh, sizeof(*info)),
		mnl_nlmsg_get_payload_len(nlh) - sizeof(*info), (struct attrs){ tb, IFA_MAX }))
		return RTNL_BAD_ATTR;
	/* On a point-to-point link IFA_ADDRESS is the other end. */
	ip = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!ip || mnl_attr_get_payload_len(ip) != len)
		return RTNL_BAD_ATTR;
	if (info->ifa_index == 0 || info->ifa_prefixlen > 8 * len)
		return RTNL_BAD_VALUE;
	out->ifindex = info->ifa_index;
	out->ip.family = info->ifa_family;
	out->prefix_len = info->ifa_prefixlen;
	memcpy(out->ip.b, mnl_attr_get_payload(ip), len);
	return nlh->nlmsg_type == RTM_NEWADDR ? RTNL_ADDR : RTNL_ADDR_GONE;
}

enum rtnl_verdict
rtnl_parse(const struct nlmsghdr *nlh, struct rtnl_msg *out)
{
	enum rtnl_verdict v = RTNL_OTHER;
	struct rtnl_msg m;

	memset(&m, 0, sizeof(m));
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		v = parse_link(nlh, &m.link);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		v = parse_addr(nlh, &m.addr);
		break;
	}
	if (v <= RTNL_ADDR_GONE)
		memcpy(out, &m, sizeof(m));
	return v;
}

/* --- building --- */

/*
 * The longest request is far from the end: names are at most 15 bytes and checked by the callers'
 * contract.
 */
#define ROOM sizeof(struct rtnl_request)

static struct nlmsghdr *
begin(struct rtnl_request *r, uint16_t type, uint16_t flags)
{
	return netlink_begin(r->b, sizeof(r->b), type, flags);
}

static struct nlmsghdr *
begin_link(struct rtnl_request *r, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct nlmsghdr *nlh = begin(r, type, flags);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifi_index = (int)ifindex;
	return nlh;
}

struct nlmsghdr *
rtnl_get_links(struct rtnl_request *r, uint32_t master)
{
	struct nlmsghdr *nlh = begin_link(r, RTM_GETLINK, NLM_F_DUMP, 0);

	mnl_attr_put_u32_check(nlh, ROOM, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (master)
		mnl_attr_put_u32_check(nlh, ROOM, IFLA_MASTER, master);
	return nlh;
}

struct nlmsghdr *
rtnl_get_addrs(struct rtnl_request *r)
{
	struct nlmsghdr *nlh = begin(r, RTM_GETADDR, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return nlh;
}

struct nlmsghdr *
rtnl_get_link(struct rtnl_request *r, const char *name)
{
	struct nlmsghdr *nlh = begin_link(r, RTM_GETLINK, 0, 0);

	mnl_attr_put_u32_check(nlh, ROOM, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	mnl_attr_put_strz_check(nlh, ROOM, IFLA_IFNAME, name);
	return nlh;
}

static void
set_up(struct nlmsghdr *nlh)
{
	struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);

	info->ifi_flags |= IFF_UP;
	info->ifi_change |= IFF_UP;
}

struct nlmsghdr *
rtnl_set_link(struct rtnl_request *r, const struct rtnl_change *c)
{
	struct nlmsghdr *nlh = begin_link(r, RTM_NEWLINK, 0, c->ifindex);

	if (c->up)
		set_up(nlh);
	if (c->mac)
		mnl_attr_put_check(nlh, ROOM, IFLA_ADDRESS, sizeof(*c->mac), c->mac);
	if (c->mtu)
		mnl_attr_put_u32_check(nlh, ROOM, IFLA_MTU, c->mtu);
	if (c->master)
		mnl_attr_put_u32_check(nlh, ROOM, IFLA_MASTER, *c->master);
	return nlh;
}

struct nlmsghdr *
rtnl_new_bridge(struct rtnl_request *r, const char *name)
{
	struct nlmsghdr *nlh = begin_link(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
	struct nlattr *info, *data;

	set_up(nlh);
	mnl_attr_put_strz_check(nlh, ROOM, IFLA_IFNAME, name);
	info = mnl_attr_nest_start_check(nlh, ROOM, IFLA_LINKINFO);
	mnl_attr_put_strz_check(nlh, ROOM, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start_check(nlh, ROOM, IFLA_INFO_DATA);
	mnl_attr_put_u32_check(nlh, ROOM, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u32_check(nlh, ROOM, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nlh;
}

struct nlmsghdr *
rtnl_del_link(struct rtnl_request *r, uint32_t ifindex)
{
	return begin_link(r, RTM_DELLINK, 0, ifindex);
}

static struct nlmsghdr *
build_addr(struct rtnl_request *r, uint16_t type, uint16_t flags, const struct rtnl_addr *a)
{
	struct nlmsghdr *nlh = begin(r, type, flags);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifa_family = (uint8_t)a->ip.family;
	info->ifa_prefixlen = a->prefix_len;
	info->ifa_index = a->ifindex;
	mnl_attr_put_check(nlh, ROOM, IFA_LOCAL, address_len(a->ip.family), a->ip.b);
	mnl_attr_put_check(nlh, ROOM, IFA_ADDRESS, address_len(a->ip.family), a->ip.b);
	return nlh;
}

struct nlmsghdr *
rtnl_new_addr(struct rtnl_request *r, const struct rtnl_addr *a)
{
	return build_addr(r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, a);
}

struct nlmsghdr *
rtnl_del_addr(struct rtnl_request *r, const struct rtnl_addr *a)
{
	return build_addr(r, RTM_DELADDR, 0, a);
}
