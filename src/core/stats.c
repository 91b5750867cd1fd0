/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/stats.h"

static struct stats first;
static _Atomic(struct stats *) all = &first;

_Thread_local struct stats *stats_mine = &first;

static const struct {
	const char *name;
	const char *help;
} texts[STAT_COUNT] = {
#define X(suffix, name, help) { name, help },
	STATS(X)
#undef X
};

void
stats_thread(struct stats *s)
{
	s->next = atomic_load(&all);
	while (!atomic_compare_exchange_weak(&all, &s->next, s))
		;
	stats_mine = s;
}

uint64_t
stats_value(enum stats_id s)
{
	uint64_t sum = 0;

	for (const struct stats *t = atomic_load(&all); t != NULL; t = t->next)
		sum += atomic_load_explicit(&t->values[s], memory_order_relaxed);
	return sum;
}

uint64_t
stats_esp_value(enum esp_verdict v)
{
	uint64_t sum = 0;

	for (const struct stats *t = atomic_load(&all); t != NULL; t = t->next)
		sum += atomic_load_explicit(&t->esp[v], memory_order_relaxed);
	return sum;
}

const char *
stats_name(enum stats_id s)
{
	return texts[s].name;
}

const char *
stats_help(enum stats_id s)
{
	return texts[s].help;
}
