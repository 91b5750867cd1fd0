/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Frames on their way out: device -> forwarding decision -> output.h. A frame of a secured vnet
 * leaves only sealed under an SA of the vnet's own key and suite.
 */

#include <linux/virtio_net.h>

#include "base/packet.h"

struct engine;
struct member;
struct vnet;

/* Watches the device of v, and stops. 0 or -errno. */
int egress_start(struct engine *e, struct vnet *v);
void egress_stop(struct engine *e, struct vnet *v);
/*
 * One frame from our own device, perhaps larger than any packet, with its header; consumes p. What
 * was read by a worker comes here too.
 */
void egress_frame(
    struct engine *e, struct vnet *v, struct packet *p, const struct virtio_net_hdr *hdr);
/* A bare frame to one member; consumes p. */
void egress_send(struct engine *e, struct member *m, struct packet *p);
/*
 * Copies of a bare frame to all members but one (NULL: to all), or only to those that are ports of
 * ours.
 */
void egress_copy(struct engine *e, struct vnet *v, const struct packet *p,
    const struct member *except, bool hubs_only);
/* One copy. */
void egress_copy_one(struct engine *e, struct member *m, const struct packet *p);
/* The member that is a port of ours and has the frame's destination, or NULL. */
struct member *egress_port(const struct engine *e, const struct vnet *v, const struct packet *p);
/* Seals and sends what was gathered. */
void egress_flush(struct engine *e);
/*
 * What the device has given out or still holds was said under another key or level: it goes nowhere.
 */
void egress_discard(struct vnet *v);
/* The first member has come: frames that waited go out. */
void egress_release(struct engine *e, struct vnet *v);
