/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Token buckets, one per source address: how much attention unauthenticated senders get. Bounded:
 * when the table is full, strangers share one bucket, so a flood of forged sources never uses up
 * what an address that is already known has. Pure but for its table.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/monotime.h"

struct ratelimit;

/* per_second tokens flow in, burst at most are saved. NULL if memory is short. */
struct ratelimit *ratelimit_new(size_t max, unsigned per_second, unsigned burst);
void ratelimit_free(struct ratelimit *r);
/* Takes a token of ip; false if there is none. */
bool ratelimit_take(struct ratelimit *r, const struct ipaddr *ip, struct monotime now);

/* One bucket alone. */
struct bucket {
	struct monotime filled; /* when it was last filled up */
	double tokens;
};
bool bucket_take(struct bucket *b, unsigned per_second, unsigned burst, struct monotime now);
