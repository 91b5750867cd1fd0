/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datagram.h"

#include <assert.h>

#include "cursor.h"

#define VXLAN_I_FLAG 0x08 /* in the first byte */

bool
datagram_spi_valid(uint32_t w)
{
	return w > 255 && w != VXLAN_FLAGS_WORD;
}

enum datagram_kind
datagram_classify(const uint8_t *buf, size_t len, uint32_t *spi)
{
	struct rcur c = rcur_init(buf, len);
	uint32_t word;

	if (len < 4)
		return len == 1 && buf[0] == 0xff ? DATAGRAM_KEEPALIVE : DATAGRAM_SHORT;
	word = rcur_be32(&c);
	if (word == 0)
		return DATAGRAM_CONTROL;
	if (word == VXLAN_FLAGS_WORD)
		return DATAGRAM_VXLAN;
	if (!datagram_spi_valid(word))
		return DATAGRAM_RESERVED;
	*spi = word;
	return DATAGRAM_ESP;
}

bool
vxlan_parse(const uint8_t *buf, size_t len, uint32_t *vni, bool *checked)
{
	struct rcur c = rcur_init(buf, len);
	uint8_t flags = rcur_u8(&c);

	rcur_take(&c, 3);
	uint32_t word = rcur_be32(&c);
	if (!rcur_ok(&c) || !(flags & VXLAN_I_FLAG))
		return false;
	*vni = word >> 8;
	*checked = word & VXLAN_CHECKED;
	return true;
}

void
vxlan_write(uint8_t buf[static VXLAN_HEADER_LEN], uint32_t vni, bool checked)
{
	struct wcur c = wcur_init(buf, VXLAN_HEADER_LEN);

	wcur_be32(&c, VXLAN_FLAGS_WORD);
	wcur_be32(&c, vni << 8 | (checked ? VXLAN_CHECKED : 0));
}

void
probe_write(uint8_t frame[static PROBE_LEN], uint64_t nonce)
{
	static const uint8_t mac[] = { 0x02, 'p', 'r', 'o', 'b', 'e' };
	struct wcur c = wcur_init(frame, PROBE_LEN);

	wcur_copy(&c, mac, sizeof(mac));
	wcur_copy(&c, mac, sizeof(mac));
	wcur_be16(&c, PROBE_ETHERTYPE);
	wcur_be64(&c, nonce);
	wcur_zero(&c, PROBE_LEN - wcur_len(&c));
}

bool
probe_parse(const uint8_t *frame, size_t len, uint64_t *nonce)
{
	struct rcur c = rcur_init(frame, len);

	rcur_take(&c, 2 * sizeof(struct macaddr));
	if (len != PROBE_LEN || rcur_be16(&c) != PROBE_ETHERTYPE)
		return false;
	*nonce = rcur_be64(&c);
	return true;
}

bool
inner_udp_write(uint8_t buf[static UDP_HEADER_LEN], uint16_t port, size_t payload_len)
{
	struct wcur c = wcur_init(buf, UDP_HEADER_LEN);

	if (payload_len > INNER_UDP_PAYLOAD_MAX)
		return false;
	wcur_be16(&c, port);
	wcur_be16(&c, port);
	wcur_be16(&c, (uint16_t)(UDP_HEADER_LEN + payload_len));
	wcur_be16(&c, 0);
	return true;
}

bool
inner_udp_parse(const uint8_t *buf, size_t len, uint16_t *port)
{
	struct rcur c = rcur_init(buf, len);
	uint16_t src = rcur_be16(&c);
	uint16_t dst = rcur_be16(&c);
	uint16_t udp_len = rcur_be16(&c);

	rcur_be16(&c); /* checksum */
	if (!rcur_ok(&c) || src != dst || udp_len != len)
		return false;
	*port = dst;
	return true;
}

static bool
type_known(uint8_t type)
{
	switch (type) {
#define X(value, suffix, name) case value:
		CONTROL_TYPES(X)
#undef X
		return true;
	default:
		return false;
	}
}

/* RELAY carries a whole datagram of another kind, the others only our own small messages. */
static bool
body_len_allowed(enum control_type type, size_t len)
{
	return len <= (type == CONTROL_RELAY ? UINT16_MAX : CONTROL_BODY_MAX);
}

enum control_verdict
control_parse(const uint8_t *buf, size_t len, struct control_header *out)
{
	struct rcur c = rcur_init(buf, len);
	uint32_t marker = rcur_be32(&c);
	uint8_t version = rcur_u8(&c);
	uint8_t type = rcur_u8(&c);
	uint16_t body_len = rcur_be16(&c);

	if (!rcur_ok(&c) || marker != 0)
		return CONTROL_MALFORMED;
	/* Before the length: another version may count differently. */
	if (version != CONTROL_VERSION)
		return CONTROL_VERSION_UNKNOWN;
	if (body_len != rcur_left(&c))
		return CONTROL_MALFORMED;
	if (!type_known(type))
		return CONTROL_TYPE_UNKNOWN;
	if (!body_len_allowed(type, body_len))
		return CONTROL_MALFORMED;
	*out = (struct control_header){
		.type = type,
		.body = rcur_take(&c, body_len),
		.body_len = body_len,
	};
	return CONTROL_OK;
}

void
control_write_header(
    uint8_t buf[static CONTROL_HEADER_LEN], enum control_type type, size_t body_len)
{
	struct wcur c = wcur_init(buf, CONTROL_HEADER_LEN);

	assert(body_len_allowed(type, body_len));
	wcur_be32(&c, 0);
	wcur_u8(&c, CONTROL_VERSION);
	wcur_u8(&c, (uint8_t)type);
	wcur_be16(&c, (uint16_t)body_len);
}
