/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "esp/suite.h"

#define IPV4 20
#define IPV6 40

static void
finds_by_number_and_name(void **state)
{
	(void)state;
	for (unsigned id = 0; id < SUITE_COUNT; id++) {
		const struct suite *s = suite_by_id(id);

		assert_int_equal(s->id, id);
		assert_ptr_equal(suite_by_name(s->name), s);
		assert_true(suite_keymat_len(s) <= SUITE_KEYMAT_MAX);
		assert_true(s->level == LEVEL_NONE || s->align >= 4);
	}
	assert_null(suite_by_id(SUITE_COUNT));
	assert_null(suite_by_id(~0u));
	assert_null(suite_by_name(""));
	assert_null(suite_by_name("aes128-sha"));
	assert_null(suite_by_name("AES128-SHA1"));
}

/* Numbers are on the wire. */
static void
numbers_do_not_move(void **state)
{
	static const char *const names[] = { "none", "null-sha1", "aes128-sha1", "null-sha256",
		"aes128-sha256", "aes128gcm", "aes256gcm" };

	(void)state;
	assert_int_equal(SUITE_COUNT, sizeof(names) / sizeof(names[0]));
	for (unsigned id = 0; id < SUITE_COUNT; id++)
		assert_string_equal(suite_by_id(id)->name, names[id]);
}

static void
levels(void **state)
{
	enum level l = LEVEL_CONF;

	(void)state;
	assert_string_equal(suite_default(LEVEL_NONE)->name, "none");
	assert_string_equal(suite_default(LEVEL_AUTH)->name, "null-sha1");
	assert_string_equal(suite_default(LEVEL_CONF)->name, "aes128-sha1");
	for (enum level i = LEVEL_NONE; i <= LEVEL_CONF; i++) {
		assert_int_equal(suite_default(i)->level, i);
		assert_true(level_parse(level_name(i), &l));
		assert_int_equal(l, i);
	}
	assert_false(level_parse("secret", &l));
	assert_false(level_parse("", &l));
	assert_int_equal(l, LEVEL_CONF);
}

static void
keymat_lengths(void **state)
{
	(void)state;
	assert_int_equal(suite_keymat_len(suite_by_id(SUITE_NONE)), 0);
	assert_int_equal(suite_keymat_len(suite_by_id(SUITE_NULL_SHA1)), 20);
	assert_int_equal(suite_keymat_len(suite_by_id(SUITE_AES128_SHA1)), 36);
	assert_int_equal(suite_keymat_len(suite_by_id(SUITE_NULL_SHA256)), 32);
	assert_int_equal(suite_keymat_len(suite_by_id(SUITE_AES128_SHA256)), 48);
	assert_int_equal(suite_keymat_len(suite_by_id(SUITE_AES128GCM)), 20);
	assert_int_equal(suite_keymat_len(suite_by_id(SUITE_AES256GCM)), 36);
}

static void
inner_mtu(void **state)
{
	static const struct {
		enum suite_id id;
		size_t v4, v6;
	} want[] = {
		{ SUITE_NONE, 1450, 1430 },
		{ SUITE_NULL_SHA1, 1420, 1400 },
		{ SUITE_AES128_SHA1, 1392, 1376 },
		{ SUITE_NULL_SHA256, 1416, 1396 },
		{ SUITE_AES128_SHA256, 1392, 1376 },
		{ SUITE_AES128GCM, 1408, 1388 },
		{ SUITE_AES256GCM, 1408, 1388 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(suite_inner_mtu(suite_by_id(want[i].id), 1500, IPV4), want[i].v4);
		assert_int_equal(suite_inner_mtu(suite_by_id(want[i].id), 1500, IPV6), want[i].v6);
	}
}

static void
inner_mtu_of_a_tiny_underlay(void **state)
{
	const struct suite *conf = suite_by_id(SUITE_AES128_SHA1);

	(void)state;
	for (size_t mtu = 0; mtu < 112; mtu++)
		assert_int_equal(suite_inner_mtu(conf, mtu, IPV4), 0);
	/* IP 20, UDP 8, ESP 8, IV 16, three blocks, ICV 12: 48 bytes less trailer 2, UDP 8, VXLAN 8, Ethernet 14. */
	assert_int_equal(suite_inner_mtu(conf, 112, IPV4), 16);
	assert_int_equal(suite_inner_mtu(suite_by_id(SUITE_NONE), 50, IPV4), 0);
	assert_int_equal(suite_inner_mtu(suite_by_id(SUITE_NONE), 51, IPV4), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_number_and_name),
		cmocka_unit_test(numbers_do_not_move),
		cmocka_unit_test(levels),
		cmocka_unit_test(keymat_lengths),
		cmocka_unit_test(inner_mtu),
		cmocka_unit_test(inner_mtu_of_a_tiny_underlay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
