/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What workers look up: vnets by their VNI, and where MACs live, as far as workers have asked. The
 * engine's thread writes, workers read between grace_enter() and grace_leave(). Entries are never
 * changed, only replaced. What is not here is for the engine to decide.
 */

#include "base/ether.h"
#include "base/grace.h"
#include "base/monotime.h"
#include "base/rtable.h"
#include "core/options.h"

#define ROUTES_MAX 65536

struct assoc;

/* A vnet. Another one each time it changes its key or level. */
struct port {
	struct rtable_node node;
	struct grace_node retired;
	uint32_t vni;
	uint64_t number; /* no other has or had it */
	uint64_t group;	 /* its number */
	bool hub;	 /* members are ports of ours: all is for the engine */
	struct port_queue {
		const struct port *port;
		int tap; /* the lane's queue; for delivery that of the first, if it has none */
		bool own;
	} queues[LANES_MAX];
};

struct route_key {
	uint32_t vni;
	struct macaddr mac;
	uint16_t zero; /* no padding: keys are hashed as bytes */
};

struct route {
	struct rtable_node node;
	struct grace_node retired;
	struct route_key key;
	struct assoc *assoc;		/* NULL: behind our own device */
	uint32_t label;			/* the VNI that the other end wants */
	_Atomic(struct monotime) heard; /* from that MAC; not set: by no worker yet */
};

struct routes {
	struct grace *grace;
	struct rtable ports, routes;
	uint64_t n_ports; /* ever */
};

int routes_init(struct routes *rs, struct grace *grace); /* 0 or -ENOMEM */

/* Readers; NULL if there is none. */
struct port *routes_port(const struct routes *rs, uint32_t vni);
struct route *routes_find(const struct routes *rs, uint32_t vni, const struct macaddr *mac);

/*
 * Writer. p's vni, group, hub and queues are set; there is none of that VNI. The caller frees it
 * after routes_port_remove() and grace_wait().
 */
void routes_port_add(struct routes *rs, struct port *p);
void routes_port_remove(struct routes *rs, struct port *p);
/* Nothing happens when it is there already, the table is full or memory short. */
void routes_learn(struct routes *rs, uint32_t vni, const struct macaddr *mac, struct assoc *assoc,
    uint32_t label);
void routes_forget(struct routes *rs, uint32_t vni, const struct macaddr *mac);
/* All that lead there. */
void routes_forget_assoc(struct routes *rs, uint32_t vni, const struct assoc *assoc);
