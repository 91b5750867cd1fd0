/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What comes of a deed in a process sealed as a role. For tests that are root, where the users of
 * vnetd exist.
 */

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sandbox.h"
#include "core/sandbox_tables.h"

enum { DONE = 0, REFUSED = 1, DENIED = 2, KILLED = -1, ABORTED = -2 };

typedef int deed_fn(void);

static inline int
outcome(long r)
{
	return r >= 0 ? DONE : errno == EACCES ? DENIED : REFUSED;
}

static char seal_dir[] = "/tmp/test_sandbox.XXXXXX";

/* False: not here. */
static inline bool
seal_prepare(void)
{
	for (enum role r = ROLE_PRIV; r < ROLE_COUNT; r++) {
		if (geteuid() != 0 || !getpwnam(role_user(r)) || sandbox_n_sanitizer_calls > 0)
			return false;
	}
	return mkdtemp(seal_dir) != NULL;
}

static inline void
seal_done(void)
{
	rmdir(seal_dir);
}

static inline int
sealed(enum role r, deed_fn *deed)
{
	struct options o = { 0 };
	int status;
	pid_t pid;

	strcpy(o.run_dir, seal_dir);
	strcpy(o.state_dir, seal_dir);
	strcpy(o.keys_dir, seal_dir);
	strcpy(o.config, "/etc/vnet/vnetd.conf");
	pid = fork();
	if (pid == 0) {
		sandbox_enter(r, &o);
		_exit(deed());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
		return ABORTED;
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return KILLED;
	}
	return WEXITSTATUS(status);
}
