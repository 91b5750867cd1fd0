/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Frames that do not fit the path (DESIGN.md section 8): TCP MSS is clamped, and the sender of an
 * IP packet that is too large is told, inside the vnet, as a router would. Pure: frames in, frames
 * out. Nothing depends on it being heeded: what is too large travels as outer IP fragments.
 * Sources: RFC 879 and 6691 (MSS), 1624 (incremental checksum), 1191 and 792 (fragmentation
 * needed), 8201 and 4443 (packet too big).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * In a TCP SYN over IPv4 or IPv6 (up to two VLAN tags), lowers an MSS option above what an IP
 * packet of mtu bytes can hold, checksum too. True if it did. An IP packet in fragments, or with
 * extension headers, is left alone.
 */
bool fit_clamp_mss(uint8_t *frame, size_t len, size_t mtu);

#define FIT_ERROR_MAX \
	640 /* bytes of an answering frame: as much of the packet as RFC 1812 and our brevity allow */

/*
 * If the frame's IP packet is larger than mtu and its sender could send it smaller (IPv4 with DF,
 * IPv6), writes the frame that tells it so and returns its length; else 0. As there is no router,
 * the answer comes from the destination's addresses. Errors and groups are never answered (RFC 1122
 * 3.2.2).
 */
size_t fit_too_big(
    const uint8_t *frame, size_t len, size_t mtu, uint8_t answer[static FIT_ERROR_MAX]);
