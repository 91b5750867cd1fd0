/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Between privcli.c, which owns the channel to priv, and kernelcli.c, whose requests nobody waits
 * for. In the engine.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/privcli.h"
#include "core/privmsg.h"

struct kernelcli;

/* privcli.c */

struct loop *privcli_loop(struct privcli *c);
/* NULL before the first kernelcli_init(). */
struct kernelcli *privcli_kernel(struct privcli *c);
void privcli_set_kernel(struct privcli *c, struct kernelcli *k);
/* Sends without waiting; *seq is what the answer carries. 0 or -errno. */
int privcli_send(
    struct privcli *c, enum priv_request type, const void *body, size_t len, uint32_t *seq);

/* kernelcli.c; they call nobody back, but from the event loop, and take NULL */

/* Notes a message that no call waits for. */
void kernelcli_note(struct kernelcli *k, struct ipc_msg *m);
/* priv is gone. */
void kernelcli_gone(struct kernelcli *k);
void kernelcli_free(struct kernelcli *k);
