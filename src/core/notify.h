/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What sd_notify(3) does: a socket named in the environment, opened before the sandbox. */

#include <stdint.h>

/* Both take their variables out of the environment, which the roles inherit. */

/* A connected, close-on-exec socket, or -1 where nobody is to be told. */
int notify_open(void);
/* How often WATCHDOG=1 is expected, 0: never. */
int64_t notify_watchdog_ms(void);
/* text: "READY=1" and the like. Trouble is the service manager's to notice. */
void notify_send(int fd, const char *text);
