/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What each role may do, as data: system calls, paths, capabilities, limits, each with a reason.
 * Only sandbox*.c includes this.
 *
 * Filters and Landlock domains are inherited, so the parent's must hold what every role holds and
 * what a start needs: its filter is the union of all entries, and each role then narrows.
 */

#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "core/role.h"

#define SANDBOX_CMP_MAX 3

struct sandbox_call {
	unsigned roles; /* set of 1u << enum role */
	int nr;
	unsigned n_cmp; /* all must hold; 0: any arguments */
	struct scmp_arg_cmp cmp[SANDBOX_CMP_MAX];
	const char *why;
};

/* Where a path comes from. */
enum sandbox_place {
	PLACE_FIXED,
	PLACE_STATE_DIR,
	PLACE_KEYS_DIR,
	PLACE_CONFIG_DIR,
	PLACE_PROGRAM
};

/* What may be done beneath it; sandbox_landlock.c has the kernel's rights for each. */
enum sandbox_access { ACCESS_READ, ACCESS_LOAD, ACCESS_DEVICE, ACCESS_KEEP };

struct sandbox_path {
	unsigned roles;
	enum sandbox_place place;
	enum sandbox_access access;
	const char *path; /* PLACE_FIXED; need not exist */
	const char *why;
};

struct sandbox_role {
	uint64_t caps;	     /* kept and in effect: set of 1ull << CAP_X */
	unsigned long files; /* RLIMIT_NOFILE */
	bool dns;	     /* may connect to TCP port 53 */
};

/*
 * What roles need at their start, between exec and their own sandbox_enter(): the parent's bounding
 * set, permitted to it too.
 */
extern const uint64_t sandbox_start_caps;
/* The same, where the parent has been given them. */
extern const uint64_t sandbox_start_caps_optional;

extern const struct sandbox_role sandbox_roles[ROLE_COUNT];
extern const struct sandbox_call sandbox_calls[];
extern const size_t sandbox_n_calls;
extern const struct sandbox_path sandbox_paths[];
extern const size_t sandbox_n_paths;

/* More for builds with sanitizers, else empty. */
extern const struct sandbox_call sandbox_sanitizer_calls[];
extern const size_t sandbox_n_sanitizer_calls;
extern const struct sandbox_path sandbox_sanitizer_paths[];
extern const size_t sandbox_n_sanitizer_paths;

/* sandbox_landlock.c */

/* The kernel's Landlock ABI; 0: it has none. Ends the process on any other trouble. */
int landlock_abi(void);
/*
 * A ruleset for the role; its paths are opened now, while the process still may. -errno, and *what
 * names the culprit.
 */
int landlock_prepare(enum role r, const struct options *o, int abi, const char **what);
/* Consumes the ruleset. 0 or -errno. */
int landlock_enforce(int ruleset_fd);
