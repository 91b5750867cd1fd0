/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/handover.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKETS (HANDOVER_MAX + 8)
#define NUMBERS 200000

static struct handover *q;
static struct packet_pool *pool;

static int
setup(void **state)
{
	(void)state;
	q = aligned_alloc(64, (sizeof(*q) + 63) / 64 * 64);
	pool = packet_pool_new(PACKETS);
	if (q == NULL || pool == NULL)
		return -1;
	memset(q, 0, sizeof(*q));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	handover_reclaim(q);
	assert_int_equal(packet_pool_available(pool), PACKETS);
	packet_pool_free(pool);
	free(q);
	return 0;
}

static bool
put(uint32_t share, uint64_t flow, uint32_t number)
{
	struct handed h = { .kind = HANDED_FRAME, .share = share, .vni = number };

	h.packet = packet_get_for(pool, sizeof(number));
	assert_non_null(h.packet);
	memcpy(packet_append(h.packet, sizeof(number)), &number, sizeof(number));
	return handover_put(q, &h, flow);
}

static void
test_in_order(void **state)
{
	(void)state;
	assert_null(handover_peek(q, 0));
	for (uint32_t round = 0; round < 3 * HANDOVER_MAX; round += 100) {
		for (uint32_t i = 0; i < 100; i++)
			assert_true(put(1, 7, round + i));
		for (uint32_t i = 0; i < 100; i++)
			assert_int_equal(handover_peek(q, i)->vni, round + i);
		assert_null(handover_peek(q, 100));
		assert_true(handover_waiting(q, 7));
		handover_done(q, 99);
		assert_true(handover_waiting(q, 7));
		handover_done(q, 1);
		assert_false(handover_waiting(q, 7));
	}
}

/* One vnet has its share; all of them the whole. */
static void
test_full(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (; n < HANDOVER_SHARE; n++)
		assert_true(put(1, 1, n));
	assert_false(put(1, 1, n));
	assert_false(put(1 + HANDOVER_KINDS, 1, n)); /* counted under the same */
	for (uint32_t share = 2; n < HANDOVER_MAX; n++)
		assert_true(put(n % HANDOVER_SHARE == 0 ? ++share : share, 1, n));
	assert_false(put(99, 1, n));
	handover_done(q, 1);
	assert_true(put(1, 1, n));
	assert_false(put(99, 1, n));
	handover_done(q, HANDOVER_MAX);
}

/* What has the slot of another flow does not hold that one up. */
static void
test_waiting(void **state)
{
	(void)state;
	assert_false(handover_waiting(q, 5));
	assert_true(put(1, 5, 0));
	assert_true(handover_waiting(q, 5));
	assert_false(handover_waiting(q, 5 + HANDOVER_FLOWS));
	assert_true(put(1, 5 + HANDOVER_FLOWS, 0));
	assert_true(handover_waiting(q, 5 + HANDOVER_FLOWS));
	assert_false(handover_waiting(q, 5));
	handover_done(q, 2);
	assert_false(handover_waiting(q, 5 + HANDOVER_FLOWS));
}

static void *
reader(void *arg)
{
	uint32_t next = 0;
	intptr_t wrong = 0;

	(void)arg;
	while (next < NUMBERS) {
		const struct handed *h;
		size_t n = 0;

		for (; n < 50 && (h = handover_peek(q, n)) != NULL; n++, next++)
			wrong += h->vni != next ||
				 memcmp(h->packet->data, &next, sizeof(next)) != 0;
		handover_done(q, n);
	}
	return (void *)wrong;
}

static void
test_threads(void **state)
{
	pthread_t thread;
	void *wrong;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
	for (uint32_t n = 0; n < NUMBERS;)
		n += put(n, n, n);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_null(wrong);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
