/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LOG_MODULE "esp"
#include "base/datagram.h"
#include "base/log.h"
#include "core/rawesp.h"
#include "core/stats.h"

#define BATCH	     8	 /* packets in one call */
#define ROUNDS	     32	 /* batches before others get their turn */
#define CONTROL_SIZE 128 /* of ancillary data: one in_pktinfo or in6_pktinfo */

struct raw {
	_Atomic int fd; /* -1: not open; who sends may be another thread */
	struct loop_fd watch;
};

static struct raw raw4 = { .fd = -1 }, raw6 = { .fd = -1 };

/* Where what comes goes. */
static struct {
	struct loop *loop;
	struct packet_pool *pool;
	transport_rx_fn *rx;
	transport_idle_fn *idle;
	void *arg;
} up;

/* Where the next packets go. */
struct incoming {
	struct packet *packets[BATCH];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage names[BATCH];
	_Alignas(struct cmsghdr) char control[BATCH][CONTROL_SIZE];
};

/* Over IPv4 a raw socket gives the IP header too (raw(7)). */
static bool
strip_header(struct packet *p)
{
	size_t len = p->len > 0 ? (size_t)(p->data[0] & 15) * 4 : 0;

	return len >= 20 && packet_pull(p, len);
}

static void
own_address(struct msghdr *m, struct ipaddr *to)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			*to = ipaddr_v4(ntohl(v4.ipi_addr.s_addr));
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			to->family = AF_INET6;
			memcpy(to->b, &v6.ipi6_addr, sizeof(to->b));
		}
	}
}

static void
receive_one(struct raw *f, struct mmsghdr *m, struct packet *p)
{
	struct datagram d = { .packet = p };
	uint32_t spi;

	stats_count(STAT_RAW_RX);
	p->len = m->msg_len;
	if ((m->msg_hdr.msg_flags & MSG_TRUNC) != 0 ||
	    !endpoint_from_sockaddr(m->msg_hdr.msg_name, m->msg_hdr.msg_namelen, &d.from) ||
	    (f == &raw4 && !strip_header(p)) ||
	    datagram_classify(p->data, p->len, &spi) != DATAGRAM_ESP) {
		stats_count(STAT_RAW_REFUSED);
		packet_put(p);
		return;
	}
	d.segment = p->len;
	d.from.port = ENDPOINT_ESP;
	own_address(&m->msg_hdr, &d.to);
	up.rx(up.arg, &d);
}

static unsigned
prepare(struct incoming *in)
{
	memset(in->msgs, 0, sizeof(in->msgs));
	for (unsigned i = 0; i < BATCH; i++) {
		struct msghdr *h = &in->msgs[i].msg_hdr;

		in->packets[i] = packet_get(up.pool);
		if (in->packets[i] == NULL)
			return i;
		in->iov[i].iov_base = packet_reset(in->packets[i], &in->iov[i].iov_len);
		h->msg_iov = &in->iov[i];
		h->msg_iovlen = 1;
		h->msg_name = &in->names[i];
		h->msg_namelen = sizeof(in->names[i]);
		h->msg_control = in->control[i];
		h->msg_controllen = CONTROL_SIZE;
	}
	return BATCH;
}

/* One batch; true if there may be more. */
static bool
receive_batch(struct raw *f)
{
	static struct incoming in;
	unsigned ready = prepare(&in);
	int n = ready > 0 ? recvmmsg(f->fd, in.msgs, ready, MSG_DONTWAIT, NULL) : 0;

	if (ready == 0) {
		/* All in use: what is here is lost rather than asked for again and again. */
		/* cppcheck-suppress nullPointer; no bytes are wanted */
		(void)recv(f->fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC);
		stats_count(STAT_FRAME_NO_BUFFER);
	}
	for (int i = 0; i < n; i++)
		receive_one(f, &in.msgs[i], in.packets[i]);
	for (unsigned i = n > 0 ? (unsigned)n : 0; i < ready; i++)
		packet_put(in.packets[i]);
	up.idle(up.arg);
	return n == BATCH;
}

static void
readable(void *arg, uint32_t events)
{
	struct raw *f = arg;

	(void)events;
	for (int i = 0; i < ROUNDS && receive_batch(f); i++)
		;
}

void
rawesp_send(const struct endpoint *to, struct packet *p)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int fd = to->ip.family == AF_INET6 ? raw6.fd : raw4.fd;

	if (fd < 0 || len == 0 ||
	    sendto(fd, p->data, p->len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&ss, len) <
		0)
		stats_count(STAT_RAW_TX_FAILED);
	else
		stats_count(STAT_RAW_TX);
	packet_put(p);
}

/* --- life --- */

static int
start(struct raw *f)
{
	return f->fd < 0 ? 0 : loop_watch(up.loop, &f->watch, f->fd, EPOLLIN, readable, f);
}

int
rawesp_open(struct loop *loop, struct packet_pool *pool, int fd4, int fd6, transport_rx_fn *rx,
    transport_idle_fn *idle, void *arg)
{
	up.loop = loop;
	up.pool = pool;
	up.rx = rx;
	up.idle = idle;
	up.arg = arg;
	raw4.fd = fd4;
	raw6.fd = fd6;
	if (start(&raw4) == 0 && start(&raw6) == 0)
		return 0;
	rawesp_close();
	return -ENOMEM;
}

static void
stop(struct raw *f)
{
	if (f->watch.active)
		loop_unwatch(up.loop, &f->watch);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

void
rawesp_close(void)
{
	stop(&raw4);
	stop(&raw6);
}

int
rawesp_fd(sa_family_t family)
{
	return family == AF_INET6 ? raw6.fd : raw4.fd;
}
