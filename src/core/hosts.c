/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "hosts"
#include "base/datagram.h"
#include "base/log.h"
#include "core/clear.h"
#include "core/control.h"
#include "core/engine.h"
#include "core/hosts.h"
#include "core/plain.h"
#include "core/ratelimit.h"
#include "core/resolvecli.h"
#include "core/state.h"
#include "core/stats.h"
#include "core/transport.h"

#define ANNOUNCE_MS	  30000
#define BURST		  4 /* DISCOVERs after a change: at once, then after 200, 600 and 1400 ms */
#define BURST_MS	  200
#define RESOLVE_AGAIN_MS  60000
#define RESOLVE_FAILED_MS 10000
#define STRANGE_PER_S	  100 /* handshakes begun with hosts that never were a peer, all together */
#define SEEN_MAX	  4096
#define TROUBLE_BURST	  10

struct hosts *
hosts_new(void)
{
	struct hosts *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->seen = discover_seen_new(SEEN_MAX);
	if (h->seen == NULL || TABLE_INIT(&h->table, struct host, node, host_id, HOSTS_MAX) < 0) {
		hosts_free(h);
		return NULL;
	}
	return h;
}

static void
hosts_expire(struct hosts *h, int64_t age_ms, struct monotime now)
{
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&h->table, &it)) != NULL) {
		struct host *host = TABLE_ENTRY(n, struct host, node);

		if (monotime_diff_ms(now, host->at) < age_ms)
			continue;
		table_remove(&h->table, n);
		free(host);
	}
}

void
hosts_free(struct hosts *h)
{
	struct target *t;

	if (h == NULL)
		return;
	hosts_expire(h, INT64_MIN, (struct monotime){ 1 });
	while ((t = h->targets) != NULL) {
		h->targets = t->next;
		free(t);
	}
	table_fini(&h->table);
	discover_seen_free(h->seen);
	free(h);
}

struct host *
host_find(const struct hosts *h, uint64_t host_id)
{
	struct table_node *n = table_find(&h->table, &host_id);

	return n != NULL ? TABLE_ENTRY(n, struct host, node) : NULL;
}

/* --- sending --- */

static void
discover_make(struct engine *e, struct discover *d)
{
	memset(d, 0, sizeof(*d));
	d->host_id = e->host_id;
	d->start = e->start;
	d->seq = ++e->hosts->seq;
	d->hops = DISCOVER_HOPS_MAX;
	groups_discover(&e->groups, d);
}

static size_t
wrap(uint8_t buf[static CONTROL_HEADER_LEN + RELAYED_EXTRA + DISCOVER_MAX_LEN],
    enum control_type type, size_t len)
{
	control_write_header(buf, type, len);
	return CONTROL_HEADER_LEN + len;
}

static void
discover_send(struct engine *e, const struct discover *d, const struct endpoint *to)
{
	uint8_t buf[CONTROL_HEADER_LEN + RELAYED_EXTRA + DISCOVER_MAX_LEN];
	size_t len = wrap(
	    buf, CONTROL_DISCOVER, discover_write(d, buf + CONTROL_HEADER_LEN, DISCOVER_MAX_LEN));

	stats_count(STAT_DISCOVER_TX);
	if (to != NULL)
		transport_send(e->transport, to, buf, len);
	else
		transport_multicast(e->transport, buf, len);
}

static void
announce_now(struct engine *e)
{
	struct discover d;

	discover_make(e, &d);
	discover_send(e, &d, NULL);
	for (const struct target *t = e->hosts->targets; t != NULL; t = t->next)
		for (uint32_t i = 0; t->peer.kind == PEER_VNETD && i < t->n_eps; i++)
			discover_send(e, &d, &t->eps[i]);
}

void
hosts_announce(struct engine *e)
{
	e->hosts->burst = BURST;
	e->hosts->due = engine_now(e);
	engine_kick(e);
}

static bool
has_key(const struct discover *d, uint32_t key_id)
{
	for (uint16_t i = 0; i < d->n_keys; i++)
		if (d->keys[i].key_id == key_id)
			return true;
	return false;
}

/*
 * In answer to a DISCOVER: never larger than it, so where there are many keys those that both have
 * come first.
 */
static void
discover_answer(struct engine *e, const struct discover *heard, const struct endpoint *to)
{
	uint16_t room = discover_keys_room(heard), n = 0;
	struct discover d;

	discover_make(e, &d);
	d.flags |= DISCOVER_FLAG_ANSWER;
	for (uint16_t i = 0; i < d.n_keys; i++) {
		struct discover_key key = d.keys[i];

		if (!has_key(heard, key.key_id))
			continue;
		d.keys[i] = d.keys[n];
		d.keys[n++] = key;
	}
	d.n_keys = d.n_keys < room ? d.n_keys : room;
	discover_send(e, &d, to);
}

/* --- hearing --- */

/*
 * Somebody has to go, so that a flood of invented hosts does not keep a true one out: the one not
 * heard of for longest.
 */
static void
hosts_make_room(struct engine *e)
{
	struct host *oldest = NULL;
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&e->hosts->table, &it)) != NULL) {
		struct host *h = TABLE_ENTRY(n, struct host, node);

		if (oldest == NULL || monotime_before(h->at, oldest->at))
			oldest = h;
	}
	if (oldest == NULL)
		return;
	stats_count(STAT_HOSTS_FULL);
	table_remove(&e->hosts->table, &oldest->node);
	free(oldest);
}

static struct host *
host_note(struct engine *e, const struct discover *d, const struct endpoint *ep, bool multicast,
    bool *fresh)
{
	struct hosts *h = e->hosts;
	struct host *host = host_find(h, d->host_id);

	if (host == NULL) {
		if (h->table.count >= HOSTS_MAX)
			hosts_make_room(e);
		host = calloc(1, sizeof(*host));
		if (host == NULL)
			return NULL;
		host->host_id = d->host_id;
		if (table_insert(&h->table, &host->node) < 0) {
			free(host);
			return NULL;
		}
	}
	*fresh = (d->flags & DISCOVER_FLAG_ANSWER) == 0 &&
		 (host->heard.start != d->start || host->heard.n_keys != d->n_keys ||
		     ((host->heard.flags ^ d->flags) & DISCOVER_FLAG_CLEAR) != 0 ||
		     memcmp(host->heard.keys, d->keys, d->n_keys * sizeof(d->keys[0])) != 0);
	host->again |= monotime_is_set(host->at) && host->heard.seq != d->seq;
	host->ep = *ep;
	host->heard = *d;
	host->at = engine_now(e);
	host->multicast = host->multicast || multicast;
	return host;
}

/*
 * One group of ours that the host seems to have too. True if it must come to us: the lower host id
 * starts.
 */
static bool
consider_group(struct engine *e, struct host *host, struct group *g)
{
	struct assoc *a = assoc_find(&e->assocs, host->host_id, g);
	bool known = a != NULL && a->up && a->peer_start == host->heard.start;

	if (known)
		return false;
	if (g->suite->id == SUITE_NONE) {
		clear_greet(e, host->host_id, &host->ep);
		return false;
	}
	if (e->host_id > host->host_id)
		return true;
	if ((a == NULL || a->peer_start == 0) &&
	    !bucket_take(&e->hosts->strange, STRANGE_PER_S, STRANGE_PER_S, engine_now(e))) {
		stats_count(STAT_RATE_LIMITED);
		return false;
	}
	if (a == NULL)
		a = assoc_get(&e->assocs, host->host_id, g, engine_now(e));
	if (a != NULL)
		assoc_connect(&e->assocs, a, group_key_id(&e->groups, g, &host->heard), &host->ep,
		    true, engine_now(e));
	return false;
}

/* Where it meets somebody, another host's lack of it is no news. */
static bool
is_lonely(const struct engine *e, const struct group *g)
{
	for (const struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		if (a->group == g && a->up)
			return false;
	return true;
}

/* The first thing that is wrong, once. */
static void
tell_trouble(struct engine *e, struct host *host)
{
	char text[GROUP_TROUBLE_MAX], ep[ENDPOINT_STRLEN];
	const struct group *g = e->groups.first;

	while (g != NULL && !(group_trouble(&e->groups, g, &host->heard, text) && is_lonely(e, g)))
		g = g->next;
	if (g == NULL) {
		host->told[0] = '\0';
		return;
	}
	if (strcmp(text, host->told) == 0 ||
	    !bucket_take(&e->hosts->trouble, 1, TROUBLE_BURST, engine_now(e)))
		return;
	memcpy(host->told, text, sizeof(text));
	log_warnx(
	    "host %016" PRIx64 " at %s: %s", host->host_id, endpoint_format(&host->ep, ep), text);
}

static void
tell_troubles(struct engine *e)
{
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&e->hosts->table, &it)) != NULL)
		tell_trouble(e, TABLE_ENTRY(n, struct host, node));
}

/* True if the host has to be asked, by a DISCOVER, to start. */
static bool
consider(struct engine *e, struct host *host)
{
	bool ask = false;

	for (struct group *g = e->groups.first; g != NULL; g = g->next)
		if (g->vnets > 0 && group_heard(&e->groups, g, &host->heard))
			ask |= consider_group(e, host, g);
	return ask;
}

void
hosts_reconsider(struct engine *e)
{
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&e->hosts->table, &it)) != NULL)
		(void)consider(e, TABLE_ENTRY(n, struct host, node));
}

/*
 * Multicast DISCOVERs go on to the configured peers, relayed ones to the local group; each once
 * (DESIGN.md section 5).
 */
static void
relay(struct engine *e, const struct endpoint *origin, const struct endpoint *from,
    const struct discover *d, bool multicast)
{
	uint8_t buf[CONTROL_HEADER_LEN + RELAYED_EXTRA + DISCOVER_MAX_LEN];
	struct discover on = *d;
	size_t len;

	if (d->hops == 0 || !discover_seen_first(e->hosts->seen, d, engine_now(e)))
		return;
	on.hops--;
	len = relayed_write(
	    origin, &on, buf + CONTROL_HEADER_LEN, RELAYED_EXTRA + DISCOVER_MAX_LEN);
	len = wrap(buf, CONTROL_RELAYED, len);
	for (const struct target *t = e->hosts->targets; t != NULL; t = t->next)
		for (uint32_t i = 0; t->peer.kind == PEER_VNETD && i < t->n_eps; i++)
			if (!endpoint_equal(&t->eps[i], from) &&
			    !endpoint_equal(&t->eps[i], origin)) {
				stats_count(STAT_DISCOVER_RELAYED);
				transport_send(e->transport, &t->eps[i], buf, len);
			}
	if (multicast)
		return;
	stats_count(STAT_DISCOVER_RELAYED);
	transport_multicast(e->transport, buf, len);
}

void
hosts_discover(struct engine *e, const struct endpoint *from, bool multicast, bool relayed,
    const uint8_t *body, size_t len)
{
	struct endpoint origin = *from;
	struct discover d;
	struct host *host;
	bool fresh, known = target_by_endpoint(e->hosts, from) != NULL;

	stats_count(STAT_DISCOVER_RX);
	if ((relayed ? relayed_parse(body, len, &origin, &d) : discover_parse(body, len, &d)) !=
	    DISCOVER_OK) {
		stats_count(STAT_CONTROL_REFUSED);
		return;
	}
	if (d.host_id == e->host_id) {
		stats_count(STAT_OWN_MESSAGE);
		return;
	}
	if (relayed && !multicast && !known) {
		stats_count(STAT_RELAYED_REFUSED);
		return;
	}
	if (!known && !ratelimit_take(e->strangers, &from->ip, engine_now(e))) {
		stats_count(STAT_RATE_LIMITED);
		return;
	}
	if ((multicast && !relayed) || (relayed && known))
		relay(e, &origin, from, &d, multicast);
	host = host_note(e, &d, &origin, multicast || relayed, &fresh);
	if (host != NULL && (consider(e, host) || fresh))
		discover_answer(e, &d, &origin);
}

/* --- configured peers --- */

static struct target **
target_find(struct hosts *h, const char *host, uint16_t port)
{
	struct target **at = &h->targets;

	while (*at != NULL && (strcmp((*at)->peer.host, host) != 0 || (*at)->peer.port != port))
		at = &(*at)->next;
	return at;
}

const struct target *
target_by_endpoint(const struct hosts *h, const struct endpoint *ep)
{
	for (const struct target *t = h->targets; t != NULL; t = t->next)
		for (uint32_t i = 0; i < t->n_eps; i++)
			if (endpoint_equal(&t->eps[i], ep))
				return t;
	return NULL;
}

static void
target_resolve(struct engine *e, struct target *t)
{
	if (!t->numeric && !t->resolving)
		t->resolving = resolvecli_ask(e->resolver, t->peer.host);
}

/* Nothing is sent to it but frames. */
static int
target_add_plain(struct engine *e, struct target *t)
{
	int err = plain_add(e, &t->eps[0], t->peer.kind == PEER_VXLAN_HUB);

	if (err < 0) {
		e->hosts->targets = t->next;
		e->hosts->n_targets--;
		free(t);
	}
	return err;
}

int
target_add(struct engine *e, const struct config_peer *p, bool from_config, uint64_t token)
{
	struct hosts *h = e->hosts;
	struct ipaddr ip;
	struct target *t;

	if (*target_find(h, p->host, p->port) != NULL)
		return -EEXIST;
	if (h->n_targets >= CONFIG_PEERS_MAX)
		return -ENOSPC;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->peer = *p;
	t->from_config = from_config;
	t->numeric = ipaddr_parse(p->host, &ip);
	t->token = t->numeric ? 0 : token;
	t->next = h->targets;
	h->targets = t;
	h->n_targets++;
	if (!t->numeric) {
		target_resolve(e, t);
		return -EINPROGRESS;
	}
	t->eps[0] = (struct endpoint){ .ip = ip, .port = p->port != 0 ? p->port : e->config.port };
	t->n_eps = 1;
	if (p->kind != PEER_VNETD)
		return target_add_plain(e, t);
	hosts_announce(e);
	return 0;
}

int
target_remove(struct engine *e, const char *host, uint16_t port)
{
	struct target **at = target_find(e->hosts, host, port), *t = *at;

	if (t == NULL)
		return -ENOENT;
	*at = t->next;
	e->hosts->n_targets--;
	if (t->peer.kind != PEER_VNETD)
		plain_remove(e, &t->eps[0]);
	if (t->token != 0) /* somebody waits for its address */
		control_event(e, t->token, "it was removed before its name resolved", 0);
	free(t);
	return 0;
}

static void
target_answer(struct engine *e, struct target *t, const struct resolve_answer *answer)
{
	t->resolving = false;
	t->resolved = engine_now(e);
	if (answer->n == 0) { /* what it resolved to before stays */
		snprintf(t->error, sizeof(t->error), "%.127s", answer->error);
		return;
	}
	t->error[0] = '\0';
	t->n_eps = answer->n;
	for (uint32_t i = 0; i < answer->n; i++) {
		t->eps[i].ip = answer->addrs[i];
		t->eps[i].port = t->peer.port != 0 ? t->peer.port : e->config.port;
	}
	hosts_announce(e);
}

void
target_resolved(struct engine *e, const char *name, const struct resolve_answer *answer)
{
	struct target *next;

	for (struct target *t = e->hosts->targets; t != NULL; t = next) {
		uint64_t token = t->token;
		char reason[192];

		next = t->next;
		if (!t->resolving || strcmp(t->peer.host, name) != 0)
			continue;
		target_answer(e, t, answer);
		if (token == 0)
			continue;
		t->token = 0;
		if (answer->n > 0) {
			control_event(e, token, NULL, state_changed(e));
			continue;
		}
		snprintf(reason, sizeof(reason), "it does not resolve: %s", t->error);
		(void)target_remove(e, t->peer.host, t->peer.port);
		control_event(e, token, reason, 0);
	}
}

/* --- time --- */

static void
resolve_again(struct engine *e, struct monotime now)
{
	for (struct target *t = e->hosts->targets; t != NULL; t = t->next) {
		int64_t wait = t->error[0] != '\0' ? RESOLVE_FAILED_MS : RESOLVE_AGAIN_MS;

		if (!t->numeric && monotime_diff_ms(now, t->resolved) >= wait)
			target_resolve(e, t);
	}
}

struct monotime
hosts_tick(struct engine *e, struct monotime now)
{
	struct hosts *h = e->hosts;

	if (!monotime_before(now, h->due)) {
		uint16_t jitter;

		announce_now(e);
		hosts_expire(h, HOST_TTL_MS, now);
		random_bytes(&jitter, sizeof(jitter));
		if (h->burst > 0) {
			h->burst--;
			h->due = monotime_add_ms(
			    now, (BURST_MS << (BURST - h->burst - 1)) + jitter % 50);
		} else {
			h->due = monotime_add_ms(now, ANNOUNCE_MS - 3000 + jitter % 6000);
		}
		if (h->burst == 0) /* what was on its way at the last change is here */
			tell_troubles(e);
	}
	if (!monotime_before(now, h->resolve_due)) {
		resolve_again(e, now);
		h->resolve_due = monotime_add_ms(now, 5000);
	}
	return monotime_earliest(
	    h->due, h->targets != NULL ? h->resolve_due : (struct monotime){ 0 });
}
