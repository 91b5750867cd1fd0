/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The network devices that priv makes and changes for the engine. Ours, and no other is changed, is
 * a TAP that belongs to the engine's user; bridges are made, given ports and removed, but never
 * taken from anybody. Owns the queues of every TAP of ours. In priv.
 */

#include <sys/types.h>

#include "core/privmsg.h"

struct priv_link;

/* engine_uid: whose the TAPs are. NULL with errno set. */
struct priv_link *priv_link_new(uid_t engine_uid);
void priv_link_free(struct priv_link *l);

/* One for each request: 0 or -errno and the reason in *a. */
int priv_link_tap_open(struct priv_link *l, const struct priv_tap_open *q, struct priv_answer *a,
    int *fd); /* *fd stays ours */
int priv_link_tap_delete(struct priv_link *l, const char *ifname, struct priv_answer *a);
/*
 * Deletes every TAP of ours in this network namespace that nobody has open. each: 0, or -errno and
 * the reason why it is still there. 0 or -errno: they cannot be listed.
 */
typedef void priv_link_each_fn(void *arg, const char *ifname, int err, const struct priv_answer *a);
int priv_link_delete_all(struct priv_link *l, priv_link_each_fn *each, void *arg);
int priv_link_set_mtu(struct priv_link *l, const struct priv_mtu *q, struct priv_answer *a);
int priv_link_bridge_add(struct priv_link *l, const char *bridge, struct priv_answer *a);
int priv_link_bridge_delete(struct priv_link *l, const char *bridge, struct priv_answer *a);
int priv_link_bridge_port(struct priv_link *l, const struct priv_port *q, struct priv_answer *a);
int priv_link_addr_add(struct priv_link *l, const struct priv_addr *q, struct priv_answer *a);
int priv_link_addr_delete(struct priv_link *l, const struct priv_addr *q, struct priv_answer *a);
int priv_link_ifindex(
    struct priv_link *l, const char *ifname, uint32_t *out, struct priv_answer *a);
/* Another queue of a TAP that is there; *fd stays ours. */
int priv_link_lane_open(
    struct priv_link *l, const struct priv_lane *q, struct priv_answer *a, int *fd);
/* Takes fd on success, as that queue of that TAP. */
int priv_link_keep_tap(
    struct priv_link *l, const char *ifname, unsigned lane, int fd, struct priv_answer *a);
