/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The keys process's work: answers the engine's messages with a keyring and the open handshakes. No
 * sockets, no sandbox, no clock: src/core/role_keys.c runs it, so that tests can too.
 */

#include <stdint.h>

#include "base/ipc.h"
#include "base/monotime.h"
#include "keys/keyring.h"

struct keysd;

/* Sends an answer; body is wiped by the caller afterwards. */
typedef void keysd_send_fn(void *arg, uint32_t type, uint32_t seq, const void *body, size_t len);

/* Consumes the keyring. NULL if memory is short. */
struct keysd *keysd_new(struct keyring *ring, keysd_send_fn *send, void *arg);
void keysd_free(struct keysd *d);
/* One message from the engine. False: it broke the contract (the caller drops that engine). */
bool keysd_handle(struct keysd *d, const struct ipc_msg *m, struct monotime now);
/* Sends the whole list unasked (seq 0): at start, to a new engine, after a change. */
void keysd_send_list(struct keysd *d);
/* Forgets all open handshakes: the engine is a new one. */
void keysd_reset(struct keysd *d);
