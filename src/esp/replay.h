/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Anti-replay window with 64-bit extended sequence numbers (RFC 4303 section 3.4.3 and appendix A2;
 * bitmap blocks as in RFC 6479). Pure. Check before the ICV, mark after it.
 */

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW_DEFAULT 4096
#define REPLAY_WINDOW_MAX     4096
#define REPLAY_WORDS	      (REPLAY_WINDOW_MAX / 64 + 1)

struct replay {
	uint64_t top;	 /* highest sequence number seen, 0 at first */
	uint32_t window; /* packets */
	bool esn;
	uint64_t bits[REPLAY_WORDS];
};

enum replay_verdict { REPLAY_NEW, REPLAY_SEEN, REPLAY_OLD };

/* window: 64 to REPLAY_WINDOW_MAX, rounded up to a multiple of 64. */
void replay_init(struct replay *r, uint32_t window, bool esn);
/* As if every number up to top had been seen. */
void replay_start(struct replay *r, uint64_t top);
/*
 * The 64-bit number that the 32 bits on the wire stand for (appendix A2.2); without ESN, low
 * itself.
 */
uint64_t replay_seq(const struct replay *r, uint32_t low);
enum replay_verdict replay_check(const struct replay *r, uint64_t seq);
/*
 * Only for a number that replay_check() called new and whose ICV is good. True if it is the newest
 * so far.
 */
bool replay_mark(struct replay *r, uint64_t seq);
