/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What must be in order before vnetd becomes several processes: users, directories, that no other
 * vnetd has them, the control socket, the service manager, the background. As root, before any
 * sandbox; what is wrong is said on standard error.
 */

#include <stdbool.h>

#include "core/options.h"
#include "core/parent.h"

/* Root, users, directories, lock, descriptors. False: all has been said. */
bool startup_check(const struct options *o, struct parent_setup *out);
/*
 * Holds the lock of the run directory until the process ends. False if a vnetd runs there; what is
 * wrong has been said.
 */
bool startup_lock(const struct options *o);
/*
 * --daemon: in the background process fills out->starter_fd and returns -1. In the foreground,
 * waits until that one is ready, and returns an exit status.
 */
int startup_background(struct parent_setup *out);
/* Last, in the process that stays: its pid into the lock file. */
bool startup_write_pid(void);
