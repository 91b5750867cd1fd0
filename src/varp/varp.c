/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/varp.h"

#include <errno.h>
#include <stdlib.h>

#include "varp/machine.h"

enum { TICK_MAX = 4096 }; /* timers handled in one varp_tick */

struct varp *
varp_new(const struct varp_config *cfg, uint64_t own_host, const struct varp_ops *ops, void *arg)
{
	struct varp *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->own_host = own_host;
	v->ops = *ops;
	v->arg = arg;
	v->cfg.entry_ttl_ms = cfg->entry_ttl_ms ? cfg->entry_ttl_ms : VARP_ENTRY_TTL_MS;
	v->cfg.vif_ttl_ms = cfg->vif_ttl_ms ? cfg->vif_ttl_ms : VARP_VIF_TTL_MS;
	if (claims_init(&v->claims) < 0 || outbox_init(&v->outbox) < 0) {
		varp_free(v);
		return NULL;
	}
	return v;
}

void
varp_free(struct varp *v)
{
	if (!v)
		return;
	outbox_fini(&v->outbox);
	claims_fini(&v->claims);
	free(v);
}

static bool
is_station(const struct macaddr *mac)
{
	return !mac_is_multicast(mac) && !mac_is_zero(mac);
}

void
varp_local_frame(struct varp *v, uint32_t vnet, const struct macaddr *mac, struct monotime now)
{
	struct claim_key key = claim_key(vnet, mac);
	struct claim *c = claims_find(&v->claims, &key);

	v->now = now;
	if (c && c->host == CLAIM_OURS)
		c->seen = now;
	else if (c && monotime_before(now, c->held))
		v->counters[VARP_C_DAMPED]++;
	else if (is_station(mac))
		machine_own(v, c, &key);
}

/*
 * A frame with the MAC of one came from another: who of them has it? At most one question in
 * VARP_PROBE_MS.
 */
static void
doubt(struct varp *v, struct claim *c, uint64_t from)
{
	bool asked_lately = monotime_is_set(c->asked) &&
			    monotime_diff_ms(v->now, c->asked) < VARP_PROBE_MS;

	if (asked_lately || c->state == VARP_PROBING)
		return;
	c->asked = v->now;
	if (c->host == CLAIM_OURS)
		machine_send(v, MESSAGE_REQUEST, &c->key, from, c->counter);
	else
		machine_probe(v, c);
}

void
varp_remote_frame(struct varp *v, uint32_t vnet, uint64_t host, void *via,
    const struct macaddr *mac, struct monotime now)
{
	struct claim_key key = claim_key(vnet, mac);
	struct claim *c = claims_find(&v->claims, &key);

	v->now = now;
	if (!is_station(mac) || host == CLAIM_OURS)
		return;
	if (!c)
		machine_learn(v, &key, host, via, 0);
	else if (c->host == host)
		machine_refresh(v, c, via);
	else if (c->state == VARP_FAILED)
		machine_take(v, c, host, via, 0);
	else
		doubt(v, c, host);
}

struct varp_route
varp_lookup(const struct varp *v, uint32_t vnet, const struct macaddr *mac)
{
	struct claim_key key = claim_key(vnet, mac);
	const struct claim *c = claims_find(&v->claims, &key);

	if (!c || c->state == VARP_FAILED)
		return (struct varp_route){ .where = VARP_UNKNOWN };
	if (c->host == CLAIM_OURS)
		return (struct varp_route){ .where = VARP_LOCAL };
	return (struct varp_route){ .where = VARP_REMOTE, .host = c->host, .via = c->via };
}

void
varp_member_up(struct varp *v, uint32_t vnet, uint64_t host, void *via, struct monotime now)
{
	struct claim *c;

	v->now = now;
	for (c = claims_first(&v->claims, vnet, host); c; c = LIST_NEXT(c, link))
		c->via = via;
	for (c = claims_first(&v->claims, vnet, CLAIM_OURS); c; c = LIST_NEXT(c, link))
		machine_announce_to(v, c, host);
}

void
varp_member_down(struct varp *v, uint32_t vnet, uint64_t host)
{
	struct claim *next;

	for (struct claim *c = claims_first(&v->claims, vnet, host); c; c = next) {
		next = LIST_NEXT(c, link);
		machine_forget(v, c);
	}
	outbox_drop(&v->outbox, vnet, host);
}

static size_t
forget_all(struct varp *v, bool (*matches)(const struct claim *c, uint32_t vnet), uint32_t vnet)
{
	struct table_iter pos = { 0 };
	struct table_node *n;
	size_t gone = 0;

	while ((n = table_next(&v->claims.table, &pos))) {
		struct claim *c = TABLE_ENTRY(n, struct claim, node);

		if (!matches(c, vnet))
			continue;
		machine_forget(v, c);
		gone++;
	}
	return gone;
}

static bool
is_of_vnet(const struct claim *c, uint32_t vnet)
{
	return c->key.vnet == vnet;
}

static bool
is_entry(const struct claim *c, uint32_t vnet)
{
	(void)vnet;
	return c->host != CLAIM_OURS;
}

void
varp_vnet_down(struct varp *v, uint32_t vnet)
{
	forget_all(v, is_of_vnet, vnet);
	outbox_drop(&v->outbox, vnet, 0);
}

size_t
varp_flush(struct varp *v)
{
	return forget_all(v, is_entry, 0);
}

int
varp_vif_add(struct varp *v, uint32_t vnet, const struct macaddr *mac, struct monotime now)
{
	struct claim_key key = claim_key(vnet, mac);
	struct claim *c = claims_find(&v->claims, &key);

	v->now = now;
	if (!is_station(mac))
		return -EINVAL;
	if (c && c->by_hand)
		return -EEXIST;
	if (!c || c->host != CLAIM_OURS)
		c = machine_own(v, c, &key);
	if (!c)
		return -ENOSPC;
	c->by_hand = true;
	return 0;
}

int
varp_vif_delete(struct varp *v, uint32_t vnet, const struct macaddr *mac)
{
	struct claim_key key = claim_key(vnet, mac);
	struct claim *c = claims_find(&v->claims, &key);

	if (!c || c->host != CLAIM_OURS)
		return -ENOENT;
	machine_withdraw(v, c);
	return 0;
}

/* Has somebody else heard it since? */
static bool
heard_elsewhere(struct varp *v, struct claim *c)
{
	struct monotime at = { 0 };

	if (v->ops.heard)
		at = v->ops.heard(v->arg, c->key.vnet, &c->key.mac);
	if (!monotime_before(c->seen, at))
		return false;
	c->seen = at;
	return true;
}

/* False, and the timer is set anew, if c was refreshed since it was set. */
static bool
is_too_old(struct varp *v, struct claim *c, int64_t ttl_ms)
{
	(void)heard_elsewhere(v, c);
	struct monotime end = monotime_add_ms(c->seen, ttl_ms);

	if (!monotime_before(v->now, end))
		return true;
	wheel_set(&v->timers, &c->timer, end);
	return false;
}

static void
age_vif(struct varp *v, struct claim *c)
{
	if (!c->by_hand && is_too_old(v, c, v->cfg.vif_ttl_ms))
		machine_withdraw(v, c);
}

static void
age_entry(struct varp *v, struct claim *c)
{
	switch (c->state) {
	case VARP_REACHABLE:
		if (is_too_old(v, c, v->cfg.entry_ttl_ms))
			machine_probe(v, c);
		break;
	case VARP_PROBING:
		if (heard_elsewhere(v, c)) {
			c->state = VARP_REACHABLE;
			c->probes = 0;
			wheel_set(
			    &v->timers, &c->timer, monotime_add_ms(c->seen, v->cfg.entry_ttl_ms));
		} else if (c->probes < VARP_PROBES)
			machine_probe(v, c);
		else
			machine_fail(v, c);
		break;
	case VARP_FAILED:
		machine_forget(v, c);
		break;
	}
}

/*
 * A vif's announcement holds while the vif stands at the same counter, a withdrawal while there is
 * none.
 */
static bool
still_holds(const struct varp *v, const struct pending *p)
{
	const struct claim *c = claims_find(&v->claims, &p->key.claim);
	bool is_ours = c && c->host == CLAIM_OURS;

	return p->type == MESSAGE_ANNOUNCE ? is_ours && c->counter == p->counter : !is_ours;
}

static void
resend(struct varp *v, struct pending *p)
{
	if (!still_holds(v, p)) {
		outbox_remove(&v->outbox, p);
	} else if (!outbox_put_off(&v->outbox, p, v->now)) {
		v->counters[VARP_C_GIVEN_UP]++;
		outbox_remove(&v->outbox, p);
	} else {
		v->counters[VARP_C_RESENT]++;
		machine_send(v, p->type, &p->key.claim, p->key.host, p->counter);
	}
}

struct monotime
varp_tick(struct varp *v, struct monotime now)
{
	struct wheel_timer *t;
	struct pending *p;

	v->now = now;
	for (int i = 0; i < TICK_MAX && (t = wheel_pop(&v->timers, now)); i++) {
		struct claim *c = TABLE_ENTRY(t, struct claim, timer);

		if (c->host == CLAIM_OURS)
			age_vif(v, c);
		else
			age_entry(v, c);
	}
	for (int i = 0; i < TICK_MAX && (p = outbox_due(&v->outbox, now)); i++)
		resend(v, p);
	return monotime_earliest(wheel_next(&v->timers, now), wheel_next(&v->outbox.wheel, now));
}

void
varp_each_entry(const struct varp *v, struct monotime now,
    void (*fn)(void *ctx, const struct varp_entry_info *e), void *ctx)
{
	struct table_iter pos = { 0 };
	struct table_node *n;

	while ((n = table_next(&v->claims.table, &pos))) {
		const struct claim *c = TABLE_ENTRY(n, struct claim, node);
		struct varp_entry_info info = {
			.vnet = c->key.vnet,
			.mac = c->key.mac,
			.host = c->host,
			.counter = c->counter,
			.state = c->state,
			.damped = monotime_before(now, c->held),
			.age_ms = monotime_diff_ms(now, c->seen),
		};

		if (c->host != CLAIM_OURS)
			fn(ctx, &info);
	}
}

void
varp_each_vif(const struct varp *v, struct monotime now,
    void (*fn)(void *ctx, const struct varp_vif_info *e), void *ctx)
{
	struct table_iter pos = { 0 };
	struct table_node *n;

	while ((n = table_next(&v->claims.table, &pos))) {
		const struct claim *c = TABLE_ENTRY(n, struct claim, node);
		struct varp_vif_info info = {
			.vnet = c->key.vnet,
			.mac = c->key.mac,
			.counter = c->counter,
			.by_hand = c->by_hand,
			.damped = monotime_before(now, c->held),
			.age_ms = monotime_diff_ms(now, c->seen),
		};

		if (c->host == CLAIM_OURS)
			fn(ctx, &info);
	}
}

const uint64_t *
varp_counters(const struct varp *v)
{
	return v->counters;
}
