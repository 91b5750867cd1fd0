/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "esp/replay.h"

#define TWO32 (UINT64_C(1) << 32)

/* What the window should do, said the slow way: one flag a sequence number from base on. */
#define SPAN 40000
struct model {
	uint64_t base, top;
	uint32_t window;
	bool seen[SPAN];
};

static enum replay_verdict
model_check(const struct model *m, uint64_t seq)
{
	if (seq == 0 || seq + m->window <= m->top)
		return REPLAY_OLD;
	return m->seen[seq - m->base] ? REPLAY_SEEN : REPLAY_NEW;
}

static void
model_mark(struct model *m, uint64_t seq)
{
	m->seen[seq - m->base] = true;
	if (seq > m->top)
		m->top = seq;
}

/* RFC 4303 appendix A2.2, case by case as it is written there. */
static uint64_t
model_seq(uint64_t top, uint32_t window, uint32_t low)
{
	uint32_t tl = (uint32_t)top, th = (uint32_t)(top >> 32), bl = tl - window + 1, high;

	if (tl >= window - 1) /* case A: the window lies within one subspace */
		high = low >= bl ? th : th + 1;
	else if (th == 0) /* case B, but nothing lies below the first subspace */
		high = 0;
	else /* case B: the window spans two */
		high = low >= bl ? th - 1 : th;
	return (uint64_t)high << 32 | low;
}

static void
window_is_rounded_and_bounded(void **state)
{
	static const uint32_t cases[][2] = { { 0, 64 }, { 64, 64 }, { 65, 128 }, { 1000, 1024 },
		{ 4096, 4096 }, { 4097, 4096 }, { UINT32_MAX, 4096 } };
	struct replay r;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		replay_init(&r, cases[i][0], true);
		assert_int_equal(r.window, cases[i][1]);
	}
}

/* Every pair of arrivals, then every number around: all states a 64-packet window can be in after two packets. */
static void
every_pair_against_the_model(void **state)
{
	static struct model m;

	(void)state;
	for (uint64_t a = 1; a <= 200; a++)
		for (uint64_t b = 1; b <= 200; b++) {
			struct replay r;

			replay_init(&r, 64, false);
			m = (struct model){ .window = 64 };
			assert_true(replay_mark(&r, a));
			model_mark(&m, a);
			if (replay_check(&r, b) == REPLAY_NEW) {
				assert_int_equal(replay_mark(&r, b), b > a);
				model_mark(&m, b);
			}
			for (uint64_t s = 0; s <= 300; s++)
				assert_int_equal(replay_check(&r, s), model_check(&m, s));
		}
}

/* Long random walks, mostly forward, with repeats, reordering and jumps; low 32 bits only, as on the wire. */
static void
walk(uint32_t window, bool esn, uint64_t start)
{
	static struct model m;
	struct replay r;
	unsigned verdicts[3] = { 0 };

	srandom(window);
	replay_init(&r, window, esn);
	m = (struct model){ .base = start, .window = window };
	assert_true(replay_mark(&r, start + window));
	model_mark(&m, start + window);
	while (m.top - start < SPAN - 3 * (uint64_t)window) {
		uint64_t back = (uint64_t)random() % (window + window / 4);
		uint64_t seq = random() % 4 ? m.top + (uint64_t)random() % 3 : m.top - back;

		if (random() % 5000 == 0)
			seq = m.top + (uint64_t)random() % (2 * window);
		if (seq < start)
			continue;
		/* What is left of the window means, with ESN, a number far ahead; there the ICV refuses it. */
		if (esn && seq + window <= m.top) {
			assert_true(replay_seq(&r, (uint32_t)seq) == seq + TWO32);
			continue;
		}
		assert_true(replay_seq(&r, (uint32_t)seq) == seq);
		enum replay_verdict v = replay_check(&r, seq);
		assert_int_equal(v, model_check(&m, seq));
		verdicts[v]++;
		if (v == REPLAY_NEW) {
			assert_int_equal(replay_mark(&r, seq), seq > m.top);
			model_mark(&m, seq);
		}
		assert_true(r.top == m.top);
		/* The oldest are what a ring one word too short forgets. */
		for (uint64_t s = m.top - window + 1; s <= m.top - window + 64; s++)
			assert_int_equal(replay_check(&r, s), model_check(&m, s));
	}
	assert_true(verdicts[REPLAY_NEW] > 0 && verdicts[REPLAY_SEEN] > 0);
	assert_int_equal(verdicts[REPLAY_OLD] > 0, !esn);
}

static void
random_walks_against_the_model(void **state)
{
	(void)state;
	for (uint32_t window = 64; window <= REPLAY_WINDOW_MAX; window *= 2) {
		walk(window, false, window);
		walk(window, false, TWO32 - SPAN);
		walk(window, true, window);
		walk(window, true, TWO32 - SPAN / 2);
		walk(window, true, 7 * TWO32 - SPAN / 2);
		walk(window, true, 7 * TWO32 + SPAN);
	}
}

/* Every combination of interesting tops and low halves, around the ends of the subspace and of the window. */
static void
high_half_as_in_appendix_a2(void **state)
{
	static const uint32_t windows[] = { 64, 128, 4096 };
	static const uint64_t subspaces[] = { 0, 1, 2, UINT32_MAX - 1 };
	struct replay r;

	(void)state;
	for (size_t w = 0; w < 3; w++)
		for (size_t h = 0; h < 4; h++)
			for (int64_t t = -2 * (int64_t)windows[w]; t <= 2 * (int64_t)windows[w];
			     t++) {
				uint64_t top = subspaces[h] * TWO32 + (uint32_t)t;

				replay_init(&r, windows[w], true);
				replay_mark(&r, top);
				for (int64_t edge = 0; edge < 4; edge++)
					for (int64_t d = -2; d <= 2; d++) {
						int64_t at = edge == 0	 ? 0
							     : edge == 1 ? t
							     : edge == 2 ? t - windows[w]
									 : INT64_C(1) << 31;
						uint32_t low = (uint32_t)(at + d);

						assert_true(replay_seq(&r, low) ==
							    model_seq(top, windows[w], low));
					}
			}
}

static void
first_subspace_has_none_below(void **state)
{
	struct replay r;

	(void)state;
	replay_init(&r, 4096, true);
	assert_true(replay_seq(&r, 1) == 1);
	assert_true(replay_seq(&r, UINT32_MAX) == UINT32_MAX);
	replay_mark(&r, 5);
	assert_true(replay_seq(&r, UINT32_MAX) == UINT32_MAX);
	assert_int_equal(replay_check(&r, 0), REPLAY_OLD);
}

static void
last_subspace_has_none_above(void **state)
{
	struct replay r;

	(void)state;
	replay_init(&r, 64, true);
	replay_mark(&r, UINT64_MAX);
	assert_int_equal(replay_check(&r, UINT64_MAX), REPLAY_SEEN);
	assert_int_equal(replay_check(&r, UINT64_MAX - 63), REPLAY_NEW);
	assert_int_equal(replay_check(&r, UINT64_MAX - 64), REPLAY_OLD);
	for (uint32_t low = 0; low < 1000; low++)
		assert_int_equal(replay_check(&r, replay_seq(&r, low)), REPLAY_OLD);
}

static void
without_esn_low_is_all(void **state)
{
	struct replay r;

	(void)state;
	replay_init(&r, 64, false);
	replay_mark(&r, UINT32_MAX);
	assert_true(replay_seq(&r, 3) == 3);
	assert_int_equal(replay_check(&r, 3), REPLAY_OLD);
	assert_int_equal(replay_check(&r, UINT32_MAX), REPLAY_SEEN);
	assert_int_equal(replay_check(&r, UINT32_MAX - 63), REPLAY_NEW);
}

/* Nothing up to where it starts is new, and everything above is, once. */
static void
starts_where_it_is_told(void **state)
{
	struct replay r;

	(void)state;
	for (uint64_t top = 1; top < 10000; top += top < 200 ? 1 : 997) {
		replay_init(&r, REPLAY_WINDOW_MAX, true);
		replay_start(&r, top);
		for (uint64_t seq = 1; seq <= top; seq++)
			assert_int_not_equal(replay_check(&r, seq), REPLAY_NEW);
		replay_mark(&r, top + 5000); /* the others come late */
		for (uint64_t seq = 1; seq < top + 5000; seq++)
			assert_int_equal(replay_check(&r, seq),
			    seq + REPLAY_WINDOW_MAX <= top + 5000 ? REPLAY_OLD : REPLAY_NEW);
		replay_init(&r, REPLAY_WINDOW_MAX, true);
		replay_start(&r, top);
		replay_mark(&r, top + 100);
		for (uint64_t seq = 1; seq < top + 100; seq++)
			assert_int_equal(replay_check(&r, seq) == REPLAY_NEW, seq > top);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_is_rounded_and_bounded),
		cmocka_unit_test(every_pair_against_the_model),
		cmocka_unit_test(random_walks_against_the_model),
		cmocka_unit_test(high_half_as_in_appendix_a2),
		cmocka_unit_test(first_subspace_has_none_below),
		cmocka_unit_test(last_subspace_has_none_above),
		cmocka_unit_test(without_esn_low_is_all),
		cmocka_unit_test(starts_where_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
