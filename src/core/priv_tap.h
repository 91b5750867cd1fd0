/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* TAP queues of PRIV_TAP_DEVICE. In priv. */

#include <stdbool.h>
#include <sys/types.h>

#define PRIV_TAP_DEVICE "/dev/net/tun"

/*
 * A queue of the persistent TAP, non-blocking and close-on-exec: made if create (-EBUSY if there is
 * one), else of the one that is there. A descriptor or -errno, and then *opened says whether
 * PRIV_TAP_DEVICE at least could be opened.
 */
int priv_tap_attach(const char *ifname, uid_t owner, bool create, bool *opened);
/* From now on it gives frames of the device's MTU, with their checksums. 0 or -errno. */
int priv_tap_make_plain(int fd);
/* Is fd a live queue of that TAP, made as we make them? */
bool priv_tap_is(int fd, const char *ifname);
/* The device goes when its last queue is closed. */
void priv_tap_abandon(int fd);
