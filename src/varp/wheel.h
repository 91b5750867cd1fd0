/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Timing wheel: what is due, at constant cost per timer however many there are. Timers are embedded
 * in what they time; a timer that is put off need not be moved, its owner sets it again when it
 * fires early. Internal to src/varp.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/monotime.h"

#define WHEEL_SLOT_MS 20
#define WHEEL_SLOTS   4096 /* a timer beyond the horizon of 82 s passes through the wheel again */

struct wheel_timer {
	LIST_ENTRY(wheel_timer) link;
	struct monotime due; /* not set: not in the wheel */
};

LIST_HEAD(wheel_slot, wheel_timer);

struct wheel {
	struct wheel_slot slots[WHEEL_SLOTS];
	int64_t at; /* number of the slot that is being emptied */
	size_t count;
};

/* Sets it, or sets it anew. */
void wheel_set(struct wheel *w, struct wheel_timer *t, struct monotime due);
/* Takes it out, if it is in. */
void wheel_clear(struct wheel *w, struct wheel_timer *t);
/* Takes out one timer that is due; NULL if there is none. */
struct wheel_timer *wheel_pop(struct wheel *w, struct monotime now);
/* When to pop again, at most 1 s ahead; not set if the wheel is empty. */
struct monotime wheel_next(const struct wheel *w, struct monotime now);
