/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/pathnl.h"

#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "base/netlink.h"

#define MTU	      65485 /* the largest that a VXLAN device takes: it is not for it to refuse */
#define PROTOCOL      118   /* whose routes these are; "v" */
#define LAST_METRIC   UINT32_MAX
#define FILTER_HANDLE 1
#define FILTER_PRIO   0x7600

/* The longest request is far from the end: names are ours. */
#define ROOM sizeof(struct pathnl_request)

static struct nlmsghdr *
begin(struct pathnl_request *r, uint16_t type, uint16_t flags)
{
	return netlink_begin(r->b, sizeof(r->b), type, flags);
}

/* --- devices --- */

static struct nlmsghdr *
begin_link(struct pathnl_request *r, uint16_t flags, uint32_t ifindex)
{
	struct nlmsghdr *nlh = begin(r, RTM_NEWLINK, flags);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifi_index = (int)ifindex;
	return nlh;
}

struct nlmsghdr *
pathnl_new_vxlan(struct pathnl_request *r, const char *name, uint16_t port, bool same_sport)
{
	struct nlmsghdr *nlh = begin_link(r, NLM_F_CREATE | NLM_F_EXCL, 0);
	const struct ifla_vxlan_port_range sports = { htons(port), htons((uint16_t)(port + 1)) };
	struct nlattr *info, *data;

	mnl_attr_put_strz_check(nlh, ROOM, IFLA_IFNAME, name);
	mnl_attr_put_u32_check(nlh, ROOM, IFLA_MTU, MTU);
	mnl_attr_put_u32_check(nlh, ROOM, IFLA_GROUP, PATHNL_GROUP);
	info = mnl_attr_nest_start_check(nlh, ROOM, IFLA_LINKINFO);
	mnl_attr_put_strz_check(nlh, ROOM, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start_check(nlh, ROOM, IFLA_INFO_DATA);
	mnl_attr_put_u8_check(nlh, ROOM, IFLA_VXLAN_COLLECT_METADATA, 1);
	mnl_attr_put_u8_check(nlh, ROOM, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u16_check(nlh, ROOM, IFLA_VXLAN_PORT, htons(port));
	mnl_attr_put_u8_check(nlh, ROOM, IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1);
	mnl_attr_put_u8_check(nlh, ROOM, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
	if (same_sport)
		mnl_attr_put_check(nlh, ROOM, IFLA_VXLAN_PORT_RANGE, sizeof(sports), &sports);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nlh;
}

struct nlmsghdr *
pathnl_silence_ipv4(struct pathnl_request *r, uint32_t ifindex)
{
	struct nlmsghdr *nlh = begin_link(r, 0, ifindex);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);

	info->ifi_flags = info->ifi_change = IFF_NOARP;
	return nlh;
}

struct nlmsghdr *
pathnl_silence_ipv6(struct pathnl_request *r, uint32_t ifindex)
{
	struct nlmsghdr *nlh = begin_link(r, 0, ifindex);
	struct nlattr *spec = mnl_attr_nest_start_check(nlh, ROOM, IFLA_AF_SPEC),
		      *inet6 = mnl_attr_nest_start_check(nlh, ROOM, AF_INET6);

	mnl_attr_put_u8_check(nlh, ROOM, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	return nlh;
}

/* --- routes --- */

static struct nlmsghdr *
build_route(
    struct pathnl_request *r, uint16_t type, uint16_t flags, const struct pathnl_route *route)
{
	struct nlmsghdr *nlh = begin(r, type, flags);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	bool v4 = route->dst.family == AF_INET;

	rt->rtm_family = (uint8_t)route->dst.family;
	rt->rtm_dst_len = route->prefix_len;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = PROTOCOL;
	rt->rtm_type = route->ifindex ? RTN_UNICAST : RTN_BLACKHOLE;
	rt->rtm_scope = v4 && route->ifindex ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	mnl_attr_put_check(nlh, ROOM, RTA_DST, v4 ? 4 : 16, route->dst.b);
	if (route->ifindex)
		mnl_attr_put_u32_check(nlh, ROOM, RTA_OIF, route->ifindex);
	else
		mnl_attr_put_u32_check(nlh, ROOM, RTA_PRIORITY, LAST_METRIC);
	return nlh;
}

struct nlmsghdr *
pathnl_new_route(struct pathnl_request *r, const struct pathnl_route *route)
{
	return build_route(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
}

struct nlmsghdr *
pathnl_del_route(struct pathnl_request *r, const struct pathnl_route *route)
{
	return build_route(r, RTM_DELROUTE, 0, route);
}

struct nlmsghdr *
pathnl_get_route(struct pathnl_request *r, const struct ipaddr *src, const struct ipaddr *dst)
{
	struct nlmsghdr *nlh = begin(r, RTM_GETROUTE, 0);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	size_t len = dst->family == AF_INET ? 4 : 16;

	rt->rtm_family = (uint8_t)dst->family;
	rt->rtm_src_len = rt->rtm_dst_len = (uint8_t)(8 * len);
	mnl_attr_put_check(nlh, ROOM, RTA_SRC, len, src->b);
	mnl_attr_put_check(nlh, ROOM, RTA_DST, len, dst->b);
	return nlh;
}

static int
take_device(const struct nlattr *attr, void *arg)
{
	uint32_t *ifindex = arg;

	if (mnl_attr_get_type(attr) == RTA_OIF &&
	    mnl_attr_get_payload_len(attr) == sizeof(*ifindex))
		*ifindex = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

uint32_t
pathnl_route_device(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	uint32_t ifindex = 0;

	if (nlh->nlmsg_type == RTM_NEWROUTE && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*rt) &&
	    rt->rtm_type == RTN_UNICAST)
		mnl_attr_parse(nlh, sizeof(*rt), take_device, &ifindex);
	return ifindex;
}

/* --- programs --- */

static struct nlmsghdr *
begin_tc(struct pathnl_request *r, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct nlmsghdr *nlh = begin(r, type, flags);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(nlh, sizeof(*tc));

	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = (int)ifindex;
	return nlh;
}

static struct nlmsghdr *
build_clsact(struct pathnl_request *r, uint16_t type, uint16_t flags, uint32_t ifindex)
{
	struct nlmsghdr *nlh = begin_tc(r, type, flags, ifindex);
	struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);

	tc->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	tc->tcm_parent = TC_H_CLSACT;
	mnl_attr_put_strz_check(nlh, ROOM, TCA_KIND, "clsact");
	return nlh;
}

struct nlmsghdr *
pathnl_new_clsact(struct pathnl_request *r, uint32_t ifindex)
{
	return build_clsact(r, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex);
}

struct nlmsghdr *
pathnl_del_clsact(struct pathnl_request *r, uint32_t ifindex)
{
	return build_clsact(r, RTM_DELQDISC, 0, ifindex);
}

static uint32_t
parent(bool out)
{
	return TC_H_MAKE(TC_H_CLSACT, out ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

static struct nlmsghdr *
begin_filter(struct pathnl_request *r, uint16_t type, uint16_t flags, uint32_t ifindex, bool out)
{
	struct nlmsghdr *nlh = begin_tc(r, type, flags, ifindex);
	struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);

	tc->tcm_parent = parent(out);
	tc->tcm_handle = FILTER_HANDLE;
	tc->tcm_info = TC_H_MAKE((uint32_t)FILTER_PRIO << 16, htons(ETH_P_ALL));
	return nlh;
}

struct nlmsghdr *
pathnl_set_program(
    struct pathnl_request *r, uint32_t ifindex, bool out, int program, const char *name)
{
	struct nlmsghdr *nlh = begin_filter(r, RTM_NEWTFILTER, NLM_F_CREATE, ifindex, out);
	struct nlattr *options;

	mnl_attr_put_strz_check(nlh, ROOM, TCA_KIND, "bpf");
	options = mnl_attr_nest_start_check(nlh, ROOM, TCA_OPTIONS);
	mnl_attr_put_u32_check(nlh, ROOM, TCA_BPF_FD, (uint32_t)program);
	mnl_attr_put_strz_check(nlh, ROOM, TCA_BPF_NAME, name);
	mnl_attr_put_u32_check(nlh, ROOM, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(nlh, options);
	return nlh;
}

struct nlmsghdr *
pathnl_del_program(struct pathnl_request *r, uint32_t ifindex, bool out)
{
	struct nlmsghdr *nlh = begin_filter(r, RTM_DELTFILTER, 0, ifindex, out);

	mnl_attr_put_strz_check(nlh, ROOM, TCA_KIND, "bpf");
	return nlh;
}

struct nlmsghdr *
pathnl_get_programs(struct pathnl_request *r, uint32_t ifindex, bool out)
{
	struct nlmsghdr *nlh = begin_tc(r, RTM_GETTFILTER, NLM_F_DUMP, ifindex);
	struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);

	tc->tcm_parent = parent(out);
	return nlh;
}

uint32_t
pathnl_program_device(const struct nlmsghdr *nlh, bool *gone)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(nlh);

	*gone = nlh->nlmsg_type == RTM_DELTFILTER || nlh->nlmsg_type == RTM_DELQDISC;
	if ((!*gone && nlh->nlmsg_type != RTM_NEWTFILTER) ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*tc) || tc->tcm_ifindex <= 0)
		return 0;
	/* Other places for traffic control than ours do not matter. */
	if ((tc->tcm_parent & TC_H_MAJ_MASK) != TC_H_MAJ(TC_H_CLSACT))
		return 0;
	return (uint32_t)tc->tcm_ifindex;
}
