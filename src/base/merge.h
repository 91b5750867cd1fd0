/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The reverse of segment.h, by the rules of Linux's GRO: consecutive segments of a flow become one
 * frame for one write to a TAP device, without copying. Only what segmentation would give back is
 * merged: the same headers but for sequence number, IP id, length, checksum, and FIN or PSH at the
 * end; payloads of one size, the last may be shorter; checksums that are good, or said to be.
 * Frames of a flow stay in order; frames of different flows may pass each other. No I/O, no
 * allocation, no clock: what is held is flushed at the end of each batch.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

#include "base/l4.h"

#define MERGE_FLOWS    8  /* held at a time */
#define MERGE_SEGMENTS 64 /* in one frame */

/*
 * Takes one frame, made of so many that were given: iov[0] is its virtio-net header, the rest its
 * bytes, so that writev() can have it as it is. port is merge_frame()'s. Must not call merge_*.
 */
typedef void merge_emit_fn(
    void *arg, void *port, const struct iovec *iov, int n_iov, unsigned frames);

/*
 * IPv4 ids of a flow: any header of only one segment, all alike (atomic datagrams, RFC 6864), or
 * counting up.
 */
enum merge_ids { MERGE_IDS_ANY, MERGE_IDS_SAME, MERGE_IDS_COUNT };

struct merge_flow {
	void *port;
	uint8_t *frame; /* the first */
	struct l4 at;
	struct virtio_net_hdr hdr;
	uint16_t size; /* payload of each segment */
	uint8_t flags; /* FIN, PSH of the last */
	enum merge_ids ids;
	size_t len; /* of the merged frame */
	unsigned n; /* segments */
	struct iovec iov[1 + MERGE_SEGMENTS];
};

struct merge {
	merge_emit_fn *emit;
	void *arg;
	bool udp;
	unsigned n_flows;
	struct merge_flow
	    *open[MERGE_FLOWS]; /* the first n_flows, in the order they began; then the unused */
	struct merge_flow flows[MERGE_FLOWS];
};

/* udp: the device takes merged UDP too (TUN_F_USO4 and 6, Linux 6.2). */
void merge_init(struct merge *m, bool udp, merge_emit_fn *emit, void *arg);
/*
 * A frame for port, whose checksums need no look if checked. Its bytes must stay, and may be
 * changed, until it is emitted: at once or by the next merge_flush().
 */
void merge_frame(struct merge *m, void *port, uint8_t *frame, size_t len, bool checked);
/* Emits all that is held. */
void merge_flush(struct merge *m);
