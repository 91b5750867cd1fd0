/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sequence numbers of SAs whose keys never change: whatever happens, none may be sent twice or
 * taken twice, so a number is used only after the disk says that it may have been. After a crash it
 * goes on behind all of these. Pure; time is a parameter.
 *
 * Sent numbers are reserved far ahead: those that a crash loses cost nothing. A number received and
 * lost costs a packet, as the other end goes on where it was; so no more is reserved than it sends
 * in some seconds.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/monotime.h"

#define RESERVE_SENT	 (UINT64_C(1) << 20) /* a block; one to two are reserved ahead */
#define RESERVE_BUSY	 (UINT64_C(1) << 17) /* received: at most so many ahead, */
#define RESERVE_QUIET	 256		     /* and at least; stored when half are used up */
#define RESERVE_AHEAD_MS 4000		     /* what comes in this time at the present rate, */
#define RESERVE_QUIET_MS 10000		     /* which is looked at anew this often */
#define RESERVE_AGAIN_MS 1000		     /* what could not be stored is tried again */

struct reserve {
	uint64_t limit;	 /* what the disk says: the last number that may be used */
	uint64_t wanted; /* what it should say; equal to limit unless that is on its way */
	uint64_t end;	 /* the last number there is */
	/* received only */
	uint64_t ahead;
	uint64_t top; /* at the beginning of the period */
	struct monotime since;
	/* after a failure */
	struct monotime again;
};

/* stored: what the disk says; used: the highest number that has been used, at most stored. */
void reserve_init(struct reserve *r, uint64_t stored, uint64_t used, bool esn);
/* No number above may be used now. */
uint64_t reserve_last(const struct reserve *r);
/*
 * used: the highest number so far. True if r->wanted has become another, which is to be stored now.
 * Never while something is on its way. Received ones may be above the limit: a kernel does not ask.
 */
bool reserve_sent(struct reserve *r, uint64_t used, struct monotime now);
bool reserve_received(struct reserve *r, uint64_t used, struct monotime now);
/* Cheap: would reserve_received() want something? For a caller who does not know the time. */
bool reserve_due(const struct reserve *r, uint64_t used);
/* r->wanted is on disk, or it could not be stored. */
void reserve_stored(struct reserve *r, bool well, struct monotime now);
