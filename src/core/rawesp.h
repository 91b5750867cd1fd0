/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ESP as IP protocol 50, in and out of raw sockets: only towards hosts with manual SAs. Owns (not
 * opens) the sockets, on which priv has a filter that lets only the SPIs of these SAs through. What
 * comes goes the way of datagrams, from the port ENDPOINT_ESP; all but ESP ends here. Engine only, one in a process.
 */

#include "core/transport.h"

/* fd6 may be -1. 0 or -ENOMEM. Consumes both. */
int rawesp_open(struct loop *loop, struct packet_pool *pool, int fd4, int fd6, transport_rx_fn *rx,
    transport_idle_fn *idle, void *arg);
void rawesp_close(void);
/* -1 where there is none. */
int rawesp_fd(sa_family_t family);
/* At once; consumes p. From any thread. */
void rawesp_send(const struct endpoint *to, struct packet *p);
