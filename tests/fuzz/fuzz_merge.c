/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Merging frames that hostile peers send: what comes out, cut again, is what went in, in the order of each flow, but
 * for checksums that need not be looked at: they may have become good.
 * Input: steps of a byte of flags, a length (2 bytes) and as many bytes, a frame.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/csum.h"
#include "base/cursor.h"
#include "base/merge.h"
#include "base/segment.h"
#include "fuzz.h"

#define FRAMES_MAX 200

enum {
	STEP_GOOD = 1,	/* lengths and checksums are made good */
	STEP_PORT = 2,	/* the other port */
	STEP_FLUSH = 4, /* the batch ends behind it */
	STEP_NEXT =
	    8, /* the frame before once more, as the next segment; no bytes but the length's low one, of payload */
	STEP_CHECKED = 16, /* its checksums need not be looked at */
};

enum {
	SAW_ALONE,
	SAW_TCP4,
	SAW_TCP6,
	SAW_UDP4,
	SAW_UDP6,
	SAW_SAME_ID,
	SAW_FULL,
	SAW_EVICTED,
	SAW_CHECKED
};
const char *const fuzz_classes[] = { "alone", "TCP over IPv4", "TCP over IPv6", "UDP over IPv4",
	"UDP over IPv6", "ids all alike", "as many as fit", "more flows than are held",
	"checksums not looked at", NULL };

struct sent {
	uint8_t *bytes, *copy;
	size_t len;
	uint8_t port;
	struct l4 at;
	bool flow; /* at is valid */
	bool checked;
	bool out;
};

static struct sent sent[FRAMES_MAX];
static size_t n_sent;
static uint8_t ports[2];
static struct packet *piece;
static bool giving;

static void
die_unless(bool ok)
{
	if (!ok)
		abort();
}

static bool
same_flow(const struct sent *a, const struct sent *b)
{
	size_t addresses = a->at.v6 ? 8 : 12, n = a->at.v6 ? 32 : 8;

	return a->flow && b->flow && a->port == b->port && a->at.v6 == b->at.v6 &&
	       a->at.tcp == b->at.tcp && memcmp(a->copy + a->at.l4, b->copy + b->at.l4, 4) == 0 &&
	       memcmp(a->copy + a->at.ip + addresses, b->copy + b->at.ip + addresses, n) == 0;
}

static void make_good(uint8_t *bytes, size_t len);

/* Equal, once the checksums are good. */
static bool
same_but_checksums(const struct sent *s, const uint8_t *bytes)
{
	static uint8_t good[UINT16_MAX];

	if (!s->checked || s->len > sizeof(good))
		return false;
	memcpy(good, s->copy, s->len);
	make_good(good, s->len);
	return memcmp(good, bytes, s->len) == 0;
}

/* Equal, but for the id of an atomic datagram and the checksum over it. */
static bool
same_frame(const struct sent *s, const uint8_t *bytes, bool *same_id)
{
	size_t id = (size_t)s->at.ip + 4, src = (size_t)s->at.ip + 12;

	*same_id = true;
	if (memcmp(s->copy, bytes, s->len) == 0)
		return true;
	*same_id = false;
	return s->flow && !s->at.v6 && (bytes[id + 2] & 0x40) != 0 &&
	       memcmp(s->copy, bytes, id) == 0 &&
	       memcmp(s->copy + id + 2, bytes + id + 2, 4) == 0 &&
	       memcmp(s->copy + src, bytes + src, s->len - src) == 0;
}

/* The first frame of its flow that is not out. */
static bool
is_next(size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!sent[j].out && same_flow(&sent[j], &sent[i]))
			return false;
	return true;
}

static void
came_out(uint8_t port, const uint8_t *bytes, size_t len)
{
	bool same_id;

	for (size_t i = 0; i < n_sent; i++)
		if (!sent[i].out && sent[i].len == len && sent[i].port == port &&
		    same_frame(&sent[i], bytes, &same_id) && is_next(i)) {
			sent[i].out = true;
			if (!same_id)
				fuzz_saw(SAW_SAME_ID);
			return;
		} else if (!sent[i].out && sent[i].len == len && sent[i].port == port &&
			   same_but_checksums(&sent[i], bytes) && is_next(i)) {
			sent[i].out = true;
			fuzz_saw(SAW_CHECKED);
			return;
		}
	abort();
}

static void
emit(void *arg, void *port, const struct iovec *iov, int n_iov, unsigned frames)
{
	static uint8_t whole[1 << 20];
	const struct merge *m = arg;
	struct virtio_net_hdr hdr;
	struct segments cut;
	size_t len = 0, room;
	uint8_t number = (uint8_t)((uint8_t *)port - ports);

	memcpy(&hdr, iov[0].iov_base, sizeof(hdr));
	for (int i = 1; i < n_iov; i++) {
		die_unless(len + iov[i].iov_len <= sizeof(whole));
		memcpy(whole + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	if (giving && m->n_flows == MERGE_FLOWS)
		fuzz_saw(SAW_EVICTED);
	if (frames == 1) {
		die_unless(hdr.flags == 0 && hdr.gso_type == 0 && n_iov == 2);
		came_out(number, whole, len);
		fuzz_saw(SAW_ALONE);
		return;
	}
	die_unless(segment_start(&cut, &hdr, whole, len) == SEGMENT_OK && cut.count == frames);
	die_unless(len - cut.at.ip <= 65535 && (unsigned)n_iov == frames + 1);
	for (packet_reset(piece, &room); segment_next(&cut, piece); packet_reset(piece, &room))
		came_out(number, piece->data, piece->len);
	fuzz_saw((cut.at.tcp ? SAW_TCP4 : SAW_UDP4) + cut.at.v6);
	if (frames == MERGE_SEGMENTS)
		fuzz_saw(SAW_FULL);
}

static void
put16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void
make_good(uint8_t *bytes, size_t len)
{
	struct l4 at;

	if (l4_find(bytes, len, &at) != L4_OK)
		return;
	uint8_t *ip = bytes + at.ip, *sum = bytes + at.l4 + l4_checksum_offset(&at);
	uint8_t protocol[4] = { 0, at.tcp ? 6 : 17 };
	if (at.v6) {
		put16(ip + IP6_PAYLOAD_LEN, len - at.ip - IP6_HEADER_LEN);
	} else {
		put16(ip + IP4_TOTAL_LEN, len - at.ip);
		ip4_write_checksum(ip, (size_t)(at.l4 - at.ip));
	}
	if (!at.tcp)
		put16(bytes + at.l4 + L4_UDP_LEN, len - at.l4);
	put16(protocol + 2, len - at.l4);
	put16(sum, 0);
	uint64_t s = csum_bytes(ip + (at.v6 ? IP6_SRC : IP4_SRC), at.v6 ? 32 : 8) +
		     csum_bytes(protocol, 4);
	uint16_t folded = (uint16_t)~csum_fold(s + csum_bytes(bytes + at.l4, len - at.l4));
	raw16_store(sum, folded == 0 && !at.tcp ? UINT16_MAX : folded);
}

/* Sequence number and id behind those of the frame before; its headers with n bytes of payload, into a new buffer. */
static uint8_t *
next_segment(const struct sent *before, size_t n)
{
	const struct l4 *at = &before->at;
	uint8_t *bytes = calloc(1, at->payload + n + 1);
	uint32_t seq = 0;

	die_unless(bytes != NULL);
	memcpy(bytes, before->copy, at->payload);
	if (!at->v6)
		put16(bytes + at->ip + IP4_ID,
		    (size_t)(bytes[at->ip + 4] << 8 | bytes[at->ip + 5]) + 1);
	if (at->tcp) {
		for (unsigned i = 0; i < 4; i++)
			seq = seq << 8 | bytes[at->l4 + TCP_SEQ + i];
		seq += (uint32_t)(before->len - at->payload);
		put16(bytes + at->l4 + TCP_SEQ, seq >> 16);
		put16(bytes + at->l4 + TCP_SEQ + 2, seq & 0xffff);
	}
	return bytes;
}

static void
give(struct merge *m, uint8_t *bytes, size_t len, uint8_t flags)
{
	struct sent *s = &sent[n_sent++];

	if (flags & STEP_GOOD)
		make_good(bytes, len);
	*s = (struct sent){ .bytes = bytes, .copy = malloc(len + 1), .len = len };
	die_unless(s->copy != NULL);
	memcpy(s->copy, bytes, len);
	s->port = (flags & STEP_PORT) != 0;
	s->checked = (flags & STEP_CHECKED) != 0;
	s->flow = l4_find(s->copy, len, &s->at) == L4_OK;
	giving = true;
	merge_frame(m, &ports[s->port], bytes, len, s->checked);
	giving = false;
	if (flags & STEP_FLUSH)
		merge_flush(m);
}

static void
step(struct merge *m, struct rcur *r)
{
	const struct sent *before = n_sent > 0 ? &sent[n_sent - 1] : NULL;
	uint8_t flags = rcur_u8(r);
	size_t len = rcur_be16(r);

	if (flags & STEP_NEXT && before != NULL && before->flow) {
		give(m, next_segment(before, len % 256), before->at.payload + len % 256, flags);
		return;
	}
	len = len < rcur_left(r) ? len : rcur_left(r);
	/* Of exactly this size, so that a sanitizer sees what is read beyond. */
	uint8_t *bytes = malloc(len > 0 ? len : 1);
	die_unless(bytes != NULL);
	rcur_copy(r, bytes, len);
	give(m, bytes, len, flags);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct packet_pool *pool;
	static struct merge m;
	struct rcur r = rcur_init(data, len);

	if (!pool) {
		pool = packet_pool_new(1);
		die_unless(pool != NULL);
		piece = packet_get(pool);
	}
	n_sent = 0;
	merge_init(&m, rcur_u8(&r) & 1, emit, &m);
	while (rcur_left(&r) > 0 && n_sent < FRAMES_MAX)
		step(&m, &r);
	merge_flush(&m);
	for (size_t i = 0; i < n_sent; i++) {
		die_unless(sent[i].out);
		free(sent[i].bytes);
		free(sent[i].copy);
	}
	return 0;
}
