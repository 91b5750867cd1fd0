/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/noise_crypto.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#define GCM_NONCE_LEN 12

static EVP_MD *sha256;
static EVP_MAC *hmac;
static EVP_CIPHER *aes_gcm;

bool
noise_global_init(void)
{
	static const uint8_t key[NOISE_KEY_LEN] = { 1 };
	uint8_t public_key[NOISE_KEY_LEN], out[NOISE_HASH_LEN + NOISE_TAG_LEN];

	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (hmac == NULL)
		hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (aes_gcm == NULL)
		aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);

	/*
	 * X25519 has no handle to keep and HMAC looks its digest up by name: using each once loads
	 * what they need.
	 */
	const struct crypto_aead aead = { .key = key };

	return sha256 != NULL && hmac != NULL && aes_gcm != NULL &&
	       crypto_x25519_public(key, public_key) && crypto_x25519(key, public_key, out) &&
	       crypto_sha256(key, sizeof(key), NULL, 0, out) &&
	       crypto_hmac_sha256(key, NULL, 0, NULL, 0, out) &&
	       crypto_seal(&aead, key, sizeof(key), out);
}

bool
crypto_sha256(
    const void *a, size_t a_len, const void *b, size_t b_len, uint8_t out[static NOISE_HASH_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestInit_ex2(ctx, sha256, NULL) == 1 &&
		  EVP_DigestUpdate(ctx, a, a_len) == 1 && EVP_DigestUpdate(ctx, b, b_len) == 1 &&
		  EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool
crypto_hmac_sha256(const uint8_t key[static NOISE_KEY_LEN], const void *a, size_t a_len,
    const void *b, size_t b_len, uint8_t out[static NOISE_HASH_LEN])
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);
	bool ok = ctx != NULL && EVP_MAC_init(ctx, key, NOISE_KEY_LEN, params) == 1 &&
		  EVP_MAC_update(ctx, a, a_len) == 1 && EVP_MAC_update(ctx, b, b_len) == 1 &&
		  EVP_MAC_final(ctx, out, NULL, NOISE_HASH_LEN) == 1;

	EVP_MAC_CTX_free(ctx);
	return ok;
}

static void
gcm_nonce(uint64_t n, uint8_t nonce[static GCM_NONCE_LEN])
{
	memset(nonce, 0, GCM_NONCE_LEN);
	for (size_t i = GCM_NONCE_LEN; n != 0; n >>= 8)
		nonce[--i] = (uint8_t)n;
}

bool
crypto_seal(const struct crypto_aead *a, const void *text, size_t len, uint8_t *out)
{
	uint8_t nonce[GCM_NONCE_LEN];
	int n;

	gcm_nonce(a->n, nonce);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx != NULL && EVP_EncryptInit_ex2(ctx, aes_gcm, a->key, nonce, NULL) == 1 &&
		  EVP_EncryptUpdate(ctx, NULL, &n, a->ad, (int)a->ad_len) == 1 &&
		  EVP_EncryptUpdate(ctx, out, &n, text, (int)len) == 1 &&
		  EVP_EncryptFinal_ex(ctx, out + len, &n) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, NOISE_TAG_LEN, out + len) == 1;

	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

bool
crypto_open(const struct crypto_aead *a, const uint8_t *in, size_t len, uint8_t *out)
{
	uint8_t nonce[GCM_NONCE_LEN], tag[NOISE_TAG_LEN];
	size_t text_len = len - NOISE_TAG_LEN;
	int n;

	gcm_nonce(a->n, nonce);
	memcpy(tag, in + text_len, sizeof(tag));
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx != NULL && EVP_DecryptInit_ex2(ctx, aes_gcm, a->key, nonce, NULL) == 1 &&
		  EVP_DecryptUpdate(ctx, NULL, &n, a->ad, (int)a->ad_len) == 1 &&
		  EVP_DecryptUpdate(ctx, out, &n, in, (int)text_len) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, NOISE_TAG_LEN, tag) == 1 &&
		  EVP_DecryptFinal_ex(ctx, out + text_len, &n) == 1;

	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		explicit_bzero(out, text_len);
	return ok;
}

bool
crypto_x25519_public(
    const uint8_t private_key[static NOISE_KEY_LEN], uint8_t out[static NOISE_KEY_LEN])
{
	size_t len = NOISE_KEY_LEN;
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
	    EVP_PKEY_X25519, NULL, private_key, NOISE_KEY_LEN);
	bool ok = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &len) == 1;

	EVP_PKEY_free(key);
	return ok;
}

bool
crypto_x25519(const uint8_t private_key[static NOISE_KEY_LEN],
    const uint8_t public_key[static NOISE_KEY_LEN], uint8_t out[static NOISE_KEY_LEN])
{
	size_t len = NOISE_KEY_LEN;
	EVP_PKEY *ours = EVP_PKEY_new_raw_private_key(
	    EVP_PKEY_X25519, NULL, private_key, NOISE_KEY_LEN);
	EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(
	    EVP_PKEY_X25519, NULL, public_key, NOISE_KEY_LEN);
	EVP_PKEY_CTX *ctx = ours == NULL ? NULL : EVP_PKEY_CTX_new(ours, NULL);
	bool ok = ctx != NULL && theirs != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
		  EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
		  EVP_PKEY_derive(ctx, out, &len) == 1;

	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(ours);
	return ok;
}
