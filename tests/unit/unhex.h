/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Published test vectors are hex text: this makes bytes of it. For tests only. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Returns the number of bytes; ends the test program if they are more than size or not hex. */
static inline size_t
unhex(const char *text, uint8_t *out, size_t size)
{
	size_t len = strlen(text) / 2;

	if (len > size || strlen(text) % 2 != 0)
		abort();
	for (size_t i = 0; i < len; i++) {
		char digits[3] = { text[2 * i], text[2 * i + 1] }, *end;

		out[i] = (uint8_t)strtoul(digits, &end, 16);
		if (*end)
			abort();
	}
	return len;
}
