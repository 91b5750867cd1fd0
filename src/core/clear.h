/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Vnets of level none: messages and frames in clear. A peer counts only after our nonce has come
 * back from its address; the nonce is a keyed hash of address and host, so nothing is stored before
 * that. Nothing is sent to a stranger that is larger than what it sent.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct assoc;
struct engine;
struct message;

/* A host says by DISCOVER that it has vnets of level none: ask it to prove its address. */
void clear_greet(struct engine *e, uint64_t host_id, const struct endpoint *ep);
/* The body of a CLEAR control message. */
void clear_receive(struct engine *e, const struct endpoint *from, const struct ipaddr *to,
    const uint8_t *body, size_t len);
/* A message to a confirmed peer. */
void clear_send(struct engine *e, struct assoc *a, const struct message *m);
/* An association is about to be freed. */
void clear_forget(void);
/* The confirmed clear association with that address, or the plain VXLAN member there, or NULL. */
struct assoc *clear_by_endpoint(struct engine *e, const struct endpoint *ep);
