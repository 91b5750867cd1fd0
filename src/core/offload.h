/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel carries instead of the engine (DESIGN.md section 9). offload.c finds out what the
 * kernel can do, switches it on and off, and keeps the requests to priv; path.c decides for each
 * association how frames get to the other host; flows.c hands over single destinations. Nothing
 * here waits, and nothing depends on it: what fails goes on in software. Time comes in as `now`,
 * messages go out through the setup, so that tests run it in virtual time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ether.h"
#include "base/monotime.h"
#include "core/assoc.h"
#include "core/kernelcli.h"
#include "core/vnet.h"
#include "varp/message.h"

struct offload;
struct privcli;
struct varp;

struct offload_setup {
	struct privcli *priv;
	struct assocs *assocs;
	struct vnets *vnets;
	struct varp *varp;
	enum offload_mode mode; /* of the daemon */
	uint16_t port;		/* the engine's */
	/* Says m to the other end of a, which is up. */
	void (*send)(void *arg, struct assoc *a, const struct message *m);
	/* offload_tick() has something to do. */
	void (*kick)(void *arg);
	/* kernelport_open() */
	bool (*open_port)(void *arg);
	void *arg;
};

struct offload *offload_new(const struct offload_setup *s); /* NULL: out of memory */
void offload_free(struct offload *o);

/* Begins: asks what the kernel can do, and uses it if the mode is not off. */
void offload_start(struct offload *o);
/* priv was restarted, and has forgotten all. */
void offload_restart(struct offload *o);
/* At run time; off: all frames go in software before this returns. */
void offload_set_mode(struct offload *o, enum offload_mode mode);
/* Call when due; returns when next. */
struct monotime offload_tick(struct offload *o, struct monotime now);

/* --- what happens to associations, members, vnets and MACs --- */

void offload_assoc_down(struct offload *o, struct assoc *a);
void offload_assoc_gone(struct offload *o, struct assoc *a);
void offload_pair_retired(struct offload *o, struct sa_pair *p);
/* m is new, or its vnet's device. */
void offload_member_added(struct offload *o, struct member *m);
/* m is about to be removed, or has another label from now on. */
void offload_member_gone(struct offload *o, struct member *m);
/* v's device is about to be closed. */
void offload_device_gone(struct offload *o, struct vnet *v);
/* What fits on the way to a's host, or a setting of v, changed. */
void offload_mtu_changed(struct offload *o, const struct assoc *a);
void offload_vnet_changed(struct offload *o, struct vnet *v);
/* What VARP says of mac has changed: the kernel has nothing of it any more when this returns. */
void offload_moved(struct offload *o, uint32_t vni, const struct macaddr *mac);

/* --- the data path --- */

/* A frame of ours, from src behind our device, goes to dst at m: the next may go in the kernel. */
void offload_used(struct offload *o, struct member *m, const struct macaddr *src,
    const struct macaddr *dst, struct monotime now);

/* --- messages of the other end --- */

void offload_receive(
    struct offload *o, struct assoc *a, const struct message *m, struct monotime now);
/* A probe came in software. */
void offload_probed(struct offload *o, struct assoc *a, uint64_t nonce);
/* Whose manual SAs the kernel has under that number, or NULL. */
struct assoc *offload_manual_of(const struct offload *o, uint32_t number);
/* The engine's port was taken away. */
void offload_port_lost(struct offload *o);
/* An echo goes out: what was said is said again. */
void offload_repeat(struct offload *o, struct assoc *a);

/* --- for people --- */

enum offload_state { OFFLOAD_IDLE, OFFLOAD_FINDING, OFFLOAD_STARTING, OFFLOAD_RUNNING };

struct offload_info {
	enum offload_mode mode;
	enum offload_state state;
	const char *why; /* not running */
	size_t flows, sources;
	unsigned paths; /* associations whose unicast the kernel sends */
	bool secured;	/* of secured vnets too */
	bool found;	/* what the kernel can do is known: */
	const struct kernel_finding *findings;
};

struct offload_info offload_info(const struct offload *o);
/* "kernel esp", "kernel udp", "kernel udp to software", "kernel vxlan" or "software". */
const char *offload_path_name(const struct assoc *a);
/* Why not (all of it) in the kernel; "" if there is nothing to say. */
const char *offload_path_why(const struct assoc *a);
/* NULL if vnets of that suite can be offloaded; else why not, for people. */
const char *offload_refusal(const struct offload *o, const struct suite *s);
const char *offload_ability_name(unsigned ability);

/* A flow of the kernel: of a MAC in a vnet. */
struct offload_count {
	uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
};
/* False: the kernel has none. */
bool offload_flow(
    const struct offload *o, uint32_t vni, const struct macaddr *mac, struct offload_count *out);
