/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the runtimes of AddressSanitizer and its kin need besides: they map shadow memory late and
 * read /proc for their reports.
 */

#include <fcntl.h>
#include <sys/mman.h>

#include "core/sandbox_tables.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

const char *__asan_default_options(void);

/* The leak check stops the process with ptrace, which no sandbox allows. */
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

const char *__tsan_default_options(void);

/* Nor may it ask whether standard error is a terminal. */
const char *
__tsan_default_options(void)
{
	return "color=never";
}

#define ALL ((1u << ROLE_COUNT) - 1)
#define CALL(call, why)                                \
	{                                              \
		ALL, SCMP_SYS(call), 0, { { 0 } }, why \
	}

const struct sandbox_call sandbox_sanitizer_calls[] = {
	CALL(sigaltstack, "stack for reports"),
	CALL(rt_sigaction, "handlers for reports"),
	CALL(rt_sigprocmask, "reports"),
	CALL(open, "/proc/self at start and in reports"),
	CALL(openat, "/proc/self at start and in reports"),
	CALL(personality, "whether addresses are random"),
	CALL(readlink, "/proc/self/exe in reports"),
	CALL(readlinkat, "/proc/self/exe in reports"),
	CALL(newfstatat, "reports"),
	CALL(stat, "reports"),
	CALL(pipe2, "whether memory can be read"),
	CALL(pipe, "whether memory can be read"),
	CALL(prctl, "process name in reports, names of mappings"),
	CALL(prlimit64, "limits of the stack"),
	CALL(sched_getaffinity, "number of processors"),
	CALL(sched_yield, "spin locks"),
	CALL(nanosleep, "the thread that looks after the others"),
	CALL(clock_nanosleep, "the thread that looks after the others"),
	CALL(dup2, "reports"),
	CALL(tgkill, "abort after a report"),
	CALL(getrlimit, "limits of the stack"),
	{ ALL, SCMP_SYS(fcntl), 1, { { 1, SCMP_CMP_EQ, F_SETFD, 0 } },
	    "/proc/self/exe in reports" },
};
const size_t sandbox_n_sanitizer_calls = sizeof(sandbox_sanitizer_calls) /
					 sizeof(sandbox_sanitizer_calls[0]);

const struct sandbox_path sandbox_sanitizer_paths[] = {
	{ ALL, PLACE_FIXED, ACCESS_READ, "/", "reports name functions and lines" },
};
const size_t sandbox_n_sanitizer_paths = 1;

#else

const struct sandbox_call sandbox_sanitizer_calls[1];
const size_t sandbox_n_sanitizer_calls;
const struct sandbox_path sandbox_sanitizer_paths[1];
const size_t sandbox_n_sanitizer_paths;

#endif
