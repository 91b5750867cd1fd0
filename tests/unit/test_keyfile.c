/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keys/hardwired.h"
#include "unhex.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static void
test_texts(void **state)
{
	static const struct {
		const char *text;
		enum keyfile_verdict verdict;
		unsigned line;
	} cases[] = {
		{ HEX, KEYFILE_OK, 0 },
		{ HEX "\n", KEYFILE_OK, 0 },
		{ "# site A\n\n \t\r\n  " HEX " \r\n\n # end", KEYFILE_OK, 0 },
		{ "", KEYFILE_EMPTY, 0 },
		{ "\n\n  \n", KEYFILE_EMPTY, 0 },
		{ "# " HEX "\n", KEYFILE_EMPTY, 0 },
		{ "\n0x" HEX, KEYFILE_NOT_HEX, 2 },
		{ HEX " # mine", KEYFILE_NOT_HEX, 1 },
		{ "\xef\xbb\xbf" HEX, KEYFILE_NOT_HEX, 1 },
		{ HEX "0", KEYFILE_LENGTH, 1 },
		{ HEX HEX, KEYFILE_LENGTH, 1 },
		{ "\n\n0123", KEYFILE_LENGTH, 3 },
		{ HEX "\n" HEX, KEYFILE_SECOND, 2 },
		{ HEX "\n\n?", KEYFILE_SECOND, 3 },
		{ "#\n5555555555555555555555555555555555555555555555555555555555555555",
		    KEYFILE_WEAK, 2 },
	};
	static const uint8_t zero[KEYFILE_SECRET_LEN];
	uint8_t secret[KEYFILE_SECRET_LEN], want[KEYFILE_SECRET_LEN];

	(void)state;
	unhex(HEX, want, sizeof(want));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned line = 99;

		memset(secret, 0xff, sizeof(secret));
		assert_int_equal(keyfile_parse(cases[i].text, strlen(cases[i].text), secret, &line),
		    cases[i].verdict);
		assert_int_equal(line, cases[i].line);
		assert_memory_equal(
		    secret, cases[i].verdict == KEYFILE_OK ? want : zero, sizeof(secret));
		assert_non_null(keyfile_verdict_text(cases[i].verdict));
	}
}

/* Every prefix of a good file is refused until the last digit is there. */
static void
test_truncated(void **state)
{
	uint8_t secret[KEYFILE_SECRET_LEN];
	unsigned line;

	(void)state;
	assert_int_equal(keyfile_parse(HEX, 0, secret, &line), KEYFILE_EMPTY);
	for (size_t len = 1; len < strlen(HEX); len++)
		assert_int_equal(keyfile_parse(HEX, len, secret, &line), KEYFILE_LENGTH);
}

static void
test_size(void **state)
{
	char text[KEYFILE_SIZE_MAX + 1];
	uint8_t secret[KEYFILE_SECRET_LEN];
	unsigned line;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, HEX, strlen(HEX));
	assert_int_equal(keyfile_parse(text, KEYFILE_SIZE_MAX, secret, &line), KEYFILE_OK);
	assert_int_equal(
	    keyfile_parse(text, KEYFILE_SIZE_MAX + 1, secret, &line), KEYFILE_TOO_LARGE);
	text[100] = '\0';
	assert_int_equal(keyfile_parse(text, KEYFILE_SIZE_MAX, secret, &line), KEYFILE_NOT_HEX);
}

static void
test_hardwired_is_its_text(void **state)
{
	(void)state;
	assert_memory_equal(
	    hardwired_key, "this pre-shared key is no secret", sizeof(hardwired_key));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_hardwired_is_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
