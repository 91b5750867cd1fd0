/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Cutting frames that a hostile guest sends. Input: a virtio-net header as the machine has it, then the frame. */

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/ether.h"
#include "base/segment.h"
#include "fuzz.h"

enum {
	SAW_TYPE,
	SAW_HEADERS,
	SAW_CHECKSUM,
	SAW_SIZE,
	SAW_TCP4,
	SAW_TCP6,
	SAW_UDP4,
	SAW_UDP6,
	SAW_ONE_NOTHING,
	SAW_ONE_FILLED,
	SAW_ONE_OUTSIDE
};
const char *const fuzz_classes[] = { "type", "headers", "checksum", "size", "TCP over IPv4",
	"TCP over IPv6", "UDP over IPv4", "UDP over IPv6", "one frame, nothing to do",
	"one frame, checksum filled in", "one frame, checksum outside", NULL };

static void
die_unless(bool ok)
{
	if (!ok)
		abort();
}

static uint32_t
sum_of(uint32_t sum, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint16_t
be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* pseudo: sum of the pseudo header but for the length. */
static void
check_segment(const struct segments *s, const struct packet *p, size_t index, uint32_t pseudo)
{
	const uint8_t *ip = p->data + s->at.ip, *l4 = p->data + s->at.l4;
	size_t l4_len = p->len - s->at.l4;
	struct l4 at;

	die_unless(l4_find(p->data, p->len, &at) == L4_OK && memcmp(&at, &s->at, sizeof(at)) == 0);
	die_unless(p->len <= ETHER_FRAME_MAX);
	if (at.v6) {
		die_unless(be16(ip + 4) == p->len - at.ip - 40);
	} else {
		die_unless(be16(ip + 2) == p->len - at.ip);
		die_unless(be16(ip + 4) == (uint16_t)(be16(s->frame + at.ip + 4) + index));
		die_unless(sum_of(0, ip, (size_t)(at.l4 - at.ip)) == 0xffff);
	}
	die_unless(at.tcp || be16(l4 + 4) == l4_len);
	pseudo += (uint16_t)l4_len;
	die_unless(sum_of((pseudo & 0xffff) + (pseudo >> 16), l4, l4_len) == 0xffff);
}

static void
cut(const struct virtio_net_hdr *hdr, const uint8_t *frame, size_t len, struct packet *p)
{
	struct segments s;
	enum segment_verdict v = segment_start(&s, hdr, frame, len);
	size_t room, count = 0;

	if (v != SEGMENT_OK) {
		fuzz_saw(SAW_TYPE + v - SEGMENT_TYPE);
		return;
	}
	size_t at = s.at.payload;
	uint32_t pseudo = (uint32_t)be16(frame + s.at.l4 + hdr->csum_offset) +
			  (uint16_t) ~(len - s.at.l4);
	pseudo = (pseudo & 0xffff) + (pseudo >> 16);
	for (packet_reset(p, &room); segment_next(&s, p); packet_reset(p, &room)) {
		size_t n = p->len - s.at.payload;

		die_unless(n > 0 && n <= hdr->gso_size && at + n <= len);
		die_unless(n == s.size || at + n == len);
		die_unless(memcmp(p->data + s.at.payload, frame + at, n) == 0);
		check_segment(&s, p, count++, pseudo);
		at += n;
	}
	die_unless(at == len && count == s.count && count <= SEGMENTS_MAX);
	fuzz_saw((s.at.tcp ? SAW_TCP4 : SAW_UDP4) + s.at.v6);
}

static void
fill_in(const struct virtio_net_hdr *hdr, const uint8_t *frame, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	die_unless(copy != NULL);
	memcpy(copy, frame, len);
	if (segment_checksum(hdr, copy, len) != SEGMENT_OK) {
		die_unless(memcmp(copy, frame, len) == 0);
		fuzz_saw(SAW_ONE_OUTSIDE);
	} else if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) {
		die_unless(memcmp(copy, frame, len) == 0);
		fuzz_saw(SAW_ONE_NOTHING);
	} else {
		size_t at = (size_t)hdr->csum_start + hdr->csum_offset;

		die_unless(memcmp(copy, frame, at) == 0);
		die_unless(memcmp(copy + at + 2, frame + at + 2, len - at - 2) == 0);
		die_unless(be16(copy + at) != 0);
		fuzz_saw(SAW_ONE_FILLED);
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct packet_pool *pool;
	struct virtio_net_hdr hdr;

	if (len < sizeof(hdr) || len > sizeof(hdr) + 65536)
		return 0;
	if (!pool) {
		pool = packet_pool_new(1);
		die_unless(pool != NULL);
	}
	memcpy(&hdr, data, sizeof(hdr));
	data += sizeof(hdr);
	len -= sizeof(hdr);
	if (!segment_needed(&hdr)) {
		fill_in(&hdr, data, len);
		return 0;
	}
	struct packet *p = packet_get(pool);
	cut(&hdr, data, len, p);
	packet_put(p);
	return 0;
}
