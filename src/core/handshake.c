/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "handshake"
#include "base/log.h"
#include "core/assoc_internal.h"
#include "core/stats.h"

#define RESEND_MS   100 /* doubles */
#define COOKIES_MAX 2

/* One message 1 of ours that is out. */
struct attempt {
	struct table_node node;
	uint32_t hs_id;
	struct attempt *next; /* of the association */
	struct assoc *assoc;
	struct endpoint ep;
	uint32_t key_id;
	uint32_t handle; /* of the keys process; 0: not made yet */
	struct sa_offer offer;
	struct monotime started;
	struct monotime resend;
	int64_t resend_ms;
	struct monotime sent;
	bool
	    hint; /* caused by something unauthenticated: sent once for each such cause, never by the clock */
	bool stranger;	  /* counted in n_hints */
	unsigned cookies; /* that were answered at once */
	bool finishing;
	uint8_t cookie[HS_COOKIE_LEN];
	uint8_t noise[HS_NOISE_LEN];
};

/* One message 1 of another host that the keys process works on. */
struct respond_job {
	struct respond_job *next;
	uint32_t token;
	struct group *group;
	struct endpoint from;
	struct hs_header header;
	struct sa_offer offer;
	struct monotime since;
	uint8_t noise[HS_NOISE_LEN];
};

int
handshake_init(struct assocs *as)
{
	return TABLE_INIT(&as->attempts, struct attempt, node, hs_id, ASSOCS_MAX * ASSOC_ATTEMPTS);
}

/* --- initiator --- */

static struct attempt *
attempt_find(const struct assocs *as, uint32_t hs_id)
{
	struct table_node *n = table_find(&as->attempts, &hs_id);

	return n != NULL ? TABLE_ENTRY(n, struct attempt, node) : NULL;
}

static void
attempt_drop(struct assocs *as, struct attempt *t)
{
	struct attempt **at = &t->assoc->attempts;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	table_remove(&as->attempts, &t->node);
	if (t->handle != 0 && as->ops->forget != NULL)
		as->ops->forget(as->arg, t->handle);
	offer_drop(as, &t->offer);
	as->n_hints -= t->stranger;
	free(t);
}

void
attempts_drop_all(struct assocs *as, struct assoc *a)
{
	while (a->attempts != NULL)
		attempt_drop(as, a->attempts);
}

static bool
attempt_ask_keys(struct assocs *as, struct attempt *t)
{
	struct keys_initiate m = { .key_id = t->key_id, .suite = t->assoc->group->suite->id };

	offer_payload(as, &t->offer, &m.payload);
	m.payload.attempt = ++as->next_attempt;
	return as->ops->initiate(as->arg, t->hs_id, &m);
}

/*
 * Is there room for one more attempt of a? What a hint caused yields: to an attempt of our own, or
 * after a second to another hint.
 */
static bool
attempt_make_room(struct assocs *as, struct assoc *a, bool hint, struct monotime now)
{
	struct attempt *oldest = NULL;
	unsigned n = 0;

	for (struct attempt *t = a->attempts; t != NULL; t = t->next, n++)
		if (t->hint)
			oldest = t; /* new ones come first */
	if (n < ASSOC_ATTEMPTS)
		return true;
	if (oldest == NULL || (hint && monotime_diff_ms(now, oldest->started) < 1000))
		return false;
	attempt_drop(as, oldest);
	return true;
}

static void
attempt_send(struct assocs *as, struct attempt *t, struct monotime now)
{
	struct hs_header h = {
		.key_id = t->key_id, .id = t->hs_id, .suite = t->assoc->group->suite->id
	};
	uint8_t body[HS1_LEN];

	hs1_write(body, &h, t->cookie, t->noise);
	as->ops->control(as->arg, &t->ep, CONTROL_HANDSHAKE1, body, sizeof(body));
	stats_count(STAT_HS1_TX);
	t->sent = now;
	if (t->hint)
		return;
	t->resend = monotime_add_ms(now, t->resend_ms);
	t->resend_ms *= 2;
}

/* There is an attempt to that address: what caused this one is worth a repetition. */
static bool
attempt_repeat(struct assocs *as, struct assoc *a, uint32_t key_id, const struct endpoint *ep,
    bool hint, struct monotime now)
{
	for (struct attempt *t = a->attempts; t != NULL; t = t->next) {
		if (t->key_id != key_id || !endpoint_equal(&t->ep, ep))
			continue;
		if (!hint)
			t->hint = false;
		if (t->handle != 0 && monotime_diff_ms(now, t->sent) >= RESEND_MS)
			attempt_send(as, t, now);
		return true;
	}
	return false;
}

void
assoc_connect(struct assocs *as, struct assoc *a, uint32_t key_id, const struct endpoint *ep,
    bool hint, struct monotime now)
{
	bool stranger = hint && !(a->known != NULL && endpoint_equal(ep, &a->ep));
	struct attempt *t;

	if (key_id == 0 || !ipaddr_is_unicast(&ep->ip) ||
	    attempt_repeat(as, a, key_id, ep, hint, now) || !attempt_make_room(as, a, hint, now) ||
	    (stranger && as->n_hints >= ASSOC_HINTS_MAX))
		return;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return;
	do
		random_bytes(&t->hs_id, sizeof(t->hs_id));
	while (t->hs_id == 0);
	t->assoc = a;
	t->ep = *ep;
	t->key_id = key_id;
	t->hint = hint;
	t->started = now;
	t->resend_ms = RESEND_MS;
	if (offer_make(as, &t->offer) < 0 || table_insert(&as->attempts, &t->node) < 0) {
		offer_drop(as, &t->offer);
		free(t);
		return;
	}
	t->stranger = stranger;
	as->n_hints += stranger;
	t->next = a->attempts;
	a->attempts = t;
	if (!attempt_ask_keys(as, t))
		attempt_drop(as, t);
}

void
assocs_initiated(
    struct assocs *as, uint32_t token, const struct keys_initiated *m, struct monotime now)
{
	struct attempt *t = attempt_find(as, token);

	if (t == NULL || t->handle != 0) {
		if (m->status == KEYS_OK)
			as->ops->forget(as->arg, m->handle);
		return;
	}
	if (m->status != KEYS_OK) {
		attempt_drop(as, t);
		return;
	}
	t->handle = m->handle;
	memcpy(t->noise, m->noise, sizeof(t->noise));
	attempt_send(as, t, now);
}

void
assocs_handshake2(struct assocs *as, const uint8_t *body, size_t len)
{
	struct keys_finish m = { 0 };
	const uint8_t *noise;
	struct hs_header h;
	struct attempt *t;

	stats_count(STAT_HS2_RX);
	if (hs2_parse(body, len, &h, &noise) != HS_OK) {
		stats_count(STAT_CONTROL_REFUSED);
		return;
	}
	t = attempt_find(as, h.id);
	if (t == NULL || t->handle == 0 || t->finishing || h.key_id != t->key_id ||
	    h.suite != t->assoc->group->suite->id) {
		stats_count(STAT_HS_UNEXPECTED);
		return;
	}
	m.handle = t->handle;
	memcpy(m.noise, noise, sizeof(m.noise));
	t->finishing = true;
	if (!as->ops->finish(as->arg, t->hs_id, &m))
		t->finishing = false;
}

void
assocs_finished(
    struct assocs *as, uint32_t token, const struct keys_session *m, struct monotime now)
{
	struct attempt *t = attempt_find(as, token);
	struct sa_pair *p;
	struct assoc *a;

	if (t == NULL)
		return;
	t->finishing = false;
	if (m->status != KEYS_OK) { /* forged or altered: the true answer may still come */
		stats_count(STAT_HS_FAILED);
		return;
	}
	t->handle = 0; /* the keys process has closed it */
	a = t->assoc;
	if (m->peer.host_id != a->key.host_id) {
		stats_count(STAT_HS_UNEXPECTED);
		attempt_drop(as, t);
		return;
	}
	p = pair_new(as, a, &t->offer, m, now);
	if (p != NULL) {
		p->state = SA_UNHEARD;
		p->initiator = true;
		p->key_id = t->key_id;
		p->ep = t->ep;
		p->dummy = now;
	}
	attempt_drop(as, t);
}

void
assocs_keys_restarted(struct assocs *as, struct monotime now)
{
	jobs_drop_all(as);
	for (struct assoc *a = as->first; a != NULL; a = a->next) {
		struct attempt *following;

		for (struct attempt *t = a->attempts; t != NULL; t = following) {
			following = t->next;
			t->handle = 0;
			t->finishing = false;
			t->started = now;
			t->resend = (struct monotime){ 0 };
			t->resend_ms = RESEND_MS;
			if (!attempt_ask_keys(as, t))
				attempt_drop(as, t);
		}
	}
}

struct monotime
attempts_tick(struct assocs *as, struct assoc *a, struct monotime now)
{
	struct monotime next = { 0 };
	struct attempt *following;

	for (struct attempt *t = a->attempts; t != NULL; t = following) {
		struct monotime end = monotime_add_ms(t->started, ASSOC_ATTEMPT_MS);

		following = t->next;
		if (!monotime_before(now, end)) {
			char ep[ENDPOINT_STRLEN];

			if (!a->up)
				snprintf(a->problem, sizeof(a->problem),
				    "no answer to the handshake from %s",
				    endpoint_format(&t->ep, ep));
			attempt_drop(as, t);
			continue;
		}
		if (t->handle != 0 && !t->hint && !monotime_before(now, t->resend))
			attempt_send(as, t, now);
		next = monotime_earliest(
		    next, t->handle != 0 && !t->hint ? monotime_earliest(end, t->resend) : end);
	}
	return next;
}

/* --- cookies --- */

static void
cookie_send(struct assocs *as, const struct endpoint *to, const struct hs_header *h)
{
	uint8_t cookie[HS_COOKIE_LEN], body[HS_COOKIE_MSG_LEN];

	cookie_make(&as->cookie_keys[0], to, cookie);
	hs_cookie_write(body, h, cookie);
	as->ops->control(as->arg, to, CONTROL_COOKIE, body, sizeof(body));
	stats_count(STAT_COOKIE_TX);
}

void
assocs_cookie(struct assocs *as, const struct endpoint *from, const uint8_t *body, size_t len,
    struct monotime now)
{
	const uint8_t *cookie;
	struct hs_header h;
	struct attempt *t;

	stats_count(STAT_COOKIE_RX);
	if (hs_cookie_parse(body, len, &h, &cookie) != HS_OK) {
		stats_count(STAT_CONTROL_REFUSED);
		return;
	}
	t = attempt_find(as, h.id);
	if (t == NULL || t->handle == 0 || !endpoint_equal(&t->ep, from) ||
	    memcmp(t->cookie, cookie, sizeof(t->cookie)) == 0) {
		stats_count(STAT_HS_UNEXPECTED);
		return;
	}
	memcpy(t->cookie, cookie, sizeof(t->cookie));
	if (t->cookies++ <
	    COOKIES_MAX) /* forged ones do not make us send much; the true one counts at the next resend */
		attempt_send(as, t, now);
}

/* --- responder --- */

static void
job_drop(struct assocs *as, struct respond_job **at)
{
	struct respond_job *j = *at;

	*at = j->next;
	as->n_jobs--;
	offer_drop(as, &j->offer);
	group_put(as->groups, j->group);
	free(j);
}

void
jobs_drop_all(struct assocs *as)
{
	while (as->jobs != NULL)
		job_drop(as, &as->jobs);
}

void
jobs_expire(struct assocs *as, struct monotime now)
{
	for (struct respond_job **at = &as->jobs; *at != NULL;) {
		if (monotime_diff_ms(now, (*at)->since) >= ASSOC_ATTEMPT_MS)
			job_drop(as, at);
		else
			at = &(*at)->next;
	}
}

static void
send_message2(
    struct assocs *as, const struct endpoint *to, const struct hs_header *h, const uint8_t *noise)
{
	uint8_t body[HS2_LEN];

	hs2_write(body, h, noise);
	as->ops->control(as->arg, to, CONTROL_HANDSHAKE2, body, sizeof(body));
	stats_count(STAT_HS2_TX);
}

/*
 * A message 1 we have already answered gets the same answer; one being worked on none yet. Whoever
 * repeats it may have changed the header, which proves nothing. Answered at two addresses, its slot
 * proves neither.
 */
static bool
seen_before(
    struct assocs *as, const struct endpoint *from, const struct hs_header *h, const uint8_t *noise)
{
	for (struct respond_job *j = as->jobs; j != NULL; j = j->next)
		if (memcmp(j->noise, noise, HS_NOISE_LEN) == 0)
			return true;
	for (struct assoc *a = as->first; a != NULL; a = a->next) {
		for (struct sa_pair *p = a->pairs; p != NULL; p = p->next) {
			if (p->state != SA_HALF_OPEN || memcmp(p->msg1, noise, HS_NOISE_LEN) != 0)
				continue;
			send_message2(as, from, h, p->msg2);
			if (!endpoint_equal(&p->ep, from))
				p->ep = (struct endpoint){ 0 };
			return true;
		}
	}
	return false;
}

static void
job_start(struct assocs *as, struct group *g, const struct endpoint *from,
    const struct hs_header *h, const uint8_t *noise, struct monotime now)
{
	struct keys_respond m = { .key_id = h->key_id, .suite = h->suite };
	struct respond_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return;
	if (offer_make(as, &j->offer) < 0) {
		free(j);
		return;
	}
	j->token =
	    ++as->next_job; /* the id is the other's choice, and another may choose the same */
	j->group = g;
	g->refs++;
	j->from = *from;
	j->header = *h;
	j->since = now;
	memcpy(j->noise, noise, sizeof(j->noise));
	j->next = as->jobs;
	as->jobs = j;
	as->n_jobs++;
	offer_payload(as, &j->offer, &m.payload);
	memcpy(m.noise, noise, sizeof(m.noise));
	if (!as->ops->respond(as->arg, j->token, &m))
		job_drop(as, &as->jobs);
}

void
assocs_handshake1(struct assocs *as, const struct endpoint *from, const uint8_t *body, size_t len,
    struct monotime now)
{
	const uint8_t *cookie, *noise;
	struct hs_header h;
	struct group *g;

	stats_count(STAT_HS1_RX);
	if (hs1_parse(body, len, &h, &cookie, &noise) != HS_OK) {
		stats_count(STAT_CONTROL_REFUSED);
		return;
	}
	if (attempt_find(as, h.id) != NULL) {
		stats_count(STAT_OWN_MESSAGE);
		return;
	}
	g = group_by_key_id(as->groups, h.key_id, h.suite);
	if (g == NULL) {
		stats_count(STAT_HS_UNKNOWN_KEY);
		return;
	}
	switch (admission_decide(as, from, cookie, now)) {
	case ADMISSION_OK:
		if (!seen_before(as, from, &h, noise))
			job_start(as, g, from, &h, noise, now);
		break;
	case ADMISSION_COOKIE:
		cookie_send(as, from, &h);
		break;
	case ADMISSION_DROP:
		stats_count(STAT_RATE_LIMITED);
		break;
	case ADMISSION_BUSY:
		stats_count(STAT_HS_BUSY);
		break;
	}
}

/* Is a handshake of ours under way with the host behind a, to that address? */
static bool
begun_by_us(const struct assoc *a, const struct endpoint *ep)
{
	for (const struct attempt *t = a->attempts; t != NULL; t = t->next)
		if (endpoint_equal(&t->ep, ep))
			return true;
	return false;
}

/*
 * May this authentic message 1 take the half-open slot? It may be a recorded one, so it changes
 * nothing else. What it replaces in the slot is freed: an earlier one, by the peer's count.
 */
static bool
slot_take(
    struct assocs *as, struct assoc *a, const struct hs_payload *peer, const struct endpoint *from)
{
	if (!attempt_later(peer->start, peer->attempt, a->confirmed_start, a->confirmed_attempt)) {
		stats_count(STAT_HS_REPLAYED);
		return false;
	}
	if (as->config.host_id < peer->host_id && begun_by_us(a, from)) {
		stats_count(STAT_HS_CROSSED);
		return false;
	}
	for (struct sa_pair **at = &a->pairs; *at != NULL; at = &(*at)->next) {
		struct sa_pair *p = *at;

		if (p->state != SA_HALF_OPEN)
			continue;
		if (!attempt_later(peer->start, peer->attempt, p->peer_start, p->attempt)) {
			stats_count(STAT_HS_BUSY);
			return false;
		}
		*at = p->next;
		pair_free(as, p);
		break;
	}
	return true;
}

static void
job_answer(
    struct assocs *as, struct respond_job *j, const struct keys_session *m, struct monotime now)
{
	struct assoc *a;
	struct sa_pair *p;

	if (m->status != KEYS_OK) {
		stats_count(STAT_HS_FAILED);
		return;
	}
	if (m->peer.host_id == as->config.host_id) {
		stats_count(STAT_OWN_MESSAGE);
		return;
	}
	if (j->group->vnets == 0)
		return; /* the last one has gone meanwhile */
	a = assoc_get(as, m->peer.host_id, j->group, now);
	if (a == NULL || !slot_take(as, a, &m->peer, &j->from))
		return;
	p = pair_new(as, a, &j->offer, m, now);
	if (p == NULL)
		return;
	p->state = SA_HALF_OPEN;
	p->key_id = j->header.key_id;
	p->attempt = m->peer.attempt;
	p->ep = j->from;
	memcpy(p->msg1, j->noise, sizeof(p->msg1));
	memcpy(p->msg2, m->noise, sizeof(p->msg2));
	send_message2(as, &j->from, &j->header, p->msg2);
}

void
assocs_responded(
    struct assocs *as, uint32_t token, const struct keys_session *m, struct monotime now)
{
	for (struct respond_job **at = &as->jobs; *at != NULL; at = &(*at)->next) {
		if ((*at)->token != token)
			continue;
		job_answer(as, *at, m, now);
		job_drop(as, at);
		return;
	}
}
