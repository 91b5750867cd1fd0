/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "packet.h"

#include <stdlib.h>
#include <sys/mman.h>

#define CACHE_LINE 64

/* All buffers of one size. */
struct shelf {
	uint8_t *packets; /* untouched from n_used on */
	size_t stride;
	size_t size;	     /* of a packet's buffer */
	size_t n_used;	     /* ever taken */
	struct packet *free; /* last in, first out: what is warm is used again */
};

/* Each shelf has count packets, of which count are in use in all. */
struct packet_pool {
	size_t count;
	size_t n_out; /* in use */
	struct shelf small, large;
};

static bool
shelf_init(struct shelf *s, size_t count, size_t room)
{
	size_t total;

	s->size = PACKET_HEADROOM + room + PACKET_TAILROOM;
	s->stride = (sizeof(struct packet) + s->size + CACHE_LINE - 1) & -(size_t)CACHE_LINE;
	if (__builtin_mul_overflow(count, s->stride, &total))
		return false;
	s->packets = mmap(NULL, total, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->packets == MAP_FAILED)
		s->packets = NULL;
	return s->packets != NULL;
}

static void
shelf_fini(struct shelf *s, size_t count)
{
	if (s->packets)
		munmap(s->packets, count * s->stride);
}

struct packet_pool *
packet_pool_new(size_t count)
{
	struct packet_pool *pool = count > 0 ? calloc(1, sizeof(*pool)) : NULL;

	if (!pool)
		return NULL;
	pool->count = count;
	if (!shelf_init(&pool->small, count, PACKET_SMALL_ROOM) ||
	    !shelf_init(&pool->large, count, PACKET_ROOM)) {
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
	shelf_fini(&pool->small, pool->count);
	shelf_fini(&pool->large, pool->count);
	free(pool);
}

size_t
packet_pool_available(const struct packet_pool *pool)
{
	return pool->count - pool->n_out;
}

static struct packet *
take(struct packet_pool *pool, struct shelf *s)
{
	struct packet *p = s->free;

	if (pool->n_out == pool->count)
		return NULL;
	pool->n_out++;
	if (p) {
		s->free = p->next;
	} else {
		/* Aligned: mmap()'s, and strides of cache lines. */
		p = (void *)(s->packets + s->n_used++ * s->stride);
		p->pool = pool;
		p->size = s->size;
	}
	p->data = p->buf + PACKET_HEADROOM;
	p->len = 0;
	p->next = NULL;
	p->checked = false;
	return p;
}

struct packet *
packet_get(struct packet_pool *pool)
{
	return take(pool, &pool->large);
}

struct packet *
packet_get_for(struct packet_pool *pool, size_t n)
{
	return take(pool, n <= PACKET_SMALL_ROOM ? &pool->small : &pool->large);
}

void
packet_put(struct packet *p)
{
	if (!p)
		return;
	struct packet_pool *pool = p->pool;
	struct shelf *s = p->size == pool->small.size ? &pool->small : &pool->large;
	p->next = s->free;
	s->free = p;
	pool->n_out--;
}

uint8_t *
packet_push(struct packet *p, size_t n)
{
	if (n > (size_t)(p->data - p->buf))
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

	if (n > (size_t)(p->buf + p->size - end))
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
	p->data = p->buf + PACKET_HEADROOM;
	p->len = 0;
	*room = p->size - PACKET_HEADROOM - PACKET_TAILROOM;
	return p->data;
}
