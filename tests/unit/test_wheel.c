/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TIMERS = 2000 };

static struct wheel wheel;
static const struct monotime start = { 5000000000000 };

static int
setup(void **state)
{
	(void)state;
	wheel = (struct wheel){ 0 };
	return 0;
}

static struct monotime
at_ms(int64_t ms)
{
	return monotime_add_ms(start, ms);
}

static void
a_timer_fires_once_and_in_time(void **state)
{
	struct wheel_timer t = { 0 };

	(void)state;
	wheel_set(&wheel, &t, at_ms(500));
	assert_null(wheel_pop(&wheel, at_ms(499)));
	assert_ptr_equal(wheel_pop(&wheel, at_ms(520)), &t);
	assert_null(wheel_pop(&wheel, at_ms(100000)));
	assert_int_equal(wheel.count, 0);
}

static void
a_timer_is_cleared_and_set_anew(void **state)
{
	struct wheel_timer t = { 0 };

	(void)state;
	wheel_clear(&wheel, &t);
	wheel_set(&wheel, &t, at_ms(500));
	wheel_set(&wheel, &t, at_ms(5000));
	assert_int_equal(wheel.count, 1);
	assert_null(wheel_pop(&wheel, at_ms(4000)));
	wheel_clear(&wheel, &t);
	assert_null(wheel_pop(&wheel, at_ms(6000)));
	assert_false(monotime_is_set(wheel_next(&wheel, at_ms(6000))));
}

static void
the_past_is_due_now(void **state)
{
	struct wheel_timer t = { 0 };

	(void)state;
	assert_null(wheel_pop(&wheel, at_ms(1000)));
	wheel_set(&wheel, &t, at_ms(10));
	assert_ptr_equal(wheel_pop(&wheel, at_ms(1000)), &t);
}

static void
next_is_at_most_a_second_ahead(void **state)
{
	struct wheel_timer t = { 0 };
	struct monotime next;

	(void)state;
	wheel_pop(&wheel, at_ms(0));
	wheel_set(&wheel, &t, at_ms(10000));
	next = wheel_next(&wheel, at_ms(0));
	assert_int_equal(monotime_diff_ms(next, at_ms(0)), 1000);
	wheel_set(&wheel, &t, at_ms(300));
	next = wheel_next(&wheel, at_ms(0));
	assert_in_range(monotime_diff_ms(next, at_ms(0)), 300, 320);
	assert_ptr_equal(wheel_pop(&wheel, next), &t);
}

/* Against the plain definition, with due times far beyond the horizon and long silences. */
static void
random_timers_fire_when_due(void **state)
{
	static struct wheel_timer timers[TIMERS];
	static int64_t due_ms[TIMERS];
	int64_t ms = 0;
	size_t fired = 0;

	(void)state;
	srandom(1);
	for (size_t i = 0; i < TIMERS; i++) {
		timers[i] = (struct wheel_timer){ 0 };
		due_ms[i] = random() % (i % 2 ? 5000 : 400000);
		wheel_set(&wheel, &timers[i], at_ms(due_ms[i]));
	}
	while (fired < TIMERS) {
		int64_t before = ms;
		struct wheel_timer *t;

		ms += random() % (random() % 50 ? 100 : 100000);
		while ((t = wheel_pop(&wheel, at_ms(ms)))) {
			size_t i = (size_t)(t - timers);

			assert_true(due_ms[i] <= ms);
			assert_true(due_ms[i] + 2 * WHEEL_SLOT_MS >= before);
			fired++;
		}
		assert_int_equal(wheel.count, TIMERS - fired);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_timer_fires_once_and_in_time, setup),
		cmocka_unit_test_setup(a_timer_is_cleared_and_set_anew, setup),
		cmocka_unit_test_setup(the_past_is_due_now, setup),
		cmocka_unit_test_setup(next_is_at_most_a_second_ahead, setup),
		cmocka_unit_test_setup(random_timers_fire_when_due, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
