/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * rtnetlink messages for the kernel's path: its VXLAN devices, the route that pseudo-addresses take,
 * programs on devices. Pure; what is said of links in general is in base/rtnl.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct nlmsghdr;

#define PATHNL_GROUP 0x766e /* of the devices made here, which says whose they are */

struct pathnl_request {
	_Alignas(8) uint8_t b[512];
};

/*
 * Takes its addresses and labels from programs (external mode); down. The source port is the same,
 * or one for each flow.
 */
struct nlmsghdr *pathnl_new_vxlan(
    struct pathnl_request *r, const char *name, uint16_t port, bool same_sport);
/* Says nothing on its own: no ARP, no IPv6 address. */
struct nlmsghdr *pathnl_silence_ipv4(struct pathnl_request *r, uint32_t ifindex);
struct nlmsghdr *pathnl_silence_ipv6(struct pathnl_request *r, uint32_t ifindex);

struct pathnl_route {
	struct ipaddr dst;
	uint8_t prefix_len;
	uint32_t ifindex; /* 0: a black hole, which takes what no other route does */
};

/* -EEXIST if it is there. */
struct nlmsghdr *pathnl_new_route(struct pathnl_request *r, const struct pathnl_route *route);
struct nlmsghdr *pathnl_del_route(struct pathnl_request *r, const struct pathnl_route *route);
/* Asks which way packets from one address to another take, whosever route that is. */
struct nlmsghdr *pathnl_get_route(
    struct pathnl_request *r, const struct ipaddr *src, const struct ipaddr *dst);
/* Of the answer: the device they leave by; 0: none, or it is no such answer. */
uint32_t pathnl_route_device(const struct nlmsghdr *nlh);

/* Where programs are put; -EEXIST if there is such a place already. */
struct nlmsghdr *pathnl_new_clsact(struct pathnl_request *r, uint32_t ifindex);
struct nlmsghdr *pathnl_del_clsact(struct pathnl_request *r, uint32_t ifindex);
/* Takes the place of one of ours. */
struct nlmsghdr *pathnl_set_program(
    struct pathnl_request *r, uint32_t ifindex, bool out, int program, const char *name);
struct nlmsghdr *pathnl_del_program(struct pathnl_request *r, uint32_t ifindex, bool out);
/* A dump. */
struct nlmsghdr *pathnl_get_programs(struct pathnl_request *r, uint32_t ifindex, bool out);

/* Of a dump or an event about programs or where they are: the device, 0: about something else. */
uint32_t pathnl_program_device(const struct nlmsghdr *nlh, bool *gone);
