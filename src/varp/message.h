/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages between two hosts inside an association (inner port 1798), or clear for vnets of level
 * none: echo, membership, VARP. Pure codecs.
 *
 *   header      version 1 | type 1 | body length 2
 *   ECHO        nonce 8 | membership number 8 | membership hash 8
 *   ECHO_REPLY  nonce 8 | membership number 8 | membership hash 8
 *               | seen family 1 (4 or 6) | zero 1 | seen port 2 | seen address 16
 *   MEMBERS     number 8 | hash 8 | base 8 | total 2 | first 2 | entries 2 | zero 2
 *               | { vnet id 16 | op 1 | VNI 3 }...
 *   WANTED      number 8                       (the one held; 0: none)
 *   REQUEST, ANNOUNCE, WITHDRAW, ACK
 *               VNI 4 | items 2 | zero 2 | { MAC 6 | zero 2 | counter 4 }...
 *   PATH        ways 1 | zero 3 | { SPI 4 | kind 1 | zero 1 | port 2 }...
 *   SEEN        nonce 8                        (of a probe, base/datagram.h)
 *
 * VNIs are the receiver's own labels, except in MEMBERS, where the sender announces its own.
 * MEMBERS with base 0 is (a part of) the full set: total entries in all, this part starts at
 * `first`; with base N it is the change from number N to number, whole in one message. A set is in
 * ascending order of ids and has no id and no VNI twice; its hash is SipHash-2-4 under the zero key
 * over id 16 | zero 1 | VNI 3 of each entry. PATH says how the sender's kernel can be reached, by
 * the pair of SAs that it comes over; no way: not at all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ether.h"
#include "base/vnetid.h"

#define MESSAGE_VERSION	     1
#define MESSAGE_HEADER_LEN   4
#define MESSAGE_MAX	     1200 /* whole message; fits any underlay with ESP and IPv6 */
#define MESSAGE_MEMBERS_MAX  57
#define MESSAGE_ITEMS_MAX    96
#define MESSAGE_WAYS_MAX     4
#define MEMBERSHIP_TOTAL_MAX 4096 /* vnets one host may announce in one association */

#define MESSAGE_TYPES(X)               \
	X(1, ECHO, "echo")             \
	X(2, ECHO_REPLY, "echo_reply") \
	X(3, MEMBERS, "members")       \
	X(4, WANTED, "wanted")         \
	X(5, REQUEST, "request")       \
	X(6, ANNOUNCE, "announce")     \
	X(7, WITHDRAW, "withdraw")     \
	X(8, ACK, "ack")               \
	X(9, PATH, "path")             \
	X(10, SEEN, "seen")

enum message_type {
#define X(value, suffix, name) MESSAGE_##suffix = value,
	MESSAGE_TYPES(X)
#undef X
};

enum member_op { MEMBER_ADD = 0, MEMBER_REMOVE = 1 };

struct message_member {
	struct vnetid id;
	enum member_op op;
	uint32_t vni;
};

struct message_item {
	struct macaddr mac;
	uint32_t counter; /* mobility counter; REQUEST: the highest known, 0 if none */
};

enum way_kind {
	WAY_ESP = 1, /* ESP as IP protocol 50; port 0 */
	WAY_UDP,     /* ESP in UDP to that port */
	WAY_VXLAN    /* clear VXLAN to that port; SPI 0 */
};

struct message_way {
	uint32_t spi;
	enum way_kind kind;
	uint16_t port;
};

struct message {
	enum message_type type;
	union {
		struct {
			uint64_t nonce, number, hash;
			struct endpoint seen; /* ECHO_REPLY: where the ECHO came from */
		} echo;
		struct {
			uint64_t number, hash, base;
			uint16_t total, first, n;
			struct message_member entries[MESSAGE_MEMBERS_MAX];
		} members;
		uint64_t wanted;
		struct {
			uint32_t vni;
			uint16_t n;
			struct message_item items[MESSAGE_ITEMS_MAX];
		} varp; /* REQUEST, ANNOUNCE, WITHDRAW, ACK */
		struct {
			uint8_t n;
			struct message_way ways[MESSAGE_WAYS_MAX];
		} path;
		uint64_t seen;
	};
};

/*
 * Values a field cannot have: VNI 0 or above 24 bits, a group or zero MAC, vnet id 0 or 1, an
 * unknown op or one that removes from nothing, a number that is not above its base, reserved that
 * is not zero, an unknown kind of way, or an SPI or port that its kind does not have or lacks.
 */
#define MESSAGE_VERDICTS(X)                                                                \
	X(OK, "ok")                                                                        \
	X(SHORT, "message_short") /* ends too early, or length does not match */           \
	X(VERSION, "message_version")                                                      \
	X(TYPE, "message_type")                                                            \
	X(COUNT, "message_count") /* too many or no entries, or first + entries > total */ \
	X(VALUE, "message_value") /* a field has a value it cannot have */

enum message_verdict {
#define X(suffix, name) MESSAGE_##suffix##_V,
	MESSAGE_VERDICTS(X)
#undef X
	    MESSAGE_VERDICT_COUNT
};

const char *message_type_name(enum message_type t);
/* Length of the whole message, or 0 if it does not fit size. */
size_t message_write(const struct message *m, uint8_t *buf, size_t size);
/* *m is valid only on MESSAGE_OK_V. */
enum message_verdict message_parse(const uint8_t *buf, size_t len, struct message *m);

/*
 * Clear messages (control type CLEAR) carry who speaks and proof of the address in front of a
 * message:
 *   host id 8 | start 8 | nonce 8 (the receiver shall echo it) | echo 8 (of the receiver's nonce, 0: none yet)
 */
#define CLEAR_HEADER_LEN 32

struct clear_header {
	uint64_t host_id, start, nonce, echo;
};

void clear_write(uint8_t buf[static CLEAR_HEADER_LEN], const struct clear_header *h);
/* False if short, or host id or nonce is 0. */
bool clear_parse(const uint8_t *buf, size_t len, struct clear_header *h);
