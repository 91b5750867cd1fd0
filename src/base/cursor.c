/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cursor.h"

#include <string.h>

void
rcur_copy(struct rcur *c, void *dst, size_t n)
{
	const uint8_t *p = rcur_take(c, n);

	if (n == 0)
		return;
	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

bool
rcur_done(const struct rcur *c)
{
	return !c->bad && c->pos == c->len;
}

void
rcur_fail(struct rcur *c)
{
	c->bad = true;
}

struct wcur
wcur_init(void *buf, size_t size)
{
	return (struct wcur){ .buf = buf, .size = buf ? size : 0 };
}

uint8_t *
wcur_take(struct wcur *c, size_t n)
{
	uint8_t *p;

	if (c->bad || !c->buf || n > c->size - c->pos) {
		c->bad = true;
		return NULL;
	}
	p = c->buf + c->pos;
	c->pos += n;
	return p;
}

static void
write_be(struct wcur *c, uint64_t v, size_t n)
{
	uint8_t *p = wcur_take(c, n);

	if (!p)
		return;
	for (size_t i = n; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

void
wcur_u8(struct wcur *c, uint8_t v)
{
	write_be(c, v, 1);
}

void
wcur_be16(struct wcur *c, uint16_t v)
{
	write_be(c, v, 2);
}

void
wcur_be32(struct wcur *c, uint32_t v)
{
	write_be(c, v, 4);
}

void
wcur_be64(struct wcur *c, uint64_t v)
{
	write_be(c, v, 8);
}

void
wcur_copy(struct wcur *c, const void *src, size_t n)
{
	uint8_t *p;

	if (n > 0 && (p = wcur_take(c, n)))
		memcpy(p, src, n);
}

void
wcur_zero(struct wcur *c, size_t n)
{
	uint8_t *p = wcur_take(c, n);

	if (p)
		memset(p, 0, n);
}

size_t
wcur_len(const struct wcur *c)
{
	return c->bad ? 0 : c->pos;
}

bool
wcur_ok(const struct wcur *c)
{
	return !c->bad;
}
