/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/xfrmnl.h"

#include <libmnl/libmnl.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <string.h>

#include "base/netlink.h"

#define PRIORITY 1 /* smaller comes first */
#define ALG_MAX	 SUITE_KEYMAT_MAX
/* A peer behind NAT whose port changes is told of once in so many seconds. */
#define MAPPING_S 5

/* --- building --- */

/* The longest request, an SA, is far from the end. */
#define ROOM sizeof(struct xfrmnl_request)

static struct nlmsghdr *
begin(struct xfrmnl_request *r, uint16_t type, uint16_t flags)
{
	return netlink_begin(r->b, sizeof(r->b), type, flags);
}

static xfrm_address_t
address(const struct ipaddr *ip)
{
	xfrm_address_t a = { 0 };

	memcpy(&a, ip->b, sizeof(ip->b));
	return a;
}

static uint8_t
prefix_len(const struct ipaddr *ip)
{
	return ip->family == 0 ? 0 : ip->family == AF_INET ? 32 : 128;
}

static struct xfrm_selector
selector(uint32_t family, const struct ipaddr *src, const struct ipaddr *dst, uint16_t port)
{
	return (struct xfrm_selector){
		.family = (uint16_t)family,
		.saddr = address(src),
		.daddr = address(dst),
		.prefixlen_s = prefix_len(src),
		.prefixlen_d = prefix_len(dst),
		.proto = IPPROTO_UDP,
		.sport = htons(port),
		.sport_mask = UINT16_MAX,
		.dport = htons(port),
		.dport_mask = UINT16_MAX,
	};
}

static struct xfrm_lifetime_cfg
limits(const struct kernel_limits *l)
{
	return (struct xfrm_lifetime_cfg){
		.soft_byte_limit = l->soft_bytes ? l->soft_bytes : XFRM_INF,
		.hard_byte_limit = l->hard_bytes ? l->hard_bytes : XFRM_INF,
		.soft_packet_limit = l->soft ? l->soft : XFRM_INF,
		.hard_packet_limit = l->hard ? l->hard : XFRM_INF,
	};
}

static uint8_t
mode(enum xfrmnl_mode m)
{
	return m == XFRMNL_BEET ? XFRM_MODE_BEET : XFRM_MODE_TRANSPORT;
}

static void
put_aead(struct nlmsghdr *nlh, const struct xfrmnl_sa *sa)
{
	size_t len = (size_t)sa->suite->enc_key_len + sa->suite->salt_len;
	union {
		struct xfrm_algo_aead a;
		uint8_t b[sizeof(struct xfrm_algo_aead) + ALG_MAX];
	} alg = { .a = { .alg_name = "rfc4106(gcm(aes))",
		      .alg_key_len = (unsigned)len * 8,
		      .alg_icv_len = sa->suite->icv_len * 8u } };

	memcpy(alg.b + sizeof(alg.a), sa->keymat, len);
	mnl_attr_put_check(nlh, ROOM, XFRMA_ALG_AEAD, sizeof(alg.a) + len, &alg);
	explicit_bzero(&alg, sizeof(alg));
}

static void
put_cipher(struct nlmsghdr *nlh, const struct xfrmnl_sa *sa)
{
	size_t len = sa->suite->enc_key_len;
	union {
		struct xfrm_algo a;
		uint8_t b[sizeof(struct xfrm_algo) + ALG_MAX];
	} alg = { .a = { .alg_key_len = (unsigned)len * 8 } };

	strcpy(alg.a.alg_name, len ? "cbc(aes)" : "ecb(cipher_null)");
	memcpy(alg.b + sizeof(alg.a), sa->keymat, len);
	mnl_attr_put_check(nlh, ROOM, XFRMA_ALG_CRYPT, sizeof(alg.a) + len, &alg);
	explicit_bzero(&alg, sizeof(alg));
}

static void
put_integrity(struct nlmsghdr *nlh, const struct xfrmnl_sa *sa)
{
	size_t len = sa->suite->auth_key_len;
	union {
		struct xfrm_algo_auth a;
		uint8_t b[sizeof(struct xfrm_algo_auth) + ALG_MAX];
	} alg = { .a = { .alg_key_len = (unsigned)len * 8,
		      .alg_trunc_len = sa->suite->icv_len * 8u } };

	strcpy(alg.a.alg_name, len == 20 ? "hmac(sha1)" : "hmac(sha256)");
	memcpy(alg.b + sizeof(alg.a), sa->keymat + sa->suite->enc_key_len, len);
	mnl_attr_put_check(nlh, ROOM, XFRMA_ALG_AUTH_TRUNC, sizeof(alg.a) + len, &alg);
	explicit_bzero(&alg, sizeof(alg));
}

/* Also without ESN: windows of more than 32 packets have no other place. */
static void
put_replay(struct nlmsghdr *nlh, const struct xfrmnl_sa *sa)
{
	uint32_t words = (sa->window + 31) / 32;
	union {
		struct xfrm_replay_state_esn e;
		uint8_t b[sizeof(struct xfrm_replay_state_esn) + XFRMA_REPLAY_ESN_MAX / 8];
	} state = { .e = { .bmp_len = words,
			.replay_window = sa->window,
			.seq = (uint32_t)sa->seq_in,
			.seq_hi = (uint32_t)(sa->seq_in >> 32),
			.oseq = (uint32_t)sa->seq_out,
			.oseq_hi = (uint32_t)(sa->seq_out >> 32) } };

	/* What came before is not known: all of it counts as seen. */
	if (sa->seq_in)
		memset(state.b + sizeof(state.e), 0xff, words * 4);
	mnl_attr_put_check(nlh, ROOM, XFRMA_REPLAY_ESN_VAL, sizeof(state.e) + words * 4, &state);
}

static void
put_encap(struct nlmsghdr *nlh, const struct xfrmnl_sa *sa)
{
	const struct xfrm_encap_tmpl t = { .encap_type = UDP_ENCAP_ESPINUDP,
		.encap_sport = htons(sa->sport),
		.encap_dport = htons(sa->dport) };

	mnl_attr_put_check(nlh, ROOM, XFRMA_ENCAP, sizeof(t), &t);
	if (sa->mark)
		mnl_attr_put_u32_check(nlh, ROOM, XFRMA_MTIMER_THRESH, MAPPING_S);
}

static struct nlmsghdr *
put_sa(struct nlmsghdr *nlh, const struct xfrmnl_sa *sa)
{
	struct xfrm_usersa_info *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->sel = selector(sa->dst.family, &sa->inner_src, &sa->inner_dst, sa->port);
	info->id = (struct xfrm_id){
		.daddr = address(&sa->dst), .spi = htonl(sa->spi), .proto = IPPROTO_ESP
	};
	info->saddr = address(&sa->src);
	info->lft = limits(&sa->limits);
	info->reqid = sa->reqid;
	info->family = (uint16_t)sa->dst.family;
	info->mode = mode(sa->mode);
	info->flags = sa->esn ? XFRM_STATE_ESN : 0;
	if (sa->suite->auth_key_len == 0) {
		put_aead(nlh, sa);
	} else {
		put_cipher(nlh, sa);
		put_integrity(nlh, sa);
	}
	put_replay(nlh, sa);
	if (sa->dport)
		put_encap(nlh, sa);
	if (sa->mark)
		mnl_attr_put_u32_check(nlh, ROOM, XFRMA_SET_MARK, sa->mark);
	return nlh;
}

struct nlmsghdr *
xfrmnl_new_sa(struct xfrmnl_request *r, const struct xfrmnl_sa *sa)
{
	return put_sa(begin(r, XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL), sa);
}

struct nlmsghdr *
xfrmnl_limit_sa(struct xfrmnl_request *r, const struct xfrmnl_sa *sa)
{
	return put_sa(begin(r, XFRM_MSG_UPDSA, 0), sa);
}

static struct nlmsghdr *
name_sa(struct xfrmnl_request *r, uint16_t type, const struct xfrmnl_id *id)
{
	struct nlmsghdr *nlh = begin(r, type, 0);
	struct xfrm_usersa_id *q = mnl_nlmsg_put_extra_header(nlh, sizeof(*q));

	q->daddr = address(&id->dst);
	q->spi = htonl(id->spi);
	q->family = (uint16_t)id->dst.family;
	q->proto = IPPROTO_ESP;
	return nlh;
}

struct nlmsghdr *
xfrmnl_del_sa(struct xfrmnl_request *r, const struct xfrmnl_id *id)
{
	return name_sa(r, XFRM_MSG_DELSA, id);
}

struct nlmsghdr *
xfrmnl_get_sa(struct xfrmnl_request *r, const struct xfrmnl_id *id)
{
	return name_sa(r, XFRM_MSG_GETSA, id);
}

struct nlmsghdr *
xfrmnl_get_sas(struct xfrmnl_request *r)
{
	return begin(r, XFRM_MSG_GETSA, NLM_F_DUMP);
}

static uint8_t
direction(bool out)
{
	return out ? XFRM_POLICY_OUT : XFRM_POLICY_IN;
}

/* What comes in has to be sealed whatever port it is from. */
static struct xfrm_selector
policy_selector(const struct xfrmnl_policy *p)
{
	struct xfrm_selector sel = selector(p->family, &p->src, &p->dst, p->port);

	if (!p->out)
		sel.sport = sel.sport_mask = 0;
	return sel;
}

struct nlmsghdr *
xfrmnl_set_policy(struct xfrmnl_request *r, const struct xfrmnl_policy *p)
{
	struct nlmsghdr *nlh = begin(r, XFRM_MSG_UPDPOLICY, NLM_F_CREATE);
	struct xfrm_userpolicy_info *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	const struct xfrm_user_tmpl t = {
		.id = { .daddr = address(&p->outer_dst), .proto = IPPROTO_ESP },
		.family = (uint16_t)p->family,
		.saddr = address(&p->outer_src),
		.reqid = p->reqid,
		.mode = mode(p->mode),
		.aalgos = UINT32_MAX,
		.ealgos = UINT32_MAX,
		.calgos = UINT32_MAX,
	};

	info->sel = policy_selector(p);
	info->lft = limits(&(struct kernel_limits){ 0 });
	info->priority = PRIORITY;
	info->dir = direction(p->out);
	info->action = XFRM_POLICY_ALLOW;
	mnl_attr_put_check(nlh, ROOM, XFRMA_TMPL, sizeof(t), &t);
	return nlh;
}

struct nlmsghdr *
xfrmnl_del_policy(struct xfrmnl_request *r, const struct xfrmnl_policy *p)
{
	struct nlmsghdr *nlh = begin(r, XFRM_MSG_DELPOLICY, 0);
	struct xfrm_userpolicy_id *id = mnl_nlmsg_put_extra_header(nlh, sizeof(*id));

	id->sel = policy_selector(p);
	id->dir = direction(p->out);
	return nlh;
}

struct nlmsghdr *
xfrmnl_del_policy_index(struct xfrmnl_request *r, uint32_t index, bool out)
{
	struct nlmsghdr *nlh = begin(r, XFRM_MSG_DELPOLICY, 0);
	struct xfrm_userpolicy_id *id = mnl_nlmsg_put_extra_header(nlh, sizeof(*id));

	id->index = index;
	id->dir = direction(out);
	return nlh;
}

struct nlmsghdr *
xfrmnl_get_policies(struct xfrmnl_request *r)
{
	return begin(r, XFRM_MSG_GETPOLICY, NLM_F_DUMP);
}

/* --- parsing --- */

/* The first attribute of a type behind the fixed part, *found NULL without one. */
static bool
find_attr(const struct nlmsghdr *nlh, size_t fixed, unsigned type, const struct nlattr **found)
{
	const char *at = mnl_nlmsg_get_payload_offset(nlh, fixed),
		   *end = mnl_nlmsg_get_payload_tail(nlh);
	const struct nlattr *attr = (const void *)at;

	*found = NULL;
	while ((const char *)attr < end && mnl_attr_ok(attr, (int)(end - (const char *)attr))) {
		if (!*found && mnl_attr_get_type(attr) == type)
			*found = attr;
		attr = mnl_attr_next(attr);
	}
	return (const char *)attr >= end;
}

/* The fixed part, copied out of a message that may lie anywhere. */
static bool
take_fixed(const struct nlmsghdr *nlh, void *out, size_t len)
{
	if (mnl_nlmsg_get_payload_len(nlh) < len)
		return false;
	memcpy(out, mnl_nlmsg_get_payload(nlh), len);
	return true;
}

static struct xfrmnl_id
sa_id(const xfrm_address_t *dst, uint16_t family, __be32 spi)
{
	struct xfrmnl_id id = { .spi = ntohl(spi) };

	id.dst.family = family;
	memcpy(id.dst.b, dst, family == AF_INET ? 4 : sizeof(id.dst.b));
	return id;
}

static void
take_sa(const struct xfrm_usersa_info *info, struct xfrmnl_msg *m)
{
	m->sa.id = sa_id(&info->id.daddr, info->family, info->id.spi);
	m->sa.reqid = info->reqid;
	m->sa.packets = info->curlft.packets;
	m->sa.bytes = info->curlft.bytes;
	m->sa.replayed = info->stats.replay_window + info->stats.replay;
	m->sa.forged = info->stats.integrity_failed;
}

/* What stands behind the fixed part. */
static bool
take_sa_attrs(const struct nlmsghdr *nlh, size_t fixed, struct xfrmnl_msg *m)
{
	struct xfrm_replay_state_esn e;
	const struct nlattr *attr;

	if (!find_attr(nlh, fixed, XFRMA_SET_MARK, &attr) ||
	    (attr && mnl_attr_get_payload_len(attr) < sizeof(m->sa.mark)))
		return false;
	if (attr)
		memcpy(&m->sa.mark, mnl_attr_get_payload(attr), sizeof(m->sa.mark));
	if (!find_attr(nlh, fixed, XFRMA_REPLAY_ESN_VAL, &attr) ||
	    (attr && mnl_attr_get_payload_len(attr) < sizeof(e)))
		return false;
	if (!attr)
		return true;
	memcpy(&e, mnl_attr_get_payload(attr), sizeof(e));
	m->sa.seq_in = (uint64_t)e.seq_hi << 32 | e.seq;
	m->sa.seq_out = (uint64_t)e.oseq_hi << 32 | e.oseq;
	return true;
}

static enum xfrmnl_verdict
parse_sa(const struct nlmsghdr *nlh, struct xfrmnl_msg *m)
{
	struct xfrm_usersa_info info;

	if (!take_fixed(nlh, &info, sizeof(info)))
		return XFRMNL_SHORT;
	if (!take_sa_attrs(nlh, sizeof(info), m))
		return XFRMNL_BAD_ATTR;
	take_sa(&info, m);
	return XFRMNL_SA;
}

static enum xfrmnl_verdict
parse_sa_gone(const struct nlmsghdr *nlh, struct xfrmnl_msg *m)
{
	struct xfrm_usersa_info info;
	struct xfrm_usersa_id id;
	const struct nlattr *attr;

	if (!take_fixed(nlh, &id, sizeof(id)))
		return XFRMNL_SHORT;
	if (!take_sa_attrs(nlh, sizeof(id), m) || !find_attr(nlh, sizeof(id), XFRMA_SA, &attr) ||
	    (attr && mnl_attr_get_payload_len(attr) < sizeof(info)))
		return XFRMNL_BAD_ATTR;
	if (attr) {
		memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
		take_sa(&info, m);
	}
	m->sa.id = sa_id(&id.daddr, id.family, id.spi);
	return XFRMNL_SA_GONE;
}

static enum xfrmnl_verdict
parse_expired(const struct nlmsghdr *nlh, struct xfrmnl_msg *m)
{
	struct xfrm_user_expire e;

	if (!take_fixed(nlh, &e, sizeof(e)))
		return XFRMNL_SHORT;
	take_sa(&e.state, m);
	m->hard = e.hard != 0;
	return XFRMNL_EXPIRED;
}

static void
take_policy(const struct xfrm_userpolicy_info *info, struct xfrmnl_msg *m)
{
	m->policy.index = info->index;
	m->policy.out = info->dir == XFRM_POLICY_OUT;
	m->policy.port = ntohs(info->sel.dport);
}

/* fixed: of the message, in front of its attributes. */
static bool
take_reqid(const struct nlmsghdr *nlh, size_t fixed, struct xfrmnl_msg *m)
{
	const struct nlattr *attr;
	struct xfrm_user_tmpl t;

	if (!find_attr(nlh, fixed, XFRMA_TMPL, &attr) ||
	    (attr && mnl_attr_get_payload_len(attr) < sizeof(t)))
		return false;
	if (!attr)
		return true;
	memcpy(&t, mnl_attr_get_payload(attr), sizeof(t));
	m->policy.reqid = t.reqid;
	return true;
}

static enum xfrmnl_verdict
parse_policy(const struct nlmsghdr *nlh, struct xfrmnl_msg *m)
{
	struct xfrm_userpolicy_info info;

	if (!take_fixed(nlh, &info, sizeof(info)))
		return XFRMNL_SHORT;
	if (!take_reqid(nlh, sizeof(info), m))
		return XFRMNL_BAD_ATTR;
	take_policy(&info, m);
	return XFRMNL_POLICY;
}

static enum xfrmnl_verdict
parse_policy_gone(const struct nlmsghdr *nlh, struct xfrmnl_msg *m)
{
	struct xfrm_userpolicy_info info;
	struct xfrm_userpolicy_id id;
	const struct nlattr *attr;

	if (!take_fixed(nlh, &id, sizeof(id)))
		return XFRMNL_SHORT;
	if (!find_attr(nlh, sizeof(id), XFRMA_POLICY, &attr) ||
	    (attr && mnl_attr_get_payload_len(attr) < sizeof(info)))
		return XFRMNL_BAD_ATTR;
	if (!attr)
		return XFRMNL_OTHER;
	memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
	take_policy(&info, m);
	return XFRMNL_POLICY_GONE;
}

static enum xfrmnl_verdict
parse_acquire(const struct nlmsghdr *nlh, struct xfrmnl_msg *m)
{
	struct xfrm_user_acquire a;

	if (!take_fixed(nlh, &a, sizeof(a)))
		return XFRMNL_SHORT;
	if (!take_reqid(nlh, sizeof(a), m))
		return XFRMNL_BAD_ATTR;
	take_policy(&a.policy, m);
	return XFRMNL_ACQUIRE;
}

static enum xfrmnl_verdict
parse_mapping(const struct nlmsghdr *nlh, struct xfrmnl_msg *m)
{
	struct xfrm_user_mapping p;

	if (!take_fixed(nlh, &p, sizeof(p)))
		return XFRMNL_SHORT;
	m->sa.id = sa_id(&p.id.daddr, p.id.family, p.id.spi);
	m->sa.reqid = p.reqid;
	m->port = ntohs(p.new_sport);
	return XFRMNL_MAPPING;
}

static enum xfrmnl_verdict
parse(const struct nlmsghdr *nlh, struct xfrmnl_msg *m)
{
	switch (nlh->nlmsg_type) {
	case XFRM_MSG_NEWSA:
	case XFRM_MSG_UPDSA:
		return parse_sa(nlh, m);
	case XFRM_MSG_DELSA:
		return parse_sa_gone(nlh, m);
	case XFRM_MSG_EXPIRE:
		return parse_expired(nlh, m);
	case XFRM_MSG_NEWPOLICY:
	case XFRM_MSG_UPDPOLICY:
		return parse_policy(nlh, m);
	case XFRM_MSG_DELPOLICY:
		return parse_policy_gone(nlh, m);
	case XFRM_MSG_FLUSHSA:
		return XFRMNL_SAS_FLUSHED;
	case XFRM_MSG_FLUSHPOLICY:
		return XFRMNL_POLICIES_FLUSHED;
	case XFRM_MSG_ACQUIRE:
		return parse_acquire(nlh, m);
	case XFRM_MSG_MAPPING:
		return parse_mapping(nlh, m);
	default:
		return XFRMNL_OTHER;
	}
}

enum xfrmnl_verdict
xfrmnl_parse(const struct nlmsghdr *nlh, struct xfrmnl_msg *out)
{
	enum xfrmnl_verdict v;
	struct xfrmnl_msg m;

	memset(&m, 0, sizeof(m));
	v = parse(nlh, &m);
	if (v < XFRMNL_OTHER)
		memcpy(out, &m, sizeof(m));
	return v;
}
