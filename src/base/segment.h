/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What hardware would do to a frame that a TAP device gives out with a virtio-net header: fill in a
 * checksum, or cut TCP or UDP into segments with complete headers and checksums, as Linux's
 * tcp_gso_segment(), __udp_gso_segment() and inet_gso_segment() do. Frames and headers may be a
 * guest's: nothing in them is believed. No I/O, no allocation.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_net.h>

#include "base/l4.h"
#include "base/packet.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* 64 KB in pieces of the smallest MSS that Linux uses, 48: no frame makes more. */
#define SEGMENTS_MAX 1366

/* enum suffix, counter name, help */
#define SEGMENT_VERDICTS(X)                                                                     \
	X(OK, "ok", "segmented, or its checksum filled in")                                     \
	X(TYPE, "segment_type", "a kind of segmentation we did not offer")                      \
	X(HEADERS, "segment_headers", "no whole TCP or UDP header of the kind to be segmented") \
	X(CHECKSUM, "segment_checksum",                                                         \
	    "checksum outside the frame, or not that of the transport")                         \
	X(SIZE, "segment_size", "no payload, segments of no bytes, too large or too many")

enum segment_verdict {
#define X(suffix, name, help) SEGMENT_##suffix,
	SEGMENT_VERDICTS(X)
#undef X
	    SEGMENT_VERDICT_COUNT
};

const char *segment_verdict_name(enum segment_verdict v);

/* A frame being cut. Borrows it until the last segment. */
struct segments {
	const uint8_t *frame;
	const uint8_t *payload; /* what is left of it */
	size_t left;
	uint16_t size; /* payload of each segment but the last */
	uint16_t count;
	uint16_t index; /* of the next */
	struct l4 at;
	/* Sums of the headers but for what differs between segments. */
	uint64_t ip_sum, l4_sum; /* the latter with the pseudo header's */
	uint16_t id;
	uint32_t seq;
};

/* Is the frame more than one? Then segment_start(), else segment_checksum(). */
static inline bool
segment_needed(const struct virtio_net_hdr *hdr)
{
	return hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

/* A frame that stays one: fills in the checksum that hdr asks for, if any, in place. */
enum segment_verdict segment_checksum(const struct virtio_net_hdr *hdr, uint8_t *frame, size_t len);
/* s->count segments follow. Nothing is copied yet. */
enum segment_verdict segment_start(
    struct segments *s, const struct virtio_net_hdr *hdr, const uint8_t *frame, size_t len);
/* Appends the next segment to p, which is fresh, and calls it checked. False after the last. */
bool segment_next(struct segments *s, struct packet *p);
