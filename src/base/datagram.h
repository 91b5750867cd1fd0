/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What comes and goes on UDP port 1798: the first 32-bit word tells control messages, clear VXLAN
 * and ESP apart (RFC 3948 section 2, RFC 7348 section 5), and the header of control messages. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ether.h"

#define VNET_PORT	 1798 /* the engine, everything of the software path */
#define VNET_PORT_AUTH	 1799 /* inner port of VXLAN in an auth SA */
#define VNET_PORT_CONF	 1800 /* inner port of VXLAN in a conf SA */
#define VNET_PORT_ENCAP	 1801 /* the kernel's ESP in UDP */
#define VNET_PORT_CLEAR	 1802 /* VXLAN device of offloaded none vnets */
#define VNET_MCAST_GROUP "224.10.0.1"

#define VXLAN_HEADER_LEN 8
#define VXLAN_FLAGS_WORD 0x08000000u /* I flag: the VNI is valid */
#define VXLAN_CHECKED	 0x01u	     /* in the last byte, reserved in RFC 7348: see vnet(7) */
#define VNI_MAX		 0xffffffu
#define VNI_LABEL_MIN	 0x800000u /* labels of vnets with long ids start here */
#define VNI_PROBE	 0xffffffu /* reserved for probes of the kernel path */

#define UDP_HEADER_LEN	      8
#define INNER_UDP_PAYLOAD_MAX (UINT16_MAX - UDP_HEADER_LEN)

enum datagram_kind {
	DATAGRAM_CONTROL,
	DATAGRAM_VXLAN,
	DATAGRAM_ESP,
	DATAGRAM_KEEPALIVE, /* one byte 0xff: another implementation's NAT keepalive */
	DATAGRAM_SHORT,	    /* fewer than 4 bytes */
	DATAGRAM_RESERVED,  /* word 1 to 255: reserved SPIs */
	DATAGRAM_KINDS
};

/* *spi is set for DATAGRAM_ESP only. */
enum datagram_kind datagram_classify(const uint8_t *buf, size_t len, uint32_t *spi);
/* May w be an SPI of ours? Not 0 to 255, not the VXLAN word. */
bool datagram_spi_valid(uint32_t w);

/*
 * VXLAN header in front of a frame: flags word, VNI, reserved byte. False if it is short or I is
 * clear; the reserved bits but for VXLAN_CHECKED are ignored (RFC 7348 section 5).
 */
bool vxlan_parse(const uint8_t *buf, size_t len, uint32_t *vni, bool *checked);
/* Of vni the lowest 24 bits count. checked: never to a kernel, which drops what it does not know. */
void vxlan_write(uint8_t buf[static VXLAN_HEADER_LEN], uint32_t vni, bool checked);

/*
 * A probe of the kernel path: a frame of VNI_PROBE whose payload is a nonce, and zeros. It ends at
 * the engine of the other host, which answers by SEEN (varp/message.h).
 */
#define PROBE_ETHERTYPE 0x88b5 /* IEEE 802: local experiments */
#define PROBE_LEN	60     /* of the shortest frame */
void probe_write(uint8_t frame[static PROBE_LEN], uint64_t nonce);
/* False if it is no probe. */
bool probe_parse(const uint8_t *frame, size_t len, uint64_t *nonce);

/*
 * Inner UDP header of a transport-mode ESP payload: source port = destination port = port, checksum
 * 0. False, and nothing written, if the payload is longer than INNER_UDP_PAYLOAD_MAX.
 */
bool inner_udp_write(uint8_t buf[static UDP_HEADER_LEN], uint16_t port, size_t payload_len);
/* Checks that the length is exactly len and both ports are equal; the checksum is not looked at. */
bool inner_udp_parse(const uint8_t *buf, size_t len, uint16_t *port);

#define CONTROL_VERSION	   1
#define CONTROL_HEADER_LEN 8	/* marker 4, version 1, type 1, body length 2 */
#define CONTROL_BODY_MAX   1200 /* of all types but RELAY, which carries a whole datagram */

/* type value, enum suffix, name in counters and logs */
#define CONTROL_TYPES(X)               \
	X(1, DISCOVER, "discover")     \
	X(2, RELAYED, "relayed")       \
	X(3, HANDSHAKE1, "handshake1") \
	X(4, HANDSHAKE2, "handshake2") \
	X(5, COOKIE, "cookie")         \
	X(6, CLEAR, "clear")           \
	X(7, RELAY, "relay")

enum control_type {
#define X(value, suffix, name) CONTROL_##suffix = value,
	CONTROL_TYPES(X)
#undef X
};

enum control_verdict {
	CONTROL_OK,
	CONTROL_MALFORMED,
	CONTROL_VERSION_UNKNOWN,
	CONTROL_TYPE_UNKNOWN
};

struct control_header {
	enum control_type type;
	const uint8_t *body; /* inside the caller's buffer */
	size_t body_len;
};

/*
 * The whole datagram, marker included. The length must match exactly. *out is set only on
 * CONTROL_OK.
 */
enum control_verdict control_parse(const uint8_t *buf, size_t len, struct control_header *out);
/* body_len: within the limit of the type. */
void control_write_header(
    uint8_t buf[static CONTROL_HEADER_LEN], enum control_type type, size_t body_len);
