/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One VARP machine, OWN, with members A and B, in virtual time; what it sends is kept to be looked at.
 */

#include "varp/varp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VNET = 0x97, OTHER_VNET = 0x98, SENT_MAX = 40000 };
enum { A = 10, OWN = 20, B = 30 };

struct sent {
	enum message_type type;
	uint32_t vnet;
	uint64_t host;
	struct message_item item;
};

static struct sent sent[SENT_MAX];
static size_t n_sent;
static uint64_t members[4];
static size_t n_members;
static size_t n_moved, n_damped;
static struct monotime now, heard;
static struct varp *varp;
static int way_a, way_b;

static const struct macaddr mac1 = { { 2, 0, 0, 0, 0, 1 } };
static const struct macaddr mac2 = { { 2, 0, 0, 0, 0, 2 } };
static const struct macaddr group = { { 1, 0, 0x5e, 0, 0, 1 } };
static const struct macaddr zero;

static inline void
on_send(void *arg, enum message_type type, uint32_t vnet, uint64_t host,
    const struct message_item *item)
{
	(void)arg;
	assert_true(n_sent < SENT_MAX);
	sent[n_sent++] = (struct sent){ type, vnet, host, *item };
}

static inline void
on_members(void *arg, uint32_t vnet, void (*each)(void *ctx, uint64_t host), void *ctx)
{
	(void)arg;
	(void)vnet;
	for (size_t i = 0; i < n_members; i++)
		each(ctx, members[i]);
}

static inline void
on_moved(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	(void)arg;
	(void)vnet;
	(void)mac;
	n_moved++;
}

static inline struct monotime
on_heard(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	(void)arg;
	(void)vnet;
	(void)mac;
	return heard;
}

static inline void
on_damped(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	(void)arg;
	(void)vnet;
	(void)mac;
	n_damped++;
}

static inline int
setup(void **state)
{
	static const struct varp_ops ops = { on_send, on_members, on_moved, on_heard, on_damped };
	static const struct varp_config cfg;

	(void)state;
	n_sent = n_moved = n_damped = 0;
	heard = (struct monotime){ 0 };
	members[0] = A;
	members[1] = B;
	n_members = 2;
	now = monotime_add_ms((struct monotime){ 0 }, 1000000);
	varp = varp_new(&cfg, OWN, &ops, NULL);
	return varp ? 0 : -1;
}

static inline int
teardown(void **state)
{
	(void)state;
	varp_free(varp);
	return 0;
}

static inline struct macaddr
mac_nr(uint32_t n)
{
	return (struct macaddr){ { 2, 1, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
	    (uint8_t)n } };
}

/* Lets time pass as an event loop does. */
static inline void
pass_ms(int64_t ms)
{
	struct monotime end = monotime_add_ms(now, ms);

	for (;;) {
		struct monotime next = varp_tick(varp, now);

		if (!monotime_is_set(next) || monotime_before(end, next))
			break;
		assert_false(monotime_before(monotime_add_ms(now, 1000), next));
		if (monotime_before(now, next))
			now = next;
	}
	now = end;
	varp_tick(varp, now);
}

static inline void
local(const struct macaddr *mac)
{
	varp_local_frame(varp, VNET, mac, now);
}

static inline void
receive(enum message_type type, uint64_t host, const struct macaddr *mac, uint32_t counter)
{
	struct message_item item = { *mac, counter };

	varp_receive(varp, type, VNET, host, host == A ? &way_a : &way_b, &item, 1, now);
}

static inline void
check_sent(
    size_t at, enum message_type type, uint64_t host, const struct macaddr *mac, uint32_t counter)
{
	assert_true(at < n_sent);
	assert_int_equal(sent[at].type, type);
	assert_int_equal(sent[at].vnet, VNET);
	assert_int_equal(sent[at].host, host);
	assert_true(mac_equal(&sent[at].item.mac, mac));
	assert_int_equal(sent[at].item.counter, counter);
}

/* Exactly this was sent since the last look. */
static inline void
expect_sent(enum message_type type, uint64_t host, const struct macaddr *mac, uint32_t counter)
{
	assert_int_equal(n_sent, 1);
	check_sent(0, type, host, mac, counter);
	n_sent = 0;
}

static inline void
expect_announced(const struct macaddr *mac, uint32_t counter)
{
	assert_int_equal(n_sent, 2);
	check_sent(0, MESSAGE_ANNOUNCE, A, mac, counter);
	check_sent(1, MESSAGE_ANNOUNCE, B, mac, counter);
	n_sent = 0;
}

static inline void
expect_at(const struct macaddr *mac, enum varp_where where, uint64_t host)
{
	struct varp_route r = varp_lookup(varp, VNET, mac);

	assert_int_equal(r.where, where);
	assert_int_equal(r.host, host);
	if (where == VARP_REMOTE)
		assert_ptr_equal(r.via, host == A ? &way_a : &way_b);
}

static inline uint64_t
counted(enum varp_counter c)
{
	return varp_counters(varp)[c];
}

/* A claim of ours that all members have acknowledged. */
static inline void
own_acked(const struct macaddr *mac, uint32_t counter)
{
	local(mac);
	expect_announced(mac, counter);
	receive(MESSAGE_ACK, A, mac, counter);
	receive(MESSAGE_ACK, B, mac, counter);
	assert_int_equal(n_sent, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
