/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "packet.h"

#include <stdlib.h>
#include <sys/mman.h>

#define CACHE_LINE	64
#define SIZE_WITH(room) (PACKET_HEADROOM + (room) + PACKET_TAILROOM)

/* All packets with buffers of one size, or without. */
struct packet_shelf {
	struct packet_pool *pool;
	uint8_t *packets; /* untouched from n_used on */
	size_t stride;
	size_t n_used;	     /* ever taken */
	struct packet *free; /* last in, first out: what is warm is used again */
};

/* Each shelf has count packets, of which count are in use in all. */
struct packet_pool {
	size_t count;
	size_t n_out; /* in use */
	struct packet_shelf parts, small, medium, large;
};

static bool
shelf_init(struct packet_shelf *s, struct packet_pool *pool, size_t size)
{
	size_t total;

	s->pool = pool;
	s->stride = (sizeof(struct packet) + size + CACHE_LINE - 1) & -(size_t)CACHE_LINE;
	if (__builtin_mul_overflow(pool->count, s->stride, &total))
		return false;
	s->packets = mmap(NULL, total, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->packets == MAP_FAILED)
		s->packets = NULL;
	return s->packets != NULL;
}

static void
shelf_fini(struct packet_shelf *s)
{
	if (s->packets)
		munmap(s->packets, s->pool->count * s->stride);
}

struct packet_pool *
packet_pool_new(size_t count)
{
	struct packet_pool *pool = count > 0 ? calloc(1, sizeof(*pool)) : NULL;

	if (!pool)
		return NULL;
	pool->count = count;
	if (!shelf_init(&pool->parts, pool, 0) ||
	    !shelf_init(&pool->small, pool, SIZE_WITH(PACKET_SMALL_ROOM)) ||
	    !shelf_init(&pool->medium, pool, SIZE_WITH(PACKET_MEDIUM_ROOM)) ||
	    !shelf_init(&pool->large, pool, SIZE_WITH(PACKET_ROOM))) {
		packet_pool_free(pool);
		return NULL;
	}
	return pool;
}

void
packet_pool_free(struct packet_pool *pool)
{
	if (!pool)
		return;
	shelf_fini(&pool->parts);
	shelf_fini(&pool->small);
	shelf_fini(&pool->medium);
	shelf_fini(&pool->large);
	free(pool);
}

size_t
packet_pool_available(const struct packet_pool *pool)
{
	return pool->count - pool->n_out;
}

static struct packet *
take(struct packet_shelf *s)
{
	struct packet *p = s->free;

	if (s->pool->n_out == s->pool->count)
		return NULL;
	s->pool->n_out++;
	if (p) {
		s->free = p->next;
	} else {
		/* Aligned: mmap()'s, and strides of cache lines. */
		p = (void *)(s->packets + s->n_used++ * s->stride);
		p->shelf = s;
		p->start = p->buf;
		p->end = (uint8_t *)p + s->stride;
	}
	p->next = NULL;
	p->checked = false;
	return p;
}

static struct packet *
take_empty(struct packet_shelf *s)
{
	struct packet *p = take(s);

	if (p) {
		p->data = p->start + PACKET_HEADROOM;
		p->len = 0;
	}
	return p;
}

struct packet *
packet_get(struct packet_pool *pool)
{
	return take_empty(&pool->large);
}

struct packet *
packet_get_for(struct packet_pool *pool, size_t n)
{
	return take_empty(n <= PACKET_SMALL_ROOM    ? &pool->small
			  : n <= PACKET_MEDIUM_ROOM ? &pool->medium
						    : &pool->large);
}

struct packet *
packet_get_part(struct packet_pool *pool, uint8_t *data, size_t n)
{
	struct packet *p = take(&pool->parts);

	if (!p)
		return NULL;
	p->data = p->start = data;
	p->len = n;
	p->end = data + n;
	return p;
}

void
packet_put(struct packet *p)
{
	if (!p)
		return;
	p->next = p->shelf->free;
	p->shelf->free = p;
	p->shelf->pool->n_out--;
}

uint8_t *
packet_push(struct packet *p, size_t n)
{
	if (n > (size_t)(p->data - p->start))
		return NULL;
	p->data -= n;
	p->len += n;
	return p->data;
}

bool
packet_pull(struct packet *p, size_t n)
{
	if (n > p->len)
		return false;
	p->data += n;
	p->len -= n;
	return true;
}

uint8_t *
packet_append(struct packet *p, size_t n)
{
	uint8_t *end = p->data + p->len;

	if (n > (size_t)(p->end - end))
		return NULL;
	p->len += n;
	return end;
}

bool
packet_trim(struct packet *p, size_t n)
{
	if (n > p->len)
		return false;
	p->len -= n;
	return true;
}

uint8_t *
packet_reset(struct packet *p, size_t *room)
{
	p->data = p->start + PACKET_HEADROOM;
	p->len = 0;
	*room = (size_t)(p->end - p->data) - PACKET_TAILROOM;
	return p->data;
}
