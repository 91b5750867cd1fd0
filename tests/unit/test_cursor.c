/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void
test_read(void **state)
{
	struct rcur c = rcur_init(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(rcur_u8(&c), 0x01);
	assert_int_equal(rcur_be16(&c), 0x0203);
	assert_int_equal(rcur_be32(&c), 0x04050607);
	assert_true(rcur_be64(&c) == 0x08090a0b0c0d0e0f);
	assert_true(rcur_ok(&c));
	assert_true(rcur_done(&c));
	assert_int_equal(rcur_left(&c), 0);
}

static void
test_read_past_end(void **state)
{
	struct rcur c = rcur_init(bytes, 3);
	uint8_t copy[2] = { 0xaa, 0xaa };

	(void)state;
	assert_int_equal(rcur_be16(&c), 0x0102);
	assert_int_equal(rcur_be16(&c), 0);
	assert_false(rcur_ok(&c));
	/* There is one byte, but the error sticks. */
	assert_int_equal(rcur_u8(&c), 0);
	assert_int_equal(rcur_left(&c), 0);
	assert_null(rcur_take(&c, 0));
	rcur_copy(&c, copy, sizeof(copy));
	assert_int_equal(copy[0] | copy[1], 0);
	assert_false(rcur_done(&c));
}

static void
test_take_and_copy(void **state)
{
	struct rcur c = rcur_init(bytes, 6);
	uint8_t copy[4];

	(void)state;
	assert_ptr_equal(rcur_take(&c, 2), bytes);
	rcur_copy(&c, copy, sizeof(copy));
	assert_memory_equal(copy, bytes + 2, sizeof(copy));
	assert_true(rcur_done(&c));
	assert_ptr_equal(rcur_take(&c, 0), bytes + 6);
	assert_null(rcur_take(&c, SIZE_MAX));
	assert_false(rcur_ok(&c));
}

static void
test_read_nothing(void **state)
{
	struct rcur c = rcur_init(NULL, 0);

	(void)state;
	assert_true(rcur_done(&c));
	assert_non_null(rcur_take(&c, 0));
	rcur_copy(&c, NULL, 0);
	assert_true(rcur_done(&c));
	rcur_u8(&c);
	assert_false(rcur_ok(&c));
}

static void
test_fail(void **state)
{
	struct rcur c = rcur_init(bytes, sizeof(bytes));

	(void)state;
	rcur_fail(&c);
	assert_false(rcur_ok(&c));
	assert_int_equal(rcur_u8(&c), 0);
}

static void
test_write(void **state)
{
	uint8_t buf[20];
	struct wcur c = wcur_init(buf, sizeof(buf));

	(void)state;
	memset(buf, 0xaa, sizeof(buf));
	wcur_u8(&c, 0x01);
	wcur_be16(&c, 0x0203);
	wcur_be32(&c, 0x04050607);
	wcur_be64(&c, 0x08090a0b0c0d0e0f);
	wcur_copy(&c, "xy", 2);
	wcur_zero(&c, 2);
	wcur_take(&c, 1)[0] = 'z';
	assert_true(wcur_ok(&c));
	assert_int_equal(wcur_len(&c), sizeof(buf));
	assert_memory_equal(buf, bytes, sizeof(bytes));
	assert_memory_equal(buf + sizeof(bytes), "xy\0\0z", 5);
}

static void
test_write_past_end(void **state)
{
	uint8_t buf[4] = { 0 };
	struct wcur c = wcur_init(buf, 3);

	(void)state;
	wcur_be16(&c, 0x0102);
	wcur_be16(&c, 0x0304);
	assert_false(wcur_ok(&c));
	wcur_u8(&c, 5);
	wcur_copy(&c, "x", 1);
	wcur_zero(&c, 1);
	assert_null(wcur_take(&c, 0));
	assert_int_equal(wcur_len(&c), 0);
	assert_memory_equal(buf, "\1\2\0\0", 4);
}

static void
test_write_nowhere(void **state)
{
	struct wcur c = wcur_init(NULL, 0);

	(void)state;
	wcur_copy(&c, NULL, 0);
	assert_true(wcur_ok(&c));
	wcur_u8(&c, 1);
	assert_false(wcur_ok(&c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_past_end),
		cmocka_unit_test(test_take_and_copy),
		cmocka_unit_test(test_read_nothing),
		cmocka_unit_test(test_fail),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_past_end),
		cmocka_unit_test(test_write_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
