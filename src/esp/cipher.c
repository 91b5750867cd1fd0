/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esp/cipher.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp/cipher_engine.h"

#define IVS	      64 /* CBC IVs made at a time: a call of the library costs more than one AES block */
#define SHORT_ICV_LEN 12 /* HMAC-SHA1-96 */

struct cipher {
	const struct suite *suite;
	void *openssl, *ipsec_mb; /* keys; the latter NULL where there is no such engine */
	struct engine_least least;
	unsigned iv_next;
	uint8_t iv[IVS][CBC_IV_LEN];
};

static enum { AUTO, OPENSSL, IPSEC_MB } preferred;
static char description[160];

/* --- choice of the engine --- */

bool
cipher_global_init(void)
{
	const char *why;

	if (!openssl_init())
		return false;
	if (ipsec_mb_thread_init(&why))
		snprintf(description, sizeof(description), "%s where it is faster, else OpenSSL %s",
		    ipsec_mb_version(), openssl_version());
	else
		snprintf(
		    description, sizeof(description), "OpenSSL %s (%s)", openssl_version(), why);
	return true;
}

void
cipher_thread_init(void)
{
	const char *why;

	(void)ipsec_mb_thread_init(&why);
}

void
cipher_thread_fini(void)
{
	ipsec_mb_thread_fini();
}

const char *
cipher_describe(void)
{
	return description;
}

bool
cipher_prefer(const char *engine)
{
	if (strcmp(engine, "auto") == 0)
		preferred = AUTO;
	else if (strcmp(engine, "openssl") == 0)
		preferred = OPENSSL;
	else if (strcmp(engine, "ipsec-mb") == 0 && ipsec_mb_ready())
		preferred = IPSEC_MB;
	else
		return false;
	return true;
}

static bool
use_ipsec_mb(const struct cipher *c, const struct cipher_job *jobs, size_t n, size_t least)
{
	if (c->ipsec_mb == NULL || preferred == OPENSSL || !ipsec_mb_ready())
		return false;
	if (n < least && preferred == AUTO)
		return false;
	for (size_t i = 0; i < n; i++)
		if (jobs[i].text_len > IPSEC_MB_TEXT_MAX)
			return false;
	return true;
}

/* --- life --- */

struct cipher *
cipher_new(const struct suite *s, const uint8_t *keymat, bool sending)
{
	struct cipher *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->suite = s;
	c->iv_next = IVS;
	c->openssl = engine_openssl.keys_new(s, keymat, sending);
	if (ipsec_mb_ready()) {
		c->ipsec_mb = engine_ipsec_mb.keys_new(s, keymat, sending);
		c->least = ipsec_mb_least(s);
	}
	if (c->openssl && (c->ipsec_mb || !ipsec_mb_ready()))
		return c;
	cipher_free(c);
	return NULL;
}

void
cipher_free(struct cipher *c)
{
	if (!c)
		return;
	if (c->openssl)
		engine_openssl.keys_free(c->openssl);
	if (c->ipsec_mb)
		engine_ipsec_mb.keys_free(c->ipsec_mb);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

/* --- steps --- */

static void
cbc(struct cipher *c, struct cipher_job *jobs, size_t n, bool encrypt)
{
	if (use_ipsec_mb(c, jobs, n, encrypt ? c->least.encrypt : c->least.decrypt))
		engine_ipsec_mb.cbc(c->ipsec_mb, jobs, n, encrypt);
	else
		engine_openssl.cbc(c->openssl, jobs, n, encrypt);
}

static void
mac(struct cipher *c, struct cipher_job *jobs, size_t n, bool esn)
{
	if (use_ipsec_mb(c, jobs, n, c->least.mac))
		engine_ipsec_mb.mac(c->ipsec_mb, jobs, n, esn);
	else
		engine_openssl.mac(c->openssl, jobs, n, esn);
}

static void
gcm(struct cipher *c, struct cipher_job *jobs, size_t n, bool esn, bool encrypt)
{
	if (use_ipsec_mb(c, jobs, n, c->least.gcm))
		engine_ipsec_mb.gcm(c->ipsec_mb, jobs, n, esn, encrypt);
	else
		engine_openssl.gcm(c->openssl, jobs, n, esn, encrypt);
}

/* Additional data: SPI and sequence number, whole with ESN (RFC 4106 section 5). */
size_t
gcm_aad(const struct cipher_job *job, bool esn, uint8_t aad[static GCM_AAD_MAX])
{
	uint64_t seq_be = htobe64(job->seq);

	memcpy(aad, job->esp, ESP_HEADER_LEN);
	if (!esn)
		return ESP_HEADER_LEN;
	memcpy(aad + ESP_HEADER_LEN - ESN_HIGH_LEN, &seq_be, sizeof(seq_be));
	return GCM_AAD_MAX;
}

/* Salt and IV (RFC 4106 section 4). */
void
gcm_nonce(const struct cipher_job *job, const uint8_t *salt, uint8_t nonce[static GCM_NONCE_LEN])
{
	memcpy(nonce, salt, GCM_SALT_LEN);
	memcpy(nonce + GCM_SALT_LEN, job->esp + ESP_HEADER_LEN, GCM_NONCE_LEN - GCM_SALT_LEN);
}

static uint8_t *
icv_of(const struct cipher *c, const struct cipher_job *job)
{
	return job->esp + ESP_HEADER_LEN + c->suite->iv_len + job->text_len;
}

static bool
refill_ivs(struct cipher *c)
{
	if (c->iv_next < IVS)
		return true;
	if (!openssl_unpredictable(c->openssl, c->iv[0], sizeof(c->iv)))
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

/* A job that gets no IV is not ok. */
static void
write_ivs(struct cipher *c, struct cipher_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *iv = jobs[i].esp + ESP_HEADER_LEN;
		uint64_t seq_be = htobe64(jobs[i].seq);

		jobs[i].ok = true;
		if (c->suite->iv_len == sizeof(seq_be))
			memcpy(iv, &seq_be, sizeof(seq_be));
		else if (c->suite->iv_len == CBC_IV_LEN && (jobs[i].ok = refill_ivs(c)))
			memcpy(iv, c->iv[c->iv_next++], CBC_IV_LEN);
	}
}

bool
icv_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	unsigned difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= a[i] ^ b[i];
	__asm__("" : "+r"(difference)); /* the compiler may not look where they differ */
	return difference == 0;
}

/* --- batches --- */

/* Of the usual length by plain moves: a string instruction takes longer than all else here. */
static void
copy_icv(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len == SHORT_ICV_LEN)
		memcpy(to, from, SHORT_ICV_LEN);
	else
		memcpy(to, from, len);
}

static void
seal_some(struct cipher *c, struct cipher_job *jobs, size_t n, bool esn)
{
	write_ivs(c, jobs, n);
	if (c->suite->auth_key_len == 0) {
		gcm(c, jobs, n, esn, true);
		return;
	}
	if (c->suite->enc_key_len > 0)
		cbc(c, jobs, n, true);
	mac(c, jobs, n, esn);
	for (size_t i = 0; i < n; i++)
		copy_icv(icv_of(c, &jobs[i]), jobs[i].icv, c->suite->icv_len);
}

static void
open_some(struct cipher *c, struct cipher_job *jobs, size_t n, bool esn)
{
	size_t icv_len = c->suite->icv_len;

	for (size_t i = 0; i < n; i++) {
		jobs[i].ok = true;
		copy_icv(jobs[i].received, icv_of(c, &jobs[i]), icv_len);
	}
	if (c->suite->auth_key_len == 0) {
		gcm(c, jobs, n, esn, false);
		return;
	}
	mac(c, jobs, n, esn);
	for (size_t i = 0; i < n; i++)
		jobs[i].ok &= icv_equal(jobs[i].icv, jobs[i].received, icv_len);
	if (c->suite->enc_key_len > 0)
		cbc(c, jobs, n, false);
}

static size_t
part(size_t n)
{
	return n < ENGINE_BATCH_MAX ? n : ENGINE_BATCH_MAX;
}

void
cipher_seal_batch(struct cipher *c, struct cipher_job *jobs, size_t n, bool esn)
{
	for (size_t done = 0; done < n; done += part(n - done))
		seal_some(c, jobs + done, part(n - done), esn);
}

void
cipher_open_batch(struct cipher *c, struct cipher_job *jobs, size_t n, bool esn)
{
	for (size_t done = 0; done < n; done += part(n - done))
		open_some(c, jobs + done, part(n - done), esn);
}

bool
cipher_seal(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn)
{
	struct cipher_job job = { .esp = esp, .text_len = text_len, .seq = seq };

	seal_some(c, &job, 1, esn);
	return job.ok;
}

bool
cipher_open(struct cipher *c, uint8_t *esp, size_t text_len, uint64_t seq, bool esn)
{
	struct cipher_job job = { .esp = esp, .text_len = text_len, .seq = seq };

	open_some(c, &job, 1, esn);
	return job.ok;
}
