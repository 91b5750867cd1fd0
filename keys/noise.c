/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/noise.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"
#include "base/siphash.h"
#include "keys/noise_crypto.h"

#define PROTOCOL_NAME "Noise_NNpsk0_25519_AESGCM_SHA256"

static_assert(
    sizeof(PROTOCOL_NAME) - 1 == NOISE_HASH_LEN, "h starts as the name itself (section 5.2)");

/* MixHash, section 5.2. */
static bool
mix_hash(struct noise *ns, const void *data, size_t len)
{
	return crypto_sha256(ns->h, sizeof(ns->h), data, len, ns->h);
}

/*
 * HKDF of section 4.3, with n outputs of 32 bytes: RFC 5869 with the chaining key as salt and no
 * info.
 */
static bool
hkdf(const uint8_t ck[static NOISE_HASH_LEN], const void *ikm, size_t ikm_len, uint8_t *out,
    size_t n)
{
	uint8_t prk[NOISE_HASH_LEN];
	bool ok = crypto_hmac_sha256(ck, ikm, ikm_len, NULL, 0, prk) &&
		  hkdf_expand(prk, NULL, 0, out, n * NOISE_HASH_LEN);

	explicit_bzero(prk, sizeof(prk));
	return ok;
}

static bool
mix_key(struct noise *ns, const uint8_t ikm[static NOISE_KEY_LEN])
{
	uint8_t out[2][NOISE_HASH_LEN];
	bool ok = hkdf(ns->ck, ikm, NOISE_KEY_LEN, out[0], 2);

	if (ok) {
		memcpy(ns->ck, out[0], sizeof(ns->ck));
		memcpy(ns->k, out[1], sizeof(ns->k));
	}
	explicit_bzero(out, sizeof(out));
	return ok;
}

/* MixKeyAndHash, section 5.2: what the token "psk" does (section 9.1). */
static bool
mix_psk(struct noise *ns)
{
	uint8_t out[3][NOISE_HASH_LEN];
	bool ok = hkdf(ns->ck, ns->psk, sizeof(ns->psk), out[0], 3);

	if (ok) {
		memcpy(ns->ck, out[0], sizeof(ns->ck));
		ok = mix_hash(ns, out[1], sizeof(out[1]));
		memcpy(ns->k, out[2], sizeof(ns->k));
	}
	explicit_bzero(out, sizeof(out));
	return ok;
}

/* The token "e", with the MixKey that a pattern with psk adds (section 9.2). */
static bool
mix_ephemeral(struct noise *ns, const uint8_t e[static NOISE_KEY_LEN])
{
	return mix_hash(ns, e, NOISE_KEY_LEN) && mix_key(ns, e);
}

/*
 * The token "ee". A result of zeros says that the peer's key is of low order: refused (RFC 7748
 * section 6.1).
 */
static bool
mix_ee(struct noise *ns, const uint8_t peer[static NOISE_KEY_LEN])
{
	uint8_t shared[NOISE_KEY_LEN], all = 0;
	bool ok = crypto_x25519(ns->e_private, peer, shared);

	for (size_t i = 0; ok && i < sizeof(shared); i++)
		all |= shared[i];
	ok = ok && all != 0 && mix_key(ns, shared);
	explicit_bzero(shared, sizeof(shared));
	return ok;
}

bool
noise_init(struct noise *ns, bool initiator, const uint8_t psk[static NOISE_PSK_LEN],
    const void *prologue, size_t prologue_len, const uint8_t *e_private)
{
	*ns = (struct noise){ .initiator = initiator };
	memcpy(ns->h, PROTOCOL_NAME, sizeof(ns->h));
	memcpy(ns->ck, ns->h, sizeof(ns->ck));
	memcpy(ns->psk, psk, sizeof(ns->psk));
	if (e_private != NULL)
		memcpy(ns->e_private, e_private, sizeof(ns->e_private));
	else
		random_bytes(ns->e_private, sizeof(ns->e_private));
	if (mix_hash(ns, prologue, prologue_len) &&
	    crypto_x25519_public(ns->e_private, ns->e_public))
		return true;
	noise_wipe(ns);
	return false;
}

/* What comes before the payload: of the first message psk and e, of the second e and ee. */
static bool
mix_tokens(struct noise *ns, bool writing)
{
	const uint8_t *e = writing ? ns->e_public : ns->peer_public;

	if (ns->initiator == writing)
		return mix_psk(ns) && mix_ephemeral(ns, e);
	return mix_ephemeral(ns, e) && mix_ee(ns, ns->peer_public);
}

bool
noise_write(struct noise *ns, const void *payload, size_t payload_len, uint8_t *out)
{
	uint8_t *text = out + NOISE_KEY_LEN;

	memcpy(out, ns->e_public, NOISE_KEY_LEN);
	if (!mix_tokens(ns, true))
		return false;

	const struct crypto_aead aead = { .key = ns->k, .ad = ns->h, .ad_len = sizeof(ns->h) };

	return crypto_seal(&aead, payload, payload_len, text) &&
	       mix_hash(ns, text, payload_len + NOISE_TAG_LEN);
}

bool
noise_read(struct noise *ns, const uint8_t *msg, size_t len, uint8_t *payload)
{
	const uint8_t *text = msg + NOISE_KEY_LEN;

	if (len < NOISE_MSG_EXTRA)
		return false;
	memcpy(ns->peer_public, msg, NOISE_KEY_LEN);
	if (!mix_tokens(ns, false))
		return false;

	const struct crypto_aead aead = { .key = ns->k, .ad = ns->h, .ad_len = sizeof(ns->h) };

	return crypto_open(&aead, text, len - NOISE_KEY_LEN, payload) &&
	       mix_hash(ns, text, len - NOISE_KEY_LEN);
}

bool
noise_split(
    const struct noise *ns, uint8_t i2r[static NOISE_KEY_LEN], uint8_t r2i[static NOISE_KEY_LEN])
{
	uint8_t out[2][NOISE_HASH_LEN];
	bool ok = hkdf(ns->ck, NULL, 0, out[0], 2);

	if (ok) {
		memcpy(i2r, out[0], NOISE_KEY_LEN);
		memcpy(r2i, out[1], NOISE_KEY_LEN);
	}
	explicit_bzero(out, sizeof(out));
	return ok;
}

void
noise_wipe(struct noise *ns)
{
	explicit_bzero(ns, sizeof(*ns));
}

bool
hkdf_expand(const uint8_t prk[static NOISE_HASH_LEN], const void *info, size_t info_len,
    uint8_t *out, size_t out_len)
{
	uint8_t block[NOISE_HASH_LEN + HKDF_INFO_MAX + 1], t[NOISE_HASH_LEN];
	size_t t_len = 0;
	bool ok = info_len <= HKDF_INFO_MAX && out_len <= HKDF_OUT_MAX;

	for (uint8_t i = 1; ok && out_len > 0; i++) {
		struct wcur w = wcur_init(block, sizeof(block));

		wcur_copy(&w, t, t_len);
		wcur_copy(&w, info, info_len);
		wcur_u8(&w, i);
		ok = crypto_hmac_sha256(prk, block, wcur_len(&w), NULL, 0, t);
		if (!ok)
			break;
		t_len = out_len < sizeof(t) ? out_len : sizeof(t);
		memcpy(out, t, t_len);
		out += t_len;
		out_len -= t_len;
	}
	explicit_bzero(t, sizeof(t));
	explicit_bzero(block, sizeof(block));
	return ok;
}
