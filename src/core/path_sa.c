/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's SAs of a path: given, taken and counted. */
#include <errno.h>
#include <string.h>

#include "core/offload_internal.h"
#include "core/stats.h"

#define HARD_MORE 65536 /* packets while new keys are made, beside a quarter of the soft limit */

uint32_t
path_token(struct offload *o, const struct path *p, enum request_kind kind, uint32_t spi,
    enum kernel_direction direction)
{
	return request_begin(o, &(struct request){ kind, p->serial, p->number, spi, direction });
}

struct path *
path_of(const struct offload *o, const struct request *r)
{
	struct path *p = o->paths[r->number];

	return p != NULL && p->serial == r->serial ? p : NULL;
}

/* The SA of that direction and SPI. */
struct sa_kernel *
path_sa(const struct assoc *a, enum kernel_direction d, uint32_t spi)
{
	for (struct sa_pair *pair = a->pairs; pair != NULL; pair = pair->next) {
		for (uint8_t i = 0; d == KERNEL_IN && i < pair->n_in; i++)
			if (pair->in[i].entry.spi == spi)
				return &pair->in[i].kernel;
		for (uint8_t i = 0; d == KERNEL_OUT && i < pair->n_out; i++)
			if (pair->out[i].sa.spi == spi)
				return &pair->out[i].kernel;
	}
	return NULL;
}

int
path_add_sa(struct offload *o, struct path *p, struct kernel_sa sa, struct sa_kernel *k,
    const uint8_t keymat[static SUITE_KEYMAT_MAX])
{
	const struct assocs_config *c = &o->setup.assocs->config;
	uint32_t token = path_token(o, p, REQUEST_SA, sa.spi, sa.direction);
	int err = -EAGAIN;

	sa.peer = p->number;
	sa.esn = p->assoc->active->in[0].sa.esn;
	sa.window = c->replay_window;
	sa.soft = c->rekey_packets;
	sa.hard = sa.soft + sa.soft / 4 + HARD_MORE;
	memcpy(sa.keymat, keymat, sizeof(sa.keymat));
	if (token != 0)
		err = request_end(o, token, kernelcli_sa_add(o->setup.priv, token, &sa));
	explicit_bzero(sa.keymat, sizeof(sa.keymat));
	if (err == 0)
		*k = (struct sa_kernel){ SA_KERNEL_ASKED, sa.sport, sa.dport, 0, 0, 0, 0 };
	return err;
}

void
path_delete_sa(struct offload *o, struct path *p, enum kernel_direction d, uint32_t spi)
{
	struct sa_kernel *k = path_sa(p->assoc, d, spi);
	uint32_t token = path_token(o, p, REQUEST_OTHER, spi, d);

	if (k != NULL)
		k->state = SA_KERNEL_HAD;
	if (token != 0) /* else it stays until the peer is deleted, or its hard limit */
		(void)request_end(
		    o, token, kernelcli_sa_delete(o->setup.priv, token, p->number, d, spi));
}

void
path_counted(struct offload *o, const struct request *r, const struct kernel_count *c)
{
	struct path *p = path_of(o, r);
	struct sa_kernel *k = p != NULL ? path_sa(p->assoc, r->direction, r->spi) : NULL;

	if (k == NULL)
		return;
	stats_add(STAT_KERNEL_REFUSED, c->refused - k->refused);
	k->packets = c->packets;
	k->bytes = c->bytes;
	k->seq = c->seq;
	k->refused = c->refused;
}

static void
count_sa(struct offload *o, const struct path *p, const struct sa_kernel *k, uint32_t spi,
    enum kernel_direction d)
{
	uint32_t token = k->state == SA_KERNEL_HAS ? path_token(o, p, REQUEST_COUNT, spi, d) : 0;

	if (token != 0)
		(void)request_end(
		    o, token, kernelcli_sa_count(o->setup.priv, token, p->number, d, spi));
}

void
path_count_all(struct offload *o, struct assoc *a)
{
	struct path *p = a->path;

	if (p == NULL || p->number == 0)
		return;
	for (struct sa_pair *pair = a->pairs; pair != NULL; pair = pair->next) {
		for (uint8_t i = 0; i < pair->n_in; i++)
			count_sa(o, p, &pair->in[i].kernel, pair->in[i].entry.spi, KERNEL_IN);
		for (uint8_t i = 0; i < pair->n_out; i++)
			count_sa(o, p, &pair->out[i].kernel, pair->out[i].sa.spi, KERNEL_OUT);
	}
}
