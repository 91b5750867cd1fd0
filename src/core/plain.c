/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/engine.h"
#include "core/manual.h"
#include "core/offload.h"
#include "core/plain.h"
#include "core/vnetctl.h"
#include "core/workers.h"
#include "varp/varp.h"

struct plain_mac {
	struct table_node node;
	struct {
		uint32_t vni;
		uint8_t mac[6];
		uint8_t zero[2];
	} key;
	uint64_t host_id; /* of the member, which may be gone */
	struct monotime seen;
};

uint64_t
plain_host_id(const struct engine *e, const struct endpoint *ep)
{
	struct siphash_key key;
	uint64_t id;

	memcpy(&key, e->seed, sizeof(key));
	id = siphash(&key, ep, sizeof(*ep));
	return id != 0 ? id : 1;
}

static void
join(struct engine *e, struct vnet *v, struct assoc *a)
{
	struct member *m;
	uint16_t value;

	if (v->group != a->group || !vnetid_is_short(&v->id, &value) ||
	    (a->manual != NULL && !manual_takes(a->manual, &v->id)))
		return;
	m = member_add(&e->vnets, v, a, a->key.host_id, value);
	if (m == NULL)
		return;
	v->hubs += a->hub;
	offload_member_added(e->offload, m);
}

void
plain_join(struct engine *e, struct assoc *a)
{
	vnetctl_path_changed(e, a);
	for (struct vnet *v = e->vnets.first; v != NULL; v = v->next) {
		join(e, v, a);
		workers_vnet_changed(e, v);
	}
}

void
plain_leave(struct engine *e, struct assoc *a)
{
	for (struct vnet *v = e->vnets.first; v != NULL; v = v->next) {
		struct member *m = member_find(&e->vnets, a->key.host_id, v->vni);

		if (m == NULL || m->assoc != a)
			continue;
		v->hubs -= a->hub;
		varp_member_down(e->varp, v->vni, a->key.host_id);
		offload_member_gone(e->offload, m);
		member_remove(&e->vnets, m);
		workers_vnet_changed(e, v);
	}
}

size_t
plain_vnets(const struct engine *e, const struct assoc *a)
{
	size_t n = 0;

	for (const struct vnet *v = e->vnets.first; v != NULL; v = v->next) {
		const struct member *m = member_find(&e->vnets, a->key.host_id, v->vni);

		n += m != NULL && m->assoc == a;
	}
	return n;
}

int
plain_add(struct engine *e, const struct endpoint *ep, bool hub)
{
	uint64_t host_id = plain_host_id(e, ep);
	struct group *g = group_get(&e->groups, "", suite_by_id(SUITE_NONE));
	struct assoc *a = NULL;
	int err = -ENOMEM;

	if (g == NULL)
		return err;
	err = assoc_find(&e->assocs, host_id, g) != NULL ? -EEXIST : -ENOSPC;
	if (err != -EEXIST)
		a = assoc_get(&e->assocs, host_id, g, engine_now(e));
	group_put(&e->groups, g); /* the association holds it */
	if (a == NULL)
		return err;
	a->plain = true;
	a->hub = hub;
	a->up = true;
	a->up_since = engine_now(e);
	a->ep = *ep;
	way_update(&e->assocs, a);
	plain_join(e, a);
	return 0;
}

void
plain_remove(struct engine *e, const struct endpoint *ep)
{
	uint64_t host_id = plain_host_id(e, ep);
	struct assoc *a;

	for (a = e->assocs.first; a != NULL; a = a->next)
		if (a->plain && a->manual == NULL && a->key.host_id == host_id)
			break;
	if (a == NULL)
		return;
	plain_leave(e, a);
	assoc_free(&e->assocs, a);
}

void
plain_vnet_added(struct engine *e, struct vnet *v)
{
	v->hubs = 0;
	for (struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		if (a->plain)
			join(e, v, a);
}

/* --- MACs behind hub members --- */

static struct plain_mac *
mac_find(const struct engine *e, uint32_t vni, const struct macaddr *mac)
{
	struct plain_mac want;
	struct table_node *n;

	memset(&want.key, 0, sizeof(want.key));
	want.key.vni = vni;
	memcpy(want.key.mac, mac->b, sizeof(mac->b));
	n = table_find(&e->plain_macs, &want.key);
	return n != NULL ? TABLE_ENTRY(n, struct plain_mac, node) : NULL;
}

static void
forget(struct engine *e, int64_t idle_ms)
{
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&e->plain_macs, &it)) != NULL) {
		struct plain_mac *p = TABLE_ENTRY(n, struct plain_mac, node);

		if (monotime_diff_ms(engine_now(e), p->seen) < idle_ms)
			continue;
		table_remove(&e->plain_macs, n);
		free(p);
	}
}

static struct plain_mac *
mac_make(struct engine *e, uint32_t vni, const struct macaddr *mac)
{
	struct plain_mac *p;

	if (e->plain_macs.max == 0 &&
	    TABLE_INIT(&e->plain_macs, struct plain_mac, node, key, VARP_VIFS_MAX) < 0)
		return NULL;
	if (e->plain_macs.count == VARP_VIFS_MAX)
		forget(e, VARP_VIF_TTL_MS);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->key.vni = vni;
	memcpy(p->key.mac, mac->b, sizeof(mac->b));
	if (table_insert(&e->plain_macs, &p->node) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

void
plain_learn(struct engine *e, const struct vnet *v, struct member *m, const struct macaddr *mac)
{
	struct plain_mac *p = e->plain_macs.count > 0 ? mac_find(e, v->vni, mac) : NULL;

	if (m == NULL) {
		if (p == NULL)
			return;
		table_remove(&e->plain_macs, &p->node);
		free(p);
		return;
	}
	if (p == NULL)
		p = mac_make(e, v->vni, mac);
	if (p == NULL)
		return;
	p->host_id = m->key.host_id;
	p->seen = engine_now(e);
}

struct member *
plain_port(const struct engine *e, const struct vnet *v, const struct macaddr *mac)
{
	const struct plain_mac *p = v->hubs > 0 && e->plain_macs.count > 0
					? mac_find(e, v->vni, mac)
					: NULL;

	return p != NULL ? member_find(&e->vnets, p->host_id, v->vni) : NULL;
}
