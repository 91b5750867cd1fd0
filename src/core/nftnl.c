/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/nftnl.h"

/* Before the kernel's header of the same things. */
#include <netinet/in.h>

#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* Behind all others: what they do to a packet comes before. */
#define PRIORITY (INT_MAX - 1)

/*
 * A batch for the three levels is far from the end: table names are ours.
 */
#define ROOM(nlh, batch) (sizeof((batch)->b) - (size_t)((const uint8_t *)(nlh) - (batch)->b))

static struct nlmsghdr *
begin(struct nftnl_batch *b, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(b->b + b->len);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	*nfg = (struct nfgenmsg){
		.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(res_id)
	};
	return nlh;
}

static struct nlmsghdr *
begin_nft(struct nftnl_batch *b, unsigned type, uint16_t flags)
{
	return begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_INET, 0);
}

static void
end(struct nftnl_batch *b, const struct nlmsghdr *nlh)
{
	b->len += MNL_ALIGN(nlh->nlmsg_len);
}

void
nftnl_begin(struct nftnl_batch *b)
{
	memset(b, 0, sizeof(*b));
	end(b, begin(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

void
nftnl_end(struct nftnl_batch *b)
{
	end(b, begin(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

static void
add_table(struct nftnl_batch *b, unsigned type, uint16_t flags, const char *table)
{
	struct nlmsghdr *nlh = begin_nft(b, type, flags);

	mnl_attr_put_strz_check(nlh, ROOM(nlh, b), NFTA_TABLE_NAME, table);
	end(b, nlh);
}

static void
add_chain(struct nftnl_batch *b, const char *table, const char *chain, uint32_t hook)
{
	struct nlmsghdr *nlh = begin_nft(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	struct nlattr *nest;

	mnl_attr_put_strz_check(nlh, ROOM(nlh, b), NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz_check(nlh, ROOM(nlh, b), NFTA_CHAIN_NAME, chain);
	nest = mnl_attr_nest_start_check(nlh, ROOM(nlh, b), NFTA_CHAIN_HOOK);
	mnl_attr_put_u32_check(nlh, ROOM(nlh, b), NFTA_HOOK_HOOKNUM, htonl(hook));
	mnl_attr_put_u32_check(nlh, ROOM(nlh, b), NFTA_HOOK_PRIORITY, htonl(PRIORITY));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_put_u32_check(nlh, ROOM(nlh, b), NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz_check(nlh, ROOM(nlh, b), NFTA_CHAIN_TYPE, "filter");
	end(b, nlh);
}

/* --- the expressions of a rule, by way of register 1 --- */

struct rule {
	struct nftnl_batch *b;
	struct nlmsghdr *nlh;
	struct nlattr *list, *element, *data;
};

static void
begin_expression(struct rule *r, const char *name)
{
	size_t room = ROOM(r->nlh, r->b);

	r->element = mnl_attr_nest_start_check(r->nlh, room, NFTA_LIST_ELEM);
	mnl_attr_put_strz_check(r->nlh, room, NFTA_EXPR_NAME, name);
	r->data = mnl_attr_nest_start_check(r->nlh, room, NFTA_EXPR_DATA);
}

static void
put(struct rule *r, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32_check(r->nlh, ROOM(r->nlh, r->b), type, htonl(value));
}

static void
end_expression(struct rule *r)
{
	mnl_attr_nest_end(r->nlh, r->data);
	mnl_attr_nest_end(r->nlh, r->element);
}

static void
load_meta(struct rule *r, uint32_t key)
{
	begin_expression(r, "meta");
	put(r, NFTA_META_KEY, key);
	put(r, NFTA_META_DREG, NFT_REG_1);
	end_expression(r);
}

static void
load_rt(struct rule *r, uint32_t key)
{
	begin_expression(r, "rt");
	put(r, NFTA_RT_KEY, key);
	put(r, NFTA_RT_DREG, NFT_REG_1);
	end_expression(r);
}

static void
load_transport(struct rule *r, uint32_t offset, uint32_t len)
{
	begin_expression(r, "payload");
	put(r, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put(r, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	put(r, NFTA_PAYLOAD_OFFSET, offset);
	put(r, NFTA_PAYLOAD_LEN, len);
	end_expression(r);
}

static void
demand(struct rule *r, const void *value, size_t len)
{
	size_t room = ROOM(r->nlh, r->b);
	struct nlattr *nest;

	begin_expression(r, "cmp");
	put(r, NFTA_CMP_SREG, NFT_REG_1);
	put(r, NFTA_CMP_OP, NFT_CMP_EQ);
	nest = mnl_attr_nest_start_check(r->nlh, room, NFTA_CMP_DATA);
	mnl_attr_put_check(r->nlh, room, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(r->nlh, nest);
	end_expression(r);
}

static void
demand_u8(struct rule *r, uint8_t value)
{
	demand(r, &value, sizeof(value));
}

static void
demand_port(struct rule *r, uint16_t port)
{
	const uint16_t be = htons(port);

	demand(r, &be, sizeof(be));
}

static void
count(struct rule *r)
{
	begin_expression(r, "counter");
	end_expression(r);
}

static void
decide(struct rule *r, uint32_t verdict_code)
{
	size_t room = ROOM(r->nlh, r->b);
	struct nlattr *data, *verdict;

	begin_expression(r, "immediate");
	put(r, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = mnl_attr_nest_start_check(r->nlh, room, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start_check(r->nlh, room, NFTA_DATA_VERDICT);
	put(r, NFTA_VERDICT_CODE, verdict_code);
	mnl_attr_nest_end(r->nlh, verdict);
	mnl_attr_nest_end(r->nlh, data);
	end_expression(r);
}

static void
begin_rule(
    struct rule *r, struct nftnl_batch *b, const char *table, const char *chain, uint8_t protocol)
{
	struct nlmsghdr *nlh = begin_nft(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);

	*r = (struct rule){ .b = b, .nlh = nlh };
	mnl_attr_put_strz_check(nlh, ROOM(nlh, b), NFTA_RULE_TABLE, table);
	mnl_attr_put_strz_check(nlh, ROOM(nlh, b), NFTA_RULE_CHAIN, chain);
	r->list = mnl_attr_nest_start_check(nlh, ROOM(nlh, b), NFTA_RULE_EXPRESSIONS);
	load_meta(r, NFT_META_L4PROTO);
	demand_u8(r, protocol);
}

static void
end_rule(struct rule *r, uint32_t verdict)
{
	decide(r, verdict);
	mnl_attr_nest_end(r->nlh, r->list);
	end(r->b, r->nlh);
}

static void
end_dropping(struct rule *r)
{
	count(r);
	end_rule(r, NF_DROP);
}

/* meta l4proto esp accept: most packets are of it, and no rule concerns it. */
static void
add_esp_rule(struct nftnl_batch *b, const char *table)
{
	struct rule r;

	begin_rule(&r, b, table, "output", IPPROTO_ESP);
	end_rule(&r, NF_ACCEPT);
}

/* udp sport PORT udp dport PORT rt ipsec missing counter drop */
static void
add_output_rule(struct nftnl_batch *b, const char *table, uint16_t port)
{
	struct rule r;

	begin_rule(&r, b, table, "output", IPPROTO_UDP);
	load_transport(&r, 0, 2);
	demand_port(&r, port);
	load_transport(&r, 2, 2);
	demand_port(&r, port);
	load_rt(&r, NFT_RT_XFRM);
	demand_u8(&r, 0);
	end_dropping(&r);
}

/* udp dport PORT meta ipsec missing counter drop */
static void
add_input_rule(struct nftnl_batch *b, const char *table, uint16_t port)
{
	struct rule r;

	begin_rule(&r, b, table, "input", IPPROTO_UDP);
	load_transport(&r, 2, 2);
	demand_port(&r, port);
	load_meta(&r, NFT_META_SECPATH);
	demand_u8(&r, 0);
	end_dropping(&r);
}

/*
 * icmp type destination-unreachable, quoting udp dport PORT: counter drop. Where an SA has opened a
 * packet for a device that is gone, the kernel sends it back to be read by all.
 */
static void
add_quote_rule(struct nftnl_batch *b, const char *table, uint16_t port, bool ipv6)
{
	const uint32_t quoted = 8, ip_len = ipv6 ? 40 : 20, protocol_at = ipv6 ? 6 : 9;
	struct rule r;

	begin_rule(&r, b, table, "output", ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	load_transport(&r, 0, 1);
	demand_u8(&r, ipv6 ? 1 : 3);
	load_transport(&r, quoted + protocol_at, 1);
	demand_u8(&r, IPPROTO_UDP);
	load_transport(&r, quoted + ip_len + 2, 2);
	demand_port(&r, port);
	end_dropping(&r);
}

void
nftnl_add_removal(struct nftnl_batch *b, const char *table)
{
	/* One that is not there cannot be deleted. */
	add_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, table);
	add_table(b, NFT_MSG_DELTABLE, 0, table);
}

void
nftnl_add_barrier(struct nftnl_batch *b, const char *table, const uint16_t *ports, size_t n_ports)
{
	nftnl_add_removal(b, table);
	add_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, table);
	add_chain(b, table, "output", NF_INET_LOCAL_OUT);
	add_chain(b, table, "input", NF_INET_LOCAL_IN);
	add_esp_rule(b, table);
	for (size_t i = 0; i < n_ports; i++) {
		add_output_rule(b, table, ports[i]);
		add_input_rule(b, table, ports[i]);
		add_quote_rule(b, table, ports[i], false);
		add_quote_rule(b, table, ports[i], true);
	}
}

static int
find_name(const struct nlattr *attr, void *arg)
{
	const char **name = arg;

	/* A table's has the same number in messages of tables, chains and rules. */
	if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		*name = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

bool
nftnl_concerns(const struct nlmsghdr *nlh, const char *table)
{
	const char *name = NULL;

	return nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES &&
	       mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct nfgenmsg) &&
	       mnl_attr_parse(nlh, sizeof(struct nfgenmsg), find_name, &name) == MNL_CB_OK &&
	       name && strcmp(name, table) == 0;
}
