/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/linkmon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/system/netns.h"

static struct loop *loop;
static struct linkmon *mon;
static unsigned changes;

static void
count_change(void *arg)
{
	(void)arg;
	changes++;
}

static int
setup(void **state)
{
	(void)state;
	netns_run("ip link add port0 type veth peer name far0 && ip link set far0 up &&"
		  " ip addr add 10.1.0.1/24 dev port0 && ip link set port0 up mtu 1400");
	loop = loop_new();
	mon = linkmon_new(count_change, NULL);
	changes = 0;
	return loop && mon ? linkmon_start(mon, loop) : -1;
}

static int
teardown(void **state)
{
	(void)state;
	linkmon_free(mon);
	loop_free(loop);
	return netns_run("ip link del port0") ? 0 : -1;
}

/* Runs a command and takes in its events; how often something changed. */
static unsigned
after(const char *command)
{
	assert_true(netns_run("%s", command));
	changes = 0;
	loop_once(loop, 0);
	return changes;
}

static const struct linkmon_link *
port(void)
{
	const struct linkmon_link *l = linkmon_by_name(mon, "port0");

	assert_non_null(l);
	return l;
}

static void
test_dump(void **state)
{
	(void)state;
	assert_int_equal(linkmon_count(mon), 3);
	assert_true(linkmon_at(mon, 0)->loopback);
	assert_string_equal(linkmon_at(mon, 0)->name, "lo");
	assert_int_equal(port()->mtu, 1400);
	assert_true(port()->up);
	/* The kernel notices a carrier a little later. */
	for (int i = 0; i < 50 && !port()->running; i++)
		loop_once(loop, 100);
	assert_true(port()->running);
	assert_false(port()->bridge || port()->loopback || port()->master);
	assert_int_equal(port()->n_addrs, 1); /* not the link-local one */
	assert_int_equal(port()->addrs[0].prefix_len, 24);
	assert_ptr_equal(linkmon_by_index(mon, port()->ifindex), port());
	assert_null(linkmon_by_index(mon, 9999));
	assert_null(linkmon_by_name(mon, "port"));
}

static void
test_addresses(void **state)
{
	char text[IPADDR_STRLEN];

	(void)state;
	assert_true(netns_run("ip addr add fd00::1/64 dev port0 nodad"));
	/* The kernel tells of it a little later. */
	for (int i = 0; i < 50 && port()->n_addrs < 2; i++)
		loop_once(loop, 100);
	assert_int_equal(port()->n_addrs, 2);
	assert_string_equal(ipaddr_format(&port()->addrs[1].ip, text), "fd00::1");
	assert_true(after("ip addr del 10.1.0.1/24 dev port0"));
	assert_int_equal(port()->n_addrs, 1);
	assert_int_equal(port()->addrs[0].prefix_len, 64);
	for (int i = 0; i < 2 * LINKMON_ADDRS_MAX; i++)
		assert_true(netns_run("ip addr add 10.2.%d.1/24 dev port0", i));
	after("true");
	assert_int_equal(port()->n_addrs, LINKMON_ADDRS_MAX);
}

/* A port that leaves its bridge is told of as RTM_DELLINK of family AF_BRIDGE. */
static void
test_bridge(void **state)
{
	(void)state;
	assert_true(after("ip link add br0 type bridge && ip link set port0 master br0"));
	assert_non_null(linkmon_by_name(mon, "br0"));
	assert_true(linkmon_by_name(mon, "br0")->bridge);
	assert_int_equal(port()->master, linkmon_by_name(mon, "br0")->ifindex);
	assert_true(after("ip link set port0 nomaster"));
	assert_int_equal(port()->master, 0);
	assert_true(after("ip link del br0"));
	assert_null(linkmon_by_name(mon, "br0"));
}

static void
test_changes(void **state)
{
	(void)state;
	assert_true(after("ip link set port0 down"));
	assert_false(port()->up);
	assert_true(after("ip link set port0 name port1 mtu 1300"));
	assert_null(linkmon_by_name(mon, "port0"));
	assert_int_equal(linkmon_by_name(mon, "port1")->mtu, 1300);
	assert_true(after("ip link set port1 name port0"));
}

/* More events than the socket holds: devices whose coming is the oldest news and whose end is lost are gone after all. */
static void
test_overrun(void **state)
{
	(void)state;
	assert_true(
	    netns_run("{ for i in $(seq 20); do echo link add t$i type bridge; done;"
		      " for i in $(seq 1000); do echo link set port0 mtu $((1000 + i)); done;"
		      " for i in $(seq 1 2 20); do echo link del t$i; done; } | ip -batch -"));
	changes = 0;
	loop_once(loop, 0);
	assert_int_equal(changes, 1);
	assert_int_equal(linkmon_count(mon), 13);
	assert_int_equal(port()->mtu, 2000);
	for (size_t i = 1; i < linkmon_count(mon); i++)
		assert_true(linkmon_at(mon, i - 1)->ifindex < linkmon_at(mon, i)->ifindex);
	assert_true(after("for i in $(seq 2 2 20); do echo link del t$i; done | ip -batch -"));
	assert_int_equal(linkmon_count(mon), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dump, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bridge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrun, setup, teardown),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
