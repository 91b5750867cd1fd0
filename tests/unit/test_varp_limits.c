/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one host's VARP machine does with too much of anything. */
#include "varp_one.h"

static void
one_host_fills_its_share_only(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < VARP_PER_HOST_MAX + 10; i++) {
		struct macaddr mac = mac_nr(i);

		varp_remote_frame(varp, i % 2 ? VNET : OTHER_VNET, A, &way_a, &mac, now);
	}
	assert_int_equal(counted(VARP_C_LEARNED), VARP_PER_HOST_MAX);
	assert_int_equal(counted(VARP_C_FULL), 10);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 1);
	expect_sent(MESSAGE_ACK, A, &mac1, 1); /* it need not be repeated */
	expect_at(&mac1, VARP_UNKNOWN, 0);
	receive(MESSAGE_ANNOUNCE, B, &mac1, 1);
	expect_at(&mac1, VARP_REMOTE, B);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 2); /* no room: flooded, not sent to the wrong host */
	expect_at(&mac1, VARP_UNKNOWN, 0);
	n_sent = 0;
	own_acked(&mac2, 1);
	varp_flush(varp);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 2);
	expect_at(&mac1, VARP_REMOTE, A);
}

static void
tables_are_bounded(void **state)
{
	(void)state;
	n_members = 0;
	for (uint32_t i = 0; i < VARP_ENTRIES_MAX + 10; i++) {
		struct macaddr mac = mac_nr(i);

		varp_remote_frame(varp, VNET, 100 + i % 8, &way_a, &mac, now);
	}
	assert_int_equal(counted(VARP_C_LEARNED), VARP_ENTRIES_MAX);
	for (uint32_t i = 0; i < VARP_VIFS_MAX + 10; i++) {
		struct macaddr mac = mac_nr(0x1000000 + i);

		local(&mac);
	}
	assert_int_equal(counted(VARP_C_FULL), 20);
	assert_int_equal(varp_vif_add(varp, VNET, &mac1, now), -ENOSPC);

	struct macaddr known = mac_nr(0);

	receive(MESSAGE_ANNOUNCE, 107, &known, 1); /* moves are possible in a full table */
	assert_int_equal(varp_lookup(varp, VNET, &known).host, 107);
	known = mac_nr(0x1000000);
	receive(MESSAGE_ANNOUNCE, 107, &known, 9); /* but a vif would be one more */
	expect_at(&known, VARP_UNKNOWN, 0);
}

static void
a_tick_does_a_share_of_the_work(void **state)
{
	struct monotime next;
	int ticks = 1;

	(void)state;
	for (uint32_t i = 0; i < VARP_PER_HOST_MAX; i++) {
		struct macaddr mac = mac_nr(i);

		varp_remote_frame(varp, VNET, A, &way_a, &mac, now);
	}
	now = monotime_add_ms(now, 61000);
	for (next = varp_tick(varp, now); !monotime_before(now, next); ticks++) {
		assert_true(n_sent <= 4096u * (unsigned)ticks);
		next = varp_tick(varp, now);
	}
	assert_int_equal(n_sent, VARP_PER_HOST_MAX);
	assert_true(ticks >= 4);
}

static void
counters_do_not_wrap(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, UINT32_MAX);
	n_sent = 0;
	local(&mac1); /* the tie is ours, by host id */
	expect_announced(&mac1, UINT32_MAX);
	receive(MESSAGE_ANNOUNCE, A, &mac1, UINT32_MAX);
	expect_sent(MESSAGE_ANNOUNCE, A, &mac1, UINT32_MAX);
	receive(MESSAGE_ANNOUNCE, B, &mac1, UINT32_MAX);
	expect_sent(MESSAGE_ACK, B, &mac1, UINT32_MAX);
	expect_at(&mac1, VARP_REMOTE, B);
}

static void
read_entry(void *ctx, const struct varp_entry_info *e)
{
	*(struct varp_entry_info *)ctx = *e;
}

static void
a_flapping_mac_is_held_back(void **state)
{
	struct varp_entry_info entry = { 0 };
	uint32_t counter = 1;

	(void)state;
	own_acked(&mac1, 1);
	for (int i = 0; i < 3; i++) {
		pass_ms(100);
		n_sent = 0;
		receive(MESSAGE_ANNOUNCE, B, &mac1, ++counter);
		expect_sent(MESSAGE_ACK, B, &mac1, counter);
		local(&mac1);
		if (i == 2)
			break;
		own_acked(&mac1, ++counter);
		assert_int_equal(n_damped, 0);
	}
	/* The sixth move, ours, was made; the seventh is not answered. */
	++counter;
	receive(MESSAGE_ACK, A, &mac1, counter);
	receive(MESSAGE_ACK, B, &mac1, counter);
	assert_int_equal(n_damped, 1);
	receive(MESSAGE_ANNOUNCE, B, &mac1, ++counter);
	n_sent = 0;
	local(&mac1);
	assert_int_equal(n_sent, 0);
	assert_int_equal(n_damped, 1);
	assert_int_equal(counted(VARP_C_DAMPED), 1);
	expect_at(&mac1, VARP_REMOTE, B);
	varp_each_entry(varp, now, read_entry, &entry);
	assert_true(entry.damped);
	pass_ms(VARP_HOLD_MS - 100);
	local(&mac1);
	assert_int_equal(n_sent, 0);
	pass_ms(200);
	local(&mac1);
	expect_announced(&mac1, counter + 1);
}

static void
slow_moves_are_not_damped(void **state)
{
	uint32_t counter = 1;

	(void)state;
	for (int i = 0; i < 30; i++) {
		own_acked(&mac1, counter++);
		pass_ms(2500);
		receive(MESSAGE_ANNOUNCE, B, &mac1, counter++);
		pass_ms(2500);
		n_sent = 0;
	}
	assert_int_equal(n_damped, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_host_fills_its_share_only),
		T(tables_are_bounded),
		T(a_tick_does_a_share_of_the_work),
		T(counters_do_not_wrap),
		T(a_flapping_mac_is_held_back),
		T(slow_moves_are_not_damped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
