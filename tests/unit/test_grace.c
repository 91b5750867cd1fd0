/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/grace.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/table.h"

#define READERS 3
#define ROUNDS	20000

struct thing {
	struct grace_node node;
	unsigned freed;
};

static void
mark_freed(struct grace_node *n)
{
	TABLE_ENTRY(n, struct thing, node)->freed++;
}

static void
test_nobody_reads(void **state)
{
	struct thing a = { 0 }, b = { 0 };
	struct grace g;

	(void)state;
	grace_init(&g, 0);
	assert_false(grace_collect(&g));
	grace_retire(&g, &a.node, mark_freed);
	grace_retire(&g, &b.node, mark_freed);
	assert_int_equal(a.freed, 0); /* whoever retires may still use it in this round */
	assert_false(grace_collect(&g));
	assert_int_equal(a.freed + b.freed, 2);
	grace_wait(&g);
}

static void
test_readers(void **state)
{
	struct thing a = { 0 }, b = { 0 };
	struct grace g;

	(void)state;
	grace_init(&g, READERS);
	grace_enter(&g, 0);
	grace_retire(&g, &a.node, mark_freed);
	assert_true(grace_collect(&g));
	grace_enter(&g, 1); /* it came later, and cannot have found a */
	grace_retire(&g, &b.node, mark_freed);
	assert_true(grace_collect(&g));
	assert_int_equal(a.freed, 0);
	grace_enter(&g, 0); /* another round */
	assert_true(grace_collect(&g));
	assert_int_equal(a.freed, 1);
	assert_int_equal(b.freed, 0);
	grace_leave(&g, 1);
	assert_false(grace_collect(&g));
	assert_int_equal(b.freed, 1);
	grace_leave(&g, 0);
	grace_wait(&g);
}

/* --- threads: a thing that can be found is never one that was freed --- */

struct box {
	struct grace_node node;
	int alive; /* plain: ThreadSanitizer sees any access that is not ordered */
};

static struct grace grace;
static _Atomic(struct box *) current;
static atomic_bool stop;

static void
kill_box(struct grace_node *n)
{
	TABLE_ENTRY(n, struct box, node)->alive = 0;
}

static void *
reader(void *arg)
{
	unsigned self = *(unsigned *)arg;
	intptr_t dead = 0;

	while (!atomic_load(&stop)) {
		grace_enter(&grace, self);
		for (int i = 0; i < 100; i++)
			dead += atomic_load(&current)->alive != 1;
		if (self % 2 == 0)
			grace_leave(&grace, self);
	}
	grace_leave(&grace, self);
	return (void *)dead;
}

static void
test_threads(void **state)
{
	static struct box boxes[ROUNDS + 1];
	unsigned selves[READERS];
	pthread_t threads[READERS];

	(void)state;
	grace_init(&grace, READERS);
	boxes[0].alive = 1;
	atomic_store(&current, &boxes[0]);
	for (unsigned i = 0; i < READERS; i++) {
		selves[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &selves[i]), 0);
	}
	for (unsigned i = 1; i <= ROUNDS; i++) {
		boxes[i].alive = 1;
		grace_retire(&grace, &atomic_exchange(&current, &boxes[i])->node, kill_box);
		(void)grace_collect(&grace);
		if (i % 1000 == 0) {
			grace_wait(&grace);
			assert_false(grace_collect(&grace));
			assert_int_equal(boxes[i - 1].alive, 0);
		}
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++) {
		void *dead;

		assert_int_equal(pthread_join(threads[i], &dead), 0);
		assert_null(dead);
	}
	assert_false(grace_collect(&grace));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_reads),
		cmocka_unit_test(test_readers),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
