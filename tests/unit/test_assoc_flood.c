/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Associations under floods: what is bounded, and who is served all the same. */
#include "assoc_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/stats.h"
#include "esp/esp.h"

static struct sim *s;

/* A message 1 with the right key id and suite, and nothing else right. */
static void
flood_one(const struct endpoint *from, unsigned to, const uint8_t *cookie)
{
	struct sim_host *h = &s->hosts[to];
	uint8_t buf[CONTROL_HEADER_LEN + HS1_LEN], noise[HS_NOISE_LEN], none[HS_COOKIE_LEN] = { 0 };
	struct hs_header header = { .key_id = group_key_id(&h->groups, h->group, NULL),
		.id = sim_random(s, UINT32_MAX),
		.suite = h->group->suite->id };

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)sim_random(s, 256);
	control_write_header(buf, CONTROL_HANDSHAKE1, HS1_LEN);
	hs1_write(buf + CONTROL_HEADER_LEN, &header, cookie != NULL ? cookie : none, noise);
	sim_inject(s, from, &h->ep, buf, sizeof(buf));
}

static void
flood_of_strangers(void **state)
{
	uint64_t cookies = stats_value(STAT_COOKIE_TX), failed = stats_value(STAT_HS_FAILED);

	(void)state;
	s = sim_two(1);
	sim_start(s, 2);
	sim_connect(s, 0, 1, true);
	sim_run(s, 2000);
	for (unsigned ms = 0; ms < 4000; ms++) {
		for (int i = 0; i < 3; i++) {
			struct endpoint ep = sim_endpoint(172, sim_random(s, 256),
			    sim_random(s, 256), sim_random(s, 256), 1 + sim_random(s, 65535));

			flood_one(&ep, 1, NULL);
		}
		if (ms == 1500)
			sim_connect(s, 0, 1, false); /* a known peer rekeys */
		if (ms == 2000)
			sim_connect(s, 2, 1, true); /* a stranger comes */
		if (ms % 10 == 0) {
			sim_send(s, 0, 1);
			sim_send(s, 1, 0);
		}
		sim_run(s, 1);
		assert_true(s->hosts[1].as.n_jobs <= ASSOC_JOBS_MAX);
		assert_true(s->hosts[1].as.known.count <= 2);
		if (ms == 1600)
			assert_int_equal(s->hosts[1].up, 2); /* without a cookie, at once */
	}
	sim_agree(s, 2, 1);
	assert_in_range(stats_value(STAT_COOKIE_TX) - cookies, 11500, 12000);
	assert_in_range(
	    stats_value(STAT_HS_FAILED) - failed, 80, 105); /* 20 a second of them were looked at */
	sim_run(s, 100);
	sim_nothing_missing(s);
	sim_end(s);
}

/* The flood claims to come from a known peer. */
static void
flood_in_a_peers_name(void **state)
{
	uint64_t failed = stats_value(STAT_HS_FAILED);

	(void)state;
	s = sim_two(1);
	sim_start(s, 2);
	sim_connect(s, 0, 1, true);
	sim_connect(s, 2, 1, true);
	sim_run(s, 2000);
	for (unsigned ms = 0; ms < 3000; ms++) {
		for (int i = 0; i < 3; i++)
			flood_one(&s->hosts[0].ep, 1, NULL);
		if (ms == 1000) {
			sim_connect(s, 0, 1, false); /* with a cookie, then */
			sim_connect(s, 2, 1, false);
		}
		sim_run(s, 1);
		if (ms == 1100)
			assert_int_equal(s->hosts[1].up, 4);
	}
	assert_int_equal(s->hosts[1].up, 4);
	assert_in_range(stats_value(STAT_HS_FAILED) - failed, 30, 45);
	sim_agree(s, 0, 1);
	sim_agree(s, 2, 1);
	sim_end(s);
}

/* Somebody without the key, but with a true address and so with cookies. */
static void
flood_with_cookies(void **state)
{
	uint64_t limited = stats_value(STAT_RATE_LIMITED), failed = stats_value(STAT_HS_FAILED);
	struct endpoint ep = sim_endpoint(172, 16, 0, 1, 99);
	uint8_t cookie[HS_COOKIE_LEN];

	(void)state;
	s = sim_two(1);
	sim_start(s, 2);
	flood_one(&ep, 1, NULL);
	sim_run(s, 50);
	for (unsigned ms = 0; ms < 3000; ms++) {
		cookie_make(&s->hosts[1].as.cookie_keys[0], &ep, cookie);
		flood_one(&ep, 1, cookie);
		if (ms == 1000)
			sim_connect(s, 0, 1, true);
		if (ms == 1500)
			sim_connect(s, 2, 1, true);
		sim_run(s, 1);
		if (ms == 1100)
			sim_agree(s, 0, 1);
	}
	sim_agree(s, 2, 1);
	assert_in_range(stats_value(STAT_HS_FAILED) - failed, 30, 45);
	assert_true(stats_value(STAT_RATE_LIMITED) > limited + 2900);
	sim_end(s);
}

/* What a cookie proves wears off. */
static void
cookies_age(void **state)
{
	struct endpoint ep = sim_endpoint(172, 16, 0, 1, 99);
	uint8_t cookie[HS_COOKIE_LEN];
	struct sim_host *h;

	(void)state;
	s = sim_two(1);
	h = &s->hosts[1];
	for (unsigned i = 0; i < 25; i++)
		flood_one(&ep, 1, NULL);
	sim_run(s, 20);
	cookie_make(&h->as.cookie_keys[0], &ep, cookie);
	sim_run(s, 125000);
	assert_int_equal(admission_decide(&h->as, &ep, cookie, s->now), ADMISSION_OK);
	for (unsigned i = 0; i < 30; i++) /* no stranger gets in without */
		admission_decide(&h->as, &s->hosts[2].ep, (uint8_t[HS_COOKIE_LEN]){ 0 }, s->now);
	assert_int_equal(
	    admission_decide(&h->as, &s->hosts[2].ep, cookie, s->now), ADMISSION_COOKIE);
	assert_int_equal(admission_decide(&h->as, &ep, cookie, s->now), ADMISSION_OK);
	cookie_make(&h->as.cookie_keys[0], &ep, cookie);
	sim_run(s, 250000); /* nobody asked meanwhile, so nothing was renewed */
	for (unsigned i = 0; i < 30; i++)
		admission_decide(&h->as, &s->hosts[2].ep, (uint8_t[HS_COOKIE_LEN]){ 0 }, s->now);
	assert_int_equal(admission_decide(&h->as, &ep, cookie, s->now), ADMISSION_COOKIE);
	sim_end(s);
}

static void
flood_of_unknown_spis(void **state)
{
	uint8_t buf[64];
	uint64_t sent;

	(void)state;
	s = sim_two(1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 10000);
	for (unsigned ms = 0; ms < 20000; ms++) {
		struct endpoint ep = sim_endpoint(172, 16, sim_random(s, 256), 1, 99);

		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (uint8_t)sim_random(s, 256);
		buf[0] |= 0x10;
		sim_inject(s, &ep, &s->hosts[1].ep, buf, sizeof(buf));
		sim_inject(s, &s->hosts[0].ep, &s->hosts[1].ep, buf, sizeof(buf));
		if (ms % 20 == 0) {
			sim_send(s, 0, 1);
			sim_send(s, 1, 0);
		}
		sim_run(s, 1);
	}
	sim_run(s, 1000);
	sim_nothing_missing(s);
	sim_agree(s, 0, 1);
	assert_in_range(s->hosts[1].up, 2, 6); /* once in five seconds */
	assert_int_equal(s->hosts[1].as.table.count, 1);
	/* Down, it lets each second cause one message 1. */
	s->hosts[0].running = false;
	assoc_down(&s->hosts[1].as, sim_assoc(s, 1, 0), "silent", s->now);
	sim_assoc(s, 1, 0)->retry.ns = 0;
	sent = stats_value(STAT_HS1_TX);
	for (unsigned ms = 0; ms < 20000; ms += 10) {
		sim_inject(s, &s->hosts[0].ep, &s->hosts[1].ep, buf, sizeof(buf));
		sim_run(s, 10);
	}
	assert_in_range(stats_value(STAT_HS1_TX) - sent, 18, 22);
	s->hosts[0].running = true;
	sim_end(s);
}

/* Forged DISCOVERs: hosts that do not exist, at addresses where nobody is. */
static void
flood_of_hints(void **state)
{
	struct sim_host *h;
	uint32_t key_id;

	(void)state;
	s = sim_two(1);
	sim_start(s, 2);
	sim_connect(s, 0, 1, true);
	sim_run(s, 2000);
	h = &s->hosts[0];
	key_id = group_key_id(&h->groups, h->group, NULL);
	for (unsigned i = 0; i < 2 * ASSOCS_MAX; i++) {
		struct endpoint ep = sim_endpoint(172, 16, i >> 8, i & 255, 99);
		struct assoc *a = assoc_get(&h->as, 1000 + i, h->group, s->now);

		assert_non_null(a);
		assoc_connect(&h->as, a, key_id, &ep, true, s->now);
		if (i % 16 == 0)
			sim_run(s, 1);
		assert_true(h->as.table.count <= ASSOCS_MAX);
		assert_true(h->as.n_hints <= ASSOC_HINTS_MAX);
		assert_true(h->as.sadb.table.count <= ASSOC_HINTS_MAX + 8);
		if (i == ASSOCS_MAX) {
			/* In the name of a real one, too: its own rekey goes on. */
			for (unsigned j = 0; j < 8; j++) {
				ep.port = 100 + j;
				assoc_connect(
				    &h->as, sim_assoc(s, 0, 1), key_id, &ep, true, s->now);
			}
			sim_connect(s, 0, 1, false);
			sim_run(s, 100);
			assert_int_equal(s->hosts[0].up, 2);
			sim_connect(s, 2, 0, false); /* and a newcomer gets in */
			sim_run(s, 100);
			assert_true(sim_up(s, 2, 0));
		}
	}
	sim_agree(s, 0, 1);
	sim_agree(s, 0, 2);
	sim_run(s, 130000);
	assert_int_equal(h->as.table.count, 2); /* the others are forgotten */
	sim_end(s);
}

/* Attempts at other addresses of one host yield to one another, and to what we want ourselves. */
static void
attempts_of_one_host(void **state)
{
	struct sim_host *h;
	struct assoc *a;
	uint32_t key_id;

	(void)state;
	s = sim_two(1);
	h = &s->hosts[0];
	a = assoc_get(&h->as, s->hosts[1].id, h->group, s->now);
	key_id = group_key_id(&h->groups, h->group, NULL);
	for (unsigned i = 0; i < 8; i++) {
		struct endpoint ep = sim_endpoint(172, 16, 0, i + 1, 99);

		assoc_connect(&h->as, a, key_id, &ep, true, s->now);
		assert_int_equal(h->as.attempts.count, i < ASSOC_ATTEMPTS ? i + 1 : ASSOC_ATTEMPTS);
	}
	sim_run(s, 900);
	sim_connect(s, 0, 1, true);
	sim_run(s, 50);
	assert_false(a->up);
	sim_run(s, 100);
	sim_connect(s, 0, 1, true);
	sim_run(s, 100);
	sim_agree(s, 0, 1);
	assert_int_equal(h->as.attempts.count, 0);
	sim_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flood_of_strangers),
		cmocka_unit_test(flood_in_a_peers_name),
		cmocka_unit_test(flood_with_cookies),
		cmocka_unit_test(cookies_age),
		cmocka_unit_test(flood_of_unknown_spis),
		cmocka_unit_test(flood_of_hints),
		cmocka_unit_test(attempts_of_one_host),
	};

	if (!noise_global_init() || !cipher_global_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
