/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames that do not fit, against a naive model. The input: MTU (2 bytes), frame. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/fit.h"
#include "fuzz.h"

enum shape {
	NO_IP,
	SHORT_IP, /* it does not end inside the frame, or its header is none */
	PACKET_V4,
	PACKET_V6,
	TAGGED,
	NOT_TCP,
	SHORT_TCP,
	NOT_SYN,
	FRAGMENT,
	BAD_OPTIONS,
	NO_MSS,
	SMALL_MSS,
	SMALL_MTU,
	CLAMPED_EVEN,
	CLAMPED_ODD,
	FITS,
	GROUP_MAC,
	GROUP_ADDRESS,
	NO_DF,
	LATER_FRAGMENT,
	ABOUT_ICMP_ERROR,
	TOLD_V4,
	TOLD_V6,
	TOLD_ECHO
};

const char *const fuzz_classes[] = {
	[NO_IP] = "no IP packet",
	[SHORT_IP] = "a broken IP header",
	[PACKET_V4] = "IPv4",
	[PACKET_V6] = "IPv6",
	[TAGGED] = "tagged",
	[NOT_TCP] = "not TCP",
	[SHORT_TCP] = "a broken TCP header",
	[NOT_SYN] = "no SYN",
	[FRAGMENT] = "a fragment of TCP",
	[BAD_OPTIONS] = "broken options",
	[NO_MSS] = "no MSS",
	[SMALL_MSS] = "an MSS that fits",
	[SMALL_MTU] = "an MTU without room for TCP",
	[CLAMPED_EVEN] = "clamped",
	[CLAMPED_ODD] = "clamped at an odd offset",
	[FITS] = "fits",
	[GROUP_MAC] = "too big for a group",
	[GROUP_ADDRESS] = "too big, from or to an address that is no host's",
	[NO_DF] = "too big without DF",
	[LATER_FRAGMENT] = "too big, a later fragment",
	[ABOUT_ICMP_ERROR] = "too big, an ICMP error",
	[TOLD_V4] = "IPv4 told",
	[TOLD_V6] = "IPv6 told",
	[TOLD_ECHO] = "an echo told",
	NULL,
};

struct packet {
	enum shape shape; /* NO_IP, SHORT_IP, PACKET_V4 or PACKET_V6 */
	size_t at, len;	  /* of the IP packet, by its own header */
	size_t header;	  /* of IP */
	uint8_t proto;
};

static unsigned
word(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static struct packet
dissect(const uint8_t *f, size_t len)
{
	struct packet p = { .at = 12 };
	const uint8_t *ip;

	for (int i = 0;
	     i < 2 && len >= p.at + 4 && (word(f + p.at) == 0x8100 || word(f + p.at) == 0x88a8);
	     i++)
		p.at += 4;
	p.at += 2;
	if (len < p.at || (word(f + p.at - 2) != 0x0800 && word(f + p.at - 2) != 0x86dd))
		return p;
	ip = f + p.at;
	p.shape = SHORT_IP;
	if (word(ip - 2) == 0x0800 && len - p.at >= 20 && ip[0] / 16 == 4) {
		p.header = ip[0] % 16 * 4u;
		p.len = word(ip + 2);
		p.proto = ip[9];
		if (p.header >= 20 && p.header <= p.len && p.len <= len - p.at)
			p.shape = PACKET_V4;
	} else if (word(ip - 2) == 0x86dd && len - p.at >= 40 && ip[0] / 16 == 6) {
		p.header = 40;
		p.len = 40 + word(ip + 4);
		p.proto = ip[6];
		if (p.len <= len - p.at)
			p.shape = PACKET_V6;
	}
	return p;
}

/* The one's complement sum, 0 as 0xffff: a right checksum makes it that. */
static unsigned
sum(const uint8_t *p, size_t len, unsigned long s)
{
	for (size_t i = 0; i < len; i++)
		s += i % 2 ? p[i] : p[i] * 256u;
	s %= 0xffff;
	return s ? (unsigned)s : 0xffff;
}

/* --- MSS --- */

/* What should become of it; where clamped, *at is the offset of the MSS in the frame. */
static enum shape
model_clamp(const uint8_t *f, const struct packet *p, size_t mtu, size_t *at)
{
	const uint8_t *tcp = f + p->at + p->header;
	size_t room = p->len - p->header, len;

	if (p->proto != 6)
		return NOT_TCP;
	if (mtu <= p->header + 20)
		return SMALL_MTU;
	if (room < 20 || (len = tcp[12] / 16 * 4u) < 20 || len > room)
		return SHORT_TCP;
	if (!(tcp[13] & 2))
		return NOT_SYN;
	if (p->shape == PACKET_V4 && word(f + p->at + 6) & 0x3fff)
		return FRAGMENT;
	for (size_t i = 20; i < len && tcp[i] != 0; i += tcp[i] == 1 ? 1 : tcp[i + 1]) {
		if (tcp[i] == 1)
			continue;
		if (i + 1 >= len || tcp[i + 1] < 2 || i + tcp[i + 1] > len)
			return BAD_OPTIONS;
		if (tcp[i] != 2 || tcp[i + 1] != 4)
			continue;
		*at = p->at + p->header + i + 2;
		if (word(tcp + i + 2) <= mtu - p->header - 20)
			return SMALL_MSS;
		return i % 2 ? CLAMPED_ODD : CLAMPED_EVEN;
	}
	return NO_MSS;
}

/* Only the MSS and the checksum changed, and that as much as the MSS. */
static void
check_clamped(
    const uint8_t *f, const uint8_t *now, size_t len, const struct packet *p, size_t at, size_t mtu)
{
	size_t tcp = p->at + p->header;
	const uint8_t *checksum = now + tcp + 16;

	if (word(now + at) != mtu - p->header - 20)
		abort();
	if (sum(f + tcp, p->len - p->header, 0) != sum(now + tcp, p->len - p->header, 0))
		abort();
	for (size_t i = 0; i < len; i++)
		if (f[i] != now[i] && i != at && i != at + 1 && now + i != checksum &&
		    now + i != checksum + 1)
			abort();
}

static void
try_clamp(const uint8_t *f, size_t len, const struct packet *p, size_t mtu)
{
	uint8_t *now = malloc(len ? len : 1);
	enum shape expected = p->shape;
	size_t at = 0;
	bool done;

	if (!now)
		abort();
	memcpy(now, f, len);
	done = fit_clamp_mss(now, len, mtu);
	if (p->shape == PACKET_V4 || p->shape == PACKET_V6)
		expected = model_clamp(f, p, mtu, &at);
	fuzz_saw(expected);
	if (done != (expected == CLAMPED_EVEN || expected == CLAMPED_ODD))
		abort();
	if (done)
		check_clamped(f, now, len, p, at, mtu);
	else if (memcmp(f, now, len))
		abort();
	free(now);
}

/* --- too big --- */

static bool
no_host_v4(const uint8_t *src, const uint8_t *dst)
{
	return src[0] == 0 || src[0] == 127 || src[0] > 223 || dst[0] > 223;
}

static bool
no_host_v6(const uint8_t *src, const uint8_t *dst)
{
	static const uint8_t none[16];

	return src[0] == 0xff || dst[0] == 0xff || memcmp(src, none, 16) == 0;
}

static enum shape
model_too_big_v4(const uint8_t *ip, const struct packet *p)
{
	if (!(ip[6] & 0x40))
		return NO_DF;
	if (word(ip + 6) & 0x1fff)
		return LATER_FRAGMENT;
	if (no_host_v4(ip + 12, ip + 16))
		return GROUP_ADDRESS;
	if (p->proto != 1)
		return TOLD_V4;
	return p->len > p->header && (ip[p->header] == 8 || ip[p->header] == 0) ? TOLD_ECHO
										: ABOUT_ICMP_ERROR;
}

static enum shape
model_too_big(const uint8_t *f, const struct packet *p, size_t mtu)
{
	const uint8_t *ip = f + p->at;

	if (p->shape == NO_IP || p->shape == SHORT_IP)
		return p->shape;
	if (p->len <= mtu)
		return FITS;
	if (mtu < (p->shape == PACKET_V4 ? 68 : 1280))
		return SMALL_MTU;
	if (f[0] & 1)
		return GROUP_MAC;
	if (p->shape == PACKET_V4)
		return model_too_big_v4(ip, p);
	if (no_host_v6(ip + 8, ip + 24))
		return GROUP_ADDRESS;
	if (p->proto != 58)
		return TOLD_V6;
	return p->len > 40 && ip[40] >= 128 ? TOLD_ECHO : ABOUT_ICMP_ERROR;
}

static void
expect(bool right)
{
	if (!right)
		abort();
}

/* An error as RFC 792 and RFC 4443 want it, from the destination to the source, on their link. */
static void
check_told(const uint8_t *f, const struct packet *p, size_t mtu, const uint8_t *a, size_t len)
{
	bool v6 = p->shape == PACKET_V6;
	size_t header = v6 ? 40 : 20, addr = v6 ? 16 : 4, src = v6 ? 8 : 12, quoted;
	const uint8_t *was = f + p->at, *ip = a + p->at, *icmp = ip + header;

	expect(len <= FIT_ERROR_MAX && len >= p->at + header + 8 + 48);
	quoted = len - p->at - header - 8;
	expect(!memcmp(a, f + 6, 6) && !memcmp(a + 6, f, 6) && !memcmp(a + 12, f + 12, p->at - 12));
	expect(
	    !memcmp(ip + src, was + src + addr, addr) && !memcmp(ip + src + addr, was + src, addr));
	expect(quoted <= p->len && !memcmp(icmp + 8, was, quoted) && word(icmp + 6) == mtu);
	if (v6) {
		expect(ip[0] == 0x60 && word(ip + 4) == 8 + quoted && ip[6] == 58 && ip[7] > 0);
		expect(icmp[0] == 2 && icmp[1] == 0 && word(icmp + 4) == 0);
		expect(sum(ip + 8, 32 + 8 + quoted, 58 + 8 + quoted) == 0xffff);
	} else {
		expect(ip[0] == 0x45 && word(ip + 2) == 28 + quoted && ip[9] == 1 && ip[8] > 0);
		expect(sum(ip, 20, 0) == 0xffff && sum(icmp, 8 + quoted, 0) == 0xffff);
		expect(icmp[0] == 3 && icmp[1] == 4 && word(icmp + 4) == 0);
	}
}

static void
try_too_big(const uint8_t *f, size_t len, const struct packet *p, size_t mtu)
{
	uint8_t answer[FIT_ERROR_MAX];
	enum shape expected = model_too_big(f, p, mtu);
	size_t n = fit_too_big(f, len, mtu, answer);

	fuzz_saw(expected);
	expect((n > 0) == (expected == TOLD_V4 || expected == TOLD_V6 || expected == TOLD_ECHO));
	if (n > 0)
		check_told(f, p, mtu, answer, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct packet p;
	size_t mtu;

	if (len < 2)
		return 0;
	mtu = word(data);
	p = dissect(data + 2, len - 2);
	fuzz_saw(p.shape);
	if (p.at > 14)
		fuzz_saw(TAGGED);
	try_clamp(data + 2, len - 2, &p, mtu);
	try_too_big(data + 2, len - 2, &p, mtu);
	return 0;
}
