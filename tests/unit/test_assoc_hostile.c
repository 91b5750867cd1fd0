/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Associations against somebody who hears all that goes over the network, records it, and sends what he likes. */
#include "assoc_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/stats.h"
#include "esp/esp.h"

#define HS_ID_AT (CONTROL_HEADER_LEN + 8) /* in the datagram of a handshake message */

static struct sim *s;

static bool
drop_kind(struct sim *sim, const struct sim_event *ev, void *arg)
{
	const enum sim_kind *kind = arg;

	(void)sim;
	return sim_classify(ev->bytes, ev->len) == *kind;
}

/* The last recorded datagram of that kind from that host. */
static size_t
last_of(enum sim_kind kind, unsigned from)
{
	for (size_t i = s->n_records; i-- > 0;)
		if (sim_classify(s->records[i].bytes, s->records[i].len) == kind &&
		    endpoint_equal(&s->records[i].from, &s->hosts[from].ep))
			return i;
	fail_msg("no datagram of kind %d from host %u", kind, from);
	return 0;
}

/* A message 1 of `from` that `to` has never answered: the other's answers are lost. */
static size_t
record_message1(unsigned from, unsigned to)
{
	enum sim_kind lost = SIM_HS2;

	s->drop = drop_kind;
	s->arg = &lost;
	sim_connect(s, from, to, false);
	sim_run(s, 11000);
	s->drop = NULL;
	return last_of(SIM_HS1, from);
}

/* --- replays --- */

static void
replay_everything(size_t n, bool reflect)
{
	struct endpoint liar = sim_endpoint(10, 6, 6, 6, 1);

	for (size_t i = 0; i < n; i++) {
		const struct sim_record *r = &s->records[i];

		if (reflect)
			sim_inject(s, &r->to, &r->from, r->bytes, r->len);
		else
			sim_replay(s, i, i % 3 == 0 ? &liar : NULL);
		if (i % 8 == 0) {
			sim_send(s, 0, 1);
			sim_send(s, 1, 0);
			sim_run(s, 50);
		}
	}
}

static void
replays_change_nothing(void **state)
{
	uint64_t replayed = stats_value(STAT_HS_REPLAYED);
	unsigned before[2];
	size_t n;

	(void)state;
	for (unsigned restarts = 0; restarts < 2; restarts++) {
		s = sim_two(restarts);
		record_message1(0, 1);
		record_message1(1, 0);
		for (unsigned i = 0; i < 4; i++) {
			sim_connect(s, i % 2, !(i % 2), false);
			sim_stream(s, 2000, 100);
		}
		sim_agree(s, 0, 1);
		n = s->n_records;
		if (restarts) {
			for (unsigned i = 0; i < 2; i++) {
				sim_stop(s, i);
				sim_start(s, i);
			}
			sim_connect(s, 0, 1, true);
			sim_run(s, 2000);
			sim_agree(s, 0, 1);
			memset(s->hosts[0].got, 0, sizeof(s->hosts[0].got));
			memset(s->hosts[1].got, 0, sizeof(s->hosts[1].got));
		}
		before[0] = s->hosts[0].up;
		before[1] = s->hosts[1].up;
		replay_everything(n, false);
		sim_run(s, 1000);
		sim_nothing_missing(s);
		sim_agree(s, 0, 1);
		assert_int_equal(s->hosts[0].up, before[0]);
		assert_int_equal(s->hosts[1].up, before[1]);
		assert_int_equal(s->hosts[0].down + s->hosts[1].down, 0);
		assert_true(stats_value(STAT_HS_REPLAYED) > replayed);
		sim_end(s);
	}
}

/* Recorded and never confirmed: it takes the slot for 5 s, and gives way to the true one at once. */
static void
recorded_message1_yields(void **state)
{
	size_t old, older;

	(void)state;
	s = sim_two(1);
	older = record_message1(0, 1);
	sim_stop(s, 0);
	sim_start(s, 0);
	old = record_message1(0, 1);
	/* Before, with and after the true one, at each stage of it, on a short way and on a long one. */
	for (int at = 0; at < 120; at += 3) {
		int ms = at % 2 ? 10 : 700;

		assoc_free(
		    &s->hosts[1].as, sim_assoc(s, 1, 0)); /* no memory of what was confirmed */
		if (sim_up(s, 0, 1))
			assoc_free(&s->hosts[0].as, sim_assoc(s, 0, 1));
		sim_run(s, 6000);
		s->delay_ms = ms;
		sim_replay(s, at % 4 ? old : older, NULL);
		sim_run(s, ms * 3);
		sim_connect(s, 0, 1, false);
		sim_run(s, at * ms / 30);
		s->delay_ms = 1;
		sim_replay(s, old, NULL);
		sim_replay(s, older, NULL);
		s->delay_ms = ms;
		sim_run(s, ms * 5 + 20);
		assert_true(sim_up(s, 0, 1));
		assert_true(sim_up(s, 1, 0));
		sim_run(s, 1000);
		sim_agree(s, 0, 1);
	}
	s->delay_ms = 10;
	sim_end(s);
}

static void
recorded_message1_ends_no_attempt(void **state)
{
	enum sim_kind lost = SIM_HS1;
	size_t old;

	(void)state;
	s = sim_two(1);
	old = record_message1(0, 1);
	s->drop = drop_kind;
	s->arg = &lost;
	sim_connect(s, 1, 0, false);
	sim_run(s, 200);
	sim_replay(s, old, NULL);
	sim_run(s, 100);
	assert_int_equal(sim_pairs(sim_assoc(s, 1, 0), SA_HALF_OPEN), 1);
	assert_int_equal(s->hosts[1].as.attempts.count, 1);
	s->drop = NULL;
	sim_run(s, 1000);
	sim_agree(s, 0, 1);
	assert_true(sim_assoc(s, 1, 0)->active->initiator);
	sim_end(s);
}

/* The header is not authenticated: a true message 1 under another handshake id is the same message 1. */
static void
message1_with_another_id(void **state)
{
	uint8_t copy[512];
	const struct sim_record *r;

	(void)state;
	s = sim_two(1);
	s->delay_ms = 700; /* so that they come at each stage */
	sim_connect(s, 0, 1, false);
	for (int i = 0; i < 30; i++) {
		sim_run(s, 100);
		r = &s->records[last_of(SIM_HS1, 0)];
		memcpy(copy, r->bytes, r->len);
		copy[HS_ID_AT] ^= (uint8_t)(i + 1);
		sim_inject(s, &r->from, &r->to, copy, r->len);
	}
	sim_run(s, 1000);
	sim_agree(s, 0, 1);
	assert_int_equal(s->hosts[0].up, 1);
	assert_int_equal(s->hosts[1].up, 1);
	s->delay_ms = 10;
	sim_end(s);
}

/* A dummy packet of a start that is over, held back until the peer's new start is up. */
static void
late_confirmation_of_an_old_start(void **state)
{
	enum sim_kind lost = SIM_ESP;
	size_t old, message1;
	uint8_t *held;
	struct assoc *a;

	(void)state;
	s = sim_two(1);
	s->drop = drop_kind;
	s->arg = &lost;
	sim_connect(s, 0, 1, false);
	sim_run(s, 100);
	old = last_of(SIM_ESP, 0);
	message1 = last_of(SIM_HS1, 0);
	assert_true(message1 < old);
	s->drop = NULL;
	sim_stop(s, 0);
	sim_start(s, 0);
	sim_connect(s, 1, 0, false); /* leaves the slot of the old start alone */
	sim_run(s, 1000);
	sim_agree(s, 0, 1);
	held = s->records[old].bytes;
	assert_non_null(held);
	sim_replay(s, old, NULL);
	sim_run(s, 100);
	sim_agree(s, 0, 1);
	a = sim_assoc(s, 1, 0);
	assert_true(a->peer_start == s->hosts[0].start);
	assert_int_equal(s->hosts[1].fresh, 1);
	sim_stream(s, 500, 10);
	sim_run(s, 100);
	sim_nothing_missing(s);
	sim_end(s);
}

static void
reflected_is_dropped(void **state)
{
	uint64_t own = stats_value(STAT_OWN_MESSAGE);
	enum sim_kind lost = SIM_HS2;
	const struct sim_record *r;

	(void)state;
	s = sim_two(1);
	record_message1(0, 1);
	record_message1(1, 0);
	/* While the attempt is out, and when it is forgotten. */
	s->drop = drop_kind;
	s->arg = &lost;
	sim_connect(s, 0, 1, false);
	sim_run(s, 50);
	r = &s->records[last_of(SIM_HS1, 0)];
	sim_inject(s, &r->to, &r->from, r->bytes, r->len);
	sim_run(s, 11);
	assert_int_equal(s->hosts[0].as.n_jobs, 0); /* known by its id */
	replay_everything(s->n_records, true);
	s->drop = NULL;
	sim_connect(s, 0, 1, false);
	sim_run(s, 1000);
	sim_agree(s, 0, 1);
	replay_everything(s->n_records, true);
	sim_run(s, 1000);
	sim_agree(s, 0, 1);
	sim_nothing_missing(s);
	assert_true(stats_value(STAT_OWN_MESSAGE) >= own + 2);
	assert_int_equal(s->hosts[0].up, 1);
	assert_int_equal(s->hosts[0].as.table.count, 1);
	sim_end(s);
}

/* --- forgeries --- */

static void
forged_message2_ends_no_attempt(void **state)
{
	uint64_t failed = stats_value(STAT_HS_FAILED), unexpected = stats_value(STAT_HS_UNEXPECTED);
	enum sim_kind lost = SIM_HS2;
	uint8_t copy[512];
	struct sim_record r;

	(void)state;
	s = sim_two(1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 2000);
	s->drop = drop_kind;
	s->arg = &lost;
	sim_connect(s, 0, 1, false);
	sim_run(s, 50);
	r = s->records[last_of(SIM_HS2, 1)];
	memcpy(copy, r.bytes, r.len);
	for (unsigned i = 0; i < r.len; i += 7) { /* altered */
		copy[i] ^= 1;
		sim_inject(s, &r.from, &r.to, copy, r.len);
		copy[i] ^= 1;
		sim_run(s, 5);
	}
	for (unsigned i = 0; i < 100; i++) { /* made up */
		for (unsigned j = CONTROL_HEADER_LEN + 12; j < r.len; j++)
			copy[j] = (uint8_t)sim_random(s, 256);
		sim_inject(s, &r.from, &r.to, copy, r.len);
		sim_run(s, 5);
	}
	assert_int_equal(s->hosts[0].as.attempts.count, 1);
	assert_true(stats_value(STAT_HS_FAILED) > failed + 50);
	assert_int_equal(s->hosts[0].up, 1);
	sim_inject(s, &r.from, &r.to, r.bytes, r.len);
	sim_inject(s, &r.from, &r.to, r.bytes, r.len);
	s->drop = NULL;
	sim_run(s, 100);
	assert_int_equal(s->hosts[0].up, 2);
	assert_true(stats_value(STAT_HS_UNEXPECTED) > unexpected);
	sim_agree(s, 0, 1);
	sim_end(s);
}

/* Altered copies of all that is sent, before and after the true one. */
static bool
send_altered(struct sim *sim, const struct sim_event *ev, void *arg)
{
	uint8_t copy[2048];

	(void)arg;
	if (ev->len > sizeof(copy))
		return false;
	for (int i = 0; i < 2; i++) {
		memcpy(copy, ev->bytes, ev->len);
		copy[sim_random(sim, (uint32_t)ev->len)] ^= (uint8_t)(1 + sim_random(sim, 255));
		sim_inject(sim, &ev->from, &ev->to, copy, ev->len - (sim_random(sim, 8) == 0));
	}
	return false;
}

static void
altered_copies(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 20; seed++) {
		s = sim_two(seed);
		s->jitter_ms = 5;
		s->drop = send_altered;
		sim_connect(s, seed % 2, !(seed % 2), false);
		sim_run(s, 2000);
		sim_agree(s, 0, 1);
		for (int i = 0; i < 4; i++) {
			sim_connect(s, i % 2, !(i % 2), false);
			sim_stream(s, 2000, 20);
		}
		sim_agree(s, 0, 1);
		sim_run(s, 1000);
		sim_nothing_missing(s);
		assert_int_equal(s->hosts[0].fresh, 1);
		assert_int_equal(s->hosts[0].moved, 1);
		sim_end(s);
	}
}

/* Two hosts that chose the same handshake id, or one that copied it. */
static void
same_id_of_two_hosts(void **state)
{
	enum sim_kind lost = SIM_HS1;
	struct sim_record r0, r2;
	uint8_t copy[512];

	(void)state;
	s = sim_two(1);
	sim_start(s, 2);
	s->drop = drop_kind;
	s->arg = &lost;
	sim_connect(s, 0, 1, true);
	sim_connect(s, 2, 1, true);
	sim_run(s, 50);
	r0 = s->records[last_of(SIM_HS1, 0)];
	r2 = s->records[last_of(SIM_HS1, 2)];
	memcpy(copy, r2.bytes, r2.len);
	memcpy(copy + HS_ID_AT, r0.bytes + HS_ID_AT, 4);
	s->drop = NULL;
	sim_inject(s, &r0.from, &r0.to, r0.bytes, r0.len);
	sim_inject(s, &r2.from, &r2.to, copy, r2.len);
	sim_run(s, 500);
	sim_agree(s, 0, 1);
	sim_end(s);
}

static void
forged_cookies(void **state)
{
	enum sim_kind lost = SIM_HS2;
	uint8_t buf[CONTROL_HEADER_LEN + HS_COOKIE_MSG_LEN], cookie[HS_COOKIE_LEN];
	unsigned long before;
	struct sim_record r;

	(void)state;
	s = sim_two(1);
	s->drop = drop_kind;
	s->arg = &lost;
	sim_connect(s, 0, 1, false);
	sim_run(s, 50);
	r = s->records[last_of(SIM_HS1, 0)];
	before = s->n_datagrams;
	for (unsigned i = 0; i < 1000; i++) {
		struct hs_header h = { .key_id = 0, .suite = SUITE_AES128_SHA1 };

		memset(cookie, 0, sizeof(cookie));
		memcpy(cookie, &i, sizeof(i));
		control_write_header(buf, CONTROL_COOKIE, HS_COOKIE_MSG_LEN);
		hs_cookie_write(buf + CONTROL_HEADER_LEN, &h, cookie);
		memcpy(buf + CONTROL_HEADER_LEN, r.bytes + CONTROL_HEADER_LEN, 12);
		sim_inject(s, &r.to, &r.from, buf, sizeof(buf));
		sim_run(s, 1);
	}
	/* A second of its resends and the answers to them, and few more. */
	assert_in_range(s->n_datagrams - before, 3, 14);
	s->drop = NULL;
	sim_run(s, 3000);
	sim_agree(s, 0, 1); /* the resends were not put off */
	sim_end(s);
}

/* --- all of it at once --- */

/* What discovery and echoes do once a second: the lower id begins, the higher asks; who is silent is gone. */
static void
housekeep(void)
{
	for (unsigned i = 0; i < SIM_HOSTS; i++) {
		for (unsigned j = 0; j < SIM_HOSTS; j++) {
			struct assoc *a;

			if (i == j || !s->hosts[i].running || !s->hosts[j].running)
				continue;
			a = sim_assoc(s, i, j);
			if (a != NULL && a->up && monotime_diff_ms(s->now, a->heard) > 20000)
				assoc_down(&s->hosts[i].as, a, "silent", s->now);
			if (i < j && (a == NULL || !a->up || a->peer_start != s->hosts[j].start))
				sim_connect(s, i, j, true);
			sim_send(s, i, j);
		}
	}
}

static void
mischief(void)
{
	unsigned i = sim_random(s, SIM_HOSTS), j = (i + 1 + sim_random(s, 2)) % SIM_HOSTS;
	struct sim_host *h = &s->hosts[i];

	switch (sim_random(s, 10)) {
	case 0: /* the engine is killed, and knows at most one address */
		sim_stop(s, i);
		sim_start(s, i);
		memset(h->got, 0, sizeof(h->got));
		assoc_remember(&h->as, assoc_get(&h->as, s->hosts[j].id, h->group, s->now),
		    &s->hosts[j].ep, s->now);
		break;
	case 1:
		sim_keys_stop(s, i);
		sim_run(s, sim_random(s, 300));
		sim_keys_start(s, i);
		break;
	case 2: /* it moves */
		h->ep.port = 2000 + sim_random(s, 1000);
		break;
	case 3:
	case 4:
		sim_connect(s, i, j, false);
		break;
	case 5:
		s->loss_pct = (int)sim_random(s, 60);
		break;
	case 6:
		s->dup_pct = (int)sim_random(s, 50);
		s->jitter_ms = (int)sim_random(s, 300);
		break;
	case 7:
		if (sim_assoc(s, i, j) != NULL)
			assoc_down(&h->as, sim_assoc(s, i, j), "told to", s->now);
		break;
	default:
		for (unsigned k = 0; k < 50 && s->n_records > 0; k++) {
			size_t r = sim_random(s, (uint32_t)s->n_records);
			const struct endpoint from = { s->records[r].from.ip,
				1 + sim_random(s, 3000) };

			sim_replay(s, r, k % 2 ? &from : NULL);
		}
		break;
	}
}

/* Whatever has happened, once the network is good again everybody soon talks to everybody. */
static void
chaos(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 40; seed++) {
		s = sim_new(seed);
		s->n_spis = 1 + seed % 2;
		s->n_kernel = seed % 3;
		s->rekey_ms = 9000;
		for (unsigned i = 0; i < SIM_HOSTS; i++)
			sim_start(s, i);
		for (unsigned second = 0; second < 120; second++) {
			housekeep();
			if (sim_random(s, 3) == 0)
				mischief();
			sim_run(s, 1000);
		}
		s->loss_pct = s->dup_pct = s->jitter_ms = 0;
		for (unsigned i = 0; i < SIM_HOSTS; i++)
			s->hosts[i].as.config.rekey_ms = 3600000;
		for (unsigned second = 0; second < 90; second++) {
			housekeep();
			sim_run(s, 1000);
		}
		sim_agree(s, 0, 1);
		sim_agree(s, 0, 2);
		sim_agree(s, 1, 2);
		sim_quiet(s);
		for (unsigned i = 0; i < SIM_HOSTS; i++)
			assert_int_equal(
			    s->hosts[i].as.sadb.table.count, 2 * (s->n_spis + s->n_kernel));
		sim_free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays_change_nothing),
		cmocka_unit_test(recorded_message1_yields),
		cmocka_unit_test(recorded_message1_ends_no_attempt),
		cmocka_unit_test(message1_with_another_id),
		cmocka_unit_test(late_confirmation_of_an_old_start),
		cmocka_unit_test(reflected_is_dropped),
		cmocka_unit_test(forged_message2_ends_no_attempt),
		cmocka_unit_test(altered_copies),
		cmocka_unit_test(same_id_of_two_hosts),
		cmocka_unit_test(forged_cookies),
		cmocka_unit_test(chaos),
	};

	if (!noise_global_init() || !cipher_global_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
