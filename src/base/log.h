/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The log: lines on standard error, "vnetd[role]: module: text", with a "<N>" priority in front
 * where the journal reads them. Every process. Never allocates, never changes errno, never shows a
 * key. A file that logs defines LOG_MODULE before it includes this header. Nothing is logged per
 * packet above debug.
 */

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* role: shown in brackets, must outlive the process. Debug lines appear only when verbose. */
void log_init(const char *role, bool verbose);

/* Not for direct use: err is an errno value to explain, or 0. */
void log_emit(enum log_level level, const char *module, int err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void log_fatal(const char *module, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));

#define log_warn(...) \
	log_emit(LOG_LEVEL_WARN, LOG_MODULE, errno, __VA_ARGS__) /* adds strerror(errno) */
#define log_warnx(...) log_emit(LOG_LEVEL_WARN, LOG_MODULE, 0, __VA_ARGS__)
#define log_info(...)  log_emit(LOG_LEVEL_INFO, LOG_MODULE, 0, __VA_ARGS__)
#define log_debug(...) log_emit(LOG_LEVEL_DEBUG, LOG_MODULE, 0, __VA_ARGS__)
/* For start-up and broken message contracts only: logs and exits 1. */
#define fatal(...)  log_fatal(LOG_MODULE, errno, __VA_ARGS__)
#define fatalx(...) log_fatal(LOG_MODULE, 0, __VA_ARGS__)
