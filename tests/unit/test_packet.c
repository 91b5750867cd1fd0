/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void
test_pool(void **state)
{
	struct packet_pool *pool = packet_pool_new(3);
	struct packet *p[3];

	(void)state;
	assert_non_null(pool);
	assert_int_equal(packet_pool_available(pool), 3);
	for (size_t i = 0; i < 3; i++)
		assert_non_null(p[i] = packet_get(pool));
	assert_true(p[0] != p[1] && p[1] != p[2] && p[0] != p[2]);
	assert_int_equal(packet_pool_available(pool), 0);
	assert_null(packet_get(pool));

	packet_put(p[1]);
	packet_put(NULL);
	assert_int_equal(packet_pool_available(pool), 1);
	assert_ptr_equal(packet_get(pool), p[1]);
	for (size_t i = 0; i < 3; i++)
		packet_put(p[i]);
	assert_int_equal(packet_pool_available(pool), 3);
	packet_pool_free(pool);
	packet_pool_free(NULL);
}

static void
test_pool_refuses(void **state)
{
	(void)state;
	assert_null(packet_pool_new(0));
	assert_null(packet_pool_new(SIZE_MAX));
}

/* One number of packets, of whichever size. */
static void
test_small(void **state)
{
	struct packet_pool *pool = packet_pool_new(3);
	struct packet *large = packet_get(pool), *small = packet_get_for(pool, 0), *p;
	size_t room;

	(void)state;
	packet_reset(small, &room);
	assert_int_equal(room, PACKET_SMALL_ROOM);
	packet_append(small, room + PACKET_TAILROOM);
	assert_null(packet_append(small, 1));
	assert_non_null(packet_push(small, PACKET_HEADROOM));

	p = packet_get_for(pool, PACKET_MEDIUM_ROOM + 1);
	packet_reset(p, &room);
	assert_int_equal(room, PACKET_ROOM);
	packet_put(p);
	p = packet_get_for(pool, PACKET_SMALL_ROOM + 1);
	packet_reset(p, &room);
	assert_int_equal(room, PACKET_MEDIUM_ROOM);
	assert_int_equal(packet_pool_available(pool), 0);
	assert_null(packet_get_for(pool, 1));

	packet_put(small);
	packet_put(large);
	assert_ptr_equal(packet_get(pool), large);
	assert_ptr_equal(packet_get_for(pool, PACKET_SMALL_ROOM), small);
	assert_null(packet_get(pool));
	packet_pool_free(pool);
}

/* 100000 packets are 6 GB: memory may only be touched as they are used. */
static void
test_pool_is_lazy(void **state)
{
	struct packet_pool *pool = packet_pool_new(100000);
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct packet *p;
	unsigned char resident;

	(void)state;
	assert_non_null(pool);
	p = packet_get(pool);
	/* Far behind, as a huge page may cover what is near. */
	void *unused = (void *)(((uintptr_t)p + 50000ul * PACKET_SIZE) & ~(page - 1));
	assert_int_equal(mincore(unused, page, &resident), 0);
	assert_int_equal(resident & 1, 0);
	packet_put(p);
	packet_pool_free(pool);
}

static void
test_window(void **state)
{
	struct packet_pool *pool = packet_pool_new(1);
	struct packet *p = packet_get(pool);
	uint8_t *start = p->data;

	(void)state;
	assert_int_equal(p->len, 0);
	assert_ptr_equal(start, p->buf + PACKET_HEADROOM);

	memcpy(packet_append(p, 4), "data", 4);
	assert_int_equal(p->len, 4);
	memcpy(packet_push(p, 3), "hdr", 3);
	assert_ptr_equal(p->data, start - 3);
	memcpy(packet_append(p, 2), "::", 2);
	assert_int_equal(p->len, 9);
	assert_memory_equal(p->data, "hdrdata::", 9);
	assert_true(packet_trim(p, 2));
	assert_true(packet_pull(p, 3));
	assert_int_equal(p->len, 4);
	assert_memory_equal(p->data, "data", 4);
	packet_put(p);
	packet_pool_free(pool);
}

static void
test_window_bounds(void **state)
{
	struct packet_pool *pool = packet_pool_new(1);
	struct packet *p = packet_get(pool);
	size_t room;

	(void)state;
	assert_ptr_equal(packet_reset(p, &room), p->data);
	assert_int_equal(room, PACKET_ROOM);
	assert_false(packet_pull(p, 1));
	assert_false(packet_trim(p, 1));
	assert_null(packet_push(p, PACKET_HEADROOM + 1));
	assert_non_null(packet_push(p, PACKET_HEADROOM));
	assert_null(packet_push(p, 1));
	assert_non_null(packet_append(p, room + PACKET_TAILROOM));
	assert_null(packet_append(p, 1));
	assert_null(packet_append(p, SIZE_MAX));
	assert_int_equal(p->len, PACKET_SIZE);
	assert_true(packet_pull(p, PACKET_SIZE));
	assert_int_equal(p->len, 0);
	assert_false(packet_pull(p, 1));
	packet_put(p);

	/* A used packet comes back as a new one. */
	p = packet_get(pool);
	assert_ptr_equal(p->data, p->buf + PACKET_HEADROOM);
	assert_int_equal(p->len, 0);
	packet_pool_free(pool);
}

static void
test_part(void **state)
{
	struct packet_pool *pool = packet_pool_new(2);
	struct packet *whole = packet_get(pool), *part;

	(void)state;
	memcpy(packet_append(whole, 6), "abcdef", 6);
	assert_non_null(part = packet_get_part(pool, whole->data + 2, 3));
	assert_null(packet_get_part(pool, whole->data, 1));
	assert_int_equal(part->len, 3);
	assert_memory_equal(part->data, "cde", 3);
	assert_null(packet_push(part, 1));
	assert_null(packet_append(part, 1));
	assert_true(packet_pull(part, 1));
	assert_true(packet_trim(part, 1));
	assert_memory_equal(part->data, "d", 1);
	assert_int_equal(part->len, 1);
	assert_non_null(packet_push(part, 1));
	assert_null(packet_push(part, 1));
	packet_put(part);
	packet_put(whole);
	assert_int_equal(packet_pool_available(pool), 2);
	packet_pool_free(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_part),
		cmocka_unit_test(test_pool_refuses),
		cmocka_unit_test(test_pool_is_lazy),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
