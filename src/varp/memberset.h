/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A set of vnets and their labels, in order of id: what both halves of membership are made of.
 * Internal to src/varp.
 */

#include "varp/membership.h"

struct memberset {
	struct membership_entry *entries; /* strictly ascending ids */
	size_t n;
	size_t size;
};

void memberset_fini(struct memberset *s);
/* Room for n entries in all. 0, -ENOSPC (MEMBERSHIP_TOTAL_MAX), -ENOMEM. */
int memberset_reserve(struct memberset *s, size_t n);
/* 0 or -ENOMEM; *copy is new. */
int memberset_copy(const struct memberset *s, struct memberset *copy);
struct membership_entry *memberset_find(const struct memberset *s, const struct vnetid *id);
/* Adds or relabels. 0, -ENOSPC, -ENOMEM. */
int memberset_put(struct memberset *s, const struct membership_entry *e);
/* False if it was not there. */
bool memberset_remove(struct memberset *s, const struct vnetid *id);
/* Ids strictly ascend and no label is used twice. False too if memory is short. */
bool memberset_is_sound(const struct memberset *s);
/*
 * SipHash-2-4 under the zero key over id 16 | zero 1 | VNI 3 of each entry. Against accidents only:
 * it travels inside an association.
 */
uint64_t memberset_hash(const struct memberset *s);
