/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/handshake.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"
#include "base/datagram.h"
#include "keys/noise.h"

#define PROTOCOL_NAME "vnet-esp"

static_assert(HS_NOISE_LEN == HS_PAYLOAD_LEN + NOISE_MSG_EXTRA, "a Noise message of one payload");

static void
write_header(struct wcur *w, const struct hs_header *h)
{
	wcur_be32(w, h->key_id);
	wcur_u8(w, (uint8_t)h->suite);
	wcur_zero(w, 3);
	wcur_be32(w, h->id);
}

void
hs1_write(uint8_t out[static HS1_LEN], const struct hs_header *h,
    const uint8_t cookie[static HS_COOKIE_LEN], const uint8_t noise[static HS_NOISE_LEN])
{
	struct wcur w = wcur_init(out, HS1_LEN);

	write_header(&w, h);
	wcur_copy(&w, cookie, HS_COOKIE_LEN);
	wcur_copy(&w, noise, HS_NOISE_LEN);
}

void
hs2_write(uint8_t out[static HS2_LEN], const struct hs_header *h,
    const uint8_t noise[static HS_NOISE_LEN])
{
	struct wcur w = wcur_init(out, HS2_LEN);

	write_header(&w, h);
	wcur_copy(&w, noise, HS_NOISE_LEN);
}

void
hs_cookie_write(uint8_t out[static HS_COOKIE_MSG_LEN], const struct hs_header *h,
    const uint8_t cookie[static HS_COOKIE_LEN])
{
	struct wcur w = wcur_init(out, HS_COOKIE_MSG_LEN);

	write_header(&w, h);
	wcur_copy(&w, cookie, HS_COOKIE_LEN);
}

static bool
all_zero(const uint8_t *p, size_t n)
{
	uint8_t all = 0;

	while (n-- > 0)
		all |= *p++;
	return all == 0;
}

bool
hs_suite_valid(unsigned suite)
{
	return suite != SUITE_NONE && suite_by_id(suite) != NULL;
}

/* The header of a message of exactly want bytes; the cursor is left at what follows. */
static enum hs_verdict
parse_header(struct rcur *r, size_t want, struct hs_header *h)
{
	struct hs_header got;

	if (rcur_left(r) != want)
		return HS_LENGTH;
	got.key_id = rcur_be32(r);

	unsigned suite = rcur_u8(r);
	const uint8_t *reserved = rcur_take(r, 3);

	got.id = rcur_be32(r);
	if (!hs_suite_valid(suite))
		return HS_SUITE;
	if (!all_zero(reserved, 3))
		return HS_RESERVED;
	got.suite = (enum suite_id)suite;
	*h = got;
	return HS_OK;
}

enum hs_verdict
hs1_parse(const uint8_t *body, size_t len, struct hs_header *h, const uint8_t **cookie,
    const uint8_t **noise)
{
	struct rcur r = rcur_init(body, len);
	enum hs_verdict v = parse_header(&r, HS1_LEN, h);

	if (v == HS_OK) {
		*cookie = rcur_take(&r, HS_COOKIE_LEN);
		*noise = rcur_take(&r, HS_NOISE_LEN);
	}
	return v;
}

enum hs_verdict
hs2_parse(const uint8_t *body, size_t len, struct hs_header *h, const uint8_t **noise)
{
	struct rcur r = rcur_init(body, len);
	enum hs_verdict v = parse_header(&r, HS2_LEN, h);

	if (v == HS_OK)
		*noise = rcur_take(&r, HS_NOISE_LEN);
	return v;
}

enum hs_verdict
hs_cookie_parse(const uint8_t *body, size_t len, struct hs_header *h, const uint8_t **cookie)
{
	struct rcur r = rcur_init(body, len);
	enum hs_verdict v = parse_header(&r, HS_COOKIE_MSG_LEN, h);

	if (v == HS_OK)
		*cookie = rcur_take(&r, HS_COOKIE_LEN);
	return v;
}

void
hs_payload_write(uint8_t out[static HS_PAYLOAD_LEN], const struct hs_payload *p)
{
	struct wcur w = wcur_init(out, HS_PAYLOAD_LEN);

	wcur_be64(&w, p->host_id);
	wcur_be64(&w, p->start);
	wcur_be64(&w, p->peer_host_id);
	wcur_be64(&w, p->peer_start);
	wcur_be16(&w, p->flags);
	wcur_u8(&w, p->n_spis);
	wcur_u8(&w, p->n_kernel);
	for (size_t i = 0; i < HS_SPI_MAX; i++)
		wcur_be32(&w, i < p->n_spis ? p->spis[i] : 0);
	wcur_be32(&w, p->attempt);
}

enum hs_verdict
hs_payload_check(const struct hs_payload *p)
{
	if (p->host_id == 0)
		return HS_RESERVED;
	if (p->n_spis < 1 || p->n_spis > HS_SPI_MAX || p->n_kernel >= p->n_spis)
		return HS_SPIS;
	for (size_t i = 0; i < p->n_spis; i++) {
		if (!datagram_spi_valid(p->spis[i]))
			return HS_SPIS;
		for (size_t j = 0; j < i; j++) {
			if (p->spis[i] == p->spis[j])
				return HS_SPIS;
		}
	}
	for (size_t i = p->n_spis; i < HS_SPI_MAX; i++) {
		if (p->spis[i] != 0)
			return HS_RESERVED;
	}
	return HS_OK;
}

enum hs_verdict
hs_payload_parse(const uint8_t *buf, size_t len, struct hs_payload *p)
{
	struct rcur r = rcur_init(buf, len);
	struct hs_payload got;

	if (len != HS_PAYLOAD_LEN)
		return HS_LENGTH;
	memset(&got, 0,
	    sizeof(got)); /* it goes to another process: no bytes of our stack in its padding */
	got.host_id = rcur_be64(&r);
	got.start = rcur_be64(&r);
	got.peer_host_id = rcur_be64(&r);
	got.peer_start = rcur_be64(&r);
	got.flags = rcur_be16(&r);
	got.n_spis = rcur_u8(&r);
	got.n_kernel = rcur_u8(&r);
	for (size_t i = 0; i < HS_SPI_MAX; i++)
		got.spis[i] = rcur_be32(&r);
	got.attempt = rcur_be32(&r);

	enum hs_verdict v = hs_payload_check(&got);

	if (v == HS_OK)
		memcpy(p, &got, sizeof(*p));
	return v;
}

size_t
hs_prologue(uint8_t out[static HS_PROLOGUE_MAX], uint32_t key_id, enum suite_id suite)
{
	struct wcur w = wcur_init(out, HS_PROLOGUE_MAX);

	wcur_copy(&w, PROTOCOL_NAME, sizeof(PROTOCOL_NAME) - 1);
	wcur_u8(&w, HS_VERSION);
	wcur_be32(&w, key_id);
	wcur_u8(&w, (uint8_t)suite);
	return wcur_len(&w);
}
