/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One host with one peer and one vnet, whose kernel is the fake, in virtual time. */

#include "core/offload.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_fake.h"
#include "varp/varp.h"

static struct {
	struct offload *o;
	struct groups groups;
	struct assocs as;
	struct vnets vnets;
	struct varp *varp;
	struct grace grace;
	struct packet_pool *pool;
	struct group *group;
	struct vnet *vnet;
	struct assoc *a;
	struct member *m;
	struct monotime now, next;
	bool no_port;
	struct message sent[64];
	unsigned n_sent, rekeys;
} host;

static const struct macaddr near_mac = { { 2, 0, 0, 0, 0, 1 } }, far_mac = { { 2, 0, 0, 0, 0, 2 } };

static void
send_message(void *arg, struct assoc *a, const struct message *m)
{
	(void)arg;
	(void)a;
	host.sent[host.n_sent++ % 64] = *m;
}

static inline const struct message *
last_sent(void)
{
	return &host.sent[(host.n_sent - 1) % 64];
}

static void
kick(void *arg)
{
	(void)arg;
	host.next = host.now;
}

static bool
open_port(void *arg)
{
	(void)arg;
	return !host.no_port;
}

/* Ticks and answers for so long. */
static void
run(int64_t ms)
{
	struct monotime end = monotime_add_ms(host.now, ms);

	for (;;) {
		fake_answer();
		host.next = (struct monotime){ 0 };
		host.next = monotime_earliest(host.next, offload_tick(host.o, host.now));
		if (fake.n_answered < fake.n_asked)
			continue;
		if (!monotime_is_set(host.next) || monotime_before(end, host.next))
			break;
		if (monotime_before(host.now, host.next))
			host.now = host.next;
		else
			host.now = monotime_add_ms(host.now, 1);
	}
	host.now = end;
}

static void
no_send(void *arg, enum message_type type, uint32_t vnet, uint64_t h, const struct message_item *i)
{
	(void)arg;
	(void)type;
	(void)vnet;
	(void)h;
	(void)i;
}

static void
no_members(void *arg, uint32_t vnet, void (*each)(void *ctx, uint64_t host), void *ctx)
{
	(void)arg;
	(void)vnet;
	(void)each;
	(void)ctx;
}

static void
moved(void *arg, uint32_t vnet, const struct macaddr *mac)
{
	(void)arg;
	offload_moved(host.o, vnet, mac);
}

static bool
count_initiate(void *arg, uint32_t token, const struct keys_initiate *m)
{
	(void)arg;
	(void)token;
	(void)m;
	host.rekeys++;
	return true;
}

static void
no_control(
    void *arg, const struct endpoint *to, enum control_type type, const uint8_t *body, size_t len)
{
	(void)arg;
	(void)to;
	(void)type;
	(void)body;
	(void)len;
}

static void
no_forget(void *arg, uint32_t handle)
{
	(void)arg;
	(void)handle;
}

static void
retired(void *arg, struct sa_pair *p)
{
	(void)arg;
	offload_pair_retired(host.o, p);
}

static const struct assocs_ops assocs_ops = {
	.control = no_control, .initiate = count_initiate, .forget = no_forget, .retired = retired
};

static uint32_t next_spi;

/* As if a handshake had been confirmed: two SAs in software each way and two for kernels, if any. */
static struct sa_pair *
new_pair(bool ours, bool theirs)
{
	struct sa_pair *p = calloc(1, sizeof(*p)), *before = host.a->active;

	assert_non_null(p);
	p->n_in_soft = p->n_out_soft = 2;
	p->n_in = ours ? 4 : 2;
	p->n_out = theirs ? 4 : 2;
	p->in = calloc(p->n_in, sizeof(*p->in));
	p->out = calloc(p->n_out, sizeof(*p->out));
	for (uint8_t i = 0; i < p->n_in; i++)
		p->in[i].entry.spi = next_spi++;
	for (uint8_t i = 0; i < p->n_out; i++)
		p->out[i].sa.spi = next_spi++;
	p->in[0].sa.esn = true;
	p->assoc = host.a;
	p->state = SA_ACTIVE;
	p->installed = host.now;
	p->next = host.a->pairs;
	host.a->pairs = host.a->active = p;
	if (before != NULL)
		before->state = SA_DRAINING;
	offload_tick(host.o, host.now);
	return p;
}

static void
free_pair(struct sa_pair *p)
{
	struct sa_pair **at = &host.a->pairs;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	offload_pair_retired(host.o, p);
	free(p->in);
	free(p->out);
	free(p);
}

/* The other end's kernel can be reached. */
static void
hear_path(const struct sa_pair *p)
{
	struct message m = { .type = MESSAGE_PATH };

	if (p != NULL) {
		m.path.n = 2;
		m.path.ways[0] = (struct message_way){ p->out[2].sa.spi, WAY_ESP, 0 };
		m.path.ways[1] = (struct message_way){ p->out[3].sa.spi, WAY_UDP, 1801 };
	}
	offload_receive(host.o, host.a, &m, host.now);
}

static void
hear_seen_nonce(uint64_t nonce)
{
	struct message m = { .type = MESSAGE_SEEN, .seen = nonce };

	offload_receive(host.o, host.a, &m, host.now);
}

static void
hear_seen(void)
{
	hear_seen_nonce(fake.nonce);
}

static void
begin(enum suite_id suite, enum offload_mode mode)
{
	struct assocs_config config = {
		.host_id = 1, .start = 1, .rekey_packets = 1000, .replay_window = 64, .n_spis = 2
	};
	struct offload_setup setup = { .assocs = &host.as,
		.vnets = &host.vnets,
		.mode = mode,
		.port = 1798,
		.send = send_message,
		.kick = kick,
		.open_port = open_port };
	const struct varp_ops varp_ops = { .send = no_send, .members = no_members, .moved = moved };
	struct varp_config varp_config = { 0 };
	struct vnetspec spec = { .suite = suite, .level = suite_by_id(suite)->level };
	int err;

	memset(&fake, 0, sizeof(fake));
	fake.count = (struct kernel_count){ .packets = 7, .bytes = 700, .seq = 7 };
	fake.manual.loan = (struct manual_loan){ 1000, 2000, 2000 + (3 << 20) };
	memset(&host, 0, sizeof(host));
	next_spi = 0x1000;
	host.now = (struct monotime){ 1000000000 };
	host.pool = packet_pool_new(8);
	grace_init(&host.grace, 0);
	assert_int_equal(vnets_init(&host.vnets), 0);
	assert_int_equal(
	    assocs_init(&host.as, &config, &host.groups, host.pool, &host.grace, &assocs_ops, NULL),
	    0);
	host.varp = varp_new(&varp_config, 1, &varp_ops, NULL);
	setup.varp = host.varp;
	host.o = offload_new(&setup);
	assert_non_null(host.o);
	host.group = group_get(
	    &host.groups, suite == SUITE_NONE ? "" : "default", suite_by_id(suite));
	assert_true(vnetid_parse("97", &spec.id));
	strcpy(spec.ifname, "vnif0097");
	host.vnet = vnet_add(&host.vnets, &spec, &err);
	host.vnet->group = host.group;
	host.vnet->tap = 1000;
	host.group->vnets = 1;
	strcpy(host.groups.keys[0].name, "default");
	host.groups.keys[0].id = 5;
	host.groups.n_keys = 1;
	host.groups.keys_known = true;
	host.a = assoc_get(&host.as, 2, host.group, host.now);
	host.a->up = true;
	host.a->inner_mtu = 1400;
	host.a->ep = (struct endpoint){ .ip = ipaddr_v4(0xc0000202), .port = 1798 };
	host.a->local = ipaddr_v4(0xc0000201);
	host.m = member_add(&host.vnets, host.vnet, host.a, 2, 0x1234);
	offload_start(host.o);
	assert_int_equal(asked("find"), 1);
	fake_findings(true);
}

static void
end(void)
{
	while (host.a->pairs != NULL)
		free_pair(host.a->pairs);
	host.a->active = NULL;
	offload_assoc_gone(host.o, host.a);
	assocs_fini(&host.as);
	group_put(&host.groups, host.group);
	offload_free(host.o);
	varp_free(host.varp);
	vnets_fini(&host.vnets);
	grace_collect(&host.grace);
	packet_pool_free(host.pool);
}

/* In use by protocol 50. */
static inline struct sa_pair *
begin_used(void)
{
	struct sa_pair *p;

	begin(SUITE_AES128_SHA1, OFFLOAD_AUTO);
	run(10);
	p = new_pair(true, true);
	run(10);
	hear_path(p);
	run(10);
	hear_seen();
	assert_string_equal(offload_path_name(host.a), "kernel esp");
	return p;
}

/* A frame from our MAC to that of the other host goes through the engine. */
static void
use_flow(void)
{
	varp_local_frame(host.varp, 0x97, &near_mac, host.now);
	varp_remote_frame(host.varp, 0x97, 2, host.m, &far_mac, host.now);
	run(10);
	offload_used(host.o, host.m, &near_mac, &far_mac, host.now);
	run(10);
}

/* Of the flows that use_flow() makes: still to be used by the kernel at this time? */
static bool
alive(unsigned slot)
{
	return fake.slots[slot].expires > (uint64_t)host.now.ns;
}
