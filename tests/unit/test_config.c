/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/config.h"

static char errors[4096];

static void
collect(void *arg, const char *file, unsigned line, const char *text)
{
	size_t n = strlen(errors);

	(void)arg;
	snprintf(errors + n, sizeof(errors) - n, "%s:%u: %s\n", file, line, text);
}

static unsigned
parse(const char *text, bool state, struct config *c)
{
	errors[0] = '\0';
	return config_parse(text, strlen(text), "f", state, c, collect, NULL);
}

static void
refuse(const char *text, bool state, const char *expected)
{
	struct config c;

	parse(text, state, &c);
	config_free(&c);
	assert_string_equal(errors, expected);
}

static void
test_defaults(void **state)
{
	struct config c;
	char group[IPADDR_STRLEN];

	(void)state;
	assert_int_equal(parse("# nothing\n", false, &c), 0);
	assert_string_equal(ipaddr_format(&c.group, group), "224.10.0.1");
	assert_int_equal(c.group_ttl, 1);
	assert_int_equal(c.port, 1798);
	assert_int_equal(c.rekey_seconds, 3600);
	assert_true(c.rekey_packets == UINT64_C(1) << 31);
	assert_int_equal(c.replay_window, 4096);
	assert_int_equal(c.entry_ttl, 60);
	assert_false(c.legacy_vnets);
	assert_int_equal(c.n_vnets + c.n_peers + c.n_labels + c.n_underlays, 0);
	config_free(&c);
}

static const char settings[] =
    "(varp.mcaddr (addr 224.10.0.2) (ttl 9))\n"
    "(port 2000)\n"
    "(underlay eth0 eth1)\n"
    "(rekey (seconds 10) (packets 1000))\n"
    "(replay-window 64)\n"
    "(varp (entry-ttl 5))\n"
    "(legacy-vnets on)\n"
    "(offload require)\n"
    "(host (id 0123456789abcdef) (seed "
    "000102030405060708090a0b0c0d0e0f) (start 18446744073709551615))\n"
    "(vnet.add (id 0000:0000:0000:0000:0000:0000:0000:0097) (vnetif v) (security none))\n"
    "(peer.add (addr gate.example.org) (port 1799))\n"
    "(peer.add (addr 2001:db8::1))\n"
    "(label (id 0001:0000:0000:0000:0000:0000:0000:0097) "
    "(vni 8388608))\n";

static void
test_everything_prints_as_read(void **state)
{
	struct sxp_out o = { 0 };
	struct config c;

	(void)state;
	assert_int_equal(parse(settings, true, &c), 0);
	assert_int_equal(c.port, 2000);
	assert_true(c.legacy_vnets);
	assert_true(c.host_id == UINT64_C(0x0123456789abcdef));
	assert_int_equal(c.peers[0].port, 1799);
	assert_int_equal(c.peers[1].port, 0);
	config_print(&o, &c);
	assert_string_equal(o.text, settings);
	sxp_out_free(&o);
	config_free(&c);
}

static void
test_errors_are_collected(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(parse("(port 0)\n(vnet (id 97)\n  (securty conf))\n(port 5)\n"
			       "(vnet (id 98))\n(peer.add)\n(frob)",
			     false, &c),
	    5);
	assert_string_equal(errors,
	    "f:1: port \"0\": expected a number from 1 to 65535\n"
	    "f:3: securty \"conf\": unknown key; expected id, vnetif, bridge, security, suite, "
	    "key, mtu, offload or address\n"
	    "f:4: (port ..): expected only once\n"
	    "f:6: no addr; expected (addr ..) in (peer.add ..)\n"
	    "f:7: unknown form \"frob\"; expected vnet, vnet.add, peer.add, varp.mcaddr, port, "
	    "underlay, rekey, replay-window, varp, legacy-vnets or offload\n");
	assert_int_equal(c.n_vnets, 1);
	config_free(&c);
}

static void
test_error_texts(void **state)
{
	(void)state;
	refuse("(port 5))", false, "f:1: unexpected ')'\n");
	refuse("(port\n5", false, "f:2: the file ends inside a form; expected ')'\n");
	refuse("(rekey (hours 1))", false,
	    "f:1: hours \"1\": unknown key; expected seconds or packets\n");
	refuse("(varp.mcaddr (addr 10.0.0.1))", false,
	    "f:1: addr \"10.0.0.1\": expected a multicast address, as 224.10.0.1\n");
	refuse("(peer.add (addr 1.2.3))", false,
	    "f:1: addr \"1.2.3\": expected the address or name of one host\n");
	refuse("(peer.add (addr a))\n(peer.add (addr a) (port 7))\n(peer.add (addr a))", false,
	    "f:3: peer a: expected only once\n");
	refuse("(vnet (id 97))\n(vnet (id 97) (vnetif x))\n(vnet (id 1:0:0:0:0:0:0:97))", false,
	    "f:2: vnet 0000:0000:0000:0000:0000:0000:0000:0097: expected only once\n"
	    "f:3: vnetif \"vnif0097\": the device of vnet "
	    "0000:0000:0000:0000:0000:0000:0000:0097; expected (vnetif NAME) with another\n");
	refuse("(legacy-vnets yes)", false, "f:1: legacy-vnets \"yes\": expected on or off\n");
	refuse("(underlay)", false, "f:1: underlay: expected the names of devices\n");
	refuse(
	    "(host (id 12) (seed 00) (start 1))", true, "f:1: id \"12\": expected 16 hex digits\n");
}

static void
test_state_forms_are_for_the_state_file(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(parse("(label (id 97) (vni 8388608))", false, &c), 1);
	config_free(&c);
	assert_int_equal(parse("(peer.add (addr a) (later x))", false, &c), 1);
	config_free(&c);
	assert_int_equal(parse("(peer.add (addr a) (later x))", true, &c), 0);
	config_free(&c);
}

static void
test_errors_have_an_end(void **state)
{
	struct sxp_out o = { 0 };
	struct config c;

	(void)state;
	for (int i = 0; i < 2 * CONFIG_ERRORS_MAX; i++)
		sxp_out_kv(&o, "frob", "x");
	assert_int_equal(parse(o.text, false, &c), CONFIG_ERRORS_MAX);
	config_free(&c);
	sxp_out_free(&o);
}

static void
test_many_vnets(void **state)
{
	struct sxp_out o = { 0 };
	struct config c;

	(void)state;
	for (int i = 0; i < CONFIG_VNETS_MAX + 1; i++) {
		sxp_out_open(&o, "vnet");
		sxp_out_kvf(&o, "id", "%x", i + 2);
		sxp_out_close(&o);
	}
	assert_int_equal(parse(o.text, false, &c), 1);
	assert_string_equal(errors, "f:4097: expected at most 4096 vnets\n");
	assert_int_equal(c.n_vnets, CONFIG_VNETS_MAX);
	config_free(&c);
	sxp_out_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything_prints_as_read),
		cmocka_unit_test(test_errors_are_collected),
		cmocka_unit_test(test_error_texts),
		cmocka_unit_test(test_state_forms_are_for_the_state_file),
		cmocka_unit_test(test_errors_have_an_end),
		cmocka_unit_test(test_many_vnets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
