/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/ether.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static void
test_parse_and_format(void **state)
{
	static const struct macaddr expected = { { 0x02, 0xab, 0xcd, 0xef, 0x00, 0x01 } };
	static const char *const cases[] = {
		"02:ab:cd:ef:00:01",
		"02:AB:cd:EF:00:01",
		"02-ab-cd-ef-00-01",
	};
	char buf[MAC_STRLEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct macaddr mac;

		assert_true(mac_parse(cases[i], &mac));
		assert_true(mac_equal(&mac, &expected));
		assert_string_equal(mac_format(&mac, buf), "02:ab:cd:ef:00:01");
	}
}

static void
test_parse_refuses(void **state)
{
	static const char *const cases[] = {
		"",
		"0",
		"02",
		"02:",
		"02:00:00:00:00",
		"02:00:00:00:00:",
		"02:00:00:00:00:1",
		"02:00:00:00:00:01:",
		"02:00:00:00:00:01:02",
		"02:00:00:00:00:011",
		"2:00:00:00:00:01",
		"02:00:00-00:00:01",
		"02.00.00.00.00.01",
		"020000000001",
		"0g:00:00:00:00:01",
		" 02:00:00:00:00:01",
		"02:00:00:00:00:01 ",
	};
	struct macaddr mac = { { 1, 2, 3, 4, 5, 6 } }, before = mac;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (mac_parse(cases[i], &mac))
			fail_msg("accepted \"%s\"", cases[i]);
		assert_true(mac_equal(&mac, &before));
	}
}

static void
test_kinds(void **state)
{
	static const struct macaddr broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	static const struct macaddr group = { { 0x01, 0, 0x5e, 0, 0, 1 } };
	static const struct macaddr unicast = { { 0x02, 0, 0, 0, 0, 1 } };
	static const struct macaddr zero;

	(void)state;
	assert_true(mac_is_multicast(&broadcast));
	assert_true(mac_is_multicast(&group));
	assert_false(mac_is_multicast(&unicast));
	assert_false(mac_is_multicast(&zero));
	assert_true(mac_is_zero(&zero));
	assert_false(mac_is_zero(&unicast));
	assert_false(mac_equal(&unicast, &group));
}

static void
test_addresses(void **state)
{
	static const uint8_t frame[ETHER_HEADER_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	struct macaddr dst, src;

	(void)state;
	assert_true(ether_addresses(frame, sizeof(frame), &dst, &src));
	assert_memory_equal(dst.b, frame, 6);
	assert_memory_equal(src.b, frame + 6, 6);
	assert_false(ether_addresses(frame, sizeof(frame) - 1, &dst, &src));
	assert_false(ether_addresses(frame, 0, &dst, &src));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
