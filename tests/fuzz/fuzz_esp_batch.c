/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * esp_open_batch() on hostile packets, with esp_open() as the judge. Input: suite, flags (1: ESN; 2: libipsec-mb for
 * any number of packets), then steps of three bytes, one packet of the batch each: which of those sealed before, and
 * what is done to it where.
 */

#include <stdlib.h>
#include <string.h>

#include "esp/esp.h"
#include "fuzz.h"

#define SPI    0x1001u
#define TOP    UINT64_C(0xffffffc0) /* so that they cross into the next subspace */
#define SEALED 80		    /* more than the window of 64 */
#define BATCH  70

enum { FLAG_ESN = 1, FLAG_IPSEC_MB = 2 };
enum { STEP_FLIP, STEP_CUT, STEP_KINDS };

enum { SAW_BY_BATCH = ESP_BAD_PADDING + 1 };
const char *const fuzz_classes[] = { "ok", "short", "old", "replayed", "bad icv", "bad padding",
	"refused by what the batch itself did", NULL };

static const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static struct packet_pool *pool;
static struct packet *sealed[SEALED], *batch[BATCH], *alone;

static void
die_unless(bool ok)
{
	if (!ok)
		abort();
}

static void
set(struct packet *p, const uint8_t *bytes, size_t len)
{
	size_t room;

	memcpy(packet_reset(p, &room), bytes, len);
	p->len = len;
}

/* Lengths differ, and the padding of every eighth is none that an honest peer makes. */
static void
seal_all(const struct suite *s, bool esn)
{
	static const uint8_t zeros[200];
	struct esp_out sa;

	die_unless(esp_out_init(&sa, SPI, s, keymat, esn) == 0);
	sa.seq = esn ? TOP : 0;
	for (size_t i = 0; i < SEALED; i++) {
		set(sealed[i], zeros, i * 2);
		die_unless(esp_seal(&sa, sealed[i], ESP_NEXT_UDP) == ESP_OK);
		if (i % 8 != 7)
			continue;
		size_t head_len = (size_t)ESP_HEADER_LEN + s->iv_len;
		sealed[i]->len = head_len + 32 + s->icv_len;
		memset(sealed[i]->data + head_len, 0xee, 32);
		die_unless(cipher_seal(sa.cipher, sealed[i]->data, 32, sa.seq, esn));
	}
	esp_out_fini(&sa);
}

static size_t
fill_batch(const uint8_t *steps, size_t len)
{
	size_t n = len / 3 < BATCH ? len / 3 : BATCH;

	for (size_t i = 0; i < n; i++, steps += 3) {
		const struct packet *from = sealed[steps[0] % SEALED];

		set(batch[i], from->data, from->len);
		if (steps[1] == STEP_FLIP)
			batch[i]->data[steps[2] % from->len] ^= 1;
		else if (steps[1] == STEP_CUT)
			batch[i]->len -= steps[2] % from->len;
	}
	return n;
}

static bool
replay_or_icv(enum esp_verdict v)
{
	return v == ESP_OLD || v == ESP_REPLAYED || v == ESP_BAD_ICV;
}

/* What packets before it in the batch did to the window is known after the ICV, not before it: so one reason may be
 * another. */
static void
compare(struct esp_in *one, const struct packet *p, const struct esp_opened *opened)
{
	uint8_t next = 0;
	bool newest = false;
	enum esp_verdict v = esp_open(one, alone, &next, &newest);

	if (v != opened->verdict) {
		die_unless(replay_or_icv(v) && replay_or_icv(opened->verdict));
		fuzz_saw(SAW_BY_BATCH);
		return;
	}
	fuzz_saw(v);
	if (v != ESP_OK)
		return;
	die_unless(next == opened->next_header && newest == opened->newest);
	die_unless(p->len == alone->len && memcmp(p->data, alone->data, p->len) == 0);
}

static void
run(const struct suite *s, bool esn, const uint8_t *steps, size_t len)
{
	static struct esp_opened opened[BATCH];
	static uint8_t kept[BATCH][400];
	static size_t kept_len[BATCH];
	struct esp_in many, one;

	seal_all(s, esn);
	size_t n = fill_batch(steps, len);
	for (size_t i = 0; i < n; i++)
		memcpy(kept[i], batch[i]->data, kept_len[i] = batch[i]->len);
	die_unless(esp_in_init(&many, SPI, s, keymat, esn, 64) == 0);
	die_unless(esp_in_init(&one, SPI, s, keymat, esn, 64) == 0);
	if (esn)
		many.replay.top = one.replay.top = TOP;
	esp_open_batch(&many, batch, n, opened);
	for (size_t i = 0; i < n; i++) {
		set(alone, kept[i], kept_len[i]);
		compare(&one, batch[i], &opened[i]);
	}
	die_unless(memcmp(&many.replay, &one.replay, sizeof(one.replay)) == 0);
	die_unless(many.packets == one.packets && many.bytes == one.bytes && many.bad == one.bad);
	esp_in_fini(&many);
	esp_in_fini(&one);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2)
		return 0;
	if (!pool) {
		pool = packet_pool_new(SEALED + BATCH + 1);
		die_unless(pool != NULL && cipher_global_init());
		for (size_t i = 0; i < SEALED; i++)
			sealed[i] = packet_get(pool);
		for (size_t i = 0; i < BATCH; i++)
			batch[i] = packet_get(pool);
		alone = packet_get(pool);
	}
	/* Where there is no libipsec-mb, both are OpenSSL. */
	if ((data[1] & FLAG_IPSEC_MB) == 0 || !cipher_prefer("ipsec-mb"))
		die_unless(cipher_prefer("openssl"));
	run(suite_by_id(SUITE_NULL_SHA1 + data[0] % (SUITE_COUNT - 1)), data[1] & FLAG_ESN,
	    data + 2, len - 2);
	return 0;
}
