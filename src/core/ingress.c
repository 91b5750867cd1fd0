/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "base/datagram.h"
#include "core/clear.h"
#include "core/egress.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/fit.h"
#include "core/hosts.h"
#include "core/ingress.h"
#include "core/input.h"
#include "core/offload.h"
#include "core/plain.h"
#include "core/stats.h"
#include "core/workers.h"
#include "varp/forward.h"

struct ingress {
	struct input input;
	/* Of this batch. Who sent the last frame: the next one of the same is no news. */
	const struct assoc *assoc;
	struct vnet *vnet;
	struct macaddr mac;
	/* Who sends from where this piece came from, once a frame has asked. */
	struct assoc *clear;
};

static void
deliver(struct engine *e, struct vnet *v, const struct packet *p)
{
	input_deliver(&e->ingress->input, &v->tap, p);
}

/* --- forwarding --- */

/*
 * A hub member is a port of ours: what it sends is forwarded as if our device had sent it, and
 * delivered there too.
 */
static void
frame_from_hub(struct engine *e, struct vnet *v, struct member *m, struct packet *p)
{
	struct forward f = forward_decide(e->varp, v->vni, FORWARD_FROM_DEVICE, p->data, p->len);
	struct member *port = f.verdict == FORWARD_UNICAST ? f.route.via : egress_port(e, v, p);

	varp_local_frame(e->varp, v->vni, &f.src, engine_now(e));
	plain_learn(e, v, m, &f.src);
	if (f.verdict == FORWARD_FLOOD) {
		egress_copy(e, v, p, m, false);
		deliver(e, v, p);
	} else if (port == NULL) {
		deliver(e, v, p);
	} else if (port != m) {
		egress_copy_one(e, port, p);
	}
}

/* To our device and to the members that are ports of ours. */
static void
deliver_to_ports(struct engine *e, struct vnet *v, struct packet *p)
{
	struct member *port = egress_port(e, v, p);
	struct macaddr dst, src;

	if (port != NULL) {
		egress_copy_one(e, port, p);
		return;
	}
	if (v->hubs > 0 && ether_addresses(p->data, p->len, &dst, &src) &&
	    varp_lookup(e->varp, v->vni, &dst).where != VARP_LOCAL)
		egress_copy(e, v, p, NULL, true);
	deliver(e, v, p);
}

static void
learn(struct engine *e, struct vnet *v, struct assoc *a, const struct macaddr *mac)
{
	struct member *m;

	if (e->ingress->assoc == a && e->ingress->vnet == v && mac_equal(&e->ingress->mac, mac))
		return;
	m = member_find(&e->vnets, a->key.host_id, v->vni);
	if (m != NULL && m->assoc == a)
		varp_remote_frame(e->varp, v->vni, a->key.host_id, m, mac, engine_now(e));
	if (e->output.lane != 0)
		workers_learn(e, v, mac);
	e->ingress->assoc = a;
	e->ingress->vnet = v;
	e->ingress->mac = *mac;
}

/* p is a bare frame of v that came from a, whose right to speak for v has been checked. */
static void
frame_from_network(struct engine *e, struct vnet *v, struct assoc *a, struct packet *p)
{
	struct forward f = forward_decide(e->varp, v->vni, FORWARD_FROM_NETWORK, p->data, p->len);
	struct member *hub = a->hub ? member_find(&e->vnets, a->key.host_id, v->vni) : NULL;

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
	if (hub != NULL) {
		frame_from_hub(e, v, hub, p);
		return;
	}
	learn(e, v, a, &f.src);
	deliver_to_ports(e, v, p);
}

/* The vnet of that VNI if a may speak for it: it must be of exactly its key and suite. */
static struct vnet *
vnet_for(struct engine *e, const struct assoc *a, uint32_t vni)
{
	struct vnet *v = e->ingress->assoc == a && e->ingress->vnet->vni == vni
			     ? e->ingress->vnet
			     : vnet_by_vni(&e->vnets, vni);

	if (v == NULL) {
		stats_count(STAT_VNI_UNKNOWN);
		return NULL;
	}
	if (v->group == a->group &&
	    (a->manual == NULL || member_find(&e->vnets, a->key.host_id, vni) != NULL))
		return v;
	stats_count(v->group->suite->id != SUITE_NONE && a->group->suite->id == SUITE_NONE
			? STAT_CLEAR_SECURED
			: STAT_VNI_FORBIDDEN);
	return NULL;
}

/* VXLAN of association a. */
static void
vxlan_in(struct engine *e, struct assoc *a, struct packet *p)
{
	struct vnet *v;
	uint64_t nonce;
	uint32_t vni;

	if (!vxlan_parse(p->data, p->len, &vni, &p->checked)) {
		stats_count(STAT_VXLAN_MALFORMED);
		return;
	}
	if (vni == VNI_PROBE &&
	    probe_parse(p->data + VXLAN_HEADER_LEN, p->len - VXLAN_HEADER_LEN, &nonce)) {
		offload_probed(e->offload, a, nonce);
		return;
	}
	v = vnet_for(e, a, vni);
	if (v == NULL)
		return;
	(void)packet_pull(p, VXLAN_HEADER_LEN);
	frame_from_network(e, v, a, p);
}

/* What else comes from there may go in the kernel. */
static void
offload_source(struct engine *e, struct assoc *a, const struct vnet *v, const struct packet *p)
{
	struct member *m = member_find(&e->vnets, a->key.host_id, v->vni);
	struct macaddr dst, src;

	if (m != NULL && ether_addresses(p->data, p->len, &dst, &src) &&
	    varp_lookup(e->varp, v->vni, &dst).where == VARP_LOCAL)
		offload_used(e->offload, m, &dst, &src, engine_now(e));
}

void
ingress_port(struct engine *e, struct assoc *a, uint32_t vni, struct packet *p)
{
	struct vnet *v = vnet_for(e, a, vni);

	input_hold(&e->ingress->input, p);
	if (v == NULL)
		return;
	p->checked = false;
	frame_from_network(e, v, a, p);
	offload_source(e, a, v, p);
}

static void
clear_vxlan(struct engine *e, const struct endpoint *from, struct packet *p)
{
	struct assoc *a = e->ingress->clear;
	const struct vnet *v;
	uint32_t vni;

	if (a == NULL)
		a = e->ingress->clear = clear_by_endpoint(e, from);
	if (a == NULL) {
		v = vxlan_parse(p->data, p->len, &vni, &p->checked) ? vnet_by_vni(&e->vnets, vni)
								    : NULL;
		stats_count(v != NULL && v->group->suite->id != SUITE_NONE ? STAT_CLEAR_SECURED
									   : STAT_CLEAR_STRANGER);
		return;
	}
	a->rx_packets++;
	a->rx_bytes += p->len;
	vxlan_in(e, a, p);
}

/* --- ESP --- */

/* The payload of a packet that opened. */
static void
esp_payload(struct engine *e, struct assoc *a, struct packet *p, uint8_t next_header,
    const struct endpoint *from)
{
	uint16_t port;

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
		exchange_receive(e, a, p->data, p->len, from);
		engine_kick(e);
	} else if (port ==
		   (a->group->suite->level == LEVEL_CONF ? VNET_PORT_CONF : VNET_PORT_AUTH)) {
		vxlan_in(e, a, p);
	} else {
		stats_count(STAT_INNER_PORT);
	}
}

static void
esp(void *arg, uint32_t spi, const struct datagram *d, struct packet **packets, size_t n)
{
	UNCLEARED struct esp_opened opened[INPUT_BATCH];
	struct engine *e = arg;
	struct assoc *a = assocs_open(&e->assocs, spi, &d->from, packets, n, opened, engine_now(e));

	if (a == NULL)
		return;
	a->local = d->to;
	for (size_t i = 0; i < n; i++)
		if (opened[i].verdict == ESP_OK)
			esp_payload(e, a, packets[i], opened[i].next_header, &d->from);
}

void
ingress_opened(
    struct engine *e, uint32_t spi, const struct esp_opened *opened, const struct datagram *d)
{
	struct assoc *a = assocs_opened(&e->assocs, spi, &d->from, opened, engine_now(e));

	input_hold(&e->ingress->input, d->packet);
	if (a != NULL)
		esp_payload(e, a, d->packet, opened->next_header, &d->from);
}

/* --- the rest --- */

static void
control(struct engine *e, const struct datagram *d, const struct packet *p)
{
	struct control_header h;
	struct monotime now = engine_now(e);

	engine_kick(e);
	switch (control_parse(p->data, p->len, &h)) {
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
		hosts_discover(
		    e, &d->from, d->multicast, h.type == CONTROL_RELAYED, h.body, h.body_len);
		break;
	case CONTROL_HANDSHAKE1:
		assocs_handshake1(&e->assocs, &d->from, h.body, h.body_len, now);
		break;
	case CONTROL_HANDSHAKE2:
		assocs_handshake2(&e->assocs, h.body, h.body_len);
		break;
	case CONTROL_COOKIE:
		assocs_cookie(&e->assocs, &d->from, h.body, h.body_len, now);
		break;
	case CONTROL_CLEAR:
		clear_receive(e, &d->from, &d->to, h.body, h.body_len);
		break;
	case CONTROL_RELAY:
		stats_count(STAT_CONTROL_TYPE);
		break;
	}
}

static void
other(void *arg, const struct datagram *d, struct packet *p, enum datagram_kind kind)
{
	struct engine *e = arg;

	switch (kind) {
	case DATAGRAM_VXLAN:
		clear_vxlan(e, &d->from, p);
		break;
	case DATAGRAM_CONTROL:
		control(e, d, p);
		e->ingress->clear = NULL;
		break;
	case DATAGRAM_KEEPALIVE:
		stats_count(STAT_KEEPALIVE);
		break;
	case DATAGRAM_RESERVED:
		stats_count(STAT_DATAGRAM_RESERVED);
		break;
	case DATAGRAM_ESP:
	case DATAGRAM_SHORT:
	case DATAGRAM_KINDS:
		stats_count(STAT_DATAGRAM_SHORT);
		break;
	}
}

/* --- batches --- */

struct ingress *
ingress_new(struct engine *e, bool merge_udp)
{
	struct ingress *in = calloc(1, sizeof(*in));

	if (in != NULL)
		input_init(&in->input, e->pool, merge_udp, esp, other, e);
	return in;
}

void
ingress_datagram(struct engine *e, const struct datagram *d)
{
	e->ingress->clear = NULL;
	input_datagram(&e->ingress->input, d);
}

void
ingress_flush(struct engine *e)
{
	input_flush(&e->ingress->input);
	e->ingress->assoc = NULL;
}
