/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the kernel gets manual SAs, with which numbers, and when software has them again. */
#include "offload_one.h"

/* As manual.c makes it: one SA each way, of protocol 50. */
static void
begin_at(uint32_t port)
{
	static int any; /* the fake never looks */
	struct sa_pair *p;

	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	host.a->plain = true;
	host.a->manual = (struct manual *)(void *)&any;
	host.a->ep.port = port;
	run(10);
	p = new_pair(false, false);
	p->n_in = p->n_in_soft = p->n_out = p->n_out_soft = 1;
	way_update(&host.as, host.a);
}

static void
begin_manual(void)
{
	begin_at(ENDPOINT_ESP);
}

static void
end_manual(void)
{
	host.a->manual = NULL; /* as manual_free() */
	end();
}

static const struct way *
way(void)
{
	return atomic_load(&host.a->way);
}

static void
is_lent(void **state)
{
	(void)state;
	begin_manual();
	assert_int_equal(asked("sa "), 0);
	run(100);
	assert_int_equal(asked("peer 1"), 1);
	assert_int_equal(asked("member 1 97"), 1);
	assert_int_equal(fake.n_sa, 2);
	assert_int_equal(fake.sa[0].direction, KERNEL_IN);
	assert_int_equal(fake.sa[0].seq, 1000);
	assert_int_equal(fake.sa[0].limits.hard, 0);
	assert_int_equal(fake.sa[1].direction, KERNEL_OUT);
	assert_int_equal(fake.sa[1].seq, 2000);
	/* Packets, and segments that are counted as one: together as many as there are numbers. */
	assert_int_equal(fake.sa[1].limits.hard, (3 << 19) + 1);
	assert_int_equal(fake.sa[1].limits.hard_bytes, ((3 << 19) + 1) * 512);
	assert_int_equal(fake.sa[1].limits.soft, (3 << 18) + 1);
	assert_int_equal(fake.sa[1].dport, 0);
	assert_int_equal(fake.manual.had, 1);
	assert_int_equal(way()->port, 1);
	assert_true(host.a->in_kernel);
	assert_ptr_equal(offload_manual_of(host.o, 1), host.a);
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	assert_string_equal(offload_path_why(host.a), "");
	use_flow();
	assert_true(alive(0) && alive(1));
	run(20000);
	assert_int_equal(host.n_sent, 0); /* nobody is there to talk to, or to probe */
	assert_int_equal(asked("probe"), 0);
	assert_int_equal(host.rekeys, 0);
	end_manual();
}

static void
software_until_both_are_there(void **state)
{
	(void)state;
	begin_manual();
	fake.manual.cannot = true; /* no numbers are reserved yet */
	run(3000);
	assert_int_equal(fake.n_sa, 0);
	assert_int_equal(way()->port, 0);
	fake.manual.cannot = false;
	fake.refuse = -ENOMEM;
	fake.refused = "sa out";
	run(2000);
	assert_int_equal(fake.manual.lent, 1);
	assert_int_equal(fake.manual.had, 0);
	assert_int_equal(fake.manual.returned, 1);
	assert_true(fake.manual.settled >= 1);
	assert_int_equal(asked("no peer 1"), 1);
	assert_int_equal(way()->port, 0);
	assert_string_equal(offload_path_name(host.a), "software");
	assert_string_equal(offload_path_why(host.a), "refused by the kernel");
	fake.refused = NULL;
	run(20000);
	assert_int_equal(fake.manual.lent, 1);
	run(15000); /* the first back-off is over */
	assert_int_equal(fake.manual.had, 1);
	assert_true(way()->port != 0);
	end_manual();
}

static void
limits_follow_the_disk(void **state)
{
	struct kernel_event ev = { .type = KERNEL_SA_SOFT, .peer = 1, .direction = KERNEL_IN };
	unsigned from;

	(void)state;
	begin_manual();
	run(100);
	fake.count.seq = 5000;
	run(2000);
	assert_int_equal(fake.manual.counted[0], 5000);
	assert_int_equal(fake.manual.counted[1], 5000);
	assert_int_equal(asked("limit"), 0);
	fake.manual.loan.last = 5000 + (4 << 20);
	run(1500);
	assert_int_equal(
	    asked("limit out 1048584 2097160 1073743036"), 1); /* behind what was counted */
	from = fake.n_asked;
	fake.ops->event(fake.arg, &ev);
	assert_int_equal(asked_since(from, "limit in 131072 0 0"), 1);
	run(1); /* looked at at once */
	assert_int_equal(asked_since(from, "count"), 2);
	ev.direction = KERNEL_OUT;
	fake.count =
	    (struct kernel_count){ .packets = 100, .bytes = 9000, .seq = 5000 + (3 << 20) };
	from = fake.n_asked;
	fake.ops->event(fake.arg, &ev);
	run(1);
	assert_int_equal(asked_since(from, "count"), 2);
	assert_int_equal(asked_since(from, "limit out 262245 524389 268444968"), 1);
	/* Nothing is left: it expires. */
	fake.count.seq = fake.manual.loan.last + 1;
	fake.ops->event(fake.arg, &ev);
	run(1);
	assert_int_equal(asked("limit out 101 101 9512"), 1);
	assert_int_equal(host.rekeys, 0);
	end_manual();
}

static void
is_lost(void **state)
{
	struct kernel_event ev = { .type = KERNEL_SA_LOST, .peer = 1 };

	(void)state;
	begin_manual();
	run(100);
	use_flow();
	fake.busy = true;
	fake.ops->event(fake.arg, &ev);
	/* Sending goes on at once, flows too; receiving only when priv has been told. */
	assert_int_equal(fake.manual.returned, 1);
	assert_int_equal(way()->port, 0);
	assert_false(alive(1));
	fake.manual.settled = 0;
	run(1000);
	assert_int_equal(fake.manual.settled, 0);
	fake.busy = false;
	fake.manual.deaf = true;
	run(2000);
	assert_int_equal(asked("no peer 1"), 1);
	run(40000);
	assert_int_equal(asked("peer"), 1);
	fake.manual.deaf = false;
	run(2000);
	assert_true(fake.manual.settled > 0);
	assert_int_equal(asked("peer 2"), 1); /* and then again */
	assert_int_equal(fake.manual.had, 2);
	assert_int_equal(way()->port, 2);
	end_manual();
}

static void
goes_with_the_port_and_the_switch(void **state)
{
	(void)state;
	begin_manual();
	run(100);
	offload_port_lost(host.o);
	assert_int_equal(way()->port, 0);
	assert_string_equal(offload_path_why(host.a), "somebody has removed the engine's port");
	host.no_port = true;
	run(32000);
	assert_int_equal(fake.manual.lent, 1);
	assert_string_equal(offload_path_why(host.a), "the engine has no port to the kernel");
	host.no_port = false;
	run(70000);
	assert_int_equal(fake.manual.had, 2);
	fake.manual.returned = 0;
	offload_set_mode(host.o, OFFLOAD_OFF);
	assert_int_equal(fake.manual.returned, 1);
	assert_int_equal(way()->port, 0);
	assert_null(offload_manual_of(host.o, 2));
	run(100);
	assert_string_equal(offload_path_why(host.a), "it is switched off");
	end_manual();
}

static void
not_with_ports_nor_as_a_hub(void **state)
{
	(void)state;
	begin_at(4500);
	run(3000);
	assert_string_equal(offload_path_why(host.a), "its ESP in UDP comes to the engine");
	host.a->ep.port = ENDPOINT_ESP;
	host.vnet->hubs = 1;
	run(3000);
	assert_string_equal(
	    offload_path_why(host.a), "a kernel VXLAN device is a port of this host");
	assert_int_equal(asked("peer"), 0);
	host.vnet->hubs = 0;
	end_manual();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_lent),
		cmocka_unit_test(software_until_both_are_there),
		cmocka_unit_test(limits_follow_the_disk),
		cmocka_unit_test(is_lost),
		cmocka_unit_test(goes_with_the_port_and_the_switch),
		cmocka_unit_test(not_with_ports_nor_as_a_hub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
