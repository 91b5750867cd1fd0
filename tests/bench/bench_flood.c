/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * As many datagrams as go, one system call each, and how many of them arrive in a second:
 *   bench_flood send ADDRESS PORT SECONDS BYTES
 *   bench_flood count PORT SECONDS		says "ready", counts from the first to the last
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "bench.h"

#define AT_ONCE 64
#define ROOM	2048

static int
fail(const char *what)
{
	fprintf(stderr, "bench_flood: ");
	perror(what);
	return 1;
}

static int
flood(int fd, const struct sockaddr_in *to, double seconds, size_t len)
{
	static const char payload[ROOM];
	double end = bench_now() + seconds * 1e9;
	unsigned long sent = 0;

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		return fail("connect");
	do {
		for (unsigned i = 0; i < AT_ONCE; i++)
			if (send(fd, payload, len, 0) >= 0)
				sent++;
	} while (bench_now() < end);
	printf("%.0f\n", (double)sent / seconds);
	return 0;
}

static int
count(int fd, const struct sockaddr_in *at, double seconds)
{
	static char room[AT_ONCE][ROOM];
	struct timeval patience = { .tv_usec = 100000 };
	struct mmsghdr msgs[AT_ONCE] = { 0 };
	struct iovec iov[AT_ONCE];
	double end = bench_now() + seconds * 1e9, first = 0, last = 0;
	unsigned long n = 0;
	int size = 4 << 20;

	for (unsigned i = 0; i < AT_ONCE; i++) {
		iov[i] = (struct iovec){ room[i], ROOM };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		return fail("setsockopt");
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0)
		return fail("bind");
	puts("ready");
	fflush(stdout);
	while (bench_now() < end) {
		int got = recvmmsg(fd, msgs, AT_ONCE, MSG_WAITFORONE, NULL);

		if (got <= 0)
			continue;
		last = bench_now();
		if (n == 0)
			first = last;
		n += (unsigned)got;
	}
	printf("%.0f\n", n > 1 ? (double)n / (last - first) * 1e9 : 0);
	return 0;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail("socket");
	if (argc == 6 && strcmp(argv[1], "send") == 0 &&
	    inet_pton(AF_INET, argv[2], &addr.sin_addr) == 1) {
		addr.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
		return flood(
		    fd, &addr, strtod(argv[4], NULL), strtoul(argv[5], NULL, 10) % (ROOM + 1));
	}
	if (argc == 4 && strcmp(argv[1], "count") == 0) {
		addr.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
		return count(fd, &addr, strtod(argv[3], NULL));
	}
	fprintf(
	    stderr, "bench_flood: want send ADDRESS PORT SECONDS BYTES, or count PORT SECONDS\n");
	return 1;
}
