/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "base/ether.h"
#include "core/fit.h"

#define ETHERTYPE_V4   0x0800
#define ETHERTYPE_V6   0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8

#define V4_LEN	20
#define V6_LEN	40
#define TCP_LEN 20
#define TCP_SYN 0x02
#define OPT_END 0
#define OPT_NOP 1
#define OPT_MSS 2

#define V4_DF	     0x4000
#define V4_MORE	     0x2000
#define V4_OFFSET    0x1fff
#define V6_QUOTE_MAX 512 /* of the packet that is too big */
#define V4_QUOTE_MAX 512

/* Where things are in a frame. Everything named has been checked to lie inside it. */
struct view {
	size_t ip;	/* offset of the IP header */
	size_t ip_len;	/* of the whole packet, by its own header */
	size_t payload; /* offset of what follows the IP header */
	uint8_t proto;
	bool v6;
};

static uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool
look_v4(const uint8_t *frame, size_t len, struct view *v)
{
	const uint8_t *ip = frame + v->ip;
	size_t header;

	if (len - v->ip < V4_LEN || ip[0] >> 4 != 4)
		return false;
	header = (size_t)(ip[0] & 15) * 4;
	v->ip_len = be16(ip + 2);
	if (header < V4_LEN || v->ip_len < header || len - v->ip < v->ip_len)
		return false;
	v->payload = v->ip + header;
	v->proto = ip[9];
	return true;
}

static bool
look_v6(const uint8_t *frame, size_t len, struct view *v)
{
	const uint8_t *ip = frame + v->ip;

	if (len - v->ip < V6_LEN || ip[0] >> 4 != 6)
		return false;
	v->ip_len = V6_LEN + (size_t)be16(ip + 4);
	if (len - v->ip < v->ip_len)
		return false;
	v->payload = v->ip + V6_LEN;
	v->proto = ip[6];
	v->v6 = true;
	return true;
}

static bool
look(const uint8_t *frame, size_t len, struct view *v)
{
	size_t at = 2 * sizeof(struct macaddr);
	uint16_t type;

	memset(v, 0, sizeof(*v));
	for (int tags = 0;; tags++, at += ETHER_VLAN_LEN) {
		if (len < at + 2)
			return false;
		type = be16(frame + at);
		if ((type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ) || tags == 2)
			break;
	}
	v->ip = at + 2;
	if (type == ETHERTYPE_V4)
		return look_v4(frame, len, v);
	return type == ETHERTYPE_V6 && look_v6(frame, len, v);
}

/* RFC 1624, equation 3: a 16-bit field under a checksum changes. */
static void
checksum_adjust(uint8_t *sum, uint16_t from, uint16_t to)
{
	uint32_t s = (uint16_t)~be16(sum) + (uint32_t)(uint16_t)~from + to;

	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	put16(sum, (uint16_t)~s);
}

/*
 * The option may stand at an odd offset, where its two bytes belong to two different words of the
 * sum.
 */
static void
mss_lower(uint8_t *tcp, uint8_t *mss, uint16_t to)
{
	uint16_t from = be16(mss);

	if (((mss - tcp) & 1) == 0) {
		checksum_adjust(tcp + 16, from, to);
	} else {
		checksum_adjust(
		    tcp + 16, (uint16_t)(from << 8 | from >> 8), (uint16_t)(to << 8 | to >> 8));
	}
	put16(mss, to);
}

bool
fit_clamp_mss(uint8_t *frame, size_t len, size_t mtu)
{
	struct view v;
	uint8_t *tcp;
	size_t headers, tcp_len, at = TCP_LEN;

	if (!look(frame, len, &v) || v.proto != IPPROTO_TCP)
		return false;
	headers = v.payload - v.ip + TCP_LEN;
	if (mtu <= headers || v.ip + v.ip_len - v.payload < TCP_LEN)
		return false;
	tcp = frame + v.payload;
	tcp_len = (size_t)(tcp[12] >> 4) * 4;
	if ((tcp[13] & TCP_SYN) == 0 || tcp_len < TCP_LEN || v.payload + tcp_len > v.ip + v.ip_len)
		return false;
	if (!v.v6 && (be16(frame + v.ip + 6) & (V4_MORE | V4_OFFSET)) != 0)
		return false;
	while (at < tcp_len && tcp[at] != OPT_END) {
		size_t n = tcp[at] == OPT_NOP ? 1 : at + 1 < tcp_len ? tcp[at + 1] : 0;

		if (n == 0 || (n == 1 && tcp[at] != OPT_NOP) || at + n > tcp_len)
			return false;
		if (tcp[at] == OPT_MSS && n == 4) {
			if (be16(tcp + at + 2) <= mtu - headers)
				return false;
			mss_lower(tcp, tcp + at + 2, (uint16_t)(mtu - headers));
			return true;
		}
		at += n;
	}
	return false;
}

/* --- telling the sender --- */

static uint32_t
sum_bytes(const uint8_t *p, size_t len, uint32_t s)
{
	for (; len > 1; p += 2, len -= 2)
		s += be16(p);
	return len == 1 ? s + (uint32_t)(p[0] << 8) : s;
}

static uint16_t
sum_finish(uint32_t s)
{
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* Everything up to the IP header, the other way round. */
static void
turn_ethernet(const uint8_t *frame, const struct view *v, uint8_t *answer)
{
	memcpy(answer, frame + 6, 6);
	memcpy(answer + 6, frame, 6);
	memcpy(answer + 12, frame + 12, v->ip - 12);
}

/*
 * May an ICMP error be about it? Not about an error, a later fragment or a group (RFC 1122 section
 * 3.2.2).
 */
static bool
answerable_v4(const uint8_t *frame, const struct view *v)
{
	const uint8_t *ip = frame + v->ip;

	if ((be16(ip + 6) & V4_DF) == 0 || (be16(ip + 6) & V4_OFFSET) != 0)
		return false;
	if (ip[12] == 0 || ip[12] == 127 || ip[12] >= 224 || ip[16] >= 224)
		return false;
	if (v->proto != IPPROTO_ICMP)
		return true;
	return v->ip_len > v->payload - v->ip &&
	       (frame[v->payload] == ICMP_ECHO || frame[v->payload] == ICMP_ECHOREPLY);
}

static size_t
answer_v4(const uint8_t *frame, const struct view *v, size_t mtu, uint8_t *answer)
{
	const uint8_t *ip = frame + v->ip;
	uint8_t *out = answer + v->ip, *icmp = out + V4_LEN;
	size_t quote = v->ip_len < V4_QUOTE_MAX ? v->ip_len : V4_QUOTE_MAX;

	if (!answerable_v4(frame, v))
		return 0;
	turn_ethernet(frame, v, answer);
	memset(out, 0, V4_LEN + 8);
	out[0] = 0x45;
	out[1] = 0xc0; /* internetwork control */
	put16(out + 2, (uint16_t)(V4_LEN + 8 + quote));
	put16(out + 6, V4_DF);
	out[8] = 64;
	out[9] = IPPROTO_ICMP;
	memcpy(out + 12, ip + 16, 4);
	memcpy(out + 16, ip + 12, 4);
	put16(out + 10, sum_finish(sum_bytes(out, V4_LEN, 0)));
	icmp[0] = ICMP_DEST_UNREACH;
	icmp[1] = ICMP_FRAG_NEEDED;
	put16(icmp + 6, (uint16_t)mtu);
	memcpy(icmp + 8, ip, quote);
	put16(icmp + 2, sum_finish(sum_bytes(icmp, 8 + quote, 0)));
	return v->ip + V4_LEN + 8 + quote;
}

static bool
answerable_v6(const uint8_t *frame, const struct view *v)
{
	const uint8_t *ip = frame + v->ip;
	static const uint8_t any[16];

	if (ip[8] == 0xff || ip[24] == 0xff || memcmp(ip + 8, any, sizeof(any)) == 0)
		return false;
	/* ICMPv6 errors have types below 128 (RFC 4443 section 2.1) */
	return v->proto != IPPROTO_ICMPV6 || (v->ip_len > V6_LEN && frame[v->payload] >= 128);
}

static size_t
answer_v6(const uint8_t *frame, const struct view *v, size_t mtu, uint8_t *answer)
{
	const uint8_t *ip = frame + v->ip;
	uint8_t *out = answer + v->ip, *icmp = out + V6_LEN;
	size_t quote = v->ip_len < V6_QUOTE_MAX ? v->ip_len : V6_QUOTE_MAX;
	uint32_t pseudo;

	if (!answerable_v6(frame, v))
		return 0;
	turn_ethernet(frame, v, answer);
	memset(out, 0, V6_LEN + 8);
	out[0] = 0x60;
	put16(out + 4, (uint16_t)(8 + quote));
	out[6] = IPPROTO_ICMPV6;
	out[7] = 255;
	memcpy(out + 8, ip + 24, 16);
	memcpy(out + 24, ip + 8, 16);
	icmp[0] = ICMP6_PACKET_TOO_BIG;
	put16(icmp + 6, (uint16_t)mtu);
	memcpy(icmp + 8, ip, quote);
	pseudo = sum_bytes(out + 8, 32, (uint32_t)(8 + quote) + IPPROTO_ICMPV6);
	put16(icmp + 2, sum_finish(sum_bytes(icmp, 8 + quote, pseudo)));
	return v->ip + V6_LEN + 8 + quote;
}

size_t
fit_too_big(const uint8_t *frame, size_t len, size_t mtu, uint8_t answer[static FIT_ERROR_MAX])
{
	struct view v;

	/* Nobody can be asked for less than what every link must carry (RFC 791, RFC 8200). */
	if (!look(frame, len, &v) || (frame[0] & 1) != 0 || v.ip_len <= mtu ||
	    mtu < (v.v6 ? 1280u : 68u))
		return 0;
	return v.v6 ? answer_v6(frame, &v, mtu, answer) : answer_v4(frame, &v, mtu, answer);
}
