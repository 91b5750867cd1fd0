/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/fit.h"

static uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The plain one's complement sum: 0xffff for bytes that hold their own right checksum. */
static uint32_t
sum(const uint8_t *p, size_t len, uint32_t s)
{
	for (size_t i = 0; i < len; i++)
		s += (i & 1) != 0 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

struct shape {
	unsigned tags;
	bool v6;
	bool odd; /* a NOP in front of the MSS option */
};

static const struct shape shapes[] = { { 0, false, false }, { 0, true, false }, { 1, false, false },
	{ 2, true, false }, { 0, false, true }, { 0, true, true } };

/* Ethernet, tags and IP header in front of n bytes; returns where those start. */
static size_t
make_ip(uint8_t *f, const struct shape *s, uint8_t proto, size_t n)
{
	size_t at = 12, header = s->v6 ? 40 : 20;
	uint8_t *ip;

	memcpy(f, "\x02\0\0\0\0\x0b\x02\0\0\0\0\x0a", 12);
	for (unsigned i = 0; i < s->tags; i++, at += 4) {
		put16(f + at, 0x8100);
		put16(f + at + 2, 100 + i);
	}
	put16(f + at, s->v6 ? 0x86dd : 0x0800);
	ip = f + at + 2;
	memset(ip, 0, header);
	if (s->v6) {
		ip[0] = 0x60;
		put16(ip + 4, n);
		ip[6] = proto;
		ip[7] = 64;
		ip[8] = ip[24] = 0x20;
		ip[23] = 1;
		ip[39] = 2;
	} else {
		ip[0] = 0x45;
		put16(ip + 2, header + n);
		put16(ip + 6, 0x4000);
		ip[8] = 64;
		ip[9] = proto;
		memcpy(ip + 12, "\x0a\x61\0\1\x0a\x61\0\2", 8);
		put16(ip + 10, (uint16_t)~sum(ip, 20, 0));
	}
	return at + 2 + header;
}

static uint32_t
pseudo(const uint8_t *payload, bool v6, size_t n, uint8_t proto)
{
	const uint8_t *addresses = v6 ? payload - 32 : payload - 8;

	return sum(addresses, v6 ? 32 : 8, (uint32_t)n + proto);
}

static size_t
make_syn(uint8_t *f, const struct shape *s, uint16_t mss)
{
	size_t n = 28, at = make_ip(f, s, 6, n);
	uint8_t *tcp = f + at, *mss_at = tcp + 20 + s->odd;

	memset(tcp, 0, n);
	put16(tcp, 40000);
	put16(tcp + 2, 80);
	tcp[12] = 7 << 4;
	tcp[13] = 0x02;
	memset(tcp + 20, 1, 8);
	mss_at[0] = 2;
	mss_at[1] = 4;
	put16(mss_at + 2, mss);
	put16(tcp + 16, (uint16_t)~sum(tcp, n, pseudo(tcp, s->v6, n, 6)));
	return at + n;
}

static void
test_clamps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *s = &shapes[i];
		uint8_t f[128];
		size_t len = make_syn(f, s, 1460);
		uint8_t *tcp = f + len - 28;
		uint16_t want = (uint16_t)(1392 - 20 - (s->v6 ? 40 : 20));

		assert_true(fit_clamp_mss(f, len, 1392));
		assert_int_equal(be16(tcp + 22 + s->odd), want);
		assert_int_equal(sum(tcp, 28, pseudo(tcp, s->v6, 28, 6)), 0xffff);
		assert_false(fit_clamp_mss(f, len, 1392)); /* once is enough */
		assert_false(fit_clamp_mss(f, len, 9000));
	}
}

static void
test_leaves_alone(void **state)
{
	const struct shape *s = &shapes[0];
	uint8_t f[128], kept[128];
	size_t len;

	(void)state;
	len = make_syn(f, s, 1000);
	assert_false(fit_clamp_mss(f, len, 1392)); /* small enough */
	len = make_syn(f, s, 1460);
	f[14 + 20 + 13] = 0x10; /* no SYN */
	assert_false(fit_clamp_mss(f, len, 1392));
	len = make_syn(f, s, 1460);
	f[14 + 9] = 17; /* not TCP */
	assert_false(fit_clamp_mss(f, len, 1392));
	len = make_syn(f, s, 1460);
	put16(f + 14 + 6, 0x2000); /* a fragment */
	assert_false(fit_clamp_mss(f, len, 1392));
	len = make_syn(f, s, 1460);
	f[14 + 20 + 21] = 0; /* an option of length 0 */
	assert_false(fit_clamp_mss(f, len, 1392));
	f[14 + 20 + 21] = 60; /* one that is longer than the header */
	assert_false(fit_clamp_mss(f, len, 1392));
	len = make_syn(f, s, 1460);
	memcpy(kept, f, len);
	for (size_t cut = 0; cut < len; cut++)
		assert_false(fit_clamp_mss(f, cut, 1392));
	assert_memory_equal(f, kept, len);
}

static size_t
make_large(uint8_t *f, const struct shape *s, uint8_t proto, size_t payload)
{
	size_t at = make_ip(f, s, proto, payload);

	for (size_t i = 0; i < payload; i++)
		f[at + i] = (uint8_t)(i * 7 + 8);
	if (proto == 1)
		f[at] = 8;
	if (proto == 58)
		f[at] = 128;
	return at + payload;
}

static void
test_tells_the_sender(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		const struct shape *s = &shapes[i];
		size_t ip = 14 + 4 * s->tags, header = s->v6 ? 40 : 20, n;
		uint8_t f[1700], a[FIT_ERROR_MAX];
		size_t len = make_large(f, s, 17, 1480 - (s->v6 ? 20 : 0));
		const uint8_t *icmp = a + ip + header;

		n = fit_too_big(f, len, 1392, a);
		assert_int_equal(n, ip + header + 8 + 512);
		assert_memory_equal(a, f + 6, 6);
		assert_memory_equal(a + 6, f, 6);
		assert_int_equal(be16(icmp + 6), 1392);
		assert_memory_equal(icmp + 8, f + ip, 512);
		if (s->v6) {
			assert_int_equal(icmp[0], 2);
			assert_memory_equal(a + ip + 24, f + ip + 8, 16);
			assert_int_equal(sum(icmp, 520, pseudo(icmp, true, 520, 58)), 0xffff);
		} else {
			assert_int_equal(icmp[0], 3);
			assert_int_equal(icmp[1], 4);
			assert_memory_equal(a + ip + 16, f + ip + 12, 4);
			assert_int_equal(sum(a + ip, 20, 0), 0xffff);
			assert_int_equal(sum(icmp, 520, 0), 0xffff);
		}
	}
}

static void
test_says_nothing(void **state)
{
	const struct shape *v4 = &shapes[0], *v6 = &shapes[1];
	uint8_t f[1700], a[FIT_ERROR_MAX];
	size_t len = make_large(f, v4, 17, 1480);

	(void)state;
	assert_int_equal(fit_too_big(f, len, 1500, a), 0); /* it fits */
	f[14 + 6] = 0;
	assert_int_equal(fit_too_big(f, len, 1392, a), 0); /* may be fragmented */
	len = make_large(f, v4, 17, 1480);
	f[14 + 16] = 224;
	assert_int_equal(fit_too_big(f, len, 1392, a), 0); /* to a group */
	len = make_large(f, v4, 17, 1480);
	f[0] |= 1;
	assert_int_equal(fit_too_big(f, len, 1392, a), 0); /* as a link broadcast */
	len = make_large(f, v4, 1, 1480);
	assert_int_not_equal(fit_too_big(f, len, 1392, a), 0); /* about an echo: yes */
	f[14 + 20] = 3;
	assert_int_equal(fit_too_big(f, len, 1392, a), 0); /* about an error: never */
	len = make_large(f, v6, 58, 1460);
	assert_int_not_equal(fit_too_big(f, len, 1392, a), 0);
	f[14 + 40] = 1;
	assert_int_equal(fit_too_big(f, len, 1392, a), 0);
	len = make_large(f, v6, 17, 1460);
	assert_int_equal(fit_too_big(f, len, 1200, a), 0); /* below what IPv6 guarantees */
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(fit_too_big(f, cut, 1392, a), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clamps),
		cmocka_unit_test(test_leaves_alone),
		cmocka_unit_test(test_tells_the_sender),
		cmocka_unit_test(test_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
