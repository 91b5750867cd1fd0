/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * XFRM's netlink messages: building SAs and policies, parsing what the kernel says of them. Pure;
 * sent and received by base/netlink.h. Requests may hold keys: their owner wipes them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/kernelcli.h"
#include "esp/suite.h"

struct nlmsghdr;

struct xfrmnl_request {
	_Alignas(8) uint8_t b[2048];
};

/* Groups of events, for netlink_new(). */
#define XFRMNL_EVENTS 0x8f /* acquire, expire, SAs, policies, mapping */

enum xfrmnl_mode { XFRMNL_TRANSPORT, XFRMNL_BEET };

struct xfrmnl_sa {
	struct ipaddr src, dst;
	uint32_t spi, reqid;
	enum xfrmnl_mode mode;
	const struct suite *suite;
	const uint8_t *keymat; /* as cipher_new() */
	/* What it takes: UDP from and to port, between these addresses; none: any. */
	struct ipaddr inner_src, inner_dst;
	uint16_t port;
	uint16_t sport, dport; /* ESP in UDP; 0: protocol 50 */
	bool esn;
	uint32_t window;
	uint64_t seq_in, seq_out; /* the last numbers */
	struct kernel_limits limits;
	uint32_t mark; /* what it has opened carries it; 0: none */
};

/* How one is named. */
struct xfrmnl_id {
	struct ipaddr dst;
	uint32_t spi;
};

struct nlmsghdr *xfrmnl_new_sa(struct xfrmnl_request *r, const struct xfrmnl_sa *sa);
/* Changes the limits of one that is there; of its other properties only the lengths matter. */
struct nlmsghdr *xfrmnl_limit_sa(struct xfrmnl_request *r, const struct xfrmnl_sa *sa);
struct nlmsghdr *xfrmnl_del_sa(struct xfrmnl_request *r, const struct xfrmnl_id *id);
struct nlmsghdr *xfrmnl_get_sa(struct xfrmnl_request *r, const struct xfrmnl_id *id);
/* Dumps. */
struct nlmsghdr *xfrmnl_get_sas(struct xfrmnl_request *r);

/*
 * UDP to port (out: also from it), between these addresses: by an ESP SA between the outer ones.
 */
struct xfrmnl_policy {
	bool out;
	uint32_t family;
	struct ipaddr src, dst; /* of the packet; none: any */
	uint16_t port;
	uint32_t reqid; /* 0: any SA */
	enum xfrmnl_mode mode;
	struct ipaddr outer_src, outer_dst;
};

/* Makes it, or puts it in the place of one with the same selector. */
struct nlmsghdr *xfrmnl_set_policy(struct xfrmnl_request *r, const struct xfrmnl_policy *p);
struct nlmsghdr *xfrmnl_del_policy(struct xfrmnl_request *r, const struct xfrmnl_policy *p);
struct nlmsghdr *xfrmnl_get_policies(struct xfrmnl_request *r);

/* A policy of a dump. */
struct nlmsghdr *xfrmnl_del_policy_index(struct xfrmnl_request *r, uint32_t index, bool out);

enum xfrmnl_verdict {
	XFRMNL_SA,	    /* sa is set */
	XFRMNL_SA_GONE,	    /* sa.id; and what else of sa it says, its last numbers */
	XFRMNL_EXPIRED,	    /* sa, hard */
	XFRMNL_POLICY,	    /* policy: it exists, was made or changed */
	XFRMNL_POLICY_GONE, /* policy, without its reqid */
	XFRMNL_SAS_FLUSHED,
	XFRMNL_POLICIES_FLUSHED,
	XFRMNL_ACQUIRE, /* policy */
	XFRMNL_MAPPING, /* sa.id, sa.reqid, port */
	XFRMNL_OTHER,
	XFRMNL_SHORT,	 /* a fixed part is not all there */
	XFRMNL_BAD_ATTR, /* an attribute has a wrong length */
};

struct xfrmnl_msg {
	struct {
		struct xfrmnl_id id;
		uint32_t reqid;
		uint32_t mark; /* of what it has opened, 0 without one */
		uint64_t packets, bytes;
		uint64_t seq_in, seq_out;
		uint64_t replayed, forged;
	} sa;
	struct {
		uint32_t index;
		bool out;
		uint32_t reqid; /* of its first template, 0 without one */
		uint16_t port;	/* to which it leads, 0: any */
	} policy;
	bool hard;
	uint16_t port;
};

/* What the verdict names is set, the rest is zero. Keys are not looked at. */
enum xfrmnl_verdict xfrmnl_parse(const struct nlmsghdr *nlh, struct xfrmnl_msg *out);
