/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where TCP or UDP is in an Ethernet frame: what segment.h and merge.h need to know of it. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fields of the headers, from their start. */
#define IP4_TOTAL_LEN	2
#define IP4_ID		4
#define IP4_FRAGMENT	6
#define IP4_CHECKSUM	10
#define IP4_SRC		12
#define IP4_HEADER_LEN	20
#define IP6_PAYLOAD_LEN 4
#define IP6_SRC		8
#define IP6_HEADER_LEN	40
#define TCP_SEQ		4
#define TCP_FLAGS	13
#define TCP_CHECKSUM	16
#define TCP_HEADER_LEN	20
#define L4_UDP_LEN	4
#define L4_UDP_CHECKSUM 6

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_URG 0x20
#define TCP_CWR 0x80

struct l4 {
	uint16_t ip;	  /* offset of the IP header, behind up to two VLAN tags */
	uint16_t l4;	  /* of TCP's or UDP's */
	uint16_t payload; /* of what they carry */
	bool v6;
	bool tcp; /* else UDP */
};

enum l4_verdict {
	L4_OK,
	L4_OTHER,  /* neither TCP nor UDP over IP */
	L4_PARTIAL /* TCP or UDP, but a fragment, or its headers are cut or malformed */
};

/*
 * Trusts no length of the IP header. IPv6 extension headers that may precede segmented TCP are
 * passed over.
 */
enum l4_verdict l4_find(const uint8_t *frame, size_t len, struct l4 *out);
/* The offset of the checksum in the header. */
static inline uint16_t
l4_checksum_offset(const struct l4 *at)
{
	return at->tcp ? TCP_CHECKSUM : L4_UDP_CHECKSUM;
}
/* IPv4 header checksum, once everything else is written. */
void ip4_write_checksum(uint8_t *ip, size_t header_len);
