/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyfile.h"

#include <string.h>

#include "base/hex.h"

#define DIGITS (2 * KEYFILE_SECRET_LEN)

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* One line without the white space around it: a key or what keeps it from being one. */
static enum keyfile_verdict
parse_line(const char *s, size_t len, uint8_t secret[static KEYFILE_SECRET_LEN])
{
	bool equal = true;

	for (size_t i = 0; i < len; i++) {
		if (hex_digit(s[i]) < 0)
			return KEYFILE_NOT_HEX;
	}
	if (len != DIGITS)
		return KEYFILE_LENGTH;
	for (size_t i = 0; i < KEYFILE_SECRET_LEN; i++) {
		secret[i] = (uint8_t)(hex_digit(s[2 * i]) << 4 | hex_digit(s[2 * i + 1]));
		equal = equal && secret[i] == secret[0];
	}
	return equal ? KEYFILE_WEAK : KEYFILE_OK;
}

static enum keyfile_verdict
parse_lines(const char *text, size_t len, uint8_t secret[static KEYFILE_SECRET_LEN], unsigned *line)
{
	const char *end = text + len;
	bool found = false;

	*line = 0;
	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		const char *next = eol == NULL ? end : eol + 1;
		const char *stop = eol == NULL ? end : eol;

		while (text < stop && is_space(*text))
			text++;
		while (stop > text && is_space(stop[-1]))
			stop--;
		++*line;
		if (text < stop && *text != '#') {
			enum keyfile_verdict v = found ? KEYFILE_SECOND
						       : parse_line(
							     text, (size_t)(stop - text), secret);

			if (v != KEYFILE_OK)
				return v;
			found = true;
		}
		text = next;
	}
	*line = 0;
	return found ? KEYFILE_OK : KEYFILE_EMPTY;
}

enum keyfile_verdict
keyfile_parse(
    const char *text, size_t len, uint8_t secret[static KEYFILE_SECRET_LEN], unsigned *line)
{
	enum keyfile_verdict v = KEYFILE_TOO_LARGE;

	*line = 0;
	if (len <= KEYFILE_SIZE_MAX)
		v = parse_lines(text, len, secret, line);
	if (v != KEYFILE_OK)
		explicit_bzero(secret, KEYFILE_SECRET_LEN);
	return v;
}

const char *
keyfile_verdict_text(enum keyfile_verdict v)
{
	static const char *const text[KEYFILE_VERDICT_COUNT] = {
		[KEYFILE_OK] = "a key",
		[KEYFILE_EMPTY] = "no key, expected 64 hex digits",
		[KEYFILE_NOT_HEX] = "a character that is not a hex digit, expected 64 hex digits",
		[KEYFILE_LENGTH] = "too few or too many digits, expected 64 hex digits",
		[KEYFILE_SECOND] = "something after the key, expected one key",
		[KEYFILE_TOO_LARGE] = "more than 4096 bytes, expected one line of 64 hex digits",
		[KEYFILE_WEAK] = "all bytes of the key are equal, expected random ones",
	};

	return text[v];
}
