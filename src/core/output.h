/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Frames to the one member that has been chosen: MSS, segments, VXLAN, inner UDP, ESP, UDP. Each
 * thread has one of these. Frames for one association are gathered and sealed together, and never
 * wait longer than the batch of reads they came in. A way of a secured group leads only through its
 * SAs.
 */

#include <linux/virtio_net.h>

#include "base/monotime.h"
#include "base/packet.h"
#include "core/assoc.h"

struct transport;

/* Frames that have their headers and wait to be sealed; empty between rounds. */
struct output {
	struct packet_pool *pool;
	struct transport *transport;
	unsigned lane; /* which SA of an association seals: way_seal() */
	const struct way *way;
	struct packet *packets[ASSOC_BATCH];
	size_t n;
};

/* A frame that a device gave out in one piece, with its header. */
struct super {
	struct virtio_net_hdr hdr;
	const struct packet *p;
};

/* A bare frame; consumes p. label: the VNI that the member wants. */
void output_frame(
    struct output *o, const struct way *w, uint32_t label, struct packet *p, struct monotime now);
/*
 * The same cut for the way: TCP segments are made no larger than what fits one outer packet there.
 * Does not consume s->p.
 */
void output_segments(struct output *o, const struct way *w, uint32_t label, const struct super *s,
    struct monotime now);
/* Seals and sends what was gathered. */
void output_flush(struct output *o, struct monotime now);
