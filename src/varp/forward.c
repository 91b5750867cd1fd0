/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/forward.h"

#include <string.h>

static bool
is_reserved(const struct macaddr *mac)
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !memcmp(mac->b, prefix, sizeof(prefix)) && mac->b[5] <= 0x0f;
}

struct forward
forward_decide(
    const struct varp *v, uint32_t vnet, enum forward_from from, const uint8_t *frame, size_t len)
{
	struct forward f = { .verdict = FORWARD_DROP_SHORT };

	if (!ether_addresses(frame, len, &f.dst, &f.src))
		return f;
	if (mac_is_multicast(&f.src) || mac_is_zero(&f.src))
		f.verdict = FORWARD_DROP_SOURCE;
	else if (is_reserved(&f.dst))
		f.verdict = FORWARD_DROP_RESERVED;
	else if (from == FORWARD_FROM_NETWORK)
		f.verdict = FORWARD_DELIVER; /* split horizon: never back to the network */
	else if (mac_is_multicast(&f.dst))
		f.verdict = FORWARD_FLOOD;
	else {
		static const enum forward_verdict verdicts[] = {
			[VARP_UNKNOWN] = FORWARD_FLOOD,
			[VARP_LOCAL] = FORWARD_DROP_LOCAL,
			[VARP_REMOTE] = FORWARD_UNICAST,
		};

		f.route = varp_lookup(v, vnet, &f.dst);
		f.verdict = verdicts[f.route.where];
	}
	return f;
}
