/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One VARP machine under a sequence of operations in virtual time, checked after each against a
 * model that only knows who gave a sign of a MAC when (struct signs). Two bytes an operation: what,
 * and (host, vnet, MAC, counter or time) from the bits of the second.
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

/* Of one MAC in one vnet. */
struct signs {
	struct monotime heard[HOSTS]; /* frame or ANNOUNCE of the host; not set: none that counts */
	struct monotime own;	      /* frame on our side */
	bool by_hand;
	uint32_t highest; /* counter that anybody has named */
};

/* How long a sign may count: then it is asked for, or withdrawn. */
enum {
	OTHERS_MS = VARP_ENTRY_TTL_MS + VARP_PROBES * VARP_PROBE_MS + 1000,
	OWN_MS = VARP_VIF_TTL_MS + 1000
};

struct world {
	struct varp *varp;
	struct monotime now;
	bool is_member[VNETS][HOSTS];
	struct answer answers[VNETS][MACS];
	uint32_t vif_counters[VNETS][MACS]; /* 0: not ours */
	bool moved[VNETS][MACS];
	struct signs signs[VNETS][MACS];
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

/* --- the model --- */

static void
note_counter(struct signs *s, uint32_t counter)
{
	if (counter > s->highest)
		s->highest = counter;
}

static void
forget_others(struct world *w, uint32_t vnet, unsigned host)
{
	for (unsigned i = 0; i < MACS; i++)
		w->signs[vnet][i].heard[host] = (struct monotime){ 0 };
}

static bool
counts(struct monotime sign, int64_t ms, struct monotime now)
{
	return monotime_is_set(sign) && monotime_diff_ms(now, sign) <= ms;
}

static unsigned
host_of(uint64_t id)
{
	unsigned h = 0;

	while (h < HOSTS && host_ids[h] != id)
		h++;
	check(h < HOSTS);
	return h;
}

/* Whoever is said to have it gave a sign of it lately. */
static void
check_signs(const struct world *w, const struct signs *s, const struct varp_route *r)
{
	if (r->where == VARP_LOCAL)
		check(s->by_hand || counts(s->own, OWN_MS, w->now));
	else if (r->where == VARP_REMOTE)
		check(counts(s->heard[host_of(r->host)], OTHERS_MS, w->now));
}

/* Did another host speak since? Then it is asked, and has to answer. */
static bool
is_doubted(const struct signs *s, unsigned host)
{
	bool is = false;

	for (unsigned h = 0; h < HOSTS; h++)
		is |= h != host && monotime_is_set(s->heard[h]) &&
		      !monotime_before(s->heard[h], s->heard[host]);
	return is;
}

/* Who spoke lately is not forgotten by time alone. */
static void
check_kept(const struct world *w, unsigned vnet, unsigned mac)
{
	const struct answer *before = &w->answers[vnet][mac];
	const struct signs *s = &w->signs[vnet][mac];
	struct macaddr addr = mac_of(mac);
	struct varp_route r = varp_lookup(w->varp, vnet, &addr);
	unsigned host = before->where == VARP_REMOTE ? host_of(before->host) : HOSTS;

	if (before->where == VARP_REMOTE && !is_doubted(s, host) &&
	    counts(s->heard[host], VARP_ENTRY_TTL_MS - 1, w->now))
		check(r.where == VARP_REMOTE && r.host == before->host);
	else if (before->where == VARP_LOCAL &&
		 (s->by_hand || counts(s->own, VARP_VIF_TTL_MS - 1, w->now)))
		check(r.where == VARP_LOCAL);
}

/* --- what the machine asks for --- */

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
	if (!item->mac.b[4])
		note_counter(&w->signs[vnet][item->mac.b[5]], item->counter);
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

			check_signs(w, &w->signs[vnet][i], &r);
			check((a->where == r.where && a->host == r.host) || w->moved[vnet][i]);
			*a = (struct answer){ r.where, r.host };
			w->moved[vnet][i] = false;
			if (r.where != VARP_LOCAL)
				w->vif_counters[vnet][i] = 0;
			w->signs[vnet][i].by_hand &= r.where == VARP_LOCAL;
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
	for (unsigned i = 0; i < VNETS * MACS; i++)
		check_kept(w, i % VNETS, i / VNETS);
}

static void
flush(struct world *w)
{
	varp_flush(w->varp);
	for (unsigned i = 0; i < VNETS * HOSTS; i++)
		forget_others(w, i % VNETS, i / VNETS);
}

/* More than a host's share; slow, so for one argument only. */
static void
flood(struct world *w, uint8_t arg)
{
	size_t gone;

	if (arg != FLOOD_ARG)
		return;
	flush(w);
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
	struct varp_route before = varp_lookup(w->varp, vnet, &item.mac), after;
	struct signs *s = &w->signs[vnet][mac];
	bool is_news = type == MESSAGE_ANNOUNCE && item.counter > s->highest;

	if (type == MESSAGE_ANNOUNCE)
		s->heard[host] = w->now;
	note_counter(s, item.counter);
	w->n_sent = 0;
	varp_receive(w->varp, type, vnet, host_ids[host], &ways[host], &item, 1, w->now);
	check(w->n_sent <= HOSTS);
	after = varp_lookup(w->varp, vnet, &item.mac);
	/* A claim above all that were heard of wins, but where we contest it. */
	if (is_news && before.where != VARP_LOCAL)
		check(after.where == VARP_REMOTE && after.host == host_ids[host]);
	/* One that has it and says no more than that it has not, has not. */
	if (type == MESSAGE_WITHDRAW && item.counter == s->highest)
		check(after.where != VARP_REMOTE || after.host != host_ids[host]);
}

static void
set_member(struct world *w, uint32_t vnet, unsigned host, bool up)
{
	w->is_member[vnet][host] = up;
	if (up) {
		varp_member_up(w->varp, vnet, host_ids[host], &ways[host], w->now);
		return;
	}
	varp_member_down(w->varp, vnet, host_ids[host]);
	forget_others(w, vnet, host);
}

static void
vnet_down(struct world *w, uint32_t vnet)
{
	varp_vnet_down(w->varp, vnet);
	memset(w->signs[vnet], 0, sizeof(w->signs[vnet]));
}

static void
local_frame(struct world *w, uint32_t vnet, unsigned nr)
{
	struct macaddr mac = mac_of(nr);

	w->signs[vnet][nr].own = w->now;
	varp_local_frame(w->varp, vnet, &mac, w->now);
	/* It may be held back, but then another has it. */
	check(varp_lookup(w->varp, vnet, &mac).where != VARP_UNKNOWN ||
	      w->answers[vnet][nr].where == VARP_UNKNOWN);
}

static void
remote_frame(struct world *w, uint32_t vnet, unsigned host, unsigned nr)
{
	struct macaddr mac = mac_of(nr);
	bool was_ours = varp_lookup(w->varp, vnet, &mac).where == VARP_LOCAL;

	w->signs[vnet][nr].heard[host] = w->now;
	varp_remote_frame(w->varp, vnet, host_ids[host], &ways[host], &mac, w->now);
	check(varp_lookup(w->varp, vnet, &mac).where == (was_ours ? VARP_LOCAL : VARP_REMOTE));
}

static void
vif_by_hand(struct world *w, uint32_t vnet, unsigned nr, bool add)
{
	struct macaddr mac = mac_of(nr);

	if (add)
		varp_vif_add(w->varp, vnet, &mac, w->now);
	else
		varp_vif_delete(w->varp, vnet, &mac);
	w->signs[vnet][nr].by_hand = add;
	w->signs[vnet][nr].own = (struct monotime){ 0 };
	check((varp_lookup(w->varp, vnet, &mac).where == VARP_LOCAL) == add);
}

static void
operate(struct world *w, uint8_t op, uint8_t arg)
{
	unsigned host = arg % 4 % HOSTS, vnet = arg >> 2 & 1, nr = arg >> 3 & 3, rest = arg >> 5;

	switch ((enum op)(op % OP_COUNT)) {
	case OP_LOCAL_FRAME:
		local_frame(w, vnet, nr);
		break;
	case OP_REMOTE_FRAME:
		remote_frame(w, vnet, host, nr);
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
		vnet_down(w, vnet);
		break;
	case OP_VIF_ADD:
	case OP_VIF_DELETE:
		vif_by_hand(w, vnet, nr, op % OP_COUNT == OP_VIF_ADD);
		break;
	case OP_FLUSH:
		flush(w);
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
	static const struct varp_ops ops = { on_send, on_members, on_moved, NULL, on_damped };
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
	check_world(&w);
	pass_ms(&w, 300000);
	check_world(&w);
	check(!w.n_listed && !monotime_is_set(varp_tick(w.varp, w.now)));
	fuzz_saw(CLASS_NOTHING_LEFT);
	varp_free(w.varp);
	return 0;
}
