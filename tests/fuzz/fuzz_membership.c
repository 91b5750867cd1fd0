/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer's membership under a sequence of messages, against a naive model. There is a history of
 * sets, number 1 to HISTORY; each step sends a part of one of them or the change between two,
 * maybe damaged, or a raw message.
 *
 *   0 number first n damage | 1 base number damage | 2 (reset) | 3 length, then a raw message
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "varp/memberset.h"
#include "varp/membership.h"

enum { HISTORY = 15, IDS = 160, FIRST_ID = 2 };

enum damage {
	DAMAGE_NONE,
	DAMAGE_HASH,
	DAMAGE_LABEL,
	DAMAGE_ORDER,
	DAMAGE_SAME_LABEL,
	DAMAGE_OP,
	DAMAGE_TOTAL
};

const char *const fuzz_classes[] = {
	"applied",
	"partial",
	"stale",
	"gap",
	"bad",
	"full set applied",
	"change applied",
	"full set bad",
	"change bad",
	"reset",
	"raw applied",
	NULL,
};

enum {
	CLASS_FULL_APPLIED = MEMBERSHIP_BAD + 1,
	CLASS_CHANGE_APPLIED,
	CLASS_FULL_BAD,
	CLASS_CHANGE_BAD,
	CLASS_RESET,
	CLASS_RAW_APPLIED
};

/* Label of each id, 0: not in the set. */
struct naive_set {
	uint32_t vni[FIRST_ID + IDS];
};

static struct naive_set history[HISTORY + 1];

struct model {
	struct membership_peer *peer;
	struct naive_set held;	 /* what it should be */
	struct naive_set called; /* what the callbacks made of it */
	uint64_t number, hash;
	uint64_t next_number, next_hash;
	size_t next_total;
	struct membership_entry next[MEMBERSHIP_TOTAL_MAX];
	bool next_have[MEMBERSHIP_TOTAL_MAX];
};

static void
check(bool good)
{
	if (!good)
		abort();
}

static struct vnetid
id_of(uint32_t n)
{
	return (struct vnetid){ { [14] = (uint8_t)(n >> 8), (uint8_t)n } };
}

static uint32_t
nr_of(const struct vnetid *id)
{
	return (uint32_t)id->b[14] << 8 | id->b[15];
}

static void
make_history(void)
{
	uint32_t rng = 1;

	for (unsigned number = 2; number <= HISTORY; number++) {
		unsigned changes = number == 2 ? IDS * 2 : number;

		history[number] = history[number - 1];
		for (unsigned i = 0; i < changes; i++) {
			uint32_t *vni;

			rng = rng * 1664525 + 1013904223;
			vni = &history[number].vni[FIRST_ID + rng / 65536 % IDS];
			*vni = *vni ? 0 : (uint32_t)(vni - history[number].vni) + 1000 * number;
		}
	}
}

static uint64_t
hash_of(const struct naive_set *set, size_t *count)
{
	struct membership_entry entries[IDS];
	struct memberset s = { .entries = entries };

	for (uint32_t n = FIRST_ID; n < FIRST_ID + IDS; n++) {
		if (set->vni[n])
			entries[s.n++] = (struct membership_entry){ id_of(n), set->vni[n] };
	}
	*count = s.n;
	return memberset_hash(&s);
}

static void
on_change(void *arg, const struct membership_entry *e, bool joined)
{
	struct model *m = arg;
	uint32_t *vni = &m->called.vni[nr_of(&e->id)];

	check(joined ? *vni != e->vni : *vni == e->vni);
	*vni = joined ? e->vni : 0;
}

static void
start_model(struct model *m)
{
	membership_peer_reset(m->peer, on_change, m);
	*m = (struct model){ .peer = m->peer };
}

static bool
next_is_complete(const struct model *m)
{
	for (size_t i = 0; i < m->next_total; i++) {
		if (!m->next_have[i])
			return false;
	}
	return true;
}

/* Is it sorted, without a label twice, and of that hash? Then it is held. */
static enum membership_verdict
hold_next(struct model *m)
{
	struct memberset s = { .entries = m->next, .n = m->next_total };

	m->next_number = 0;
	for (size_t i = 0; i < s.n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (nr_of(&m->next[j].id) >= nr_of(&m->next[i].id) ||
			    m->next[j].vni == m->next[i].vni)
				return MEMBERSHIP_BAD;
		}
	}
	if (memberset_hash(&s) != m->next_hash)
		return MEMBERSHIP_BAD;
	m->held = (struct naive_set){ 0 };
	for (size_t i = 0; i < s.n; i++)
		m->held.vni[nr_of(&m->next[i].id)] = m->next[i].vni;
	return MEMBERSHIP_APPLIED;
}

static enum membership_verdict
expect_part(struct model *m, const struct message *msg)
{
	if (msg->members.number < m->number || msg->members.number < m->next_number ||
	    (msg->members.number == m->number && msg->members.hash == m->hash))
		return MEMBERSHIP_STALE;
	if (msg->members.number > m->next_number) {
		m->next_number = msg->members.number;
		m->next_hash = msg->members.hash;
		m->next_total = msg->members.total;
		memset(m->next_have, 0, sizeof(m->next_have));
	}
	if (msg->members.hash != m->next_hash || msg->members.total != m->next_total) {
		m->next_number = 0;
		return MEMBERSHIP_BAD;
	}
	for (size_t i = 0; i < msg->members.n; i++) {
		const struct message_member *e = &msg->members.entries[i];
		size_t at = msg->members.first + i;

		if (m->next_have[at] &&
		    (nr_of(&m->next[at].id) != nr_of(&e->id) || m->next[at].vni != e->vni)) {
			m->next_number = 0;
			return MEMBERSHIP_BAD;
		}
		m->next_have[at] = true;
		m->next[at] = (struct membership_entry){ e->id, e->vni };
	}
	return next_is_complete(m) ? hold_next(m) : MEMBERSHIP_PARTIAL;
}

static enum membership_verdict
expect_change(struct model *m, const struct message *msg)
{
	struct naive_set set = m->held;
	size_t count;

	if (msg->members.number <= m->number)
		return MEMBERSHIP_STALE;
	if (msg->members.base != m->number)
		return MEMBERSHIP_GAP;
	for (size_t i = 0; i < msg->members.n; i++) {
		const struct message_member *e = &msg->members.entries[i];
		uint32_t *vni = &set.vni[nr_of(&e->id)];

		if (e->op == MEMBER_REMOVE && !*vni)
			return MEMBERSHIP_BAD;
		*vni = e->op == MEMBER_REMOVE ? 0 : e->vni;
	}
	for (size_t i = 0; i < FIRST_ID + IDS; i++) {
		for (size_t j = 0; j < i; j++) {
			if (set.vni[i] && set.vni[i] == set.vni[j])
				return MEMBERSHIP_BAD;
		}
	}
	if (hash_of(&set, &count) != msg->members.hash)
		return MEMBERSHIP_BAD;
	m->held = set;
	return MEMBERSHIP_APPLIED;
}

static void
apply(struct model *m, const struct message *msg)
{
	bool full = !msg->members.base;
	enum membership_verdict expected = full ? expect_part(m, msg) : expect_change(m, msg);
	enum membership_verdict verdict = membership_peer_apply(m->peer, msg, on_change, m);
	size_t count = 0;

	fuzz_saw(verdict);
	check(verdict == expected);
	if (verdict == MEMBERSHIP_APPLIED) {
		m->number = msg->members.number;
		m->hash = msg->members.hash;
		if (m->next_number <= m->number)
			m->next_number = 0;
		fuzz_saw(full ? CLASS_FULL_APPLIED : CLASS_CHANGE_APPLIED);
	} else if (verdict == MEMBERSHIP_BAD) {
		fuzz_saw(full ? CLASS_FULL_BAD : CLASS_CHANGE_BAD);
	}
	check(!memcmp(&m->held, &m->called, sizeof(m->held)));
	check(membership_peer_number(m->peer) == m->number);
	check(!membership_peer_differs(m->peer, m->number, m->hash));
	for (uint32_t n = 0; n < FIRST_ID + IDS; n++) {
		struct vnetid id = id_of(n);
		const struct membership_entry *e = membership_peer_find(m->peer, &id);

		check(m->held.vni[n] ? e && e->vni == m->held.vni[n] : !e);
		count += e != NULL;
	}
	check(membership_peer_count(m->peer) == count);
}

static void
do_damage(struct message *msg, uint8_t kind)
{
	struct message_member *e = msg->members.entries;

	if (kind == DAMAGE_HASH)
		msg->members.hash++;
	else if (kind == DAMAGE_TOTAL && !msg->members.base)
		msg->members.total++;
	else if (kind == DAMAGE_LABEL && msg->members.n)
		e[0].vni++;
	else if (kind == DAMAGE_ORDER && msg->members.n > 1)
		e[1].id = e[0].id;
	else if (kind == DAMAGE_SAME_LABEL && msg->members.n > 1)
		e[1].vni = e[0].vni;
	else if (kind == DAMAGE_OP && msg->members.n && msg->members.base)
		e[0].op = !e[0].op;
}

static void
send_part(struct model *m, struct rcur *c)
{
	struct message msg = { .type = MESSAGE_MEMBERS };
	const struct naive_set *set;
	size_t total, at = 0, first, n;

	msg.members.number = 1 + rcur_u8(c) % HISTORY;
	set = &history[msg.members.number];
	msg.members.hash = hash_of(set, &total);
	msg.members.total = (uint16_t)total;
	first = rcur_u8(c);
	n = rcur_u8(c);
	if (first > total)
		first = total;
	if (n > MESSAGE_MEMBERS_MAX)
		n = MESSAGE_MEMBERS_MAX;
	msg.members.first = (uint16_t)first;
	for (uint32_t nr = FIRST_ID; nr < FIRST_ID + IDS && msg.members.n < n; nr++) {
		if (set->vni[nr] && at++ >= first)
			msg.members.entries[msg.members.n++] = (struct message_member){ id_of(nr),
				MEMBER_ADD, set->vni[nr] };
	}
	do_damage(&msg, rcur_u8(c));
	apply(m, &msg);
}

static void
send_change(struct model *m, struct rcur *c)
{
	struct message msg = { .type = MESSAGE_MEMBERS };
	size_t total;

	msg.members.base = 1 + rcur_u8(c) % HISTORY;
	msg.members.number = 1 + rcur_u8(c) % HISTORY;
	msg.members.hash = hash_of(&history[msg.members.number], &total);
	for (uint32_t nr = FIRST_ID; nr < FIRST_ID + IDS; nr++) {
		uint32_t from = history[msg.members.base].vni[nr];
		uint32_t to = history[msg.members.number].vni[nr];

		if (from == to)
			continue;
		if (msg.members.n == MESSAGE_MEMBERS_MAX)
			return;
		msg.members.entries[msg.members.n++] = (struct message_member){ id_of(nr),
			to ? MEMBER_ADD : MEMBER_REMOVE, to ? to : from };
	}
	msg.members.total = msg.members.n;
	do_damage(&msg, rcur_u8(c));
	apply(m, &msg);
}

static void
forget(void *arg, const struct membership_entry *e, bool joined)
{
	(void)arg;
	(void)e;
	(void)joined;
}

/* Ids beyond those of the model are possible: on a peer of its own. */
static void
send_raw(struct membership_peer *raw, struct rcur *c)
{
	size_t len = rcur_u8(c);
	struct message msg;

	if (len > rcur_left(c))
		len = rcur_left(c);
	if (message_parse(rcur_take(c, len), len, &msg) != MESSAGE_OK_V ||
	    msg.type != MESSAGE_MEMBERS)
		return;
	if (membership_peer_apply(raw, &msg, forget, NULL) == MEMBERSHIP_APPLIED)
		fuzz_saw(CLASS_RAW_APPLIED);
	check(membership_peer_count(raw) <= MEMBERSHIP_TOTAL_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rcur c = rcur_init(data, len);
	struct membership_peer *raw = membership_peer_new();
	static struct model m;

	m = (struct model){ .peer = membership_peer_new() };
	check(m.peer && raw);
	if (!history[HISTORY].vni[FIRST_ID + IDS - 1] && !history[2].vni[FIRST_ID])
		make_history();
	while (rcur_left(&c)) {
		switch (rcur_u8(&c)) {
		case 0:
			send_part(&m, &c);
			break;
		case 1:
			send_change(&m, &c);
			break;
		case 2:
			start_model(&m);
			fuzz_saw(CLASS_RESET);
			break;
		case 3:
			send_raw(raw, &c);
			break;
		}
	}
	membership_peer_reset(m.peer, on_change, &m);
	for (size_t i = 0; i < FIRST_ID + IDS; i++)
		check(!m.called.vni[i]);
	membership_peer_free(m.peer);
	membership_peer_free(raw);
	return 0;
}
