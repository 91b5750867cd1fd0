/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/grace.h"

#include <sched.h>
#include <stddef.h>

void
grace_init(struct grace *g, unsigned n_readers)
{
	*g = (struct grace){ .epoch = 1, .n_readers = n_readers };
	g->last = &g->first;
}

/* Has every reader held nothing since that epoch began? */
static bool
is_over(const struct grace *g, uint64_t epoch)
{
	for (unsigned i = 0; i < g->n_readers; i++) {
		uint64_t since = atomic_load(&g->readers[i].since);

		if (since != 0 && since < epoch)
			return false;
	}
	return true;
}

static uint64_t
next_epoch(struct grace *g)
{
	return atomic_fetch_add(&g->epoch, 1) + 1;
}

void
grace_retire(struct grace *g, struct grace_node *n, void (*fn)(struct grace_node *n))
{
	n->next = NULL;
	n->epoch = next_epoch(g);
	n->free = fn;
	*g->last = n;
	g->last = &n->next;
}

bool
grace_collect(struct grace *g)
{
	while (g->first != NULL && is_over(g, g->first->epoch)) {
		struct grace_node *n = g->first;

		g->first = n->next;
		if (g->first == NULL)
			g->last = &g->first;
		n->free(n);
	}
	return g->first != NULL;
}

void
grace_wait(struct grace *g)
{
	uint64_t epoch = next_epoch(g);

	while (!is_over(g, epoch))
		sched_yield();
}
