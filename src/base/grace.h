/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Grace periods: when may the one thread that writes free what others read without locks? Each
 * reader says when it begins to hold pointers and when it holds none; what is retired is freed when
 * every reader has held none since. This is RCU by quiescent states, in plain C11 atomics, which
 * ThreadSanitizer understands (those of liburcu 0.13 it does not).
 *
 * The epoch, the readers' words and the pointers that are read are all sequentially consistent: a
 * reader whom the writer took to hold nothing finds nothing that was taken out before.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GRACE_READERS_MAX 16

/* Embedded in what is retired. */
struct grace_node {
	struct grace_node *next;
	uint64_t epoch;
	void (*free)(struct grace_node *n);
};

struct grace_reader {
	_Alignas(64) _Atomic uint64_t since; /* the epoch when it began; 0: it holds nothing */
};

struct grace {
	_Atomic uint64_t epoch;
	unsigned n_readers;
	struct grace_node *first, **last; /* retired, oldest first */
	struct grace_reader readers[GRACE_READERS_MAX];
};

void grace_init(struct grace *g, unsigned n_readers);

/* Reader: from here on it may read. Said again, it holds nothing of before. */
static inline void
grace_enter(struct grace *g, unsigned reader)
{
	atomic_exchange(&g->readers[reader].since, atomic_load(&g->epoch));
}

/* Reader: before it sleeps. */
static inline void
grace_leave(struct grace *g, unsigned reader)
{
	atomic_store(&g->readers[reader].since, 0);
}

/* Writer: n has been taken out of all that is read; fn is called for it when nobody reads it. */
void grace_retire(struct grace *g, struct grace_node *n, void (*fn)(struct grace_node *n));
/* Writer: frees what can be. True if something is left, for which it is to be called again. */
bool grace_collect(struct grace *g);
/*
 * Writer: returns when no reader holds what has been taken out before. Readers never wait for the
 * writer, so this takes no longer than one of their rounds.
 */
void grace_wait(struct grace *g);
