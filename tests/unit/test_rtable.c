/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/rtable.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/grace.h"

#define KEYS	256
#define BUCKETS 16
#define READERS 2
#define ROUNDS	40000

struct entry {
	struct rtable_node node;
	struct grace_node retired;
	uint32_t key;
	uint32_t twice; /* of key, until it is freed */
};

static struct rtable table;
static struct grace grace;
static atomic_bool stop;

static struct entry *
find(uint32_t key)
{
	struct rtable_node *n = rtable_find(&table, &key);

	return n != NULL ? TABLE_ENTRY(n, struct entry, node) : NULL;
}

static struct entry *
add(uint32_t key)
{
	struct entry *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->key = key;
	e->twice = 2 * key;
	rtable_insert(&table, &e->node);
	return e;
}

static void
destroy(struct grace_node *n)
{
	struct entry *e = TABLE_ENTRY(n, struct entry, retired);

	e->twice = UINT32_MAX;
	free(e);
}

static void
drop(struct entry *e)
{
	rtable_remove(&table, &e->node);
	grace_retire(&grace, &e->retired, destroy);
}

static int
setup(void **state)
{
	(void)state;
	grace_init(&grace, READERS);
	return RTABLE_INIT(&table, struct entry, node, key, BUCKETS);
}

static int
teardown(void **state)
{
	struct rtable_iter it = { 0 };
	struct rtable_node *n;

	(void)state;
	while ((n = rtable_next(&table, &it)) != NULL)
		drop(TABLE_ENTRY(n, struct entry, node));
	assert_int_equal(table.count, 0);
	grace_wait(&grace);
	assert_false(grace_collect(&grace));
	rtable_fini(&table);
	return 0;
}

static void
test_one_thread(void **state)
{
	struct rtable_iter it = { 0 };
	size_t n = 0;

	(void)state;
	assert_null(find(1));
	for (uint32_t k = 0; k < KEYS; k++)
		add(k);
	assert_int_equal(table.count, KEYS);
	for (uint32_t k = 0; k < KEYS; k += 2)
		drop(find(k));
	for (uint32_t k = 0; k < KEYS; k++)
		assert_true((find(k) != NULL) == (k % 2 == 1));
	while (rtable_next(&table, &it) != NULL)
		n++;
	assert_int_equal(n, KEYS / 2);
}

/* What was removed leads on: a reader that stands on it loses nothing. */
static void
test_reader_on_removed(void **state)
{
	struct rtable_node *n;
	size_t seen = 0;

	(void)state;
	for (uint32_t k = 0; k < KEYS; k++)
		add(k);
	for (size_t b = 0; b < BUCKETS; b++) {
		n = atomic_load(&table.buckets[b]);
		for (seen += n != NULL; n != NULL && atomic_load(&n->next) != NULL; seen++) {
			struct rtable_node *next = atomic_load(&n->next);

			drop(TABLE_ENTRY(n, struct entry, node));
			n = next;
		}
	}
	assert_int_equal(seen, KEYS);
}

/* --- threads --- */

static void *
reader(void *arg)
{
	unsigned self = *(unsigned *)arg;
	uint32_t key = 0;
	intptr_t wrong = 0;

	while (!atomic_load(&stop)) {
		grace_enter(&grace, self);
		for (int i = 0; i < 50; i++) {
			const struct entry *e = find(key = (key + 7) % KEYS);

			wrong += e != NULL && (e->key != key || e->twice != 2 * key);
			/* Every fourth is always there. */
			wrong += e == NULL && key % 4 == 0;
		}
		grace_leave(&grace, self);
	}
	return (void *)wrong;
}

static void
test_threads(void **state)
{
	unsigned selves[READERS];
	pthread_t threads[READERS];

	(void)state;
	for (uint32_t k = 0; k < KEYS; k += 4)
		add(k);
	for (unsigned i = 0; i < READERS; i++) {
		selves[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &selves[i]), 0);
	}
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t key = (i * 5) % KEYS;
		struct entry *e = key % 4 != 0 ? find(key) : NULL;

		if (e != NULL)
			drop(e);
		else if (key % 4 != 0)
			add(key);
		(void)grace_collect(&grace);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++) {
		void *wrong;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_on_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
