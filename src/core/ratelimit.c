/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "base/table.h"
#include "core/ratelimit.h"

#define IDLE_MS 60000 /* a bucket unused so long is full again, and forgotten when room is needed */

struct source {
	struct table_node node;
	struct ipaddr ip;
	struct bucket bucket;
};

struct ratelimit {
	struct table table;
	unsigned per_second;
	unsigned burst;
	struct bucket strangers;
	struct monotime swept;
};

bool
bucket_take(struct bucket *b, unsigned per_second, unsigned burst, struct monotime now)
{
	if (!monotime_is_set(b->filled)) {
		b->tokens = burst;
	} else {
		b->tokens += (double)(now.ns - b->filled.ns) / 1e9 * per_second;
		if (b->tokens > burst)
			b->tokens = burst;
	}
	b->filled = now;
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

struct ratelimit *
ratelimit_new(size_t max, unsigned per_second, unsigned burst)
{
	struct ratelimit *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	if (TABLE_INIT(&r->table, struct source, node, ip, max) < 0) {
		free(r);
		return NULL;
	}
	r->per_second = per_second;
	r->burst = burst;
	return r;
}

static void
forget_idle(struct ratelimit *r, int64_t idle_ms, struct monotime now)
{
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&r->table, &it)) != NULL) {
		struct source *s = TABLE_ENTRY(n, struct source, node);

		if (monotime_diff_ms(now, s->bucket.filled) < idle_ms)
			continue;
		table_remove(&r->table, n);
		free(s);
	}
	r->swept = now;
}

void
ratelimit_free(struct ratelimit *r)
{
	if (r == NULL)
		return;
	forget_idle(r, INT64_MIN, (struct monotime){ 1 });
	table_fini(&r->table);
	free(r);
}

bool
ratelimit_take(struct ratelimit *r, const struct ipaddr *ip, struct monotime now)
{
	struct table_node *n = table_find(&r->table, ip);
	struct source *s;

	if (n != NULL)
		return bucket_take(
		    &TABLE_ENTRY(n, struct source, node)->bucket, r->per_second, r->burst, now);
	if (r->table.count >= r->table.max && monotime_diff_ms(now, r->swept) > 1000)
		forget_idle(r, IDLE_MS, now);
	s = r->table.count < r->table.max ? calloc(1, sizeof(*s)) : NULL;
	if (s == NULL)
		return bucket_take(&r->strangers, r->per_second, r->burst, now);
	s->ip = *ip;
	if (table_insert(&r->table, &s->node) < 0) {
		free(s);
		return false;
	}
	return bucket_take(&s->bucket, r->per_second, r->burst, now);
}
