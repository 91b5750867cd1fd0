/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "parent"

#include "core/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/log.h"
#include "base/loop.h"
#include "core/notify.h"
#include "core/role.h"
#include "core/sandbox.h"

#define FIRST_START_DEATHS 3 /* by a signal, before anything worked */
#define SHORT_LIFE_MS	   1000
#define BACKOFF_MIN_MS	   100
#define BACKOFF_MAX_MS	   5000
#define STOP_WAIT_MS	   2000
#define REASON_MAX	   sizeof(((struct role_failed *)0)->reason)

struct child {
	struct parent *parent;
	enum role role;
	pid_t pid; /* 0: not running */
	int fd;
	bool started; /* has been told to */
	bool ready;
	struct monotime born;
	int64_t backoff_ms; /* before the next restart */
	uint32_t restarts;
	char reason[REASON_MAX]; /* what it gave as its last words */
	struct loop_fd watch;
	struct loop_timer restart;
};

struct parent {
	const struct parent_setup *setup;
	struct loop *loop;
	struct loop_fd signals;
	struct loop_timer watchdog;
	struct loop_timer stop_wait;
	struct child children[ROLE_COUNT]; /* the first stays unused */
	bool up;			   /* all roles have been ready once */
	bool stopping;
	int status;
};

/* The roles in their order: for (each_child(p, c)). */
#define each_child(p, c)                             \
	struct child *c = (p)->children + ROLE_PRIV; \
	c < (p)->children + ROLE_COUNT;              \
	c++

static void spawn(struct child *c);

/* --- messages to roles --- */

static void
kill_child(struct child *c)
{
	if (c->pid > 0 && kill(c->pid, SIGKILL) < 0)
		log_warn("cannot kill %s", role_name(c->role));
}

/* One that does not take its messages is hung: what it misses it could never make up for. */
static void
tell(struct child *c, enum role_msg type, const void *body, size_t len, int fd)
{
	int r;

	if (c->pid == 0)
		return;
	r = ipc_send(c->fd, type, 0, body, len, fd);
	if (r < 0 && r != -EPIPE) {
		log_warnx(
		    "%s killed: it takes no messages: %s", role_name(c->role), strerrordesc_np(-r));
		kill_child(c);
	}
}

static void
join(struct child *a, struct child *b)
{
	struct role_channel to_a = { .role = b->role };
	struct role_channel to_b = { .role = a->role };
	int fds[2];
	int r = ipc_pair(fds);

	if (r < 0) {
		errno = -r;
		fatal("channel between %s and %s", role_name(a->role), role_name(b->role));
	}
	tell(a, ROLE_CHANNEL, &to_a, sizeof(to_a), fds[0]);
	tell(b, ROLE_CHANNEL, &to_b, sizeof(to_b), fds[1]);
	close(fds[0]);
	close(fds[1]);
}

static void
tell_pids(struct parent *p)
{
	struct child *engine = &p->children[ROLE_ENGINE];
	struct role_pids pids = { .pid[ROLE_PARENT] = getpid() };

	for (each_child(p, c)) {
		pids.pid[c->role] = c->pid;
		pids.restarts[c->role] = c->restarts;
	}
	if (engine->ready)
		tell(engine, ROLE_PIDS, &pids, sizeof(pids), -1);
}

/* --- starting --- */

static bool
partners_run(const struct child *c)
{
	for (each_child(c->parent, partner)) {
		if (role_partners(c->role) & 1u << partner->role && partner->pid == 0)
			return false;
	}
	return true;
}

/*
 * The first time in their order, each when the one before is ready, so that the first trouble is
 * the one that is told.
 */
static void
start_waiting(struct parent *p)
{
	for (each_child(p, c)) {
		if (c->pid > 0 && !c->started && partners_run(c)) {
			c->started = true;
			tell(c, ROLE_START, NULL, 0, -1);
		}
		if (!p->up && !c->ready)
			return;
	}
}

/* In the new process, between fork and exec. */
static void __attribute__((noreturn)) become(const struct child *c, int channel)
{
	char program[] = "vnetd", option[] = "--role";
	char *const argv[] = { program, option, (char *)(uintptr_t)role_name(c->role), NULL };
	int exe_fd = c->parent->setup->exe_fd;
	sigset_t none;

	sigemptyset(&none);
	/* What is on 3 is about to be replaced; the copies are not. */
	channel = fcntl(channel, F_DUPFD_CLOEXEC, ROLE_PARENT_FD + 1);
	exe_fd = fcntl(exe_fd, F_DUPFD_CLOEXEC, ROLE_PARENT_FD + 1);
	if (channel < 0 || exe_fd < 0 || dup2(channel, ROLE_PARENT_FD) < 0)
		fatal("channel of %s", role_name(c->role));
	if (close_range(ROLE_PARENT_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		fatal("descriptors of %s", role_name(c->role));
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		fatal("signals of %s", role_name(c->role));
	execveat(exe_fd, "", argv, environ, AT_EMPTY_PATH);
	fatal("cannot execute %s", role_name(c->role));
}

static void on_child(void *arg, uint32_t events);

static void
spawn(struct child *c)
{
	struct parent *p = c->parent;
	int fds[2];
	int r = ipc_pair(fds);

	if (r < 0) {
		errno = -r;
		fatal("channel to %s", role_name(c->role));
	}
	c->pid = fork();
	if (c->pid < 0)
		fatal("fork for %s", role_name(c->role));
	if (c->pid == 0)
		become(c, fds[1]);
	close(fds[1]);
	c->fd = fds[0];
	c->started = c->ready = false;
	c->reason[0] = '\0';
	c->born = monotime_now();
	r = loop_watch(p->loop, &c->watch, c->fd, EPOLLIN, on_child, c);
	if (r < 0) {
		errno = -r;
		fatal("loop");
	}
	tell(c, ROLE_OPTIONS, &p->setup->options, sizeof(p->setup->options), -1);
	if (c->role == ROLE_ENGINE)
		tell(c, ROLE_CONTROL, NULL, 0, p->setup->control_fd);
	for (each_child(p, partner)) {
		if (role_partners(c->role) & 1u << partner->role && partner->pid > 0)
			join(c, partner);
	}
}

static void
on_restart(void *arg)
{
	struct child *c = arg;

	c->restarts++;
	spawn(c);
	start_waiting(c->parent);
}

static void
all_ready(struct parent *p)
{
	p->up = true;
	log_info("ready");
	notify_send(p->setup->notify_fd, "READY=1");
	if (p->setup->starter_fd >= 0) {
		if (write(p->setup->starter_fd, PARENT_READY, strlen(PARENT_READY)) < 0)
			log_warn("the starting process is gone");
		close(p->setup->starter_fd);
	}
}

/* --- ending --- */

static bool
any_runs(struct parent *p)
{
	for (each_child(p, c)) {
		if (c->pid > 0)
			return true;
	}
	return false;
}

static void
on_stop_wait(void *arg)
{
	struct parent *p = arg;

	for (each_child(p, c)) {
		if (c->pid > 0)
			log_warnx("%s killed: it did not stop", role_name(c->role));
		kill_child(c);
	}
}

static void
stop(struct parent *p, int status)
{
	if (p->stopping)
		return;
	p->stopping = true;
	p->status = status;
	notify_send(p->setup->notify_fd, "STOPPING=1");
	for (each_child(p, c)) {
		loop_timer_cancel(p->loop, &c->restart);
		tell(c, ROLE_STOP, NULL, 0, -1);
	}
	if (!any_runs(p))
		loop_stop(p->loop, status);
	else if (loop_timer_set(p->loop, &p->stop_wait,
		     monotime_add_ms(loop_now(p->loop), STOP_WAIT_MS), on_stop_wait, p) < 0)
		on_stop_wait(p);
}

static void __attribute__((format(printf, 2, 3)))
start_failed(struct parent *p, const char *fmt, ...)
{
	char text[REASON_MAX + 64];
	va_list ap;

	if (p->stopping)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warnx("start-up failed: %s", text);
	if (p->setup->starter_fd >= 0 && write(p->setup->starter_fd, text, strlen(text)) < 0)
		log_warn("the starting process is gone");
	stop(p, 1);
}

/* --- roles that die --- */

static void
schedule_restart(struct child *c)
{
	struct parent *p = c->parent;
	struct monotime now = monotime_now();
	int64_t delay_ms;

	if (monotime_diff_ms(now, c->born) >= SHORT_LIFE_MS)
		c->backoff_ms = 0;
	delay_ms = c->backoff_ms;
	c->backoff_ms = delay_ms * 2;
	if (c->backoff_ms < BACKOFF_MIN_MS)
		c->backoff_ms = BACKOFF_MIN_MS;
	if (c->backoff_ms > BACKOFF_MAX_MS)
		c->backoff_ms = BACKOFF_MAX_MS;
	if (loop_timer_set(p->loop, &c->restart, monotime_add_ms(now, delay_ms), on_restart, c) < 0)
		fatalx("no memory for a timer");
}

static void
describe_end(const struct child *c, int wait_status, char *text, size_t size)
{
	if (c->reason[0])
		snprintf(text, size, "%s", c->reason);
	else if (WIFSIGNALED(wait_status))
		snprintf(text, size, "killed by signal %d (SIG%s)%s", WTERMSIG(wait_status),
		    sigabbrev_np(WTERMSIG(wait_status)),
		    WTERMSIG(wait_status) == SIGSYS
			? ": a system call that it may not make; the kernel's log has its number"
			: "");
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(wait_status));
}

static void read_messages(struct child *c);

static void
child_died(struct child *c, int wait_status)
{
	struct parent *p = c->parent;
	char text[REASON_MAX];

	c->pid = 0;	  /* from here on it is somebody else's number */
	read_messages(c); /* its last words */
	loop_unwatch(p->loop, &c->watch);
	close(c->fd);
	c->fd = -1;
	c->started = c->ready = false;
	if (p->stopping) {
		if (!any_runs(p))
			loop_stop(p->loop, p->status);
		return;
	}
	describe_end(c, wait_status, text, sizeof(text));
	if (!p->up && (WIFEXITED(wait_status) || c->restarts == FIRST_START_DEATHS)) {
		start_failed(p, "%s: %s", role_name(c->role), text);
		return;
	}
	log_warnx("%s ended: %s", role_name(c->role), text);
	schedule_restart(c);
}

static void
reap(struct parent *p)
{
	int wait_status;
	pid_t pid;

	while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
		for (each_child(p, c)) {
			if (c->pid == pid)
				child_died(c, wait_status);
		}
	}
}

/* --- messages from roles --- */

static void
child_ready(struct child *c)
{
	struct parent *p = c->parent;
	bool all = true;

	c->ready = true;
	for (each_child(p, other))
		all = all && other->ready;
	if (all && !p->up)
		all_ready(p);
	if (p->up)
		tell_pids(p);
	else
		start_waiting(p);
}

static bool
handle_message(struct child *c, const struct ipc_msg *m)
{
	const struct role_failed *failed;

	if (!role_msg_to_parent(m, c->role))
		return false;
	switch (m->type) {
	case ROLE_READY:
		if (!c->started || c->ready)
			return false;
		child_ready(c);
		break;
	case ROLE_FAILED:
		failed = ipc_body(m, sizeof(*failed));
		strcpy(c->reason, failed->reason);
		break;
	case ROLE_SHUTDOWN:
		log_info("asked to end by the engine");
		stop(c->parent, 0);
		break;
	case ROLE_PONG:
		notify_send(c->parent->setup->notify_fd, "WATCHDOG=1");
		break;
	}
	return true;
}

static void
read_messages(struct child *c)
{
	struct ipc_msg m;
	int r;

	while ((r = ipc_recv(c->fd, &m)) == 0) {
		bool ok = handle_message(c, &m);

		ipc_msg_done(&m);
		if (!ok) {
			r = -EPROTO;
			break;
		}
	}
	if (r == -EAGAIN)
		return;
	if (r == -EPROTO)
		log_warnx("%s killed: message %u is none a %s sends", role_name(c->role), m.type,
		    role_name(c->role));
	/* At the end of its channel it ends, and SIGCHLD follows; one that does not is helped. */
	loop_unwatch(c->parent->loop, &c->watch);
	kill_child(c);
}

static void
on_child(void *arg, uint32_t events)
{
	(void)events;
	read_messages(arg);
}

/* --- signals, watchdog --- */

static void
on_signal(void *arg, uint32_t events)
{
	struct parent *p = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(p->signals.fd, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(p);
			break;
		case SIGHUP:
			if (p->children[ROLE_ENGINE].ready)
				tell(&p->children[ROLE_ENGINE], ROLE_RELOAD, NULL, 0, -1);
			break;
		default:
			stop(p, 0);
		}
	}
}

static void
on_watchdog(void *arg)
{
	struct parent *p = arg;

	if (p->children[ROLE_ENGINE].ready)
		tell(&p->children[ROLE_ENGINE], ROLE_PING, NULL, 0, -1);
	if (loop_timer_set(p->loop, &p->watchdog,
		monotime_add_ms(loop_now(p->loop), p->setup->watchdog_ms / 3), on_watchdog, p) < 0)
		fatalx("no memory for a timer");
}

static void
open_loop(struct parent *p)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	p->loop = loop_new();
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (!p->loop || fd < 0 || sigprocmask(SIG_SETMASK, &set, NULL) < 0 ||
	    loop_watch(p->loop, &p->signals, fd, EPOLLIN, on_signal, p) < 0)
		fatal("loop");
}

int
parent_run(const struct parent_setup *setup)
{
	struct parent p = { .setup = setup };
	int r;

	log_init(role_name(ROLE_PARENT), setup->options.verbose);
	open_loop(&p);
	sandbox_enter(ROLE_PARENT, &setup->options);
	for (enum role i = ROLE_PRIV; i < ROLE_COUNT; i++)
		p.children[i] = (struct child){ .parent = &p, .role = i, .fd = -1 };
	for (each_child(&p, c))
		spawn(c);
	start_waiting(&p);
	if (setup->watchdog_ms > 0)
		on_watchdog(&p);
	r = loop_run(p.loop);
	if (r < 0) {
		errno = -r;
		fatal("loop");
	}
	loop_free(p.loop);
	return r;
}
