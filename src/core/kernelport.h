/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine's port on the kernel's path: a queue of priv's TAP that the kernel's programs
 * (fastpath.bpf.c) read and write. Only for manual SAs that the kernel has, whose numbers nobody
 * else may use: frames that are no flow's go out of it into them, and what comes from sources
 * without a flow, or is a SYN, comes back by it. Owns the queue. Engine only, one in a process.
 */

#include <stdbool.h>
#include <stdint.h>

struct assoc;
struct engine;
struct packet;

/* If it is not open. False, logged: it cannot be. */
bool kernelport_open(struct engine *e);
void kernelport_close(struct engine *e);
/* A bare frame to the peer of that number, in the VNI label; consumes p. */
void kernelport_send(struct assoc *a, uint32_t number, uint32_t label, struct packet *p);
