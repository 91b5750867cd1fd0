/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine's side of the kernel offload (DESIGN.md section 9): what it wants the kernel to carry,
 * asked of priv by few typed requests (privmsg.h is the wire). No call waits: each request is
 * answered once, in order, by ops->done() with its token. priv keeps what it was asked for, and
 * repairs what others remove of it; SAs cannot be repaired, since their sequence numbers are lost:
 * their loss is an event. Numbers of peers and slots are the caller's choice.
 *
 * A flow is carried by the kernel only while its slot, and that of its source address, have not
 * expired: a caller that hangs or dies leaves software behind, not stale state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ether.h"
#include "base/vnetid.h"
#include "esp/suite.h"

#define KERNEL_PEERS_MAX   4096	 /* numbers from 1 */
#define KERNEL_SLOTS_MAX   32768 /* numbers from 0 */
#define KERNEL_REASON_MAX  160
#define KERNEL_PORT_ESP	   1801 /* ESP in UDP that the kernel opens */
#define KERNEL_PORT_NONE   1802 /* VXLAN of level none; auth and conf: VNET_PORT_AUTH, _CONF */
#define KERNEL_PSEUDO4	   0xc6120000 /* 198.18.0.0/15 */
#define KERNEL_SEGMENT_MIN 512
#define KERNEL_PROBE_LEN   60
#define KERNEL_PROBE_TYPE  0x88b5 /* IEEE 802, for local use */

/* Suites come behind, as KERNEL_SUITE + enum suite_id. */
enum kernel_ability { KERNEL_VXLAN, KERNEL_BPF, KERNEL_NFT, KERNEL_TAP, KERNEL_SUITE };
#define KERNEL_ABILITIES (KERNEL_SUITE + SUITE_COUNT)

struct kernel_finding {
	bool able;
	char
	    reason[KERNEL_REASON_MAX]; /* in the kernel's own words where it has some; "" if able */
};

/* One other host in one association. */
struct kernel_peer {
	uint32_t number; /* 1 to KERNEL_PEERS_MAX; makes its pseudo-address, reqid and mark */
	uint32_t suite;	 /* SUITE_NONE: clear VXLAN to KERNEL_PORT_NONE */
	struct ipaddr local, remote;
	/*
	 * 1: it runs no vnetd. What the engine has to see of it, which is all from sources without
	 * a flow, comes out of the engine's port. Of what its flows send no segment is shorter
	 * than KERNEL_SEGMENT_MIN.
	 */
	uint32_t learn;
};

enum kernel_direction { KERNEL_IN, KERNEL_OUT };

/* When an SA expires, counted from when it was added; 0: never. */
struct kernel_limits {
	uint64_t soft,
	    hard; /* packets; a GSO packet may count as one, however many numbers it takes */
	uint64_t soft_bytes, hard_bytes;
};

struct kernel_sa {
	uint32_t peer;
	uint32_t direction; /* enum kernel_direction */
	uint32_t spi;
	uint32_t esn;	       /* 0 or 1 */
	uint32_t window;       /* KERNEL_IN: of replay, packets */
	uint16_t sport, dport; /* ESP in UDP from and to these ports; 0: IP protocol 50 */
	uint64_t seq;	       /* KERNEL_OUT: the last number used; KERNEL_IN: the window's edge */
	struct kernel_limits limits;
	uint8_t keymat[SUITE_KEYMAT_MAX]; /* as cipher_new() */
};

/* What comes over the peer's SA (none: from its address) with that VNI is for the device. */
struct kernel_member {
	uint32_t peer;
	uint32_t vni; /* ours */
	char ifname[VNET_IFNAME_SIZE];
};

struct kernel_flow {
	char ifname[VNET_IFNAME_SIZE];
	struct macaddr mac;
	uint32_t slot;
	uint32_t peer; /* 0: mac is one of our own, a source of flows */
	uint32_t vni;  /* the peer's label */
	uint32_t mtu;  /* inner IP; what is larger is for the engine */
};

/*
 * Shared with the kernel's programs: written by the caller, but for the counters. Of a flow to a
 * peer: packets to and from its address; of a source: from it.
 */
struct kernel_slot {
	uint64_t expires; /* CLOCK_MONOTONIC, ns, seen at a tick; 0: never used */
	uint64_t used;	  /* the same: last packet */
	uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
};

/* Frames that the kernel's programs dropped; behind the slots. */
struct kernel_drops {
	uint64_t clear;	 /* to a port of a VXLAN device, not of a peer */
	uint64_t vni;	 /* of a peer, with a VNI that is none of its vnets */
	uint64_t unsent; /* for a peer, but no policy led them to its SA */
};

enum kernel_event_type {
	KERNEL_PROBED,	    /* a probe came in: peer, value: its nonce, spi 0 */
	KERNEL_SA_SOFT,	    /* soft limit: time to rekey */
	KERNEL_SA_LOST,	    /* the SA is gone: hard limit, or somebody removed it */
	KERNEL_NO_SA,	    /* a frame waits for an outbound SA that is not there (acquire) */
	KERNEL_NAT_CHANGED, /* ESP in UDP of the peer comes from another port now (mapping) */
	KERNEL_BROKEN,	    /* something of ours was removed by others, and repaired meanwhile */
	KERNEL_DOWN	    /* the same, and it could not be repaired: all is taken down */
};

struct kernel_event {
	uint32_t type;
	uint32_t peer;
	uint32_t spi;
	uint32_t direction;
	uint64_t value;
	char text[KERNEL_REASON_MAX]; /* for the log: what happened, to what */
};

struct kernel_count {
	uint64_t packets, bytes;
	uint64_t seq;	  /* as in struct kernel_sa */
	uint64_t refused; /* inbound: replayed, or a wrong ICV */
};

struct kernelcli_ops {
	void (*found)(void *arg, const struct kernel_finding found[static KERNEL_ABILITIES]);
	/* error: 0 or -errno, then text says what failed. -EPIPE: priv is gone, all is to be asked again. */
	void (*done)(void *arg, uint32_t token, int error, const char *text);
	/* Instead of done() when kernelcli_sa_count() succeeds. */
	void (*counted)(void *arg, uint32_t token, const struct kernel_count *c);
	void (*event)(void *arg, const struct kernel_event *ev);
};

struct privcli;

/* Before any other call; ops->found etc. come from the event loop. */
void kernelcli_init(struct privcli *c, const struct kernelcli_ops *ops, void *arg);

/* All return 0, -EPIPE (priv is away), or -EAGAIN: too many are on their way. */

/* Tries throw-away objects: ops->found(). */
int kernelcli_find(struct privcli *c);
/*
 * Removes what an earlier run left; makes the shared devices, the barrier and the programs for the
 * levels that can be. Fails if one barrier of the two cannot be had, and secured is true.
 */
int kernelcli_start(struct privcli *c, uint32_t token, bool secured);
/* Removes everything. */
int kernelcli_stop(struct privcli *c, uint32_t token);
/* After a successful start; KERNEL_SLOTS_MAX of them, or NULL. */
struct kernel_slot *kernelcli_slots(struct privcli *c);
const struct kernel_drops *kernelcli_drops(struct privcli *c);

/* Programs on a TAP of ours. */
int kernelcli_vnet_add(struct privcli *c, uint32_t token, const char *ifname);
int kernelcli_vnet_delete(struct privcli *c, uint32_t token, const char *ifname);
int kernelcli_peer_add(struct privcli *c, uint32_t token, const struct kernel_peer *p);
/* With its SAs, members and flows. */
int kernelcli_peer_delete(struct privcli *c, uint32_t token, uint32_t number);
/* A second outbound SA takes over at once; the first stays until it is deleted. */
int kernelcli_sa_add(struct privcli *c, uint32_t token, const struct kernel_sa *sa);
int kernelcli_sa_delete(
    struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d, uint32_t spi);
int kernelcli_sa_count(
    struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d, uint32_t spi);
/* Other limits from now on. */
int kernelcli_sa_limit(struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d,
    uint32_t spi, const struct kernel_limits *limits);
int kernelcli_member_add(struct privcli *c, uint32_t token, const struct kernel_member *m);
int kernelcli_member_delete(struct privcli *c, uint32_t token, uint32_t peer, uint32_t vni);
/* Makes or changes. */
int kernelcli_flow_set(struct privcli *c, uint32_t token, const struct kernel_flow *f);
int kernelcli_flow_delete(
    struct privcli *c, uint32_t token, const char *ifname, const struct macaddr *mac);
/*
 * Sends a frame of VNI_PROBE with that nonce the kernel's way; it ends as an event of the peer. The
 * frame: KERNEL_PROBE_LEN bytes, behind the Ethernet header (addresses of no meaning, type
 * KERNEL_PROBE_TYPE) the nonce in network order, then zeros.
 */
int kernelcli_probe(struct privcli *c, uint32_t token, uint32_t peer, uint64_t nonce);
