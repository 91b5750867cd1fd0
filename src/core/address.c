/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "core/assoc_internal.h"
#include "core/stats.h"

#define CANDIDATE_MS 1000 /* then another new address may be probed */

int
known_init(struct assocs *as)
{
	return TABLE_INIT(&as->known, struct known, node, ep, ASSOCS_MAX);
}

struct known *
known_find(const struct assocs *as, const struct endpoint *ep)
{
	struct table_node *n = table_find(&as->known, ep);

	return n != NULL ? TABLE_ENTRY(n, struct known, node) : NULL;
}

static struct known *
known_get(struct assocs *as, const struct endpoint *ep)
{
	struct known *k = known_find(as, ep);

	if (k == NULL) {
		k = calloc(1, sizeof(*k));
		if (k == NULL)
			return NULL;
		k->ep = *ep;
		if (table_insert(&as->known, &k->node) < 0) {
			free(k);
			return NULL;
		}
	}
	k->refs++;
	return k;
}

void
known_put(struct assocs *as, struct known *k)
{
	if (k == NULL || --k->refs > 0)
		return;
	table_remove(&as->known, &k->node);
	free(k);
}

bool
address_set(struct assocs *as, struct assoc *a, const struct endpoint *ep)
{
	struct known *before = a->known;

	a->candidate_nonce = 0;
	if (before != NULL && endpoint_equal(&a->ep, ep))
		return false;
	a->ep = *ep;
	a->known = known_get(as, ep);
	known_put(as, before);
	return true;
}

void
address_heard(struct assocs *as, struct assoc *a, const struct endpoint *from, struct monotime now)
{
	if (endpoint_equal(from, &a->ep))
		return;
	if (a->candidate_nonce != 0 && monotime_diff_ms(now, a->candidate_since) < CANDIDATE_MS)
		return;
	a->candidate = *from;
	random_bytes(&a->candidate_nonce, sizeof(a->candidate_nonce));
	a->candidate_nonce |= 1; /* never 0 */
	a->candidate_since = now;
	as->ops->probe(as->arg, a, from, a->candidate_nonce);
}

bool
assoc_address_proven(struct assocs *as, struct assoc *a, uint64_t nonce, struct monotime now)
{
	struct endpoint ep = a->candidate;

	if (a->candidate_nonce == 0 || nonce != a->candidate_nonce)
		return false;
	a->heard = now;
	address_set(as, a, &ep);
	way_update(as, a);
	stats_count(STAT_PEER_MOVED);
	as->ops->moved(as->arg, a);
	return true;
}

void
assoc_remember(struct assocs *as, struct assoc *a, const struct endpoint *ep, struct monotime now)
{
	address_set(as, a, ep);
	assoc_retry(a, now);
}
