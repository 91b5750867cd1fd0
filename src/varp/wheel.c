/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/wheel.h"

enum { SLOT_NS = WHEEL_SLOT_MS * 1000000, AHEAD_MS = 1000 };

static struct wheel_slot *
slot_of(struct wheel *w, int64_t number)
{
	return &w->slots[number % WHEEL_SLOTS];
}

void
wheel_set(struct wheel *w, struct wheel_timer *t, struct monotime due)
{
	int64_t number = due.ns / SLOT_NS + 1;

	wheel_clear(w, t);
	if (number < w->at)
		number = w->at;
	if (number >= w->at + WHEEL_SLOTS)
		number = w->at + WHEEL_SLOTS - 1;
	t->due = due;
	w->count++;
	LIST_INSERT_HEAD(slot_of(w, number), t, link);
}

void
wheel_clear(struct wheel *w, struct wheel_timer *t)
{
	if (!monotime_is_set(t->due))
		return;
	LIST_REMOVE(t, link);
	t->due = (struct monotime){ 0 };
	w->count--;
}

struct wheel_timer *
wheel_pop(struct wheel *w, struct monotime now)
{
	int64_t last = now.ns / SLOT_NS;

	if (w->at <= last - WHEEL_SLOTS)
		w->at = last - WHEEL_SLOTS + 1;
	for (; w->at <= last; w->at++) {
		struct wheel_timer *t;

		while ((t = LIST_FIRST(slot_of(w, w->at)))) {
			struct monotime due = t->due;

			wheel_clear(w, t);
			if (due.ns / SLOT_NS < last)
				return t;
			/* It was beyond the horizon; its slot is ahead still. */
			wheel_set(w, t, due);
		}
	}
	w->at = last;
	return NULL;
}

struct monotime
wheel_next(const struct wheel *w, struct monotime now)
{
	struct monotime end = monotime_add_ms(now, AHEAD_MS);

	if (!w->count)
		return (struct monotime){ 0 };
	for (int64_t number = w->at; number * SLOT_NS < end.ns; number++) {
		if (!LIST_EMPTY(&w->slots[number % WHEEL_SLOTS]))
			return (struct monotime){ number * SLOT_NS };
	}
	return end;
}
