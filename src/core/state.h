/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What survives: the state file (host id, start number, vnets, peers, labels, manual SAs), which priv stores as
 * opaque bytes, and the memo, what an engine leaves in priv's memory for the one after it (where
 * the peers are). Changes of one round are stored together.
 */

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct state;

struct state *state_new(void);
void state_free(struct state *s);
/*
 * Reads configuration and state; makes what they say. Ends the process through role_fail() where
 * that cannot be.
 */
void state_load_settings(
    struct engine *e); /* before the sockets: configuration, host id, start number, seed, labels */
void state_load_vnets(struct engine *e); /* vnets and peers of both */
void state_load_memo(struct engine *e);	 /* associations to set up again at once */
/*
 * Something that is stored changed; it is stored at the end of the round. Returns the number of
 * that store.
 */
uint64_t state_changed(struct engine *e);
/* The memo changed. */
void state_memo_changed(struct engine *e);
/* End of a round. */
void state_flush(struct engine *e);
/* Everything again, for a restarted priv. */
void state_store_again(struct engine *e);
/* privcli's callback, with the engine as arg. */
void state_stored(void *arg, uint64_t number, int error);
