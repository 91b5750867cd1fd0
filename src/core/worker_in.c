/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "core/fit.h"
#include "core/worker.h"
#include "varp/forward.h"

/* Hands over a copy: what it is a part of is freed at the end of the batch. */
static void
hand_over_copy(struct worker *w, struct handed *h, const struct datagram *d, const struct packet *p,
    uint64_t flow)
{
	struct packet *copy = packet_get_for(w->pool, p->len);
	uint8_t *at = copy != NULL ? packet_append(copy, p->len) : NULL;

	if (at == NULL) {
		stats_count(STAT_FRAME_NO_BUFFER);
		packet_put(copy);
		return;
	}
	memcpy(at, p->data, p->len);
	h->from = d->from;
	h->to = d->to;
	h->multicast = d->multicast;
	worker_hand_over(w, h, copy, flow);
}

static void
hand_over_datagram(struct worker *w, const struct datagram *d, const struct packet *p, uint32_t spi)
{
	struct handed h = { .kind = HANDED_DATAGRAM, .share = spi };

	hand_over_copy(w, &h, d, p, spi);
}

void
worker_other(void *arg, const struct datagram *d, struct packet *p, enum datagram_kind kind)
{
	(void)kind;
	hand_over_datagram(arg, d, p, 0);
}

/* Frames from one address stay in order. */
static uint64_t
flow_of(uint32_t vni, const struct macaddr *src)
{
	uint64_t mac = 0;

	memcpy(&mac, src->b, sizeof(src->b));
	return ((mac ^ (uint64_t)vni << 40) | 1) * UINT64_C(0x9e3779b97f4a7c15) >> 8;
}

/*
 * The queue for a frame that comes from where it is known to live, in a vnet of that group; p is
 * the bare frame then. NULL: it is not as plain as that, and p as it was.
 */
static struct port_queue *
queue_for(struct worker *w, const struct way *way, struct packet *p)
{
	const size_t headers = UDP_HEADER_LEN + VXLAN_HEADER_LEN;
	bool conf = way->suite->level == LEVEL_CONF;
	struct forward f;
	struct port *port;
	struct route *r;
	uint16_t inner;
	uint32_t vni;

	if (!inner_udp_parse(p->data, p->len, &inner) ||
	    inner != (conf ? VNET_PORT_CONF : VNET_PORT_AUTH) ||
	    !vxlan_parse(p->data + UDP_HEADER_LEN, p->len - UDP_HEADER_LEN, &vni, &p->checked))
		return NULL;
	port = routes_port(w->routes, vni);
	if (port == NULL || port->group != way->group || port->hub)
		return NULL;
	f = forward_decide(NULL, vni, FORWARD_FROM_NETWORK, p->data + headers, p->len - headers);
	if (f.verdict != FORWARD_DELIVER)
		return NULL;
	r = routes_find(w->routes, vni, &f.src);
	if (r == NULL || r->assoc != way->assoc ||
	    handover_waiting(&w->handover, flow_of(vni, &f.src)))
		return NULL;
	atomic_store_explicit(&r->heard, w->now, memory_order_relaxed);
	(void)packet_pull(p, headers);
	return &port->queues[w->lane];
}

/* Where the order of what is handed over counts, which flow is it? */
static uint64_t
flow_of_payload(const struct packet *p)
{
	const size_t headers = UDP_HEADER_LEN + VXLAN_HEADER_LEN;
	struct macaddr dst, src;
	bool checked;
	uint32_t vni;

	if (p->len < headers ||
	    !vxlan_parse(p->data + UDP_HEADER_LEN, p->len - UDP_HEADER_LEN, &vni, &checked) ||
	    !ether_addresses(p->data + headers, p->len - headers, &dst, &src))
		return 0;
	return flow_of(vni, &src);
}

/* A packet that has opened. */
static void
payload(struct worker *w, const struct sa_in *in, const struct way *way, const struct datagram *d,
    struct packet *p, const struct esp_opened *opened)
{
	/* Of an SA that drains, or from another address than it used to. */
	bool news = opened->newest && !sa_from_kernel(in) &&
		    (way->pair != in->pair || !endpoint_equal(&d->from, &way->ep));
	struct port_queue *q = NULL;

	if (!news && opened->next_header == ESP_NEXT_UDP)
		q = queue_for(w, way, p);
	if (q == NULL) {
		struct handed h = {
			.kind = HANDED_OPENED,
			.share = in->entry.spi,
			.spi = in->entry.spi,
			.opened = *opened,
		};

		hand_over_copy(w, &h, d, p, flow_of_payload(p));
		return;
	}
	if (fit_clamp_mss(p->data, p->len, way->inner_mtu))
		stats_count(STAT_MSS_CLAMPED);
	input_deliver(&w->input, &q->tap, p);
}

void
worker_esp(void *arg, uint32_t spi, const struct datagram *d, struct packet **packets, size_t n)
{
	struct worker *w = arg;
	struct sa_in *in = handover_waiting(&w->handover, spi) ? NULL : sa_find(w->assocs, spi);
	const struct way *way = in != NULL ? atomic_load(&in->pair->assoc->way) : NULL;
	UNCLEARED struct esp_opened opened[INPUT_BATCH];

	if (way == NULL) {
		for (size_t i = 0; i < n; i++)
			hand_over_datagram(w, d, packets[i], spi);
		return;
	}
	if (sa_open(in, packets, n, opened, w->now) == 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (opened[i].verdict == ESP_OK)
			payload(w, in, way, d, packets[i], &opened[i]);
}
