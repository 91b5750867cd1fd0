/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Security levels and the ESP suites that give them: the one table of sizes. A suite implies its
 * level. Pure. Sources: RFC 4303 (ESP), 2404 (HMAC-SHA1-96), 4868 (HMAC-SHA-256-128), 3602
 * (AES-CBC), 4106 (AES-GCM).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum level { LEVEL_NONE, LEVEL_AUTH, LEVEL_CONF };

/* Numbers are on the wire (handshake, DISCOVER): never reuse one. */
enum suite_id {
	SUITE_NONE = 0, /* level none: no ESP */
	SUITE_NULL_SHA1 = 1,
	SUITE_AES128_SHA1 = 2,
	SUITE_NULL_SHA256 = 3,
	SUITE_AES128_SHA256 = 4,
	SUITE_AES128GCM = 5,
	SUITE_AES256GCM = 6,
	SUITE_COUNT
};

#define ESP_HEADER_LEN	 8  /* SPI, sequence number */
#define ESP_TRAILER_LEN	 2  /* pad length, next header */
#define SUITE_KEYMAT_MAX 64 /* cipher key, salt, integrity key */

struct suite {
	enum suite_id id;
	const char *name; /* "aes128-sha1" */
	enum level level;
	uint8_t enc_key_len;  /* 0: NULL cipher */
	uint8_t salt_len;     /* GCM: 4 */
	uint8_t auth_key_len; /* 0: AEAD */
	uint8_t iv_len;	      /* on the wire */
	uint8_t icv_len;
	uint8_t align; /* ciphertext is a multiple of this: 16 for CBC, 4 else */
};

/* NULL for an unknown number or name. SUITE_NONE is found too ("none"). */
const struct suite *suite_by_id(unsigned id);
const struct suite *suite_by_name(const char *name);
const struct suite *suite_default(enum level level);
size_t suite_keymat_len(const struct suite *s);
const char *level_name(enum level level); /* "none", "auth", "conf" */
bool level_parse(const char *text, enum level *out);

/*
 * Largest inner IP packet (the vnet device's MTU) that fits one outer packet of underlay_mtu with
 * an outer IP header of ip_header_len (20 or 40), for VXLAN over UDP (SUITE_NONE) or over ESP in
 * UDP. 0 if nothing fits. With a 1500-byte underlay, IPv4 / IPv6: none 1450 / 1430, null-sha1 1420
 * / 1400, aes128-sha1 1392 / 1376, GCM 1408 / 1388, null-sha256 1416 / .., aes128-sha256 1392 / ..
 */
size_t suite_inner_mtu(const struct suite *s, size_t underlay_mtu, size_t ip_header_len);
