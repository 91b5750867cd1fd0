/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Time of pieces of code on a noisy machine: many short rounds, of which the median counts. For benchmarks only. */

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_ROUNDS 301

struct bench {
	unsigned n;
	double ns[BENCH_ROUNDS];
};

static inline double
bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void
bench_add(struct bench *b, double ns)
{
	if (b->n < BENCH_ROUNDS)
		b->ns[b->n++] = ns;
}

static inline int
bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double
bench_median(struct bench *b)
{
	qsort(b->ns, b->n, sizeof(b->ns[0]), bench_compare);
	return b->n > 0 ? b->ns[b->n / 2] : 0;
}
