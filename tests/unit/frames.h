/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Frames for tests of what cuts and merges them, made field by field, with checksums added up byte by byte: this shares
 * nothing with the code under test. For tests only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FRAME_ROOM 66000

enum {
	F_FIN = 1,
	F_SYN = 2,
	F_RST = 4,
	F_PSH = 8,
	F_ACK = 16,
	F_URG = 32,
	F_ECE = 64,
	F_CWR = 128
};

/* Everything of a header that is not length or checksum. */
struct shape {
	bool v6, tcp, df;
	unsigned tags;	      /* VLAN tags, 0 to 2 */
	unsigned ip_options;  /* words of 4 bytes in IPv4, extension headers of 8 bytes in IPv6 */
	unsigned tcp_options; /* words */
	uint8_t ttl, tos, flags;
	uint16_t sport, dport, id, window, urgent;
	uint32_t seq, ack;
	uint8_t option; /* what the options are filled with */
};

struct frame {
	size_t len, ip, l4, payload;
	uint8_t bytes[FRAME_ROOM];
};

static inline uint8_t *
frame_put(uint8_t *at, uint64_t v, unsigned n)
{
	while (n-- > 0)
		*at++ = (uint8_t)(v >> 8 * n);
	return at;
}

/* RFC 1071 as it is written: big-endian words, an odd byte is a high one. */
static inline uint32_t
frame_sum(uint32_t sum, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The length counts as 16 bits, as it does in Linux. */
static inline uint32_t
frame_pseudo(const struct frame *f, const struct shape *s)
{
	uint32_t sum = (s->tcp ? 6 : 17) + (uint32_t)(f->len - f->l4);

	sum = (sum & 0xffff) + (sum >> 16);
	return s->v6 ? frame_sum(sum, f->bytes + f->ip + 8, 32)
		     : frame_sum(sum, f->bytes + f->ip + 12, 8);
}

static inline size_t
frame_checksum_at(const struct frame *f, const struct shape *s)
{
	return f->l4 + (s->tcp ? 16 : 6);
}

/* Both checksums, right for what else is in the headers. partial: the pseudo header's only, to be completed. */
static inline void
frame_checksums(struct frame *f, const struct shape *s, bool partial)
{
	uint8_t *sum = f->bytes + frame_checksum_at(f, s);

	if (!s->v6) {
		frame_put(f->bytes + f->ip + 10, 0, 2);
		frame_put(f->bytes + f->ip + 10, ~frame_sum(0, f->bytes + f->ip, f->l4 - f->ip), 2);
	}
	frame_put(sum, 0, 2);
	if (partial) {
		frame_put(sum, frame_pseudo(f, s), 2);
		return;
	}
	uint16_t full = (uint16_t)~frame_sum(frame_pseudo(f, s), f->bytes + f->l4, f->len - f->l4);
	frame_put(sum, full == 0 && !s->tcp ? 0xffff : full, 2);
}

static inline uint8_t *
frame_put_ip4(uint8_t *at, const struct shape *s, size_t l4_len)
{
	size_t header_len = 20 + 4 * (size_t)s->ip_options;

	at = frame_put(at, 0x40 | header_len / 4, 1);
	at = frame_put(at, s->tos, 1);
	at = frame_put(at, header_len + l4_len, 2);
	at = frame_put(at, s->id, 2);
	at = frame_put(at, s->df ? 0x4000 : 0, 2);
	at = frame_put(at, s->ttl, 1);
	at = frame_put(at, s->tcp ? 6 : 17, 1);
	at = frame_put(at, 0, 2);
	at = frame_put(at, 0x0a000001, 4);
	at = frame_put(at, 0x0a000002, 4);
	for (unsigned i = 0; i < s->ip_options; i++)
		at = frame_put(at, 0x01010101, 4); /* no operation */
	return at;
}

static inline uint8_t *
frame_put_ip6(uint8_t *at, const struct shape *s, size_t l4_len)
{
	uint8_t last = s->tcp ? 6 : 17;

	at = frame_put(at, 0x60000000u | (uint32_t)s->tos << 20 | 0xabcd, 4);
	at = frame_put(at, l4_len + 8 * (size_t)s->ip_options, 2);
	at = frame_put(at, s->ip_options > 0 ? 60 : last, 1);
	at = frame_put(at, s->ttl, 1);
	for (unsigned i = 1; i <= 2; i++) {
		at = frame_put(at, 0xfd00000000000000u, 8);
		at = frame_put(at, i, 8);
	}
	for (unsigned i = 1; i <= s->ip_options; i++) { /* destination options: padding */
		at = frame_put(at, i < s->ip_options ? 60 : last, 1);
		at = frame_put(at, 0, 1);
		at = frame_put(at, 0x010400000000u, 6);
	}
	return at;
}

static inline uint8_t *
frame_put_l4(uint8_t *at, const struct shape *s, size_t l4_len)
{
	at = frame_put(at, s->sport, 2);
	at = frame_put(at, s->dport, 2);
	if (!s->tcp) {
		at = frame_put(at, l4_len, 2);
		return frame_put(at, 0, 2);
	}
	at = frame_put(at, s->seq, 4);
	at = frame_put(at, s->ack, 4);
	at = frame_put(at, (5 + s->tcp_options) << 4, 1);
	at = frame_put(at, s->flags, 1);
	at = frame_put(at, s->window, 2);
	at = frame_put(at, 0, 2);
	at = frame_put(at, s->urgent, 2);
	memset(at, s->option, 4 * (size_t)s->tcp_options);
	return at + 4 * (size_t)s->tcp_options;
}

/* A whole frame; partial as frame_checksums(). */
static inline void
frame_make(struct frame *f, const struct shape *s, const uint8_t *payload, size_t n, bool partial)
{
	size_t l4_len = n + (s->tcp ? 20 + 4 * (size_t)s->tcp_options : 8);
	uint8_t *at = frame_put(f->bytes, 0x020000000001, 6);

	at = frame_put(at, 0x020000000002, 6);
	for (unsigned i = s->tags; i > 0; i--)
		at = frame_put(at, i == 2 ? 0x88a80064 : 0x81000007, 4);
	at = frame_put(at, s->v6 ? 0x86dd : 0x0800, 2);
	f->ip = (size_t)(at - f->bytes);
	at = s->v6 ? frame_put_ip6(at, s, l4_len) : frame_put_ip4(at, s, l4_len);
	f->l4 = (size_t)(at - f->bytes);
	at = frame_put_l4(at, s, l4_len);
	f->payload = (size_t)(at - f->bytes);
	if (n > 0)
		memcpy(at, payload, n);
	f->len = f->payload + n;
	frame_checksums(f, s, partial);
}

/* The i-th of the pieces of size bytes that hardware would cut s into. */
static inline struct shape
shape_of_segment(struct shape s, unsigned i, size_t size, bool last)
{
	s.id = (uint16_t)(s.id + i);
	s.seq += (uint32_t)(i * size);
	if (!last)
		s.flags &= (uint8_t) ~(F_FIN | F_PSH);
	if (i > 0)
		s.flags &= (uint8_t)~F_CWR;
	return s;
}
