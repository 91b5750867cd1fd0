/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "kernel"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/datagram.h"
#include "core/priv_kernel_internal.h"
#include "core/priv_state.h"

#define DUMP_TRIES 8
#define NO_SA_MS   1000

/* fd76:6e65:7400::/64 */
static const uint8_t pseudo6[16] = { 0xfd, 0x76, 0x6e, 0x65, 0x74 };

uint16_t
priv_xfrm_port(enum level level)
{
	return level == LEVEL_AUTH ? VNET_PORT_AUTH : VNET_PORT_CONF;
}

uint32_t
priv_xfrm_number(uint32_t peer)
{
	return FASTPATH_MARK | peer;
}

/* The peer of a number of ours; 0: it is none. */
static uint32_t
peer_of(uint32_t number)
{
	uint32_t peer = number ^ FASTPATH_MARK;

	return peer <= KERNEL_PEERS_MAX ? peer : 0;
}

struct ipaddr
priv_xfrm_pseudo(const struct kernel_peer *p)
{
	struct ipaddr ip = { .family = p->local.family };
	uint32_t be = htonl(p->number);

	if (ip.family == AF_INET)
		return ipaddr_v4(KERNEL_PSEUDO4 + p->number);
	memcpy(ip.b, pseudo6, sizeof(ip.b));
	memcpy(ip.b + 12, &be, sizeof(be));
	return ip;
}

/* --- requests --- */

static int
request(struct priv_kernel *k, struct nlmsghdr *nlh)
{
	return netlink_request(k->xfrm.requests, nlh, NULL, NULL);
}

/* --- policies --- */

/* Frames of a level come in by IPsec only; whose SA it was, the mark says. */
static struct xfrmnl_policy
policy_in(enum level level, uint32_t family)
{
	return (struct xfrmnl_policy){ .family = family, .port = priv_xfrm_port(level) };
}

static struct xfrmnl_policy
policy_out(const struct peer_record *p)
{
	return (struct xfrmnl_policy){
		.out = true,
		.family = p->peer.local.family,
		.src = p->peer.local,
		.dst = priv_xfrm_pseudo(&p->peer),
		.port = priv_xfrm_port(p->suite->level),
		.reqid = priv_xfrm_number(p->peer.number),
		.mode = XFRMNL_BEET,
		.outer_src = p->peer.local,
		.outer_dst = p->peer.remote,
	};
}

static const uint32_t families[] = { AF_INET, AF_INET6 };

static int
set_policies_in(struct priv_kernel *k, struct priv_answer *a)
{
	struct xfrmnl_request r;

	for (enum level level = LEVEL_AUTH; level <= LEVEL_CONF; level++)
		for (size_t i = 0; i < 2; i++) {
			const struct xfrmnl_policy p = policy_in(level, families[i]);
			int err = request(k, xfrmnl_set_policy(&r, &p));

			if (err)
				return priv_kernel_failed(k->xfrm.requests, a, err,
				    "cannot set the inbound policy of UDP port %u", p.port);
		}
	return 0;
}

int
priv_xfrm_add_peer(struct priv_kernel *k, const struct peer_record *p, struct priv_answer *a)
{
	const struct xfrmnl_policy policy = policy_out(p);
	struct xfrmnl_request r;
	int err = request(k, xfrmnl_set_policy(&r, &policy));

	return err ? priv_kernel_failed(k->xfrm.requests, a, err,
			 "cannot set the policy of peer %u", p->peer.number)
		   : 0;
}

/* --- SAs --- */

static struct xfrmnl_id
sa_id(const struct peer_record *p, uint32_t direction, uint32_t spi)
{
	return (struct xfrmnl_id){ .dst = direction == KERNEL_OUT ? p->peer.remote : p->peer.local,
		.spi = spi };
}

static struct sa_record *
find_sa(struct peer_record *p, uint32_t direction, uint32_t spi)
{
	for (size_t i = 0; i < p->n_sas; i++)
		if (p->sas[i].spi == spi && p->sas[i].direction == direction)
			return &p->sas[i];
	return NULL;
}

static int
no_such_sa(const struct priv_kernel_sa *q, struct priv_answer *a)
{
	return privmsg_refuse(a, -ENOENT, "peer %u has no SA %08x", q->peer, q->spi);
}

static struct xfrmnl_sa
describe_sa(const struct peer_record *p, const struct kernel_sa *q)
{
	bool out = q->direction == KERNEL_OUT;
	struct xfrmnl_sa sa = {
		.src = out ? p->peer.local : p->peer.remote,
		.dst = out ? p->peer.remote : p->peer.local,
		.spi = q->spi,
		.reqid = priv_xfrm_number(p->peer.number),
		.suite = p->suite,
		.keymat = q->keymat,
		.port = priv_xfrm_port(p->suite->level),
		.sport = q->sport,
		.dport = q->dport,
		.esn = q->esn,
		.limits = q->limits,
	};

	if (!out) {
		sa.window = q->window;
		sa.seq_in = q->seq;
		sa.mark = sa.reqid;
		return sa;
	}
	sa.mode = XFRMNL_BEET;
	sa.inner_src = p->peer.local;
	sa.inner_dst = priv_xfrm_pseudo(&p->peer);
	sa.window = 32; /* the kernel demands one with ESN */
	sa.seq_out = q->seq;
	return sa;
}

int
priv_xfrm_add_sa(struct priv_kernel *k, const struct kernel_sa *q, struct priv_answer *a)
{
	struct peer_record *p = priv_flows_peer(k, q->peer, a);
	struct xfrmnl_request r;
	struct xfrmnl_sa sa;
	int err;

	if (!p)
		return a->error;
	if (p->suite->level == LEVEL_NONE)
		return privmsg_refuse(a, -EINVAL, "peer %u has no SAs: its level is none", q->peer);
	if (find_sa(p, q->direction, q->spi))
		return privmsg_refuse(a, -EEXIST, "SA %08x of peer %u exists", q->spi, q->peer);
	if (p->n_sas == PATH_SAS_MAX)
		return privmsg_refuse(a, -ENOSPC, "peer %u has %zu SAs", q->peer, p->n_sas);
	sa = describe_sa(p, q);
	err = request(k, xfrmnl_new_sa(&r, &sa));
	explicit_bzero(&r, sizeof(r));
	if (err)
		return priv_kernel_failed(
		    k->xfrm.requests, a, err, "cannot add SA %08x of peer %u", q->spi, q->peer);
	p->sas[p->n_sas++] = (struct sa_record){ .spi = q->spi,
		.direction = (uint8_t)q->direction };
	return 0;
}

int
priv_xfrm_limit_sa(struct priv_kernel *k, const struct priv_kernel_limit *q, struct priv_answer *a)
{
	static const uint8_t no_keys[SUITE_KEYMAT_MAX];
	struct peer_record *p = priv_flows_peer(k, q->sa.peer, a);
	struct xfrmnl_request r;
	struct xfrmnl_sa sa;
	int err;

	if (!p)
		return a->error;
	if (!find_sa(p, q->sa.direction, q->sa.spi))
		return no_such_sa(&q->sa, a);
	sa = (struct xfrmnl_sa){
		.dst = sa_id(p, q->sa.direction, q->sa.spi).dst,
		.spi = q->sa.spi,
		.suite = p->suite,
		.keymat = no_keys,
		.limits = q->limits,
	};
	err = request(k, xfrmnl_limit_sa(&r, &sa));
	return err ? priv_kernel_failed(k->xfrm.requests, a, err,
			 "cannot change the limits of SA %08x of peer %u", q->sa.spi, q->sa.peer)
		   : 0;
}

static void
delete_sa(struct priv_kernel *k, struct peer_record *p, struct sa_record *sa)
{
	const struct xfrmnl_id id = sa_id(p, sa->direction, sa->spi);
	struct xfrmnl_request r;

	/* One that somebody has removed is as good as deleted. */
	request(k, xfrmnl_del_sa(&r, &id));
	*sa = p->sas[--p->n_sas];
}

int
priv_xfrm_del_sa(struct priv_kernel *k, const struct priv_kernel_sa *q, struct priv_answer *a)
{
	struct peer_record *p = priv_flows_peer(k, q->peer, a);
	struct sa_record *sa = p ? find_sa(p, q->direction, q->spi) : NULL;

	if (!p)
		return a->error;
	if (!sa)
		return no_such_sa(q, a);
	delete_sa(k, p, sa);
	return 0;
}

void
priv_xfrm_del_peer(struct priv_kernel *k, struct peer_record *p)
{
	struct xfrmnl_request r;
	struct xfrmnl_policy policy;

	if (p->suite->level == LEVEL_NONE)
		return;
	while (p->n_sas > 0)
		delete_sa(k, p, &p->sas[p->n_sas - 1]);
	policy = policy_out(p);
	request(k, xfrmnl_del_policy(&r, &policy));
}

static void
note_sa(void *arg, const struct nlmsghdr *nlh)
{
	struct xfrmnl_msg m;

	if (xfrmnl_parse(nlh, &m) == XFRMNL_SA)
		memcpy(arg, &m, sizeof(m));
}

int
priv_kernel_count(struct priv_kernel *k, const struct priv_kernel_sa *q, struct kernel_count *out,
    struct priv_answer *a)
{
	struct peer_record *p =
	    k->started
		? priv_flows_peer(k, q->peer, a)
		: (a->error = privmsg_refuse(a, -ESRCH, "the kernel's path is not open"), NULL);
	struct xfrmnl_msg m = { 0 };
	struct xfrmnl_request r;
	struct xfrmnl_id id;
	int err;

	if (!p)
		return a->error;
	id = sa_id(p, q->direction, q->spi);
	err = find_sa(p, q->direction, q->spi)
		  ? netlink_request(k->xfrm.requests, xfrmnl_get_sa(&r, &id), note_sa, &m)
		  : -ESRCH;
	if (err)
		return priv_kernel_failed(
		    k->xfrm.requests, a, err, "cannot count SA %08x of peer %u", q->spi, q->peer);
	*out = (struct kernel_count){
		.packets = m.sa.packets,
		.bytes = m.sa.bytes,
		.seq = q->direction == KERNEL_OUT ? m.sa.seq_out : m.sa.seq_in,
		.refused = m.sa.replayed + m.sa.forged,
	};
	return 0;
}

/* --- events --- */

static bool
tell_of(struct priv_kernel *k, const struct peer_record *p, const struct sa_record *sa)
{
	struct kernel_event ev = { .type = sa->untold - 1,
		.peer = p->peer.number,
		.spi = sa->spi,
		.direction = sa->direction };

	snprintf(ev.text, sizeof(ev.text), "SA %08x of peer %u %s", sa->spi, p->peer.number,
	    sa->lost ? "is gone" : "has reached its soft limit");
	return k->tell(k->arg, &ev);
}

static void
set_untold(struct priv_kernel *k, struct peer_record *p, struct sa_record *sa, uint32_t type)
{
	sa->lost |= type == KERNEL_SA_LOST;
	sa->untold = type + 1;
	if (tell_of(k, p, sa))
		sa->untold = 0;
}

void
priv_xfrm_tell(struct priv_kernel *k)
{
	for (uint32_t number = 1; number <= KERNEL_PEERS_MAX; number++) {
		struct peer_record *p = k->peers[number];

		for (size_t i = 0; p && i < p->n_sas; i++)
			if (p->sas[i].untold)
				set_untold(k, p, &p->sas[i], p->sas[i].untold - 1);
	}
}

/* The SA of the event, if it is ours and still thought to be there. */
static struct sa_record *
sa_of(struct priv_kernel *k, const struct xfrmnl_id *id, struct peer_record **peer)
{
	for (uint32_t number = 1; number <= KERNEL_PEERS_MAX; number++) {
		struct peer_record *p = k->peers[number];

		for (size_t i = 0; p && i < p->n_sas; i++) {
			const struct xfrmnl_id own = sa_id(p, p->sas[i].direction, p->sas[i].spi);

			if (own.spi == id->spi && ipaddr_equal(&own.dst, &id->dst) &&
			    !p->sas[i].lost) {
				*peer = p;
				return &p->sas[i];
			}
		}
	}
	return NULL;
}

static void
tell_no_sa(struct priv_kernel *k, uint32_t number)
{
	struct peer_record *p = number ? k->peers[number] : NULL;

	if (!p ||
	    (monotime_is_set(p->no_sa) && monotime_diff_ms(loop_now(k->loop), p->no_sa) < NO_SA_MS))
		return;
	p->no_sa = loop_now(k->loop);
	priv_kernel_tell(k, KERNEL_NO_SA, number, 0, "no SA to peer %u", number);
}

static void
tell_mapping(struct priv_kernel *k, const struct xfrmnl_msg *m)
{
	uint32_t number = peer_of(m->sa.reqid);

	if (number && k->peers[number])
		priv_kernel_tell(k, KERNEL_NAT_CHANGED, number, m->port,
		    "ESP in UDP of peer %u comes from port %u now", number, m->port);
}

static bool
is_our_port(uint16_t port)
{
	return port == VNET_PORT_AUTH || port == VNET_PORT_CONF;
}

void
priv_xfrm_event(void *arg, const struct nlmsghdr *nlh)
{
	struct priv_kernel *k = arg;
	bool own = nlh->nlmsg_pid == netlink_port(k->xfrm.requests);
	struct peer_record *p;
	struct sa_record *sa;
	struct xfrmnl_msg m;
	enum xfrmnl_verdict v = xfrmnl_parse(nlh, &m);

	if (v == XFRMNL_SA_GONE && k->numbers >= 0 && peer_of(m.sa.reqid) &&
	    m.sa.mark == m.sa.reqid)
		priv_numbers_end(k->numbers, m.sa.id.spi, m.sa.packets > 0 ? m.sa.seq_in : 0);
	if (!k->started)
		return;
	switch (v) {
	case XFRMNL_SA_GONE:
		sa = own ? NULL : sa_of(k, &m.sa.id, &p);
		if (sa)
			set_untold(k, p, sa, KERNEL_SA_LOST);
		break;
	case XFRMNL_EXPIRED:
		sa = peer_of(m.sa.reqid) ? sa_of(k, &m.sa.id, &p) : NULL;
		if (sa)
			set_untold(k, p, sa, m.hard ? KERNEL_SA_LOST : KERNEL_SA_SOFT);
		break;
	case XFRMNL_POLICY:
	case XFRMNL_POLICY_GONE:
		if (!own && is_our_port(m.policy.port))
			priv_kernel_note_gone(k, GONE_POLICY, "an XFRM policy");
		break;
	case XFRMNL_POLICIES_FLUSHED:
		if (!own)
			priv_kernel_note_gone(k, GONE_POLICY, "every XFRM policy");
		break;
	case XFRMNL_SAS_FLUSHED:
		if (!own)
			priv_kernel_note_gone(k, GONE_SA, "every SA");
		break;
	case XFRMNL_ACQUIRE:
		tell_no_sa(k, peer_of(m.policy.reqid));
		break;
	case XFRMNL_MAPPING:
		tell_mapping(k, &m);
		break;
	default:
		break;
	}
}

/* --- repair --- */

int
priv_xfrm_repair(struct priv_kernel *k, struct priv_answer *a)
{
	int err = k->secured ? set_policies_in(k, a) : 0;

	for (uint32_t number = 1; !err && number <= KERNEL_PEERS_MAX; number++) {
		const struct peer_record *p = k->peers[number];

		if (!p || p->suite->level == LEVEL_NONE)
			continue;
		err = priv_xfrm_add_peer(k, p, a);
		priv_kernel_hear_xfrm(k);
	}
	return err;
}

void
priv_xfrm_check_sas(struct priv_kernel *k)
{
	for (uint32_t number = 1; number <= KERNEL_PEERS_MAX; number++) {
		struct peer_record *p = k->peers[number];

		for (size_t i = 0; p && i < p->n_sas; i++) {
			struct sa_record *sa = &p->sas[i];
			const struct xfrmnl_id id = sa_id(p, sa->direction, sa->spi);
			struct xfrmnl_request r;

			if (!sa->lost && request(k, xfrmnl_get_sa(&r, &id)) < 0)
				set_untold(k, p, sa, KERNEL_SA_LOST);
		}
	}
}

/* --- what is left of an earlier run --- */

struct left {
	struct xfrmnl_id *sas;
	struct {
		uint32_t index;
		bool out;
	} * policies;
	size_t n_sas, n_policies;
};

static void
note_left(void *arg, const struct nlmsghdr *nlh)
{
	struct left *l = arg;
	struct xfrmnl_msg m;
	void *more;

	switch (xfrmnl_parse(nlh, &m)) {
	case XFRMNL_SA:
		more = peer_of(m.sa.reqid) ? reallocarray(l->sas, l->n_sas + 1, sizeof(*l->sas))
					   : NULL;
		if (!more)
			return;
		l->sas = more;
		l->sas[l->n_sas++] = m.sa.id;
		return;
	case XFRMNL_POLICY:
		more = peer_of(m.policy.reqid)
			   ? reallocarray(l->policies, l->n_policies + 1, sizeof(*l->policies))
			   : NULL;
		if (!more)
			return;
		l->policies = more;
		l->policies[l->n_policies].index = m.policy.index;
		l->policies[l->n_policies++].out = m.policy.out;
		return;
	default:
		return;
	}
}

typedef struct nlmsghdr *dump_fn(struct xfrmnl_request *r);

static void
dump(struct netlink *xfrm, dump_fn *build, size_t *n, struct left *l)
{
	struct xfrmnl_request r;
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		*n = 0;
		err = netlink_request(xfrm, build(&r), note_left, l);
	}
}

void
priv_xfrm_sweep(struct netlink *xfrm)
{
	struct xfrmnl_request r;
	struct left l = { 0 };

	dump(xfrm, xfrmnl_get_sas, &l.n_sas, &l);
	dump(xfrm, xfrmnl_get_policies, &l.n_policies, &l);
	for (size_t i = 0; i < l.n_sas; i++)
		netlink_request(xfrm, xfrmnl_del_sa(&r, &l.sas[i]), NULL, NULL);
	for (size_t i = 0; i < l.n_policies; i++)
		netlink_request(xfrm,
		    xfrmnl_del_policy_index(&r, l.policies[i].index, l.policies[i].out), NULL,
		    NULL);
	for (enum level level = LEVEL_AUTH; level <= LEVEL_CONF; level++)
		for (size_t i = 0; i < 2; i++) {
			const struct xfrmnl_policy p = policy_in(level, families[i]);

			netlink_request(xfrm, xfrmnl_del_policy(&r, &p), NULL, NULL);
		}
	free(l.sas);
	free(l.policies);
}

int
priv_xfrm_open(struct priv_kernel *k, struct priv_answer *a)
{
	return set_policies_in(k, a);
}
