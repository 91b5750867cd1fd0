/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Announcements and withdrawals that a host has not acknowledged, and when each is to be repeated.
 * Whether one still holds is for its user to see when it is due. Internal to src/varp.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "varp/claims.h"
#include "varp/message.h"
#include "varp/wheel.h"

struct pending_key {
	uint64_t host;
	struct claim_key claim;
	uint32_t zero; /* no padding */
};

struct pending {
	struct table_node node;
	struct pending_key key;
	enum message_type type; /* ANNOUNCE or WITHDRAW */
	uint32_t counter;
	int64_t delay_ms; /* until due, when it was set */
	struct wheel_timer timer;
};

struct outbox {
	struct table table;
	struct wheel wheel;
};

int outbox_init(struct outbox *o);
void outbox_fini(struct outbox *o);
/*
 * Notes what was sent to host, in place of what was sent before about the same MAC. False if full:
 * it will not be repeated.
 */
bool outbox_put(struct outbox *o, const struct claim_key *key, uint64_t host,
    enum message_type type, uint32_t counter, struct monotime now);
struct pending *outbox_find(const struct outbox *o, const struct claim_key *key, uint64_t host);
/* One that is due; the caller puts it off or removes it. NULL if there is none. */
struct pending *outbox_due(struct outbox *o, struct monotime now);
/* Doubles the delay. False if it was the longest already. */
bool outbox_put_off(struct outbox *o, struct pending *p, struct monotime now);
void outbox_remove(struct outbox *o, struct pending *p);
/* Removes what is for host in vnet; for all hosts if host is 0. */
void outbox_drop(struct outbox *o, uint32_t vnet, uint64_t host);
