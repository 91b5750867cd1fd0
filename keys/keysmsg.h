/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages between the engine and the keys process (ipc.h): requests, and answers with the
 * request's seq. Bodies are fixed structs; each side checks length and ranges. SA keys go only from
 * keys to engine, long-term keys nowhere.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ipc.h"
#include "esp/suite.h"
#include "keys/handshake.h"
#include "keys/keyring.h"

enum keys_msg {
	/*
	 * No body -> one KEYS_KEY each, then KEYS_LIST_END. Also sent unasked (seq 0) at start and
	 * after a change.
	 */
	KEYS_LIST = 1,
	KEYS_KEY,      /* struct key_info */
	KEYS_LIST_END, /* no body */
	KEYS_INITIATE, /* struct keys_initiate -> KEYS_INITIATED */
	KEYS_INITIATED,
	KEYS_RESPOND,	/* struct keys_respond -> KEYS_RESPONDED */
	KEYS_RESPONDED, /* struct keys_session */
	KEYS_FINISH,	/* struct keys_finish -> KEYS_FINISHED */
	KEYS_FINISHED,	/* struct keys_session */
	KEYS_FORGET,	/* struct keys_forget, no answer */
	KEYS_GENERATE,	/* struct keys_admin -> a new list (seq 0), then KEYS_DONE */
	KEYS_RETIRE,	/* struct keys_admin -> a new list (seq 0), then KEYS_DONE */
	KEYS_RELOAD,	/* no body -> a new list (seq 0), then KEYS_DONE */
	KEYS_DONE	/* struct keys_done */
};

enum keys_status {
	KEYS_OK,
	KEYS_UNKNOWN_KEY, /* no such key id */
	KEYS_BAD_MESSAGE, /* does not authenticate: another key, altered, or not for us */
	KEYS_BAD_PAYLOAD, /* authentic, but the payload is not one of ours, or its echoes are wrong */
	KEYS_NO_HANDSHAKE, /* KEYS_FINISH for one that is not open (any more) */
	KEYS_BUSY,	   /* KEYS_OPEN_MAX handshakes are open, or the library failed */
	KEYS_STATUS_COUNT
};

#define KEYS_OPEN_MAX	 1024  /* initiated, waiting for message 2 */
#define KEYS_OPEN_MAX_MS 30000 /* then it is forgotten */

struct keys_initiate {
	uint32_t key_id;
	uint32_t suite;
	struct hs_payload payload; /* ours; the echoes are filled in by keys */
};

struct keys_initiated {
	uint32_t status; /* enum keys_status */
	uint32_t handle; /* for KEYS_FINISH and KEYS_FORGET; never 0 */
	uint8_t noise[HS_NOISE_LEN];
};

struct keys_respond {
	uint32_t key_id;
	uint32_t suite;
	struct hs_payload payload;   /* ours; the echoes are filled in by keys */
	uint8_t noise[HS_NOISE_LEN]; /* message 1 */
};

struct keys_finish {
	uint32_t handle;
	uint32_t unused;
	uint8_t noise[HS_NOISE_LEN]; /* message 2 */
};

/*
 * Only what KEYS_FINISHED answers with KEYS_OK ends a handshake: a forged message 2 leaves it open
 * for the real one.
 */
struct keys_forget {
	uint32_t handle;
};

/*
 * A finished handshake. Keys of SPI s under direction key D (Noise split, of the SPI's sender):
 * HKDF-Expand(D, "vnet esp" | suite 1 | SPI 4, suite_keymat_len). in[] belongs to our SPIs in the
 * order of our payload, out[] to the peer's in theirs. Message 2's echoes have been checked against
 * what we sent; a payload with our own host id is the engine's to drop.
 */
struct keys_session {
	uint32_t status;
	uint32_t handle; /* of KEYS_FINISH; 0 for KEYS_RESPONDED */
	struct hs_payload peer;
	uint8_t noise[HS_NOISE_LEN]; /* KEYS_RESPONDED: message 2 */
	uint8_t in[HS_SPI_MAX][SUITE_KEYMAT_MAX];
	uint8_t out[HS_SPI_MAX][SUITE_KEYMAT_MAX];
};

struct keys_admin {
	char name[KEY_NAME_MAX];
	uint32_t replace; /* KEYS_GENERATE */
};

struct keys_done {
	int32_t error; /* 0 or -errno */
	char text[KEY_ERROR_MAX];
};

/* May the engine look into this message of the keys process? */
bool keysmsg_answer_valid(const struct ipc_msg *m);
