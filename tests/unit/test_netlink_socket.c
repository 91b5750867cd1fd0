/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes of a request and of events when the kernel, which is played here, does its worst. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/netlink.h"
#include "base/rtnl.h"

/* What recvmsg() gives, one after the other. */
struct step {
	int error; /* errno, or 0 and: */
	uint16_t type, flags;
	int payload; /* an error, or what the message says */
	uint32_t pid_of_sender;
	uint32_t seq;	/* 0: 1, of a request */
	bool foreign;	/* not the answer to our request */
	bool truncated; /* does not fit */
	bool cut;	/* ends amid a message */
	uint16_t payload_len;
};

static const struct step *script;
static size_t n_steps;

ssize_t recvmsg(int fd, struct msghdr *msg, int flags);

ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl own, from = { .nl_family = AF_NETLINK };
	socklen_t own_len = sizeof(own);
	struct {
		struct nlmsghdr h;
		uint8_t payload[64];
	} m = { 0 };
	const struct step *s = script++;

	(void)flags;
	assert_true(n_steps-- > 0);
	if (s->error) {
		errno = s->error;
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &own_len), 0);
	m.h = (struct nlmsghdr){ NLMSG_HDRLEN, s->type, s->flags,
		s->foreign ? 0
		: s->seq   ? s->seq
			   : 1,
		s->foreign ? 0 : own.nl_pid };
	memcpy(m.payload, &s->payload, sizeof(s->payload));
	m.h.nlmsg_len += s->payload_len;
	from.nl_pid = s->pid_of_sender;
	memcpy(msg->msg_name, &from, sizeof(from));
	msg->msg_namelen = sizeof(from);
	msg->msg_flags = s->truncated ? MSG_TRUNC : 0;
	memcpy(msg->msg_iov->iov_base, &m, m.h.nlmsg_len);
	return m.h.nlmsg_len - s->cut;
}

static void
count(void *arg, const struct nlmsghdr *nlh)
{
	unsigned *n = arg;

	(void)nlh;
	++*n;
}

enum what { REQUEST, EVENTS, BATCH };

/* Four messages, numbered 1 to 4, of which 2 and 3 are acknowledged. */
static int
send_batch(struct netlink *nl)
{
	struct nlmsghdr batch[4];

	for (size_t i = 0; i < 4; i++)
		batch[i] = (struct nlmsghdr){ .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = NLMSG_NOOP };
	return netlink_batch(nl, batch, sizeof(batch));
}

/* The result of a request, or of looking for events; *heard messages went to the caller. */
static int
play(const struct step *steps, size_t n, enum what what, unsigned *heard)
{
	struct netlink *nl = netlink_new(NETLINK_ROUTE, RTMGRP_LINK);
	struct rtnl_request r;
	int result;

	assert_non_null(nl);
	script = steps;
	n_steps = n;
	*heard = 0;
	result = what == REQUEST  ? netlink_request(nl, rtnl_get_link(&r, "lo"), count, heard)
		 : what == EVENTS ? netlink_events(nl, count, heard)
				  : send_batch(nl);
	assert_int_equal(n_steps, 0);
	assert_string_equal(netlink_text(nl), "");
	netlink_free(nl);
	return result;
}

#define REQUEST(...)                               \
	play((const struct step[]){ __VA_ARGS__ }, \
	    sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step), REQUEST, &heard)
#define EVENTS(...)                                \
	play((const struct step[]){ __VA_ARGS__ }, \
	    sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step), EVENTS, &heard)
#define BATCH(...)                                 \
	play((const struct step[]){ __VA_ARGS__ }, \
	    sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step), BATCH, &heard)

#define ACK                                                                 \
	{                                                                   \
		.type = NLMSG_ERROR, .payload_len = sizeof(struct nlmsgerr) \
	}
#define DONE                                         \
	{                                            \
		.type = NLMSG_DONE, .payload_len = 4 \
	}
#define LINK .type = RTM_NEWLINK, .payload_len = 16
#define EVENT                         \
	{                             \
		LINK, .foreign = true \
	}

static void
test_requests(void **state)
{
	unsigned heard;

	(void)state;
	assert_int_equal(REQUEST(ACK), 0);
	assert_int_equal(REQUEST({ LINK }, { LINK }, DONE), 0);
	assert_int_equal(heard, 2);
	/* interrupted, and another process that plays the kernel */
	assert_int_equal(REQUEST({ .error = EINTR }, { LINK, .pid_of_sender = 77 }, ACK), 0);
	assert_int_equal(heard, 0);
	/* events meanwhile; the end of somebody else's request */
	assert_int_equal(
	    REQUEST(EVENT, EVENT,
		{ .type = NLMSG_ERROR, .payload = -EPERM, .payload_len = 20, .foreign = true },
		ACK),
	    0);
	assert_int_equal(heard, 3);
	assert_int_equal(
	    REQUEST({ .type = NLMSG_ERROR, .payload = -EPERM, .payload_len = 20 }), -EPERM);
	assert_int_equal(REQUEST({ LINK, .flags = NLM_F_DUMP_INTR }, DONE), -EINTR);
	/* lost: to the end all the same */
	assert_int_equal(REQUEST({ .error = ENOBUFS }, { LINK }, DONE), -ENOBUFS);
	assert_int_equal(heard, 1);
	assert_int_equal(REQUEST({ .error = EAGAIN }), -ETIMEDOUT);
	assert_int_equal(REQUEST({ .error = EBADF }), -EBADF);
	assert_int_equal(REQUEST({ LINK, .truncated = true }), -EMSGSIZE);
	assert_int_equal(REQUEST({ LINK, .cut = true }), -EPROTO);
	assert_int_equal(REQUEST({ .type = NLMSG_ERROR, .payload_len = 2 }), -EPROTO);
}

static void
test_events(void **state)
{
	unsigned heard;

	(void)state;
	assert_int_equal(EVENTS({ .error = EAGAIN }), 0);
	assert_int_equal(EVENTS(EVENT, EVENT, { .error = EAGAIN }), 0);
	assert_int_equal(heard, 2);
	assert_int_equal(EVENTS(EVENT, { .error = ENOBUFS }, EVENT, { .error = EAGAIN }), -ENOBUFS);
	assert_int_equal(heard, 2);
	assert_int_equal(EVENTS({ .error = EBADF }), -EBADF);
	assert_int_equal(EVENTS({ LINK, .foreign = true, .cut = true }), -EPROTO);
}

#define END(number, err)                                                                  \
	{                                                                                 \
		.type = NLMSG_ERROR, .payload = (err), .payload_len = 20, .seq = (number) \
	}

static void
test_batch(void **state)
{
	unsigned heard;

	(void)state;
	assert_int_equal(BATCH(END(2, 0), END(3, 0)), 0);
	/* events, an answer that is no end, somebody else's end, one of an earlier request */
	assert_int_equal(BATCH(EVENT, { LINK, .seq = 2 }, END(7, -EPERM), END(2, 0), END(3, 0)), 0);
	/* the first error counts; that of the beginning ends all */
	assert_int_equal(BATCH(END(2, -EPERM), END(3, -EINVAL)), -EPERM);
	assert_int_equal(BATCH(END(1, -EOPNOTSUPP)), -EOPNOTSUPP);
	assert_int_equal(BATCH(END(2, 0), END(1, -ERESTART)), -ERESTART);
	assert_int_equal(
	    BATCH({ .type = NLMSG_ERROR, .payload_len = 2, .seq = 2 }, END(3, 0)), -EPROTO);
	assert_int_equal(BATCH({ .error = EAGAIN }), -ETIMEDOUT);
	assert_int_equal(BATCH(END(2, 0), { .error = EBADF }), -EBADF);
	assert_int_equal(BATCH({ LINK, .seq = 2, .cut = true }), -EPROTO);
}

static void
test_no_socket(void **state)
{
	(void)state;
	errno = 0;
	assert_null(netlink_new(99, 0));
	assert_int_equal(errno, EPROTONOSUPPORT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
