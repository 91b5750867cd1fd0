/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ESP packets (RFC 4303, transport mode): seal and open in place on struct packets. The order on
 * receipt is fixed: length, replay check, ICV, replay mark, decryption, padding, next header. No
 * I/O, no clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/packet.h"
#include "esp/cipher.h"
#include "esp/replay.h"
#include "esp/suite.h"

#define ESP_NEXT_UDP   17
#define ESP_NEXT_DUMMY 59 /* RFC 4303 section 2.6: discard */

/* enum suffix, counter name, help */
#define ESP_VERDICTS(X)                                                                   \
	X(OK, "ok", "opened")                                                             \
	X(SHORT, "esp_short", "shorter than its suite allows, or not aligned")            \
	X(OLD, "esp_old", "sequence number left of the replay window")                    \
	X(REPLAYED, "esp_replayed", "sequence number seen before")                        \
	X(BAD_ICV, "esp_bad_icv", "integrity check failed")                               \
	X(BAD_PADDING, "esp_bad_padding", "padding or pad length wrong after decryption") \
	X(AHEAD, "esp_ahead", "sequence number of a manual SA ahead of what is stored")   \
	X(EXHAUSTED, "esp_exhausted", "sequence numbers of an SA used up; nothing sent")  \
	X(NO_ROOM, "esp_no_room", "packet without headroom or tailroom; nothing sent")    \
	X(FAILED, "esp_crypto_failed", "cryptographic library failed; nothing sent")

enum esp_verdict {
#define X(suffix, name, help) ESP_##suffix,
	ESP_VERDICTS(X)
#undef X
	    ESP_VERDICT_COUNT
};

const char *esp_verdict_name(enum esp_verdict v);

/* Sending state of one SA. Owned by one thread. */
struct esp_out {
	uint32_t spi; /* the receiver's */
	bool esn;
	uint64_t seq;  /* last one used; the first packet is 1 */
	uint64_t last; /* that may be used */
	const struct suite *suite;
	struct cipher *cipher;
	uint64_t bytes; /* of ESP packets */
};

/* Receiving state of one SA. Owned by one thread. */
struct esp_in {
	uint32_t spi; /* ours */
	bool esn;
	const struct suite *suite;
	struct cipher *cipher;
	struct replay replay;
	uint64_t last;	  /* number that may be taken */
	uint64_t packets; /* opened */
	uint64_t bytes;
	uint64_t bad; /* refused after the SA was found */
};

/* keymat as cipher_new(). 0 or -ENOMEM; on error nothing needs freeing. */
int esp_out_init(
    struct esp_out *sa, uint32_t spi, const struct suite *s, const uint8_t *keymat, bool esn);
int esp_in_init(struct esp_in *sa, uint32_t spi, const struct suite *s, const uint8_t *keymat,
    bool esn, uint32_t window);
void esp_out_fini(struct esp_out *sa);
void esp_in_fini(struct esp_in *sa);

/* What became of one packet of a batch. */
struct esp_opened {
	enum esp_verdict
	    verdict; /* on all but ESP_OK the packet is garbage and the rest undefined */
	uint8_t next_header;
	bool newest; /* it advanced the replay window */
};

/*
 * Packets of one SA, in their order: they hold payloads and become ESP packets. On any verdict but
 * ESP_OK a packet is garbage and must not be sent.
 */
void esp_seal_batch(struct esp_out *sa, struct packet **p, size_t n, uint8_t next_header,
    enum esp_verdict *verdicts);
/*
 * Packets of one SA as they came: they hold ESP packets and become payloads. They may be windows
 * into one buffer, for nothing is written outside them. A sequence number that comes twice in a
 * batch is taken once. With ESN, the high halves are those that the window before the batch tells.
 */
void esp_open_batch(struct esp_in *sa, struct packet **p, size_t n, struct esp_opened *opened);

/* The same for one. */
enum esp_verdict esp_seal(struct esp_out *sa, struct packet *p, uint8_t next_header);
/* *next_header and *newest are set on ESP_OK only. */
enum esp_verdict esp_open(struct esp_in *sa, struct packet *p, uint8_t *next_header, bool *newest);
