/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The privileged process at work: answers the engine's requests (privmsg.h) one after the other.
 * Keeps for the engine what must outlive it: a queue of every TAP, the sockets, the memo. Parses
 * nothing from outside; a wrong request is answered with an error.
 */

#include <sys/types.h>

#include "base/loop.h"

/* What it was given at start, while it was still root. */
struct priv_host {
	uid_t engine_uid;
	int config; /* the configuration file; -1: there is none */
	int state_dir;
	char boot[48]; /* boot_id of the kernel, "": not known */
};

struct priv;

/* Consumes the descriptors of host, also on failure: NULL with errno set. */
struct priv *priv_new(struct loop *loop, const struct priv_host *host);
void priv_free(struct priv *p);
/* The channel to the engine, consumed; it takes the place of an earlier one. 0 or -errno. */
int priv_attach(struct priv *p, int fd);
