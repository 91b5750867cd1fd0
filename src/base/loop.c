/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ROUND_EVENTS_MAX 64
#define HEAP_MIN	 16

struct loop {
	int epoll_fd;
	bool stopped;
	int status;
	struct monotime now;
	struct loop_timer **heap; /* a binary heap, the earliest in front */
	size_t n_timers;
	size_t heap_size;
	struct epoll_event
	    events[ROUND_EVENTS_MAX]; /* of this round; a null pointer: unwatched since */
	int n_events;
};

struct loop *
loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		free(l);
		return NULL;
	}
	l->now = monotime_now();
	return l;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	close(l->epoll_fd);
	free(l->heap);
	free(l);
}

int
loop_watch(struct loop *l, struct loop_fd *w, int fd, uint32_t events, loop_fd_fn *fn, void *arg)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (w->active)
		return -EEXIST;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*w = (struct loop_fd){ .fd = fd, .fn = fn, .arg = arg, .active = true };
	return 0;
}

int
loop_change(struct loop *l, struct loop_fd *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (!w->active)
		return -ENOENT;
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

void
loop_unwatch(struct loop *l, struct loop_fd *w)
{
	if (!w->active)
		return;
	/* Fails only if the owner closed it first, and then the kernel has forgotten it. */
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->active = false;
	/*
	 * What this round still holds for it must not reach it, nor whatever its memory becomes
	 * next.
	 */
	for (int i = 0; i < l->n_events; i++) {
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
	}
}

static void
heap_place(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->slot = (int)i + 1;
}

static void
sift_up(struct loop *l, size_t i, struct loop_timer *t)
{
	while (i > 0 && monotime_before(t->when, l->heap[(i - 1) / 2]->when)) {
		heap_place(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(l, i, t);
}

static void
sift_down(struct loop *l, size_t i, struct loop_timer *t)
{
	size_t child;

	while ((child = 2 * i + 1) < l->n_timers) {
		if (child + 1 < l->n_timers &&
		    monotime_before(l->heap[child + 1]->when, l->heap[child]->when))
			child++;
		if (!monotime_before(l->heap[child]->when, t->when))
			break;
		heap_place(l, i, l->heap[child]);
		i = child;
	}
	heap_place(l, i, t);
}

/* Puts t into slot i of the heap, or where its time belongs above or below. */
static void
heap_settle(struct loop *l, size_t i, struct loop_timer *t)
{
	if (i > 0 && monotime_before(t->when, l->heap[(i - 1) / 2]->when))
		sift_up(l, i, t);
	else
		sift_down(l, i, t);
}

static int
heap_reserve(struct loop *l)
{
	size_t size = l->heap_size ? l->heap_size * 2 : HEAP_MIN;
	struct loop_timer **heap;

	if (l->n_timers < l->heap_size)
		return 0;
	heap = reallocarray(l->heap, size, sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	l->heap = heap;
	l->heap_size = size;
	return 0;
}

int
loop_timer_set(
    struct loop *l, struct loop_timer *t, struct monotime when, loop_timer_fn *fn, void *arg)
{
	if (!monotime_is_set(when)) {
		loop_timer_cancel(l, t);
		return 0;
	}
	if (t->slot == 0) {
		if (heap_reserve(l) < 0)
			return -ENOMEM;
		t->slot = (int)++l->n_timers;
	}
	t->when = when;
	t->fn = fn;
	t->arg = arg;
	heap_settle(l, (size_t)t->slot - 1, t);
	return 0;
}

void
loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	struct loop_timer *last;
	size_t i = (size_t)t->slot - 1;

	if (t->slot == 0)
		return;
	t->slot = 0;
	last = l->heap[--l->n_timers];
	if (last != t)
		heap_settle(l, i, last);
}

struct monotime
loop_now(const struct loop *l)
{
	return l->now;
}

/*
 * Until the next timer, at most max_ms; -1: for ever. Rounded up, so that the timer is due on
 * waking.
 */
static int
wait_ms(const struct loop *l, int max_ms)
{
	int64_t ns, ms;

	if (l->n_timers == 0)
		return max_ms;
	/* Not the round's time: its callbacks have used some. */
	ns = l->heap[0]->when.ns - monotime_now().ns;
	ms = ns <= 0 ? 0 : (ns + 999999) / 1000000;
	if (max_ms >= 0 && ms > max_ms)
		return max_ms;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/*
 * At most as many as there are now, so that one that sets itself into the past cannot hold up the
 * round.
 */
static void
run_timers(struct loop *l)
{
	for (size_t n = l->n_timers; n > 0 && l->n_timers > 0 && !l->stopped; n--) {
		struct loop_timer *t = l->heap[0];

		if (monotime_before(l->now, t->when))
			return;
		loop_timer_cancel(l, t);
		t->fn(t->arg);
	}
}

static void
run_events(struct loop *l)
{
	for (int i = 0; i < l->n_events && !l->stopped; i++) {
		struct loop_fd *w = l->events[i].data.ptr;

		if (w)
			w->fn(w->arg, l->events[i].events);
	}
}

int
loop_once(struct loop *l, int max_ms)
{
	int n = epoll_wait(l->epoll_fd, l->events, ROUND_EVENTS_MAX, wait_ms(l, max_ms));

	if (n < 0 && errno != EINTR)
		return -errno;
	l->n_events = n < 0 ? 0 : n;
	l->now = monotime_now();
	run_timers(l);
	run_events(l);
	l->n_events = 0;
	return 0;
}

int
loop_run(struct loop *l)
{
	int r = 0;

	while (r == 0 && !l->stopped)
		r = loop_once(l, -1);
	if (r < 0)
		return r;
	l->stopped = false;
	return l->status;
}

void
loop_stop(struct loop *l, int status)
{
	l->stopped = true;
	l->status = status;
}
