/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monotime.h"

#include <time.h>

struct monotime
monotime_now(void)
{
	struct timespec ts;

	/* Cannot fail: the clock exists and the pointer is good. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	int64_t ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	return (struct monotime){ ns ? ns : 1 };
}
