/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Traffic, stores that succeed, fail or never come back, and crashes: whatever the order, no number
 * is used twice over all lives, and an idle peer loses little.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/reserve.h"

static struct monotime now = { 1000000000 };

static void
later(int64_t ms)
{
	now = monotime_add_ms(now, ms);
}

static void
stored_well(struct reserve *r, bool asked, uint64_t wanted)
{
	assert_true(asked);
	assert_true(r->wanted == wanted);
	reserve_stored(r, true, now);
	assert_true(reserve_last(r) == wanted);
}

static void
sent_numbers_are_reserved_in_blocks(void **state)
{
	struct reserve r;

	(void)state;
	reserve_init(&r, 0, 0, true);
	assert_true(reserve_last(&r) == 0);
	stored_well(&r, reserve_sent(&r, 0, now), 2 * RESERVE_SENT);
	assert_false(reserve_sent(&r, RESERVE_SENT, now));
	assert_true(reserve_sent(&r, RESERVE_SENT + 1, now));
	assert_true(reserve_last(&r) == 2 * RESERVE_SENT);
	assert_false(reserve_sent(&r, 2 * RESERVE_SENT, now)); /* it is on its way */
	reserve_stored(&r, true, now);
	assert_true(reserve_last(&r) == 3 * RESERVE_SENT);
	/* After a crash it goes on behind all of these. */
	reserve_init(&r, 3 * RESERVE_SENT, 3 * RESERVE_SENT, true);
	stored_well(&r, reserve_sent(&r, 3 * RESERVE_SENT, now), 5 * RESERVE_SENT);
}

static void
the_end_is_the_end(void **state)
{
	struct reserve r;

	(void)state;
	for (int esn = 0; esn < 2; esn++) {
		uint64_t end = esn ? UINT64_MAX : UINT32_MAX;

		reserve_init(&r, end - 5, end - 5, esn);
		stored_well(&r, reserve_sent(&r, end - 5, now), end);
		assert_false(reserve_sent(&r, end, now));
		reserve_init(&r, end - 5, end - 5, esn);
		stored_well(&r, reserve_received(&r, end - 5, now), end);
		assert_false(reserve_received(&r, end, now));
		assert_false(reserve_due(&r, end));
	}
}

static void
what_cannot_be_stored_is_tried_again(void **state)
{
	struct reserve r;

	(void)state;
	reserve_init(&r, 0, 0, false);
	assert_true(reserve_sent(&r, 0, now));
	reserve_stored(&r, false, now);
	assert_true(reserve_last(&r) == 0);
	assert_false(reserve_sent(&r, 0, now));
	later(RESERVE_AGAIN_MS);
	stored_well(&r, reserve_sent(&r, 0, now), 2 * RESERVE_SENT);
}

static void
little_is_reserved_for_who_sends_little(void **state)
{
	uint64_t top = 0, stores = 0;
	struct reserve r;

	(void)state;
	reserve_init(&r, 0, 0, true);
	for (int i = 0; i < 10000; i++, top++, later(1000)) {
		if (reserve_received(&r, top, now)) {
			reserve_stored(&r, true, now);
			stores++;
		}
		assert_true(top < reserve_last(&r) && reserve_last(&r) - top <= RESERVE_QUIET);
	}
	assert_true(stores <= 10000 / (RESERVE_QUIET / 2) + 2);
}

static void
much_for_who_sends_much_until_it_is_quiet(void **state)
{
	uint64_t top = 0, stores = 0;
	struct reserve r;

	(void)state;
	reserve_init(&r, 0, 0, true);
	for (int i = 0; i < 10000; i++, later(1)) {
		if (reserve_received(&r, top, now)) {
			reserve_stored(&r, true, now);
			stores++;
		}
		if (top + 100 <= reserve_last(&r))
			top += 100;
	}
	assert_true(top > 990000);
	assert_true(stores <= top / (RESERVE_BUSY / 2) + 10);
	/* Some of it is given back, and from that moment on not used. */
	for (int i = 0; i < 3 && !reserve_received(&r, top, now); i++)
		later(RESERVE_QUIET_MS);
	assert_true(r.wanted == top + RESERVE_QUIET);
	assert_true(reserve_last(&r) == top + RESERVE_QUIET);
	reserve_stored(&r, false, now); /* the disk may have it, or not */
	assert_true(reserve_last(&r) == top + RESERVE_QUIET);
}

static void
as_much_as_comes_in_some_seconds(void **state)
{
	uint64_t top = 0;
	struct reserve r;

	(void)state;
	reserve_init(&r, 0, 0, true);
	for (int i = 0; i < 20000; i++, top++, later(5)) { /* 200 a second */
		if (reserve_received(&r, top, now))
			reserve_stored(&r, true, now);
		assert_true(top < reserve_last(&r));
	}
	assert_int_equal(r.ahead, 1024);
	/* A burst is answered by more at once. */
	top = reserve_last(&r) - 100;
	assert_true(reserve_received(&r, top, now));
	assert_true(r.ahead >= 1024);
}

static void
a_kernel_does_not_ask(void **state)
{
	struct reserve r;

	(void)state;
	reserve_init(&r, 0, 0, true);
	stored_well(&r, reserve_received(&r, 0, now), RESERVE_QUIET);
	assert_true(reserve_due(&r, 5000));
	stored_well(&r, reserve_received(&r, 5000, now), 5000 + RESERVE_BUSY);
	later(RESERVE_QUIET_MS);
	stored_well(&r, reserve_received(&r, 5000, now), 5000 + 2048);
	later(RESERVE_QUIET_MS);
	/* It had taken more when that was given back. */
	stored_well(&r, reserve_received(&r, 5000, now), 5000 + RESERVE_QUIET);
	later(RESERVE_QUIET_MS);
	stored_well(&r, reserve_received(&r, 5000 + RESERVE_QUIET + 9, now),
	    5000 + RESERVE_QUIET + 9 + RESERVE_QUIET);
}

/* What one life has on disk, and the highest number it has used. */
static void
live(uint64_t *disk, uint64_t *highest, bool received)
{
	bool (*ask)(struct reserve *, uint64_t, struct monotime) = received ? reserve_received
									    : reserve_sent;
	uint64_t used = *disk;
	struct reserve r;

	assert_true(used >= *highest);
	reserve_init(&r, used, used, true);
	for (int round = rand() % 400; round > 0; round--) {
		uint64_t want = (uint64_t)rand() % (rand() % 3 ? 50 : 300000);

		later(rand() % 4 ? rand() % 50 : rand() % 12000);
		(void)ask(&r, used, now);
		if (r.wanted != r.limit && rand() % 2) {
			bool well = rand() % 4;

			if (well || rand() % 2) /* a failure may have stored it nevertheless */
				*disk = r.wanted;
			reserve_stored(&r, well, now);
		}
		used = used + want < reserve_last(&r) ? used + want : reserve_last(&r);
		assert_true(used <= *disk);
	}
	if (r.wanted != r.limit && rand() % 2)
		*disk = r.wanted;
	*highest = used;
}

static void
no_number_comes_twice_through_crashes(void **state)
{
	(void)state;
	srand(1);
	for (int received = 0; received < 2; received++) {
		uint64_t disk = 0, highest = 0;

		for (int i = 0; i < 3000; i++)
			live(&disk, &highest, received);
		assert_true(highest > 1000000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sent_numbers_are_reserved_in_blocks),
		cmocka_unit_test(the_end_is_the_end),
		cmocka_unit_test(what_cannot_be_stored_is_tried_again),
		cmocka_unit_test(little_is_reserved_for_who_sends_little),
		cmocka_unit_test(much_for_who_sends_much_until_it_is_quiet),
		cmocka_unit_test(as_much_as_comes_in_some_seconds),
		cmocka_unit_test(a_kernel_does_not_ask),
		cmocka_unit_test(no_number_comes_twice_through_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
