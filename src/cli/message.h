/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What vn says to people when something is wrong, and the exit statuses that go with it. */

enum vn_status {
	VN_OK,
	VN_REFUSED, /* by the daemon, or by the system */
	VN_USAGE,
	VN_GONE, /* no daemon, or no answer from it */
};

/* "vn: OBJECT: REASON" on standard error, after what is pending on standard output. */
void complain(const char *object, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
