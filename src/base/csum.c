/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "csum.h"

#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))

/* What a machine has no registers for, the compiler splits. */
typedef uint64_t lanes __attribute__((vector_size(32)));

/* Each lane adds halves of 32 bits, so it cannot overflow before 2^32 of them. */
INLINE uint64_t
sum_lanes(uint8_t *restrict to, const uint8_t *restrict from, size_t len, bool copy)
{
	lanes low = { 0 }, high = { 0 }, words;

	for (size_t at = 0; at < len; at += sizeof(words)) {
		memcpy(&words, from + at, sizeof(words));
		if (copy)
			memcpy(to + at, &words, sizeof(words));
		low += words & 0xffffffff;
		high += words >> 32;
	}
	low += high;
	return low[0] + low[1] + low[2] + low[3];
}

/* At most 31 bytes. */
INLINE uint64_t
sum_rest(uint8_t *restrict to, const uint8_t *restrict from, size_t len, bool copy)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; len >= sizeof(word); len -= sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		if (copy) {
			memcpy(to, &word, sizeof(word));
			to += sizeof(word);
		}
		sum += word;
		from += sizeof(word);
	}
	uint8_t last[sizeof(word)] = { 0 };
	for (size_t i = 0; i < len; i++) {
		last[i] = from[i];
		if (copy)
			to[i] = from[i];
	}
	memcpy(&word, last, sizeof(word));
	return sum + word;
}

INLINE uint64_t
sum(uint8_t *restrict to, const uint8_t *restrict from, size_t len, bool copy)
{
	size_t whole = len / sizeof(lanes) * sizeof(lanes);
	uint64_t s = sum_lanes(to, from, whole, copy);

	return s + sum_rest(copy ? to + whole : NULL, from + whole, len - whole, copy);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t
sum_avx2(const uint8_t *from, size_t len)
{
	return sum(NULL, from, len, false);
}

__attribute__((target("avx2"))) static uint64_t
copy_avx2(uint8_t *restrict to, const uint8_t *restrict from, size_t len)
{
	return sum(to, from, len, true);
}

#define HAVE_AVX2 __builtin_cpu_supports("avx2")
#else
#define HAVE_AVX2		 false
#define sum_avx2(from, len)	 0
#define copy_avx2(to, from, len) 0
#endif

uint64_t
csum_bytes(const void *bytes, size_t len)
{
	return HAVE_AVX2 ? sum_avx2(bytes, len) : sum(NULL, bytes, len, false);
}

uint64_t
csum_copy(void *restrict to, const void *restrict from, size_t len)
{
	return HAVE_AVX2 ? copy_avx2(to, from, len) : sum(to, from, len, true);
}
