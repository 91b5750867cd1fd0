/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handshake messages: every input to every parser, as their lengths differ; what is accepted writes back to
 * the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "keys/handshake.h"

enum { HS1_ACCEPTED = HS_VERDICT_COUNT, HS2_ACCEPTED, COOKIE_ACCEPTED, PAYLOAD_ACCEPTED };

const char *const fuzz_classes[] = {
#define X(suffix, name) [HS_##suffix] = name,
	HS_VERDICTS(X)
#undef X
	    [HS1_ACCEPTED] = "handshake 1 accepted",
	[HS2_ACCEPTED] = "handshake 2 accepted",
	[COOKIE_ACCEPTED] = "cookie accepted",
	[PAYLOAD_ACCEPTED] = "payload accepted",
	NULL,
};

static void
same(const uint8_t *a, const uint8_t *b, size_t len)
{
	if (memcmp(a, b, len) != 0)
		abort();
}

static enum hs_verdict
try_hs1(const uint8_t *data, size_t len)
{
	uint8_t again[HS1_LEN];
	const uint8_t *cookie, *noise;
	struct hs_header h;
	enum hs_verdict v = hs1_parse(data, len, &h, &cookie, &noise);

	if (v == HS_OK) {
		hs1_write(again, &h, cookie, noise);
		same(again, data, len);
		fuzz_saw(HS1_ACCEPTED);
	}
	return v;
}

static enum hs_verdict
try_hs2(const uint8_t *data, size_t len)
{
	uint8_t again[HS2_LEN];
	const uint8_t *noise;
	struct hs_header h;
	enum hs_verdict v = hs2_parse(data, len, &h, &noise);

	if (v == HS_OK) {
		hs2_write(again, &h, noise);
		same(again, data, len);
		fuzz_saw(HS2_ACCEPTED);
	}
	return v;
}

static enum hs_verdict
try_cookie(const uint8_t *data, size_t len)
{
	uint8_t again[HS_COOKIE_MSG_LEN];
	const uint8_t *cookie;
	struct hs_header h;
	enum hs_verdict v = hs_cookie_parse(data, len, &h, &cookie);

	if (v == HS_OK) {
		hs_cookie_write(again, &h, cookie);
		same(again, data, len);
		fuzz_saw(COOKIE_ACCEPTED);
	}
	return v;
}

static enum hs_verdict
try_payload(const uint8_t *data, size_t len)
{
	uint8_t again[HS_PAYLOAD_LEN];
	struct hs_payload p;
	enum hs_verdict v = hs_payload_parse(data, len, &p);

	if (v == HS_OK) {
		hs_payload_write(again, &p);
		same(again, data, len);
		fuzz_saw(PAYLOAD_ACCEPTED);
	}
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_saw(try_hs1(data, len));
	fuzz_saw(try_hs2(data, len));
	fuzz_saw(try_cookie(data, len));
	fuzz_saw(try_payload(data, len));
	return 0;
}
