/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's path of known flows (DESIGN.md section 9), for the verifier of Linux 6.1:
 *
 *   to_peer, on the way out of a vnet's TAP: a frame from a live source to a live flow goes to the
 *   shared VXLAN device of the peer's level, with the label of the vnet and the address that leads
 *   to the peer's policy. All else is left to the engine, which reads the TAP.
 *
 *   from_none, from_auth, from_conf, on the way into a VXLAN device: a frame of a member goes into
 *   its TAP, or to the engine if that has to see it; nothing else goes anywhere.
 *
 *   from_priv, into the probing device: probes and frames of the engine go out as frames of flows do.
 *
 *   unsealed, out of that device: frames to the engine pass; what else got there has found no policy.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "core/fastpath.h"

#define AF_INET	 2
#define AF_INET6 10

#define ETHER_LEN   14
#define TYPE_IPV4   0x0800
#define TYPE_IPV6   0x86dd
#define TYPE_VLAN   0x8100
#define TYPE_QINQ   0x88a8
#define FRAME_MAX   0x1ffff
#define PROTO_TCP   6
#define PROTO_UDP   17
#define PROTO_ICMP6 58
#define TCP_SYN	    0x02
#define VNI_PROBE   0xffffff

enum level { LEVEL_NONE, LEVEL_AUTH, LEVEL_CONF };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FASTPATH_SLOTS);
	__type(key, struct fastpath_flow_key);
	__type(value, struct fastpath_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, FASTPATH_MEMBERS);
	__type(key, struct fastpath_member_key);
	__type(value, struct fastpath_member);
} members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FASTPATH_PEERS);
	__type(key, __u32);
	__type(value, struct fastpath_peer);
} peers SEC(".maps");

/* The last one holds the drops. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, FASTPATH_SLOTS + 1);
	__type(key, __u32);
	__type(value, struct fastpath_slot);
} slots SEC(".maps");

/* ifindex, by level; FASTPATH_PORT */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FASTPATH_DEVICES);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} probes SEC(".maps");

/* CLOCK_MONOTONIC as of the last tick: enough for seconds, and costs no look at the hardware. */
static __always_inline __u64
clock(void)
{
	return bpf_ktime_get_coarse_ns();
}

/* --- counting --- */

static __always_inline struct fastpath_drops *
drops(void)
{
	__u32 last = FASTPATH_SLOTS;

	return bpf_map_lookup_elem(&slots, &last);
}

#define DROP(why)                                              \
	({                                                     \
		struct fastpath_drops *drops_ = drops();       \
		if (drops_)                                    \
			__sync_fetch_and_add(&drops_->why, 1); \
		TC_ACT_SHOT;                                   \
	})

static __always_inline void
count_out(struct fastpath_slot *s, const struct __sk_buff *skb, __u64 now)
{
	s->used = now;
	__sync_fetch_and_add(&s->tx_packets, skb->gso_segs ? skb->gso_segs : 1);
	__sync_fetch_and_add(&s->tx_bytes, skb->len);
}

static __always_inline void
count_in(struct fastpath_slot *s, const struct __sk_buff *skb, __u64 now)
{
	s->used = now;
	__sync_fetch_and_add(&s->rx_packets, skb->gso_segs ? skb->gso_segs : 1);
	__sync_fetch_and_add(&s->rx_bytes, skb->len);
}

/* --- out --- */

/* Bytes of IP and TCP or UDP headers in front of each segment; 0: this is for the engine. */
static __always_inline __u32
headers_len(struct __sk_buff *skb, __u32 ip_len, __u8 proto)
{
	__u8 tcp[14];

	if (proto == PROTO_UDP)
		return ip_len + 8;
	if (proto != PROTO_TCP)
		return ip_len;
	/* A SYN tells the size of segments, which the engine lowers. */
	if (bpf_skb_load_bytes(skb, ETHER_LEN + ip_len, tcp, sizeof(tcp)) < 0 || tcp[13] & TCP_SYN)
		return 0;
	return ip_len + (tcp[12] >> 4) * 4;
}

static __always_inline __u32
headers_len_ipv4(struct __sk_buff *skb)
{
	__u8 ip[20];
	__u32 len;

	if (bpf_skb_load_bytes(skb, ETHER_LEN, ip, sizeof(ip)) < 0)
		return 0;
	len = (ip[0] & 0xf) * 4;
	if (len < sizeof(ip))
		return 0;
	if ((ip[6] & 0x1f) | ip[7]) /* a later fragment */
		return len;
	return headers_len(skb, len, ip[9]);
}

/* Extension headers are for the engine. */
static __always_inline __u32
headers_len_ipv6(struct __sk_buff *skb)
{
	__u8 next;

	if (bpf_skb_load_bytes(skb, ETHER_LEN + 6, &next, sizeof(next)) < 0)
		return 0;
	if (next != PROTO_TCP && next != PROTO_UDP && next != PROTO_ICMP6)
		return 0;
	return headers_len(skb, 40, next);
}

/* May the kernel carry it: no SYN, no tag, and every packet of it fits? */
static __always_inline bool
carries(struct __sk_buff *skb, __u16 type, __u32 mtu)
{
	__u32 len = 1;

	if (skb->vlan_present || type == TYPE_VLAN || type == TYPE_QINQ)
		return false;
	if (type == TYPE_IPV4)
		len = headers_len_ipv4(skb);
	else if (type == TYPE_IPV6)
		len = headers_len_ipv6(skb);
	if (len == 0)
		return false;
	return skb->gso_size ? len + skb->gso_size <= mtu : skb->len <= mtu + ETHER_LEN;
}

/*
 * Without CAP_PERFMON the verifier of 6.1 lets nobody write behind a word whose range it knows, in
 * the same 8 bytes: so what is built on the stack is zeroed, and then written from its end.
 */
#define APART		  __asm__ volatile("" ::: "memory") /* the compiler leaves it so */
#define PUT(where, value) (*(volatile typeof(where) *)&(where) = (value))

static __always_inline void
put_ipv6(__u32 to[4], const __u32 from[4])
{
	PUT(to[3], from[3]);
	PUT(to[2], from[2]);
	PUT(to[1], from[1]);
	PUT(to[0], from[0]);
}

/* False if the peer is gone. */
static __always_inline bool
address_to(struct __sk_buff *skb, const struct fastpath_peer *p, __u32 vni)
{
	struct bpf_tunnel_key key = { .tunnel_ttl = 64 };
	__u64 flags = BPF_F_ZERO_CSUM_TX;

	if (p->family == AF_INET) {
		PUT(key.local_ipv4, bpf_ntohl(p->local[0]));
		PUT(key.remote_ipv4, bpf_ntohl(p->remote[0]));
	} else if (p->family == AF_INET6) {
		put_ipv6(key.local_ipv6, p->local);
		put_ipv6(key.remote_ipv6, p->remote);
		flags |= BPF_F_TUNINFO_IPV6;
	} else {
		return false;
	}
	PUT(key.tunnel_id, vni);
	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags) == 0;
}

static __always_inline struct fastpath_slot *
live_slot(const struct fastpath_flow *f, __u64 now)
{
	struct fastpath_slot *s = bpf_map_lookup_elem(&slots, &f->slot);

	return s && *(volatile __u64 *)&s->expires > now ? s : NULL;
}

struct ether {
	__u8 dst[6], src[6];
	__u16 type;
};

static __always_inline void
put_key(struct fastpath_flow_key *key, const __u8 *mac, __u32 ifindex)
{
	__builtin_memcpy(key->mac, mac, sizeof(key->mac));
	APART;
	key->ifindex = ifindex;
}

SEC("tc")
int
to_peer(struct __sk_buff *skb)
{
	struct fastpath_flow_key key = { 0 }, own_key = { 0 };
	struct fastpath_flow *flow, *source;
	struct fastpath_slot *to, *from;
	struct fastpath_peer *p;
	struct ether ether;
	__u32 *device;
	__u64 now;

	if (bpf_skb_load_bytes(skb, 0, &ether, sizeof(ether)) < 0)
		return TC_ACT_UNSPEC;
	put_key(&key, ether.dst, skb->ifindex);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow || flow->peer == 0)
		return TC_ACT_UNSPEC;
	put_key(&own_key, ether.src, skb->ifindex);
	source = bpf_map_lookup_elem(&flows, &own_key);
	if (!source || source->peer != 0)
		return TC_ACT_UNSPEC;
	now = clock();
	to = live_slot(flow, now);
	if (!to)
		return TC_ACT_UNSPEC;
	APART;
	from = live_slot(source, now);
	if (!from)
		return TC_ACT_UNSPEC;
	APART;
	p = bpf_map_lookup_elem(&peers, &flow->peer);
	if (!p || !carries(skb, bpf_ntohs(ether.type), flow->mtu) ||
	    (skb->gso_size && skb->gso_size < p->segment_min))
		return TC_ACT_UNSPEC;
	device = bpf_map_lookup_elem(&devices, &p->level);
	if (!device || *device == 0 || !address_to(skb, p, flow->vni))
		return TC_ACT_UNSPEC;
	count_out(to, skb, now);
	count_out(from, skb, now);
	skb->mark = 0; /* the inner frame's says nothing about the outer packet */
	return bpf_redirect(*device, 0);
}

/* --- in --- */

/*
 * Whom it came from, and its VNI. The address too at secured levels, whose mark somebody may have
 * forged: no local user has it.
 */
static __always_inline bool
read_tunnel(struct __sk_buff *skb, struct fastpath_member_key *key)
{
	struct bpf_tunnel_key tunnel = { 0 };

	if (bpf_skb_get_tunnel_key(skb, &tunnel, sizeof(tunnel), 0) == 0)
		key->remote[0] = bpf_htonl(tunnel.remote_ipv4);
	else if (bpf_skb_get_tunnel_key(skb, &tunnel, sizeof(tunnel), BPF_F_TUNINFO_IPV6) == 0)
		__builtin_memcpy(key->remote, tunnel.remote_ipv6, sizeof(key->remote));
	else
		return false;
	key->vni = tunnel.tunnel_id;
	return true;
}

/* No such member: does it come from a peer at all? */
static __always_inline int
drop_unknown(struct fastpath_member_key *key)
{
	key->vni = VNI_PROBE;
	if (bpf_map_lookup_elem(&members, key))
		return DROP(vni);
	return DROP(clear);
}

static __always_inline int
note_probe(struct __sk_buff *skb, __u32 peer)
{
	struct fastpath_probe probe = { .peer = peer };

	if (bpf_skb_load_bytes(skb, ETHER_LEN, &probe.nonce, sizeof(probe.nonce)) == 0)
		bpf_ringbuf_output(&probes, &probe, sizeof(probe), 0);
	return TC_ACT_SHOT;
}

/* False: it has no flow to there. */
static __always_inline bool
note_source(struct __sk_buff *skb, const struct fastpath_member *m)
{
	struct fastpath_flow_key key = { 0 };
	struct fastpath_flow *flow;
	struct fastpath_slot *s;
	__u8 mac[6];

	if (bpf_skb_load_bytes(skb, offsetof(struct ether, src), mac, sizeof(mac)) < 0)
		return false;
	put_key(&key, mac, m->ifindex);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow || flow->peer != m->peer)
		return false;
	s = bpf_map_lookup_elem(&slots, &flow->slot);
	if (s)
		count_in(s, skb, clock());
	return true;
}

/* Of a host without vnetd: nobody but our engine lowers the size of segments in its SYNs. */
static __always_inline bool
is_plain(struct __sk_buff *skb)
{
	__be16 type;

	return bpf_skb_load_bytes(skb, offsetof(struct ether, type), &type, sizeof(type)) == 0 &&
	       carries(skb, bpf_ntohs(type), FRAME_MAX);
}

static __always_inline int
to_engine(struct __sk_buff *skb, __u32 peer, __u32 vni)
{
	__u32 port = FASTPATH_PORT, *device = bpf_map_lookup_elem(&devices, &port);

	if (!device || *device == 0 ||
	    bpf_skb_vlan_push(skb, bpf_htons(FASTPATH_PORT_TYPE), (__u16)vni) < 0 ||
	    bpf_skb_vlan_push(skb, bpf_htons(FASTPATH_PORT_TYPE), (__u16)peer) < 0)
		return TC_ACT_SHOT;
	skb->mark = FASTPATH_MARK | peer;
	return bpf_redirect(*device, 0);
}

static __always_inline int
receive(struct __sk_buff *skb, enum level level)
{
	struct fastpath_member_key key = { 0 };
	struct fastpath_member *m;

	PUT(key.mark, level == LEVEL_NONE ? 0 : skb->mark);
	PUT(key.level, level);
	if (!read_tunnel(skb, &key))
		return DROP(clear);
	m = bpf_map_lookup_elem(&members, &key);
	if (!m)
		return drop_unknown(&key);
	if (m->ifindex == 0)
		return note_probe(skb, m->peer);
	if (!note_source(skb, m) && m->learn)
		return to_engine(skb, m->peer, key.vni);
	if (m->learn && !is_plain(skb))
		return to_engine(skb, m->peer, key.vni);
	skb->mark = 0;
	return bpf_redirect(m->ifindex, BPF_F_INGRESS);
}

SEC("tc")
int
from_none(struct __sk_buff *skb)
{
	return receive(skb, LEVEL_NONE);
}

SEC("tc")
int
from_auth(struct __sk_buff *skb)
{
	return receive(skb, LEVEL_AUTH);
}

SEC("tc")
int
from_conf(struct __sk_buff *skb)
{
	return receive(skb, LEVEL_CONF);
}

/* --- the probing device, to which the pseudo-addresses are routed --- */

static __always_inline int
send_to(struct __sk_buff *skb, __u32 number, __u32 vni)
{
	struct fastpath_peer *p = bpf_map_lookup_elem(&peers, &number);
	__u32 *device = p ? bpf_map_lookup_elem(&devices, &p->level) : NULL;

	if (!p || !device || *device == 0 || !address_to(skb, p, vni))
		return TC_ACT_SHOT;
	return bpf_redirect(*device, 0);
}

/* A tag in front has been taken off, into vlan_tci. */
static __always_inline bool
is_tagged(const struct __sk_buff *skb)
{
	return skb->vlan_present && skb->vlan_proto == bpf_htons(FASTPATH_PORT_TYPE);
}

SEC("tc")
int
from_priv(struct __sk_buff *skb)
{
	__u32 number, vni;

	if (is_tagged(skb)) {
		number = skb->vlan_tci;
		if (bpf_skb_vlan_pop(skb) < 0 || !is_tagged(skb))
			return TC_ACT_SHOT;
		vni = skb->vlan_tci;
		if (bpf_skb_vlan_pop(skb) < 0)
			return TC_ACT_SHOT;
		return send_to(skb, number, vni);
	}
	if (bpf_skb_load_bytes(
		skb, offsetof(struct fastpath_probe_frame, number), &number, sizeof(number)) < 0)
		return TC_ACT_SHOT;
	return send_to(skb, bpf_ntohl(number), VNI_PROBE);
}

SEC("tc")
int
unsealed(struct __sk_buff *skb)
{
	if (is_tagged(skb) && (skb->mark & ~FASTPATH_PEER_MASK) == FASTPATH_MARK)
		return TC_ACT_UNSPEC;
	return DROP(unsent);
}

/* The kernel gives some helpers to GPL programs only; LGPL may be taken as GPL. */
const char license_of_programs[] SEC("license") = "GPL";
