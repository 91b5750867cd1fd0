/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The engine's side of the privileged process: few, typed requests (privmsg.h is the wire between
 * the two). Calls wait for the answer, at most PRIV_TIMEOUT_MS: they are rare (vnets, bridges,
 * addresses come and go by hand), the packet path makes none. The state is stored without waiting.
 * Every call returns 0 or -errno; -EPIPE while priv is being restarted. Names are checked again by
 * priv.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ether.h"
#include "base/ipc.h"
#include "base/loop.h"

#define PRIV_TIMEOUT_MS 5000

struct privcli;

/* A detail of the last failed call in words, or "". */
const char *privcli_error(const struct privcli *c);

/*
 * stored: called once for each privcli_state_store() that succeeded: its state is on disk (error 0)
 * or not (-errno, privcli_error() has words; -EPIPE: priv is gone). It may come from inside any
 * call below but privcli_free(), and must not make one that waits. fd: channel to priv, consumed.
 */
typedef void privcli_stored_fn(void *arg, uint64_t number, int error);
struct privcli *privcli_new(struct loop *loop, int fd, privcli_stored_fn *stored, void *arg);
void privcli_free(struct privcli *c);
/*
 * priv was restarted: a new channel, consumed. The caller then offers its sockets and TAP queues
 * with privcli_keep_fd(), and its memo and state again.
 */
void privcli_replace(struct privcli *c, int fd);

/* --- TAPs --- */

struct priv_tap {
	int fd; /* non-blocking, close-on-exec, the caller's; IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE */
	uint32_t ifindex;
	bool adopted; /* it existed already, as ours */
};

/*
 * Makes or adopts the persistent device, gives it mac, brings it up. A device of that name that is
 * not ours (tun/tap whose owner is the engine's user): -EEXIST. mtu is set. priv keeps a duplicate
 * of fd.
 */
int privcli_tap_open(struct privcli *c, const char *ifname, const struct macaddr *mac, uint32_t mtu,
    struct priv_tap *out);
/* Removes the device (ours only) and forgets the descriptor. */
int privcli_tap_delete(struct privcli *c, const char *ifname);
int privcli_link_set_mtu(struct privcli *c, const char *ifname, uint32_t mtu); /* ours only */

/* --- bridges and addresses --- */

/*
 * Makes it if it is not there (no STP, no forward delay, up). *made tells. An existing device that
 * is no bridge: -EEXIST.
 */
int privcli_bridge_add(struct privcli *c, const char *bridge, bool *made);
/* -EBUSY, and privcli_error() names them, while it has ports, others' or another vnet's. */
int privcli_bridge_delete(struct privcli *c, const char *bridge);
/* port must be ours; bridge "" takes it out. */
int privcli_bridge_port(struct privcli *c, const char *port, const char *bridge);
/* Addresses on our own devices. Idempotent. */
int privcli_addr_add(
    struct privcli *c, const char *ifname, const struct ipaddr *ip, uint8_t prefix_len);
int privcli_addr_delete(
    struct privcli *c, const char *ifname, const struct ipaddr *ip, uint8_t prefix_len);

/* --- sockets --- */

struct priv_sockets {
	int udp4,
	    udp6; /* bound to port on any address, non-blocking; PMTU discovery off (outer fragments), pktinfo on, large buffers;
			  * udp6 is v6only, -1 where the machine has no IPv6 */
};

/*
 * Opens them the first time (-EADDRINUSE: another daemon has the port), afterwards hands out the
 * same ones again. The caller owns its copies.
 */
int privcli_sockets(struct privcli *c, uint16_t port, struct priv_sockets *out);
/*
 * Gives a new priv the sockets of the engine (what: as in struct priv_sockets) or the TAP queue of
 * ifname.
 */
enum priv_keep { PRIV_KEEP_UDP4, PRIV_KEEP_UDP6, PRIV_KEEP_TAP };
int privcli_keep_fd(struct privcli *c, enum priv_keep what, const char *ifname, int fd);

/* --- lanes: what further workers read, and send through --- */

/*
 * Another queue of the TAP, or another socket on the port of the first one, which are to be asked
 * for in order: ESP of the SPIs that say so comes there (priv_socket.h). 0, and *fd is the
 * caller's, or -errno.
 */
int privcli_lane_open(
    struct privcli *c, enum priv_keep what, const char *ifname, unsigned lane, int *fd);
/* As privcli_keep_fd(). */
int privcli_lane_keep(
    struct privcli *c, enum priv_keep what, const char *ifname, unsigned lane, int fd);

struct priv_esp_sockets {
	int esp4,
	    esp6; /* raw, IP protocol 50, else as those above; esp6 -1 where there is no IPv6 */
};

/*
 * Opens them the first time, afterwards hands out the same ones again. At first nothing comes
 * through their filter.
 */
int privcli_esp_sockets(struct privcli *c, struct priv_esp_sockets *out);
/* From now on only ESP of these SPIs (at most PRIV_SPIS_MAX) comes through. */
int privcli_esp_filter(struct privcli *c, const uint32_t *spis, size_t n);
/* Gives a new priv those of the engine. */
int privcli_esp_keep(struct privcli *c, sa_family_t family, int fd);

/* --- bytes that priv keeps without looking at them --- */

/*
 * The configuration file as it was when vnetd started and the state file: *text is malloc'd,
 * NUL-terminated. A missing file is length 0.
 */
int privcli_config_load(struct privcli *c, char **text, size_t *len);
int privcli_state_load(struct privcli *c, char **text, size_t *len);
/*
 * Stores atomically (temp file, fsync, rename, fsync of the directory) without waiting; stored() is
 * called later with number. -EAGAIN when PRIVCLI_STORES_MAX are on their way.
 */
#define PRIVCLI_STORES_MAX 8
int privcli_state_store(struct privcli *c, uint64_t number, const void *bytes, size_t len);
/* The memo: what a new engine must know to go on (in memory of priv only). */
int privcli_memo_load(struct privcli *c, void **bytes, size_t *len);
int privcli_memo_store(struct privcli *c, const void *bytes, size_t len);
#define PRIV_BLOB_MAX (16u << 20)
/* The file of struct priv_numbers, to be mapped. *fd is the caller's. */
int privcli_numbers(struct privcli *c, int *fd);
/*
 * The engine's port on the kernel's path (kernelport.h), a TAP queue that ends when somebody deletes
 * its device. *fd is the caller's.
 */
int privcli_kernel_port(struct privcli *c, int *fd);
