/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/claims.h"

#include <stdlib.h>

#define CLAIMS_MAX (VARP_VIFS_MAX + VARP_ENTRIES_MAX)

_Static_assert(sizeof(struct claim_key) == 12, "key without padding");

/* The claims one host has, in all vnets. */
struct share {
	struct table_node node;
	uint64_t host;
	size_t count;
};

struct group_key {
	uint64_t host;
	uint32_t vnet;
	uint32_t zero;
};

/* The claims one host has in one vnet. Exists while there are any. */
struct group {
	struct table_node node;
	struct group_key key;
	struct share *share;
	LIST_HEAD(, claim) claims;
};

int
claims_init(struct claims *cs)
{
	int err = TABLE_INIT(&cs->table, struct claim, node, key, CLAIMS_MAX);

	if (!err)
		err = TABLE_INIT(&cs->groups, struct group, node, key, CLAIMS_MAX);
	if (!err)
		err = TABLE_INIT(&cs->shares, struct share, node, host, CLAIMS_MAX);
	if (err)
		claims_fini(cs);
	return err;
}

static struct share *
share_get(struct claims *cs, uint64_t host)
{
	struct table_node *n = table_find(&cs->shares, &host);

	if (n)
		return TABLE_ENTRY(n, struct share, node);

	struct share *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->host = host;
	if (table_insert(&cs->shares, &s->node) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

static void
share_put(struct claims *cs, struct share *s)
{
	if (s->count)
		return;
	table_remove(&cs->shares, &s->node);
	free(s);
}

static struct group *
group_find(const struct claims *cs, uint32_t vnet, uint64_t host)
{
	struct group_key key = { .host = host, .vnet = vnet };
	struct table_node *n = table_find(&cs->groups, &key);

	return n ? TABLE_ENTRY(n, struct group, node) : NULL;
}

static struct group *
group_get(struct claims *cs, uint32_t vnet, uint64_t host)
{
	struct group *g = group_find(cs, vnet, host);
	struct share *share = g ? NULL : share_get(cs, host);

	if (g || !share)
		return g;
	g = calloc(1, sizeof(*g));
	if (g) {
		g->key = (struct group_key){ .host = host, .vnet = vnet };
		g->share = share;
		if (!table_insert(&cs->groups, &g->node))
			return g;
	}
	free(g);
	share_put(cs, share);
	return NULL;
}

static void
group_put(struct claims *cs, struct group *g)
{
	if (!LIST_EMPTY(&g->claims))
		return;
	table_remove(&cs->groups, &g->node);
	share_put(cs, g->share);
	free(g);
}

/* May host have one more, new to the cache or moved within it? */
static bool
has_room(const struct claims *cs, uint64_t host, bool is_new)
{
	struct table_node *n;

	if (host == CLAIM_OURS)
		return cs->n_vifs < VARP_VIFS_MAX;
	if (is_new && cs->table.count - cs->n_vifs >= VARP_ENTRIES_MAX)
		return false;
	n = table_find(&cs->shares, &host);
	return !n || TABLE_ENTRY(n, struct share, node)->count < VARP_PER_HOST_MAX;
}

static void
join(struct claims *cs, struct group *g, struct claim *c)
{
	c->host = g->key.host;
	c->group = g;
	LIST_INSERT_HEAD(&g->claims, c, link);
	g->share->count++;
	cs->n_vifs += c->host == CLAIM_OURS;
}

static void
leave(struct claims *cs, struct claim *c)
{
	LIST_REMOVE(c, link);
	c->group->share->count--;
	cs->n_vifs -= c->host == CLAIM_OURS;
	group_put(cs, c->group);
}

struct claim *
claims_find(const struct claims *cs, const struct claim_key *key)
{
	struct table_node *n = table_find(&cs->table, key);

	return n ? TABLE_ENTRY(n, struct claim, node) : NULL;
}

struct claim *
claims_add(struct claims *cs, const struct claim_key *key, uint64_t host)
{
	struct group *g = has_room(cs, host, true) ? group_get(cs, key->vnet, host) : NULL;
	struct claim *c = g ? calloc(1, sizeof(*c)) : NULL;

	if (!g)
		return NULL;
	if (!c)
		goto fail;
	c->key = *key;
	if (table_insert(&cs->table, &c->node) < 0)
		goto fail;
	join(cs, g, c);
	return c;
fail:
	free(c);
	group_put(cs, g);
	return NULL;
}

bool
claims_give(struct claims *cs, struct claim *c, uint64_t host)
{
	bool is_new = c->host == CLAIM_OURS;
	struct group *g = has_room(cs, host, is_new) ? group_get(cs, c->key.vnet, host) : NULL;

	if (!g)
		return false;
	leave(cs, c);
	join(cs, g, c);
	return true;
}

void
claims_remove(struct claims *cs, struct claim *c)
{
	leave(cs, c);
	table_remove(&cs->table, &c->node);
	free(c);
}

struct claim *
claims_first(const struct claims *cs, uint32_t vnet, uint64_t host)
{
	struct group *g = group_find(cs, vnet, host);

	return g ? LIST_FIRST(&g->claims) : NULL;
}

void
claims_fini(struct claims *cs)
{
	struct table_iter pos = { 0 };
	struct table_node *n;

	while ((n = table_next(&cs->table, &pos)))
		claims_remove(cs, TABLE_ENTRY(n, struct claim, node));
	table_fini(&cs->table);
	table_fini(&cs->groups);
	table_fini(&cs->shares);
}
