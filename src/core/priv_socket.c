/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/priv_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"

#define UDP_BUFFER	(4 << 20)
#define CONTROL_BACKLOG 64

struct option {
	int family; /* AF_UNSPEC: both */
	int level, name, value;
};

static const struct option before_bind[] = {
	{ AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, 1 },
	/* Fragments instead of errors: the engine keeps to the path MTU itself. */
	{ AF_INET, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT },
	{ AF_INET6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT },
	{ AF_INET, IPPROTO_IP, IP_PKTINFO, 1 },
	{ AF_INET6, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
	/* Groups that others on this machine joined are not ours; nor is what we say to ours. */
	{ AF_INET, IPPROTO_IP, IP_MULTICAST_ALL, 0 },
	{ AF_INET6, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0 },
	{ AF_INET, IPPROTO_IP, IP_MULTICAST_LOOP, 0 },
	{ AF_INET6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0 },
	{ AF_UNSPEC, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER },
	{ AF_UNSPEC, SOL_SOCKET, SO_SNDBUFFORCE, UDP_BUFFER },
	/* Datagrams of one length from one sender arrive as one (Linux 5.0). */
	{ AF_UNSPEC, IPPROTO_UDP, UDP_GRO, 1 },
};

static int
set_options(int fd, sa_family_t family)
{
	for (size_t i = 0; i < sizeof(before_bind) / sizeof(before_bind[0]); i++) {
		const struct option *o = &before_bind[i];

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

int
priv_socket_udp(sa_family_t family, uint16_t port)
{
	const struct endpoint any = { .ip.family = family, .port = port };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&any, &sa);
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);

	if (fd < 0)
		return -errno;
	/*
	 * No SO_REUSEPORT: with it a second daemon of the same user would silently share the port.
	 */
	if (set_options(fd, family) < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0)
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

static bool
set_path(struct sockaddr_un *sa, const char *path)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sa->sun_path))
		return false;
	strcpy(sa->sun_path, path);
	return true;
}

/* A socket whose listener died refuses; one with a full backlog is alive. */
static bool
is_alive(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 ||
				    errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return alive;
}

int
priv_socket_control(const char *path, gid_t group)
{
	struct sockaddr_un sa;
	struct stat st;
	mode_t mask;
	int fd, r;

	if (!set_path(&sa, path))
		return -ENAMETOOLONG;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (is_alive(&sa))
		return -EADDRINUSE;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Nobody can connect until owner and mode are what they should be. */
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(mask);
	if (r < 0 || lchown(path, 0, group) < 0 || chmod(path, 0660) < 0 ||
	    listen(fd, CONTROL_BACKLOG) < 0)
		return close_failed(fd);
	return fd;
}

bool
priv_socket_is_control(int fd, const char *path)
{
	struct sockaddr_un wanted, sa = { 0 };
	socklen_t len = sizeof(sa);

	return set_path(&wanted, path) && has_option(fd, SO_DOMAIN, AF_UNIX) &&
	       has_option(fd, SO_TYPE, SOCK_STREAM) && has_option(fd, SO_ACCEPTCONN, 1) &&
	       getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	       memcmp(&sa, &wanted, sizeof(sa)) == 0;
}
