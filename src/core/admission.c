/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "core/assoc_internal.h"

/*
 * Whose message 1 is worth the keys process's time. Each of these has a budget of its own, so that
 * none can use up another's: a known endpoint as its packets claim it, the same endpoint once a
 * cookie has proven it, any other address that a cookie has proven, and all the rest together.
 * Cookies as in RFC 7296 section 2.6, without state.
 */

#define COOKIE_RENEW_MS 120000
#define PEER_PER_SECOND 10 /* message 1s of one known or proven address */
#define PROVEN_MAX	4096

int
admission_init(struct assocs *as)
{
	random_bytes(as->cookie_keys, sizeof(as->cookie_keys));
	as->proven = ratelimit_new(PROVEN_MAX, PEER_PER_SECOND, PEER_PER_SECOND);
	return as->proven != NULL ? 0 : -1;
}

void
admission_fini(struct assocs *as)
{
	ratelimit_free(as->proven);
	explicit_bzero(as->cookie_keys, sizeof(as->cookie_keys));
}

void
cookie_make(
    const struct siphash_key *key, const struct endpoint *ep, uint8_t out[static HS_COOKIE_LEN])
{
	struct {
		struct endpoint ep;
		uint32_t half;
	} in;
	uint64_t h;

	memset(&in, 0, sizeof(in));
	in.ep = *ep;
	for (; in.half < 2; in.half++) {
		h = siphash(key, &in, sizeof(in));
		memcpy(out + in.half * 8, &h, 8);
	}
}

static void
cookies_renew(struct assocs *as, struct monotime now)
{
	int64_t age = monotime_diff_ms(now, as->cookie_renewed);

	if (monotime_is_set(as->cookie_renewed) && age < COOKIE_RENEW_MS)
		return;
	as->cookie_keys[1] = as->cookie_keys[0];
	random_bytes(&as->cookie_keys[0], sizeof(as->cookie_keys[0]));
	if (age >= 2 * COOKIE_RENEW_MS) /* what was current before is too old as well */
		random_bytes(&as->cookie_keys[1], sizeof(as->cookie_keys[1]));
	as->cookie_renewed = now;
}

static bool
cookie_valid(const struct assocs *as, const struct endpoint *from,
    const uint8_t cookie[static HS_COOKIE_LEN])
{
	uint8_t want[HS_COOKIE_LEN];

	for (int i = 0; i < 2; i++) {
		uint8_t diff = 0;

		cookie_make(&as->cookie_keys[i], from, want);
		for (size_t j = 0; j < sizeof(want); j++)
			diff |= want[j] ^ cookie[j];
		if (diff == 0)
			return true;
	}
	return false;
}

enum admission
admission_decide(struct assocs *as, const struct endpoint *from,
    const uint8_t cookie[static HS_COOKIE_LEN], struct monotime now)
{
	struct known *known = known_find(as, from);
	bool proven, admitted;

	cookies_renew(as, now);
	proven = cookie_valid(as, from, cookie);
	if (known != NULL)
		admitted = bucket_take(
		    &known->message1[proven], PEER_PER_SECOND, PEER_PER_SECOND, now);
	else if (proven)
		admitted = ratelimit_take(as->proven, &from->ip, now);
	else
		admitted = bucket_take(&as->strangers, ASSOC_HS_FREE, ASSOC_HS_FREE, now);
	if (!admitted)
		return proven ? ADMISSION_DROP : ADMISSION_COOKIE;
	if (as->n_jobs >= (known != NULL ? ASSOC_JOBS_MAX : ASSOC_JOBS_MAX / 2))
		return ADMISSION_BUSY;
	return ADMISSION_OK;
}
