/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The text of a key file: 64 hex digits (32 bytes) on one line, '#' comment lines and blank lines
 * around it allowed; white space at the ends of lines is free. Pure. Nothing else is a key: a
 * truncated or doubled line is an error that says what was found.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYFILE_SECRET_LEN 32
#define KEYFILE_SIZE_MAX   4096

enum keyfile_verdict {
	KEYFILE_OK,
	KEYFILE_EMPTY,	   /* no line with a key */
	KEYFILE_NOT_HEX,   /* a character that is not a hex digit */
	KEYFILE_LENGTH,	   /* not 64 digits */
	KEYFILE_SECOND,	   /* more than one line that is no comment */
	KEYFILE_TOO_LARGE, /* more than KEYFILE_SIZE_MAX bytes */
	KEYFILE_WEAK,	   /* all bytes equal */
	KEYFILE_VERDICT_COUNT
};

/*
 * On KEYFILE_OK the secret is filled, else wiped. *line is where the trouble is, from 1; 0: the
 * file as a whole.
 */
enum keyfile_verdict keyfile_parse(
    const char *text, size_t len, uint8_t secret[static KEYFILE_SECRET_LEN], unsigned *line);
const char *keyfile_verdict_text(enum keyfile_verdict v);
