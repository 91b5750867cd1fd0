/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/kernelport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#define LOG_MODULE "offload"
#include "base/log.h"
#include "base/segment.h"
#include "core/egress.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/fastpath.h"
#include "core/ingress.h"
#include "core/offload.h"
#include "core/privcli.h"
#include "core/stats.h"
#include "core/tap.h"

#define BATCH 64
#define MACS  12 /* bytes in front of the tags */

struct tags {
	uint16_t number_type, number, label_type, label; /* network order */
};

static struct {
	int fd; /* -1: not open */
	struct loop_fd watch;
} port = { .fd = -1 };

/* --- out --- */

static bool
put_tags(struct packet *p, uint32_t number, uint32_t label)
{
	const struct tags tags = { htons(FASTPATH_PORT_TYPE), htons((uint16_t)number),
		htons(FASTPATH_PORT_TYPE), htons((uint16_t)label) };
	uint8_t *at = packet_push(p, sizeof(tags));

	if (at == NULL)
		return false;
	memmove(at, at + sizeof(tags), MACS);
	memcpy(at + MACS, &tags, sizeof(tags));
	return true;
}

void
kernelport_send(struct assoc *a, uint32_t number, uint32_t label, struct packet *p)
{
	struct virtio_net_hdr hdr = { 0 };
	size_t len = p->len;
	bool tagged = put_tags(p, number, label);
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { p->data, p->len } };

	if (!tagged || writev(port.fd, iov, 2) < 0) {
		stats_count(STAT_PORT_TX_FAILED);
	} else {
		stats_count(STAT_PORT_TX);
		a->tx_packets++;
		a->tx_bytes += len;
	}
	packet_put(p);
}

/* --- in --- */

static bool
take_tags(struct packet *p, uint32_t *number, uint32_t *label)
{
	struct tags tags;

	if (p->len < MACS + sizeof(tags))
		return false;
	memcpy(&tags, p->data + MACS, sizeof(tags));
	if (tags.number_type != htons(FASTPATH_PORT_TYPE) || tags.label_type != tags.number_type)
		return false;
	*number = ntohs(tags.number);
	*label = ntohs(tags.label);
	memmove(p->data + sizeof(tags), p->data, MACS);
	return packet_pull(p, sizeof(tags));
}

static void
receive(struct engine *e, struct packet *p, const struct virtio_net_hdr *hdr)
{
	uint32_t number, label;
	struct assoc *a;

	if (segment_needed(hdr) || segment_checksum(hdr, p->data, p->len) != SEGMENT_OK ||
	    !take_tags(p, &number, &label) || (a = offload_manual_of(e->offload, number)) == NULL) {
		stats_count(STAT_PORT_REFUSED);
		packet_put(p);
		return;
	}
	stats_count(STAT_PORT_RX);
	a->rx_packets++;
	a->rx_bytes += p->len;
	a->heard = engine_now(e);
	ingress_port(e, a, label, p);
}

static void
readable(void *arg, uint32_t events)
{
	struct engine *e = arg;
	struct virtio_net_hdr hdr;
	struct packet *p;
	int err = 0;

	(void)events;
	for (int i = 0; i < BATCH && err == 0; i++) {
		err = tap_read(port.fd, e->pool, &hdr, &p);
		if (err == 0)
			receive(e, p, &hdr);
	}
	ingress_flush(e);
	exchange_flush(e);
	egress_flush(e);
	if (err == 0 || err == -EAGAIN || err == -ENOBUFS)
		return;
	kernelport_close(e);
	offload_port_lost(e->offload);
}

/* --- life --- */

bool
kernelport_open(struct engine *e)
{
	int fd;

	if (port.fd >= 0)
		return true;
	if (privcli_kernel_port(e->priv, &fd) < 0) {
		log_warnx("%s", privcli_error(e->priv));
		return false;
	}
	if (loop_watch(e->loop, &port.watch, fd, EPOLLIN, readable, e) < 0) {
		close(fd);
		return false;
	}
	port.fd = fd;
	return true;
}

void
kernelport_close(struct engine *e)
{
	if (port.fd < 0)
		return;
	loop_unwatch(e->loop, &port.watch);
	close(port.fd);
	port.fd = -1;
}
