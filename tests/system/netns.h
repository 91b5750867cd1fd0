/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For test programs that need a network of their own: a fresh namespace, and iproute2 as the judge of what we did in it. */

#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NETNS_SKIP 77

/* Ends the program, as skipped, where this cannot be done. */
static inline void
netns_enter(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0) {
		puts("needs root, network namespaces and iproute2");
		exit(NETNS_SKIP);
	}
}

/* Runs a command; true if it succeeds. */
static inline bool __attribute__((format(printf, 1, 2))) netns_run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

/* Does `ip -j -d ARGS` print this? Shows what it prints if not. */
static inline bool
netns_ip_says(const char *args, const char *expected)
{
	static char out[1 << 16];
	char command[256];
	FILE *ip;

	snprintf(command, sizeof(command), "ip -j -d %s 2>&1", args);
	ip = popen(command, "re");
	if (!ip)
		return false;
	out[fread(out, 1, sizeof(out) - 1, ip)] = '\0';
	pclose(ip);
	if (strstr(out, expected))
		return true;
	printf("ip %s: expected %s in %s\n", args, expected, out);
	return false;
}
