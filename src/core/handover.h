/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a worker hands to the engine's thread, whole and in order: a queue with one writer and one
 * reader, without locks. The worker keeps the packets and takes them back when they have been
 * handled. No more of one kind (one vnet, one SPI, one sender) may wait than a share, so that none
 * of them fills it alone.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_net.h>

#include "base/packet.h"
#include "core/transport.h"
#include "esp/esp.h"

#define HANDOVER_MAX   2048 /* a power of two */
#define HANDOVER_SHARE 512
#define HANDOVER_KINDS 256  /* a power of two */
#define HANDOVER_FLOWS 1024 /* a power of two */

enum handed_kind {
	HANDED_FRAME,	 /* from the device of vnet `vni` */
	HANDED_DATAGRAM, /* as it came */
	HANDED_OPENED	 /* the payload of one that opened on the SA `spi` */
};

struct handed {
	enum handed_kind kind;
	struct packet *packet;
	uint32_t share;		   /* what it is counted under */
	uint32_t vni;		   /* HANDED_FRAME, as are */
	uint64_t port;		   /* what the device was to workers: port.number */
	struct virtio_net_hdr hdr; /* and this */
	uint32_t spi;		   /* HANDED_OPENED, as is */
	struct esp_opened opened;  /* this */
	struct endpoint from;	   /* all but HANDED_FRAME, as are */
	struct ipaddr to;	   /* this */
	bool multicast;		   /* and this */
};

struct handover {
	_Alignas(64) _Atomic size_t written; /* ever */
	_Alignas(64) _Atomic size_t handled; /* ever */
	/* The writer's: */
	_Alignas(64) size_t taken_back;
	uint16_t waiting[HANDOVER_KINDS];
	struct handover_flow {
		uint64_t flow;
		size_t last; /* of it, of what was written */
	} flows[HANDOVER_FLOWS];
	struct handed ring[HANDOVER_MAX];
};

/*
 * Writer: consumes h->packet. flow: a hash of what must stay in order. False: there was no room, it
 * is freed.
 */
bool handover_put(struct handover *q, const struct handed *h, uint64_t flow);
/*
 * Writer: is something of that flow still waiting? Then what follows must be handed over too. Of
 * flows that share a slot only the last is known, so that a flood of others cannot pretend it.
 */
bool handover_waiting(const struct handover *q, uint64_t flow);
/* Writer: takes packets back. */
void handover_reclaim(struct handover *q);

/* Reader: the i-th that waits, or NULL. */
const struct handed *handover_peek(const struct handover *q, size_t i);
/* Reader: the first n have been handled, and what they caused has been sent. */
void handover_done(struct handover *q, size_t n);
