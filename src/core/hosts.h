/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Discovery (DESIGN.md section 5): DISCOVER out and in, the hosts heard of, and the configured
 * peers (unicast targets, names resolved by the resolve process). What is heard is a hint: it can
 * only cause a rate-limited handshake attempt or greeting, or a DISCOVER in answer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/monotime.h"
#include "base/table.h"
#include "core/config.h"
#include "core/group.h"
#include "core/ratelimit.h"
#include "core/resolvemsg.h"
#include "varp/discover.h"

#define HOSTS_MAX   4096
#define HOST_TTL_MS 120000 /* not heard of for so long, and no association: forgotten */

/* A host that was heard of. */
struct host {
	struct table_node node;
	uint64_t host_id;
	struct endpoint ep; /* where it was last heard from; a hint */
	struct discover heard;
	bool again; /* heard more than one DISCOVER of it: no stray or spoilt one */
	struct monotime at;
	bool multicast; /* heard by multicast (or from a relay), not only as a configured peer */
	char told[GROUP_TROUBLE_MAX]; /* what is wrong with it, as the log has it */
};

/* A configured peer. */
struct target {
	struct target *next;
	struct config_peer peer;
	struct endpoint eps[RESOLVE_ADDRS_MAX];
	uint32_t n_eps;
	bool numeric;
	bool from_config;
	bool resolving;
	struct monotime resolved;
	char error[128]; /* of the last resolution; "" if it worked */
	uint64_t token;	 /* of the control session that waits for the first resolution; 0: none */
};

struct hosts {
	struct table table;
	struct target *targets;
	size_t n_targets;
	struct discover_seen *seen;
	uint32_t seq;
	unsigned burst;	       /* quick DISCOVERs still to send */
	struct monotime due;   /* next DISCOVER */
	struct bucket trouble; /* lines in the log; anybody can cause them */
	struct monotime resolve_due;
	struct bucket strange; /* handshakes begun with hosts that never were a peer */
};

struct engine;

struct hosts *hosts_new(void);
void hosts_free(struct hosts *h);
/*
 * Something about us changed (start, vnets, keys, peers): tell everybody, quickly and a few times.
 */
void hosts_announce(struct engine *e);
void hosts_discover(struct engine *e, const struct endpoint *from, bool multicast, bool relayed,
    const uint8_t *body, size_t len);
/*
 * Whom do we share groups with and have no association yet: try again. After a change of vnets or
 * keys.
 */
void hosts_reconsider(struct engine *e);
struct monotime hosts_tick(struct engine *e, struct monotime now);
struct host *host_find(const struct hosts *h, uint64_t host_id);

/*
 * 0; -EEXIST; -ENOSPC; -EINPROGRESS: a name, being resolved, and target_done will be called with
 * token.
 */
int target_add(struct engine *e, const struct config_peer *p, bool from_config, uint64_t token);
int target_remove(struct engine *e, const char *host, uint16_t port); /* -ENOENT */
/* The configured peer whose address ep is, or NULL. */
const struct target *target_by_endpoint(const struct hosts *h, const struct endpoint *ep);
/* An answer of the resolve process for name. */
void target_resolved(struct engine *e, const char *name, const struct resolve_answer *answer);
