/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The service manager's side of sd_notify(3): a socket named in the environment, opened before the sandbox. */

#include <stdint.h>

/* A connected, close-on-exec socket, or -1 where nobody is to be told. Removes the variables: roles have no business with them. */
int notify_open(void);
/* How often WATCHDOG=1 is expected, 0: never. Call before the variables are needed elsewhere: removes its own. */
int64_t notify_watchdog_ms(void);
/* text: "READY=1" and the like. Trouble is the service manager's to notice. */
void notify_send(int fd, const char *text);
