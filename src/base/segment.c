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

	const uint8_t *l4 = frame + at.l4;
	*s = (struct segments){
		.frame = frame,
		.payload = frame + at.payload,
		.left = left,
		.size = (uint16_t)size,
		.count = (uint16_t)((left + size - 1) / size),
		.at = at,
		/* The field holds the pseudo header's sum, with the length of the whole. */
		.pseudo = (uint64_t)raw16_load(l4 + hdr->csum_offset) +
			  (uint16_t)~raw_len(len - at.l4),
	};
	if (!at.v6)
		s->id = be16toh(raw16_load(frame + at.ip + IP4_ID));
	if (at.tcp)
		memcpy(&s->seq, l4 + TCP_SEQ, sizeof(s->seq));
	s->seq = be32toh(s->seq);
	return SEGMENT_OK;
}

static void
write_ip(const struct segments *s, uint8_t *frame, size_t len)
{
	uint8_t *ip = frame + s->at.ip;

	if (s->at.v6) {
		raw16_store(ip + IP6_PAYLOAD_LEN, raw_len(len - s->at.ip - IP6_HEADER_LEN));
		return;
	}
	raw16_store(ip + IP4_TOTAL_LEN, raw_len(len - s->at.ip));
	raw16_store(ip + IP4_ID, htobe16((uint16_t)(s->id + s->index)));
	ip4_write_checksum(ip, (size_t)(s->at.l4 - s->at.ip));
}

/* FIN and PSH belong to the last byte, CWR to the first. */
static void
write_tcp(const struct segments *s, uint8_t *tcp, bool last)
{
	uint32_t seq = htobe32(s->seq + (uint32_t)s->index * s->size);

	memcpy(tcp + TCP_SEQ, &seq, sizeof(seq));
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (s->index > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

bool
segment_next(struct segments *s, struct packet *p)
{
	size_t n = s->size < s->left ? s->size : s->left, len = s->at.payload + n;
	uint8_t *frame = n > 0 ? packet_append(p, len) : NULL;

	if (frame == NULL)
		return false;
	uint8_t *l4 = frame + s->at.l4, *checksum = l4 + l4_checksum_offset(&s->at);
	size_t l4_len = len - s->at.l4;

	memcpy(frame, s->frame, s->at.payload);
	uint64_t sum = csum_copy(frame + s->at.payload, s->payload, n);
	write_ip(s, frame, len);
	if (s->at.tcp)
		write_tcp(s, l4, n == s->left);
	else
		raw16_store(l4 + L4_UDP_LEN, raw_len(l4_len));
	raw16_store(checksum, 0);
	sum += s->pseudo + raw_len(l4_len) + csum_bytes(l4, l4_len - n);
	uint16_t folded = (uint16_t)~csum_fold(sum);
	/* In UDP, 0 says that there is none (RFC 768). */
	raw16_store(checksum, folded == 0 && !s->at.tcp ? UINT16_MAX : folded);
	s->payload += n;
	s->left -= n;
	s->index++;
	return true;
}
