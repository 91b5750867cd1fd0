/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What priv and the programs that it loads into the kernel (fastpath.bpf.c) share: keys and values
 * of their maps. No padding: keys are compared as bytes.
 */

#include <linux/types.h>

#define FASTPATH_PEERS	   4097 /* by number, from 1 */
#define FASTPATH_SLOTS	   32768
#define FASTPATH_MEMBERS   65536
#define FASTPATH_MARK	   0x766e0000 /* and a peer's number: mark of what its SA has opened */
#define FASTPATH_PEER_MASK 0x1fffu

/* Shared devices, by enum level; those of auth and conf are for what IPsec seals. */
#define FASTPATH_LEVELS 3
/* In the same map: the one that the engine's port is a queue of. */
#define FASTPATH_PORT	 3
#define FASTPATH_DEVICES 4

struct fastpath_flow_key {
	__u32 ifindex;
	__u8 mac[6];
	__u16 zero;
};

struct fastpath_flow {
	__u32 slot;
	__u32 peer; /* 0: a source */
	__u32 vni;
	__u32 mtu;
};

/* As struct kernel_slot. */
struct fastpath_slot {
	__u64 expires, used;
	__u64 tx_packets, tx_bytes, rx_packets, rx_bytes;
};

/* As struct kernel_drops, in the place of a slot behind the last. */
struct fastpath_drops {
	__u64 clear, vni, unsent;
	__u64 unused[3];
};

struct fastpath_peer {
	__u32 family; /* AF_INET, AF_INET6; 0: none */
	__u32 level;
	__u32 segment_min;	   /* GSO of shorter ones is for the engine */
	__u32 local[4], remote[4]; /* network order */
};

struct fastpath_member_key {
	__u32 level;
	__u32 mark; /* 0 at level none */
	__u32 vni;
	__u32 remote[4]; /* network order */
};

struct fastpath_member {
	__u32 ifindex; /* 0: it is a probe */
	__u32 peer;
	__u32 learn; /* as in struct kernel_peer */
};

struct fastpath_probe {
	__u32 peer;
	__u32 zero;
	__u64 nonce; /* network order */
};

/*
 * Frames between the kernel's path and the engine's port carry two tags of this type in front of
 * their own: the peer's number, and the VNI, of 16 bits there.
 */
#define FASTPATH_PORT_TYPE 0x88a8

/* A frame that priv writes into the probing device goes to the peer whose number its dst ends with. */
struct fastpath_probe_frame {
	__u8 dst[2];
	__u16 number[2]; /* network order */
	__u8 src[6];
	__u16 type;
	__u16 nonce[4];
} __attribute__((packed));
