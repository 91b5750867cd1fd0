/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The forwarding decision for one frame of a vnet: (tables, frame) -> verdict and target. Pure; the
 * caller does the I/O.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ether.h"
#include "varp/varp.h"

enum forward_from { FORWARD_FROM_DEVICE, FORWARD_FROM_NETWORK };

enum forward_verdict {
	FORWARD_UNICAST,     /* to one host: route.via */
	FORWARD_FLOOD,	     /* a copy to every member */
	FORWARD_DELIVER,     /* into our device */
	FORWARD_DROP_SHORT,  /* no Ethernet header */
	FORWARD_DROP_SOURCE, /* source is a group address or zero */
	FORWARD_DROP_LOCAL,  /* for a MAC behind our own device: it was here already */
	FORWARD_DROP_RESERVED /* link-local control group 01:80:c2:00:00:00 to 0f (IEEE 802.1Q 8.6.3): never bridged */
};

struct forward {
	enum forward_verdict verdict;
	struct macaddr dst, src;
	struct varp_route route; /* FORWARD_UNICAST */
};

struct forward forward_decide(
    const struct varp *v, uint32_t vnet, enum forward_from from, const uint8_t *frame, size_t len);
