/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA1_Update() and the like: their contexts are plain structs, so a MAC begins with a copy of one.
 * EVP_MAC allocates contexts for each packet, which is an eighth of the time of a long one and half
 * of that of a short one.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "esp/cipher_engine.h"

#define BLOCK_LEN CBC_IV_LEN

union hash {
	SHA_CTX sha1;
	SHA256_CTX sha256;
};

struct keys {
	const struct suite *suite;
	EVP_CIPHER_CTX *text;	/* NULL: NULL cipher */
	EVP_CIPHER_CTX *blocks; /* the same key, block by block; NULL unless sending CBC */
	EVP_CIPHER_CTX *ivs;	/* key stream that is cut into IVs; NULL unless sending CBC */
	union hash inner, outer, running; /* HMAC's states behind its key (RFC 2104) */
	uint8_t salt[GCM_SALT_LEN];
};

static EVP_CIPHER *aes128_cbc, *aes128_ecb, *aes128_ctr, *aes128_gcm, *aes256_gcm;

bool
openssl_init(void)
{
	if (aes256_gcm)
		return true;
	aes128_cbc = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
	aes128_ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	aes128_ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
	aes128_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	aes256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	return aes128_cbc && aes128_ecb && aes128_ctr && aes128_gcm && aes256_gcm;
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

static bool
is_sha1(const struct suite *s)
{
	return s->auth_key_len == SHA_DIGEST_LENGTH;
}

static bool
hash_update(const struct suite *s, union hash *h, const void *bytes, size_t len)
{
	return is_sha1(s) ? SHA1_Update(&h->sha1, bytes, len) == 1
			  : SHA256_Update(&h->sha256, bytes, len) == 1;
}

static bool
hash_final(const struct suite *s, union hash *h, uint8_t digest[static SHA256_DIGEST_LENGTH])
{
	return is_sha1(s) ? SHA1_Final(digest, &h->sha1) == 1
			  : SHA256_Final(digest, &h->sha256) == 1;
}

static bool
hmac_state(const struct suite *s, const uint8_t *key, uint8_t pad, union hash *h)
{
	uint8_t block[SHA_CBLOCK];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < s->auth_key_len; i++)
		block[i] ^= key[i];
	bool ok = (is_sha1(s) ? SHA1_Init(&h->sha1) : SHA256_Init(&h->sha256)) == 1 &&
		  hash_update(s, h, block, sizeof(block));
	explicit_bzero(block, sizeof(block));
	return ok;
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
	EVP_CIPHER_CTX_free(k->blocks);
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
	if (s->iv_len == CBC_IV_LEN && sending &&
	    (!(k->blocks = cipher_ctx_new(aes128_ecb, keymat, NULL, true)) ||
		!(k->ivs = iv_stream_new())))
		goto fail;
	keymat += s->enc_key_len;
	memcpy(k->salt, keymat, s->salt_len);
	keymat += s->salt_len;
	if (s->auth_key_len > 0 &&
	    !(hmac_state(s, keymat, 0x36, &k->inner) && hmac_state(s, keymat, 0x5c, &k->outer)))
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

static void
xor_block(uint8_t *out, const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, BLOCK_LEN);
	memcpy(y, b, BLOCK_LEN);
	x[0] ^= y[0];
	x[1] ^= y[1];
	memcpy(out, x, BLOCK_LEN);
}

/*
 * CBC waits for each block before the next, while a processor could work on eight at once. The next
 * blocks of all packets are independent: so of 48 packets each takes a fifth of the time.
 */
static bool
encrypt_lanes(struct keys *k, struct cipher_job *jobs, size_t n)
{
	uint8_t blocks[ENGINE_BATCH_MAX][BLOCK_LEN];
	struct {
		uint8_t *before, *last; /* the block before the next one: ciphertext or IV */
	} lanes[ENGINE_BATCH_MAX];
	size_t n_lanes = 0;
	int len;

	for (size_t i = 0; i < n; i++)
		if (jobs[i].ok) {
			lanes[n_lanes].before = jobs[i].esp + ESP_HEADER_LEN;
			lanes[n_lanes].last = lanes[n_lanes].before + jobs[i].text_len;
			n_lanes++;
		}
	while (n_lanes > 0) {
		for (size_t i = 0; i < n_lanes; i++)
			xor_block(blocks[i], lanes[i].before, lanes[i].before + BLOCK_LEN);
		if (EVP_CipherUpdate(
			k->blocks, blocks[0], &len, blocks[0], (int)(n_lanes * BLOCK_LEN)) != 1)
			return false;
		for (size_t i = n_lanes; i-- > 0;) {
			lanes[i].before += BLOCK_LEN;
			memcpy(lanes[i].before, blocks[i], BLOCK_LEN);
			if (lanes[i].before == lanes[i].last)
				lanes[i] = lanes[--n_lanes];
		}
	}
	return true;
}

/* The direction is that of keys_new(). */
static void
cbc(void *keys, struct cipher_job *jobs, size_t n, bool encrypt)
{
	struct keys *k = keys;
	int len;

	if (encrypt && n > 1) {
		bool ok = encrypt_lanes(k, jobs, n);

		for (size_t i = 0; i < n; i++)
			jobs[i].ok &= ok;
		return;
	}
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
	uint8_t digest[SHA256_DIGEST_LENGTH];

	k->running = k->inner;
	if (!hash_update(k->suite, &k->running, job->esp, len) ||
	    (esn && !hash_update(k->suite, &k->running, &high, sizeof(high))) ||
	    !hash_final(k->suite, &k->running, digest))
		return false;
	k->running = k->outer;
	if (!hash_update(k->suite, &k->running, digest, k->suite->auth_key_len) ||
	    !hash_final(k->suite, &k->running, digest))
		return false;
	memcpy(job->icv, digest, k->suite->icv_len);
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
