/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esp/replay.h"

#include <stddef.h>
#include <string.h>

/*
 * The bitmap is a ring of words with one word more than the largest window, so that a word is
 * cleared whole when the window moves into it and no bit is ever shifted (RFC 6479).
 */
static size_t
word_of(uint64_t seq)
{
	return seq / 64 % REPLAY_WORDS;
}

static uint64_t
bit_of(uint64_t seq)
{
	return UINT64_C(1) << (seq % 64);
}

void
replay_init(struct replay *r, uint32_t window, bool esn)
{
	if (window < 64)
		window = 64;
	if (window > REPLAY_WINDOW_MAX)
		window = REPLAY_WINDOW_MAX;
	*r = (struct replay){ .window = (window + 63) / 64 * 64, .esn = esn };
}

void
replay_start(struct replay *r, uint64_t top)
{
	r->top = top;
	memset(r->bits, 0xff, sizeof(r->bits)); /* what lies ahead is cleared before it is used, */
	r->bits[word_of(top)] = bit_of(top) | (bit_of(top) - 1); /* but for this word */
}

uint64_t
replay_seq(const struct replay *r, uint32_t low)
{
	if (!r->esn)
		return low;
	/*
	 * Both cases of appendix A2.2 in one: the smallest number not left of the window that ends
	 * in these bits. Before the window has moved off zero there is no subspace below, and the
	 * high half can only be 0.
	 */
	uint64_t bottom = r->top < r->window ? 0 : r->top - r->window + 1;
	return bottom + (uint32_t)(low - (uint32_t)bottom);
}

enum replay_verdict
replay_check(const struct replay *r, uint64_t seq)
{
	if (seq == 0) /* never sent: the first packet is 1 */
		return REPLAY_OLD;
	if (seq > r->top)
		return REPLAY_NEW;
	if (r->top - seq >= r->window)
		return REPLAY_OLD;
	return r->bits[word_of(seq)] & bit_of(seq) ? REPLAY_SEEN : REPLAY_NEW;
}

bool
replay_mark(struct replay *r, uint64_t seq)
{
	bool newest = seq > r->top;

	if (newest) {
		uint64_t from = r->top / 64, n = seq / 64 - from;

		if (n >= REPLAY_WORDS)
			memset(r->bits, 0, sizeof(r->bits));
		else
			for (uint64_t i = 1; i <= n; i++)
				r->bits[(from + i) % REPLAY_WORDS] = 0;
		r->top = seq;
	}
	r->bits[word_of(seq)] |= bit_of(seq);
	return newest;
}
