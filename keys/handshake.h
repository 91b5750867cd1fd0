/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The handshake's bytes: bodies of the control messages HANDSHAKE1, HANDSHAKE2 and COOKIE, the
 * payload that Noise encrypts inside the first two, and the prologue. Pure codecs. DESIGN:
 * Noise_NNpsk0_25519_AESGCM_SHA256.
 *
 *   HANDSHAKE1   key id 4 | suite 1 | zero 3 | handshake id 4 | cookie 16 | Noise message 1 (32 + payload 72 + 16)
 *   HANDSHAKE2   key id 4 | suite 1 | zero 3 | handshake id 4 |             Noise message 2 (32 + payload 72 + 16)
 *   COOKIE       key id 4 | suite 1 | zero 3 | handshake id 4 | cookie 16
 *   payload      host id 8 | start 8 | echoed host id 8 | echoed start 8 (both zero in message 1)
 *                | flags 2 | number of SPIs 1 | of them, the last: the kernel's 1
 *                | 8 SPIs, unused ones zero 32 | attempt 4
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/suite.h"

#define HS_SPI_MAX	  8
#define HS_PAYLOAD_LEN	  72
#define HS_NOISE_LEN	  (32 + HS_PAYLOAD_LEN + 16)
#define HS_COOKIE_LEN	  16
#define HS1_LEN		  (12 + HS_COOKIE_LEN + HS_NOISE_LEN)
#define HS2_LEN		  (12 + HS_NOISE_LEN)
#define HS_COOKIE_MSG_LEN (12 + HS_COOKIE_LEN)

/* What both ends must agree on for a handshake to be possible, in the clear. */
struct hs_header {
	uint32_t key_id;
	uint32_t id; /* chosen by the initiator, names its attempt */
	enum suite_id suite;
};

#define HS_FLAG_ESN \
	0x0001 /* always set by this implementation: ESN on every SA; other bits are ignored */

struct hs_payload {
	uint64_t host_id;
	uint64_t start;
	uint64_t peer_host_id; /* echoed, message 2 only */
	uint64_t peer_start;
	uint16_t flags;
	uint8_t n_spis; /* 1 to HS_SPI_MAX: inbound SAs of the sender */
	uint8_t
	    n_kernel; /* so many at the end of the list are not opened in software; fewer than n_spis */
	uint32_t spis[HS_SPI_MAX];
	uint32_t
	    attempt; /* message 1: counts up within a start, so that a recorded one is known as old */
};

/* enum suffix, name: classes of refusal */
#define HS_VERDICTS(X)                                                                    \
	X(OK, "ok")                                                                       \
	X(LENGTH, "hs_length")	     /* not exactly the length of its type */             \
	X(SUITE, "hs_suite_unknown") /* suite number unknown, or none */                  \
	X(RESERVED, "hs_reserved")   /* a field that must be zero is not, or host id 0 */ \
	X(SPIS, "hs_spis")	     /* a number of SPIs, or an SPI, not valid or doubled */

enum hs_verdict {
#define X(suffix, name) HS_##suffix,
	HS_VERDICTS(X)
#undef X
	    HS_VERDICT_COUNT
};

void hs1_write(uint8_t out[static HS1_LEN], const struct hs_header *h,
    const uint8_t cookie[static HS_COOKIE_LEN], const uint8_t noise[static HS_NOISE_LEN]);
void hs2_write(uint8_t out[static HS2_LEN], const struct hs_header *h,
    const uint8_t noise[static HS_NOISE_LEN]);
void hs_cookie_write(uint8_t out[static HS_COOKIE_MSG_LEN], const struct hs_header *h,
    const uint8_t cookie[static HS_COOKIE_LEN]);
/* Pointers go into body. Outputs untouched on failure. */
enum hs_verdict hs1_parse(const uint8_t *body, size_t len, struct hs_header *h,
    const uint8_t **cookie, const uint8_t **noise);
enum hs_verdict hs2_parse(
    const uint8_t *body, size_t len, struct hs_header *h, const uint8_t **noise);
enum hs_verdict hs_cookie_parse(
    const uint8_t *body, size_t len, struct hs_header *h, const uint8_t **cookie);

void hs_payload_write(uint8_t out[static HS_PAYLOAD_LEN], const struct hs_payload *p);
enum hs_verdict hs_payload_parse(const uint8_t *buf, size_t len, struct hs_payload *p);
/* The same checks on a payload that is a struct already. */
enum hs_verdict hs_payload_check(const struct hs_payload *p);
/* A suite that can be agreed on: known, and not SUITE_NONE. */
bool hs_suite_valid(unsigned suite);

/* "vnet-esp", protocol version, key id, suite. Returns its length. */
#define HS_VERSION	1
#define HS_PROLOGUE_MAX 32
size_t hs_prologue(uint8_t out[static HS_PROLOGUE_MAX], uint32_t key_id, enum suite_id suite);
