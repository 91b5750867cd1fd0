/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The event loop of a process: epoll for descriptors, a heap for timers. Time is read once per
 * round. Owns the epoll descriptor, not the ones it watches. Everything it needs is opened in
 * loop_new(), before the sandbox is sealed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "monotime.h"

struct loop;

typedef void loop_fd_fn(void *arg, uint32_t events);
typedef void loop_timer_fn(void *arg);

/* One per watched descriptor, embedded by its owner; zeroed before first use. */
struct loop_fd {
	int fd;
	loop_fd_fn *fn;
	void *arg;
	bool active;
};

/* One per timer, embedded by its owner; zeroed before first use. */
struct loop_timer {
	struct monotime when;
	loop_timer_fn *fn;
	void *arg;
	int slot; /* in the heap + 1; 0: not set */
};

/* NULL with errno set. */
struct loop *loop_new(void);
void loop_free(struct loop *l);
/* events: EPOLLIN and the like, level-triggered. 0 or -errno. */
int loop_watch(
    struct loop *l, struct loop_fd *w, int fd, uint32_t events, loop_fd_fn *fn, void *arg);
int loop_change(struct loop *l, struct loop_fd *w, uint32_t events);
/*
 * To be called before the descriptor is closed. Takes one that is not watched. Safe inside any
 * callback: no later callback of this round sees it, and its memory may be used again at once.
 */
void loop_unwatch(struct loop *l, struct loop_fd *w);
/*
 * Sets or moves a timer; it fires once. A time that is not set ("never") cancels it. 0 or -ENOMEM.
 */
int loop_timer_set(
    struct loop *l, struct loop_timer *t, struct monotime when, loop_timer_fn *fn, void *arg);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);
/* The time of this round. */
struct monotime loop_now(const struct loop *l);
/* Until loop_stop(); returns its status, or -errno if epoll fails. */
int loop_run(struct loop *l);
/* No callback runs after the present one. */
void loop_stop(struct loop *l, int status);
/*
 * One round that waits at most max_ms, for ever if negative: for tests and for processes with a
 * loop of their own. 0 or -errno.
 */
int loop_once(struct loop *l, int max_ms);
