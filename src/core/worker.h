/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One worker: a thread of the engine process that carries what is plain, between its queue of every
 * TAP and its UDP sockets. It decides nothing: where a frame goes, and whether it may come in, is
 * looked up in what the engine's thread has published (routes.h, struct way, confirmed SAs), and
 * whatever else comes is handed to that thread, which handles it as if it had read it itself. It
 * never waits for anybody but its descriptors, never allocates, and logs no more than at debug
 * level.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "core/assoc.h"
#include "core/handover.h"
#include "core/input.h"
#include "core/output.h"
#include "core/routes.h"
#include "core/stats.h"

struct worker {
	unsigned lane; /* 1 and up; the engine's thread is 0 */
	pthread_t thread;
	const struct assocs *assocs;
	const struct routes *routes;
	struct grace *grace;
	struct packet_pool *pool;
	struct transport *transport;
	struct output output;
	struct input input;
	struct handover handover;
	int epoll_fd;
	int wake_fd;   /* ends its sleep */
	int engine_fd; /* of all workers: there is something handed over */
	bool handed;   /* in this round */
	struct monotime now;
	struct stats stats;
};

/* Rounds until *stop; the thread's main. */
void worker_run(struct worker *w, const atomic_bool *stop);
/*
 * Hands p over, consumed, under what else is set in h. flow: as handover_put().
 */
void worker_hand_over(struct worker *w, struct handed *h, struct packet *p, uint64_t flow);

/* worker_out.c: the device of q is readable. */
void worker_device(struct worker *w, const struct port_queue *q);

/* worker_in.c: for input_init(). */
void worker_esp(
    void *arg, uint32_t spi, const struct datagram *d, struct packet **packets, size_t n);
void worker_other(void *arg, const struct datagram *d, struct packet *p, enum datagram_kind kind);
