/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): keyed 64-bit hash for tables fed by the network and
 * stateless nonces. Pure.
 */

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2];
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);
/*
 * Random bytes from the kernel (getrandom); ends the process if there are none, as nothing is safe
 * without them.
 */
void random_bytes(void *buf, size_t len);
