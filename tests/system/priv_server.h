/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A privileged process for test_priv: a child that serves one end of a pair, as it is or as a role of vnetd in its sandbox. */

#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/priv.h"
#include "core/role.h"
#include "core/sandbox_tables.h"

#define DIR_TEMPLATE "/tmp/test_priv.XXXXXX"

static char dir[] = DIR_TEMPLATE;
static bool sealed;
static uid_t engine_uid = 54321;
static pid_t server;
static int parent = -1; /* our end of a sealed server's channel to its parent */
static int raw = -1;	/* our end of the pair */

static void __attribute__((noreturn)) serve(int fd)
{
	struct loop *l = loop_new();
	struct priv_host host = { .engine_uid = engine_uid };
	char path[128];

	snprintf(path, sizeof(path), "%s/config", dir);
	host.config = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/state", dir);
	host.state_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	struct priv *p = priv_new(l, &host);

	if (!p || priv_attach(p, fd) < 0)
		_exit(1);
	loop_run(l);
	_exit(0);
}

/* What vnetd's parent says to a role at its start. */
static void
start_role(int engine_fd)
{
	const struct role_channel channel = { ROLE_ENGINE };
	struct options o = { .config_given = true };
	struct ipc_msg m;

	snprintf(o.config, sizeof(o.config), "%s/config", dir);
	snprintf(o.run_dir, sizeof(o.run_dir), "%s", dir);
	snprintf(o.state_dir, sizeof(o.state_dir), "%s/state", dir);
	assert_int_equal(ipc_send(parent, ROLE_OPTIONS, 0, &o, sizeof(o), -1), 0);
	assert_int_equal(
	    ipc_send(parent, ROLE_CHANNEL, 0, &channel, sizeof(channel), engine_fd), 0);
	assert_int_equal(ipc_send(parent, ROLE_START, 0, NULL, 0, -1), 0);
	assert_int_equal(ipc_recv_wait(parent, &m, 5000), 0);
	assert_int_equal(m.type, ROLE_READY);
	ipc_msg_done(&m);
}

/* As vnetd's parent does, and may only root open the TAP device. */
static void
keep_start_caps(void)
{
	uint64_t caps = sandbox_start_caps | sandbox_start_caps_optional | 1u << CAP_DAC_OVERRIDE;
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)caps, (uint32_t)caps, 0 },
		{ (uint32_t)(caps >> 32), (uint32_t)(caps >> 32), 0 },
	};

	if (syscall(SYS_capset, &header, data) < 0)
		_exit(2);
}

/* A new process, as after a crash; our end of the pair. */
static int
start_server(void)
{
	int fds[2], role[2];

	assert_int_equal(ipc_pair(fds), 0);
	assert_int_equal(ipc_pair(role), 0);
	server = fork();
	assert_true(server >= 0);
	if (server == 0) {
		/* Like one that was executed, without its parent's descriptors. */
		dup2(sealed ? role[1] : fds[1], ROLE_PARENT_FD);
		close_range(ROLE_PARENT_FD + 1, ~0u, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sealed) {
			keep_start_caps();
			_exit(role_priv_main());
		}
		serve(ROLE_PARENT_FD);
	}
	close(role[1]);
	parent = role[0];
	if (sealed)
		start_role(fds[1]);
	close(fds[1]);
	return raw = fds[0];
}

static void
kill_server(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(parent);
}
