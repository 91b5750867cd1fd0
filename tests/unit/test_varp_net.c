/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several hosts' VARP machines over a network that loses, delays, reorders and duplicates, in
 * virtual time. Guests (MACs) send frames to all and move from host to host; what every host
 * believes is compared with where each guest is.
 */
#include "varp/varp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VNET = 7, HOSTS_MAX = 5, GUESTS = 12, PACKETS_MAX = 200000 };

enum kind { PACKET_ITEM, PACKET_FRAME };

struct packet {
	struct monotime due;
	uint64_t order; /* of sending, between packets due at once */
	enum kind kind;
	unsigned from, to;
	enum message_type type;
	struct message_item item;
};

struct net {
	unsigned n_hosts;
	int64_t delay_min_ms, delay_max_ms; /* one way */
	unsigned loss, duplication;	    /* percent */
	uint64_t rng;
	struct monotime now;
	uint64_t order;
	struct packet *heap;
	size_t n_packets;
	struct host {
		struct net *net;
		unsigned index;
		struct varp *varp;
		struct monotime next;
		bool up;
	} hosts[HOSTS_MAX];
	unsigned guest_at[GUESTS];
	struct monotime guest_moved[GUESTS];
};

static uint32_t
rnd(struct net *net, uint32_t below)
{
	net->rng = net->rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(net->rng >> 33) % below;
}

static struct macaddr
guest_mac(unsigned guest)
{
	return (struct macaddr){ { 2, 0, 0, 0, 0, (uint8_t)(guest + 1) } };
}

/* Host ids are not in the order of indices, so that ties go either way. */
static uint64_t
host_id(unsigned index)
{
	static const uint64_t ids[HOSTS_MAX] = { 50, 10, 40, 20, 30 };

	return ids[index];
}

static bool
is_before(const struct packet *a, const struct packet *b)
{
	return a->due.ns != b->due.ns ? a->due.ns < b->due.ns : a->order < b->order;
}

static void
swap_packets(struct packet *a, struct packet *b)
{
	struct packet t = *a;

	*a = *b;
	*b = t;
}

static void
heap_push(struct net *net, const struct packet *p)
{
	size_t i = net->n_packets++;

	assert_true(net->n_packets <= PACKETS_MAX);
	net->heap[i] = *p;
	for (; i && is_before(&net->heap[i], &net->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap_packets(&net->heap[i], &net->heap[(i - 1) / 2]);
}

static struct packet
heap_pop(struct net *net)
{
	struct packet top = net->heap[0];
	size_t i = 0;

	net->heap[0] = net->heap[--net->n_packets];
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++) {
			if (child < net->n_packets &&
			    is_before(&net->heap[child], &net->heap[least]))
				least = child;
		}
		if (least == i)
			return top;
		swap_packets(&net->heap[i], &net->heap[least]);
		i = least;
	}
}

static void
transmit(struct net *net, struct packet p)
{
	unsigned copies = 1 + (rnd(net, 100) < net->duplication);

	if (!net->hosts[p.from].up || !net->hosts[p.to].up || rnd(net, 100) < net->loss)
		return;
	while (copies--) {
		uint32_t spread = (uint32_t)(net->delay_max_ms - net->delay_min_ms + 1);

		p.due = monotime_add_ms(net->now, net->delay_min_ms + rnd(net, spread));
		p.order = net->order++;
		heap_push(net, &p);
	}
}

static void
on_send(
    void *arg, enum message_type type, uint32_t vnet, uint64_t to, const struct message_item *item)
{
	struct host *h = arg;
	struct packet p = {
		.kind = PACKET_ITEM,
		.from = h->index,
		.to = HOSTS_MAX,
		.type = type,
		.item = *item,
	};

	assert_int_equal(vnet, VNET);
	for (unsigned i = 0; i < h->net->n_hosts; i++) {
		if (host_id(i) == to)
			p.to = i;
	}
	assert_true(p.to < HOSTS_MAX && p.to != h->index);
	transmit(h->net, p);
}

static void
on_members(void *arg, uint32_t vnet, void (*each)(void *ctx, uint64_t host), void *ctx)
{
	const struct host *h = arg;

	assert_int_equal(vnet, VNET);
	for (unsigned i = 0; i < h->net->n_hosts; i++) {
		if (i != h->index && h->net->hosts[i].up && h->up)
			each(ctx, host_id(i));
	}
}

static const struct varp_ops ops = { .send = on_send, .members = on_members };

/* A guest's broadcast: seen at its host's device, flooded to all others. */
static void
guest_sends(struct net *net, unsigned guest)
{
	unsigned at = net->guest_at[guest];
	struct macaddr mac = guest_mac(guest);
	struct packet p = { .kind = PACKET_FRAME, .from = at, .item.mac = mac };

	varp_local_frame(net->hosts[at].varp, VNET, &mac, net->now);
	for (unsigned i = 0; i < net->n_hosts; i++) {
		p.to = i;
		if (i != at)
			transmit(net, p);
	}
}

static void
guest_moves(struct net *net, unsigned guest)
{
	net->guest_at[guest] = rnd(net, net->n_hosts);
	net->guest_moved[guest] = net->now;
	guest_sends(net, guest);
}

static void
deliver(struct net *net, const struct packet *p)
{
	struct varp *v = net->hosts[p->to].varp;
	struct host *from = &net->hosts[p->from];

	if (!net->hosts[p->to].up || !from->up)
		return;
	if (p->kind == PACKET_FRAME)
		varp_remote_frame(v, VNET, host_id(p->from), from, &p->item.mac, net->now);
	else
		varp_receive(v, p->type, VNET, host_id(p->from), from, &p->item, 1, net->now);
}

/* All that happens in the next ms milliseconds, a millisecond at a time. */
static void
run_ms(struct net *net, int64_t ms)
{
	struct monotime end = monotime_add_ms(net->now, ms);

	for (; monotime_before(net->now, end); net->now = monotime_add_ms(net->now, 1)) {
		while (net->n_packets && !monotime_before(net->now, net->heap[0].due)) {
			struct packet p = heap_pop(net);

			deliver(net, &p);
		}
		for (unsigned i = 0; i < net->n_hosts; i++) {
			struct host *h = &net->hosts[i];

			if (net->now.ns / 1000000 % 20 == 0 && h->up)
				h->next = varp_tick(h->varp, net->now);
		}
	}
}

static struct host *
host_start(struct net *net, unsigned index)
{
	static const struct varp_config cfg;
	struct host *h = &net->hosts[index];

	*h = (struct host){ .net = net, .index = index, .up = true };
	h->varp = varp_new(&cfg, host_id(index), &ops, h);
	assert_non_null(h->varp);
	return h;
}

/* The others hear of it: both ends tell each other what they have. */
static void
host_joins(struct net *net, unsigned index)
{
	struct host *h = &net->hosts[index];

	h->up = true;
	for (unsigned i = 0; i < net->n_hosts; i++) {
		struct host *other = &net->hosts[i];

		if (i == index || !other->up)
			continue;
		varp_member_up(other->varp, VNET, host_id(index), h, net->now);
		varp_member_up(h->varp, VNET, host_id(i), other, net->now);
	}
}

static void
host_leaves(struct net *net, unsigned index)
{
	struct host *h = &net->hosts[index];

	h->up = false;
	for (unsigned i = 0; i < net->n_hosts; i++) {
		if (i == index)
			continue;
		varp_member_down(net->hosts[i].varp, VNET, host_id(index));
		varp_member_down(h->varp, VNET, host_id(i));
	}
}

static void
net_start(struct net *net, unsigned n_hosts, uint64_t seed)
{
	*net = (struct net){
		.n_hosts = n_hosts,
		.rng = seed,
		.delay_min_ms = 10,
		.delay_max_ms = 10,
		.now = { 5000000000 },
	};
	net->heap = malloc(PACKETS_MAX * sizeof(*net->heap));
	assert_non_null(net->heap);
	for (unsigned i = 0; i < n_hosts; i++)
		host_start(net, i);
	for (unsigned g = 0; g < GUESTS; g++) {
		net->guest_at[g] = rnd(net, n_hosts);
		guest_sends(net, g);
	}
}

static void
net_stop(struct net *net)
{
	for (unsigned i = 0; i < net->n_hosts; i++)
		varp_free(net->hosts[i].varp);
	free(net->heap);
}

static bool
knows(const struct net *net, unsigned host, unsigned guest)
{
	struct macaddr mac = guest_mac(guest);
	struct varp_route r = varp_lookup(net->hosts[host].varp, VNET, &mac);
	unsigned at = net->guest_at[guest];

	if (host == at)
		return r.where == VARP_LOCAL;
	return r.where == VARP_REMOTE && r.host == host_id(at) && r.via == &net->hosts[at];
}

static void
check_all_know(const struct net *net, uint64_t seed)
{
	for (unsigned h = 0; h < net->n_hosts; h++) {
		for (unsigned g = 0; g < GUESTS; g++) {
			if (!knows(net, h, g))
				fail_msg("seed %lu: host %u is wrong about guest %u", seed, h, g);
		}
	}
}

static void
count_vif(void *ctx, const struct varp_vif_info *e)
{
	(void)e;
	++*(unsigned *)ctx;
}

static void
count_entry(void *ctx, const struct varp_entry_info *e)
{
	(void)e;
	++*(unsigned *)ctx;
}

static void
check_bounded(const struct net *net)
{
	for (unsigned h = 0; h < net->n_hosts; h++) {
		unsigned n = 0;

		varp_each_vif(net->hosts[h].varp, net->now, count_vif, &n);
		varp_each_entry(net->hosts[h].varp, net->now, count_entry, &n);
		assert_true(n <= GUESTS);
	}
}

/* Everything is forgotten, and nothing is left to be done. */
static void
check_forgotten(struct net *net)
{
	run_ms(net, 400000);
	assert_int_equal(net->n_packets, 0);
	for (unsigned h = 0; h < net->n_hosts; h++) {
		assert_false(monotime_is_set(varp_tick(net->hosts[h].varp, net->now)));
		for (unsigned g = 0; g < GUESTS; g++) {
			struct macaddr mac = guest_mac(g);

			assert_int_equal(
			    varp_lookup(net->hosts[h].varp, VNET, &mac).where, VARP_UNKNOWN);
		}
	}
}

/* Each guest sends now and then, so that the worst of luck is repaired. */
static void
guests_chat(struct net *net, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += 100) {
		guest_sends(net, rnd(net, GUESTS));
		run_ms(net, 100);
	}
}

static void
a_move_is_known_within_one_round_trip(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct net net;

		net_start(&net, 2 + (unsigned)seed % (HOSTS_MAX - 1), seed);
		for (int i = 0; i < 40; i++) {
			unsigned guest = rnd(&net, GUESTS);

			/* Faster than this it is flapping; and its last claim is acknowledged. */
			run_ms(&net, 500 + rnd(&net, 500));
			if (monotime_diff_ms(net.now, net.guest_moved[guest]) < 2500)
				continue;
			guest_moves(&net, guest);
			run_ms(&net, 2 * net.delay_max_ms);
			check_all_know(&net, seed);
		}
		check_bounded(&net);
		check_forgotten(&net);
		net_stop(&net);
	}
}

static void
a_bad_network_is_overcome(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct net net;

		net_start(&net, 2 + (unsigned)seed % (HOSTS_MAX - 1), seed);
		net.delay_min_ms = 1;
		net.delay_max_ms = 150;
		net.loss = 5 + 5 * ((unsigned)seed % 8);
		net.duplication = 10;
		for (int i = 0; i < 200; i++) {
			guest_moves(&net, rnd(&net, GUESTS));
			guests_chat(&net, 100 + rnd(&net, 600));
		}
		check_bounded(&net);
		net.loss = 0;
		guests_chat(&net, 30000);
		check_all_know(&net, seed);
		check_forgotten(&net);
		net_stop(&net);
	}
}

static void
silent_guests_are_known_or_flooded_to(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct net net;

		net_start(&net, 2 + (unsigned)seed % (HOSTS_MAX - 1), seed);
		net.delay_max_ms = 50;
		net.loss = 10;
		for (int i = 0; i < 50; i++) {
			run_ms(&net, 1000);
			guest_moves(&net, rnd(&net, GUESTS));
		}
		/* Nothing but VARP itself is sent any more. */
		run_ms(&net, 100000);
		for (unsigned h = 0; h < net.n_hosts; h++) {
			for (unsigned g = 0; g < GUESTS; g++) {
				struct macaddr mac = guest_mac(g);
				struct varp_route r = varp_lookup(net.hosts[h].varp, VNET, &mac);

				assert_true(r.where == VARP_UNKNOWN || knows(&net, h, g));
			}
		}
		check_forgotten(&net);
		net_stop(&net);
	}
}

static void
hosts_come_and_go(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct net net;

		net_start(&net, 2 + (unsigned)seed % (HOSTS_MAX - 1), seed);
		net.delay_min_ms = 1;
		net.delay_max_ms = 30;
		net.loss = (unsigned)seed % 3 * 10;
		for (int i = 0; i < 40; i++) {
			unsigned h = rnd(&net, net.n_hosts);

			if (!net.hosts[h].up) {
				host_joins(&net, h);
			} else if (rnd(&net, 2)) {
				host_leaves(&net, h);
			} else { /* restarts, having forgotten all */
				host_leaves(&net, h);
				varp_free(net.hosts[h].varp);
				host_start(&net, h);
				host_joins(&net, h);
			}
			guest_moves(&net, rnd(&net, GUESTS));
			guests_chat(&net, 3000);
		}
		for (unsigned h = 0; h < net.n_hosts; h++) {
			if (!net.hosts[h].up)
				host_joins(&net, h);
		}
		net.loss = 0;
		guests_chat(&net, 30000);
		check_all_know(&net, seed);
		check_forgotten(&net);
		net_stop(&net);
	}
}

/* Both hosts of a doubled MAC hear it all the time: they must not shout each other down for ever. */
static void
a_doubled_mac_is_damped(void **state)
{
	struct net net;
	struct macaddr mac = guest_mac(0);
	uint64_t before, moves;

	(void)state;
	net_start(&net, 3, 1);
	for (int i = 0; i < 1000; i++) {
		varp_local_frame(net.hosts[i % 2].varp, VNET, &mac, net.now);
		run_ms(&net, 15);
	}
	before = varp_counters(net.hosts[2].varp)[VARP_C_MOVED];
	for (int i = 0; i < 4000; i++) {
		varp_local_frame(net.hosts[i % 2].varp, VNET, &mac, net.now);
		run_ms(&net, 15);
	}
	moves = varp_counters(net.hosts[2].varp)[VARP_C_MOVED] - before;
	assert_in_range(moves, 5, 60); /* in a minute */
	assert_true(varp_counters(net.hosts[0].varp)[VARP_C_DAMPED] +
			varp_counters(net.hosts[1].varp)[VARP_C_DAMPED] >
		    1000);
	/* One of them goes away. */
	net.guest_at[0] = 1;
	for (int i = 0; i < 400; i++) {
		guest_sends(&net, 0);
		run_ms(&net, 15);
	}
	for (unsigned h = 0; h < net.n_hosts; h++)
		assert_true(knows(&net, h, 0));
	net_stop(&net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_move_is_known_within_one_round_trip),
		cmocka_unit_test(a_bad_network_is_overcome),
		cmocka_unit_test(silent_guests_are_known_or_flooded_to),
		cmocka_unit_test(hosts_come_and_go),
		cmocka_unit_test(a_doubled_mac_is_damped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
