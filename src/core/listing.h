/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the lists have in common. */

#include <inttypes.h>
#include <string.h>

#include "base/addr.h"
#include "base/monotime.h"
#include "base/sxp.h"
#include "core/control.h"

struct macaddr;
struct offload;

static inline void
print_host(struct sxp_out *o, uint64_t host_id)
{
	sxp_out_kvf(o, "host", "%016" PRIx64, host_id);
}

/* 0: ESP as IP protocol 50, which has none. */
static inline uint32_t
port_of(const struct endpoint *ep)
{
	return ep->port != ENDPOINT_ESP ? ep->port : 0;
}

static inline int64_t
age_s(struct monotime since, struct monotime now)
{
	return monotime_is_set(since) ? monotime_diff_ms(now, since) / 1000 : 0;
}

static inline bool
asked(const struct request *r, const char *key)
{
	const char *value = sxp_get(r->expr, key);

	return value != NULL && strcmp(value, "yes") == 0;
}

/* (offload ..) and (ability ..).., of vn status. */
void print_offload(struct sxp_out *o, const struct offload *offload);
/* What the kernel has carried of an address, if it has it. */
void print_flow(
    struct sxp_out *o, const struct offload *offload, uint32_t vni, const struct macaddr *mac);
