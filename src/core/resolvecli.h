/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine's side of the resolve process: a name in, an answer by call later. One question at a
 * time is out; the rest wait.
 */

#include <stdbool.h>

#include "base/loop.h"
#include "core/resolvemsg.h"

#define RESOLVECLI_MAX 4096 /* names waiting */

struct resolvecli;

typedef void resolvecli_fn(void *arg, const char *name, const struct resolve_answer *answer);

/* Consumes fd. NULL if memory is short. */
struct resolvecli *resolvecli_new(struct loop *loop, int fd, resolvecli_fn *fn, void *arg);
void resolvecli_free(struct resolvecli *r);
/* A restarted resolve process: what was asked is asked again. */
void resolvecli_replace(struct resolvecli *r, int fd);
/* False if too many wait. */
bool resolvecli_ask(struct resolvecli *r, const char *name);
