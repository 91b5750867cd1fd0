/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/machine.h"

enum { MOVE_MS = VARP_MOVES_MS / VARP_MOVES_MAX };

void
machine_send(struct varp *v, enum message_type type, const struct claim_key *key, uint64_t host,
    uint32_t counter)
{
	struct message_item item = { .mac = key->mac, .counter = counter };

	v->ops.send(v->arg, type, key->vnet, host, &item);
}

static void
tell_moved(struct varp *v, const struct claim_key *key)
{
	if (v->ops.moved)
		v->ops.moved(v->arg, key->vnet, &key->mac);
}

/* Sends what must be acknowledged. */
static void
post(struct varp *v, enum message_type type, const struct claim *c, uint64_t host)
{
	if (!outbox_put(&v->outbox, &c->key, host, type, c->counter, v->now))
		v->counters[VARP_C_GIVEN_UP]++;
	machine_send(v, type, &c->key, host, c->counter);
}

struct posting {
	struct varp *v;
	enum message_type type;
	const struct claim *claim;
};

static void
post_to_member(void *ctx, uint64_t host)
{
	const struct posting *p = ctx;

	post(p->v, p->type, p->claim, host);
}

static void
post_to_all(struct varp *v, enum message_type type, const struct claim *c)
{
	struct posting p = { v, type, c };

	v->ops.members(v->arg, c->key.vnet, post_to_member, &p);
}

void
machine_announce_to(struct varp *v, const struct claim *c, uint64_t host)
{
	post(v, MESSAGE_ANNOUNCE, c, host);
}

void
machine_announce(struct varp *v, const struct claim *c)
{
	post_to_all(v, MESSAGE_ANNOUNCE, c);
}

void
machine_withdraw(struct varp *v, struct claim *c)
{
	post_to_all(v, MESSAGE_WITHDRAW, c);
	machine_forget(v, c);
}

/*
 * A leaky bucket: each move takes MOVE_MS to leave it. When it runs over, we hold back our own
 * claims for a while.
 */
static void
count_move(struct varp *v, struct claim *c)
{
	struct monotime full = monotime_add_ms(v->now, VARP_MOVES_MS);

	if (monotime_before(c->busy, v->now)) {
		c->busy = v->now;
		c->named = false;
	}
	c->busy = monotime_add_ms(c->busy, MOVE_MS);
	if (!monotime_before(full, c->busy))
		return;
	c->busy = monotime_add_ms(full, MOVE_MS);
	c->held = monotime_add_ms(v->now, VARP_HOLD_MS);
	if (!c->named && v->ops.damped)
		v->ops.damped(v->arg, c->key.vnet, &c->key.mac);
	c->named = true;
}

/*
 * Counters stay at their highest value, where the host id alone decides, rather than wrap below a
 * claim that is known.
 */
static uint32_t
above(uint32_t counter)
{
	return counter == UINT32_MAX ? counter : counter + 1;
}

struct claim *
machine_own(struct varp *v, struct claim *c, const struct claim_key *key)
{
	if (!c)
		c = claims_add(&v->claims, key, CLAIM_OURS);
	else if (claims_give(&v->claims, c, CLAIM_OURS))
		count_move(v, c);
	else
		c = NULL;
	if (!c) {
		v->counters[VARP_C_FULL]++;
		return NULL;
	}
	c->counter = above(c->counter);
	c->via = NULL;
	c->state = VARP_REACHABLE;
	c->reclaims = 0;
	c->seen = c->claimed = v->now;
	wheel_set(&v->timers, &c->timer, monotime_add_ms(v->now, v->cfg.vif_ttl_ms));
	machine_announce(v, c);
	tell_moved(v, key);
	return c;
}

static void
set_entry(struct varp *v, struct claim *c, void *via, uint32_t counter)
{
	c->counter = counter;
	c->via = via;
	c->state = VARP_REACHABLE;
	c->by_hand = false;
	c->probes = 0;
	c->seen = v->now;
	wheel_set(&v->timers, &c->timer, monotime_add_ms(v->now, v->cfg.entry_ttl_ms));
	tell_moved(v, &c->key);
}

void
machine_learn(
    struct varp *v, const struct claim_key *key, uint64_t host, void *via, uint32_t counter)
{
	struct claim *c = claims_add(&v->claims, key, host);

	if (!c) {
		v->counters[VARP_C_FULL]++;
		return;
	}
	v->counters[VARP_C_LEARNED]++;
	set_entry(v, c, via, counter);
}

void
machine_take(struct varp *v, struct claim *c, uint64_t host, void *via, uint32_t counter)
{
	if (!claims_give(&v->claims, c, host)) {
		v->counters[VARP_C_FULL]++;
		machine_forget(v, c);
		return;
	}
	v->counters[VARP_C_MOVED]++;
	count_move(v, c);
	set_entry(v, c, via, counter);
}

void
machine_refresh(struct varp *v, struct claim *c, void *via)
{
	bool had_failed = c->state == VARP_FAILED;

	c->via = via;
	c->state = VARP_REACHABLE;
	c->probes = 0;
	c->seen = v->now;
	if (had_failed)
		tell_moved(v, &c->key);
}

void
machine_probe(struct varp *v, struct claim *c)
{
	c->state = VARP_PROBING;
	c->probes++;
	wheel_set(&v->timers, &c->timer, monotime_add_ms(v->now, VARP_PROBE_MS));
	machine_send(v, MESSAGE_REQUEST, &c->key, c->host, c->counter);
}

void
machine_fail(struct varp *v, struct claim *c)
{
	c->state = VARP_FAILED;
	wheel_set(&v->timers, &c->timer, monotime_add_ms(v->now, v->cfg.entry_ttl_ms));
	tell_moved(v, &c->key);
}

void
machine_forget(struct varp *v, struct claim *c)
{
	struct claim_key key = c->key;
	bool was_known = c->state != VARP_FAILED;

	wheel_clear(&v->timers, &c->timer);
	claims_remove(&v->claims, c);
	if (was_known)
		tell_moved(v, &key);
}
