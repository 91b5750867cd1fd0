/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t buf[MESSAGE_MAX + 8];
static struct message parsed;

static struct message
members_message(uint16_t n)
{
	struct message m = { .type = MESSAGE_MEMBERS };

	m.members.number = 5;
	m.members.hash = 0x0102030405060708;
	m.members.total = m.members.n = n;
	for (uint16_t i = 0; i < n; i++) {
		m.members.entries[i].id.b[15] = (uint8_t)(i + 2);
		m.members.entries[i].vni = i + 2u;
	}
	return m;
}

static struct message
varp_message(enum message_type type, uint16_t n)
{
	struct message m = { .type = type };

	m.varp.vni = 0x97;
	m.varp.n = n;
	for (uint16_t i = 0; i < n; i++)
		m.varp.items[i] = (struct message_item){ { { 2, 0, 0, 0, 0, (uint8_t)i } }, i };
	return m;
}

static struct message
echo_message(enum message_type type, const char *seen)
{
	struct message m = { .type = type };

	m.echo.nonce = 0x0102030405060708;
	m.echo.number = 3;
	m.echo.hash = 4;
	if (seen) {
		assert_true(ipaddr_parse(seen, &m.echo.seen.ip));
		m.echo.seen.port = 1798;
	}
	return m;
}

static struct message
path_message(uint8_t n)
{
	return (struct message){ .type = MESSAGE_PATH,
		.path = { n, { { 0x1000, WAY_ESP, 0 }, { 0x1001, WAY_UDP, 1801 },
				 { 0, WAY_VXLAN, 1802 } } } };
}

/* What is written is read back, writes the same bytes again, and no other length is accepted. */
static void
check_round_trip(const struct message *m, size_t expected_len)
{
	uint8_t again[MESSAGE_MAX];
	size_t len = message_write(m, buf, sizeof(buf));

	assert_int_equal(len, expected_len);
	assert_int_equal(message_parse(buf, len, &parsed), MESSAGE_OK_V);
	assert_int_equal(parsed.type, m->type);
	assert_int_equal(message_write(&parsed, again, sizeof(again)), len);
	assert_memory_equal(buf, again, len);
	for (size_t n = 0; n < len; n++) {
		assert_int_equal(message_parse(buf, n, &parsed), MESSAGE_SHORT_V);
		assert_int_equal(message_write(m, again, n), 0);
	}
	assert_int_equal(message_parse(buf, len + 1, &parsed), MESSAGE_SHORT_V);
	assert_int_equal(message_parse(buf, len, &parsed), MESSAGE_OK_V);
}

static void
every_type_round_trips(void **state)
{
	struct message m = echo_message(MESSAGE_ECHO, NULL);

	(void)state;
	check_round_trip(&m, 28);
	m = echo_message(MESSAGE_ECHO_REPLY, "192.0.2.1");
	check_round_trip(&m, 48);
	assert_true(endpoint_equal(&parsed.echo.seen, &m.echo.seen));
	m = echo_message(MESSAGE_ECHO_REPLY, "2001:db8::1");
	check_round_trip(&m, 48);
	assert_true(endpoint_equal(&parsed.echo.seen, &m.echo.seen));
	for (uint16_t n = 0; n <= MESSAGE_MEMBERS_MAX; n += 19) {
		m = members_message(n);
		check_round_trip(&m, 36 + 20u * n);
	}
	m = members_message(2);
	m.members.base = 3;
	m.members.entries[1].op = MEMBER_REMOVE;
	check_round_trip(&m, 76);
	m = (struct message){ .type = MESSAGE_WANTED, .wanted = 77 };
	check_round_trip(&m, 12);
	assert_int_equal(parsed.wanted, 77);
	for (enum message_type t = MESSAGE_REQUEST; t <= MESSAGE_ACK; t++) {
		m = varp_message(t, 1);
		check_round_trip(&m, 24);
		m = varp_message(t, MESSAGE_ITEMS_MAX);
		check_round_trip(&m, 1164);
	}
	for (uint8_t n = 0; n <= 3; n++) {
		m = path_message(n);
		check_round_trip(&m, 8 + 8u * n);
	}
	m = (struct message){ .type = MESSAGE_SEEN, .seen = 78 };
	check_round_trip(&m, 12);
	assert_int_equal(parsed.seen, 78);
}

static void
the_layout(void **state)
{
	static const uint8_t announce[] = { 1, 6, 0, 20, 0, 0, 0, 0x97, 0, 1, 0, 0, /* header */
		2, 0, 0, 0, 0, 9, 0, 0, 0x11, 0x12, 0x13, 0x14 };
	static const uint8_t member[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, /* id */
		1, 0x80, 0, 1 };
	struct message m = varp_message(MESSAGE_ANNOUNCE, 1);

	(void)state;
	m.varp.items[0] = (struct message_item){ { { 2, 0, 0, 0, 0, 9 } }, 0x11121314 };
	assert_int_equal(message_write(&m, buf, sizeof(buf)), sizeof(announce));
	assert_memory_equal(buf, announce, sizeof(announce));
	m = members_message(1);
	m.members.base = 1;
	m.members.entries[0].op = MEMBER_REMOVE;
	m.members.entries[0].vni = 0x800001;
	assert_int_equal(message_write(&m, buf, sizeof(buf)), 56);
	assert_memory_equal(buf + 36, member, sizeof(member));
}

/* Writes m, sets one byte, parses. */
static enum message_verdict
verdict_with(const struct message *m, size_t at, uint8_t value)
{
	size_t len = message_write(m, buf, sizeof(buf));

	assert_true(at < len);
	buf[at] = value;
	return message_parse(buf, len, &parsed);
}

static void
refused_headers(void **state)
{
	struct message m = echo_message(MESSAGE_ECHO, NULL);

	(void)state;
	assert_int_equal(verdict_with(&m, 0, 2), MESSAGE_VERSION_V);
	assert_int_equal(verdict_with(&m, 1, 0), MESSAGE_TYPE_V);
	assert_int_equal(verdict_with(&m, 1, 11), MESSAGE_TYPE_V);
	assert_int_equal(verdict_with(&m, 1, MESSAGE_ECHO_REPLY), MESSAGE_SHORT_V);
	assert_int_equal(verdict_with(&m, 1, MESSAGE_WANTED), MESSAGE_SHORT_V);
	assert_int_equal(verdict_with(&m, 3, 23), MESSAGE_SHORT_V);
}

static void
refused_echo_replies(void **state)
{
	struct message m = echo_message(MESSAGE_ECHO_REPLY, "192.0.2.1");

	(void)state;
	assert_int_equal(verdict_with(&m, 28, 5), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 29, 1), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 36, 1), MESSAGE_VALUE_V);
}

static enum message_verdict
members_verdict(uint16_t total, uint16_t first, uint16_t n, uint64_t base)
{
	struct message m = members_message(n);
	size_t len;

	m.members.total = total;
	m.members.first = first;
	m.members.base = base;
	len = message_write(&m, buf, sizeof(buf));
	return message_parse(buf, len, &parsed);
}

static void
refused_members(void **state)
{
	struct message m = members_message(2);

	(void)state;
	assert_int_equal(members_verdict(4096, 4095, 1, 0), MESSAGE_OK_V);
	assert_int_equal(members_verdict(4097, 0, 1, 0), MESSAGE_COUNT_V);
	assert_int_equal(members_verdict(4096, 4096, 1, 0), MESSAGE_COUNT_V);
	assert_int_equal(members_verdict(1, 0, 2, 0), MESSAGE_COUNT_V);
	assert_int_equal(members_verdict(5, 0, 0, 0), MESSAGE_COUNT_V);
	assert_int_equal(members_verdict(0, 0, 0, 1), MESSAGE_COUNT_V);
	assert_int_equal(members_verdict(2, 0, 1, 1), MESSAGE_COUNT_V);
	assert_int_equal(members_verdict(1, 0, 1, 4), MESSAGE_OK_V);
	assert_int_equal(members_verdict(1, 0, 1, 5), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 33, 3), MESSAGE_COUNT_V);
	assert_int_equal(verdict_with(&m, 33, 58), MESSAGE_COUNT_V);
	assert_int_equal(verdict_with(&m, 33, 1), MESSAGE_SHORT_V);
	assert_int_equal(verdict_with(&m, 11, 0), MESSAGE_VALUE_V); /* number 0 */
	assert_int_equal(verdict_with(&m, 35, 1), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 51, 0), MESSAGE_VALUE_V); /* id 0 */
	assert_int_equal(verdict_with(&m, 51, 1), MESSAGE_VALUE_V); /* id 1 */
	assert_int_equal(verdict_with(&m, 52, 1), MESSAGE_VALUE_V); /* remove, in a full set */
	assert_int_equal(verdict_with(&m, 55, 0), MESSAGE_VALUE_V); /* VNI 0 */
	m.members.base = 1;
	assert_int_equal(verdict_with(&m, 52, 1), MESSAGE_OK_V);
	assert_int_equal(verdict_with(&m, 52, 2), MESSAGE_VALUE_V);
}

static void
refused_varp(void **state)
{
	struct message m = varp_message(MESSAGE_ANNOUNCE, 2);

	(void)state;
	assert_int_equal(verdict_with(&m, 4, 1), MESSAGE_VALUE_V); /* VNI of 25 bits */
	assert_int_equal(verdict_with(&m, 7, 0), MESSAGE_VALUE_V); /* VNI 0 */
	assert_int_equal(verdict_with(&m, 9, 0), MESSAGE_COUNT_V);
	assert_int_equal(verdict_with(&m, 9, 97), MESSAGE_COUNT_V);
	assert_int_equal(verdict_with(&m, 9, 1), MESSAGE_SHORT_V);
	assert_int_equal(verdict_with(&m, 9, 3), MESSAGE_SHORT_V);
	assert_int_equal(verdict_with(&m, 11, 1), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 12, 3), MESSAGE_VALUE_V); /* a group */
	assert_int_equal(verdict_with(&m, 19, 1), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 12, 0), MESSAGE_VALUE_V); /* zero */
}

static void
refused_paths(void **state)
{
	struct message m = path_message(3);

	(void)state;
	assert_int_equal(verdict_with(&m, 4, 5), MESSAGE_COUNT_V);
	assert_int_equal(verdict_with(&m, 4, 2), MESSAGE_SHORT_V);
	assert_int_equal(verdict_with(&m, 5, 1), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 7, 1), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 10, 0), MESSAGE_VALUE_V); /* SPI 0 */
	assert_int_equal(verdict_with(&m, 12, 0), MESSAGE_VALUE_V); /* kinds */
	assert_int_equal(verdict_with(&m, 12, 4), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 12, WAY_UDP), MESSAGE_VALUE_V); /* without a port */
	assert_int_equal(verdict_with(&m, 20, WAY_ESP), MESSAGE_VALUE_V); /* with one */
	assert_int_equal(verdict_with(&m, 13, 1), MESSAGE_VALUE_V);
	assert_int_equal(verdict_with(&m, 27, 1), MESSAGE_VALUE_V); /* VXLAN with an SPI */
	m.path.ways[2].port = 0;
	assert_int_equal(verdict_with(&m, 0, 1), MESSAGE_VALUE_V);
}

static void
clear_headers(void **state)
{
	struct clear_header h = { 1, 2, 3, 4 }, read;

	(void)state;
	clear_write(buf, &h);
	assert_true(clear_parse(buf, CLEAR_HEADER_LEN + 10, &read));
	assert_memory_equal(&h, &read, sizeof(h));
	assert_false(clear_parse(buf, CLEAR_HEADER_LEN - 1, &read));
	h = (struct clear_header){ 0, 2, 3, 4 };
	clear_write(buf, &h);
	assert_false(clear_parse(buf, CLEAR_HEADER_LEN, &read));
	h = (struct clear_header){ 1, 2, 0, 4 };
	clear_write(buf, &h);
	assert_false(clear_parse(buf, CLEAR_HEADER_LEN, &read));
	h = (struct clear_header){ 1, 0, 3, 0 };
	clear_write(buf, &h);
	assert_true(clear_parse(buf, CLEAR_HEADER_LEN, &read));
}

static void
names(void **state)
{
	(void)state;
	assert_string_equal(message_type_name(MESSAGE_ECHO_REPLY), "echo_reply");
	assert_string_equal(message_type_name((enum message_type)99), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_round_trips),
		cmocka_unit_test(the_layout),
		cmocka_unit_test(refused_headers),
		cmocka_unit_test(refused_echo_replies),
		cmocka_unit_test(refused_members),
		cmocka_unit_test(refused_varp),
		cmocka_unit_test(refused_paths),
		cmocka_unit_test(clear_headers),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
