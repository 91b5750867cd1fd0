/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "esp/cipher.h"
#include "unhex.h"

/* The ICV of a NULL suite is the HMAC of whatever bytes stand there, so published HMAC vectors of 8 bytes and more fit.
 * A key shorter than the suite's is filled with zeros, which HMAC does anyway (RFC 2104 section 2). */
static const struct {
	enum suite_id suite;
	const char *key, *data, *icv;
} hmac_vectors[] = {
	/* RFC 2202 section 3, cases 1, 2, 3, 5 */
	{ SUITE_NULL_SHA1, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	    "b617318655057264e28bc0b6" },
	{ SUITE_NULL_SHA1, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	    "effcdf6ae5eb2fa2d27416d5" },
	{ SUITE_NULL_SHA1, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "dddddddddddddddddddddddddddddddddddddddddddddddddd"
	    "dddddddddddddddddddddddddddddddddddddddddddddddddd",
	    "125d7342b9ac11cd91a39af4" },
	{ SUITE_NULL_SHA1, "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
	    "546573742057697468205472756e636174696f6e", "4c1a03424b55e07fe7f27be1" },
	/* RFC 4231 section 4, cases 1 to 5 */
	{ SUITE_NULL_SHA256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	    "b0344c61d8db38535ca8afceaf0bf12b" },
	{ SUITE_NULL_SHA256, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	    "5bdcc146bf60754e6a042426089575c7" },
	{ SUITE_NULL_SHA256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "dddddddddddddddddddddddddddddddddddddddddddddddddd"
	    "dddddddddddddddddddddddddddddddddddddddddddddddddd",
	    "773ea91e36800e46854db8ebd09181a7" },
	{ SUITE_NULL_SHA256, "0102030405060708090a0b0c0d0e0f10111213141516171819",
	    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	    "82558a389a443c0ea4cc819899f2083a" },
	{ SUITE_NULL_SHA256, "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
	    "546573742057697468205472756e636174696f6e", "a3b6167473100ee06e0c796c2955552b" },
	/* RFC 4868 section 2.7.2.1, AUTH256-1 to -4 */
	{ SUITE_NULL_SHA256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	    "4869205468657265", "198a607eb44bfbc69903a0f1cf2bbdc5" },
	{ SUITE_NULL_SHA256, "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665",
	    "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	    "167f928588c5cc2eef8e3093caa0e87c" },
	{ SUITE_NULL_SHA256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "dddddddddddddddddddddddddddddddddddddddddddddddddd"
	    "dddddddddddddddddddddddddddddddddddddddddddddddddd",
	    "cdcb1220d1ecccea91e53aba3092f962" },
	{ SUITE_NULL_SHA256, "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
	    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	    "372efcf9b40b35c2115b1346903d2ef4" },
};

static void
hmac_as_published(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hmac_vectors) / sizeof(hmac_vectors[0]); i++) {
		const struct suite *s = suite_by_id(hmac_vectors[i].suite);
		uint8_t keymat[SUITE_KEYMAT_MAX] = { 0 }, buf[128], icv[16];

		unhex(hmac_vectors[i].key, keymat, s->auth_key_len);
		assert_int_equal(unhex(hmac_vectors[i].icv, icv, sizeof(icv)), s->icv_len);
		size_t len = unhex(hmac_vectors[i].data, buf, sizeof(buf));
		struct cipher *c = cipher_new(s, keymat, true);
		assert_non_null(c);
		/* Twice: the context is keyed once and used again. */
		for (int round = 0; round < 2; round++) {
			memset(buf + len, 0, s->icv_len);
			assert_true(cipher_seal(c, buf, len - ESP_HEADER_LEN, 0, false));
			assert_memory_equal(buf + len, icv, s->icv_len);
			assert_true(cipher_open(c, buf, len - ESP_HEADER_LEN, 0, false));
		}
		cipher_free(c);
	}
}

/* RFC 3602 section 4, cases 1 to 4 */
static const struct {
	const char *key, *iv, *plain, *secret;
} cbc_vectors[] = {
	{ "06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41",
	    "53696e676c6520626c6f636b206d7367", "e353779c1079aeb82708942dbe77181a" },
	{ "c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58",
	    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	    "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1" },
	{ "6c3ea0477630ce21a2ce334aa746c2cd", "c782dc4c098c66cbd9cd27d825682c81",
	    "5468697320697320612034382d62797465206d657373616765202865786163746c79203320414553"
	    "20626c6f636b7329",
	    "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c"
	    "8579695d83ba2684" },
	{ "56e47a38c5598974bc46903dba290349", "8ce82eefbea0da3c44699ed7db51b7d9",
	    "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7"
	    "c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
	    "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf"
	    "868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55" },
};

static void
cbc_as_published(void **state)
{
	static const enum suite_id ids[] = { SUITE_AES128_SHA1, SUITE_AES128_SHA256 };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cbc_vectors) / sizeof(cbc_vectors[0]); i++) {
		const struct suite *s = suite_by_id(ids[i % 2]);
		uint8_t keymat[SUITE_KEYMAT_MAX] = { 0 }, iv[16], plain[64], secret[64],
			buf[128] = { 0 };
		uint8_t *text = buf + ESP_HEADER_LEN + sizeof(iv);

		unhex(cbc_vectors[i / 2].key, keymat, sizeof(keymat));
		unhex(cbc_vectors[i / 2].iv, iv, sizeof(iv));
		size_t len = unhex(cbc_vectors[i / 2].plain, plain, sizeof(plain));
		assert_int_equal(unhex(cbc_vectors[i / 2].secret, secret, sizeof(secret)), len);
		struct cipher *out = cipher_new(s, keymat, true),
			      *in = cipher_new(s, keymat, false);
		assert_non_null(out);
		assert_non_null(in);
		cipher_set_next_iv(out, iv);
		memcpy(text, plain, len);
		assert_true(cipher_seal(out, buf, len, 1, false));
		assert_memory_equal(buf + ESP_HEADER_LEN, iv, sizeof(iv));
		assert_memory_equal(text, secret, len);
		assert_true(cipher_open(in, buf, len, 1, false));
		assert_memory_equal(text, plain, len);
		cipher_free(out);
		cipher_free(in);
	}
}

/* No IV of a CBC SA comes again, nor does another SA with the same key make the same ones. */
static void
cbc_ivs_differ(void **state)
{
	enum { EACH = 100 };
	static uint8_t ivs[2 * EACH][16];
	const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1 };

	(void)state;
	for (size_t sa = 0; sa < 2; sa++) {
		struct cipher *c = cipher_new(suite_by_id(SUITE_AES128_SHA1), keymat, true);

		assert_non_null(c);
		for (size_t i = 0; i < EACH; i++) {
			uint8_t buf[64] = { 0 };

			assert_true(cipher_seal(c, buf, 16, i, false));
			memcpy(ivs[sa * EACH + i], buf + ESP_HEADER_LEN, 16);
		}
		cipher_free(c);
	}
	for (size_t i = 0; i < 2 * EACH; i++)
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(ivs[i], ivs[j], 16);
}

static void
gcm_iv_is_the_sequence_number(void **state)
{
	const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1 };
	const uint8_t want[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	struct cipher *c = cipher_new(suite_by_id(SUITE_AES128GCM), keymat, true);
	uint8_t buf[64] = { 0 };

	(void)state;
	assert_non_null(c);
	assert_true(cipher_seal(c, buf, 4, UINT64_C(0x0123456789abcdef), true));
	assert_memory_equal(buf + ESP_HEADER_LEN, want, sizeof(want));
	cipher_free(c);
}

/* The half that is not sent is vouched for with ESN, and is nothing without. */
static void
high_half_is_authenticated(void **state)
{
	const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1 };
	const uint64_t low = 5, high = (UINT64_C(7) << 32) | low;

	(void)state;
	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++)
		for (int esn = 0; esn < 2; esn++) {
			const struct suite *s = suite_by_id(id);
			struct cipher *out = cipher_new(s, keymat, true),
				      *in = cipher_new(s, keymat, false);
			uint8_t buf[128] = { 0 }, copy[128];

			assert_non_null(out);
			assert_non_null(in);
			assert_true(cipher_seal(out, buf, 16, high, esn));
			memcpy(copy, buf, sizeof(copy));
			assert_true(cipher_open(in, copy, 16, high, esn));
			memcpy(copy, buf, sizeof(copy));
			assert_int_equal(cipher_open(in, copy, 16, low, esn), !esn);
			memcpy(copy, buf, sizeof(copy));
			assert_false(cipher_open(in, copy, 16, high, !esn));
			cipher_free(out);
			cipher_free(in);
		}
}

static int
setup(void **state)
{
	(void)state;
	return cipher_global_init() ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_as_published),
		cmocka_unit_test(cbc_as_published),
		cmocka_unit_test(cbc_ivs_differ),
		cmocka_unit_test(gcm_iv_is_the_sequence_number),
		cmocka_unit_test(high_half_is_authenticated),
	};

	int failed = 0;

	if (!cipher_global_init())
		return 1;
	if (cipher_prefer("openssl"))
		failed += cmocka_run_group_tests_name("OpenSSL", tests, setup, NULL);
	if (cipher_prefer("ipsec-mb"))
		failed += cmocka_run_group_tests_name("libipsec-mb", tests, setup, NULL);
	return failed;
}
