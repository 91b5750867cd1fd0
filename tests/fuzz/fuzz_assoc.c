/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One host's associations under somebody who owns the network and the clock. There is an honest
 * peer, so that handshakes can succeed; the input says what of its datagrams arrives when, from
 * where and how altered, and adds its own. An op is a letter and its arguments, see the cases of
 * step().
 *
 * The model is a list of what the peer agreed to: whatever happens, we use no keys that are not on
 * it, no message 1 leads to two of its entries, and no packet is delivered twice.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/ipc.h"
#include "core/assoc_internal.h"
#include "core/stats.h"
#include "fuzz.h"
#include "keys/keysd.h"
#include "keys/noise.h"

enum {
	RING = 128,
	ANSWERS = 256,
	PACKETS = 8,
	DATAGRAM_MAX = 512,
	STEPS_MAX = 4000,
	DEALS = 1024,
	DELIVERED = 4096
};

/* Counters that the input can reach. */
#define CLASSES(X)         \
	X(CONTROL_REFUSED) \
	X(OWN_MESSAGE)     \
	X(RATE_LIMITED)    \
	X(HS1_RX)          \
	X(HS1_TX)          \
	X(HS2_RX)          \
	X(HS2_TX)          \
	X(HS_UNKNOWN_KEY)  \
	X(HS_FAILED)       \
	X(HS_UNEXPECTED)   \
	X(HS_REPLAYED)     \
	X(HS_BUSY)         \
	X(HS_CROSSED)      \
	X(COOKIE_TX)       \
	X(COOKIE_RX)       \
	X(ASSOCIATIONS)    \
	X(REKEYS)          \
	X(PEER_MOVED)      \
	X(ESP_RX)          \
	X(ESP_TX)          \
	X(ESP_UNKNOWN_SPI)

static const enum stats_id classes[] = {
#define X(name) STAT_##name,
	CLASSES(X)
#undef X
};

enum { CLASS_VERDICT = sizeof(classes) / sizeof(classes[0]), CLASS_DOWN = CLASS_VERDICT + 4 };

static const enum esp_verdict verdicts[] = { ESP_SHORT, ESP_OLD, ESP_REPLAYED, ESP_BAD_ICV };

const char *const fuzz_classes[] = {
#define X(name) #name,
	CLASSES(X)
#undef X
	    "esp short",
	"esp old",
	"esp replayed",
	"esp bad icv",
	"down",
	NULL,
};

struct datagram {
	struct endpoint to;
	size_t len;
	uint8_t bytes[DATAGRAM_MAX];
};

struct answer {
	uint32_t type, seq;
	struct keys_session session; /* the largest */
};

struct host {
	uint64_t id, start;
	struct endpoint ep;
	struct keysd *keys;
	struct groups groups;
	struct group *group;
	struct packet_pool *pool;
	struct grace grace;
	struct assocs as;
	struct datagram ring[RING]; /* sent, the newest at n_sent - 1 */
	size_t n_sent;
	struct answer answers[ANSWERS];
	size_t n_answers;
};

/* A pair of the peer: the keys of its first SA towards us, and the message 1 that led to it. */
struct deal {
	uint8_t keymat[SUITE_KEYMAT_MAX];
	bool used; /* we confirmed it: by that message, if it was the peer's */
	uint64_t start;
	uint32_t attempt; /* 0: ours */
};

static struct monotime now;
static struct host us, peer;
static struct deal deals[DEALS];
static size_t n_deals;
static uint64_t delivered[DELIVERED]; /* SPI and sequence number */
static size_t n_delivered;

/* --- what a host asks for --- */

static void
send_datagram(struct host *h, const struct endpoint *to, const void *head, size_t head_len,
    const void *body, size_t len)
{
	struct datagram *d = &h->ring[h->n_sent++ % RING];

	if (head_len + len > sizeof(d->bytes))
		abort();
	d->to = *to;
	d->len = head_len + len;
	memcpy(d->bytes, head, head_len);
	memcpy(d->bytes + head_len, body, len);
}

static void
op_control(
    void *arg, const struct endpoint *to, enum control_type type, const uint8_t *body, size_t len)
{
	uint8_t head[CONTROL_HEADER_LEN];

	control_write_header(head, type, len);
	send_datagram(arg, to, head, sizeof(head), body, len);
}

static void
op_esp(void *arg, const struct endpoint *to, struct packet *p)
{
	send_datagram(arg, to, "", 0, p->data, p->len);
	packet_put(p);
}

static void
receive_answer(void *arg, uint32_t type, uint32_t seq, const void *body, size_t len)
{
	struct host *h = arg;
	struct answer *a = &h->answers[h->n_answers];

	if (type == KEYS_KEY)
		memcpy(&h->groups.keys[h->groups.n_keys++], body, len);
	if (type == KEYS_KEY || type == KEYS_LIST_END || h->n_answers == ANSWERS)
		return;
	h->n_answers++;
	a->type = type;
	a->seq = seq;
	memcpy(&a->session, body, len);
}

static bool
ask_keys(struct host *h, uint32_t type, uint32_t token, const void *body, size_t len)
{
	struct ipc_msg m = { .type = type, .seq = token, .len = len, .fd = -1 };

	if (h->keys == NULL || h->n_answers == ANSWERS)
		return false;
	memcpy(m.body, body, len);
	if (!keysd_handle(h->keys, &m, now))
		abort();
	return true;
}

static bool
op_initiate(void *arg, uint32_t token, const struct keys_initiate *m)
{
	return ask_keys(arg, KEYS_INITIATE, token, m, sizeof(*m));
}

static bool
op_respond(void *arg, uint32_t token, const struct keys_respond *m)
{
	return ask_keys(arg, KEYS_RESPOND, token, m, sizeof(*m));
}

static bool
op_finish(void *arg, uint32_t token, const struct keys_finish *m)
{
	return ask_keys(arg, KEYS_FINISH, token, m, sizeof(*m));
}

static void
op_forget(void *arg, uint32_t handle)
{
	struct keys_forget m = { handle };

	ask_keys(arg, KEYS_FORGET, 0, &m, sizeof(m));
}

static void
op_up(void *arg, struct assoc *a, bool fresh)
{
	(void)arg;
	(void)fresh;
	if (!a->up || a->active == NULL || a->active->state != SA_ACTIVE)
		abort();
}

static void
op_down(void *arg, struct assoc *a)
{
	if (a->up)
		abort();
	if (arg == &us)
		fuzz_saw(CLASS_DOWN);
}

static void
op_nothing(void *arg, struct assoc *a)
{
	(void)arg;
	(void)a;
}

static void
op_probe(void *arg, struct assoc *a, const struct endpoint *to, uint64_t nonce)
{
	struct host *h = arg;
	struct packet *p = packet_get(h->pool);
	uint8_t *at = p != NULL ? packet_append(p, sizeof(nonce)) : NULL;

	if (at == NULL)
		abort();
	memcpy(at, &nonce, sizeof(nonce));
	assoc_send(&h->as, a, &p, 1, ESP_NEXT_UDP, to, now);
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
	.moved = op_nothing,
	.probe = op_probe,
	.gone = op_nothing,
};

/* --- hosts --- */

static void
keys_start(struct host *h)
{
	struct keyring *ring = keyring_new(-1);

	keysd_free(h->keys);
	h->keys = ring != NULL ? keysd_new(ring, receive_answer, h) : NULL;
	if (h->keys == NULL)
		abort();
	h->groups.n_keys = h->n_answers = 0;
	keysd_send_list(h->keys);
}

static void
host_start(struct host *h, uint64_t id)
{
	struct assocs_config config = { .host_id = id,
		.start = ++h->start,
		.rekey_ms = 3600000,
		.rekey_packets = 64,
		.replay_window = 64,
		.n_spis = (uint8_t)(1 + id % 2) };

	h->id = id;
	h->ep = (struct endpoint){ ipaddr_v4(0x0a000000u + (uint32_t)id), VNET_PORT };
	keys_start(h);
	h->pool = packet_pool_new(PACKETS);
	grace_init(&h->grace, 0);
	if (h->pool == NULL ||
	    assocs_init(&h->as, &config, &h->groups, h->pool, &h->grace, &ops, h) < 0)
		abort();
	h->group = group_get(&h->groups, KEY_DEFAULT, suite_by_id(SUITE_AES128GCM));
	h->group->vnets = 1;
}

static void
host_stop(struct host *h)
{
	assocs_fini(&h->as);
	if (h->group->refs != 1 || packet_pool_available(h->pool) != PACKETS)
		abort();
	group_put(&h->groups, h->group);
	packet_pool_free(h->pool);
	keysd_free(h->keys);
	h->keys = NULL;
	h->n_answers = 0;
}

static void
take_answers(struct host *h)
{
	for (size_t i = 0; i < h->n_answers; i++) {
		const struct answer a = h->answers[i]; /* more may come meanwhile */

		if (a.type == KEYS_INITIATED)
			assocs_initiated(&h->as, a.seq,
			    (const struct keys_initiated *)(const void *)&a.session, now);
		else if (a.type == KEYS_RESPONDED)
			assocs_responded(&h->as, a.seq, &a.session, now);
		else if (a.type == KEYS_FINISHED)
			assocs_finished(&h->as, a.seq, &a.session, now);
	}
	h->n_answers = 0;
}

/* Like an engine: what is no dummy is an echo's nonce, and comes back. */
static void
receive_payload(struct host *h, struct assoc *a, const struct packet *p)
{
	uint64_t nonce = 0;

	if (p->len != sizeof(nonce))
		return;
	memcpy(&nonce, p->data, sizeof(nonce));
	if (!assoc_address_proven(&h->as, a, nonce, now) && h == &peer && a->up)
		op_probe(h, a, &a->ep, nonce);
}

/* The head of a packet that opened. */
static void
note_delivered(const uint8_t head[static 8])
{
	uint64_t name;

	memcpy(&name, head, sizeof(name));
	for (size_t i = 0; i < n_delivered; i++)
		if (delivered[i] == name)
			abort();
	if (n_delivered < DELIVERED)
		delivered[n_delivered++] = name;
}

static void
receive_esp(
    struct host *h, const struct endpoint *from, uint32_t spi, const uint8_t *bytes, size_t len)
{
	struct packet *p = packet_get(h->pool);
	struct assoc *a;
	struct esp_opened opened;
	size_t room;

	if (p == NULL)
		abort();
	memcpy(packet_reset(p, &room), bytes, len);
	p->len = len;
	a = assocs_open(&h->as, spi, from, &p, 1, &opened, now);
	if (a != NULL && h == &us)
		note_delivered(bytes);
	if (a != NULL && opened.next_header == ESP_NEXT_UDP)
		receive_payload(h, a, p);
	packet_put(p);
}

static void
receive(struct host *h, const struct endpoint *from, const uint8_t *bytes, size_t len)
{
	struct control_header c;
	uint32_t spi;

	switch (datagram_classify(bytes, len, &spi)) {
	case DATAGRAM_ESP:
		receive_esp(h, from, spi, bytes, len);
		break;
	case DATAGRAM_CONTROL:
		if (control_parse(bytes, len, &c) != CONTROL_OK)
			break;
		if (c.type == CONTROL_HANDSHAKE1)
			assocs_handshake1(&h->as, from, c.body, c.body_len, now);
		else if (c.type == CONTROL_HANDSHAKE2)
			assocs_handshake2(&h->as, c.body, c.body_len);
		else if (c.type == CONTROL_COOKIE)
			assocs_cookie(&h->as, from, c.body, c.body_len, now);
		break;
	default:
		break;
	}
}

/* --- the input --- */

static struct assoc *
assoc_of(struct host *h, const struct host *other)
{
	return assoc_get(&h->as, other->id, h->group, now);
}

static void
connect_to(struct host *h, const struct host *other, bool hint)
{
	struct assoc *a = assoc_of(h, other);

	if (a != NULL)
		assoc_connect(
		    &h->as, a, group_key_id(&h->groups, h->group, NULL), &other->ep, hint, now);
}

/* The n-th newest datagram that h has sent, or NULL. */
static struct datagram *
sent_by(struct host *h, unsigned n)
{
	return n < RING && n < h->n_sent ? &h->ring[(h->n_sent - 1 - n) % RING] : NULL;
}

static void
give(struct host *to, const struct host *claimed, const struct datagram *d, unsigned port)
{
	struct endpoint from = claimed->ep;
	struct datagram copy;

	if (d == NULL)
		return;
	copy = *d; /* the ring may come round */
	from.port += port;
	receive(to, &from, copy.bytes, copy.len);
}

static void
give_altered(struct rcur *r)
{
	struct datagram *d = sent_by(&peer, rcur_u8(r)), copy;
	unsigned at = rcur_be16(r), value = rcur_u8(r);

	if (d == NULL)
		return;
	copy = *d;
	if (value == 0)
		copy.len = at % copy.len;
	else
		copy.bytes[at % copy.len] ^= (uint8_t)value;
	give(&us, &peer, &copy, 0);
}

static void
give_raw(struct rcur *r)
{
	unsigned port = rcur_u8(r);
	struct datagram d = { .len = rcur_be16(r) };

	if (d.len > sizeof(d.bytes))
		return;
	rcur_copy(r, d.bytes, d.len);
	if (rcur_ok(r))
		give(&us, &peer, &d, port);
}

static void
send_data(struct host *h, const struct host *other)
{
	struct assoc *a = assoc_of(h, other);

	if (a != NULL && a->up)
		op_probe(h, a, &a->ep, 1);
}

static void
later(struct rcur *r)
{
	now = monotime_add_ms(now, rcur_be16(r));
	assocs_tick(&us.as, now);
	assocs_tick(&peer.as, now);
}

static void
step(struct rcur *r)
{
	unsigned n;

	switch (rcur_u8(r)) {
	case 'c': /* we connect */
		connect_to(&us, &peer, rcur_u8(r));
		break;
	case 'C': /* the peer connects */
		connect_to(&peer, &us, false);
		break;
	case 'd': /* of the peer's datagrams the n-th newest reaches us, from its port and so much */
		n = rcur_u8(r);
		give(&us, &peer, sent_by(&peer, n), rcur_u8(r));
		break;
	case 'D': /* altered, or cut */
		give_altered(r);
		break;
	case 'a': /* of ours one reaches the peer */
		give(&peer, &us, sent_by(&us, rcur_u8(r)), 0);
		break;
	case 'r': /* of ours one comes back */
		give(&us, &peer, sent_by(&us, rcur_u8(r)), 0);
		break;
	case 'x': /* anything */
		give_raw(r);
		break;
	case 'k': /* the keys roles have answered */
		take_answers(&us);
		take_answers(&peer);
		break;
	case 'K': /* ours is a new one */
		keys_start(&us);
		assocs_keys_restarted(&us.as, now);
		break;
	case 'P': /* the peer is a new one */
		host_stop(&peer);
		host_start(&peer, 2);
		break;
	case 's':
		send_data(&us, &peer);
		break;
	case 'S':
		send_data(&peer, &us);
		break;
	case 'w':
		assoc_down(&us.as, assoc_of(&us, &peer), "told to", now);
		break;
	case 'f':
		assoc_free(&us.as, assoc_of(&us, &peer));
		break;
	case 't':
		later(r);
		break;
	default:
		break;
	}
}

static struct deal *
deal_of(const uint8_t keymat[static SUITE_KEYMAT_MAX])
{
	for (size_t i = 0; i < n_deals; i++)
		if (memcmp(deals[i].keymat, keymat, SUITE_KEYMAT_MAX) == 0)
			return &deals[i];
	return NULL;
}

static void
note_deals(void)
{
	for (const struct assoc *a = peer.as.first; a != NULL; a = a->next)
		for (const struct sa_pair *p = a->pairs; p != NULL; p = p->next)
			if (n_deals < DEALS && deal_of(p->out[0].keymat) == NULL)
				memcpy(deals[n_deals++].keymat, p->out[0].keymat, SUITE_KEYMAT_MAX);
}

static void
check_deal(const struct sa_pair *p)
{
	struct deal *d = deal_of(p->in[0].keymat);

	if (d == NULL || d->used) {
		if (d == NULL && n_deals < DEALS)
			abort();
		return;
	}
	for (size_t i = 0; i < n_deals && p->attempt != 0; i++)
		if (deals[i].used && deals[i].start == p->peer_start &&
		    deals[i].attempt == p->attempt)
			abort();
	d->used = true;
	d->start = p->peer_start;
	d->attempt = p->attempt;
}

/* Those that a packet has confirmed. */
static void
check_deals(void)
{
	note_deals();
	for (const struct assoc *a = us.as.first; a != NULL; a = a->next)
		for (const struct sa_pair *p = a->pairs; p != NULL; p = p->next)
			if (p->state == SA_ACTIVE || p->state == SA_DRAINING)
				check_deal(p);
}

/* Every SPI belongs to a pair, an attempt or a job. */
static void
check(const struct assocs *as)
{
	size_t pairs = 0,
	       most = (as->attempts.count + as->n_jobs) * (as->config.n_spis + as->config.n_kernel);

	for (const struct assoc *a = as->first; a != NULL; a = a->next) {
		unsigned n = 0;

		for (const struct sa_pair *p = a->pairs; p != NULL; p = p->next, n++)
			pairs += p->n_in;
		if (n > ASSOC_PAIRS_MAX || a->up != (a->active != NULL))
			abort();
	}
	if (as->sadb.table.count != pairs + most || as->n_jobs > ASSOC_JOBS_MAX)
		abort();
}

static void
saw(const uint64_t stats[static STAT_COUNT], const uint64_t esp[static ESP_VERDICT_COUNT])
{
	for (unsigned i = 0; i < CLASS_VERDICT; i++)
		if (stats_value(classes[i]) != stats[classes[i]])
			fuzz_saw(i);
	for (unsigned i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (stats_esp_value(verdicts[i]) != esp[verdicts[i]])
			fuzz_saw(CLASS_VERDICT + i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rcur r = rcur_init(data, len);
	uint64_t stats[STAT_COUNT], esp[ESP_VERDICT_COUNT];

	if (!noise_global_init() || !cipher_global_init())
		abort();
	now = (struct monotime){ 1000000000 };
	us.n_sent = peer.n_sent = n_delivered = n_deals = 0;
	memset(deals, 0, sizeof(deals));
	for (unsigned i = 0; i < STAT_COUNT; i++)
		stats[i] = stats_value(i);
	for (unsigned i = 0; i < ESP_VERDICT_COUNT; i++)
		esp[i] = stats_esp_value(i);
	host_start(&us, 1);
	host_start(&peer, 2);
	for (unsigned i = 0; i < STEPS_MAX && rcur_left(&r) > 0; i++) {
		step(&r);
		check(&us.as);
		check_deals();
	}
	saw(stats, esp);
	host_stop(&us);
	host_stop(&peer);
	return 0;
}
