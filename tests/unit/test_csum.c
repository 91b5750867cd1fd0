/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/csum.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM 70000

static uint8_t from[ROOM], to[ROOM];

/* As RFC 1071 section 1 has it. */
static uint16_t
slow_sum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static void
assert_sums(size_t at, size_t len)
{
	uint16_t want = slow_sum(from + at, len);

	assert_int_equal(be16toh(csum_fold(csum_bytes(from + at, len))), want);
	memset(to, 0x5a, len + 200);
	assert_int_equal(be16toh(csum_fold(csum_copy(to + 100 - at % 7, from + at, len))), want);
	assert_memory_equal(to + 100 - at % 7, from + at, len);
	assert_int_equal(to[100 - at % 7 + len], 0x5a);
	assert_int_equal(to[100 - at % 7 - 1], 0x5a);
}

static void
sums_of_all_lengths_and_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROOM; i++)
		from[i] = (uint8_t)random();
	for (size_t len = 0; len < 300; len++)
		for (size_t at = 0; at < 40; at++)
			assert_sums(at, len);
	for (size_t len = 65400; len < 65600; len++)
		assert_sums(len % 64, len);
}

static void
carries_are_not_lost(void **state)
{
	(void)state;
	memset(from, 0xff, ROOM);
	assert_sums(0, 65535);
	assert_sums(1, 65536);
	assert_int_equal(csum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(csum_fold(0), 0);
	assert_int_equal(csum_fold(0xffffffffffff0001), 1);
	assert_int_equal(csum_fold(0x10000), 1);
}

/* The example of RFC 1071 section 3. */
static void
the_example(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(be16toh(csum_fold(csum_bytes(bytes, sizeof(bytes)))), 0xddf2);
	assert_int_equal(
	    be16toh(csum_fold(csum_bytes(bytes, 4) + csum_bytes(bytes + 4, 4))), 0xddf2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_all_lengths_and_places),
		cmocka_unit_test(carries_are_not_lost),
		cmocka_unit_test(the_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
