/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/membership.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/siphash.h"

static struct membership_own *own;
static struct membership_peer *peer;
static size_t n_joined, n_left;
static struct membership_entry last;

static int
setup(void **state)
{
	(void)state;
	n_joined = n_left = 0;
	own = membership_own_new();
	peer = membership_peer_new();
	return own && peer ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	membership_own_free(own);
	membership_peer_free(peer);
	return 0;
}

static struct vnetid
id_nr(uint32_t n)
{
	return (struct vnetid){
		{ [12] = (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n }
	};
}

static void
on_change(void *arg, const struct membership_entry *e, bool joined)
{
	(void)arg;
	last = *e;
	++*(joined ? &n_joined : &n_left);
}

static void
add(uint32_t n, uint32_t vni)
{
	struct vnetid id = id_nr(n);

	assert_int_equal(membership_own_add(own, &id, vni), 0);
}

static void
add_range(uint32_t from, uint32_t to)
{
	for (uint32_t n = from; n < to; n++)
		add(n, n);
}

static enum membership_verdict
apply(const struct message *m)
{
	n_joined = n_left = 0;
	return membership_peer_apply(peer, m, on_change, NULL);
}

static struct message
first_message(uint64_t have)
{
	struct message m;
	size_t pos = 0;

	assert_true(membership_own_next(own, have, &pos, &m));
	return m;
}

/* Sends all that is needed; returns how many messages that took. */
static size_t
bring_up_to_date(void)
{
	uint64_t have = membership_peer_number(peer);
	enum membership_verdict verdict = MEMBERSHIP_APPLIED;
	size_t pos = 0, count = 0;
	struct message m;

	while (membership_own_next(own, have, &pos, &m)) {
		assert_int_equal(verdict, count ? MEMBERSHIP_PARTIAL : MEMBERSHIP_APPLIED);
		verdict = apply(&m);
		count++;
	}
	assert_int_equal(verdict, MEMBERSHIP_APPLIED);
	assert_false(
	    membership_peer_differs(peer, membership_own_number(own), membership_own_hash(own)));
	assert_int_equal(membership_peer_count(peer), membership_own_count(own));
	return count;
}

static void
own_set_is_numbered(void **state)
{
	struct vnetid id = id_nr(7);

	(void)state;
	assert_int_equal(membership_own_number(own), 1);
	add(7, 7);
	assert_int_equal(membership_own_number(own), 2);
	add(7, 7);
	assert_int_equal(membership_own_number(own), 2);
	add(7, 8);
	assert_int_equal(membership_own_number(own), 3);
	assert_int_equal(membership_own_count(own), 1);
	assert_true(membership_own_remove(own, &id));
	assert_false(membership_own_remove(own, &id));
	assert_int_equal(membership_own_number(own), 4);
}

static void
the_hash_is_of_the_sorted_set(void **state)
{
	static const uint8_t image[40] = { [15] = 2, [17] = 0x80, [19] = 1, [35] = 3, [39] = 5 };
	static const struct siphash_key zero_key;

	(void)state;
	assert_int_equal(membership_own_hash(own), siphash(&zero_key, image, 0));
	add(3, 5);
	add(2, 0x800001);
	assert_int_equal(membership_own_hash(own), siphash(&zero_key, image, sizeof(image)));
}

static void
a_full_set_in_parts(void **state)
{
	struct vnetid id = id_nr(150);

	(void)state;
	add_range(100, 300);
	assert_int_equal(bring_up_to_date(), 4);
	assert_int_equal(n_joined, 200);
	assert_int_equal(membership_peer_find(peer, &id)->vni, 150);
	id = id_nr(99);
	assert_null(membership_peer_find(peer, &id));
}

static void
an_empty_set_is_one_message(void **state)
{
	struct vnetid id = id_nr(7);

	(void)state;
	assert_int_equal(bring_up_to_date(), 1);
	assert_int_equal(membership_peer_number(peer), 1);
	add(7, 7);
	assert_int_equal(bring_up_to_date(), 1);
	membership_own_remove(own, &id);
	membership_peer_reset(peer, on_change, NULL);
	assert_int_equal(bring_up_to_date(), 1);
	assert_int_equal(membership_peer_count(peer), 0);
}

static void
changes_go_alone(void **state)
{
	struct vnetid id = id_nr(2000);
	struct message m;

	(void)state;
	add_range(1000, 3000);
	bring_up_to_date();
	assert_true(membership_own_remove(own, &id));
	m = first_message(membership_peer_number(peer));
	assert_int_equal(m.members.n, 1);
	assert_int_equal(m.members.base, membership_peer_number(peer));
	assert_int_equal(bring_up_to_date(), 1);
	assert_int_equal(n_left, 1);
	assert_int_equal(n_joined, 0);
	assert_true(vnetid_equal(&last.id, &id));
	add(2000, 4000);
	assert_int_equal(bring_up_to_date(), 1);
	assert_int_equal(n_joined, 1);
	add(2000, 4001);
	assert_int_equal(bring_up_to_date(), 1);
	assert_int_equal(n_joined, 1); /* relabelled */
	assert_int_equal(last.vni, 4001);
	assert_int_equal(n_left, 0);
	for (unsigned i = 0; i < MESSAGE_MEMBERS_MAX; i++)
		add(2000, 5000 + i);
	assert_int_equal(bring_up_to_date(), 1);
	for (unsigned i = 0; i <= MESSAGE_MEMBERS_MAX; i++)
		add(2000, 6000 + i);
	assert_int_equal(bring_up_to_date(), 36);
	assert_int_equal(n_joined, 1);
}

static void
parts_in_any_order(void **state)
{
	struct message parts[4];
	size_t pos = 0;

	(void)state;
	add_range(100, 300);
	for (size_t i = 0; i < 4; i++)
		assert_true(membership_own_next(own, 0, &pos, &parts[i]));
	assert_int_equal(apply(&parts[2]), MEMBERSHIP_PARTIAL);
	assert_int_equal(apply(&parts[0]), MEMBERSHIP_PARTIAL);
	assert_int_equal(apply(&parts[0]), MEMBERSHIP_PARTIAL);
	assert_int_equal(apply(&parts[3]), MEMBERSHIP_PARTIAL);
	assert_int_equal(apply(&parts[1]), MEMBERSHIP_APPLIED);
	assert_int_equal(n_joined, 200);
	assert_int_equal(apply(&parts[1]), MEMBERSHIP_STALE);
}

static void
parts_of_a_newer_set_start_again(void **state)
{
	struct message old, new;
	size_t pos = 0;

	(void)state;
	add_range(100, 200);
	old = first_message(0);
	add_range(200, 210);
	assert_int_equal(apply(&old), MEMBERSHIP_PARTIAL);
	new = first_message(0);
	assert_int_equal(apply(&new), MEMBERSHIP_PARTIAL);
	assert_int_equal(apply(&old), MEMBERSHIP_STALE);
	assert_true(membership_own_next(own, 0, &pos, &new));
	assert_true(membership_own_next(own, 0, &pos, &new));
	assert_int_equal(apply(&new), MEMBERSHIP_APPLIED);
	assert_int_equal(membership_peer_count(peer), 110);
}

static void
stale_and_missed_changes(void **state)
{
	struct message change, full;

	(void)state;
	add(7, 7);
	full = first_message(0);
	bring_up_to_date();
	add(8, 8);
	change = first_message(2);
	add(9, 9);
	full.members.number = 1;
	assert_int_equal(apply(&full), MEMBERSHIP_STALE);
	struct message later = first_message(3);

	assert_int_equal(apply(&later), MEMBERSHIP_GAP);
	assert_int_equal(membership_peer_count(peer), 1);
	assert_int_equal(apply(&change), MEMBERSHIP_APPLIED);
	assert_int_equal(apply(&change), MEMBERSHIP_STALE);
	assert_int_equal(apply(&later), MEMBERSHIP_APPLIED);
	assert_true(membership_peer_differs(peer, 5, 0));
	assert_true(membership_peer_differs(peer, 4, 0));
}

/* The same number twice, but another set: the peer was asked for all of it because it differs. */
static void
a_set_of_the_same_number_can_be_corrected(void **state)
{
	struct message wrong, right;

	(void)state;
	add(7, 7);
	wrong = first_message(0);
	add(7, 8);
	right = first_message(0);
	right.members.number = wrong.members.number;
	assert_int_equal(apply(&wrong), MEMBERSHIP_APPLIED);
	assert_int_equal(apply(&wrong), MEMBERSHIP_STALE);
	assert_int_equal(apply(&right), MEMBERSHIP_APPLIED);
	assert_int_equal(last.vni, 8);
}

static void
bad_sets_change_nothing(void **state)
{
	struct message m;
	size_t pos = 0;

	(void)state;
	add(7, 7);
	bring_up_to_date();
	add(8, 8);
	add(9, 9);
	m = first_message(0);
	m.members.hash++;
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	m = first_message(2);
	m.members.hash++;
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	m = first_message(2);
	m.members.entries[0].op = MEMBER_REMOVE; /* of what is not there */
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	m = first_message(0);
	m.members.entries[1] = m.members.entries[0];
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	m = first_message(0);
	m.members.entries[1].id = id_nr(6); /* not in order */
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	assert_int_equal(membership_peer_count(peer), 1);
	assert_int_equal(n_joined + n_left, 0);

	add_range(100, 200);
	assert_true(membership_own_next(own, 0, &pos, &m));
	assert_int_equal(apply(&m), MEMBERSHIP_PARTIAL);
	m.members.entries[3].vni = 999;
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	assert_true(membership_own_next(own, 0, &pos, &m));
	assert_int_equal(apply(&m), MEMBERSHIP_PARTIAL); /* starts anew */
	m.members.total--;
	m.members.first--;
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	bring_up_to_date();
}

static void
one_label_for_two_vnets_is_bad(void **state)
{
	struct message m;

	(void)state;
	add(7, 100);
	add(8, 100); /* the hash is right */
	m = first_message(0);
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	add(7, 101);
	assert_int_equal(bring_up_to_date(), 1);
	add(7, 102);
	add(8, 101); /* a label passes on */
	assert_int_equal(bring_up_to_date(), 1);
	assert_int_equal(n_joined, 2);
}

static void
the_largest_set(void **state)
{
	struct vnetid id = id_nr(1);

	(void)state;
	add_range(100, 100 + MEMBERSHIP_TOTAL_MAX);
	assert_int_equal(membership_own_add(own, &id, 1), -ENOSPC);
	assert_int_equal(bring_up_to_date(), 72);
	assert_int_equal(membership_peer_count(peer), MEMBERSHIP_TOTAL_MAX);

	/* A change that is one too many. */
	struct message m = { .type = MESSAGE_MEMBERS };

	m.members.number = membership_peer_number(peer) + 1;
	m.members.base = membership_peer_number(peer);
	m.members.total = m.members.n = 1;
	m.members.entries[0] = (struct message_member){ id, MEMBER_ADD, 1 };
	assert_int_equal(apply(&m), MEMBERSHIP_BAD);
	assert_int_equal(membership_peer_count(peer), MEMBERSHIP_TOTAL_MAX);
}

static void
reset_tells_what_is_left(void **state)
{
	(void)state;
	add_range(100, 200);
	bring_up_to_date();
	n_left = 0;
	membership_peer_reset(peer, on_change, NULL);
	assert_int_equal(n_left, 100);
	assert_int_equal(membership_peer_number(peer), 0);
	bring_up_to_date();
	assert_int_equal(n_joined, 100);
}

static void
random_changes_arrive(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 2000; i++) {
		uint32_t n = 100 + (uint32_t)random() % 300;
		struct vnetid id = id_nr(n);

		if (random() % 2)
			add(n, n + 1000 * ((uint32_t)random() % 2));
		else
			membership_own_remove(own, &id);
		if (random() % 40 == 0 &&
		    membership_peer_number(peer) != membership_own_number(own))
			bring_up_to_date();
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(own_set_is_numbered),
		T(the_hash_is_of_the_sorted_set),
		T(a_full_set_in_parts),
		T(an_empty_set_is_one_message),
		T(changes_go_alone),
		T(parts_in_any_order),
		T(parts_of_a_newer_set_start_again),
		T(stale_and_missed_changes),
		T(a_set_of_the_same_number_can_be_corrected),
		T(bad_sets_change_nothing),
		T(one_label_for_two_vnets_is_bad),
		T(the_largest_set),
		T(reset_tells_what_is_left),
		T(random_changes_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
