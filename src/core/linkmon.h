/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the engine sees of the machine's network devices: a table kept by unprivileged rtnetlink
 * dumps and events (links and addresses). The socket is opened before the sandbox is sealed. Lost
 * events (ENOBUFS) lead to a new dump.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/loop.h"
#include "base/vnetid.h"

#define LINKMON_ADDRS_MAX 16 /* remembered per device */

struct linkmon_link {
	uint32_t ifindex;
	uint32_t master; /* ifindex of the bridge it is a port of, or 0 */
	uint32_t lower;	 /* ifindex of the device it stands on, as a VLAN does, or 0 */
	uint32_t mtu;
	bool up;	/* IFF_UP */
	bool running;	/* lower layer up */
	bool multicast; /* IFF_MULTICAST */
	bool loopback;
	bool bridge; /* kind "bridge" */
	char name[VNET_IFNAME_SIZE];
	struct {
		struct ipaddr ip;
		uint8_t prefix_len;
	} addrs[LINKMON_ADDRS_MAX];
	uint32_t n_addrs; /* without link-local IPv6 ones */
};

struct linkmon;

/*
 * changed: after every event that changed something (once per batch). NULL with errno set. Dumps
 * before it returns.
 */
typedef void linkmon_changed_fn(void *arg);
struct linkmon *linkmon_new(linkmon_changed_fn *changed, void *arg);
void linkmon_free(struct linkmon *m);
/* Watches for events in the loop. */
int linkmon_start(struct linkmon *m, struct loop *loop);
size_t linkmon_count(const struct linkmon *m);
const struct linkmon_link *linkmon_at(const struct linkmon *m, size_t i); /* by ifindex order */
const struct linkmon_link *linkmon_by_name(const struct linkmon *m, const char *name);
const struct linkmon_link *linkmon_by_index(const struct linkmon *m, uint32_t ifindex);
