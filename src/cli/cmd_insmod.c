/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making the system ready: kernel modules that help, and vnetd. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"

#define MCADDR	       "varp_mcaddr="
#define DEFAULT_SOCKET VNET_RUNDIR "/vnetd.sock"
#define START_TRIES    200 /* 50 ms each: as long as the client waits */

static const char *const modules[] = { "tun", "vxlan", "esp4", "esp6", "xfrm_user", "cls_bpf" };
static const char *const legacy_vnets[] = { "2", "3", "4" };

/* Runs a program and waits for it. Its exit status; 127 if there is none. quiet: what it says is not shown. */
static int
run(char *const argv[], bool quiet)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = 0, error;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return 127;
	if (quiet)
		posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		return 127;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

static char *
unconst(const char *text)
{
	union {
		const char *c;
		char *p;
	} u = { text };

	return u.p; /* argv of exec is not const, for history's sake; nobody writes there */
}

/* Helpful, not needed: what is absent is told, and carried by software. */
static void
load_modules(void)
{
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		char *argv[] = { unconst("modprobe"), unconst("-q"), unconst(modules[i]), NULL };
		int status = run(argv, true);

		if (status == 127) {
			complain("modprobe", "no such program; no modules loaded");
			return;
		}
		if (status != 0)
			complain(modules[i], "this kernel has no such module; vnetd does without");
	}
}

static bool
is_running(struct vn *vn)
{
	return vn->client || client_open(vn_socket_path(vn), true, &vn->client) == VN_OK;
}

/* vnetd beside vn, as in a build directory, else the installed one. */
static const char *
find_vnetd(char path[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		if (slash && slash + sizeof("/vnetd") < path + PATH_MAX) {
			strcpy(slash, "/vnetd");
			if (access(path, X_OK) == 0)
				return path;
		}
	}
	return VNET_SBINDIR "/vnetd";
}

/* Directly; with the run directory that belongs to another socket. */
static enum vn_status
start_vnetd(const char *socket, const char *mcaddr)
{
	char path[PATH_MAX], run_dir[PATH_MAX];
	const char *vnetd = find_vnetd(path), *slash = strrchr(socket, '/');
	char *argv[7] = { unconst(vnetd), unconst("--daemon") };
	int n = 2, status;

	if (strcmp(socket, DEFAULT_SOCKET) != 0) {
		if (!slash || slash == socket || strcmp(slash, "/vnetd.sock") != 0 ||
		    slash - socket >= PATH_MAX) {
			complain(socket, "expected DIRECTORY/vnetd.sock, to start vnetd there");
			return VN_USAGE;
		}
		snprintf(run_dir, sizeof(run_dir), "%.*s", (int)(slash - socket), socket);
		argv[n++] = unconst("--run-dir");
		argv[n++] = run_dir;
	}
	if (mcaddr) {
		argv[n++] = unconst("-a");
		argv[n++] = unconst(mcaddr);
	}
	status = run(argv, false);
	if (status == 0)
		return VN_OK;
	if (status == 127)
		complain(vnetd, "cannot be run; is vnet installed?");
	else
		complain(vnetd, "did not start: exit status %d", status);
	return VN_REFUSED;
}

static enum vn_status
start(const char *socket, const char *mcaddr)
{
	char *argv[] = { unconst("systemctl"), unconst("start"), unconst("vnetd"), NULL };
	int status;

	if (strcmp(socket, DEFAULT_SOCKET) != 0 || access("/run/systemd/system", F_OK) != 0)
		return start_vnetd(socket, mcaddr);
	status = run(argv, false);
	if (status == 0)
		return VN_OK;
	complain("vnetd", "\"systemctl start vnetd\" failed: exit status %d", status);
	return VN_REFUSED;
}

static enum vn_status
wait_running(struct vn *vn)
{
	const struct timespec pause = { .tv_nsec = 50000000 };

	for (int i = 0; i < START_TRIES; i++) {
		if (is_running(vn))
			return VN_OK;
		nanosleep(&pause, NULL);
	}
	complain(vn_socket_path(vn), "vnetd was started but does not answer; see its log");
	return VN_GONE;
}

static enum vn_status
make_legacy_vnets(struct vn *vn)
{
	enum vn_status status = VN_OK;

	for (size_t i = 0; i < 3 && status == VN_OK; i++)
		status = vn_do(vn, vn_begin_with("vnet.add", "id", legacy_vnets[i]));
	return status;
}

enum vn_status
cmd_insmod(struct vn *vn)
{
	const char *mcaddr = NULL, *path = getenv("PATH");
	enum vn_status status = VN_OK;
	char search[PATH_MAX];

	if (vn->n_args > 0 && strncmp(vn->args[0], MCADDR, strlen(MCADDR)) != 0) {
		complain(vn->args[0], "expected " MCADDR "ADDR");
		return VN_USAGE;
	}
	if (vn->n_args > 0)
		mcaddr = vn->args[0] + strlen(MCADDR);
	/* su without "-" leaves out where modprobe is. */
	snprintf(search, sizeof(search), "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	setenv("PATH", search, 1);
	load_modules();
	if (!is_running(vn)) {
		status = start(vn_socket_path(vn), mcaddr);
		if (status == VN_OK)
			status = wait_running(vn);
	}
	/* It may have been started by the service manager, or before: told again, it keeps the group. */
	if (status == VN_OK && mcaddr)
		status = vn_do(vn, vn_begin_with("varp.mcaddr", "addr", mcaddr));
	if (status == VN_OK && vn->value[OPT_LEGACY])
		status = make_legacy_vnets(vn);
	return status;
}
