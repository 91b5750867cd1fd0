/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The engine's side of the keys process (keys/keysmsg.h). Nothing waits: answers come as calls. */

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "keys/keysmsg.h"

struct keyscli;

struct keyscli_ops {
	void (*initiated)(void *arg, uint32_t token, const struct keys_initiated *m);
	void (*responded)(void *arg, uint32_t token, const struct keys_session *m);
	void (*finished)(void *arg, uint32_t token, const struct keys_session *m);
	/* A complete new list of keys. */
	void (*list)(void *arg, const struct key_info *keys, size_t n);
	/* An administrative request was done. */
	void (*done)(void *arg, uint32_t token, const struct keys_done *m);
};

/* Consumes fd. NULL if memory is short. */
struct keyscli *keyscli_new(struct loop *loop, int fd, const struct keyscli_ops *ops, void *arg);
void keyscli_free(struct keyscli *k);
void keyscli_replace(struct keyscli *k, int fd);
/*
 * type: KEYS_INITIATE, KEYS_RESPOND, ...; the answer comes with token. False while the keys process
 * is away.
 */
bool keyscli_ask(
    struct keyscli *k, enum keys_msg type, uint32_t token, const void *body, size_t len);
