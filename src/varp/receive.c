/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the messages of another host do to our claims. */
#include "varp/machine.h"

struct sender {
	uint64_t host;
	void *via;
};

/*
 * Of two claims, the one with the higher counter holds; between equal ones that of the higher host
 * id.
 */
static bool
outranks(uint32_t counter, uint64_t host, uint32_t than_counter, uint64_t than_host)
{
	return counter != than_counter ? counter > than_counter : host > than_host;
}

/*
 * Claims again above counter, if we have fresh evidence of the MAC and did not do so too often: the
 * other's claim may be older than ours and higher only because we did not know of it.
 */
static bool
reclaim(struct varp *v, struct claim *c, uint32_t counter)
{
	if (monotime_diff_ms(v->now, c->claimed) >= VARP_FRESH_MS ||
	    c->reclaims >= VARP_RECLAIMS_MAX || monotime_before(v->now, c->held) ||
	    counter == UINT32_MAX)
		return false;
	v->counters[VARP_C_RECLAIMED]++;
	c->reclaims++;
	c->counter = counter + 1;
	machine_announce(v, c);
	return true;
}

/* A host that acknowledged our claim made its own in the knowledge of it: later. */
static bool
has_acked(const struct varp *v, const struct claim *c, uint64_t host)
{
	return !outbox_find(&v->outbox, &c->key, host);
}

/* Another host claims a vif of ours. True if we yield. */
static bool
contest(struct varp *v, struct claim *c, const struct sender *from, uint32_t counter)
{
	if (!outranks(counter, from->host, c->counter, v->own_host)) {
		machine_announce_to(v, c, from->host);
		return false;
	}
	if (!has_acked(v, c, from->host) && reclaim(v, c, counter))
		return false;
	v->counters[VARP_C_LOST]++;
	machine_take(v, c, from->host, from->via, counter);
	return true;
}

static void
receive_announce(
    struct varp *v, const struct claim_key *key, const struct sender *from, uint32_t counter)
{
	struct claim *c = claims_find(&v->claims, key);

	if (!c) {
		machine_learn(v, key, from->host, from->via, counter);
	} else if (c->host == CLAIM_OURS) {
		if (!contest(v, c, from, counter))
			return; /* our own announcement was the answer */
	} else if (c->host == from->host) {
		if (c->counter < counter)
			c->counter = counter;
		machine_refresh(v, c, from->via);
	} else if (c->state == VARP_FAILED || outranks(counter, from->host, c->counter, c->host)) {
		machine_take(v, c, from->host, from->via, counter);
	} else {
		counter = c->counter; /* tells the sender what it does not know */
	}
	machine_send(v, MESSAGE_ACK, key, from->host, counter);
}

/* An acknowledgement with a higher counter says that our claim was made in ignorance of one. */
static void
receive_ack(
    struct varp *v, const struct claim_key *key, const struct sender *from, uint32_t counter)
{
	struct pending *p = outbox_find(&v->outbox, key, from->host);
	struct claim *c = claims_find(&v->claims, key);

	if (!p || counter < p->counter)
		return;
	outbox_remove(&v->outbox, p);
	if (!c || c->host != CLAIM_OURS || counter <= c->counter || reclaim(v, c, counter))
		return;
	v->counters[VARP_C_LOST]++;
	machine_forget(v, c);
}

/*
 * The answer of one that does not hold the MAC is never lower than the question, so that it always
 * counts.
 */
static void
receive_request(
    struct varp *v, const struct claim_key *key, const struct sender *from, uint32_t counter)
{
	const struct claim *c = claims_find(&v->claims, key);

	if (c && c->host == CLAIM_OURS)
		machine_send(v, MESSAGE_ANNOUNCE, key, from->host, c->counter);
	else if (c && c->counter > counter)
		machine_send(v, MESSAGE_WITHDRAW, key, from->host, c->counter);
	else
		machine_send(v, MESSAGE_WITHDRAW, key, from->host, counter);
}

static void
receive_withdraw(
    struct varp *v, const struct claim_key *key, const struct sender *from, uint32_t counter)
{
	struct claim *c = claims_find(&v->claims, key);

	if (c && c->host == from->host && counter >= c->counter)
		machine_forget(v, c);
	machine_send(v, MESSAGE_ACK, key, from->host, counter);
}

static void
receive_item(struct varp *v, enum message_type type, const struct claim_key *key,
    const struct sender *from, uint32_t counter)
{
	switch (type) {
	case MESSAGE_REQUEST:
		receive_request(v, key, from, counter);
		break;
	case MESSAGE_ANNOUNCE:
		receive_announce(v, key, from, counter);
		break;
	case MESSAGE_WITHDRAW:
		receive_withdraw(v, key, from, counter);
		break;
	case MESSAGE_ACK:
		receive_ack(v, key, from, counter);
		break;
	case MESSAGE_ECHO:
	case MESSAGE_ECHO_REPLY:
	case MESSAGE_MEMBERS:
	case MESSAGE_WANTED:
	case MESSAGE_PATH:
	case MESSAGE_SEEN:
		break; /* not ours to read */
	}
}

void
varp_receive(struct varp *v, enum message_type type, uint32_t vnet, uint64_t host, void *via,
    const struct message_item *items, size_t n, struct monotime now)
{
	struct sender from = { host, via };

	v->now = now;
	if (host == CLAIM_OURS)
		return;
	for (size_t i = 0; i < n; i++) {
		struct claim_key key = claim_key(vnet, &items[i].mac);

		if (!mac_is_multicast(&key.mac) && !mac_is_zero(&key.mac))
			receive_item(v, type, &key, &from, items[i].counter);
	}
}
