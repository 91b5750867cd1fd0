/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keys/noise_crypto.h"
#include "unhex.h"

#define VECTORS "tests/vectors/noise-NNpsk0-25519-AESGCM-SHA256.json"

static const uint8_t psk[NOISE_PSK_LEN] = "a pre-shared key of this test ..";

/* The vectors' file, and how far into it next_hex() is. */
static char json[8192];
static const char *pos;

static void
read_vectors(void)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", srcdir != NULL ? srcdir : ".", VECTORS);

	FILE *f = fopen(path, "re");

	assert_non_null(f);
	assert_in_range(fread(json, 1, sizeof(json) - 1, f), 1, sizeof(json) - 2);
	fclose(f);
	pos = json;
}

/* The next string under that name in the file, as bytes. */
static size_t
next_hex(const char *name, uint8_t *out, size_t size)
{
	char key[64], text[512];

	snprintf(key, sizeof(key), "\"%s\"", name);
	pos = strstr(pos, key);
	assert_non_null(pos);
	pos += strlen(key);
	assert_int_equal(sscanf(pos, "%*[^\"]\"%511[0-9a-f]\"", text), 1);
	return unhex(text, out, size);
}

struct message {
	uint8_t text[64], sealed[128];
	size_t text_len, sealed_len;
};

static struct message
next_message(void)
{
	struct message m;

	m.text_len = next_hex("payload", m.text, sizeof(m.text));
	m.sealed_len = next_hex("ciphertext", m.sealed, sizeof(m.sealed));
	return m;
}

static void
exchange(struct noise *from, struct noise *to, const struct message *m)
{
	uint8_t sealed[128], text[64];

	assert_int_equal(m->sealed_len, m->text_len + NOISE_MSG_EXTRA);
	assert_true(noise_write(from, m->text, m->text_len, sealed));
	assert_memory_equal(sealed, m->sealed, m->sealed_len);
	assert_true(noise_read(to, m->sealed, m->sealed_len, text));
	assert_memory_equal(text, m->text, m->text_len);
}

static void
test_vectors(void **state)
{
	uint8_t prologue[64], vpsk[NOISE_PSK_LEN], ei[NOISE_KEY_LEN], er[NOISE_KEY_LEN],
	    hash[NOISE_HASH_LEN];
	uint8_t key[2][NOISE_KEY_LEN], other[2][NOISE_KEY_LEN], sealed[128], text[64];
	struct noise i, r;
	struct message m;

	(void)state;
	read_vectors();

	size_t prologue_len = next_hex("init_prologue", prologue, sizeof(prologue));

	next_hex("init_psks", vpsk, sizeof(vpsk));
	next_hex("init_ephemeral", ei, sizeof(ei));
	next_hex("resp_ephemeral", er, sizeof(er));
	next_hex("handshake_hash", hash, sizeof(hash));
	assert_true(noise_init(&i, true, vpsk, prologue, prologue_len, ei));
	assert_true(noise_init(&r, false, vpsk, prologue, prologue_len, er));
	m = next_message();
	exchange(&i, &r, &m);
	m = next_message();
	exchange(&r, &i, &m);
	assert_memory_equal(i.h, hash, sizeof(hash));
	assert_memory_equal(r.h, hash, sizeof(hash));
	assert_true(noise_split(&i, key[0], key[1]));
	assert_true(noise_split(&r, other[0], other[1]));
	assert_memory_equal(key, other, sizeof(key));
	for (unsigned n = 0; n < 4; n++) { /* transport messages, in turn */
		const struct crypto_aead aead = { .key = key[n % 2], .n = n / 2 };

		m = next_message();
		assert_true(crypto_seal(&aead, m.text, m.text_len, sealed));
		assert_memory_equal(sealed, m.sealed, m.sealed_len);
		assert_true(crypto_open(&aead, m.sealed, m.sealed_len, text));
		assert_memory_equal(text, m.text, m.text_len);
	}
	assert_null(strstr(pos, "payload"));
}

/* RFC 5869 appendix A.1 to A.3, the second half of each. */
static void
test_hkdf_expand(void **state)
{
	static const struct {
		const char *prk, *info, *okm;
	} cases[] = {
		{ "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
		    "f0f1f2f3f4f5f6f7f8f9",
		    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887"
		    "185865" },
		{ "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
		    "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6"
		    "d7"
		    "d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfe"
		    "ff",
		    "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac782"
		    "7271cb41c65e590e09"
		    "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87" },
		{ "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04", "",
		    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b6"
		    "1a96c8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t prk[NOISE_HASH_LEN], info[HKDF_INFO_MAX], okm[128], out[128];
		size_t info_len = unhex(cases[i].info, info, sizeof(info));
		size_t len = unhex(cases[i].okm, okm, sizeof(okm));

		unhex(cases[i].prk, prk, sizeof(prk));
		assert_true(hkdf_expand(prk, info, info_len, out, len));
		assert_memory_equal(out, okm, len);
	}
}

static void
test_hkdf_bounds(void **state)
{
	static uint8_t out[HKDF_OUT_MAX + 1];
	uint8_t info[HKDF_INFO_MAX + 1] = { 0 };

	(void)state;
	assert_true(hkdf_expand(psk, info, HKDF_INFO_MAX, out, HKDF_OUT_MAX));
	assert_false(hkdf_expand(psk, info, HKDF_INFO_MAX + 1, out, 32));
	assert_false(hkdf_expand(psk, info, 0, out, HKDF_OUT_MAX + 1));
}

/* Both ends, and message 1 of an empty payload on its way. */
struct pair {
	struct noise i, r;
	uint8_t msg[NOISE_MSG_EXTRA];
};

static struct pair
start(const uint8_t *r_psk, const char *r_prologue)
{
	struct pair p;

	assert_true(noise_init(&p.i, true, psk, "same", 4, NULL));
	assert_true(noise_init(&p.r, false, r_psk, r_prologue, strlen(r_prologue), NULL));
	assert_true(noise_write(&p.i, NULL, 0, p.msg));
	return p;
}

static void
test_another_psk_or_prologue(void **state)
{
	static const uint8_t other[NOISE_PSK_LEN] = { 1 };
	uint8_t none[1];

	(void)state;
	struct pair p = start(psk, "same");

	assert_true(noise_read(&p.r, p.msg, sizeof(p.msg), none));
	p = start(other, "same");
	assert_false(noise_read(&p.r, p.msg, sizeof(p.msg), none));
	p = start(psk, "sane");
	assert_false(noise_read(&p.r, p.msg, sizeof(p.msg), none));
	p = start(psk, "");
	assert_false(noise_read(&p.r, p.msg, sizeof(p.msg), none));
}

static void
test_every_bit_counts(void **state)
{
	uint8_t none[1], second[NOISE_MSG_EXTRA];

	(void)state;
	struct pair p = start(psk, "same");
	struct noise r = p.r, i = p.i;

	assert_true(noise_read(&r, p.msg, sizeof(p.msg), none));
	assert_true(noise_write(&r, NULL, 0, second));
	for (size_t bit = 0; bit < 8 * sizeof(p.msg); bit++) {
		struct noise rc = p.r, ic = p.i;
		uint8_t one[NOISE_MSG_EXTRA], two[NOISE_MSG_EXTRA];

		memcpy(one, p.msg, sizeof(one));
		memcpy(two, second, sizeof(two));
		one[bit / 8] ^= (uint8_t)(1 << bit % 8);
		two[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(noise_read(&rc, one, sizeof(one), none));
		assert_false(noise_read(&ic, two, sizeof(two), none));
	}
	assert_true(noise_read(&i, second, sizeof(second), none));
}

static void
test_truncated(void **state)
{
	uint8_t text[NOISE_MSG_EXTRA];

	(void)state;
	struct pair p = start(psk, "same");

	for (size_t len = 0; len < sizeof(p.msg); len++) {
		struct noise r = p.r;

		assert_false(noise_read(&r, p.msg, len, text));
	}
}

static void
test_reflected(void **state)
{
	uint8_t none[1];

	(void)state;
	struct pair p = start(psk, "same");

	assert_false(noise_read(&p.i, p.msg, sizeof(p.msg), none));
}

/* Points of order 1, 2, 4 and 8, and the same above the prime: X25519 gives zeros (RFC 7748 section 6.1). */
static void
test_low_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t none[1], out[NOISE_MSG_EXTRA];

	(void)state;
	for (size_t n = 0; n < sizeof(points) / sizeof(points[0]); n++) {
		struct pair p = start(psk, "same");

		/* One who knows the key sends a message 1 with such a point: authentic, but it gets no answer. */
		assert_true(noise_init(&p.i, true, psk, "same", 4, NULL));
		unhex(points[n], p.i.e_public, sizeof(p.i.e_public));
		assert_true(noise_write(&p.i, NULL, 0, p.msg));
		assert_true(noise_read(&p.r, p.msg, sizeof(p.msg), none));
		assert_false(noise_write(&p.r, NULL, 0, out));
	}
}

static void
test_fresh_ephemerals(void **state)
{
	(void)state;
	struct pair p = start(psk, "same"), q = start(psk, "same");

	assert_memory_not_equal(p.msg, q.msg, NOISE_KEY_LEN);
}

static void
test_wipe(void **state)
{
	static const struct noise zero;

	(void)state;
	struct pair p = start(psk, "same");

	noise_wipe(&p.i);
	assert_memory_equal(&p.i, &zero, sizeof(zero));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_hkdf_expand),
		cmocka_unit_test(test_hkdf_bounds),
		cmocka_unit_test(test_another_psk_or_prologue),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_reflected),
		cmocka_unit_test(test_low_order),
		cmocka_unit_test(test_fresh_ephemerals),
		cmocka_unit_test(test_wipe),
	};

	return !noise_global_init() || cmocka_run_group_tests(tests, NULL, NULL);
}
