/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/outbox.h"

#include <stdlib.h>

enum { DELAY_MAX_MS = 3200 };

_Static_assert(sizeof(struct pending_key) == 24, "key without padding");

int
outbox_init(struct outbox *o)
{
	return TABLE_INIT(&o->table, struct pending, node, key, VARP_PENDING_MAX);
}

void
outbox_fini(struct outbox *o)
{
	struct table_iter pos = { 0 };
	struct table_node *n;

	while ((n = table_next(&o->table, &pos)))
		outbox_remove(o, TABLE_ENTRY(n, struct pending, node));
	table_fini(&o->table);
}

struct pending *
outbox_find(const struct outbox *o, const struct claim_key *key, uint64_t host)
{
	struct pending_key k = { .host = host, .claim = *key };
	struct table_node *n = table_find(&o->table, &k);

	return n ? TABLE_ENTRY(n, struct pending, node) : NULL;
}

static struct pending *
add(struct outbox *o, const struct claim_key *key, uint64_t host)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->key = (struct pending_key){ .host = host, .claim = *key };
	if (table_insert(&o->table, &p->node) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

bool
outbox_put(struct outbox *o, const struct claim_key *key, uint64_t host, enum message_type type,
    uint32_t counter, struct monotime now)
{
	struct pending *p = outbox_find(o, key, host);

	if (!p)
		p = add(o, key, host);
	if (!p)
		return false;
	p->type = type;
	p->counter = counter;
	p->delay_ms = VARP_RESEND_MS;
	wheel_set(&o->wheel, &p->timer, monotime_add_ms(now, p->delay_ms));
	return true;
}

struct pending *
outbox_due(struct outbox *o, struct monotime now)
{
	struct wheel_timer *t = wheel_pop(&o->wheel, now);

	return t ? TABLE_ENTRY(t, struct pending, timer) : NULL;
}

bool
outbox_put_off(struct outbox *o, struct pending *p, struct monotime now)
{
	if (p->delay_ms >= DELAY_MAX_MS)
		return false;
	p->delay_ms *= 2;
	wheel_set(&o->wheel, &p->timer, monotime_add_ms(now, p->delay_ms));
	return true;
}

void
outbox_remove(struct outbox *o, struct pending *p)
{
	wheel_clear(&o->wheel, &p->timer);
	table_remove(&o->table, &p->node);
	free(p);
}

void
outbox_drop(struct outbox *o, uint32_t vnet, uint64_t host)
{
	struct table_iter pos = { 0 };
	struct table_node *n;

	if (!o->table.count)
		return;
	while ((n = table_next(&o->table, &pos))) {
		struct pending *p = TABLE_ENTRY(n, struct pending, node);

		if (p->key.claim.vnet == vnet && (!host || p->key.host == host))
			outbox_remove(o, p);
	}
}
