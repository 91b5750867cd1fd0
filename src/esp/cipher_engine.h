/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What cipher.c wants of an engine: the steps of a suite, each for several packets. Internal to the
 * cipher files. A step clears ok of a packet for which it fails, and never sets it.
 */

#include "esp/cipher.h"

#define CBC_IV_LEN    16
#define GCM_SALT_LEN  4
#define GCM_NONCE_LEN 12
#define ESN_HIGH_LEN  4 /* the half of an extended sequence number that is not sent */
#define GCM_AAD_MAX   (ESP_HEADER_LEN + ESN_HIGH_LEN)

#define ENGINE_BATCH_MAX 64 /* packets in one call */

struct engine {
	/* The keys of one SA as the engine wants them; NULL if it fails. */
	void *(*keys_new)(const struct suite *s, const uint8_t *keymat, bool sending);
	/* Wipes them. */
	void (*keys_free)(void *keys);
	/* AES-CBC of the texts of those that are ok; the IVs stand in front of them. */
	void (*cbc)(void *keys, struct cipher_job *jobs, size_t n, bool encrypt);
	/*
	 * HMAC of all up to the ICV and, with esn, the high half of the number (RFC 4303 section
	 * 2.2.1), into job->icv. What stands in the ICV's place is lost.
	 */
	void (*mac)(void *keys, struct cipher_job *jobs, size_t n, bool esn);
	/*
	 * AES-GCM with what gcm_nonce() and gcm_aad() give. Encrypting writes the ICVs, decrypting
	 * compares job->received.
	 */
	void (*gcm)(void *keys, struct cipher_job *jobs, size_t n, bool esn, bool encrypt);
};

extern const struct engine engine_openssl;
bool openssl_init(void);
const char *openssl_version(void);
/* The next bytes of a stream that nobody can predict, for an SA that sends CBC. */
bool openssl_unpredictable(void *keys, uint8_t *out, size_t len);

/* Lengths are 16 bits in this engine, and unchecked: of a longer text it would encrypt a part. */
#define IPSEC_MB_TEXT_MAX 65408

extern const struct engine engine_ipsec_mb;
/*
 * Makes the calling thread's own state: false, with a reason for people in *why, if the engine is
 * not to be had.
 */
bool ipsec_mb_thread_init(const char **why);
void ipsec_mb_thread_fini(void);
/* Has the calling thread that state? */
bool ipsec_mb_ready(void);
/* For the thread that is first, when it is ready. */
const char *ipsec_mb_version(void);
/* The fewest packets for which it is faster than OpenSSL, on this machine. */
struct engine_least {
	size_t encrypt, decrypt, mac, gcm;
};
struct engine_least ipsec_mb_least(const struct suite *s);

/* Takes as long for any difference. */
bool icv_equal(const uint8_t *a, const uint8_t *b, size_t len);
size_t gcm_aad(const struct cipher_job *job, bool esn, uint8_t aad[static GCM_AAD_MAX]);
void gcm_nonce(
    const struct cipher_job *job, const uint8_t *salt, uint8_t nonce[static GCM_NONCE_LEN]);
