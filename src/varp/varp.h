/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * VARP: which host holds which MAC of a vnet. Owns our own MACs (vifs: source addresses seen on our
 * devices, or added by hand), the cache of those of others, and the announcements that have not
 * been acknowledged. All time, sends and host names are passed in; the engine packs what is sent
 * into messages for the association of (vnet, host).
 *
 * Moves: every claim on a MAC carries a mobility counter, one above the highest its host knew; the
 * higher wins, between equal ones the higher host id. Who hears of a claim lower than what it knows
 * answers with the higher counter: the holder by ANNOUNCE, another in its ACK. A claimant that
 * hears of a higher claim within VARP_FRESH_MS of its own, from a host that has not acknowledged
 * its own, claims again above it (a few times); otherwise it gives the MAC up at once. Its next
 * frame claims it again above. Counters stop at 2^32 - 1.
 *
 * A MAC that moves more than VARP_MOVES_MAX times in VARP_MOVES_MS is damped: its frames make no
 * claim of ours for VARP_HOLD_MS. It is not cut off meanwhile: frames from the network are always
 * delivered.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ether.h"
#include "base/monotime.h"
#include "varp/message.h"

#define VARP_ENTRY_TTL_MS 60000
#define VARP_VIF_TTL_MS	  60000
#define VARP_PROBE_MS	  3000
#define VARP_PROBES	  5
/* Doubles up to 3200, then given up: the peer's next confirmation brings all. */
#define VARP_RESEND_MS	 200
#define VARP_ENTRIES_MAX 65536 /* cache, all vnets */
/* Cache entries that one host may fill; for what is beyond, frames are flooded. */
#define VARP_PER_HOST_MAX 16384
#define VARP_VIFS_MAX	  16384
#define VARP_PENDING_MAX  65536 /* announcements waiting for an acknowledgement */
#define VARP_FRESH_MS	  2000
#define VARP_RECLAIMS_MAX 2 /* for one frame's claim */
#define VARP_MOVES_MAX	  5
#define VARP_MOVES_MS	  10000
#define VARP_HOLD_MS	  5000

struct varp;

struct varp_ops {
	/*
	 * Send one item to host. The engine gathers the items of one round. May be called from
	 * within every function that changes v.
	 */
	void (*send)(void *arg, enum message_type type, uint32_t vnet, uint64_t host,
	    const struct message_item *item);
	/* Calls each(ctx, host) for all members of vnet: whom an announcement must reach. */
	void (*members)(
	    void *arg, uint32_t vnet, void (*each)(void *ctx, uint64_t host), void *ctx);
	/*
	 * What varp_lookup says of mac has changed: for offload and for logs. May call varp_lookup.
	 * May be NULL.
	 */
	void (*moved)(void *arg, uint32_t vnet, const struct macaddr *mac);
	/*
	 * When a frame from mac was last seen by others than those that call varp_local_frame() and
	 * varp_remote_frame(), not set: never. Asked when an entry has aged. May be NULL.
	 */
	struct monotime (*heard)(void *arg, uint32_t vnet, const struct macaddr *mac);
	/* mac moves too often: once until it has come to rest. For the log. May be NULL. */
	void (*damped)(void *arg, uint32_t vnet, const struct macaddr *mac);
};

struct varp_config {
	int64_t entry_ttl_ms; /* 0: defaults above */
	int64_t vif_ttl_ms;
};

/*
 * vnet: the local VNI, host: a host id, never 0, both opaque here; own_host decides ties. NULL if
 * memory is short.
 */
struct varp *varp_new(
    const struct varp_config *cfg, uint64_t own_host, const struct varp_ops *ops, void *arg);
void varp_free(struct varp *v);

/* --- data path --- */

enum varp_where { VARP_UNKNOWN, VARP_LOCAL, VARP_REMOTE };

struct varp_route {
	enum varp_where where;
	uint64_t host; /* VARP_REMOTE */
	void *via;     /* what was given with that host */
};

/*
 * A frame from mac left through our device: refreshes or makes the vif, and announces a new or
 * moved one. Group addresses are ignored.
 */
void varp_local_frame(
    struct varp *v, uint32_t vnet, const struct macaddr *mac, struct monotime now);
/*
 * A frame from mac came from host: refreshes its entry, makes one if there is none, or asks the
 * present holder if it is another host's or ours.
 */
void varp_remote_frame(struct varp *v, uint32_t vnet, uint64_t host, void *via,
    const struct macaddr *mac, struct monotime now);
/* The way to a unicast address. An entry being probed still counts. */
struct varp_route varp_lookup(const struct varp *v, uint32_t vnet, const struct macaddr *mac);

/*
 * --- messages; host is authenticated, vnet already mapped from the label and checked against the
 * association ---
 */

void varp_receive(struct varp *v, enum message_type type, uint32_t vnet, uint64_t host, void *via,
    const struct message_item *items, size_t n, struct monotime now);

/* --- life of vnets and members --- */

/*
 * A host became a member (or was confirmed anew): it is told all our vifs of the vnet. Before its
 * messages are handed in.
 */
void varp_member_up(struct varp *v, uint32_t vnet, uint64_t host, void *via, struct monotime now);
/* It is no member any more: its entries and pending announcements go. */
void varp_member_down(struct varp *v, uint32_t vnet, uint64_t host);
/* The vnet is deleted here: vifs, entries, pending announcements; nothing is sent. */
void varp_vnet_down(struct varp *v, uint32_t vnet);

/* --- by hand --- */

/*
 * A MAC that announces itself by nothing; does not age. 0, -EEXIST (already by hand), -ENOSPC,
 * -EINVAL (group or zero).
 */
int varp_vif_add(struct varp *v, uint32_t vnet, const struct macaddr *mac, struct monotime now);
/* Withdraws it. -ENOENT. */
int varp_vif_delete(struct varp *v, uint32_t vnet, const struct macaddr *mac);
/* Drops the cache (not the vifs); returns how many entries. */
size_t varp_flush(struct varp *v);

/* --- time --- */

/*
 * Ages, probes, resends. Call when due; returns when next (never later than 1 s ahead while
 * anything ages; not set: nothing to do).
 */
struct monotime varp_tick(struct varp *v, struct monotime now);

/* --- for people --- */

enum varp_state { VARP_REACHABLE, VARP_PROBING, VARP_FAILED };

struct varp_entry_info {
	uint32_t vnet;
	struct macaddr mac;
	uint64_t host;
	uint32_t counter;
	enum varp_state state;
	bool damped;
	int64_t age_ms; /* since last refreshed */
};

struct varp_vif_info {
	uint32_t vnet;
	struct macaddr mac;
	uint32_t counter;
	bool by_hand;
	bool damped;
	int64_t age_ms;
};

void varp_each_entry(const struct varp *v, struct monotime now,
    void (*fn)(void *ctx, const struct varp_entry_info *e), void *ctx);
void varp_each_vif(const struct varp *v, struct monotime now,
    void (*fn)(void *ctx, const struct varp_vif_info *e), void *ctx);

/* Counters, for vn stats: enum suffix, name, help. */
#define VARP_COUNTERS(X)                                                                        \
	X(LEARNED, "varp_learned", "cache entries made")                                        \
	X(MOVED, "varp_moved", "entries that changed host")                                     \
	X(LOST, "varp_vif_lost", "own MACs given up to another host's higher claim")            \
	X(RECLAIMED, "varp_reclaimed", "own claims repeated above another's counter")           \
	X(FULL, "varp_full", "addresses not learned because a table or a host's share is full") \
	X(DAMPED, "varp_damped", "claims held back because a MAC moves too often")              \
	X(RESENT, "varp_resent", "announcements sent again")                                    \
	X(GIVEN_UP, "varp_given_up", "announcements never acknowledged")

enum varp_counter {
#define X(suffix, name, help) VARP_C_##suffix,
	VARP_COUNTERS(X)
#undef X
	    VARP_COUNTER_COUNT
};

const uint64_t *varp_counters(const struct varp *v); /* VARP_COUNTER_COUNT of them */
