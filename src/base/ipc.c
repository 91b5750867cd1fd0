/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "monotime.h"

struct ipc_header {
	uint32_t type;
	uint32_t seq;
};

union fd_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int))];
};

int
ipc_pair(int fds[2])
{
	int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);

	return r < 0 ? -errno : 0;
}

/* However the other end went, to our callers it is gone. */
static int
socket_error(int err)
{
	switch (err) {
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return -EPIPE;
	default:
		return -err;
	}
}

static void
attach_fd(struct msghdr *msg, union fd_control *control, int fd)
{
	struct cmsghdr *c;

	msg->msg_control = control->buf;
	msg->msg_controllen = sizeof(control->buf);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int
ipc_send(int fd, uint32_t type, uint32_t seq, const void *body, size_t len, int pass_fd)
{
	struct ipc_header header = { type, seq };
	union fd_control control = { 0 };
	struct iovec iov[2] = {
		{ &header, sizeof(header) }, { (void *)(uintptr_t)body, len }, /* not written to */
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (len > IPC_BODY_MAX)
		return -EMSGSIZE;
	if (pass_fd >= 0)
		attach_fd(&msg, &control, pass_fd);
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? socket_error(errno) : 0;
}

/* The descriptors of one control message; the last stays in *fd. Returns how many there were. */
static size_t
collect_fds(struct cmsghdr *c, int *fd)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		if (*fd >= 0)
			close(*fd);
		memcpy(fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

/* Takes what came along: false, and nothing kept, unless it is nothing or one descriptor. */
static bool
take_control(struct msghdr *msg, int *fd)
{
	size_t n_fds = 0;
	bool known = true;

	*fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			n_fds += collect_fds(c, fd);
		else
			known = false;
	}
	if (known && n_fds <= 1 && !(msg->msg_flags & MSG_CTRUNC))
		return true;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return false;
}

int
ipc_recv(int fd, struct ipc_msg *m)
{
	struct ipc_header header;
	union fd_control control;
	struct iovec iov[2] = { { &header, sizeof(header) }, { m->body, sizeof(m->body) } };
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;
	bool ok;

	m->fd = -1;
	m->len = 0;
	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return socket_error(errno);
	ok = take_control(&msg, &m->fd);
	if (n == 0 && ok && m->fd < 0)
		return -EPIPE;
	if (!ok || (size_t)n < sizeof(header) || msg.msg_flags & MSG_TRUNC) {
		m->len = sizeof(m->body);
		ipc_msg_done(m);
		return -EPROTO;
	}
	m->type = header.type;
	m->seq = header.seq;
	m->len = (size_t)n - sizeof(header);
	return 0;
}

int
ipc_recv_wait(int fd, struct ipc_msg *m, int timeout_ms)
{
	struct monotime end = monotime_add_ms(monotime_now(), timeout_ms);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left_ms = monotime_diff_ms(end, monotime_now());
		int n = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
		int r = n < 0 ? -errno : n == 0 ? -ETIMEDOUT : ipc_recv(fd, m);

		if (r != -EINTR && r != -EAGAIN)
			return r;
	}
}

const void *
ipc_body(const struct ipc_msg *m, size_t size)
{
	return m->len == size ? m->body : NULL;
}

int
ipc_take_fd(struct ipc_msg *m)
{
	int fd = m->fd;

	m->fd = -1;
	return fd;
}

void
ipc_msg_done(struct ipc_msg *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	explicit_bzero(m->body, m->len);
	m->len = 0;
}
