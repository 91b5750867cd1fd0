/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Members by manual SAs: a host with nothing but `ip xfrm` and a kernel VXLAN device. Such an
 * association is plain (plain.h): no handshake, no messages, no rekeying; it is up as long as it
 * is there. Owns the manual SAs: their specs with the keys, and what is reserved of their sequence
 * numbers (reserve.h). Both are in one file, the state, so keys never come back without their
 * numbers; it is of priv, 0600, and the kernel's SAs are made by priv anyway.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/manualspec.h"

struct assoc;
struct config;
struct engine;
struct manual;

#define MANUAL_MAX	 256
#define MANUAL_ERROR_MAX 256

/* 0, or -errno and an error for people. Borrows spec. */
int manual_add(
    struct engine *e, const struct manualspec *spec, char error[static MANUAL_ERROR_MAX]);
/* Those with that peer, of that suite's level; LEVEL_NONE: of both. How many. */
unsigned manual_delete(struct engine *e, const struct ipaddr *peer, enum level level);

/* Does it carry that vnet, if level and key fit? */
bool manual_takes(const struct manual *m, const struct vnetid *id);
/* Of the last number sent, how many have not been sent in this run. */
uint64_t manual_unsent(const struct manual *m);

/*
 * Lent to the kernel (path_manual.c). The keys are the same, so the numbers are what keeps the two
 * apart: the kernel's begin above all that software may still use, and what it sends ends below what
 * is reserved, so that software goes on at once when the kernel is gone. What it takes cannot be
 * limited: its counters are looked at each second and each RESERVE_BUSY / 2 packets.
 */
struct manual_loan {
	uint64_t received, sent; /* the kernel's numbers begin behind these */
	uint64_t last;		 /* and those it sends end with this one */
};
/* Until manual_lent() software goes on. False: not now. */
bool manual_lend(struct manual *m, struct manual_loan *loan);
/* The kernel has both SAs, software sends no more. */
void manual_lent(struct manual *m);
/* The kernel's last numbers so far. */
void manual_counted(struct manual *m, bool sent, uint64_t seq);
/* With which the kernel's numbers end now: the caller lets it go on so far. */
uint64_t manual_last(struct manual *m);
/*
 * The kernel is to have them no more. Sending goes on in software at once; receiving after
 * manual_settle(), which is called when priv has been told to delete them. False: again later.
 */
void manual_return(struct manual *m);
bool manual_settle(struct manual *m);

/* Names of keys mean others now. */
void manual_keys_changed(struct engine *e);
/* A batch of packets has come in. */
void manual_received(struct engine *e);
struct monotime manual_tick(struct engine *e, struct monotime now);
/* The state with that number is stored (error 0) or not. */
void manual_stored(struct engine *e, uint64_t number, int error);
/* Into c, for the state: all specs. False: out of memory. */
bool manual_collect(const struct engine *e, struct config *c);
/* Forgets all, but not what is kept. */
void manual_fini(struct engine *e);
/* priv was restarted: it gets the sockets. */
void manual_keep(struct engine *e);
