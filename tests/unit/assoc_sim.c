/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "assoc_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ipc.h"

#define KEYS_DELAY_US 1500
#define STREAM_MARK   0x5a
#define MESSAGE_LEN   24

/* --- time and chance --- */

uint32_t
sim_random(struct sim *s, uint32_t below)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return (uint32_t)(s->rng >> 16) % below;
}

static bool
event_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at.ns < b->at.ns || (a->at.ns == b->at.ns && a->order < b->order);
}

static void
event_push(struct sim *s, struct sim_event ev, const void *bytes)
{
	size_t i = s->n_events++;

	assert_true(s->n_events <= SIM_EVENTS);
	ev.order = ++s->order;
	ev.bytes = malloc(ev.len > 0 ? ev.len : 1);
	assert_non_null(ev.bytes);
	if (ev.len > 0)
		memcpy(ev.bytes, bytes, ev.len);
	for (; i > 0 && event_before(&ev, &s->events[(i - 1) / 2]); i = (i - 1) / 2)
		s->events[i] = s->events[(i - 1) / 2];
	s->events[i] = ev;
}

static struct sim_event
event_pop(struct sim *s)
{
	struct sim_event top = s->events[0], last = s->events[--s->n_events];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->n_events)
			break;
		if (child + 1 < s->n_events &&
		    event_before(&s->events[child + 1], &s->events[child]))
			child++;
		if (!event_before(&s->events[child], &last))
			break;
		s->events[i] = s->events[child];
		i = child;
	}
	s->events[i] = last;
	return top;
}

/* --- the network --- */

struct endpoint
sim_endpoint(unsigned a, unsigned b, unsigned c, unsigned d, unsigned port)
{
	return (struct endpoint){ .ip = ipaddr_v4(a << 24 | b << 16 | c << 8 | d), .port = port };
}

enum sim_kind
sim_classify(const uint8_t *bytes, size_t len)
{
	struct control_header h;
	uint32_t spi;

	switch (datagram_classify(bytes, len, &spi)) {
	case DATAGRAM_ESP:
		return SIM_ESP;
	case DATAGRAM_CONTROL:
		if (control_parse(bytes, len, &h) != CONTROL_OK)
			return SIM_OTHER;
		return h.type == CONTROL_HANDSHAKE1   ? SIM_HS1
		       : h.type == CONTROL_HANDSHAKE2 ? SIM_HS2
		       : h.type == CONTROL_COOKIE     ? SIM_COOKIE_MSG
						      : SIM_OTHER;
	default:
		return SIM_OTHER;
	}
}

void
sim_inject(struct sim *s, const struct endpoint *from, const struct endpoint *to,
    const uint8_t *bytes, size_t len)
{
	struct sim_event ev = { .kind = SIM_DATAGRAM, .from = *from, .to = *to, .len = len };
	int64_t us = s->delay_ms * 1000;

	if (s->jitter_ms > 0)
		us += sim_random(s, (uint32_t)s->jitter_ms * 1000);
	ev.at.ns = s->now.ns + us * 1000 + 1;
	event_push(s, ev, bytes);
}

static void
network_send(struct sim *s, const struct endpoint *from, const struct endpoint *to,
    const uint8_t *bytes, size_t len)
{
	struct sim_event ev = { .from = *from, .to = *to, .len = len };
	unsigned copies = 1;

	s->n_datagrams++;
	if (s->n_records < SIM_RECORDS) {
		struct sim_record *r = &s->records[s->n_records++];

		*r = (struct sim_record){ *from, *to, len, malloc(len) };
		assert_non_null(r->bytes);
		memcpy(r->bytes, bytes, len);
		ev.bytes = r->bytes;
		if (s->drop != NULL && s->drop(s, &ev, s->arg))
			return;
	}
	if (s->loss_pct > 0 && sim_random(s, 100) < (uint32_t)s->loss_pct)
		return;
	if (s->dup_pct > 0 && sim_random(s, 100) < (uint32_t)s->dup_pct)
		copies = 2;
	while (copies-- > 0)
		sim_inject(s, from, to, bytes, len);
}

void
sim_replay(struct sim *s, size_t record, const struct endpoint *from)
{
	const struct sim_record *r = &s->records[record];

	sim_inject(s, from != NULL ? from : &r->from, &r->to, r->bytes, r->len);
}

/* --- what associations ask for --- */

static void
op_control(
    void *arg, const struct endpoint *to, enum control_type type, const uint8_t *body, size_t len)
{
	struct sim_host *h = arg;
	uint8_t buf[CONTROL_HEADER_LEN + CONTROL_BODY_MAX];

	assert_true(len <= CONTROL_BODY_MAX);
	control_write_header(buf, type, len);
	memcpy(buf + CONTROL_HEADER_LEN, body, len);
	network_send(h->sim, &h->ep, to, buf, CONTROL_HEADER_LEN + len);
}

static struct sa_pair *
pair_sending(struct sim_host *h, uint32_t spi, unsigned *sa)
{
	for (struct assoc *a = h->as.first; a != NULL; a = a->next)
		for (struct sa_pair *p = a->pairs; p != NULL; p = p->next)
			for (*sa = 0; *sa < p->n_out; ++*sa)
				if (p->out[*sa].sa.spi == spi)
					return p;
	return NULL;
}

/* Opens what h sends with the keys it sends with: what is inside? */
static uint8_t
peek(const struct sa_out *out, const struct packet *p)
{
	static uint8_t bytes[PACKET_SIZE];
	struct packet copy = { .data = bytes + PACKET_HEADROOM, .len = p->len };
	struct esp_in in;
	uint8_t next = 0;
	bool newest;

	memcpy(copy.data, p->data, p->len);
	assert_int_equal(
	    esp_in_init(&in, out->sa.spi, out->sa.suite, out->keymat, out->sa.esn, 64), 0);
	assert_int_equal(esp_open(&in, &copy, &next, &newest), ESP_OK);
	esp_in_fini(&in);
	return next;
}

static void
op_esp(void *arg, const struct endpoint *to, struct packet *p)
{
	struct sim_host *h = arg;
	struct sa_pair *pair;
	uint32_t spi;
	unsigned sa = 0;

	assert_int_equal(datagram_classify(p->data, p->len, &spi), DATAGRAM_ESP);
	pair = pair_sending(h, spi, &sa);
	assert_non_null(pair);
	if (h->sending || peek(&pair->out[sa], p) != ESP_NEXT_DUMMY) {
		uint64_t heard = 0;

		for (unsigned i = 0; i < pair->n_in; i++)
			heard += pair->in[i].sa.packets;
		assert_int_equal(pair->state, SA_ACTIVE);
		/* The peer has sent on this pair: it has it, and it is alive. A fixed one is given. */
		assert_true(heard > 0 || pair->assoc->plain);
	} else {
		h->dummies++;
	}
	network_send(h->sim, &h->ep, to, p->data, p->len);
	packet_put(p);
}

static void
keys_answer(void *arg, uint32_t type, uint32_t seq, const void *body, size_t len)
{
	struct sim_host *h = arg;
	struct sim_event ev = { .kind = SIM_KEYS,
		.host = h->index,
		.generation = h->generation,
		.type = type,
		.seq = seq,
		.len = len };

	if (type == KEYS_KEY) {
		assert_true(h->groups.n_keys < KEYRING_MAX);
		memcpy(&h->groups.keys[h->groups.n_keys++], body, len);
		return;
	}
	if (type == KEYS_LIST_END)
		return;
	ev.at.ns = h->sim->now.ns + KEYS_DELAY_US * 1000;
	event_push(h->sim, ev, body);
}

static bool
keys_ask(struct sim_host *h, uint32_t type, uint32_t token, const void *body, size_t len)
{
	struct ipc_msg m = { .type = type, .seq = token, .len = len, .fd = -1 };

	if (h->keys == NULL)
		return false;
	memcpy(m.body, body, len);
	assert_true(keysd_handle(h->keys, &m, h->sim->now));
	return true;
}

static bool
op_initiate(void *arg, uint32_t token, const struct keys_initiate *m)
{
	return keys_ask(arg, KEYS_INITIATE, token, m, sizeof(*m));
}

static bool
op_respond(void *arg, uint32_t token, const struct keys_respond *m)
{
	return keys_ask(arg, KEYS_RESPOND, token, m, sizeof(*m));
}

static bool
op_finish(void *arg, uint32_t token, const struct keys_finish *m)
{
	return keys_ask(arg, KEYS_FINISH, token, m, sizeof(*m));
}

static void
op_forget(void *arg, uint32_t handle)
{
	struct keys_forget m = { handle };
	struct sim_host *h = arg;

	h->forgets++;
	keys_ask(h, KEYS_FORGET, 0, &m, sizeof(m));
}

static void
op_up(void *arg, struct assoc *a, bool fresh)
{
	struct sim_host *h = arg;

	assert_true(a->up);
	assert_non_null(a->active);
	h->up++;
	h->fresh += fresh;
}

static void
op_down(void *arg, struct assoc *a)
{
	struct sim_host *h = arg;

	assert_false(a->up);
	h->down++;
}

static void
op_moved(void *arg, struct assoc *a)
{
	struct sim_host *h = arg;

	(void)a;
	h->moved++;
}

/* The echo of exchange.c, in short: 'E' and the nonce; the receiver answers with 'R' to where it came from. */
static void
message_send(
    struct sim_host *h, struct assoc *a, char kind, uint64_t value, const struct endpoint *to)
{
	struct packet *p = packet_get(h->pool);
	uint8_t *at;

	assert_non_null(p);
	at = packet_append(p, MESSAGE_LEN);
	memset(at, STREAM_MARK, MESSAGE_LEN);
	at[0] = (uint8_t)kind;
	memcpy(at + 8, &value, sizeof(value));
	assoc_send(&h->as, a, &p, 1, ESP_NEXT_UDP, to, h->sim->now);
}

static void
op_probe(void *arg, struct assoc *a, const struct endpoint *to, uint64_t nonce)
{
	struct sim_host *h = arg;

	h->probes++;
	h->probed = *to;
	message_send(h, a, 'E', nonce, to);
}

static void
op_gone(void *arg, struct assoc *a)
{
	struct sim_host *h = arg;

	assert_false(a->up);
	h->gone++;
}

static const struct assocs_ops ops = {
	.control = op_control,
	.esp = op_esp,
	.initiate = op_initiate,
	.respond = op_respond,
	.finish = op_finish,
	.forget = op_forget,
	.up = op_up,
	.down = op_down,
	.moved = op_moved,
	.probe = op_probe,
	.gone = op_gone,
};

/* --- hosts --- */

struct sim *
sim_new(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->events = calloc(SIM_EVENTS, sizeof(*s->events));
	s->records = calloc(SIM_RECORDS, sizeof(*s->records));
	assert_true(s->events != NULL && s->records != NULL);
	s->rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	s->now.ns = 1000000000;
	s->delay_ms = 10;
	s->n_spis = 1;
	s->suite = "aes128-sha1";
	s->key = KEY_DEFAULT;
	s->rekey_ms = 3600000;
	s->rekey_packets = UINT64_C(1) << 31;
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		struct sim_host *h = &s->hosts[i];

		h->sim = s;
		h->index = i;
		h->id = 100 * (i + 1);
		h->start = 1000;
		h->ep = sim_endpoint(10, 0, 0, i + 1, VNET_PORT);
		h->keys_fd = -1;
	}
	return s;
}

struct sim *
sim_two(uint64_t seed)
{
	struct sim *s = sim_new(seed);

	sim_start(s, 0);
	sim_start(s, 1);
	return s;
}

void
sim_keys_start(struct sim *s, unsigned host)
{
	struct sim_host *h = &s->hosts[host];
	struct keyring *ring;

	if (h->keys_dir != NULL && h->keys_fd < 0)
		h->keys_fd = open(h->keys_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ring = keyring_new(h->keys_fd);
	assert_non_null(ring);
	if (h->keys_fd >= 0)
		assert_int_equal(keyring_load(ring), 0);
	h->keys = keysd_new(ring, keys_answer, h);
	assert_non_null(h->keys);
	h->groups.n_keys = 0;
	keysd_send_list(h->keys);
	if (h->running)
		assocs_keys_restarted(&h->as, s->now);
}

void
sim_keys_stop(struct sim *s, unsigned host)
{
	struct sim_host *h = &s->hosts[host];

	keysd_free(h->keys);
	h->keys = NULL;
	h->generation++;
}

void
sim_start(struct sim *s, unsigned host)
{
	struct sim_host *h = &s->hosts[host];

	if (h->keys == NULL)
		sim_keys_start(s, host);
	h->config = (struct assocs_config){
		.host_id = h->id,
		.start = ++h->start,
		.rekey_ms = s->rekey_ms,
		.rekey_packets = s->rekey_packets,
		.replay_window = REPLAY_WINDOW_DEFAULT,
		.n_spis = (uint8_t)s->n_spis,
		.n_kernel = (uint8_t)s->n_kernel,
	};
	h->pool = packet_pool_new(8);
	assert_non_null(h->pool);
	grace_init(&h->grace, 0);
	assert_int_equal(
	    assocs_init(&h->as, &h->config, &h->groups, h->pool, &h->grace, &ops, h), 0);
	h->group = group_get(&h->groups, s->key, suite_by_name(s->suite));
	assert_non_null(h->group);
	h->group->vnets = 1;
	h->running = true;
}

void
sim_stop(struct sim *s, unsigned host)
{
	struct sim_host *h = &s->hosts[host];

	if (!h->running)
		return;
	assocs_fini(&h->as);
	assert_int_equal(h->group->refs, 1);
	group_put(&h->groups, h->group);
	assert_null(h->groups.first);
	assert_int_equal(packet_pool_available(h->pool), 8);
	packet_pool_free(h->pool);
	keysd_reset(h->keys);
	h->generation++;
	h->running = false;
}

void
sim_free(struct sim *s)
{
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		sim_stop(s, i);
		keysd_free(s->hosts[i].keys);
		if (s->hosts[i].keys_fd >= 0)
			close(s->hosts[i].keys_fd);
	}
	while (s->n_events > 0)
		free(s->events[--s->n_events].bytes);
	for (size_t i = 0; i < s->n_records; i++)
		free(s->records[i].bytes);
	free(s->records);
	free(s->events);
	free(s);
}

struct assoc *
sim_assoc(struct sim *s, unsigned at, unsigned of)
{
	return assoc_find(&s->hosts[at].as, s->hosts[of].id, s->hosts[at].group);
}

bool
sim_up(struct sim *s, unsigned at, unsigned of)
{
	struct assoc *a = sim_assoc(s, at, of);

	return a != NULL && a->up;
}

struct assoc *
sim_connect(struct sim *s, unsigned from, unsigned to, bool hint)
{
	struct sim_host *h = &s->hosts[from];
	struct assoc *a = assoc_get(&h->as, s->hosts[to].id, h->group, s->now);

	assert_non_null(a);
	assoc_connect(
	    &h->as, a, group_key_id(&h->groups, h->group, NULL), &s->hosts[to].ep, hint, s->now);
	return a;
}

bool
sim_send(struct sim *s, unsigned from, unsigned to)
{
	struct sim_host *h = &s->hosts[from];
	struct assoc *a = sim_assoc(s, from, to);

	if (a == NULL || !a->up)
		return false;
	assert_true(h->sent[to] < SIM_STREAM);
	h->sending = true;
	message_send(h, a, 'D', h->sent[to]++, NULL);
	h->sending = false;
	return true;
}

unsigned
sim_missing(const struct sim *s, unsigned from, unsigned to)
{
	return s->hosts[from].sent[to] - s->hosts[to].n_got[from];
}

/* --- what arrives --- */

static void
receive_message(
    struct sim_host *h, struct assoc *a, const struct endpoint *from, const struct packet *p)
{
	unsigned peer = (unsigned)(a->key.host_id / 100 - 1);
	uint64_t value;

	assert_int_equal(p->len, MESSAGE_LEN);
	memcpy(&value, p->data + 8, sizeof(value));
	if (p->data[0] == 'E') {
		if (a->up)
			message_send(h, a, 'R', value, from);
	} else if (p->data[0] == 'R') {
		assoc_address_proven(&h->as, a, value, h->sim->now);
	} else {
		assert_int_equal(p->data[0], 'D');
		assert_in_range(value, 0, h->sim->hosts[peer].sent[h->index] - 1);
		assert_int_equal(h->got[peer][value], 0); /* never twice */
		h->got[peer][value] = 1;
		h->n_got[peer]++;
	}
}

static void
receive_esp(struct sim_host *h, const struct sim_event *ev, uint32_t spi)
{
	struct packet *p = packet_get(h->pool);
	struct assoc *a;
	struct esp_opened opened;
	size_t room;

	assert_non_null(p);
	memcpy(packet_reset(p, &room), ev->bytes, ev->len);
	p->len = ev->len;
	a = assocs_open(&h->as, spi, &ev->from, &p, 1, &opened, h->sim->now);
	if (a != NULL && opened.next_header == ESP_NEXT_UDP)
		receive_message(h, a, &ev->from, p);
	packet_put(p);
}

static void
receive_datagram(struct sim *s, const struct sim_event *ev)
{
	struct sim_host *h = NULL;
	struct control_header c;
	uint32_t spi;

	for (unsigned i = 0; i < SIM_HOSTS; i++)
		if (s->hosts[i].running && endpoint_equal(&s->hosts[i].ep, &ev->to))
			h = &s->hosts[i];
	if (h == NULL)
		return;
	switch (datagram_classify(ev->bytes, ev->len, &spi)) {
	case DATAGRAM_ESP:
		receive_esp(h, ev, spi);
		break;
	case DATAGRAM_CONTROL:
		if (control_parse(ev->bytes, ev->len, &c) != CONTROL_OK)
			break;
		if (c.type == CONTROL_HANDSHAKE1)
			assocs_handshake1(&h->as, &ev->from, c.body, c.body_len, s->now);
		else if (c.type == CONTROL_HANDSHAKE2)
			assocs_handshake2(&h->as, c.body, c.body_len);
		else if (c.type == CONTROL_COOKIE)
			assocs_cookie(&h->as, &ev->from, c.body, c.body_len, s->now);
		break;
	default:
		break;
	}
}

static void
receive_keys(struct sim *s, const struct sim_event *ev)
{
	struct sim_host *h = &s->hosts[ev->host];

	if (!h->running || h->generation != ev->generation)
		return;
	if (ev->type == KEYS_INITIATED)
		assocs_initiated(&h->as, ev->seq,
		    (const struct keys_initiated *)(const void *)ev->bytes, s->now);
	else if (ev->type == KEYS_RESPONDED)
		assocs_responded(
		    &h->as, ev->seq, (const struct keys_session *)(const void *)ev->bytes, s->now);
	else if (ev->type == KEYS_FINISHED)
		assocs_finished(
		    &h->as, ev->seq, (const struct keys_session *)(const void *)ev->bytes, s->now);
}

static struct monotime
tick_all(struct sim *s)
{
	struct monotime next = { 0 };

	for (unsigned i = 0; i < SIM_HOSTS; i++)
		if (s->hosts[i].running)
			next = monotime_earliest(next, assocs_tick(&s->hosts[i].as, s->now));
	return next;
}

void
sim_run(struct sim *s, int64_t ms)
{
	struct monotime end = monotime_add_ms(s->now, ms);

	for (;;) {
		struct monotime next = tick_all(s);
		struct sim_event ev;

		if (s->n_events > 0)
			next = monotime_earliest(next, s->events[0].at);
		if (!monotime_is_set(next) || monotime_before(end, next))
			break;
		if (monotime_before(s->now, next))
			s->now = next;
		if (s->n_events == 0 || monotime_before(s->now, s->events[0].at))
			continue;
		ev = event_pop(s);
		if (ev.kind == SIM_DATAGRAM)
			receive_datagram(s, &ev);
		else
			receive_keys(s, &ev);
		free(ev.bytes);
	}
	s->now = end;
}

void
sim_stream(struct sim *s, int64_t ms, int64_t step_ms)
{
	for (int64_t t = 0; t < ms; t += step_ms) {
		sim_send(s, 0, 1);
		sim_send(s, 1, 0);
		sim_run(s, step_ms);
	}
}

/* --- what must hold --- */

unsigned
sim_pairs(const struct assoc *a, enum sa_state state)
{
	unsigned n = 0;

	for (const struct sa_pair *p = a->pairs; p != NULL; p = p->next)
		n += p->state == state;
	return n;
}

static void
host_quiet(struct sim_host *h)
{
	size_t spis = 0;

	assert_int_equal(h->as.attempts.count, 0);
	assert_int_equal(h->as.n_hints, 0);
	assert_int_equal(h->as.n_jobs, 0);
	assert_null(h->as.jobs);
	for (struct assoc *a = h->as.first; a != NULL; a = a->next) {
		assert_null(a->attempts);
		assert_int_equal(sim_pairs(a, SA_HALF_OPEN), 0);
		assert_int_equal(sim_pairs(a, SA_UNHEARD), 0);
		assert_int_equal(sim_pairs(a, SA_ACTIVE), a->up);
		assert_int_equal(a->active != NULL, a->up);
		for (struct sa_pair *p = a->pairs; p != NULL; p = p->next) {
			spis += p->n_in;
			for (unsigned i = 0; i < p->n_in; i++) {
				struct sadb_entry *e = sadb_find(&h->as.sadb, p->in[i].entry.spi);

				assert_ptr_equal(e, &p->in[i].entry);
				assert_ptr_equal(e->owner, i < p->n_in_soft ? &p->in[i] : NULL);
				assert_ptr_equal(p->in[i].pair, p);
			}
		}
	}
	assert_int_equal(h->as.sadb.table.count, spis);
	assert_int_equal(packet_pool_available(h->pool), 8);
}

void
sim_quiet(struct sim *s)
{
	s->loss_pct = s->dup_pct = 0;
	s->drop = NULL;
	sim_run(s, 2 * ASSOC_ATTEMPT_MS + 1000);
	for (unsigned i = 0; i < SIM_HOSTS; i++)
		if (s->hosts[i].running)
			host_quiet(&s->hosts[i]);
}

static void
sends_to_active(struct sim *s, unsigned from, unsigned to)
{
	struct assoc *a = sim_assoc(s, from, to), *b = sim_assoc(s, to, from);

	assert_true(a != NULL && b != NULL && a->up && b->up);
	assert_int_equal(a->active->n_out, b->active->n_in);
	for (unsigned i = 0; i < a->active->n_out; i++) {
		assert_int_equal(a->active->out[i].sa.spi, b->active->in[i].entry.spi);
		assert_memory_equal(
		    a->active->out[i].keymat, b->active->in[i].keymat, SUITE_KEYMAT_MAX);
	}
	assert_int_not_equal(a->active->initiator, b->active->initiator);
	assert_true(endpoint_equal(&a->ep, &s->hosts[to].ep));
	assert_true(a->peer_start == s->hosts[to].start);
}

void
sim_agree(struct sim *s, unsigned a, unsigned b)
{
	sends_to_active(s, a, b);
	sends_to_active(s, b, a);
}

void
sim_nothing_missing(const struct sim *s)
{
	assert_int_equal(sim_missing(s, 0, 1), 0);
	assert_int_equal(sim_missing(s, 1, 0), 0);
}

void
sim_end(struct sim *s)
{
	sim_quiet(s);
	sim_free(s);
}
