/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "core/assoc_internal.h"
#include "core/stats.h"

/* --- how packets go --- */

static void
way_free(struct grace_node *n)
{
	free(TABLE_ENTRY(n, struct way, retired));
}

void
way_update(struct assocs *as, struct assoc *a)
{
	bool clear = a->group->suite->id == SUITE_NONE;
	struct way *w = NULL, *before;

	if (a->up && (clear || a->active != NULL))
		w = malloc(sizeof(*w));
	if (w != NULL)
		*w = (struct way){
			.assoc = a,
			.group = a->group->number,
			.suite = a->group->suite,
			.pair = a->active,
			.ep = a->ep,
			.inner_mtu = a->inner_mtu,
			.plain = a->plain,
			.port = a->port,
		};
	before = atomic_exchange(&a->way, w);
	if (before != NULL)
		grace_retire(as->grace, &before->retired, way_free);
}

void
way_set_mtu(struct assocs *as, struct assoc *a, uint32_t inner_mtu)
{
	if (a->inner_mtu == inner_mtu)
		return;
	a->inner_mtu = inner_mtu;
	way_update(as, a);
}

/* --- sending --- */

/* The last soft SA is left to the kernel, unless it is the only one. */
static struct sa_out *
sa_of_lane(struct sa_pair *p, unsigned lane)
{
	return &p->out[p->n_out_soft > 1 ? lane % (p->n_out_soft - 1u) : 0];
}

static void
count_sent(struct assoc *a, struct packet **packets, size_t n, struct monotime now)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += packets[i]->len;
	a->tx_packets += n;
	a->tx_bytes += bytes;
	a->sent = now;
}

size_t
pair_seal(struct sa_pair *p, unsigned lane, struct packet **packets, size_t n, uint8_t next_header,
    struct monotime now)
{
	struct sa_out *out = sa_of_lane(p, lane);
	enum esp_verdict verdicts[ASSOC_BATCH];
	size_t sealed = 0;

	pthread_mutex_lock(&out->lock);
	esp_seal_batch(&out->sa, packets, n, next_header, verdicts);
	pthread_mutex_unlock(&out->lock);
	for (size_t i = 0; i < n; i++) {
		if (verdicts[i] == ESP_OK) {
			packets[sealed++] = packets[i];
			continue;
		}
		stats_esp(verdicts[i]);
		packet_put(packets[i]);
	}
	stats_add(STAT_ESP_TX, sealed);
	count_sent(p->assoc, packets, sealed, now);
	return sealed;
}

size_t
way_seal(const struct way *w, unsigned lane, struct packet **packets, size_t n, struct monotime now)
{
	if (w->suite->id != SUITE_NONE)
		return pair_seal(w->pair, lane, packets, n, ESP_NEXT_UDP, now);
	count_sent(w->assoc, packets, n, now);
	return n;
}

/* --- receiving --- */

void
pair_share(struct assocs *as, struct sa_pair *p)
{
	if (p->shared)
		return;
	for (uint8_t i = 0; i < p->n_in_soft; i++)
		rtable_insert(&as->spis, &p->in[i].by_spi);
	p->shared = true;
}

void
pair_unshare(struct assocs *as, struct sa_pair *p)
{
	for (uint8_t i = 0; p->shared && i < p->n_in_soft; i++)
		rtable_remove(&as->spis, &p->in[i].by_spi);
	p->shared = false;
}

struct sa_in *
sa_find(const struct assocs *as, uint32_t spi)
{
	struct rtable_node *n = rtable_find(&as->spis, &spi);

	return n != NULL ? TABLE_ENTRY(n, struct sa_in, by_spi) : NULL;
}

size_t
sa_open(struct sa_in *in, struct packet **packets, size_t n, struct esp_opened *opened,
    struct monotime now)
{
	struct assoc *a = in->pair->assoc;
	uint64_t bytes;
	size_t ok = 0;

	pthread_mutex_lock(&in->lock);
	bytes = in->sa.bytes;
	esp_open_batch(&in->sa, packets, n, opened);
	bytes = in->sa.bytes - bytes;
	if (in->taken != NULL)
		*in->taken = in->sa.replay.top;
	pthread_mutex_unlock(&in->lock);
	for (size_t i = 0; i < n; i++) {
		stats_esp(opened[i].verdict);
		ok += opened[i].verdict == ESP_OK;
	}
	if (ok == 0)
		return 0;
	stats_add(STAT_ESP_RX, ok);
	a->rx_packets += ok;
	a->rx_bytes += bytes;
	a->heard = now;
	return ok;
}

/* --- counts --- */

struct sa_count
sa_in_count(struct sa_in *in)
{
	struct sa_count c;

	pthread_mutex_lock(&in->lock);
	c = (struct sa_count){ in->sa.replay.top, in->sa.packets, in->sa.bytes };
	pthread_mutex_unlock(&in->lock);
	return c;
}

struct sa_count
sa_out_count(struct sa_out *out)
{
	struct sa_count c;

	pthread_mutex_lock(&out->lock);
	c = (struct sa_count){ out->sa.seq, out->sa.seq, out->sa.bytes };
	pthread_mutex_unlock(&out->lock);
	return c;
}
