/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/rtable.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
rtable_init(struct rtable *t, ptrdiff_t key_offset, size_t key_len, size_t n_buckets)
{
	*t = (struct rtable){
		.buckets = calloc(n_buckets, sizeof(*t->buckets)),
		.n_buckets = n_buckets,
		.key_offset = key_offset,
		.key_len = key_len,
	};
	random_bytes(&t->seed, sizeof(t->seed));
	return t->buckets != NULL ? 0 : -ENOMEM;
}

void
rtable_fini(struct rtable *t)
{
	free(t->buckets);
	*t = (struct rtable){ 0 };
}

static const void *
node_key(const struct rtable *t, const struct rtable_node *n)
{
	return (const uint8_t *)n + t->key_offset;
}

struct rtable_node *
rtable_find(const struct rtable *t, const void *key)
{
	uint64_t hash = siphash(&t->seed, key, t->key_len);
	struct rtable_node *n = atomic_load(&t->buckets[hash & (t->n_buckets - 1)]);

	while (n != NULL && (n->hash != hash || memcmp(node_key(t, n), key, t->key_len) != 0))
		n = atomic_load(&n->next);
	return n;
}

void
rtable_insert(struct rtable *t, struct rtable_node *n)
{
	uint64_t hash = siphash(&t->seed, node_key(t, n), t->key_len);
	_Atomic(struct rtable_node *) *bucket = &t->buckets[hash & (t->n_buckets - 1)];

	n->hash = hash;
	atomic_init(&n->next, atomic_load(bucket));
	atomic_store(bucket, n); /* whoever finds it finds all that is in it */
	t->count++;
}

void
rtable_remove(struct rtable *t, struct rtable_node *n)
{
	_Atomic(struct rtable_node *) *at = &t->buckets[n->hash & (t->n_buckets - 1)];
	struct rtable_node *here;

	while ((here = atomic_load(at)) != n) {
		assert(here != NULL);
		at = &here->next;
	}
	atomic_store(at, atomic_load(&n->next));
	t->count--;
}

struct rtable_node *
rtable_next(const struct rtable *t, struct rtable_iter *pos)
{
	struct rtable_node *n = pos->next;

	while (n == NULL && pos->bucket < t->n_buckets)
		n = atomic_load(&t->buckets[pos->bucket++]);
	pos->next = n != NULL ? atomic_load(&n->next) : NULL;
	return n;
}
