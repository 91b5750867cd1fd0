/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "esp/esp.h"

#define SPI   0x1001
#define BATCH 70 /* more than the cipher gets at once */

static struct packet_pool *pool;
static struct packet *p[BATCH], *alone;
static struct esp_out out, out_alone;
static struct esp_in in, in_alone;

static unsigned
below(unsigned n)
{
	return (unsigned)random() % n;
}

static void
open_sas(const struct suite *s, bool esn)
{
	uint8_t keymat[SUITE_KEYMAT_MAX];

	for (size_t i = 0; i < sizeof(keymat); i++)
		keymat[i] = (uint8_t)random();
	assert_int_equal(esp_out_init(&out, SPI, s, keymat, esn), 0);
	assert_int_equal(esp_out_init(&out_alone, SPI, s, keymat, esn), 0);
	assert_int_equal(esp_in_init(&in, SPI, s, keymat, esn, 64), 0);
	assert_int_equal(esp_in_init(&in_alone, SPI, s, keymat, esn, 64), 0);
	out.seq = out_alone.seq = esn ? UINT32_MAX - 100 : 0; /* crosses into the next subspace */
	in.replay.top = in_alone.replay.top = out.seq;
}

static void
close_sas(void)
{
	esp_out_fini(&out);
	esp_out_fini(&out_alone);
	esp_in_fini(&in);
	esp_in_fini(&in_alone);
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
fill(struct packet *dst, size_t len, unsigned seed)
{
	size_t room;

	packet_reset(dst, &room);
	for (size_t i = 0; i < len; i++)
		dst->data[i] = (uint8_t)(i * 7 + seed);
	dst->len = len;
}

static void
for_every_suite(void (*check)(const struct suite *s, size_t n))
{
	static const char *const engines[] = { "openssl", "ipsec-mb", "auto" };

	for (size_t e = 0; e < 3; e++)
		for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++)
			for (int esn = 0; esn < 2; esn++) {
				if (!cipher_prefer(engines[e]))
					continue;
				open_sas(suite_by_id(id), esn);
				for (size_t n = 1; n <= BATCH; n++)
					check(suite_by_id(id), n);
				close_sas();
			}
	assert_true(cipher_prefer("auto"));
}

static size_t
random_len(void)
{
	return below(8) == 0 ? below(9000) : below(200);
}

/* n packets, sealed as a batch, in p; the same one by one, by OpenSSL, is the judge. */
static void
seal(const struct suite *s, size_t n)
{
	enum esp_verdict v[BATCH];
	size_t len[BATCH];

	for (size_t i = 0; i < n; i++)
		fill(p[i], len[i] = random_len(), (unsigned)i);
	esp_seal_batch(&out, p, n, ESP_NEXT_UDP, v);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(v[i], ESP_OK);
		fill(alone, len[i], (unsigned)i);
		if (s->iv_len == 16)
			cipher_set_next_iv(out_alone.cipher, p[i]->data + ESP_HEADER_LEN);
		assert_int_equal(esp_seal(&out_alone, alone, ESP_NEXT_UDP), ESP_OK);
		assert_int_equal(p[i]->len, alone->len);
		assert_memory_equal(p[i]->data, alone->data, alone->len);
	}
	assert_true(out.seq == out_alone.seq && out.bytes == out_alone.bytes);
}

static void
open_all(const struct suite *s, size_t n)
{
	struct esp_opened opened[BATCH];

	seal(s, n);
	esp_open_batch(&in, p, n, opened);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(opened[i].verdict, ESP_OK);
		assert_int_equal(opened[i].next_header, ESP_NEXT_UDP);
		assert_true(opened[i].newest);
		fill(alone, p[i]->len, (unsigned)i);
		assert_memory_equal(p[i]->data, alone->data, alone->len);
	}
	assert_true(
	    in.bytes == out.bytes && in.packets == out.seq - in_alone.replay.top && in.bad == 0);
}

static void
batches_equal_single_packets(void **state)
{
	(void)state;
	for_every_suite(open_all);
}

/* What happens to packets on the way. */
static void
spoil(size_t n)
{
	for (size_t i = 0; i < n; i++)
		switch (below(8)) {
		case 0:
			if (p[i]->len > 0)
				p[i]->data[below((unsigned)p[i]->len)] ^= (uint8_t)(1 << below(8));
			break;
		case 1:
			p[i]->len = below((unsigned)p[i]->len + 1);
			break;
		case 2: /* twice in one batch */
			copy(p[i], p[below((unsigned)n)]);
			break;
		case 3: {
			size_t j = below((unsigned)n);
			struct packet *other = p[j];

			p[j] = p[i];
			p[i] = other;
			break;
		}
		default:
			break;
		}
}

static bool
replay_or_icv(enum esp_verdict v)
{
	return v == ESP_OLD || v == ESP_REPLAYED || v == ESP_BAD_ICV;
}

static void
open_spoilt(const struct suite *s, size_t n)
{
	struct esp_opened opened[BATCH];
	static uint8_t kept[BATCH][9200];
	size_t len[BATCH];

	seal(s, n);
	spoil(n);
	for (size_t i = 0; i < n; i++)
		memcpy(kept[i], p[i]->data, len[i] = p[i]->len);
	esp_open_batch(&in, p, n, opened);
	for (size_t i = 0; i < n; i++) {
		uint8_t next = 0;
		bool newest = false;
		size_t room;

		memcpy(packet_reset(alone, &room), kept[i], alone->len = len[i]);
		alone->len = len[i];
		enum esp_verdict v = esp_open(&in_alone, alone, &next, &newest);
		/* What packets of the same batch make old or a replay is found out after the ICV, not before. */
		if (!replay_or_icv(opened[i].verdict) || !replay_or_icv(v))
			assert_int_equal(opened[i].verdict, v);
		if (v != ESP_OK)
			continue;
		assert_int_equal(opened[i].next_header, next);
		assert_int_equal(opened[i].newest, newest);
		assert_int_equal(p[i]->len, alone->len);
		assert_memory_equal(p[i]->data, alone->data, alone->len);
	}
	assert_memory_equal(&in.replay, &in_alone.replay, sizeof(in.replay));
	assert_true(
	    in.packets == in_alone.packets && in.bytes == in_alone.bytes && in.bad == in_alone.bad);
}

static void
good_and_bad_are_told_apart(void **state)
{
	(void)state;
	for_every_suite(open_spoilt);
}

/* As UDP_GRO gives them: one behind the other in one buffer, which nothing may be written outside of. */
static void
open_windows(const struct suite *s, size_t n)
{
	struct esp_opened opened[BATCH];
	size_t room, at = 0, len[BATCH];

	if (n > 20)
		return;
	seal(s, n);
	packet_reset(alone, &room);
	for (size_t i = 0; i < n; i++) {
		len[i] = p[i]->len;
		if (at + len[i] > room)
			len[i] = 0;
		memcpy(alone->data + at, p[i]->data, len[i]);
		p[i]->data = alone->data + at;
		p[i]->len = len[i];
		at += len[i];
	}
	alone->data[at] = 0x5a;
	esp_open_batch(&in, p, n, opened);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(opened[i].verdict, len[i] > 0 ? ESP_OK : ESP_SHORT);
		for (size_t j = 0; opened[i].verdict == ESP_OK && j < p[i]->len; j++)
			assert_int_equal(p[i]->data[j], (uint8_t)(j * 7 + i));
	}
	assert_int_equal(alone->data[at], 0x5a);
}

static void
packets_may_be_windows(void **state)
{
	(void)state;
	for_every_suite(open_windows);
}

static void
a_batch_stops_at_the_last_number(void **state)
{
	enum esp_verdict v[4];

	(void)state;
	open_sas(suite_by_id(SUITE_AES128_SHA1), false);
	out.seq = UINT32_MAX - 2;
	for (size_t i = 0; i < 4; i++)
		fill(p[i], 10, 0);
	esp_seal_batch(&out, p, 4, ESP_NEXT_UDP, v);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(v[i], i < 2 ? ESP_OK : ESP_EXHAUSTED);
	close_sas();
}

static void
a_packet_without_room_takes_no_number(void **state)
{
	enum esp_verdict v[3];
	struct esp_opened opened[3];

	(void)state;
	open_sas(suite_by_id(SUITE_AES128_SHA1), true);
	for (size_t i = 0; i < 3; i++)
		fill(p[i], 10, (unsigned)i);
	packet_push(p[1], PACKET_HEADROOM - ESP_HEADER_LEN);
	esp_seal_batch(&out, p, 3, ESP_NEXT_UDP, v);
	assert_true(v[0] == ESP_OK && v[1] == ESP_NO_ROOM && v[2] == ESP_OK);
	assert_true(out.seq == out_alone.seq + 2);
	esp_open_batch(&in, p, 3, opened);
	assert_true(opened[0].verdict == ESP_OK && opened[2].verdict == ESP_OK);
	assert_int_not_equal(opened[1].verdict, ESP_OK);
	assert_int_equal(in.bad, 1);
	close_sas();
}

/* The largest datagrams and beyond, where numbers of 16 bits end. */
static void
lengths_about_64_k(void **state)
{
	enum esp_verdict v[3];
	struct esp_opened opened[3];

	(void)state;
	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++) {
		open_sas(suite_by_id(id), true);
		for (size_t len = 65300; len <= 65535; len += 5) {
			for (size_t i = 0; i < 3; i++)
				fill(p[i], len, (unsigned)i);
			esp_seal_batch(&out, p, 3, ESP_NEXT_UDP, v);
			assert_true(cipher_prefer("openssl"));
			esp_open_batch(&in, p, 3, opened);
			assert_true(cipher_prefer("ipsec-mb") || cipher_prefer("auto"));
			for (size_t i = 0; i < 3; i++) {
				assert_true(v[i] == ESP_OK && opened[i].verdict == ESP_OK);
				fill(alone, len, (unsigned)i);
				assert_int_equal(p[i]->len, len);
				assert_memory_equal(p[i]->data, alone->data, len);
			}
		}
		close_sas();
	}
	assert_true(cipher_prefer("auto"));
}

static void
ivs_are_not_repeated(void **state)
{
	enum esp_verdict v[BATCH];
	static uint8_t ivs[10 * BATCH][16];

	(void)state;
	open_sas(suite_by_id(SUITE_AES128_SHA1), true);
	for (size_t round = 0; round < 10; round++) {
		for (size_t i = 0; i < BATCH; i++)
			fill(p[i], 10, 0);
		esp_seal_batch(&out, p, BATCH, ESP_NEXT_UDP, v);
		for (size_t i = 0; i < BATCH; i++)
			memcpy(ivs[round * BATCH + i], p[i]->data + ESP_HEADER_LEN, 16);
	}
	for (size_t i = 0; i < 10 * BATCH; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(memcmp(ivs[i], ivs[j], 16), 0);
	close_sas();
}

/* Seals and opens with SAs of its own; how many opened. */
static void *
worker(void *arg)
{
	static const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1, 2, 3 };
	const struct suite *s = arg;
	struct packet_pool *own = packet_pool_new(16);
	struct packet *q[16];
	enum esp_verdict v[16];
	struct esp_opened opened[16];
	struct esp_out to;
	struct esp_in from;
	uintptr_t ok = 0;

	cipher_thread_init();
	if (!own || esp_out_init(&to, SPI, s, keymat, true) < 0 ||
	    esp_in_init(&from, SPI, s, keymat, true, 64) < 0)
		return NULL;
	for (size_t i = 0; i < 16; i++)
		q[i] = packet_get(own);
	for (unsigned round = 0; round < 100; round++) {
		for (size_t i = 0; i < 16; i++)
			fill(q[i], 10 * round, round);
		esp_seal_batch(&to, q, 16, ESP_NEXT_UDP, v);
		esp_open_batch(&from, q, 16, opened);
		for (size_t i = 0; i < 16; i++)
			ok += v[i] == ESP_OK && opened[i].verdict == ESP_OK;
	}
	esp_out_fini(&to);
	esp_in_fini(&from);
	packet_pool_free(own);
	cipher_thread_fini();
	return (void *)ok;
}

static void
threads_do_not_meet(void **state)
{
	pthread_t thread[4];
	void *ok;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		void *suite = (void *)(uintptr_t)suite_by_id(SUITE_NULL_SHA1 + i);

		assert_int_equal(pthread_create(&thread[i], NULL, worker, suite), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &ok), 0);
		assert_int_equal((uintptr_t)ok, 1600);
	}
}

static void
engines_are_named(void **state)
{
	(void)state;
	assert_non_null(strstr(cipher_describe(), "OpenSSL 3."));
	assert_false(cipher_prefer("fastest"));
	assert_true(cipher_prefer("openssl"));
	assert_int_equal(
	    cipher_prefer("ipsec-mb"), strncmp(cipher_describe(), "libipsec-mb", 11) == 0);
	assert_true(cipher_prefer("auto"));
}

static int
setup(void **state)
{
	(void)state;
	srandom(1798);
	pool = packet_pool_new(BATCH + 1);
	if (!pool || !cipher_global_init())
		return -1;
	for (size_t i = 0; i < BATCH; i++)
		p[i] = packet_get(pool);
	alone = packet_get(pool);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	packet_pool_free(pool);
	cipher_thread_fini();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_equal_single_packets),
		cmocka_unit_test(good_and_bad_are_told_apart),
		cmocka_unit_test(packets_may_be_windows),
		cmocka_unit_test(a_batch_stops_at_the_last_number),
		cmocka_unit_test(a_packet_without_room_takes_no_number),
		cmocka_unit_test(lengths_about_64_k),
		cmocka_unit_test(ivs_are_not_repeated),
		cmocka_unit_test(threads_do_not_meet),
		cmocka_unit_test(engines_are_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
