/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The wire between engine and priv: typed requests with fixed bodies, each answered once under its
 * sequence number. The checks here are all that a request can say; whether the device is ours is
 * for priv to ask the kernel. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ether.h"
#include "base/ipc.h"
#include "base/vnetid.h"
#include "core/kernelcli.h"
#include "core/options.h"

#define PRIV_MTU_MIN  68
#define PRIV_MTU_MAX  65521 /* a TAP's: 65535 less the Ethernet header */
#define PRIV_TEXT_MAX 256
#define PRIV_SPIS_MAX 256

struct priv_none {
	uint8_t nothing[0];
};

struct priv_tap_open {
	char ifname[VNET_IFNAME_SIZE];
	uint32_t mtu;
	struct macaddr mac;
};

struct priv_name {
	char ifname[VNET_IFNAME_SIZE];
};

struct priv_mtu {
	char ifname[VNET_IFNAME_SIZE];
	uint32_t mtu;
};

struct priv_port {
	char port[VNET_IFNAME_SIZE];
	char bridge[VNET_IFNAME_SIZE]; /* "": out of its bridge */
};

struct priv_addr {
	char ifname[VNET_IFNAME_SIZE];
	struct ipaddr ip;
	uint32_t prefix_len;
};

struct priv_socket {
	uint32_t what; /* enum priv_keep, a socket */
	uint32_t port;
};

struct priv_kept {
	uint32_t what;		       /* enum priv_keep */
	char ifname[VNET_IFNAME_SIZE]; /* of a TAP, else "" */
};

/* What the engine's further workers read, and send through. */
struct priv_lane {
	uint32_t what;		       /* enum priv_keep */
	uint32_t lane;		       /* 1 to LANES_MAX - 1 */
	char ifname[VNET_IFNAME_SIZE]; /* of a TAP, else "" */
};

struct priv_blob {
	uint64_t number; /* the engine's, echoed */
	uint64_t len;
};

struct priv_kernel_start {
	uint32_t secured; /* 0 or 1 */
};

struct priv_kernel_number {
	uint32_t peer;
};

struct priv_kernel_sa {
	uint32_t peer;
	uint32_t direction; /* enum kernel_direction */
	uint32_t spi;
};

struct priv_kernel_limit {
	struct priv_kernel_sa sa;
	struct kernel_limits limits;
};

struct priv_kernel_member {
	uint32_t peer;
	uint32_t vni;
};

struct priv_kernel_flow {
	char ifname[VNET_IFNAME_SIZE];
	struct macaddr mac;
};

struct priv_kernel_probe {
	uint32_t peer;
	uint64_t nonce;
};

struct priv_family {
	uint32_t family; /* AF_INET, AF_INET6 */
};

struct priv_spis {
	uint32_t n;
	uint32_t spis[PRIV_SPIS_MAX]; /* n of them */
};

/*
 * A file of priv that the engine maps: what outlives every process but not the machine. One of an
 * earlier boot is made anew.
 */
#define PRIV_NUMBERS_MAX 256
struct priv_numbers {
	char boot[48]; /* the kernel's boot_id */
	struct priv_number {
		uint32_t spi_in, spi_out; /* 0: free */
		uint64_t received;	  /* the highest number taken in software */
		uint64_t kernel;	  /* the same in the kernel, which priv writes */
		uint64_t lent;		  /* 1: the kernel has the SA, and may have taken more */
	} sas[PRIV_NUMBERS_MAX];
};

/* enum suffix, body, comes with a descriptor */
#define PRIV_REQUESTS(X)                                          \
	X(TAP_OPEN, struct priv_tap_open, false)                  \
	X(TAP_DELETE, struct priv_name, false)                    \
	X(LINK_SET_MTU, struct priv_mtu, false)                   \
	X(BRIDGE_ADD, struct priv_name, false)                    \
	X(BRIDGE_DELETE, struct priv_name, false)                 \
	X(BRIDGE_PORT, struct priv_port, false)                   \
	X(ADDR_ADD, struct priv_addr, false)                      \
	X(ADDR_DELETE, struct priv_addr, false)                   \
	X(SOCKET, struct priv_socket, false)                      \
	X(KEEP_FD, struct priv_kept, true)                        \
	X(CONFIG_LOAD, struct priv_none, false)                   \
	X(STATE_LOAD, struct priv_none, false)                    \
	X(STATE_STORE, struct priv_blob, true)                    \
	X(MEMO_LOAD, struct priv_none, false)                     \
	X(MEMO_STORE, struct priv_blob, true)                     \
	X(KERNEL_FIND, struct priv_none, false)                   \
	X(KERNEL_START, struct priv_kernel_start, false)          \
	X(KERNEL_STOP, struct priv_none, false)                   \
	X(KERNEL_VNET_ADD, struct priv_name, false)               \
	X(KERNEL_VNET_DELETE, struct priv_name, false)            \
	X(KERNEL_PEER_ADD, struct kernel_peer, false)             \
	X(KERNEL_PEER_DELETE, struct priv_kernel_number, false)   \
	X(KERNEL_SA_ADD, struct kernel_sa, false)                 \
	X(KERNEL_SA_DELETE, struct priv_kernel_sa, false)         \
	X(KERNEL_SA_COUNT, struct priv_kernel_sa, false)          \
	X(KERNEL_MEMBER_ADD, struct kernel_member, false)         \
	X(KERNEL_MEMBER_DELETE, struct priv_kernel_member, false) \
	X(KERNEL_FLOW_SET, struct kernel_flow, false)             \
	X(KERNEL_FLOW_DELETE, struct priv_kernel_flow, false)     \
	X(KERNEL_PROBE, struct priv_kernel_probe, false)          \
	X(LANE_OPEN, struct priv_lane, false)                     \
	X(LANE_KEEP, struct priv_lane, true)                      \
	X(NUMBERS, struct priv_none, false)                       \
	X(ESP_SOCKET, struct priv_family, false)                  \
	X(ESP_KEEP, struct priv_family, true)                     \
	X(ESP_FILTER, struct priv_spis, false)                    \
	X(KERNEL_SA_LIMIT, struct priv_kernel_limit, false)       \
	X(KERNEL_PORT, struct priv_none, false)

enum priv_request {
	PRIV_ANSWER, /* the other way: struct priv_answer, with the descriptor that was asked for */
#define X(suffix, body, with_fd) PRIV_##suffix,
	PRIV_REQUESTS(X)
#undef X
	    PRIV_REQUEST_END
};

/* What else priv says: the first two instead of PRIV_ANSWER, the third on its own. */
enum priv_tale {
	PRIV_KERNEL_FOUND = PRIV_REQUEST_END, /* struct priv_found */
	PRIV_KERNEL_COUNTED,		      /* struct kernel_count */
	PRIV_KERNEL_EVENT		      /* struct kernel_event */
};

struct priv_found {
	struct kernel_finding found[KERNEL_ABILITIES];
};

struct priv_answer {
	int32_t error; /* 0 or -errno */
	uint32_t ifindex;
	uint64_t number;	  /* of the blob */
	uint32_t flag;		  /* TAP adopted, bridge made */
	char text[PRIV_TEXT_MAX]; /* what failed, in words; "" when nothing did */
};

/*
 * NULL if m is a request that may be made: type, exact length, descriptor, ranges, names. Else what
 * is wrong with it.
 */
const char *privmsg_error(const struct ipc_msg *m);

/* Puts a failure into an answer, in words; returns error. */
int privmsg_refuse(struct priv_answer *a, int error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the reason: err, and the kernel's own words ("" without any). */
int privmsg_failed(struct priv_answer *a, int err, const char *words, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
