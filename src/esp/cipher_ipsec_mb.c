/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <endian.h>
#include <intel-ipsec-mb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp/cipher_engine.h"

#define SHA_BLOCK_LEN  64
#define SHA_DIGEST_MAX 32

struct keys {
	const struct suite *suite;
	uint32_t encrypt[4 * 11] __attribute__((aligned(16))); /* AES-128, expanded */
	uint32_t decrypt[4 * 11] __attribute__((aligned(16)));
	uint8_t inner[SHA_DIGEST_MAX],
	    outer[SHA_DIGEST_MAX]; /* HMAC's states behind its key (RFC 2104) */
	struct gcm_key_data gcm;
	uint8_t salt[GCM_SALT_LEN];
};

/*
 * What the library wants for itself, and jobs for one call; nothing is asked of the system after it
 * is there.
 */
struct state {
	IMB_MGR *mgr;
	IMB_JOB jobs[ENGINE_BATCH_MAX];
};

static _Thread_local struct state *mine;

/* --- life --- */

static const char *
arch_name(const IMB_MGR *mgr)
{
	switch (mgr->used_arch) {
	case IMB_ARCH_SSE:
		return "SSE";
	case IMB_ARCH_AVX:
		return "AVX";
	case IMB_ARCH_AVX2:
		return "AVX2";
	case IMB_ARCH_AVX512:
		return "AVX-512";
	default:
		return NULL;
	}
}

bool
ipsec_mb_thread_init(const char **why)
{
	IMB_ARCH arch;

	if (mine)
		return true;
	struct state *s = calloc(1, sizeof(*s));
	*why = "libipsec-mb: out of memory";
	if (!s || !(s->mgr = alloc_mb_mgr(0)))
		goto fail;
	init_mb_mgr_auto(s->mgr, &arch);
	if (imb_get_errno(s->mgr) != 0) {
		*why = "libipsec-mb failed its self-test";
		goto fail;
	}
	if (!arch_name(s->mgr)) {
		*why = "the processor has no AES instructions, so no libipsec-mb";
		goto fail;
	}
	mine = s;
	return true;
fail:
	if (s && s->mgr)
		free_mb_mgr(s->mgr);
	free(s);
	return false;
}

void
ipsec_mb_thread_fini(void)
{
	if (!mine)
		return;
	explicit_bzero(mine->jobs, sizeof(mine->jobs));
	free_mb_mgr(mine->mgr);
	free(mine);
	mine = NULL;
}

bool
ipsec_mb_ready(void)
{
	return mine != NULL;
}

const char *
ipsec_mb_version(void)
{
	static char version[64];

	snprintf(version, sizeof(version), "libipsec-mb %s (%s)", imb_get_version_str(),
	    arch_name(mine->mgr));
	return version;
}

/* --- keys --- */

static void
hmac_state(
    const struct suite *s, const uint8_t *key, uint8_t pad, uint8_t state[static SHA_DIGEST_MAX])
{
	uint8_t block[SHA_BLOCK_LEN];

	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < s->auth_key_len; i++)
		block[i] ^= key[i];
	if (s->auth_key_len == IMB_SHA1_DIGEST_SIZE_IN_BYTES)
		IMB_SHA1_ONE_BLOCK(mine->mgr, block, state);
	else
		IMB_SHA256_ONE_BLOCK(mine->mgr, block, state);
	explicit_bzero(block, sizeof(block));
}

static void *
keys_new(const struct suite *s, const uint8_t *keymat, bool sending)
{
	struct keys *k = aligned_alloc(64, (sizeof(*k) + 63) / 64 * 64);

	(void)sending;
	if (!k)
		return NULL;
	memset(k, 0, sizeof(*k));
	k->suite = s;
	if (s->auth_key_len > 0) {
		if (s->enc_key_len > 0)
			IMB_AES_KEYEXP_128(mine->mgr, keymat, k->encrypt, k->decrypt);
		hmac_state(s, keymat + s->enc_key_len, 0x36, k->inner);
		hmac_state(s, keymat + s->enc_key_len, 0x5c, k->outer);
		return k;
	}
	if (s->enc_key_len == 16)
		IMB_AES128_GCM_PRE(mine->mgr, keymat, &k->gcm);
	else
		IMB_AES256_GCM_PRE(mine->mgr, keymat, &k->gcm);
	memcpy(k->salt, keymat + s->enc_key_len, s->salt_len);
	return k;
}

static void
keys_free(void *keys)
{
	explicit_bzero(keys, sizeof(struct keys));
	free(keys);
}

/* --- steps --- */

static void
cbc(void *keys, struct cipher_job *jobs, size_t n, bool encrypt)
{
	struct keys *k = keys;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		IMB_JOB *j = &mine->jobs[used];
		uint8_t *iv = jobs[i].esp + ESP_HEADER_LEN;

		if (!jobs[i].ok)
			continue;
		used++;
		j->enc_keys = k->encrypt;
		j->dec_keys = k->decrypt;
		j->key_len_in_bytes = IMB_KEY_128_BYTES;
		j->src = iv + CBC_IV_LEN;
		j->dst = iv + CBC_IV_LEN;
		j->cipher_start_src_offset_in_bytes = 0;
		j->msg_len_to_cipher_in_bytes = jobs[i].text_len;
		j->iv = iv;
		j->iv_len_in_bytes = CBC_IV_LEN;
	}
	if (IMB_SUBMIT_CIPHER_BURST_NOCHECK(mine->mgr, mine->jobs, (uint32_t)used, IMB_CIPHER_CBC,
		encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT, IMB_KEY_128_BYTES) != used)
		for (size_t i = 0; i < n; i++)
			jobs[i].ok = false;
}

static void
mac(void *keys, struct cipher_job *jobs, size_t n, bool esn)
{
	struct keys *k = keys;
	size_t before = (size_t)ESP_HEADER_LEN + k->suite->iv_len;
	IMB_HASH_ALG algorithm = k->suite->auth_key_len == IMB_SHA1_DIGEST_SIZE_IN_BYTES
				     ? IMB_AUTH_HMAC_SHA_1
				     : IMB_AUTH_HMAC_SHA_256;

	for (size_t i = 0; i < n; i++) {
		IMB_JOB *j = &mine->jobs[i];
		size_t len = before + jobs[i].text_len;
		uint32_t high = htobe32((uint32_t)(jobs[i].seq >> 32));

		if (esn) {
			memcpy(jobs[i].esp + len, &high, sizeof(high));
			len += sizeof(high);
		}
		j->src = jobs[i].esp;
		j->hash_start_src_offset_in_bytes = 0;
		j->msg_len_to_hash_in_bytes = len;
		j->auth_tag_output = jobs[i].icv;
		j->auth_tag_output_len_in_bytes = k->suite->icv_len;
		j->u.HMAC._hashed_auth_key_xor_ipad = k->inner;
		j->u.HMAC._hashed_auth_key_xor_opad = k->outer;
	}
	if (IMB_SUBMIT_HASH_BURST_NOCHECK(mine->mgr, mine->jobs, (uint32_t)n, algorithm) != n)
		for (size_t i = 0; i < n; i++)
			jobs[i].ok = false;
}

static void
gcm(void *keys, struct cipher_job *jobs, size_t n, bool esn, bool encrypt)
{
	struct keys *k = keys;
	bool aes128 = k->suite->enc_key_len == 16;
	aes_gcm_enc_dec_t enc = aes128 ? mine->mgr->gcm128_enc : mine->mgr->gcm256_enc;
	aes_gcm_enc_dec_t dec = aes128 ? mine->mgr->gcm128_dec : mine->mgr->gcm256_dec;
	struct gcm_context_data ctx;

	for (size_t i = 0; i < n; i++) {
		uint8_t nonce[GCM_NONCE_LEN], aad[GCM_AAD_MAX];
		uint8_t *text = jobs[i].esp + ESP_HEADER_LEN + k->suite->iv_len;
		size_t aad_len = gcm_aad(&jobs[i], esn, aad), len = jobs[i].text_len;

		gcm_nonce(&jobs[i], k->salt, nonce);
		if (encrypt) {
			enc(&k->gcm, &ctx, text, text, len, nonce, aad, aad_len, text + len,
			    k->suite->icv_len);
			continue;
		}
		dec(&k->gcm, &ctx, text, text, len, nonce, aad, aad_len, jobs[i].icv,
		    k->suite->icv_len);
		jobs[i].ok &= icv_equal(jobs[i].icv, jobs[i].received, k->suite->icv_len);
	}
}

const struct engine engine_ipsec_mb = { keys_new, keys_free, cbc, mac, gcm };

/* --- choice --- */

/*
 * Measured with the library's code for SSE, AVX2 and AVX-512 and OpenSSL's with and without SHA
 * instructions. Few packets waste lanes; of HMAC against those instructions, and of CBC encryption
 * against OpenSSL's lanes, it takes longer to pay. GCM needs no second packet to be faster here. Nor
 * does CBC decryption in a loop; but a packet that comes alone finds the processor idle, and widest
 * registers take so long to wake that its round trip is a quarter longer.
 */
struct engine_least
ipsec_mb_least(const struct suite *s)
{
	bool sha1 = s->auth_key_len == IMB_SHA1_DIGEST_SIZE_IN_BYTES;
	size_t mac = (mine->mgr->features & IMB_FEATURE_SHANI) == 0 ? 3 : sha1 ? 5 : 10;

	return (struct engine_least){ .encrypt = 8, .decrypt = 4, .mac = mac, .gcm = 1 };
}
