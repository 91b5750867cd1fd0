/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "assoc"
#include "base/log.h"
#include "core/assoc_internal.h"
#include "core/stats.h"

#define DUMMY_MS      50  /* first repetition of the confirming dummy packet; doubles */
#define RETRY_MIN_MS  1000
#define RETRY_MAX_MS  15000
#define CANDIDATE_MS  1000 /* a probe of a new address is given up after that */
#define IDLE_FREE_MS  600000 /* an association down for so long is forgotten */
#define REKEY_AGAIN_MS 5000

uint64_t assoc_esp_verdicts[ESP_VERDICT_COUNT];

int
assocs_init(struct assocs *as, const struct assocs_config *config, struct groups *groups,
    struct packet_pool *pool, const struct assocs_ops *ops, void *arg)
{
	memset(as, 0, sizeof(*as));
	as->config = *config;
	as->groups = groups;
	as->pool = pool;
	as->ops = ops;
	as->arg = arg;
	as->unknown_spi = ratelimit_new(ASSOCS_MAX, 1, 1);
	if (as->unknown_spi == NULL || sadb_init(&as->sadb) < 0 ||
	    TABLE_INIT(&as->table, struct assoc, node, key, ASSOCS_MAX) < 0 ||
	    handshake_init(as) < 0) {
		assocs_fini(as);
		return -ENOMEM;
	}
	return 0;
}

void
assocs_fini(struct assocs *as)
{
	static const struct assocs_ops silent;

	jobs_drop(as, NULL);
	as->ops = &silent;
	while (as->first != NULL)
		assoc_free(as, as->first);
	table_fini(&as->table);
	table_fini(&as->attempts);
	sadb_fini(&as->sadb);
	ratelimit_free(as->unknown_spi);
	explicit_bzero(as->cookie_keys, sizeof(as->cookie_keys));
}

struct assoc *
assoc_find(const struct assocs *as, uint64_t host_id, const struct group *g)
{
	struct assoc_key key = { .host_id = host_id, .group = g };
	struct table_node *n = table_find(&as->table, &key);

	return n != NULL ? TABLE_ENTRY(n, struct assoc, node) : NULL;
}

struct assoc *
assoc_get(struct assocs *as, uint64_t host_id, struct group *g, struct monotime now)
{
	struct assoc *a = assoc_find(as, host_id, g);

	if (a != NULL)
		return a;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->key.host_id = host_id;
	a->key.group = g;
	if (table_insert(&as->table, &a->node) < 0) {
		stats_count(STAT_HOSTS_FULL);
		free(a);
		return NULL;
	}
	a->group = g;
	g->refs++;
	a->born = now;
	a->next = as->first;
	as->first = a;
	return a;
}

/* --- SA pairs --- */

int
offer_make(struct assocs *as, struct sa_offer *o, uint8_t n)
{
	o->n = 0;
	o->in = calloc(n, sizeof(*o->in));
	if (o->in == NULL)
		return -ENOMEM;
	for (; o->n < n; o->n++) {
		if (sadb_reserve(&as->sadb, &o->in[o->n].entry) < 0) {
			offer_drop(as, o);
			return -ENOSPC;
		}
	}
	return 0;
}

void
offer_drop(struct assocs *as, struct sa_offer *o)
{
	for (uint8_t i = 0; i < o->n; i++)
		sadb_remove(&as->sadb, &o->in[i].entry);
	free(o->in);
	*o = (struct sa_offer){ 0 };
}

void
offer_payload(const struct assocs *as, const struct sa_offer *o, struct hs_payload *p)
{
	memset(p, 0, sizeof(*p));
	p->host_id = as->config.host_id;
	p->start = as->config.start;
	p->flags = HS_FLAG_ESN;
	p->n_spis = o->n;
	for (uint8_t i = 0; i < o->n; i++)
		p->spis[i] = o->in[i].entry.spi;
}

void
pair_free(struct assocs *as, struct sa_pair *p)
{
	for (uint8_t i = 0; i < p->n_in; i++) {
		sadb_remove(&as->sadb, &p->in[i].entry);
		esp_in_fini(&p->in[i].sa);
	}
	for (uint8_t i = 0; i < p->n_out; i++)
		esp_out_fini(&p->out[i].sa);
	if (p->in != NULL)
		explicit_bzero(p->in, p->n_in * sizeof(*p->in));
	if (p->out != NULL)
		explicit_bzero(p->out, p->n_out * sizeof(*p->out));
	free(p->in);
	free(p->out);
	free(p);
}

static bool
pair_install(struct sa_pair *p, const struct sa_offer *o, const struct suite *suite,
    const struct keys_session *m, uint32_t window)
{
	bool esn = (m->peer.flags & HS_FLAG_ESN) != 0;

	for (uint8_t i = 0; i < o->n; i++) {
		if (esp_in_init(&o->in[i].sa, o->in[i].entry.spi, suite, m->in[i], esn, window) < 0)
			goto fail;
		memcpy(o->in[i].keymat, m->in[i], sizeof(o->in[i].keymat));
		p->n_in++;
	}
	for (uint8_t i = 0; i < m->peer.n_spis; i++) {
		if (esp_out_init(&p->out[i].sa, m->peer.spis[i], suite, m->out[i], esn) < 0)
			goto fail;
		memcpy(p->out[i].keymat, m->out[i], sizeof(p->out[i].keymat));
		p->n_out++;
	}
	return true;
fail:
	for (uint8_t i = 0; i < p->n_in; i++)
		esp_in_fini(&o->in[i].sa);
	for (uint8_t i = 0; i < p->n_out; i++)
		esp_out_fini(&p->out[i].sa);
	return false;
}

struct sa_pair *
pair_new(struct assocs *as, struct assoc *a, struct sa_offer *o, const struct keys_session *m,
    struct monotime now)
{
	struct sa_pair *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->out = calloc(m->peer.n_spis, sizeof(*p->out));
	if (p->out == NULL || !pair_install(p, o, a->group->suite, m, as->config.replay_window)) {
		free(p->out);
		free(p);
		return NULL;
	}
	p->in = o->in;
	for (uint8_t i = 0; i < p->n_in; i++) {
		p->in[i].pair = p;
		p->in[i].entry.owner = &p->in[i];
	}
	*o = (struct sa_offer){ 0 };
	p->assoc = a;
	p->peer_start = m->peer.start;
	p->installed = now;
	p->expires = monotime_add_ms(now, ASSOC_ATTEMPT_MS);
	p->next = a->pairs;
	a->pairs = p;
	return p;
}

static void
pair_unlink(struct assocs *as, struct sa_pair *p)
{
	struct sa_pair **at = &p->assoc->pairs;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (p->assoc->active == p)
		p->assoc->active = NULL;
	pair_free(as, p);
}

static void
pairs_drop_all(struct assocs *as, struct assoc *a)
{
	while (a->pairs != NULL)
		pair_unlink(as, a->pairs);
}

/* --- up and down --- */

void
assoc_confirm(struct assocs *as, struct assoc *a, uint64_t start, const struct endpoint *ep, struct monotime now)
{
	bool fresh = !a->up || a->peer_start != start;

	if (fresh && a->up)
		as->ops->down(as->arg, a);
	if (fresh)
		a->up_since = now;
	a->up = true;
	a->peer_start = start;
	a->heard = now;
	a->retry_ms = 0;
	a->retry = (struct monotime){ 0 };
	a->problem[0] = '\0';
	if (!endpoint_equal(&a->ep, ep)) {
		a->ep = *ep;
		as->ops->moved(as->arg, a);
	}
	stats_count(fresh ? STAT_ASSOCIATIONS : STAT_REKEYS);
	as->ops->up(as->arg, a, fresh);
}

void
assoc_down(struct assocs *as, struct assoc *a, const char *why, struct monotime now)
{
	bool was_up = a->up;

	a->up = false;
	pairs_drop_all(as, a);
	attempts_drop_all(as, a);
	strncpy(a->problem, why, sizeof(a->problem) - 1);
	a->retry_ms = RETRY_MIN_MS;
	a->retry = a->group->suite->id != SUITE_NONE && ipaddr_is_set(&a->ep.ip) ? now : (struct monotime){ 0 };
	a->up_since = now;
	if (was_up && as->ops->down != NULL)
		as->ops->down(as->arg, a);
}

void
assoc_free(struct assocs *as, struct assoc *a)
{
	struct assoc **at;

	assoc_down(as, a, "", (struct monotime){ 1 });
	if (as->ops->gone != NULL)
		as->ops->gone(as->arg, a);
	for (at = &as->first; *at != a; at = &(*at)->next)
		;
	*at = a->next;
	table_remove(&as->table, &a->node);
	group_put(as->groups, a->group);
	free(a);
}

/* The pair is confirmed: from now on we send on it, and what it replaces only receives. */
static void
pair_activate(struct assocs *as, struct sa_pair *p, const struct endpoint *from, struct monotime now)
{
	struct assoc *a = p->assoc;
	bool answer = p->state == SA_HALF_OPEN;

	for (struct sa_pair *q = a->pairs; q != NULL; q = q->next) {
		if (q != p && q->state == SA_ACTIVE) {
			q->state = SA_DRAINING;
			q->expires = monotime_add_ms(now, ASSOC_DRAIN_MS);
		}
	}
	p->state = SA_ACTIVE;
	p->expires = (struct monotime){ 0 };
	a->active = p;
	if (answer && (p->peer_start > a->confirmed_start ||
			  (p->peer_start == a->confirmed_start && p->peer_attempt > a->confirmed_attempt))) {
		a->confirmed_start = p->peer_start;
		a->confirmed_attempt = p->peer_attempt;
	}
	explicit_bzero(p->msg1, sizeof(p->msg1));
	explicit_bzero(p->msg2, sizeof(p->msg2));
	assoc_confirm(as, a, p->peer_start, from, now);
	if (answer)
		pair_send_dummy(as, p, now); /* the initiator waits to hear us */
}

/* --- packets --- */

/* A newer packet came from somewhere else: ask there, and move only when the echo returns (DESIGN.md section 5). */
static void
address_heard(struct assocs *as, struct assoc *a, const struct endpoint *from, struct monotime now)
{
	if (endpoint_equal(from, &a->ep))
		return;
	if (a->candidate_nonce != 0 && monotime_diff_ms(now, a->candidate_since) < CANDIDATE_MS)
		return;
	a->candidate = *from;
	random_bytes(&a->candidate_nonce, sizeof(a->candidate_nonce));
	a->candidate_nonce |= 1; /* never 0 */
	a->candidate_since = now;
	as->ops->probe(as->arg, a, from, a->candidate_nonce);
}

bool
assoc_address_proven(struct assocs *as, struct assoc *a, uint64_t nonce, struct monotime now)
{
	if (a->candidate_nonce == 0 || nonce != a->candidate_nonce)
		return false;
	a->candidate_nonce = 0;
	a->heard = now;
	a->ep = a->candidate;
	stats_count(STAT_PEER_MOVED);
	as->ops->moved(as->arg, a);
	return true;
}

/* Only a known peer that still uses SAs of an earlier run of ours gets an answer: one handshake. */
static void
unknown_spi(struct assocs *as, const struct endpoint *from, struct monotime now)
{
	stats_count(STAT_ESP_UNKNOWN_SPI);
	for (struct assoc *a = as->first; a != NULL; a = a->next) {
		if (a->group->suite->id == SUITE_NONE || !endpoint_equal(&a->ep, from))
			continue;
		if (ratelimit_take(as->unknown_spi, &from->ip, now))
			assoc_connect(as, a, group_key_id(as->groups, a->group, NULL), from, true, now);
		return;
	}
}

struct assoc *
assocs_open(struct assocs *as, uint32_t spi, const struct endpoint *from, struct packet *p,
    uint8_t *next_header, struct monotime now)
{
	struct sadb_entry *e = sadb_find(&as->sadb, spi);
	size_t len = p->len;
	enum esp_verdict v;
	struct sa_in *in;
	struct assoc *a;
	bool newest;

	if (e == NULL || e->owner == NULL) {
		unknown_spi(as, from, now);
		return NULL;
	}
	in = e->owner;
	a = in->pair->assoc;
	v = esp_open(&in->sa, p, next_header, &newest);
	assoc_esp_verdicts[v]++;
	if (v != ESP_OK)
		return NULL;
	stats_count(STAT_ESP_RX);
	a->heard = now;
	a->rx_packets++;
	a->rx_bytes += len;
	if (in->pair->state == SA_HALF_OPEN || in->pair->state == SA_UNHEARD)
		pair_activate(as, in->pair, from, now);
	else if (newest && in->pair->state == SA_ACTIVE)
		address_heard(as, a, from, now);
	return a;
}

static bool
pair_send(struct assocs *as, struct sa_pair *pair, struct packet *p, uint8_t next_header,
    const struct endpoint *to, struct monotime now)
{
	struct assoc *a = pair->assoc;
	enum esp_verdict v = esp_seal(&pair->out[0].sa, p, next_header);

	assoc_esp_verdicts[v] += v != ESP_OK;
	if (v != ESP_OK) {
		packet_put(p);
		return false;
	}
	stats_count(STAT_ESP_TX);
	a->sent = now;
	a->tx_packets++;
	a->tx_bytes += p->len;
	as->ops->esp(as->arg, to != NULL ? to : &a->ep, p);
	return true;
}

bool
assoc_send(struct assocs *as, struct assoc *a, struct packet *p, uint8_t next_header,
    const struct endpoint *to, struct monotime now)
{
	if (!a->up || a->active == NULL) {
		packet_put(p);
		return false;
	}
	return pair_send(as, a->active, p, next_header, to, now);
}

void
pair_send_dummy(struct assocs *as, struct sa_pair *p, struct monotime now)
{
	struct packet *dummy = packet_get(as->pool);
	uint8_t *at;

	if (dummy == NULL)
		return;
	at = packet_append(dummy, 16);
	if (at == NULL) {
		packet_put(dummy);
		return;
	}
	memset(at, 0, 16);
	pair_send(as, p, dummy, ESP_NEXT_DUMMY, &p->ep, now);
}

/* --- time --- */

static bool
pair_worn(const struct assocs *as, const struct sa_pair *p, struct monotime now)
{
	/* The end that answered the last handshake waits a little longer, so that both do not start at once. */
	int64_t age = p->initiator ? as->config.rekey_ms : as->config.rekey_ms + as->config.rekey_ms / 20 + 1000;
	uint64_t packets = as->config.rekey_packets;

	if (!p->initiator)
		packets += packets / 20 + 100;
	if (monotime_diff_ms(now, p->installed) >= age)
		return true;
	for (uint8_t i = 0; i < p->n_out; i++)
		if (p->out[i].sa.seq >= packets)
			return true;
	for (uint8_t i = 0; i < p->n_in; i++)
		if (p->in[i].sa.replay.top >= packets)
			return true;
	return false;
}

static struct monotime
pair_tick(struct assocs *as, struct sa_pair *p, struct monotime now)
{
	if (monotime_is_set(p->expires) && !monotime_before(now, p->expires)) {
		struct assoc *a = p->assoc;

		if (p->state == SA_UNHEARD)
			strncpy(a->problem, "handshake answered, but no packet came over the new SA", sizeof(a->problem) - 1);
		pair_unlink(as, p);
		return (struct monotime){ 0 };
	}
	if (p->state != SA_UNHEARD)
		return p->expires;
	if (!monotime_before(now, p->dummy)) {
		pair_send_dummy(as, p, now);
		p->dummy_ms = p->dummy_ms == 0 ? DUMMY_MS : p->dummy_ms * 2;
		p->dummy = monotime_add_ms(now, p->dummy_ms);
	}
	return monotime_earliest(p->dummy, p->expires);
}

static struct monotime
assoc_tick(struct assocs *as, struct assoc *a, struct monotime now)
{
	struct monotime next = attempts_tick(as, a, now);
	struct sa_pair *following;

	for (struct sa_pair *p = a->pairs; p != NULL; p = following) {
		following = p->next;
		next = monotime_earliest(next, pair_tick(as, p, now));
	}
	if (a->active != NULL) {
		if (pair_worn(as, a->active, now) && !monotime_before(now, a->no_rekey_before)) {
			a->no_rekey_before = monotime_add_ms(now, REKEY_AGAIN_MS);
			assoc_connect(as, a, group_key_id(as->groups, a->group, NULL), &a->ep, false, now);
		}
		next = monotime_earliest(next, monotime_add_ms(now, 1000));
	} else if (monotime_is_set(a->retry)) {
		if (!monotime_before(now, a->retry)) {
			assoc_connect(as, a, group_key_id(as->groups, a->group, NULL), &a->ep, false, now);
			a->retry_ms = a->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : a->retry_ms * 2;
			a->retry = monotime_add_ms(now, a->retry_ms);
		}
		next = monotime_earliest(next, a->retry);
	}
	return next;
}

static bool
assoc_forgettable(const struct assoc *a, struct monotime now)
{
	if (a->up || a->pairs != NULL || a->attempts != NULL)
		return false;
	return monotime_diff_ms(now, monotime_is_set(a->up_since) ? a->up_since : a->born) > IDLE_FREE_MS;
}

struct monotime
assocs_tick(struct assocs *as, struct monotime now)
{
	struct monotime next = { 0 };
	struct assoc *following;

	jobs_expire(as, now);
	for (struct assoc *a = as->first; a != NULL; a = following) {
		following = a->next;
		if (assoc_forgettable(a, now)) {
			assoc_free(as, a);
			continue;
		}
		next = monotime_earliest(next, assoc_tick(as, a, now));
	}
	return next;
}
