/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/datagram.h"
#include "core/clear.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/ratelimit.h"
#include "core/stats.h"
#include "core/transport.h"
#include "varp/membership.h"
#include "varp/message.h"

/* Who sent the last frame from an address of this hash; every use is checked. */
#define FOUND_MAX 256
static struct assoc *found[FOUND_MAX];
static struct siphash_key found_key;

/* What a peer must echo: nobody who cannot receive at ep knows it. */
static uint64_t
nonce_for(const struct engine *e, uint64_t host_id, const struct endpoint *ep)
{
	static struct siphash_key key;
	struct {
		struct endpoint ep;
		uint32_t zero;
		uint64_t host_id, start;
	} in;
	uint64_t h;

	if (key.k[0] == 0 && key.k[1] == 0)
		random_bytes(&key, sizeof(key));
	memset(&in, 0, sizeof(in));
	in.ep = *ep;
	in.host_id = host_id;
	in.start = e->start;
	h = siphash(&key, &in, sizeof(in));
	return h != 0 ? h : 1;
}

static void
send_message(struct engine *e, uint64_t host_id, const struct endpoint *ep, uint64_t echo,
    const struct message *m)
{
	struct clear_header h = { e->host_id, e->start, nonce_for(e, host_id, ep), echo };
	uint8_t buf[CONTROL_HEADER_LEN + CLEAR_HEADER_LEN + MESSAGE_MAX];
	size_t len = message_write(m, buf + CONTROL_HEADER_LEN + CLEAR_HEADER_LEN, MESSAGE_MAX);

	if (len == 0)
		return;
	clear_write(buf + CONTROL_HEADER_LEN, &h);
	control_write_header(buf, CONTROL_CLEAR, CLEAR_HEADER_LEN + len);
	transport_send(e->transport, ep, buf, CONTROL_HEADER_LEN + CLEAR_HEADER_LEN + len);
}

static struct group *
clear_group(struct engine *e)
{
	for (struct group *g = e->groups.first; g != NULL; g = g->next)
		if (g->suite->id == SUITE_NONE && g->vnets > 0)
			return g;
	return NULL;
}

/*
 * An ECHO, whose answer proves the address; echo: the nonce of the other end, 0 if it is not known
 * yet.
 */
static void
greet(struct engine *e, uint64_t host_id, const struct endpoint *ep, uint64_t echo)
{
	struct group *g = clear_group(e);
	struct message m = { .type = MESSAGE_ECHO };

	if (g == NULL)
		return;
	m.echo.nonce = 1;
	m.echo.number = membership_own_number(g->own);
	m.echo.hash = membership_own_hash(g->own);
	send_message(e, host_id, ep, echo, &m);
}

void
clear_greet(struct engine *e, uint64_t host_id, const struct endpoint *ep)
{
	greet(e, host_id, ep, 0);
}

void
clear_send(struct engine *e, struct assoc *a, const struct message *m)
{
	send_message(e, a->key.host_id, &a->ep, a->clear_nonce, m);
	a->sent = engine_now(e);
	a->tx_packets++;
	stats_count(STAT_MESSAGE_TX);
}

void
clear_forget(void)
{
	memset(found, 0, sizeof(found));
}

static bool
sends_clear_from(const struct assoc *a, const struct endpoint *ep)
{
	return a->up && a->group->suite->id == SUITE_NONE &&
	       (a->plain ? ipaddr_equal(&a->ep.ip, &ep->ip) : endpoint_equal(&a->ep, ep));
}

struct assoc *
clear_by_endpoint(struct engine *e, const struct endpoint *ep)
{
	struct assoc **at = &found[siphash(&found_key, ep, sizeof(*ep)) % FOUND_MAX];
	struct assoc *plain = NULL;

	if (*at != NULL && sends_clear_from(*at, ep))
		return *at;
	for (struct assoc *a = e->assocs.first; a != NULL; a = a->next) {
		if (!sends_clear_from(a, ep))
			continue;
		if (!a->plain)
			return *at = a;
		plain = a;
	}
	return plain != NULL ? (*at = plain) : NULL;
}

void
clear_receive(struct engine *e, const struct endpoint *from, const struct ipaddr *to,
    const uint8_t *body, size_t len)
{
	struct group *g = clear_group(e);
	struct clear_header h;
	struct assoc *a;

	if (!clear_parse(body, len, &h) || g == NULL) {
		stats_count(STAT_CLEAR_REFUSED);
		return;
	}
	if (h.host_id == e->host_id) {
		stats_count(STAT_OWN_MESSAGE);
		return;
	}
	if (h.echo != nonce_for(e, h.host_id, from)) {
		stats_count(STAT_CLEAR_UNPROVEN);
		if (len < CLEAR_HEADER_LEN + MESSAGE_HEADER_LEN + 24 ||
		    !ratelimit_take(e->strangers, &from->ip, engine_now(e)))
			stats_count(STAT_RATE_LIMITED);
		else
			greet(e, h.host_id, from, h.nonce);
		return;
	}
	a = assoc_get(&e->assocs, h.host_id, g, engine_now(e));
	if (a == NULL)
		return;
	a->clear_nonce = h.nonce;
	a->local = *to;
	a->heard = engine_now(e);
	a->rx_packets++;
	if (!a->up || a->peer_start != h.start || !endpoint_equal(&a->ep, from))
		assoc_confirm(&e->assocs, a, h.start, from, engine_now(e));
	exchange_receive(e, a, body + CLEAR_HEADER_LEN, len - CLEAR_HEADER_LEN, from);
}
