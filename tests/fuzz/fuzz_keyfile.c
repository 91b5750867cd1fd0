/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Key files: a secret comes out only of KEYFILE_OK, and written again as hex it reads back the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "keys/keyfile.h"

const char *const fuzz_classes[] = {
	[KEYFILE_OK] = "key",
	[KEYFILE_EMPTY] = "empty",
	[KEYFILE_NOT_HEX] = "not hex",
	[KEYFILE_LENGTH] = "length",
	[KEYFILE_SECOND] = "second",
	[KEYFILE_TOO_LARGE] = "too large",
	[KEYFILE_WEAK] = "weak",
	[KEYFILE_VERDICT_COUNT] = NULL,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t zero[KEYFILE_SECRET_LEN];
	uint8_t secret[KEYFILE_SECRET_LEN], again[KEYFILE_SECRET_LEN];
	char hex[2 * KEYFILE_SECRET_LEN + 1];
	unsigned line;
	enum keyfile_verdict v = keyfile_parse((const char *)data, len, secret, &line);

	fuzz_saw(v);
	if (v != KEYFILE_OK) {
		if (memcmp(secret, zero, sizeof(zero)) != 0 || line > len + 1)
			abort();
		return 0;
	}
	for (size_t i = 0; i < sizeof(secret); i++)
		snprintf(hex + 2 * i, 3, "%02x", secret[i]);
	if (keyfile_parse(hex, strlen(hex), again, &line) != KEYFILE_OK ||
	    memcmp(secret, again, sizeof(again)) != 0)
		abort();
	return 0;
}
