/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/vnetid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct vnetid
id_of(const char *text)
{
	struct vnetid id;

	assert_true(vnetid_parse(text, &id));
	return id;
}

static void
test_parse_and_format(void **state)
{
	static const struct {
		const char *text, *formatted;
	} cases[] = {
		{ "97", "0000:0000:0000:0000:0000:0000:0000:0097" },
		{ "0", "0000:0000:0000:0000:0000:0000:0000:0000" },
		{ "1", "0000:0000:0000:0000:0000:0000:0000:0001" },
		{ "BeEf", "0000:0000:0000:0000:0000:0000:0000:beef" },
		{ "1:2:3:4:5:6:7:8", "0001:0002:0003:0004:0005:0006:0007:0008" },
		{ "00a1:0b2:c3:d:FFFF:0:0:1234", "00a1:00b2:00c3:000d:ffff:0000:0000:1234" },
	};
	char buf[VNETID_STRLEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vnetid id = id_of(cases[i].text);

		assert_string_equal(vnetid_format(&id, buf), cases[i].formatted);
		id = id_of(buf);
		assert_string_equal(vnetid_format(&id, buf), cases[i].formatted);
	}
}

static void
test_parse_refuses(void **state)
{
	static const char *const cases[] = {
		"",
		":",
		"00097",
		"0x97",
		"97 ",
		" 97",
		"-1",
		"g",
		"vnif0097",
		"1:2",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:",
		"1:2:3:4:5:6:7:8:",
		"1:2:3:4:5:6:7:8:9",
		"1:2:3:4:5:6:7:00008",
		"1::8",
		":1:2:3:4:5:6:7:8",
	};
	struct vnetid id, before;

	(void)state;
	memset(&before, 0x55, sizeof(before));
	id = before;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (vnetid_parse(cases[i], &id))
			fail_msg("accepted \"%s\"", cases[i]);
		assert_true(vnetid_equal(&id, &before));
	}
}

static void
test_kinds(void **state)
{
	struct vnetid zero = id_of("0"), one = id_of("1"), two = id_of("2");
	struct vnetid wide = id_of("1:0:0:0:0:0:0:1"), above = id_of("0:0:0:0:0:0:1:0");
	uint16_t value = 7;

	(void)state;
	assert_true(vnetid_is_zero(&zero));
	assert_false(vnetid_is_zero(&one));
	assert_true(vnetid_is_physical(&one));
	assert_false(vnetid_is_physical(&zero));
	assert_false(vnetid_is_physical(&wide));
	assert_true(vnetid_compare(&one, &two) < 0);
	assert_true(vnetid_compare(&wide, &two) > 0);
	assert_int_equal(vnetid_compare(&two, &two), 0);
	assert_false(vnetid_is_short(&wide, &value));
	assert_false(vnetid_is_short(&above, &value));
	assert_int_equal(value, 7);
	two = id_of("fedc");
	assert_true(vnetid_is_short(&two, &value));
	assert_int_equal(value, 0xfedc);
}

static void
test_default_ifname(void **state)
{
	struct vnetid id = id_of("97"), wide = id_of("1:2:3:4:5:6:7:ABCD");
	char name[VNET_IFNAME_SIZE];

	(void)state;
	vnetid_default_ifname(&id, name);
	assert_string_equal(name, "vnif0097");
	vnetid_default_ifname(&wide, name);
	assert_string_equal(name, "vnifabcd");
	assert_null(vnet_ifname_error(name));
}

static void
test_ifname_error(void **state)
{
	static const char *const good[] = { "vnif0097", "a", "vnet-97.lan_0", "14-characters.",
		"...", "All", "97", "@~" };
	static const struct {
		const char *name, *error;
	} bad[] = {
		{ "", "empty" },
		{ "15-characters..", "longer than 14 characters" },
		{ ".", "a directory, not a name" },
		{ "..", "a directory, not a name" },
		{ "all", "a name that sysctl keeps for all devices" },
		{ "default", "a name that sysctl keeps for all devices" },
		{ "a/b", "holds one of / : % \" ( ) #" },
		{ "a:1", "holds one of / : % \" ( ) #" },
		{ "vnet%d", "holds one of / : % \" ( ) #" },
		{ "a\"b", "holds one of / : % \" ( ) #" },
		{ "(a", "holds one of / : % \" ( ) #" },
		{ "a)", "holds one of / : % \" ( ) #" },
		{ "a#b", "holds one of / : % \" ( ) #" },
		{ "a b", "holds white space, a control character or one that is not ASCII" },
		{ "a\n", "holds white space, a control character or one that is not ASCII" },
		{ "\x1b[1m", "holds white space, a control character or one that is not ASCII" },
		{ "a\x7f", "holds white space, a control character or one that is not ASCII" },
		{ "vnet\xc3\xa9",
		    "holds white space, a control character or one that is not ASCII" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_null(vnet_ifname_error(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *error = vnet_ifname_error(bad[i].name);

		assert_non_null(error);
		assert_string_equal(error, bad[i].error);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_default_ifname),
		cmocka_unit_test(test_ifname_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
