/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One host's VARP machine, its messages looked at one by one. test_varp_net.c has several hosts. */
#include "varp_one.h"

static void
a_first_frame_is_announced_to_all(void **state)
{
	(void)state;
	local(&mac1);
	expect_announced(&mac1, 1);
	expect_at(&mac1, VARP_LOCAL, 0);
	assert_int_equal(n_moved, 1);
	local(&mac1);
	local(&group);
	local(&zero);
	assert_int_equal(n_sent, 0);
	expect_at(&group, VARP_UNKNOWN, 0);
	assert_int_equal(varp_lookup(varp, OTHER_VNET, &mac1).where, VARP_UNKNOWN);
}

static void
an_announcement_is_repeated_until_given_up(void **state)
{
	static const int64_t waits[] = { 200, 400, 800, 1600 };

	(void)state;
	n_members = 1;
	local(&mac1);
	expect_sent(MESSAGE_ANNOUNCE, A, &mac1, 1);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		struct monotime before = now;

		while (!n_sent)
			pass_ms(10);
		assert_in_range(monotime_diff_ms(now, before), waits[i], waits[i] + 40);
		expect_sent(MESSAGE_ANNOUNCE, A, &mac1, 1);
	}
	pass_ms(20000);
	assert_int_equal(n_sent, 0);
	assert_int_equal(counted(VARP_C_RESENT), 4);
	assert_int_equal(counted(VARP_C_GIVEN_UP), 1);
}

static void
an_acknowledgement_ends_repetition(void **state)
{
	(void)state;
	local(&mac1);
	n_sent = 0;
	receive(MESSAGE_ACK, A, &mac1, 1);
	receive(MESSAGE_ACK, B, &mac1, 0);
	pass_ms(250);
	expect_sent(MESSAGE_ANNOUNCE, B, &mac1, 1);
	receive(MESSAGE_ACK, B, &mac1, 1);
	pass_ms(30000);
	assert_int_equal(n_sent, 0);
	expect_at(&mac1, VARP_LOCAL, 0);
}

static void
an_announcement_is_learned_and_acknowledged(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	expect_sent(MESSAGE_ACK, A, &mac1, 5);
	expect_at(&mac1, VARP_REMOTE, A);
	receive(MESSAGE_ANNOUNCE, A, &group, 5);
	receive(MESSAGE_ANNOUNCE, A, &zero, 5);
	receive(MESSAGE_ANNOUNCE, 0, &mac2, 5);
	receive(MESSAGE_ECHO, A, &mac2, 5);
	assert_int_equal(n_sent, 0);
	assert_int_equal(counted(VARP_C_LEARNED), 1);
}

static void
of_two_others_the_higher_claim_holds(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	n_sent = 0;
	receive(MESSAGE_ANNOUNCE, B, &mac1, 4);
	expect_sent(MESSAGE_ACK, B, &mac1, 5);
	expect_at(&mac1, VARP_REMOTE, A);
	receive(MESSAGE_ANNOUNCE, B, &mac1, 5); /* B's id is the higher */
	expect_sent(MESSAGE_ACK, B, &mac1, 5);
	expect_at(&mac1, VARP_REMOTE, B);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	expect_sent(MESSAGE_ACK, A, &mac1, 5);
	expect_at(&mac1, VARP_REMOTE, B);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 6);
	expect_at(&mac1, VARP_REMOTE, A);
	assert_int_equal(counted(VARP_C_MOVED), 2);
	n_sent = 0;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 2); /* the holder itself: not an argument */
	expect_sent(MESSAGE_ACK, A, &mac1, 2);
	expect_at(&mac1, VARP_REMOTE, A);
}

static void
a_frame_here_claims_above_what_is_known(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	n_sent = 0;
	local(&mac1);
	expect_announced(&mac1, 6);
	expect_at(&mac1, VARP_LOCAL, 0);
}

static void
a_later_claim_takes_our_mac_at_once(void **state)
{
	(void)state;
	own_acked(&mac1, 1);
	receive(MESSAGE_ANNOUNCE, B, &mac1, 2);
	expect_sent(MESSAGE_ACK, B, &mac1, 2);
	expect_at(&mac1, VARP_REMOTE, B);
	assert_int_equal(counted(VARP_C_LOST), 1);
	local(&mac1);
	expect_announced(&mac1, 3);
}

static void
an_ignorant_claim_is_answered_with_ours(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 4);
	n_sent = 0;
	own_acked(&mac1, 5);
	receive(MESSAGE_ANNOUNCE, B, &mac1, 1);
	expect_sent(MESSAGE_ANNOUNCE, B, &mac1, 5);
	expect_at(&mac1, VARP_LOCAL, 0);
	pass_ms(300);
	expect_sent(MESSAGE_ANNOUNCE, B, &mac1, 5);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5); /* equal, but A's id is lower than ours */
	expect_sent(MESSAGE_ANNOUNCE, A, &mac1, 5);
	receive(MESSAGE_ANNOUNCE, B, &mac1, 5); /* equal, and B's is higher */
	expect_announced(&mac1, 6);
}

static void
our_fresh_ignorant_claim_is_repeated_above(void **state)
{
	(void)state;
	local(&mac1);
	n_sent = 0;
	receive(MESSAGE_ANNOUNCE, B, &mac1, 7);
	expect_announced(&mac1, 8);
	receive(MESSAGE_ANNOUNCE, B, &mac1, 9);
	expect_announced(&mac1, 10);
	receive(MESSAGE_ANNOUNCE, B, &mac1, 11); /* twice is enough */
	expect_sent(MESSAGE_ACK, B, &mac1, 11);
	expect_at(&mac1, VARP_REMOTE, B);
	assert_int_equal(counted(VARP_C_RECLAIMED), 2);
}

static void
our_old_ignorant_claim_is_given_up(void **state)
{
	(void)state;
	local(&mac1);
	pass_ms(2100);
	local(&mac1); /* no evidence of a move */
	n_sent = 0;
	receive(MESSAGE_ANNOUNCE, B, &mac1, 7);
	expect_sent(MESSAGE_ACK, B, &mac1, 7);
	expect_at(&mac1, VARP_REMOTE, B);
}

static void
a_higher_acknowledgement_is_claimed_above_or_believed(void **state)
{
	(void)state;
	local(&mac1);
	n_sent = 0;
	receive(MESSAGE_ACK, A, &mac1, 3);
	expect_announced(&mac1, 4);
	receive(MESSAGE_ACK, B, &mac1, 3); /* of what we said before */
	assert_int_equal(n_sent, 0);
	pass_ms(2100);
	n_sent = 0;
	receive(MESSAGE_ACK, B, &mac1, 9);
	expect_at(&mac1, VARP_UNKNOWN, 0);
	assert_int_equal(counted(VARP_C_LOST), 1);
	receive(MESSAGE_ACK, B, &mac1, 9); /* nothing to acknowledge */
	receive(MESSAGE_ACK, B, &mac2, 9);
	assert_int_equal(n_sent, 0);
}

static void
an_unasked_acknowledgement_means_nothing(void **state)
{
	(void)state;
	own_acked(&mac1, 1);
	receive(MESSAGE_ACK, A, &mac1, 900);
	assert_int_equal(n_sent, 0);
	expect_at(&mac1, VARP_LOCAL, 0);
}

static void
a_request_is_answered_to_the_asker(void **state)
{
	(void)state;
	own_acked(&mac1, 1);
	receive(MESSAGE_REQUEST, B, &mac1, 0);
	expect_sent(MESSAGE_ANNOUNCE, B, &mac1, 1);
	receive(MESSAGE_REQUEST, B, &mac2, 3);
	expect_sent(MESSAGE_WITHDRAW, B, &mac2, 3);
	receive(MESSAGE_ANNOUNCE, A, &mac2, 7);
	n_sent = 0;
	receive(MESSAGE_REQUEST, B, &mac2, 3);
	expect_sent(MESSAGE_WITHDRAW, B, &mac2, 7);
}

static void
a_withdrawal_counts_from_the_holder_only(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	n_sent = 0;
	receive(MESSAGE_WITHDRAW, B, &mac1, 9);
	expect_sent(MESSAGE_ACK, B, &mac1, 9);
	receive(MESSAGE_WITHDRAW, A, &mac1, 4);
	expect_at(&mac1, VARP_REMOTE, A);
	receive(MESSAGE_WITHDRAW, A, &mac1, 5);
	expect_at(&mac1, VARP_UNKNOWN, 0);
	n_sent = 0;
	own_acked(&mac2, 1);
	receive(MESSAGE_WITHDRAW, A, &mac2, 9);
	expect_at(&mac2, VARP_LOCAL, 0);
}

static void
a_frame_from_a_host_is_learned(void **state)
{
	(void)state;
	varp_remote_frame(varp, VNET, A, &way_a, &mac1, now);
	expect_at(&mac1, VARP_REMOTE, A);
	varp_remote_frame(varp, VNET, A, &way_a, &group, now);
	varp_remote_frame(varp, VNET, 0, NULL, &mac2, now);
	expect_at(&mac2, VARP_UNKNOWN, 0);
	assert_int_equal(n_sent, 0);
	receive(MESSAGE_ANNOUNCE, B, &mac1, 1); /* any announcement is better evidence */
	expect_at(&mac1, VARP_REMOTE, B);
}

static void
a_frame_from_elsewhere_asks_the_holder(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	n_sent = 0;
	varp_remote_frame(varp, VNET, B, &way_b, &mac1, now);
	expect_sent(MESSAGE_REQUEST, A, &mac1, 5);
	expect_at(&mac1, VARP_REMOTE, A);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	n_sent = 0;
	varp_remote_frame(varp, VNET, B, &way_b, &mac1, now);
	assert_int_equal(n_sent, 0); /* it was asked a moment ago */
	pass_ms(3000);
	varp_remote_frame(varp, VNET, B, &way_b, &mac1, now);
	expect_sent(MESSAGE_REQUEST, A, &mac1, 5);
	receive(MESSAGE_WITHDRAW, A, &mac1, 5);
	varp_remote_frame(varp, VNET, B, &way_b, &mac1, now);
	expect_at(&mac1, VARP_REMOTE, B);
}

static void
a_dead_holder_is_replaced(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	varp_remote_frame(varp, VNET, B, &way_b, &mac1, now);
	pass_ms(VARP_PROBES * VARP_PROBE_MS + 500);
	expect_at(&mac1, VARP_UNKNOWN, 0);
	varp_remote_frame(varp, VNET, B, &way_b, &mac1, now);
	expect_at(&mac1, VARP_REMOTE, B);
}

static void
a_frame_with_our_mac_asks_its_sender(void **state)
{
	(void)state;
	own_acked(&mac1, 1);
	varp_remote_frame(varp, VNET, B, &way_b, &mac1, now);
	expect_sent(MESSAGE_REQUEST, B, &mac1, 1);
	varp_remote_frame(varp, VNET, B, &way_b, &mac1, now);
	assert_int_equal(n_sent, 0);
	expect_at(&mac1, VARP_LOCAL, 0);
}

static void
an_entry_ages_is_probed_and_fails(void **state)
{
	(void)state;
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	n_sent = 0;
	pass_ms(59900);
	assert_int_equal(n_sent, 0);
	for (int i = 0; i < VARP_PROBES; i++) {
		pass_ms(i ? 3020 : 200);
		expect_sent(MESSAGE_REQUEST, A, &mac1, 5);
		expect_at(&mac1, VARP_REMOTE, A);
	}
	pass_ms(3020);
	expect_at(&mac1, VARP_UNKNOWN, 0);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5);
	expect_at(&mac1, VARP_REMOTE, A);
	pass_ms(200000);
	expect_at(&mac1, VARP_UNKNOWN, 0);
	assert_false(monotime_is_set(varp_tick(varp, now)));
}

static void
a_used_entry_stays(void **state)
{
	(void)state;
	varp_remote_frame(varp, VNET, A, &way_a, &mac1, now);
	for (int i = 0; i < 20; i++) {
		pass_ms(30000);
		varp_remote_frame(varp, VNET, A, &way_a, &mac1, now);
	}
	assert_int_equal(n_sent, 0);
	pass_ms(61000);
	assert_int_equal(n_sent, 1);
	receive(MESSAGE_ANNOUNCE, A, &mac1, 5); /* the probe's answer */
	n_sent = 0;
	pass_ms(59000);
	assert_int_equal(n_sent, 0);
	expect_at(&mac1, VARP_REMOTE, A);
}

/* By workers, or in the kernel. */
static void
what_others_heard_stays(void **state)
{
	(void)state;
	varp_remote_frame(varp, VNET, A, &way_a, &mac1, now);
	for (int i = 0; i < 20; i++) {
		pass_ms(30000);
		heard = now;
	}
	assert_int_equal(n_sent, 0);
	pass_ms(60100);
	expect_sent(MESSAGE_REQUEST, A, &mac1, 0);
	heard = now; /* while it is probed */
	pass_ms(59000);
	assert_int_equal(n_sent, 0);
	expect_at(&mac1, VARP_REMOTE, A);
}

static void
a_vif_that_others_heard_stays(void **state)
{
	(void)state;
	own_acked(&mac1, 1);
	for (int i = 0; i < 20; i++) {
		pass_ms(30000);
		heard = now;
	}
	assert_int_equal(n_sent, 0);
	pass_ms(60100);
	assert_int_equal(n_sent, 2);
	check_sent(0, MESSAGE_WITHDRAW, A, &mac1, 1);
}

static void
a_silent_vif_is_withdrawn(void **state)
{
	(void)state;
	own_acked(&mac1, 1);
	pass_ms(59000);
	local(&mac1);
	pass_ms(59900);
	assert_int_equal(n_sent, 0);
	pass_ms(150);
	assert_int_equal(n_sent, 2);
	check_sent(0, MESSAGE_WITHDRAW, A, &mac1, 1);
	check_sent(1, MESSAGE_WITHDRAW, B, &mac1, 1);
	expect_at(&mac1, VARP_UNKNOWN, 0);
	n_sent = 0;
	receive(MESSAGE_ACK, A, &mac1, 1);
	pass_ms(250);
	expect_sent(MESSAGE_WITHDRAW, B, &mac1, 1);
	local(&mac1); /* overtakes the withdrawal */
	n_sent = 0;
	receive(MESSAGE_ACK, A, &mac1, 1);
	pass_ms(250);
	expect_sent(MESSAGE_ANNOUNCE, B, &mac1, 1);
}

static void
vifs_by_hand(void **state)
{
	(void)state;
	assert_int_equal(varp_vif_add(varp, VNET, &group, now), -EINVAL);
	assert_int_equal(varp_vif_add(varp, VNET, &zero, now), -EINVAL);
	assert_int_equal(varp_vif_delete(varp, VNET, &mac1), -ENOENT);
	assert_int_equal(varp_vif_add(varp, VNET, &mac1, now), 0);
	expect_announced(&mac1, 1);
	assert_int_equal(varp_vif_add(varp, VNET, &mac1, now), -EEXIST);
	local(&mac2);
	n_sent = 0;
	assert_int_equal(varp_vif_add(varp, VNET, &mac2, now), 0);
	assert_int_equal(n_sent, 0);
	pass_ms(600000);
	expect_at(&mac1, VARP_LOCAL, 0);
	expect_at(&mac2, VARP_LOCAL, 0);
	n_sent = 0;
	assert_int_equal(varp_vif_delete(varp, VNET, &mac1), 0);
	assert_int_equal(n_sent, 2);
	check_sent(1, MESSAGE_WITHDRAW, B, &mac1, 1);
	expect_at(&mac1, VARP_UNKNOWN, 0);
	receive(MESSAGE_ANNOUNCE, A, &mac2, 9); /* it moved away after all */
	assert_int_equal(varp_vif_delete(varp, VNET, &mac2), -ENOENT);
	assert_int_equal(varp_vif_add(varp, VNET, &mac2, now), 0);
}

static void
members_come_and_go(void **state)
{
	(void)state;
	own_acked(&mac1, 1);
	varp_local_frame(varp, OTHER_VNET, &mac1, now);
	n_sent = 0;
	receive(MESSAGE_ANNOUNCE, B, &mac2, 1);
	n_sent = 0;
	varp_member_up(varp, VNET, A, &way_a, now);
	expect_sent(MESSAGE_ANNOUNCE, A, &mac1, 1);
	varp_member_up(varp, VNET, B, &way_a, now);
	assert_ptr_equal(varp_lookup(varp, VNET, &mac2).via, &way_a); /* it has a new one */
	n_sent = 0;
	varp_member_down(varp, VNET, B);
	expect_at(&mac2, VARP_UNKNOWN, 0);
	varp_member_down(varp, OTHER_VNET, A);
	varp_member_down(varp, OTHER_VNET, B);
	pass_ms(250);
	expect_sent(MESSAGE_ANNOUNCE, A, &mac1, 1);
	varp_vnet_down(varp, VNET);
	expect_at(&mac1, VARP_UNKNOWN, 0);
	pass_ms(1000);
	assert_int_equal(n_sent, 0);
	assert_int_equal(varp_lookup(varp, OTHER_VNET, &mac1).where, VARP_LOCAL);
}

static void
flush_keeps_vifs(void **state)
{
	(void)state;
	local(&mac1);
	receive(MESSAGE_ANNOUNCE, A, &mac2, 1);
	n_moved = 0;
	assert_int_equal(varp_flush(varp), 1);
	assert_int_equal(n_moved, 1);
	expect_at(&mac1, VARP_LOCAL, 0);
	expect_at(&mac2, VARP_UNKNOWN, 0);
	assert_int_equal(varp_flush(varp), 0);
}

static void
read_vif(void *ctx, const struct varp_vif_info *e)
{
	*(struct varp_vif_info *)ctx = *e;
}

static void
read_entry(void *ctx, const struct varp_entry_info *e)
{
	*(struct varp_entry_info *)ctx = *e;
}

static void
listings(void **state)
{
	struct varp_vif_info vif = { 0 };
	struct varp_entry_info entry = { 0 };

	(void)state;
	assert_int_equal(varp_vif_add(varp, VNET, &mac1, now), 0);
	receive(MESSAGE_ANNOUNCE, A, &mac2, 7);
	pass_ms(2000);
	varp_each_vif(varp, now, read_vif, &vif);
	assert_int_equal(vif.vnet, VNET);
	assert_true(mac_equal(&vif.mac, &mac1));
	assert_true(vif.by_hand);
	assert_false(vif.damped);
	assert_int_equal(vif.counter, 1);
	assert_int_equal(vif.age_ms, 2000);
	varp_each_entry(varp, now, read_entry, &entry);
	assert_int_equal(entry.vnet, VNET);
	assert_true(mac_equal(&entry.mac, &mac2));
	assert_int_equal(entry.host, A);
	assert_int_equal(entry.counter, 7);
	assert_int_equal(entry.state, VARP_REACHABLE);
	assert_int_equal(entry.age_ms, 2000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_first_frame_is_announced_to_all),
		T(an_announcement_is_repeated_until_given_up),
		T(an_acknowledgement_ends_repetition),
		T(an_announcement_is_learned_and_acknowledged),
		T(of_two_others_the_higher_claim_holds),
		T(a_frame_here_claims_above_what_is_known),
		T(a_later_claim_takes_our_mac_at_once),
		T(an_ignorant_claim_is_answered_with_ours),
		T(our_fresh_ignorant_claim_is_repeated_above),
		T(our_old_ignorant_claim_is_given_up),
		T(a_higher_acknowledgement_is_claimed_above_or_believed),
		T(an_unasked_acknowledgement_means_nothing),
		T(a_request_is_answered_to_the_asker),
		T(a_withdrawal_counts_from_the_holder_only),
		T(a_frame_from_a_host_is_learned),
		T(a_frame_from_elsewhere_asks_the_holder),
		T(a_dead_holder_is_replaced),
		T(a_frame_with_our_mac_asks_its_sender),
		T(an_entry_ages_is_probed_and_fails),
		T(a_used_entry_stays),
		T(what_others_heard_stays),
		T(a_vif_that_others_heard_stays),
		T(a_silent_vif_is_withdrawn),
		T(vifs_by_hand),
		T(members_come_and_go),
		T(flush_keeps_vifs),
		T(listings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
