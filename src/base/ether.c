/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ether.h"

#include <stdio.h>
#include <string.h>

#include "cursor.h"
#include "hex.h"

bool
mac_parse(const char *text, struct macaddr *out)
{
	struct macaddr mac;
	char separator = 0;

	for (size_t i = 0; i < sizeof(mac.b); i++) {
		int high = hex_digit(*text++);
		int low = high < 0 ? -1 : hex_digit(*text++);

		if (low < 0)
			return false;
		mac.b[i] = (uint8_t)(high << 4 | low);
		if (i == sizeof(mac.b) - 1)
			break;
		if (i == 0)
			separator = *text;
		if (*text != separator || (*text != ':' && *text != '-'))
			return false;
		text++;
	}
	if (*text != '\0')
		return false;
	*out = mac;
	return true;
}

const char *
mac_format(const struct macaddr *mac, char buf[static MAC_STRLEN])
{
	const uint8_t *b = mac->b;

	snprintf(
	    buf, MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	return buf;
}

bool
ether_addresses(const uint8_t *frame, size_t len, struct macaddr *dst, struct macaddr *src)
{
	struct rcur c = rcur_init(frame, len);

	if (len < ETHER_HEADER_LEN)
		return false;
	rcur_copy(&c, dst->b, sizeof(dst->b));
	rcur_copy(&c, src->b, sizeof(src->b));
	return rcur_ok(&c);
}
