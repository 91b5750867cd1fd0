/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define DATAGRAM_MAX 32768 /* the kernel makes none longer for a dump */
#define EVENT_BUFFER (1 << 20)
#define ANSWER_TIMEOUT_S \
	2 /* the kernel answers before send() returns; this is for an answer it had no memory for */

struct netlink {
	struct mnl_socket *socket;
	uint32_t port;
	uint32_t seq; /* of the last request */
	bool has_groups;
	char text[NETLINK_TEXT_MAX];
	_Alignas(8) uint8_t buf[DATAGRAM_MAX];
};

static int
set_options(struct netlink *n)
{
	static const int wanted[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK };
	const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	int fd = mnl_socket_get_fd(n->socket), on = 1, size = EVENT_BUFFER;

	/* Kernels before 4.20 lack some of the three, and need none of them. */
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		mnl_socket_setsockopt(n->socket, wanted[i], &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -1;
	return n->has_groups ? setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) : 0;
}

struct netlink *
netlink_new(int protocol, uint32_t groups)
{
	struct netlink *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->has_groups = groups != 0;
	n->socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (!n->socket || mnl_socket_bind(n->socket, groups, MNL_SOCKET_AUTOPID) < 0 ||
	    set_options(n) < 0) {
		int err = errno;

		netlink_free(n);
		errno = err;
		return NULL;
	}
	n->port = mnl_socket_get_portid(n->socket);
	return n;
}

void
netlink_free(struct netlink *n)
{
	if (!n)
		return;
	if (n->socket)
		mnl_socket_close(n->socket);
	explicit_bzero(n->buf, sizeof(n->buf)); /* one that was cut off may be in it */
	free(n);
}

int
netlink_fd(const struct netlink *n)
{
	return mnl_socket_get_fd(n->socket);
}

uint32_t
netlink_port(const struct netlink *n)
{
	return n->port;
}

const char *
netlink_text(const struct netlink *n)
{
	return n->text;
}

bool
netlink_walk(const void *buf, size_t len, netlink_fn *each, void *arg)
{
	const uint8_t *at = buf;

	while (len > 0) {
		const struct nlmsghdr *nlh = (const void *)at;
		size_t whole;

		/* mnl_nlmsg_ok() lets lengths of 2^31 and more pass, as negative ones. */
		if (len < sizeof(*nlh) || nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > len)
			return false;
		each(arg, nlh);
		whole = NLMSG_ALIGN((size_t)nlh->nlmsg_len);
		if (whole >= len) /* the last one may lack its padding */
			break;
		at += whole;
		len -= whole;
	}
	return true;
}

static int
find_text(const struct nlattr *attr, void *arg)
{
	const char **text = arg;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		*text = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

/* Bytes in front of the attributes of an end, 0 if they make no sense. */
static size_t
fixed_len(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	if (nlh->nlmsg_type == NLMSG_DONE)
		return sizeof(e->error);
	if (len < sizeof(*e))
		return 0;
	if (nlh->nlmsg_flags & NLM_F_CAPPED)
		return sizeof(*e);
	/* The request is repeated whole. */
	if (e->msg.nlmsg_len < sizeof(e->msg) || e->msg.nlmsg_len > len - sizeof(e->error))
		return 0;
	return sizeof(e->error) + e->msg.nlmsg_len;
}

enum netlink_verdict
netlink_parse_end(const struct nlmsghdr *nlh, struct netlink_end *out)
{
	const char *text = "";
	int error;

	if (nlh->nlmsg_type != NLMSG_ERROR && nlh->nlmsg_type != NLMSG_DONE)
		return NETLINK_NO_END;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(error))
		return NETLINK_END_MALFORMED;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
		size_t fixed = fixed_len(nlh);

		if (fixed == 0 ||
		    mnl_attr_parse(nlh, (unsigned)fixed, find_text, &text) != MNL_CB_OK)
			return NETLINK_END_MALFORMED;
	}
	memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	out->error = error < 0 && error != INT_MIN ? error : 0;
	snprintf(out->text, sizeof(out->text), "%s", text);
	return NETLINK_END;
}

/* One datagram of the kernel's into n->buf: its length, or -errno. */
static ssize_t
receive(struct netlink *n, int flags)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { n->buf, sizeof(n->buf) };
		struct msghdr msg = { .msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1 };
		ssize_t len = recvmsg(mnl_socket_get_fd(n->socket), &msg, flags);

		if (len < 0 && errno != EINTR)
			return -errno;
		if (len < 0 || msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
			continue;
		return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : len;
	}
}

/* The datagram in n->buf, which is wiped then: what XFRM says holds keys. */
static bool
take(struct netlink *n, ssize_t len, netlink_fn *each, void *arg)
{
	bool whole = netlink_walk(n->buf, (size_t)len, each, arg);

	explicit_bzero(n->buf, (size_t)len);
	return whole;
}

/* What has been heard of a request. */
struct request {
	struct netlink *n;
	netlink_fn *each;
	void *arg;
	bool ended, interrupted;
	int error;
};

static void
hear(void *arg, const struct nlmsghdr *nlh)
{
	struct request *r = arg;
	struct netlink_end end = { 0 };

	if (nlh->nlmsg_seq != r->n->seq || nlh->nlmsg_pid != r->n->port) {
		if (r->n->has_groups && r->each)
			r->each(r->arg, nlh);
		return;
	}
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		r->interrupted = true;
	switch (netlink_parse_end(nlh, &end)) {
	case NETLINK_NO_END:
		if (r->each)
			r->each(r->arg, nlh);
		return;
	case NETLINK_END_MALFORMED:
		end.error = -EPROTO;
		break;
	case NETLINK_END:
		break;
	}
	r->ended = true;
	r->error = end.error;
	memcpy(r->n->text, end.text, sizeof(end.text));
}

struct nlmsghdr *
netlink_begin(void *buf, size_t size, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, size);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return nlh;
}

int
netlink_request(struct netlink *n, struct nlmsghdr *nlh, netlink_fn *each, void *arg)
{
	struct request r = { .n = n, .each = each, .arg = arg };
	bool lost = false;

	n->text[0] = '\0';
	nlh->nlmsg_seq = ++n->seq;
	nlh->nlmsg_pid = n->port;
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_sendto(n->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	/* After lost messages too, to the end: the socket takes no other dump before. */
	while (!r.ended) {
		ssize_t len = receive(n, 0);

		if (len == -ENOBUFS)
			lost = true;
		else if (len < 0)
			return len == -EAGAIN ? -ETIMEDOUT : (int)len;
		else if (!take(n, len, hear, &r))
			return -EPROTO;
	}
	if (r.error)
		return r.error;
	return lost ? -ENOBUFS : r.interrupted ? -EINTR : 0;
}

/* --- batches --- */

struct batch {
	struct netlink *n;
	uint32_t first; /* sequence number of the message that begins it */
	size_t left;	/* acknowledgements to come */
	int error;
};

/* What goes wrong with the batch as a whole is said of its beginning. */
static void
hear_batch(void *arg, const struct nlmsghdr *nlh)
{
	struct batch *b = arg;
	struct netlink_end end = { 0 };

	if (nlh->nlmsg_pid != b->n->port || nlh->nlmsg_seq - b->first > b->n->seq - b->first)
		return;
	switch (netlink_parse_end(nlh, &end)) {
	case NETLINK_NO_END:
		return;
	case NETLINK_END_MALFORMED:
		end.error = -EPROTO;
		break;
	case NETLINK_END:
		break;
	}
	if (end.error && !b->error) {
		b->error = end.error;
		memcpy(b->n->text, end.text, sizeof(end.text));
	}
	b->left = nlh->nlmsg_seq == b->first || b->left == 0 ? 0 : b->left - 1;
}

int
netlink_batch(struct netlink *n, void *messages, size_t len)
{
	struct batch b = { .n = n, .first = n->seq + 1 };
	struct nlmsghdr *nlh = messages;
	int left = (int)len;

	n->text[0] = '\0';
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		bool outer = nlh == messages || left <= (int)MNL_ALIGN(nlh->nlmsg_len);

		nlh->nlmsg_seq = ++n->seq;
		nlh->nlmsg_pid = n->port;
		nlh->nlmsg_flags |= NLM_F_REQUEST | (outer ? 0 : NLM_F_ACK);
		b.left += !outer;
	}
	if (mnl_socket_sendto(n->socket, messages, len) < 0)
		return -errno;
	while (b.left > 0) {
		ssize_t got = receive(n, 0);

		if (got < 0)
			return got == -EAGAIN ? -ETIMEDOUT : (int)got;
		if (!take(n, got, hear_batch, &b))
			return -EPROTO;
	}
	return b.error;
}

int
netlink_events(struct netlink *n, netlink_fn *each, void *arg)
{
	bool lost = false;

	for (;;) {
		ssize_t len = receive(n, MSG_DONTWAIT);

		if (len == -EAGAIN)
			return lost ? -ENOBUFS : 0;
		if (len == -ENOBUFS)
			lost = true;
		else if (len < 0)
			return (int)len;
		else if (!take(n, len, each, arg))
			return -EPROTO;
	}
}
