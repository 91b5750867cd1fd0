/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* TAP queues of /dev/net/tun. In priv. */

#include <stdbool.h>
#include <sys/types.h>

/*
 * A queue of the persistent TAP, non-blocking and close-on-exec: made if create (-EBUSY if there is
 * one), else of the one that is there. A descriptor or -errno.
 */
int priv_tap_attach(const char *ifname, uid_t owner, bool create);
/* Is fd a live queue of that TAP, made as we make them? */
bool priv_tap_is(int fd, const char *ifname);
/* The device goes when its last queue is closed. */
void priv_tap_abandon(int fd);
