/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What each role gives up, in one order: capabilities locked and cut, uid and gid changed, limits, not dumpable, Landlock (where the kernel has none: an empty
 * chroot made before the uid changes), seccomp in kill mode. Data tables with a reason per entry. Any step that fails ends the process.
 * Only sandbox*.c know libcap-ng, libseccomp and Landlock. The parent keeps uid 0 and may still get, by exec, what its children's start needs.
 */

#include "core/options.h"
#include "core/role.h"

/* For a role's main, after it opened what it needs. Returns only when sealed. */
void sandbox_enter(enum role r, const struct options *o);

/* For vn status: "landlock abi 4, seccomp kill" and the like, of this process. */
const char *sandbox_describe(void);
