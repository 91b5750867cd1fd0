/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/output.h"

#include "base/datagram.h"
#include "base/segment.h"
#include "core/fit.h"
#include "core/kernelport.h"
#include "core/rawesp.h"
#include "core/stats.h"
#include "core/transport.h"

static void
seal(struct output *o, struct monotime now)
{
	size_t n = o->n;

	o->n = 0;
	if (n > 0)
		n = way_seal(o->way, o->lane, o->packets, n, now);
	for (size_t i = 0; i < n; i++)
		if (o->way->ep.port == ENDPOINT_ESP)
			rawesp_send(&o->way->ep, o->packets[i]);
		else
			transport_queue(o->transport, &o->way->ep, o->packets[i]);
}

void
output_flush(struct output *o, struct monotime now)
{
	seal(o, now);
	transport_flush(o->transport);
}

void
output_frame(
    struct output *o, const struct way *w, uint32_t label, struct packet *p, struct monotime now)
{
	uint8_t *at;

	if (fit_clamp_mss(p->data, p->len, w->inner_mtu))
		stats_count(STAT_MSS_CLAMPED);
	if (w->port != 0) {
		kernelport_send(w->assoc, w->port, label, p);
		return;
	}
	at = packet_push(p, VXLAN_HEADER_LEN);
	if (at != NULL)
		vxlan_write(at, label, p->checked && !w->plain);
	if (at != NULL && w->suite->id != SUITE_NONE) {
		at = packet_push(p, UDP_HEADER_LEN);
		if (at != NULL &&
		    !inner_udp_write(at,
			w->suite->level == LEVEL_CONF ? VNET_PORT_CONF : VNET_PORT_AUTH,
			p->len - UDP_HEADER_LEN))
			at = NULL;
	}
	if (at == NULL) {
		packet_put(p);
		return;
	}
	if (o->way != w || o->n == ASSOC_BATCH)
		seal(o, now);
	o->way = w;
	o->packets[o->n++] = p;
}

/* What was gathered gives its buffers back, if there are none else. */
static struct packet *
buffer(struct output *o, size_t len, struct monotime now)
{
	struct packet *p = packet_get_for(o->pool, len);

	if (p != NULL)
		return p;
	output_flush(o, now);
	p = packet_get_for(o->pool, len);
	if (p == NULL)
		stats_count(STAT_FRAME_NO_BUFFER);
	return p;
}

void
output_segments(struct output *o, const struct way *w, uint32_t label, const struct super *s,
    struct monotime now)
{
	struct virtio_net_hdr hdr = s->hdr;
	size_t mtu = w->inner_mtu, headers;
	struct segments cut;
	struct packet *p;

	if (segment_start(&cut, &hdr, s->p->data, s->p->len) != SEGMENT_OK) {
		stats_count(STAT_DEVICE_HEADER);
		return;
	}
	headers = (size_t)(cut.at.payload - cut.at.ip);
	if (cut.at.tcp && mtu > headers && headers + cut.size > mtu) {
		hdr.gso_size = (uint16_t)(mtu - headers);
		if (segment_start(&cut, &hdr, s->p->data, s->p->len) != SEGMENT_OK) {
			stats_count(STAT_DEVICE_HEADER);
			return;
		}
	}
	while ((p = buffer(o, cut.at.payload + (size_t)cut.size, now)) != NULL) {
		if (!segment_next(&cut, p)) {
			packet_put(p);
			return;
		}
		output_frame(o, w, label, p, now);
	}
}
