/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ratelimit.h"

static struct monotime
at_ms(int64_t ms)
{
	return monotime_add_ms((struct monotime){ 1000000000 }, ms);
}

static struct ipaddr
host(uint32_t n)
{
	return ipaddr_v4(0x0a000000u + n);
}

static unsigned
take_all(struct ratelimit *r, uint32_t n, struct monotime now)
{
	struct ipaddr ip = host(n);
	unsigned got = 0;

	while (got < 1000 && ratelimit_take(r, &ip, now))
		got++;
	return got;
}

static void
one_bucket(void **state)
{
	struct bucket b = { 0 };
	unsigned got = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		got += bucket_take(&b, 20, 5, at_ms(0));
	assert_int_equal(got, 5);
	assert_false(bucket_take(&b, 20, 5, at_ms(49)));
	assert_true(bucket_take(&b, 20, 5, at_ms(50)));
	assert_false(bucket_take(&b, 20, 5, at_ms(50)));
	/* What was refused costs nothing: asked often, it still flows in. */
	got = 0;
	for (int ms = 51; ms <= 1050; ms++)
		got += bucket_take(&b, 20, 5, at_ms(ms));
	assert_in_range(got, 19, 20);
	/* No more than the burst is saved. */
	got = 0;
	for (int i = 0; i < 10; i++)
		got += bucket_take(&b, 20, 5, at_ms(100000000));
	assert_int_equal(got, 5);
}

static void
each_source_its_own(void **state)
{
	struct ratelimit *r = ratelimit_new(100, 2, 3);

	(void)state;
	assert_non_null(r);
	for (uint32_t n = 0; n < 100; n++)
		assert_int_equal(take_all(r, n, at_ms(0)), 3);
	assert_int_equal(take_all(r, 7, at_ms(400)), 0);
	assert_int_equal(take_all(r, 7, at_ms(500)), 1);
	assert_int_equal(take_all(r, 8, at_ms(10000)), 3);
	ratelimit_free(r);
}

/* More sources than there is room for share one bucket, and take nothing from those that are known. */
static void
flood_of_sources(void **state)
{
	struct ratelimit *r = ratelimit_new(100, 2, 3);
	struct ipaddr known = host(0);
	unsigned got = 0;

	(void)state;
	assert_true(ratelimit_take(r, &known, at_ms(0)));
	for (uint32_t n = 1; n < 100000; n++) {
		struct ipaddr ip = host(n);

		got += ratelimit_take(r, &ip, at_ms(n / 20)); /* for 5 s */
		if (n % 20000 == 0)
			assert_true(ratelimit_take(r, &known, at_ms(n / 20)));
	}
	assert_in_range(got, 99 + 10, 99 + 14);
	ratelimit_free(r);
}

static void
idle_sources_make_room(void **state)
{
	struct ratelimit *r = ratelimit_new(10, 1, 1);
	unsigned got = 0;

	(void)state;
	for (uint32_t n = 0; n < 10; n++)
		assert_int_equal(take_all(r, n, at_ms(0)), 1);
	for (uint32_t n = 10; n < 20; n++)
		got += take_all(r, n, at_ms(1));
	assert_int_equal(got, 1); /* all of them together */
	assert_int_equal(take_all(r, 3, at_ms(50000)), 1);
	got = 0;
	for (uint32_t n = 20; n < 30; n++)
		got += take_all(r, n, at_ms(61000));
	assert_int_equal(got, 10); /* nine in place of idle ones, one of the shared bucket */
	assert_int_equal(take_all(r, 3, at_ms(61001)), 1);
	ratelimit_free(r);
	ratelimit_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_bucket),
		cmocka_unit_test(each_source_its_own),
		cmocka_unit_test(flood_of_sources),
		cmocka_unit_test(idle_sources_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
