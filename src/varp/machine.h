/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What can happen to a claim: the steps of which the data path, messages, time and people's orders
 * are made. Internal to src/varp.
 */

#include "varp/claims.h"
#include "varp/outbox.h"
#include "varp/varp.h"

struct varp {
	struct claims claims;
	struct wheel timers; /* of claims */
	struct outbox outbox;
	struct monotime now; /* of the latest call */
	uint64_t own_host;
	struct varp_config cfg;
	struct varp_ops ops;
	void *arg;
	uint64_t counters[VARP_COUNTER_COUNT];
};

static inline struct claim_key
claim_key(uint32_t vnet, const struct macaddr *mac)
{
	return (struct claim_key){ .vnet = vnet, .mac = *mac };
}

void machine_send(struct varp *v, enum message_type type, const struct claim_key *key,
    uint64_t host, uint32_t counter);
/* Tells our claim to one host or to all members, until they acknowledge it. */
void machine_announce_to(struct varp *v, const struct claim *c, uint64_t host);
void machine_announce(struct varp *v, const struct claim *c);
/* Gives up a vif that nobody else claims. */
void machine_withdraw(struct varp *v, struct claim *c);
/*
 * Makes the MAC ours, above what is known of it, and announces it. c is what is there, or NULL.
 * Returns NULL if there is no room.
 */
struct claim *machine_own(struct varp *v, struct claim *c, const struct claim_key *key);
/* Makes a cache entry where nothing is known. */
void machine_learn(
    struct varp *v, const struct claim_key *key, uint64_t host, void *via, uint32_t counter);
/* Moves the MAC from us or another host to host; if there is no room for it, it is forgotten. */
void machine_take(struct varp *v, struct claim *c, uint64_t host, void *via, uint32_t counter);
/* Host, which has the MAC, was heard with it. */
void machine_refresh(struct varp *v, struct claim *c, void *via);
/* Sends REQUEST to the holder, once more. */
void machine_probe(struct varp *v, struct claim *c);
void machine_fail(struct varp *v, struct claim *c);
void machine_forget(struct varp *v, struct claim *c);
