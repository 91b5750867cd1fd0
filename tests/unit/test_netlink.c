/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel said, recorded in the corpus of fuzz_netlink, and what we ask. */
#include "base/netlink.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rtnl.h"

struct heard {
	unsigned n;
	enum netlink_verdict end_verdict;
	struct netlink_end end;
	enum rtnl_verdict verdict;
	struct rtnl_msg msg;
};

static void
hear(void *arg, const struct nlmsghdr *nlh)
{
	struct heard *h = arg;

	h->n++;
	h->end_verdict = netlink_parse_end(nlh, &h->end);
	h->verdict = rtnl_parse(nlh, &h->msg);
}

/* The last message of a file of the corpus. */
static struct heard
recorded(const char *name)
{
	const char *top = getenv("srcdir");
	_Alignas(8) static uint8_t buf[65536];
	struct heard h = { 0 };
	char path[512];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/netlink/%s.bin", top ? top : ".", name);
	file = fopen(path, "re");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	len = fread(buf, 1, sizeof(buf), file);
	fclose(file);
	assert_true(netlink_walk(buf, len, hear, &h));
	return h;
}

static struct heard
said(const struct nlmsghdr *nlh)
{
	struct heard h = { 0 };

	assert_true(netlink_walk(nlh, nlh->nlmsg_len, hear, &h));
	assert_int_equal(h.n, 1);
	return h;
}

static void
test_links(void **state)
{
	struct heard h = recorded("link-tap");

	(void)state;
	assert_int_equal(h.verdict, RTNL_LINK);
	assert_string_equal(h.msg.link.name, "tap0");
	assert_string_equal(h.msg.link.kind, "tun");
	assert_true(h.msg.link.tun.owned && h.msg.link.tun.persist && h.msg.link.tun.vnet_hdr &&
		    h.msg.link.tun.multi_queue);
	assert_int_equal(h.msg.link.tun.owner, 54321);
	assert_int_equal(h.msg.link.tun.type, IFF_TAP);
	assert_int_equal(h.msg.link.mtu, 1500);
	assert_false(mac_is_zero(&h.msg.link.mac));

	h = recorded("link-tun");
	assert_int_equal(h.verdict, RTNL_LINK);
	assert_int_equal(h.msg.link.tun.type, IFF_TUN);
	assert_false(h.msg.link.tun.owned || h.msg.link.tun.vnet_hdr || h.msg.link.tun.multi_queue);
	assert_true(mac_is_zero(&h.msg.link.mac));
	assert_string_equal(recorded("link-bridge").msg.link.kind, "bridge");
	assert_string_equal(recorded("link-loopback").msg.link.kind, "");
	assert_true(recorded("link-loopback").msg.link.flags & IFF_LOOPBACK);
	assert_string_equal(recorded("link-kind-long").msg.link.kind, "kkkkkkkkkkkkkkk");
	assert_int_equal(recorded("link-gone").verdict, RTNL_LINK_GONE);
	assert_int_equal(recorded("other-bridge-port-left").verdict, RTNL_OTHER);
}

static void
test_addresses(void **state)
{
	char text[IPADDR_STRLEN];
	struct heard h = recorded("addr-v4");

	(void)state;
	assert_int_equal(h.verdict, RTNL_ADDR);
	assert_string_equal(ipaddr_format(&h.msg.addr.ip, text), "10.3.0.1");
	assert_int_equal(h.msg.addr.prefix_len, 24);
	h = recorded("addr-gone-v6");
	assert_int_equal(h.verdict, RTNL_ADDR_GONE);
	assert_string_equal(ipaddr_format(&h.msg.addr.ip, text), "fd00::2");
	/* Of a point-to-point link, our end. */
	h = recorded("dump-addrs");
	assert_true(h.n > 1);
	assert_int_equal(recorded("dump-two").n, 2);
}

static void
test_ends(void **state)
{
	struct heard h = recorded("ack");

	(void)state;
	assert_true(h.end_verdict == NETLINK_END && h.end.error == 0 && h.end.text[0] == '\0');
	h = recorded("ack-no-device");
	assert_int_equal(h.end.error, -ENODEV);
	h = recorded("ack-words");
	assert_int_equal(h.end.error, -EINVAL);
	assert_string_equal(h.end.text, "Invalid prefix length");
	assert_string_equal(recorded("dump-done-words").end.text, "oops");
	assert_int_equal(recorded("dump-done").end_verdict, NETLINK_END);
	assert_int_equal(recorded("link-tap").end_verdict, NETLINK_NO_END);
	assert_int_equal(recorded("reject-end-short").end_verdict, NETLINK_END_MALFORMED);
}

/* On anything but success *out is as it was. */
static void
test_rejects(void **state)
{
	static const struct {
		const char *name;
		enum rtnl_verdict verdict;
	} cases[] = {
		{ "reject-short-link", RTNL_SHORT },
		{ "reject-short-addr", RTNL_SHORT },
		{ "reject-attr-past-end", RTNL_BAD_ATTR },
		{ "reject-attr-shorter-than-header", RTNL_BAD_ATTR },
		{ "reject-attr-mtu-2-bytes", RTNL_BAD_ATTR },
		{ "reject-attr-name-no-nul", RTNL_BAD_ATTR },
		{ "reject-attr-kind-no-nul", RTNL_BAD_ATTR },
		{ "reject-attr-tun-owner-1-byte", RTNL_BAD_ATTR },
		{ "reject-attr-tun-overruns", RTNL_BAD_ATTR },
		{ "reject-attr-info-overruns", RTNL_BAD_ATTR },
		{ "reject-attr-address-2-bytes", RTNL_BAD_ATTR },
		{ "reject-attr-v6-address-in-v4", RTNL_BAD_ATTR },
		{ "reject-attr-no-address", RTNL_BAD_ATTR },
		{ "reject-value-prefix-33", RTNL_BAD_VALUE },
		{ "reject-value-prefix-129", RTNL_BAD_VALUE },
		{ "reject-value-addr-index-0", RTNL_BAD_VALUE },
		{ "reject-value-index-0", RTNL_BAD_VALUE },
		{ "reject-value-index-negative", RTNL_BAD_VALUE },
		{ "reject-value-name-empty", RTNL_BAD_VALUE },
		{ "other-link-without-mtu", RTNL_OTHER },
	};
	static const struct rtnl_msg untouched;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct heard h = recorded(cases[i].name);

		if (h.verdict != cases[i].verdict)
			fail_msg("%s: verdict %d, expected %d", cases[i].name, h.verdict,
			    cases[i].verdict);
		assert_memory_equal(&h.msg, &untouched, sizeof(untouched));
	}
}

/* Requests have the form of what the kernel says; the rest of them iproute2 judges (tests/system/test_priv.c). */
static void
test_requests(void **state)
{
	struct rtnl_addr a = { .ifindex = 7, .prefix_len = 64 };
	const struct macaddr mac = { { 2, 0, 0, 0, 0, 1 } };
	const uint32_t master = 5;
	struct rtnl_request r;
	struct heard h;

	(void)state;
	assert_true(ipaddr_parse("fd00::1", &a.ip));
	h = said(rtnl_new_addr(&r, &a));
	assert_int_equal(h.verdict, RTNL_ADDR);
	assert_memory_equal(&h.msg.addr, &a, sizeof(a));
	assert_true(ipaddr_parse("10.0.0.1", &a.ip));
	a.prefix_len = 32;
	h = said(rtnl_del_addr(&r, &a));
	assert_int_equal(h.verdict, RTNL_ADDR_GONE);
	assert_memory_equal(&h.msg.addr, &a, sizeof(a));
	h = said(rtnl_del_link(&r, 9));
	assert_int_equal(h.verdict, RTNL_LINK_GONE);
	assert_int_equal(h.msg.link.ifindex, 9);
	/* All of it fits, with the longest name. */
	assert_true(rtnl_new_bridge(&r, "fifteen-bytes-x")->nlmsg_len <= sizeof(r));
	assert_true(
	    rtnl_set_link(&r, &(struct rtnl_change){ 9, &mac, 1400, true, &master })->nlmsg_len <=
	    sizeof(r));
	assert_int_equal(rtnl_get_link(&r, "eth0")->nlmsg_flags & NLM_F_DUMP, 0);
	assert_true(rtnl_get_links(&r, 0)->nlmsg_flags & NLM_F_DUMP);
	assert_true(rtnl_get_addrs(&r)->nlmsg_flags & NLM_F_DUMP);
}

/* A socket of our own needs no privilege. */
static void
test_socket(void **state)
{
	struct netlink *n = netlink_new(NETLINK_ROUTE, 0);
	struct heard h = { 0 };
	struct rtnl_request r;

	(void)state;
	assert_non_null(n);
	assert_int_equal(netlink_request(n, rtnl_get_link(&r, "lo"), hear, &h), 0);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.verdict, RTNL_LINK);
	assert_string_equal(h.msg.link.name, "lo");
	assert_int_equal(netlink_request(n, rtnl_get_link(&r, "nosuch"), NULL, NULL), -ENODEV);
	assert_int_equal(netlink_request(n, rtnl_get_links(&r, 0), hear, &h), 0);
	assert_true(h.n > 1);
	assert_int_equal(netlink_events(n, hear, &h), 0);
	netlink_free(n);
	netlink_free(NULL);
}

/* Messages of those lengths: how many of them are heard? */
static void
test_lengths(void **state)
{
	static const struct {
		uint32_t first, second, len, n;
		bool whole;
	} cases[] = {
		{ 16, 16, 32, 2, true },
		{ 20, 16, 36, 2, true },
		{ 16, 18, 34, 2, true }, /* without its padding */
		{ 16, 18, 36, 2, true },
		{ 16, 16, 31, 1, false },
		{ 16, 17, 32, 1, false },
		{ 16, 15, 32, 1, false },
		{ 16, 0, 32, 1, false },
		{ 33, 16, 32, 0, false },
		{ 0x80000000, 16, 32, 0, false },
		{ 0xfffffff0, 16, 32, 0, false },
		{ 16, 0xffffffff, 32, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_Alignas(8) uint8_t buf[64] = { 0 };
		struct nlmsghdr first = { .nlmsg_len = cases[i].first, .nlmsg_type = NLMSG_NOOP };
		struct nlmsghdr second = { .nlmsg_len = cases[i].second, .nlmsg_type = NLMSG_NOOP };
		size_t at = cases[i].first < 32 ? NLMSG_ALIGN(cases[i].first) : 16;
		struct heard h = { 0 };

		memcpy(buf, &first, sizeof(first));
		memcpy(buf + at, &second, sizeof(second));
		assert_int_equal(netlink_walk(buf, cases[i].len, hear, &h), cases[i].whole);
		assert_int_equal(h.n, cases[i].n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_rejects),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
