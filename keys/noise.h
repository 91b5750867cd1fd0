/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Noise_NNpsk0_25519_AESGCM_SHA256 (Noise Protocol Framework, revision 34): the two messages
 *     -> psk, e
 *     <- e, ee
 * and the split. State machine in noise.c, primitives in noise_openssl.c (the only OpenSSL file of
 * this layer).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_KEY_LEN	32
#define NOISE_HASH_LEN	32
#define NOISE_TAG_LEN	16
#define NOISE_PSK_LEN	32
#define NOISE_MSG_EXTRA (NOISE_KEY_LEN + NOISE_TAG_LEN) /* a message is its payload and this much */

struct noise {
	uint8_t h[NOISE_HASH_LEN];
	uint8_t ck[NOISE_HASH_LEN];
	uint8_t k[NOISE_KEY_LEN]; /* seals one payload only, so its nonce is always 0 */
	uint8_t psk[NOISE_PSK_LEN];
	uint8_t e_private[NOISE_KEY_LEN];
	uint8_t e_public[NOISE_KEY_LEN];
	uint8_t peer_public[NOISE_KEY_LEN]; /* the peer's e, from its message */
	bool initiator;
};

/* Fetches algorithms before the sandbox is sealed. */
bool noise_global_init(void);
/* e_private: NULL to draw one at random; given only by tests. */
bool noise_init(struct noise *ns, bool initiator, const uint8_t psk[static NOISE_PSK_LEN],
    const void *prologue, size_t prologue_len, const uint8_t *e_private);
/*
 * out holds payload_len + NOISE_MSG_EXTRA bytes. The initiator calls write then read, the responder
 * read then write.
 */
bool noise_write(struct noise *ns, const void *payload, size_t payload_len, uint8_t *out);
/*
 * payload holds len - NOISE_MSG_EXTRA bytes. False if it does not authenticate (ns is then good
 * only for noise_wipe).
 */
bool noise_read(struct noise *ns, const uint8_t *msg, size_t len, uint8_t *payload);
/*
 * After both messages: the key from initiator to responder, and the other. h is the handshake hash.
 */
bool noise_split(
    const struct noise *ns, uint8_t i2r[static NOISE_KEY_LEN], uint8_t r2i[static NOISE_KEY_LEN]);
void noise_wipe(struct noise *ns);

/*
 * HKDF-Expand with SHA-256 (RFC 5869 section 2.3). False for lengths over these, or if the library
 * fails.
 */
#define HKDF_INFO_MAX 128
#define HKDF_OUT_MAX  (255 * NOISE_HASH_LEN)
bool hkdf_expand(const uint8_t prk[static NOISE_HASH_LEN], const void *info, size_t info_len,
    uint8_t *out, size_t out_len);
