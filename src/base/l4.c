/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "l4.h"

#include <net/ethernet.h>
#include <netinet/in.h>

#include "csum.h"
#include "cursor.h"
#include "datagram.h"
#include "ether.h"

#define VLAN_TAGS_MAX	   2
#define ETHERTYPE_QINQ	   0x88a8
#define EXTENSIONS_MAX	   8
#define IP4_MORE_OR_OFFSET 0x3fff

static enum l4_verdict
find_transport(struct rcur *r, uint8_t protocol, bool fragment, size_t len, struct l4 *at)
{
	size_t header_len = UDP_HEADER_LEN;

	at->tcp = protocol == IPPROTO_TCP;
	if (!at->tcp && protocol != IPPROTO_UDP)
		return L4_OTHER;
	at->l4 = (uint16_t)(len - rcur_left(r));
	if (at->tcp) {
		rcur_take(r, 12);
		header_len = (size_t)(rcur_u8(r) >> 4) * 4;
	}
	if (fragment || !rcur_ok(r) || header_len > len - at->l4 ||
	    (at->tcp && header_len < TCP_HEADER_LEN))
		return L4_PARTIAL;
	at->payload = (uint16_t)(at->l4 + header_len);
	return L4_OK;
}

static enum l4_verdict
find_in_ip4(struct rcur *r, size_t len, struct l4 *at)
{
	uint8_t first = rcur_u8(r);
	size_t header_len = (size_t)(first & 15) * 4;

	rcur_take(r, 5);
	bool fragment = (rcur_be16(r) & IP4_MORE_OR_OFFSET) != 0;
	rcur_take(r, 1);
	uint8_t protocol = rcur_u8(r);
	if (!rcur_ok(r) || first >> 4 != 4 || header_len < IP4_HEADER_LEN)
		return L4_OTHER;
	rcur_take(r, header_len - 10);
	return find_transport(r, protocol, fragment, len, at);
}

/* Of extension headers, Linux segments behind these (those with INET6_PROTO_GSO_EXTHDR). */
static enum l4_verdict
find_in_ip6(struct rcur *r, size_t len, struct l4 *at)
{
	uint8_t version = rcur_u8(r) >> 4;

	rcur_take(r, 5);
	uint8_t next = rcur_u8(r);
	rcur_take(r, IP6_HEADER_LEN - 7);
	if (!rcur_ok(r) || version != 6)
		return L4_OTHER;
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
		if (next == IPPROTO_FRAGMENT)
			return L4_PARTIAL;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			break;
		next = rcur_u8(r);
		rcur_take(r, (size_t)rcur_u8(r) * 8 + 6);
	}
	return find_transport(r, next, false, len, at);
}

enum l4_verdict
l4_find(const uint8_t *frame, size_t len, struct l4 *out)
{
	struct rcur r = rcur_init(frame, len);

	rcur_take(&r, ETHER_HEADER_LEN - 2);
	uint16_t type = rcur_be16(&r);
	for (unsigned tags = 0; tags < VLAN_TAGS_MAX; tags++)
		if (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ) {
			rcur_take(&r, 2);
			type = rcur_be16(&r);
		}
	if (!rcur_ok(&r))
		return L4_OTHER;
	out->ip = (uint16_t)(len - rcur_left(&r));
	out->v6 = type == ETHERTYPE_IPV6;
	if (type == ETHERTYPE_IP)
		return find_in_ip4(&r, len, out);
	return out->v6 ? find_in_ip6(&r, len, out) : L4_OTHER;
}

void
ip4_write_checksum(uint8_t *ip, size_t header_len)
{
	raw16_store(ip + IP4_CHECKSUM, 0);
	raw16_store(ip + IP4_CHECKSUM, (uint16_t)~csum_fold(csum_bytes(ip, header_len)));
}
