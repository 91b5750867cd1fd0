/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One VARP machine under a sequence of operations in virtual time, checked after each. Two bytes an
 * operation: what, and (host, vnet, MAC, counter or time) from the bits of the second.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "varp/varp.h"

enum {
	VNETS = 2,
	MACS = 4,
	HOSTS = 3,
	OWN_ID = 2,
	OPS_MAX = 1000,
	FLOOD = VARP_PER_HOST_MAX + 1,
	FLOOD_ARG = 0xff
};

enum op {
	OP_LOCAL_FRAME,
	OP_REMOTE_FRAME,
	OP_REQUEST,
	OP_ANNOUNCE,
	OP_WITHDRAW,
	OP_ACK,
	OP_MEMBER_UP,
	OP_MEMBER_DOWN,
	OP_VNET_DOWN,
	OP_VIF_ADD,
	OP_VIF_DELETE,
	OP_FLUSH,
	OP_PASS_MS,
	OP_PASS_SECONDS,
	OP_FLOOD,
	OP_COUNT
};

const char *const fuzz_classes[] = {
#define X(suffix, name, help) name,
	VARP_COUNTERS(X)
#undef X
	    "probing",
	"failed",
	"by hand",
	"damped vif",
	"nothing left",
	NULL,
};

enum {
	CLASS_PROBING = VARP_COUNTER_COUNT,
	CLASS_FAILED,
	CLASS_BY_HAND,
	CLASS_DAMPED_VIF,
	CLASS_NOTHING_LEFT
};

struct answer {
	enum varp_where where;
	uint64_t host;
};

struct world {
	struct varp *varp;
	struct monotime now;
	bool is_member[VNETS][HOSTS];
	struct answer answers[VNETS][MACS];
	uint32_t vif_counters[VNETS][MACS]; /* 0: not ours */
	bool moved[VNETS][MACS];
	size_t n_sent;
	size_t n_listed;
};

static const uint64_t host_ids[HOSTS] = { 1, 3, 4 };
static int ways[HOSTS];

static void
check(bool good)
{
	if (!good)
		abort();
}

static struct macaddr
mac_of(unsigned mac)
{
	return (struct macaddr){ { 2, 0, 0, 0, 0, (uint8_t)mac } };
}

static void
on_send(void *arg, enum message_type type, uint32_t vnet, uint64_t host,
    const struct message_item *item)
{
	struct world *w = arg;
	enum varp_where where = varp_lookup(w->varp, vnet, &item->mac).where;

	check(vnet < VNETS && host && host != OWN_ID);
	check(!mac_is_multicast(&item->mac) && !mac_is_zero(&item->mac));
	/* Only what is ours is announced, and with a counter that never goes back. */
	if (type == MESSAGE_ANNOUNCE) {
		check(where == VARP_LOCAL && item->counter);
		check(item->counter >= w->vif_counters[vnet][item->mac.b[5]]);
	}
	w->n_sent++;
}

static void
on_members(void *arg, uint32_t vnet, void (*each)(void *ctx, uint64_t host), void *ctx)
{
	struct world *w = arg;

	for (unsigned h = 0; h < HOSTS; h++) {
		if (w->is_member[vnet][h])
			each(ctx, host_ids[h]);
	}
}

static void
on_moved(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	struct world *w = arg;

	if (!mac->b[4])
		w->moved[vnet][mac->b[5]] = true;
}

static void
on_damped(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	(void)arg;
	check(vnet < VNETS && !mac_is_multicast(mac));
}

static void
check_vif(void *ctx, const struct varp_vif_info *e)
{
	struct world *w = ctx;

	w->n_listed++;
	check(varp_lookup(w->varp, e->vnet, &e->mac).where == VARP_LOCAL);
	check(e->counter >= w->vif_counters[e->vnet][e->mac.b[5]] && e->age_ms >= 0);
	w->vif_counters[e->vnet][e->mac.b[5]] = e->counter;
	if (e->by_hand)
		fuzz_saw(CLASS_BY_HAND);
	if (e->damped)
		fuzz_saw(CLASS_DAMPED_VIF);
}

static void
check_entry(void *ctx, const struct varp_entry_info *e)
{
	struct world *w = ctx;
	struct varp_route r = varp_lookup(w->varp, e->vnet, &e->mac);

	w->n_listed++;
	check(e->host && e->age_ms >= 0);
	if (e->state == VARP_FAILED) {
		check(r.where == VARP_UNKNOWN);
		fuzz_saw(CLASS_FAILED);
		return;
	}
	check(r.where == VARP_REMOTE && r.host == e->host && r.via);
	if (e->state == VARP_PROBING)
		fuzz_saw(CLASS_PROBING);
}

/* The answer of a look-up changes only when we are told, and listings agree with it. */
static void
check_world(struct world *w)
{
	size_t known = 0;

	for (unsigned vnet = 0; vnet < VNETS; vnet++) {
		for (unsigned i = 0; i < MACS; i++) {
			struct macaddr mac = mac_of(i);
			struct varp_route r = varp_lookup(w->varp, vnet, &mac);
			struct answer *a = &w->answers[vnet][i];

			check((a->where == r.where && a->host == r.host) || w->moved[vnet][i]);
			*a = (struct answer){ r.where, r.host };
			w->moved[vnet][i] = false;
			if (r.where != VARP_LOCAL)
				w->vif_counters[vnet][i] = 0;
			known += r.where != VARP_UNKNOWN;
		}
	}
	w->n_listed = 0;
	varp_each_vif(w->varp, w->now, check_vif, w);
	varp_each_entry(w->varp, w->now, check_entry, w);
	check(w->n_listed >= known && w->n_listed <= VNETS * MACS);
}

static void
pass_ms(struct world *w, int64_t ms)
{
	struct monotime end = monotime_add_ms(w->now, ms), next;

	for (;;) {
		next = varp_tick(w->varp, w->now);
		check(!monotime_before(monotime_add_ms(w->now, 1000), next));
		if (!monotime_is_set(next) || monotime_before(end, next))
			break;
		if (monotime_before(w->now, next))
			w->now = next;
	}
	w->now = end;
}

/* More than a host's share; slow, so for one argument only. */
static void
flood(struct world *w, uint8_t arg)
{
	size_t gone;

	if (arg != FLOOD_ARG)
		return;
	varp_flush(w->varp);
	for (unsigned i = 0; i < FLOOD; i++) {
		struct macaddr mac = { { 2, 0, 1, 1, (uint8_t)(1 + i / 256), (uint8_t)i } };

		varp_remote_frame(w->varp, 0, host_ids[0], &ways[0], &mac, w->now);
	}
	gone = varp_flush(w->varp);
	check(gone == VARP_PER_HOST_MAX);
}

static void
receive(struct world *w, enum message_type type, uint32_t vnet, unsigned host, unsigned mac,
    unsigned counter)
{
	struct message_item item = { mac_of(mac), counter == 7 ? UINT32_MAX : counter };

	w->n_sent = 0;
	varp_receive(w->varp, type, vnet, host_ids[host], &ways[host], &item, 1, w->now);
	check(w->n_sent <= HOSTS);
}

static void
set_member(struct world *w, uint32_t vnet, unsigned host, bool up)
{
	w->is_member[vnet][host] = up;
	if (up)
		varp_member_up(w->varp, vnet, host_ids[host], &ways[host], w->now);
	else
		varp_member_down(w->varp, vnet, host_ids[host]);
}

static void
remote_frame(struct world *w, uint32_t vnet, unsigned host, const struct macaddr *mac)
{
	bool was_ours = varp_lookup(w->varp, vnet, mac).where == VARP_LOCAL;

	varp_remote_frame(w->varp, vnet, host_ids[host], &ways[host], mac, w->now);
	check(!was_ours || varp_lookup(w->varp, vnet, mac).where == VARP_LOCAL);
}

static void
operate(struct world *w, uint8_t op, uint8_t arg)
{
	unsigned host = arg % 4 % HOSTS, vnet = arg >> 2 & 1, nr = arg >> 3 & 3, rest = arg >> 5;
	struct macaddr mac = mac_of(nr);

	switch ((enum op)(op % OP_COUNT)) {
	case OP_LOCAL_FRAME:
		varp_local_frame(w->varp, vnet, &mac, w->now);
		break;
	case OP_REMOTE_FRAME:
		remote_frame(w, vnet, host, &mac);
		break;
	case OP_REQUEST:
		receive(w, MESSAGE_REQUEST, vnet, host, nr, rest);
		break;
	case OP_ANNOUNCE:
		receive(w, MESSAGE_ANNOUNCE, vnet, host, nr, rest);
		break;
	case OP_WITHDRAW:
		receive(w, MESSAGE_WITHDRAW, vnet, host, nr, rest);
		break;
	case OP_ACK:
		receive(w, MESSAGE_ACK, vnet, host, nr, rest);
		break;
	case OP_MEMBER_UP:
		set_member(w, vnet, host, true);
		break;
	case OP_MEMBER_DOWN:
		set_member(w, vnet, host, false);
		break;
	case OP_VNET_DOWN:
		varp_vnet_down(w->varp, vnet);
		break;
	case OP_VIF_ADD:
		varp_vif_add(w->varp, vnet, &mac, w->now);
		break;
	case OP_VIF_DELETE:
		varp_vif_delete(w->varp, vnet, &mac);
		break;
	case OP_FLUSH:
		varp_flush(w->varp);
		break;
	case OP_PASS_MS:
		pass_ms(w, arg);
		break;
	case OP_PASS_SECONDS:
		pass_ms(w, arg * 500);
		break;
	case OP_FLOOD:
		flood(w, arg);
		break;
	case OP_COUNT:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct varp_ops ops = { on_send, on_members, on_moved, on_damped };
	static const struct varp_config cfg;
	struct world w = { .now = { 1000000000 } };
	struct rcur c = rcur_init(data, len);
	const uint64_t *counters;

	w.varp = varp_new(&cfg, OWN_ID, &ops, &w);
	check(w.varp != NULL);
	for (unsigned i = 0; i < OPS_MAX && rcur_left(&c); i++) {
		uint8_t op = rcur_u8(&c);

		operate(&w, op, rcur_u8(&c));
		check_world(&w);
	}
	counters = varp_counters(w.varp);
	for (unsigned i = 0; i < VARP_COUNTER_COUNT; i++) {
		if (counters[i])
			fuzz_saw(i);
	}
	/* Without vifs by hand everything comes to an end by itself. */
	for (unsigned i = 0; i < VNETS * MACS; i++) {
		struct macaddr mac = mac_of(i / VNETS);

		varp_vif_delete(w.varp, i % VNETS, &mac);
	}
	pass_ms(&w, 300000);
	check_world(&w);
	check(!w.n_listed && !monotime_is_set(varp_tick(w.varp, w.now)));
	fuzz_saw(CLASS_NOTHING_LEFT);
	varp_free(w.varp);
	return 0;
}
