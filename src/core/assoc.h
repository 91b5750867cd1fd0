/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Associations: what ties this host to another under one (key, suite): the handshake that makes
 * pairs of SAs, their confirmation, rekeying and end, and the address packets go to. assoc.c has
 * the SAs, handshake.c the handshake (DESIGN.md section 6), admission.c whose handshakes are
 * answered, address.c the address and its change, way.c what workers use. No sockets and no clock: time comes in as `now`,
 * sends go out through ops, so that tests run it in virtual time.
 *
 * An association of SUITE_NONE has no SAs; clear.c makes it when an address has been proven, and
 * marks it up.
 *
 * Life of an SA pair: HALF_OPEN (we answered message 1, nothing has opened yet) or UNHEARD (we got
 * message 2, and repeat a dummy packet until we hear the new SA) -> ACTIVE (we send on it) ->
 * DRAINING (replaced; receives for 60 s more). Nobody sends data on an SA that is not confirmed,
 * and message 1 alone changes nothing but the one half-open slot. Where two handshakes crossed and
 * both were finished, the ends may have chosen different pairs: then the higher host id follows the
 * lower.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/datagram.h"
#include "base/grace.h"
#include "base/monotime.h"
#include "base/packet.h"
#include "base/rtable.h"
#include "base/table.h"
#include "core/group.h"
#include "core/ratelimit.h"
#include "esp/esp.h"
#include "esp/sadb.h"
#include "keys/handshake.h"
#include "keys/keysmsg.h"

#define ASSOCS_MAX     4096
#define ASSOC_ATTEMPTS 4 /* handshakes out at once to different addresses of one host */
#define ASSOC_ATTEMPT_MS \
	5000 /* after that an attempt is given up, and a half-open slot forgotten */
#define ASSOC_SETTLE_MS \
	1000 /* where the ends have chosen different pairs, one follows the other after that time */
#define ASSOC_DRAIN_MS 60000 /* a replaced pair still receives */
#define ASSOC_HS_FREE  20    /* message 1s a second that are answered without a cookie */
#define ASSOC_BATCH    64    /* packets sealed at once */
#define ASSOC_JOBS_MAX \
	64 /* message 1s being worked on by the keys process; half of it for hosts not known yet */
#define ASSOC_PAIRS_MAX 16 /* pairs of one association: then the oldest that drains makes room */
#define ASSOC_HINTS_MAX \
	256 /* attempts in all that something unauthenticated caused, to addresses not known yet */

enum sa_state { SA_HALF_OPEN, SA_UNHEARD, SA_ACTIVE, SA_DRAINING };

struct assoc;
struct attempt;
struct known;
struct manual;
struct path;

/*
 * What the kernel has of an SA (path.c). It gets each once: given again after it was lost it would
 * begin anew, with sequence numbers that have been used, or a replay window that knows nothing.
 */
struct sa_kernel {
	enum { SA_KERNEL_NEVER, SA_KERNEL_ASKED, SA_KERNEL_HAS, SA_KERNEL_HAD } state;
	uint16_t sport, dport; /* ESP in UDP; 0: IP protocol 50 */
	uint64_t packets, bytes, seq, refused;
};

/*
 * Workers seal on SAs of their own, and get what was sealed on those of theirs, so a lock is nearly
 * always free, and taken once a batch.
 */
struct sa_in {
	struct sadb_entry entry;   /* owner: this struct */
	struct rtable_node by_spi; /* for workers, once it is confirmed */
	pthread_mutex_t lock;	   /* of sa */
	struct esp_in sa;
	uint64_t *taken; /* where to note the highest number before anybody looks; or NULL */
	struct sa_pair *pair;
	struct sa_kernel kernel;
	uint8_t keymat[SUITE_KEYMAT_MAX]; /* for the kernel and vn sas --keys */
};

struct sa_out {
	pthread_mutex_t lock; /* of sa */
	struct esp_out sa;
	struct sa_kernel kernel;
	uint8_t keymat[SUITE_KEYMAT_MAX];
};

struct sa_pair {
	struct sa_pair *next;
	struct grace_node retired;
	bool shared; /* its inbound SAs are in spis */
	struct assoc *assoc;
	enum sa_state state;
	bool initiator;
	uint32_t key_id;
	uint64_t peer_start;
	uint32_t attempt; /* the number of the message 1 we answered; 0: it was ours */
	struct endpoint
	    ep; /* where its message 1 came from, or went to; none if it came from several */
	struct monotime installed;
	struct monotime expires; /* HALF_OPEN, UNHEARD, DRAINING */
	struct monotime dummy;	 /* UNHEARD: next dummy packet */
	int64_t dummy_ms;
	/*
	 * The last of each direction, behind the soft ones, are the receiving kernel's: in software
	 * they are neither opened nor sealed for. The last soft one is left to the sender's kernel,
	 * unless it is the only one.
	 */
	uint8_t n_in, n_in_soft;
	uint8_t n_out, n_out_soft;
	struct sa_in *in; /* n_in of them */
	struct sa_out *out;
	uint8_t msg1[HS_NOISE_LEN]; /* HALF_OPEN: a repeated message 1 gets the same answer */
	uint8_t msg2[HS_NOISE_LEN];
};

/*
 * How packets go to an association now. Never changed, only replaced, so that workers may read it.
 */
struct way {
	struct grace_node retired;
	struct assoc *assoc; /* for what is atomic in it */
	uint64_t group;	     /* its number */
	const struct suite *suite;
	struct sa_pair *pair; /* NULL: SUITE_NONE */
	struct endpoint ep;
	uint32_t inner_mtu;
	bool plain;
	uint32_t port; /* the kernel has its only SA: the number for kernelport_send(); or 0 */
};

struct assoc_key {
	uint64_t host_id;
	const struct group *group;
};

struct assoc {
	struct table_node node;
	struct assoc_key key;
	struct assoc *next; /* all of them */
	struct grace_node retired;
	_Atomic(struct way *) way; /* NULL while it is down */
	struct group *group;
	bool plain;	       /* a kernel VXLAN device, nobody to talk to: plain.h */
	bool hub;	       /* one that is a port of ours */
	struct manual *manual; /* its SAs are manual ones (it is plain then), or NULL */
	bool up;	       /* confirmed: frames can go */
	uint64_t peer_start;   /* valid while up */
	struct endpoint ep;    /* where packets go; kept when it goes down */
	struct known *known;   /* address.c: NULL as long as ep is not set */
	struct ipaddr local;   /* our address that its packets come to */
	uint32_t
	    inner_mtu; /* largest IP packet of a vnet that needs no outer fragments on the way; 0: not known */
	struct monotime up_since;
	_Atomic(struct monotime) heard; /* last authentic packet (none: last proven one) */
	_Atomic(struct monotime) sent;
	struct monotime born;

	struct sa_pair *pairs;	    /* all states */
	struct sa_pair *active;	    /* NULL while down */
	uint64_t confirmed_start;   /* of the newest message 1 that led to a confirmed pair; */
	uint32_t confirmed_attempt; /* anything not newer is a replay */
	uint32_t key_id;	    /* that made the pair confirmed last */
	unsigned key_tries;
	struct attempt *attempts;
	struct monotime retry; /* down: when to try the last address again */
	int64_t retry_ms;
	struct monotime no_rekey_before;

	struct endpoint candidate; /* a new address, until an echo came back from it */
	uint64_t candidate_nonce;
	struct monotime candidate_since;

	_Atomic uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
	uint64_t clear_nonce;	   /* none: what the peer wants echoed */
	struct exchange *exchange; /* exchange.c: membership and echoes */
	_Atomic bool in_kernel; /* its unicast is for the kernel, which the engine's thread asks */
	struct path *path;	/* path.c: what of it the kernel carries; NULL: nothing */
	uint32_t port;		/* manual SAs that the kernel has: see struct way */
	char problem[128];	/* the last thing that went wrong, in words; "" when up */
};

/* None of these frees or takes down an association; all else in this header they may call. */
struct assocs_ops {
	/* A control message to `to`. */
	void (*control)(void *arg, const struct endpoint *to, enum control_type type,
	    const uint8_t *body, size_t len);
	/* A sealed packet; consumes it. */
	void (*esp)(void *arg, const struct endpoint *to, struct packet *p);
	/*
	 * Work for the keys process, answered through assocs_initiated() and the others with the
	 * same token. False: it is away.
	 */
	bool (*initiate)(void *arg, uint32_t token, const struct keys_initiate *m);
	bool (*respond)(void *arg, uint32_t token, const struct keys_respond *m);
	bool (*finish)(void *arg, uint32_t token, const struct keys_finish *m);
	void (*forget)(void *arg, uint32_t handle);
	/*
	 * fresh: the first time, or the peer is a new one under its old id; else a pair was
	 * replaced.
	 */
	void (*up)(void *arg, struct assoc *a, bool fresh);
	void (*down)(void *arg, struct assoc *a);
	/* The address changed. */
	void (*moved)(void *arg, struct assoc *a);
	/* Send an echo with this nonce to that address (not the association's). */
	void (*probe)(void *arg, struct assoc *a, const struct endpoint *to, uint64_t nonce);
	/* About to be freed. */
	void (*gone)(void *arg, struct assoc *a);
	/* A pair is about to be freed. May be NULL. */
	void (*retired)(void *arg, struct sa_pair *p);
};

struct assocs_config {
	uint64_t host_id;
	uint64_t start;
	int64_t rekey_ms;
	uint64_t rekey_packets;
	uint32_t replay_window;
	uint8_t lanes;	  /* workers that inbound packets are spread over by their SPI; 0 as 1 */
	uint8_t n_spis;	  /* inbound SAs of a pair in software, at least 1 */
	uint8_t n_kernel; /* and in the kernel; together at most HS_SPI_MAX */
};

struct assocs {
	struct assocs_config config;
	const struct assocs_ops *ops;
	void *arg;
	struct groups *groups;
	struct packet_pool *pool;
	struct grace *grace;
	struct sadb sadb;
	struct rtable spis; /* inbound SAs that are confirmed */
	struct table table;
	struct assoc *first;
	struct table attempts; /* by hs_id */
	size_t n_hints;	       /* of them, towards addresses not known yet */
	struct respond_job *jobs;
	size_t n_jobs;
	uint32_t next_job;	 /* token of the next one */
	uint32_t next_attempt;	 /* number of our next message 1, in this start */
	struct table known;	 /* endpoints of associations */
	struct bucket strangers; /* message 1s from addresses neither known nor proven */
	struct ratelimit *proven;
	struct siphash_key cookie_keys[2]; /* now and before */
	struct monotime cookie_renewed;
};

/* 0 or -ENOMEM. */
int assocs_init(struct assocs *as, const struct assocs_config *config, struct groups *groups,
    struct packet_pool *pool, struct grace *grace, const struct assocs_ops *ops, void *arg);
/* Frees all without telling anybody. */
void assocs_fini(struct assocs *as);

struct assoc *assoc_find(const struct assocs *as, uint64_t host_id, const struct group *g);
/*
 * Finds or makes; at ASSOCS_MAX in place of one that has never been confirmed. NULL when there is
 * none, or memory is short.
 */
struct assoc *assoc_get(struct assocs *as, uint64_t host_id, struct group *g, struct monotime now);
/*
 * One SA a direction with keys and numbers that are given, for good: a manual SA (manual.h). Both
 * numbers count as used. 0, -EEXIST: the SPI is taken; -ENOSPC, -ENOMEM.
 */
struct assoc_fixed {
	uint32_t spi_in, spi_out;
	const uint8_t *in, *out; /* keymat */
	bool esn;
	uint64_t sent, received;
	uint64_t *taken; /* as in struct sa_in */
};
int assoc_fix(struct assocs *as, struct assoc *a, const struct assoc_fixed *f, struct monotime now);
/* From now on of group g, where that host has no other. */
void assoc_regroup(struct assocs *as, struct assoc *a, struct group *g);
/* Takes it down and frees it. */
void assoc_free(struct assocs *as, struct assoc *a);

/*
 * Starts a handshake with that host at ep; if one is out there already it is repeated. hint:
 * something unauthenticated is the cause, so exactly one message 1 is sent for it; else it is
 * repeated by the clock.
 */
void assoc_connect(struct assocs *as, struct assoc *a, uint32_t key_id, const struct endpoint *ep,
    bool hint, struct monotime now);

/* Confirmed at that address (SAs or clear): tells ops->up. For assoc.c and clear.c. */
void assoc_confirm(struct assocs *as, struct assoc *a, uint64_t start, const struct endpoint *ep,
    struct monotime now);
/* Where it was in an earlier run of ours: known from now on, and tried at once. */
void assoc_remember(
    struct assocs *as, struct assoc *a, const struct endpoint *ep, struct monotime now);
/* Asks for new keys now, if that has not been done lately. It must be up, and not clear. */
void assoc_rekey(struct assocs *as, struct assoc *a, struct monotime now);
/* No way to it any more: SAs go, ops->down. */
void assoc_down(struct assocs *as, struct assoc *a, const char *why, struct monotime now);

/* Control messages, bodies only. `from` is who claims to have sent them. */
void assocs_handshake1(struct assocs *as, const struct endpoint *from, const uint8_t *body,
    size_t len, struct monotime now);
/* Anybody may have sent it: packets go where message 1 went. */
void assocs_handshake2(struct assocs *as, const uint8_t *body, size_t len);
void assocs_cookie(struct assocs *as, const struct endpoint *from, const uint8_t *body, size_t len,
    struct monotime now);

/* Answers of the keys process. */
void assocs_initiated(
    struct assocs *as, uint32_t token, const struct keys_initiated *m, struct monotime now);
void assocs_responded(
    struct assocs *as, uint32_t token, const struct keys_session *m, struct monotime now);
void assocs_finished(
    struct assocs *as, uint32_t token, const struct keys_session *m, struct monotime now);
/* The keys process was restarted: its open handshakes are gone; ours start again. */
void assocs_keys_restarted(struct assocs *as, struct monotime now);

/*
 * ESP packets of one SPI that came from `from`, opened in place. For each, opened says whether it
 * is a payload now; all others are garbage, and counted. The packets stay the caller's. NULL if
 * none opened, else their association.
 */
struct assoc *assocs_open(struct assocs *as, uint32_t spi, const struct endpoint *from,
    struct packet **packets, size_t n, struct esp_opened *opened, struct monotime now);
/*
 * Seals up to ASSOC_BATCH packets on the active pair and sends them; `to` NULL: to the
 * association's address. Consumes them. False: it is not up, nothing was sent.
 */
bool assoc_send(struct assocs *as, struct assoc *a, struct packet **packets, size_t n,
    uint8_t next_header, const struct endpoint *to, struct monotime now);
/*
 * What a worker has opened by itself, and is news: as if assocs_open() had. NULL if the SA is gone.
 */
struct assoc *assocs_opened(struct assocs *as, uint32_t spi, const struct endpoint *from,
    const struct esp_opened *opened, struct monotime now);
/* The echo of a candidate's nonce came back. True if it was one. */
bool assoc_address_proven(struct assocs *as, struct assoc *a, uint64_t nonce, struct monotime now);

/* Where, how, or how much at a time has changed. */
void way_update(struct assocs *as, struct assoc *a);
/* The same, when the largest packet is another one. */
void way_set_mtu(struct assocs *as, struct assoc *a, uint32_t inner_mtu);

/*
 * For any thread, between grace_enter() and grace_leave():
 *
 * Seals up to ASSOC_BATCH frames with their inner headers on the lane's SA (of a way of SUITE_NONE
 * they stay as they are). Those that cannot be are freed; returns how many are left in packets.
 */
size_t way_seal(
    const struct way *w, unsigned lane, struct packet **packets, size_t n, struct monotime now);
/*
 * Left to the peer's kernel: what comes over it was sent by nobody who knows how the pair stands,
 * and from an address that routes have chosen.
 */
static inline bool
sa_from_kernel(const struct sa_in *in)
{
	return in->pair->n_in_soft > 1 && in == &in->pair->in[in->pair->n_in_soft - 1];
}
/* A confirmed inbound SA, or NULL. */
struct sa_in *sa_find(const struct assocs *as, uint32_t spi);
/* Opens packets as assocs_open(), and counts; how many are payloads now. */
size_t sa_open(struct sa_in *in, struct packet **packets, size_t n, struct esp_opened *opened,
    struct monotime now);

struct sa_count {
	uint64_t seq; /* the last one sent, the highest received */
	uint64_t packets, bytes;
};
struct sa_count sa_in_count(struct sa_in *in);
struct sa_count sa_out_count(struct sa_out *out);

/* Resends, rekeys, expiry. Call when due; returns when next, not set when nothing is waiting. */
struct monotime assocs_tick(struct assocs *as, struct monotime now);
