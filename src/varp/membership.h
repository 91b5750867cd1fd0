/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Membership: which vnets a host has, under one (key, suite), and the label (VNI) it wants on their
 * frames. A numbered set: the owner tells it whole when an association is confirmed and as changes
 * later; number and hash in every echo show whether the other end has it. Two halves: the set we
 * announce (membership_own, one per key and suite) and a peer's (membership_peer, one per
 * association). No I/O, no clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vnetid.h"
#include "varp/message.h"

struct membership_entry {
	struct vnetid id;
	uint32_t vni;
};

struct membership_own;

struct membership_own *membership_own_new(void);
void membership_own_free(struct membership_own *m);
/*
 * Adds or changes (another VNI). The number goes up by one if anything changed. 0, -ENOSPC
 * (MEMBERSHIP_TOTAL_MAX), -ENOMEM.
 */
int membership_own_add(struct membership_own *m, const struct vnetid *id, uint32_t vni);
/* False if it was not there. */
bool membership_own_remove(struct membership_own *m, const struct vnetid *id);
uint64_t membership_own_number(const struct membership_own *m); /* from 1 */
uint64_t membership_own_hash(const struct membership_own *m);
size_t membership_own_count(const struct membership_own *m);
/*
 * The next message that brings a peer which holds number `have` (0: nothing) up to date. *pos
 * starts at 0 and is advanced; false when there is no more to send. A change of one number whose
 * entries are still remembered goes as a change, everything else as the full set. An empty set is
 * one MEMBERS with total 0.
 */
bool membership_own_next(
    const struct membership_own *m, uint64_t have, size_t *pos, struct message *out);

struct membership_peer;

/*
 * Called for each vnet that the peer joined (or relabelled) or left. Must not touch the membership.
 */
typedef void membership_change_fn(void *arg, const struct membership_entry *e, bool joined);

enum membership_verdict {
	MEMBERSHIP_APPLIED, /* the set is now `number` */
	MEMBERSHIP_PARTIAL, /* more parts are missing */
	MEMBERSHIP_STALE,   /* older than or equal to what is held: ignored */
	MEMBERSHIP_GAP,	    /* a change whose base we do not hold: ask with WANTED */
	MEMBERSHIP_BAD	    /* hash does not match, or parts contradict: ask with WANTED 0 */
};

struct membership_peer *membership_peer_new(void);
/* No callbacks. */
void membership_peer_free(struct membership_peer *p);
/* m is of type MESSAGE_MEMBERS. */
enum membership_verdict membership_peer_apply(
    struct membership_peer *p, const struct message *m, membership_change_fn *fn, void *arg);
/* Does what an echo says differ from what is held? */
bool membership_peer_differs(const struct membership_peer *p, uint64_t number, uint64_t hash);
uint64_t membership_peer_number(const struct membership_peer *p);
/* Forgets everything, with a callback for each vnet left: the peer has restarted or is gone. */
void membership_peer_reset(struct membership_peer *p, membership_change_fn *fn, void *arg);
size_t membership_peer_count(const struct membership_peer *p);
const struct membership_entry *membership_peer_find(
    const struct membership_peer *p, const struct vnetid *id);
