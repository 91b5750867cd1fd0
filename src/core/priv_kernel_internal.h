/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of priv_kernel.h share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/netlink.h"
#include "core/fastpath_load.h"
#include "core/nftnl.h"
#include "core/pathnl.h"
#include "core/priv_kernel.h"
#include "core/priv_link.h"
#include "core/xfrmnl.h"

#define PATH_TABLE   "vnetd"
#define PATH_PROBE   "vnet-probe"
#define PATH_SAS_MAX 32 /* of a peer */
#define LEVELS	     FASTPATH_LEVELS

/* What others may have removed. */
enum {
	GONE_LINK = 1,
	GONE_PROGRAM = 2,
	GONE_BARRIER = 4,
	GONE_POLICY = 8,
	GONE_SA = 16,
	GONE_ROUTE = 32, /* only found by looking */
};

struct kernel_netlink {
	struct netlink *requests, *events;
	struct loop_fd watch;
};

struct sa_record {
	uint32_t spi;
	uint8_t direction;
	bool lost;
	uint32_t untold; /* enum kernel_event_type + 1 of what the engine must still hear */
};

struct member_record {
	uint32_t vni;
	uint32_t ifindex;
};

struct peer_record {
	struct kernel_peer peer;
	const struct suite *suite;
	struct sa_record sas[PATH_SAS_MAX];
	size_t n_sas;
	struct member_record *members;
	size_t n_members;
	struct monotime no_sa; /* when the engine was last told that one is missing */
	bool astray;	       /* routes of others lead its pseudo-address past the barrier */
};

struct vnet_record {
	char ifname[VNET_IFNAME_SIZE];
	uint32_t ifindex;
};

struct flow_record {
	struct fastpath_flow_key key; /* ifindex 0: the slot is free */
	uint32_t peer;
};

struct priv_kernel {
	struct loop *loop;
	struct priv_link *link; /* who knows which TAPs are ours */
	priv_kernel_tell_fn *tell;
	void *arg;

	struct fastpath *programs; /* NULL: why_not */
	char why_not[KERNEL_REASON_MAX];
	struct loop_fd probes;
	struct kernel_netlink route, xfrm, nft;

	bool started, secured;
	int numbers;		  /* the file of priv_kernel_settle(), -1: none */
	int encap[2];		  /* sockets of KERNEL_PORT_ESP; -1 */
	int probe;		  /* a queue of the probing device; -1 */
	uint32_t probe_ifindex;	  /* 0: not there */
	uint32_t ifindex[LEVELS]; /* of the shared devices */
	bool ipv6;		  /* pseudo-addresses of it are routed */

	struct vnet_record *vnets;
	size_t n_vnets;
	struct peer_record *peers[KERNEL_PEERS_MAX + 1];
	struct flow_record *flows; /* by slot */

	uint32_t gone;	  /* set of GONE_* to look after */
	char what[64];	  /* what was removed, for the log */
	bool no_route;	  /* nor could it be made */
	uint32_t checked; /* the last peer whose route was looked at */
	struct loop_timer check, patrol;
	struct kernel_event pending; /* of what must be told: repaired, or down */
	bool has_pending;
};

/* --- priv_kernel.c --- */

/* The words of fmt, and why the kernel refused. */
int priv_kernel_failed(const struct netlink *n, struct priv_answer *a, int err, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));
/* Something of ours is gone: it is looked after in this round of the loop. */
void priv_kernel_note_gone(struct priv_kernel *k, uint32_t gone, const char *what);
/* Takes the events that are there: of many changes of ours too, or they crowd out those of others. */
void priv_kernel_hear_xfrm(struct priv_kernel *k);
void priv_kernel_tell(struct priv_kernel *k, uint32_t type, uint32_t peer, uint64_t value,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* --- priv_path.c --- */

/*
 * The sockets of KERNEL_PORT_ESP. While we have them, no other vnetd uses the names of what we make.
 */
int priv_path_lock(struct priv_kernel *k, struct priv_answer *a);
bool priv_path_is_locked(const struct priv_kernel *k);
void priv_path_unlock(struct priv_kernel *k);
int priv_path_open_barrier(struct priv_kernel *k, struct priv_answer *a);
int priv_path_open(struct priv_kernel *k, struct priv_answer *a);
void priv_path_close(struct priv_kernel *k);
/* Puts back what is gone. */
int priv_path_repair(struct priv_kernel *k, uint32_t gone, struct priv_answer *a);
/* Are the routes there? 1: now they are. Or -errno. */
int priv_path_check_routes(struct priv_kernel *k, struct priv_answer *a);
/* Is the peer's pseudo-address routed by them, and not by others? */
bool priv_path_leads_to_probe(struct priv_kernel *k, const struct kernel_peer *p);
/* An event about a link; true if it was one of the shared devices. */
void priv_path_link_event(void *arg, const struct nlmsghdr *nlh);
int priv_path_set_program(struct priv_kernel *k, uint32_t ifindex, bool out,
    enum fastpath_program p, struct priv_answer *a);
/* Off a TAP of ours; with its place, when nobody else has programs there. */
void priv_path_del_program(struct netlink *route, uint32_t ifindex);
uint32_t priv_path_ifindex(struct priv_kernel *k, const char *ifname, const char *kind);
void priv_path_delete_link(struct netlink *route, const char *name, const char *kind);
/* The devices and routes of an earlier run. */
void priv_path_sweep(struct netlink *route);
void priv_path_sweep_barrier(struct netlink *nft);

/* --- priv_xfrm.c --- */

int priv_xfrm_open(struct priv_kernel *k, struct priv_answer *a);
int priv_xfrm_repair(struct priv_kernel *k, struct priv_answer *a);
void priv_xfrm_check_sas(struct priv_kernel *k);
void priv_xfrm_event(void *arg, const struct nlmsghdr *nlh);
int priv_xfrm_add_peer(struct priv_kernel *k, const struct peer_record *p, struct priv_answer *a);
/* With its SAs. */
void priv_xfrm_del_peer(struct priv_kernel *k, struct peer_record *p);
int priv_xfrm_add_sa(struct priv_kernel *k, const struct kernel_sa *q, struct priv_answer *a);
int priv_xfrm_del_sa(struct priv_kernel *k, const struct priv_kernel_sa *q, struct priv_answer *a);
int priv_xfrm_limit_sa(
    struct priv_kernel *k, const struct priv_kernel_limit *q, struct priv_answer *a);
void priv_xfrm_tell(struct priv_kernel *k);
/* All that carries a number of ours. */
void priv_xfrm_sweep(struct netlink *xfrm);
/* The address that stands for the peer where its policy is looked up. */
struct ipaddr priv_xfrm_pseudo(const struct kernel_peer *p);
uint16_t priv_xfrm_port(enum level level);
uint32_t priv_xfrm_number(uint32_t peer);

/* --- priv_flows.c --- */

int priv_flows_open(struct priv_kernel *k, struct priv_answer *a);
void priv_flows_close(struct priv_kernel *k);
struct peer_record *priv_flows_peer(struct priv_kernel *k, uint32_t number, struct priv_answer *a);
int priv_flows_add_peer(struct priv_kernel *k, const struct kernel_peer *q, struct priv_answer *a);
int priv_flows_del_peer(struct priv_kernel *k, uint32_t number, struct priv_answer *a);
int priv_flows_add_vnet(struct priv_kernel *k, const char *ifname, struct priv_answer *a);
int priv_flows_del_vnet(struct priv_kernel *k, const char *ifname, struct priv_answer *a);
int priv_flows_add_member(
    struct priv_kernel *k, const struct kernel_member *q, struct priv_answer *a);
int priv_flows_del_member(
    struct priv_kernel *k, const struct priv_kernel_member *q, struct priv_answer *a);
int priv_flows_set(struct priv_kernel *k, const struct kernel_flow *q, struct priv_answer *a);
int priv_flows_delete(
    struct priv_kernel *k, const struct priv_kernel_flow *q, struct priv_answer *a);
int priv_flows_probe(
    struct priv_kernel *k, const struct priv_kernel_probe *q, struct priv_answer *a);
/* The TAP is gone. */
void priv_flows_forget_vnet(struct priv_kernel *k, uint32_t ifindex);
/* Peers whose pseudo-address others route elsewhere are not sent to; some of them, each time. */
void priv_flows_check_routes(struct priv_kernel *k);
/* Puts the programs of TAPs back. */
int priv_flows_repair(struct priv_kernel *k, struct priv_answer *a);
void priv_flows_take_probes(struct priv_kernel *k);
