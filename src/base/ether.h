/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ethernet: MAC addresses and the frame header. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct macaddr {
	uint8_t b[6];
};

#define MAC_STRLEN	 18
#define ETHER_HEADER_LEN 14
#define ETHER_VLAN_LEN	 4 /* one 802.1Q tag */
/* Largest frame that is carried: with VXLAN and UDP headers it must fit UDP's 16-bit length. */
#define ETHER_FRAME_MAX 65519

/* "02:00:00:00:00:01", '-' allowed for ':', any case. False, and *out untouched, otherwise. */
bool mac_parse(const char *text, struct macaddr *out);
/* Lower case; writes into buf and returns it. */
const char *mac_format(const struct macaddr *mac, char buf[static MAC_STRLEN]);

/* Group bit: multicast or broadcast. */
static inline bool
mac_is_multicast(const struct macaddr *mac)
{
	return mac->b[0] & 1;
}

static inline bool
mac_equal(const struct macaddr *a, const struct macaddr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool
mac_is_zero(const struct macaddr *mac)
{
	return mac_equal(mac, &(struct macaddr){ 0 });
}

/* Addresses of a frame; false if it is shorter than an Ethernet header. */
bool ether_addresses(const uint8_t *frame, size_t len, struct macaddr *dst, struct macaddr *src);
