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
/* The last number that may have been sent in an earlier run. */
uint64_t manual_began(const struct manual *m);

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
