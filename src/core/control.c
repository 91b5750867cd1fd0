/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_MODULE "control"
#include "base/log.h"
#include "core/control.h"
#include "core/engine.h"
#include "core/stats.h"

struct session {
	struct session *next;
	struct control *control;
	int fd;
	struct loop_fd watch;
	struct sxp_parser *parser;
	char in[4096];
	size_t in_len, in_pos;
	struct sxp_out out; /* answers; sent up to out_pos */
	size_t out_pos;
	struct request request; /* waiting ones keep their state here */
	bool waiting;
	bool closing; /* after what is left in out */
	uint64_t token;
	struct monotime active;
	uid_t uid;
	pid_t pid;
};

struct control {
	struct engine *engine;
	int fd;
	struct loop_fd watch;
	struct session *sessions;
	unsigned n;
	uint64_t tokens;
};

static void
session_close(struct session *s)
{
	struct session **at = &s->control->sessions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->control->n--;
	loop_unwatch(s->control->engine->loop, &s->watch);
	close(s->fd);
	sxp_parser_free(s->parser);
	explicit_bzero(s->in, sizeof(s->in)); /* vn sa-add */
	if (s->out.text != NULL)
		explicit_bzero(s->out.text, s->out.size); /* vn sas --keys */
	sxp_out_free(&s->out);
	free(s);
}

static void
session_watch(struct session *s)
{
	uint32_t events = 0;

	if (s->out_pos < s->out.len || s->out.bad)
		events |= EPOLLOUT;
	else if (!s->waiting && !s->closing)
		events |= EPOLLIN;
	loop_change(s->control->engine->loop, &s->watch, events);
}

/* False: the session is gone. */
static bool
session_flush(struct session *s)
{
	if (s->out.bad) {
		session_close(s);
		return false;
	}
	while (s->out_pos < s->out.len) {
		ssize_t n = send(s->fd, s->out.text + s->out_pos, s->out.len - s->out_pos,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n < 0) {
			session_close(s);
			return false;
		}
		s->out_pos += (size_t)n;
	}
	if (s->out.text != NULL)
		explicit_bzero(s->out.text, s->out.size);
	sxp_out_free(&s->out);
	s->out = (struct sxp_out){ 0 };
	s->out_pos = 0;
	if (s->closing) {
		session_close(s);
		return false;
	}
	return true;
}

static void
answer(struct session *s, bool ok)
{
	const struct request *r = &s->request;

	if (ok) {
		sxp_out_open(&s->out, "ok");
	} else {
		sxp_out_open(&s->out, "error");
		sxp_out_kv(&s->out, "object", r->object);
		sxp_out_kv(&s->out, "reason", r->reason);
		sxp_out_kv(&s->out, "code", r->code);
	}
	sxp_out_close(&s->out);
	s->waiting = false;
}

static void
session_request(struct session *s, const struct sxp *expr)
{
	struct request *r = &s->request;
	bool ok;

	memset(r, 0, sizeof(*r));
	r->engine = s->control->engine;
	r->expr = expr;
	r->out = &s->out;
	r->uid = s->uid;
	r->pid = s->pid;
	r->token = s->token;
	r->code = "refused";
	snprintf(r->object, sizeof(r->object), "%.90s", sxp_name(expr));
	ok = command_run(r);
	r->expr = NULL;
	if (ok && (r->wait_store != 0 || r->wait_event))
		s->waiting = true;
	else
		answer(s, ok);
}

/*
 * What the client sent is no expression: it is told, and the connection ends, since nobody knows
 * where the next one starts.
 */
static void
session_garbage(struct session *s)
{
	struct request *r = &s->request;

	stats_count(STAT_CONTROL_GARBAGE);
	memset(r, 0, sizeof(*r));
	r->code = "usage";
	snprintf(r->object, sizeof(r->object), "request");
	snprintf(r->reason, sizeof(r->reason), "line %u: %s", sxp_parser_line(s->parser),
	    sxp_parser_error(s->parser));
	answer(s, false);
	s->closing = true;
}

/* Looks at what has come in, up to one request. */
static void
session_step(struct session *s)
{
	struct sxp *expr = NULL;
	size_t used = 0;
	int got = sxp_parser_feed(
	    s->parser, s->in + s->in_pos, s->in_len - s->in_pos, &used, &expr);

	s->in_pos += got == 0 ? s->in_len - s->in_pos : used;
	if (got < 0)
		session_garbage(s);
	else if (got == 1)
		session_request(s, expr);
	sxp_free(expr);
}

/*
 * Requests that are complete, one after the other; a client must read one answer before the next
 * request is looked at.
 */
static void
session_run(struct session *s)
{
	while (session_flush(s)) {
		if (s->out_pos < s->out.len || s->waiting || s->in_pos == s->in_len) {
			session_watch(s);
			return;
		}
		session_step(s);
	}
}

static void
session_event(void *arg, uint32_t events)
{
	struct session *s = arg;
	ssize_t n;

	s->active = engine_now(s->control->engine);
	if (s->out_pos < s->out.len || s->out.bad) {
		session_run(s);
		return;
	}
	if ((events & EPOLLIN) == 0 && (events & (EPOLLHUP | EPOLLERR)) != 0) {
		session_close(s);
		return;
	}
	n = recv(s->fd, s->in, sizeof(s->in), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		session_close(s);
		return;
	}
	s->in_len = (size_t)n;
	s->in_pos = 0;
	session_run(s);
}

/* --- new ones --- */

static bool
make_room(struct control *c)
{
	struct session *oldest = NULL;

	if (c->n < CONTROL_SESSIONS_MAX)
		return true;
	for (struct session *s = c->sessions; s != NULL; s = s->next)
		if (!s->waiting && (oldest == NULL || monotime_before(s->active, oldest->active)))
			oldest = s;
	if (oldest == NULL ||
	    monotime_diff_ms(engine_now(c->engine), oldest->active) < CONTROL_IDLE_MS)
		return false;
	session_close(oldest);
	return true;
}

static void
session_new(struct control *c, int fd)
{
	struct ucred cred = { .uid = (uid_t)-1, .pid = 0 };
	socklen_t len = sizeof(cred);
	struct session *s = NULL;

	if (make_room(c) && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		s = calloc(1, sizeof(*s));
	if (s == NULL || (s->parser = sxp_parser_new(CONTROL_REQUEST_MAX)) == NULL) {
		stats_count(STAT_CONTROL_BUSY);
		free(s);
		close(fd);
		return;
	}
	s->control = c;
	s->fd = fd;
	s->uid = cred.uid;
	s->pid = cred.pid;
	s->token = ++c->tokens;
	s->active = engine_now(c->engine);
	s->next = c->sessions;
	c->sessions = s;
	c->n++;
	stats_count(STAT_CONTROL_CLIENTS);
	if (loop_watch(c->engine->loop, &s->watch, fd, EPOLLIN, session_event, s) < 0)
		session_close(s);
}

static void
acceptable(void *arg, uint32_t events)
{
	struct control *c = arg;

	(void)events;
	for (int i = 0; i < 16; i++) {
		/* cppcheck-suppress nullPointer; the address of a Unix client is of no use */
		int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		session_new(c, fd);
	}
}

struct control *
control_new(struct engine *e, int listen_fd)
{
	struct control *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->engine = e;
	c->fd = listen_fd;
	if (loop_watch(e->loop, &c->watch, listen_fd, EPOLLIN, acceptable, c) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	while (c->sessions != NULL)
		session_close(c->sessions);
	loop_unwatch(c->engine->loop, &c->watch);
	close(c->fd);
	free(c);
}

/* --- answers that come later --- */

/* Sent, and the next request looked at, from the loop: the caller may be amid what that changes. */
static void
session_finish(struct session *s, const char *reason)
{
	if (reason != NULL)
		snprintf(s->request.reason, sizeof(s->request.reason), "%s", reason);
	answer(s, reason == NULL);
	session_watch(s);
}

void
control_stored(struct engine *e, uint64_t number, int error)
{
	char reason[160];

	if (e->control == NULL)
		return;
	snprintf(reason, sizeof(reason),
	    "done, but it could not be stored and will not survive a restart: %s",
	    strerror(-error));
	for (struct session *s = e->control->sessions; s != NULL; s = s->next)
		if (s->waiting && s->request.wait_store != 0 && s->request.wait_store <= number)
			session_finish(s, error < 0 ? reason : NULL);
}

void
control_event(struct engine *e, uint64_t token, const char *reason, uint64_t store)
{
	for (struct session *s = e->control->sessions; s != NULL; s = s->next) {
		if (s->token != token || !s->waiting || !s->request.wait_event)
			continue;
		s->request.wait_event = false;
		s->request.wait_store = store;
		if (reason != NULL || store == 0)
			session_finish(s, reason);
		return;
	}
}

void
control_keys_restarted(struct engine *e)
{
	struct session *next; /* one that is answered may be closed and freed */

	for (struct session *s = e->control->sessions; s != NULL; s = next) {
		next = s->next;
		if (s->waiting && s->request.wait_event && s->request.wait_keys)
			session_finish(
			    s, "the keys process was restarted before it answered; see vn keys");
	}
}
