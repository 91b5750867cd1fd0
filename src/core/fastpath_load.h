/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The programs of the kernel's path (fastpath.bpf.c), loaded, and their maps. Loading is done while
 * priv is still root: afterwards it may do no more than change what is in the maps. In priv.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fastpath.h"

enum fastpath_program {
	FASTPATH_FROM_NONE, /* the first three by enum level */
	FASTPATH_FROM_AUTH,
	FASTPATH_FROM_CONF,
	FASTPATH_FROM_PRIV,
	FASTPATH_UNSEALED,
	FASTPATH_TO_PEER,
	FASTPATH_PROGRAMS
};

struct fastpath;

/* NULL, and why in words (size bytes with NUL). */
struct fastpath *fastpath_load(char *reason, size_t size);
void fastpath_free(struct fastpath *f);

/* Descriptors; they stay ours. */
int fastpath_program(const struct fastpath *f, enum fastpath_program p);
int fastpath_slots(const struct fastpath *f);
void fastpath_clear_slots(struct fastpath *f);
/* Readable when there are probes. */
int fastpath_probes(const struct fastpath *f);

typedef void fastpath_probe_fn(void *arg, const struct fastpath_probe *p);
void fastpath_take_probes(struct fastpath *f, fastpath_probe_fn *each, void *arg);

/* All: 0 or -errno. What is not there is -ENOENT. */
int fastpath_set_device(struct fastpath *f, uint32_t level, uint32_t ifindex);
int fastpath_set_peer(struct fastpath *f, uint32_t number, const struct fastpath_peer *p);
int fastpath_set_flow(
    struct fastpath *f, const struct fastpath_flow_key *k, const struct fastpath_flow *v);
int fastpath_get_flow(
    struct fastpath *f, const struct fastpath_flow_key *k, struct fastpath_flow *v);
int fastpath_delete_flow(struct fastpath *f, const struct fastpath_flow_key *k);
int fastpath_set_member(
    struct fastpath *f, const struct fastpath_member_key *k, const struct fastpath_member *v);
int fastpath_delete_member(struct fastpath *f, const struct fastpath_member_key *k);
