/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/group.h"

const struct key_info *
groups_key(const struct groups *gs, const char *name)
{
	for (size_t i = 0; i < gs->n_keys; i++)
		if (strcmp(gs->keys[i].name, name) == 0)
			return &gs->keys[i];
	return NULL;
}

const char *
groups_canonical(const struct groups *gs, const char *name)
{
	const struct key_info *k = groups_key(gs, name);

	if (k == NULL || k->id == 0)
		return name;
	for (size_t i = 0; i < gs->n_keys; i++)
		if (gs->keys[i].id == k->id)
			return gs->keys[i].name;
	return name;
}

static struct group *
group_find(struct groups *gs, const char *key, const struct suite *suite)
{
	for (struct group *g = gs->first; g != NULL; g = g->next)
		if (g->suite == suite && strcmp(g->key, key) == 0)
			return g;
	return NULL;
}

struct group *
group_get(struct groups *gs, const char *key, const struct suite *suite)
{
	struct group *g;

	key = suite->id == SUITE_NONE ? "" : groups_canonical(gs, key);
	g = group_find(gs, key, suite);
	if (g == NULL) {
		g = calloc(1, sizeof(*g));
		if (g == NULL)
			return NULL;
		g->own = membership_own_new();
		if (g->own == NULL) {
			free(g);
			return NULL;
		}
		strncpy(g->key, key, sizeof(g->key) - 1);
		g->suite = suite;
		g->number = ++gs->made;
		g->next = gs->first;
		gs->first = g;
	}
	g->refs++;
	return g;
}

void
group_put(struct groups *gs, struct group *g)
{
	struct group **at;

	if (g == NULL || --g->refs > 0)
		return;
	for (at = &gs->first; *at != g; at = &(*at)->next)
		;
	*at = g->next;
	membership_own_free(g->own);
	free(g);
}

struct group *
group_by_key_id(struct groups *gs, uint32_t key_id, enum suite_id suite)
{
	for (struct group *g = gs->first; g != NULL; g = g->next) {
		const struct key_info *k;

		if (g->vnets == 0 || g->suite->id != suite)
			continue;
		k = groups_key(gs, g->key);
		if (k != NULL && k->id != 0 &&
		    (k->id == key_id || (k->old_id != 0 && k->old_id == key_id)))
			return g;
	}
	return NULL;
}

static const struct discover_key *
heard_key(const struct discover *heard, uint32_t id)
{
	for (unsigned i = 0; id != 0 && i < heard->n_keys; i++)
		if (heard->keys[i].key_id == id)
			return &heard->keys[i];
	return NULL;
}

uint32_t
group_key_id(const struct groups *gs, const struct group *g, const struct discover *heard)
{
	const struct key_info *k = groups_key(gs, g->key);

	if (k == NULL)
		return 0;
	if (heard != NULL && k->old_id != 0 && heard_key(heard, k->id) == NULL &&
	    heard_key(heard, k->old_id) != NULL)
		return k->old_id;
	return k->id;
}

bool
group_heard(const struct groups *gs, const struct group *g, const struct discover *heard)
{
	const struct key_info *k;
	const struct discover_key *h;

	if (g->suite->id == SUITE_NONE)
		return (heard->flags & DISCOVER_FLAG_CLEAR) != 0;
	k = groups_key(gs, g->key);
	if (k == NULL)
		return false;
	h = heard_key(heard, k->id);
	if (h != NULL && (h->suites & (1u << g->suite->id)) != 0)
		return true;
	h = heard_key(heard, k->old_id);
	return h != NULL && (h->suites & (1u << g->suite->id)) != 0;
}

static void
add_key(struct discover *d, uint32_t id, enum suite_id suite)
{
	if (id == 0)
		return;
	for (unsigned i = 0; i < d->n_keys; i++) {
		if (d->keys[i].key_id == id) {
			d->keys[i].suites |= (uint16_t)(1u << suite);
			return;
		}
	}
	if (d->n_keys < DISCOVER_KEYS_MAX) {
		d->keys[d->n_keys].key_id = id;
		d->keys[d->n_keys].suites = (uint16_t)(1u << suite);
		d->n_keys++;
	}
}

void
groups_discover(const struct groups *gs, struct discover *d)
{
	d->flags = 0;
	d->n_keys = 0;
	for (const struct group *g = gs->first; g != NULL; g = g->next) {
		const struct key_info *k;

		if (g->vnets == 0)
			continue;
		if (g->suite->id == SUITE_NONE) {
			d->flags |= DISCOVER_FLAG_CLEAR;
			continue;
		}
		k = groups_key(gs, g->key);
		if (k == NULL)
			continue;
		add_key(d, k->id, g->suite->id);
		add_key(d, k->old_id, g->suite->id);
	}
}

bool
group_suites_differ(const struct groups *gs, const struct group *g, const struct discover *heard,
    char *text, size_t size)
{
	const struct key_info *k = groups_key(gs, g->key);
	const struct discover_key *h;
	size_t at = 0;

	if (g->suite->id == SUITE_NONE || k == NULL || group_heard(gs, g, heard))
		return false;
	h = heard_key(heard, k->id);
	if (h == NULL)
		h = heard_key(heard, k->old_id);
	if (h == NULL)
		return false;
	text[0] = '\0';
	for (unsigned id = 1; id < SUITE_COUNT; id++) {
		if ((h->suites & (1u << id)) == 0 || at >= size)
			continue;
		at += (size_t)snprintf(
		    text + at, size - at, "%s%s", at > 0 ? ", " : "", suite_by_id(id)->name);
	}
	return at > 0;
}

/* The first of its keys that is none of ours, used or not; 0: there is none. */
static uint32_t
foreign_key(const struct groups *gs, const struct discover *heard)
{
	for (unsigned i = 0; i < heard->n_keys; i++) {
		uint32_t id = heard->keys[i].key_id;
		size_t k = 0;

		while (k < gs->n_keys && gs->keys[k].id != id && gs->keys[k].old_id != id)
			k++;
		if (id != 0 && k == gs->n_keys)
			return id;
	}
	return 0;
}

bool
group_trouble(const struct groups *gs, const struct group *g, const struct discover *heard,
    char text[static GROUP_TROUBLE_MAX])
{
	const struct key_info *k = groups_key(gs, g->key);
	char suites[160];
	uint32_t foreign;

	if (g->vnets == 0 || g->suite->id == SUITE_NONE || k == NULL || k->id == 0)
		return false;
	if (group_suites_differ(gs, g, heard, suites, sizeof(suites))) {
		snprintf(text, GROUP_TROUBLE_MAX,
		    "suites differ: key \"%s\" has vnets with %s here and with %s there", g->key,
		    g->suite->name, suites);
		return true;
	}
	if (heard_key(heard, k->id) != NULL || heard_key(heard, k->old_id) != NULL)
		return false;
	foreign = foreign_key(gs, heard);
	if (foreign == 0)
		return false;
	snprintf(text, GROUP_TROUBLE_MAX,
	    "keys differ: \"%s\" is %08x here, and that host has not got it but %08x", g->key,
	    k->id, foreign);
	return true;
}
