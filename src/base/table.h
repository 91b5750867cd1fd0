/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hash table of entries that embed a struct table_node, keyed by bytes inside the entry. Bounded,
 * and hashed under a random key of its own, so that an outsider can neither grow it nor aim at one
 * bucket. Owns its buckets, not the entries. Expiry is the owner's business. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "siphash.h"

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **buckets;
	size_t n_buckets; /* a power of two, grows with count */
	size_t count;
	size_t max;	      /* entries, at most */
	ptrdiff_t key_offset; /* of the key, from the node */
	size_t key_len;	      /* bytes; the key must have no padding */
	struct siphash_key seed;
};

/* The table's entries are `type`, which embeds `node` and has its key in `key`. 0 or -ENOMEM. */
#define TABLE_INIT(t, type, node, key, max_entries)                                       \
	table_init((t), (ptrdiff_t)offsetof(type, key) - (ptrdiff_t)offsetof(type, node), \
	    sizeof(((type *)0)->key), (max_entries))
#define TABLE_ENTRY(n, type, node) ((type *)(void *)((char *)(n)-offsetof(type, node)))

int table_init(struct table *t, ptrdiff_t key_offset, size_t key_len, size_t max);
/*
 * Frees the buckets; the entries must be gone or are the caller's to free. Takes an uninitialised
 * (zero) table.
 */
void table_fini(struct table *t);
struct table_node *table_find(const struct table *t, const void *key);
/* 0, -EEXIST, -ENOSPC at the maximum, -ENOMEM. */
int table_insert(struct table *t, struct table_node *n);
/* n must be in the table. */
void table_remove(struct table *t, struct table_node *n);

/*
 * Walks all entries in no order; the entry just returned may be removed. Start with *pos zeroed;
 * NULL at the end.
 */
struct table_iter {
	size_t bucket;
	struct table_node *next;
};
struct table_node *table_next(const struct table *t, struct table_iter *pos);
