/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LOG_MODULE "keys"
#include "base/ipc.h"
#include "base/log.h"
#include "core/keyscli.h"

struct keyscli {
	struct loop *loop;
	struct loop_fd watch;
	int fd; /* -1: away */
	const struct keyscli_ops *ops;
	void *arg;
	struct key_info list[KEYRING_MAX]; /* being received */
	size_t n;
};

static void
hang_up(struct keyscli *k)
{
	if (k->fd < 0)
		return;
	loop_unwatch(k->loop, &k->watch);
	close(k->fd);
	k->fd = -1;
}

/* False: not a message of the contract. */
static bool
dispatch(struct keyscli *k, const struct ipc_msg *m)
{
	const void *b = m->body;

	if (!keysmsg_answer_valid(m))
		return false;
	switch ((enum keys_msg)m->type) {
	case KEYS_KEY:
		if (k->n == KEYRING_MAX)
			return false;
		memcpy(&k->list[k->n++], b, sizeof(struct key_info));
		break;
	case KEYS_LIST_END:
		k->ops->list(k->arg, k->list, k->n);
		k->n = 0;
		break;
	case KEYS_INITIATED:
		k->ops->initiated(k->arg, m->seq, b);
		break;
	case KEYS_RESPONDED:
		k->ops->responded(k->arg, m->seq, b);
		break;
	case KEYS_FINISHED:
		k->ops->finished(k->arg, m->seq, b);
		break;
	default:
		k->ops->done(k->arg, m->seq, b);
		break;
	}
	return true;
}

static void
readable(void *arg, uint32_t events)
{
	struct keyscli *k = arg;
	static struct ipc_msg m; /* 4 KB that may hold keys: one place to wipe */

	(void)events;
	for (int i = 0; i < 64 && k->fd >= 0; i++) {
		int err = ipc_recv(k->fd, &m);

		if (err == -EAGAIN)
			return;
		if (err < 0) {
			hang_up(k); /* the parent starts another one and sends its channel */
			return;
		}
		if (!dispatch(k, &m))
			fatalx("the keys process sent message %u of %zu bytes", m.type, m.len);
		ipc_msg_done(&m);
	}
}

struct keyscli *
keyscli_new(struct loop *loop, int fd, const struct keyscli_ops *ops, void *arg)
{
	struct keyscli *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->loop = loop;
	k->ops = ops;
	k->arg = arg;
	k->fd = -1;
	keyscli_replace(k, fd);
	return k;
}

void
keyscli_replace(struct keyscli *k, int fd)
{
	hang_up(k);
	k->n = 0;
	k->fd = fd;
	if (fd >= 0 && loop_watch(k->loop, &k->watch, fd, EPOLLIN, readable, k) < 0)
		fatalx("cannot watch the channel to the keys process");
}

void
keyscli_free(struct keyscli *k)
{
	if (k == NULL)
		return;
	hang_up(k);
	free(k);
}

bool
keyscli_ask(struct keyscli *k, enum keys_msg type, uint32_t token, const void *body, size_t len)
{
	return k->fd >= 0 && ipc_send(k->fd, type, token, body, len, -1) == 0;
}
