/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A group: the vnets of this host that share a key and a suite, and so one association per other
 * host and one membership. Vnets of level none form the group of SUITE_NONE. Owns the groups and
 * what the engine knows of the keys (never a secret). No I/O.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/suite.h"
#include "keys/keyring.h"
#include "varp/discover.h"
#include "varp/membership.h"

#define GROUP_TROUBLE_MAX 256

struct group {
	struct group *next;
	uint64_t number; /* no other has or had it */
	char key
	    [KEY_NAME_MAX]; /* the first name of its key: two names of one secret are one group; "" for none */
	const struct suite *suite;
	struct membership_own *own;
	unsigned refs; /* vnets and associations */
	unsigned vnets;
};

struct groups {
	struct group *first;
	uint64_t made; /* ever */
	struct key_info keys[KEYRING_MAX];
	size_t n_keys;
	bool keys_known; /* a first list has come */
};

/*
 * The group of (key name, suite), made if there is none, with one more reference. NULL if memory is
 * short.
 */
struct group *group_get(struct groups *gs, const char *key, const struct suite *suite);
void group_put(struct groups *gs, struct group *g);
/* The group that has vnets and accepts this key id (current or old) with this suite, or NULL. */
struct group *group_by_key_id(struct groups *gs, uint32_t key_id, enum suite_id suite);
/* What is known of a key; NULL if there is none of that name. */
const struct key_info *groups_key(const struct groups *gs, const char *name);
/*
 * The name under which a key's vnets are grouped: of all names with the same id the first; name
 * itself if it is unknown.
 */
const char *groups_canonical(const struct groups *gs, const char *name);
/*
 * The key id to start a handshake with: the current one unless the other end is known to have only
 * the old one. 0: unusable.
 */
uint32_t group_key_id(const struct groups *gs, const struct group *g, const struct discover *heard);
/* Fills keys and flags of a DISCOVER with all groups that have vnets. */
void groups_discover(const struct groups *gs, struct discover *d);
/* Does the other end say that it has this group too? */
bool group_heard(const struct groups *gs, const struct group *g, const struct discover *heard);
/*
 * Does the other end have this group's key, but no vnet with its suite? Then its suites are named
 * in text.
 */
bool group_suites_differ(const struct groups *gs, const struct group *g,
    const struct discover *heard, char *text, size_t size);
/*
 * What keeps a host that was heard from meeting us in this group, in words: it has other suites, or
 * a key that we have not, perhaps under the same name. False if nothing is wrong, or it just has no
 * part in the group.
 */
bool group_trouble(const struct groups *gs, const struct group *g, const struct discover *heard,
    char text[static GROUP_TROUBLE_MAX]);
