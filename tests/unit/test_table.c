/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ENTRIES 1000

struct entry {
	uint32_t key;
	struct table_node node;
	bool seen;
};

struct fixture {
	struct table table;
	struct entry entries[ENTRIES];
};

static struct fixture fixture;

static int
setup(void **state)
{
	fixture = (struct fixture){ 0 };
	for (uint32_t i = 0; i < ENTRIES; i++)
		fixture.entries[i].key = i;
	*state = &fixture;
	return TABLE_INIT(&fixture.table, struct entry, node, key, ENTRIES - 1);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	table_fini(&f->table);
	return 0;
}

static struct entry *
find(const struct fixture *f, uint32_t key)
{
	struct table_node *n = table_find(&f->table, &key);

	return n ? TABLE_ENTRY(n, struct entry, node) : NULL;
}

static void
fill(struct fixture *f)
{
	for (size_t i = 0; i < ENTRIES - 1; i++)
		assert_int_equal(table_insert(&f->table, &f->entries[i].node), 0);
}

static void
test_insert_find_remove(void **state)
{
	struct fixture *f = *state;

	assert_null(find(f, 0));
	fill(f);
	assert_int_equal(f->table.count, ENTRIES - 1);
	for (uint32_t i = 0; i < ENTRIES - 1; i++)
		assert_ptr_equal(find(f, i), &f->entries[i]);
	for (size_t i = 0; i < ENTRIES - 1; i += 2)
		table_remove(&f->table, &f->entries[i].node);
	for (uint32_t i = 0; i < ENTRIES - 1; i++)
		assert_ptr_equal(find(f, i), i % 2 ? &f->entries[i] : NULL);
}

static void
test_bounds(void **state)
{
	struct fixture *f = *state;
	struct entry again = { .key = 5 };

	fill(f);
	assert_int_equal(table_insert(&f->table, &f->entries[ENTRIES - 1].node), -ENOSPC);
	assert_int_equal(table_insert(&f->table, &again.node), -EEXIST);
	assert_int_equal(f->table.count, ENTRIES - 1);
	table_remove(&f->table, &f->entries[5].node);
	assert_int_equal(table_insert(&f->table, &again.node), 0);
	assert_ptr_equal(find(f, 5), &again);
}

static void
test_buckets_grow(void **state)
{
	struct fixture *f = *state;
	size_t longest = 0;

	fill(f);
	for (size_t i = 0; i < f->table.n_buckets; i++) {
		size_t len = 0;

		for (struct table_node *n = f->table.buckets[i]; n; n = n->next)
			len++;
		longest = len > longest ? len : longest;
	}
	assert_true(f->table.n_buckets >= ENTRIES - 1);
	/* 999 entries in 1024 buckets at random: 20 in one would be a defect. */
	assert_true(longest < 20);
}

static void
test_seeds_differ(void **state)
{
	struct fixture *f = *state;
	struct table other = { 0 };

	assert_int_equal(table_init(&other, 0, 4, 1), 0);
	assert_memory_not_equal(&f->table.seed, &other.seed, sizeof(other.seed));
	table_fini(&other);
	table_fini(&other);
}

static void
test_walk(void **state)
{
	struct fixture *f = *state;
	struct table_iter pos = { 0 };
	struct table_node *n;
	size_t count = 0;

	assert_null(table_next(&f->table, &pos));
	fill(f);
	pos = (struct table_iter){ 0 };
	while ((n = table_next(&f->table, &pos))) {
		struct entry *e = TABLE_ENTRY(n, struct entry, node);

		assert_false(e->seen);
		e->seen = true;
		count++;
		if (e->key % 3 == 0)
			table_remove(&f->table, n);
	}
	assert_int_equal(count, ENTRIES - 1);
	assert_null(table_next(&f->table, &pos));
	assert_int_equal(f->table.count, ENTRIES - 1 - ENTRIES / 3);
	for (uint32_t i = 0; i < ENTRIES - 1; i++)
		assert_ptr_equal(find(f, i), i % 3 ? &f->entries[i] : NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_insert_find_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_buckets_grow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seeds_differ, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
