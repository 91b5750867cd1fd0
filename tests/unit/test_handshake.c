/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unhex.h"

static const struct hs_header header = {
	.key_id = 0x01020304, .id = 0xa0b0c0d0, .suite = SUITE_AES128_SHA1
};
static const struct hs_payload payload = {
	.host_id = 0x1112131415161718,
	.start = 0x2122232425262728,
	.peer_host_id = 0x3132333435363738,
	.peer_start = 0x4142434445464748,
	.flags = HS_FLAG_ESN,
	.n_spis = 2,
	.spis = { 0x100, 0xffffffff },
	.attempt = 0x51525354,
};

static void
fill(uint8_t *p, size_t len, uint8_t first)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(first + i);
}

static void
check_header(const struct hs_header *h)
{
	assert_int_equal(h->key_id, header.key_id);
	assert_int_equal(h->id, header.id);
	assert_int_equal(h->suite, header.suite);
}

static void
test_round_trips(void **state)
{
	uint8_t cookie[HS_COOKIE_LEN], noise[HS_NOISE_LEN], one[HS1_LEN], two[HS2_LEN],
	    back[HS_COOKIE_MSG_LEN];
	const uint8_t *c, *n;
	struct hs_header h;

	(void)state;
	fill(cookie, sizeof(cookie), 1);
	fill(noise, sizeof(noise), 50);
	hs1_write(one, &header, cookie, noise);
	assert_int_equal(hs1_parse(one, sizeof(one), &h, &c, &n), HS_OK);
	check_header(&h);
	assert_ptr_equal(c, one + 12);
	assert_ptr_equal(n, one + 28);
	assert_memory_equal(c, cookie, sizeof(cookie));
	assert_memory_equal(n, noise, sizeof(noise));

	hs2_write(two, &header, noise);
	assert_int_equal(hs2_parse(two, sizeof(two), &h, &n), HS_OK);
	check_header(&h);
	assert_ptr_equal(n, two + 12);
	assert_memory_equal(n, noise, sizeof(noise));

	hs_cookie_write(back, &header, cookie);
	assert_int_equal(hs_cookie_parse(back, sizeof(back), &h, &c), HS_OK);
	check_header(&h);
	assert_ptr_equal(c, back + 12);
	assert_memory_equal(c, cookie, sizeof(cookie));
}

/* The layout of handshake.h, byte by byte. */
static void
test_layout(void **state)
{
	uint8_t want[HS_COOKIE_MSG_LEN], got[HS_COOKIE_MSG_LEN], pwant[HS_PAYLOAD_LEN],
	    pgot[HS_PAYLOAD_LEN];
	uint8_t cookie[HS_COOKIE_LEN], prologue[HS_PROLOGUE_MAX];

	(void)state;
	fill(cookie, sizeof(cookie), 1);
	unhex("01020304"
	      "02000000"
	      "a0b0c0d0"
	      "0102030405060708090a0b0c0d0e0f10",
	    want, sizeof(want));
	hs_cookie_write(got, &header, cookie);
	assert_memory_equal(got, want, sizeof(want));
	unhex("1112131415161718"
	      "2122232425262728"
	      "3132333435363738"
	      "4142434445464748"
	      "0001"
	      "02"
	      "00"
	      "00000100"
	      "ffffffff"
	      "000000000000000000000000000000000000000000000000"
	      "51525354",
	    pwant, sizeof(pwant));
	hs_payload_write(pgot, &payload);
	assert_memory_equal(pgot, pwant, sizeof(pwant));
	assert_int_equal(hs_prologue(prologue, header.key_id, header.suite), 14);
	assert_memory_equal(prologue, "vnet-esp\x01\x01\x02\x03\x04\x02", 14);
}

static void
test_refused_headers(void **state)
{
	static const uint8_t zero[HS1_LEN];
	struct hs_header h = header;
	uint8_t msg[HS1_LEN + 1];
	const uint8_t *c = NULL, *n = NULL;

	(void)state;
	for (size_t len = 0; len <= sizeof(msg); len++) {
		memset(msg, 0, sizeof(msg));
		hs1_write(msg, &header, zero, zero);
		assert_int_equal(
		    hs1_parse(msg, len, &h, &c, &n), len == HS1_LEN ? HS_OK : HS_LENGTH);
		assert_int_equal(hs2_parse(msg, len, &h, &n), len == HS2_LEN ? HS_OK : HS_LENGTH);
		assert_int_equal(hs_cookie_parse(msg, len, &h, &c),
		    len == HS_COOKIE_MSG_LEN ? HS_OK : HS_LENGTH);
	}
	c = n = NULL;
	for (unsigned suite = 0; suite < 256; suite++) {
		bool known = suite > SUITE_NONE && suite < SUITE_COUNT;

		msg[4] = (uint8_t)suite;
		assert_int_equal(hs1_parse(msg, HS1_LEN, &h, &c, &n), known ? HS_OK : HS_SUITE);
		assert_true(hs_suite_valid(suite) == known);
	}
	msg[4] = SUITE_AES128_SHA1;
	for (size_t i = 5; i < 8; i++) {
		struct hs_header before = h;

		c = n = NULL;
		msg[i] = 1;
		assert_int_equal(hs1_parse(msg, HS1_LEN, &h, &c, &n), HS_RESERVED);
		assert_int_equal(hs2_parse(msg, HS2_LEN, &h, &n), HS_RESERVED);
		assert_int_equal(hs_cookie_parse(msg, HS_COOKIE_MSG_LEN, &h, &c), HS_RESERVED);
		assert_null(c);
		assert_null(n);
		assert_memory_equal(&h, &before, sizeof(h));
		msg[i] = 0;
	}
}

static void
test_payload_round_trip(void **state)
{
	uint8_t buf[HS_PAYLOAD_LEN], again[HS_PAYLOAD_LEN];

	(void)state;
	for (unsigned n = 1; n <= HS_SPI_MAX; n++) {
		struct hs_payload p = payload, q;

		p.n_spis = (uint8_t)n;
		p.n_kernel = (uint8_t)(n / 3);
		for (uint32_t i = 0; i < HS_SPI_MAX; i++)
			p.spis[i] = i < n ? 0x1000 + i : 0;
		hs_payload_write(buf, &p);
		assert_int_equal(hs_payload_parse(buf, sizeof(buf), &q), HS_OK);
		hs_payload_write(again, &q);
		assert_memory_equal(again, buf, sizeof(buf));
		assert_int_equal(q.attempt, p.attempt);
		assert_int_equal(q.n_kernel, n / 3);
		assert_true(q.start == p.start && q.host_id == p.host_id);
		assert_true(q.peer_start == p.peer_start && q.peer_host_id == p.peer_host_id);
	}
}

static void
test_refused_payloads(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum hs_verdict verdict;
	} cases[] = {
		{ 33, 0x00, HS_OK }, /* no ESN */
		{ 34, 0, HS_SPIS },
		{ 34, 9, HS_SPIS },
		{ 34, 3, HS_SPIS },	/* the third is 0 */
		{ 34, 1, HS_RESERVED }, /* the second is one too many */
		{ 35, 1, HS_OK },	/* the second is the kernel's */
		{ 35, 2, HS_SPIS },	/* none for software */
		{ 38, 0, HS_SPIS },	/* 0 */
		{ 67, 1, HS_RESERVED },
	};
	uint8_t buf[HS_PAYLOAD_LEN + 1];
	struct hs_payload p = payload;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hs_payload_write(buf, &payload);
		buf[cases[i].at] = cases[i].value;
		assert_int_equal(hs_payload_parse(buf, HS_PAYLOAD_LEN, &p), cases[i].verdict);
		if (cases[i].verdict != HS_OK)
			assert_int_equal(p.n_spis, payload.n_spis);
	}
	hs_payload_write(buf, &payload);
	memset(buf, 0, 8); /* host id */
	assert_int_equal(hs_payload_parse(buf, HS_PAYLOAD_LEN, &p), HS_RESERVED);
	for (size_t len = 0; len <= sizeof(buf); len++) {
		if (len != HS_PAYLOAD_LEN)
			assert_int_equal(hs_payload_parse(buf, len, &p), HS_LENGTH);
	}
}

static void
test_refused_spis(void **state)
{
	static const uint32_t bad[] = { 0, 1, 255, 0x08000000, 0x100 /* again */ };
	struct hs_payload p = payload;

	(void)state;
	assert_int_equal(hs_payload_check(&p), HS_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p.spis[1] = bad[i];
		assert_int_equal(hs_payload_check(&p), HS_SPIS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_refused_headers),
		cmocka_unit_test(test_payload_round_trip),
		cmocka_unit_test(test_refused_payloads),
		cmocka_unit_test(test_refused_spis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
