/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/priv_socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "core/privmsg.h"

#define UDP_BUFFER (4 << 20)

struct option {
	int family; /* AF_UNSPEC: both */
	int level, name, value;
};

static const struct option of_both[] = {
	/* Fragments instead of errors: the engine keeps to the path MTU itself. */
	{ AF_INET, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT },
	{ AF_INET6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT },
	{ AF_INET, IPPROTO_IP, IP_PKTINFO, 1 },
	{ AF_INET6, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	{ AF_UNSPEC, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER },
	{ AF_UNSPEC, SOL_SOCKET, SO_SNDBUFFORCE, UDP_BUFFER },
};

static const struct option of_udp[] = {
	{ AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, 1 },
	/* Groups that others on this machine joined are not ours; nor is what we say to ours. */
	{ AF_INET, IPPROTO_IP, IP_MULTICAST_ALL, 0 },
	{ AF_INET6, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0 },
	{ AF_INET, IPPROTO_IP, IP_MULTICAST_LOOP, 0 },
	{ AF_INET6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0 },
	/* Datagrams of one length from one sender arrive as one (Linux 5.0). */
	{ AF_UNSPEC, IPPROTO_UDP, UDP_GRO, 1 },
};

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static int
set_options(int fd, sa_family_t family, const struct option *options, size_t n)
{
	for (const struct option *o = options; o < options + n; o++) {
		if (o->family != AF_UNSPEC && o->family != family)
			continue;
		if (setsockopt(fd, o->level, o->name, &o->value, sizeof(o->value)) < 0)
			return -1;
	}
	return 0;
}

/* closes fd and gives what errno said. */
static int
close_failed(int fd)
{
	int err = -errno;

	close(fd);
	return err;
}

static int
open_udp(sa_family_t family, uint16_t port, bool share)
{
	const struct endpoint any = { .ip.family = family, .port = port };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&any, &sa);
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
	int one = 1;

	if (fd < 0)
		return -errno;
	if (set_options(fd, family, of_both, LEN(of_both)) < 0 ||
	    set_options(fd, family, of_udp, LEN(of_udp)) < 0 ||
	    (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
	    bind(fd, (struct sockaddr *)&sa, len) < 0)
		return close_failed(fd);
	return fd;
}

int
priv_socket_udp(sa_family_t family, uint16_t port)
{
	/*
	 * No SO_REUSEPORT: with it a second daemon of the same user would silently share the port.
	 */
	return open_udp(family, port, false);
}

/* The program sees the datagram without its headers; from one that is shorter it returns 0. */
static int
steer(int fd, unsigned lane)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SPI_LANE_MASK),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, lane, 1, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
}

int
priv_socket_share(int first, sa_family_t family, uint16_t port, unsigned lane)
{
	int one = 1, fd;

	if (setsockopt(first, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		return -errno;
	fd = open_udp(family, port, true);
	if (fd >= 0 && steer(fd, lane) < 0)
		return close_failed(fd);
	return fd;
}

static bool
has_option(int fd, int name, int wanted)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 && value == wanted;
}

bool
priv_socket_is_udp(int fd, sa_family_t family, uint16_t *port)
{
	const struct endpoint any = { .ip.family = family };
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint ep;

	if (!has_option(fd, SO_DOMAIN, family) || !has_option(fd, SO_TYPE, SOCK_DGRAM) ||
	    !has_option(fd, SO_PROTOCOL, IPPROTO_UDP) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    !endpoint_from_sockaddr((struct sockaddr *)&sa, len, &ep) ||
	    !ipaddr_equal(&ep.ip, &any.ip) || ep.port == 0)
		return false;
	*port = (uint16_t)ep.port;
	return true;
}

/* --- ESP --- */

int
priv_socket_esp(sa_family_t family)
{
	int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ESP);
	int err;

	if (fd < 0)
		return -errno;
	if (set_options(fd, family, of_both, LEN(of_both)) < 0)
		return close_failed(fd);
	err = priv_socket_filter(fd, family, NULL, 0);
	if (err < 0)
		close(fd);
	return err < 0 ? err : fd;
}

bool
priv_socket_is_esp(int fd, sa_family_t family)
{
	return has_option(fd, SO_DOMAIN, family) && has_option(fd, SO_TYPE, SOCK_RAW) &&
	       has_option(fd, SO_PROTOCOL, IPPROTO_ESP);
}

int
priv_socket_filter(int fd, sa_family_t family, const uint32_t *spis, size_t n)
{
	struct sock_filter code[2 * PRIV_SPIS_MAX + 3], *at = code;
	struct sock_fprog program = { .filter = code };

	/* The first word of ESP is the SPI; over IPv4 the IP header comes first. */
	*at++ = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0);
	if (family == AF_INET6) {
		at = code;
		*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	}
	for (size_t i = 0; i < n && i < PRIV_SPIS_MAX; i++) {
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, spis[i], 0, 1);
		*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	}
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	program.len = (unsigned short)(at - code);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}
