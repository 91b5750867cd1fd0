/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine: what the modules of the unprivileged packet process share. role_engine.c makes it and
 * runs the loop; the others each own one concern:
 *   hosts.c      discovery: DISCOVER, configured peers, who is where
 *   assoc.c handshake.c   associations and their SAs
 *   exchange.c   what is said inside an association: echo, membership, VARP
 *   clear.c      the same for vnets of level none, with proof of the address instead of an SA
 *   egress.c     frames from devices to the network: who gets them
 *   output.c     how they get there
 *   workers.c    further threads, for what is plain
 *   ingress.c    datagrams from the network, and their frames to devices
 *   offload.c path.c flows.c   what the kernel carries instead
 *   plain.c      members that are kernel VXLAN devices without vnetd
 *   manual.c     those with manual SAs, rawesp.c their packets; kernelport.c their frames, while
 *                the kernel has the SAs
 *   vnetctl.c    making, changing and removing vnets and their devices
 *   control.c commands.c  the control socket
 *   state.c      what is stored, and the memo for the engine after this one
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/packet.h"
#include "core/assoc.h"
#include "core/config.h"
#include "core/group.h"
#include "core/output.h"
#include "core/role.h"
#include "core/vnet.h"

struct control;
struct exchanges;
struct hosts;
struct ingress;
struct keyscli;
struct linkmon;
struct manual;
struct priv_numbers;
struct offload;
struct privcli;
struct ratelimit;
struct resolvecli;
struct state;
struct transport;
struct varp;
struct workers;

struct engine {
	struct loop *loop;
	struct packet_pool *pool;
	struct options options;
	struct config config; /* the configuration file; runtime settings are changed in place */
	struct role_pids pids;
	struct monotime started;
	uint64_t host_id;
	uint64_t start;
	uint8_t seed[16]; /* of our devices' MAC addresses */

	struct privcli *priv;
	struct keyscli *keys;
	struct resolvecli *resolver;
	struct transport *transport;
	struct grace grace;
	struct output output;
	struct ingress *ingress;
	struct workers *workers; /* NULL: none but this thread */
	struct linkmon *links;
	uint64_t addresses; /* hash of those that peers know us by */
	struct groups groups;
	struct assocs assocs;
	struct vnets vnets;
	struct table plain_macs;      /* plain.c */
	struct manual *manuals;	      /* manual.c */
	struct priv_numbers *numbers; /* its, in a file; NULL: no such file */
	struct varp *varp;
	struct hosts *hosts;
	struct exchanges *exchanges;
	struct offload *offload;
	struct state *state;
	struct control *control;
	struct ratelimit *strangers; /* unauthenticated senders, by address */

	struct loop_timer timer;
};

/* Time of this round. */
static inline struct monotime
engine_now(const struct engine *e)
{
	return loop_now(e->loop);
}

/* Something may be due earlier than thought: look again at the end of this round. */
void engine_kick(struct engine *e);
