/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The transforms of one SA: keyed once, used for every packet. Two engines do the work: OpenSSL
 * (cipher_openssl.c), one packet after the other, and where the build and the machine have it
 * libipsec-mb (cipher_ipsec_mb.c), many at once. Which one is faster depends on the algorithm and
 * on how many packets there are; cipher.c picks. One thread per struct cipher.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/suite.h"

#define CIPHER_ICV_MAX 16

struct cipher;

/*
 * One ESP packet, in place: esp points at the ESP header (SPI, sequence number), then IV, then
 * text_len bytes of text (payload and ESP trailer), then the ICV. seq is the full 64-bit number.
 */
struct cipher_job {
	uint8_t *esp;
	size_t text_len;
	uint64_t seq;
	bool ok;					       /* the result */
	uint8_t icv[CIPHER_ICV_MAX], received[CIPHER_ICV_MAX]; /* scratch */
};

/*
 * Fetches every algorithm once, before the sandbox is sealed, and does cipher_thread_init(). False
 * if a library lacks one.
 */
bool cipher_global_init(void);
/*
 * For each further thread that uses ciphers, before its sandbox is sealed; without it the thread
 * has OpenSSL only.
 */
void cipher_thread_init(void);
/* Frees what the calling thread has. */
void cipher_thread_fini(void);

/* Which engines there are, and why; a line for people. */
const char *cipher_describe(void);
/*
 * For measuring and testing: "openssl", "ipsec-mb" whatever the number of packets, or "auto". False
 * if it is not to be had.
 */
bool cipher_prefer(const char *engine);

/*
 * keymat: suite_keymat_len() bytes, cipher key | salt | integrity key; copied into the contexts.
 * NULL if memory or the library fails.
 */
struct cipher *cipher_new(const struct suite *s, const uint8_t *keymat, bool sending);
/* Wipes its keys; takes NULL. */
void cipher_free(struct cipher *c);

/*
 * Encrypts and authenticates n packets and writes their ICVs. esn: the high half of the sequence
 * number goes into the ICV (RFC 4303 2.2.1; GCM: into the AAD, RFC 4106 section 5). The IVs are
 * written here: unpredictable for CBC (an AES of a counter under a random key of this SA's own,
 * NIST SP 800-38A appendix C), the sequence number for GCM. A packet that is not ok must not be
 * sent.
 */
void cipher_seal_batch(struct cipher *c, struct cipher_job *jobs, size_t n, bool esn);
/*
 * The reverse: ICVs in constant time, then decryption of the good ones. Then the text of a packet
 * that is not ok, and the ICV's place of any, are garbage.
 */
void cipher_open_batch(struct cipher *c, struct cipher_job *jobs, size_t n, bool esn);

/* The same for one packet; the result is returned. */
bool cipher_seal(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn);
bool cipher_open(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn);

/* Test hook: the next IV of a CBC SA will be these 16 bytes (known-answer tests only). */
void cipher_set_next_iv(struct cipher *c, const uint8_t iv[static 16]);
