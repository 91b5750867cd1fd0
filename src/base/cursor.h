/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bounded cursors over bytes, the only way wire data is read or written. All integers are
 * big-endian. The first error sticks: later reads give zero, later writes do nothing; the caller
 * asks once at the end, before it uses any value. Pure; borrows the buffer. What every packet needs
 * is inline.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rcur {
	const uint8_t *buf;
	size_t len;
	size_t pos;
	bool bad;
};

struct wcur {
	uint8_t *buf;
	size_t size;
	size_t pos;
	bool bad;
};

static inline struct rcur
rcur_init(const void *buf, size_t len)
{
	/* Never NULL, so that taking nothing from nothing is not an error. */
	return (struct rcur){ .buf = buf ? buf : (const void *)"", .len = buf ? len : 0 };
}

/* Steps over n bytes and returns where they start, or NULL on error. */
static inline const uint8_t *
rcur_take(struct rcur *c, size_t n)
{
	const uint8_t *p;

	if (c->bad || n > c->len - c->pos) {
		c->bad = true;
		return NULL;
	}
	p = c->buf + c->pos;
	c->pos += n;
	return p;
}

static inline uint64_t
rcur_be(struct rcur *c, size_t n)
{
	const uint8_t *p = rcur_take(c, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static inline uint8_t
rcur_u8(struct rcur *c)
{
	return (uint8_t)rcur_be(c, 1);
}

static inline uint16_t
rcur_be16(struct rcur *c)
{
	return (uint16_t)rcur_be(c, 2);
}

static inline uint32_t
rcur_be32(struct rcur *c)
{
	return (uint32_t)rcur_be(c, 4);
}

static inline uint64_t
rcur_be64(struct rcur *c)
{
	return rcur_be(c, 8);
}

/* Copies n bytes to dst; zeroes dst on error. */
void rcur_copy(struct rcur *c, void *dst, size_t n);

static inline size_t
rcur_left(const struct rcur *c)
{
	return c->bad ? 0 : c->len - c->pos;
}

/* No error so far. */
static inline bool
rcur_ok(const struct rcur *c)
{
	return !c->bad;
}

/* No error and nothing left: what a parser of a variable-length message must return. */
bool rcur_done(const struct rcur *c);
/* Marks the cursor bad, for a value the parser refuses. */
void rcur_fail(struct rcur *c);

struct wcur wcur_init(void *buf, size_t size);
void wcur_u8(struct wcur *c, uint8_t v);
void wcur_be16(struct wcur *c, uint16_t v);
void wcur_be32(struct wcur *c, uint32_t v);
void wcur_be64(struct wcur *c, uint64_t v);
void wcur_copy(struct wcur *c, const void *src, size_t n);
void wcur_zero(struct wcur *c, size_t n);
/* Steps over n bytes for the caller to fill in, returns where they start, or NULL on error. */
uint8_t *wcur_take(struct wcur *c, size_t n);
/* Bytes written, or 0 after an error. */
size_t wcur_len(const struct wcur *c);
bool wcur_ok(const struct wcur *c);
