/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pairs whose keys are given, as manual SAs have: nothing about them ever changes by itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "assoc_sim.h"
#include "keys/noise.h"

#define SPI_TO(host) (0x1001u + (host))

static const uint8_t keys[2][SUITE_KEYMAT_MAX] = { { 1, 2, 3 }, { 4, 5, 6 } };

static struct assoc *
fix(struct sim *s, unsigned at, const struct assoc_fixed *more)
{
	struct sim_host *h = &s->hosts[at], *other = &s->hosts[1 - at];
	struct assoc *a = assoc_get(&h->as, other->id, h->group, s->now);
	struct assoc_fixed f = *more;

	f.spi_in = SPI_TO(at);
	f.spi_out = SPI_TO(1 - at);
	f.in = keys[at];
	f.out = keys[1 - at];
	a->plain = true;
	a->ep = other->ep;
	assert_int_equal(assoc_fix(&h->as, a, &f, s->now), 0);
	a->active->in->sa.last = a->active->out->sa.last = f.esn ? UINT64_MAX : UINT32_MAX;
	a->up = true;
	way_update(&h->as, a);
	return a;
}

static void
nothing_but_frames_for_days(void **state)
{
	const struct assoc_fixed f = { .esn = true };
	struct sim *s = sim_two(1);
	const struct assoc *a = fix(s, 0, &f), *b = fix(s, 1, &f);
	const struct sa_pair *pair = a->active;

	(void)state;
	s->hosts[0].config.rekey_packets = 10;
	sim_stream(s, 3 * 24 * 3600 * INT64_C(1000), 60000);
	sim_nothing_missing(s);
	assert_ptr_equal(a->active, pair);
	assert_int_equal(sim_pairs(a, SA_ACTIVE), 1);
	assert_int_equal(s->n_datagrams, s->hosts[0].sent[1] + s->hosts[1].sent[0]);
	assert_true(a->up && b->up);
	/* From another address the packets are as good, but nobody is asked and nothing moves. */
	s->hosts[1].ep = sim_endpoint(10, 0, 0, 99, 1798);
	sim_send(s, 1, 0);
	sim_run(s, 1000);
	assert_int_equal(sim_missing(s, 1, 0), 0);
	assert_false(endpoint_equal(&a->ep, &s->hosts[1].ep));
	assert_int_equal(s->hosts[0].probes, 0);
	sim_free(s);
}

static void
numbers_go_on_where_they_are_told(void **state)
{
	uint64_t taken = 0;
	const struct assoc_fixed f = { .sent = 1000, .received = 1000, .taken = &taken };
	struct sim *s = sim_two(2);
	struct assoc *a = fix(s, 0, &f);
	struct assoc *b = fix(s, 1, &(const struct assoc_fixed){ .sent = 998, .received = 5 });

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_true(sim_send(s, 1, 0));
	sim_run(s, 1000);
	assert_int_equal(sim_missing(s, 1, 0), 2); /* 999 and 1000 count as seen */
	assert_int_equal(taken, 1002);
	a->active->out->sa.last = 1001;
	for (int i = 0; i < 3; i++)
		sim_send(s, 0, 1);
	sim_run(s, 1000);
	assert_int_equal(sim_missing(s, 0, 1), 2);
	assert_int_equal(b->active->in->sa.replay.top, 1001);
	sim_free(s);
}

static void
an_spi_is_taken_once(void **state)
{
	struct sim *s = sim_two(3);
	struct sim_host *h = &s->hosts[0];
	const struct assoc_fixed again = {
		.spi_in = SPI_TO(0), .spi_out = 0x2000, .in = keys[0], .out = keys[1]
	};
	struct assoc *other;

	(void)state;
	fix(s, 0, &(const struct assoc_fixed){ 0 });
	other = assoc_get(&h->as, 4711, h->group, s->now);
	assert_int_equal(assoc_fix(&h->as, other, &again, s->now), -EEXIST);
	assert_null(other->pairs);
	assert_int_equal(h->as.sadb.table.count, 1);
	assoc_free(&h->as, sim_assoc(s, 0, 1));
	assert_int_equal(h->as.sadb.table.count, 0);
	assert_int_equal(assoc_fix(&h->as, other, &again, s->now), 0);
	sim_free(s);
}

static void
it_may_change_its_group(void **state)
{
	struct sim *s = sim_two(4);
	struct sim_host *h = &s->hosts[0];
	struct assoc *a = fix(s, 0, &(const struct assoc_fixed){ .esn = true });
	struct group *g = group_get(&h->groups, "another", a->group->suite);

	(void)state;
	assoc_regroup(&h->as, a, g);
	assert_ptr_equal(assoc_find(&h->as, a->key.host_id, g), a);
	assert_null(assoc_find(&h->as, a->key.host_id, h->group));
	assert_true(atomic_load(&a->way)->group == g->number);
	group_put(&h->groups, g); /* it holds the group itself */
	assert_ptr_equal(a->group, g);
	sim_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_frames_for_days),
		cmocka_unit_test(numbers_go_on_where_they_are_told),
		cmocka_unit_test(an_spi_is_taken_once),
		cmocka_unit_test(it_may_change_its_group),
	};

	if (!noise_global_init() || !cipher_global_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
