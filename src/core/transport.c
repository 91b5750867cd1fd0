/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LOG_MODULE "transport"
#include "base/datagram.h"
#include "base/log.h"
#include "core/stats.h"
#include "core/transport.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define CONTROL_SIZE  128 /* of ancillary data: one in_pktinfo or in6_pktinfo, and a segment size */
#define RECEIVE_BATCH 8	  /* in one call; each may be 64 KB, and all should stay in the cache */
#define ROUNDS	      16 /* batches per wake-up, so that one busy socket does not starve the rest */
#define QUEUE_MAX     256   /* packets that wait for a flush */
#define SEGMENTS_MAX  64    /* in one send: UDP_MAX_SEGMENTS of Linux before 6.9 */
#define SEND_MAX      65000 /* bytes in one send, safely below what an IP packet holds */

/*
 * One send: consecutive packets of the queue to one address, all as long as the first but perhaps
 * the last.
 */
struct outgoing {
	struct endpoint to;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	unsigned first; /* of queue[] */
	unsigned n;
	size_t bytes;
	bool closed; /* the last one was shorter */
};

/* Where the next datagrams go. Those after the first keep their buffers until they are filled. */
struct incoming {
	struct packet *packets[RECEIVE_BATCH];
	struct mmsghdr msgs[RECEIVE_BATCH];
	struct iovec iov[RECEIVE_BATCH];
	struct sockaddr_storage names[RECEIVE_BATCH];
	_Alignas(struct cmsghdr) char control[RECEIVE_BATCH][CONTROL_SIZE];
};

struct family {
	int fd;
	struct loop_fd watch;
	struct packet *queue[QUEUE_MAX];
	unsigned n_queue;
	struct outgoing out[TRANSPORT_BATCH];
	unsigned n_out;
	struct incoming in;
	struct transport *transport;
};

struct transport {
	struct loop *loop; /* NULL: not watched */
	struct packet_pool *pool;
	struct family v4, v6;
	transport_rx_fn *rx;
	transport_idle_fn *idle;
	void *arg;
	_Alignas(struct cmsghdr) char control[TRANSPORT_BATCH][CMSG_SPACE(sizeof(uint16_t))];
	struct endpoint group;
	uint32_t ifs[TRANSPORT_IFS_MAX];
	size_t n_ifs;
};

static struct family *
family_of(struct transport *t, const struct ipaddr *ip)
{
	return ip->family == AF_INET6 ? &t->v6 : &t->v4;
}

/* --- receiving --- */

/* The address a datagram was sent to, and the length of its parts. */
static void
ancillary(struct msghdr *m, struct ipaddr *to, size_t *segment)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			*to = ipaddr_v4(ntohl(pi.ipi_addr.s_addr));
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			to->family = AF_INET6;
			memcpy(to->b, &pi.ipi6_addr, sizeof(to->b));
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int size;

			memcpy(&size, CMSG_DATA(c), sizeof(size));
			if (size > 0)
				*segment = (size_t)size;
		}
	}
}

static void
receive_one(struct transport *t, struct mmsghdr *m, struct packet *p)
{
	struct datagram d = { .packet = p, .segment = m->msg_len > 0 ? m->msg_len : 1 };

	ancillary(&m->msg_hdr, &d.to, &d.segment);
	d.multicast = ipaddr_is_multicast(&d.to);
	p->len = m->msg_len;
	stats_add(STAT_UDP_RX, p->len == 0 ? 1 : (p->len + d.segment - 1) / d.segment);
	if ((m->msg_hdr.msg_flags & MSG_TRUNC) != 0 ||
	    !endpoint_from_sockaddr(m->msg_hdr.msg_name, m->msg_hdr.msg_namelen, &d.from)) {
		stats_count(STAT_UDP_TRUNCATED);
		packet_put(p);
		return;
	}
	t->rx(t->arg, &d);
}

/* Buffers in place of those that were filled; how many are there in all. */
static unsigned
refill(struct transport *t, struct incoming *in)
{
	for (unsigned i = 0; i < RECEIVE_BATCH; i++) {
		struct msghdr *h = &in->msgs[i].msg_hdr;

		if (in->packets[i] != NULL)
			continue;
		in->packets[i] = packet_get(t->pool);
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
	return RECEIVE_BATCH;
}

/* One batch; true if there may be more. */
static bool
receive_batch(struct transport *t, struct family *f)
{
	struct incoming *in = &f->in;
	unsigned ready = refill(t, in);
	int n;

	if (ready == 0) {
		/* All in use: what is here is lost rather than asked for again and again. */
		/* cppcheck-suppress nullPointer; no bytes are wanted */
		(void)recv(f->fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC);
		return false;
	}
	n = recvmmsg(f->fd, in->msgs, ready, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct packet *p = in->packets[i];

		in->packets[i] = NULL;
		receive_one(t, &in->msgs[i], p);
	}
	t->idle(t->arg);
	return n == (int)ready;
}

static void
receive(struct family *f)
{
	for (int i = 0; i < ROUNDS && receive_batch(f->transport, f); i++)
		;
}

void
transport_receive(struct transport *t)
{
	if (t->v4.fd >= 0)
		receive(&t->v4);
	if (t->v6.fd >= 0)
		receive(&t->v6);
}

static void
readable(void *arg, uint32_t events)
{
	(void)events;
	receive(arg);
}

/* --- sending --- */

static void
count_failure(int err)
{
	stats_count(STAT_UDP_TX_FAILED);
	if (err != EAGAIN && err != ENOBUFS)
		log_debug("a datagram was not sent: %s", strerror(err));
}

int
transport_send(struct transport *t, const struct endpoint *to, const void *buf, size_t len)
{
	struct family *f = family_of(t, &to->ip);
	struct sockaddr_storage ss;
	socklen_t ss_len = endpoint_to_sockaddr(to, &ss);

	if (ss_len == 0 || f->fd < 0)
		return -EAFNOSUPPORT;
	if (sendto(f->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&ss, ss_len) <
	    0) {
		int err = errno;

		count_failure(err);
		return -err;
	}
	stats_count(STAT_UDP_TX);
	return 0;
}

static void
message_fill(const struct family *f, const struct outgoing *o, struct iovec *iov, struct msghdr *m,
    char *control)
{
	struct cmsghdr *c;
	uint16_t size;

	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < o->n; i++) {
		iov[i].iov_base = f->queue[o->first + i]->data;
		iov[i].iov_len = f->queue[o->first + i]->len;
	}
	m->msg_iov = iov;
	m->msg_iovlen = o->n;
	memcpy(&m->msg_name, &(const void *){ &o->addr }, sizeof(m->msg_name));
	m->msg_namelen = o->addr_len;
	if (o->n == 1)
		return;
	size = (uint16_t)iov[0].iov_len;
	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(sizeof(size));
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
}

/*
 * The kernel refused a send of several segments: larger than the path carries, or no such thing
 * here. Each alone then.
 */
static void
send_singly(struct family *f, const struct outgoing *o)
{
	for (unsigned i = 0; i < o->n; i++) {
		const struct packet *p = f->queue[o->first + i];

		if (sendto(f->fd, p->data, p->len, MSG_DONTWAIT | MSG_NOSIGNAL,
			(const struct sockaddr *)&o->addr, o->addr_len) < 0)
			count_failure(errno);
		else
			stats_count(STAT_UDP_TX);
	}
}

static void
flush(struct family *f)
{
	UNCLEARED struct mmsghdr msgs[TRANSPORT_BATCH];
	UNCLEARED struct iovec iov[QUEUE_MAX];
	unsigned done = 0;

	for (unsigned i = 0; i < f->n_out; i++)
		message_fill(f, &f->out[i], &iov[f->out[i].first], &msgs[i].msg_hdr,
		    f->transport->control[i]);
	while (done < f->n_out) {
		int n = sendmmsg(f->fd, msgs + done, f->n_out - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		const struct outgoing *o = &f->out[done];

		for (int i = 0; i < n; i++)
			stats_add(STAT_UDP_TX, f->out[done++].n);
		if (n > 0)
			continue;
		if (o->n > 1 &&
		    (errno == EINVAL || errno == EIO || errno == EMSGSIZE || errno == ENOPROTOOPT))
			send_singly(f, o);
		else
			count_failure(
			    errno); /* this one is lost, the others may have another way */
		done++;
	}
	for (unsigned i = 0; i < f->n_queue; i++)
		packet_put(f->queue[i]);
	f->n_out = 0;
	f->n_queue = 0;
}

/* Can p go in the same send as those before it? */
static bool
outgoing_takes(const struct family *f, const struct outgoing *o, const struct endpoint *to,
    const struct packet *p)
{
	size_t size = f->queue[o->first]->len;

	return !o->closed && o->n < SEGMENTS_MAX && p->len <= size &&
	       o->bytes + p->len <= SEND_MAX && endpoint_equal(&o->to, to);
}

void
transport_queue(struct transport *t, const struct endpoint *to, struct packet *p)
{
	struct family *f = family_of(t, &to->ip);
	struct outgoing *o = f->n_out > 0 ? &f->out[f->n_out - 1] : NULL;

	if (f->n_queue == QUEUE_MAX ||
	    (f->n_out == TRANSPORT_BATCH && !outgoing_takes(f, o, to, p))) {
		flush(f);
		o = NULL;
	}
	if (o == NULL || !outgoing_takes(f, o, to, p)) {
		o = &f->out[f->n_out];
		o->addr_len = endpoint_to_sockaddr(to, &o->addr);
		if (o->addr_len == 0 || f->fd < 0) {
			stats_count(STAT_UDP_TX_FAILED);
			packet_put(p);
			return;
		}
		f->n_out++;
		o->to = *to;
		o->first = f->n_queue;
		o->n = 0;
		o->bytes = 0;
		o->closed = false;
	}
	f->queue[f->n_queue++] = p;
	o->closed = p->len < f->queue[o->first]->len;
	o->n++;
	o->bytes += p->len;
}

void
transport_flush(struct transport *t)
{
	if (t->v4.n_out > 0)
		flush(&t->v4);
	if (t->v6.n_out > 0)
		flush(&t->v6);
}

/* --- multicast --- */

static int
group_membership(struct transport *t, uint32_t ifindex, bool join)
{
	struct family *f = family_of(t, &t->group.ip);
	struct ip_mreqn v4 = { .imr_ifindex = (int)ifindex };
	struct ipv6_mreq v6 = { .ipv6mr_interface = ifindex };
	int r;

	if (f->fd < 0 || !ipaddr_is_set(&t->group.ip))
		return -EAFNOSUPPORT;
	if (f == &t->v4) {
		memcpy(&v4.imr_multiaddr, t->group.ip.b, 4);
		r = setsockopt(f->fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
		    &v4, sizeof(v4));
	} else {
		memcpy(&v6.ipv6mr_multiaddr, t->group.ip.b, 16);
		r = setsockopt(f->fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &v6,
		    sizeof(v6));
	}
	return r < 0 ? -errno : 0;
}

static bool
contains(const uint32_t *ifs, size_t n, uint32_t ifindex)
{
	for (size_t i = 0; i < n; i++)
		if (ifs[i] == ifindex)
			return true;
	return false;
}

bool
transport_set_interfaces(struct transport *t, const uint32_t *ifindexes, size_t n)
{
	bool joined = false;
	uint32_t now[TRANSPORT_IFS_MAX];
	size_t n_now = 0;

	for (size_t i = 0; i < t->n_ifs; i++)
		if (!contains(ifindexes, n, t->ifs[i]))
			(void)group_membership(t, t->ifs[i], false); /* the device may be gone */
	for (size_t i = 0; i < n && n_now < TRANSPORT_IFS_MAX; i++) {
		bool had = contains(t->ifs, t->n_ifs, ifindexes[i]);
		int err = had ? 0 : group_membership(t, ifindexes[i], true);

		joined |= !had && err == 0;
		if (err == 0 || err == -EADDRINUSE)
			now[n_now++] = ifindexes[i];
		else
			log_warnx("cannot join the multicast group on device %u: %s", ifindexes[i],
			    strerror(-err));
	}
	memcpy(t->ifs, now, sizeof(now[0]) * n_now);
	t->n_ifs = n_now;
	return joined;
}

void
transport_set_group(struct transport *t, const struct ipaddr *group, uint8_t ttl, uint16_t port)
{
	int hops = ttl;

	(void)transport_set_interfaces(t, NULL, 0);
	t->group = (struct endpoint){ .ip = *group, .port = port };
	if (group->family == AF_INET6 && t->v6.fd >= 0)
		(void)setsockopt(t->v6.fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
	else if (group->family == AF_INET && t->v4.fd >= 0)
		(void)setsockopt(t->v4.fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof(hops));
}

static void
multicast_on(struct transport *t, struct family *f, uint32_t ifindex, const void *buf, size_t len)
{
	_Alignas(struct cmsghdr) char control[CONTROL_SIZE] = { 0 };
	struct sockaddr_storage ss;
	struct iovec iov = { .iov_len = len };
	struct msghdr m = {
		.msg_name = &ss, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control
	};
	struct cmsghdr *c;

	memcpy(&iov.iov_base, &buf, sizeof(buf)); /* sendmsg() only reads it */
	m.msg_namelen = endpoint_to_sockaddr(&t->group, &ss);
	m.msg_controllen = CMSG_SPACE(
	    f == &t->v4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo));
	c = CMSG_FIRSTHDR(&m);
	if (f == &t->v4) {
		struct in_pktinfo pi = { .ipi_ifindex = (int)ifindex };

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
	} else {
		struct in6_pktinfo pi = { .ipi6_ifindex = ifindex };

		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
	}
	if (sendmsg(f->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		count_failure(errno);
	else
		stats_count(STAT_UDP_TX);
}

void
transport_multicast(struct transport *t, const void *buf, size_t len)
{
	struct family *f = family_of(t, &t->group.ip);

	for (size_t i = 0; f->fd >= 0 && i < t->n_ifs; i++)
		multicast_on(t, f, t->ifs[i], buf, len);
}

/* --- life --- */

static void
family_init(struct transport *t, struct family *f, int fd)
{
	f->fd = fd;
	f->transport = t;
}

struct transport *
transport_new(struct packet_pool *pool, int udp4, int udp6, transport_rx_fn *rx,
    transport_idle_fn *idle, void *arg)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->pool = pool;
	t->rx = rx;
	t->idle = idle;
	t->arg = arg;
	family_init(t, &t->v4, udp4);
	family_init(t, &t->v6, udp6);
	return t;
}

static int
family_watch(struct transport *t, struct family *f)
{
	return f->fd < 0 ? 0 : loop_watch(t->loop, &f->watch, f->fd, EPOLLIN, readable, f);
}

int
transport_watch(struct transport *t, struct loop *loop)
{
	int err;

	t->loop = loop;
	err = family_watch(t, &t->v4);
	return err < 0 ? err : family_watch(t, &t->v6);
}

static void
family_fini(struct transport *t, struct family *f)
{
	for (unsigned i = 0; i < f->n_queue; i++)
		packet_put(f->queue[i]);
	for (unsigned i = 0; i < RECEIVE_BATCH; i++)
		packet_put(f->in.packets[i]);
	if (f->fd < 0)
		return;
	if (t->loop != NULL)
		loop_unwatch(t->loop, &f->watch);
	close(f->fd);
}

void
transport_free(struct transport *t)
{
	if (t == NULL)
		return;
	family_fini(t, &t->v4);
	family_fini(t, &t->v6);
	free(t);
}

int
transport_fd4(const struct transport *t)
{
	return t->v4.fd;
}

int
transport_fd6(const struct transport *t)
{
	return t->v6.fd;
}
