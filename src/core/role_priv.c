/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "priv"

/*
 * The start of the privileged process. Root opens the configuration file; afterwards it is a user
 * with NET_ADMIN (TAPs, links, buffer sizes) and NET_RAW, who opens /dev/net/tun and files in the
 * state directory only.
 */

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "core/priv.h"
#include "core/role.h"
#include "core/sandbox.h"

/* -1 if there is none and none was asked for. */
static int
open_config(const struct options *o)
{
	int fd = open(o->config, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT && !o->config_given)
		return -1;
	if (fd < 0 && errno == EACCES)
		role_fail("%s: closed to root, expected a file of root or one that all may read",
		    o->config);
	if (fd < 0 || fstat(fd, &st) < 0)
		role_fail("%s: %s", o->config, strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		role_fail("%s: not a regular file", o->config);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		role_fail("%s: mode %04o lets others write it, expected 0644 or less", o->config,
		    st.st_mode & 07777);
	return fd;
}

/* Of this boot of the machine, not of this run. */
static void
read_boot(char *boot, size_t size)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, boot, size - 1) : -1;

	boot[n > 0 ? n : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

static void
attach_engine(struct priv *p, int fd)
{
	int err = priv_attach(p, fd);

	if (err)
		fatalx("channel to the engine: %s", strerrordesc_np(-err));
}

/* Stop and end of file end the process in role_next(). */
static void
parent_ready(void *arg, uint32_t events)
{
	struct priv *p = arg;
	struct ipc_msg m;

	(void)events;
	if (role_next(ROLE_PRIV, &m) < 0)
		return;
	if (m.type == ROLE_CHANNEL)
		attach_engine(p, ipc_take_fd(&m));
	ipc_msg_done(&m);
}

static struct priv *the_priv; /* one in the process */

/* However it ends, other than by a crash: what is left of that the next one removes. */
static void
leave_nothing(void)
{
	priv_free(the_priv);
	the_priv = NULL;
}

int
role_priv_main(void)
{
	const struct passwd *engine;
	struct role_start start;
	struct priv_host host = { 0 };
	struct loop_fd parent = { 0 };
	struct loop *loop;
	struct priv *p;
	int status;

	role_receive_start(ROLE_PRIV, &start);
	engine = getpwnam(role_user(ROLE_ENGINE));
	if (!engine)
		role_fail("no user \"%s\"; run: systemd-sysusers", role_user(ROLE_ENGINE));
	host.engine_uid = engine->pw_uid;
	host.config = open_config(&start.options);
	read_boot(host.boot, sizeof(host.boot));
	host.state_dir = role_open_dir(ROLE_PRIV, "state", start.options.state_dir);
	loop = loop_new();
	p = loop ? priv_new(loop, &host) : NULL;
	if (!p)
		role_fail("cannot start: %s", strerrordesc_np(errno));
	if (loop_watch(loop, &parent, ROLE_PARENT_FD, EPOLLIN, parent_ready, p) < 0)
		role_fail("cannot watch the channel to the parent");

	the_priv = p;
	if (atexit(leave_nothing) != 0)
		role_fail("out of memory");
	sandbox_enter(ROLE_PRIV, &start.options);
	attach_engine(p, start.channel[ROLE_ENGINE]);
	role_ready();
	status = loop_run(loop);
	leave_nothing();
	loop_free(loop);
	return status < 0;
}
