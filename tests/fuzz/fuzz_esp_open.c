/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * esp_open() on hostile packets. Input: suite, flags (1: ESN; 2: make the ICV good, so that what is behind it is
 * reached), then the packet: as it came, or with flag 2 the sequence number (4 bytes) and the text, trailer included.
 */

#include <stdlib.h>
#include <string.h>

#include "esp/esp.h"
#include "fuzz.h"

#define SPI  0x1001u
#define TOP  1000u /* the newest packet the SA has seen; 1 to 936 are left of its window */
#define TEXT 4096u

enum { FLAG_ESN = 1, FLAG_GOOD_ICV = 2 };

/* Index: enum esp_verdict, as far as esp_open() gives it. */
const char *const fuzz_classes[] = { "ok", "short", "old", "replayed", "bad icv", "bad padding",
	NULL };

static const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void
die_unless(bool ok)
{
	if (!ok)
		abort();
}

/* What a member of the group that knows the keys, and means harm, can send. */
static void
make_good_icv(struct packet *p, const struct suite *s, const uint8_t *data, size_t len,
    uint64_t seq, bool esn)
{
	const uint8_t iv[16] = { 0 };
	size_t head_len = (size_t)ESP_HEADER_LEN + s->iv_len, text_len = len < TEXT ? len : TEXT;
	struct cipher *c = cipher_new(s, keymat, true);

	die_unless(c != NULL);
	if (s->iv_len == sizeof(iv))
		cipher_set_next_iv(c, iv);
	text_len = text_len / s->align * s->align;
	memcpy(p->data + head_len, data, text_len);
	die_unless(cipher_seal(c, p->data, text_len, seq, esn));
	cipher_free(c);
	p->len = head_len + text_len + s->icv_len;
}

/* What must hold whatever came. */
static void
check(const struct esp_in *sa, const struct esp_in *before, enum esp_verdict v,
    const struct packet *p, size_t len)
{
	bool marked = memcmp(&sa->replay, &before->replay, sizeof(sa->replay)) != 0;

	die_unless(marked == (v == ESP_OK || v == ESP_BAD_PADDING));
	die_unless(sa->bad == (v != ESP_OK));
	die_unless(sa->packets == (v == ESP_OK));
	if (v == ESP_OK) {
		size_t fixed = (size_t)ESP_HEADER_LEN + sa->suite->iv_len + ESP_TRAILER_LEN +
			       sa->suite->icv_len;

		die_unless(p->len + fixed <= len && len - fixed - p->len <= UINT8_MAX);
	}
}

static void
run(struct packet *p, const uint8_t *data, size_t len)
{
	const struct suite *s = suite_by_id(SUITE_NULL_SHA1 + data[0] % (SUITE_COUNT - 1));
	bool esn = data[1] & FLAG_ESN, newest;
	struct esp_in sa, before;
	size_t room;
	uint8_t next;

	data += 2;
	len -= 2;
	packet_reset(p, &room);
	die_unless(esp_in_init(&sa, SPI, s, keymat, esn, 64) == 0);
	replay_mark(&sa.replay, TOP);
	if (data[-1] & FLAG_GOOD_ICV && len >= 4) {
		uint32_t low = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 |
			       (uint32_t)data[2] << 8 | data[3];

		memcpy(p->data, (uint8_t[]){ 0, 0, SPI >> 8, SPI & 0xff }, 4);
		memcpy(p->data + 4, data, 4);
		make_good_icv(p, s, data + 4, len - 4, replay_seq(&sa.replay, low), esn);
	} else {
		p->len = len < room ? len : room;
		memcpy(p->data, data, p->len);
	}
	before = sa;
	len = p->len;
	enum esp_verdict v = esp_open(&sa, p, &next, &newest);
	check(&sa, &before, v, p, len);
	fuzz_saw(v);
	esp_in_fini(&sa);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct packet_pool *pool;

	if (len < 2)
		return 0;
	if (!pool) {
		pool = packet_pool_new(1);
		die_unless(pool != NULL && cipher_global_init());
	}
	struct packet *p = packet_get(pool);
	run(p, data, len);
	packet_put(p);
	return 0;
}
