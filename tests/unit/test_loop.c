/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PAIRS 100

/* A socket pair, and what its end that is watched was told. */
struct pair {
	int fds[2];
	struct loop_fd w;
	unsigned calls;
	uint32_t events;
};

struct fixture {
	struct loop *loop;
	struct pair pairs[PAIRS];
	struct loop_timer timers[PAIRS];
	unsigned calls;
	int64_t fired[PAIRS]; /* indices of timers, in order */
};

static struct fixture fixture;

static int
setup(void **state)
{
	fixture = (struct fixture){ .loop = loop_new() };
	for (size_t i = 0; i < PAIRS; i++) {
		int type = SOCK_SEQPACKET | SOCK_NONBLOCK;

		if (socketpair(AF_UNIX, type, 0, fixture.pairs[i].fds) < 0)
			return -1;
	}
	*state = &fixture;
	return fixture.loop ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PAIRS; i++) {
		close(f->pairs[i].fds[0]);
		close(f->pairs[i].fds[1]);
	}
	loop_free(f->loop);
	loop_free(NULL);
	return 0;
}

static void
count_event(void *arg, uint32_t events)
{
	struct pair *p = arg;

	p->calls++;
	p->events = events;
}

static void
watch(struct fixture *f, struct pair *p, loop_fd_fn *fn)
{
	assert_int_equal(loop_watch(f->loop, &p->w, p->fds[0], EPOLLIN, fn, p), 0);
}

static void
poke(struct pair *p)
{
	assert_int_equal(write(p->fds[1], "x", 1), 1);
}

static void
drain(struct pair *p)
{
	char c;

	assert_int_equal(read(p->fds[0], &c, 1), 1);
}

static void
test_watch(void **state)
{
	struct fixture *f = *state;
	struct pair *p = &f->pairs[0];

	watch(f, p, count_event);
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(p->calls, 0);
	poke(p);
	/* Level-triggered: told until it is read. */
	assert_int_equal(loop_once(f->loop, 1000), 0);
	assert_int_equal(loop_once(f->loop, 1000), 0);
	assert_int_equal(p->calls, 2);
	assert_int_equal(p->events, EPOLLIN);

	assert_int_equal(loop_change(f->loop, &p->w, EPOLLOUT), 0);
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(p->events, EPOLLOUT);

	loop_unwatch(f->loop, &p->w);
	loop_unwatch(f->loop, &p->w);
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(p->calls, 3);
}

static void
test_watch_refuses(void **state)
{
	struct fixture *f = *state;
	struct pair *p = &f->pairs[0];
	struct loop_fd other = { 0 };

	assert_int_equal(loop_change(f->loop, &p->w, EPOLLIN), -ENOENT);
	assert_int_equal(loop_watch(f->loop, &p->w, -1, EPOLLIN, count_event, p), -EBADF);
	assert_false(p->w.active);
	watch(f, p, count_event);
	assert_int_equal(loop_watch(f->loop, &p->w, p->fds[1], EPOLLIN, count_event, p), -EEXIST);
	assert_int_equal(loop_watch(f->loop, &other, p->fds[0], EPOLLIN, count_event, p), -EEXIST);
}

/* Whichever of the two comes first takes the other away. */
static void
unwatch_other(void *arg, uint32_t events)
{
	struct pair *p = arg;

	count_event(arg, events);
	loop_unwatch(fixture.loop, &fixture.pairs[p == &fixture.pairs[0] ? 1 : 0].w);
}

static void
test_unwatch_in_callback(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		watch(f, &f->pairs[i], unwatch_other);
		poke(&f->pairs[i]);
	}
	assert_int_equal(loop_once(f->loop, 1000), 0);
	assert_int_equal(f->pairs[0].calls + f->pairs[1].calls, 1);
}

/* The other's struct now stands for a descriptor that has nothing to say. */
static void
reuse_other(void *arg, uint32_t events)
{
	struct pair *p = arg;
	struct pair *other = &fixture.pairs[p == &fixture.pairs[0] ? 1 : 0];

	count_event(arg, events);
	loop_unwatch(fixture.loop, &other->w);
	memset(&other->w, 0, sizeof(other->w));
	assert_int_equal(loop_watch(fixture.loop, &other->w, fixture.pairs[2].fds[0], EPOLLIN,
			     count_event, other),
	    0);
}

static void
test_reuse_in_callback(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		watch(f, &f->pairs[i], reuse_other);
		poke(&f->pairs[i]);
	}
	assert_int_equal(loop_once(f->loop, 1000), 0);
	assert_int_equal(f->pairs[0].calls + f->pairs[1].calls, 1);
}

static void
unwatch_from_timer(void *arg)
{
	struct pair *p = arg;

	loop_unwatch(fixture.loop, &p->w);
}

static void
test_unwatch_in_timer(void **state)
{
	struct fixture *f = *state;
	struct pair *p = &f->pairs[0];

	watch(f, p, count_event);
	poke(p);
	loop_timer_set(f->loop, &f->timers[0], loop_now(f->loop), unwatch_from_timer, p);
	assert_int_equal(loop_once(f->loop, 1000), 0);
	assert_int_equal(p->calls, 0);
}

static void
unwatch_and_free(void *arg, uint32_t events)
{
	struct pair *p = arg;

	(void)events;
	drain(p);
	loop_unwatch(fixture.loop, &p->w);
	fixture.calls++;
	free(p);
}

static void
test_free_in_callback(void **state)
{
	struct fixture *f = *state;
	struct pair *p = malloc(sizeof(*p));

	assert_non_null(p);
	*p = f->pairs[0];
	watch(f, p, unwatch_and_free);
	poke(p);
	assert_int_equal(loop_once(f->loop, 1000), 0);
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(f->calls, 1);
}

static void
count_and_drain(void *arg, uint32_t events)
{
	count_event(arg, events);
	drain(arg);
}

static void
test_round_is_bounded(void **state)
{
	struct fixture *f = *state;
	unsigned calls = 0;

	for (size_t i = 0; i < PAIRS; i++) {
		watch(f, &f->pairs[i], count_and_drain);
		poke(&f->pairs[i]);
	}
	assert_int_equal(loop_once(f->loop, 1000), 0);
	for (size_t i = 0; i < PAIRS; i++)
		calls += f->pairs[i].calls;
	assert_int_equal(calls, 64);
	assert_int_equal(loop_once(f->loop, 1000), 0);
	for (size_t i = 0; i < PAIRS; i++)
		assert_int_equal(f->pairs[i].calls, 1);
}

static void
record_timer(void *arg)
{
	struct loop_timer *t = arg;

	assert_int_equal(t->slot, 0);
	fixture.fired[fixture.calls++] = t - fixture.timers;
}

static void
set_timer(struct fixture *f, size_t i, int64_t in_ms)
{
	struct loop_timer *t = &f->timers[i];
	struct monotime when = monotime_add_ms(loop_now(f->loop), in_ms);

	assert_int_equal(loop_timer_set(f->loop, t, when, record_timer, t), 0);
}

/* Times in the past, so that one round fires all in their order. */
static void
test_timers_in_order(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PAIRS; i++)
		set_timer(f, i, -1000 + (int64_t)(i * 37 % PAIRS));
	for (size_t i = 0; i < PAIRS; i += 3)
		loop_timer_cancel(f->loop, &f->timers[i]);
	for (size_t i = 1; i < PAIRS; i += 3)
		set_timer(f, i, -500 - (int64_t)(i * 53 % PAIRS));
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(f->calls, PAIRS - (PAIRS + 2) / 3);
	for (size_t i = 1; i < f->calls; i++)
		assert_false(
		    monotime_before(f->timers[f->fired[i]].when, f->timers[f->fired[i - 1]].when));
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(f->calls, PAIRS - (PAIRS + 2) / 3);
}

static void
test_timer_wakes(void **state)
{
	struct fixture *f = *state;
	struct monotime start = loop_now(f->loop);

	set_timer(f, 0, 500); /* a slow machine gets as far as the next call by then */
	set_timer(f, 1, 100000);
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(f->calls, 0);
	assert_int_equal(loop_once(f->loop, -1), 0);
	assert_int_equal(f->calls, 1);
	assert_int_equal(f->fired[0], 0);
	assert_in_range(monotime_diff_ms(monotime_now(), start), 499, 5000);
	assert_false(monotime_before(loop_now(f->loop), f->timers[0].when));
	assert_int_equal(loop_once(f->loop, 1), 0);
	assert_int_equal(f->calls, 1);
}

static void
test_timer_never(void **state)
{
	struct fixture *f = *state;
	struct loop_timer *t = &f->timers[0];

	set_timer(f, 0, -1);
	assert_int_equal(loop_timer_set(f->loop, t, (struct monotime){ 0 }, record_timer, t), 0);
	assert_int_equal(t->slot, 0);
	loop_timer_cancel(f->loop, t);
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(f->calls, 0);
}

static void
set_again(void *arg)
{
	fixture.calls++;
	loop_timer_set(fixture.loop, arg, (struct monotime){ 1 }, set_again, arg);
}

static void
test_timer_cannot_hold_up(void **state)
{
	struct fixture *f = *state;
	struct pair *p = &f->pairs[0];

	watch(f, p, count_event);
	poke(p);
	loop_timer_set(f->loop, &f->timers[0], (struct monotime){ 1 }, set_again, &f->timers[0]);
	assert_int_equal(loop_once(f->loop, -1), 0);
	assert_int_equal(loop_once(f->loop, -1), 0);
	assert_int_equal(f->calls, 2);
	assert_int_equal(p->calls, 2);
}

static void
cancel_all(void *arg)
{
	(void)arg;
	fixture.calls++;
	for (size_t i = 0; i < PAIRS; i++)
		loop_timer_cancel(fixture.loop, &fixture.timers[i]);
}

static void
test_cancel_in_callback(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < PAIRS; i++)
		loop_timer_set(f->loop, &f->timers[i], (struct monotime){ 1 }, cancel_all, NULL);
	assert_int_equal(loop_once(f->loop, 0), 0);
	assert_int_equal(f->calls, 1);
}

static void
stop_with_5(void *arg, uint32_t events)
{
	count_event(arg, events);
	loop_stop(fixture.loop, 5);
}

static void
test_run_and_stop(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		watch(f, &f->pairs[i], stop_with_5);
		poke(&f->pairs[i]);
	}
	assert_int_equal(loop_run(f->loop), 5);
	assert_int_equal(f->pairs[0].calls + f->pairs[1].calls, 1);
	/* It can run again, and one that is stopped before it runs does not start. */
	assert_int_equal(loop_run(f->loop), 5);
	loop_stop(f->loop, 6);
	assert_int_equal(loop_run(f->loop), 6);
	assert_int_equal(f->pairs[0].calls + f->pairs[1].calls, 2);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOOP(test_watch),
		WITH_LOOP(test_watch_refuses),
		WITH_LOOP(test_unwatch_in_callback),
		WITH_LOOP(test_reuse_in_callback),
		WITH_LOOP(test_unwatch_in_timer),
		WITH_LOOP(test_free_in_callback),
		WITH_LOOP(test_round_is_bounded),
		WITH_LOOP(test_timers_in_order),
		WITH_LOOP(test_timer_wakes),
		WITH_LOOP(test_timer_never),
		WITH_LOOP(test_timer_cannot_hold_up),
		WITH_LOOP(test_cancel_in_callback),
		WITH_LOOP(test_run_and_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
