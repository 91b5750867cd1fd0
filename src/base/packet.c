/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "packet.h"

#include <stdlib.h>
#include <sys/mman.h>

struct packet_pool {
	struct packet *packets; /* untouched from n_used on */
	size_t count;
	size_t n_used;	     /* ever taken */
	size_t n_free;	     /* in the free list */
	struct packet *free; /* last in, first out: what is warm is used again */
};

struct packet_pool *
packet_pool_new(size_t count)
{
	struct packet_pool *pool;
	size_t size;
	void *memory;

	if (count == 0 || __builtin_mul_overflow(count, sizeof(struct packet), &size))
		return NULL;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	memory = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		free(pool);
		return NULL;
	}
	pool->packets = memory;
	pool->count = count;
	return pool;
}

void
packet_pool_free(struct packet_pool *pool)
{
	if (!pool)
		return;
	munmap(pool->packets, pool->count * sizeof(struct packet));
	free(pool);
}

size_t
packet_pool_available(const struct packet_pool *pool)
{
	return pool->n_free + pool->count - pool->n_used;
}

struct packet *
packet_get(struct packet_pool *pool)
{
	struct packet *p = pool->free;

	if (p) {
		pool->free = p->next;
		pool->n_free--;
	} else if (pool->n_used < pool->count) {
		p = &pool->packets[pool->n_used++];
		p->pool = pool;
	} else {
		return NULL;
	}
	p->data = p->buf + PACKET_HEADROOM;
	p->len = 0;
	p->next = NULL;
	return p;
}

void
packet_put(struct packet *p)
{
	if (!p)
		return;
	p->next = p->pool->free;
	p->pool->free = p;
	p->pool->n_free++;
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

	if (n > (size_t)(p->buf + PACKET_SIZE - end))
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
	*room = PACKET_SIZE - PACKET_HEADROOM - PACKET_TAILROOM;
	return p->data;
}
