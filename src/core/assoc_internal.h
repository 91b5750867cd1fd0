/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between assoc.c and handshake.c only. */

#include "core/assoc.h"

/* What a finished handshake gives. Reserved inbound entries are moved into the pair. */
struct sa_offer {
	uint8_t n;
	struct sa_in *in; /* n of them, SPIs reserved, no cipher yet; consumed by pair_new on success */
};

/* Reserves n SPIs. 0 or -errno. */
int offer_make(struct assocs *as, struct sa_offer *o, uint8_t n);
void offer_drop(struct assocs *as, struct sa_offer *o);
void offer_payload(const struct assocs *as, const struct sa_offer *o, struct hs_payload *p);

/* Installs both directions from a session. Takes the offer over on success. NULL: out of memory or a peer's SPIs unusable. */
struct sa_pair *pair_new(struct assocs *as, struct assoc *a, struct sa_offer *o, const struct keys_session *m,
    struct monotime now);
void pair_free(struct assocs *as, struct sa_pair *p);
/* UNHEARD: sends the dummy packet that confirms it. */
void pair_send_dummy(struct assocs *as, struct sa_pair *p, struct monotime now);

/* Cookie keys and the table of attempts. 0 or -ENOMEM. */
int handshake_init(struct assocs *as);

/* handshake.c's part of assocs_tick for one association; returns when it is next due. */
struct monotime attempts_tick(struct assocs *as, struct assoc *a, struct monotime now);
void attempts_drop_all(struct assocs *as, struct assoc *a);
void jobs_drop(struct assocs *as, const struct group *g); /* NULL: all */
void jobs_expire(struct assocs *as, struct monotime now);
