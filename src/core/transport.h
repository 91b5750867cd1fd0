/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Datagrams in and out of the UDP sockets on port 1798, in batches, and the multicast groups. Owns
 * (not opens) the sockets: priv has bound them. Engine only; one thread each.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/loop.h"
#include "base/packet.h"

#define TRANSPORT_BATCH 32

struct datagram {
	struct packet *packet; /* the handler's: it must packet_put() or pass it on */
	size_t
	    segment; /* it is several datagrams of that length, the last may be shorter (UDP_GRO); never 0 */
	struct endpoint from;
	struct ipaddr to; /* our address it was sent to, or the group */
	bool multicast;
};

struct transport;

typedef void transport_rx_fn(void *arg, const struct datagram *d);
/* After each batch of arrivals: the time to flush what they caused. */
typedef void transport_idle_fn(void *arg);

/* udp6 may be -1. NULL with errno set. Consumes both. */
struct transport *transport_new(struct packet_pool *pool, int udp4, int udp6, transport_rx_fn *rx,
    transport_idle_fn *idle, void *arg);
/* Reads when the sockets are readable. 0 or -errno. */
int transport_watch(struct transport *t, struct loop *loop);
/* Reads now, for a thread without a loop. */
void transport_receive(struct transport *t);
void transport_free(struct transport *t);
int transport_fd4(const struct transport *t);
int transport_fd6(const struct transport *t);

/* At once: for control messages. 0 or -errno, counted. */
int transport_send(struct transport *t, const struct endpoint *to, const void *buf, size_t len);
/*
 * Queues a packet (consumed) for the next flush; flushes by itself when a batch is full. Packets of
 * one length to one address go as one UDP_SEGMENT send (the last may be shorter), where the kernel
 * and the path allow it.
 */
void transport_queue(struct transport *t, const struct endpoint *to, struct packet *p);
void transport_flush(struct transport *t);

/*
 * The group to which transport_multicast() sends and whose messages are heard. Leaves an earlier
 * one.
 */
void transport_set_group(
    struct transport *t, const struct ipaddr *group, uint8_t ttl, uint16_t port);
/*
 * The devices (ifindex) on which the group is heard and sent to: joins and leaves as needed. True
 * if one was joined.
 */
#define TRANSPORT_IFS_MAX 64
bool transport_set_interfaces(struct transport *t, const uint32_t *ifindexes, size_t n);
void transport_multicast(struct transport *t, const void *buf, size_t len);
