/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Monotonic time as a type of its own, so that it is never mixed up with wall-clock time or a
 * duration. Pure, except monotime_now(), which only event loops and tests call: everything else is
 * given the time. Durations are int64_t milliseconds, in names that end in _ms.
 */

#include <stdbool.h>
#include <stdint.h>

struct monotime {
	int64_t ns; /* since boot; 0 means "never" */
};

/* CLOCK_MONOTONIC now; never 0. */
struct monotime monotime_now(void);

static inline struct monotime
monotime_add_ms(struct monotime t, int64_t ms)
{
	return (struct monotime){ t.ns + ms * 1000000 };
}

/* a - b in whole milliseconds, rounded towards zero. */
static inline int64_t
monotime_diff_ms(struct monotime a, struct monotime b)
{
	return (a.ns - b.ns) / 1000000;
}

static inline bool
monotime_before(struct monotime a, struct monotime b)
{
	return a.ns < b.ns;
}

static inline bool
monotime_is_set(struct monotime t)
{
	return t.ns != 0;
}

/* The earlier of two times; one that is not set does not count. */
static inline struct monotime
monotime_earliest(struct monotime a, struct monotime b)
{
	if (!monotime_is_set(a))
		return b;
	if (!monotime_is_set(b))
		return a;
	return monotime_before(a, b) ? a : b;
}
