/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The configuration of vnetd (vnetd.conf(5)) and the stored state, which is written in the same
 * language: a sequence of expressions. Parsing collects all errors as "FILE:LINE: text" and reads
 * on. Pure but for config_check_file.
 *
 *   (vnet.add (id ..) ..), (vnet (id ..) ..)    a vnet
 *   (peer.add (addr HOST) (port N))             a peer; with (vxlan member|hub) a kernel VXLAN device
 *   (varp.mcaddr (addr A) (ttl N))              multicast group and TTL
 *   (port N)                                    UDP port, default 1798
 *   (underlay IF..)                             multicast only on these devices
 *   (rekey (seconds N) (packets N))             default 3600, 2^31
 *   (replay-window N)                           64 to 4096, default 4096
 *   (varp (entry-ttl SECONDS))                  default 60
 *   (offload auto|off|require)                  may the kernel carry vnets, default auto
 *   (legacy-vnets on|off)                       vnets 2, 3 and 4, default off
 *   state only: (sa ..) as in manualspec.h, (host (id HEX16) (seed HEX32) (start N)), (label (id ..) (vni N))
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/manualspec.h"
#include "core/vnetspec.h"

#define CONFIG_VNETS_MAX     4096
#define CONFIG_SAS_MAX	     256
#define CONFIG_PEERS_MAX     4096
#define CONFIG_LABELS_MAX    8192
#define CONFIG_UNDERLAYS_MAX 32
#define CONFIG_HOST_SIZE     256

enum config_peer_kind {
	PEER_VNETD,
	PEER_VXLAN,    /* a kernel VXLAN device without vnetd */
	PEER_VXLAN_HUB /* one that this host carries to all others */
};

struct config_peer {
	char host[CONFIG_HOST_SIZE]; /* address or name, as given */
	uint16_t port;		     /* 0: the default port */
	enum config_peer_kind kind;
};

struct config_label {
	struct vnetid id;
	uint32_t vni;
};

struct config {
	struct vnetspec *vnets; /* malloc'd */
	size_t n_vnets;
	struct config_peer *peers; /* malloc'd */
	size_t n_peers;
	struct config_label *labels; /* malloc'd; state only */
	size_t n_labels;
	struct manualspec *sas; /* malloc'd; state only; wiped when freed */
	size_t n_sas;
	struct ipaddr group; /* default 224.10.0.1 */
	uint8_t group_ttl;   /* default 1 */
	uint16_t port;
	uint32_t rekey_seconds; /* 10 or more */
	uint64_t rekey_packets; /* 1000 or more */
	uint32_t replay_window;
	uint32_t entry_ttl; /* seconds, 1 or more */
	bool legacy_vnets;
	enum offload_mode offload;
	char underlays[CONFIG_UNDERLAYS_MAX][VNET_IFNAME_SIZE];
	size_t n_underlays;
	/* state only */
	uint64_t host_id; /* 0: none stored */
	uint64_t start;
	uint8_t seed[16];
};

typedef void config_error_fn(void *arg, const char *file, unsigned line, const char *text);

/*
 * Fills *out with defaults first; config_free() it whatever is returned. state: the state-only
 * forms are allowed, and unknown keys (of a later version) are ignored instead of refused. Returns
 * the number of errors; after CONFIG_ERRORS_MAX it reads no further.
 */
#define CONFIG_ERRORS_MAX 100
unsigned config_parse(const char *text, size_t len, const char *file, bool state,
    struct config *out, config_error_fn *error, void *arg);
void config_free(struct config *c);
/*
 * All of it in a form that parses back, defaults included; what is state only where there is any.
 */
void config_print(struct sxp_out *o, const struct config *c);
/* Only what the state file holds: host, vnets, peers, labels, manual SAs. */
void config_print_state(struct sxp_out *o, const struct config *c);
/*
 * vnetd -n: reads the file, prints errors on standard error; print: the parsed form on standard
 * output. An exit status.
 */
int config_check_file(const char *path, bool print);

/*
 * The forms that the control socket takes too; unknown keys are ignored. False with an error for
 * people.
 */
bool config_parse_peer(
    const struct sxp *e, struct config_peer *out, char error[static VNETSPEC_ERROR_MAX]);
bool config_parse_mcaddr(
    const struct sxp *e, struct ipaddr *group, uint8_t *ttl, char error[static VNETSPEC_ERROR_MAX]);
