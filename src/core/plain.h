/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plain VXLAN members of none vnets: a kernel VXLAN device at a given address that runs no vnetd.
 * It belongs to the host that names it: every none vnet with a 16-bit id has it as a member, by
 * that id as VNI, whatever its source port. A hub member is a port of ours instead: its MACs are
 * our vifs, and what it sends goes on to all others, so one host can carry it to the rest. Owns the
 * table of MACs behind hub members. Those of secured vnets are manual.h's.
 */

#include <stdbool.h>

#include "base/addr.h"
#include "base/ether.h"

struct assoc;
struct engine;
struct member;
struct vnet;

/* The name of a host that has none. */
uint64_t plain_host_id(const struct engine *e, const struct endpoint *ep);
/* a, which is plain, becomes a member of the vnets that it carries, and of none any more. */
void plain_join(struct engine *e, struct assoc *a);
void plain_leave(struct engine *e, struct assoc *a);
/* How many these are. */
size_t plain_vnets(const struct engine *e, const struct assoc *a);

/* 0, -EEXIST, -ENOSPC, -ENOMEM. */
int plain_add(struct engine *e, const struct endpoint *ep, bool hub);
void plain_remove(struct engine *e, const struct endpoint *ep);
/* v is new, or in another group. */
void plain_vnet_added(struct engine *e, struct vnet *v);

/* mac sent a frame through a hub member; m NULL: through our own device. */
void plain_learn(
    struct engine *e, const struct vnet *v, struct member *m, const struct macaddr *mac);
/* The hub member behind which one of our vifs is, or NULL: behind our device. */
struct member *plain_port(const struct engine *e, const struct vnet *v, const struct macaddr *mac);
