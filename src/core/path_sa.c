/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a path has in the kernel: its number there, and its SAs, given, taken and counted. */
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

uint32_t
path_take_number(struct offload *o, struct path *p)
{
	for (unsigned i = 0; i < KERNEL_PEERS_MAX; i++) {
		o->number = o->number % KERNEL_PEERS_MAX + 1;
		if (o->paths[o->number] != NULL || o->leaving[o->number])
			continue;
		o->paths[o->number] = p;
		return o->number;
	}
	return 0;
}

void
path_leave_number(struct offload *o, uint32_t number)
{
	o->leaving[number] = true;
	o->n_leaving++;
	o->paths[number] = NULL;
	offload_kick(o);
}

void
path_probe(struct offload *o, const struct path *p, uint32_t number, uint64_t *nonce)
{
	uint32_t token = path_token(o, p, REQUEST_PROBE, 0, 0);

	*nonce = (*nonce & ~UINT64_C(0xff)) | (uint8_t)(*nonce + 1);
	if (token != 0)
		(void)request_end(o, token, kernelcli_probe(o->setup.priv, token, number, *nonce));
}

const struct message_way *
path_heard(const struct path *p, enum path_way way)
{
	static const enum way_kind kinds[] = {
		[PATH_ESP] = WAY_ESP, [PATH_UDP] = WAY_UDP, [PATH_VXLAN] = WAY_VXLAN
	};

	for (uint8_t i = 0; way != PATH_MIXED && i < p->n_ways; i++)
		if (p->ways[i].kind == kinds[way])
			return &p->ways[i];
	return NULL;
}

struct sa_out *
path_out(const struct offload *o, const struct path *p, enum path_way way, struct kernel_sa *sa)
{
	const struct message_way *w = path_heard(p, way);
	struct sa_pair *pair = p->assoc->active;
	struct sa_out *out = NULL;

	if (way == PATH_MIXED && pair->n_out_soft > 1)
		out = &pair->out[pair->n_out_soft - 1];
	for (uint8_t i = pair->n_out_soft; w != NULL && i < pair->n_out; i++)
		if (pair->out[i].sa.spi == w->spi)
			out = &pair->out[i];
	if (out == NULL)
		return NULL;
	sa->spi = out->sa.spi;
	if (way == PATH_UDP) {
		sa->sport = KERNEL_PORT_ESP;
		sa->dport = p->nat_port != 0 ? p->nat_port : w->port;
	} else if (way == PATH_MIXED) {
		sa->sport = o->setup.port;
		sa->dport = (uint16_t)p->assoc->ep.port;
	}
	return out;
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
	bool trial = sa.peer != 0;
	uint32_t token = path_token(o, p, trial ? REQUEST_OTHER : REQUEST_SA, sa.spi, sa.direction);
	int err = -EAGAIN;

	if (!trial)
		sa.peer = p->number;
	sa.esn = p->assoc->active->in[0].sa.esn;
	sa.window = c->replay_window;
	if (p->assoc->manual == NULL) {
		sa.limits.soft = c->rekey_packets;
		sa.limits.hard = c->rekey_packets + c->rekey_packets / 4 + HARD_MORE;
	}
	memcpy(sa.keymat, keymat, sizeof(sa.keymat));
	if (token != 0)
		err = request_end(o, token, kernelcli_sa_add(o->setup.priv, token, &sa));
	explicit_bzero(sa.keymat, sizeof(sa.keymat));
	if (err == 0)
		*k = (struct sa_kernel){ trial ? SA_KERNEL_HAD : SA_KERNEL_ASKED, sa.sport,
			sa.dport, 0, 0, 0, 0 };
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
	/* Numbers of manual SAs that are still software's do not count. */
	if (p->assoc->manual == NULL || k->packets > 0)
		stats_add(STAT_KERNEL_REFUSED, c->refused - k->refused);
	k->packets = c->packets;
	k->bytes = c->bytes;
	k->seq = c->seq;
	k->refused = c->refused;
	if (p->assoc->manual != NULL)
		path_manual_counted(o, p, r->direction, c);
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
