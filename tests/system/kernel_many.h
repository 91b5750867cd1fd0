/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of test_kernel about $VNET_MANY peers: nothing is forgotten, and nothing takes long. */

#include "tests/system/kernel_hosts.h"

#define MANY_FLOWS 4	 /* of each peer */
#define MANY_MS	   10000 /* for each step: a hundred times what it takes */

static unsigned n_many = 200;

/* --- requests, of which many are on their way --- */

#define AT_ONCE 128

static unsigned n_asked, n_ended;

static void
many_done(void *arg, uint32_t token, int error, const char *text)
{
	(void)arg;
	if (error)
		fail_msg("request %u: %d \"%s\"", token, error, text);
	n_ended++;
}

static void
many_counted(void *arg, uint32_t token, const struct kernel_count *c)
{
	assert_true(c->packets == 0 && c->refused == 0);
	many_done(arg, token, 0, "");
}

static void
wait_ended(struct host *h, unsigned more)
{
	while (n_asked - n_ended > more)
		loop_once(h->loop, 1000);
}

#define MANY_DO(h, call, ...)                                                             \
	do {                                                                              \
		while (kernelcli_##call((h)->cli, ++n_asked, ##__VA_ARGS__) == -EAGAIN) { \
			n_asked--;                                                        \
			wait_ended(h, 0);                                                 \
		}                                                                         \
		wait_ended(h, AT_ONCE);                                                   \
	} while (0)

static uint64_t step_began;

static void
step_begin(void)
{
	step_began = now_ns();
}

static void
step_end(const char *what, unsigned n)
{
	uint64_t us;

	wait_ended(&hosts[0], 0);
	us = (now_ns() - step_began) / 1000;
	printf("%s: %u in %lu ms, %lu us each\n", what, n, us / 1000, us / n);
	assert_true(us / 1000 < MANY_MS * slow);
}

static uint32_t
many_spi(uint32_t generation, uint32_t number, enum kernel_direction d)
{
	return generation << 16 | number << 1 | d;
}

static void
add_many_sas(struct host *h, uint32_t generation)
{
	struct kernel_sa sa = { .esn = 1, .window = 4096 };

	for (uint32_t number = 1; number <= n_many; number++)
		for (sa.direction = KERNEL_IN; sa.direction <= KERNEL_OUT; sa.direction++) {
			sa.peer = number;
			sa.spi = many_spi(generation, number, sa.direction);
			MANY_DO(h, sa_add, &sa);
		}
}

static void
add_many_peers(struct host *h, uint32_t suite)
{
	struct kernel_peer peer = { .suite = suite, .local = address_of(h, AF_INET) };
	struct kernel_member member = { .ifname = IFNAME, .vni = VNI };
	struct kernel_flow flow = { .ifname = IFNAME, .vni = VNI, .mtu = MTU };

	for (uint32_t number = 1; number <= n_many; number++) {
		peer.number = member.peer = flow.peer = number;
		peer.remote = ipaddr_v4(0x0a640000 + number);
		MANY_DO(h, peer_add, &peer);
		MANY_DO(h, member_add, &member);
		for (uint32_t i = 0; i < MANY_FLOWS; i++) {
			flow.slot = number * MANY_FLOWS + i;
			flow.mac = (struct macaddr){ { 0x02, 1, 0, (uint8_t)(flow.slot >> 16),
			    (uint8_t)(flow.slot >> 8), (uint8_t)flow.slot } };
			MANY_DO(h, flow_set, &flow);
		}
	}
}

/* One by one, each an event. */
static bool
ip_deletes(uint32_t generation)
{
	FILE *ip = popen("ip -batch -", "we");

	for (uint32_t number = 1; ip && number <= n_many; number++)
		fprintf(ip,
		    "xfrm state delete dst 10.9.8.1 proto esp spi %u\n"
		    "xfrm state delete dst 10.100.%u.%u proto esp spi %u\n",
		    many_spi(generation, number, KERNEL_IN), number >> 8, number & 255,
		    many_spi(generation, number, KERNEL_OUT));
	return ip && pclose(ip) == 0;
}

static bool
ip_flushes(uint32_t generation)
{
	(void)generation;
	return netns_run("ip xfrm state flush");
}

/* Of most of which no event tells, for priv hears nothing meanwhile. */
static bool
ip_deletes_unheard(uint32_t generation)
{
	bool done;

	kill(hosts[0].server, SIGSTOP);
	done = ip_deletes(generation) && netns_run("ip xfrm policy flush");
	kill(hosts[0].server, SIGCONT);
	return done;
}

static void
lose(struct host *h, uint32_t generation, const char *what, bool (*deed)(uint32_t generation))
{
	uint64_t deadline = deadline_in(MANY_MS * slow);

	add_many_sas(h, generation);
	wait_ended(h, 0);
	enter(h);
	h->n_lost = 0;
	step_begin();
	assert_true(deed(generation));
	while (h->n_lost < 2 * n_many && before(deadline))
		loop_once(h->loop, 100);
	assert_int_equal(h->n_lost, 2 * n_many);
	step_end(what, 2 * n_many);
}

/* What is put back is no reason to look for what is gone. */
static void
assert_settled(struct host *h)
{
	uint64_t deadline = deadline_in(QUIET_MS * slow);

	while (before(deadline))
		loop_once(h->loop, 10);
	assert_in_range(h->n_broken, 1, 3);
	assert_true(netns_run("test $(ip xfrm policy | grep -c 'dir out') = %d", n_many));
}

/* Each is told of once, however they go. */
static void
lose_many_sas(struct host *h)
{
	step_begin();
	add_many_sas(h, 1);
	step_end("SAs added", 2 * n_many);
	step_begin();
	for (uint32_t number = 1; number <= n_many; number++)
		MANY_DO(h, sa_count, number, KERNEL_OUT, many_spi(1, number, KERNEL_OUT));
	step_end("SAs counted", n_many);
	step_begin();
	for (uint32_t number = 1; number <= n_many; number++)
		for (uint32_t d = KERNEL_IN; d <= KERNEL_OUT; d++)
			MANY_DO(h, sa_delete, number, d, many_spi(1, number, d));
	step_end("SAs deleted", 2 * n_many);
	lose(h, 2, "SAs flushed by ip", ip_flushes);
	lose(h, 3, "SAs deleted by ip", ip_deletes);
	h->n_broken = 0;
	lose(h, 4, "SAs deleted by ip, unheard", ip_deletes_unheard);
	assert_settled(h);
	add_many_sas(h, 5);
}

static void
test_many(void **state)
{
	struct host *h = &hosts[0];
	const struct path secured = { AF_INET, SUITE_AES128_SHA1, false };
	static const struct kernelcli_ops many = { note_found, many_done, many_counted,
		note_event };
	bool able = can(&secured);

	(void)state;
	kernelcli_init(h->cli, &many, h);
	for (unsigned i = 0; i < 1u + able; i++) {
		MANY_DO(h, start, i == 1);
		MANY_DO(h, vnet_add, IFNAME);
		step_begin();
		add_many_peers(h, i == 0 ? SUITE_NONE : SUITE_AES128_SHA1);
		step_end("peers added", n_many);
		if (i == 1)
			lose_many_sas(h);
		step_begin();
		for (uint32_t number = 1; number <= n_many / 2; number++)
			MANY_DO(h, peer_delete, number);
		step_end("peers deleted", n_many / 2);
		step_begin();
		MANY_DO(h, stop);
		step_end("peers stopped", n_many / 2);
		enter(h);
		assert_true(nothing_left());
	}
}

#define MANY_TESTS TEST(test_many),
