/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "kernel"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/datagram.h"
#include "base/log.h"
#include "core/priv_kernel_internal.h"

#define VNETS_MAX	8192
#define MEMBERS_MAX	65536 /* of a peer */
#define ROUTES_AT_ONCE	512   /* looked at in one patrol */
#define VNET_HEADER_LEN 10    /* of a TAP's frames; zero: nothing is left to do */
#define MAP_REFUSED(a, err, what) \
	privmsg_refuse(a, err, "cannot change " what ": %s", strerrordesc_np(-(err)))

_Static_assert(FASTPATH_PEERS == KERNEL_PEERS_MAX + 1, "the programs' idea of numbers");
_Static_assert(FASTPATH_SLOTS == KERNEL_SLOTS_MAX, "the programs' idea of slots");
_Static_assert(sizeof(struct fastpath_slot) == sizeof(struct kernel_slot), "and of one");
_Static_assert(sizeof(struct fastpath_drops) == sizeof(struct fastpath_slot) &&
		   sizeof(struct kernel_drops) <= sizeof(struct fastpath_drops),
    "drops fill one slot");

/* --- open and close --- */

int
priv_flows_open(struct priv_kernel *k, struct priv_answer *a)
{
	if (!k->flows)
		k->flows = calloc(KERNEL_SLOTS_MAX, sizeof(*k->flows));
	if (!k->flows)
		return privmsg_refuse(a, -ENOMEM, "no memory for flows");
	fastpath_clear_slots(k->programs);
	return 0;
}

static void
drop_flow(struct priv_kernel *k, struct flow_record *f)
{
	fastpath_delete_flow(k->programs, &f->key);
	*f = (struct flow_record){ 0 };
}

void
priv_flows_close(struct priv_kernel *k)
{
	struct priv_answer a;

	while (k->n_vnets > 0)
		priv_flows_del_vnet(k, k->vnets[k->n_vnets - 1].ifname, &a);
	for (uint32_t number = 1; number <= KERNEL_PEERS_MAX; number++)
		if (k->peers[number])
			priv_flows_del_peer(k, number, &a);
	for (size_t slot = 0; k->flows && slot < KERNEL_SLOTS_MAX; slot++)
		if (k->flows[slot].key.ifindex)
			drop_flow(k, &k->flows[slot]);
	free(k->vnets);
	k->vnets = NULL;
}

/* --- vnets --- */

static struct vnet_record *
find_vnet(struct priv_kernel *k, const char *ifname)
{
	for (size_t i = 0; i < k->n_vnets; i++)
		if (strcmp(k->vnets[i].ifname, ifname) == 0)
			return &k->vnets[i];
	return NULL;
}

static uint32_t
vnet_ifindex(struct priv_kernel *k, const char *ifname, struct priv_answer *a)
{
	const struct vnet_record *v = find_vnet(k, ifname);

	if (!v)
		a->error = privmsg_refuse(
		    a, -ENOENT, "the kernel's path does not have device \"%s\"", ifname);
	return v ? v->ifindex : 0;
}

int
priv_flows_add_vnet(struct priv_kernel *k, const char *ifname, struct priv_answer *a)
{
	struct vnet_record *v;
	uint32_t ifindex;
	int err = priv_link_ifindex(k->link, ifname, &ifindex, a);

	if (err)
		return err;
	v = find_vnet(k, ifname);
	if (v && v->ifindex == ifindex)
		return 0;
	if (v)
		priv_flows_forget_vnet(k, v->ifindex);
	if (k->n_vnets == VNETS_MAX)
		return privmsg_refuse(a, -ENOSPC, "the kernel's path has %d devices", VNETS_MAX);
	v = reallocarray(k->vnets, k->n_vnets + 1, sizeof(*v));
	if (!v)
		return privmsg_refuse(a, -ENOMEM, "no memory for device \"%s\"", ifname);
	k->vnets = v;
	err = priv_path_set_program(k, ifindex, true, FASTPATH_TO_PEER, a);
	if (err)
		return err;
	v += k->n_vnets++;
	*v = (struct vnet_record){ .ifindex = ifindex };
	strcpy(v->ifname, ifname);
	return 0;
}

/* The members and flows of a device. */
static void
drop_device(struct priv_kernel *k, uint32_t ifindex)
{
	for (size_t slot = 0; slot < KERNEL_SLOTS_MAX; slot++)
		if (k->flows[slot].key.ifindex == ifindex)
			drop_flow(k, &k->flows[slot]);
	for (uint32_t number = 1; number <= KERNEL_PEERS_MAX; number++) {
		struct peer_record *p = k->peers[number];

		for (size_t i = p ? p->n_members : 0; i-- > 0;) {
			const struct priv_kernel_member q = { number, p->members[i].vni };
			struct priv_answer a;

			if (p->members[i].ifindex == ifindex)
				priv_flows_del_member(k, &q, &a);
		}
	}
}

void
priv_flows_forget_vnet(struct priv_kernel *k, uint32_t ifindex)
{
	for (size_t i = 0; i < k->n_vnets; i++) {
		if (k->vnets[i].ifindex != ifindex)
			continue;
		drop_device(k, ifindex);
		k->vnets[i] = k->vnets[--k->n_vnets];
		return;
	}
}

int
priv_flows_del_vnet(struct priv_kernel *k, const char *ifname, struct priv_answer *a)
{
	const struct vnet_record *v = find_vnet(k, ifname);

	if (!v)
		return privmsg_refuse(
		    a, -ENOENT, "the kernel's path does not have device \"%s\"", ifname);
	priv_path_del_program(k->route.requests, v->ifindex);
	priv_flows_forget_vnet(k, v->ifindex);
	return 0;
}

int
priv_flows_repair(struct priv_kernel *k, struct priv_answer *a)
{
	int err = 0;

	for (size_t i = 0; !err && i < k->n_vnets; i++)
		err = priv_path_set_program(k, k->vnets[i].ifindex, true, FASTPATH_TO_PEER, a);
	return err;
}

/* --- peers --- */

struct peer_record *
priv_flows_peer(struct priv_kernel *k, uint32_t number, struct priv_answer *a)
{
	struct peer_record *p = k->peers[number];

	if (!p)
		a->error = privmsg_refuse(a, -ENOENT, "the kernel's path has no peer %u", number);
	return p;
}

static struct fastpath_member_key
member_key(const struct peer_record *p, uint32_t vni)
{
	struct fastpath_member_key key = { .level = p->suite->level, .vni = vni };

	memcpy(key.remote, p->peer.remote.b, sizeof(key.remote));
	if (p->suite->level != LEVEL_NONE)
		key.mark = priv_xfrm_number(p->peer.number);
	return key;
}

/* Where frames to it go: at a secured level, where only its policy leads on. */
static int
publish(struct priv_kernel *k, const struct peer_record *p)
{
	struct fastpath_peer value = { .level = p->suite->level,
		.segment_min = p->peer.learn ? KERNEL_SEGMENT_MIN : 0 };
	const struct ipaddr to = p->suite->level == LEVEL_NONE ? p->peer.remote
							       : priv_xfrm_pseudo(&p->peer);

	if (!p->astray)
		value.family = p->peer.local.family;
	memcpy(value.local, p->peer.local.b, sizeof(value.local));
	memcpy(value.remote, to.b, sizeof(value.remote));
	return fastpath_set_peer(k->programs, p->peer.number, &value);
}

static void
check_route(struct priv_kernel *k, struct peer_record *p, bool *told)
{
	bool astray = !priv_path_leads_to_probe(k, &p->peer);
	const struct ipaddr pseudo = priv_xfrm_pseudo(&p->peer);
	char ip[IPADDR_STRLEN];

	/* Others have flows, which are software's from now on; this one's SAs must be given back. */
	if (astray && p->peer.learn)
		priv_kernel_tell(k, KERNEL_NO_SA, p->peer.number, 0,
		    "no SA to peer %u is found any more", p->peer.number);
	if (astray == p->astray)
		return;
	p->astray = astray;
	publish(k, p);
	if (!*told)
		log_warnx("%s, which stands for peer %u, %s", ipaddr_format(&pseudo, ip),
		    p->peer.number,
		    astray ? "is routed elsewhere by others: in software" : "is ours again");
	*told = true;
}

void
priv_flows_check_routes(struct priv_kernel *k)
{
	unsigned looked = 0;
	bool told = false;

	for (unsigned n = 0; n < KERNEL_PEERS_MAX && looked < ROUTES_AT_ONCE; n++) {
		struct peer_record *p = k->peers[k->checked = k->checked % KERNEL_PEERS_MAX + 1];

		if (!p || p->suite->level == LEVEL_NONE)
			continue;
		check_route(k, p, &told);
		looked++;
	}
}

/* Two peers of level none at one address: whose a frame is could not be said. */
static const struct peer_record *
same_address(const struct priv_kernel *k, const struct kernel_peer *q)
{
	for (uint32_t number = 1; number <= KERNEL_PEERS_MAX; number++) {
		const struct peer_record *p = k->peers[number];

		if (p && p->suite->level == LEVEL_NONE && ipaddr_equal(&p->peer.remote, &q->remote))
			return p;
	}
	return NULL;
}

int
priv_flows_add_peer(struct priv_kernel *k, const struct kernel_peer *q, struct priv_answer *a)
{
	const struct fastpath_member probe = { .peer = q->number };
	bool secured = q->suite != SUITE_NONE;
	struct fastpath_member_key key;
	struct peer_record *p;
	int err;

	if (k->peers[q->number])
		return privmsg_refuse(a, -EEXIST, "the kernel's path has peer %u", q->number);
	if (secured && !k->secured)
		return privmsg_refuse(a, -EOPNOTSUPP, "the kernel's path has no barrier");
	if (secured && q->local.family == AF_INET6 && !k->ipv6)
		return privmsg_refuse(a, -EAFNOSUPPORT, "no IPv6 routes can be made");
	if (secured && !priv_path_leads_to_probe(k, q))
		return privmsg_refuse(a, -EHOSTUNREACH, "others route what stands for it");
	if (!secured && same_address(k, q))
		return privmsg_refuse(a, -EADDRINUSE, "another peer has that address");
	p = calloc(1, sizeof(*p));
	if (!p)
		return privmsg_refuse(a, -ENOMEM, "no memory for peer %u", q->number);
	p->peer = *q;
	p->suite = suite_by_id(q->suite);
	k->peers[q->number] = p;
	err = secured ? priv_xfrm_add_peer(k, p, a) : 0;
	key = member_key(p, VNI_PROBE);
	if (!err && (fastpath_set_member(k->programs, &key, &probe) < 0 || publish(k, p) < 0))
		err = privmsg_refuse(a, -ENOSPC, "no room for peer %u", q->number);
	if (err) {
		struct priv_answer ignored;

		priv_flows_del_peer(k, q->number, &ignored);
	}
	return err;
}

int
priv_flows_del_peer(struct priv_kernel *k, uint32_t number, struct priv_answer *a)
{
	const struct fastpath_peer nobody = { 0 };
	struct peer_record *p = priv_flows_peer(k, number, a);
	struct fastpath_member_key key;

	if (!p)
		return a->error;
	fastpath_set_peer(k->programs, number, &nobody);
	for (size_t slot = 0; slot < KERNEL_SLOTS_MAX; slot++)
		if (k->flows[slot].key.ifindex && k->flows[slot].peer == number)
			drop_flow(k, &k->flows[slot]);
	while (p->n_members > 0) {
		key = member_key(p, p->members[--p->n_members].vni);
		fastpath_delete_member(k->programs, &key);
	}
	key = member_key(p, VNI_PROBE);
	fastpath_delete_member(k->programs, &key);
	priv_xfrm_del_peer(k, p);
	k->peers[number] = NULL;
	free(p->members);
	free(p);
	return 0;
}

/* --- members --- */

static struct member_record *
find_member(struct peer_record *p, uint32_t vni)
{
	for (size_t i = 0; i < p->n_members; i++)
		if (p->members[i].vni == vni)
			return &p->members[i];
	return NULL;
}

static int
note_member(struct peer_record *p, uint32_t vni, uint32_t ifindex)
{
	struct member_record *m = find_member(p, vni);

	if (m) {
		m->ifindex = ifindex;
		return 0;
	}
	if (p->n_members == MEMBERS_MAX)
		return -ENOSPC;
	m = reallocarray(p->members, p->n_members + 1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	p->members = m;
	m[p->n_members++] = (struct member_record){ vni, ifindex };
	return 0;
}

int
priv_flows_add_member(struct priv_kernel *k, const struct kernel_member *q, struct priv_answer *a)
{
	struct peer_record *p = priv_flows_peer(k, q->peer, a);
	uint32_t ifindex = p ? vnet_ifindex(k, q->ifname, a) : 0;
	const struct fastpath_member value = {
		.ifindex = ifindex, .peer = q->peer, .learn = p ? p->peer.learn : 0
	};
	struct fastpath_member_key key;
	int err;

	if (!ifindex)
		return a->error;
	err = note_member(p, q->vni, ifindex);
	if (err)
		return MAP_REFUSED(a, err, "members");
	key = member_key(p, q->vni);
	err = fastpath_set_member(k->programs, &key, &value);
	return err ? MAP_REFUSED(a, err, "members") : 0;
}

int
priv_flows_del_member(
    struct priv_kernel *k, const struct priv_kernel_member *q, struct priv_answer *a)
{
	struct peer_record *p = priv_flows_peer(k, q->peer, a);
	struct member_record *m = p ? find_member(p, q->vni) : NULL;
	struct fastpath_member_key key;

	if (!p)
		return a->error;
	if (!m)
		return privmsg_refuse(a, -ENOENT, "peer %u has no VNI %u", q->peer, q->vni);
	key = member_key(p, q->vni);
	fastpath_delete_member(k->programs, &key);
	*m = p->members[--p->n_members];
	return 0;
}

/* --- flows --- */

static struct fastpath_flow_key
flow_key(uint32_t ifindex, const struct macaddr *mac)
{
	struct fastpath_flow_key key = { .ifindex = ifindex };

	memcpy(key.mac, mac->b, sizeof(key.mac));
	return key;
}

int
priv_flows_set(struct priv_kernel *k, const struct kernel_flow *q, struct priv_answer *a)
{
	uint32_t ifindex = vnet_ifindex(k, q->ifname, a);
	const struct fastpath_flow_key key = flow_key(ifindex, &q->mac);
	const struct fastpath_flow value = {
		.slot = q->slot, .peer = q->peer, .vni = q->vni, .mtu = q->mtu
	};
	struct flow_record *record = &k->flows[q->slot];
	struct fastpath_flow old;
	int err;

	if (!ifindex || (q->peer && !priv_flows_peer(k, q->peer, a)))
		return a->error;
	if (record->key.ifindex && memcmp(&record->key, &key, sizeof(key)) != 0)
		drop_flow(k, record);
	if (fastpath_get_flow(k->programs, &key, &old) == 0 && old.slot != q->slot)
		k->flows[old.slot] = (struct flow_record){ 0 };
	err = fastpath_set_flow(k->programs, &key, &value);
	if (err)
		return MAP_REFUSED(a, err, "flows");
	*record = (struct flow_record){ key, q->peer };
	return 0;
}

int
priv_flows_delete(struct priv_kernel *k, const struct priv_kernel_flow *q, struct priv_answer *a)
{
	uint32_t ifindex = vnet_ifindex(k, q->ifname, a);
	const struct fastpath_flow_key key = flow_key(ifindex, &q->mac);
	struct fastpath_flow old;
	char mac[MAC_STRLEN];

	if (!ifindex)
		return a->error;
	if (fastpath_get_flow(k->programs, &key, &old) < 0)
		return privmsg_refuse(
		    a, -ENOENT, "no flow to %s on \"%s\"", mac_format(&q->mac, mac), q->ifname);
	drop_flow(k, &k->flows[old.slot]);
	return 0;
}

/* --- probes --- */

int
priv_flows_probe(struct priv_kernel *k, const struct priv_kernel_probe *q, struct priv_answer *a)
{
	struct {
		uint8_t vnet_header[VNET_HEADER_LEN];
		struct fastpath_probe_frame frame;
		uint8_t rest[KERNEL_PROBE_LEN - sizeof(struct fastpath_probe_frame)];
	} probe = { .frame = {
			.dst = { 0x02 }, .src = { 0x02 }, .type = htons(KERNEL_PROBE_TYPE) } };
	const uint32_t number = htonl(q->peer);
	const uint64_t nonce = htobe64(q->nonce);

	if (!priv_flows_peer(k, q->peer, a))
		return a->error;
	memcpy(probe.frame.number, &number, sizeof(number));
	memcpy(probe.frame.nonce, &nonce, sizeof(nonce));
	if (write(k->probe, &probe, sizeof(probe)) < 0) {
		int err = -errno;

		return privmsg_refuse(
		    a, err, "cannot probe peer %u: %s", q->peer, strerrordesc_np(-err));
	}
	return 0;
}

static void
tell_probe(void *arg, const struct fastpath_probe *p)
{
	struct priv_kernel *k = arg;

	if (p->peer >= 1 && p->peer <= KERNEL_PEERS_MAX && k->peers[p->peer])
		priv_kernel_tell(
		    k, KERNEL_PROBED, p->peer, be64toh(p->nonce), "a probe of peer %u", p->peer);
}

void
priv_flows_take_probes(struct priv_kernel *k)
{
	fastpath_take_probes(k->programs, tell_probe, k);
}
