/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/ipc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	int fds[2];
	struct ipc_msg m;
	size_t n_open; /* descriptors of this process */
};

static struct fixture fixture;

static size_t
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int
setup(void **state)
{
	*state = &fixture;
	if (ipc_pair(fixture.fds) < 0)
		return -1;
	fixture.n_open = count_fds();
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		if (f->fds[i] >= 0)
			close(f->fds[i]);
	}
	return 0;
}

/* What a process that is not ours, or no longer itself, may send. */
static void
send_raw(int fd, const void *bytes, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), len);
}

static void
test_pair(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		assert_true(fcntl(f->fds[i], F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(f->fds[i], F_GETFL) & O_NONBLOCK);
	}
}

static void
test_round_trip(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ipc_recv(f->fds[1], &f->m), -EAGAIN);
	assert_int_equal(ipc_send(f->fds[0], 3, 42, "body", 5, -1), 0);
	assert_int_equal(ipc_send(f->fds[0], 4, 43, NULL, 0, -1), 0);

	assert_int_equal(ipc_recv(f->fds[1], &f->m), 0);
	assert_int_equal(f->m.type, 3);
	assert_int_equal(f->m.seq, 42);
	assert_int_equal(f->m.len, 5);
	assert_int_equal(f->m.fd, -1);
	assert_string_equal(ipc_body(&f->m, 5), "body");
	assert_null(ipc_body(&f->m, 4));
	ipc_msg_done(&f->m);
	assert_int_equal(f->m.body[0], 0);

	assert_int_equal(ipc_recv(f->fds[1], &f->m), 0);
	assert_int_equal(f->m.type, 4);
	assert_non_null(ipc_body(&f->m, 0));
	ipc_msg_done(&f->m);
}

static void
test_sizes(void **state)
{
	struct fixture *f = *state;
	static uint8_t body[IPC_BODY_MAX + 1];

	memset(body, 0x5a, sizeof(body));
	assert_int_equal(ipc_send(f->fds[0], 1, 1, body, sizeof(body), -1), -EMSGSIZE);
	assert_int_equal(ipc_send(f->fds[0], 1, 1, body, IPC_BODY_MAX, -1), 0);
	assert_int_equal(ipc_recv(f->fds[1], &f->m), 0);
	assert_memory_equal(ipc_body(&f->m, IPC_BODY_MAX), body, IPC_BODY_MAX);
}

static void
test_descriptor(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_int_equal(ipc_send(f->fds[0], 1, 1, "x", 1, f->fds[0]), 0);
	assert_int_equal(ipc_send(f->fds[0], 2, 2, "y", 1, f->fds[0]), 0);
	assert_int_equal(ipc_recv(f->fds[1], &f->m), 0);
	fd = ipc_take_fd(&f->m);
	assert_true(fd >= 0 && fd != f->fds[0]);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ipc_take_fd(&f->m), -1);
	ipc_msg_done(&f->m);
	assert_int_equal(count_fds(), f->n_open + 1);
	close(fd);

	/* One that nobody takes is closed. */
	assert_int_equal(ipc_recv(f->fds[1], &f->m), 0);
	assert_int_equal(count_fds(), f->n_open + 1);
	ipc_msg_done(&f->m);
	assert_int_equal(count_fds(), f->n_open);
}

static void
test_refuses_more_descriptors(void **state)
{
	struct fixture *f = *state;
	int fds[8];

	for (size_t i = 0; i < 8; i++)
		fds[i] = f->fds[0];
	/* Two fit the padding of a buffer for one; eight are cut off by the kernel. */
	for (size_t n = 2; n <= 8; n++) {
		send_raw(f->fds[0], "12345678", 8, fds, n);
		assert_int_equal(ipc_recv(f->fds[1], &f->m), -EPROTO);
		assert_int_equal(f->m.fd, -1);
		assert_int_equal(count_fds(), f->n_open);
	}
}

static void
test_refuses_malformed(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[8 + IPC_BODY_MAX + 1];

	send_raw(f->fds[0], "1234567", 7, f->fds, 1);
	assert_int_equal(ipc_recv(f->fds[1], &f->m), -EPROTO);
	send_raw(f->fds[0], big, sizeof(big), f->fds, 1);
	assert_int_equal(ipc_recv(f->fds[1], &f->m), -EPROTO);
	send_raw(f->fds[0], big, 0, f->fds, 1);
	assert_int_equal(ipc_recv(f->fds[1], &f->m), -EPROTO);
	assert_int_equal(count_fds(), f->n_open);
	/* The next message is as good as ever. */
	assert_int_equal(ipc_send(f->fds[0], 1, 1, NULL, 0, -1), 0);
	assert_int_equal(ipc_recv(f->fds[1], &f->m), 0);
}

static void
test_other_end_gone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ipc_send(f->fds[0], 1, 1, NULL, 0, -1), 0);
	close(f->fds[0]);
	f->fds[0] = -1;
	assert_int_equal(ipc_recv(f->fds[1], &f->m), 0);
	assert_int_equal(ipc_recv(f->fds[1], &f->m), -EPIPE);
	assert_int_equal(ipc_send(f->fds[1], 1, 1, NULL, 0, -1), -EPIPE);
	assert_int_equal(ipc_recv_wait(f->fds[1], &f->m, 1000), -EPIPE);
}

static void
test_other_end_gone_with_mail(void **state)
{
	struct fixture *f = *state;

	/* It never read this, which the kernel reports as a reset. */
	assert_int_equal(ipc_send(f->fds[1], 1, 1, NULL, 0, -1), 0);
	close(f->fds[0]);
	f->fds[0] = -1;
	assert_int_equal(ipc_recv(f->fds[1], &f->m), -EPIPE);
}

static void
test_other_end_slow(void **state)
{
	struct fixture *f = *state;
	uint32_t sent = 0, got = 0;

	while (ipc_send(f->fds[0], 1, sent, "x", 1, -1) == 0)
		sent++;
	assert_int_equal(ipc_send(f->fds[0], 1, sent, "x", 1, -1), -EAGAIN);
	while (ipc_recv(f->fds[1], &f->m) == 0)
		assert_int_equal(f->m.seq, got++);
	assert_int_equal(got, sent);
}

static void
test_wait(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ipc_recv_wait(f->fds[1], &f->m, 0), -ETIMEDOUT);
	assert_int_equal(ipc_recv_wait(f->fds[1], &f->m, 5), -ETIMEDOUT);
	assert_int_equal(ipc_send(f->fds[0], 9, 1, NULL, 0, -1), 0);
	assert_int_equal(ipc_recv_wait(f->fds[1], &f->m, 1000), 0);
	assert_int_equal(f->m.type, 9);
	assert_int_equal(ipc_recv_wait(-1, &f->m, 1), -ETIMEDOUT);
}

static void
test_bad_socket(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ipc_send(-1, 1, 1, NULL, 0, -1), -EBADF);
	assert_int_equal(ipc_recv(-1, &f->m), -EBADF);
	assert_int_equal(ipc_send(f->fds[0], 1, 1, NULL, 0, 9999), -EBADF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pair, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_more_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_end_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_end_gone_with_mail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_end_slow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_socket, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
