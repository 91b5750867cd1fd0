/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the two ways of received datagrams have in common, the engine's (ingress.c) and that of its
 * workers (worker_in.c): pieces are taken apart, packets of one SPI gathered, frames merged for
 * their device. Each thread has one of these. Empty between rounds.
 */

#include "base/datagram.h"
#include "base/merge.h"
#include "base/packet.h"
#include "core/transport.h"

#define INPUT_HELD_MAX 512 /* packets whose bytes a merged frame may still point into */
#define INPUT_BATCH    64  /* ESP packets of one SPI at once */

/* They borrow the packets. */
typedef void input_esp_fn(
    void *arg, uint32_t spi, const struct datagram *d, struct packet **packets, size_t n);
typedef void input_other_fn(
    void *arg, const struct datagram *d, struct packet *p, enum datagram_kind kind);

struct input {
	struct packet_pool *pool;
	input_esp_fn *esp;
	input_other_fn *other;
	void *arg;
	struct merge merge;
	struct packet *held[INPUT_HELD_MAX];
	unsigned n;
};

/* merge_udp: the kernel takes merged UDP from a TAP (Linux 6.2). */
void input_init(struct input *in, struct packet_pool *pool, bool merge_udp, input_esp_fn *esp,
    input_other_fn *other, void *arg);
/* One datagram, or several of one length in one piece; takes its packet. */
void input_datagram(struct input *in, const struct datagram *d);
/* Takes p, which lives as long as what is given to the functions above. */
void input_hold(struct input *in, struct packet *p);
/* A bare frame for the device whose queue is *tap; p is one that a function above was given. */
void input_deliver(struct input *in, int *tap, const struct packet *p);
/* The batch is over: writes what was merged, frees what was held. */
void input_flush(struct input *in);
