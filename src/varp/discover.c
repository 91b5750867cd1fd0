/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/discover.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/cursor.h"
#include "varp/wire.h"

enum { HEADER_LEN = 24, KEY_LEN = 8, SEEN_MS = 60000 };

_Static_assert(RELAYED_EXTRA == WIRE_ENDPOINT_LEN, "RELAYED is an endpoint and a DISCOVER");
_Static_assert(DISCOVER_MAX_LEN == HEADER_LEN + DISCOVER_KEYS_MAX * KEY_LEN, "DISCOVER layout");

static size_t
body_len(size_t n_keys)
{
	size_t len = HEADER_LEN + n_keys * KEY_LEN;

	return len < DISCOVER_MIN_LEN ? DISCOVER_MIN_LEN : len;
}

uint16_t
discover_keys_room(const struct discover *d)
{
	return (uint16_t)((body_len(d->n_keys) - HEADER_LEN) / KEY_LEN);
}

static void
write_body(struct wcur *c, const struct discover *d)
{
	size_t end = c->pos + body_len(d->n_keys);

	wcur_be64(c, d->host_id);
	wcur_be64(c, d->start);
	wcur_be32(c, d->seq);
	wcur_u8(c, d->flags);
	wcur_u8(c, d->hops);
	wcur_be16(c, d->n_keys);
	for (size_t i = 0; i < d->n_keys; i++) {
		wcur_be32(c, d->keys[i].key_id);
		wcur_be16(c, d->keys[i].suites);
		wcur_be16(c, 0);
	}
	if (wcur_ok(c))
		wcur_zero(c, end - c->pos);
}

static bool
rest_is_zero(struct rcur *c)
{
	uint8_t any = 0;

	while (rcur_left(c))
		any |= rcur_u8(c);
	return !any;
}

static enum discover_verdict
parse_body(struct rcur *c, struct discover *d)
{
	size_t len = rcur_left(c);

	if (len < DISCOVER_MIN_LEN)
		return DISCOVER_SHORT;
	d->host_id = rcur_be64(c);
	d->start = rcur_be64(c);
	d->seq = rcur_be32(c);
	d->flags = rcur_u8(c);
	d->hops = rcur_u8(c);
	d->n_keys = rcur_be16(c);
	if (d->n_keys > DISCOVER_KEYS_MAX)
		return DISCOVER_KEYS;
	if (len < body_len(d->n_keys))
		return DISCOVER_SHORT;
	if (len > body_len(d->n_keys) || !d->host_id || d->flags & ~DISCOVER_FLAGS)
		return DISCOVER_RESERVED;
	if (d->hops > DISCOVER_HOPS_MAX)
		return DISCOVER_HOPS;

	uint16_t zero = 0;

	for (size_t i = 0; i < d->n_keys; i++) {
		d->keys[i].key_id = rcur_be32(c);
		d->keys[i].suites = rcur_be16(c);
		zero |= rcur_be16(c);
	}
	return !zero && rest_is_zero(c) ? DISCOVER_OK : DISCOVER_RESERVED;
}

size_t
discover_write(const struct discover *d, uint8_t *buf, size_t size)
{
	struct wcur c = wcur_init(buf, size);

	write_body(&c, d);
	return wcur_len(&c);
}

enum discover_verdict
discover_parse(const uint8_t *body, size_t len, struct discover *d)
{
	struct rcur c = rcur_init(body, len);

	return parse_body(&c, d);
}

size_t
relayed_write(const struct endpoint *origin, const struct discover *d, uint8_t *buf, size_t size)
{
	struct wcur c = wcur_init(buf, size);

	wire_write_endpoint(&c, origin);
	write_body(&c, d);
	return wcur_len(&c);
}

/* A link-local address means nothing on another link. */
static bool
is_link_local(const struct ipaddr *ip)
{
	return ip->family == AF_INET6 && ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

enum discover_verdict
relayed_parse(const uint8_t *body, size_t len, struct endpoint *origin, struct discover *d)
{
	struct rcur c = rcur_init(body, len);

	if (len < RELAYED_EXTRA)
		return DISCOVER_SHORT;
	if (!wire_read_endpoint(&c, origin) || !origin->port || !ipaddr_is_unicast(&origin->ip) ||
	    is_link_local(&origin->ip))
		return DISCOVER_ORIGIN;
	return parse_body(&c, d);
}

struct seen_key {
	uint64_t host_id;
	uint64_t start;
	uint32_t seq;
	uint32_t zero;
};

struct seen {
	struct table_node node;
	struct seen_key key;
	struct monotime expires;
	STAILQ_ENTRY(seen) link;
};

struct discover_seen {
	struct table table;
	STAILQ_HEAD(, seen) oldest_first;
};

struct discover_seen *
discover_seen_new(size_t max)
{
	struct discover_seen *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	STAILQ_INIT(&s->oldest_first);
	if (TABLE_INIT(&s->table, struct seen, node, key, max) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

static void
drop_oldest(struct discover_seen *s)
{
	struct seen *e = STAILQ_FIRST(&s->oldest_first);

	STAILQ_REMOVE_HEAD(&s->oldest_first, link);
	table_remove(&s->table, &e->node);
	free(e);
}

void
discover_seen_free(struct discover_seen *s)
{
	if (!s)
		return;
	while (!STAILQ_EMPTY(&s->oldest_first))
		drop_oldest(s);
	table_fini(&s->table);
	free(s);
}

bool
discover_seen_first(struct discover_seen *s, const struct discover *d, struct monotime now)
{
	struct seen_key key = { .host_id = d->host_id, .start = d->start, .seq = d->seq };
	struct seen *e;

	while ((e = STAILQ_FIRST(&s->oldest_first)) && !monotime_before(now, e->expires))
		drop_oldest(s);
	if (table_find(&s->table, &key))
		return false;
	e = calloc(1, sizeof(*e));
	if (!e)
		return false;
	e->key = key;
	e->expires = monotime_add_ms(now, SEEN_MS);
	if (table_insert(&s->table, &e->node) < 0) {
		free(e);
		return false;
	}
	STAILQ_INSERT_TAIL(&s->oldest_first, e, link);
	return true;
}
