/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/stats.h"

uint64_t stats_values[STAT_COUNT];

static const struct {
	const char *name;
	const char *help;
} texts[STAT_COUNT] = {
#define X(suffix, name, help) { name, help },
	STATS(X)
#undef X
};

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
