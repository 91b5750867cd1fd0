/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The table of VARP: one claim for each MAC of a vnet that is known, whether it is ours (a vif) or
 * another host's (a cache entry), so that a MAC is never both and one look-up tells. Keeps the
 * limits. Says nothing about when claims change. Internal to src/varp.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/ether.h"
#include "base/monotime.h"
#include "base/table.h"
#include "varp/varp.h"
#include "varp/wheel.h"

#define CLAIM_OURS 0 /* in place of a host id */

struct claim_key {
	uint32_t vnet;
	struct macaddr mac;
	uint16_t zero; /* no padding: keys are hashed as bytes */
};

struct claim {
	struct table_node node;
	struct claim_key key;
	uint32_t counter;
	uint64_t host; /* CLAIM_OURS: a vif */
	void *via;
	struct monotime seen; /* last refreshed */
	enum varp_state state;
	bool by_hand;
	bool named;	  /* as one that moves too often */
	uint8_t probes;	  /* sent without an answer */
	uint8_t reclaims; /* since claimed */

	struct monotime asked;	 /* last REQUEST because of a frame from elsewhere */
	struct monotime claimed; /* vif: since a frame or a person said so */
	struct monotime busy;	 /* leaky bucket of moves: when it will be empty */
	struct monotime held;	 /* until then we do not claim it */
	struct wheel_timer timer;
	struct group *group;
	LIST_ENTRY(claim) link;
};

struct claims {
	struct table table;
	struct table groups; /* by (vnet, host) */
	struct table shares; /* by host */
	size_t n_vifs;
};

int claims_init(struct claims *cs);
/* Frees the claims too. */
void claims_fini(struct claims *cs);
struct claim *claims_find(const struct claims *cs, const struct claim_key *key);
/*
 * A new claim of host, zero but for key and host. NULL if the table or the host's share is full, or
 * memory is short.
 */
struct claim *claims_add(struct claims *cs, const struct claim_key *key, uint64_t host);
/* Hands c to another host. False, and nothing changed, if there is no room for it. */
bool claims_give(struct claims *cs, struct claim *c, uint64_t host);
/* Takes c out and frees it; its timer must not be set. */
void claims_remove(struct claims *cs, struct claim *c);
/* First claim of host in vnet; go on with LIST_NEXT(c, link). */
struct claim *claims_first(const struct claims *cs, uint32_t vnet, uint64_t host);
