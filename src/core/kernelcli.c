/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "kernelcli"

#include "core/kernelcli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "core/privcli_internal.h"

#define ON_THEIR_WAY_MAX 64
/* What came while a call waited for something else. Room is kept for the ends of all requests. */
#define NEWS_MAX 512

#define SHARED_LEN (KERNEL_SLOTS_MAX * sizeof(struct kernel_slot) + sizeof(struct kernel_drops))

struct request {
	uint32_t seq, token;
};

struct news {
	enum { FOUND, DONE, COUNTED, EVENT } type;
	uint32_t token;
	int error;
	union {
		char text[PRIV_TEXT_MAX];
		struct kernel_count count;
		struct kernel_event event;
	};
};

struct kernelcli {
	struct privcli *priv;
	const struct kernelcli_ops *ops;
	void *arg;
	struct request requests[ON_THEIR_WAY_MAX]; /* oldest first */
	size_t n_requests;
	struct news news[NEWS_MAX]; /* a ring */
	size_t first, n_news;
	struct kernel_finding found[KERNEL_ABILITIES];
	struct loop_timer tell;
	struct kernel_slot *slots; /* and the drops behind */
};

/* --- what is to be told --- */

static void
tell_one(struct kernelcli *k, const struct news *n)
{
	switch (n->type) {
	case FOUND:
		k->ops->found(k->arg, k->found);
		break;
	case DONE:
		k->ops->done(k->arg, n->token, n->error, n->text);
		break;
	case COUNTED:
		k->ops->counted(k->arg, n->token, &n->count);
		break;
	case EVENT:
		k->ops->event(k->arg, &n->event);
		break;
	}
}

static void
tell(void *arg)
{
	struct kernelcli *k = arg;

	while (k->n_news > 0) {
		struct news n = k->news[k->first];

		k->first = (k->first + 1) % NEWS_MAX;
		k->n_news--;
		tell_one(k, &n);
	}
}

static struct news *
add_news(struct kernelcli *k, int type)
{
	struct news *n = &k->news[(k->first + k->n_news++) % NEWS_MAX];

	memset(n, 0, sizeof(*n));
	n->type = type;
	if (loop_timer_set(
		privcli_loop(k->priv), &k->tell, loop_now(privcli_loop(k->priv)), tell, k) < 0)
		fatalx("no memory for a timer");
	return n;
}

static void
add_done(struct kernelcli *k, uint32_t token, int error, const char *text)
{
	struct news *n = add_news(k, DONE);

	n->token = token;
	n->error = error;
	snprintf(n->text, sizeof(n->text), "%.*s", (int)sizeof(n->text) - 1, text);
}

static void
add_event(struct kernelcli *k, const struct kernel_event *ev)
{
	/* Too many to remember one by one: nothing that they told of is relied on any longer. */
	static const struct kernel_event down = { .type = KERNEL_DOWN,
		.text = "too many events at once" };
	size_t left = NEWS_MAX - ON_THEIR_WAY_MAX - k->n_news;
	struct news *n;
	uint32_t seq;

	if (k->n_news + ON_THEIR_WAY_MAX >= NEWS_MAX)
		return;
	n = add_news(k, EVENT);
	n->event = left == 1 ? down : *ev;
	n->event.text[sizeof(n->event.text) - 1] = '\0';
	if (left == 1)
		(void)privcli_send(k->priv, PRIV_KERNEL_STOP, NULL, 0, &seq);
}

/* --- what comes from priv --- */

static void
map_slots(struct kernelcli *k, int fd)
{
	void *p = mmap(NULL, SHARED_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (k->slots)
		munmap(k->slots, SHARED_LEN);
	k->slots = p == MAP_FAILED ? NULL : p;
	close(fd);
}

static bool
take_request(struct kernelcli *k, uint32_t seq, uint32_t *token)
{
	for (size_t i = 0; i < k->n_requests; i++) {
		struct request *r = &k->requests[i];

		if (r->seq != seq)
			continue;
		*token = r->token;
		memmove(r, r + 1, (--k->n_requests - i) * sizeof(*r));
		return true;
	}
	return false;
}

static void
note_answer(struct kernelcli *k, struct ipc_msg *m, uint32_t token)
{
	const struct priv_answer *a = ipc_body(m, sizeof(*a));
	int fd = ipc_take_fd(m);

	if (fd >= 0)
		map_slots(k, fd);
	if (a)
		add_done(k, token, a->error, a->text);
	else
		add_done(k, token, -EPROTO, "an answer of a wrong length");
}

static void
note_found(struct kernelcli *k, const struct ipc_msg *m)
{
	const struct priv_found *f = ipc_body(m, sizeof(*f));

	if (!f)
		return;
	memcpy(k->found, f->found, sizeof(k->found));
	for (size_t i = 0; i < KERNEL_ABILITIES; i++)
		k->found[i].reason[KERNEL_REASON_MAX - 1] = '\0';
	add_news(k, FOUND);
}

static void
note_counted(struct kernelcli *k, const struct ipc_msg *m, uint32_t token)
{
	const struct kernel_count *c = ipc_body(m, sizeof(*c));
	struct news *n;

	if (!c)
		return;
	n = add_news(k, COUNTED);
	n->token = token;
	n->count = *c;
}

void
kernelcli_note(struct kernelcli *k, struct ipc_msg *m)
{
	const struct kernel_event *ev = ipc_body(m, sizeof(*ev));
	uint32_t token;

	if (!k)
		return;
	if (m->type == PRIV_KERNEL_EVENT) {
		if (ev)
			add_event(k, ev);
		return;
	}
	if (!take_request(k, m->seq, &token))
		return;
	if (m->type == PRIV_KERNEL_FOUND)
		note_found(k, m);
	else if (m->type == PRIV_KERNEL_COUNTED)
		note_counted(k, m, token);
	else if (m->type == PRIV_ANSWER)
		note_answer(k, m, token);
}

void
kernelcli_gone(struct kernelcli *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n_requests; i++)
		add_done(k, k->requests[i].token, -EPIPE, "the privileged process is gone");
	k->n_requests = 0;
}

void
kernelcli_free(struct kernelcli *k)
{
	if (!k)
		return;
	loop_timer_cancel(privcli_loop(k->priv), &k->tell);
	if (k->slots)
		munmap(k->slots, SHARED_LEN);
	free(k);
}

/* --- calls --- */

void
kernelcli_init(struct privcli *c, const struct kernelcli_ops *ops, void *arg)
{
	struct kernelcli *k = calloc(1, sizeof(*k));

	if (!k)
		fatalx("no memory for the kernel's path");
	k->priv = c;
	k->ops = ops;
	k->arg = arg;
	kernelcli_free(privcli_kernel(c));
	privcli_set_kernel(c, k);
}

struct kernel_slot *
kernelcli_slots(struct privcli *c)
{
	return privcli_kernel(c)->slots;
}

const struct kernel_drops *
kernelcli_drops(struct privcli *c)
{
	struct kernel_slot *slots = kernelcli_slots(c);

	return slots ? (const void *)(slots + KERNEL_SLOTS_MAX) : NULL;
}

static int
ask(struct privcli *c, enum priv_request type, uint32_t token, const void *body, size_t len)
{
	struct kernelcli *k = privcli_kernel(c);
	uint32_t seq;
	int err;

	if (k->n_requests == ON_THEIR_WAY_MAX || k->n_news + ON_THEIR_WAY_MAX > NEWS_MAX)
		return -EAGAIN;
	err = privcli_send(c, type, body, len, &seq);
	if (!err)
		k->requests[k->n_requests++] = (struct request){ seq, token };
	return err;
}

int
kernelcli_find(struct privcli *c)
{
	return ask(c, PRIV_KERNEL_FIND, 0, NULL, 0);
}

int
kernelcli_start(struct privcli *c, uint32_t token, bool secured)
{
	const struct priv_kernel_start q = { .secured = secured };

	return ask(c, PRIV_KERNEL_START, token, &q, sizeof(q));
}

int
kernelcli_stop(struct privcli *c, uint32_t token)
{
	return ask(c, PRIV_KERNEL_STOP, token, NULL, 0);
}

static int
ask_name(struct privcli *c, enum priv_request type, uint32_t token, const char *ifname)
{
	struct priv_name q = { 0 };

	/* A name that is too long loses its end, and priv refuses one without. */
	memcpy(q.ifname, ifname, strnlen(ifname, sizeof(q.ifname)));
	return ask(c, type, token, &q, sizeof(q));
}

int
kernelcli_vnet_add(struct privcli *c, uint32_t token, const char *ifname)
{
	return ask_name(c, PRIV_KERNEL_VNET_ADD, token, ifname);
}

int
kernelcli_vnet_delete(struct privcli *c, uint32_t token, const char *ifname)
{
	return ask_name(c, PRIV_KERNEL_VNET_DELETE, token, ifname);
}

int
kernelcli_peer_add(struct privcli *c, uint32_t token, const struct kernel_peer *p)
{
	return ask(c, PRIV_KERNEL_PEER_ADD, token, p, sizeof(*p));
}

int
kernelcli_peer_delete(struct privcli *c, uint32_t token, uint32_t number)
{
	const struct priv_kernel_number q = { number };

	return ask(c, PRIV_KERNEL_PEER_DELETE, token, &q, sizeof(q));
}

int
kernelcli_sa_add(struct privcli *c, uint32_t token, const struct kernel_sa *sa)
{
	return ask(c, PRIV_KERNEL_SA_ADD, token, sa, sizeof(*sa));
}

int
kernelcli_sa_delete(
    struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d, uint32_t spi)
{
	const struct priv_kernel_sa q = { peer, d, spi };

	return ask(c, PRIV_KERNEL_SA_DELETE, token, &q, sizeof(q));
}

int
kernelcli_sa_count(
    struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d, uint32_t spi)
{
	const struct priv_kernel_sa q = { peer, d, spi };

	return ask(c, PRIV_KERNEL_SA_COUNT, token, &q, sizeof(q));
}

int
kernelcli_sa_limit(struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d,
    uint32_t spi, const struct kernel_limits *limits)
{
	const struct priv_kernel_limit q = { { peer, d, spi }, *limits };

	return ask(c, PRIV_KERNEL_SA_LIMIT, token, &q, sizeof(q));
}

int
kernelcli_member_add(struct privcli *c, uint32_t token, const struct kernel_member *m)
{
	return ask(c, PRIV_KERNEL_MEMBER_ADD, token, m, sizeof(*m));
}

int
kernelcli_member_delete(struct privcli *c, uint32_t token, uint32_t peer, uint32_t vni)
{
	const struct priv_kernel_member q = { peer, vni };

	return ask(c, PRIV_KERNEL_MEMBER_DELETE, token, &q, sizeof(q));
}

int
kernelcli_flow_set(struct privcli *c, uint32_t token, const struct kernel_flow *f)
{
	return ask(c, PRIV_KERNEL_FLOW_SET, token, f, sizeof(*f));
}

int
kernelcli_flow_delete(
    struct privcli *c, uint32_t token, const char *ifname, const struct macaddr *mac)
{
	struct priv_kernel_flow q = { .mac = *mac };

	memcpy(q.ifname, ifname, strnlen(ifname, sizeof(q.ifname)));
	return ask(c, PRIV_KERNEL_FLOW_DELETE, token, &q, sizeof(q));
}

int
kernelcli_probe(struct privcli *c, uint32_t token, uint32_t peer, uint64_t nonce)
{
	const struct priv_kernel_probe q = { .peer = peer, .nonce = nonce };

	return ask(c, PRIV_KERNEL_PROBE, token, &q, sizeof(q));
}
