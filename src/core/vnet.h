/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The vnets of this host: their settings, labels (VNIs), devices' descriptors and members. Owns the
 * tables of vnets and members; devices are made by the caller (vnetctl.c). No I/O.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ether.h"
#include "base/loop.h"
#include "base/monotime.h"
#include "base/packet.h"
#include "base/table.h"
#include "base/vnetid.h"
#include "core/options.h"
#include "core/ratelimit.h"
#include "core/vnetspec.h"

#define VNETS_MAX   4096
#define MEMBERS_MAX 65536
#define VNET_QUEUE_MAX \
	16 /* frames that wait for the first member while an association is being set up */

struct assoc;
struct engine;
struct group;
struct port;

/* One other host in one vnet. */
struct member {
	struct table_node node;
	struct member_key {
		uint64_t host_id;
		uint64_t vni; /* ours; 64 bits so that the key has no padding */
	} key;
	struct vnet *vnet;
	struct assoc *assoc;
	uint32_t label; /* the VNI it wants on frames */
	bool in_kernel; /* path.c */
	size_t index;	/* in vnet->members */
};

struct vnet {
	struct table_node by_id;
	struct table_node by_vni;
	struct vnet *next; /* all, sorted by id */
	struct vnetid id;
	uint32_t vni;
	struct vnetspec spec;
	struct group *group;
	struct engine *engine; /* for the callbacks of watch */
	bool from_config;      /* not stored in the state: the configuration makes it */

	int tap;	      /* -1: no device yet */
	int lanes[LANES_MAX]; /* its queues for workers, from 1; 0: none */
	struct port *port;    /* workers.c: what workers know of it; NULL: nothing */
	uint32_t ifindex;
	uint32_t mtu;
	struct macaddr mac;
	struct loop_fd watch;
	bool in_kernel;	       /* the device has the kernel's programs: flows.c */
	bool seen;	       /* linkmon has known the device */
	uint32_t master;       /* the bridge it was last seen in, 0: none */
	struct monotime retry; /* when to make the device again; not set: it is there */
	char problem[160];     /* what keeps it from working, "" if nothing */

	struct member **members;
	size_t n_members, members_size;

	unsigned hubs;	       /* members that are ports of ours: plain.h */
	struct bucket too_big; /* answers to senders of packets that do not fit */
	struct packet *queue, **queue_tail;
	unsigned queued;
	struct monotime queued_at;
};

struct vnets {
	struct table by_id, by_vni, members, labels;
	struct vnet *first;
	size_t count;
	uint64_t removed; /* vnets with labels, ever */
};

int vnets_init(struct vnets *vs); /* 0 or -ENOMEM */
void vnets_fini(struct vnets *vs);
struct vnet *vnet_by_id(const struct vnets *vs, const struct vnetid *id);
struct vnet *vnet_by_vni(const struct vnets *vs, uint32_t vni);
struct vnet *vnet_by_ifname(const struct vnets *vs, const char *ifname);
struct vnet *vnet_by_ifindex(const struct vnets *vs, uint32_t ifindex);
/* An id in either form, or a device name. */
struct vnet *vnet_by_text(const struct vnets *vs, const char *text);

/*
 * Adds one with a label: its id if that fits 16 bits, else the remembered or a new one from
 * 0x800000. NULL with *err = -EEXIST, -ENOSPC, -ENOMEM.
 */
struct vnet *vnet_add(struct vnets *vs, const struct vnetspec *spec, int *err);
/* The members must be gone (the caller tells VARP); the queue is freed. */
void vnet_remove(struct vnets *vs, struct vnet *v);

struct member *member_find(const struct vnets *vs, uint64_t host_id, uint32_t vni);
/* Adds, or changes the label. NULL when full. */
struct member *member_add(
    struct vnets *vs, struct vnet *v, struct assoc *a, uint64_t host_id, uint32_t label);
void member_remove(struct vnets *vs, struct member *m);

/*
 * Labels of long ids, used or remembered (of twice VNETS_MAX; then of the vnet gone longest no
 * more): for the state file.
 */
void vnets_label_set(struct vnets *vs, const struct vnetid *id, uint32_t vni);
void vnets_each_label(const struct vnets *vs,
    void (*fn)(void *ctx, const struct vnetid *id, uint32_t vni), void *ctx);
