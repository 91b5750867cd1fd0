/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said to the kernel about its path: whole messages, read back where there is a parser. What it makes of them, test_kernel shows. */
#include "core/pathnl.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/netlink.h"
#include "core/nftnl.h"
#include "core/xfrmnl.h"

static const uint8_t keymat[SUITE_KEYMAT_MAX] = "secret secret secret";

static struct xfrmnl_sa
sa_of(enum suite_id suite, uint32_t window)
{
	return (struct xfrmnl_sa){
		.src = ipaddr_v4(0x0a000001),
		.dst = ipaddr_v4(0x0a000002),
		.spi = 0x1001,
		.reqid = 7,
		.suite = suite_by_id(suite),
		.keymat = keymat,
		.port = 1800,
		.sport = 1801,
		.dport = 1801,
		.esn = true,
		.window = window,
		.seq_in = 0x100000005,
		.seq_out = 0x200000006,
		.mark = 7,
	};
}

/* Every suite fits, with the largest window. */
static void
test_sa(void **state)
{
	(void)state;
	for (unsigned suite = SUITE_NONE + 1; suite < SUITE_COUNT; suite++) {
		const struct xfrmnl_sa sa = sa_of(suite, 4096);
		struct xfrmnl_request r;
		struct xfrmnl_msg m;
		const struct nlmsghdr *nlh = xfrmnl_new_sa(&r, &sa);

		assert_true(nlh->nlmsg_len > 700 && nlh->nlmsg_len <= sizeof(r));
		assert_int_equal(xfrmnl_parse(nlh, &m), XFRMNL_SA);
		assert_true(m.sa.id.spi == 0x1001 && m.sa.reqid == 7);
		assert_true(ipaddr_equal(&m.sa.id.dst, &sa.dst));
		assert_true(m.sa.seq_in == 0x100000005 && m.sa.seq_out == 0x200000006);
	}
}

static void
test_sa_gone(void **state)
{
	struct xfrmnl_id id = { .spi = 0x1001 };
	struct xfrmnl_request r;
	struct xfrmnl_msg m;

	(void)state;
	assert_true(ipaddr_parse("fd00::1", &id.dst));
	/* What asks for it and what tells of it begin alike. */
	assert_int_equal(xfrmnl_parse(xfrmnl_del_sa(&r, &id), &m), XFRMNL_SA_GONE);
	assert_true(m.sa.id.spi == id.spi && ipaddr_equal(&m.sa.id.dst, &id.dst));
}

/* What the kernel says when one ends: who it was, and all of its last state behind that. */
static void
test_last_numbers(void **state)
{
	const struct xfrmnl_sa sa = sa_of(SUITE_AES128_SHA1, 64);
	const struct xfrmnl_id id = { sa.dst, sa.spi };
	struct xfrmnl_request made, r;
	struct nlmsghdr *nlh = xfrmnl_new_sa(&made, &sa), *gone = xfrmnl_del_sa(&r, &id);
	struct xfrm_usersa_info info;
	size_t rest = mnl_nlmsg_get_payload_len(nlh) - sizeof(info);
	struct xfrmnl_msg m;

	(void)state;
	memcpy(&info, mnl_nlmsg_get_payload(nlh), sizeof(info));
	info.curlft.packets = 9;
	mnl_attr_put(gone, XFRMA_SA, sizeof(info), &info);
	memcpy(mnl_nlmsg_get_payload_tail(gone), mnl_nlmsg_get_payload_offset(nlh, sizeof(info)),
	    rest);
	gone->nlmsg_len += (uint32_t)rest;
	assert_true(gone->nlmsg_len <= sizeof(r));
	assert_int_equal(xfrmnl_parse(gone, &m), XFRMNL_SA_GONE);
	assert_true(m.sa.id.spi == sa.spi && ipaddr_equal(&m.sa.id.dst, &sa.dst));
	assert_true(m.sa.seq_in == sa.seq_in && m.sa.packets == 9);
	assert_true(m.sa.reqid == sa.reqid && m.sa.mark == sa.mark);
}

static void
test_policy(void **state)
{
	struct xfrmnl_policy p = { .out = true, .family = AF_INET, .port = 1799, .reqid = 9 };
	struct xfrmnl_request r;
	struct xfrmnl_msg m;

	(void)state;
	for (int out = 0; out < 2; out++) {
		p.out = out;
		assert_int_equal(xfrmnl_parse(xfrmnl_set_policy(&r, &p), &m), XFRMNL_POLICY);
		assert_true(m.policy.port == 1799 && m.policy.reqid == 9 && m.policy.out == out);
	}
}

struct seen {
	unsigned messages, ours;
};

static void
see(void *arg, const struct nlmsghdr *nlh)
{
	struct seen *s = arg;

	s->messages++;
	s->ours += nftnl_concerns(nlh, "vnetd");
}

static void
test_barrier(void **state)
{
	static const uint16_t ports[] = { 1799, 1800 };
	struct seen s = { 0 };
	struct nftnl_batch b;

	(void)state;
	nftnl_begin(&b);
	nftnl_add_barrier(&b, "vnetd", ports, 2);
	nftnl_add_removal(&b, "other");
	nftnl_end(&b);
	assert_true(b.len < sizeof(b.b) / 2);
	assert_true(netlink_walk(b.b, b.len, see, &s));
	/* Begin, removal, table, two chains, nine rules; removal; end. */
	assert_true(s.messages == 1 + 2 + 1 + 2 + 9 + 2 + 1 && s.ours == 2 + 1 + 2 + 9);
}

static void
test_programs(void **state)
{
	struct pathnl_request r;
	bool gone;

	(void)state;
	for (int out = 0; out < 2; out++) {
		assert_int_equal(
		    pathnl_program_device(pathnl_set_program(&r, 5, out, 3, "x"), &gone), 5);
		assert_false(gone);
		assert_int_equal(pathnl_program_device(pathnl_del_program(&r, 5, out), &gone), 5);
		assert_true(gone);
	}
	assert_int_equal(pathnl_program_device(pathnl_del_clsact(&r, 5), &gone), 5);
	assert_true(gone);
	assert_int_equal(pathnl_program_device(pathnl_new_vxlan(&r, "v", 1, true), &gone), 0);
}

static void
test_routes(void **state)
{
	struct pathnl_route route = {
		.dst = ipaddr_v4(0xc6120000), .prefix_len = 15, .ifindex = 5
	};
	const struct ipaddr src = ipaddr_v4(0x0a000001);
	struct pathnl_request r;

	(void)state;
	assert_int_equal(pathnl_route_device(pathnl_new_route(&r, &route)), 5);
	assert_int_equal(pathnl_route_device(pathnl_del_route(&r, &route)), 0);
	route.ifindex = 0;
	assert_int_equal(pathnl_route_device(pathnl_new_route(&r, &route)), 0);
	assert_int_equal(pathnl_route_device(pathnl_get_route(&r, &src, &route.dst)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sa),
		cmocka_unit_test(test_sa_gone), cmocka_unit_test(test_last_numbers),
		cmocka_unit_test(test_policy), cmocka_unit_test(test_barrier),
		cmocka_unit_test(test_routes), cmocka_unit_test(test_programs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
