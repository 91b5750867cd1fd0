/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * DISCOVER and its relayed form: how hosts find each other. A hint only: nothing is trusted because
 * of one. Pure codecs, and the memory of what was seen that stops relayed copies from circling.
 *
 *   DISCOVER   host id 8 | start 8 | sequence 4 | flags 1 | hops 1 | number of keys 2
 *              | { key id 4 | suites 2 | zero 2 }... | zeros up to DISCOVER_MIN_LEN
 *   RELAYED    origin family 1 (4 or 6) | zero 1 | origin port 2 | origin address 16 | a DISCOVER body
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/monotime.h"
#include "base/table.h"

#define DISCOVER_KEYS_MAX 64
#define DISCOVER_MIN_LEN  148 /* body of handshake 1: no answer to a DISCOVER is larger than it */
#define DISCOVER_MAX_LEN  (24 + DISCOVER_KEYS_MAX * 8)
#define RELAYED_EXTRA	  20
#define DISCOVER_HOPS_MAX 4

#define DISCOVER_FLAG_CLEAR  0x01 /* has vnets of level none */
#define DISCOVER_FLAG_ANSWER 0x02 /* the answer to one: not answered as news again */
#define DISCOVER_FLAGS	     (DISCOVER_FLAG_CLEAR | DISCOVER_FLAG_ANSWER)

struct discover_key {
	uint32_t key_id;
	uint16_t suites; /* bit n: has vnets of suite number n under this key */
};

struct discover {
	uint64_t host_id;
	uint64_t start;
	uint32_t seq; /* new for every DISCOVER originated; copies that are relayed keep it */
	uint8_t flags;
	uint8_t hops; /* relays it may still pass */
	uint16_t n_keys;
	struct discover_key keys[DISCOVER_KEYS_MAX];
};

/* enum suffix, name: classes of refusal */
#define DISCOVER_VERDICTS(X)                                                                  \
	X(OK, "ok")                                                                           \
	X(SHORT, "discover_short")	 /* shorter than DISCOVER_MIN_LEN or than its keys */ \
	X(KEYS, "discover_keys")	 /* more than DISCOVER_KEYS_MAX */                    \
	X(RESERVED, "discover_reserved") /* a field that must be zero is not, or host id 0 */ \
	X(HOPS, "discover_hops")	 /* more than DISCOVER_HOPS_MAX */                    \
	X(ORIGIN, "discover_origin")	 /* relayed: not a unicast address and port */

enum discover_verdict {
#define X(suffix, name) DISCOVER_##suffix,
	DISCOVER_VERDICTS(X)
#undef X
	    DISCOVER_VERDICT_COUNT
};

/* How many keys a DISCOVER may have to be no longer than d. */
uint16_t discover_keys_room(const struct discover *d);
/*
 * Returns the length written; size must be at least DISCOVER_MAX_LEN. Never shorter than
 * DISCOVER_MIN_LEN.
 */
size_t discover_write(const struct discover *d, uint8_t *buf, size_t size);
enum discover_verdict discover_parse(const uint8_t *body, size_t len, struct discover *d);
size_t relayed_write(
    const struct endpoint *origin, const struct discover *d, uint8_t *buf, size_t size);
enum discover_verdict relayed_parse(
    const uint8_t *body, size_t len, struct endpoint *origin, struct discover *d);

/* Which (host, start, seq) were seen lately: bounded, expiring after 60 s. */
struct discover_seen;
struct discover_seen *discover_seen_new(size_t max);
void discover_seen_free(struct discover_seen *s);
/*
 * True the first time. When full, everything counts as seen (nothing is relayed), as a relay is a
 * luxury.
 */
bool discover_seen_first(struct discover_seen *s, const struct discover *d, struct monotime now);
