/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hosts with associations on a bad network, in virtual time: each has its own struct assocs, groups and keys role (asynchronous, as
 * behind a socket); the network delays, loses, doubles and records what they send, by a seed. What every run must keep is checked
 * as it happens: data is sealed only on confirmed SAs that the other end has.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/assoc_internal.h"
#include "keys/keysd.h"

#define SIM_HOSTS   3
#define SIM_STREAM  20000 /* numbered packets from one host to another */
#define SIM_EVENTS  65536
#define SIM_RECORDS 65536

struct sim;

struct sim_host {
	struct sim *sim;
	unsigned index;
	uint64_t id, start;
	struct endpoint ep; /* where it sends from */
	const char *keys_dir;
	int keys_fd;
	unsigned generation; /* of the keys role: answers of an earlier one are lost */
	struct keysd *keys;  /* NULL: away */
	struct groups groups;
	struct group *group;
	struct assocs_config config;
	struct packet_pool *pool;
	struct grace grace;
	struct assocs as;
	bool running, sending;
	unsigned up, fresh, down, moved, gone, probes, dummies, forgets;
	struct endpoint probed;
	uint8_t got[SIM_HOSTS][SIM_STREAM]; /* packets of a stream, by sender */
	unsigned sent[SIM_HOSTS],
	    n_got[SIM_HOSTS]; /* numbers handed out to a receiver; received from a sender */
};

/* What goes over the network, and what is waiting inside a host. */
struct sim_event {
	struct monotime at;
	uint64_t order;
	enum { SIM_DATAGRAM, SIM_KEYS } kind;
	struct endpoint from, to;
	unsigned host, generation;
	uint32_t type, seq;
	size_t len;
	uint8_t *bytes;
};

struct sim_record {
	struct endpoint from, to;
	size_t len;
	uint8_t *bytes;
};

struct sim {
	struct monotime now;
	uint64_t rng, order;
	int delay_ms, jitter_ms, loss_pct, dup_pct;
	bool (*drop)(
	    struct sim *s, const struct sim_event *ev, void *arg); /* true: this datagram is lost */
	void *arg;
	struct sim_event *events; /* a heap */
	size_t n_events;
	struct sim_record *records;
	size_t n_records;
	unsigned long n_datagrams;
	unsigned n_spis, n_kernel;
	const char *suite, *key;
	int64_t rekey_ms;
	uint64_t rekey_packets;
	struct sim_host hosts[SIM_HOSTS];
};

enum sim_kind { SIM_HS1, SIM_HS2, SIM_COOKIE_MSG, SIM_ESP, SIM_OTHER };

/* Hosts 0, 1, 2 have ids 100, 200, 300. Not running until sim_start(). */
struct sim *sim_new(uint64_t seed);
/* With hosts 0 and 1 running. */
struct sim *sim_two(uint64_t seed);
void sim_free(struct sim *s);
void sim_start(struct sim *s, unsigned host);
/* The engine is killed: everything in it is lost; sim_start() gives it a greater start number. */
void sim_stop(struct sim *s, unsigned host);
/* The keys role is killed; its list comes again with sim_keys_start(). */
void sim_keys_stop(struct sim *s, unsigned host);
void sim_keys_start(struct sim *s, unsigned host);
uint32_t sim_random(struct sim *s, uint32_t below);

/* As if a DISCOVER of `to` had come (hint), or from our own need. */
struct assoc *sim_connect(struct sim *s, unsigned from, unsigned to, bool hint);
struct assoc *sim_assoc(struct sim *s, unsigned at, unsigned of);
bool sim_up(struct sim *s, unsigned at, unsigned of);
/* One numbered packet, if the association is up. */
bool sim_send(struct sim *s, unsigned from, unsigned to);
/* Packets of the stream that never came. */
unsigned sim_missing(const struct sim *s, unsigned from, unsigned to);

void sim_run(struct sim *s, int64_t ms);
/* Runs, and sends one packet each way between 0 and 1 every step_ms; for ms. */
void sim_stream(struct sim *s, int64_t ms, int64_t step_ms);
/* A datagram out of nowhere. */
void sim_inject(struct sim *s, const struct endpoint *from, const struct endpoint *to,
    const uint8_t *bytes, size_t len);
void sim_replay(struct sim *s, size_t record, const struct endpoint *from);
enum sim_kind sim_classify(const uint8_t *bytes, size_t len);
struct endpoint sim_endpoint(unsigned a, unsigned b, unsigned c, unsigned d, unsigned port);

/* Nothing in the air; then: no attempt, no job, no slot left; every SPI belongs to a pair; a and b send on pairs that are active at the other. */
void sim_quiet(struct sim *s);
void sim_agree(struct sim *s, unsigned a, unsigned b);
unsigned sim_pairs(const struct assoc *a, enum sa_state state);
/* Nothing of the streams between 0 and 1. */
void sim_nothing_missing(const struct sim *s);
/* sim_quiet() and sim_free(). */
void sim_end(struct sim *s);
