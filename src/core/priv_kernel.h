/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's path (DESIGN.md section 9), the privileged side: makes in the kernel what the engine
 * asks for (kernelcli.h), watches it, repairs what others remove. Whatever it makes is known as
 * ours by its name, or by a number of ours, and nothing else is touched. In priv.
 *
 * priv_kernel.c joins priv_find.c (throw-away objects), priv_path.c (shared devices, routes, the
 * barrier), priv_xfrm.c (SAs, policies) and priv_flows.c (TAPs, peers, members, flows, probes).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "core/privmsg.h"

struct priv_kernel;
struct priv_link;

/* Tells the engine something: false if it cannot be told now. */
typedef bool priv_kernel_tell_fn(void *arg, const struct kernel_event *ev);

/*
 * Loads the programs, for which it must still be root; a kernel that takes none is no failure. NULL
 * with errno set.
 */
struct priv_kernel *priv_kernel_new(
    struct loop *loop, struct priv_link *link, priv_kernel_tell_fn *tell, void *arg);
/* Removes everything. */
void priv_kernel_free(struct priv_kernel *k);
/* The engine is gone: removes everything. */
void priv_kernel_abandon(struct priv_kernel *k);

/* Requests that have been checked. All: 0 or -errno and the reason in *a. */
void priv_kernel_find(struct priv_kernel *k, struct priv_found *out);
/* *fd stays ours. */
int priv_kernel_start(
    struct priv_kernel *k, const struct priv_kernel_start *q, struct priv_answer *a, int *fd);
int priv_kernel_count(struct priv_kernel *k, const struct priv_kernel_sa *q,
    struct kernel_count *out, struct priv_answer *a);
/* *fd stays ours. */
int priv_kernel_port(struct priv_kernel *k, struct priv_answer *a, int *fd);
/*
 * The file of numbers (priv_state.h), open as long as k may use it. Of all SAs in it that the kernel
 * has no more, it says afterwards what their last numbers were; where no path is open, it has none.
 */
void priv_kernel_settle(struct priv_kernel *k, int numbers);
/* The others. */
int priv_kernel_serve(struct priv_kernel *k, const struct ipc_msg *m, struct priv_answer *a);

/* Removes what a priv that is gone has left in this network namespace: 0 or -errno. */
int priv_kernel_remove_left(void);
