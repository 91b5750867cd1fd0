/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
connect_to(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd;

	if ((name[0] != '/' && name[0] != '@') || len >= sizeof(un.sun_path))
		return -1;
	memcpy(un.sun_path, name, len);
	if (name[0] == '@')
		un.sun_path[0] = '\0'; /* an abstract address */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return fd;
	close(fd);
	return -1;
}

int
notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int fd = name ? connect_to(name) : -1;

	unsetenv("NOTIFY_SOCKET");
	return fd;
}

int64_t
notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long us = usec ? strtoll(usec, NULL, 10) : 0;

	if (pid && strtol(pid, NULL, 10) != getpid())
		us = 0;
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return us > 0 ? us / 1000 : 0;
}

void
notify_send(int fd, const char *text)
{
	if (fd >= 0)
		(void)send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}
