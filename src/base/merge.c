/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "merge.h"

#include <endian.h>
#include <netinet/in.h>
#include <string.h>

#include "csum.h"
#include "segment.h"

#define IP4_DONT_FRAGMENT 0x4000
#define IP_LEN_MAX	  65535

/* A frame that may be merged. */
struct segment {
	uint8_t *frame;
	size_t len;
	struct l4 at;
	bool checked;
};

static size_t
payload_len(const struct segment *s)
{
	return s->len - s->at.payload;
}

static uint16_t
load16(const uint8_t *at)
{
	return be16toh(raw16_load(at));
}

static uint32_t
load32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return be32toh(v);
}

static size_t
ip_header_len(const struct l4 *at)
{
	return (size_t)(at->l4 - at->ip);
}

/* Sum of the pseudo header of TCP or UDP, whose length with header is len. */
static uint64_t
pseudo_header(const uint8_t *frame, const struct l4 *at, size_t len)
{
	size_t src = at->v6 ? IP6_SRC : IP4_SRC, addresses_len = at->v6 ? 32 : 8;

	return csum_bytes(frame + at->ip + src, addresses_len) + htobe16((uint16_t)len) +
	       htobe16(at->tcp ? IPPROTO_TCP : IPPROTO_UDP);
}

static bool
checksums_good(const struct segment *s)
{
	const uint8_t *l4 = s->frame + s->at.l4;
	size_t len = s->len - s->at.l4;

	if (!s->at.v6 && csum_fold(csum_bytes(s->frame + s->at.ip, IP4_HEADER_LEN)) != UINT16_MAX)
		return false;
	if (!s->at.tcp && raw16_load(l4 + L4_UDP_CHECKSUM) == 0)
		return false;
	return csum_fold(pseudo_header(s->frame, &s->at, len) + csum_bytes(l4, len)) == UINT16_MAX;
}

/* Plain headers, whose lengths are those of the frame. */
static bool
lengths_good(const struct segment *s)
{
	const uint8_t *ip = s->frame + s->at.ip, *l4 = s->frame + s->at.l4;
	size_t ip_len = s->len - s->at.ip;

	if (ip_len > IP_LEN_MAX ||
	    ip_header_len(&s->at) != (s->at.v6 ? IP6_HEADER_LEN : IP4_HEADER_LEN))
		return false;
	if (s->at.v6 ? load16(ip + IP6_PAYLOAD_LEN) != ip_len - IP6_HEADER_LEN
		     : load16(ip + IP4_TOTAL_LEN) != ip_len)
		return false;
	return s->at.tcp || load16(l4 + L4_UDP_LEN) == s->len - s->at.l4;
}

/* May anything be merged with this at all? The checksums come last: they read the payload. */
static bool
mergeable(const struct merge *m, const struct segment *s)
{
	if (!s->at.tcp && !m->udp)
		return false;
	if (s->at.tcp && (s->frame[s->at.l4 + TCP_FLAGS] & (TCP_SYN | TCP_RST | TCP_URG)) != 0)
		return false;
	return s->len > s->at.payload && lengths_good(s) && (s->checked || checksums_good(s));
}

/* The same port, addresses and ports: frames of one flow, which must stay in order. */
static bool
same_flow(const struct merge_flow *f, const void *port, const struct segment *s)
{
	const struct l4 *a = &f->at, *b = &s->at;
	size_t src = a->v6 ? IP6_SRC : IP4_SRC, addresses_len = a->v6 ? 32 : 8;

	return a->v6 == b->v6 && a->tcp == b->tcp && f->port == port &&
	       load32(f->frame + a->l4) == load32(s->frame + b->l4) &&
	       memcmp(f->frame + a->ip + src, s->frame + b->ip + src, addresses_len) == 0;
}

/* Nothing differs that one header cannot say of both; sequence numbers and IP ids aside. */
static bool
same_headers(const struct merge_flow *f, const struct segment *s)
{
	const uint8_t *a = f->frame, *b = s->frame, *tcp_a = a + f->at.l4, *tcp_b = b + s->at.l4;
	size_t ip = s->at.ip;

	if (memcmp(&f->at, &s->at, sizeof(f->at)) != 0 || memcmp(a, b, ip) != 0)
		return false;
	if (s->at.v6 ? memcmp(a + ip, b + ip, IP6_PAYLOAD_LEN) != 0 ||
			   memcmp(a + ip + 6, b + ip + 6, IP6_SRC - 6) != 0
		     : memcmp(a + ip, b + ip, IP4_TOTAL_LEN) != 0 ||
			   memcmp(a + ip + IP4_FRAGMENT, b + ip + IP4_FRAGMENT,
			       IP4_CHECKSUM - IP4_FRAGMENT) != 0)
		return false;
	if (!s->at.tcp)
		return true;
	/*
	 * Acknowledgement and length; flags; window; urgent pointer and options. A CWR is the
	 * first's alone.
	 */
	return memcmp(tcp_a + 8, tcp_b + 8, TCP_FLAGS - 8) == 0 &&
	       ((tcp_a[TCP_FLAGS] ^ tcp_b[TCP_FLAGS]) & ~(TCP_CWR | TCP_FIN | TCP_PSH)) == 0 &&
	       (tcp_b[TCP_FLAGS] & TCP_CWR) == 0 &&
	       memcmp(tcp_a + 14, tcp_b + 14, TCP_CHECKSUM - 14) == 0 &&
	       memcmp(tcp_a + 18, tcp_b + 18, (size_t)(s->at.payload - s->at.l4) - 18) == 0;
}

static enum merge_ids
ids_with(const struct merge_flow *f, const struct segment *s)
{
	const uint8_t *ip = s->frame + s->at.ip;
	uint16_t first = load16(f->frame + f->at.ip + IP4_ID), id = load16(ip + IP4_ID);

	if (s->at.v6 || id == (uint16_t)(first + f->n))
		return MERGE_IDS_COUNT;
	if (id == first && (load16(ip + IP4_FRAGMENT) & IP4_DONT_FRAGMENT) != 0)
		return MERGE_IDS_SAME;
	return MERGE_IDS_ANY;
}

static bool
continues(const struct merge_flow *f, const struct segment *s)
{
	enum merge_ids ids = ids_with(f, s);
	size_t n = payload_len(s), before = f->len - f->at.payload;

	if (n > f->size || f->n == MERGE_SEGMENTS || f->len + n - f->at.ip > IP_LEN_MAX)
		return false;
	if (ids == MERGE_IDS_ANY || (f->ids != MERGE_IDS_ANY && f->ids != ids))
		return false;
	if (s->at.tcp && load32(s->frame + s->at.l4 + TCP_SEQ) !=
			     load32(f->frame + f->at.l4 + TCP_SEQ) + (uint32_t)before)
		return false;
	return same_headers(f, s);
}

/* The first header, for all. */
static void
write_header(struct merge_flow *f)
{
	uint8_t *ip = f->frame + f->at.ip, *l4 = f->frame + f->at.l4;
	size_t l4_len = f->len - f->at.l4;
	uint16_t checksum_offset = l4_checksum_offset(&f->at);
	uint8_t type = f->at.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;

	if (f->at.v6) {
		raw16_store(ip + IP6_PAYLOAD_LEN, htobe16((uint16_t)l4_len));
	} else {
		raw16_store(ip + IP4_TOTAL_LEN, htobe16((uint16_t)(f->len - f->at.ip)));
		ip4_write_checksum(ip, IP4_HEADER_LEN);
	}
	if (f->at.tcp) {
		l4[TCP_FLAGS] |= f->flags;
		type |= (l4[TCP_FLAGS] & TCP_CWR) != 0 ? VIRTIO_NET_HDR_GSO_ECN : 0;
	} else {
		raw16_store(l4 + L4_UDP_LEN, htobe16((uint16_t)l4_len));
		type = VIRTIO_NET_HDR_GSO_UDP_L4;
	}
	/*
	 * The segments' sums were good: nobody need add them up again, the pseudo header's says
	 * enough.
	 */
	raw16_store(l4 + checksum_offset, csum_fold(pseudo_header(f->frame, &f->at, l4_len)));
	f->hdr = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = type,
		.hdr_len = f->at.payload,
		.gso_size = f->size,
		.csum_start = f->at.l4,
		.csum_offset = checksum_offset,
	};
}

static void
emit_alone(struct merge *m, void *port, uint8_t *frame, size_t len)
{
	struct virtio_net_hdr hdr = { 0 };
	struct iovec iov[] = { { &hdr, sizeof(hdr) }, { frame, len } };

	m->emit(m->arg, port, iov, 2, 1);
}

static void
emit_flow(struct merge *m, struct merge_flow *f)
{
	if (f->n > 1)
		write_header(f);
	m->emit(m->arg, f->port, f->iov, (int)f->n + 1, f->n);
}

/* Emits flow i, which then is none. */
static void
close_flow(struct merge *m, unsigned i)
{
	struct merge_flow *f = m->open[i];

	emit_flow(m, f);
	m->n_flows--;
	memmove(&m->open[i], &m->open[i + 1], (m->n_flows - i) * sizeof(m->open[0]));
	m->open[m->n_flows] = f;
}

static void
open_flow(struct merge *m, void *port, const struct segment *s)
{
	if (m->n_flows == MERGE_FLOWS)
		close_flow(m, 0);
	struct merge_flow *f = m->open[m->n_flows++];

	f->port = port;
	f->frame = s->frame;
	f->at = s->at;
	f->hdr = (struct virtio_net_hdr){ 0 };
	f->size = (uint16_t)payload_len(s);
	f->flags = 0;
	f->ids = MERGE_IDS_ANY;
	f->len = s->len;
	f->n = 1;
	f->iov[1] = (struct iovec){ s->frame, s->len };
}

static bool
is_last(const struct segment *s, size_t size)
{
	return payload_len(s) < size ||
	       (s->at.tcp && (s->frame[s->at.l4 + TCP_FLAGS] & (TCP_FIN | TCP_PSH)) != 0);
}

static void
append(struct merge *m, unsigned i, const struct segment *s)
{
	struct merge_flow *f = m->open[i];

	f->ids = ids_with(f, s);
	f->n++;
	f->len += payload_len(s);
	f->iov[f->n] = (struct iovec){ s->frame + s->at.payload, payload_len(s) };
	if (s->at.tcp)
		f->flags = s->frame[s->at.l4 + TCP_FLAGS] & (TCP_FIN | TCP_PSH);
	if (is_last(s, f->size))
		close_flow(m, i);
}

void
merge_init(struct merge *m, bool udp, merge_emit_fn *emit, void *arg)
{
	m->emit = emit;
	m->arg = arg;
	m->udp = udp;
	m->n_flows = 0;
	for (unsigned i = 0; i < MERGE_FLOWS; i++) {
		m->open[i] = &m->flows[i];
		m->flows[i].iov[0] = (struct iovec){ &m->flows[i].hdr, sizeof(m->flows[i].hdr) };
	}
}

void
merge_frame(struct merge *m, void *port, uint8_t *frame, size_t len, bool checked)
{
	struct segment s = { .frame = frame, .len = len, .checked = checked };
	enum l4_verdict v = l4_find(frame, len, &s.at);
	unsigned i = 0;

	if (v == L4_PARTIAL)
		merge_flush(m); /* of whichever flow it is */
	if (v != L4_OK) {
		emit_alone(m, port, frame, len);
		return;
	}
	while (i < m->n_flows && !same_flow(m->open[i], port, &s))
		i++;
	bool good = mergeable(m, &s);
	if (i < m->n_flows) {
		if (good && continues(m->open[i], &s)) {
			append(m, i, &s);
			return;
		}
		close_flow(m, i);
	}
	if (good && !is_last(&s, payload_len(&s)))
		open_flow(m, port, &s);
	else
		emit_alone(m, port, frame, len);
}

void
merge_flush(struct merge *m)
{
	while (m->n_flows > 0)
		close_flow(m, 0);
}
