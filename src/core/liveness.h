/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * When a peer is asked whether it is there, and when it is given up. Anything authentic that comes
 * from it is an answer; what we send to it is none. Pure. Engine process only.
 */

#include "base/monotime.h"

#define LIVENESS_ASK_MS	  15000 /* between questions, and silence that is doubted; */
#define LIVENESS_AGAIN_MS 1000	/* then between questions, */
#define LIVENESS_TRIES	  5	/* of which so many may stay unanswered */

enum liveness_verdict { LIVENESS_WAIT, LIVENESS_ASK, LIVENESS_GONE };

struct liveness {
	struct monotime due; /* the next question; not set: LIVENESS_ASK_MS after the first call */
	unsigned unanswered;
};

/* heard: the last authentic packet. Call again at l->due. */
enum liveness_verdict liveness_tick(struct liveness *l, struct monotime heard, struct monotime now);
