/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/handover.h"

void
handover_reclaim(struct handover *q)
{
	size_t handled = atomic_load_explicit(&q->handled, memory_order_acquire);

	for (; q->taken_back != handled; q->taken_back++) {
		const struct handed *h = &q->ring[q->taken_back % HANDOVER_MAX];

		q->waiting[h->share % HANDOVER_KINDS]--;
		packet_put(h->packet);
	}
}

bool
handover_put(struct handover *q, const struct handed *h, uint64_t flow)
{
	size_t written = atomic_load_explicit(&q->written, memory_order_relaxed);
	uint16_t *waiting = &q->waiting[h->share % HANDOVER_KINDS];

	handover_reclaim(q);
	if (written - q->taken_back == HANDOVER_MAX || *waiting == HANDOVER_SHARE) {
		packet_put(h->packet);
		return false;
	}
	++*waiting;
	q->ring[written % HANDOVER_MAX] = *h;
	q->flows[flow % HANDOVER_FLOWS] = (struct handover_flow){ flow, written + 1 };
	atomic_store_explicit(&q->written, written + 1, memory_order_release);
	return true;
}

bool
handover_waiting(const struct handover *q, uint64_t flow)
{
	const struct handover_flow *f = &q->flows[flow % HANDOVER_FLOWS];

	return f->flow == flow && f->last > atomic_load_explicit(&q->handled, memory_order_acquire);
}

const struct handed *
handover_peek(const struct handover *q, size_t i)
{
	size_t handled = atomic_load_explicit(&q->handled, memory_order_relaxed);

	if (i >= atomic_load_explicit(&q->written, memory_order_acquire) - handled)
		return NULL;
	return &q->ring[(handled + i) % HANDOVER_MAX];
}

void
handover_done(struct handover *q, size_t n)
{
	atomic_fetch_add_explicit(&q->handled, n, memory_order_release);
}
