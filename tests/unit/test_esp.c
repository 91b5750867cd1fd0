/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "esp/esp.h"

#define SPI   0x1001
#define TWO32 (UINT64_C(1) << 32)

static struct packet_pool *pool;
static struct packet *p, *q; /* one under test, one to keep */
static struct esp_out out;
static struct esp_in in;

static void
open_sas(unsigned id, bool esn)
{
	uint8_t keymat[SUITE_KEYMAT_MAX];

	memset(keymat, 0x41, sizeof(keymat));
	assert_int_equal(esp_out_init(&out, SPI, suite_by_id(id), keymat, esn), 0);
	assert_int_equal(esp_in_init(&in, SPI, suite_by_id(id), keymat, esn, 64), 0);
}

static void
close_sas(void)
{
	esp_out_fini(&out);
	esp_in_fini(&in);
}

static void
fill(struct packet *dst, size_t len)
{
	size_t room;

	packet_reset(dst, &room);
	assert_true(len <= room);
	dst->len = len;
	for (size_t i = 0; i < len; i++)
		dst->data[i] = (uint8_t)(i * 7);
}

static void
copy(struct packet *dst, const struct packet *src)
{
	size_t room;

	packet_reset(dst, &room);
	memcpy(dst->data, src->data, src->len);
	dst->len = src->len;
}

static void
seal(size_t len)
{
	fill(p, len);
	assert_int_equal(esp_seal(&out, p, ESP_NEXT_UDP), ESP_OK);
}

static enum esp_verdict
open_p(void)
{
	uint8_t next;
	bool newest;

	return esp_open(&in, p, &next, &newest);
}

/* Nothing of a refused packet may be remembered, except that it was refused. */
static void
assert_refused_unmarked(enum esp_verdict want)
{
	struct esp_in before = in;
	uint8_t next = 99;
	bool newest = true;

	assert_int_equal(esp_open(&in, p, &next, &newest), want);
	assert_int_equal(in.bad, before.bad + 1);
	before.bad++;
	assert_memory_equal(&in, &before, sizeof(in));
	assert_int_equal(next, 99);
	assert_true(newest);
}

static void
for_every_suite(void (*check)(const struct suite *s))
{
	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++)
		for (int esn = 0; esn < 2; esn++) {
			open_sas(id, esn);
			check(suite_by_id(id));
			close_sas();
		}
}

static void
round_trip(const struct suite *s)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < 100; i++) {
		size_t len = i < 98 ? i : i == 98 ? 1430 : 65535;
		size_t text_len = len + ESP_TRAILER_LEN;
		uint8_t next = 0;
		bool newest = false;

		while (text_len % s->align != 0)
			text_len++;
		fill(p, len);
		assert_int_equal(esp_seal(&out, p, (uint8_t)i), ESP_OK);
		assert_int_equal(p->len, ESP_HEADER_LEN + s->iv_len + text_len + s->icv_len);
		assert_true(memcmp(p->data, "\0\0\x10\x01\0\0\0", 7) == 0 && p->data[7] == i + 1);
		bytes += p->len;
		assert_int_equal(esp_open(&in, p, &next, &newest), ESP_OK);
		assert_int_equal(p->len, len);
		fill(q, len);
		assert_memory_equal(p->data, q->data, len);
		assert_int_equal(next, i);
		assert_true(newest);
	}
	assert_int_equal(out.seq, 100);
	assert_int_equal(in.packets, 100);
	assert_int_equal(in.bad, 0);
	assert_int_equal(in.bytes, bytes);
	assert_int_equal(out.bytes, bytes);
}

static void
round_trips(void **state)
{
	(void)state;
	for_every_suite(round_trip);
}

/* What a kernel sends for an ARP request in an auth SA: 80 bytes of ESP, pad length 0. */
static void
layout_of_an_auth_packet(void **state)
{
	(void)state;
	open_sas(SUITE_NULL_SHA1, false);
	seal(8 + 8 + 42);
	assert_int_equal(p->len, 80);
	fill(q, 58);
	assert_memory_equal(p->data + ESP_HEADER_LEN, q->data, 58);
	assert_int_equal(p->data[66], 0);
	assert_int_equal(p->data[67], 17);
	seal(3);
	assert_memory_equal(p->data + ESP_HEADER_LEN + 3, "\1\2\3\3\x11", 5);
	close_sas();
}

static void
every_byte_counts(const struct suite *s)
{
	(void)s;
	for (int round = 0; round < 2; round++) {
		seal(50);
		copy(q, p);
		for (size_t i = 4; i < q->len; i++)
			for (unsigned bit = 0; bit < 8; bit++) {
				copy(p, q);
				p->data[i] ^= (uint8_t)(1 << bit);
				/* Sequence number 0 is refused before the ICV, which saves the work. */
				bool zero = memcmp(p->data + 4, "\0\0\0\0", 4) == 0;
				assert_refused_unmarked(zero ? ESP_OLD : ESP_BAD_ICV);
			}
		for (size_t i = 0; i < 4; i++) {
			copy(p, q);
			p->data[i] ^= 0x80;
			assert_refused_unmarked(ESP_BAD_ICV);
		}
		copy(p, q);
		assert_int_equal(open_p(), ESP_OK);
		out.seq += 100; /* the next round beyond the window */
	}
}

static void
every_flipped_bit_is_refused(void **state)
{
	(void)state;
	for_every_suite(every_byte_counts);
}

static void
truncate(const struct suite *s)
{
	size_t least = (size_t)ESP_HEADER_LEN + s->iv_len + ESP_TRAILER_LEN + s->icv_len;

	seal(50);
	copy(q, p);
	for (size_t len = 0; len < q->len; len++) {
		copy(p, q);
		p->len = len;
		size_t text_len = len - ESP_HEADER_LEN - s->iv_len - s->icv_len;
		bool fits = len >= least && text_len % s->align == 0;
		assert_refused_unmarked(fits ? ESP_BAD_ICV : ESP_SHORT);
	}
	for (size_t more = 1; more <= 32; more++) {
		copy(p, q);
		p->len += more;
		assert_refused_unmarked(more % s->align == 0 ? ESP_BAD_ICV : ESP_SHORT);
	}
	copy(p, q);
	assert_int_equal(open_p(), ESP_OK);
}

static void
every_other_length_is_refused(void **state)
{
	(void)state;
	for_every_suite(truncate);
}

/* A wrong bit anywhere in salt or integrity key, or in the key of an AEAD. */
static void
wrong_key(const struct suite *s)
{
	uint8_t keymat[SUITE_KEYMAT_MAX];
	size_t first = s->auth_key_len > 0 ? s->enc_key_len : 0;

	seal(50);
	copy(q, p);
	for (size_t i = first; i < suite_keymat_len(s); i++) {
		memset(keymat, 0x41, sizeof(keymat));
		keymat[i] ^= 1;
		esp_in_fini(&in);
		assert_int_equal(esp_in_init(&in, SPI, s, keymat, in.esn, 64), 0);
		copy(p, q);
		assert_refused_unmarked(ESP_BAD_ICV);
	}
}

static void
wrong_keys_are_refused(void **state)
{
	(void)state;
	for_every_suite(wrong_key);
}

/* Padding that no honest sender makes, under a good ICV: refused, but marked, so it cannot be tried twice. */
static void
bad_padding(const struct suite *s)
{
	static const struct {
		uint8_t pad_len, last[4];
		bool ok;
	} cases[] = {
		{ 0, { 0 }, true },
		{ 1, { 1 }, true },
		{ 4, { 1, 2, 3, 4 }, true },
		{ 14, { 11, 12, 13, 14 }, true },
		{ 15, { 0 }, false },
		{ 16, { 0 }, false },
		{ 255, { 0 }, false },
		{ 1, { 0 }, false },
		{ 4, { 1, 2, 3, 5 }, false },
		{ 4, { 0, 1, 2, 3 }, false },
		{ 4, { 0, 0, 0, 0 }, false },
		{ 14, { 4, 3, 2, 1 }, false },
	};
	size_t head_len = (size_t)ESP_HEADER_LEN + s->iv_len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t room, n = cases[i].pad_len < 4 ? cases[i].pad_len : 4;
		uint64_t packets = in.packets, bad = in.bad, seq = ++out.seq;
		uint8_t *text = packet_reset(p, &room) + head_len;

		p->len = head_len + 16 + s->icv_len;
		memcpy(p->data, (uint8_t[]){ 0, 0, 0x10, 0x01, 0, 0, 0, (uint8_t)seq },
		    ESP_HEADER_LEN);
		for (uint8_t b = 0; b < 14; b++)
			text[b] = (uint8_t)(b + 1);
		memcpy(text + 14 - n, cases[i].last, n);
		text[14] = cases[i].pad_len;
		text[15] = ESP_NEXT_UDP;
		assert_true(cipher_seal(out.cipher, p->data, 16, seq, out.esn));
		copy(q, p);
		assert_int_equal(open_p(), cases[i].ok ? ESP_OK : ESP_BAD_PADDING);
		if (cases[i].ok)
			assert_int_equal(p->len, 14 - cases[i].pad_len);
		assert_int_equal(in.packets, packets + cases[i].ok);
		assert_int_equal(in.bad, bad + !cases[i].ok);
		copy(p, q);
		assert_refused_unmarked(ESP_REPLAYED);
	}
}

static void
padding_is_checked(void **state)
{
	(void)state;
	for_every_suite(bad_padding);
}

/* One byte of padding more than there is text, and the byte in front of the text happens to fit. */
static void
padding_may_not_reach_into_the_header(void **state)
{
	size_t room;

	(void)state;
	open_sas(SUITE_NULL_SHA1, false);
	memcpy(packet_reset(p, &room), "\0\0\x10\x01\0\0\0\1\2\3\3\x11", 12);
	assert_true(cipher_seal(out.cipher, p->data, 4, 1, false));
	p->len = 12 + 12;
	assert_int_equal(open_p(), ESP_BAD_PADDING);
	close_sas();
}

static void
replay(const struct suite *s)
{
	uint8_t next;
	bool newest;

	(void)s;
	seal(20);
	copy(q, p);
	assert_int_equal(open_p(), ESP_OK);
	copy(p, q);
	assert_refused_unmarked(ESP_REPLAYED);

	seal(20); /* 2, kept back */
	copy(q, p);
	seal(20); /* 3 */
	assert_int_equal(esp_open(&in, p, &next, &newest), ESP_OK);
	assert_true(newest);
	copy(p, q);
	assert_int_equal(esp_open(&in, p, &next, &newest), ESP_OK);
	assert_false(newest);

	seal(20); /* 4, kept back until the window has left it behind */
	copy(q, p);
	out.seq = 67;
	seal(20);
	assert_int_equal(open_p(), ESP_OK);
	/* With ESN the number then stands for one 2^32 ahead, and the ICV tells (RFC 4303 appendix A2.2). */
	copy(p, q);
	assert_refused_unmarked(in.esn ? ESP_BAD_ICV : ESP_OLD);
}

static void
replays_and_old_ones_are_refused(void **state)
{
	(void)state;
	for_every_suite(replay);
}

/* Out of order across 2^32, from both sides of it. */
static void
esn_crosses_subspaces(void **state)
{
	static const uint64_t ends[] = { TWO32, 2 * TWO32, 0x89abcdef * TWO32 };

	(void)state;
	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++)
		for (size_t e = 0; e < 3; e++) {
			open_sas(id, true);
			out.seq = ends[e] - 4;
			in.replay.top = ends[e] - 4;
			seal(30); /* the last but two below */
			copy(q, p);
			for (int i = 0; i < 8; i++) {
				seal(30);
				assert_int_equal(open_p(), ESP_OK);
			}
			assert_true(in.replay.top == ends[e] + 5);
			copy(p, q);
			assert_int_equal(open_p(), ESP_OK);
			assert_true(in.replay.top == ends[e] + 5);
			copy(p, q);
			assert_refused_unmarked(ESP_REPLAYED);
			close_sas();
		}
}

/* The number on the wire alone would be new: only the high half in the ICV tells. */
static void
esn_of_another_subspace_is_refused(void **state)
{
	(void)state;
	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++) {
		open_sas(id, true);
		out.seq = TWO32 + 10;
		seal(30);
		assert_refused_unmarked(ESP_BAD_ICV);
		in.replay.top = TWO32 + 5;
		out.seq = 20;
		seal(30);
		assert_refused_unmarked(ESP_BAD_ICV);
		close_sas();
	}
}

static void
sequence_numbers_run_out(void **state)
{
	static const uint64_t last[] = { UINT32_MAX, UINT64_MAX };

	(void)state;
	for (int esn = 0; esn < 2; esn++) {
		open_sas(SUITE_AES128GCM, esn);
		out.seq = last[esn] - 1;
		in.replay.top = last[esn] - 1;
		seal(10);
		assert_int_equal(open_p(), ESP_OK);
		for (int i = 0; i < 3; i++) {
			fill(p, 10);
			assert_int_equal(esp_seal(&out, p, ESP_NEXT_UDP), ESP_EXHAUSTED);
			assert_true(out.seq == last[esn]);
		}
		close_sas();
	}
}

/* Manual SAs go no further than what is stored. */
static void
nothing_goes_past_the_last_number(void **state)
{
	(void)state;
	open_sas(SUITE_AES128_SHA1, true);
	out.last = 2;
	in.last = 1;
	seal(10);
	assert_int_equal(open_p(), ESP_OK);
	seal(10);
	assert_refused_unmarked(ESP_AHEAD);
	fill(p, 10);
	assert_int_equal(esp_seal(&out, p, ESP_NEXT_UDP), ESP_EXHAUSTED);
	out.last = in.last = 3;
	seal(10);
	assert_int_equal(open_p(), ESP_OK);
	close_sas();
}

static void
room_is_needed_at_both_ends(const struct suite *s)
{
	fill(p, 10);
	packet_push(p, PACKET_HEADROOM - ESP_HEADER_LEN - s->iv_len);
	assert_int_equal(esp_seal(&out, p, ESP_NEXT_UDP), ESP_OK);
	fill(p, 10);
	packet_push(p, PACKET_HEADROOM - ESP_HEADER_LEN - s->iv_len + 1);
	assert_int_equal(esp_seal(&out, p, ESP_NEXT_UDP), ESP_NO_ROOM);
	fill(p, 10);
	packet_append(p, PACKET_ROOM - 10 + PACKET_TAILROOM - s->icv_len);
	assert_int_equal(esp_seal(&out, p, ESP_NEXT_UDP), ESP_NO_ROOM);
	assert_int_equal(out.seq, 1);
}

static void
no_room_no_packet(void **state)
{
	(void)state;
	for_every_suite(room_is_needed_at_both_ends);
}

static void
verdicts_have_names(void **state)
{
	(void)state;
	for (enum esp_verdict v = ESP_OK; v < ESP_VERDICT_COUNT; v++)
		assert_non_null(esp_verdict_name(v));
	assert_string_equal(esp_verdict_name(ESP_OK), "ok");
	assert_string_equal(esp_verdict_name(ESP_BAD_ICV), "esp_bad_icv");
}

static int
setup(void **state)
{
	(void)state;
	pool = packet_pool_new(2);
	if (!pool || !cipher_global_init())
		return -1;
	p = packet_get(pool);
	q = packet_get(pool);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	packet_pool_free(pool);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),
		cmocka_unit_test(layout_of_an_auth_packet),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(every_other_length_is_refused),
		cmocka_unit_test(wrong_keys_are_refused),
		cmocka_unit_test(padding_is_checked),
		cmocka_unit_test(padding_may_not_reach_into_the_header),
		cmocka_unit_test(replays_and_old_ones_are_refused),
		cmocka_unit_test(esn_crosses_subspaces),
		cmocka_unit_test(esn_of_another_subspace_is_refused),
		cmocka_unit_test(sequence_numbers_run_out),
		cmocka_unit_test(nothing_goes_past_the_last_number),
		cmocka_unit_test(no_room_no_packet),
		cmocka_unit_test(verdicts_have_names),
	};

	int failed = 0;

	if (!cipher_global_init())
		return 1;
	if (cipher_prefer("openssl"))
		failed += cmocka_run_group_tests_name("OpenSSL", tests, setup, teardown);
	if (cipher_prefer("ipsec-mb"))
		failed += cmocka_run_group_tests_name("libipsec-mb", tests, setup, teardown);
	return failed;
}
