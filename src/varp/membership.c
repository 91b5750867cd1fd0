/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/membership.h"

#include <stdlib.h>

#include "varp/memberset.h"

/*
 * As many changes are remembered as fit one message; change i made number i, and is at i modulo
 * this.
 */
#define LOG_SIZE MESSAGE_MEMBERS_MAX

struct membership_own {
	struct memberset set;
	uint64_t number;
	struct message_member log[LOG_SIZE];
};

struct membership_own *
membership_own_new(void)
{
	struct membership_own *m = calloc(1, sizeof(*m));

	if (m)
		m->number = 1;
	return m;
}

void
membership_own_free(struct membership_own *m)
{
	if (!m)
		return;
	memberset_fini(&m->set);
	free(m);
}

static void
log_change(struct membership_own *m, enum member_op op, const struct membership_entry *e)
{
	m->number++;
	m->log[m->number % LOG_SIZE] =
	    (struct message_member){ .id = e->id, .op = op, .vni = e->vni };
}

int
membership_own_add(struct membership_own *m, const struct vnetid *id, uint32_t vni)
{
	const struct membership_entry *old = memberset_find(&m->set, id);
	struct membership_entry e = { .id = *id, .vni = vni };

	if (old && old->vni == vni)
		return 0;

	int err = memberset_put(&m->set, &e);

	if (err < 0)
		return err;
	log_change(m, MEMBER_ADD, &e);
	return 0;
}

bool
membership_own_remove(struct membership_own *m, const struct vnetid *id)
{
	const struct membership_entry *e = memberset_find(&m->set, id);

	if (!e)
		return false;
	log_change(m, MEMBER_REMOVE, e);
	return memberset_remove(&m->set, id);
}

uint64_t
membership_own_number(const struct membership_own *m)
{
	return m->number;
}

uint64_t
membership_own_hash(const struct membership_own *m)
{
	return memberset_hash(&m->set);
}

size_t
membership_own_count(const struct membership_own *m)
{
	return m->set.n;
}

/* Number 1 is the empty set, so a log that is not full yet reaches back to it. */
static bool
log_reaches(const struct membership_own *m, uint64_t have)
{
	return have && have < m->number && m->number - have <= LOG_SIZE;
}

static void
write_change(const struct membership_own *m, uint64_t have, struct message *out)
{
	uint16_t n = (uint16_t)(m->number - have);

	out->members.base = have;
	out->members.total = n;
	out->members.n = n;
	for (uint16_t i = 0; i < n; i++)
		out->members.entries[i] = m->log[(have + 1 + i) % LOG_SIZE];
}

static void
write_part(const struct membership_own *m, size_t first, struct message *out)
{
	size_t left = m->set.n - first;

	out->members.total = (uint16_t)m->set.n;
	out->members.first = (uint16_t)first;
	out->members.n = (uint16_t)(left < MESSAGE_MEMBERS_MAX ? left : MESSAGE_MEMBERS_MAX);
	for (size_t i = 0; i < out->members.n; i++) {
		const struct membership_entry *e = &m->set.entries[first + i];

		out->members.entries[i] =
		    (struct message_member){ .id = e->id, .op = MEMBER_ADD, .vni = e->vni };
	}
}

bool
membership_own_next(const struct membership_own *m, uint64_t have, size_t *pos, struct message *out)
{
	if (have == m->number || (*pos && *pos >= m->set.n))
		return false;
	*out = (struct message){ .type = MESSAGE_MEMBERS };
	out->members.number = m->number;
	out->members.hash = memberset_hash(&m->set);
	if (!*pos && log_reaches(m, have)) {
		write_change(m, have, out);
		*pos = SIZE_MAX;
		return true;
	}
	write_part(m, *pos, out);
	*pos += out->members.n ? out->members.n : 1;
	return true;
}

/* A full set whose parts are still coming in. */
struct assembly {
	uint64_t number; /* 0: none */
	uint64_t hash;
	struct memberset set; /* n is the announced total */
	bool *have;
	size_t n_have;
};

struct membership_peer {
	uint64_t number;
	uint64_t hash;
	struct memberset set;
	struct assembly next;
};

struct membership_peer *
membership_peer_new(void)
{
	return calloc(1, sizeof(struct membership_peer));
}

static void
assembly_drop(struct assembly *a)
{
	memberset_fini(&a->set);
	free(a->have);
	*a = (struct assembly){ 0 };
}

static bool
assembly_start(struct assembly *a, const struct message *m)
{
	assembly_drop(a);
	a->have = calloc(m->members.total + 1u, sizeof(*a->have));
	if (!a->have || memberset_reserve(&a->set, m->members.total) < 0) {
		assembly_drop(a);
		return false;
	}
	a->number = m->members.number;
	a->hash = m->members.hash;
	a->set.n = m->members.total;
	return true;
}

/* False if it contradicts what came before. */
static bool
assembly_add(struct assembly *a, const struct message *m)
{
	if (m->members.hash != a->hash || m->members.total != a->set.n)
		return false;
	for (size_t i = 0; i < m->members.n; i++) {
		const struct message_member *from = &m->members.entries[i];
		size_t at = m->members.first + i;
		struct membership_entry *to = &a->set.entries[at];

		if (a->have[at] && (!vnetid_equal(&to->id, &from->id) || to->vni != from->vni))
			return false;
		*to = (struct membership_entry){ .id = from->id, .vni = from->vni };
		a->n_have += !a->have[at];
		a->have[at] = true;
	}
	return true;
}

/* Calls fn for the entries of set that other lacks or, if they joined, has under another label. */
static void
tell_difference(const struct memberset *set, const struct memberset *other, bool joined,
    membership_change_fn *fn, void *arg)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct membership_entry *e = &set->entries[i];
		const struct membership_entry *same = memberset_find(other, &e->id);

		if (!same || (joined && same->vni != e->vni))
			fn(arg, e, joined);
	}
}

/* Makes set (consumed) the peer's set, if it is what the hash says. */
static enum membership_verdict
commit(struct membership_peer *p, struct memberset set, const struct message *m,
    membership_change_fn *fn, void *arg)
{
	struct memberset old = p->set;

	if (!memberset_is_sound(&set) || memberset_hash(&set) != m->members.hash) {
		memberset_fini(&set);
		return MEMBERSHIP_BAD;
	}
	p->set = set;
	p->number = m->members.number;
	p->hash = m->members.hash;
	if (p->next.number <= p->number)
		assembly_drop(&p->next);
	/* Those left come first, so that a label may pass from one vnet to another. */
	tell_difference(&old, &p->set, false, fn, arg);
	tell_difference(&p->set, &old, true, fn, arg);
	memberset_fini(&old);
	return MEMBERSHIP_APPLIED;
}

static enum membership_verdict
apply_part(struct membership_peer *p, const struct message *m, membership_change_fn *fn, void *arg)
{
	struct assembly *a = &p->next;

	if (m->members.number < p->number || m->members.number < a->number ||
	    (m->members.number == p->number && m->members.hash == p->hash))
		return MEMBERSHIP_STALE;
	if (m->members.number > a->number && !assembly_start(a, m))
		return MEMBERSHIP_BAD;
	if (!assembly_add(a, m)) {
		assembly_drop(a);
		return MEMBERSHIP_BAD;
	}
	if (a->n_have < a->set.n)
		return MEMBERSHIP_PARTIAL;

	struct memberset set = a->set;

	a->set = (struct memberset){ 0 };
	assembly_drop(a);
	return commit(p, set, m, fn, arg);
}

static bool
change_set(struct memberset *set, const struct message *m)
{
	for (size_t i = 0; i < m->members.n; i++) {
		const struct message_member *change = &m->members.entries[i];
		struct membership_entry e = { .id = change->id, .vni = change->vni };

		if (change->op == MEMBER_REMOVE ? !memberset_remove(set, &e.id)
						: memberset_put(set, &e) < 0)
			return false;
	}
	return true;
}

static enum membership_verdict
apply_change(
    struct membership_peer *p, const struct message *m, membership_change_fn *fn, void *arg)
{
	struct memberset set;

	if (m->members.number <= p->number)
		return MEMBERSHIP_STALE;
	if (m->members.base != p->number)
		return MEMBERSHIP_GAP;
	if (memberset_copy(&p->set, &set) < 0)
		return MEMBERSHIP_BAD;
	if (!change_set(&set, m)) {
		memberset_fini(&set);
		return MEMBERSHIP_BAD;
	}
	return commit(p, set, m, fn, arg);
}

enum membership_verdict
membership_peer_apply(
    struct membership_peer *p, const struct message *m, membership_change_fn *fn, void *arg)
{
	return m->members.base ? apply_change(p, m, fn, arg) : apply_part(p, m, fn, arg);
}

bool
membership_peer_differs(const struct membership_peer *p, uint64_t number, uint64_t hash)
{
	return p->number != number || p->hash != hash;
}

uint64_t
membership_peer_number(const struct membership_peer *p)
{
	return p->number;
}

void
membership_peer_reset(struct membership_peer *p, membership_change_fn *fn, void *arg)
{
	static const struct memberset empty;
	struct memberset old = p->set;

	assembly_drop(&p->next);
	*p = (struct membership_peer){ 0 };
	tell_difference(&old, &empty, false, fn, arg);
	memberset_fini(&old);
}

void
membership_peer_free(struct membership_peer *p)
{
	if (!p)
		return;
	memberset_fini(&p->set);
	assembly_drop(&p->next);
	free(p);
}

size_t
membership_peer_count(const struct membership_peer *p)
{
	return p->set.n;
}

const struct membership_entry *
membership_peer_find(const struct membership_peer *p, const struct vnetid *id)
{
	return memberset_find(&p->set, id);
}
