/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct ipaddr
ip_of(const char *text)
{
	struct ipaddr ip;

	assert_true(ipaddr_parse(text, &ip));
	return ip;
}

static void
test_parse_and_format(void **state)
{
	static const struct {
		const char *text, *formatted;
	} cases[] = {
		{ "10.0.0.1", "10.0.0.1" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "::", "::" },
		{ "fe80::1", "fe80::1" },
		{ "fe80::1%7", "fe80::1%7" },
		{ "ff02::1%2147483647", "ff02::1%2147483647" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "2001:db8:ffff:ffff:ffff:ffff:255.255.255.255",
		    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	char buf[IPADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ipaddr ip = ip_of(cases[i].text);

		assert_string_equal(ipaddr_format(&ip, buf), cases[i].formatted);
	}
}

static void
test_parse_refuses(void **state)
{
	static const char *const cases[] = {
		"",
		" 10.0.0.1",
		"10.0.0.1 ",
		"10.0.0",
		"10.0.0.256",
		"010.0.0.1",
		"0x0a000001",
		"host",
		"10.0.0.1%1",
		"::ffff:10.0.0.1%1",
		"2001:db8::1%1",
		"fe80::1%",
		"fe80::1%0",
		"fe80::1%eth0",
		"fe80::1%2147483648",
		"fe80::1%99999999999999999999",
		"fe80::1%1%1",
		"[::1]",
		":::",
		"1:2:3:4:5:6:7:8:9",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct ipaddr ip, before;

	(void)state;
	memset(&before, 0x55, sizeof(before));
	ip = before;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (ipaddr_parse(cases[i], &ip))
			fail_msg("accepted \"%s\"", cases[i]);
		assert_memory_equal(&ip, &before, sizeof(ip));
	}
}

static void
test_none(void **state)
{
	struct ipaddr none = { 0 };
	char buf[IPADDR_STRLEN];

	(void)state;
	assert_string_equal(ipaddr_format(&none, buf), "-");
	assert_false(ipaddr_is_set(&none));
	assert_false(ipaddr_is_unicast(&none));
	assert_false(ipaddr_is_multicast(&none));
}

static void
test_v4(void **state)
{
	struct ipaddr a = ipaddr_v4(0x0a000001);
	struct ipaddr b = ip_of("10.0.0.1");
	struct ipaddr c = ip_of("10.0.0.2");

	(void)state;
	assert_true(ipaddr_is_set(&a));
	assert_true(ipaddr_equal(&a, &b));
	assert_false(ipaddr_equal(&a, &c));
	assert_int_equal(ipaddr_header_len(&a), 20);
	c = ip_of("::1");
	assert_int_equal(ipaddr_header_len(&c), 40);
}

static void
test_kinds(void **state)
{
	static const struct {
		const char *text;
		bool unicast, multicast;
	} cases[] = {
		{ "10.0.0.1", true, false },
		{ "223.255.255.255", true, false },
		{ "224.10.0.1", false, true },
		{ "239.255.255.255", false, true },
		{ "255.255.255.255", false, false },
		{ "0.0.0.0", false, false },
		{ "127.0.0.1", false, false },
		{ "127.255.0.1", false, false },
		{ "2001:db8::1", true, false },
		{ "fe80::1%2", true, false },
		{ "ff02::1", false, true },
		{ "::", false, false },
		{ "::1", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ipaddr ip = ip_of(cases[i].text);

		assert_int_equal(ipaddr_is_unicast(&ip), cases[i].unicast);
		assert_int_equal(ipaddr_is_multicast(&ip), cases[i].multicast);
	}
}

static void
test_endpoint_format(void **state)
{
	struct endpoint v4 = { ip_of("10.0.0.1"), 1798 };
	struct endpoint v6 = { ip_of("2001:db8::1"), 65535 };
	struct endpoint longest = { ip_of("fe80:ffff:ffff:ffff:ffff:ffff:ffff:ffff%2147483647"),
		65535 };
	struct endpoint none = { 0 };
	char buf[ENDPOINT_STRLEN];

	(void)state;
	assert_string_equal(endpoint_format(&v4, buf), "10.0.0.1:1798");
	assert_string_equal(endpoint_format(&v6, buf), "[2001:db8::1]:65535");
	assert_string_equal(endpoint_format(&longest, buf),
	    "[fe80:ffff:ffff:ffff:ffff:ffff:ffff:ffff%2147483647]:65535");
	assert_string_equal(endpoint_format(&none, buf), "-:0");
}

static void
test_sockaddr_round_trip(void **state)
{
	static const char *const cases[] = { "10.0.0.1", "2001:db8::1", "fe80::1%3", "::" };
	struct sockaddr_storage ss;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct endpoint ep = { ip_of(cases[i]), 1798 }, back;
		socklen_t len = endpoint_to_sockaddr(&ep, &ss);

		assert_true(endpoint_from_sockaddr((struct sockaddr *)&ss, len, &back));
		assert_true(endpoint_equal(&ep, &back));
		back.port++;
		assert_false(endpoint_equal(&ep, &back));
		assert_false(endpoint_from_sockaddr((struct sockaddr *)&ss, len - 1, &back));
	}
	assert_int_equal(endpoint_to_sockaddr(&(struct endpoint){ 0 }, &ss), 0);
	assert_int_equal(ss.ss_family, AF_UNSPEC);
}

static void
test_sockaddr_mapped(void **state)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(1798), .sin6_scope_id = 9
	};
	struct endpoint ep, expected = { ip_of("192.0.2.1"), 1798 };

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &sin6.sin6_addr), 1);
	assert_true(endpoint_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &ep));
	assert_true(endpoint_equal(&ep, &expected));
	/* A scope that means nothing must not make one address two. */
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &sin6.sin6_addr), 1);
	assert_true(endpoint_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &ep));
	assert_int_equal(ep.ip.scope, 0);
}

static void
test_sockaddr_refuses(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct endpoint ep;

	(void)state;
	assert_false(endpoint_from_sockaddr((struct sockaddr *)&ss, sizeof(ss), &ep));
	assert_false(endpoint_from_sockaddr((struct sockaddr *)&ss, 0, &ep));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_v4),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_endpoint_format),
		cmocka_unit_test(test_sockaddr_round_trip),
		cmocka_unit_test(test_sockaddr_mapped),
		cmocka_unit_test(test_sockaddr_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
