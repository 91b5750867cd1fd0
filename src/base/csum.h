/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The Internet checksum (RFC 1071). Sums are of 16-bit words as they lie in memory, so a folded sum
 * is stored back as it is and only numbers of ours need htobe16() before they are added. Pieces but
 * the last must have an even length. Pure.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Sum of at most 64 KB and more (up to 2^34 bytes in all), not folded. */
uint64_t csum_bytes(const void *bytes, size_t len);
/* The same while copying; the two do not overlap. */
uint64_t csum_copy(void *restrict to, const void *restrict from, size_t len);

static inline uint16_t
csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Header fields, at any address. Raw: in network order, as sums want them. */
static inline uint16_t
raw16_load(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline void
raw16_store(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, sizeof(v));
}
