/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Packet buffers from a pool: one allocation at start, none per packet. A packet is a window (data,
 * len) in a buffer with room in front for all headers we ever push and behind for ESP's trailer, so
 * nothing is copied on the way. Buffers are of three sizes, since what is small and close together
 * stays in the caches; a part of a packet needs none. Single thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * UDP-in-IP headers are the kernel's; ESP 8 + IV 16 + UDP 8 + VXLAN 8, and a virtio-net header of
 * up to 12. Rounded.
 */
#define PACKET_HEADROOM 128
/* Padding up to 255, pad length, next header, ICV up to 32. */
#define PACKET_TAILROOM 320
/* What is read in one piece: 65535 bytes of IP in an Ethernet frame with two tags, rounded. */
#define PACKET_ROOM 65600
#define PACKET_SIZE (PACKET_HEADROOM + PACKET_ROOM + PACKET_TAILROOM)
/* A frame of the usual MTU. */
#define PACKET_SMALL_ROOM 1600
/* The same where the underlay takes 9000 bytes. */
#define PACKET_MEDIUM_ROOM 9216

/*
 * For arrays as large as a batch, of which no more is read than was written: cleared first, as our
 * hardening has it, they cost more than a small packet.
 */
#define UNCLEARED __attribute__((uninitialized))

struct packet_shelf;

struct packet {
	uint8_t *data; /* start of what is valid */
	size_t len;
	struct packet *next; /* in the free list or in an owner's queue */
	struct packet_shelf *shelf;
	uint8_t *start, *end; /* of the buffer */
	bool checked;	      /* it holds a frame whose checksums somebody of our kind has made */
	uint8_t buf[] __attribute__((aligned(64))); /* so is data at first, which ciphers like */
};

struct packet_pool;

/* NULL if memory is short. Memory is touched only as packets are used. */
struct packet_pool *packet_pool_new(size_t count);
void packet_pool_free(struct packet_pool *pool);
size_t packet_pool_available(const struct packet_pool *pool);
/*
 * A packet with full headroom and len 0, or NULL when the pool is empty. Wiped of nothing: the
 * caller sets data and len.
 */
struct packet *packet_get(struct packet_pool *pool);
/* The same with room for n bytes, at most PACKET_ROOM: a small one, if that will do. */
struct packet *packet_get_for(struct packet_pool *pool, size_t n);
/*
 * One that is n bytes of another from data on, which is not put back before it. It has no room
 * around them. Not to be reset.
 */
struct packet *packet_get_part(struct packet_pool *pool, uint8_t *data, size_t n);
/* Gives it back; takes NULL. */
void packet_put(struct packet *p);
/* Makes room for n bytes in front, returns the new start, or NULL without headroom. */
uint8_t *packet_push(struct packet *p, size_t n);
/* Drops n bytes in front; false if there are fewer. */
bool packet_pull(struct packet *p, size_t n);
/*
 * Room for n more bytes behind: returns where they start and counts them in, or NULL without
 * tailroom.
 */
uint8_t *packet_append(struct packet *p, size_t n);
/* Drops n bytes behind; false if there are fewer. */
bool packet_trim(struct packet *p, size_t n);
/*
 * Where received bytes go: sets data to the start after the headroom, len 0; *room is what fits
 * (PACKET_ROOM, or that of its size).
 */
uint8_t *packet_reset(struct packet *p, size_t *room);
