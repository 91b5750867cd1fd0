/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single destinations in the kernel. */
#include "offload_one.h"

static void
flows_come_and_go(void **state)
{
	struct offload_count n;

	(void)state;
	begin_used();
	use_flow();
	assert_int_equal(asked("vnet vnif0097"), 1);
	assert_int_equal(asked("flow 1 0"), 1);
	assert_int_equal(asked("flow 2 1"), 1);
	assert_int_equal(fake.flow.vni, 0x1234);
	assert_int_equal(fake.flow.mtu, 1400);
	/* Renewed while it is used. */
	for (int i = 0; i < 90; i++) {
		fake.slots[0].tx_packets++;
		fake.slots[1].tx_packets++;
		fake.slots[1].rx_packets++;
		fake.slots[1].rx_bytes += 100;
		run(1000);
		hear_seen();
		assert_true(alive(0) && alive(1));
		varp_tick(host.varp, host.now);
	}
	assert_int_equal(host.a->tx_packets, 90);
	assert_int_equal(host.a->rx_bytes, 9000);
	assert_int_equal(varp_lookup(host.varp, 0x97, &far_mac).where, VARP_REMOTE);
	assert_true(offload_flow(host.o, 0x97, &far_mac, &n));
	assert_int_equal(n.rx_packets, 90);
	/* The address turns up here: gone before anything else happens. */
	varp_local_frame(host.varp, 0x97, &far_mac, host.now);
	assert_false(alive(1));
	assert_false(offload_flow(host.o, 0x97, &far_mac, &n));
	run(10);
	assert_int_equal(asked("no flow 2"), 1);
	/* Not used for a minute. */
	for (int i = 0; i < 62; i++)
		run(1000);
	assert_int_equal(asked("no flow 1"), 1);
	end();
}

/* A slot is not used again before the kernel has forgotten whose it was. */
static void
slots_wait(void **state)
{
	unsigned before;

	(void)state;
	begin_used();
	use_flow();
	varp_flush(host.varp);
	assert_false(alive(1));
	before = fake.n_asked;
	varp_remote_frame(host.varp, 0x97, 2, host.m, &far_mac, host.now);
	offload_used(host.o, host.m, &near_mac, &far_mac, host.now);
	assert_int_equal(asked_since(before, "flow 2"), 1);
	assert_int_equal(fake.flow.slot, 2);
	assert_false(alive(1));
	run(10);
	assert_true(alive(2));
	/* Busy with it: not deleted yet, not to be used either. */
	fake.busy = true;
	varp_flush(host.varp);
	assert_false(alive(2));
	fake.busy = false;
	before = fake.n_asked;
	run(1000);
	assert_int_equal(asked_since(before, "no flow 2"), 1);
	end();
}

static void
limits(void **state)
{
	struct macaddr mac = far_mac;

	(void)state;
	begin_used();
	for (unsigned i = 0; i < KERNEL_SLOTS_MAX + 10; i++) {
		memcpy(&mac.b[1], &i, 4);
		varp_remote_frame(host.varp, 0x97, 2, host.m, &mac, host.now);
		offload_used(host.o, host.m, &near_mac, &mac, host.now);
		fake.n_asked = fake.n_asked == ASKED_MAX - 10 ? 0 : fake.n_asked;
		fake_answer();
		fake.n_answered = fake.n_asked = 0;
		host.now.ns += 1000;
	}
	assert_in_range(offload_info(host.o).flows, KERNEL_SLOTS_MAX / 3, KERNEL_SLOTS_MAX);
	end();
}

static void
members_change(void **state)
{
	unsigned before;

	(void)state;
	begin_used();
	use_flow();
	before = fake.n_asked;
	offload_member_gone(host.o, host.m);
	assert_false(alive(1));
	run(10);
	assert_int_equal(asked_since(before, "no member 1 97"), 1);
	offload_member_added(host.o, host.m);
	run(10);
	assert_int_equal(asked_since(before, "member 1 97"), 1);
	assert_int_equal(last_sent()->path.n, 2); /* what was offered stays so */
	offload_device_gone(host.o, host.vnet);
	host.vnet->tap = -1;
	run(10);
	assert_int_equal(asked_since(before, "no vnet vnif0097"), 1);
	assert_false(alive(0));
	host.vnet->tap = 1001;
	offload_vnet_changed(host.o, host.vnet);
	use_flow();
	assert_int_equal(asked_since(before, "vnet vnif0097"), 1);
	host.vnet->spec.offload = OFFLOAD_OFF;
	offload_vnet_changed(host.o, host.vnet);
	use_flow();
	assert_int_equal(offload_info(host.o).flows, 0);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_come_and_go),
		cmocka_unit_test(slots_wait),
		cmocka_unit_test(limits),
		cmocka_unit_test(members_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
