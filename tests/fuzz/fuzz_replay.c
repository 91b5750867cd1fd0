/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The replay window against a list of all numbers ever marked. Input: window in words of 64, ESN, the first number to mark
 * (8 bytes, its high half only with ESN), then steps of two bytes: a signed distance from the newest number so far.
 */

#include <stdbool.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "esp/replay.h"
#include "fuzz.h"

#define STEPS 1024

enum { SAW_NEWEST, SAW_NEW, SAW_SEEN, SAW_OLD, SAW_NEXT_SUBSPACE, SAW_LAST_SUBSPACE };
const char *const fuzz_classes[] = { "newest", "new but not newest", "seen", "old",
	"into the next subspace", "from the last subspace", NULL };

struct model {
	uint64_t top, seen[STEPS + 1];
	size_t count;
};

static void
die_unless(bool ok)
{
	if (!ok)
		abort();
}

static enum replay_verdict
model_check(const struct model *m, uint32_t window, uint64_t seq)
{
	if (seq == 0 || (seq <= m->top && m->top - seq >= window))
		return REPLAY_OLD;
	for (size_t i = 0; i < m->count; i++)
		if (m->seen[i] == seq)
			return REPLAY_SEEN;
	return REPLAY_NEW;
}

static void
mark(struct replay *r, struct model *m, uint64_t seq)
{
	bool newest = seq > m->top;

	die_unless(replay_mark(r, seq) == newest);
	m->seen[m->count++] = seq;
	if (newest)
		m->top = seq;
	die_unless(r->top == m->top && replay_check(r, seq) == REPLAY_SEEN);
	fuzz_saw(newest ? SAW_NEWEST : SAW_NEW);
}

static void
step(struct replay *r, struct model *m, int16_t distance)
{
	uint64_t top = m->top, sent = top + (uint64_t)(int64_t)distance;
	uint64_t seq = replay_seq(r, (uint32_t)sent);

	/* The guess may miss only what is left of the window, or beyond the ends of all numbers. */
	if (r->esn && (distance > 0 ? sent > top : top - sent < r->window && sent <= top))
		die_unless(seq == sent);
	enum replay_verdict v = replay_check(r, seq);
	die_unless(v == model_check(m, r->window, seq));
	if (r->esn && top >> 32 == UINT32_MAX)
		fuzz_saw(SAW_LAST_SUBSPACE);
	switch (v) {
	case REPLAY_NEW:
		if (seq >> 32 > top >> 32)
			fuzz_saw(SAW_NEXT_SUBSPACE);
		mark(r, m, seq);
		break;
	case REPLAY_SEEN:
		fuzz_saw(SAW_SEEN);
		break;
	case REPLAY_OLD:
		fuzz_saw(SAW_OLD);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rcur in = rcur_init(data, len);
	uint32_t window = rcur_u8(&in) * 64u;
	bool esn = rcur_u8(&in) & 1;
	uint64_t first = rcur_be64(&in);
	static struct model m;
	struct replay r;

	if (!esn)
		first &= UINT32_MAX;
	if (!rcur_ok(&in) || first == 0)
		return 0;
	replay_init(&r, window, esn);
	m.top = 0;
	m.count = 0;
	mark(&r, &m, first);
	for (size_t i = 0; i < STEPS && rcur_left(&in) >= 2; i++)
		step(&r, &m, (int16_t)rcur_be16(&in));
	return 0;
}
