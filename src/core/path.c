/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "offload"
#include "base/datagram.h"
#include "base/log.h"
#include "core/offload_internal.h"
#include "core/stats.h"

#define KERNEL_SPIS    2    /* for the kernel, of a pair: protocol 50, UDP */
#define PROBE_MS       2000 /* of one that is used, */
#define PROBE_AGAIN_MS 700  /* without an answer, */
#define PROBES	       3    /* so often */
#define PATH_WAIT_MS   2000 /* for the first PATH of a host that has a kernel */
#define ELSEWHERE_MS   3000 /* after which another address of ours is our address */
#define RETRY_MIN_MS   30000
#define RETRY_MAX_MS   600000
#define STEADY_MS      60000 /* a way that held so long did not fail at once */

static const char *const way_texts[] = { "software", "IP protocol 50", "UDP port 1801",
	"UDP port 1798", "UDP port 1802" };

static bool
is_clear(const struct path *p)
{
	return p->assoc->group->suite->id == SUITE_NONE;
}

static void
set_why(struct path *p, const char *why)
{
	snprintf(p->why, sizeof(p->why), "%s", why);
}

void
path_set_why(struct path *p, enum path_way way, const char *why)
{
	snprintf(p->why, sizeof(p->why), "%s: %s", way_texts[way], why);
}

/* --- in the kernel or not --- */

static void
forget_all(struct path *p)
{
	p->number = 0;
	p->waits = 0;
	p->in_pair = p->out_pair = NULL;
	p->out_spi = p->old_spi = 0;
	p->way = PATH_SOFTWARE;
	p->stage = PATH_IDLE;
	p->assoc->in_kernel = false;
	p->first = PATH_ESP;
	path_trial_forget(p);
	for (struct sa_pair *pair = p->assoc->pairs; pair != NULL; pair = pair->next) {
		for (uint8_t i = 0; i < pair->n_in; i++)
			if (pair->in[i].kernel.state != SA_KERNEL_NEVER)
				pair->in[i].kernel.state = SA_KERNEL_HAD;
		for (uint8_t i = 0; i < pair->n_out; i++)
			if (pair->out[i].kernel.state != SA_KERNEL_NEVER)
				pair->out[i].kernel.state = SA_KERNEL_HAD;
	}
}

/* Calls fn for each member that a's host is. */
static void
each_member(struct offload *o, const struct assoc *a, void (*fn)(struct offload *, struct member *))
{
	for (struct vnet *v = o->setup.vnets->first; v != NULL; v = v->next) {
		struct member *m = v->group == a->group
				       ? member_find(o->setup.vnets, a->key.host_id, v->vni)
				       : NULL;

		if (m != NULL && m->assoc == a)
			fn(o, m);
	}
}

static void
member_forget(struct offload *o, struct member *m)
{
	(void)o;
	m->in_kernel = false;
}

void
path_remove(struct offload *o, struct path *p)
{
	if (p->number == 0)
		return;
	flows_withdraw(o, p->assoc, 0);
	path_trial_end(o, p);
	p->left = p->number;
	path_leave_number(o, p->number);
	forget_all(p);
	if (p->assoc->manual != NULL)
		path_manual_removed(o, p);
	each_member(o, p->assoc, member_forget);
}

static void
install(struct offload *o, struct path *p, struct monotime now)
{
	const struct assoc *a = p->assoc;
	struct kernel_peer k = { .suite = a->group->suite->id,
		.local = a->local,
		.remote = a->ep.ip,
		.learn = a->manual != NULL };
	uint32_t token;

	p->number = path_take_number(o, p);
	if (p->number == 0)
		return;
	p->serial = ++o->serial;
	k.number = p->number;
	token = path_token(o, p, REQUEST_PEER, 0, 0);
	if (token == 0 || request_end(o, token, kernelcli_peer_add(o->setup.priv, token, &k)) < 0) {
		o->paths[p->number] = NULL;
		p->number = 0;
		return;
	}
	p->local = a->local;
	p->remote = a->ep.ip;
	p->waits = 1;
	p->members_due = true;
	p->retry = (struct monotime){ 0 };
	p->since = now;
	p->elsewhere = (struct monotime){ 0 };
}

static void
install_member(struct offload *o, struct member *m)
{
	struct path *p = m->assoc->path;
	struct kernel_member k = { .peer = p->number, .vni = m->vnet->vni };
	uint32_t token;

	if (m->in_kernel || m->vnet->tap < 0)
		return;
	if (!flows_device(o, m->vnet)) {
		p->members_due = true;
		return;
	}
	token = path_token(o, p, REQUEST_MEMBER, m->vnet->vni, 0);
	memcpy(k.ifname, m->vnet->spec.ifname, sizeof(k.ifname));
	if (token == 0 ||
	    request_end(o, token, kernelcli_member_add(o->setup.priv, token, &k)) < 0) {
		p->members_due = true;
		return;
	}
	m->in_kernel = true;
	p->waits++;
}

/* --- towards us --- */

/* The kernel gets the SAs of the active pair; if it has had them, or there are none, of a new one. */
static void
receive_secured(struct offload *o, struct path *p, struct monotime now)
{
	struct sa_pair *pair = p->assoc->active;
	bool usable = pair->n_in - pair->n_in_soft == KERNEL_SPIS;

	for (uint8_t i = pair->n_in_soft; i < pair->n_in; i++)
		usable &= pair->in[i].kernel.state != SA_KERNEL_HAD;
	if (!usable) {
		p->in_pair = NULL;
		assoc_rekey(o->setup.assocs, p->assoc, now);
		return;
	}
	for (uint8_t i = 0; i < KERNEL_SPIS && pair != p->in_pair; i++) {
		struct sa_in *in = &pair->in[pair->n_in_soft + i];
		uint16_t nat = p->nat_port != 0 ? p->nat_port : KERNEL_PORT_ESP;
		struct kernel_sa sa = { .direction = KERNEL_IN,
			.spi = in->entry.spi,
			.sport = i == 0 ? 0 : nat,
			.dport = i == 0 ? 0 : KERNEL_PORT_ESP };

		if (in->kernel.state != SA_KERNEL_NEVER)
			continue;
		if (path_add_sa(o, p, sa, &in->kernel, in->keymat) < 0)
			return;
		p->waits++;
	}
	p->in_pair = pair;
}

static void
write_ways(const struct path *p, struct message *m)
{
	const struct sa_pair *pair = p->in_pair;

	if (is_clear(p)) {
		m->path.ways[m->path.n++] = (struct message_way){ 0, WAY_VXLAN, KERNEL_PORT_NONE };
		return;
	}
	m->path.ways[m->path.n++] = (struct message_way){ pair->in[pair->n_in_soft].entry.spi,
		WAY_ESP, 0 };
	m->path.ways[m->path.n++] = (struct message_way){ pair->in[pair->n_in_soft + 1].entry.spi,
		WAY_UDP, KERNEL_PORT_ESP };
}

/* Says how our kernel can be reached, if that is news, or again. */
static void
tell(struct offload *o, struct path *p, bool again)
{
	struct message m = { .type = MESSAGE_PATH };
	const struct sa_pair *active = p->assoc->active;

	if (p->number != 0 && p->in_pair == active) {
		if (p->waits > 0 || p->members_due)
			return; /* soon */
		write_ways(p, &m);
	} else if (p->number != 0 && (p->told <= 0 || p->told_pair != active)) {
		return; /* soon */
	} else if (p->told < 0 && (active == NULL || active->n_in == active->n_in_soft)) {
		return; /* nobody expects anything */
	}
	if (!again && m.path.n == p->told && active == p->told_pair)
		return;
	p->told = m.path.n;
	p->told_pair = active;
	o->setup.send(o->setup.arg, p->assoc, &m);
}

/* --- away from us --- */

static void
stage_set(struct path *p, enum path_stage stage, struct monotime now)
{
	p->stage = stage;
	p->since = now;
	p->unanswered = 0;
	p->probe_due = now;
	random_bytes(&p->nonce, sizeof(p->nonce));
}

enum begun { WAY_BEGUN, WAY_STALE, WAY_NONE };

/* Flows go on, over the new pair's SA of a better way. */
static void
way_change(struct offload *o, struct path *p, enum path_way way, struct monotime now)
{
	if (offload_worth_a_line(o))
		log_info(
		    "host %016" PRIx64 ": %s works again", p->assoc->key.host_id, way_texts[way]);
	p->first = way;
	if (way == PATH_ESP)
		p->why[0] = '\0';
	path_trial_forget(p);
	stage_set(p, PATH_USED, now);
}

/* STALE: the kernel has had that way's SA of the active pair, new keys are needed. */
static enum begun
begin_way(struct offload *o, struct path *p, enum path_way way, struct monotime now)
{
	struct kernel_sa sa = { .direction = KERNEL_OUT };
	struct sa_out *out = path_out(o, p, way, &sa);

	if (out == NULL)
		return WAY_NONE;
	if (out->kernel.state != SA_KERNEL_NEVER)
		return WAY_STALE;
	if (path_add_sa(o, p, sa, &out->kernel, out->keymat) < 0)
		return WAY_BEGUN; /* soon */
	if (p->old_spi != 0)
		path_delete_sa(o, p, KERNEL_OUT, p->old_spi);
	p->old_spi = p->out_spi;
	p->out_spi = sa.spi;
	p->out_pair = p->assoc->active;
	p->retry = (struct monotime){ 0 };
	if (p->stage == PATH_USED && way != p->way)
		way_change(o, p, way, now);
	else if (p->stage != PATH_USED)
		stage_set(p, PATH_ADDING, now);
	p->way = way;
	return WAY_BEGUN;
}

/*
 * Of a way in use the new pair's SA takes over at once, or that of the better way that a trial has
 * found; else the first that may work is begun.
 */
static enum begun
begin(struct offload *o, struct path *p, struct monotime now)
{
	enum begun begun = WAY_NONE;

	if (p->stage == PATH_USED) {
		if (p->trial.works)
			begun = begin_way(o, p, p->trial.way, now);
		return begun != WAY_NONE ? begun : begin_way(o, p, p->way, now);
	}
	for (enum path_way way = p->first; begun == WAY_NONE && way <= PATH_MIXED; way++)
		begun = begin_way(o, p, way, now);
	return begun;
}

static void
way_leave(struct offload *o, struct path *p)
{
	flows_withdraw(o, p->assoc, 0);
	p->way = PATH_SOFTWARE;
	p->stage = PATH_IDLE;
	p->assoc->in_kernel = false;
	path_trial_end(o, p);
	path_trial_forget(p);
	offload_kick(o);
}

static void
way_failed(struct offload *o, struct path *p, const char *why, struct monotime now)
{
	if (p->stage == PATH_USED) {
		stats_count(STAT_KERNEL_FALLBACK);
		if (offload_worth_a_line(o))
			log_info("host %016" PRIx64 ": %s: %s", p->assoc->key.host_id,
			    way_texts[p->way], why);
		if (monotime_diff_ms(now, p->since) > STEADY_MS)
			p->retry_ms = 0;
		if (monotime_diff_ms(now, p->since) > TRIAL_MAX_MS)
			p->trial.wait_ms = 0;
	}
	path_set_why(p, p->way, why);
	p->first = p->way + 1;
	way_leave(o, p);
}

static void
back_off(struct path *p, struct monotime now)
{
	p->retry = offload_back_off(&p->retry_ms, RETRY_MIN_MS, RETRY_MAX_MS, now);
}

/* No way is left: once more later, with new keys. */
static struct monotime
retry_later(struct offload *o, struct path *p, struct monotime now)
{
	if (!monotime_is_set(p->retry))
		back_off(p, now);
	if (monotime_before(now, p->retry))
		return p->retry;
	if (p->first > PATH_MIXED)
		p->first = PATH_ESP;
	assoc_rekey(o->setup.assocs, p->assoc, now);
	return monotime_add_ms(now, 1000);
}

static struct monotime
send_probes(struct offload *o, struct path *p, struct monotime now)
{
	bool used = p->stage == PATH_USED;

	if (p->stage < PATH_PROBING)
		return (struct monotime){ 0 };
	if (used && p->flows == 0) {
		p->unanswered = 0;
		return monotime_add_ms(now, 1000);
	}
	if (monotime_before(now, p->probe_due))
		return p->probe_due;
	if (p->unanswered >= (used ? PROBES : TRIES)) {
		way_failed(o, p, "probes are not answered", now);
		return now;
	}
	path_probe(o, p, p->number, &p->nonce);
	p->unanswered++;
	p->probe_due = monotime_add_ms(now, used ? PROBE_AGAIN_MS : TRY_MS);
	return p->probe_due;
}

static struct monotime
send_clear(struct offload *o, struct path *p, struct monotime now)
{
	if (p->stage != PATH_IDLE)
		return send_probes(o, p, now);
	if (path_heard(p, PATH_VXLAN) == NULL) {
		set_why(p, "the other host does not offer its kernel");
		return (struct monotime){ 0 };
	}
	if (p->first > PATH_VXLAN && !monotime_is_set(p->retry))
		back_off(p, now);
	if (monotime_before(now, p->retry))
		return p->retry;
	p->retry = (struct monotime){ 0 };
	p->first = PATH_VXLAN;
	p->way = PATH_VXLAN;
	stage_set(p, PATH_PROBING, now);
	return send_probes(o, p, now);
}

static struct monotime
send_secured(struct offload *o, struct path *p, struct monotime now)
{
	const struct sa_pair *pair = p->assoc->active;
	struct monotime wait = monotime_add_ms(pair->installed, PATH_WAIT_MS);
	enum begun begun;

	if ((p->stage == PATH_USED && p->out_pair != pair) || p->stage == PATH_IDLE) {
		if (p->heard_pair != pair && pair->n_out > pair->n_out_soft &&
		    monotime_before(now, wait))
			return monotime_earliest(wait, send_probes(o, p, now));
		begun = begin(o, p, now);
		if (begun == WAY_STALE)
			assoc_rekey(o->setup.assocs, p->assoc, now);
		else if (begun == WAY_NONE && p->stage == PATH_IDLE)
			return retry_later(o, p, now);
	}
	/* Over the old pair, while it lasts. */
	return monotime_earliest(send_probes(o, p, now), path_trial_tick(o, p, now));
}

/* --- all of it --- */

static struct path *
path_get(struct assoc *a)
{
	if (a->path != NULL)
		return a->path;
	a->path = calloc(1, sizeof(*a->path));
	if (a->path == NULL)
		return NULL;
	a->path->assoc = a;
	a->path->told = -1;
	a->path->first = PATH_ESP;
	return a->path;
}

/* The other end may try another address of ours for a moment: that must not cost the path. */
static bool
addresses_changed(struct path *p, struct monotime now)
{
	const struct assoc *a = p->assoc;

	if (!ipaddr_equal(&p->remote, &a->ep.ip))
		return true;
	if (ipaddr_equal(&p->local, &a->local))
		p->elsewhere = (struct monotime){ 0 };
	else if (!monotime_is_set(p->elsewhere))
		p->elsewhere = now;
	return monotime_is_set(p->elsewhere) && monotime_diff_ms(now, p->elsewhere) >= ELSEWHERE_MS;
}

struct monotime
path_tick(struct offload *o, struct assoc *a, struct monotime now)
{
	const char *obstacle = offload_obstacle(o, a);
	struct path *p = path_get(a);

	if (p == NULL)
		return (struct monotime){ 0 };
	if (p->number == 0 && a->manual != NULL && !path_manual_settled(o, p))
		return monotime_add_ms(now, 1000);
	if (obstacle == NULL && p->number != 0 && addresses_changed(p, now)) {
		path_remove(o, p);
		return now;
	}
	if (obstacle != NULL) {
		path_remove(o, p);
		set_why(p, obstacle);
		if (a->up && o->found)
			tell(o, p, false);
		return (struct monotime){ 0 };
	}
	if (p->number == 0) {
		if (monotime_before(now, p->retry))
			return p->retry;
		if (o->n_leaving == 0) /* one may be of the same address */
			install(o, p, now);
	}
	if (p->number == 0)
		return monotime_add_ms(now, 1000);
	if (p->members_due) {
		p->members_due = false;
		each_member(o, a, install_member);
	}
	if (a->manual != NULL)
		return path_manual_tick(o, p, now);
	if (!is_clear(p))
		receive_secured(o, p, now);
	tell(o, p, false);
	return monotime_earliest(monotime_add_ms(now, 1000),
	    is_clear(p) ? send_clear(o, p, now) : send_secured(o, p, now));
}

/* --- answers and events --- */

static void
sa_answered(struct offload *o, struct path *p, const struct request *r)
{
	struct sa_kernel *k = path_sa(p->assoc, r->direction, r->spi);

	if (k == NULL || k->state != SA_KERNEL_ASKED)
		return; /* its pair has gone meanwhile, and it with that */
	k->state = SA_KERNEL_HAS;
	if (p->assoc->manual != NULL) {
		path_manual_answered(o, p);
		return;
	}
	if (r->direction == KERNEL_IN || r->spi != p->out_spi)
		return;
	if (p->old_spi != 0)
		path_delete_sa(o, p, KERNEL_OUT, p->old_spi);
	p->old_spi = 0;
	if (p->stage == PATH_ADDING)
		p->stage = PATH_PROBING;
}

/* All of it, for a while: nothing that was asked after this one can be relied on. */
void
path_give_up(struct offload *o, struct path *p, const char *why)
{
	if (offload_worth_a_line(o))
		log_warnx("host %016" PRIx64 ": the kernel cannot carry it: %s",
		    p->assoc->key.host_id, why);
	path_remove(o, p);
	set_why(p, why);
	back_off(p, o->now);
}

void
path_answered(struct offload *o, const struct request *r, int error, const char *text)
{
	struct path *p = path_of(o, r);

	if (p == NULL || r->kind == REQUEST_PROBE || r->kind == REQUEST_COUNT)
		return;
	offload_kick(o);
	if (error < 0) {
		path_give_up(o, p, text);
		return;
	}
	if (r->kind == REQUEST_SA)
		sa_answered(o, p, r);
	if (p->waits > 0 && r->kind != REQUEST_LIMIT &&
	    (r->kind != REQUEST_SA || r->direction == KERNEL_IN))
		p->waits--;
}

/* An SA is gone: what went over it is software at once, and there will be new keys. */
static void
sa_lost(struct offload *o, struct path *p, const struct kernel_event *ev)
{
	enum kernel_direction d = ev->type == KERNEL_NO_SA ? KERNEL_OUT : ev->direction;
	struct sa_kernel *k = path_sa(p->assoc, d, ev->spi);

	if (k != NULL)
		k->state = SA_KERNEL_HAD;
	if (d == KERNEL_IN)
		return;
	if (ev->spi != 0 && ev->spi != p->out_spi)
		return;
	if (p->stage != PATH_IDLE)
		way_failed(o, p, "the kernel's SA is gone", o->now);
	p->first = PATH_ESP;
	p->retry = o->now;
}

void
path_event(struct offload *o, const struct kernel_event *ev)
{
	struct path *p = ev->peer <= KERNEL_PEERS_MAX ? o->paths[ev->peer] : NULL;

	if (p == NULL || ev->peer != p->number)
		return; /* what becomes of a trial, its probes say */
	offload_kick(o);
	if (p->assoc->manual != NULL) {
		path_manual_event(o, p, ev);
		return;
	}
	switch (ev->type) {
	case KERNEL_PROBED:
		offload_probed(o, p->assoc, ev->value);
		break;
	case KERNEL_SA_SOFT:
		if (p->assoc->active != NULL)
			assoc_rekey(o->setup.assocs, p->assoc, o->now);
		break;
	case KERNEL_SA_LOST:
	case KERNEL_NO_SA:
		sa_lost(o, p, ev);
		break;
	case KERNEL_NAT_CHANGED:
		if (p->nat_port == (uint16_t)ev->value)
			break;
		p->nat_port = (uint16_t)ev->value;
		if (p->way == PATH_UDP)
			way_failed(o, p, "its port has changed", o->now);
		p->first = PATH_UDP;
		p->retry = o->now;
		break;
	default:
		break;
	}
}

/* --- what the other end says, and what becomes of it --- */

static bool
way_known(const struct path *p, const struct message_way *w)
{
	const struct sa_pair *pair = p->assoc->active;

	if (is_clear(p))
		return w->kind == WAY_VXLAN && w->port == KERNEL_PORT_NONE;
	for (uint8_t i = pair->n_out_soft; w->kind != WAY_VXLAN && i < pair->n_out; i++)
		if (pair->out[i].sa.spi == w->spi)
			return true;
	return false;
}

static void
receive_path(struct offload *o, struct path *p, const struct message *m, struct monotime now)
{
	bool had = p->n_ways > 0;

	for (uint8_t i = 0; i < m->path.n; i++)
		if (!way_known(p, &m->path.ways[i]))
			return; /* of a pair that is not ours yet, or no more: it comes again */
	p->heard_pair = p->assoc->active;
	p->n_ways = m->path.n;
	memcpy(p->ways, m->path.ways, sizeof(p->ways));
	if (p->stage != PATH_IDLE && p->way != PATH_MIXED && path_heard(p, p->way) == NULL)
		way_failed(o, p, "the other host takes it back", now);
	if (p->n_ways > 0 && !had) {
		if (p->way == PATH_MIXED)
			way_leave(o, p);
		p->first = PATH_ESP;
		p->retry = (struct monotime){ 0 };
	}
	offload_kick(o);
}

void
offload_receive(struct offload *o, struct assoc *a, const struct message *m, struct monotime now)
{
	struct path *p = path_get(a);

	if (p == NULL || a->plain || (a->active == NULL && !is_clear(p)))
		return;
	if (m->type == MESSAGE_PATH) {
		receive_path(o, p, m, now);
		return;
	}
	if (path_trial_seen(o, p, m->seen) || p->stage < PATH_PROBING ||
	    (m->seen ^ p->nonce) >> 8 != 0)
		return;
	p->unanswered = 0;
	p->probe_due = monotime_add_ms(now, PROBE_MS);
	if (p->stage == PATH_USED)
		return;
	p->stage = PATH_USED;
	a->in_kernel = true;
	p->since = now;
	if (p->way == PATH_ESP || p->way == PATH_VXLAN)
		p->why[0] = '\0';
	else if (p->way == PATH_MIXED && p->n_ways == 0)
		set_why(p, "the other host does not offer its kernel");
}

void
offload_probed(struct offload *o, struct assoc *a, uint64_t nonce)
{
	struct message m = { .type = MESSAGE_SEEN, .seen = nonce };

	if (a->up)
		o->setup.send(o->setup.arg, a, &m);
}

void
offload_repeat(struct offload *o, struct assoc *a)
{
	if (a->path != NULL && a->path->told >= 0)
		tell(o, a->path, true);
}

void
offload_pair_retired(struct offload *o, struct sa_pair *pair)
{
	struct path *p = pair->assoc != NULL ? pair->assoc->path : NULL;

	if (p == NULL)
		return;
	if (p->number != 0) {
		for (uint8_t i = 0; i < pair->n_in; i++)
			if (pair->in[i].kernel.state == SA_KERNEL_HAS ||
			    pair->in[i].kernel.state == SA_KERNEL_ASKED)
				path_delete_sa(o, p, KERNEL_IN, pair->in[i].entry.spi);
		for (uint8_t i = 0; i < pair->n_out; i++)
			if (pair->out[i].kernel.state == SA_KERNEL_HAS ||
			    pair->out[i].kernel.state == SA_KERNEL_ASKED)
				path_delete_sa(o, p, KERNEL_OUT, pair->out[i].sa.spi);
	}
	if (p->out_pair == pair) {
		if (p->stage != PATH_IDLE)
			way_failed(o, p, "its pair of SAs ended", o->now);
		p->first = PATH_ESP;
		p->out_pair = NULL;
		p->out_spi = 0;
	}
	if (p->in_pair == pair)
		p->in_pair = NULL;
	if (p->heard_pair == pair)
		p->heard_pair = NULL;
	if (p->told_pair == pair)
		p->told_pair = NULL;
}

void
offload_assoc_down(struct offload *o, struct assoc *a)
{
	struct path *p = a->path;

	if (p == NULL)
		return;
	path_remove(o, p);
	p->told = -1;
	p->n_ways = 0;
	p->nat_port = 0;
	p->retry = (struct monotime){ 0 };
	p->retry_ms = p->trial.wait_ms = 0;
}

void
offload_assoc_gone(struct offload *o, struct assoc *a)
{
	offload_assoc_down(o, a);
	free(a->path);
	a->path = NULL;
}

/* --- for people --- */

const char *
offload_path_name(const struct assoc *a)
{
	static const char *const names[] = { "software", "kernel esp", "kernel udp",
		"kernel udp to software", "kernel vxlan" };

	return names[path_in_use(a) ? a->path->way : PATH_SOFTWARE];
}

const char *
offload_path_why(const struct assoc *a)
{
	static const char *const trying[] = { "", "trying IP protocol 50", "trying UDP port 1801",
		"trying UDP port 1798", "trying UDP port 1802" };

	if (a->path == NULL)
		return "";
	if (a->path->stage == PATH_ADDING || a->path->stage == PATH_PROBING)
		return trying[a->path->way];
	return a->path->why;
}
