/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/reserve.h"

#define RATE_LEAST_MS 20 /* a burst is not taken for more than it is */

void
reserve_init(struct reserve *r, uint64_t stored, uint64_t used, bool esn)
{
	*r = (struct reserve){
		.limit = stored,
		.wanted = stored,
		.end = esn ? UINT64_MAX : UINT32_MAX,
		.ahead = RESERVE_QUIET,
		.top = used,
	};
}

uint64_t
reserve_last(const struct reserve *r)
{
	return r->wanted < r->limit ? r->wanted : r->limit;
}

static bool
on_its_way(const struct reserve *r, struct monotime now)
{
	return r->wanted != r->limit ||
	       (monotime_is_set(r->again) && monotime_before(now, r->again));
}

static bool
want(struct reserve *r, uint64_t used, uint64_t ahead)
{
	r->wanted = r->end - used > ahead ? used + ahead : r->end;
	return r->wanted != r->limit;
}

bool
reserve_sent(struct reserve *r, uint64_t used, struct monotime now)
{
	if (on_its_way(r, now) || r->limit - used >= RESERVE_SENT || r->limit == r->end)
		return false;
	return want(r, used - used % RESERVE_SENT, 2 * RESERVE_SENT);
}

bool
reserve_due(const struct reserve *r, uint64_t used)
{
	return r->wanted == r->limit && r->limit != r->end &&
	       (used >= r->limit || r->limit - used < r->ahead / 2);
}

/* For one that has sent n in this time. */
static uint64_t
ahead_for(uint64_t n, int64_t ms)
{
	uint64_t ahead = RESERVE_QUIET;

	if (n < RESERVE_QUIET / 2)
		return RESERVE_QUIET;
	while (
	    ahead < RESERVE_BUSY && ahead * ((uint64_t)ms + RATE_LEAST_MS) < n * RESERVE_AHEAD_MS)
		ahead *= 2;
	return ahead;
}

bool
reserve_received(struct reserve *r, uint64_t used, struct monotime now)
{
	uint64_t ahead;
	bool over;

	if (on_its_way(r, now))
		return false;
	if (!monotime_is_set(r->since)) {
		r->since = now;
		r->top = used;
	}
	ahead = ahead_for(used - r->top, monotime_diff_ms(now, r->since));
	over = monotime_diff_ms(now, r->since) >= RESERVE_QUIET_MS;
	if (over) {
		r->since = now;
		r->top = used;
	}
	if (reserve_due(r, used)) {
		r->ahead = ahead;
		return want(r, used, ahead);
	}
	if (!over || ahead > r->ahead / 4 || used >= r->limit || r->limit - used <= ahead)
		return false;
	/* Some is given back. */
	r->ahead = ahead;
	r->wanted = used + ahead;
	return true;
}

void
reserve_stored(struct reserve *r, bool well, struct monotime now)
{
	if (!well) /* the disk may say the one or the other */
		r->wanted = reserve_last(r);
	r->limit = r->wanted;
	r->again.ns = well ? 0 : monotime_add_ms(now, RESERVE_AGAIN_MS).ns;
}
