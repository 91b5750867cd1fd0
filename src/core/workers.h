/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine's thread's view of its workers (worker.h): starts and ends them, publishes what they
 * look up, and handles what they hand over. With one worker, which is the engine's thread itself,
 * there are none, and all of this does nothing.
 */

#include <stdbool.h>

#include "base/ether.h"
#include "base/monotime.h"

struct assoc;
struct engine;
struct vnet;
struct workers;

/* How many there are to be, the engine's thread included: as asked for, or one for each processor. */
unsigned workers_wanted(unsigned asked);
/*
 * Everything that must be opened before the sandbox is sealed; e->loop and e->grace are there. NULL
 * with errno set.
 */
struct workers *workers_new(struct engine *e, unsigned n, bool merge_udp);
/* Makes the threads, which wait; ends the process if it cannot. arg: struct workers. */
void workers_make_threads(void *arg);
/* Sockets are there: opens theirs, and lets them run. 0 or -errno, privcli_error() has words. */
int workers_run(struct engine *e);
/* At the end of the process. */
void workers_stop(struct workers *ws);
unsigned workers_count(const struct engine *e);
/* A new priv is given their sockets and queues. */
void workers_keep_all(struct engine *e);

/* v has a device and a group: workers carry for it, until they are told to stop. Idempotent. */
void workers_vnet_start(struct engine *e, struct vnet *v);
/* When it returns, no worker holds a frame of v. */
void workers_vnet_stop(struct engine *e, struct vnet *v);
/* It has got its first member that is a port, or lost the last. */
void workers_vnet_changed(struct engine *e, struct vnet *v);
/* Closes their queues. */
void workers_vnet_close(struct vnet *v);

/* A worker has asked for mac, and what is said of it now is for the workers too. */
void workers_learn(struct engine *e, const struct vnet *v, const struct macaddr *mac);
/* What is known of mac changes: they ask again. */
void workers_forget(struct engine *e, uint32_t vni, const struct macaddr *mac);
/* The same for all that was sent over a. */
void workers_forget_member(struct engine *e, const struct vnet *v, const struct assoc *a);
/* When a worker last heard a frame from mac; not set: never. */
struct monotime workers_heard(const struct engine *e, uint32_t vni, const struct macaddr *mac);
