/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One frame out of a TAP queue. Engine process, any thread. */

#include <linux/virtio_net.h>

#include "base/packet.h"

/*
 * A frame, perhaps larger than any packet on the wire, and its header. 0: *p is the caller's;
 * -errno: -EAGAIN when there is none, -ENOBUFS when there is no buffer for one and it is lost,
 * counted.
 */
int tap_read(int tap, struct packet_pool *pool, struct virtio_net_hdr *hdr, struct packet **p);
