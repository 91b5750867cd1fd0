/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esp/cipher.h"

#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

#define IV_BATCH \
	32 /* CBC IVs made at a time: a call of the library costs more than one AES block */
#define CBC_IV_LEN    16
#define GCM_SALT_LEN  4
#define GCM_NONCE_LEN 12
#define HIGH_LEN      4 /* the half of an extended sequence number that is not sent */

struct cipher {
	const struct suite *suite;
	EVP_CIPHER_CTX *text; /* NULL: NULL cipher */
	EVP_MAC_CTX *mac;     /* NULL: AEAD */
	EVP_CIPHER_CTX *ivs;  /* key stream that is cut into IVs; NULL unless sending CBC */
	uint8_t salt[GCM_SALT_LEN];
	unsigned iv_next;
	uint8_t iv[IV_BATCH][CBC_IV_LEN];
};

static EVP_CIPHER *aes128_cbc, *aes128_ctr, *aes128_gcm, *aes256_gcm;
static EVP_MAC *hmac;
static EVP_MD *sha1, *sha256; /* held so that HMAC finds them by name without loading anything */
static char sha1_name[] = "SHA1", sha256_name[] = "SHA256";

bool
cipher_global_init(void)
{
	if (hmac)
		return true;
	aes128_cbc = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
	aes128_ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
	aes128_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	aes256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	sha1 = EVP_MD_fetch(NULL, sha1_name, NULL);
	sha256 = EVP_MD_fetch(NULL, sha256_name, NULL);
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	return aes128_cbc && aes128_ctr && aes128_gcm && aes256_gcm && sha1 && sha256 && hmac;
}

static const EVP_CIPHER *
text_algorithm(const struct suite *s)
{
	if (s->auth_key_len > 0)
		return aes128_cbc;
	return s->enc_key_len == 16 ? aes128_gcm : aes256_gcm;
}

static EVP_CIPHER_CTX *
cipher_ctx_new(const EVP_CIPHER *algorithm, const uint8_t *key, const uint8_t *iv, bool encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned padding = 0; /* ESP brings its own */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_PADDING, &padding),
		OSSL_PARAM_construct_end(),
	};

	if (ctx && EVP_CipherInit_ex2(ctx, algorithm, key, iv, encrypt, params) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static EVP_MAC_CTX *
mac_ctx_new(const struct suite *s, const uint8_t *key)
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
	char *digest = s->auth_key_len == 20 ? sha1_name : sha256_name;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	if (ctx && EVP_MAC_init(ctx, key, s->auth_key_len, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

/* A key and first counter nobody else ever learns: AES in counter mode of nothing is the stream of encrypted counters. */
static EVP_CIPHER_CTX *
iv_stream_new(void)
{
	uint8_t secret[32];

	random_bytes(secret, sizeof(secret));
	EVP_CIPHER_CTX *ctx = cipher_ctx_new(aes128_ctr, secret, secret + 16, true);
	explicit_bzero(secret, sizeof(secret));
	return ctx;
}

struct cipher *
cipher_new(const struct suite *s, const uint8_t *keymat, bool sending)
{
	struct cipher *c = calloc(1, sizeof(*c));
	bool cbc = s->iv_len == CBC_IV_LEN;

	if (!c)
		return NULL;
	c->suite = s;
	c->iv_next = IV_BATCH;
	if (s->enc_key_len > 0 &&
	    !(c->text = cipher_ctx_new(text_algorithm(s), keymat, NULL, sending)))
		goto fail;
	keymat += s->enc_key_len;
	memcpy(c->salt, keymat, s->salt_len);
	keymat += s->salt_len;
	if (s->auth_key_len > 0 && !(c->mac = mac_ctx_new(s, keymat)))
		goto fail;
	if (cbc && sending && !(c->ivs = iv_stream_new()))
		goto fail;
	return c;
fail:
	cipher_free(c);
	return NULL;
}

void
cipher_free(struct cipher *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->text);
	EVP_MAC_CTX_free(c->mac);
	EVP_CIPHER_CTX_free(c->ivs);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static bool
refill_ivs(struct cipher *c)
{
	int n;

	if (c->iv_next < IV_BATCH)
		return true;
	memset(c->iv, 0, sizeof(c->iv));
	if (EVP_CipherUpdate(c->ivs, c->iv[0], &n, c->iv[0], sizeof(c->iv)) != 1)
		return false;
	c->iv_next = 0;
	return true;
}

void
cipher_set_next_iv(struct cipher *c, const uint8_t iv[static CBC_IV_LEN])
{
	if (refill_ivs(c))
		memcpy(c->iv[c->iv_next], iv, CBC_IV_LEN);
}

static bool
crypt_text(EVP_CIPHER_CTX *ctx, const uint8_t *iv, uint8_t *text, size_t len)
{
	int n;

	return EVP_CipherInit_ex2(ctx, NULL, NULL, iv, -1, NULL) == 1 &&
	       EVP_CipherUpdate(ctx, text, &n, text, (int)len) == 1;
}

/* HMAC over the packet up to the ICV and, with ESN, the high half of the sequence number (RFC 4303 section 2.2.1). */
static bool
compute_icv(struct cipher *c, const uint8_t *esp, size_t len, uint64_t seq, bool esn,
    uint8_t icv[static EVP_MAX_MD_SIZE])
{
	uint32_t high = htobe32((uint32_t)(seq >> 32));
	size_t n;

	return EVP_MAC_init(c->mac, NULL, 0, NULL) == 1 && EVP_MAC_update(c->mac, esp, len) == 1 &&
	       (!esn || EVP_MAC_update(c->mac, (const uint8_t *)&high, sizeof(high)) == 1) &&
	       EVP_MAC_final(c->mac, icv, &n, EVP_MAX_MD_SIZE) == 1;
}

static bool
seal_hmac(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn)
{
	uint8_t *iv = esp + ESP_HEADER_LEN, *text = iv + c->suite->iv_len, *icv = text + text_len;
	uint8_t full[EVP_MAX_MD_SIZE];

	if (c->text) {
		if (!refill_ivs(c))
			return false;
		memcpy(iv, c->iv[c->iv_next++], CBC_IV_LEN);
		if (!crypt_text(c->text, iv, text, text_len))
			return false;
	}
	if (!compute_icv(c, esp, (size_t)(icv - esp), seq, esn, full))
		return false;
	memcpy(icv, full, c->suite->icv_len);
	return true;
}

static bool
open_hmac(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn)
{
	uint8_t *iv = esp + ESP_HEADER_LEN, *text = iv + c->suite->iv_len, *icv = text + text_len;
	uint8_t full[EVP_MAX_MD_SIZE];

	if (!compute_icv(c, esp, (size_t)(icv - esp), seq, esn, full) ||
	    CRYPTO_memcmp(full, icv, c->suite->icv_len) != 0)
		return false;
	return !c->text || crypt_text(c->text, iv, text, text_len);
}

/* Nonce (salt and IV) and additional data (SPI and sequence number, whole with ESN) of RFC 4106 sections 4 and 5. */
static bool
begin_gcm(struct cipher *c, const uint8_t *esp, uint64_t seq, bool esn)
{
	uint8_t nonce[GCM_NONCE_LEN], aad[ESP_HEADER_LEN + HIGH_LEN];
	uint64_t seq_be = htobe64(seq);
	int n;

	memcpy(nonce, c->salt, GCM_SALT_LEN);
	memcpy(nonce + GCM_SALT_LEN, esp + ESP_HEADER_LEN, GCM_NONCE_LEN - GCM_SALT_LEN);
	memcpy(aad, esp, ESP_HEADER_LEN);
	if (esn)
		memcpy(aad + 4, &seq_be, sizeof(seq_be));
	return EVP_CipherInit_ex2(c->text, NULL, NULL, nonce, -1, NULL) == 1 &&
	       EVP_CipherUpdate(c->text, NULL, &n, aad, esn ? (int)sizeof(aad) : ESP_HEADER_LEN) ==
		   1;
}

static bool
seal_gcm(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn)
{
	uint8_t *iv = esp + ESP_HEADER_LEN, *text = iv + c->suite->iv_len, *icv = text + text_len;
	uint64_t seq_be = htobe64(seq);
	int n;

	memcpy(iv, &seq_be, sizeof(seq_be));
	return begin_gcm(c, esp, seq, esn) &&
	       EVP_CipherUpdate(c->text, text, &n, text, (int)text_len) == 1 &&
	       EVP_CipherFinal_ex(c->text, icv, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c->text, EVP_CTRL_AEAD_GET_TAG, c->suite->icv_len, icv) == 1;
}

static bool
open_gcm(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn)
{
	uint8_t *text = esp + ESP_HEADER_LEN + c->suite->iv_len, *icv = text + text_len;
	int n;

	return begin_gcm(c, esp, seq, esn) &&
	       EVP_CIPHER_CTX_ctrl(c->text, EVP_CTRL_AEAD_SET_TAG, c->suite->icv_len, icv) == 1 &&
	       EVP_CipherUpdate(c->text, text, &n, text, (int)text_len) == 1 &&
	       EVP_CipherFinal_ex(c->text, icv, &n) == 1;
}

bool
cipher_seal(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn)
{
	return c->mac ? seal_hmac(c, esp, text_len, seq, esn)
		      : seal_gcm(c, esp, text_len, seq, esn);
}

bool
cipher_open(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn)
{
	return c->mac ? open_hmac(c, esp, text_len, seq, esn)
		      : open_gcm(c, esp, text_len, seq, esn);
}
