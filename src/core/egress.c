/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "base/segment.h"
#include "core/egress.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/fit.h"
#include "core/offload.h"
#include "core/output.h"
#include "core/plain.h"
#include "core/stats.h"
#include "core/tap.h"
#include "core/vnetctl.h"
#include "core/workers.h"
#include "varp/forward.h"

#define TAP_BATCH     64    /* reads from one device before others get their turn */
#define TOO_BIG_PER_S 20    /* answers to senders, of one vnet */
#define DISCARD_MAX   65536 /* more than any device queue holds */
#define QUEUE_HOLD_MS 3000  /* a frame waits no longer for the first member */
#define QUEUE_LEAVES  1024  /* packets of the pool that frames which wait leave to all else */

/* --- to one member --- */

void
egress_flush(struct engine *e)
{
	output_flush(&e->output, engine_now(e));
}

/* Only over the association of exactly that vnet's group: how frames of m go, or NULL. */
static const struct way *
way_to(const struct member *m)
{
	const struct way *w = atomic_load(&m->assoc->way);

	return w != NULL && w->group == m->vnet->group->number ? w : NULL;
}

void
egress_send(struct engine *e, struct member *m, struct packet *p)
{
	const struct way *w = way_to(m);

	if (w == NULL)
		packet_put(p);
	else
		output_frame(&e->output, w, m->label, p, engine_now(e));
}

void
egress_copy_one(struct engine *e, struct member *m, const struct packet *p)
{
	struct packet *copy = packet_get_for(e->pool, p->len);
	uint8_t *at = copy != NULL ? packet_append(copy, p->len) : NULL;

	if (at == NULL) {
		stats_count(STAT_FRAME_NO_BUFFER);
		packet_put(copy);
		return;
	}
	memcpy(at, p->data, p->len);
	stats_count(STAT_FRAME_COPIES);
	egress_send(e, m, copy);
}

void
egress_copy(struct engine *e, struct vnet *v, const struct packet *p, const struct member *except,
    bool hubs_only)
{
	for (size_t i = 0; i < v->n_members; i++)
		if (v->members[i] != except && (!hubs_only || v->members[i]->assoc->hub))
			egress_copy_one(e, v->members[i], p);
}

/* Consumes p. */
static void
flood(struct engine *e, struct vnet *v, struct packet *p)
{
	stats_count(STAT_FRAME_FLOOD);
	egress_copy(e, v, p, v->members[0], false);
	stats_count(STAT_FRAME_COPIES);
	egress_send(e, v->members[0], p);
}

static void
drop_frame(struct packet *p, enum stats_id why)
{
	stats_count(why);
	packet_put(p);
}

/* --- nobody to send to yet --- */

static void
queue_clear(struct vnet *v)
{
	while (v->queue != NULL) {
		struct packet *p = v->queue;

		v->queue = p->next;
		packet_put(p);
	}
	v->queue_tail = &v->queue;
	v->queued = 0;
}

static bool
queue_stale(const struct engine *e, const struct vnet *v)
{
	return v->queued > 0 && monotime_diff_ms(engine_now(e), v->queued_at) > QUEUE_HOLD_MS;
}

/* Hundreds of vnets without members must not hold all packets: what waits in vain goes first. */
static bool
queue_room(struct engine *e)
{
	static struct monotime looked;

	if (packet_pool_available(e->pool) > QUEUE_LEAVES)
		return true;
	if (monotime_diff_ms(engine_now(e), looked) < QUEUE_HOLD_MS)
		return false;
	looked = engine_now(e);
	for (struct vnet *v = e->vnets.first; v != NULL; v = v->next)
		if (queue_stale(e, v))
			queue_clear(v);
	return packet_pool_available(e->pool) > QUEUE_LEAVES;
}

/* While a host is being found and an association set up, the first frames wait. */
static void
queue_frame(struct engine *e, struct vnet *v, struct packet *p)
{
	if (queue_stale(e, v))
		queue_clear(v);
	if (!queue_room(e)) {
		drop_frame(p, STAT_FRAME_QUEUE_FULL);
		return;
	}
	if (v->queued == 0)
		v->queued_at = engine_now(e);
	if (v->queued == VNET_QUEUE_MAX) {
		struct packet *oldest = v->queue;

		stats_count(STAT_FRAME_QUEUE_FULL);
		v->queue = oldest->next;
		v->queued--;
		packet_put(oldest);
		if (v->queue == NULL)
			v->queue_tail = &v->queue;
	}
	stats_count(STAT_FRAME_QUEUED);
	p->next = NULL;
	*v->queue_tail = p;
	v->queue_tail = &p->next;
	v->queued++;
}

void
egress_release(struct engine *e, struct vnet *v)
{
	struct packet *p;

	if (queue_stale(e, v))
		queue_clear(v);
	p = v->queue;
	v->queue = NULL;
	queue_clear(v);
	while (p != NULL) {
		struct packet *next = p->next;

		flood(e, v, p);
		p = next;
	}
	egress_flush(e);
}

/* --- from the device --- */

/* A frame that needs outer fragments: it goes, but a sender that can do with less is told so. */
static void
tell_too_big(struct engine *e, struct vnet *v, const struct assoc *a, const struct packet *p)
{
	struct virtio_net_hdr hdr = { 0 };
	uint8_t answer[FIT_ERROR_MAX];
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { answer, 0 } };

	if (p->len <= ETHER_HEADER_LEN + a->inner_mtu || a->inner_mtu == 0)
		return;
	stats_count(STAT_TOO_BIG);
	if (!bucket_take(&v->too_big, TOO_BIG_PER_S, TOO_BIG_PER_S, engine_now(e)))
		return;
	iov[1].iov_len = fit_too_big(p->data, p->len, a->inner_mtu, answer);
	if (iov[1].iov_len > 0 && writev(v->tap, iov, 2) > 0)
		stats_count(STAT_TOO_BIG_TOLD);
}

struct member *
egress_port(const struct engine *e, const struct vnet *v, const struct packet *p)
{
	struct macaddr dst, src;

	if (v->hubs == 0 || !ether_addresses(p->data, p->len, &dst, &src) || mac_is_multicast(&dst))
		return NULL;
	return plain_port(e, v, &dst);
}

static void
send_segments(struct engine *e, struct member *m, const struct super *s)
{
	const struct way *w = way_to(m);

	if (w != NULL)
		output_segments(&e->output, w, m->label, s, engine_now(e));
}

/* Whatever frame goes to m: whole, consumed, or in segments. */
static void
send_either(
    struct engine *e, struct vnet *v, struct member *m, struct packet *p, const struct super *s)
{
	if (segment_needed(&s->hdr)) {
		send_segments(e, m, s);
		packet_put(p);
		return;
	}
	tell_too_big(e, v, m->assoc, p);
	egress_send(e, m, p);
}

static void
flood_either(struct engine *e, struct vnet *v, struct packet *p, const struct super *s)
{
	if (!segment_needed(&s->hdr)) {
		flood(e, v, p);
		return;
	}
	stats_count(STAT_FRAME_FLOOD);
	for (size_t i = 0; i < v->n_members; i++)
		send_segments(e, v->members[i], s);
	packet_put(p);
}

/* The next one may go in the kernel. */
static void
offload_unicast(
    struct engine *e, struct member *m, const struct macaddr *src, const struct packet *p)
{
	struct macaddr dst;

	if (m->assoc->path == NULL)
		return;
	memcpy(&dst, p->data, sizeof(dst));
	offload_used(e->offload, m, src, &dst, engine_now(e));
}

void
egress_frame(struct engine *e, struct vnet *v, struct packet *p, const struct virtio_net_hdr *hdr)
{
	struct forward f = forward_decide(e->varp, v->vni, FORWARD_FROM_DEVICE, p->data, p->len);
	struct super s = { *hdr, p };
	struct member *port;

	stats_count(STAT_FRAME_TX);
	switch (f.verdict) {
	case FORWARD_DROP_SHORT:
		drop_frame(p, STAT_FRAME_SHORT);
		return;
	case FORWARD_DROP_SOURCE:
		drop_frame(p, STAT_FRAME_SOURCE);
		return;
	case FORWARD_DROP_RESERVED:
		drop_frame(p, STAT_FRAME_RESERVED);
		return;
	default:
		break;
	}
	varp_local_frame(e->varp, v->vni, &f.src, engine_now(e));
	plain_learn(e, v, NULL, &f.src);
	if (e->output.lane != 0)
		workers_learn(e, v, &f.src);
	if (!segment_needed(hdr) && segment_checksum(hdr, p->data, p->len) != SEGMENT_OK) {
		drop_frame(p, STAT_DEVICE_HEADER);
	} else if (f.verdict == FORWARD_DROP_LOCAL) {
		port = egress_port(e, v, p);
		if (port != NULL)
			send_either(e, v, port, p, &s);
		else
			drop_frame(p, STAT_FRAME_LOCAL);
	} else if (v->n_members == 0) {
		if (segment_needed(hdr))
			drop_frame(p, STAT_FRAME_NO_MEMBER);
		else
			queue_frame(e, v, p);
	} else if (f.verdict == FORWARD_UNICAST) {
		stats_count(STAT_FRAME_UNICAST);
		offload_unicast(e, f.route.via, &f.src, p);
		if (e->output.lane != 0)
			workers_learn(e, v, &f.dst);
		send_either(e, v, f.route.via, p, &s);
	} else {
		flood_either(e, v, p, &s);
	}
}

/* False: nothing more to read. */
static bool
read_frame(struct engine *e, struct vnet *v)
{
	struct virtio_net_hdr hdr;
	struct packet *p;
	int err = tap_read(v->tap, e->pool, &hdr, &p);

	if (err == 0)
		egress_frame(e, v, p, &hdr);
	else if (err != -EAGAIN && err != -ENOBUFS)
		vnetctl_device_lost(e, v, -err);
	return err == 0;
}

static void
device_readable(void *arg, uint32_t events)
{
	struct vnet *v = arg;
	struct engine *e = v->engine;

	(void)events;
	for (int i = 0; i < TAP_BATCH && read_frame(e, v); i++)
		;
	exchange_flush(e);
	egress_flush(e);
}

static void
discard(int tap)
{
	char frame[ETHER_HEADER_LEN]; /* the rest is cut off */

	for (int i = 0; i < DISCARD_MAX && read(tap, frame, sizeof(frame)) > 0; i++)
		;
}

void
egress_discard(struct vnet *v)
{
	struct packet *p;

	while ((p = v->queue) != NULL) {
		v->queue = p->next;
		packet_put(p);
	}
	v->queue_tail = &v->queue;
	v->queued = 0;
	if (v->tap >= 0)
		discard(v->tap);
	for (unsigned i = 1; i < LANES_MAX; i++)
		if (v->lanes[i] > 0)
			discard(v->lanes[i]);
}

int
egress_start(struct engine *e, struct vnet *v)
{
	v->engine = e;
	return loop_watch(e->loop, &v->watch, v->tap, EPOLLIN, device_readable, v);
}

void
egress_stop(struct engine *e, struct vnet *v)
{
	loop_unwatch(e->loop, &v->watch);
}
