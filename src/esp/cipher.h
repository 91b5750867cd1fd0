/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The transforms of one SA: keyed once, used for every packet. cipher_openssl.c is the only file of this layer that knows
 * OpenSSL; another engine (multi-buffer) would be another file behind this header. One thread per struct cipher.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/suite.h"

struct cipher;

/* Fetches every algorithm once, before the sandbox is sealed. False if the library lacks one. */
bool cipher_global_init(void);

/* keymat: suite_keymat_len() bytes, cipher key | salt | integrity key; copied into the contexts. NULL if memory or the
 * library fails. */
struct cipher *cipher_new(const struct suite *s, const uint8_t *keymat, bool sending);
/* Wipes its keys; takes NULL. */
void cipher_free(struct cipher *c);

/*
 * In place over one ESP packet: esp points at the ESP header (SPI, sequence), then IV, then text_len bytes of text to
 * encrypt (payload and ESP trailer), then room for the ICV. seq is the full 64-bit number; esn: its high half goes into the
 * ICV (RFC 4303 2.2.1; GCM: into the AAD, RFC 4106 section 5). The IV is written here: unpredictable for CBC (an AES of a counter under a random
 * key of this SA's own, NIST SP 800-38A appendix C), the sequence number for GCM. False if the library fails: send nothing.
 */
bool cipher_seal(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn);
/* The reverse: ICV in constant time, then decryption. False if the ICV is wrong; the text is then garbage. */
bool cipher_open(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn);

/* Test hook: the next IV of a CBC SA will be these 16 bytes (known-answer tests only). */
void cipher_set_next_iv(struct cipher *c, const uint8_t iv[static 16]);
