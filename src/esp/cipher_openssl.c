/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "esp/cipher_engine.h"

struct keys {
	const struct suite *suite;
	EVP_CIPHER_CTX *text; /* NULL: NULL cipher */
	EVP_MAC_CTX *mac;     /* NULL: AEAD */
	EVP_CIPHER_CTX *ivs;  /* key stream that is cut into IVs; NULL unless sending CBC */
	uint8_t salt[GCM_SALT_LEN];
};

static EVP_CIPHER *aes128_cbc, *aes128_ctr, *aes128_gcm, *aes256_gcm;
static EVP_MAC *hmac;
static EVP_MD *sha1, *sha256; /* held so that HMAC finds them by name without loading anything */
static char sha1_name[] = "SHA1", sha256_name[] = "SHA256";

bool
openssl_init(void)
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

const char *
openssl_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}

/* --- keys --- */

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

/*
 * A key and first counter nobody else ever learns: AES in counter mode of nothing is a stream of
 * encrypted counters.
 */
static EVP_CIPHER_CTX *
iv_stream_new(void)
{
	uint8_t secret[32];

	random_bytes(secret, sizeof(secret));
	EVP_CIPHER_CTX *ctx = cipher_ctx_new(aes128_ctr, secret, secret + 16, true);
	explicit_bzero(secret, sizeof(secret));
	return ctx;
}

static void
keys_free(void *keys)
{
	struct keys *k = keys;

	EVP_CIPHER_CTX_free(k->text);
	EVP_MAC_CTX_free(k->mac);
	EVP_CIPHER_CTX_free(k->ivs);
	explicit_bzero(k, sizeof(*k));
	free(k);
}

static void *
keys_new(const struct suite *s, const uint8_t *keymat, bool sending)
{
	struct keys *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->suite = s;
	if (s->enc_key_len > 0 &&
	    !(k->text = cipher_ctx_new(text_algorithm(s), keymat, NULL, sending)))
		goto fail;
	keymat += s->enc_key_len;
	memcpy(k->salt, keymat, s->salt_len);
	keymat += s->salt_len;
	if (s->auth_key_len > 0 && !(k->mac = mac_ctx_new(s, keymat)))
		goto fail;
	if (s->iv_len == CBC_IV_LEN && sending && !(k->ivs = iv_stream_new()))
		goto fail;
	return k;
fail:
	keys_free(k);
	return NULL;
}

bool
openssl_unpredictable(void *keys, uint8_t *out, size_t len)
{
	struct keys *k = keys;
	int n;

	memset(out, 0, len);
	return EVP_CipherUpdate(k->ivs, out, &n, out, (int)len) == 1;
}

/* --- steps --- */

/* The direction is that of keys_new(). */
static void
cbc(void *keys, struct cipher_job *jobs, size_t n, bool encrypt)
{
	struct keys *k = keys;
	int len;

	(void)encrypt;
	for (size_t i = 0; i < n; i++) {
		uint8_t *iv = jobs[i].esp + ESP_HEADER_LEN, *text = iv + CBC_IV_LEN;

		jobs[i].ok =
		    jobs[i].ok && EVP_CipherInit_ex2(k->text, NULL, NULL, iv, -1, NULL) == 1 &&
		    EVP_CipherUpdate(k->text, text, &len, text, (int)jobs[i].text_len) == 1;
	}
}

static bool
mac_one(struct keys *k, struct cipher_job *job, bool esn)
{
	uint32_t high = htobe32((uint32_t)(job->seq >> 32));
	size_t len = (size_t)ESP_HEADER_LEN + k->suite->iv_len + job->text_len;
	uint8_t full[EVP_MAX_MD_SIZE];
	size_t n;

	if (EVP_MAC_init(k->mac, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(k->mac, job->esp, len) != 1 ||
	    (esn && EVP_MAC_update(k->mac, (const uint8_t *)&high, sizeof(high)) != 1) ||
	    EVP_MAC_final(k->mac, full, &n, sizeof(full)) != 1)
		return false;
	memcpy(job->icv, full, k->suite->icv_len);
	return true;
}

static void
mac(void *keys, struct cipher_job *jobs, size_t n, bool esn)
{
	for (size_t i = 0; i < n; i++)
		jobs[i].ok &= mac_one(keys, &jobs[i], esn);
}

static bool
gcm_begin(struct keys *k, const struct cipher_job *job, bool esn)
{
	uint8_t nonce[GCM_NONCE_LEN], aad[GCM_AAD_MAX];
	int aad_len = (int)gcm_aad(job, esn, aad), n;

	gcm_nonce(job, k->salt, nonce);
	return EVP_CipherInit_ex2(k->text, NULL, NULL, nonce, -1, NULL) == 1 &&
	       EVP_CipherUpdate(k->text, NULL, &n, aad, aad_len) == 1;
}

static bool
gcm_one(struct keys *k, struct cipher_job *job, bool esn, bool encrypt)
{
	uint8_t *text = job->esp + ESP_HEADER_LEN + k->suite->iv_len, *icv = text + job->text_len;
	int n;

	if (!gcm_begin(k, job, esn))
		return false;
	if (!encrypt && EVP_CIPHER_CTX_ctrl(
			    k->text, EVP_CTRL_AEAD_SET_TAG, k->suite->icv_len, job->received) != 1)
		return false;
	if (EVP_CipherUpdate(k->text, text, &n, text, (int)job->text_len) != 1 ||
	    EVP_CipherFinal_ex(k->text, icv, &n) != 1)
		return false;
	return !encrypt ||
	       EVP_CIPHER_CTX_ctrl(k->text, EVP_CTRL_AEAD_GET_TAG, k->suite->icv_len, icv) == 1;
}

static void
gcm(void *keys, struct cipher_job *jobs, size_t n, bool esn, bool encrypt)
{
	for (size_t i = 0; i < n; i++)
		jobs[i].ok &= gcm_one(keys, &jobs[i], esn, encrypt);
}

const struct engine engine_openssl = { keys_new, keys_free, cbc, mac, gcm };
