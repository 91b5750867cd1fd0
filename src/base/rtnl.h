/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * rtnetlink messages about links and addresses: parsing what the kernel says, building what we ask.
 * Pure; sent and received by netlink.h. Every length is checked before a value is used.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "addr.h"
#include "ether.h"
#include "vnetid.h"

struct nlmsghdr;

#define RTNL_KIND_SIZE 16

struct rtnl_link {
	uint32_t ifindex;
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	uint32_t master; /* ifindex, or 0 */
	uint32_t group;	 /* 0 unless somebody has put it into one */
	uint32_t lower;	 /* ifindex of the device of this namespace that it stands on, or 0 */
	char name[VNET_IFNAME_SIZE];
	char kind[RTNL_KIND_SIZE]; /* "bridge", "tun"; "" for hardware */
	struct macaddr mac;	   /* zero if it has none of 6 bytes */
	struct {		   /* zero unless the kind is "tun" */
		bool owned;	   /* has an owner */
		uid_t owner;
		uint8_t type; /* IFF_TAP or IFF_TUN */
		bool persist, vnet_hdr, multi_queue;
	} tun;
};

struct rtnl_addr {
	uint32_t ifindex;
	struct ipaddr ip;
	uint8_t prefix_len;
};

enum rtnl_verdict {
	RTNL_LINK,	/* link is set */
	RTNL_LINK_GONE, /* link.ifindex is set */
	RTNL_ADDR,	/* addr is set */
	RTNL_ADDR_GONE, /* addr is set */
	RTNL_OTHER, /* another type, a family that is not ours, or news of a part of a link only */
	RTNL_SHORT, /* the fixed header is not all there */
	RTNL_BAD_ATTR,	/* an attribute has a wrong length */
	RTNL_BAD_VALUE, /* no index or name, or a prefix longer than the address */
};

struct rtnl_msg {
	struct rtnl_link link;
	struct rtnl_addr addr;
};

/* What the verdict names is set, the rest is zero. */
enum rtnl_verdict rtnl_parse(const struct nlmsghdr *nlh, struct rtnl_msg *out);

/* --- requests: each fills r and returns the message in it --- */

struct rtnl_request {
	_Alignas(8) uint8_t b[256];
};

/* Dumps. master: only ports of that one (where the kernel can filter), 0: all. */
struct nlmsghdr *rtnl_get_links(struct rtnl_request *r, uint32_t master);
struct nlmsghdr *rtnl_get_addrs(struct rtnl_request *r);
struct nlmsghdr *rtnl_get_link(struct rtnl_request *r, const char *name);

/* What is not to change: NULL, 0, false. */
struct rtnl_change {
	uint32_t ifindex;
	const struct macaddr *mac;
	uint32_t mtu;
	bool up;
	const uint32_t *master; /* 0: out of its bridge */
};

struct nlmsghdr *rtnl_set_link(struct rtnl_request *r, const struct rtnl_change *c);
/* Up, without STP or forward delay. */
struct nlmsghdr *rtnl_new_bridge(struct rtnl_request *r, const char *name);
struct nlmsghdr *rtnl_del_link(struct rtnl_request *r, uint32_t ifindex);
struct nlmsghdr *rtnl_new_addr(struct rtnl_request *r, const struct rtnl_addr *a);
struct nlmsghdr *rtnl_del_addr(struct rtnl_request *r, const struct rtnl_addr *a);
