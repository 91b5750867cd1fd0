/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "role"

#include "core/role.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define ANSWER_WAIT_MS 1000
#define START_WAIT_MS  60000 /* no limit: after each the wait begins anew */

static const struct {
	const char *name;
	const char *user;
} roles[ROLE_COUNT] = {
#define X(suffix, name, user) [ROLE_##suffix] = { name, user },
	ROLES(X)
#undef X
};

const char *
role_name(enum role r)
{
	return roles[r].name;
}

const char *
role_user(enum role r)
{
	return roles[r].user;
}

unsigned
role_partners(enum role r)
{
	if (r == ROLE_PARENT)
		return 0;
	return r == ROLE_ENGINE ? 1u << ROLE_PRIV | 1u << ROLE_KEYS | 1u << ROLE_RESOLVE
				: 1u << ROLE_ENGINE;
}

bool
role_msg_to_parent(const struct ipc_msg *m, enum role from)
{
	const struct role_failed *failed;

	if (m->fd >= 0)
		return false;
	switch (m->type) {
	case ROLE_READY:
		return m->len == 0;
	case ROLE_FAILED:
		failed = ipc_body(m, sizeof(*failed));
		return failed && memchr(failed->reason, '\0', sizeof(failed->reason));
	case ROLE_SHUTDOWN:
	case ROLE_PONG:
		return m->len == 0 && from == ROLE_ENGINE;
	default:
		return false;
	}
}

bool
role_msg_to_role(const struct ipc_msg *m, enum role to)
{
	const struct role_channel *channel;

	if ((m->fd >= 0) != (m->type == ROLE_CHANNEL || m->type == ROLE_CONTROL))
		return false;
	switch (m->type) {
	case ROLE_OPTIONS:
		return m->len == sizeof(struct options);
	case ROLE_CHANNEL:
		channel = ipc_body(m, sizeof(*channel));
		return channel && channel->role < ROLE_COUNT &&
		       role_partners(to) & 1u << channel->role;
	case ROLE_START:
	case ROLE_STOP:
		return m->len == 0;
	case ROLE_RELOAD:
	case ROLE_PING:
	case ROLE_CONTROL:
		return m->len == 0 && to == ROLE_ENGINE;
	case ROLE_PIDS:
		return m->len == sizeof(struct role_pids) && to == ROLE_ENGINE;
	default:
		return false;
	}
}

/* What came of reading descriptor 3: what cannot be lived with ends the process. */
static int
check_received(enum role self, int error, const struct ipc_msg *m)
{
	if (error == -EPIPE)
		exit(0); /* the parent is gone, and we with it */
	if (error == -EAGAIN)
		return error;
	if (error < 0) {
		errno = -error;
		fatal("channel to the parent");
	}
	if (!role_msg_to_role(m, self))
		fatalx("message %u of %zu bytes from the parent is none of ours", m->type, m->len);
	if (m->type == ROLE_STOP)
		exit(0);
	return 0;
}

int
role_next(enum role self, struct ipc_msg *m)
{
	return check_received(self, ipc_recv(ROLE_PARENT_FD, m), m);
}

static void
next_wait(enum role self, struct ipc_msg *m)
{
	int r;

	while ((r = ipc_recv_wait(ROLE_PARENT_FD, m, START_WAIT_MS)) == -ETIMEDOUT)
		;
	check_received(self, r, m);
}

/* A terminal's ctrl-C, its end, and a closed channel are the parent's to judge. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

static void
set_channel(struct role_start *out, struct ipc_msg *m)
{
	const struct role_channel *channel = ipc_body(m, sizeof(*channel));
	int *slot = &out->channel[channel->role];

	if (*slot >= 0)
		close(*slot); /* that partner has been restarted already */
	*slot = ipc_take_fd(m);
}

static void
check_complete(enum role self, const struct role_start *out)
{
	for (enum role r = 0; r < ROLE_COUNT; r++) {
		if (role_partners(self) & 1u << r && out->channel[r] < 0)
			fatalx("started without a channel to %s", role_name(r));
	}
	if (self == ROLE_ENGINE && out->control < 0)
		fatalx("started without a control socket");
}

void
role_receive_start(enum role self, struct role_start *out)
{
	char comm[16];
	struct ipc_msg m;
	bool started = false;

	log_init(role_name(self), false);
	ignore_signals();
	snprintf(comm, sizeof(comm), "vnetd-%s", role_name(self));
	prctl(PR_SET_NAME, comm); /* a name in ps, or none */
	for (enum role r = 0; r < ROLE_COUNT; r++)
		out->channel[r] = -1;
	out->control = -1;

	next_wait(self, &m);
	if (m.type != ROLE_OPTIONS)
		fatalx("message %u from the parent, expected options first", m.type);
	memcpy(&out->options, m.body, sizeof(out->options));
	log_init(role_name(self), out->options.verbose);
	while (!started) {
		next_wait(self, &m);
		if (m.type == ROLE_CHANNEL)
			set_channel(out, &m);
		else if (m.type == ROLE_CONTROL)
			out->control = ipc_take_fd(&m);
		else if (m.type == ROLE_START)
			started = true;
		else if (m.type == ROLE_OPTIONS)
			fatalx("options came twice");
		ipc_msg_done(&m);
	}
	check_complete(self, out);
}

int
role_open_dir(enum role self, const char *name, const char *path)
{
	const struct passwd *pw = getpwnam(role_user(self));
	int place_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd;
	struct stat st;

	if (place_fd < 0 || fstat(place_fd, &st) < 0)
		role_fail("%s directory \"%s\": %s", name, path, strerrordesc_np(errno));
	if (!pw || st.st_uid != pw->pw_uid)
		role_fail("%s directory \"%s\": expected user \"%s\" as its owner", name, path,
		    role_user(self));
	if (seteuid(pw->pw_uid) < 0)
		role_fail("cannot become user \"%s\": %s", pw->pw_name, strerrordesc_np(errno));
	fd = openat(place_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		role_fail("%s directory \"%s\": %s", name, path, strerrordesc_np(errno));
	if (seteuid(0) < 0)
		role_fail("cannot become root again: %s", strerrordesc_np(errno));
	close(place_fd);
	return fd;
}

void
role_ready(void)
{
	int r = ipc_send(ROLE_PARENT_FD, ROLE_READY, 0, NULL, 0, -1);

	if (r < 0) {
		errno = -r;
		fatal("cannot tell the parent that all is ready");
	}
}

void
role_fail(const char *fmt, ...)
{
	struct role_failed failed = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(failed.reason, sizeof(failed.reason), fmt, ap);
	va_end(ap);
	/* Without a parent the log line below still tells. */
	(void)ipc_send(ROLE_PARENT_FD, ROLE_FAILED, 0, &failed, sizeof(failed), -1);
	fatalx("%s", failed.reason);
}

/* One that breaks the contract loses its channel: it exits, and the parent sends a new one. */
static int
drop_engine(int fd)
{
	close(fd);
	return -1;
}

static int
serve_engine(const struct role_service *s, int fd)
{
	struct ipc_msg m;
	int r = ipc_recv(fd, &m);
	bool ok;

	if (r == -EAGAIN)
		return fd;
	if (r < 0) {
		if (r != -EPIPE)
			log_warnx("engine dropped: its message is not one of ours");
		return drop_engine(fd);
	}
	ok = m.fd < 0 && s->message(s->arg, &m);
	ipc_msg_done(&m);
	if (ok)
		return fd;
	log_warnx("engine dropped: message %u breaks the contract", m.type);
	return drop_engine(fd);
}

static int
serve_parent(const struct role_service *s, int fd)
{
	struct ipc_msg m;

	if (role_next(s->self, &m) < 0)
		return fd;
	if (m.type == ROLE_CHANNEL) {
		if (fd >= 0)
			close(fd);
		fd = ipc_take_fd(&m);
		s->engine(s->arg, fd);
	}
	ipc_msg_done(&m);
	return fd;
}

int
role_serve(const struct role_service *s, const struct role_start *start)
{
	struct pollfd p[2] = {
		{ .fd = ROLE_PARENT_FD, .events = POLLIN },
		{ .fd = start->channel[ROLE_ENGINE], .events = POLLIN },
	};

	role_ready(); /* first: the engine may be started only then, and read what is sent to it */
	s->engine(s->arg, p[1].fd);
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			fatal("poll");
		/* A new engine goes first: what the old one still asks for concerns nobody. */
		if (p[0].revents)
			p[1].fd = serve_parent(s, p[1].fd);
		else if (p[1].revents)
			p[1].fd = serve_engine(s, p[1].fd);
	}
}

int
role_answer(int engine_fd, uint32_t type, uint32_t seq, const void *body, size_t len)
{
	struct pollfd p = { .fd = engine_fd, .events = POLLOUT };
	int r = ipc_send(engine_fd, type, seq, body, len, -1);

	if (r == -EAGAIN && poll(&p, 1, ANSWER_WAIT_MS) > 0)
		r = ipc_send(engine_fd, type, seq, body, len, -1);
	return r;
}
