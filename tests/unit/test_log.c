/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "test"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_fds[2];
static int real_stderr;
static char output[16384];

static int
setup(void **state)
{
	(void)state;
	real_stderr = dup(STDERR_FILENO);
	if (pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return -1;
	unsetenv("JOURNAL_STREAM");
	return dup2(pipe_fds[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* What was written since, as one string. */
static const char *
logged(void)
{
	ssize_t n = read(pipe_fds[0], output, sizeof(output) - 1);

	output[n < 0 ? 0 : n] = '\0';
	return output;
}

static void
test_lines(void **state)
{
	(void)state;
	log_init("engine", false);
	log_info("peer %s port %d", "10.0.0.1", 1798);
	assert_string_equal(logged(), "vnetd[engine]: test: peer 10.0.0.1 port 1798\n");
	log_warnx("odd");
	assert_string_equal(logged(), "vnetd[engine]: test: odd\n");
	log_debug("hidden");
	assert_string_equal(logged(), "");
	log_init("priv", true);
	log_debug("shown");
	assert_string_equal(logged(), "vnetd[priv]: test: shown\n");
	log_init(NULL, false);
	log_info("early");
	assert_string_equal(logged(), "vnetd: test: early\n");
}

static void
test_errno(void **state)
{
	(void)state;
	log_init("engine", false);
	errno = ENOENT;
	log_warn("open \"%s\"", "x");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(
	    logged(), "vnetd[engine]: test: open \"x\": No such file or directory\n");
	errno = 99999;
	log_warn("odd");
	assert_string_equal(logged(), "vnetd[engine]: test: odd: error 99999\n");

	/* Nor does a failed write change it. */
	close(STDERR_FILENO);
	errno = ENOENT;
	log_warnx("nobody hears");
	assert_int_equal(errno, ENOENT);
}

static void
test_escapes(void **state)
{
	(void)state;
	log_init("engine", false);
	log_info("name \"%s\"", "a\nvnetd[priv]: forged\x1b[2J\x7f\xc2\x9b");
	assert_string_equal(logged(),
	    "vnetd[engine]: test: name \"a\\x0avnetd[priv]: forged\\x1b[2J\\x7f\\xc2\\x9b\"\n");
}

static void
test_long_line(void **state)
{
	char text[5000];
	size_t len;

	(void)state;
	log_init("engine", false);
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	errno = ENOENT;
	log_warn("%s", text);
	len = strlen(logged());
	assert_in_range(len, 4000, 4 * 1024 + 128);
	assert_int_equal(output[len - 1], '\n');
	assert_ptr_equal(strchr(output, '\n'), output + len - 1);
}

static void
test_journal(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("engine", true);
	log_info("a");
	log_warnx("b");
	log_debug("c");
	assert_string_equal(logged(),
	    "<6>vnetd[engine]: test: a\n<4>vnetd[engine]: test: b\n<7>vnetd[engine]: test: c\n");

	/* Somebody else's stream, and nonsense. */
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("engine", false);
	log_info("a");
	assert_string_equal(logged(), "vnetd[engine]: test: a\n");
	setenv("JOURNAL_STREAM", "8", 1);
	log_init("engine", false);
	log_info("a");
	assert_string_equal(logged(), "vnetd[engine]: test: a\n");
}

static void
test_fatal(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL); /* fatalx() flushes the child's copy */
	pid = fork();
	if (pid == 0) {
		log_init("engine", false);
		fatalx("bye");
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_string_equal(logged(), "vnetd[engine]: test: bye\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errno, setup, teardown),
		cmocka_unit_test_setup_teardown(test_escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fatal, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
