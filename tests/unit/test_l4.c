/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/l4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frames.h"

static struct frame f;

static enum l4_verdict
find(struct l4 *at, size_t len)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);

	assert_non_null(exact);
	memcpy(exact, f.bytes, len);
	enum l4_verdict v = l4_find(exact, len, at);
	free(exact);
	return v;
}

static void
every_kind_is_found(void **state)
{
	struct l4 at;

	(void)state;
	for (unsigned i = 0; i < 2 * 2 * 3 * 5 * 11; i++) {
		struct shape s = {
			.v6 = i & 1, .tcp = i & 2, .tags = i / 4 % 3, .ip_options = i / 12 % 5
		};

		s.tcp_options = i / 60;
		frame_make(&f, &s, f.bytes, 0, false);
		for (size_t len = 0; len < f.len; len++) {
			enum l4_verdict v = find(&at, len);

			assert_int_not_equal(v, L4_OK);
			if (len >= f.l4)
				assert_int_equal(v, L4_PARTIAL);
		}
		assert_int_equal(find(&at, f.len), L4_OK);
		assert_int_equal(at.ip, f.ip);
		assert_int_equal(at.l4, f.l4);
		assert_int_equal(at.payload, f.payload);
		assert_int_equal(at.v6, s.v6);
		assert_int_equal(at.tcp, s.tcp);
		assert_int_equal(l4_checksum_offset(&at), s.tcp ? 16 : 6);
	}
}

static enum l4_verdict
with_byte(struct shape s, size_t offset_in_ip, uint8_t value)
{
	struct l4 at;

	frame_make(&f, &s, f.bytes, 0, false);
	f.bytes[f.ip + offset_in_ip] = value;
	return find(&at, f.len);
}

static void
what_is_neither(void **state)
{
	const struct shape ip4 = { .tcp = true }, ip6 = { .v6 = true, .tcp = true };
	struct shape extended = { .v6 = true, .tcp = true, .ip_options = 9 };

	(void)state;
	assert_int_equal(with_byte(ip4, 9, 1), L4_OTHER);
	assert_int_equal(with_byte(ip4, 0, 0x65), L4_OTHER);
	assert_int_equal(with_byte(ip4, 0, 0x44), L4_OTHER);
	assert_int_equal(with_byte(ip4, 6, 0x20), L4_PARTIAL);
	assert_int_equal(with_byte(ip4, 7, 1), L4_PARTIAL);
	assert_int_equal(with_byte(ip4, 6, 0x40), L4_OK);
	assert_int_equal(with_byte(ip4, 20 + 12, 0x40), L4_PARTIAL);
	assert_int_equal(with_byte(ip6, 0, 0x40), L4_OTHER);
	assert_int_equal(with_byte(ip6, 6, 58), L4_OTHER);
	assert_int_equal(with_byte(ip6, 6, 51), L4_OTHER);
	assert_int_equal(with_byte(ip6, 6, 44), L4_PARTIAL);
	assert_int_equal(with_byte(extended, 7, 64), L4_OTHER);
	extended.ip_options = 8;
	assert_int_equal(with_byte(extended, 7, 64), L4_OK);
	extended.tags = 2;
	frame_make(&f, &extended, f.bytes, 0, false);
	memcpy(f.bytes + 20, "\x81\x00", 2); /* a third tag for the IP header's type */
	assert_int_equal(find(&(struct l4){ 0 }, f.len), L4_OTHER);
}

static void
the_ip4_checksum(void **state)
{
	struct shape s = { .tcp = true, .ttl = 64 };

	(void)state;
	for (s.ip_options = 0; s.ip_options <= 10; s.ip_options++) {
		uint8_t want[60];

		frame_make(&f, &s, f.bytes, 0, false);
		memcpy(want, f.bytes + f.ip, f.l4 - f.ip);
		memset(f.bytes + f.ip + 10, 0xaa, 2);
		ip4_write_checksum(f.bytes + f.ip, f.l4 - f.ip);
		assert_memory_equal(f.bytes + f.ip, want, f.l4 - f.ip);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_found),
		cmocka_unit_test(what_is_neither),
		cmocka_unit_test(the_ip4_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
