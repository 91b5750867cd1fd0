/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A hash table that one thread writes while others look things up in it without locks, under
 * grace.h: like table.h, but of a fixed number of buckets, and what is removed must be retired.
 * Owns its buckets, not the entries.
 */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"
#include "base/table.h"

struct rtable_node {
	_Atomic(struct rtable_node *) next;
	uint64_t hash;
};

struct rtable {
	_Atomic(struct rtable_node *) *buckets;
	size_t n_buckets; /* a power of two */
	size_t count;	  /* the writer's */
	ptrdiff_t key_offset;
	size_t key_len;
	struct siphash_key seed;
};

/* As TABLE_INIT(); 0 or -ENOMEM. Memory of buckets is touched only as they are used. */
#define RTABLE_INIT(t, type, node, key, n_buckets)                                         \
	rtable_init((t), (ptrdiff_t)offsetof(type, key) - (ptrdiff_t)offsetof(type, node), \
	    sizeof(((type *)0)->key), (n_buckets))
int rtable_init(struct rtable *t, ptrdiff_t key_offset, size_t key_len, size_t n_buckets);
void rtable_fini(struct rtable *t);
struct rtable_node *rtable_find(const struct rtable *t, const void *key);

/* Writer only: there must be none with that key. */
void rtable_insert(struct rtable *t, struct rtable_node *n);
/* n must be in the table. Readers may still stand on it. */
void rtable_remove(struct rtable *t, struct rtable_node *n);
/* As table_next(). */
struct rtable_iter {
	size_t bucket;
	struct rtable_node *next;
};
struct rtable_node *rtable_next(const struct rtable *t, struct rtable_iter *pos);
