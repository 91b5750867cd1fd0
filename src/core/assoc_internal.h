/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between assoc.c, handshake.c, admission.c, address.c and way.c only. */

#include "core/assoc.h"

/* What a finished handshake gives. Reserved inbound entries are moved into the pair. */
struct sa_offer {
	uint8_t n, n_soft;
	struct sa_in
	    *in; /* n of them, SPIs reserved, no cipher yet; consumed by pair_new on success */
};

/* Reserves as many SPIs as configured. 0 or -errno. */
int offer_make(struct assocs *as, struct sa_offer *o);
void offer_drop(struct assocs *as, struct sa_offer *o);
void offer_payload(const struct assocs *as, const struct sa_offer *o, struct hs_payload *p);

/*
 * Installs both directions from a session. Takes the offer over on success. NULL: out of memory, a
 * peer's SPIs unusable, or too many pairs.
 */
struct sa_pair *pair_new(struct assocs *as, struct assoc *a, struct sa_offer *o,
    const struct keys_session *m, struct monotime now);
/* It is gone at once, its memory when no worker uses it any more. */
void pair_free(struct assocs *as, struct sa_pair *p);
/* Confirmed: workers open packets of it. */
void pair_share(struct assocs *as, struct sa_pair *p);
void pair_unshare(struct assocs *as, struct sa_pair *p);
/* As way_seal(). */
size_t pair_seal(struct sa_pair *p, unsigned lane, struct packet **packets, size_t n,
    uint8_t next_header, struct monotime now);
/*
 * A dummy packet on p, to `to`: the initiator confirms with it, the responder lets itself be heard.
 */
void pair_send_dummy(
    struct assocs *as, struct sa_pair *p, const struct endpoint *to, struct monotime now);

/* Message 1s are numbered within a start, and starts grow: is this one later than that? */
static inline bool
attempt_later(uint64_t start, uint32_t attempt, uint64_t than_start, uint32_t than_attempt)
{
	return start > than_start || (start == than_start && attempt > than_attempt);
}

/* The next tick tries the last address again, and then ever more rarely. */
void assoc_retry(struct assoc *a, struct monotime now);

/* The table of attempts. 0 or -ENOMEM. */
int handshake_init(struct assocs *as);
/* handshake.c's part of assocs_tick for one association; returns when it is next due. */
struct monotime attempts_tick(struct assocs *as, struct assoc *a, struct monotime now);
void attempts_drop_all(struct assocs *as, struct assoc *a);
void jobs_drop_all(struct assocs *as);
void jobs_expire(struct assocs *as, struct monotime now);

enum admission {
	ADMISSION_OK,
	ADMISSION_COOKIE, /* over budget: answer with a cookie */
	ADMISSION_DROP,	  /* over budget although the address is proven */
	ADMISSION_BUSY	  /* the keys process has enough to do */
};

/* 0 or -ENOMEM. */
int admission_init(struct assocs *as);
void admission_fini(struct assocs *as);
/* What to do with a well-formed message 1 that claims to come from there. */
enum admission admission_decide(struct assocs *as, const struct endpoint *from,
    const uint8_t cookie[static HS_COOKIE_LEN], struct monotime now);
void cookie_make(
    const struct siphash_key *key, const struct endpoint *ep, uint8_t out[static HS_COOKIE_LEN]);

/*
 * An endpoint that associations use or used last, and what may still be spent on packets that claim
 * to come from there.
 */
struct known {
	struct table_node node;
	struct endpoint ep;
	unsigned refs;
	struct bucket message1[2]; /* without and with a valid cookie */
	struct bucket unknown_spi;
};

/* 0 or -ENOMEM. */
int known_init(struct assocs *as);
struct known *known_find(const struct assocs *as, const struct endpoint *ep);
void known_put(struct assocs *as, struct known *k);
/* Packets go there from now on; a probe under way is forgotten. True if that is a change. */
bool address_set(struct assocs *as, struct assoc *a, const struct endpoint *ep);
/*
 * A newer packet came from there: if that is somewhere else, ask there, and move only when the echo
 * returns (DESIGN.md section 5).
 */
void address_heard(
    struct assocs *as, struct assoc *a, const struct endpoint *from, struct monotime now);
