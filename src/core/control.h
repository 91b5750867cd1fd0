/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The control socket: sessions of S-expression requests and their answers. commands.c has the
 * commands. A request that changes what is stored is answered when it is on disk. Bounded in
 * sessions, in the size of a request and of answers not yet read.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/sxp.h"

#define CONTROL_SESSIONS_MAX 64
#define CONTROL_REQUEST_MAX  65536
#define CONTROL_IDLE_MS \
	10000 /* when all are in use, one idle for so long is closed for a new one */

struct engine;
struct keys_done;

struct request {
	struct engine *engine;
	const struct sxp *expr;
	struct sxp_out *out;
	uid_t uid; /* of the client */
	pid_t pid;
	uint64_t token; /* of the session, for answers that come later */
	char object[96];
	char reason[384];
	const char *code;    /* "refused", "usage", "internal" */
	uint64_t wait_store; /* answer when this state is stored; 0: at once */
	bool wait_event;     /* answer when control_event(token) comes, */
	bool wait_keys;	     /* for which the keys process was asked */
};

/* listen_fd is consumed. NULL: no memory. */
struct control *control_new(struct engine *e, int listen_fd);
void control_free(struct control *c);
/* What the keys process was asked it will not answer any more. */
void control_keys_restarted(struct engine *e);
/* The state with that number, and all before, is stored (error 0) or not. */
void control_stored(struct engine *e, uint64_t number, int error);
/*
 * What the session with token waited for has come. reason NULL: well; then store, if not 0, is what
 * it still waits for.
 */
void control_event(struct engine *e, uint64_t token, const char *reason, uint64_t store);

/* Runs one command. False: object, reason and code tell why not. */
bool command_run(struct request *r);
