/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How frames get to another host through the kernel, and when they do not. */
#include "offload_one.h"

static void
sent_ways(unsigned n)
{
	assert_int_equal(last_sent()->type, MESSAGE_PATH);
	assert_int_equal(last_sent()->path.n, n);
}

static void
starts_and_is_used(void **state)
{
	struct sa_pair *p;

	(void)state;
	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	run(10);
	assert_int_equal(asked("start 1"), 1);
	assert_int_equal(host.as.config.n_kernel, 2);
	assert_int_equal(offload_info(host.o).state, OFFLOAD_RUNNING);
	assert_int_equal(asked("peer"), 0);
	p = new_pair(true, true);
	/* Not offered before the kernel has it. */
	assert_int_equal(asked("sa in"), 2);
	assert_int_equal(host.n_sent, 0);
	run(10);
	sent_ways(2);
	assert_int_equal(last_sent()->path.ways[0].spi, p->in[2].entry.spi);
	assert_int_equal(last_sent()->path.ways[1].spi, p->in[3].entry.spi);
	assert_int_equal(asked("member 1 97"), 1);
	assert_int_equal(asked("sa out"), 0); /* the other end has not said anything */
	hear_path(p);
	run(10);
	assert_int_equal(asked("sa out"), 1);
	assert_int_equal(fake.sa[2].spi, p->out[2].sa.spi);
	assert_int_equal(fake.sa[2].dport, 0);
	assert_int_equal(fake.sa[2].peer, 1);
	assert_true(fake.sa[2].limits.soft == 1000 && fake.sa[2].limits.hard > 1000);
	assert_string_equal(offload_path_name(host.a), "software");
	assert_string_equal(offload_path_why(host.a), "trying IP protocol 50");
	/* An answer to nothing of ours. */
	fake.nonce ^= 0x100;
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "software");
	fake.nonce ^= 0x100;
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	assert_string_equal(offload_path_why(host.a), "");
	run(20000); /* nothing flows: nothing is probed */
	assert_int_equal(asked("probe"), 1);
	assert_true(p->in[2].kernel.packets == 7);
	assert_int_equal(host.rekeys, 0);
	end();
}

static void
ways_one_after_the_other(void **state)
{
	struct sa_pair *p;
	unsigned rekeys;

	(void)state;
	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	run(10);
	p = new_pair(true, true);
	run(10);
	hear_path(p);
	run(1500);
	assert_int_equal(asked("sa out"), 2);
	assert_int_equal(fake.sa[3].spi, p->out[3].sa.spi);
	assert_int_equal(fake.sa[3].sport, 1801);
	assert_int_equal(fake.sa[3].dport, 1801);
	assert_string_equal(offload_path_why(host.a), "trying UDP port 1801");
	run(1500);
	assert_int_equal(fake.sa[4].spi, p->out[1].sa.spi);
	assert_int_equal(fake.sa[4].sport, 1798);
	assert_int_equal(asked("no sa out"), 2);
	run(1500);
	assert_string_equal(offload_path_name(host.a), "software");
	assert_string_equal(offload_path_why(host.a), "UDP port 1798: probes are not answered");
	/* Later again, which needs SAs that the kernel has not had; more and more seldom. */
	rekeys = host.rekeys;
	run(25000);
	assert_int_equal(host.rekeys, rekeys);
	run(10000);
	assert_true(host.rekeys > rekeys);
	p = new_pair(true, true);
	hear_path(p);
	run(300);
	assert_int_equal(fake.sa[fake.n_sa - 1].spi, p->out[2].sa.spi);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	end();
}

static void
falls_back_while_used(void **state)
{
	struct sa_pair *p = begin_used();

	(void)state;
	use_flow();
	assert_true(alive(0) && alive(1));
	for (int i = 0; i < 10; i++) {
		run(1000);
		hear_seen();
	}
	assert_true(alive(0) && alive(1));
	run(4500);
	assert_int_equal(fake.sa[3].spi, p->out[3].sa.spi);
	assert_true(alive(0) && !alive(1)); /* our own address is nobody else's business */
	assert_int_equal(asked("no flow 2"), 1);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel udp");
	assert_string_equal(offload_path_why(host.a), "IP protocol 50: probes are not answered");
	end();
}

static void
rekey_keeps_it(void **state)
{
	struct sa_pair *p = begin_used(), *q;
	unsigned before;

	(void)state;
	use_flow();
	before = fake.n_asked;
	q = new_pair(true, true);
	run(10);
	assert_int_equal(asked_since(before, "sa in"), 2);
	assert_int_equal(
	    asked_since(before, "sa out"), 0); /* the other's kernel may not have it yet */
	sent_ways(2);
	hear_path(q);
	run(10);
	assert_int_equal(asked_since(before, "sa out"), 1);
	assert_int_equal(asked_since(before, "no sa out"), 1);
	assert_int_equal(asked_since(before, "no sa in"), 0);
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	assert_true(alive(1));
	free_pair(p);
	assert_int_equal(asked_since(before, "no sa in"), 2);
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	end();
}

static void
software_at_the_other_end(void **state)
{
	struct sa_pair *p;

	(void)state;
	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	run(10);
	p = new_pair(true, false);
	run(10);
	assert_int_equal(fake.sa[2].spi, p->out[1].sa.spi);
	assert_int_equal(fake.sa[2].sport, 1798);
	assert_int_equal(fake.sa[2].dport, 1798);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel udp to software");
	assert_string_equal(offload_path_why(host.a), "the other host does not offer its kernel");
	/* It is switched on there. */
	p = new_pair(true, true);
	hear_path(p);
	run(10);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	/* And off. */
	hear_path(NULL);
	run(10);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel udp to software");
	end();
}

static void
lost_sas(void **state)
{
	struct sa_pair *p = begin_used();
	struct kernel_event lost = {
		.type = KERNEL_SA_LOST, .peer = 1, .direction = KERNEL_OUT, .spi = p->out[2].sa.spi
	};

	(void)state;
	use_flow();
	fake.ops->event(fake.arg, &lost);
	assert_false(alive(1)); /* at once */
	assert_string_equal(offload_path_name(host.a), "software");
	run(10);
	assert_int_equal(asked("sa out"), 1);
	assert_int_equal(host.rekeys, 1);
	end();

	p = begin_used();
	lost.direction = KERNEL_IN;
	lost.spi = p->in[2].entry.spi;
	fake.ops->event(fake.arg, &lost);
	run(10);
	sent_ways(0);
	assert_int_equal(host.rekeys, 1);
	end();
}

static void
each_sa_once(void **state)
{
	struct sa_pair *p = begin_used();

	(void)state;
	offload_set_mode(host.o, OFFLOAD_OFF);
	assert_int_equal(host.as.config.n_kernel, 0);
	run(10);
	assert_int_equal(asked("stop"), 1);
	sent_ways(0);
	assert_string_equal(offload_path_why(host.a), "it is switched off");
	offload_set_mode(host.o, OFFLOAD_AUTO);
	fake_findings(true);
	run(3000);
	assert_int_equal(asked("start 1"), 2);
	assert_int_equal(asked("sa in"), 2);
	assert_int_equal(fake.sa[fake.n_sa - 1].spi, p->out[2].sa.spi);
	p = new_pair(true, true);
	run(10);
	assert_int_equal(asked("sa in"), 4);
	sent_ways(2);
	end();
}

static void
priv_restarts(void **state)
{
	(void)state;
	begin_used();
	use_flow();
	fake.ops->done(fake.arg, 12345, -EPIPE, "");
	offload_restart(host.o);
	assert_false(alive(0));
	assert_false(alive(1));
	fake.n_answered = fake.n_asked;
	fake_findings(true);
	run(10);
	assert_int_equal(offload_info(host.o).state, OFFLOAD_RUNNING);
	assert_int_equal(asked("peer 1"), 1);
	assert_int_equal(asked("peer 2"), 1);
	end();
}

static void
refusals(void **state)
{
	(void)state;
	/* No ESP: secured vnets stay in software, and nothing is offered. */
	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	fake_findings(false);
	run(10);
	assert_int_equal(host.as.config.n_kernel, 0);
	assert_string_equal(
	    offload_refusal(host.o, suite_by_id(SUITE_AES128_SHA1)), "aes128-sha1: no ESP");
	assert_null(offload_refusal(host.o, suite_by_id(SUITE_NONE)));
	end();
	/* No barrier. */
	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	fake.refused = "start 1";
	fake.refuse = -EINVAL;
	run(10);
	assert_int_equal(asked("start 0"), 1);
	assert_string_equal(
	    offload_refusal(host.o, suite_by_id(SUITE_AES128_SHA1)), "refused by the kernel");
	run(20000);
	assert_int_equal(asked("start 1"), 1);
	run(12000); /* once more, and more seldom */
	fake_findings(true);
	run(45000);
	assert_int_equal(asked("start 1"), 2);
	fake.refused = NULL;
	run(20000);
	fake_findings(true);
	run(10);
	assert_int_equal(asked("start 1"), 3);
	assert_int_equal(asked("start 0"), 2);
	assert_null(offload_refusal(host.o, suite_by_id(SUITE_AES128_SHA1)));
	run(1000000);
	assert_int_equal(asked("start 1"), 3);
	end();
	/* The peer: not again for a while. */
	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	fake.refused = "peer";
	fake.refuse = -EINVAL;
	run(10);
	new_pair(true, true);
	run(10000);
	assert_int_equal(asked("peer"), 1);
	assert_string_equal(offload_path_why(host.a), "refused by the kernel");
	run(30000);
	assert_int_equal(asked("peer"), 2);
	end();
	/* priv has enough to do. */
	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	run(10);
	fake.busy = true;
	new_pair(true, true);
	run(2000);
	fake.busy = false;
	run(2000);
	sent_ways(2);
	end();
}

static void
goes_down(void **state)
{
	struct kernel_event down = { .type = KERNEL_DOWN, .text = "the barrier is gone" };

	(void)state;
	begin_used();
	use_flow();
	fake.ops->event(fake.arg, &down);
	assert_false(alive(0));
	assert_false(alive(1));
	run(1000);
	sent_ways(0);
	assert_string_equal(offload_path_why(host.a), "the barrier is gone");
	assert_int_equal(asked("find"), 1);
	run(30000);
	assert_int_equal(asked("find"), 2);
	end();
}

static void
address_changes(void **state)
{
	struct sa_pair *p;

	(void)state;
	begin_used();
	use_flow();
	host.a->local = ipaddr_v4(0xc0000204); /* for a moment */
	run(1500);
	hear_seen();
	host.a->local = ipaddr_v4(0xc0000201);
	run(10);
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	host.a->ep.ip = ipaddr_v4(0xc0000203);
	run(10);
	assert_false(alive(1));
	assert_int_equal(asked("no peer 1"), 1);
	assert_int_equal(asked("peer 2"), 1);
	p = new_pair(true, true);
	hear_path(p);
	run(10);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	host.a->local = ipaddr_v4(0xc0000204); /* for good */
	for (int i = 0; i < 5; i++) {
		run(1000);
		hear_seen();
	}
	assert_int_equal(asked("no peer 2"), 1);
	assert_int_equal(asked("peer 3"), 1);
	end();
}

static void
level_none(void **state)
{
	struct message m = { .type = MESSAGE_PATH,
		.path = { 1, { { 0, WAY_VXLAN, KERNEL_PORT_NONE } } } };

	(void)state;
	begin(SUITE_NONE, OFFLOAD_AUTO);
	run(10);
	sent_ways(1);
	assert_int_equal(last_sent()->path.ways[0].port, 1802);
	assert_int_equal(asked("sa"), 0);
	offload_receive(host.o, host.a, &m, host.now);
	run(10);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel vxlan");
	use_flow();
	run(10000);
	assert_string_equal(offload_path_name(host.a), "software");
	assert_string_equal(offload_path_why(host.a), "UDP port 1802: probes are not answered");
	for (int i = 0; i < 300 && strncmp(offload_path_why(host.a), "trying", 6) != 0; i++)
		run(100);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel vxlan");
	/* Said again with an echo. */
	host.n_sent = 0;
	offload_repeat(host.o, host.a);
	sent_ways(1);
	/* A hub port of ours is none of the kernel's. */
	host.vnet->hubs = 1;
	run(10);
	sent_ways(0);
	assert_string_equal(offload_path_name(host.a), "software");
	end();
}

static void
answers_probes(void **state)
{
	struct kernel_event probed = { .type = KERNEL_PROBED, .peer = 1, .value = 77 };

	(void)state;
	begin_used();
	fake.ops->event(fake.arg, &probed);
	assert_int_equal(last_sent()->type, MESSAGE_SEEN);
	assert_int_equal(last_sent()->seen, 77);
	host.n_sent = 0;
	probed.peer = 9;
	fake.ops->event(fake.arg, &probed);
	probed.peer = UINT32_MAX;
	fake.ops->event(fake.arg, &probed);
	assert_int_equal(host.n_sent, 0);
	end();
}

/* --- back to a better way --- */

/* The flow is used, and its probes are answered. */
static void
run_used(int64_t ms)
{
	for (; ms > 0; ms -= 500) {
		run(500);
		offload_used(host.o, host.m, &near_mac, &far_mac, host.now);
		hear_seen_nonce(fake.nonces[1]);
	}
}

/* Protocol 50 has failed, and there is a flow. */
static void
begin_udp(void)
{
	begin_used();
	use_flow();
	run(4500);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel udp");
	use_flow();
	assert_int_equal(fake.flow.peer, 1);
}

static struct sa_pair *
next_pair(void)
{
	struct sa_pair *p = new_pair(true, true);

	hear_path(p);
	run(10);
	return p;
}

static void
no_sa_twice(void)
{
	assert_true(fake.n_sa <= 64);
	for (unsigned i = 0; i < fake.n_sa; i++)
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(fake.sa[i].spi, fake.sa[j].spi);
}

/* Since the last time. */
static bool
asked_for_keys(void)
{
	bool asked = monotime_is_set(host.a->no_rekey_before);

	host.a->no_rekey_before = (struct monotime){ 0 };
	return asked;
}

static const struct kernel_sa *
last_sa(void)
{
	return &fake.sa[fake.n_sa - 1];
}

static void
comes_back(void **state)
{
	struct sa_pair *p;
	unsigned flows;

	(void)state;
	begin_udp();
	flows = asked("flow");
	run_used(25000);
	assert_false(asked_for_keys());
	run_used(10000);
	assert_true(asked_for_keys());
	p = next_pair();
	assert_int_equal(fake.sa[fake.n_sa - 2].spi, p->out[3].sa.spi);
	assert_int_equal(fake.sa[fake.n_sa - 2].peer, 1);
	assert_int_equal(last_sa()->spi, p->out[2].sa.spi);
	assert_int_equal(last_sa()->dport, 0);
	assert_int_equal(last_sa()->peer, 2); /* beside the flows */
	assert_int_equal(asked("peer 2"), 1);
	assert_int_equal(asked("probe 2"), 1);
	assert_string_equal(offload_path_name(host.a), "kernel udp");
	hear_seen_nonce(fake.nonces[2]);
	run_used(6000);
	assert_int_equal(asked("no peer 2"), 1);
	assert_int_equal(asked("probe 2"), 1);
	assert_true(asked_for_keys());
	assert_string_equal(offload_path_name(host.a), "kernel udp");
	/* The next keys are those of the better way, and nothing else has changed. */
	p = next_pair();
	assert_int_equal(last_sa()->spi, p->out[2].sa.spi);
	assert_int_equal(last_sa()->peer, 1);
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	assert_string_equal(offload_path_why(host.a), "");
	run_used(100000);
	assert_true(alive(0) && alive(1));
	assert_int_equal(asked("flow"), flows);
	assert_int_equal(asked("peer"), 2);
	assert_false(asked_for_keys());
	no_sa_twice();
	/* It fails again: a longer wait. */
	run(4500);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel udp");
	run_used(55000);
	assert_false(asked_for_keys());
	run_used(10000);
	assert_true(asked_for_keys());
	end();
}

static void
stays_away(void **state)
{
	struct kernel_event no_sa = { .type = KERNEL_NO_SA, .peer = 2 };
	unsigned flows;

	(void)state;
	begin_udp();
	flows = asked("flow");
	next_pair(); /* for another reason: no less an opportunity */
	assert_int_equal(asked("probe 2"), 1);
	fake.ops->event(fake.arg, &no_sa);
	run_used(1500);
	assert_int_equal(asked("probe 2"), 4);
	assert_int_equal(asked("no peer 2"), 1);
	assert_string_equal(offload_path_why(host.a), "IP protocol 50: probes are not answered");
	hear_seen_nonce(fake.nonces[2]); /* too late */
	/* Refused by the kernel. */
	fake.refused = "peer 3";
	fake.refuse = -EINVAL;
	next_pair();
	run_used(1500);
	fake.refused = NULL;
	/* Ever more seldom. */
	for (int64_t wait = 120000; wait <= 960000; wait *= 2) {
		run_used(wait - 5000);
		assert_false(asked_for_keys());
		run_used(10000);
		assert_true(asked_for_keys());
		next_pair();
		run_used(1500);
	}
	assert_string_equal(offload_path_name(host.a), "kernel udp");
	assert_true(alive(0) && alive(1));
	assert_int_equal(asked("flow"), flows);
	no_sa_twice();
	/* One that goes on ends with the path. */
	next_pair();
	host.a->up = false;
	offload_assoc_down(host.o, host.a);
	run(10);
	assert_int_equal(asked("peer"), asked("no peer"));
	end();
}

static void
one_better_way_of_two(void **state)
{
	struct sa_pair *p;

	(void)state;
	begin_udp();
	run(4500);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel udp to software");
	next_pair();
	run_used(1500); /* protocol 50 is not answered */
	assert_int_equal(last_sa()->sport, 1801);
	assert_int_equal(last_sa()->peer, 3);
	hear_seen_nonce(fake.nonces[3]);
	run(10);
	/* The way in use fails meanwhile: what was found is of no use any more. */
	use_flow();
	run(4500);
	assert_string_equal(offload_path_name(host.a), "software");
	run(40000);
	p = next_pair();
	assert_int_equal(last_sa()->spi, p->out[2].sa.spi);
	assert_int_equal(last_sa()->peer, 1);
	run(3000);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel udp to software");
	/* And this time not. */
	next_pair();
	run(1500);
	hear_seen_nonce(fake.nonces[asked("peer")]);
	p = next_pair();
	assert_int_equal(fake.sa[fake.n_sa - 2].spi, p->out[3].sa.spi);
	assert_string_equal(offload_path_name(host.a), "kernel udp");
	assert_string_equal(offload_path_why(host.a), "IP protocol 50: probes are not answered");
	assert_int_equal(last_sa()->spi, p->out[2].sa.spi); /* tried again */
	no_sa_twice();
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_and_is_used),
		cmocka_unit_test(ways_one_after_the_other),
		cmocka_unit_test(falls_back_while_used),
		cmocka_unit_test(rekey_keeps_it),
		cmocka_unit_test(software_at_the_other_end),
		cmocka_unit_test(lost_sas),
		cmocka_unit_test(each_sa_once),
		cmocka_unit_test(priv_restarts),
		cmocka_unit_test(refusals),
		cmocka_unit_test(goes_down),
		cmocka_unit_test(address_changes),
		cmocka_unit_test(level_none),
		cmocka_unit_test(answers_probes),
		cmocka_unit_test(comes_back),
		cmocka_unit_test(stays_away),
		cmocka_unit_test(one_better_way_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
