/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/message.h"

#include <stdarg.h>
#include <stdio.h>

void
complain(const char *object, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "vn: %s: ", object);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}
