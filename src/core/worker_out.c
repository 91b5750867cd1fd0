/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/segment.h"
#include "core/tap.h"
#include "core/worker.h"

#define TAP_BATCH 64 /* reads from one device before others get their turn */

/* Frames between two addresses stay in order. */
static uint64_t
flow_of(uint32_t vni, const struct packet *p)
{
	uint64_t a, b;

	if (p->len < ETHER_HEADER_LEN)
		return vni;
	memcpy(&a, p->data, sizeof(a));
	memcpy(&b, p->data + 4, sizeof(b));
	return (a ^ b << 7 ^ (uint64_t)vni << 32 ^ vni) * UINT64_C(0x9e3779b97f4a7c15) >> 8;
}

/*
 * The way to the one member that has the frame's destination, and its label: from a source known to
 * be here, in one packet. NULL: it is not as plain as that.
 */
static const struct way *
way_of(struct worker *w, const struct port *port, const struct packet *p,
    const struct virtio_net_hdr *hdr, uint32_t *label)
{
	struct macaddr dst, src;
	const struct route *to;
	const struct way *way;
	struct route *from;

	if (port->hub || !ether_addresses(p->data, p->len, &dst, &src))
		return NULL;
	from = routes_find(w->routes, port->vni, &src);
	to = routes_find(w->routes, port->vni, &dst);
	if (from == NULL || from->assoc != NULL || to == NULL || to->assoc == NULL)
		return NULL;
	way = atomic_load(&to->assoc->way);
	if (way == NULL || way->group != port->group || way->port != 0 ||
	    atomic_load_explicit(&to->assoc->in_kernel, memory_order_relaxed))
		return NULL;
	if (!segment_needed(hdr) && way->inner_mtu != 0 &&
	    p->len > ETHER_HEADER_LEN + way->inner_mtu)
		return NULL;
	atomic_store_explicit(&from->heard, w->now, memory_order_relaxed);
	*label = to->label;
	return way;
}

/* Consumes p. */
static void
frame(struct worker *w, const struct port *port, struct packet *p, const struct virtio_net_hdr *hdr)
{
	uint64_t flow = flow_of(port->vni, p);
	struct super s = { *hdr, p };
	const struct way *way;
	uint32_t label;

	way = handover_waiting(&w->handover, flow) ? NULL : way_of(w, port, p, hdr, &label);
	if (way == NULL) {
		struct handed h = {
			.kind = HANDED_FRAME,
			.share = port->vni,
			.vni = port->vni,
			.port = port->number,
			.hdr = *hdr,
		};

		worker_hand_over(w, &h, p, flow);
		return;
	}
	stats_count(STAT_FRAME_TX);
	if (segment_needed(hdr)) {
		stats_count(STAT_FRAME_UNICAST);
		output_segments(&w->output, way, label, &s, w->now);
		packet_put(p);
	} else if (segment_checksum(hdr, p->data, p->len) != SEGMENT_OK) {
		stats_count(STAT_DEVICE_HEADER);
		packet_put(p);
	} else {
		stats_count(STAT_FRAME_UNICAST);
		output_frame(&w->output, way, label, p, w->now);
	}
}

void
worker_device(struct worker *w, const struct port_queue *q)
{
	struct virtio_net_hdr hdr;
	struct packet *p;
	int err = 0;

	for (int i = 0; i < TAP_BATCH && err == 0; i++) {
		err = tap_read(q->tap, w->pool, &hdr, &p);
		if (err == 0)
			frame(w, q->port, p, &hdr);
	}
	/* The device is gone: the engine's thread notices by its own queue, and makes it again. */
	if (err != 0 && err != -EAGAIN && err != -ENOBUFS)
		(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, q->tap, NULL);
	output_flush(&w->output, w->now);
}
