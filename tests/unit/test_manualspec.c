/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/manualspec.h"

#define K20   "0x000102030405060708090a0b0c0d0e0f10111213"
#define L20   "0xf0f1f2f3f4f5f6f7f8f9fafbfcfdfeff00010203"
#define K16   "0x303132333435363738393a3b3c3d3e3f"
#define L16   "0x404142434445464748494a4b4c4d4e4f"
#define PEER  "(sa (peer 192.0.2.7) (spi-in 0x1001) (spi-out 4098) "
#define AUTHS "(auth-in " K20 ") (auth-out " L20 ")"
#define ENCS  "(enc-in " K16 ") (enc-out " L16 ")"

static bool
parse(const char *text, bool stored, struct manualspec *s, struct form_error *err)
{
	struct sxp_parser *p = sxp_parser_new(65536);
	struct sxp *e;
	size_t used;
	bool ok;

	assert_int_equal(sxp_parser_feed(p, text, strlen(text), &used, &e), 1);
	ok = manualspec_parse(e, stored, s, err);
	sxp_free(e);
	sxp_parser_free(p);
	return ok;
}

static void
refused(const char *text, const char *expected)
{
	static const struct manualspec zero;
	struct form_error err = { .text = "" };
	struct manualspec s;

	assert_false(parse(text, false, &s, &err));
	assert_string_equal(err.text, expected);
	assert_memory_equal(&s, &zero, sizeof(s));
}

static void
test_defaults(void **state)
{
	struct form_error err;
	struct manualspec s;
	uint8_t key[20];

	(void)state;
	assert_true(parse(PEER "(level auth)" AUTHS ")", false, &s, &err));
	assert_int_equal(s.suite, SUITE_NULL_SHA1);
	assert_int_equal(s.spi_in, 0x1001);
	assert_int_equal(s.spi_out, 0x1002);
	assert_int_equal(s.udp_port, 0);
	assert_false(s.esn || s.hub);
	assert_int_equal(s.n_vnets, 0);
	assert_string_equal(s.key, "default");
	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = i;
	assert_memory_equal(s.in, key, sizeof(key));
}

/* As cipher_new() wants them: the cipher's key first. */
static void
test_keymat(void **state)
{
	struct form_error err;
	struct manualspec s;

	(void)state;
	assert_true(parse(PEER "(level conf)" AUTHS ENCS ")", false, &s, &err));
	assert_int_equal(s.suite, SUITE_AES128_SHA1);
	assert_int_equal(s.in[0], 0x30);
	assert_int_equal(s.in[16], 0x00);
	assert_int_equal(s.in[35], 0x13);
	assert_int_equal(s.out[0], 0x40);
	assert_int_equal(s.out[16], 0xf0);
}

static void
test_refused(void **state)
{
	(void)state;
	refused(PEER AUTHS ")", "no level; expected (level VALUE)");
	refused(PEER "(level auth) (auth-in " K20 "))", "no auth-out; expected (auth-out VALUE)");
	refused(PEER "(level conf)" AUTHS ")",
	    "no enc-in; expected (enc-in KEY) of 16 bytes with suite aes128-sha1");
	refused(PEER "(level auth)" AUTHS ENCS ")", "enc-in: expected none with suite null-sha1");
	refused(PEER "(level auth) (suite null-sha256)" AUTHS ")",
	    "auth-in: found 40 characters; expected 0x and 64 hex digits with suite null-sha256");
	refused(PEER "(level conf) (suite aes256gcm)" AUTHS ENCS ")",
	    "suite \"aes256gcm\": GCM with keys that never change would repeat nonces; expected "
	    "aes128-sha1 or aes128-sha256");
	refused(PEER "(level auth) (auth-in " K20 ") (auth-out " K20 "))",
	    "auth-out: the same as auth-in; expected a key for each direction");
	refused(PEER "(level auth) (hub " K20 ")" AUTHS ")",
	    "hub: found what looks like a secret; expected it elsewhere");
	refused(PEER "(level auth) (" K20 " 1)" AUTHS ")",
	    "unknown key \"(hidden)\"; expected peer, level, suite, spi-in, spi-out, auth-in, "
	    "auth-out, enc-in, enc-out, esn, udp, key, vnet or hub");
}

static void
test_state(void **state)
{
	const char *text =
	    "(sa (peer 192.0.2.7) (level conf) (suite aes128-sha1) (spi-in 0x00001001) "
	    "(spi-out 0x00001002) " AUTHS " " ENCS " (esn yes) (udp 4500) (key office) "
	    "(vnet 0000:0000:0000:0000:0000:0000:0000:0097) (hub yes) "
	    "(sent 2097152) (received 256))\n";
	struct sxp_out o = { 0 };
	struct form_error err;
	struct manualspec s;

	(void)state;
	assert_false(parse(text, false, &s, &err)); /* numbers are not for people */
	assert_true(parse(text, true, &s, &err));
	assert_true(s.sent == 2097152 && s.received == 256);
	manualspec_print(&o, &s);
	assert_string_equal(o.text, text);
	sxp_out_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_keymat),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
