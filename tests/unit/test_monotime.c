/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/monotime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct monotime never;

static void
test_now(void **state)
{
	struct monotime a = monotime_now();
	struct monotime b = monotime_now();

	(void)state;
	assert_true(monotime_is_set(a));
	assert_false(monotime_before(b, a));
}

static void
test_arithmetic(void **state)
{
	struct monotime a = { 5000000 };
	struct monotime b = monotime_add_ms(a, 250);

	(void)state;
	assert_int_equal(b.ns, 255000000);
	assert_int_equal(monotime_diff_ms(b, a), 250);
	assert_int_equal(monotime_diff_ms(a, b), -250);
	assert_int_equal(monotime_diff_ms((struct monotime){ 1999999 }, (struct monotime){ 1 }), 1);
	assert_true(monotime_before(a, b));
	assert_false(monotime_before(a, a));
}

static void
test_earliest(void **state)
{
	struct monotime a = { 1 };
	struct monotime b = { 2 };

	(void)state;
	assert_int_equal(monotime_earliest(a, b).ns, 1);
	assert_int_equal(monotime_earliest(b, a).ns, 1);
	assert_int_equal(monotime_earliest(never, b).ns, 2);
	assert_int_equal(monotime_earliest(b, never).ns, 2);
	assert_false(monotime_is_set(monotime_earliest(never, never)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_now),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_earliest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
