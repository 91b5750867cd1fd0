/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/datagram.h"
#include "esp/sadb.h"

static void
reserves_valid_and_different(void **state)
{
	static struct sadb_entry e[1000];
	struct sadb db;

	(void)state;
	assert_int_equal(sadb_init(&db), 0);
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(sadb_reserve(&db, &e[i]), 0);
		assert_true(datagram_spi_valid(e[i].spi));
	}
	for (size_t i = 0; i < 1000; i++)
		assert_ptr_equal(sadb_find(&db, e[i].spi), &e[i]);
	for (size_t i = 0; i < 1000; i++) {
		sadb_remove(&db, &e[i]);
		assert_null(sadb_find(&db, e[i].spi));
	}
	sadb_fini(&db);
}

static void
reserves_with_bits(void **state)
{
	static struct sadb_entry e[200];
	uint32_t others = 0;
	struct sadb db;

	(void)state;
	assert_int_equal(sadb_init(&db), 0);
	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(sadb_reserve_like(&db, &e[i], 15, i), 0);
		assert_int_equal(e[i].spi & 15, i & 15);
		others |= e[i].spi;
	}
	assert_int_equal(others, UINT32_MAX);
	for (size_t i = 0; i < 200; i++)
		sadb_remove(&db, &e[i]);
	sadb_fini(&db);
}

static void
given_spis(void **state)
{
	static const uint32_t invalid[] = { 0, 1, 255, VXLAN_FLAGS_WORD };
	struct sadb_entry a = { 0 }, b = { 0 };
	struct sadb db;

	(void)state;
	assert_int_equal(sadb_init(&db), 0);
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		assert_int_equal(sadb_insert(&db, &a, invalid[i]), -EINVAL);
		assert_null(sadb_find(&db, invalid[i]));
	}
	assert_int_equal(sadb_insert(&db, &a, 256), 0);
	assert_int_equal(sadb_insert(&db, &b, 256), -EEXIST);
	assert_ptr_equal(sadb_find(&db, 256), &a);
	assert_int_equal(sadb_insert(&db, &b, UINT32_MAX), 0);
	assert_ptr_equal(sadb_find(&db, UINT32_MAX), &b);
	sadb_remove(&db, &a);
	assert_null(sadb_find(&db, 256));
	assert_ptr_equal(sadb_find(&db, UINT32_MAX), &b);
	sadb_remove(&db, &b);
	sadb_fini(&db);
}

static void
is_bounded(void **state)
{
	struct sadb_entry *e = calloc(SADB_MAX + 1, sizeof(*e));
	struct sadb db;

	(void)state;
	assert_non_null(e);
	assert_int_equal(sadb_init(&db), 0);
	for (size_t i = 0; i < SADB_MAX; i++)
		assert_int_equal(sadb_reserve(&db, &e[i]), 0);
	assert_int_equal(sadb_reserve(&db, &e[SADB_MAX]), -ENOSPC);
	sadb_remove(&db, &e[0]);
	assert_int_equal(sadb_reserve(&db, &e[SADB_MAX]), 0);
	sadb_fini(&db);
	free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserves_valid_and_different),
		cmocka_unit_test(reserves_with_bits),
		cmocka_unit_test(given_spis),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
