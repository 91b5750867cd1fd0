/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/session.h"

#include <string.h>

#include "base/cursor.h"

#define LABEL	 "vnet esp"
#define INFO_LEN (sizeof(LABEL) - 1 + 1 + 4)

void
session_wipe(struct session *s)
{
	explicit_bzero(s, sizeof(*s));
}

/* The keys of the SAs that one end receives on, from the key of the direction towards it. */
static bool
derive(const uint8_t direction[static NOISE_KEY_LEN], const struct suite *suite,
    const struct hs_payload *receiver, uint8_t keymat[static HS_SPI_MAX][SUITE_KEYMAT_MAX])
{
	for (size_t i = 0; i < receiver->n_spis; i++) {
		uint8_t info[INFO_LEN];
		struct wcur w = wcur_init(info, sizeof(info));

		wcur_copy(&w, LABEL, sizeof(LABEL) - 1);
		wcur_u8(&w, (uint8_t)suite->id);
		wcur_be32(&w, receiver->spis[i]);
		if (!hkdf_expand(direction, info, wcur_len(&w), keymat[i], suite_keymat_len(suite)))
			return false;
	}
	return true;
}

static bool
derive_all(const struct noise *ns, const struct suite *suite, const struct hs_payload *ours,
    struct keys_session *out)
{
	uint8_t i2r[NOISE_KEY_LEN], r2i[NOISE_KEY_LEN];
	bool ok = noise_split(ns, i2r, r2i) &&
		  derive(ns->initiator ? r2i : i2r, suite, ours, out->in) &&
		  derive(ns->initiator ? i2r : r2i, suite, &out->peer, out->out);

	explicit_bzero(i2r, sizeof(i2r));
	explicit_bzero(r2i, sizeof(r2i));
	return ok;
}

static bool
start(struct noise *ns, bool initiator, const uint8_t *psk, uint32_t key_id, enum suite_id suite)
{
	uint8_t prologue[HS_PROLOGUE_MAX];
	size_t len = hs_prologue(prologue, key_id, suite);

	return noise_init(ns, initiator, psk, prologue, len, NULL);
}

/*
 * What authenticates but is not a payload that speaks to this one of ours is refused all the same.
 */
static bool
read_payload(const uint8_t buf[static HS_PAYLOAD_LEN], uint64_t host_id, uint64_t start,
    struct hs_payload *out)
{
	return hs_payload_parse(buf, HS_PAYLOAD_LEN, out) == HS_OK &&
	       out->peer_host_id == host_id && out->peer_start == start;
}

enum keys_status
session_initiate(struct session *s, const struct keys_initiate *req, const uint8_t *psk,
    uint8_t out[static HS_NOISE_LEN])
{
	uint8_t buf[HS_PAYLOAD_LEN];

	s->payload = req->payload;
	s->payload.peer_host_id = 0;
	s->payload.peer_start = 0;
	s->suite = suite_by_id(req->suite);
	hs_payload_write(buf, &s->payload);
	if (start(&s->noise, true, psk, req->key_id, s->suite->id) &&
	    noise_write(&s->noise, buf, sizeof(buf), out))
		return KEYS_OK;
	session_wipe(s);
	explicit_bzero(out, HS_NOISE_LEN);
	return KEYS_BUSY;
}

static enum keys_status
respond(struct noise *ns, const struct keys_respond *req, const struct suite *suite,
    struct keys_session *out)
{
	struct hs_payload ours = req->payload;
	uint8_t buf[HS_PAYLOAD_LEN];

	if (!noise_read(ns, req->noise, sizeof(req->noise), buf))
		return KEYS_BAD_MESSAGE;
	if (!read_payload(buf, 0, 0, &out->peer))
		return KEYS_BAD_PAYLOAD;
	ours.peer_host_id = out->peer.host_id;
	ours.peer_start = out->peer.start;
	hs_payload_write(buf, &ours);
	if (!noise_write(
		ns, buf, sizeof(buf), out->noise)) /* the initiator's key may be of low order */
		return KEYS_BAD_MESSAGE;
	return derive_all(ns, suite, &ours, out) ? KEYS_OK : KEYS_BUSY;
}

void
session_refuse(struct keys_session *out, enum keys_status status)
{
	explicit_bzero(out, sizeof(*out));
	out->status = status;
}

/* Nothing but the status of a handshake that failed leaves this file. */
static enum keys_status
conclude(struct keys_session *out, enum keys_status status)
{
	if (status != KEYS_OK)
		session_refuse(out, status);
	return status;
}

enum keys_status
session_respond(const struct keys_respond *req, const uint8_t *psk, struct keys_session *out)
{
	const struct suite *suite = suite_by_id(req->suite);
	enum keys_status status = KEYS_BUSY;
	struct noise ns;

	memset(out, 0, sizeof(*out));
	if (start(&ns, false, psk, req->key_id, suite->id))
		status = respond(&ns, req, suite, out);
	noise_wipe(&ns);
	return conclude(out, status);
}

enum keys_status
session_finish(
    const struct session *s, const uint8_t noise[static HS_NOISE_LEN], struct keys_session *out)
{
	struct noise ns =
	    s->noise; /* a forgery must not spoil the state that the real answer needs */
	enum keys_status status = KEYS_BUSY;
	uint8_t buf[HS_PAYLOAD_LEN];

	memset(out, 0, sizeof(*out));
	if (!noise_read(&ns, noise, HS_NOISE_LEN, buf))
		status = KEYS_BAD_MESSAGE;
	else if (!read_payload(buf, s->payload.host_id, s->payload.start, &out->peer))
		status = KEYS_BAD_PAYLOAD;
	else if (derive_all(&ns, s->suite, &s->payload, out))
		status = KEYS_OK;
	noise_wipe(&ns);
	return conclude(out, status);
}
