/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Making, changing and removing vnets with all that hangs on them: device, bridge, MTU, addresses,
 * group, membership. Watches what the machine does to the devices and makes good what it takes
 * away.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/monotime.h"
#include "core/vnetspec.h"

struct assoc;
struct engine;
struct ipaddr;
struct linkmon_link;
struct vnet;

#define VNETCTL_ERROR_MAX 320

/*
 * Makes the vnet; the same again is 0. What differs from an existing one is refused with what
 * differs and the vnet-set that would change it. patient: at start, where a device that cannot be
 * made now is tried again later, and shown as the vnet's problem.
 */
int vnetctl_add(struct engine *e, const struct vnetspec *spec, bool from_config, bool patient,
    char error[static VNETCTL_ERROR_MAX]);
/* Changes what spec says (its has_ flags), the device stays. */
int vnetctl_set(struct engine *e, struct vnet *v, const struct vnetspec *spec,
    char error[static VNETCTL_ERROR_MAX]);
/*
 * Removes vnet and device; the bridge too if asked. -EBUSY: all done, but the bridge has other
 * ports.
 */
int vnetctl_delete(
    struct engine *e, struct vnet *v, bool bridge, char error[static VNETCTL_ERROR_MAX]);
/* The list of keys changed: vnets whose key is another one now change groups. */
void vnetctl_keys_changed(struct engine *e);
/* Links or addresses changed: MTUs, multicast devices, lost devices. */
void vnetctl_links_changed(struct engine *e);
/* The address of an association changed: so may what fits on the way. */
void vnetctl_path_changed(struct engine *e, struct assoc *a);
/* Reading from the device failed. */
void vnetctl_device_lost(struct engine *e, struct vnet *v, int err);
/* Gives a restarted priv the queues of all devices. */
void vnetctl_keep_all(struct engine *e);
/* Tries devices that could not be made again. */
struct monotime vnetctl_tick(struct engine *e, struct monotime now);
/* Is the group heard there, and told who we are? */
bool vnetctl_finds_by(const struct engine *e, const struct linkmon_link *l);
/* An address of ours on the underlay, for people; one that is not set if there is none. */
const struct ipaddr *vnetctl_own_address(const struct engine *e);
