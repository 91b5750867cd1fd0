/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For test_kernel: two hosts, each a namespace with a privileged process, the engine's side of both, frames, and a sniffer on the wire between them. */

#include "core/kernelcli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "core/privcli.h"
#include "tests/system/netns.h"
#include "tests/system/priv_server.h"

#define DEADLINE_MS 20000
#define QUIET_MS    100
#define IFNAME	    "vnif0097"
#define VNI	    97
#define MTU	    1300
#define PEER	    7
#define FRAME_LEN   100

struct host {
	unsigned number; /* 1 or 2 */
	int ns;
	struct loop *loop;
	struct privcli *cli;
	pid_t server;
	int parent;
	struct priv_tap tap;
	int packet; /* frames of the TAP as the host sees them */

	uint32_t token;
	bool ended;
	int error;
	char text[256];
	struct kernel_count count;
	bool found;
	struct kernel_finding findings[KERNEL_ABILITIES];
	struct kernel_event events[64];
	size_t n_events, n_lost, n_broken; /* SAs; things repaired */
};

static struct host hosts[2];
static int sniffer = -1; /* on the wire, at host 1 */
static uint64_t slow = 1;

/* --- the engine's side --- */

static void
note_found(void *arg, const struct kernel_finding found[static KERNEL_ABILITIES])
{
	struct host *h = arg;

	memcpy(h->findings, found, sizeof(h->findings));
	h->found = true;
}

static void
note_done(void *arg, uint32_t token, int error, const char *text)
{
	struct host *h = arg;

	assert_int_equal(token, h->token);
	h->ended = true;
	h->error = error;
	snprintf(h->text, sizeof(h->text), "%s", text);
}

static void
note_counted(void *arg, uint32_t token, const struct kernel_count *c)
{
	note_done(arg, token, 0, "");
	((struct host *)arg)->count = *c;
}

static void
note_event(void *arg, const struct kernel_event *ev)
{
	struct host *h = arg;

	h->n_lost += ev->type == KERNEL_SA_LOST;
	h->n_broken += ev->type == KERNEL_BROKEN;
	if (h->n_events < sizeof(h->events) / sizeof(h->events[0]))
		h->events[h->n_events++] = *ev;
}

static const struct kernelcli_ops ops = { note_found, note_done, note_counted, note_event };

static void
note_stored(void *arg, uint64_t number, int error)
{
	(void)arg;
	(void)number;
	(void)error;
}

/* As the kernel's programs tell it. */
static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool
before(uint64_t deadline)
{
	return now_ns() < deadline;
}

static uint64_t
deadline_in(uint64_t ms)
{
	return now_ns() + ms * 1000000;
}

static void
enter(const struct host *h)
{
	assert_int_equal(setns(h->ns, CLONE_NEWNET), 0);
}

static void
turn(void)
{
	for (size_t i = 0; i < 2; i++)
		if (hosts[i].loop)
			loop_once(hosts[i].loop, 2);
}

/* The end of the request that was just made. */
static int
ended(struct host *h, int asked)
{
	uint64_t deadline = deadline_in(DEADLINE_MS);

	assert_int_equal(asked, 0);
	while (!h->ended && before(deadline))
		turn();
	if (!h->ended)
		fail_msg("request %u has not ended", h->token);
	return h->error;
}

static uint32_t
next(struct host *h)
{
	h->ended = false;
	return ++h->token;
}

#define ASK(h, call, ...) ended(h, kernelcli_##call((h)->cli, next(h), ##__VA_ARGS__))
#define DO(h, call, ...)                                                      \
	do {                                                                  \
		if (ASK(h, call, ##__VA_ARGS__) != 0)                         \
			fail_msg(#call ": %d \"%s\"", (h)->error, (h)->text); \
	} while (0)

static const struct kernel_event *
wait_event(struct host *h, uint32_t type)
{
	uint64_t deadline = deadline_in(DEADLINE_MS);

	do {
		for (size_t i = 0; i < h->n_events; i++)
			if (h->events[i].type == type)
				return &h->events[i];
		turn();
	} while (before(deadline));
	fail_msg("no event of type %u at host %u", type, h->number);
	return NULL;
}

/* --- the hosts --- */

static int
packet_socket(const char *ifname)
{
	const struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(ifname) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void
start_host(struct host *h)
{
	int fd;

	enter(h);
	fd = start_server();
	h->server = server;
	h->parent = parent;
	if (h->cli) {
		privcli_replace(h->cli, fd);
		return;
	}
	h->loop = loop_new();
	h->cli = privcli_new(h->loop, fd, note_stored, NULL);
	kernelcli_init(h->cli, &ops, h);
}

static void
kill_host(struct host *h)
{
	if (h->server == 0)
		return;
	server = h->server;
	parent = h->parent;
	kill_server();
	h->server = 0;
}

static struct macaddr
mac_of(const struct host *h)
{
	return (struct macaddr){ { 0x02, 0, 0, 0, 0, (uint8_t)h->number } };
}

static struct ipaddr
address_of(const struct host *h, int family)
{
	struct ipaddr ip;
	char text[64];

	snprintf(text, sizeof(text), family == AF_INET ? "10.9.8.%u" : "fd09::%u", h->number);
	assert_true(ipaddr_parse(text, &ip));
	return ip;
}

static void
open_tap(struct host *h)
{
	const struct macaddr mac = mac_of(h);

	enter(h);
	if (privcli_tap_open(h->cli, IFNAME, &mac, 1500, &h->tap) != 0)
		fail_msg("%s", privcli_error(h->cli));
	h->packet = packet_socket(IFNAME);
}

static int
setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct host *h = &hosts[i];

		*h = (struct host){ .number = h->number, .ns = h->ns, .packet = -1 };
		start_host(h);
		open_tap(h);
	}
	enter(&hosts[0]);
	sniffer = packet_socket("wire");
	return 0;
}

static bool
nothing_left(void)
{
	return !netns_run("ip link show | grep -E 'vnet-'") &&
	       !netns_run("ip route show table all | grep -E '198.18|fd76'") &&
	       !netns_run("ip -6 route show table all | grep -E 'fd76'") &&
	       !netns_run("ip xfrm state 2>/dev/null | grep spi | grep -v 'spi 0x00000000'") &&
	       !netns_run("ip xfrm policy 2>/dev/null | grep .") &&
	       !netns_run("nft list tables 2>/dev/null | grep vnetd") &&
	       !netns_run("tc qdisc show dev " IFNAME " 2>/dev/null | grep clsact");
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct host *h = &hosts[i];

		kill_host(h);
		privcli_free(h->cli);
		loop_free(h->loop);
		close(h->packet);
		close(h->tap.fd);
		enter(h);
		start_host(&(struct host){ .number = h->number, .ns = h->ns });
		netns_run("ip link del " IFNAME);
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		close(parent);
	}
	close(sniffer);
	raw = -1;
	return 0;
}

/* --- frames --- */

struct frame {
	uint8_t b[2048];
	size_t len;
};

static uint8_t frame_number;

/* To the other host's address, from this one's; its last byte is a number of its own. */
static struct frame
make_frame(const struct host *from, size_t len)
{
	const struct host *to = &hosts[2 - from->number];
	const struct macaddr dst = mac_of(to), src = mac_of(from);
	struct frame f = { .len = len };

	memcpy(f.b, dst.b, 6);
	memcpy(f.b + 6, src.b, 6);
	f.b[12] = 0x88;
	f.b[13] = 0xb6;
	memcpy(f.b + 14, "in clear", 8);
	f.b[len - 1] = ++frame_number;
	return f;
}

static void
send_frame(const struct host *from, const struct frame *f)
{
	assert_int_equal(send(from->packet, f->b, f->len, 0), (ssize_t)f->len);
}

/* Is the frame among those that come to fd in so many ms? offset: of headers in front. */
static bool
comes(int fd, size_t offset, const struct frame *f, uint64_t ms)
{
	uint64_t deadline = deadline_in(ms);
	uint8_t buf[4096];

	do {
		struct sockaddr_ll from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == ENOTSOCK)
			n = read(fd, buf, sizeof(buf));
		if (n < 0) {
			turn();
			continue;
		}
		if (from.sll_pkttype == PACKET_OUTGOING && offset == 0)
			continue;
		if ((size_t)n >= offset + f->len && memcmp(buf + offset, f->b, f->len) == 0)
			return true;
	} while (before(deadline));
	return false;
}

static void
drain(int fd)
{
	char buf[16];

	while (recv(fd, buf, sizeof(buf), 0) >= 0)
		;
}

static bool
is_carried(const struct host *from, const struct frame *f)
{
	drain(hosts[2 - from->number].packet);
	send_frame(from, f);
	return comes(hosts[2 - from->number].packet, 0, f, DEADLINE_MS);
}

/* The engine gets it: the TAP's queue, behind a header of 10 bytes. */
static bool
is_left(const struct host *from, const struct frame *f)
{
	send_frame(from, f);
	return comes(from->tap.fd, 10, f, DEADLINE_MS) &&
	       !comes(hosts[2 - from->number].packet, 0, f, 0);
}

/* Are there bytes of frames on the wire? */
static bool
in_clear(void)
{
	uint8_t buf[4096];
	ssize_t n;

	while ((n = recv(sniffer, buf, sizeof(buf), 0)) > 0)
		if (memmem(buf, (size_t)n, "in clear", 8))
			return true;
	return false;
}

/* --- a path between the two --- */

struct path {
	int family;
	uint32_t suite;
	bool udp;
};

static void
add_sas(struct host *h, const struct path *p, uint32_t generation)
{
	struct kernel_sa sa = { .peer = PEER, .esn = 1, .window = 4096 };

	if (p->udp)
		sa.sport = sa.dport = KERNEL_PORT_ESP;
	for (size_t i = 0; i < sizeof(sa.keymat); i++)
		sa.keymat[i] = (uint8_t)(i + generation);
	/* Each direction has an SPI that says who sends. */
	sa.direction = KERNEL_OUT;
	sa.spi = 0x1000 * generation + h->number;
	DO(h, sa_add, &sa);
	sa.direction = KERNEL_IN;
	sa.spi = 0x1000 * generation + 3 - h->number;
	DO(h, sa_add, &sa);
}

static void
set_flows(struct host *h)
{
	struct kernel_flow own = { .ifname = IFNAME, .mac = mac_of(h), .slot = 1 };
	struct kernel_flow flow = { .ifname = IFNAME,
		.mac = mac_of(&hosts[2 - h->number]),
		.slot = 2,
		.peer = PEER,
		.vni = VNI,
		.mtu = MTU };

	DO(h, flow_set, &own);
	DO(h, flow_set, &flow);
}

static void
renew(struct host *h, uint64_t ms)
{
	struct kernel_slot *slots = kernelcli_slots(h->cli);

	assert_non_null(slots);
	slots[1].expires = slots[2].expires = deadline_in(ms);
}

static void
open_host(struct host *h, const struct path *p)
{
	const struct host *other = &hosts[2 - h->number];
	const struct kernel_peer peer = { .number = PEER,
		.suite = p->suite,
		.local = address_of(h, p->family),
		.remote = address_of(other, p->family) };
	const struct kernel_member member = { .peer = PEER, .vni = VNI, .ifname = IFNAME };

	DO(h, start, p->suite != SUITE_NONE);
	DO(h, vnet_add, IFNAME);
	DO(h, peer_add, &peer);
	if (p->suite != SUITE_NONE)
		add_sas(h, p, 1);
	DO(h, member_add, &member);
	set_flows(h);
	renew(h, 600000);
}

static void
open_path(const struct path *p)
{
	open_host(&hosts[0], p);
	open_host(&hosts[1], p);
}

static void
find(struct host *h)
{
	uint64_t deadline = deadline_in(DEADLINE_MS);

	h->found = false;
	assert_int_equal(kernelcli_find(h->cli), 0);
	while (!h->found && before(deadline))
		turn();
	assert_true(h->found);
}

/* The kernel can do all that the path needs. */
static bool
can(const struct path *p)
{
	struct host *h = &hosts[0];
	bool able;

	find(h);
	able = h->findings[KERNEL_SUITE + p->suite].able;
	able &= h->findings[KERNEL_NFT].able && h->findings[KERNEL_BPF].able;
	if (!able && getenv("VNET_NEEDS")) /* where all is known to be there */
		fail_msg("%s: %s %s %s", suite_by_id(p->suite)->name,
		    h->findings[KERNEL_SUITE + p->suite].reason, h->findings[KERNEL_NFT].reason,
		    h->findings[KERNEL_BPF].reason);
	return able;
}

static void
run_path(const struct path *p)
{
	struct kernel_slot *slots;
	struct frame f;

	open_path(p);
	slots = kernelcli_slots(hosts[0].cli);
	for (size_t i = 0; i < 2; i++) {
		f = make_frame(&hosts[i], FRAME_LEN);
		assert_true(is_carried(&hosts[i], &f));
	}
	assert_true(slots[1].tx_packets == 1 && slots[1].tx_bytes == FRAME_LEN);
	assert_true(slots[2].tx_packets == 1 && slots[2].rx_packets == 1);
	assert_true(slots[2].used > 0 && slots[2].used <= now_ns());
	assert_int_equal(in_clear(),
	    p->suite == SUITE_NONE || p->suite == SUITE_NULL_SHA1 || p->suite == SUITE_NULL_SHA256);

	/* A probe, each way. */
	for (size_t i = 0; i < 2; i++) {
		const struct kernel_event *ev;

		DO(&hosts[i], probe, PEER, 0x0123456789abcdef + i);
		ev = wait_event(&hosts[1 - i], KERNEL_PROBED);
		assert_true(ev->peer == PEER && ev->value == 0x0123456789abcdef + i);
	}
}

/* VXLAN to a port, as any user could send it. */
static void
inject(const struct host *from, const char *to, uint16_t port, uint32_t vni, const struct frame *f)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	uint8_t buf[8 + sizeof(f->b)] = { 0x08, 0, 0, 0, (uint8_t)(vni >> 16), (uint8_t)(vni >> 8),
		(uint8_t)vni };
	int fd;

	enter(from);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, to, &sa.sin_addr);
	memcpy(buf + 8, f->b, f->len);
	sendto(fd, buf, 8 + f->len, 0, (struct sockaddr *)&sa, sizeof(sa));
	close(fd);
}
