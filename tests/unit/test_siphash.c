/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Key 00..0f, message 00..(length - 1): vectors of the reference implementation. */
static void
test_reference_vectors(void **state)
{
	static const struct siphash_key key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };
	static const struct {
		size_t len;
		uint64_t hash;
	} cases[] = {
		{ 0, 0x726fdb47dd0e0e31 },
		{ 1, 0x74f839c593dc67fd },
		{ 7, 0xab0200f58b01d137 },
		{ 8, 0x93f5f5799a932462 },
		{ 15, 0xa129ca6149be45e5 },
		{ 16, 0x3f2acc7f57c29bdb },
		{ 63, 0x958a324ceb064572 },
	};
	uint8_t message[64];

	(void)state;
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(siphash(&key, message, cases[i].len) == cases[i].hash);
}

static void
test_unaligned(void **state)
{
	static const struct siphash_key key = { { 1, 2 } };
	uint8_t buf[17] = "_0123456789abcdef";

	(void)state;
	assert_true(siphash(&key, buf + 1, 16) == siphash(&key, "0123456789abcdef", 16));
}

static void
test_random_bytes(void **state)
{
	uint8_t a[1000] = { 0 }, b[1000] = { 0 };

	(void)state;
	random_bytes(a, sizeof(a) - 1);
	random_bytes(b, sizeof(b) - 1);
	random_bytes(NULL, 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(a[sizeof(a) - 1], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_vectors),
		cmocka_unit_test(test_unaligned),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
