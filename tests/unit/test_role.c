/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/role.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct ipc_msg
message(uint32_t type, const void *body, size_t len, int fd)
{
	struct ipc_msg m = { .type = type, .len = len, .fd = fd };

	if (len > 0)
		memcpy(m.body, body, len);
	return m;
}

static bool
to_parent(enum role from, uint32_t type, size_t len, int fd)
{
	static const uint8_t zero[IPC_BODY_MAX];
	struct ipc_msg m = message(type, zero, len, fd);

	return role_msg_to_parent(&m, from);
}

static bool
to_role(enum role to, uint32_t type, size_t len, int fd)
{
	static const uint8_t zero[IPC_BODY_MAX];
	struct ipc_msg m = message(type, zero, len, fd);

	return role_msg_to_role(&m, to);
}

static bool
channel_to(enum role to, uint32_t other, int fd)
{
	struct role_channel c = { other };
	struct ipc_msg m = message(ROLE_CHANNEL, &c, sizeof(c), fd);

	return role_msg_to_role(&m, to);
}

static void
test_partners(void **state)
{
	(void)state;
	for (enum role a = 0; a < ROLE_COUNT; a++) {
		for (enum role b = 0; b < ROLE_COUNT; b++)
			assert_int_equal(role_partners(a) >> b & 1, role_partners(b) >> a & 1);
		assert_false(role_partners(a) & 1u << a);
	}
	assert_int_equal(role_partners(ROLE_PARENT), 0);
	assert_int_equal(role_partners(ROLE_PRIV), 1u << ROLE_ENGINE);
}

static void
test_to_parent(void **state)
{
	struct role_failed failed;
	struct ipc_msg m;

	(void)state;
	for (enum role r = ROLE_PRIV; r < ROLE_COUNT; r++) {
		assert_true(to_parent(r, ROLE_READY, 0, -1));
		assert_false(to_parent(r, ROLE_READY, 1, -1));
		assert_false(to_parent(r, ROLE_READY, 0, 0));
		assert_int_equal(to_parent(r, ROLE_PONG, 0, -1), r == ROLE_ENGINE);
		assert_int_equal(to_parent(r, ROLE_SHUTDOWN, 0, -1), r == ROLE_ENGINE);
		assert_false(to_parent(r, ROLE_STOP, 0, -1));
		assert_false(to_parent(r, ROLE_OPTIONS, sizeof(struct options), -1));
		assert_false(to_parent(r, 0, 0, -1));
		assert_false(to_parent(r, UINT32_MAX, 0, -1));
	}
	assert_true(to_parent(ROLE_KEYS, ROLE_FAILED, sizeof(failed), -1));
	assert_false(to_parent(ROLE_KEYS, ROLE_FAILED, sizeof(failed) - 1, -1));
	memset(&failed, 'x', sizeof(failed)); /* no end */
	m = message(ROLE_FAILED, &failed, sizeof(failed), -1);
	assert_false(role_msg_to_parent(&m, ROLE_KEYS));
}

static void
test_to_role(void **state)
{
	(void)state;
	assert_true(to_role(ROLE_PRIV, ROLE_OPTIONS, sizeof(struct options), -1));
	assert_false(to_role(ROLE_PRIV, ROLE_OPTIONS, sizeof(struct options) - 1, -1));
	assert_false(to_role(ROLE_PRIV, ROLE_OPTIONS, sizeof(struct options), 0));
	assert_true(to_role(ROLE_PRIV, ROLE_STOP, 0, -1));
	assert_false(to_role(ROLE_PRIV, ROLE_START, 1, -1));
	assert_true(to_role(ROLE_ENGINE, ROLE_PING, 0, -1));
	assert_false(to_role(ROLE_PRIV, ROLE_PING, 0, -1));
	assert_true(to_role(ROLE_ENGINE, ROLE_CONTROL, 0, 0));
	assert_false(to_role(ROLE_ENGINE, ROLE_CONTROL, 0, -1));
	assert_false(to_role(ROLE_ENGINE, ROLE_CONTROL, 1, 0));
	assert_false(to_role(ROLE_PRIV, ROLE_CONTROL, 0, 0));
	assert_true(to_role(ROLE_ENGINE, ROLE_PIDS, sizeof(struct role_pids), -1));
	assert_false(to_role(ROLE_KEYS, ROLE_PIDS, sizeof(struct role_pids), -1));
	assert_false(to_role(ROLE_KEYS, ROLE_READY, 0, -1));
}

static void
test_channel(void **state)
{
	(void)state;
	assert_true(channel_to(ROLE_ENGINE, ROLE_PRIV, 0));
	assert_true(channel_to(ROLE_KEYS, ROLE_ENGINE, 0));
	assert_false(channel_to(ROLE_KEYS, ROLE_ENGINE, -1));
	assert_false(channel_to(ROLE_KEYS, ROLE_PRIV, 0));
	assert_false(channel_to(ROLE_ENGINE, ROLE_ENGINE, 0));
	assert_false(channel_to(ROLE_ENGINE, ROLE_PARENT, 0));
	assert_false(channel_to(ROLE_ENGINE, ROLE_COUNT, 0));
	assert_false(channel_to(ROLE_ENGINE, UINT32_MAX, 0));
}

/* --- a role's start, in a process of its own, whose parent says what each case says --- */

typedef void say_fn(int fd);

static void
send_options(int fd)
{
	struct options o = { .run_dir = "/r" };

	assert_int_equal(ipc_send(fd, ROLE_OPTIONS, 0, &o, sizeof(o), -1), 0);
}

static void
send_channel(int fd, enum role other)
{
	struct role_channel c = { other };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_int_equal(ipc_send(fd, ROLE_CHANNEL, 0, &c, sizeof(c), null_fd), 0);
	close(null_fd);
}

static void
say_all(int fd)
{
	send_options(fd);
	send_channel(fd, ROLE_ENGINE);
	send_channel(fd, ROLE_ENGINE); /* restarted meanwhile */
	assert_int_equal(ipc_send(fd, ROLE_START, 0, NULL, 0, -1), 0);
}

static void
say_no_channel(int fd)
{
	send_options(fd);
	assert_int_equal(ipc_send(fd, ROLE_START, 0, NULL, 0, -1), 0);
}

static void
say_no_options(int fd)
{
	send_channel(fd, ROLE_ENGINE);
}

static void
say_nonsense(int fd)
{
	send_options(fd);
	assert_int_equal(ipc_send(fd, 99, 0, NULL, 0, -1), 0);
}

static void
say_stop(int fd)
{
	send_options(fd);
	assert_int_equal(ipc_send(fd, ROLE_STOP, 0, NULL, 0, -1), 0);
}

static void
say_nothing(int fd)
{
	(void)fd;
}

static int
start_status(say_fn *say)
{
	int fds[2], status;
	pid_t pid;

	assert_int_equal(ipc_pair(fds), 0);
	say(fds[0]);
	pid = fork();
	if (pid == 0) {
		struct role_start start;
		int copy = fcntl(fds[1], F_DUPFD, ROLE_PARENT_FD + 1);

		close(fds[0]);
		dup2(copy, ROLE_PARENT_FD);
		if (say == say_nothing)
			close_range(ROLE_PARENT_FD + 1, ~0u, 0);
		role_receive_start(ROLE_KEYS, &start);
		_exit(start.channel[ROLE_ENGINE] > ROLE_PARENT_FD &&
			      start.channel[ROLE_PRIV] == -1 &&
			      strcmp(start.options.run_dir, "/r") == 0
			  ? 42
			  : 43);
	}
	close(fds[1]);
	if (say == say_nothing)
		close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (say != say_nothing)
		close(fds[0]);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_start(void **state)
{
	(void)state;
	assert_int_equal(start_status(say_all), 42);
	assert_int_equal(start_status(say_no_channel), 1);
	assert_int_equal(start_status(say_no_options), 1);
	assert_int_equal(start_status(say_nonsense), 1);
	assert_int_equal(start_status(say_stop), 0);
	assert_int_equal(start_status(say_nothing), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_partners),
		cmocka_unit_test(test_to_parent),
		cmocka_unit_test(test_to_role),
		cmocka_unit_test(test_channel),
		cmocka_unit_test(test_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
