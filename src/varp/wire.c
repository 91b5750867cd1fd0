/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/wire.h"

#include <string.h>

enum { WIRE_IPV4 = 4, WIRE_IPV6 = 6, IPV4_LEN = 4 };

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

void
wire_write_endpoint(struct wcur *c, const struct endpoint *ep)
{
	wcur_u8(c, ep->ip.family == AF_INET6 ? WIRE_IPV6 : WIRE_IPV4);
	wcur_u8(c, 0);
	wcur_be16(c, (uint16_t)ep->port);
	wcur_copy(c, ep->ip.b, sizeof(ep->ip.b));
}

bool
wire_read_endpoint(struct rcur *c, struct endpoint *ep)
{
	static const uint8_t zeros[sizeof(ep->ip.b) - IPV4_LEN];
	uint8_t family = rcur_u8(c);
	uint8_t zero = rcur_u8(c);

	*ep = (struct endpoint){ .port = rcur_be16(c) };
	rcur_copy(c, ep->ip.b, sizeof(ep->ip.b));
	if (!rcur_ok(c) || zero)
		return false;
	switch (family) {
	case WIRE_IPV4:
		ep->ip.family = AF_INET;
		return !memcmp(ep->ip.b + IPV4_LEN, zeros, sizeof(zeros));
	case WIRE_IPV6:
		ep->ip.family = AF_INET6;
		return memcmp(ep->ip.b, mapped_prefix, sizeof(mapped_prefix)) != 0;
	default:
		return false;
	}
}
