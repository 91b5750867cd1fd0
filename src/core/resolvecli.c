/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LOG_MODULE "resolve"
#include "base/ipc.h"
#include "base/log.h"
#include "core/resolvecli.h"

struct question {
	struct question *next;
	struct resolve_query query;
};

struct resolvecli {
	struct loop *loop;
	struct loop_fd watch;
	int fd;
	resolvecli_fn *fn;
	void *arg;
	struct question *first, **last; /* the first one is out */
	size_t n;
	uint32_t seq;
};

static void
hang_up(struct resolvecli *r)
{
	if (r->fd < 0)
		return;
	loop_unwatch(r->loop, &r->watch);
	close(r->fd);
	r->fd = -1;
}

static void
ask_first(struct resolvecli *r)
{
	if (r->first != NULL && r->fd >= 0)
		(void)ipc_send(
		    r->fd, RESOLVE_QUERY, ++r->seq, &r->first->query, sizeof(r->first->query), -1);
}

static void
answer(struct resolvecli *r, const struct ipc_msg *m)
{
	const struct resolve_answer *a = resolvemsg_answer(m);
	struct question *q = r->first;

	if (a == NULL)
		fatalx("the resolve process sent message %u of %zu bytes", m->type, m->len);
	if (q == NULL || m->seq != r->seq)
		return;
	r->first = q->next;
	if (r->first == NULL)
		r->last = &r->first;
	r->n--;
	ask_first(r);
	r->fn(r->arg, q->query.name, a);
	free(q);
}

static void
readable(void *arg, uint32_t events)
{
	struct resolvecli *r = arg;
	static struct ipc_msg m;

	(void)events;
	while (r->fd >= 0) {
		int err = ipc_recv(r->fd, &m);

		if (err == -EAGAIN)
			return;
		if (err < 0) {
			hang_up(r);
			return;
		}
		answer(r, &m);
		ipc_msg_done(&m);
	}
}

struct resolvecli *
resolvecli_new(struct loop *loop, int fd, resolvecli_fn *fn, void *arg)
{
	struct resolvecli *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->loop = loop;
	r->fn = fn;
	r->arg = arg;
	r->fd = -1;
	r->last = &r->first;
	resolvecli_replace(r, fd);
	return r;
}

void
resolvecli_replace(struct resolvecli *r, int fd)
{
	hang_up(r);
	r->fd = fd;
	if (fd >= 0 && loop_watch(r->loop, &r->watch, fd, EPOLLIN, readable, r) < 0)
		fatalx("cannot watch the channel to the resolve process");
	ask_first(r);
}

void
resolvecli_free(struct resolvecli *r)
{
	struct question *q;

	if (r == NULL)
		return;
	hang_up(r);
	while ((q = r->first) != NULL) {
		r->first = q->next;
		free(q);
	}
	free(r);
}

bool
resolvecli_ask(struct resolvecli *r, const char *name)
{
	struct question *q;

	if (r->n >= RESOLVECLI_MAX || strlen(name) >= sizeof(q->query.name))
		return false;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return false;
	strcpy(q->query.name, name);
	*r->last = q;
	r->last = &q->next;
	if (r->n++ == 0)
		ask_first(r);
	return true;
}
