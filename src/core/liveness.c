/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/liveness.h"

enum liveness_verdict
liveness_tick(struct liveness *l, struct monotime heard, struct monotime now)
{
	bool silent = monotime_diff_ms(now, heard) >= LIVENESS_ASK_MS;

	if (!monotime_is_set(l->due))
		l->due = monotime_add_ms(now, LIVENESS_ASK_MS);
	if (monotime_before(now, l->due))
		return LIVENESS_WAIT;
	l->unanswered = silent ? l->unanswered + 1 : 0;
	if (l->unanswered > LIVENESS_TRIES)
		return LIVENESS_GONE;
	l->due = monotime_add_ms(now, silent ? LIVENESS_AGAIN_MS : LIVENESS_ASK_MS);
	return LIVENESS_ASK;
}
