/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control socket of a whole engine: its priv is a thread that does nothing but say yes or no,
 * keys the real one without files, and its UDP socket goes nowhere. The first byte of the input
 * says which of eight calls in turn priv refuses; the rest is what two clients send, by turns from
 * one byte 0xff to the next. Each request must be answered once, each request to priv must be one
 * it takes, and each state that is stored must read back without an error.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/config.h"
#include "core/control.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/hosts.h"
#include "core/keyscli.h"
#include "core/linkmon.h"
#include "core/manual.h"
#include "core/offload.h"
#include "core/privcli.h"
#include "core/privmsg.h"
#include "core/ratelimit.h"
#include "core/resolvecli.h"
#include "core/state.h"
#include "core/transport.h"
#include "core/vnetctl.h"
#include "fuzz.h"
#include "keys/keysd.h"
#include "varp/varp.h"

#define CLIENTS 2
/* Commands that can be refused, and the others. */
#define SOME(X)          \
	X("key.gen")     \
	X("key.retire")  \
	X("offload")     \
	X("peer.add")    \
	X("peer.del")    \
	X("sa.add")      \
	X("sa.del")      \
	X("varp.mcaddr") \
	X("vif.add")     \
	X("vif.del")     \
	X("vnet.add")    \
	X("vnet.del")    \
	X("vnet.list")   \
	X("vnet.set")
#define ALWAYS(X)        \
	X("bridge.list") \
	X("key.list")    \
	X("key.reload")  \
	X("peer.list")   \
	X("sa.list")     \
	X("stats")       \
	X("status")      \
	X("varp.flush")  \
	X("varp.list")   \
	X("varp.print")  \
	X("vif.list")    \
	X("vnet.stored")

enum { GARBAGE, UNKNOWN, PRIV_SAID_NO, TWO_CLIENTS, FIRST_REFUSED };

const char *const fuzz_classes[] = {
	[GARBAGE] = "no expression",
	[UNKNOWN] = "no such command",
	[PRIV_SAID_NO] = "priv refused",
	[TWO_CLIENTS] = "two clients",
#define X(name) name " refused",
	SOME(X)
#undef X
#define X(name) name,
	    SOME(X) ALWAYS(X)
#undef X
		NULL,
};

#define X(name) +1
enum { FIRST_DONE = FIRST_REFUSED SOME(X), N_NAMES = SOME(X) ALWAYS(X) };
#undef X

static void
expect(bool right)
{
	if (!right)
		abort();
}

/* --- priv --- */

struct priv_double {
	pthread_t thread;
	int fd;
	uint8_t refuse; /* a bit for each of eight calls in turn */
	unsigned calls;
	bool refused;
};

static void
no_error(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg, (void)file, (void)line, (void)text;
	abort();
}

/* What the next engine would read at its start. */
static void
check_state(int fd, size_t len)
{
	char *text = malloc(len + 1);
	struct config c;

	expect(text != NULL && pread(fd, text, len, 0) == (ssize_t)len);
	config_parse(text, len, "state", true, &c, no_error, NULL);
	config_free(&c);
	free(text);
}

/* The engine goes without waiting for what it asked of the kernel's path. */
static bool
is_gone(int err)
{
	return err == -EPIPE || err == -ECONNRESET;
}

static void
priv_answer(struct priv_double *p, const struct ipc_msg *m)
{
	struct priv_answer a = { .ifindex = 1000000 + p->calls };
	int fd = -1, err;

	expect(privmsg_error(m) == NULL);
	if (p->refuse >> p->calls++ % 8 & 1) {
		p->refused = true;
		a.error = privmsg_refuse(&a, -EPERM, "no");
	} else if (m->type == PRIV_TAP_OPEN || m->type == PRIV_ESP_SOCKET) {
		fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	} else if (m->type == PRIV_NUMBERS) {
		fd = memfd_create("numbers", MFD_CLOEXEC);
		expect(fd >= 0 && ftruncate(fd, sizeof(struct priv_numbers)) == 0);
	} else if (m->type == PRIV_STATE_STORE) {
		const struct priv_blob *q = (const void *)m->body;

		a.number = q->number;
		check_state(m->fd, q->len);
	}
	err = ipc_send(p->fd, PRIV_ANSWER, m->seq, &a, sizeof(a), fd);
	expect(err == 0 || is_gone(err));
	if (fd >= 0)
		close(fd);
}

static void *
priv_run(void *arg)
{
	struct priv_double *p = arg;
	static struct ipc_msg m;
	int err;

	while ((err = ipc_recv_wait(p->fd, &m, 60000)) == 0) {
		priv_answer(p, &m);
		ipc_msg_done(&m);
	}
	expect(is_gone(err));
	return NULL;
}

/* --- the engine --- */

struct world {
	struct engine e;
	struct priv_double priv;
	struct keysd *keysd;
	int keys, resolve;
	struct sockaddr_un addr;
	socklen_t addr_len;
};

static void
assoc_event(void *arg, struct assoc *a)
{
	(void)arg, (void)a;
}

/* There is nobody to have an association with. */
static const struct assocs_ops assocs_ops = { .down = assoc_event, .gone = assoc_event };

static void
keys_list(void *arg, const struct key_info *keys, size_t n)
{
	struct engine *e = arg;

	memcpy(e->groups.keys, keys, n * sizeof(*keys));
	e->groups.n_keys = n;
	e->groups.keys_known = true;
	vnetctl_keys_changed(e);
}

static void
keys_done(void *arg, uint32_t token, const struct keys_done *m)
{
	control_event(arg, token, m->error == 0 ? NULL : "the keys process said no", 0);
}

static const struct keyscli_ops keys_ops = { .list = keys_list, .done = keys_done };

static void
keys_send(void *arg, uint32_t type, uint32_t seq, const void *body, size_t len)
{
	const struct world *w = arg;

	expect(ipc_send(w->keys, type, seq, body, len, -1) == 0);
}

static void
resolved(void *arg, const char *name, const struct resolve_answer *answer)
{
	target_resolved(arg, name, answer);
}

static void
received(void *arg, const struct datagram *d)
{
	(void)arg, (void)d;
	abort();
}

static void
idle(void *arg)
{
	(void)arg;
}

static int
listening(struct world *w)
{
	struct sockaddr_un *a = &w->addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	a->sun_family = AF_UNIX;
	w->addr_len = sizeof(*a);
	/* The kernel chooses a name. */
	expect(fd >= 0 && bind(fd, (const void *)a, sizeof(a->sun_family)) == 0);
	expect(listen(fd, CLIENTS) == 0 && getsockname(fd, (void *)a, &w->addr_len) == 0);
	return fd;
}

static int
pair_with(int *other)
{
	int fds[2];

	expect(ipc_pair(fds) == 0);
	*other = fds[1];
	return fds[0];
}

static void
links_changed(void *arg)
{
	(void)arg;
}

static void
world_make(struct world *w, uint8_t refuse)
{
	struct engine *e = &w->e;
	const struct assocs_config assocs = {
		.host_id = 1, .start = 1, .replay_window = 64, .n_spis = 1
	};
	const struct varp_config varp = { .entry_ttl_ms = 60000 };
	struct keyring *ring = noise_global_init() && cipher_global_init() ? keyring_new(-1) : NULL;
	struct offload_setup offload = {
		.assocs = &e->assocs, .vnets = &e->vnets, .mode = OFFLOAD_OFF, .kick = idle
	};
	int udp[2];

	*w = (struct world){ .e = { .host_id = 1, .start = 1 } };
	config_parse("", 0, "", false, &e->config, no_error, NULL);
	expect((e->loop = loop_new()) && (e->pool = packet_pool_new(4)));
	expect((e->links = linkmon_new(links_changed, e)) && linkmon_start(e->links, e->loop) == 0);
	expect(vnets_init(&e->vnets) == 0 && (e->hosts = hosts_new()) &&
	       (e->exchanges = exchanges_new(e)));
	expect((e->state = state_new()) && (e->strangers = ratelimit_new(16, 1, 1)));
	e->priv = privcli_new(e->loop, pair_with(&w->priv.fd), state_stored, e);
	e->keys = keyscli_new(e->loop, pair_with(&w->keys), &keys_ops, e);
	e->resolver = resolvecli_new(e->loop, pair_with(&w->resolve), resolved, e);
	/* A pair that nobody reads and that knows no addresses: nothing leaves. */
	expect(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, udp) == 0);
	close(udp[1]);
	e->transport = transport_new(e->pool, udp[0], -1, received, idle, e);
	e->varp = varp_new(&varp, e->host_id, &exchange_varp_ops, e);
	offload.priv = e->priv;
	expect(e->priv && e->keys && e->resolver && e->transport && e->varp);
	grace_init(&e->grace, 0);
	expect(
	    assocs_init(&e->assocs, &assocs, &e->groups, e->pool, &e->grace, &assocs_ops, e) == 0);
	offload.varp = e->varp;
	expect((e->offload = offload_new(&offload)) != NULL);
	e->output = (struct output){ .pool = e->pool, .transport = e->transport };
	expect((e->control = control_new(e, listening(w))) != NULL);
	expect(ring && (w->keysd = keysd_new(ring, keys_send, w)));
	w->priv.refuse = refuse;
	expect(pthread_create(&w->priv.thread, NULL, priv_run, &w->priv) == 0);
	keysd_send_list(w->keysd);
}

static void
world_free(struct world *w)
{
	struct engine *e = &w->e;
	char error[VNETCTL_ERROR_MAX];

	w->priv.refuse = 0; /* the thread waits: nothing has been asked */
	while (e->vnets.first)
		expect(vnetctl_delete(e, e->vnets.first, false, error) == 0);
	manual_fini(e);
	offload_free(e->offload);
	e->offload = NULL;
	control_free(e->control);
	privcli_free(e->priv);
	pthread_join(w->priv.thread, NULL);
	keyscli_free(e->keys);
	resolvecli_free(e->resolver);
	hosts_free(e->hosts);
	assocs_fini(&e->assocs);
	varp_free(e->varp);
	transport_free(e->transport);
	exchanges_free(e->exchanges);
	state_free(e->state);
	ratelimit_free(e->strangers);
	vnets_fini(&e->vnets);
	linkmon_free(e->links);
	config_free(&e->config);
	keysd_free(w->keysd);
	close(w->priv.fd);
	close(w->keys);
	close(w->resolve);
	loop_timer_cancel(e->loop, &e->timer);
	packet_pool_free(e->pool);
	loop_free(e->loop);
}

/* What the engine does at the end of a round, as far as it concerns commands. */
static void
tick(void *arg)
{
	struct engine *e = arg;

	e->timer.when = (struct monotime){ 0 };
	hosts_tick(e, engine_now(e));
	manual_tick(e, engine_now(e));
	vnetctl_tick(e, engine_now(e));
	state_flush(e);
}

void
engine_kick(struct engine *e)
{
	(void)loop_timer_set(e->loop, &e->timer, engine_now(e), tick, e);
}

/* --- keys and resolve --- */

/* Keys whose names begin with a y can be made and retired. */
static void
keys_serve(struct world *w)
{
	const struct keys_done done = { 0 };
	static struct ipc_msg m;

	while (ipc_recv(w->keys, &m) == 0) {
		if ((m.type == KEYS_GENERATE || m.type == KEYS_RETIRE) && m.body[0] == 'y')
			keys_send(w, KEYS_DONE, m.seq, &done, sizeof(done));
		else
			expect(keysd_handle(w->keysd, &m, engine_now(&w->e)));
		ipc_msg_done(&m);
	}
}

/* Names with a y resolve. */
static void
resolve_serve(struct world *w)
{
	static struct ipc_msg m;

	while (ipc_recv(w->resolve, &m) == 0) {
		const struct resolve_query *q = ipc_body(&m, sizeof(*q));
		struct resolve_answer a = { .error = "no such name" };

		expect(m.type == RESOLVE_QUERY && q && memchr(q->name, '\0', sizeof(q->name)));
		if (strchr(q->name, 'y'))
			expect(ipaddr_parse("192.0.2.1", &a.addrs[a.n++]));
		expect(ipc_send(w->resolve, RESOLVE_ANSWER, m.seq, &a, sizeof(a), -1) == 0);
		ipc_msg_done(&m);
	}
}

/* --- clients --- */

struct client {
	int fd;
	bool used;
	struct sxp_parser *in;	/* what was sent, to know the requests */
	struct sxp_parser *out; /* what came */
	char (*names)[16];
	size_t n_names, answered;
	bool garbage, ended;
};

static void
client_make(const struct world *w, struct client *c)
{
	*c =
	    (struct client){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
	expect((c->in = sxp_parser_new(CONTROL_REQUEST_MAX)) && (c->out = sxp_parser_new(1 << 20)));
	expect(connect(c->fd, (const void *)&w->addr, w->addr_len) == 0);
}

static void
client_free(struct client *c)
{
	sxp_parser_free(c->in);
	sxp_parser_free(c->out);
	free(c->names);
	close(c->fd);
}

static void
note_request(struct client *c, const struct sxp *e)
{
	c->names = reallocarray(c->names, c->n_names + 1, sizeof(*c->names));
	expect(c->names != NULL);
	memset(c->names[c->n_names], 0, sizeof(*c->names));
	if (e)
		strncpy(c->names[c->n_names], sxp_name(e), sizeof(*c->names) - 1);
	c->n_names++;
}

static void
note_sent(struct client *c, const char *text, size_t len)
{
	while (len > 0 && !c->garbage) {
		struct sxp *e = NULL;
		size_t used = 0;
		int got = sxp_parser_feed(c->in, text, len, &used, &e);

		c->garbage = got < 0;
		if (got != 0)
			note_request(c, got > 0 ? e : NULL);
		sxp_free(e);
		text += got == 0 ? len : used;
		len -= got == 0 ? len : used;
	}
}

static void
saw_answer(const struct client *c, bool ok)
{
	const char *name = c->names[c->answered];

	if (c->garbage && c->answered + 1 == c->n_names) {
		expect(!ok);
		fuzz_saw(GARBAGE);
		return;
	}
	for (unsigned i = 0; i < N_NAMES; i++)
		if (strcmp(name, fuzz_classes[FIRST_DONE + i]) == 0) {
			expect(ok || FIRST_REFUSED + i < FIRST_DONE);
			fuzz_saw((ok ? FIRST_DONE : FIRST_REFUSED) + i);
			return;
		}
	expect(!ok);
	fuzz_saw(UNKNOWN);
}

static void
read_answers(struct client *c, const char *text, size_t len)
{
	while (len > 0) {
		struct sxp *e = NULL;
		size_t used = 0;
		int got = sxp_parser_feed(c->out, text, len, &used, &e);
		bool ok = got == 1 && strcmp(sxp_name(e), "ok") == 0;

		expect(got >= 0);
		if (ok || (got == 1 && strcmp(sxp_name(e), "error") == 0)) {
			expect(c->answered < c->n_names);
			expect(ok || (sxp_get(e, "object") && sxp_get(e, "reason") &&
					 sxp_get(e, "code")));
			saw_answer(c, ok);
			c->answered++;
		}
		sxp_free(e);
		text += used;
		len -= used;
	}
}

static void
client_read(struct client *c)
{
	char buf[8192];
	ssize_t n;

	while ((n = recv(c->fd, buf, sizeof(buf), 0)) > 0)
		read_answers(c, buf, (size_t)n);
	c->ended |= n == 0 || (errno != EAGAIN && errno != EINTR);
}

static bool
client_done(const struct client *c)
{
	return c->answered == c->n_names && c->ended == c->garbage;
}

static void
rounds(struct world *w, struct client *clients, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		expect(loop_once(w->e.loop, 0) == 0);
		for (unsigned j = 0; j < CLIENTS; j++)
			client_read(&clients[j]);
	}
}

static void
client_send(
    struct world *w, struct client *clients, struct client *c, const uint8_t *data, size_t len)
{
	note_sent(c, (const char *)data, len);
	while (len > 0) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EPIPE)
			break; /* it was told why */
		expect(n > 0 || errno == EAGAIN);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else { /* it waits for something else first */
			keys_serve(w);
			resolve_serve(w);
		}
		rounds(w, clients, 1);
	}
	rounds(w, clients, 3);
}

/* In about five seconds; only a lost answer takes so long. */
static void
wait_for_answers(struct world *w, struct client *clients)
{
	for (unsigned i = 0; i < 5000; i++) {
		if (client_done(&clients[0]) && client_done(&clients[1]))
			return;
		keys_serve(w);
		resolve_serve(w);
		expect(loop_once(w->e.loop, i < 100 ? 0 : 1) == 0);
		rounds(w, clients, 1);
	}
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct world w;
	struct client clients[CLIENTS];
	unsigned turn = 0;

	if (len == 0)
		return 0;
	world_make(&w, data[0]);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_make(&w, &clients[i]);
	for (data++, len--; len > 0; turn++) {
		const uint8_t *end = memchr(data, 0xff, len);
		size_t n = end ? (size_t)(end - data) : len;

		client_send(&w, clients, &clients[turn % CLIENTS], data, n);
		data += n + (end != NULL);
		len -= n + (end != NULL);
	}
	wait_for_answers(&w, clients);
	if (turn > 1)
		fuzz_saw(TWO_CLIENTS);
	if (w.priv.refused)
		fuzz_saw(PRIV_SAID_NO);
	world_free(&w);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_free(&clients[i]);
	return 0;
}
