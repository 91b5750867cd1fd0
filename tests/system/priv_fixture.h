/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A privileged process and the engine's side of it for each test, in a namespace of their own;
 * first unsealed, then in its sandbox.
 */

#include <pwd.h>
#include <sys/stat.h>

#include "core/privcli.h"
#include "tests/system/netns.h"
#include "tests/system/priv_server.h"

static struct loop *loop;
static struct privcli *cli;

static unsigned n_stored;
static uint64_t stored_number;
static int stored_error;

static void
note_stored(void *arg, uint64_t number, int error)
{
	(void)arg;
	n_stored++;
	stored_number = number;
	stored_error = error;
}

static void
restart_server(void)
{
	kill_server();
	privcli_replace(cli, start_server());
}

static int
setup(void **state)
{
	(void)state;
	loop = loop_new();
	cli = privcli_new(loop, start_server(), note_stored, NULL);
	n_stored = 0;
	return cli ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	privcli_free(cli);
	loop_free(loop);
	kill_server();
	raw = -1;
	return 0;
}

static void
assert_error(int result, int expected, const char *words)
{
	if (result != expected || !strstr(privcli_error(cli), words))
		fail_msg(
		    "%d \"%s\", expected %d \"%s\"", result, privcli_error(cli), expected, words);
}

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static int
group_setup(void **state)
{
	char path[128];
	FILE *config;

	(void)state;
	strcpy(dir, DIR_TEMPLATE);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/state", dir);
	if (mkdir(path, 0700) < 0 ||
	    (sealed && chown(path, getpwnam(role_user(ROLE_PRIV))->pw_uid, -1) < 0))
		return -1;
	snprintf(path, sizeof(path), "%s/config", dir);
	config = fopen(path, "we");
	return !config || fputs("(port 1798)\n", config) < 0 || fclose(config) != 0 ? -1 : 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	return netns_run("rm -r %s", dir) ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* An exit status. */
static int
run_everywhere(const struct CMUnitTest *tests, size_t n)
{
	const struct passwd *pw = getpwnam(role_user(ROLE_ENGINE));
	int failed;

	netns_enter();
	failed = _cmocka_run_group_tests("unsealed", tests, n, group_setup, group_teardown);
	if (!pw) {
		puts("no users of vnetd (systemd-sysusers): not run in its sandbox");
		return failed ? failed : NETNS_SKIP;
	}
	sealed = true;
	engine_uid = pw->pw_uid;
	return failed + _cmocka_run_group_tests("sealed", tests, n, group_setup, group_teardown);
}
