/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/discover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BUF_LEN = DISCOVER_MAX_LEN + RELAYED_EXTRA + 8 };

static const struct discover sample = {
	.host_id = 0x0102030405060708,
	.start = 0x1112131415161718,
	.seq = 0x21222324,
	.flags = DISCOVER_FLAG_CLEAR,
	.hops = 3,
	.n_keys = 2,
	.keys = { { 0x31323334, 0x4142 }, { 0x51525354, 0x6162 } },
};

static void
check_equal(const struct discover *a, const struct discover *b)
{
	assert_int_equal(a->host_id, b->host_id);
	assert_int_equal(a->start, b->start);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->hops, b->hops);
	assert_int_equal(a->n_keys, b->n_keys);
	for (size_t i = 0; i < a->n_keys; i++) {
		assert_int_equal(a->keys[i].key_id, b->keys[i].key_id);
		assert_int_equal(a->keys[i].suites, b->keys[i].suites);
	}
}

static void
the_layout(void **state)
{
	static const uint8_t expected[40] = {
		1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* ids */
		0x21, 0x22, 0x23, 0x24, 1, 3, 0, 2,	  /* seq, flags, hops, number of keys */
		0x31, 0x32, 0x33, 0x34, 0x41, 0x42, 0, 0, /* key */
		0x51, 0x52, 0x53, 0x54, 0x61, 0x62, 0, 0, /* key */
	};
	uint8_t buf[BUF_LEN];
	struct discover d;

	(void)state;
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(discover_write(&sample, buf, sizeof(buf)), DISCOVER_MIN_LEN);
	assert_memory_equal(buf, expected, sizeof(expected));
	for (size_t i = sizeof(expected); i < DISCOVER_MIN_LEN; i++)
		assert_int_equal(buf[i], 0);
	assert_int_equal(discover_parse(buf, DISCOVER_MIN_LEN, &d), DISCOVER_OK);
	check_equal(&d, &sample);
}

static void
any_number_of_keys(void **state)
{
	uint8_t buf[BUF_LEN];
	struct discover d = sample, parsed;

	(void)state;
	for (d.n_keys = 0; d.n_keys <= DISCOVER_KEYS_MAX; d.n_keys++) {
		size_t len = discover_write(&d, buf, sizeof(buf));

		assert_true(len >= DISCOVER_MIN_LEN && len <= DISCOVER_MAX_LEN);
		assert_int_equal(discover_parse(buf, len, &parsed), DISCOVER_OK);
		check_equal(&d, &parsed);
		assert_int_equal(discover_parse(buf, len - 1, &parsed), DISCOVER_SHORT);
		buf[len] = 0;
		assert_int_equal(discover_parse(buf, len + 1, &parsed), DISCOVER_RESERVED);
		assert_int_equal(discover_write(&d, buf, len - 1), 0);
		assert_int_equal(discover_keys_room(&d), (len - 24) / 8);
	}
}

static void
refusals(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum discover_verdict verdict;
	} cases[] = {
		{ 20, 0x03, DISCOVER_OK },
		{ 20, 0x04, DISCOVER_RESERVED }, /* an unknown flag */
		{ 21, 4, DISCOVER_OK },
		{ 21, 5, DISCOVER_HOPS },
		{ 22, 1, DISCOVER_KEYS },
		{ 23, 65, DISCOVER_KEYS },
		{ 23, 64, DISCOVER_SHORT },
		{ 30, 1, DISCOVER_RESERVED },
		{ 31, 1, DISCOVER_RESERVED },
		{ 40, 1, DISCOVER_RESERVED },
		{ DISCOVER_MIN_LEN - 1, 1, DISCOVER_RESERVED },
	};
	uint8_t buf[BUF_LEN];
	struct discover d;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		discover_write(&sample, buf, sizeof(buf));
		buf[cases[i].at] = cases[i].value;
		assert_int_equal(discover_parse(buf, DISCOVER_MIN_LEN, &d), cases[i].verdict);
	}
	memset(buf, 0, 8);
	assert_int_equal(discover_parse(buf, DISCOVER_MIN_LEN, &d), DISCOVER_RESERVED);
}

static void
relayed_origins(void **state)
{
	static const struct {
		const char *ip;
		uint32_t port;
		enum discover_verdict verdict;
	} cases[] = {
		{ "192.0.2.1", 1798, DISCOVER_OK },
		{ "2001:db8::1", 65535, DISCOVER_OK },
		{ "192.0.2.1", 0, DISCOVER_ORIGIN },
		{ "224.10.0.1", 1798, DISCOVER_ORIGIN },
		{ "0.0.0.0", 1798, DISCOVER_ORIGIN },
		{ "127.0.0.1", 1798, DISCOVER_ORIGIN },
		{ "ff02::1", 1798, DISCOVER_ORIGIN },
		{ "fe80::1", 1798, DISCOVER_ORIGIN },
	};
	uint8_t buf[BUF_LEN];
	struct endpoint origin = { 0 }, parsed;
	struct discover d;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len;

		assert_true(ipaddr_parse(cases[i].ip, &origin.ip));
		origin.port = cases[i].port;
		len = relayed_write(&origin, &sample, buf, sizeof(buf));
		assert_int_equal(len, DISCOVER_MIN_LEN + RELAYED_EXTRA);
		assert_int_equal(relayed_parse(buf, len, &parsed, &d), cases[i].verdict);
		if (cases[i].verdict != DISCOVER_OK)
			continue;
		assert_true(endpoint_equal(&origin, &parsed));
		check_equal(&d, &sample);
		assert_int_equal(relayed_parse(buf, len - 1, &parsed, &d), DISCOVER_SHORT);
		assert_int_equal(relayed_parse(buf, 19, &parsed, &d), DISCOVER_SHORT);
		buf[1] = 1;
		assert_int_equal(relayed_parse(buf, len, &parsed, &d), DISCOVER_ORIGIN);
		buf[1] = 0;
		buf[0] = 5;
		assert_int_equal(relayed_parse(buf, len, &parsed, &d), DISCOVER_ORIGIN);
	}
	assert_true(ipaddr_parse("192.0.2.1", &origin.ip));
	relayed_write(&origin, &sample, buf, sizeof(buf));
	buf[19] = 1; /* behind an IPv4 address */
	assert_int_equal(relayed_parse(buf, 168, &parsed, &d), DISCOVER_ORIGIN);
	memset(buf, 0, 20);
	memcpy(buf, "\x06\0\x07\x06\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01", 20);
	assert_int_equal(relayed_parse(buf, 168, &parsed, &d), DISCOVER_ORIGIN);
}

static void
copies_are_seen(void **state)
{
	struct discover_seen *s = discover_seen_new(3);
	struct monotime now = { 1000000000 };
	struct discover d = sample;

	(void)state;
	assert_non_null(s);
	assert_true(discover_seen_first(s, &d, now));
	assert_false(discover_seen_first(s, &d, now));
	d.hops = 0;
	assert_false(discover_seen_first(s, &d, now));
	d.seq++;
	assert_true(discover_seen_first(s, &d, now));
	d.start++;
	now = monotime_add_ms(now, 30000);
	assert_true(discover_seen_first(s, &d, now));
	d.host_id++;
	assert_false(discover_seen_first(s, &d, now)); /* full */
	now = monotime_add_ms(now, 30000);
	assert_true(discover_seen_first(s, &d, now)); /* two have expired */
	assert_true(discover_seen_first(s, &sample, now));
	d.host_id--;
	assert_false(discover_seen_first(s, &d, now));
	discover_seen_free(s);
	discover_seen_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_layout),
		cmocka_unit_test(any_number_of_keys),
		cmocka_unit_test(refusals),
		cmocka_unit_test(relayed_origins),
		cmocka_unit_test(copies_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
