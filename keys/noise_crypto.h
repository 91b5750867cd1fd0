/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The primitives behind noise.c: SHA-256, HMAC, AES-256-GCM and X25519, each on plain bytes.
 * noise_openssl.c is the only implementation. False: the library failed, or the input is refused;
 * outputs are then not to be used.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/noise.h"

/* Hash and MAC of a followed by b. */
bool crypto_sha256(
    const void *a, size_t a_len, const void *b, size_t b_len, uint8_t out[static NOISE_HASH_LEN]);
bool crypto_hmac_sha256(const uint8_t key[static NOISE_KEY_LEN], const void *a, size_t a_len,
    const void *b, size_t b_len, uint8_t out[static NOISE_HASH_LEN]);

struct crypto_aead {
	const uint8_t *key; /* NOISE_KEY_LEN */
	uint64_t n; /* the nonce is 32 zero bits and this, big-endian (Noise section 12.4) */
	const void *ad;
	size_t ad_len;
};

/* out: text and tag, len + NOISE_TAG_LEN bytes. */
bool crypto_seal(const struct crypto_aead *a, const void *text, size_t len, uint8_t *out);
/* len: of text and tag, at least NOISE_TAG_LEN. out is wiped when the tag is wrong. */
bool crypto_open(const struct crypto_aead *a, const uint8_t *in, size_t len, uint8_t *out);

bool crypto_x25519_public(
    const uint8_t private_key[static NOISE_KEY_LEN], uint8_t out[static NOISE_KEY_LEN]);
/*
 * A public key of low order fails or gives zeros, as the library likes (OpenSSL fails, but does not
 * promise to): the caller checks.
 */
bool crypto_x25519(const uint8_t private_key[static NOISE_KEY_LEN],
    const uint8_t public_key[static NOISE_KEY_LEN], uint8_t out[static NOISE_KEY_LEN]);
