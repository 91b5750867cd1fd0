/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One handshake, from the messages' bytes to the keys of the SAs: Noise, payloads, their echoes,
 * and the derivation. Keeps nothing: keysd.c holds what is open. Keys process only.
 */

#include <stdint.h>

#include "keys/handshake.h"
#include "keys/keysmsg.h"
#include "keys/noise.h"

/* Of the initiator, between its message and the answer. Holds secrets: session_wipe(). */
struct session {
	struct noise noise;
	struct hs_payload payload; /* ours */
	const struct suite *suite;
};

void session_wipe(struct session *s);
/* Message 1 into out. */
enum keys_status session_initiate(struct session *s, const struct keys_initiate *req,
    const uint8_t *psk, uint8_t out[static HS_NOISE_LEN]);
/*
 * An answer without a session: all bytes zero but the status, as the two below leave it when they
 * fail.
 */
void session_refuse(struct keys_session *out, enum keys_status status);
/* From message 1: message 2, the peer's payload and the keys. */
enum keys_status session_respond(
    const struct keys_respond *req, const uint8_t *psk, struct keys_session *out);
/* From message 2: the peer's payload and the keys. s stays as it was. */
enum keys_status session_finish(
    const struct session *s, const uint8_t noise[static HS_NOISE_LEN], struct keys_session *out);
