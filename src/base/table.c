/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 16

static const void *
node_key(const struct table *t, const struct table_node *n)
{
	return (const uint8_t *)n + t->key_offset;
}

static struct table_node **
bucket_of(const struct table *t, uint64_t hash)
{
	return &t->buckets[hash & (t->n_buckets - 1)];
}

int
table_init(struct table *t, ptrdiff_t key_offset, size_t key_len, size_t max)
{
	struct table_node **buckets = calloc(BUCKETS_MIN, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	*t = (struct table){
		.buckets = buckets,
		.n_buckets = BUCKETS_MIN,
		.max = max,
		.key_offset = key_offset,
		.key_len = key_len,
	};
	random_bytes(&t->seed, sizeof(t->seed));
	return 0;
}

void
table_fini(struct table *t)
{
	free(t->buckets);
	*t = (struct table){ 0 };
}

static struct table_node *
find_hashed(const struct table *t, const void *key, uint64_t hash)
{
	struct table_node *n = *bucket_of(t, hash);

	while (n && (n->hash != hash || memcmp(node_key(t, n), key, t->key_len) != 0))
		n = n->next;
	return n;
}

struct table_node *
table_find(const struct table *t, const void *key)
{
	return find_hashed(t, key, siphash(&t->seed, key, t->key_len));
}

static void
link_node(struct table *t, struct table_node *n)
{
	struct table_node **bucket = bucket_of(t, n->hash);

	n->next = *bucket;
	*bucket = n;
}

static int
grow(struct table *t)
{
	struct table_node **old = t->buckets;
	size_t n_old = t->n_buckets;
	struct table_node **buckets = calloc(n_old * 2, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	t->buckets = buckets;
	t->n_buckets = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		for (struct table_node *n = old[i], *next; n; n = next) {
			next = n->next;
			link_node(t, n);
		}
	}
	free(old);
	return 0;
}

int
table_insert(struct table *t, struct table_node *n)
{
	const void *key = node_key(t, n);
	uint64_t hash = siphash(&t->seed, key, t->key_len);

	if (find_hashed(t, key, hash))
		return -EEXIST;
	if (t->count >= t->max)
		return -ENOSPC;
	if (t->count >= t->n_buckets && grow(t) < 0)
		return -ENOMEM;
	n->hash = hash;
	link_node(t, n);
	t->count++;
	return 0;
}

void
table_remove(struct table *t, struct table_node *n)
{
	struct table_node **p = bucket_of(t, n->hash);

	while (*p && *p != n)
		p = &(*p)->next;
	assert(*p == n);
	*p = n->next;
	n->next = NULL;
	t->count--;
}

struct table_node *
table_next(const struct table *t, struct table_iter *pos)
{
	struct table_node *n = pos->next;

	while (!n && pos->bucket < t->n_buckets)
		n = t->buckets[pos->bucket++];
	pos->next = n ? n->next : NULL;
	return n;
}
