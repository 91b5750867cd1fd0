/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/datagram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static void
test_classify(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum datagram_kind kind;
	} cases[] = {
		{ "", 0, DATAGRAM_SHORT },
		{ "\xff", 1, DATAGRAM_KEEPALIVE },
		{ "\xfe", 1, DATAGRAM_SHORT },
		{ "\xff\xff", 2, DATAGRAM_SHORT },
		{ "\0\0\0", 3, DATAGRAM_SHORT },
		{ "\0\0\0\0", 4, DATAGRAM_CONTROL },
		{ "\0\0\0\1", 4, DATAGRAM_RESERVED },
		{ "\0\0\0\xff", 4, DATAGRAM_RESERVED },
		{ "\x08\0\0\0", 4, DATAGRAM_VXLAN },
		{ "\x08\0\0\0\0\0\x97\0", 8, DATAGRAM_VXLAN },
	};
	uint32_t spi = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    datagram_classify((const uint8_t *)cases[i].bytes, cases[i].len, &spi),
		    cases[i].kind);
	assert_int_equal(spi, 7);
}

static void
test_probe(void **state)
{
	uint8_t frame[PROBE_LEN + 1];
	uint64_t nonce = 0;

	(void)state;
	probe_write(frame, 0x0102030405060708);
	assert_true(probe_parse(frame, PROBE_LEN, &nonce));
	assert_true(nonce == 0x0102030405060708);
	for (size_t n = 0; n <= sizeof(frame); n++)
		assert_int_equal(probe_parse(frame, n, &nonce), n == PROBE_LEN);
	frame[13] ^= 1;
	assert_false(probe_parse(frame, PROBE_LEN, &nonce));
}

static void
test_classify_esp(void **state)
{
	static const uint32_t spis[] = { 256, 0x07ffffff, 0x08000001, 0x80000000, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spis); i++) {
		uint8_t buf[4] = { (uint8_t)(spis[i] >> 24), (uint8_t)(spis[i] >> 16),
			(uint8_t)(spis[i] >> 8), (uint8_t)spis[i] };
		uint32_t spi;

		assert_true(datagram_spi_valid(spis[i]));
		assert_int_equal(datagram_classify(buf, sizeof(buf), &spi), DATAGRAM_ESP);
		assert_int_equal(spi, spis[i]);
	}
	assert_false(datagram_spi_valid(0));
	assert_false(datagram_spi_valid(255));
	assert_false(datagram_spi_valid(VXLAN_FLAGS_WORD));
}

static void
test_vxlan(void **state)
{
	uint8_t buf[VXLAN_HEADER_LEN + 1] = { [VXLAN_HEADER_LEN] = 0x55 };
	uint32_t vni = 0, spi;
	bool checked;

	(void)state;
	vxlan_write(buf, 0x123456, false);
	assert_memory_equal(buf, "\x08\0\0\0\x12\x34\x56\0\x55", sizeof(buf));
	assert_int_equal(datagram_classify(buf, sizeof(buf), &spi), DATAGRAM_VXLAN);
	assert_true(vxlan_parse(buf, VXLAN_HEADER_LEN, &vni, &checked));
	assert_int_equal(vni, 0x123456);
	assert_false(checked);
	vxlan_write(buf, VNI_MAX, true);
	assert_memory_equal(buf, "\x08\0\0\0\xff\xff\xff\1\x55", sizeof(buf));
	assert_int_equal(datagram_classify(buf, sizeof(buf), &spi), DATAGRAM_VXLAN);
	assert_true(vxlan_parse(buf, sizeof(buf), &vni, &checked));
	assert_int_equal(vni, VNI_MAX);
	assert_true(checked);

	assert_true(vxlan_parse((const uint8_t *)"\xff\1\2\3\0\0\x97\xfe", 8, &vni, &checked));
	assert_false(checked);
	assert_int_equal(vni, 0x97);
	assert_false(vxlan_parse(buf, VXLAN_HEADER_LEN - 1, &vni, &checked));
	assert_false(vxlan_parse((const uint8_t *)"\xf7\0\0\0\0\0\x98\1", 8, &vni, &checked));
	assert_int_equal(vni, 0x97);
	assert_false(checked);
}

static void
test_inner_udp(void **state)
{
	uint8_t buf[UDP_HEADER_LEN + 2] = { 0 };
	uint16_t port = 0;

	(void)state;
	assert_true(inner_udp_write(buf, VNET_PORT_CONF, 2));
	assert_memory_equal(buf, "\x07\x08\x07\x08\0\x0a\0\0", UDP_HEADER_LEN);
	assert_true(inner_udp_parse(buf, sizeof(buf), &port));
	assert_int_equal(port, VNET_PORT_CONF);
	buf[6] = 0x12; /* a checksum */
	assert_true(inner_udp_parse(buf, sizeof(buf), &port));

	assert_false(inner_udp_parse(buf, sizeof(buf) - 1, &port));
	assert_false(inner_udp_parse(buf, UDP_HEADER_LEN - 1, &port));
	assert_false(inner_udp_parse(buf, 0, &port));
	buf[3] = 0x09;
	assert_false(inner_udp_parse(buf, sizeof(buf), &port));
	assert_int_equal(port, VNET_PORT_CONF);

	assert_true(inner_udp_write(buf, 1, INNER_UDP_PAYLOAD_MAX));
	assert_memory_equal(buf + 4, "\xff\xff", 2);
	assert_false(inner_udp_write(buf, 2, INNER_UDP_PAYLOAD_MAX + 1));
	assert_memory_equal(buf, "\0\1", 2);
}

static void
test_control_round_trip(void **state)
{
	static const enum control_type types[] = {
#define X(value, suffix, name) CONTROL_##suffix,
		CONTROL_TYPES(X)
#undef X
	};
	uint8_t buf[CONTROL_HEADER_LEN + 3] = { [CONTROL_HEADER_LEN] = 'x', 'y', 'z' };
	struct control_header h;
	uint32_t spi;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		control_write_header(buf, types[i], 3);
		assert_int_equal(datagram_classify(buf, sizeof(buf), &spi), DATAGRAM_CONTROL);
		assert_int_equal(control_parse(buf, sizeof(buf), &h), CONTROL_OK);
		assert_int_equal(h.type, types[i]);
		assert_int_equal(h.body_len, 3);
		assert_ptr_equal(h.body, buf + CONTROL_HEADER_LEN);
		control_write_header(buf, types[i], 0);
		assert_int_equal(control_parse(buf, CONTROL_HEADER_LEN, &h), CONTROL_OK);
		assert_int_equal(h.body_len, 0);
	}
	assert_memory_equal(buf, "\0\0\0\0\1\7\0\0", CONTROL_HEADER_LEN);
}

static void
test_control_refuses(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum control_verdict verdict;
	} cases[] = {
		{ "", 0, CONTROL_MALFORMED },
		{ "\0\0\0\0\1\1\0", 7, CONTROL_MALFORMED },
		{ "\0\0\0\1\1\1\0\0", 8, CONTROL_MALFORMED },  /* marker */
		{ "\0\0\0\0\1\1\0\1", 8, CONTROL_MALFORMED },  /* body missing */
		{ "\0\0\0\0\1\1\0\0x", 9, CONTROL_MALFORMED }, /* more than said */
		{ "\0\0\0\0\0\1\0\0", 8, CONTROL_VERSION_UNKNOWN },
		{ "\0\0\0\0\2\1\0\0x", 9, CONTROL_VERSION_UNKNOWN },
		{ "\0\0\0\0\1\0\0\0", 8, CONTROL_TYPE_UNKNOWN },
		{ "\0\0\0\0\1\x08\0\0", 8, CONTROL_TYPE_UNKNOWN },
		{ "\0\0\0\0\1\xff\0\1x", 9, CONTROL_TYPE_UNKNOWN },
	};
	struct control_header h = { .body_len = 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(control_parse((const uint8_t *)cases[i].bytes, cases[i].len, &h),
		    cases[i].verdict);
	assert_int_equal(h.body_len, 77);
}

static void
test_control_body_limit(void **state)
{
	static uint8_t buf[CONTROL_HEADER_LEN + UINT16_MAX];
	struct control_header h;

	(void)state;
	control_write_header(buf, CONTROL_HANDSHAKE1, CONTROL_BODY_MAX);
	assert_int_equal(control_parse(buf, CONTROL_HEADER_LEN + CONTROL_BODY_MAX, &h), CONTROL_OK);
	buf[7]++;
	assert_int_equal(
	    control_parse(buf, CONTROL_HEADER_LEN + CONTROL_BODY_MAX + 1, &h), CONTROL_MALFORMED);
	control_write_header(buf, CONTROL_RELAY, UINT16_MAX);
	assert_int_equal(control_parse(buf, sizeof(buf), &h), CONTROL_OK);
	assert_int_equal(h.body_len, UINT16_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classify),
		cmocka_unit_test(test_classify_esp),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_vxlan),
		cmocka_unit_test(test_inner_udp),
		cmocka_unit_test(test_control_round_trip),
		cmocka_unit_test(test_control_refuses),
		cmocka_unit_test(test_control_body_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
