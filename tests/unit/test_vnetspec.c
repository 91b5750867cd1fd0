/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/vnetspec.h"

static struct sxp *
form(const char *text)
{
	struct sxp_parser *p = sxp_parser_new(4096);
	struct sxp *e;
	size_t used;

	assert_int_equal(sxp_parser_feed(p, text, strlen(text), &used, &e), 1);
	sxp_parser_free(p);
	return e;
}

static bool
parse(const char *text, bool need_id, struct vnetspec *s, char error[static VNETSPEC_ERROR_MAX])
{
	struct sxp *e = form(text);
	bool ok = vnetspec_parse(e, need_id, s, error);

	sxp_free(e);
	return ok;
}

static struct vnetspec
good(const char *text, bool need_id)
{
	char error[VNETSPEC_ERROR_MAX] = "";
	struct vnetspec s;

	if (!parse(text, need_id, &s, error))
		fail_msg("%s: %s", text, error);
	return s;
}

static void
refused(const char *text, bool need_id, const char *expected)
{
	char error[VNETSPEC_ERROR_MAX] = "";
	struct vnetspec s = { .mtu = 77 };

	assert_false(parse(text, need_id, &s, error));
	assert_string_equal(error, expected);
	assert_int_equal(s.mtu, 77);
}

static void
prints(const char *text, const char *expected)
{
	struct vnetspec s = good(text, true);
	struct sxp_out o = { 0 };

	vnetspec_print(&o, "vnet", &s);
	assert_string_equal(o.text, expected);
	sxp_out_free(&o);
}

static void
test_defaults(void **state)
{
	struct vnetspec s = good("(vnet (id 97))", true);

	(void)state;
	assert_string_equal(s.ifname, "vnif0097");
	assert_string_equal(s.bridge, "");
	assert_string_equal(s.key, "default");
	assert_int_equal(s.level, LEVEL_NONE);
	assert_int_equal(s.suite, SUITE_NONE);
	assert_int_equal(s.mtu, 0);
	assert_int_equal(s.n_addrs, 0);
	assert_false(s.has_ifname || s.has_bridge || s.has_key || s.has_level || s.has_suite ||
		     s.has_mtu || s.has_addrs);
}

static void
test_everything(void **state)
{
	struct vnetspec s = good("(vnet.add (address 10.0.0.1/24) (suite aes256gcm) (id 97) "
				 "(key office) (mtu 1392) (vnetif lan) (bridge br0) "
				 "(security conf) (address 2001:db8::1/64) (unknown (x y)))",
	    true);

	(void)state;
	assert_string_equal(s.ifname, "lan");
	assert_string_equal(s.bridge, "br0");
	assert_string_equal(s.key, "office");
	assert_int_equal(s.level, LEVEL_CONF);
	assert_int_equal(s.suite, SUITE_AES256GCM);
	assert_int_equal(s.mtu, 1392);
	assert_int_equal(s.n_addrs, 2);
	assert_int_equal(s.addrs[1].prefix_len, 64);
	assert_true(s.has_ifname && s.has_bridge && s.has_key && s.has_level && s.has_suite &&
		    s.has_mtu && s.has_addrs);
}

static void
test_levels_and_suites(void **state)
{
	(void)state;
	assert_int_equal(good("(v (id 2) (security auth))", true).suite, SUITE_NULL_SHA1);
	assert_int_equal(good("(v (id 2) (security conf))", true).suite, SUITE_AES128_SHA1);
	assert_int_equal(good("(v (id 2) (suite null-sha256))", true).level, LEVEL_AUTH);
	assert_true(good("(v (id 2) (suite aes128gcm))", true).has_level);
	refused("(v (id 2) (suite aes128gcm) (security auth))", true,
	    "suite \"aes128gcm\": a suite of level conf; expected one of level auth: "
	    "null-sha1, null-sha256");
	refused("(v (id 2) (suite none))", true,
	    "suite \"none\": expected one of null-sha1, aes128-sha1, null-sha256, aes128-sha256, "
	    "aes128gcm, aes256gcm");
	refused("(v (id 2) (security none) (suite aes128gcm))", true,
	    "suite \"aes128gcm\": level none has no suite");
	refused("(v (id 2) (key a))", true,
	    "key \"a\": level none has no key; expected (security auth) or (security conf) "
	    "with it");
	refused("(v (id 2) (security secret))", true,
	    "security \"secret\": expected none, auth or conf");
}

static void
test_set(void **state)
{
	struct vnetspec s = good("(vnet.set (vnet x) (id y) (key office))", false);

	(void)state;
	assert_true(s.has_key);
	assert_false(s.has_level);
	assert_string_equal(s.ifname, "");
	s = good("(vnet.set (bridge \"\") (mtu auto))", false);
	assert_true(s.has_bridge && s.has_mtu);
	refused("(vnet.set (security none) (key a))", false,
	    "key \"a\": level none has no key; expected (security auth) or (security conf) "
	    "with it");
	refused("(vnet.add (id 2) (bridge \"\"))", true,
	    "bridge \"\": empty; expected the name of a bridge");
}

static void
test_ids_and_names(void **state)
{
	(void)state;
	refused("(vnet (bridge b))", true, "no id; expected (id ID) in (vnet ..)");
	refused("(v (id 0))", true, "id \"0\": 0 is not the id of a vnet; expected another");
	refused("(v (id 1))", true,
	    "id \"1\": 1 is the physical network, which has no device; expected another");
	refused("(v (id 0x97))", true,
	    "id \"0x97\": expected 1 to 4 hex digits, or 8 such groups with colons between");
	refused("(v (id 97) (vnetif cafe))", true,
	    "vnetif \"cafe\": reads as a vnet id; expected a name that does not");
	refused("(v (id 97) (vnetif fifteen-letters))", true,
	    "vnetif \"fifteen-letters\": longer than 14 characters; expected the name of a device");
	refused("(v (id 97) (bridge vnif0097))", true,
	    "bridge \"vnif0097\": the name of the vnet's device; expected another");
	refused(
	    "(v (id 97) (vnetif x) (vnetif y))", true, "vnetif \"y\": expected only one vnetif");
	refused(
	    "(v (id 97) (vnetif a b))", true, "vnetif: expected one value, as in (vnetif VALUE)");
	refused("(v (id 97 ) x)", true, "expected (KEY VALUE), found an atom");
	refused("(v (id \"\xc2\x9b\n2J and so on, and so on, and so on, and so on, on\"))", true,
	    "id \"???2J and so on, and so on, and so on, and so on...\": "
	    "expected 1 to 4 hex digits, or 8 such groups with colons between");
}

static void
test_offload(void **state)
{
	(void)state;
	assert_int_equal(good("(v (id 2))", true).offload, OFFLOAD_AUTO);
	assert_int_equal(good("(v (id 2) (offload off))", true).offload, OFFLOAD_OFF);
	assert_true(good("(v (offload require))", false).has_offload);
	prints("(vnet (id 97) (offload require))",
	    "(vnet (id 0000:0000:0000:0000:0000:0000:0000:0097) (security none) (offload "
	    "require))\n");
	refused("(v (id 2) (offload yes))", true, "offload \"yes\": expected auto, off or require");
	refused("(v (id 2) (offload off) (offload off))", true,
	    "offload \"off\": expected only one offload");
}

static void
test_mtu(void **state)
{
	(void)state;
	assert_int_equal(good("(v (id 2) (mtu 68))", true).mtu, 68);
	assert_int_equal(good("(v (id 2) (mtu auto))", true).mtu, 0);
	refused("(v (id 2) (mtu 67))", true, "mtu \"67\": expected a number from 68 to 65501");
	refused(
	    "(v (id 2) (mtu 65502))", true, "mtu \"65502\": expected a number from 68 to 65501");
	refused(
	    "(v (id 2) (mtu 1400x))", true, "mtu \"1400x\": expected a number from 68 to 65501");
}

static void
test_addresses(void **state)
{
	static const char *const bad[] = { "10.0.0.1", "10.0.0.1/", "10.0.0.1/0", "10.0.0.1/33",
		"10.0.0.1/024", "10.0.0.1/-1", "10.0.0.1/24 ", "224.0.0.1/24", "127.0.0.1/8",
		"0.0.0.0/24", "fe80::1%2/64", "2001:db8::1/129", "2001:db8::1/1280", "x/24", "/24",
		"" };
	struct vnetspec_addr a;
	char text[IPADDR_STRLEN + 4];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (vnetspec_parse_addr(bad[i], &a))
			fail_msg("accepted %s", bad[i]);
	assert_true(vnetspec_parse_addr("2001:db8:0::1/128", &a));
	vnetspec_format_addr(&a, text, sizeof(text));
	assert_string_equal(text, "2001:db8::1/128");
}

/* As vnet-set -s none leaves it behind. */
static void
test_print_of_none_has_no_key(void **state)
{
	struct vnetspec s = good("(vnet (id 97) (security conf) (key k))", true);
	struct sxp_out o = { 0 };

	(void)state;
	s.level = LEVEL_NONE;
	s.suite = SUITE_NONE;
	vnetspec_print(&o, "vnet", &s);
	assert_string_equal(
	    o.text, "(vnet (id 0000:0000:0000:0000:0000:0000:0000:0097) (security none))\n");
	sxp_out_free(&o);
}

static void
test_print(void **state)
{
	(void)state;
	prints("(vnet (id 97) (vnetif vnif0097) (security none))",
	    "(vnet (id 0000:0000:0000:0000:0000:0000:0000:0097) (security none))\n");
	prints("(vnet (id 97) (suite aes128-sha1) (key default))",
	    "(vnet (id 0000:0000:0000:0000:0000:0000:0000:0097) (security conf))\n");
	prints("(vnet (address 10.0.0.1/8) (mtu 1400) (key k) (suite aes128gcm) (bridge b) "
	       "(vnetif x) (id 97))",
	    "(vnet (id 0000:0000:0000:0000:0000:0000:0000:0097) (vnetif x) (bridge b) "
	    "(security conf) (suite aes128gcm) (key k) (mtu 1400) (address 10.0.0.1/8))\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_levels_and_suites),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_ids_and_names),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_offload),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_print_of_none_has_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
