/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The privileged process and the engine's side of it, together: the process is a child that serves one end of a pair; first unsealed, then as a
 * role of vnetd in its sandbox. What it does to devices is judged by iproute2.
 */
#include "core/privcli.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "core/priv_socket.h"
#include "core/privmsg.h"
#include "tests/system/priv_fixture.h"

#define PORT 1798

static const struct macaddr mac = { { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 } };

/* --- TAPs --- */

static struct priv_tap
open_tap(const char *name, uint32_t mtu)
{
	struct priv_tap tap;

	if (privcli_tap_open(cli, name, &mac, mtu, &tap) != 0)
		fail_msg("%s", privcli_error(cli));
	return tap;
}

static void
delete_tap(const char *name)
{
	if (privcli_tap_delete(cli, name) != 0)
		fail_msg("%s", privcli_error(cli));
	assert_int_equal(if_nametoindex(name), 0);
}

static void
test_tap(void **state)
{
	struct priv_tap tap = open_tap("vnif0097", 1420), again;
	struct ifreq ifr = { 0 };
	char user[64];

	(void)state;
	assert_false(tap.adopted);
	assert_int_equal(tap.ifindex, if_nametoindex("vnif0097"));
	assert_true(fcntl(tap.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(tap.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ioctl(tap.fd, TUNGETIFF, &ifr), 0);
	assert_true((ifr.ifr_flags &
			(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | IFF_PERSIST)) ==
		    (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | IFF_PERSIST));
	assert_true(netns_ip_says("link show vnif0097",
	    "\"info_kind\":\"tun\",\"info_data\":{\"type\":\"tap\",\"pi\":"
	    "false,\"vnet_hdr\":true,\"multi_queue\":true"));
	snprintf(user, sizeof(user), sealed ? "\"user\":\"%s\"" : "\"user\":%s",
	    sealed ? role_user(ROLE_ENGINE) : "54321");
	assert_true(netns_ip_says("link show vnif0097", user));
	assert_true(netns_ip_says("link show vnif0097", "\"mtu\":1420"));
	assert_true(netns_ip_says("link show vnif0097", "\"address\":\"02:11:22:33:44:55\""));
	assert_true(netns_ip_says("link show vnif0097", "\"UP\""));

	again = open_tap("vnif0097", 1300);
	assert_true(again.adopted);
	assert_int_equal(again.ifindex, tap.ifindex);
	assert_true(netns_ip_says("link show vnif0097", "\"mtu\":1300"));
	assert_true(netns_ip_says("link show vnif0097", "\"numqueues\":1"));
	close(tap.fd);
	close(again.fd);

	/* All processes gone, the device stays. */
	restart_server();
	tap = open_tap("vnif0097", 1420);
	assert_true(tap.adopted);
	assert_int_equal(tap.ifindex, again.ifindex);
	close(tap.fd);
	delete_tap("vnif0097");
	assert_error(privcli_tap_delete(cli, "vnif0097"), -ENODEV, "no device \"vnif0097\"");
}

static bool
read_arp(int fd)
{
	uint8_t frame[2048];
	ssize_t n;

	while ((n = read(fd, frame, sizeof(frame))) > 0) {
		if (n >= 10 + 14 && frame[10 + 12] == 0x08 && frame[10 + 13] == 0x06)
			return true;
	}
	return false;
}

/* What came while there was no engine waits for the next in the queue that is kept. */
static void
test_queue_is_kept(void **state)
{
	struct priv_tap tap = open_tap("vnif0097", 1420);
	struct ipaddr ip;

	(void)state;
	assert_true(ipaddr_parse("10.9.0.1", &ip));
	assert_int_equal(privcli_addr_add(cli, "vnif0097", &ip, 24), 0);
	close(tap.fd);
	netns_run("ping -c 1 -W 1 10.9.0.2 >/dev/null");
	tap = open_tap("vnif0097", 1420);
	assert_true(read_arp(tap.fd));
	close(tap.fd);

	/* Deleted by somebody else and made anew: the dead queue is not handed out. */
	assert_true(netns_run("ip link del vnif0097"));
	tap = open_tap("vnif0097", 1420);
	assert_false(tap.adopted);
	close(tap.fd);
	delete_tap("vnif0097");
}

static void
test_foreign(void **state)
{
	static const char *const names[] = { "eth0", "tap0", "tun0", "lo", "other" };
	const struct macaddr zero = { 0 };
	struct priv_tap tap;
	struct ipaddr ip;
	bool made;

	(void)state;
	assert_true(netns_run(
	    "ip link add eth0 type veth peer name far0 && ip tuntap add tap0 mode tap user 1 "
	    "vnet_hdr multi_queue &&"
	    " ip tuntap add tun0 mode tun user %d && ip link add br0 type bridge && ip tuntap add "
	    "nobody0 mode tap &&"
	    " ip tuntap add old0 mode tap user %d && ip link property add dev far0 altname other",
	    engine_uid, engine_uid));
	assert_true(ipaddr_parse("10.9.0.1", &ip));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_error(privcli_tap_open(cli, names[i], &mac, 1400, &tap), -EEXIST,
		    "exists and is not a vnet's");
		assert_error(privcli_tap_delete(cli, names[i]), -EPERM, "is not a vnet's");
		assert_error(privcli_link_set_mtu(cli, names[i], 1300), -EPERM, "is not a vnet's");
		assert_error(privcli_addr_add(cli, names[i], &ip, 24), -EPERM, "is not a vnet's");
		assert_error(
		    privcli_addr_delete(cli, names[i], &ip, 24), -EPERM, "is not a vnet's");
		assert_error(privcli_bridge_port(cli, names[i], "br0"), -EPERM, "is not a vnet's");
	}
	assert_error(privcli_tap_delete(cli, "nobody0"), -EPERM, "is not a vnet's");
	assert_error(privcli_tap_open(cli, "old0", &mac, 1400, &tap), -EEXIST,
	    "but not as vnetd makes them");
	assert_error(privcli_bridge_add(cli, "eth0", &made), -EEXIST, "exists and is not a bridge");
	assert_error(privcli_bridge_delete(cli, "eth0"), -EINVAL, "is not a bridge");
	assert_true(netns_ip_says("link show eth0", "\"mtu\":1500"));
	assert_error(
	    privcli_tap_open(cli, "a-name-too-long", &mac, 1400, &tap), -EINVAL, "longer than 14");
	assert_error(privcli_tap_open(cli, "vnif1", &zero, 1400, &tap), -EPROTO, "MAC");
	assert_error(privcli_tap_open(cli, "vnif1", &mac, 67, &tap), -EPROTO, "MTU");
	assert_int_equal(if_nametoindex("vnif1"), 0);
	assert_true(netns_run(
	    "for d in eth0 tap0 tun0 nobody0 old0 br0; do ip link del $d || exit 1; done"));
}

/* The limits are the kernel's own. */
static void
test_mtu(void **state)
{
	struct priv_tap tap = open_tap("vnif0097", PRIV_MTU_MIN);

	(void)state;
	assert_true(netns_ip_says("link show vnif0097", "\"mtu\":68,"));
	assert_int_equal(privcli_link_set_mtu(cli, "vnif0097", PRIV_MTU_MAX), 0);
	assert_true(netns_ip_says("link show vnif0097", "\"mtu\":65521,"));
	assert_true(netns_ip_says("link show vnif0097", "\"min_mtu\":68,\"max_mtu\":65521"));
	assert_error(privcli_link_set_mtu(cli, "nosuch", 1400), -ENODEV, "no device \"nosuch\"");
	close(tap.fd);
	delete_tap("vnif0097");
}

/* --- bridges and addresses --- */

static void
test_bridge(void **state)
{
	struct priv_tap tap = open_tap("vnif0097", 1420);
	bool made;

	(void)state;
	assert_int_equal(privcli_bridge_add(cli, "vnet97", &made), 0);
	assert_true(made);
	assert_true(netns_ip_says(
	    "link show vnet97", "\"info_kind\":\"bridge\",\"info_data\":{\"forward_delay\":0"));
	assert_true(netns_ip_says("link show vnet97", "\"stp_state\":0"));
	assert_true(netns_ip_says("link show vnet97", "\"UP\""));
	assert_int_equal(privcli_bridge_add(cli, "vnet97", &made), 0);
	assert_false(made);

	assert_int_equal(privcli_bridge_port(cli, "vnif0097", "vnet97"), 0);
	assert_true(netns_ip_says("link show vnif0097", "\"master\":\"vnet97\""));
	assert_int_equal(privcli_bridge_port(cli, "vnif0097", ""), 0);
	assert_true(netns_ip_says("link show master vnet97", "[]"));
	assert_error(
	    privcli_bridge_port(cli, "vnif0097", "nosuch"), -ENODEV, "no bridge \"nosuch\"");
	assert_error(privcli_bridge_port(cli, "vnif0097", "lo"), -EINVAL, "\"lo\" is not a bridge");

	/* It goes with its last port, whosever that is. */
	assert_int_equal(privcli_bridge_port(cli, "vnif0097", "vnet97"), 0);
	assert_true(netns_run(
	    "ip link add eth0 type veth peer name eth1 && ip link set eth0 master vnet97"));
	assert_error(
	    privcli_bridge_delete(cli, "vnet97"), -EBUSY, "still has 2 ports: vnif0097, eth0");
	assert_true(netns_run("ip link del eth0"));
	assert_error(privcli_bridge_delete(cli, "vnet97"), -EBUSY, "still has 1 port: vnif0097");
	assert_int_equal(privcli_bridge_port(cli, "vnif0097", ""), 0);
	assert_int_equal(privcli_bridge_delete(cli, "vnet97"), 0);
	assert_int_equal(if_nametoindex("vnet97"), 0);
	assert_error(privcli_bridge_delete(cli, "vnet97"), -ENODEV, "no bridge \"vnet97\"");
	close(tap.fd);
	delete_tap("vnif0097");
}

static void
test_addresses(void **state)
{
	struct priv_tap tap = open_tap("vnif0097", 1420);
	struct ipaddr v4, v6, bad;

	(void)state;
	assert_true(ipaddr_parse("10.9.0.1", &v4) && ipaddr_parse("fd00::9", &v6) &&
		    ipaddr_parse("224.0.0.1", &bad));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(privcli_addr_add(cli, "vnif0097", &v4, 24), 0);
		assert_int_equal(privcli_addr_add(cli, "vnif0097", &v6, 64), 0);
	}
	assert_true(netns_ip_says("addr show vnif0097", "\"local\":\"10.9.0.1\",\"prefixlen\":24"));
	assert_true(netns_ip_says("addr show vnif0097", "\"local\":\"fd00::9\",\"prefixlen\":64"));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(privcli_addr_delete(cli, "vnif0097", &v4, 24), 0);
		assert_int_equal(privcli_addr_delete(cli, "vnif0097", &v6, 64), 0);
	}
	assert_false(netns_run("ip addr show vnif0097 | grep -e 10.9 -e fd00"));
	assert_error(privcli_addr_add(cli, "vnif0097", &bad, 24), -EPROTO,
	    "an address that no device can have");
	assert_error(privcli_addr_add(cli, "vnif0097", &v4, 33), -EPROTO, "prefix");
	close(tap.fd);
	delete_tap("vnif0097");
}

/* The kernel's own words reach the user. */
static void
test_kernel_words(void **state)
{
	struct priv_tap tap = open_tap("vnif0097", 1420);
	struct ipaddr v6;
	bool made;

	(void)state;
	assert_true(ipaddr_parse("fd00::9", &v6));
	assert_int_equal(privcli_bridge_add(cli, "vnet97", &made), 0);
	assert_true(netns_run("sysctl -qw net.ipv6.conf.vnif0097.disable_ipv6=1"));
	assert_error(privcli_addr_add(cli, "vnif0097", &v6, 64), -EACCES,
	    "IPv6 is disabled on this device)");
	assert_error(privcli_addr_add(cli, "vnif0097", &v6, 64), -EACCES,
	    "cannot add fd00::9/64 to \"vnif0097\": Permission denied");
	assert_int_equal(privcli_bridge_delete(cli, "vnet97"), 0);
	close(tap.fd);
	delete_tap("vnif0097");
}

/* --- sockets --- */

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static struct priv_sockets
open_sockets(uint16_t port)
{
	struct priv_sockets s;

	if (privcli_sockets(cli, port, &s) != 0)
		fail_msg("%s", privcli_error(cli));
	return s;
}

static void
close_sockets(const struct priv_sockets *s)
{
	close(s->udp4);
	close(s->udp6);
}

static void
test_sockets(void **state)
{
	struct priv_sockets s = open_sockets(PORT), again = open_sockets(PORT);

	(void)state;
	assert_true(inode(s.udp4) == inode(again.udp4) && inode(s.udp6) == inode(again.udp6));
	close_sockets(&again);
	assert_int_equal(option(s.udp4, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DONT);
	assert_int_equal(option(s.udp6, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_DONT);
	assert_int_equal(option(s.udp4, IPPROTO_IP, IP_PKTINFO), 1);
	assert_int_equal(option(s.udp6, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
	assert_int_equal(option(s.udp6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	assert_int_equal(option(s.udp4, IPPROTO_IP, IP_MULTICAST_ALL), 0);
	assert_int_equal(option(s.udp4, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
	assert_int_equal(option(s.udp4, SOL_SOCKET, SO_REUSEPORT), 0);
	assert_true(option(s.udp4, SOL_SOCKET, SO_RCVBUF) >= 8 << 20);
	assert_true(option(s.udp6, SOL_SOCKET, SO_SNDBUF) >= 8 << 20);
	assert_true(fcntl(s.udp4, F_GETFL) & O_NONBLOCK);

	/* Another port is another socket. */
	again = open_sockets(PORT + 1);
	assert_true(inode(s.udp4) != inode(again.udp4));
	close_sockets(&again);
	close_sockets(&s);
}

static void
test_port_in_use(void **state)
{
	struct priv_sockets s;
	int other = priv_socket_udp(AF_INET, PORT);

	(void)state;
	assert_true(other >= 0);
	assert_error(privcli_sockets(cli, PORT, &s), -EADDRINUSE, "UDP port 1798 is in use");
	close(other);
	other = priv_socket_udp(AF_INET6, PORT);
	assert_error(privcli_sockets(cli, PORT, &s), -EADDRINUSE, "UDP port 1798 is in use");
	close(other);
	s = open_sockets(PORT);
	close_sockets(&s);
	assert_error(privcli_sockets(cli, 0, &s), -EPROTO, "port");
}

/* priv dies: the next one does not disturb what the engine goes on with, and takes it over. */
static void
test_keep_fd(void **state)
{
	struct priv_sockets s = open_sockets(PORT), again;
	struct priv_tap tap = open_tap("vnif0097", 1420), other = open_tap("vnif0098", 1420);
	int tcp = socket(AF_INET, SOCK_STREAM, 0), unbound = socket(AF_INET, SOCK_DGRAM, 0),
	    null = open("/dev/null", O_RDWR);

	(void)state;
	restart_server();
	assert_error(privcli_sockets(cli, PORT, &again), -EADDRINUSE, "UDP port 1798 is in use");
	assert_error(privcli_keep_fd(cli, PRIV_KEEP_UDP4, NULL, s.udp6), -EINVAL,
	    "not the socket it should be");
	assert_error(privcli_keep_fd(cli, PRIV_KEEP_UDP6, NULL, s.udp4), -EINVAL, "not the socket");
	assert_error(privcli_keep_fd(cli, PRIV_KEEP_UDP4, NULL, tcp), -EINVAL, "not the socket");
	assert_error(
	    privcli_keep_fd(cli, PRIV_KEEP_UDP4, NULL, unbound), -EINVAL, "not the socket");
	assert_error(privcli_keep_fd(cli, PRIV_KEEP_UDP4, NULL, null), -EINVAL, "not the socket");
	assert_error(privcli_keep_fd(cli, PRIV_KEEP_TAP, "vnif0097", other.fd), -EINVAL,
	    "not a queue of TAP \"vnif0097\"");
	assert_error(privcli_keep_fd(cli, PRIV_KEEP_TAP, "vnif0097", null), -EINVAL, "not a queue");
	assert_error(privcli_keep_fd(cli, PRIV_KEEP_TAP, "lo", tap.fd), -EPERM, "is not a vnet's");

	assert_int_equal(privcli_keep_fd(cli, PRIV_KEEP_UDP4, NULL, s.udp4), 0);
	assert_int_equal(privcli_keep_fd(cli, PRIV_KEEP_UDP6, NULL, s.udp6), 0);
	assert_int_equal(privcli_keep_fd(cli, PRIV_KEEP_TAP, "vnif0097", tap.fd), 0);
	assert_error(privcli_keep_fd(cli, PRIV_KEEP_UDP4, NULL, s.udp4), -EEXIST, "kept already");
	assert_error(
	    privcli_keep_fd(cli, PRIV_KEEP_TAP, "vnif0097", tap.fd), -EEXIST, "kept already");
	again = open_sockets(PORT);
	assert_true(inode(s.udp4) == inode(again.udp4) && inode(s.udp6) == inode(again.udp6));
	close_sockets(&again);
	close(tap.fd);
	tap = open_tap("vnif0097", 1420);
	assert_true(tap.adopted);
	assert_true(netns_ip_says("link show vnif0097", "\"numqueues\":1"));

	close(tap.fd);
	close(other.fd);
	close_sockets(&s);
	close(tcp);
	close(unbound);
	close(null);
	delete_tap("vnif0097");
	delete_tap("vnif0098");
}

/* --- lanes --- */

#define LANES 3

static int
open_lane(enum priv_keep what, const char *name, unsigned lane)
{
	int fd;

	if (privcli_lane_open(cli, what, name, lane, &fd) != 0)
		fail_msg("%s", privcli_error(cli));
	return fd;
}

/* A datagram that begins with these bytes comes to that socket, and to no other. */
static void
assert_steered(const int fds[static LANES], const char *bytes, size_t len, unsigned lane)
{
	int from = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char buf[16];

	assert_int_equal(
	    sendto(from, bytes, len, 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)len);
	for (unsigned i = 0; i < LANES; i++)
		assert_int_equal(recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT),
		    i == lane ? (ssize_t)len : (ssize_t)-1);
	close(from);
}

static void
test_lane_sockets(void **state)
{
	struct priv_sockets s, again;
	int fds[LANES], fd, udp6;

	(void)state;
	assert_error(privcli_lane_open(cli, PRIV_KEEP_UDP4, "", 1, &fd), -EINVAL,
	    "socket 1 before socket 0");
	s = open_sockets(PORT);
	assert_error(privcli_lane_open(cli, PRIV_KEEP_UDP4, "", 2, &fd), -EINVAL,
	    "socket 2 before socket 1");
	fds[0] = s.udp4;
	for (unsigned i = 1; i < LANES; i++)
		fds[i] = open_lane(PRIV_KEEP_UDP4, "", i);
	udp6 = open_lane(PRIV_KEEP_UDP6, "", 1);
	for (unsigned round = 0; round < 8; round++) { /* from another port each time */
		assert_steered(fds, "\x12\x34\x56\x70 esp", 8, 0);
		assert_steered(fds, "\x12\x34\x56\x71 esp", 8, 1);
		assert_steered(fds, "\x12\x34\x56\xe2 esp", 8, 2);
		assert_steered(fds, "\x12\x34\x56\x73 esp", 8, 0); /* nobody has lane 3 */
		assert_steered(fds, "\0\0\0\0 control", 12, 0);
		assert_steered(fds, "\x08\0\0\0 clear", 10, 0);
		assert_steered(fds, "\xff", 1, 0);
		assert_steered(fds, "", 0, 0);
	}
	/* Those that share the port are all this daemon's. */
	assert_int_equal(priv_socket_udp(AF_INET, PORT), -EADDRINUSE);

	restart_server();
	assert_error(privcli_sockets(cli, PORT, &again), -EADDRINUSE, "is in use");
	assert_int_equal(privcli_keep_fd(cli, PRIV_KEEP_UDP4, NULL, s.udp4), 0);
	assert_error(
	    privcli_lane_keep(cli, PRIV_KEEP_UDP4, "", 1, udp6), -EINVAL, "not the socket");
	for (unsigned i = 1; i < LANES; i++)
		assert_int_equal(privcli_lane_keep(cli, PRIV_KEEP_UDP4, "", i, fds[i]), 0);
	assert_error(
	    privcli_lane_keep(cli, PRIV_KEEP_UDP4, "", 1, fds[1]), -EEXIST, "kept already");
	fd = open_lane(PRIV_KEEP_UDP4, "", 2);
	assert_true(inode(fd) == inode(fds[2]));
	assert_steered(fds, "\x12\x34\x56\x72", 4, 2);
	close(fd);
	close(udp6);
	for (unsigned i = 1; i < LANES; i++)
		close(fds[i]);
	close_sockets(&s);
}

static void
test_lane_queues(void **state)
{
	struct priv_tap tap;
	int fds[LANES], fd;

	(void)state;
	assert_error(privcli_lane_open(cli, PRIV_KEEP_TAP, "vnif0097", 1, &fd), -ENODEV,
	    "no device \"vnif0097\"");
	assert_error(
	    privcli_lane_open(cli, PRIV_KEEP_TAP, "lo", 1, &fd), -EPERM, "is not a vnet's");
	tap = open_tap("vnif0097", 1420);
	for (unsigned i = 1; i < LANES; i++)
		fds[i] = open_lane(PRIV_KEEP_TAP, "vnif0097", i);
	close(open_lane(PRIV_KEEP_TAP, "vnif0097", 1)); /* the same one */
	assert_true(netns_ip_says("link show vnif0097", "\"numqueues\":3"));
	restart_server();
	assert_int_equal(privcli_keep_fd(cli, PRIV_KEEP_TAP, "vnif0097", tap.fd), 0);
	for (unsigned i = 1; i < LANES; i++)
		assert_int_equal(privcli_lane_keep(cli, PRIV_KEEP_TAP, "vnif0097", i, fds[i]), 0);
	assert_error(
	    privcli_lane_keep(cli, PRIV_KEEP_TAP, "vnif0097", 1, fds[1]), -EEXIST, "kept already");
	for (unsigned i = 1; i < LANES; i++)
		close(fds[i]);
	close(tap.fd);
	assert_true(netns_ip_says("link show vnif0097", "\"numqueues\":3"));
	delete_tap("vnif0097");
}

/* --- bytes --- */

static void
assert_text(int result, char *text, size_t len, const char *expected, size_t expected_len)
{
	if (result != 0)
		fail_msg("%s", privcli_error(cli));
	assert_int_equal(len, expected_len);
	assert_memory_equal(text, expected, len);
	assert_int_equal(text[len], '\0');
	free(text);
}

static void
test_state(void **state)
{
	static char big[PRIV_BLOB_MAX + 1];
	struct stat st;
	char *text, path[128];
	size_t len;
	bool made;
	int r;

	(void)state;
	snprintf(path, sizeof(path), "%s/state/state", dir);
	unlink(path);
	r = privcli_state_load(cli, &text, &len);
	assert_text(r, text, len, "", 0);
	assert_int_equal(privcli_state_store(cli, 7, "(vnet 1)", 8), 0);
	assert_int_equal(n_stored, 0);
	/* The answer comes in while another call waits for its own. */
	assert_int_equal(privcli_bridge_add(cli, "vnet97", &made), 0);
	assert_int_equal(n_stored, 1);
	assert_true(stored_number == 7 && stored_error == 0);
	r = privcli_state_load(cli, &text, &len);
	assert_text(r, text, len, "(vnet 1)", 8);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	/* Or by the loop. */
	memset(big, 'x', sizeof(big));
	assert_int_equal(privcli_state_store(cli, 8, big, PRIV_BLOB_MAX), 0);
	for (int i = 0; i < 50 && n_stored < 2; i++)
		loop_once(loop, 100);
	assert_true(n_stored == 2 && stored_number == 8 && stored_error == 0);
	r = privcli_state_load(cli, &text, &len);
	assert_text(r, text, len, big, PRIV_BLOB_MAX);
	assert_int_equal(privcli_state_store(cli, 9, big, PRIV_BLOB_MAX + 1), -EFBIG);

	/* No more than so many at once; each is answered, in order. */
	for (uint64_t i = 1; i <= PRIVCLI_STORES_MAX; i++)
		assert_int_equal(privcli_state_store(cli, 100 + i, "a", 1), 0);
	assert_error(privcli_state_store(cli, 200, "a", 1), -EAGAIN, "too many");
	assert_int_equal(privcli_bridge_delete(cli, "vnet97"), 0);
	assert_int_equal(n_stored, 2 + PRIVCLI_STORES_MAX);
	assert_int_equal(stored_number, 100 + PRIVCLI_STORES_MAX);

	/* A state on its way when priv dies is told of too. */
	kill(server, SIGSTOP);
	assert_int_equal(privcli_state_store(cli, 300, "b", 1), 0);
	restart_server();
	assert_true(stored_number == 300 && stored_error == -EPIPE);
	r = privcli_state_load(cli, &text, &len);
	assert_text(r, text, len, "a", 1);
}

static void
test_memo_and_config(void **state)
{
	char *text;
	void *bytes;
	size_t len;
	int r;

	(void)state;
	r = privcli_memo_load(cli, &bytes, &len);
	assert_text(r, bytes, len, "", 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(privcli_memo_store(cli, i ? "second" : "first one", i ? 6 : 9), 0);
		r = privcli_memo_load(cli, &bytes, &len);
		assert_text(r, bytes, len, i ? "second" : "first one", i ? 6 : 9);
	}
	r = privcli_config_load(cli, &text, &len);
	assert_text(r, text, len, "(port 1798)\n", 12);
}

/* --- what no engine of ours sends --- */

static void
assert_answer(uint32_t type, const void *body, size_t len, int fd, int error, const char *words)
{
	static uint32_t seq = 1000;
	const struct priv_answer *a;
	struct ipc_msg m;

	assert_int_equal(ipc_send(raw, type, ++seq, body, len, fd), 0);
	assert_int_equal(ipc_recv_wait(raw, &m, 2000), 0);
	a = ipc_body(&m, sizeof(*a));
	assert_non_null(a);
	assert_int_equal(m.seq, seq);
	assert_int_equal(a->error, error);
	assert_non_null(strstr(a->text, words));
	assert_int_equal(m.fd, -1);
	ipc_msg_done(&m);
}

static void
test_wrong_requests(void **state)
{
	struct priv_blob blob = { .number = 1, .len = 3 };
	struct priv_name name = { "vnif0097" };
	int memory = memfd_create("m", MFD_ALLOW_SEALING), null = open("/dev/null", O_RDWR),
	    pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_answer(PRIV_TAP_DELETE, &name, sizeof(name) - 1, -1, -EPROTO, "length");
	assert_answer(
	    PRIV_TAP_DELETE, &name, sizeof(name), null, -EPROTO, "descriptor nobody asked for");
	assert_answer(PRIV_STATE_STORE, &blob, sizeof(blob), -1, -EPROTO, "without its descriptor");
	assert_answer(PRIV_REQUEST_END, NULL, 0, -1, -EPROTO, "no type");

	/* Memory that could still change, or of another size, or no memory. */
	assert_int_equal(write(memory, "abc", 3), 3);
	assert_answer(
	    PRIV_STATE_STORE, &blob, sizeof(blob), memory, -EINVAL, "not sealed memory of 3 bytes");
	assert_int_equal(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_answer(PRIV_STATE_STORE, &blob, sizeof(blob), memory, 0, "");
	blob.len = 4;
	assert_answer(PRIV_STATE_STORE, &blob, sizeof(blob), memory, -EINVAL, "not sealed memory");
	assert_answer(PRIV_MEMO_STORE, &blob, sizeof(blob), memory, -EINVAL, "not sealed memory");
	assert_answer(PRIV_MEMO_STORE, &blob, sizeof(blob), null, -EINVAL, "not sealed memory");
	assert_answer(PRIV_MEMO_STORE, &blob, sizeof(blob), pipes[0], -EINVAL, "not sealed memory");
	close(memory);
	close(null);
	close(pipes[0]);
	close(pipes[1]);
}

/* A process that is gone, or does not answer. */
static void
test_gone(void **state)
{
	bool made;

	(void)state;
	kill_server();
	assert_error(privcli_bridge_add(cli, "vnet97", &made), -EPIPE, "privileged process");
	assert_error(privcli_state_store(cli, 1, "a", 1), -EPIPE, "privileged process");
	assert_int_equal(n_stored, 0);
	privcli_replace(cli, start_server());
	assert_int_equal(privcli_bridge_add(cli, "vnet97", &made), 0);
	assert_int_equal(privcli_bridge_delete(cli, "vnet97"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tap),
		TEST(test_queue_is_kept),
		TEST(test_foreign),
		TEST(test_mtu),
		TEST(test_bridge),
		TEST(test_addresses),
		TEST(test_kernel_words),
		TEST(test_sockets),
		TEST(test_port_in_use),
		TEST(test_keep_fd),
		TEST(test_lane_sockets),
		TEST(test_lane_queues),
		TEST(test_state),
		TEST(test_memo_and_config),
		TEST(test_wrong_requests),
		TEST(test_gone),
	};

	return run_everywhere(tests, sizeof(tests) / sizeof(tests[0]));
}
