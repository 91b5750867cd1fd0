/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/worker.h"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/transport.h"

#define ROUND_EVENTS 64

void
worker_hand_over(struct worker *w, struct handed *h, struct packet *p, uint64_t flow)
{
	h->packet = p;
	if (handover_put(&w->handover, h, flow)) {
		stats_count(STAT_HANDED_OVER);
		w->handed = true;
	} else {
		stats_count(STAT_HANDOVER_FULL);
	}
}

static void
event(struct worker *w, void *what)
{
	uint64_t n;

	if (what == w)
		(void)!read(w->wake_fd, &n, sizeof(n));
	else if (what == NULL)
		transport_receive(w->transport);
	else
		worker_device(w, what);
}

/* One look at everything; false: there was nothing. */
static bool
round_once(struct worker *w)
{
	struct epoll_event events[ROUND_EVENTS];
	const uint64_t one = 1;
	int n;

	/* Only now: an event names what may be gone when this thread holds nothing. */
	n = epoll_wait(w->epoll_fd, events, ROUND_EVENTS, 0);
	if (n <= 0)
		return false;
	w->now = monotime_now();
	for (int i = 0; i < n; i++)
		event(w, events[i].data.ptr);
	output_flush(&w->output, w->now);
	handover_reclaim(&w->handover);
	if (w->handed)
		(void)!write(w->engine_fd, &one, sizeof(one));
	w->handed = false;
	return true;
}

void
worker_run(struct worker *w, const atomic_bool *stop)
{
	struct pollfd sleep = { .fd = w->epoll_fd, .events = POLLIN };

	while (!atomic_load(stop)) {
		bool busy;

		grace_enter(w->grace, w->lane - 1);
		busy = round_once(w);
		grace_leave(w->grace, w->lane - 1);
		if (!busy)
			(void)poll(&sleep, 1, -1);
	}
}
