/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/workers.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOG_MODULE "workers"
#include "base/log.h"
#include "core/egress.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/ingress.h"
#include "core/privcli.h"
#include "core/transport.h"
#include "core/worker.h"
#include "varp/varp.h"

#define PACKETS	    4096 /* of each; memory is touched only as they are used */
#define HANDED_ONCE 64	 /* of one worker, before others get their turn */

struct workers {
	struct engine *engine;
	unsigned n; /* with the engine's thread */
	struct routes routes;
	int wake_fd; /* something is handed over */
	struct loop_fd watch;
	/* They wait until they may run. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned ready;
	bool run;
	atomic_bool stop;
	struct worker *worker[LANES_MAX]; /* from 1 */
};

unsigned
workers_wanted(unsigned asked)
{
	cpu_set_t set;
	int n = 1;

	if (asked > 0)
		return asked;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n < LANES_MAX ? (unsigned)n : LANES_MAX;
}

unsigned
workers_count(const struct engine *e)
{
	return e->workers != NULL ? e->workers->n : 1;
}

/* --- what they hand over --- */

static struct packet *
copy_of(struct engine *e, const struct packet *p)
{
	struct packet *copy = packet_get_for(e->pool, p->len);
	uint8_t *at = copy != NULL ? packet_append(copy, p->len) : NULL;

	if (at == NULL) {
		stats_count(STAT_FRAME_NO_BUFFER);
		packet_put(copy);
		return NULL;
	}
	memcpy(at, p->data, p->len);
	copy->checked = p->checked;
	return copy;
}

/* A frame that was read before the vnet became another one goes nowhere. */
static void
handed_frame(struct engine *e, const struct handed *h, struct packet *p)
{
	struct vnet *v = vnet_by_vni(&e->vnets, h->vni);

	if (v == NULL || v->port == NULL || v->port->number != h->port)
		packet_put(p);
	else
		egress_frame(e, v, p, &h->hdr);
}

static void
handle(struct engine *e, const struct handed *h)
{
	struct packet *p = copy_of(e, h->packet);
	struct datagram d = {
		.packet = p, .from = h->from, .to = h->to, .multicast = h->multicast
	};

	if (p == NULL)
		return;
	d.segment = p->len > 0 ? p->len : 1;
	switch (h->kind) {
	case HANDED_FRAME:
		handed_frame(e, h, p);
		break;
	case HANDED_DATAGRAM:
		ingress_datagram(e, &d);
		break;
	case HANDED_OPENED:
		ingress_opened(e, h->spi, &h->opened, &d);
		break;
	}
}

/* What a worker's frames cause is sealed with its SAs, so that a flow stays on one of them. */
static bool
handle_some(struct engine *e, struct worker *w)
{
	const struct handed *h;
	size_t n = 0;

	e->output.lane = w->lane;
	for (; n < HANDED_ONCE && (h = handover_peek(&w->handover, n)) != NULL; n++)
		handle(e, h);
	ingress_flush(e);
	exchange_flush(e);
	egress_flush(e);
	e->output.lane = 0;
	handover_done(&w->handover, n);
	return handover_peek(&w->handover, 0) != NULL;
}

static void
handed_over(void *arg, uint32_t events)
{
	struct workers *ws = arg;
	uint64_t count = 1;
	bool more = false;

	(void)events;
	(void)!read(ws->wake_fd, &count, sizeof(count));
	for (unsigned i = 1; i < ws->n; i++)
		more |= handle_some(ws->engine, ws->worker[i]);
	count = 1;
	if (more)
		(void)!write(ws->wake_fd, &count, sizeof(count));
}

/* --- threads --- */

static void
received(void *arg, const struct datagram *d)
{
	input_datagram(&((struct worker *)arg)->input, d);
}

static void
batch_done(void *arg)
{
	input_flush(&((struct worker *)arg)->input);
}

static struct worker *
worker_new(struct workers *ws, unsigned lane, bool merge_udp)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct engine *e = ws->engine;
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->lane = lane;
	w->assocs = &e->assocs;
	w->routes = &ws->routes;
	w->grace = &e->grace;
	w->engine_fd = ws->wake_fd;
	w->pool = packet_pool_new(PACKETS);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev.data.ptr = w;
	if (w->pool == NULL || w->epoll_fd < 0 || w->wake_fd < 0 ||
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &ev) < 0)
		return NULL;
	input_init(&w->input, w->pool, merge_udp, worker_esp, worker_other, w);
	return w;
}

struct workers *
workers_new(struct engine *e, unsigned n, bool merge_udp)
{
	struct workers *ws = calloc(1, sizeof(*ws));

	if (ws == NULL)
		return NULL;
	ws->engine = e;
	ws->n = n;
	pthread_mutex_init(&ws->lock, NULL);
	pthread_cond_init(&ws->changed, NULL);
	ws->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ws->wake_fd < 0 || routes_init(&ws->routes, &e->grace) < 0)
		return NULL;
	for (unsigned i = 1; i < n; i++) {
		ws->worker[i] = worker_new(ws, i, merge_udp);
		if (ws->worker[i] == NULL)
			return NULL;
	}
	return ws;
}

struct start {
	struct workers *workers;
	struct worker *worker;
};

static void *
thread_main(void *arg)
{
	const struct start *start = arg;
	struct workers *ws = start->workers;
	struct worker *w = start->worker;
	bool run;

	stats_thread(&w->stats);
	cipher_thread_init();
	pthread_mutex_lock(&ws->lock);
	ws->ready++;
	pthread_cond_broadcast(&ws->changed);
	while (!ws->run && !atomic_load(&ws->stop))
		pthread_cond_wait(&ws->changed, &ws->lock);
	run = ws->run;
	pthread_mutex_unlock(&ws->lock);
	if (run)
		worker_run(w, &ws->stop);
	cipher_thread_fini();
	return NULL;
}

void
workers_make_threads(void *arg)
{
	static struct start starts[LANES_MAX];
	struct workers *ws = arg;
	sigset_t all, before;
	int err = 0;

	/* Signals are for the first thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 1; i < ws->n && err == 0; i++) {
		starts[i] = (struct start){ ws, ws->worker[i] };
		err = pthread_create(&ws->worker[i]->thread, NULL, thread_main, &starts[i]);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0)
		role_fail("cannot start worker threads: %s", strerrordesc_np(err));
	pthread_mutex_lock(&ws->lock);
	while (ws->ready + 1 < ws->n)
		pthread_cond_wait(&ws->changed, &ws->lock);
	pthread_mutex_unlock(&ws->lock);
}

static int
open_sockets(struct engine *e, struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int udp4 = -1, udp6 = -1, err;

	err = privcli_lane_open(e->priv, PRIV_KEEP_UDP4, "", w->lane, &udp4);
	if (err == 0 && transport_fd6(e->transport) >= 0)
		err = privcli_lane_open(e->priv, PRIV_KEEP_UDP6, "", w->lane, &udp6);
	if (err < 0)
		return err;
	w->transport = transport_new(w->pool, udp4, udp6, received, batch_done, w);
	if (w->transport == NULL)
		return -ENOMEM;
	w->output = (struct output){ .pool = w->pool, .transport = w->transport, .lane = w->lane };
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, udp4, &ev) < 0 ||
	    (udp6 >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, udp6, &ev) < 0))
		return -errno;
	return 0;
}

int
workers_run(struct engine *e)
{
	struct workers *ws = e->workers;
	int err = loop_watch(e->loop, &ws->watch, ws->wake_fd, EPOLLIN, handed_over, ws);

	for (unsigned i = 1; i < ws->n && err == 0; i++)
		err = open_sockets(e, ws->worker[i]);
	if (err < 0)
		return err;
	pthread_mutex_lock(&ws->lock);
	ws->run = true;
	pthread_cond_broadcast(&ws->changed);
	pthread_mutex_unlock(&ws->lock);
	return 0;
}

void
workers_stop(struct workers *ws)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&ws->lock);
	atomic_store(&ws->stop, true);
	pthread_cond_broadcast(&ws->changed);
	pthread_mutex_unlock(&ws->lock);
	for (unsigned i = 1; i < ws->n; i++) {
		(void)!write(ws->worker[i]->wake_fd, &one, sizeof(one));
		pthread_join(ws->worker[i]->thread, NULL);
	}
}

/* --- vnets --- */

/* Without one the device has fewer queues, and the other workers read more. */
static void
open_queues(struct engine *e, struct vnet *v)
{
	for (unsigned i = 1; i < e->workers->n; i++) {
		if (v->lanes[i] > 0 ||
		    privcli_lane_open(e->priv, PRIV_KEEP_TAP, v->spec.ifname, i, &v->lanes[i]) == 0)
			continue;
		log_warnx(
		    "device %s has %u queues only: %s", v->spec.ifname, i, privcli_error(e->priv));
		return;
	}
}

void
workers_vnet_start(struct engine *e, struct vnet *v)
{
	struct workers *ws = e->workers;
	struct port *p;

	if (ws == NULL || v->port != NULL || v->tap < 0 || v->group == NULL)
		return;
	open_queues(e, v);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		fatalx("out of memory"); /* nobody would read the queues */
	p->vni = v->vni;
	p->group = v->group->number;
	p->hub = v->hubs > 0;
	for (unsigned i = 0; i < ws->n; i++) {
		p->queues[i].own = i > 0 && v->lanes[i] > 0;
		p->queues[i].tap = p->queues[i].own ? v->lanes[i] : v->tap;
	}
	v->port = p;
	routes_port_add(&ws->routes, p);
	for (unsigned i = 1; i < ws->n; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &p->queues[i] };

		if (p->queues[i].own &&
		    epoll_ctl(ws->worker[i]->epoll_fd, EPOLL_CTL_ADD, p->queues[i].tap, &ev) < 0)
			fatal("cannot watch a queue of device %s", v->spec.ifname);
	}
}

void
workers_vnet_stop(struct engine *e, struct vnet *v)
{
	struct workers *ws = e->workers;
	struct port *p = v->port;

	if (p == NULL)
		return;
	for (unsigned i = 1; i < ws->n; i++)
		if (p->queues[i].own)
			(void)epoll_ctl(ws->worker[i]->epoll_fd, EPOLL_CTL_DEL, p->queues[i].tap,
			    NULL); /* its worker may have done that */
	routes_port_remove(&ws->routes, p);
	grace_wait(&e->grace);
	v->port = NULL;
	free(p);
}

void
workers_vnet_changed(struct engine *e, struct vnet *v)
{
	if (v->port == NULL || v->port->hub == (v->hubs > 0))
		return;
	workers_vnet_stop(e, v);
	workers_vnet_start(e, v);
}

void
workers_vnet_close(struct vnet *v)
{
	for (unsigned i = 1; i < LANES_MAX; i++) {
		if (v->lanes[i] > 0)
			close(v->lanes[i]);
		v->lanes[i] = 0;
	}
}

void
workers_keep_all(struct engine *e)
{
	struct workers *ws = e->workers;

	for (unsigned i = 1; ws != NULL && i < ws->n; i++) {
		struct transport *t = ws->worker[i]->transport;

		(void)privcli_lane_keep(e->priv, PRIV_KEEP_UDP4, "", i, transport_fd4(t));
		if (transport_fd6(t) >= 0)
			(void)privcli_lane_keep(e->priv, PRIV_KEEP_UDP6, "", i, transport_fd6(t));
		for (struct vnet *v = e->vnets.first; v != NULL; v = v->next)
			if (v->lanes[i] > 0)
				(void)privcli_lane_keep(
				    e->priv, PRIV_KEEP_TAP, v->spec.ifname, i, v->lanes[i]);
	}
}

/* --- MACs --- */

void
workers_learn(struct engine *e, const struct vnet *v, const struct macaddr *mac)
{
	const struct member *m;
	struct varp_route r;

	if (v->port == NULL || v->port->hub)
		return;
	r = varp_lookup(e->varp, v->vni, mac);
	m = r.via;
	if (r.where == VARP_LOCAL)
		routes_learn(&e->workers->routes, v->vni, mac, NULL, 0);
	else if (r.where == VARP_REMOTE && !m->assoc->plain)
		routes_learn(&e->workers->routes, v->vni, mac, m->assoc, m->label);
}

void
workers_forget(struct engine *e, uint32_t vni, const struct macaddr *mac)
{
	if (e->workers != NULL)
		routes_forget(&e->workers->routes, vni, mac);
}

void
workers_forget_member(struct engine *e, const struct vnet *v, const struct assoc *a)
{
	if (e->workers != NULL)
		routes_forget_assoc(&e->workers->routes, v->vni, a);
}

struct monotime
workers_heard(const struct engine *e, uint32_t vni, const struct macaddr *mac)
{
	const struct route *r = e->workers != NULL ? routes_find(&e->workers->routes, vni, mac)
						   : NULL;

	return r != NULL ? atomic_load_explicit(&r->heard, memory_order_relaxed)
			 : (struct monotime){ 0 };
}
