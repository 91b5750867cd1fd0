/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of test_kernel about secured levels, for kernels that have ESP. */

#include "tests/system/kernel_hosts.h"

static const struct path secured_paths[] = {
	{ AF_INET, SUITE_NULL_SHA1, false },
	{ AF_INET, SUITE_AES128_SHA1, false },
	{ AF_INET, SUITE_NULL_SHA256, false },
	{ AF_INET, SUITE_AES128_SHA256, true },
	{ AF_INET, SUITE_AES128GCM, true },
	{ AF_INET, SUITE_AES256GCM, false },
	{ AF_INET, SUITE_AES128_SHA1, true },
	{ AF_INET6, SUITE_NULL_SHA1, true },
	{ AF_INET6, SUITE_AES128_SHA1, false },
	{ AF_INET6, SUITE_AES128GCM, true },
};

static const struct path conf4 = { AF_INET, SUITE_AES128_SHA1, false };
static const struct path conf6 = { AF_INET6, SUITE_AES128_SHA1, true };

static void
close_path(void)
{
	for (size_t i = 0; i < 2; i++) {
		DO(&hosts[i], stop);
		enter(&hosts[i]);
		assert_true(nothing_left());
		hosts[i].n_events = 0;
	}
	while (in_clear())
		;
}

static void
test_secured(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(secured_paths) / sizeof(secured_paths[0]); i++) {
		const struct path *p = &secured_paths[i];
		const struct kernel_count *c = &hosts[0].count;

		if (!can(p)) {
			printf("%s: not here\n", suite_by_id(p->suite)->name);
			continue;
		}
		printf("%s, IPv%d%s\n", suite_by_id(p->suite)->name, p->family == AF_INET ? 4 : 6,
		    p->udp ? ", in UDP" : "");
		run_path(p);
		/* A frame, and a probe, each way. */
		DO(&hosts[0], sa_count, PEER, KERNEL_OUT, 0x1001);
		assert_true(c->packets == 2 && c->bytes > FRAME_LEN && c->seq == 2);
		DO(&hosts[0], sa_count, PEER, KERNEL_IN, 0x1002);
		assert_true(c->packets == 2 && c->seq == 2 && c->refused == 0);
		close_path();
	}
}

/* --- whatever others do, nothing leaves or comes in in clear --- */

/* A child that sends frames, one after the other, until it is killed. */
static pid_t
start_sending(const struct host *from)
{
	struct frame f = make_frame(from, FRAME_LEN);
	pid_t pid = fork();

	assert_true(pid >= 0);
	while (pid == 0) {
		if (send(from->packet, f.b, f.len, 0) < 0 && errno != ENOBUFS)
			_exit(1);
		usleep(2000);
	}
	return pid;
}

static void
stop_sending(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Nothing in clear for a while. */
static void
assert_sealed(const char *after, uint64_t ms)
{
	uint64_t deadline = deadline_in(ms);

	do {
		turn();
		if (in_clear())
			fail_msg("in clear after %s", after);
	} while (before(deadline));
}

static const struct {
	const char *command;
	bool sas;   /* SAs go with it: it cannot be put right without new ones */
	bool quiet; /* what is broken is not ours */
} deeds[] = {
	{ "ip xfrm policy flush", false, false },
	{ "nft flush ruleset", false, false },
	{ "nft insert rule inet vnetd output accept", false, false },
	{ "nft add table ip evil && nft add chain ip evil o '{ type route hook output priority "
	  "-150; }' && "
	  "nft add rule ip evil o meta mark set 0x766e0001 && "
	  "nft add chain ip evil p '{ type filter hook postrouting priority 0; }' && "
	  "nft add rule ip evil p meta mark set 77",
	    false, true },
	{ "nft delete table ip evil", false, true },
	{ "ip link del vnet-conf", false, false },
	{ "ip link set vnet-conf down", false, false },
	{ "tc qdisc del dev vnet-conf clsact", false, false },
	{ "ip link del vnet-probe", false, false },
	{ "ip route del 198.18.0.0/15 dev vnet-probe", false, false },
	{ "nft flush ruleset; ip xfrm policy flush", false, false },
	{ "ip xfrm state flush", true, false },
	{ "ip xfrm policy flush; ip xfrm state flush", true, false },
	{ "nft flush ruleset; ip xfrm policy flush; ip xfrm state flush", true, false },
};

static void
do_deed(size_t i, uint32_t *generation)
{
	struct host *h = &hosts[0];
	const char *command = deeds[i].command;
	pid_t pid = start_sending(h);
	struct frame f;

	enter(h);
	h->n_events = 0;
	assert_true(netns_run("%s", command));
	if (deeds[i].sas)
		wait_event(h, KERNEL_SA_LOST);
	else if (!deeds[i].quiet)
		wait_event(h, KERNEL_BROKEN);
	assert_sealed(command, QUIET_MS * slow);
	stop_sending(pid);
	if (deeds[i].sas) {
		++*generation;
		add_sas(h, &conf4, *generation);
		add_sas(&hosts[1], &conf4, *generation);
	}
	for (size_t j = 0; j < 2; j++) {
		f = make_frame(&hosts[j], FRAME_LEN);
		if (!is_carried(&hosts[j], &f))
			fail_msg("not carried after %s, host %zu", command, j + 1);
	}
	assert_false(in_clear());
}

static void
test_fail_closed(void **state)
{
	uint32_t generation = 1;

	(void)state;
	if (!can(&conf4))
		return;
	open_path(&conf4);
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		printf("%s\n", deeds[i].command);
		do_deed(i, &generation);
	}
	close_path();
}

/* Each barrier alone, with nobody to repair the other. */
static void
test_one_barrier(void **state)
{
	static const char *const commands[] = { "nft flush ruleset",
		"ip xfrm policy flush; ip xfrm state flush",
		"ip xfrm policy flush; nft flush ruleset" };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(commands) / sizeof(commands[0]); i++) {
		const struct path *p = i % 2 ? &conf6 : &conf4;
		struct host *h = &hosts[0];
		pid_t pid;

		if (!can(p))
			return;
		open_path(p);
		pid = start_sending(h);
		kill_host(h);
		enter(h);
		assert_true(netns_run("%s", commands[i / 2]));
		assert_sealed(commands[i / 2], QUIET_MS * slow);
		stop_sending(pid);
		start_host(h);
		open_tap(h);
		DO(h, start, true);
		close_path();
	}
}

/* Before there is an SA, and when there is none any more. */
static void
test_no_sa(void **state)
{
	struct host *h = &hosts[0];
	struct frame f;

	(void)state;
	if (!can(&conf4))
		return;
	open_path(&conf4);
	DO(h, sa_delete, PEER, KERNEL_OUT, 0x1001);
	assert_int_equal(ASK(h, sa_delete, PEER, KERNEL_OUT, 0x1001), -ENOENT);
	f = make_frame(h, FRAME_LEN);
	send_frame(h, &f);
	assert_int_equal(wait_event(h, KERNEL_NO_SA)->peer, PEER);
	assert_sealed("sa_delete", QUIET_MS * slow);
	close_path();
}

/* The second pair takes over at once, and the first goes. */
static void
test_rekey(void **state)
{
	struct host *h = &hosts[0];
	struct frame f;

	(void)state;
	if (!can(&conf4))
		return;
	open_path(&conf4);
	for (uint32_t generation = 2; generation < 6; generation++) {
		uint32_t old = 0x1000 * (generation - 1);

		for (size_t i = 0; i < 2; i++)
			add_sas(&hosts[i], &conf4, generation);
		for (size_t i = 0; i < 2; i++) {
			f = make_frame(&hosts[i], FRAME_LEN);
			assert_true(is_carried(&hosts[i], &f));
		}
		DO(h, sa_count, PEER, KERNEL_OUT, 0x1000 * generation + 1);
		assert_int_equal(h->count.packets, 1);
		for (uint32_t i = 0; i < 2; i++) {
			DO(&hosts[i], sa_delete, PEER, KERNEL_OUT, old + 1 + i);
			DO(&hosts[i], sa_delete, PEER, KERNEL_IN, old + 2 - i);
		}
	}
	close_path();
}

/* Limits, and numbers that go on where they were. */
static void
test_limits(void **state)
{
	struct host *h = &hosts[0];
	struct kernel_sa sa = { .peer = PEER,
		.direction = KERNEL_OUT,
		.spi = 0x2001,
		.esn = 1,
		.limits = { .soft = 3, .hard = 5 },
		.seq = 0x1fffffffeull };
	struct frame f;

	(void)state;
	if (!can(&conf4))
		return;
	open_path(&conf4);
	DO(h, sa_delete, PEER, KERNEL_OUT, 0x1001);
	DO(&hosts[1], sa_delete, PEER, KERNEL_IN, 0x1001);
	DO(h, sa_add, &sa);
	sa.direction = KERNEL_IN;
	sa.window = 64;
	sa.limits = (struct kernel_limits){ 0 };
	DO(&hosts[1], sa_add, &sa);
	f = make_frame(h, FRAME_LEN);
	assert_true(is_carried(h, &f));
	DO(h, sa_count, PEER, KERNEL_OUT, 0x2001);
	assert_int_equal(h->count.seq, 0x1ffffffffull);
	for (int i = 0; i < 3; i++) {
		f = make_frame(h, FRAME_LEN);
		assert_true(is_carried(h, &f));
	}
	DO(&hosts[1], sa_count, PEER, KERNEL_IN, 0x2001);
	assert_int_equal(hosts[1].count.seq, 0x200000002ull);
	assert_int_equal(wait_event(h, KERNEL_SA_SOFT)->spi, 0x2001);
	for (int i = 0; i < 4; i++)
		send_frame(h, &f);
	assert_int_equal(wait_event(h, KERNEL_SA_LOST)->spi, 0x2001);
	assert_sealed("the hard limit", QUIET_MS * slow);
	close_path();
}

/* Clear VXLAN, from here and from afar, however marked, with either barrier gone. */
static void
test_clear_comes_in(void **state)
{
	static const char *const commands[] = { "true", "nft flush ruleset",
		"ip xfrm policy flush; ip xfrm state flush" };
	struct host *h = &hosts[1];
	struct frame f;

	(void)state;
	if (!can(&conf4))
		return;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		open_path(&conf4);
		kill_host(h);
		enter(h);
		assert_true(netns_run("%s", commands[i]));
		assert_true(netns_run("nft add table ip evil && nft add chain ip evil p "
				      "'{ type filter hook prerouting priority 0; }' && "
				      "nft add rule ip evil p meta mark set 0x766e0007"));
		f = make_frame(&hosts[0], FRAME_LEN);
		for (uint16_t port = 1799; port <= 1800; port++) {
			inject(&hosts[0], "10.9.8.2", port, VNI, &f);
			inject(h, "10.9.8.2", port, VNI, &f);
			inject(h, "127.0.0.1", port, VNI, &f);
		}
		if (comes(h->packet, 0, &f, QUIET_MS * slow))
			fail_msg("came in, after %s", commands[i]);
		enter(h);
		assert_true(netns_run("nft delete table ip evil"));
		start_host(h);
		open_tap(h);
		DO(h, start, true);
		close_path();
	}
}

/* What is not ours stays. */
static void
test_others(void **state)
{
	struct host *h = &hosts[0];

	(void)state;
	if (!can(&conf4))
		return;
	enter(h);
	assert_true(netns_run(
	    "ip xfrm state add src 10.9.8.1 dst 10.9.8.9 proto esp spi 0x999 reqid 9 mode "
	    "transport "
	    "aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128 && "
	    "ip xfrm policy add src 10.9.8.1 dst 10.9.8.9 dir out tmpl src 10.9.8.1 dst 10.9.8.9 "
	    "proto esp reqid 9 mode transport && nft add table inet other"));
	open_path(&conf4);
	DO(h, stop);
	open_host(h, &conf4);
	kill_host(h);
	start_host(h);
	open_tap(h);
	DO(h, start, true);
	DO(h, stop);
	enter(h);
	assert_true(netns_run("ip xfrm state | grep -q 0x00000999 && "
			      "ip xfrm policy | grep -q 10.9.8.9 && "
			      "nft list tables | grep -q 'inet other'"));
	assert_true(netns_run(
	    "ip xfrm state flush && ip xfrm policy flush && nft delete table inet other"));
}

/* What the kernel has, as iproute2 and nft see it. */
static void
test_seen(void **state)
{
	struct host *h = &hosts[0];

	(void)state;
	if (!can(&conf4))
		return;
	open_path(&conf4);
	enter(h);
	assert_true(netns_ip_says(
	    "link show vnet-conf", "\"info_kind\":\"vxlan\",\"info_data\":{\"external\":true"));
	assert_true(netns_ip_says(
	    "link show vnet-conf", "\"port_range\":{\"low\":1800,\"high\":1801},\"port\":1800"));
	assert_true(netns_run("ip xfrm state | grep -A9 'spi 0x00001001' | grep -q 'mode beet'"));
	assert_true(netns_run(
	    "ip -d xfrm state | grep -A9 'spi 0x00001002' | grep -q 'replay-window 4096\\|esn'"));
	assert_true(netns_run("ip xfrm state | grep -q 'output-mark 0x766e0007'"));
	assert_true(
	    netns_run("ip xfrm policy | grep -q 'dst 198.18.0.7/32.*sport 1800 dport 1800'"));
	assert_true(netns_run("nft list table inet vnetd | grep -q 'udp sport 1800 udp dport 1800 "
			      "rt ipsec missing'"));
	assert_true(
	    netns_run("nft list table inet vnetd | grep -q 'udp dport 1799 meta ipsec missing'"));
	close_path();
}

#define SECURED_TESTS                                                                         \
	TEST(test_secured), TEST(test_seen), TEST(test_fail_closed), TEST(test_one_barrier),  \
	    TEST(test_no_sa), TEST(test_rekey), TEST(test_limits), TEST(test_clear_comes_in), \
	    TEST(test_others),
