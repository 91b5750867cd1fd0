/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/privmsg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/privcli.h"

static const char *
error_of(uint32_t type, const void *body, size_t len, int fd)
{
	struct ipc_msg m = { .type = type, .len = len, .fd = fd };

	if (len > 0)
		memcpy(m.body, body, len);
	return privmsg_error(&m);
}

/* The request in q, which brings no descriptor. */
#define ERROR_OF(type, q) error_of(type, &(q), sizeof(q), -1)

static void
assert_wrong(const char *error, const char *words)
{
	assert_non_null(error);
	if (!strstr(error, words))
		fail_msg("\"%s\", expected \"%s\"", error, words);
}

/* Every type has one length, and a descriptor or none. */
static void
test_shapes(void **state)
{
	static const struct {
		uint32_t type;
		size_t len;
		bool with_fd;
	} shapes[] = {
#define X(suffix, body, with_fd) { PRIV_##suffix, sizeof(body), with_fd },
		PRIV_REQUESTS(X)
#undef X
	};
	static const uint8_t zero[IPC_BODY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		size_t len = shapes[i].len;
		int fd = shapes[i].with_fd ? 9 : -1;

		assert_wrong(error_of(shapes[i].type, zero, len + 1, fd), "length");
		if (len > 0)
			assert_wrong(error_of(shapes[i].type, zero, len - 1, fd), "length");
		assert_wrong(
		    error_of(shapes[i].type, zero, len, shapes[i].with_fd ? -1 : 9), "descriptor");
	}
	assert_wrong(error_of(PRIV_ANSWER, zero, sizeof(struct priv_answer), -1), "no type");
	assert_wrong(error_of(PRIV_REQUEST_END, NULL, 0, -1), "no type");
	assert_wrong(error_of(UINT32_MAX, NULL, 0, -1), "no type");
	assert_null(error_of(PRIV_CONFIG_LOAD, NULL, 0, -1));
	assert_null(error_of(PRIV_STATE_LOAD, NULL, 0, -1));
	assert_null(error_of(PRIV_MEMO_LOAD, NULL, 0, -1));
}

static void
test_names(void **state)
{
	static const char *const wrong[] = { "", "fifteen-bytes-x", "a/b", "a b", "..", "all",
		"x%d", "caf\xc3\xa9" };
	struct priv_name q = { "vnif0097" };
	struct priv_port port = { "vnif0097", "" };

	(void)state;
	assert_null(ERROR_OF(PRIV_TAP_DELETE, q));
	assert_null(ERROR_OF(PRIV_BRIDGE_ADD, q));
	assert_null(ERROR_OF(PRIV_BRIDGE_DELETE, q));
	assert_null(ERROR_OF(PRIV_BRIDGE_PORT, port));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		strcpy(q.ifname, wrong[i]);
		assert_wrong(ERROR_OF(PRIV_TAP_DELETE, q), "name");
		assert_wrong(ERROR_OF(PRIV_BRIDGE_ADD, q), "name");
		strcpy(port.bridge, wrong[i]);
		if (i > 0)
			assert_wrong(ERROR_OF(PRIV_BRIDGE_PORT, port), "name");
	}
	memset(q.ifname, 'x', sizeof(q.ifname));
	assert_wrong(ERROR_OF(PRIV_BRIDGE_DELETE, q), "does not end");
	memset(&port, 0, sizeof(port));
	assert_wrong(ERROR_OF(PRIV_BRIDGE_PORT, port), "name");
}

static void
test_tap(void **state)
{
	struct priv_tap_open q = { .ifname = "vnif0097", .mtu = PRIV_MTU_MIN, .mac = { { 2 } } };
	struct priv_mtu mtu = { .ifname = "vnif0097", .mtu = PRIV_MTU_MAX };

	(void)state;
	assert_null(ERROR_OF(PRIV_TAP_OPEN, q));
	assert_null(ERROR_OF(PRIV_LINK_SET_MTU, mtu));
	q.mtu = PRIV_MTU_MIN - 1;
	assert_wrong(ERROR_OF(PRIV_TAP_OPEN, q), "MTU");
	mtu.mtu = PRIV_MTU_MAX + 1;
	assert_wrong(ERROR_OF(PRIV_LINK_SET_MTU, mtu), "MTU");
	q.mtu = 1400;
	q.mac.b[0] = 3;
	assert_wrong(ERROR_OF(PRIV_TAP_OPEN, q), "MAC");
	q.mac.b[0] = 0;
	assert_wrong(ERROR_OF(PRIV_TAP_OPEN, q), "MAC");
}

static const char *
addr_error(const char *text, uint32_t prefix_len)
{
	struct priv_addr q = { .ifname = "vnif0097", .prefix_len = prefix_len };

	assert_true(ipaddr_parse(text, &q.ip));
	return ERROR_OF(PRIV_ADDR_ADD, q);
}

static void
test_addresses(void **state)
{
	struct priv_addr none = { .ifname = "vnif0097", .prefix_len = 24 };

	(void)state;
	assert_null(addr_error("10.0.0.1", 1));
	assert_null(addr_error("10.0.0.1", 32));
	assert_null(addr_error("fd00::1", 128));
	assert_null(addr_error("fe80::1", 64));
	assert_wrong(addr_error("10.0.0.1", 0), "prefix");
	assert_wrong(addr_error("10.0.0.1", 33), "prefix");
	assert_wrong(addr_error("fd00::1", 129), "prefix");
	assert_wrong(addr_error("fd00::1", UINT32_MAX), "prefix");
	assert_wrong(addr_error("224.0.0.1", 24), "no device can have");
	assert_wrong(addr_error("255.255.255.255", 24), "no device can have");
	assert_wrong(addr_error("0.0.0.0", 24), "no device can have");
	assert_wrong(addr_error("ff02::1", 64), "no device can have");
	assert_wrong(ERROR_OF(PRIV_ADDR_DELETE, none), "family");
	none.ip.family = AF_UNIX;
	assert_wrong(ERROR_OF(PRIV_ADDR_DELETE, none), "family");
}

static void
test_sockets(void **state)
{
	struct priv_socket q = { PRIV_KEEP_UDP4, 1798 };
	struct priv_kept kept = { .what = PRIV_KEEP_UDP6 };

	(void)state;
	assert_null(ERROR_OF(PRIV_SOCKET, q));
	q.port = 0;
	assert_wrong(ERROR_OF(PRIV_SOCKET, q), "port");
	q.port = 65536;
	assert_wrong(ERROR_OF(PRIV_SOCKET, q), "port");
	q.what = PRIV_KEEP_TAP;
	assert_wrong(ERROR_OF(PRIV_SOCKET, q), "no kind");
	q.what = UINT32_MAX;
	assert_wrong(ERROR_OF(PRIV_SOCKET, q), "no kind");

	assert_null(error_of(PRIV_KEEP_FD, &kept, sizeof(kept), 9));
	kept.what = PRIV_KEEP_TAP;
	assert_wrong(error_of(PRIV_KEEP_FD, &kept, sizeof(kept), 9), "name");
	strcpy(kept.ifname, "vnif0097");
	assert_null(error_of(PRIV_KEEP_FD, &kept, sizeof(kept), 9));
	kept.what = PRIV_KEEP_TAP + 1;
	assert_wrong(error_of(PRIV_KEEP_FD, &kept, sizeof(kept), 9), "no kind");
}

static void
test_lanes(void **state)
{
	struct priv_lane q = { .what = PRIV_KEEP_UDP6, .lane = 1 };

	(void)state;
	assert_null(ERROR_OF(PRIV_LANE_OPEN, q));
	assert_null(error_of(PRIV_LANE_KEEP, &q, sizeof(q), 9));
	q.lane = 0;
	assert_wrong(ERROR_OF(PRIV_LANE_OPEN, q), "lane");
	q.lane = LANES_MAX;
	assert_wrong(error_of(PRIV_LANE_KEEP, &q, sizeof(q), 9), "lane");
	q.lane = LANES_MAX - 1;
	q.what = PRIV_KEEP_TAP;
	assert_wrong(ERROR_OF(PRIV_LANE_OPEN, q), "name");
	strcpy(q.ifname, "vnif0097");
	assert_null(ERROR_OF(PRIV_LANE_OPEN, q));
	q.what = PRIV_KEEP_TAP + 1;
	assert_wrong(ERROR_OF(PRIV_LANE_OPEN, q), "no kind");
}

static void
test_esp(void **state)
{
	struct priv_family f = { AF_INET };
	struct priv_spis q = { .n = PRIV_SPIS_MAX };

	(void)state;
	assert_null(ERROR_OF(PRIV_ESP_SOCKET, f));
	assert_null(error_of(PRIV_ESP_KEEP, &f, sizeof(f), 9));
	f.family = AF_UNIX;
	assert_wrong(ERROR_OF(PRIV_ESP_SOCKET, f), "a socket of no family");
	for (uint32_t i = 0; i < PRIV_SPIS_MAX; i++)
		q.spis[i] = 256 + i;
	assert_null(ERROR_OF(PRIV_ESP_FILTER, q));
	q.spis[PRIV_SPIS_MAX - 1] = 255;
	assert_wrong(ERROR_OF(PRIV_ESP_FILTER, q), "an SPI that no SA can have");
	q.spis[PRIV_SPIS_MAX - 1] = 0x08000000;
	assert_wrong(ERROR_OF(PRIV_ESP_FILTER, q), "an SPI that no SA can have");
	q.n--;
	assert_null(ERROR_OF(PRIV_ESP_FILTER, q));
	q.n = PRIV_SPIS_MAX + 1;
	assert_wrong(ERROR_OF(PRIV_ESP_FILTER, q), "too many SPIs");
}

static void
test_blobs(void **state)
{
	struct priv_blob q = { .len = PRIV_BLOB_MAX };

	(void)state;
	assert_null(error_of(PRIV_STATE_STORE, &q, sizeof(q), 9));
	q.len++;
	assert_wrong(error_of(PRIV_STATE_STORE, &q, sizeof(q), 9), "too many");
	assert_wrong(error_of(PRIV_MEMO_STORE, &q, sizeof(q), 9), "too many");
	q.len = UINT64_MAX;
	assert_wrong(error_of(PRIV_MEMO_STORE, &q, sizeof(q), 9), "too many");
}

static void
test_kernel(void **state)
{
	struct kernel_peer peer = { .number = KERNEL_PEERS_MAX, .suite = SUITE_AES128_SHA1 };
	struct kernel_sa sa = { .peer = 1, .direction = KERNEL_IN, .spi = 256, .window = 4096 };
	struct priv_kernel_limit limit = { .sa = { 1, KERNEL_OUT, 256 } };
	struct kernel_flow flow = { .ifname = "vnif0097", .mac = { { 2 } }, .peer = 1, .mtu = 68 };

	(void)state;
	peer.local = ipaddr_v4(0x0a000001);
	peer.remote = ipaddr_v4(0x0a000002);
	assert_null(ERROR_OF(PRIV_KERNEL_PEER_ADD, peer));
	peer.remote.scope = 1;
	assert_wrong(ERROR_OF(PRIV_KERNEL_PEER_ADD, peer), "cannot use");
	peer.remote.scope = 0;
	peer.learn = 2;
	assert_wrong(ERROR_OF(PRIV_KERNEL_PEER_ADD, peer), "flag");
	peer.learn = 1;
	assert_null(ERROR_OF(PRIV_KERNEL_PEER_ADD, peer));
	peer.number++;
	assert_wrong(ERROR_OF(PRIV_KERNEL_PEER_ADD, peer), "peer");

	assert_null(ERROR_OF(PRIV_KERNEL_SA_ADD, sa));
	sa.seq = 1ull << 32;
	assert_wrong(ERROR_OF(PRIV_KERNEL_SA_ADD, sa), "sequence");
	sa.esn = 1;
	assert_null(ERROR_OF(PRIV_KERNEL_SA_ADD, sa));
	sa.window = 0;
	assert_wrong(ERROR_OF(PRIV_KERNEL_SA_ADD, sa), "window");
	sa.direction = KERNEL_OUT;
	assert_null(ERROR_OF(PRIV_KERNEL_SA_ADD, sa));
	sa.dport = 1801;
	assert_wrong(ERROR_OF(PRIV_KERNEL_SA_ADD, sa), "port");

	assert_null(ERROR_OF(PRIV_KERNEL_SA_LIMIT, limit));
	limit.sa.direction = KERNEL_OUT + 1;
	assert_wrong(ERROR_OF(PRIV_KERNEL_SA_LIMIT, limit), "direction");

	assert_null(ERROR_OF(PRIV_KERNEL_FLOW_SET, flow));
	flow.vni = 0xffffff;
	assert_wrong(ERROR_OF(PRIV_KERNEL_FLOW_SET, flow), "VNI");
	flow.peer = 0; /* our own: what the peer has does not count */
	flow.mtu = 0;
	assert_null(ERROR_OF(PRIV_KERNEL_FLOW_SET, flow));
	flow.slot = KERNEL_SLOTS_MAX;
	assert_wrong(ERROR_OF(PRIV_KERNEL_FLOW_SET, flow), "slot");
}

/* Also with the kernel's own words. */
static void
test_refuse(void **state)
{
	struct priv_answer a = { 0 };

	(void)state;
	assert_int_equal(privmsg_refuse(&a, -5, "%0*d", 2 * PRIV_TEXT_MAX, 7), -5);
	assert_int_equal(strlen(a.text), PRIV_TEXT_MAX - 1);
	assert_int_equal(privmsg_failed(&a, -EPERM, "", "device %s", "x"), -EPERM);
	assert_string_equal(a.text, "device x: Operation not permitted");
	assert_int_equal(privmsg_failed(&a, -EINVAL, "no such id", "SA"), -EINVAL);
	assert_string_equal(a.text, "SA: Invalid argument (no such id)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_lanes),
		cmocka_unit_test(test_esp),
		cmocka_unit_test(test_blobs),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
