/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "assoc_sim.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/stats.h"
#include "esp/esp.h"

static struct sim *s;

/* --- first handshake --- */

static void
first_from_either_side(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 2; first++) {
		s = sim_two(first);
		sim_connect(s, first, !first, true);
		sim_run(s, 100);
		sim_agree(s, 0, 1);
		assert_int_equal(s->hosts[0].up, 1);
		assert_int_equal(s->hosts[0].fresh, 1);
		assert_int_equal(s->hosts[1].fresh, 1);
		assert_true(sim_assoc(s, first, !first)->active->initiator);
		sim_stream(s, 1000, 10);
		sim_run(s, 100);
		sim_nothing_missing(s);
		assert_int_equal(s->hosts[0].n_got[1], 100);
		sim_end(s);
	}
}

static void
three_hosts(void **state)
{
	(void)state;
	s = sim_new(3);
	for (unsigned i = 0; i < 3; i++)
		sim_start(s, i);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = 0; j < 3; j++)
			if (i != j)
				sim_connect(s, i, j, true);
	sim_run(s, 500);
	sim_agree(s, 0, 1);
	sim_agree(s, 1, 2);
	sim_agree(s, 0, 2);
	sim_quiet(s);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(s->hosts[i].as.sadb.table.count, 2);
	sim_end(s);
}

static void
every_suite_and_number_of_sas(void **state)
{
	static const char *const suites[] = { "null-sha1", "aes128-sha1", "null-sha256",
		"aes128-sha256", "aes128gcm", "aes256gcm" };

	(void)state;
	for (unsigned n = 1; n <= HS_SPI_MAX; n++) {
		s = sim_new(n);
		s->suite = suites[n % 6];
		s->n_spis = n;
		s->n_kernel = (HS_SPI_MAX - n) / 2;
		sim_start(s, 0);
		s->n_spis = 1 + n % HS_SPI_MAX; /* the ends need not agree */
		s->n_kernel = HS_SPI_MAX - s->n_spis;
		sim_start(s, 1);
		sim_connect(s, 0, 1, true);
		sim_run(s, 100);
		sim_agree(s, 0, 1);
		assert_int_equal(s->hosts[0].as.sadb.table.count, n + (HS_SPI_MAX - n) / 2);
		assert_int_equal(s->hosts[1].as.sadb.table.count, HS_SPI_MAX);
		sim_stream(s, 200, 10);
		sim_run(s, 100);
		sim_nothing_missing(s);
		sim_end(s);
	}
}

/* Both at once, with every difference in time there can be: one goes on, or both ends choose the same. */
static void
both_at_once(void **state)
{
	(void)state;
	for (int rekey = 0; rekey < 2; rekey++) {
		for (unsigned seed = 0; seed < 120; seed++) {
			unsigned first;

			s = sim_two(seed);
			s->jitter_ms = seed % 3 * 15;
			first = sim_random(s, 2);
			if (rekey) {
				sim_connect(s, first, !first, false);
				sim_run(s, 60000);
				sim_agree(s, 0, 1);
			}
			sim_connect(s, first, !first, false);
			sim_run(s, sim_random(s, seed % 2 ? 60 : 700));
			sim_connect(s, !first, first, false);
			sim_stream(s, 500, 10);
			if (s->jitter_ms == 0)
				sim_agree(s, 0, 1); /* both saw the same order */
			sim_stream(s, 2500, 10);
			sim_agree(s, 0, 1);
			sim_run(s, 70000);
			sim_agree(s, 0, 1);
			sim_nothing_missing(s);
			assert_int_equal(sim_pairs(sim_assoc(s, 0, 1), SA_DRAINING), 0);
			assert_int_equal(s->hosts[0].as.sadb.table.count, 1);
			assert_int_equal(s->hosts[0].fresh, 1);
			assert_int_equal(s->hosts[1].fresh, 1);
			sim_end(s);
		}
	}
}

/* Exactly together on an even network: only the lower host's goes on. */
static void
one_of_two_goes_on(void **state)
{
	(void)state;
	for (int rekey = 0; rekey < 2; rekey++) {
		uint64_t crossed = stats_value(STAT_HS_CROSSED);

		s = sim_two(1);
		if (rekey) {
			sim_connect(s, 1, 0, false);
			sim_run(s, 1100);
		}
		sim_connect(s, 0, 1, false);
		sim_connect(s, 1, 0, false);
		sim_run(s, 1000);
		sim_agree(s, 0, 1);
		assert_true(sim_assoc(s, 0, 1)->active->initiator);
		assert_int_equal(stats_value(STAT_HS_CROSSED), crossed + 1);
		assert_int_equal(s->hosts[0].up, 1 + rekey);
		assert_int_equal(s->hosts[1].up, 1 + rekey);
		sim_end(s);
	}
}

/* --- loss --- */

struct lose {
	enum sim_kind kind;
	int from; /* host, or -1 */
	unsigned n, skip;
};

static bool
lose_some(struct sim *sim, const struct sim_event *ev, void *arg)
{
	struct lose *l = arg;

	if (sim_classify(ev->bytes, ev->len) != l->kind)
		return false;
	if (l->from >= 0 && !endpoint_equal(&ev->from, &sim->hosts[l->from].ep))
		return false;
	if (l->skip > 0) {
		l->skip--;
		return false;
	}
	if (l->n == 0)
		return false;
	l->n--;
	return true;
}

static void
messages_lost(void **state)
{
	static const struct lose cases[] = {
		{ SIM_HS1, -1, 3, 0 },
		{ SIM_HS2, -1, 1, 0 },
		{ SIM_HS2, -1, 3, 0 },
		{ SIM_ESP, 0, 1, 0 }, /* the confirmation */
		{ SIM_ESP, 0, 4, 0 },
		{ SIM_ESP, 1, 1, 0 }, /* the answer to it */
		{ SIM_ESP, 1, 4, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lose l = cases[i];

		s = sim_two(i);
		s->drop = lose_some;
		s->arg = &l;
		sim_connect(s, 0, 1, false);
		sim_run(s, 4000);
		assert_int_equal(l.n, 0);
		sim_agree(s, 0, 1);
		if (cases[i].kind == SIM_ESP)
			assert_true(
			    s->hosts[0].dummies >= 1 + cases[i].n); /* repeated until heard */
		sim_end(s);
	}
}

/* Each single datagram of a first handshake and of a rekey lost in turn; data goes on. */
static void
each_datagram_lost(void **state)
{
	(void)state;
	for (unsigned lost = 0;; lost++) {
		struct lose l = { SIM_HS1, -1, 1, lost };

		s = sim_two(lost);
		s->drop = lose_some;
		s->arg = &l;
		for (int kind = 0; kind < 3; kind++) {
			static const enum sim_kind kinds[] = { SIM_HS1, SIM_HS2, SIM_ESP };

			l = (struct lose){ kinds[kind], -1, 1, lost };
			sim_connect(s, 0, 1, false);
			sim_run(s, 6000);
			sim_agree(s, 0, 1);
			sim_connect(s, 1, 0, false);
			sim_run(s, 6000);
			sim_agree(s, 0, 1);
		}
		sim_end(s);
		if (l.n > 0)
			break; /* there were fewer */
	}
}

static void
bad_network(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 40; seed++) {
		s = sim_two(seed);
		s->loss_pct = 30;
		s->dup_pct = 20;
		s->jitter_ms = 80;
		for (int i = 0; i < 20 && !(sim_up(s, 0, 1) && sim_up(s, 1, 0)); i++) {
			sim_connect(s, sim_random(s, 2), 0, false);
			sim_connect(s, 0, 1, false);
			sim_run(s, 1000);
		}
		for (int i = 0; i < 5; i++) {
			sim_stream(s, 2000, 20);
			sim_connect(s, i % 2, !(i % 2), false);
		}
		s->loss_pct = s->dup_pct = 0;
		sim_run(s, 6000);
		sim_stream(s, 5000, 20); /* an unknown SPI mends what loss has torn */
		sim_run(s, 70000);
		sim_agree(s, 0, 1);
		assert_int_equal(s->hosts[0].as.sadb.table.count, 1);
		sim_end(s);
	}
}

/* All that one end sends is lost for a while, and they see two rekeys in different order: soon both use one pair all the same. */
static void
one_way_loss_while_rekeying(void **state)
{
	(void)state;
	for (int64_t wait = 600; wait < 4500; wait += 100) {
		struct lose l = { SIM_ESP, 1, 1000, 0 };

		s = sim_two(1);
		sim_connect(s, 0, 1, true);
		sim_run(s, 10000);
		sim_connect(s, 0, 1, false);
		s->drop = lose_some;
		s->arg = &l;
		sim_run(s, wait);
		sim_connect(s, 1, 0, false);
		sim_run(s, wait % 300);
		s->drop = NULL;
		sim_run(s, 4000);
		for (int i = 0; i < 80; i++) {
			assert_true(sim_send(s, 0, 1));
			assert_true(sim_send(s, 1, 0));
			sim_run(s, 1000);
			if (i == 3)
				sim_agree(s, 0, 1);
		}
		sim_nothing_missing(s);
		sim_agree(s, 0, 1);
		sim_end(s);
	}
}

/* --- rekey --- */

static void
rekey_stops(void)
{
	for (unsigned i = 0; i < 2; i++) {
		s->hosts[i].as.config.rekey_ms = 3600000;
		s->hosts[i].as.config.rekey_packets = UINT64_MAX / 2;
	}
}

static void
rekey_under_traffic(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		s = sim_new(i);
		if (i % 2 == 0)
			s->rekey_ms = 7000;
		else
			s->rekey_packets = 700;
		if (i & 2)
			s->jitter_ms = 50; /* reordered */
		if (i & 4)
			s->suite = "aes256gcm";
		sim_start(s, 0);
		sim_start(s, 1);
		sim_connect(s, i / 4, !(i / 4), true);
		sim_run(s, 200);
		sim_agree(s, 0, 1);
		sim_stream(s, 60000, 10);
		assert_in_range(s->hosts[0].up, 6, 12);
		assert_int_equal(s->hosts[0].fresh, 1);
		assert_int_equal(s->hosts[0].down, 0);
		rekey_stops();
		sim_run(s, 70000);
		sim_nothing_missing(s);
		sim_agree(s, 0, 1);
		assert_int_equal(s->hosts[0].as.sadb.table.count, 1);
		assert_int_equal(s->hosts[1].as.sadb.table.count, 1);
		sim_end(s);
	}
}

static void
replaced_sas_drain(void **state)
{
	(void)state;
	s = sim_two(1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 1100);
	sim_connect(s, 0, 1, false);
	sim_run(s, 100);
	assert_int_equal(sim_pairs(sim_assoc(s, 0, 1), SA_DRAINING), 1);
	sim_run(s, ASSOC_DRAIN_MS - 1000);
	assert_int_equal(sim_pairs(sim_assoc(s, 0, 1), SA_DRAINING), 1);
	assert_int_equal(sim_pairs(sim_assoc(s, 1, 0), SA_DRAINING), 1);
	sim_run(s, 1000);
	assert_int_equal(sim_pairs(sim_assoc(s, 0, 1), SA_DRAINING), 0);
	assert_int_equal(sim_pairs(sim_assoc(s, 1, 0), SA_DRAINING), 0);
	sim_agree(s, 0, 1);
	sim_end(s);
}

/* Rekeying again and again does not pile pairs up. */
static void
pairs_are_bounded(void **state)
{
	(void)state;
	s = sim_two(1);
	for (int i = 0; i < 3 * ASSOC_PAIRS_MAX; i++) {
		sim_connect(s, i % 2, !(i % 2), false);
		sim_run(s, 1200);
		assert_true(s->hosts[0].as.sadb.table.count <= ASSOC_PAIRS_MAX + 1);
	}
	sim_agree(s, 0, 1);
	assert_int_equal(s->hosts[0].fresh, 1);
	sim_end(s);
}

/* --- restarts --- */

static void
peer_restarts(void **state)
{
	(void)state;
	for (unsigned dead = 0; dead < 2; dead++) {
		unsigned alive = !dead;

		s = sim_two(dead);
		sim_connect(s, 0, 1, true);
		sim_run(s, 60000);
		sim_stop(s, dead);
		sim_start(s, dead);
		/* It knows nobody: what the other still sends has an SPI nobody knows. */
		sim_send(s, alive, dead);
		sim_run(s, 100);
		assert_false(sim_up(s, dead, alive));
		/* The memo of the engine before names the address: now the same packet makes it begin. */
		struct assoc *a = assoc_get(
		    &s->hosts[dead].as, s->hosts[alive].id, s->hosts[dead].group, s->now);
		assoc_remember(&s->hosts[dead].as, a, &s->hosts[alive].ep, s->now);
		a->retry = monotime_add_ms(s->now, 3600000);
		sim_send(s, alive, dead);
		sim_run(s, 100);
		sim_agree(s, 0, 1);
		assert_int_equal(s->hosts[alive].fresh, 2);
		assert_int_equal(s->hosts[alive].down, 1);
		assert_int_equal(sim_pairs(sim_assoc(s, alive, dead), SA_DRAINING),
		    0); /* of a start that is over */
		sim_stream(s, 1000, 10);
		sim_run(s, 100);
		assert_int_equal(sim_missing(s, alive, dead), 2);
		sim_end(s);

		s = sim_two(dead);
		sim_connect(s, 0, 1, true);
		sim_run(s, 60000);
		sim_stop(s, dead);
		sim_start(s, dead);
		a = assoc_get(&s->hosts[dead].as, s->hosts[alive].id, s->hosts[dead].group, s->now);
		assoc_remember(&s->hosts[dead].as, a, &s->hosts[alive].ep, s->now);
		sim_run(s, 100); /* by itself, at once */
		sim_agree(s, 0, 1);
		sim_end(s);
	}
}

static void
keys_role_restarts(void **state)
{
	(void)state;
	s = sim_two(1);
	/* In the middle of a handshake, at either end. */
	for (unsigned who = 0; who < 2; who++) {
		sim_connect(s, 0, 1, false);
		sim_run(s, 5);
		sim_keys_stop(s, who);
		sim_run(s, 300);
		sim_keys_start(s, who);
		sim_run(s, 3000);
		sim_agree(s, 0, 1);
	}
	/* With both away the SAs go on. */
	sim_keys_stop(s, 0);
	sim_keys_stop(s, 1);
	sim_connect(s, 0, 1, false);
	assert_int_equal(s->hosts[0].as.attempts.count, 0);
	sim_stream(s, 2000, 10);
	sim_run(s, 100);
	sim_nothing_missing(s);
	sim_keys_start(s, 0);
	sim_keys_start(s, 1);
	/* The answer of one that has died comes to nobody. */
	sim_connect(s, 0, 1, false);
	sim_keys_stop(s, 0);
	sim_keys_start(s, 0);
	sim_run(s, 1000);
	sim_agree(s, 0, 1);
	sim_end(s);
}

/* --- going down --- */

static void
down_and_retry(void **state)
{
	struct assoc *a;
	unsigned long before;
	int64_t gap = 0;

	(void)state;
	s = sim_two(1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 1000);
	s->hosts[1].running = false; /* it hears nothing for a while */
	a = sim_assoc(s, 0, 1);
	assoc_down(&s->hosts[0].as, a, "silent", s->now);
	assert_int_equal(s->hosts[0].down, 1);
	assert_int_equal(s->hosts[0].as.sadb.table.count, 0);
	assert_false(sim_send(s, 0, 1));
	sim_run(s, 60000);
	assert_string_equal(a->problem, "no answer to the handshake from 10.0.0.2:1798");
	before = s->n_datagrams;
	sim_run(s, 60000);
	assert_in_range(s->n_datagrams - before, 12, 40); /* every 15 s, each repeated for 5 s */
	s->hosts[1].running = true;
	while (!sim_up(s, 0, 1) && gap < 20000) {
		sim_run(s, 100);
		gap += 100;
	}
	sim_agree(s, 0, 1);
	assert_string_equal(a->problem, "");
	assert_int_equal(s->hosts[0].fresh, 2);
	sim_end(s);
}

/* Down for good: forgotten after ten minutes; never up: after one. */
static void
forgotten(void **state)
{
	(void)state;
	s = sim_two(1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 1000);
	s->hosts[1].running = false;
	sim_connect(s, 0, 2, false);
	assoc_down(&s->hosts[0].as, sim_assoc(s, 0, 1), "silent", s->now);
	sim_run(s, 58000);
	assert_non_null(sim_assoc(s, 0, 2));
	sim_run(s, 12000);
	assert_null(sim_assoc(s, 0, 2));
	assert_non_null(sim_assoc(s, 0, 1));
	assert_true(s->hosts[0].forgets >= 2); /* the keys role, too, is rid of each attempt */
	sim_run(s, 620000);
	assert_null(s->hosts[0].as.first);
	assert_int_equal(s->hosts[0].gone, 2);
	assert_int_equal(s->hosts[0].as.known.count, 0);
	s->hosts[1].running = true;
	sim_end(s);
}

static void
freed_while_up(void **state)
{
	(void)state;
	s = sim_two(1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 1100);
	sim_connect(s, 0, 1, false);
	assoc_free(&s->hosts[0].as, sim_assoc(s, 0, 1));
	assert_int_equal(s->hosts[0].down, 1);
	assert_int_equal(s->hosts[0].gone, 1);
	assert_int_equal(s->hosts[0].as.sadb.table.count, 0);
	sim_connect(s, 1, 0, false);
	sim_run(s, 1100);
	sim_agree(s, 0, 1);
	/* A group that loses its last vnet while a message 1 is at the keys role makes nothing new. */
	sim_connect(s, 1, 0, false);
	sim_run(s, 12);
	assert_int_equal(s->hosts[0].as.n_jobs, 1);
	s->hosts[0].group->vnets = 0;
	assoc_free(&s->hosts[0].as, sim_assoc(s, 0, 1));
	sim_run(s, 1100);
	assert_null(s->hosts[0].as.first);
	sim_end(s);
}

/* --- the address --- */

static void
peer_moves(void **state)
{
	struct endpoint old, elsewhere = sim_endpoint(10, 9, 9, 9, 4500);

	(void)state;
	for (unsigned mover = 0; mover < 2; mover++) {
		unsigned stays = !mover;
		struct assoc *a;

		s = sim_two(mover);
		sim_connect(s, 0, 1, true);
		sim_run(s, 60000);
		a = sim_assoc(s, stays, mover);
		old = s->hosts[mover].ep;
		s->hosts[mover].ep = elsewhere;
		sim_send(s, mover, stays);
		sim_run(s, 12);
		assert_int_equal(s->hosts[stays].probes, 1);
		assert_true(endpoint_equal(&a->ep, &old)); /* not before the echo has come back */
		sim_run(s, 100);
		assert_true(endpoint_equal(&a->ep, &elsewhere));
		assert_int_equal(s->hosts[stays].moved, 2);
		sim_stream(s, 1000, 10);
		sim_run(s, 100);
		sim_nothing_missing(s);
		assert_int_equal(s->hosts[stays].as.known.count, 1);
		sim_end(s);
	}
}

static void
address_not_proven(void **state)
{
	struct endpoint liar = sim_endpoint(10, 6, 6, 6, 1);
	struct lose l = { SIM_ESP, 0, 1, 0 };
	struct endpoint real;
	struct assoc *a;

	(void)state;
	s = sim_two(1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 1100);
	a = sim_assoc(s, 1, 0);
	real = a->ep;
	/* The newest packet, caught and sent on from elsewhere before it arrives; again and again. */
	for (int i = 0; i < 50; i++) {
		sim_send(s, 0, 1);
		s->delay_ms = 1;
		sim_replay(s, s->n_records - 1, &liar);
		s->delay_ms = 10;
		sim_run(s, 100);
	}
	assert_in_range(s->hosts[1].probes, 4, 7); /* at most one a second */
	assert_true(endpoint_equal(&s->hosts[1].probed, &liar));
	assert_true(endpoint_equal(&a->ep, &real));
	assert_int_equal(s->hosts[1].moved, 1);
	/* An older packet from elsewhere is not even asked about. */
	s->hosts[1].probes = 0;
	sim_run(s, 2000);
	s->drop = lose_some;
	s->arg = &l;
	sim_send(s, 0, 1);
	sim_send(s, 0, 1);
	sim_run(s, 20);
	sim_replay(s, s->n_records - 2, &liar);
	sim_run(s, 1000);
	assert_int_equal(sim_missing(s, 0, 1), 0);
	assert_int_equal(s->hosts[1].probes, 0);
	/* A nonce of before does not count once it is down. */
	a->candidate = liar;
	a->candidate_nonce = 7;
	assoc_down(&s->hosts[1].as, a, "test", s->now);
	assert_false(assoc_address_proven(&s->hosts[1].as, a, 7, s->now));
	sim_run(s, 1000);
	sim_end(s);
}

/* A rekey whose confirmation is sent on from elsewhere moves nothing either. */
static void
rekey_moves_no_address(void **state)
{
	struct endpoint liar = sim_endpoint(10, 6, 6, 6, 1);
	struct assoc *a;

	(void)state;
	s = sim_two(1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 10000);
	a = sim_assoc(s, 1, 0);
	sim_connect(s, 0, 1, false);
	for (int i = 0; i < 100 && a->active->initiator == false && s->hosts[1].up < 2; i++) {
		size_t before = s->n_records;

		sim_run(s, 1);
		for (size_t r = before; r < s->n_records && r > 0; r++) {
			if (!endpoint_equal(&s->records[r].from, &s->hosts[0].ep))
				continue;
			s->delay_ms = 1;
			sim_replay(s, r, &liar);
			s->delay_ms = 10;
		}
	}
	sim_run(s, 1100);
	assert_int_equal(s->hosts[1].up, 2);
	assert_true(endpoint_equal(&a->ep, &s->hosts[0].ep));
	assert_int_equal(s->hosts[1].moved, 1);
	sim_agree(s, 0, 1);
	sim_end(s);
}

/* Host 1 hears a dummy packet on that SA of host 0 from elsewhere. */
static void
hear_from(const struct endpoint *from, unsigned sa)
{
	struct packet *p = packet_get(s->hosts[0].pool);
	struct sa_pair *pair = sim_assoc(s, 0, 1)->active;

	assert_non_null(p);
	memset(packet_append(p, 16), 0, 16);
	assert_int_equal(esp_seal(&pair->out[sa].sa, p, ESP_NEXT_DUMMY), ESP_OK);
	sim_inject(s, from, &s->hosts[1].ep, p->data, p->len);
	packet_put(p);
	sim_run(s, 50);
}

/* The last SA of several may be used by the other end's kernel, which knows nothing of addresses. */
static void
a_kernel_moves_no_address(void **state)
{
	struct endpoint elsewhere = sim_endpoint(10, 6, 6, 6, 1798);
	uint64_t packets;
	unsigned probes;

	(void)state;
	s = sim_new(1);
	s->n_spis = 2;
	sim_start(s, 0);
	sim_start(s, 1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 10000);
	probes = s->hosts[1].probes;
	packets = sim_assoc(s, 1, 0)->rx_packets;
	hear_from(&elsewhere, 1);
	assert_int_equal(sim_assoc(s, 1, 0)->rx_packets, packets + 1);
	assert_int_equal(s->hosts[1].probes, probes);
	hear_from(&elsewhere, 0);
	assert_int_equal(s->hosts[1].probes, probes + 1);
	sim_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_from_either_side),
		cmocka_unit_test(three_hosts),
		cmocka_unit_test(every_suite_and_number_of_sas),
		cmocka_unit_test(both_at_once),
		cmocka_unit_test(one_of_two_goes_on),
		cmocka_unit_test(messages_lost),
		cmocka_unit_test(each_datagram_lost),
		cmocka_unit_test(bad_network),
		cmocka_unit_test(one_way_loss_while_rekeying),
		cmocka_unit_test(rekey_under_traffic),
		cmocka_unit_test(replaced_sas_drain),
		cmocka_unit_test(pairs_are_bounded),
		cmocka_unit_test(peer_restarts),
		cmocka_unit_test(keys_role_restarts),
		cmocka_unit_test(down_and_retry),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(freed_while_up),
		cmocka_unit_test(peer_moves),
		cmocka_unit_test(address_not_proven),
		cmocka_unit_test(rekey_moves_no_address),
		cmocka_unit_test(a_kernel_moves_no_address),
	};

	if (!noise_global_init() || !cipher_global_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
