/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "csum.h"

#include <stdbool.h>

#define INLINE static inline __attribute__((always_inline))

/* What a machine has no registers for, the compiler splits. */
typedef uint64_t lanes __attribute__((vector_size(32)));

struct way {
	uint8_t *to; /* NULL: only sum */
	const uint8_t *from;
};

INLINE void
take(struct way *w, void *out, size_t n, bool copy)
{
	memcpy(out, w->from, n);
	if (copy) {
		memcpy(w->to, out, n);
		w->to += n;
	}
	w->from += n;
}

/* n bytes, at most 8. */
INLINE uint64_t
sum_few(struct way *w, size_t n, bool copy)
{
	uint64_t word = 0;

	take(w, &word, n, copy);
	return (word & 0xffffffff) + (word >> 32);
}

/* Headers are short: so what is left in the end is no loop over bytes. */
INLINE uint64_t
sum(uint8_t *restrict to, const uint8_t *restrict from, size_t len, bool copy)
{
	struct way w = { to, from };
	lanes low = { 0 }, high = { 0 }, words;
	uint64_t total = 0;

	/* Each lane adds halves of 32 bits, so it cannot overflow before 2^32 of them. */
	for (; len >= sizeof(words); len -= sizeof(words)) {
		take(&w, &words, sizeof(words), copy);
		low += words & 0xffffffff;
		high += words >> 32;
	}
	low += high;
	total = low[0] + low[1] + low[2] + low[3];
	for (; len >= 8; len -= 8)
		total += sum_few(&w, 8, copy);
	if (len & 4)
		total += sum_few(&w, 4, copy);
	if (len & 2)
		total += sum_few(&w, 2, copy);
	return len & 1 ? total + sum_few(&w, 1, copy) : total;
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
