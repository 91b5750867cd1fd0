/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/forward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { VNET = 7, PEER = 9, FRAME_LEN = 60 };

#define UNKNOWN	 "\x02\0\0\0\0\x01"
#define LOCAL	 "\x02\0\0\0\0\x02"
#define REMOTE	 "\x02\0\0\0\0\x03"
#define GROUP	 "\x01\0\x5e\0\0\x01"
#define ALL	 "\xff\xff\xff\xff\xff\xff"
#define ZERO	 "\0\0\0\0\0\0"
#define STP	 "\x01\x80\xc2\0\0\0"
#define LLDP	 "\x01\x80\xc2\0\0\x0e"
#define RESERVED "\x01\x80\xc2\0\0\x0f"
#define NEXT	 "\x01\x80\xc2\0\0\x10"
#define OTHER_01 "\x01\x80\xc2\0\x01\x01"

static void
on_send(void *arg, enum message_type type, uint32_t vnet, uint64_t host,
    const struct message_item *item)
{
	(void)arg;
	(void)type;
	(void)vnet;
	(void)host;
	(void)item;
}

static void
on_members(void *arg, uint32_t vnet, void (*each)(void *ctx, uint64_t host), void *ctx)
{
	(void)arg;
	(void)vnet;
	(void)each;
	(void)ctx;
}

static void
the_whole_table(void **state)
{
	static const struct {
		const char *dst, *src;
		enum forward_verdict from_device, from_network;
	} cases[] = {
		{ UNKNOWN, LOCAL, FORWARD_FLOOD, FORWARD_DELIVER },
		{ LOCAL, LOCAL, FORWARD_DROP_LOCAL, FORWARD_DELIVER },
		{ REMOTE, LOCAL, FORWARD_UNICAST, FORWARD_DELIVER },
		{ REMOTE, UNKNOWN, FORWARD_UNICAST, FORWARD_DELIVER },
		{ GROUP, LOCAL, FORWARD_FLOOD, FORWARD_DELIVER },
		{ ALL, LOCAL, FORWARD_FLOOD, FORWARD_DELIVER },
		{ ZERO, LOCAL, FORWARD_FLOOD, FORWARD_DELIVER },
		{ STP, LOCAL, FORWARD_DROP_RESERVED, FORWARD_DROP_RESERVED },
		{ LLDP, LOCAL, FORWARD_DROP_RESERVED, FORWARD_DROP_RESERVED },
		{ RESERVED, LOCAL, FORWARD_DROP_RESERVED, FORWARD_DROP_RESERVED },
		{ NEXT, LOCAL, FORWARD_FLOOD, FORWARD_DELIVER },
		{ OTHER_01, LOCAL, FORWARD_FLOOD, FORWARD_DELIVER },
		{ REMOTE, GROUP, FORWARD_DROP_SOURCE, FORWARD_DROP_SOURCE },
		{ REMOTE, ALL, FORWARD_DROP_SOURCE, FORWARD_DROP_SOURCE },
		{ REMOTE, ZERO, FORWARD_DROP_SOURCE, FORWARD_DROP_SOURCE },
		{ STP, ZERO, FORWARD_DROP_SOURCE, FORWARD_DROP_SOURCE },
	};
	static const struct varp_ops ops = { .send = on_send, .members = on_members };
	static const struct varp_config cfg;
	struct varp *v = varp_new(&cfg, 1, &ops, NULL);
	struct monotime now = { 1000000000 };
	struct macaddr local, remote;
	uint8_t frame[FRAME_LEN] = { 0 };

	(void)state;
	assert_non_null(v);
	memcpy(local.b, LOCAL, 6);
	memcpy(remote.b, REMOTE, 6);
	varp_local_frame(v, VNET, &local, now);
	varp_remote_frame(v, VNET, PEER, &now, &remote, now);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct forward f;

		memcpy(frame, cases[i].dst, 6);
		memcpy(frame + 6, cases[i].src, 6);
		f = forward_decide(v, VNET, FORWARD_FROM_NETWORK, frame, sizeof(frame));
		assert_int_equal(f.verdict, cases[i].from_network);
		f = forward_decide(v, VNET, FORWARD_FROM_DEVICE, frame, sizeof(frame));
		assert_int_equal(f.verdict, cases[i].from_device);
		assert_memory_equal(f.src.b, cases[i].src, 6);
		if (f.verdict == FORWARD_UNICAST) {
			assert_int_equal(f.route.host, PEER);
			assert_ptr_equal(f.route.via, &now);
		}
	}
	assert_int_equal(forward_decide(v, VNET + 1, FORWARD_FROM_DEVICE,
			     (const uint8_t *)REMOTE LOCAL "\x08", 14)
			     .verdict,
	    FORWARD_FLOOD);
	for (size_t len = 0; len < ETHER_HEADER_LEN; len++)
		assert_int_equal(forward_decide(v, VNET, FORWARD_FROM_DEVICE, frame, len).verdict,
		    FORWARD_DROP_SHORT);
	varp_free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_whole_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
