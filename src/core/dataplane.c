/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#define LOG_MODULE "dataplane"
#include "base/datagram.h"
#include "base/log.h"
#include "core/clear.h"
#include "core/dataplane.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/fit.h"
#include "core/hosts.h"
#include "core/plain.h"
#include "core/stats.h"
#include "core/vnetctl.h"
#include "varp/forward.h"

#define TAP_BATCH    64	   /* frames read from one device before others get their turn */
#define TOO_BIG_PER_S 20 /* answers to senders, of one vnet */
#define QUEUE_HOLD_MS 3000 /* a frame waits no longer for the first member */

/* --- to the network --- */

static uint16_t
inner_port(const struct suite *s)
{
	return s->level == LEVEL_CONF ? VNET_PORT_CONF : VNET_PORT_AUTH;
}

/* Consumes p, a bare frame. */
static void
send_frame(struct engine *e, struct member *m, struct packet *p)
{
	struct assoc *a = m->assoc;
	size_t len = p->len;
	uint8_t *at;

	if (fit_clamp_mss(p->data, p->len, a->inner_mtu))
		stats_count(STAT_MSS_CLAMPED);
	at = packet_push(p, VXLAN_HEADER_LEN);
	if (at == NULL || !a->up || a->group != m->vnet->group) {
		packet_put(p);
		return;
	}
	vxlan_write(at, m->label);
	if (a->group->suite->id == SUITE_NONE) {
		a->tx_packets++;
		a->tx_bytes += p->len;
		a->sent = engine_now(e);
		transport_queue(e->transport, &a->ep, p);
	} else {
		at = packet_push(p, UDP_HEADER_LEN);
		if (at == NULL || !inner_udp_write(at, inner_port(a->group->suite), p->len - UDP_HEADER_LEN)) {
			packet_put(p);
			return;
		}
		if (!assoc_send(&e->assocs, a, p, ESP_NEXT_UDP, NULL, engine_now(e)))
			return;
	}
	m->vnet->tx_packets++;
	m->vnet->tx_bytes += len;
}

static struct packet *
copy_frame(struct engine *e, const struct packet *p)
{
	struct packet *copy = packet_get(e->pool);

	if (copy == NULL) {
		stats_count(STAT_FRAME_NO_BUFFER);
		return NULL;
	}
	memcpy(packet_append(copy, p->len), p->data, p->len);
	return copy;
}

/* Copies to all members but one (NULL: to all), or only to those that are ports of ours. Does not consume p. */
static void
copy_to_members(struct engine *e, struct vnet *v, const struct packet *p, const struct member *except, bool hubs_only)
{
	for (size_t i = 0; i < v->n_members; i++) {
		struct packet *copy;

		if (v->members[i] == except || (hubs_only && !v->members[i]->assoc->hub))
			continue;
		copy = copy_frame(e, p);
		if (copy == NULL)
			continue;
		stats_count(STAT_FRAME_COPIES);
		send_frame(e, v->members[i], copy);
	}
}

static void
flood(struct engine *e, struct vnet *v, struct packet *p)
{
	stats_count(STAT_FRAME_FLOOD);
	if (v->n_members == 0) {
		packet_put(p);
		return;
	}
	copy_to_members(e, v, p, v->members[0], false);
	stats_count(STAT_FRAME_COPIES);
	send_frame(e, v->members[0], p);
}

/* Nobody to send to yet: while a host is being found and an association set up, the first frames wait. */
static void
queue_frame(struct engine *e, struct vnet *v, struct packet *p)
{
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
dataplane_queue_release(struct engine *e, struct vnet *v)
{
	bool stale = monotime_diff_ms(engine_now(e), v->queued_at) > QUEUE_HOLD_MS;
	struct packet *p = v->queue;

	v->queue = NULL;
	v->queue_tail = &v->queue;
	v->queued = 0;
	while (p != NULL) {
		struct packet *next = p->next;

		if (stale)
			packet_put(p);
		else
			flood(e, v, p);
		p = next;
	}
}

static void
drop_frame(struct packet *p, enum stat why)
{
	stats_count(why);
	packet_put(p);
}

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

/* The member that is a port of ours and has the frame's destination. */
static struct member *
port_of(const struct engine *e, const struct vnet *v, const struct packet *p)
{
	struct macaddr dst, src;

	if (v->hubs == 0 || !ether_addresses(p->data, p->len, &dst, &src) || mac_is_multicast(&dst))
		return NULL;
	return plain_port(e, v, &dst);
}

/* One frame from our own device; consumes p. */
static void
frame_from_device(struct engine *e, struct vnet *v, struct packet *p)
{
	struct forward f = forward_decide(e->varp, v->vni, FORWARD_FROM_DEVICE, p->data, p->len);

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
	if (f.verdict == FORWARD_DROP_LOCAL) {
		struct member *port = port_of(e, v, p);

		if (port != NULL)
			send_frame(e, port, p);
		else
			drop_frame(p, STAT_FRAME_LOCAL);
	} else if (v->n_members == 0)
		queue_frame(e, v, p);
	else if (f.verdict == FORWARD_UNICAST) {
		const struct member *m = f.route.via;

		stats_count(STAT_FRAME_UNICAST);
		tell_too_big(e, v, m->assoc, p);
		send_frame(e, f.route.via, p);
	} else
		flood(e, v, p);
}

static void
device_readable(void *arg, uint32_t events)
{
	struct vnet *v = arg;
	struct engine *e = v->engine;

	(void)events;
	for (int i = 0; i < TAP_BATCH; i++) {
		struct virtio_net_hdr hdr;
		struct packet *p = packet_get(e->pool);
		struct iovec iov[2] = { { .iov_base = &hdr, .iov_len = sizeof(hdr) } };
		ssize_t n;

		if (p == NULL) {
			stats_count(STAT_FRAME_NO_BUFFER);
			n = readv(v->tap, iov, 1);
			break;
		}
		iov[1].iov_base = packet_reset(p, &iov[1].iov_len);
		n = readv(v->tap, iov, 2);
		if (n < (ssize_t)sizeof(hdr)) {
			int err = n < 0 ? errno : EIO;

			packet_put(p);
			if (err != EAGAIN && err != EINTR)
				vnetctl_device_lost(e, v, err);
			break;
		}
		p->len = (size_t)n - sizeof(hdr);
		if (hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE || (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0)
			drop_frame(p, STAT_DEVICE_HEADER);
		else
			frame_from_device(e, v, p);
	}
	exchange_flush(e);
	transport_flush(e->transport);
}

int
dataplane_start(struct engine *e, struct vnet *v)
{
	v->engine = e;
	return loop_watch(e->loop, &v->watch, v->tap, EPOLLIN, device_readable, v);
}

void
dataplane_stop(struct engine *e, struct vnet *v)
{
	loop_unwatch(e->loop, &v->watch);
}

/* --- from the network --- */

/* Into our device. Does not consume p. */
static void
deliver(struct vnet *v, const struct packet *p)
{
	struct virtio_net_hdr hdr = { 0 };
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { p->data, p->len } };

	if (v->tap < 0 || writev(v->tap, iov, 2) < 0) {
		stats_count(STAT_DEVICE_RX_FAILED);
		return;
	}
	stats_count(STAT_FRAME_RX);
	v->rx_packets++;
	v->rx_bytes += p->len;
}

/* A hub member is a port of ours: what it sends is forwarded as if our device had sent it, and delivered there too. */
static void
frame_from_hub(struct engine *e, struct vnet *v, struct member *m, struct packet *p)
{
	struct forward f = forward_decide(e->varp, v->vni, FORWARD_FROM_DEVICE, p->data, p->len);
	struct member *port = port_of(e, v, p);
	struct packet *copy;

	varp_local_frame(e->varp, v->vni, &f.src, engine_now(e));
	plain_learn(e, v, m, &f.src);
	switch (f.verdict) {
	case FORWARD_UNICAST:
		port = f.route.via;
		break;
	case FORWARD_FLOOD:
		deliver(v, p);
		copy_to_members(e, v, p, m, false);
		return;
	default: /* FORWARD_DROP_LOCAL: behind another port, or our device */
		if (port == NULL) {
			deliver(v, p);
			return;
		}
		break;
	}
	copy = port != m ? copy_frame(e, p) : NULL;
	if (copy != NULL)
		send_frame(e, port, copy);
}

/* To our device and to the members that are ports of ours. */
static void
deliver_to_ports(struct engine *e, struct vnet *v, struct packet *p)
{
	struct member *port = port_of(e, v, p);
	struct packet *copy = port != NULL ? copy_frame(e, p) : NULL;
	struct macaddr dst, src;

	if (port == NULL)
		deliver(v, p);
	else if (copy != NULL)
		send_frame(e, port, copy);
	if (v->hubs > 0 && port == NULL && ether_addresses(p->data, p->len, &dst, &src) &&
	    varp_lookup(e->varp, v->vni, &dst).where != VARP_LOCAL)
		copy_to_members(e, v, p, NULL, true);
}

/* p is a bare frame of v that came from a, whose right to speak for v has been checked. */
static void
frame_from_network(struct engine *e, struct vnet *v, struct assoc *a, struct packet *p)
{
	struct forward f = forward_decide(e->varp, v->vni, FORWARD_FROM_NETWORK, p->data, p->len);
	struct member *m = member_find(&e->vnets, a->key.host_id, v->vni);

	switch (f.verdict) {
	case FORWARD_DELIVER:
		break;
	case FORWARD_DROP_SHORT:
		stats_count(STAT_FRAME_SHORT);
		return;
	case FORWARD_DROP_RESERVED:
		stats_count(STAT_FRAME_RESERVED);
		return;
	default:
		stats_count(STAT_FRAME_SOURCE);
		return;
	}
	if (fit_clamp_mss(p->data, p->len, a->inner_mtu))
		stats_count(STAT_MSS_CLAMPED);
	if (a->hub && m != NULL) {
		frame_from_hub(e, v, m, p);
		return;
	}
	if (m != NULL && m->assoc == a)
		varp_remote_frame(e->varp, v->vni, a->key.host_id, m, &f.src, engine_now(e));
	deliver_to_ports(e, v, p);
}

/* VXLAN of association a: the VNI must be a vnet of exactly its key and suite. */
static void
vxlan_in(struct engine *e, struct assoc *a, struct packet *p)
{
	struct vnet *v;
	uint32_t vni;

	if (!vxlan_parse(p->data, p->len, &vni)) {
		stats_count(STAT_VXLAN_MALFORMED);
		return;
	}
	v = vnet_by_vni(&e->vnets, vni);
	if (v == NULL) {
		stats_count(STAT_VNI_UNKNOWN);
		return;
	}
	if (v->group != a->group) {
		stats_count(v->group->suite->id != SUITE_NONE && a->group->suite->id == SUITE_NONE ?
			STAT_CLEAR_SECURED :
			STAT_VNI_FORBIDDEN);
		return;
	}
	(void)packet_pull(p, VXLAN_HEADER_LEN);
	frame_from_network(e, v, a, p);
}

static void
clear_vxlan(struct engine *e, const struct endpoint *from, struct packet *p)
{
	struct assoc *a = clear_by_endpoint(e, from);
	const struct vnet *v;
	uint32_t vni;

	if (a == NULL) {
		v = vxlan_parse(p->data, p->len, &vni) ? vnet_by_vni(&e->vnets, vni) : NULL;
		stats_count(v != NULL && v->group->suite->id != SUITE_NONE ? STAT_CLEAR_SECURED : STAT_CLEAR_STRANGER);
		return;
	}
	a->rx_packets++;
	a->rx_bytes += p->len;
	vxlan_in(e, a, p);
}

static void
esp(struct engine *e, uint32_t spi, const struct datagram *d)
{
	struct packet *p = d->packet;
	uint8_t next_header;
	struct assoc *a = assocs_open(&e->assocs, spi, &d->from, p, &next_header, engine_now(e));
	uint16_t port;

	if (a == NULL)
		return;
	a->local = d->to;
	if (next_header == ESP_NEXT_DUMMY) {
		stats_count(STAT_ESP_DUMMY);
		return;
	}
	if (next_header != ESP_NEXT_UDP) {
		stats_count(STAT_ESP_NEXT_HEADER);
		return;
	}
	if (!inner_udp_parse(p->data, p->len, &port)) {
		stats_count(STAT_INNER_SHORT);
		return;
	}
	(void)packet_pull(p, UDP_HEADER_LEN);
	if (port == VNET_PORT) {
		exchange_receive(e, a, p->data, p->len, &d->from);
		engine_kick(e);
	} else if (port == inner_port(a->group->suite))
		vxlan_in(e, a, p);
	else
		stats_count(STAT_INNER_PORT);
}

static void
control(struct engine *e, const struct datagram *d)
{
	struct control_header h;
	struct monotime now = engine_now(e);

	switch (control_parse(d->packet->data, d->packet->len, &h)) {
	case CONTROL_OK:
		break;
	case CONTROL_MALFORMED:
		stats_count(STAT_CONTROL_MALFORMED);
		return;
	case CONTROL_VERSION_UNKNOWN:
		stats_count(STAT_CONTROL_VERSION);
		return;
	case CONTROL_TYPE_UNKNOWN:
		stats_count(STAT_CONTROL_TYPE);
		return;
	}
	switch (h.type) {
	case CONTROL_DISCOVER:
	case CONTROL_RELAYED:
		hosts_discover(e, &d->from, d->multicast, h.type == CONTROL_RELAYED, h.body, h.body_len);
		break;
	case CONTROL_HANDSHAKE1:
		assocs_handshake1(&e->assocs, &d->from, h.body, h.body_len, now);
		break;
	case CONTROL_HANDSHAKE2:
		assocs_handshake2(&e->assocs, &d->from, h.body, h.body_len, now);
		break;
	case CONTROL_COOKIE:
		assocs_cookie(&e->assocs, &d->from, h.body, h.body_len, now);
		break;
	case CONTROL_CLEAR:
		clear_receive(e, &d->from, h.body, h.body_len);
		break;
	case CONTROL_RELAY:
		stats_count(STAT_CONTROL_TYPE);
		break;
	}
}

void
dataplane_datagram(struct engine *e, const struct datagram *d)
{
	struct packet *p = d->packet;
	uint32_t spi;

	switch (datagram_classify(p->data, p->len, &spi)) {
	case DATAGRAM_ESP:
		esp(e, spi, d);
		break;
	case DATAGRAM_VXLAN:
		clear_vxlan(e, &d->from, p);
		break;
	case DATAGRAM_CONTROL:
		control(e, d);
		engine_kick(e);
		break;
	case DATAGRAM_KEEPALIVE:
		stats_count(STAT_KEEPALIVE);
		break;
	case DATAGRAM_RESERVED:
		stats_count(STAT_DATAGRAM_RESERVED);
		break;
	case DATAGRAM_SHORT:
	case DATAGRAM_KINDS:
		stats_count(STAT_DATAGRAM_SHORT);
		break;
	}
	packet_put(p);
}
