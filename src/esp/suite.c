/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esp/suite.h"

#include <string.h>

#include "base/datagram.h"
#include "base/ether.h"

/* One line a suite: keys and salt, then IV, ICV and alignment on the wire. */
static const struct suite suites[SUITE_COUNT] = {
	{ SUITE_NONE, "none", LEVEL_NONE, 0, 0, 0, 0, 0, 1 },
	{ SUITE_NULL_SHA1, "null-sha1", LEVEL_AUTH, 0, 0, 20, 0, 12, 4 },
	{ SUITE_AES128_SHA1, "aes128-sha1", LEVEL_CONF, 16, 0, 20, 16, 12, 16 },
	{ SUITE_NULL_SHA256, "null-sha256", LEVEL_AUTH, 0, 0, 32, 0, 16, 4 },
	{ SUITE_AES128_SHA256, "aes128-sha256", LEVEL_CONF, 16, 0, 32, 16, 16, 16 },
	{ SUITE_AES128GCM, "aes128gcm", LEVEL_CONF, 16, 4, 0, 8, 16, 4 },
	{ SUITE_AES256GCM, "aes256gcm", LEVEL_CONF, 32, 4, 0, 8, 16, 4 },
};

static const char *const level_names[] = {
	[LEVEL_NONE] = "none",
	[LEVEL_AUTH] = "auth",
	[LEVEL_CONF] = "conf",
};

const struct suite *
suite_by_id(unsigned id)
{
	return id < SUITE_COUNT ? &suites[id] : NULL;
}

const struct suite *
suite_by_name(const char *name)
{
	for (unsigned id = 0; id < SUITE_COUNT; id++)
		if (strcmp(suites[id].name, name) == 0)
			return &suites[id];
	return NULL;
}

const struct suite *
suite_default(enum level level)
{
	switch (level) {
	case LEVEL_AUTH:
		return &suites[SUITE_NULL_SHA1];
	case LEVEL_CONF:
		return &suites[SUITE_AES128_SHA1];
	case LEVEL_NONE:
		break;
	}
	return &suites[SUITE_NONE];
}

size_t
suite_keymat_len(const struct suite *s)
{
	return (size_t)s->enc_key_len + s->salt_len + s->auth_key_len;
}

const char *
level_name(enum level level)
{
	return level_names[level];
}

bool
level_parse(const char *text, enum level *out)
{
	for (enum level l = LEVEL_NONE; l <= LEVEL_CONF; l++)
		if (strcmp(level_names[l], text) == 0) {
			*out = l;
			return true;
		}
	return false;
}

size_t
suite_inner_mtu(const struct suite *s, size_t underlay_mtu, size_t ip_header_len)
{
	size_t outside = ip_header_len + UDP_HEADER_LEN;
	size_t inside = VXLAN_HEADER_LEN + ETHER_HEADER_LEN;

	if (s->id != SUITE_NONE) {
		outside += (size_t)ESP_HEADER_LEN + s->iv_len + s->icv_len;
		inside += UDP_HEADER_LEN + ESP_TRAILER_LEN;
	}
	if (underlay_mtu <= outside)
		return 0;
	size_t text_len = (underlay_mtu - outside) / s->align * s->align;
	return text_len > inside ? text_len - inside : 0;
}
