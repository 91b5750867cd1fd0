/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's path, from the engine's side of priv to the wire: two hosts, each a namespace with a privileged process, first unsealed, then as a
 * role in its sandbox. Suites that the kernel lacks are not tested: level none is always. What is left to clear is judged by a sniffer
 * between the hosts, what is made by iproute2 and nft.
 */
#include "core/fastpath_load.h"
#include "core/priv_kernel.h"
#include "tests/system/kernel_hosts.h"

#include "tests/system/kernel_many.h"
#include "tests/system/kernel_secured.h"

/* --- tests --- */

static void
test_find(void **state)
{
	static const char *const names[] = { "vxlan", "bpf", "nft", "tap" };
	struct host *h = &hosts[0];

	(void)state;
	find(h);
	for (unsigned i = 0; i < KERNEL_ABILITIES; i++) {
		const struct kernel_finding *f = &h->findings[i];

		printf("%s: %s\n",
		    i < KERNEL_SUITE ? names[i] : suite_by_id(i - KERNEL_SUITE)->name,
		    f->able ? "yes" : f->reason);
		assert_int_equal(f->able, f->reason[0] == '\0');
	}
	enter(h);
	assert_true(nothing_left());
}

static void
test_none(void **state)
{
	(void)state;
	run_path(&(struct path){ AF_INET, SUITE_NONE, false });
}

static void
test_none_ipv6(void **state)
{
	(void)state;
	run_path(&(struct path){ AF_INET6, SUITE_NONE, false });
}

/* What is left to the engine. */
static void
test_left(void **state)
{
	struct host *h = &hosts[0];
	const struct macaddr to = mac_of(&hosts[1]), own = mac_of(h);
	struct kernel_slot *slots;
	struct frame f;

	(void)state;
	open_path(&(struct path){ AF_INET, SUITE_NONE, false });
	slots = kernelcli_slots(h->cli);

	f = make_frame(h, MTU + 14);
	assert_true(is_carried(h, &f));
	f = make_frame(h, MTU + 15);
	assert_true(is_left(h, &f));

	f = make_frame(h, FRAME_LEN);
	f.b[6 + 5] = 77; /* a source that is not known */
	assert_true(is_left(h, &f));
	f = make_frame(h, FRAME_LEN);
	f.b[5] = 77;
	assert_true(is_left(h, &f));
	f = make_frame(h, FRAME_LEN);
	memset(f.b, 0xff, 6);
	assert_true(is_left(h, &f));
	f = make_frame(h, FRAME_LEN);
	f.b[12] = 0x81; /* a tag */
	f.b[13] = 0x00;
	assert_true(is_left(h, &f));

	/* Both must live: the flow, and the source. */
	for (size_t slot = 1; slot <= 2; slot++) {
		renew(h, 600000);
		slots[slot].expires = now_ns();
		f = make_frame(h, FRAME_LEN);
		assert_true(is_left(h, &f));
	}
	renew(h, 600000);
	f = make_frame(h, FRAME_LEN);
	assert_true(is_carried(h, &f));

	DO(h, flow_delete, IFNAME, &to);
	f = make_frame(h, FRAME_LEN);
	assert_true(is_left(h, &f));
	set_flows(h);
	DO(h, flow_delete, IFNAME, &own);
	f = make_frame(h, FRAME_LEN);
	assert_true(is_left(h, &f));
	assert_int_equal(ASK(h, flow_delete, IFNAME, &own), -ENOENT);
	set_flows(h);
	DO(h, vnet_delete, IFNAME);
	f = make_frame(h, FRAME_LEN);
	assert_true(is_left(h, &f));
}

static void
put_tcp(struct frame *f, bool v6, uint8_t flags)
{
	uint8_t *ip = f->b + 14, *tcp = ip + (v6 ? 40 : 20);

	memset(ip, 0, f->len - 15);
	f->b[12] = v6 ? 0x86 : 0x08;
	f->b[13] = v6 ? 0xdd : 0x00;
	ip[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		ip[6] = 6;
	} else {
		ip[3] = (uint8_t)(f->len - 14);
		ip[9] = 6;
	}
	tcp[12] = 0x50;
	tcp[13] = flags;
}

static void
test_syn(void **state)
{
	struct host *h = &hosts[0];
	struct frame f;

	(void)state;
	open_path(&(struct path){ AF_INET, SUITE_NONE, false });
	for (int v6 = 0; v6 < 2; v6++) {
		f = make_frame(h, FRAME_LEN);
		put_tcp(&f, v6, 0x10);
		assert_true(is_carried(h, &f));
		f = make_frame(h, FRAME_LEN);
		put_tcp(&f, v6, 0x02);
		assert_true(is_left(h, &f));
		f = make_frame(h, FRAME_LEN);
		put_tcp(&f, v6, 0x12);
		assert_true(is_left(h, &f));
	}
	/* Behind an extension header it is not looked for. */
	f = make_frame(h, FRAME_LEN);
	put_tcp(&f, true, 0x10);
	f.b[14 + 6] = 0;
	assert_true(is_left(h, &f));
}

static void
test_strangers(void **state)
{
	struct host *h = &hosts[1];
	const struct kernel_drops *drops;
	struct frame f;

	(void)state;
	open_path(&(struct path){ AF_INET, SUITE_NONE, false });
	drops = kernelcli_drops(h->cli);
	f = make_frame(&hosts[0], FRAME_LEN);
	inject(h, "127.0.0.1", KERNEL_PORT_NONE, VNI, &f);
	inject(h, "10.9.8.2", KERNEL_PORT_NONE, VNI, &f);
	assert_false(comes(h->packet, 0, &f, QUIET_MS * slow));
	assert_int_equal(drops->clear, 2);
	inject(&hosts[0], "10.9.8.2", KERNEL_PORT_NONE, VNI + 1, &f);
	assert_false(comes(h->packet, 0, &f, QUIET_MS * slow));
	assert_int_equal(drops->vni, 1);
	/* A member that is no longer one. */
	DO(h, member_delete, PEER, VNI);
	send_frame(&hosts[0], &f);
	assert_false(comes(h->packet, 0, &f, QUIET_MS * slow));
	assert_int_equal(drops->vni, 2);
	DO(h, peer_delete, PEER);
	send_frame(&hosts[0], &f);
	assert_false(comes(h->packet, 0, &f, QUIET_MS * slow));
	assert_int_equal(drops->clear, 3);
	/* Nor can anybody have the port. */
	enter(h);
	assert_false(
	    netns_run("python3 -c 'import socket; s = socket.socket(type=socket.SOCK_DGRAM); "
		      "s.setsockopt(1, 2, 1); s.bind((\"127.0.0.1\", 1802))' 2>/dev/null"));
}

static void
test_refused(void **state)
{
	struct host *h = &hosts[0];
	const struct kernel_peer peer = { .number = PEER,
		.suite = SUITE_NONE,
		.local = address_of(h, AF_INET),
		.remote = address_of(&hosts[1], AF_INET) };
	struct kernel_peer same = peer;
	struct kernel_flow flow = { .ifname = IFNAME, .mac = mac_of(h), .peer = 9, .mtu = MTU };

	(void)state;
	assert_int_equal(ASK(h, vnet_add, IFNAME), -ESRCH);
	DO(h, start, false);
	assert_int_equal(ASK(h, vnet_add, "wire"), -EPERM);
	assert_int_equal(ASK(h, vnet_add, "a-name-that-is-too-long"), -EPROTO);
	DO(h, peer_add, &peer);
	assert_int_equal(ASK(h, peer_add, &peer), -EEXIST);
	same.number = PEER + 1;
	assert_int_equal(ASK(h, peer_add, &same), -EADDRINUSE);
	same.suite = SUITE_AES128_SHA1;
	assert_int_equal(ASK(h, peer_add, &same), -EOPNOTSUPP);
	assert_int_equal(ASK(h, flow_set, &flow), -ENOENT);
	DO(h, vnet_add, IFNAME);
	assert_int_equal(ASK(h, flow_set, &flow), -ENOENT);
	assert_non_null(strstr(h->text, "no peer 9"));
	assert_int_equal(ASK(h, peer_delete, 9), -ENOENT);
	assert_int_equal(ASK(h, sa_count, PEER, KERNEL_IN, 0x1000), -ESRCH);
}

/* All goes away: by request, with the engine, with priv at the next start. */
static void
test_stop(void **state)
{
	struct host *h = &hosts[0];
	const struct path p = { AF_INET, SUITE_NONE, false };

	(void)state;
	open_path(&p);
	enter(h);
	assert_false(nothing_left());
	DO(h, stop);
	assert_true(nothing_left());
	assert_int_equal(ASK(h, vnet_add, IFNAME), -ESRCH);

	/* Two ways to remove what one that was killed has left. */
	open_host(h, &p);
	kill_host(h);
	enter(h);
	assert_false(nothing_left());
	assert_int_equal(priv_kernel_remove_left(), 0);
	assert_true(nothing_left());
	start_host(h);
	open_tap(h);
	open_host(h, &p);
	kill_host(h);
	start_host(h);
	enter(h);
	assert_false(nothing_left());
	open_tap(h);
	open_host(h, &p);
	for (size_t i = 0; i < 2; i++) {
		struct frame f = make_frame(&hosts[i], FRAME_LEN);

		assert_true(is_carried(&hosts[i], &f));
	}
	DO(h, stop);
	enter(h);
	assert_true(nothing_left());
}

/* Devices that have our names, but are not ours. */
static void
test_names_taken(void **state)
{
	struct host *h = &hosts[0];

	(void)state;
	enter(h);
	assert_true(netns_run("ip link add vnet-none type vxlan external dstport 4789"));
	assert_int_equal(ASK(h, start, false), -EEXIST);
	assert_non_null(strstr(h->text, "vnet-none"));
	assert_true(netns_run("ip link del vnet-none"));
	assert_true(netns_run("ip tuntap add vnet-probe mode tap user 1 multi_queue vnet_hdr"));
	assert_int_not_equal(ASK(h, start, false), 0);
	assert_non_null(strstr(h->text, "vnet-probe"));
	assert_true(netns_run("ip link del vnet-probe"));
	assert_true(nothing_left());
	DO(h, start, false);
}

static void
broken(struct host *h, const char *command)
{
	enter(h);
	h->n_events = 0;
	assert_true(netns_run("%s", command));
	wait_event(h, KERNEL_BROKEN);
	for (size_t i = 0; i < 2; i++) {
		struct frame f = make_frame(&hosts[i], FRAME_LEN);

		if (!is_carried(&hosts[i], &f))
			fail_msg("after %s, host %zu", command, i + 1);
	}
}

static void
test_repair(void **state)
{
	struct host *h = &hosts[0];

	(void)state;
	open_path(&(struct path){ AF_INET, SUITE_NONE, false });
	broken(h, "ip link del vnet-none");
	broken(h, "ip link set vnet-none down");
	broken(h, "tc qdisc del dev vnet-none clsact");
	broken(h, "tc qdisc del dev " IFNAME " clsact");
	broken(h, "ip link del vnet-probe");
	DO(h, stop);
	assert_true(nothing_left());
}

static int
group_setup(void **state)
{
	char path[128];
	FILE *config;

	(void)state;
	strcpy(dir, DIR_TEMPLATE);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/state", dir);
	if (mkdir(path, 0700) < 0 ||
	    (sealed && chown(path, getpwnam(role_user(ROLE_PRIV))->pw_uid, -1) < 0))
		return -1;
	snprintf(path, sizeof(path), "%s/config", dir);
	config = fopen(path, "we");
	return !config || fclose(config) != 0 ? -1 : 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	return netns_run("rm -r %s", dir) ? 0 : -1;
}

static void
make_hosts(void)
{
	for (unsigned i = 0; i < 2; i++) {
		hosts[i].number = i + 1;
		netns_enter();
		hosts[i].ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	}
	if (!netns_run("ip link add wire type veth peer name wire2 && ip link set wire2 netns "
		       "/proc/%d/fd/%d",
		getpid(), hosts[0].ns))
		exit(NETNS_SKIP);
	enter(&hosts[0]);
	netns_run("ip link set wire2 name wire");
	for (unsigned i = 0; i < 2; i++) {
		enter(&hosts[i]);
		netns_run(
		    "ip addr add 10.9.8.%u/24 dev wire && ip addr add fd09::%u/64 dev wire nodad "
		    "&& ip link set wire up",
		    i + 1, i + 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* With an argument: only tests whose name it matches. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { TEST(test_find), TEST(test_none), TEST(test_none_ipv6),
		TEST(test_left), TEST(test_syn), TEST(test_strangers), TEST(test_refused),
		TEST(test_stop), TEST(test_names_taken), TEST(test_repair),
		SECURED_TESTS MANY_TESTS };

	char why_not[KERNEL_REASON_MAX];
	const struct passwd *pw;
	struct fastpath *f = fastpath_load(why_not, sizeof(why_not));
	int failed;

	if (!f) {
		printf("no programs in this kernel: %s\n", why_not);
		return NETNS_SKIP;
	}
	fastpath_free(f);

	slow = getenv("VNET_SLOW") ? strtoul(getenv("VNET_SLOW"), NULL, 10) : 1;
	if (getenv("VNET_MANY"))
		n_many = (unsigned)strtoul(getenv("VNET_MANY"), NULL, 10);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	make_hosts();
	/* Where machines are slow, once must do. */
	failed = getenv("VNET_SEALED")
		     ? 0
		     : cmocka_run_group_tests_name("unsealed", tests, group_setup, group_teardown);
	pw = getpwnam(role_user(ROLE_ENGINE));
	if (!pw) {
		puts("no users of vnetd (systemd-sysusers): not run in its sandbox");
		return failed ? failed : NETNS_SKIP;
	}
	sealed = true;
	engine_uid = pw->pw_uid;
	return failed + cmocka_run_group_tests_name("sealed", tests, group_setup, group_teardown);
}
