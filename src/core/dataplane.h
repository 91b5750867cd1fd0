/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The life of a frame: device -> forwarding decision -> VXLAN -> ESP -> UDP, and back. A frame of a secured vnet leaves only sealed under an SA of the
 * vnet's own key and suite, and one enters only out of such an SA.
 */

#include "core/transport.h"

struct assoc;
struct engine;
struct vnet;

/* One datagram from the network; takes its packet. */
void dataplane_datagram(struct engine *e, const struct datagram *d);
/* Watches the device of v, and stops. */
int dataplane_start(struct engine *e, struct vnet *v);
void dataplane_stop(struct engine *e, struct vnet *v);
/* The first member has come: frames that waited go out. */
void dataplane_queue_release(struct engine *e, struct vnet *v);
