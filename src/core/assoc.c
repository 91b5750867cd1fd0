/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "assoc"
#include "base/log.h"
#include "core/assoc_internal.h"
#include "core/options.h"
#include "core/stats.h"

#define DUMMY_MS       50 /* first repetition of the confirming dummy packet; doubles */
#define RETRY_MIN_MS   1000
#define RETRY_MAX_MS   15000
#define IDLE_FREE_MS   600000 /* an association down for so long is forgotten; */
#define VIRGIN_FREE_MS 60000  /* one that has never been confirmed after this */
#define REKEY_AGAIN_MS 5000
#define SPI_BUCKETS    8192

int
assocs_init(struct assocs *as, const struct assocs_config *config, struct groups *groups,
    struct packet_pool *pool, struct grace *grace, const struct assocs_ops *ops, void *arg)
{
	memset(as, 0, sizeof(*as));
	as->config = *config;
	as->groups = groups;
	as->pool = pool;
	as->grace = grace;
	as->ops = ops;
	as->arg = arg;
	if (sadb_init(&as->sadb) < 0 ||
	    RTABLE_INIT(&as->spis, struct sa_in, by_spi, entry.spi, SPI_BUCKETS) < 0 ||
	    TABLE_INIT(&as->table, struct assoc, node, key, ASSOCS_MAX) < 0 ||
	    handshake_init(as) < 0 || admission_init(as) < 0 || known_init(as) < 0) {
		assocs_fini(as);
		return -ENOMEM;
	}
	return 0;
}

void
assocs_fini(struct assocs *as)
{
	static const struct assocs_ops silent;

	jobs_drop_all(as);
	as->ops = &silent;
	while (as->first != NULL)
		assoc_free(as, as->first);
	grace_wait(as->grace);
	(void)grace_collect(as->grace);
	rtable_fini(&as->spis);
	table_fini(&as->table);
	table_fini(&as->attempts);
	table_fini(&as->known);
	sadb_fini(&as->sadb);
	admission_fini(as);
}

struct assoc *
assoc_find(const struct assocs *as, uint64_t host_id, const struct group *g)
{
	struct assoc_key key = { .host_id = host_id, .group = g };
	struct table_node *n = table_find(&as->table, &key);

	return n != NULL ? TABLE_ENTRY(n, struct assoc, node) : NULL;
}

/* Never confirmed, and no address from an earlier run: what strangers can make at will. */
static bool
assoc_virgin(const struct assoc *a)
{
	return !a->up && !ipaddr_is_set(&a->ep.ip);
}

static void
assocs_make_room(struct assocs *as)
{
	struct assoc *oldest = NULL;

	for (struct assoc *a = as->first; a != NULL; a = a->next)
		if (assoc_virgin(a))
			oldest = a; /* new ones come first */
	if (oldest != NULL)
		assoc_free(as, oldest);
}

struct assoc *
assoc_get(struct assocs *as, uint64_t host_id, struct group *g, struct monotime now)
{
	struct assoc *a = assoc_find(as, host_id, g);

	if (a != NULL)
		return a;
	if (as->table.count >= as->table.max)
		assocs_make_room(as);
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

void
assoc_regroup(struct assocs *as, struct assoc *a, struct group *g)
{
	table_remove(&as->table, &a->node);
	group_put(as->groups, a->group);
	a->group = g;
	a->key.group = g;
	g->refs++;
	(void)table_insert(&as->table, &a->node); /* there is room: it was in */
	way_update(as, a);
}

/* --- SA pairs --- */

/*
 * Messages come over the first SA, and so to the engine's thread; the others are spread over the
 * workers, from one that is another for every offer.
 */
static int
reserve(struct assocs *as, struct sadb_entry *e, uint8_t i, uint8_t first)
{
	unsigned others = as->config.lanes > 1 ? as->config.lanes - 1u : 0;
	uint32_t lane = i > 0 && others > 0 ? 1 + (first + i - 1u) % others : 0;

	return others > 0 ? sadb_reserve_like(&as->sadb, e, SPI_LANE_MASK, lane)
			  : sadb_reserve(&as->sadb, e);
}

int
offer_make(struct assocs *as, struct sa_offer *o)
{
	uint8_t n = as->config.n_spis + as->config.n_kernel, first;

	random_bytes(&first, sizeof(first));
	o->n = 0;
	o->n_soft = as->config.n_spis;
	o->in = calloc(n, sizeof(*o->in));
	if (o->in == NULL)
		return -ENOMEM;
	for (; o->n < n; o->n++) {
		if (reserve(as, &o->in[o->n].entry, o->n, first) < 0) {
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
	if (o->in != NULL)
		explicit_bzero(
		    o->in, o->n * sizeof(*o->in)); /* pair_install() may have failed half way */
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
	p->n_kernel = o->n - o->n_soft;
	for (uint8_t i = 0; i < o->n; i++)
		p->spis[i] = o->in[i].entry.spi;
}

static void
pair_destroy(struct grace_node *n)
{
	struct sa_pair *p = TABLE_ENTRY(n, struct sa_pair, retired);

	for (uint8_t i = 0; i < p->n_in_soft; i++)
		esp_in_fini(&p->in[i].sa);
	for (uint8_t i = 0; i < p->n_out_soft; i++)
		esp_out_fini(&p->out[i].sa);
	if (p->in != NULL)
		explicit_bzero(p->in, p->n_in * sizeof(*p->in));
	if (p->out != NULL)
		explicit_bzero(p->out, p->n_out * sizeof(*p->out));
	free(p->in);
	free(p->out);
	free(p);
}

void
pair_free(struct assocs *as, struct sa_pair *p)
{
	if (as->ops->retired != NULL)
		as->ops->retired(as->arg, p);
	pair_unshare(as, p);
	for (uint8_t i = 0; i < p->n_in; i++)
		sadb_remove(&as->sadb, &p->in[i].entry);
	grace_retire(as->grace, &p->retired, pair_destroy);
}

static bool
pair_install(struct sa_pair *p, const struct sa_offer *o, const struct suite *suite,
    const struct keys_session *m, uint32_t window)
{
	bool esn = (m->peer.flags & HS_FLAG_ESN) != 0;

	for (; p->n_in_soft < o->n_soft; p->n_in_soft++)
		if (esp_in_init(&o->in[p->n_in_soft].sa, o->in[p->n_in_soft].entry.spi, suite,
			m->in[p->n_in_soft], esn, window) < 0)
			goto fail;
	for (; p->n_out_soft < m->peer.n_spis - m->peer.n_kernel; p->n_out_soft++)
		if (esp_out_init(&p->out[p->n_out_soft].sa, m->peer.spis[p->n_out_soft], suite,
			m->out[p->n_out_soft], esn) < 0)
			goto fail;
	p->n_in = o->n;
	for (uint8_t i = 0; i < p->n_in; i++) {
		pthread_mutex_init(&o->in[i].lock, NULL);
		memcpy(o->in[i].keymat, m->in[i], sizeof(o->in[i].keymat));
	}
	p->n_out = m->peer.n_spis;
	for (uint8_t i = 0; i < p->n_out; i++) {
		pthread_mutex_init(&p->out[i].lock, NULL);
		p->out[i].sa.spi = m->peer.spis[i];
		memcpy(p->out[i].keymat, m->out[i], sizeof(p->out[i].keymat));
	}
	return true;
fail:
	for (uint8_t i = 0; i < p->n_in_soft; i++)
		esp_in_fini(&o->in[i].sa);
	for (uint8_t i = 0; i < p->n_out_soft; i++)
		esp_out_fini(&p->out[i].sa);
	explicit_bzero(p->out, m->peer.n_spis * sizeof(*p->out));
	return false;
}

/*
 * Only a peer that can make handshakes piles up pairs; more than a few drain only if it does so
 * without need.
 */
static bool
pairs_make_room(struct assocs *as, struct assoc *a)
{
	struct sa_pair **drains = NULL, *p;
	unsigned n = 0;

	for (struct sa_pair **at = &a->pairs; *at != NULL; at = &(*at)->next, n++)
		if ((*at)->state == SA_DRAINING)
			drains = at; /* new ones come first */
	if (n < ASSOC_PAIRS_MAX)
		return true;
	if (drains == NULL)
		return false;
	p = *drains;
	*drains = p->next;
	pair_free(as, p);
	return true;
}

struct sa_pair *
pair_new(struct assocs *as, struct assoc *a, struct sa_offer *o, const struct keys_session *m,
    struct monotime now)
{
	struct sa_pair *p;

	if (hs_payload_check(&m->peer) != HS_OK || !pairs_make_room(as, a))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->out = calloc(m->peer.n_spis, sizeof(*p->out));
	if (p->out == NULL || !pair_install(p, o, a->group->suite, m, as->config.replay_window)) {
		free(p->out);
		free(p);
		return NULL;
	}
	p->in = o->in;
	for (uint8_t i = 0; i < p->n_in; i++)
		p->in[i].pair = p;
	for (uint8_t i = 0; i < p->n_in_soft; i++)
		p->in[i].entry.owner = &p->in[i];
	*o = (struct sa_offer){ 0 };
	p->assoc = a;
	p->peer_start = m->peer.start;
	p->installed = now;
	p->expires = monotime_add_ms(now, ASSOC_ATTEMPT_MS);
	p->next = a->pairs;
	a->pairs = p;
	return p;
}

static int
fixed_open(struct assocs *as, struct sa_pair *p, const struct suite *s, const struct assoc_fixed *f)
{
	int err;

	p->in = calloc(1, sizeof(*p->in));
	p->out = calloc(1, sizeof(*p->out));
	if (p->in == NULL || p->out == NULL)
		return -ENOMEM;
	pthread_mutex_init(&p->in->lock, NULL);
	pthread_mutex_init(&p->out->lock, NULL);
	err = sadb_insert(&as->sadb, &p->in->entry, f->spi_in);
	if (err < 0)
		return err;
	p->n_in = 1;
	err = esp_in_init(&p->in->sa, f->spi_in, s, f->in, f->esn, as->config.replay_window);
	if (err < 0)
		return err;
	p->n_in_soft = 1;
	err = esp_out_init(&p->out->sa, f->spi_out, s, f->out, f->esn);
	if (err < 0)
		return err;
	p->n_out = p->n_out_soft = 1;
	return 0;
}

int
assoc_fix(struct assocs *as, struct assoc *a, const struct assoc_fixed *f, struct monotime now)
{
	size_t len = suite_keymat_len(a->group->suite);
	struct sa_pair *p = calloc(1, sizeof(*p));
	int err = p == NULL ? -ENOMEM : fixed_open(as, p, a->group->suite, f);

	if (err < 0) {
		if (p != NULL)
			pair_free(as, p);
		return err;
	}
	memcpy(p->in->keymat, f->in, len);
	memcpy(p->out->keymat, f->out, len);
	replay_start(&p->in->sa.replay, f->received);
	p->in->sa.last = f->received;
	p->out->sa.seq = p->out->sa.last = f->sent;
	p->in->taken = f->taken;
	p->in->pair = p;
	p->in->entry.owner = p->in;
	p->assoc = a;
	p->state = SA_ACTIVE;
	p->installed = now;
	a->pairs = a->active = p;
	return 0;
}

static void
pair_unlink(struct assocs *as, struct sa_pair *p)
{
	struct sa_pair **at = &p->assoc->pairs;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (p->assoc->active == p) {
		p->assoc->active = NULL;
		way_update(as, p->assoc);
	}
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
assoc_confirm(struct assocs *as, struct assoc *a, uint64_t start, const struct endpoint *ep,
    struct monotime now)
{
	bool fresh = !a->up || a->peer_start != start;

	if (fresh && a->up) {
		a->up = false;
		way_update(as, a);
		as->ops->down(as->arg, a);
		grace_wait(as->grace); /* nobody holds a label of the start that is over */
	}
	if (fresh)
		a->up_since = now;
	a->up = true;
	a->peer_start = start;
	a->heard = now;
	a->retry_ms = 0;
	a->retry = (struct monotime){ 0 };
	a->problem[0] = '\0';
	if (address_set(as, a, ep))
		as->ops->moved(as->arg, a);
	way_update(as, a);
	stats_count(fresh ? STAT_ASSOCIATIONS : STAT_REKEYS);
	as->ops->up(as->arg, a, fresh);
}

void
assoc_retry(struct assoc *a, struct monotime now)
{
	a->retry = now;
	a->retry_ms = RETRY_MIN_MS;
}

void
assoc_down(struct assocs *as, struct assoc *a, const char *why, struct monotime now)
{
	bool was_up = a->up;

	a->up = false;
	way_update(as, a);
	pairs_drop_all(as, a);
	attempts_drop_all(as, a);
	a->candidate_nonce = 0;
	strncpy(a->problem, why, sizeof(a->problem) - 1);
	if (a->group->suite->id != SUITE_NONE && ipaddr_is_set(&a->ep.ip))
		assoc_retry(a, now);
	a->up_since = now;
	if (was_up && as->ops->down != NULL)
		as->ops->down(as->arg, a);
}

static void
assoc_destroy(struct grace_node *n)
{
	free(TABLE_ENTRY(n, struct assoc, retired));
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
	known_put(as, a->known);
	group_put(as->groups, a->group);
	grace_retire(as->grace, &a->retired, assoc_destroy);
}

static void
pair_drain(struct sa_pair *p, struct monotime now)
{
	p->state = SA_DRAINING;
	p->expires = monotime_add_ms(now, ASSOC_DRAIN_MS);
}

/* Of a start of the peer that is over, or still a slot: what replaces them has been confirmed. */
static void
pairs_drop_other_starts(struct assocs *as, struct assoc *a, uint64_t start)
{
	struct sa_pair *following;

	for (struct sa_pair *p = a->pairs; p != NULL; p = following) {
		following = p->next;
		if (p->peer_start != start)
			pair_unlink(as, p);
	}
}

/* Where to send from now on, when p has been confirmed by a packet from there. */
static struct endpoint
pair_endpoint(const struct sa_pair *p, const struct endpoint *from)
{
	const struct assoc *a = p->assoc;
	bool same = a->up && a->peer_start == p->peer_start;

	if (same && endpoint_equal(from, &a->ep))
		return a->ep;
	if (p->initiator || endpoint_equal(from, &p->ep))
		return p->ep; /* the handshake went there and back */
	return same ? a->ep : *from;
}

/* From now on we send on p, and what it replaces only receives. */
static void
pair_use(struct assocs *as, struct sa_pair *p, const struct endpoint *from, struct monotime now)
{
	struct assoc *a = p->assoc;
	struct endpoint ep = pair_endpoint(p, from);

	if (a->active != NULL)
		pair_drain(a->active, now);
	p->state = SA_ACTIVE;
	p->expires = (struct monotime){ 0 };
	a->active = p;
	a->key_id = p->key_id;
	pair_share(as, p);
	assoc_confirm(as, a, p->peer_start, &ep, now);
	pairs_drop_other_starts(as, a, p->peer_start); /* now that no way leads over them */
	address_heard(as, a, from, now);
}

/* The first packet opened on p. */
static void
pair_confirmed(
    struct assocs *as, struct sa_pair *p, const struct endpoint *from, struct monotime now)
{
	struct assoc *a = p->assoc;

	if (attempt_later(p->peer_start, p->attempt, a->confirmed_start, a->confirmed_attempt)) {
		a->confirmed_start = p->peer_start;
		a->confirmed_attempt = p->attempt;
	}
	explicit_bzero(p->msg1, sizeof(p->msg1));
	explicit_bzero(p->msg2, sizeof(p->msg2));
	attempts_drop_all(as, a); /* there are fresh keys */
	if (!p->initiator)
		pair_send_dummy(as, p, from, now); /* the initiator waits to hear us */
	pair_use(as, p, from, now);
}

/* --- packets --- */

/*
 * The key to begin with. Where the peer has had only the old one so far, that every other time: it
 * may have the new one by now.
 */
static uint32_t
assoc_key_id(const struct assocs *as, struct assoc *a)
{
	const struct key_info *k = groups_key(as->groups, a->group->key);
	uint32_t id = group_key_id(as->groups, a->group, NULL);

	if (k != NULL && a->key_id != 0 && a->key_id == k->old_id && a->key_tries++ % 2 == 1)
		return k->old_id;
	return id;
}

/* Only a known peer that still uses SAs of an earlier run of ours gets an answer: one handshake. */
static void
unknown_spi(struct assocs *as, const struct endpoint *from, struct monotime now)
{
	struct known *k = known_find(as, from);

	if (k == NULL || !bucket_take(&k->unknown_spi, 1, 1, now))
		return;
	for (struct assoc *a = as->first; a != NULL; a = a->next) {
		if (a->known != k || a->group->suite->id == SUITE_NONE)
			continue;
		if (a->active == NULL ||
		    monotime_diff_ms(now, a->active->installed) >= ASSOC_ATTEMPT_MS)
			assoc_connect(as, a, assoc_key_id(as, a), from, true, now);
	}
}

/*
 * The peer still sends on p, which drains here: so much was lost while handshakes crossed that the
 * ends chose differently. Then the higher host id follows the lower.
 */
static bool
pair_insisted(const struct assocs *as, const struct sa_pair *p, struct monotime now)
{
	return as->config.host_id > p->assoc->key.host_id &&
	       monotime_diff_ms(p->expires, now) < ASSOC_DRAIN_MS - ASSOC_SETTLE_MS;
}

/* A packet opened on p, before anybody looks into it. */
static void
pair_heard(struct assocs *as, struct sa_pair *p, const struct endpoint *from, bool newest,
    bool dummy, struct monotime now)
{
	if (p->assoc->plain)
		return; /* nobody to answer or to ask */
	switch (p->state) {
	case SA_HALF_OPEN:
	case SA_UNHEARD:
		pair_confirmed(as, p, from, now);
		break;
	case SA_ACTIVE:
	case SA_DRAINING:
		if (dummy && !p->initiator)
			pair_send_dummy(as, p, from, now); /* our first one was lost */
		if (newest && p->state == SA_ACTIVE)
			address_heard(as, p->assoc, from, now);
		else if (newest && !dummy && pair_insisted(as, p, now))
			pair_use(as, p, from, now);
		break;
	}
}

struct assoc *
assocs_open(struct assocs *as, uint32_t spi, const struct endpoint *from, struct packet **packets,
    size_t n, struct esp_opened *opened, struct monotime now)
{
	struct sadb_entry *e = sadb_find(&as->sadb, spi);
	struct sa_in *in;
	struct assoc *a;

	if (e == NULL || e->owner == NULL) {
		stats_add(STAT_ESP_UNKNOWN_SPI, n);
		unknown_spi(as, from, now);
		return NULL;
	}
	in = e->owner;
	if (sa_open(in, packets, n, opened, now) == 0)
		return NULL;
	a = in->pair->assoc;
	for (size_t i = 0; i < n && !sa_from_kernel(in); i++)
		if (opened[i].verdict == ESP_OK)
			pair_heard(as, in->pair, from, opened[i].newest,
			    opened[i].next_header == ESP_NEXT_DUMMY, now);
	return a;
}

struct assoc *
assocs_opened(struct assocs *as, uint32_t spi, const struct endpoint *from,
    const struct esp_opened *opened, struct monotime now)
{
	struct sa_in *in = sa_find(as, spi);

	if (in == NULL)
		return NULL;
	if (!sa_from_kernel(in))
		pair_heard(
		    as, in->pair, from, opened->newest, opened->next_header == ESP_NEXT_DUMMY, now);
	return in->pair->assoc;
}

static void
pair_send(struct assocs *as, struct sa_pair *pair, struct packet **packets, size_t n,
    uint8_t next_header, const struct endpoint *to, struct monotime now)
{
	n = pair_seal(pair, 0, packets, n, next_header, now);
	for (size_t i = 0; i < n; i++)
		as->ops->esp(as->arg, to != NULL ? to : &pair->assoc->ep, packets[i]);
}

bool
assoc_send(struct assocs *as, struct assoc *a, struct packet **packets, size_t n,
    uint8_t next_header, const struct endpoint *to, struct monotime now)
{
	if (!a->up || a->active == NULL) {
		for (size_t i = 0; i < n; i++)
			packet_put(packets[i]);
		return false;
	}
	pair_send(as, a->active, packets, n, next_header, to, now);
	return true;
}

void
pair_send_dummy(
    struct assocs *as, struct sa_pair *p, const struct endpoint *to, struct monotime now)
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
	pair_send(as, p, &dummy, 1, ESP_NEXT_DUMMY, to, now);
}

/* --- time --- */

static bool
pair_worn(const struct assocs *as, const struct sa_pair *p, struct monotime now)
{
	/*
	 * The end that answered the last handshake waits a little longer, so that both do not start
	 * at once.
	 */
	int64_t age = p->initiator ? as->config.rekey_ms
				   : as->config.rekey_ms + as->config.rekey_ms / 20 + 1000;
	uint64_t packets = as->config.rekey_packets;

	if (!p->initiator)
		packets += packets / 20 + 100;
	if (monotime_diff_ms(now, p->installed) >= age)
		return true;
	for (uint8_t i = 0; i < p->n_out_soft; i++)
		if (sa_out_count(&p->out[i]).seq >= packets)
			return true;
	for (uint8_t i = 0; i < p->n_in_soft; i++)
		if (sa_in_count(&p->in[i]).seq >= packets)
			return true;
	return false;
}

static struct monotime
pair_tick(struct assocs *as, struct sa_pair *p, struct monotime now)
{
	if (monotime_is_set(p->expires) && !monotime_before(now, p->expires)) {
		struct assoc *a = p->assoc;

		if (p->state == SA_UNHEARD)
			strncpy(a->problem,
			    "handshake answered, but no packet came over the new SA",
			    sizeof(a->problem) - 1);
		pair_unlink(as, p);
		return (struct monotime){ 0 };
	}
	if (p->state != SA_UNHEARD)
		return p->expires;
	if (!monotime_before(now, p->dummy)) {
		pair_send_dummy(as, p, &p->ep, now);
		p->dummy_ms = p->dummy_ms == 0 ? DUMMY_MS : p->dummy_ms * 2;
		p->dummy = monotime_add_ms(now, p->dummy_ms);
	}
	return monotime_earliest(p->dummy, p->expires);
}

void
assoc_rekey(struct assocs *as, struct assoc *a, struct monotime now)
{
	if (monotime_before(now, a->no_rekey_before))
		return;
	a->no_rekey_before = monotime_add_ms(now, REKEY_AGAIN_MS);
	assoc_connect(as, a, assoc_key_id(as, a), &a->ep, false, now);
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
	if (a->plain)
		return next;
	if (a->active != NULL) {
		if (pair_worn(as, a->active, now))
			assoc_rekey(as, a, now);
		next = monotime_earliest(next, monotime_add_ms(now, 1000));
	} else if (monotime_is_set(a->retry)) {
		if (!monotime_before(now, a->retry)) {
			assoc_connect(as, a, assoc_key_id(as, a), &a->ep, false, now);
			a->retry_ms = a->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS
								     : a->retry_ms * 2;
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
	if (assoc_virgin(a))
		return monotime_diff_ms(now, a->born) > VIRGIN_FREE_MS;
	return monotime_diff_ms(now, monotime_is_set(a->up_since) ? a->up_since : a->born) >
	       IDLE_FREE_MS;
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
