/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "segment.h"

#include <endian.h>
#include <string.h>

#include "csum.h"
#include "ether.h"

static const char *const verdict_names[] = {
#define X(suffix, name, help) [SEGMENT_##suffix] = name,
	SEGMENT_VERDICTS(X)
#undef X
};

const char *
segment_verdict_name(enum segment_verdict v)
{
	return verdict_names[v];
}

enum segment_verdict
segment_checksum(const struct virtio_net_hdr *hdr, uint8_t *frame, size_t len)
{
	size_t start = hdr->csum_start, at = start + hdr->csum_offset;

	if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
		return SEGMENT_OK;
	if (at + sizeof(uint16_t) > len)
		return SEGMENT_CHECKSUM;
	uint16_t sum = (uint16_t)~csum_fold(csum_bytes(frame + start, len - start));
	raw16_store(frame + at, sum == 0 ? UINT16_MAX : sum);
	return SEGMENT_OK;
}

/* Is what hdr wants cut what the frame holds? */
static enum segment_verdict
check_type(const struct virtio_net_hdr *hdr, const struct l4 *at)
{
	bool fits;

	switch (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		fits = at->tcp && !at->v6;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		fits = at->tcp && at->v6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		fits = !at->tcp;
		break;
	default:
		return SEGMENT_TYPE;
	}
	return fits ? SEGMENT_OK : SEGMENT_HEADERS;
}

static uint16_t
raw_len(size_t len)
{
	return htobe16((uint16_t)len);
}

/* What is added to a sum so that this is not in it: 2^16 - 1 is 0 there, and so is 2^32 - 1. */
static uint64_t
without(uint32_t raw)
{
	return ~raw;
}

static void
sum_ip(struct segments *s, const uint8_t *ip)
{
	uint16_t id = raw16_load(ip + IP4_ID);

	if (s->at.v6)
		return;
	s->id = be16toh(id);
	s->ip_sum = csum_bytes(ip, (size_t)(s->at.l4 - s->at.ip)) + without(id) +
		    without(raw16_load(ip + IP4_TOTAL_LEN)) +
		    without(raw16_load(ip + IP4_CHECKSUM));
}

/* The checksum stays in: it is the pseudo header's sum, with the length of the whole. */
static void
sum_l4(struct segments *s, const uint8_t *l4, size_t len)
{
	uint32_t seq;

	s->l4_sum = csum_bytes(l4, (size_t)(s->at.payload - s->at.l4)) + without(raw_len(len));
	if (!s->at.tcp) {
		s->l4_sum += without(raw16_load(l4 + L4_UDP_LEN));
		return;
	}
	memcpy(&seq, l4 + TCP_SEQ, sizeof(seq));
	s->seq = be32toh(seq);
	s->l4_sum += without(seq);
}

enum segment_verdict
segment_start(
    struct segments *s, const struct virtio_net_hdr *hdr, const uint8_t *frame, size_t len)
{
	struct l4 at = { 0 };
	bool found = l4_find(frame, len, &at) == L4_OK;
	enum segment_verdict v = check_type(hdr, &at);

	if (v == SEGMENT_TYPE)
		return v;
	if (!found || v != SEGMENT_OK)
		return SEGMENT_HEADERS;
	if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0 || hdr->csum_start != at.l4 ||
	    hdr->csum_offset != l4_checksum_offset(&at))
		return SEGMENT_CHECKSUM;
	size_t left = len - at.payload, size = hdr->gso_size < left ? hdr->gso_size : left;
	if (size == 0 || at.payload + size > ETHER_FRAME_MAX || left > SEGMENTS_MAX * size)
		return SEGMENT_SIZE;

	*s = (struct segments){
		.frame = frame,
		.payload = frame + at.payload,
		.left = left,
		.size = (uint16_t)size,
		.count = (uint16_t)((left + size - 1) / size),
		.at = at,
	};
	sum_ip(s, frame + at.ip);
	sum_l4(s, frame + at.l4, len - at.l4);
	return SEGMENT_OK;
}

static void
write_ip(const struct segments *s, uint8_t *ip, size_t len)
{
	uint16_t id = htobe16((uint16_t)(s->id + s->index));

	if (s->at.v6) {
		raw16_store(ip + IP6_PAYLOAD_LEN, raw_len(len - IP6_HEADER_LEN));
		return;
	}
	raw16_store(ip + IP4_TOTAL_LEN, raw_len(len));
	raw16_store(ip + IP4_ID, id);
	raw16_store(ip + IP4_CHECKSUM, (uint16_t)~csum_fold(s->ip_sum + raw_len(len) + id));
}

/* FIN and PSH belong to the last byte, CWR to the first. Returns the sum of what is written. */
static uint64_t
write_tcp(const struct segments *s, uint8_t *tcp, bool last)
{
	uint32_t seq = htobe32(s->seq + (uint32_t)s->index * s->size);
	uint8_t not_here = (uint8_t)((last ? 0 : TCP_FIN | TCP_PSH) | (s->index > 0 ? TCP_CWR : 0));
	uint8_t gone = s->frame[s->at.l4 + TCP_FLAGS] & not_here;

	memcpy(tcp + TCP_SEQ, &seq, sizeof(seq));
	tcp[TCP_FLAGS] ^= gone;
	return seq + without(htobe16(gone));
}

static uint64_t
write_udp(uint8_t *udp, size_t len)
{
	raw16_store(udp + L4_UDP_LEN, raw_len(len));
	return raw_len(len);
}

bool
segment_next(struct segments *s, struct packet *p)
{
	size_t n = s->size < s->left ? s->size : s->left, len = s->at.payload + n;
	uint8_t *frame = n > 0 ? packet_append(p, len) : NULL;

	if (frame == NULL)
		return false;
	uint8_t *l4 = frame + s->at.l4;
	size_t l4_len = len - s->at.l4;

	/* Nothing just written is read again: it would wait for all that was written before. */
	memcpy(frame, s->frame, s->at.payload);
	write_ip(s, frame + s->at.ip, len - s->at.ip);
	uint64_t sum = s->l4_sum + raw_len(l4_len);
	sum += s->at.tcp ? write_tcp(s, l4, n == s->left) : write_udp(l4, l4_len);
	sum += csum_copy(frame + s->at.payload, s->payload, n);
	uint16_t folded = (uint16_t)~csum_fold(sum);
	/* In UDP, 0 says that there is none (RFC 768). */
	raw16_store(
	    l4 + l4_checksum_offset(&s->at), folded == 0 && !s->at.tcp ? UINT16_MAX : folded);
	p->checked = true;
	s->payload += n;
	s->left -= n;
	s->index++;
	return true;
}
