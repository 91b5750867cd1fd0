/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The parent process: starts the roles, joins them by channels, starts again what dies, ends all.
 * Its only inputs are signals and its children's few messages; a child that sends anything else is
 * killed.
 */

#include <stdint.h>

#include "core/options.h"

struct parent_setup {
	struct options options;
	int exe_fd;	/* this program */
	int control_fd; /* the control socket, for each engine that is started */
	int starter_fd; /* --daemon: a pipe to the process that waits until all is ready, else -1 */
	int notify_fd;	/* connected to the service manager, else -1 */
	int64_t
	    watchdog_ms; /* the service manager wants to hear from us this often; 0: it does not */
};

#define PARENT_READY "ready" /* what the starting process reads; anything else is why it failed */

/* Until SIGTERM or SIGINT, or until start-up has failed. An exit status. */
int parent_run(const struct parent_setup *setup);
