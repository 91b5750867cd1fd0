/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/liveness.h"

static struct monotime
at_ms(int64_t ms)
{
	return monotime_add_ms((struct monotime){ 1000000000 }, ms);
}

/* Asks from `from` on, when it is due, until it gives up or `until`; the time it stopped. */
static int64_t
run(struct liveness *l, int64_t heard, int64_t from, int64_t until, unsigned *asked)
{
	*asked = 0;
	for (int64_t ms = from; ms < until; ms += 100) {
		switch (liveness_tick(l, at_ms(heard), at_ms(ms))) {
		case LIVENESS_WAIT:
			assert_true(monotime_before(at_ms(ms), l->due));
			break;
		case LIVENESS_ASK:
			++*asked;
			break;
		case LIVENESS_GONE:
			return ms;
		}
	}
	return until;
}

/* As vnet(7) says: after 15 s of silence every second, and given up after 5 questions. */
static void
silence(void **state)
{
	struct liveness l = { 0 };
	unsigned asked;

	(void)state;
	assert_int_equal(run(&l, 0, 0, 60000, &asked), 15000 + 5 * 1000);
	assert_int_equal(asked, 5);
}

/* Who is heard is asked too, as its NAT must not forget it, but never given up. */
static void
heard_all_the_time(void **state)
{
	struct liveness l = { 0 };
	unsigned asked = 0;

	(void)state;
	for (int64_t ms = 0; ms < 600000; ms += 100) {
		enum liveness_verdict v = liveness_tick(&l, at_ms(ms - 500), at_ms(ms));

		assert_int_not_equal(v, LIVENESS_GONE);
		asked += v == LIVENESS_ASK;
	}
	assert_int_equal(asked, 39);
}

/*
 * Data comes between long silences, but never an answer to a question: an overloaded path loses
 * them. Each silence is judged alone.
 */
static void
data_without_answers(void **state)
{
	struct liveness l = { 0 };
	int64_t ms = 0;
	unsigned asked;

	(void)state;
	for (unsigned i = 0; i < 20; i++, ms += 19000)
		assert_int_equal(run(&l, ms, ms, ms + 19000, &asked), ms + 19000);
	assert_int_equal(run(&l, ms, ms, ms + 60000, &asked), ms + 20000);
}

/* A question that was brought forward, because there is something to tell. */
static void
asked_soon(void **state)
{
	struct liveness l = { 0 };
	unsigned asked;

	(void)state;
	run(&l, 0, 0, 1000, &asked);
	l.due = at_ms(1000);
	assert_int_equal(liveness_tick(&l, at_ms(0), at_ms(1000)), LIVENESS_ASK);
	assert_int_equal(monotime_diff_ms(l.due, at_ms(1000)), LIVENESS_ASK_MS);
	assert_int_equal(run(&l, 1000, 1000, 60000, &asked), 16000 + 5 * 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence),
		cmocka_unit_test(heard_all_the_time),
		cmocka_unit_test(data_without_answers),
		cmocka_unit_test(asked_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
