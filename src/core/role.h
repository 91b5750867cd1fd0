/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The processes of vnetd and how each is started: the parent forks and executes itself once per
 * role; a role finds its channel to the parent on descriptor 3, gets its options and its channels
 * to other roles from there, opens what it needs, seals its sandbox, and says READY. When a role
 * dies the parent starts it again and hands every partner a new channel.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ipc.h"
#include "core/options.h"

/* enum suffix, name, user (NULL: stays), in the order they are started */
#define ROLES(X)                          \
	X(PARENT, "parent", NULL)         \
	X(PRIV, "priv", "_vnetpriv")      \
	X(KEYS, "keys", "_vnetkeys")      \
	X(RESOLVE, "resolve", "_vnetres") \
	X(ENGINE, "engine", "_vnetd")

enum role {
#define X(suffix, name, user) ROLE_##suffix,
	ROLES(X)
#undef X
	    ROLE_COUNT
};

const char *role_name(enum role r);
const char *role_user(enum role r);

#define ROLE_PARENT_FD 3

/* Parent <-> role. */
enum role_msg {
	ROLE_OPTIONS = 1, /* parent: struct options, first of all */
	ROLE_CHANNEL, /* parent: struct role_channel and a descriptor: talk to that role over it; replaces an earlier one */
	ROLE_START, /* parent: the channels that exist now have all been sent: seal and say READY */
	ROLE_READY, /* role: sealed, at work */
	ROLE_FAILED, /* role: struct role_failed, before it exits: start-up cannot succeed, do not try again */
	ROLE_STOP,     /* parent: end in order, exit 0 */
	ROLE_RELOAD,   /* parent: SIGHUP */
	ROLE_SHUTDOWN, /* engine: no body; asks the parent to end everything */
	ROLE_PIDS, /* parent to engine: struct role_pids, at start and after each restart of a role */
	ROLE_PING, /* parent to engine, where a service manager watches: answer from the event loop */
	ROLE_PONG, /* engine: answers ROLE_PING; no body */
	ROLE_CONTROL /* parent to engine: a descriptor: the listening control socket, before ROLE_START */
};

struct role_channel {
	uint32_t role; /* enum role: who is at the other end */
};

struct role_failed {
	char reason[256];
};

struct role_pids {
	int32_t pid[ROLE_COUNT];
	uint32_t restarts[ROLE_COUNT];
};

/*
 * What a role gets at start. Channels are -1 where the role has no such partner, and only there;
 * control is the engine's, else -1.
 */
struct role_start {
	struct options options;
	int channel[ROLE_COUNT];
	int control;
};

/* The roles that r has channels to, as a set of 1u << role. */
unsigned role_partners(enum role r);

/* What of these messages is well-formed: from a role to the parent, and the other way. Pure. */
bool role_msg_to_parent(const struct ipc_msg *m, enum role from);
bool role_msg_to_role(const struct ipc_msg *m, enum role to);

/*
 * In a role, first thing: reads ROLE_OPTIONS, ROLE_CHANNELs and ROLE_START from descriptor 3. Ends
 * the process on a broken contract.
 */
void role_receive_start(enum role self, struct role_start *out);
/*
 * The directory of that name, opened as the role's user, whose it must be (startup.c sees to it):
 * capabilities do not count. Fails by role_fail(). For a process that is root still, with
 * CAP_SETUID.
 */
int role_open_dir(enum role self, const char *name, const char *path);
/* Sends READY. */
void role_ready(void);
/* Sends FAILED with the reason, logs it, exits 1. */
void role_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Later messages of the parent, for roles with a loop of their own: 0 and *m (then done with by
 * ipc_msg_done), or -EAGAIN. ROLE_STOP and the end of the parent end the process, as does a message
 * that is not well-formed.
 */
int role_next(enum role self, struct ipc_msg *m);

/*
 * For roles that only answer the engine. message: false: it broke the contract, and that engine is
 * dropped. engine: here is a new one.
 */
struct role_service {
	enum role self;
	bool (*message)(void *arg, const struct ipc_msg *m);
	void (*engine)(void *arg, int fd);
	void *arg;
};
/* Takes over start->channel[ROLE_ENGINE] and serves until the process ends. */
int role_serve(const struct role_service *s, const struct role_start *start);
/* An answer to the engine: waits a little for one that is slow; 0 or -errno. */
int role_answer(int engine_fd, uint32_t type, uint32_t seq, const void *body, size_t len);

/* The mains of the roles; each runs to its end and returns an exit status. */
int role_priv_main(void);
int role_keys_main(void);
int role_resolve_main(void);
int role_engine_main(void);
