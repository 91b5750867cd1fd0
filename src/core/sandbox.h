/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What each role gives up, in one order: new privileges, capabilities (locked and cut), uid and
 * gid, limits, dumps, files and ports by Landlock where the kernel has it, system calls by seccomp
 * in kill mode. Data tables with a reason per entry. Any step that fails ends the process. Only
 * sandbox*.c know libcap-ng, libseccomp and Landlock. The parent keeps uid 0 and, permitted but not
 * in effect, what its children's start needs: without new privileges an exec of uid 0 gives what
 * the parent's permitted and bounding sets have in common.
 */

#include "core/options.h"
#include "core/role.h"

/* For a role's main, after it opened what it needs. Returns only when sealed. */
void sandbox_enter(enum role r, const struct options *o);
/*
 * The same for a role with threads: fn makes them all, when everything that each thread has of its
 * own (uid, capabilities, Landlock) has been given up, and before what binds all of them.
 */
void sandbox_enter_threads(enum role r, const struct options *o, void (*fn)(void *arg), void *arg);

/* For vn status: "landlock abi 4, seccomp kill" and the like, of this process. */
const char *sandbox_describe(void);
