/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between offload.c, path*.c and flows.c only. */

#include "core/offload.h"

#define REQUESTS_MAX 1024 /* on their way to priv */

enum request_kind {
	REQUEST_NONE,
	REQUEST_START,
	REQUEST_PEER,
	REQUEST_SA,
	REQUEST_COUNT,
	REQUEST_LIMIT,
	REQUEST_MEMBER,
	REQUEST_PROBE,
	REQUEST_FLOW,
	REQUEST_DEVICE,
	REQUEST_OTHER /* whose failure changes nothing */
};

/* What an answer is about. */
struct request {
	enum request_kind kind;
	uint32_t serial; /* of the path, or of the use of the slot */
	uint32_t number; /* peer, slot, or VNI of the device */
	uint32_t spi;
	enum kernel_direction direction;
};

struct flows;

struct offload {
	struct offload_setup setup;
	enum offload_state state;
	bool found;
	bool secured; /* running with the barriers */
	bool wanted_secured;
	struct kernel_finding findings[KERNEL_ABILITIES];
	char why[KERNEL_REASON_MAX + 64]; /* not running; or not for secured vnets */
	struct monotime retry;		  /* after a failure; not set: none */
	struct monotime secure;		  /* when to try again with the barriers; as retry */
	int64_t secure_ms;
	struct request requests[REQUESTS_MAX];
	uint32_t token;	     /* of the last request */
	struct monotime now; /* of the last call that knew */
	struct path *paths[KERNEL_PEERS_MAX + 1];
	bool leaving[KERNEL_PEERS_MAX + 1]; /* numbers that priv has to be told are gone */
	unsigned n_leaving;
	uint32_t number, serial; /* the last ones given to a path */
	struct flows *flows;
	struct monotime counted;
	struct kernel_drops drops; /* as counted */
	struct bucket lines;	   /* in the log: others may break things without end */
};

/*
 * The token for a request about r, or 0: too many are on their way. If the request was not made
 * after all, request_undo() takes it back.
 */
uint32_t request_begin(struct offload *o, const struct request *r);
/* err of the call. 0, or err and the token is free again. */
int request_end(struct offload *o, uint32_t token, int err);

static inline bool
offload_worth_a_line(struct offload *o)
{
	return bucket_take(&o->lines, 1, 20, o->now);
}

static inline void
offload_kick(struct offload *o)
{
	o->setup.kick(o->setup.arg);
}

/* When to try again: after `least`, and twice as long each time, up to `most`. */
static inline struct monotime
offload_back_off(int64_t *wait_ms, int64_t least, int64_t most, struct monotime now)
{
	*wait_ms = *wait_ms == 0 ? least : *wait_ms * 2;
	if (*wait_ms > most)
		*wait_ms = most;
	return monotime_add_ms(now, *wait_ms);
}

/* --- path.c --- */

#define TRY_MS 300 /* between the probes of a way that is new, */
#define TRIES  4   /* so many */

enum path_way { PATH_SOFTWARE, PATH_ESP, PATH_UDP, PATH_MIXED, PATH_VXLAN };
enum path_stage {
	PATH_IDLE,
	PATH_ADDING,  /* the SA is being added */
	PATH_PROBING, /* and tried */
	PATH_USED
};

/* Of a way that is better than the one in use, beside it: path_trial.c */
struct path_trial {
	uint32_t number;   /* in the kernel; 0: none goes on */
	enum path_way way; /* the last one tried */
	bool works;	   /* the next pair takes it */
	uint64_t nonce;
	unsigned unanswered;
	struct monotime probe_due;
	struct monotime due; /* new keys for the next one; not set: not known yet */
	int64_t wait_ms;
};

struct path {
	struct assoc *assoc;
	uint32_t number; /* in the kernel; 0: not there */
	uint32_t serial;
	struct ipaddr local, remote;
	struct monotime elsewhere; /* since when its packets come to another address of ours */
	/* Towards us */
	unsigned waits;		       /* answers that must come before the other end may send */
	bool members_due;	       /* a member is not in the kernel yet */
	const struct sa_pair *in_pair; /* whose SAs the kernel has, or has been asked for */
	const struct sa_pair *told_pair;
	int told; /* ways in our last PATH; -1: none was sent */
	/* Away from us */
	const struct sa_pair *heard_pair; /* that its last PATH spoke of */
	uint8_t n_ways;
	struct message_way ways[MESSAGE_WAYS_MAX];
	const struct sa_pair *out_pair;
	uint32_t out_spi, old_spi;
	enum path_way way, first; /* now; what comes before `first` has failed */
	enum path_stage stage;
	struct monotime since; /* stage */
	uint64_t nonce;	       /* of the last probe; the lowest byte counts */
	unsigned unanswered;
	struct monotime probe_due;
	uint16_t nat_port; /* where its ESP in UDP comes from, if that is not what it said */
	struct monotime retry;
	int64_t retry_ms;
	struct path_trial trial;
	size_t flows; /* that the kernel has; flows.c */
	/* Manual SAs: path_manual.c */
	uint32_t left;		/* the number it had */
	uint64_t began, last;	/* the kernel's numbers begin behind, and end with */
	bool limit_due;		/* what it may send is to be told anew, when it has been counted */
	uint64_t soft_received; /* packets after which to look at the others */
	struct monotime counted;
	char why[KERNEL_REASON_MAX];
};

/* Makes it so, as far as that goes now. Returns when to look again. */
struct monotime path_tick(struct offload *o, struct assoc *a, struct monotime now);
/* The kernel has nothing of it any more, and is told so if it still listens. */
void path_remove(struct offload *o, struct path *p);
void path_answered(struct offload *o, const struct request *r, int error, const char *text);
void path_counted(struct offload *o, const struct request *r, const struct kernel_count *c);
void path_event(struct offload *o, const struct kernel_event *ev);
void path_count_all(struct offload *o, struct assoc *a);
/* For people: why that way is not the one. */
void path_set_why(struct path *p, enum path_way way, const char *why);
/* What keeps a from the kernel, or NULL. */
const char *offload_obstacle(const struct offload *o, const struct assoc *a);

/* path_trial.c */

#define TRIAL_MAX_MS 3600000 /* between two trials; what held for so long may fail once */

/* Tries what may be better than the way in use. Returns when to look again. */
struct monotime path_trial_tick(struct offload *o, struct path *p, struct monotime now);
/* Is that the answer to a probe of a trial? */
bool path_trial_seen(struct offload *o, struct path *p, uint64_t nonce);
/* Takes one that goes on out of the kernel. */
void path_trial_end(struct offload *o, struct path *p);
/* The way in use changes: nothing is known of better ones. */
void path_trial_forget(struct path *p);

/* All at once in software, and again later. The reason is for people. */
void path_give_up(struct offload *o, struct path *p, const char *why);

/* path_manual.c */
struct monotime path_manual_tick(struct offload *o, struct path *p, struct monotime now);
void path_manual_answered(struct offload *o, struct path *p);
void path_manual_counted(
    struct offload *o, struct path *p, enum kernel_direction d, const struct kernel_count *c);
void path_manual_event(struct offload *o, struct path *p, const struct kernel_event *ev);
/* Its number goes: software is to have it. */
void path_manual_removed(struct offload *o, struct path *p);
/* Software has it, or there is nothing of the kind. False: again later. */
bool path_manual_settled(struct offload *o, struct path *p);

/* path_sa.c */
uint32_t path_token(struct offload *o, const struct path *p, enum request_kind kind, uint32_t spi,
    enum kernel_direction direction);
struct path *path_of(const struct offload *o, const struct request *r);
/* The SA of that direction and SPI, or NULL. */
struct sa_kernel *path_sa(const struct assoc *a, enum kernel_direction d, uint32_t spi);
/* A number of its own in the kernel, or 0. */
uint32_t path_take_number(struct offload *o, struct path *p);
/* Nobody has it when priv has forgotten it. */
void path_leave_number(struct offload *o, uint32_t number);
/* *nonce becomes the next one. */
void path_probe(struct offload *o, const struct path *p, uint32_t number, uint64_t *nonce);
/* What the other end's PATH says of that way, or NULL. */
const struct message_way *path_heard(const struct path *p, enum path_way way);
/* The active pair's SA for that way, its SPI and ports; NULL: there is none. */
struct sa_out *path_out(
    const struct offload *o, const struct path *p, enum path_way way, struct kernel_sa *sa);
/*
 * Of the active pair; sa without what is the same for all ways. With a peer it is for a trial, and counts as used
 * up. 0, -EAGAIN, -EPIPE.
 */
int path_add_sa(struct offload *o, struct path *p, struct kernel_sa sa, struct sa_kernel *k,
    const uint8_t keymat[static SUITE_KEYMAT_MAX]);
void path_delete_sa(struct offload *o, struct path *p, enum kernel_direction d, uint32_t spi);

static inline bool
path_in_use(const struct assoc *a)
{
	return a->path != NULL && a->path->stage == PATH_USED;
}

/* --- flows.c --- */

struct flows *flows_new(void);
void flows_free(struct flows *fs);
/* The kernel's side was made anew: these are its slots. */
void flows_start(struct offload *o, struct kernel_slot *slots);
/* Everything is software from now on; the kernel is not told, its tables go. */
void flows_stop(struct offload *o);
/* None for that association (or NULL) and vnet (or 0) any more. */
void flows_withdraw(struct offload *o, const struct assoc *a, uint32_t vni);
/* v's device has the kernel's programs, or they have been asked for. False: not now. */
bool flows_device(struct offload *o, struct vnet *v);
void flows_device_refused(struct offload *o, uint32_t vni);
void flows_answered(struct offload *o, const struct request *r, int error);
/* Renews, reads back, ages. */
void flows_tick(struct offload *o, struct monotime now);
void flows_count(const struct offload *o, size_t *flows, size_t *sources);
