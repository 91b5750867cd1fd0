/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/assoc.h"

static struct grace grace;
static struct routes routes;
static struct assoc here, there;
static const struct macaddr a = { { 2, 0, 0, 0, 0, 0xa } }, b = { { 2, 0, 0, 0, 0, 0xb } };

static int
setup(void **state)
{
	(void)state;
	grace_init(&grace, 0);
	return routes_init(&routes, &grace);
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(routes.routes.count + routes.ports.count, 0);
	assert_false(grace_collect(&grace));
	rtable_fini(&routes.ports);
	rtable_fini(&routes.routes);
	return 0;
}

static void
test_learn(void **state)
{
	struct route *r;

	(void)state;
	assert_null(routes_find(&routes, 1, &a));
	routes_learn(&routes, 1, &a, NULL, 0);
	routes_learn(&routes, 1, &b, &there, 42);
	assert_null(routes_find(&routes, 1, &a)->assoc);
	r = routes_find(&routes, 1, &b);
	assert_true(r->assoc == &there && r->label == 42);
	assert_false(monotime_is_set(atomic_load(&r->heard)));
	assert_null(routes_find(&routes, 2, &a)); /* another vnet */

	/* The same again is no news; anything else replaces it. */
	routes_learn(&routes, 1, &b, &there, 42);
	assert_ptr_equal(routes_find(&routes, 1, &b), r);
	routes_learn(&routes, 1, &b, &there, 43);
	assert_int_equal(routes_find(&routes, 1, &b)->label, 43);
	routes_learn(&routes, 1, &b, &here, 43);
	assert_ptr_equal(routes_find(&routes, 1, &b)->assoc, &here);
	assert_int_equal(routes.routes.count, 2);

	routes_forget(&routes, 1, &a);
	routes_forget(&routes, 1, &a);
	routes_forget(&routes, 1, &b);
}

static void
test_forget_assoc(void **state)
{
	(void)state;
	routes_learn(&routes, 1, &a, &here, 1);
	routes_learn(&routes, 2, &a, &here, 1);
	routes_learn(&routes, 1, &b, &there, 1);
	routes_forget_assoc(&routes, 1, &here);
	assert_null(routes_find(&routes, 1, &a));
	assert_non_null(routes_find(&routes, 2, &a));
	assert_non_null(routes_find(&routes, 1, &b));
	routes_forget_assoc(&routes, 2, &here);
	routes_forget_assoc(&routes, 1, &there);
}

static void
test_full(void **state)
{
	struct macaddr mac = { { 2 } };
	uint32_t n;

	(void)state;
	for (n = 0; n <= ROUTES_MAX; n++)
		routes_learn(&routes, n, &mac, NULL, 0);
	assert_int_equal(routes.routes.count, ROUTES_MAX);
	assert_null(routes_find(&routes, ROUTES_MAX, &mac));
	for (n = 0; n < ROUTES_MAX; n++)
		routes_forget(&routes, n, &mac);
}

static void
test_ports(void **state)
{
	struct port first = { .vni = 97 }, second = { .vni = 97 };

	(void)state;
	routes_port_add(&routes, &first);
	assert_ptr_equal(routes_port(&routes, 97), &first);
	assert_ptr_equal(first.queues[3].port, &first);
	assert_null(routes_port(&routes, 98));
	routes_port_remove(&routes, &first);
	assert_null(routes_port(&routes, 97));
	routes_port_add(&routes, &second);
	assert_true(second.number != first.number);
	routes_port_remove(&routes, &second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_learn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forget_assoc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
