/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What two hosts say inside an association: echoes, membership, VARP (varp/message.h). Owns the
 * per-association half of it, gathers VARP items of one round into one message, and finds peers
 * that have gone silent. Clear associations use the same, through clear.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/monotime.h"
#include "core/liveness.h"
#include "varp/message.h"
#include "varp/varp.h"

struct assoc;
struct engine;
struct group;
struct member;
struct vnet;

struct exchange {
	struct membership_peer *peer;
	uint64_t nonce; /* of the last echo sent */
	struct monotime echo_sent;
	struct monotime wanted; /* when we last asked for what we lack */
	struct monotime empty;	/* since when one of the two has no vnet here */
	struct liveness liveness;
	int64_t rtt_us; /* -1: not known */
};

struct exchanges;
struct exchanges *exchanges_new(struct engine *e); /* NULL: out of memory */
void exchanges_free(struct exchanges *xs);
extern const struct varp_ops exchange_varp_ops; /* arg: the engine */

/* Life of an association: made (by up), confirmed, lost, freed. */
void exchange_up(struct engine *e, struct assoc *a, bool fresh);
void exchange_down(struct engine *e, struct assoc *a);
void exchange_gone(struct assoc *a);
/* An echo to another address than the association's: does the peer answer from there? */
void exchange_probe(struct engine *e, struct assoc *a, const struct endpoint *to, uint64_t nonce);

/* A message to the other end of a, which is up. */
void exchange_send(struct engine *e, struct assoc *a, const struct message *m);
/* One message came in over a. */
void exchange_receive(
    struct engine *e, struct assoc *a, const uint8_t *buf, size_t len, const struct endpoint *from);
/* Our membership under g changed by one number: tell all. */
void exchange_group_changed(struct engine *e, struct group *g);
/* Peers know us by an address that may be gone: an echo tells them the one we have now. */
void exchange_own_address_changed(struct engine *e);
/* A vnet was made: hosts that have announced it already are members. */
void exchange_vnet_added(struct engine *e, struct vnet *v);
/* m is about to be removed: nothing gathered for it is sent. */
void exchange_member_gone(struct engine *e, struct member *m);
/* Sends what was gathered. */
void exchange_flush(struct engine *e);
struct monotime exchange_tick(struct engine *e, struct monotime now);
/* Vnets that the peer has announced in this association. */
size_t exchange_peer_vnets(const struct assoc *a);
int64_t exchange_rtt_us(const struct assoc *a);
