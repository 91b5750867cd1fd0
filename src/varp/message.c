/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/message.h"

#include "base/cursor.h"
#include "base/datagram.h"
#include "varp/wire.h"

enum { MEMBER_LEN = 20, ITEM_LEN = 12, WAY_LEN = 8 };

const char *
message_type_name(enum message_type t)
{
	switch (t) {
#define X(value, suffix, name) \
	case MESSAGE_##suffix: \
		return name;
		MESSAGE_TYPES(X)
#undef X
	}
	return "unknown";
}

static bool
vni_is_valid(uint32_t vni)
{
	return vni && vni <= VNI_MAX;
}

static void
write_echo(struct wcur *c, const struct message *m)
{
	wcur_be64(c, m->echo.nonce);
	wcur_be64(c, m->echo.number);
	wcur_be64(c, m->echo.hash);
	if (m->type == MESSAGE_ECHO_REPLY)
		wire_write_endpoint(c, &m->echo.seen);
}

static enum message_verdict
parse_echo(struct rcur *c, struct message *m)
{
	m->echo.nonce = rcur_be64(c);
	m->echo.number = rcur_be64(c);
	m->echo.hash = rcur_be64(c);
	if (m->type == MESSAGE_ECHO)
		return MESSAGE_OK_V;
	if (rcur_left(c) != WIRE_ENDPOINT_LEN)
		return MESSAGE_SHORT_V;
	return wire_read_endpoint(c, &m->echo.seen) ? MESSAGE_OK_V : MESSAGE_VALUE_V;
}

static void
write_members(struct wcur *c, const struct message *m)
{
	wcur_be64(c, m->members.number);
	wcur_be64(c, m->members.hash);
	wcur_be64(c, m->members.base);
	wcur_be16(c, m->members.total);
	wcur_be16(c, m->members.first);
	wcur_be16(c, m->members.n);
	wcur_be16(c, 0);
	for (size_t i = 0; i < m->members.n && wcur_ok(c); i++) {
		const struct message_member *e = &m->members.entries[i];

		wcur_copy(c, e->id.b, sizeof(e->id.b));
		wcur_be32(c, (uint32_t)e->op << 24 | e->vni);
	}
}

/*
 * A full set is spread over messages none of which is empty, but the empty set is one message; a
 * change is whole.
 */
static bool
members_count_is_valid(const struct message *m)
{
	unsigned total = m->members.total, first = m->members.first, n = m->members.n;

	if (n > MESSAGE_MEMBERS_MAX || total > MEMBERSHIP_TOTAL_MAX || first + n > total)
		return false;
	if (m->members.base)
		return n && n == total;
	return n || !total;
}

static bool
member_is_valid(const struct message *m, const struct message_member *e)
{
	if (vnetid_is_zero(&e->id) || vnetid_is_physical(&e->id) || !vni_is_valid(e->vni))
		return false;
	return e->op == MEMBER_ADD || (e->op == MEMBER_REMOVE && m->members.base);
}

static enum message_verdict
parse_members(struct rcur *c, struct message *m)
{
	m->members.number = rcur_be64(c);
	m->members.hash = rcur_be64(c);
	m->members.base = rcur_be64(c);
	m->members.total = rcur_be16(c);
	m->members.first = rcur_be16(c);
	m->members.n = rcur_be16(c);

	uint16_t zero = rcur_be16(c);

	if (!rcur_ok(c))
		return MESSAGE_SHORT_V;
	if (!members_count_is_valid(m))
		return MESSAGE_COUNT_V;
	if (rcur_left(c) != (size_t)m->members.n * MEMBER_LEN)
		return MESSAGE_SHORT_V;
	if (zero || m->members.number <= m->members.base)
		return MESSAGE_VALUE_V;
	for (size_t i = 0; i < m->members.n; i++) {
		struct message_member *e = &m->members.entries[i];

		rcur_copy(c, e->id.b, sizeof(e->id.b));

		uint32_t op_vni = rcur_be32(c);

		e->op = op_vni >> 24;
		e->vni = op_vni & VNI_MAX;
		if (!member_is_valid(m, e))
			return MESSAGE_VALUE_V;
	}
	return MESSAGE_OK_V;
}

static void
write_varp(struct wcur *c, const struct message *m)
{
	wcur_be32(c, m->varp.vni);
	wcur_be16(c, m->varp.n);
	wcur_be16(c, 0);
	for (size_t i = 0; i < m->varp.n && wcur_ok(c); i++) {
		const struct message_item *item = &m->varp.items[i];

		wcur_copy(c, item->mac.b, sizeof(item->mac.b));
		wcur_be16(c, 0);
		wcur_be32(c, item->counter);
	}
}

static enum message_verdict
parse_varp(struct rcur *c, struct message *m)
{
	m->varp.vni = rcur_be32(c);
	m->varp.n = rcur_be16(c);

	uint16_t zero = rcur_be16(c);

	if (!rcur_ok(c))
		return MESSAGE_SHORT_V;
	if (!m->varp.n || m->varp.n > MESSAGE_ITEMS_MAX)
		return MESSAGE_COUNT_V;
	if (rcur_left(c) != (size_t)m->varp.n * ITEM_LEN)
		return MESSAGE_SHORT_V;
	if (zero || !vni_is_valid(m->varp.vni))
		return MESSAGE_VALUE_V;
	for (size_t i = 0; i < m->varp.n; i++) {
		struct message_item *item = &m->varp.items[i];

		rcur_copy(c, item->mac.b, sizeof(item->mac.b));
		zero = rcur_be16(c);
		item->counter = rcur_be32(c);
		if (zero || mac_is_multicast(&item->mac) || mac_is_zero(&item->mac))
			return MESSAGE_VALUE_V;
	}
	return MESSAGE_OK_V;
}

static void
write_path(struct wcur *c, const struct message *m)
{
	wcur_u8(c, m->path.n);
	wcur_zero(c, 3);
	for (size_t i = 0; i < m->path.n && wcur_ok(c); i++) {
		wcur_be32(c, m->path.ways[i].spi);
		wcur_u8(c, (uint8_t)m->path.ways[i].kind);
		wcur_u8(c, 0);
		wcur_be16(c, m->path.ways[i].port);
	}
}

static bool
way_is_valid(const struct message_way *w)
{
	switch (w->kind) {
	case WAY_ESP:
		return datagram_spi_valid(w->spi) && w->port == 0;
	case WAY_UDP:
		return datagram_spi_valid(w->spi) && w->port != 0;
	case WAY_VXLAN:
		return w->spi == 0 && w->port != 0;
	}
	return false;
}

static enum message_verdict
parse_path(struct rcur *c, struct message *m)
{
	m->path.n = rcur_u8(c);

	uint8_t zero = rcur_u8(c);

	zero |= rcur_be16(c) != 0;
	if (!rcur_ok(c))
		return MESSAGE_SHORT_V;
	if (m->path.n > MESSAGE_WAYS_MAX)
		return MESSAGE_COUNT_V;
	if (rcur_left(c) != (size_t)m->path.n * WAY_LEN)
		return MESSAGE_SHORT_V;
	for (size_t i = 0; i < m->path.n; i++) {
		struct message_way *w = &m->path.ways[i];

		w->spi = rcur_be32(c);
		w->kind = rcur_u8(c);
		zero |= rcur_u8(c);
		w->port = rcur_be16(c);
		if (!way_is_valid(w))
			return MESSAGE_VALUE_V;
	}
	return zero ? MESSAGE_VALUE_V : MESSAGE_OK_V;
}

static void
write_body(struct wcur *c, const struct message *m)
{
	switch (m->type) {
	case MESSAGE_ECHO:
	case MESSAGE_ECHO_REPLY:
		write_echo(c, m);
		break;
	case MESSAGE_MEMBERS:
		write_members(c, m);
		break;
	case MESSAGE_WANTED:
		wcur_be64(c, m->wanted);
		break;
	case MESSAGE_REQUEST:
	case MESSAGE_ANNOUNCE:
	case MESSAGE_WITHDRAW:
	case MESSAGE_ACK:
		write_varp(c, m);
		break;
	case MESSAGE_PATH:
		write_path(c, m);
		break;
	case MESSAGE_SEEN:
		wcur_be64(c, m->seen);
		break;
	}
}

static enum message_verdict
parse_body(struct rcur *c, struct message *m)
{
	switch (m->type) {
	case MESSAGE_ECHO:
	case MESSAGE_ECHO_REPLY:
		return parse_echo(c, m);
	case MESSAGE_MEMBERS:
		return parse_members(c, m);
	case MESSAGE_WANTED:
		m->wanted = rcur_be64(c);
		return MESSAGE_OK_V;
	case MESSAGE_REQUEST:
	case MESSAGE_ANNOUNCE:
	case MESSAGE_WITHDRAW:
	case MESSAGE_ACK:
		return parse_varp(c, m);
	case MESSAGE_PATH:
		return parse_path(c, m);
	case MESSAGE_SEEN:
		m->seen = rcur_be64(c);
		return MESSAGE_OK_V;
	}
	return MESSAGE_TYPE_V;
}

size_t
message_write(const struct message *m, uint8_t *buf, size_t size)
{
	struct wcur c = wcur_init(buf, size);

	wcur_u8(&c, MESSAGE_VERSION);
	wcur_u8(&c, (uint8_t)m->type);

	struct wcur len_field = c;

	wcur_be16(&c, 0);
	write_body(&c, m);
	wcur_be16(&len_field, (uint16_t)(wcur_len(&c) - MESSAGE_HEADER_LEN));
	return wcur_len(&c);
}

enum message_verdict
message_parse(const uint8_t *buf, size_t len, struct message *m)
{
	struct rcur c = rcur_init(buf, len);
	uint8_t version = rcur_u8(&c);

	m->type = rcur_u8(&c);

	uint16_t body_len = rcur_be16(&c);

	if (!rcur_ok(&c))
		return MESSAGE_SHORT_V;
	if (version != MESSAGE_VERSION)
		return MESSAGE_VERSION_V;
	if (m->type < MESSAGE_ECHO || m->type > MESSAGE_SEEN)
		return MESSAGE_TYPE_V;
	if (body_len != rcur_left(&c))
		return MESSAGE_SHORT_V;

	enum message_verdict verdict = parse_body(&c, m);

	return verdict == MESSAGE_OK_V && !rcur_done(&c) ? MESSAGE_SHORT_V : verdict;
}

void
clear_write(uint8_t buf[static CLEAR_HEADER_LEN], const struct clear_header *h)
{
	struct wcur c = wcur_init(buf, CLEAR_HEADER_LEN);

	wcur_be64(&c, h->host_id);
	wcur_be64(&c, h->start);
	wcur_be64(&c, h->nonce);
	wcur_be64(&c, h->echo);
}

bool
clear_parse(const uint8_t *buf, size_t len, struct clear_header *h)
{
	struct rcur c = rcur_init(buf, len);
	struct clear_header parsed;

	parsed.host_id = rcur_be64(&c);
	parsed.start = rcur_be64(&c);
	parsed.nonce = rcur_be64(&c);
	parsed.echo = rcur_be64(&c);
	if (!rcur_ok(&c) || !parsed.host_id || !parsed.nonce)
		return false;
	*h = parsed;
	return true;
}
