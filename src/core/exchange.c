/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "exchange"
#include "base/datagram.h"
#include "base/log.h"
#include "core/clear.h"
#include "core/egress.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/offload.h"
#include "core/stats.h"
#include "core/workers.h"
#include "varp/membership.h"

#define ECHO_AFTER_CHANGE_MS 100
#define WANTED_AGAIN_MS	     100
#define EMPTY_MS	     60000
#define GATHER_MAX	     16

struct gathered {
	struct assoc *assoc;
	uint32_t vnet;
	struct message message;
};

struct exchanges {
	struct gathered gathered[GATHER_MAX];
	unsigned n;
};

struct exchanges *
exchanges_new(struct engine *e)
{
	(void)e;
	return calloc(1, sizeof(struct exchanges));
}

void
exchanges_free(struct exchanges *xs)
{
	free(xs);
}

/* --- sending --- */

static void
send_to(struct engine *e, struct assoc *a, const struct message *m, const struct endpoint *to)
{
	struct packet *p;
	uint8_t *at;

	if (!a->up)
		return;
	if (a->group->suite->id == SUITE_NONE) {
		clear_send(e, a, m);
		return;
	}
	p = packet_get(e->pool);
	if (p == NULL) {
		stats_count(STAT_FRAME_NO_BUFFER);
		return;
	}
	at = packet_append(p, MESSAGE_MAX);
	if (at != NULL)
		(void)packet_trim(p, MESSAGE_MAX - message_write(m, at, MESSAGE_MAX));
	if (at == NULL || p->len == 0 || (at = packet_push(p, UDP_HEADER_LEN)) == NULL) {
		packet_put(p);
		return;
	}
	(void)inner_udp_write(at, VNET_PORT, p->len - UDP_HEADER_LEN); /* MESSAGE_MAX always fits */
	if (assoc_send(&e->assocs, a, &p, 1, ESP_NEXT_UDP, to, engine_now(e)))
		stats_count(STAT_MESSAGE_TX);
}

void
exchange_send(struct engine *e, struct assoc *a, const struct message *m)
{
	send_to(e, a, m, NULL);
}

static void
echo_send(struct engine *e, struct assoc *a, enum message_type type, uint64_t nonce,
    const struct endpoint *seen, const struct endpoint *to)
{
	struct message m = { .type = type };

	m.echo.nonce = nonce;
	m.echo.number = membership_own_number(a->group->own);
	m.echo.hash = membership_own_hash(a->group->own);
	if (seen != NULL)
		m.echo.seen = *seen;
	send_to(e, a, &m, to);
}

static void
echo_start(struct engine *e, struct assoc *a)
{
	struct exchange *x = a->exchange;

	random_bytes(&x->nonce, sizeof(x->nonce));
	x->echo_sent = engine_now(e);
	echo_send(e, a, MESSAGE_ECHO, x->nonce, NULL, NULL);
	offload_repeat(e->offload, a);
}

void
exchange_probe(struct engine *e, struct assoc *a, const struct endpoint *to, uint64_t nonce)
{
	echo_send(e, a, MESSAGE_ECHO, nonce, NULL, to);
}

static void
echo_soon(struct engine *e, struct assoc *a)
{
	a->exchange->liveness.due = monotime_add_ms(engine_now(e), ECHO_AFTER_CHANGE_MS);
	engine_kick(e);
}

static void
members_send(struct engine *e, struct assoc *a, uint64_t have)
{
	struct message m;
	size_t pos = 0;

	while (membership_own_next(a->group->own, have, &pos, &m))
		send_to(e, a, &m, NULL);
}

static void
wanted_send(struct engine *e, struct assoc *a, uint64_t have)
{
	struct message m = { .type = MESSAGE_WANTED, .wanted = have };
	struct exchange *x = a->exchange;

	if (monotime_is_set(x->wanted) &&
	    monotime_diff_ms(engine_now(e), x->wanted) < WANTED_AGAIN_MS)
		return;
	x->wanted = engine_now(e);
	send_to(e, a, &m, NULL);
}

void
exchange_group_changed(struct engine *e, struct group *g)
{
	for (struct assoc *a = e->assocs.first; a != NULL; a = a->next) {
		if (a->group != g || !a->up || a->exchange == NULL)
			continue;
		members_send(e, a, membership_own_number(g->own) - 1);
		echo_soon(e, a);
	}
}

void
exchange_own_address_changed(struct engine *e)
{
	for (struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		if (a->up && a->exchange != NULL)
			echo_start(e, a);
}

/* --- VARP's sends, gathered --- */

static void
gathered_send(struct engine *e, struct gathered *g)
{
	if (g->message.varp.n > 0)
		send_to(e, g->assoc, &g->message, NULL);
	g->message.varp.n = 0;
}

void
exchange_flush(struct engine *e)
{
	for (unsigned i = 0; i < e->exchanges->n; i++)
		gathered_send(e, &e->exchanges->gathered[i]);
	e->exchanges->n = 0;
}

static void
gather(struct engine *e, enum message_type type, struct member *m, const struct message_item *item)
{
	struct exchanges *xs = e->exchanges;
	struct gathered *g;
	unsigned i;

	for (i = 0; i < xs->n; i++) {
		g = &xs->gathered[i];
		if (g->assoc == m->assoc && g->vnet == m->vnet->vni)
			break;
	}
	if (i < xs->n && xs->gathered[i].message.type != type) {
		gathered_send(e, &xs->gathered[i]); /* what was said first arrives first */
		xs->gathered[i].message.type = type;
	}
	if (i == GATHER_MAX) {
		exchange_flush(e);
		i = 0;
	}
	g = &xs->gathered[i];
	if (i == xs->n) {
		xs->n++;
		g->assoc = m->assoc;
		g->vnet = m->vnet->vni;
		g->message.type = type;
		g->message.varp.vni = m->label;
		g->message.varp.n = 0;
	}
	g->message.varp.items[g->message.varp.n++] = *item;
	engine_kick(e); /* an announcement may have to be repeated */
	if (g->message.varp.n == MESSAGE_ITEMS_MAX)
		gathered_send(e, g);
}

static void
ops_send(void *arg, enum message_type type, uint32_t vnet, uint64_t host,
    const struct message_item *item)
{
	struct engine *e = arg;
	struct member *m = member_find(&e->vnets, host, vnet);

	if (m != NULL && !m->assoc->plain)
		gather(e, type, m, item);
}

static void
ops_members(void *arg, uint32_t vnet, void (*each)(void *ctx, uint64_t host), void *ctx)
{
	struct engine *e = arg;
	struct vnet *v = vnet_by_vni(&e->vnets, vnet);

	for (size_t i = 0; v != NULL && i < v->n_members; i++)
		if (!v->members[i]->assoc->plain)
			each(ctx, v->members[i]->key.host_id);
}

static void
ops_damped(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	struct engine *e = arg;
	const struct vnet *v = vnet_by_vni(&e->vnets, vnet);
	char text[MAC_STRLEN];

	log_warnx("device %s: MAC %s moves too often between hosts: is it there twice? held back "
		  "for a while",
	    v != NULL ? v->spec.ifname : "?", mac_format(mac, text));
}

static void
ops_moved(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	struct engine *e = arg;

	offload_moved(e->offload, vnet, mac);
	workers_forget(arg, vnet, mac);
}

static struct monotime
ops_heard(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	return workers_heard(arg, vnet, mac);
}

const struct varp_ops exchange_varp_ops = {
	.send = ops_send,
	.members = ops_members,
	.moved = ops_moved,
	.heard = ops_heard,
	.damped = ops_damped,
};

/* --- members come and go --- */

static void
gathered_forget(struct engine *e, const struct assoc *a, uint32_t vnet)
{
	for (unsigned i = 0; i < e->exchanges->n; i++) {
		struct gathered *g = &e->exchanges->gathered[i];

		if (g->assoc == a && (vnet == 0 || g->vnet == vnet))
			g->message.varp.n = 0;
	}
}

void
exchange_member_gone(struct engine *e, struct member *m)
{
	gathered_forget(e, m->assoc, m->vnet->vni);
	offload_member_gone(e->offload, m);
}

static void
member_join(struct engine *e, struct assoc *a, struct vnet *v, uint32_t label)
{
	struct member *m = member_find(&e->vnets, a->key.host_id, v->vni);

	if (m != NULL)
		offload_member_gone(e->offload, m);
	if (m != NULL && (m->assoc != a || m->label != label))
		workers_forget_member(e, v, m->assoc);
	m = member_add(&e->vnets, v, a, a->key.host_id, label);
	if (m == NULL)
		return;
	offload_member_added(e->offload, m);
	gathered_forget(e, a, v->vni); /* an old label */
	varp_member_up(e->varp, v->vni, a->key.host_id, m, engine_now(e));
	egress_release(e, v);
}

static void
member_leave(struct engine *e, struct assoc *a, struct vnet *v)
{
	struct member *m = member_find(&e->vnets, a->key.host_id, v->vni);

	if (m == NULL || m->assoc != a)
		return;
	varp_member_down(e->varp, v->vni, a->key.host_id);
	exchange_member_gone(e, m);
	member_remove(&e->vnets, m);
}

struct change_ctx {
	struct engine *engine;
	struct assoc *assoc;
};

static void
membership_changed(void *arg, const struct membership_entry *entry, bool joined)
{
	struct change_ctx *c = arg;
	struct vnet *v = vnet_by_id(&c->engine->vnets, &entry->id);

	if (v == NULL || v->group != c->assoc->group)
		return;
	if (joined)
		member_join(c->engine, c->assoc, v, entry->vni);
	else
		member_leave(c->engine, c->assoc, v);
}

void
exchange_vnet_added(struct engine *e, struct vnet *v)
{
	for (struct assoc *a = e->assocs.first; a != NULL; a = a->next) {
		const struct membership_entry *entry;

		if (a->group != v->group || !a->up || a->exchange == NULL)
			continue;
		entry = membership_peer_find(a->exchange->peer, &v->id);
		if (entry != NULL)
			member_join(e, a, v, entry->vni);
	}
}

/* --- receiving --- */

static void
receive_echo(
    struct engine *e, struct assoc *a, const struct message *m, const struct endpoint *from)
{
	struct exchange *x = a->exchange;

	if (m->type == MESSAGE_ECHO) {
		echo_send(e, a, MESSAGE_ECHO_REPLY, m->echo.nonce, from, from);
	} else if (x->nonce != 0 && m->echo.nonce == x->nonce) {
		x->rtt_us = (engine_now(e).ns - x->echo_sent.ns) / 1000;
		x->nonce = 0;
	} else {
		assoc_address_proven(&e->assocs, a, m->echo.nonce, engine_now(e));
	}
	if (membership_peer_differs(x->peer, m->echo.number, m->echo.hash))
		wanted_send(e, a, membership_peer_number(x->peer));
}

static void
receive_members(struct engine *e, struct assoc *a, const struct message *m)
{
	struct change_ctx ctx = { e, a };

	switch (membership_peer_apply(a->exchange->peer, m, membership_changed, &ctx)) {
	case MEMBERSHIP_GAP:
		wanted_send(e, a, membership_peer_number(a->exchange->peer));
		break;
	case MEMBERSHIP_BAD:
		stats_count(STAT_MEMBERSHIP_BAD);
		wanted_send(e, a, 0);
		break;
	case MEMBERSHIP_APPLIED:
	case MEMBERSHIP_PARTIAL:
	case MEMBERSHIP_STALE:
		break;
	}
}

static void
receive_varp(struct engine *e, struct assoc *a, const struct message *m)
{
	struct vnet *v = vnet_by_vni(&e->vnets, m->varp.vni);
	struct member *member;

	if (v == NULL || v->group != a->group) {
		stats_count(STAT_MESSAGE_VNI);
		return;
	}
	member = member_find(&e->vnets, a->key.host_id, v->vni);
	if (member == NULL || member->assoc != a) {
		stats_count(STAT_MESSAGE_VNI);
		return;
	}
	varp_receive(e->varp, m->type, v->vni, a->key.host_id, member, m->varp.items, m->varp.n,
	    engine_now(e));
}

void
exchange_receive(
    struct engine *e, struct assoc *a, const uint8_t *buf, size_t len, const struct endpoint *from)
{
	struct message m;

	stats_count(STAT_MESSAGE_RX);
	if (message_parse(buf, len, &m) != MESSAGE_OK_V) {
		stats_count(STAT_MESSAGE_REFUSED);
		return;
	}
	if (a->exchange == NULL)
		return;
	switch (m.type) {
	case MESSAGE_ECHO:
	case MESSAGE_ECHO_REPLY:
		receive_echo(e, a, &m, from);
		break;
	case MESSAGE_MEMBERS:
		receive_members(e, a, &m);
		break;
	case MESSAGE_WANTED:
		members_send(e, a, m.wanted);
		break;
	case MESSAGE_REQUEST:
	case MESSAGE_ANNOUNCE:
	case MESSAGE_WITHDRAW:
	case MESSAGE_ACK:
		receive_varp(e, a, &m);
		break;
	case MESSAGE_PATH:
	case MESSAGE_SEEN:
		offload_receive(e->offload, a, &m, engine_now(e));
		break;
	}
}

/* --- life --- */

static bool
exchange_make(struct assoc *a)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return false;
	x->peer = membership_peer_new();
	if (x->peer == NULL) {
		free(x);
		return false;
	}
	x->rtt_us = -1;
	a->exchange = x;
	return true;
}

void
exchange_up(struct engine *e, struct assoc *a, bool fresh)
{
	if (a->exchange == NULL && !exchange_make(a)) {
		log_warnx("out of memory for an association");
		return;
	}
	if (!fresh)
		return;
	members_send(e, a, 0);
	echo_start(e, a);
	echo_soon(e, a);
}

void
exchange_down(struct engine *e, struct assoc *a)
{
	struct change_ctx ctx = { e, a };

	if (a->exchange == NULL)
		return;
	membership_peer_reset(a->exchange->peer, membership_changed, &ctx);
	gathered_forget(e, a, 0);
	a->exchange->nonce = 0;
	a->exchange->rtt_us = -1;
}

void
exchange_gone(struct assoc *a)
{
	if (a->exchange == NULL)
		return;
	membership_peer_free(a->exchange->peer);
	free(a->exchange);
	a->exchange = NULL;
}

/*
 * When neither, or only one, has a vnet in it any more, an association ends on both sides after a
 * while; a vnet made again before that finds it alive.
 */
static bool
useless(const struct assoc *a, struct monotime now)
{
	struct exchange *x = a->exchange;

	if (a->group->vnets > 0 &&
	    (membership_peer_count(x->peer) > 0 || membership_peer_number(x->peer) == 0)) {
		x->empty = (struct monotime){ 0 };
		return false;
	}
	if (!monotime_is_set(x->empty))
		x->empty = now;
	return monotime_diff_ms(now, x->empty) >= EMPTY_MS;
}

static struct monotime
tick_one(struct engine *e, struct assoc *a, struct monotime now)
{
	struct liveness *l = &a->exchange->liveness;

	switch (liveness_tick(l, a->heard, now)) {
	case LIVENESS_WAIT:
		break;
	case LIVENESS_ASK:
		echo_start(e, a);
		break;
	case LIVENESS_GONE:
		assoc_down(&e->assocs, a, "silent: it does not answer any more", now);
		return (struct monotime){ 0 };
	}
	return l->due;
}

struct monotime
exchange_tick(struct engine *e, struct monotime now)
{
	struct monotime next = { 0 };
	struct assoc *following;

	for (struct assoc *a = e->assocs.first; a != NULL; a = following) {
		following = a->next;
		if (!a->up || a->exchange == NULL)
			continue;
		if (useless(a, now))
			assoc_free(&e->assocs, a);
		else
			next = monotime_earliest(next, tick_one(e, a, now));
	}
	return next;
}

size_t
exchange_peer_vnets(const struct assoc *a)
{
	return a->exchange != NULL ? membership_peer_count(a->exchange->peer) : 0;
}

int64_t
exchange_rtt_us(const struct assoc *a)
{
	return a->exchange != NULL ? a->exchange->rtt_us : -1;
}
