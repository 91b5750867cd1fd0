/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/datagram.h"
#include "core/vnet.h"

#define LABELS_MAX (2 * VNETS_MAX)

struct vnet_label {
	struct table_node node;
	struct vnetid id;
	uint32_t vni;
	uint64_t
	    removed; /* its vnet was that manieth to go; 0: it is there, or went in an earlier run */
};

int
vnets_init(struct vnets *vs)
{
	memset(vs, 0, sizeof(*vs));
	if (TABLE_INIT(&vs->by_id, struct vnet, by_id, id, VNETS_MAX) < 0 ||
	    TABLE_INIT(&vs->by_vni, struct vnet, by_vni, vni, VNETS_MAX) < 0 ||
	    TABLE_INIT(&vs->members, struct member, node, key, MEMBERS_MAX) < 0 ||
	    TABLE_INIT(&vs->labels, struct vnet_label, node, id, LABELS_MAX) < 0) {
		vnets_fini(vs);
		return -ENOMEM;
	}
	return 0;
}

void
vnets_fini(struct vnets *vs)
{
	struct table_iter it = { 0 };
	struct table_node *n;

	while (vs->first != NULL)
		vnet_remove(vs, vs->first);
	while ((n = table_next(&vs->labels, &it)) != NULL) {
		table_remove(&vs->labels, n);
		free(TABLE_ENTRY(n, struct vnet_label, node));
	}
	table_fini(&vs->by_id);
	table_fini(&vs->by_vni);
	table_fini(&vs->members);
	table_fini(&vs->labels);
}

struct vnet *
vnet_by_id(const struct vnets *vs, const struct vnetid *id)
{
	struct table_node *n = table_find(&vs->by_id, id);

	return n != NULL ? TABLE_ENTRY(n, struct vnet, by_id) : NULL;
}

struct vnet *
vnet_by_vni(const struct vnets *vs, uint32_t vni)
{
	struct table_node *n = table_find(&vs->by_vni, &vni);

	return n != NULL ? TABLE_ENTRY(n, struct vnet, by_vni) : NULL;
}

struct vnet *
vnet_by_ifname(const struct vnets *vs, const char *ifname)
{
	for (struct vnet *v = vs->first; v != NULL; v = v->next)
		if (strcmp(v->spec.ifname, ifname) == 0)
			return v;
	return NULL;
}

struct vnet *
vnet_by_ifindex(const struct vnets *vs, uint32_t ifindex)
{
	for (struct vnet *v = vs->first; v != NULL; v = v->next)
		if (v->tap >= 0 && v->ifindex == ifindex)
			return v;
	return NULL;
}

struct vnet *
vnet_by_text(const struct vnets *vs, const char *text)
{
	struct vnetid id;

	if (vnetid_parse(text, &id))
		return vnet_by_id(vs, &id);
	return vnet_by_ifname(vs, text);
}

/* --- labels --- */

static struct vnet_label *
label_find(const struct vnets *vs, const struct vnetid *id)
{
	struct table_node *n = table_find(&vs->labels, id);

	return n != NULL ? TABLE_ENTRY(n, struct vnet_label, node) : NULL;
}

void
vnets_label_set(struct vnets *vs, const struct vnetid *id, uint32_t vni)
{
	struct vnet_label *l = label_find(vs, id);

	if (l == NULL) {
		l = calloc(1, sizeof(*l));
		if (l == NULL)
			return;
		l->id = *id;
		if (table_insert(&vs->labels, &l->node) < 0) {
			free(l);
			return;
		}
	}
	l->vni = vni;
}

void
vnets_each_label(
    const struct vnets *vs, void (*fn)(void *ctx, const struct vnetid *id, uint32_t vni), void *ctx)
{
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&vs->labels, &it)) != NULL) {
		const struct vnet_label *l = TABLE_ENTRY(n, struct vnet_label, node);

		fn(ctx, &l->id, l->vni);
	}
}

/* Above all others, so that none is given out again while an SA that could carry it lives. */
static uint32_t
label_new(const struct vnets *vs)
{
	uint32_t vni = VNI_LABEL_MIN;
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&vs->labels, &it)) != NULL) {
		const struct vnet_label *l = TABLE_ENTRY(n, struct vnet_label, node);

		if (l->vni >= vni)
			vni = l->vni + 1;
	}
	return vni < VNI_PROBE ? vni : 0;
}

/*
 * When all are taken, the one is forgotten whose vnet has been gone for longest: no SA of that time
 * lives.
 */
static void
labels_make_room(struct vnets *vs)
{
	struct vnet_label *oldest = NULL;
	struct table_iter it = { 0 };
	struct table_node *n;

	if (vs->labels.count < vs->labels.max)
		return;
	while ((n = table_next(&vs->labels, &it)) != NULL) {
		struct vnet_label *l = TABLE_ENTRY(n, struct vnet_label, node);

		if (vnet_by_id(vs, &l->id) == NULL &&
		    (oldest == NULL || l->removed < oldest->removed))
			oldest = l;
	}
	if (oldest == NULL)
		return;
	table_remove(&vs->labels, &oldest->node);
	free(oldest);
}

static uint32_t
label_for(struct vnets *vs, const struct vnetid *id)
{
	struct vnet_label *l;
	uint16_t value;
	uint32_t vni;

	if (vnetid_is_short(id, &value))
		return value;
	l = label_find(vs, id);
	if (l != NULL)
		return l->vni;
	vni = label_new(vs);
	labels_make_room(vs);
	if (vni != 0)
		vnets_label_set(vs, id, vni);
	return label_find(vs, id) != NULL ? vni : 0;
}

/* --- vnets --- */

static void
link_sorted(struct vnets *vs, struct vnet *v)
{
	struct vnet **at = &vs->first;

	while (*at != NULL && vnetid_compare(&(*at)->id, &v->id) < 0)
		at = &(*at)->next;
	v->next = *at;
	*at = v;
	vs->count++;
}

struct vnet *
vnet_add(struct vnets *vs, const struct vnetspec *spec, int *err)
{
	struct vnet *v = calloc(1, sizeof(*v));

	*err = -ENOMEM;
	if (v == NULL)
		return NULL;
	v->id = spec->id;
	v->spec = *spec;
	v->tap = -1;
	v->queue_tail = &v->queue;
	v->vni = label_for(vs, &spec->id);
	*err = v->vni != 0 ? table_insert(&vs->by_id, &v->by_id) : -ENOSPC;
	if (*err < 0)
		goto fail;
	*err = table_insert(&vs->by_vni, &v->by_vni);
	if (*err < 0) {
		table_remove(&vs->by_id, &v->by_id);
		goto fail;
	}
	link_sorted(vs, v);
	return v;
fail:
	free(v);
	return NULL;
}

void
vnet_remove(struct vnets *vs, struct vnet *v)
{
	struct vnet_label *l = label_find(vs, &v->id);
	struct vnet **at;
	struct packet *p;

	if (l != NULL)
		l->removed = ++vs->removed;
	while (v->n_members > 0)
		member_remove(vs, v->members[v->n_members - 1]);
	free(v->members);
	while ((p = v->queue) != NULL) {
		v->queue = p->next;
		packet_put(p);
	}
	for (at = &vs->first; *at != v; at = &(*at)->next)
		;
	*at = v->next;
	vs->count--;
	table_remove(&vs->by_id, &v->by_id);
	table_remove(&vs->by_vni, &v->by_vni);
	free(v);
}

/* --- members --- */

struct member *
member_find(const struct vnets *vs, uint64_t host_id, uint32_t vni)
{
	struct member_key key = { host_id, vni };
	struct table_node *n = table_find(&vs->members, &key);

	return n != NULL ? TABLE_ENTRY(n, struct member, node) : NULL;
}

static bool
members_grow(struct vnet *v)
{
	size_t size = v->members_size == 0 ? 4 : v->members_size * 2;
	struct member **grown;

	if (v->n_members < v->members_size)
		return true;
	grown = reallocarray(v->members, size, sizeof(*grown));
	if (grown == NULL)
		return false;
	v->members = grown;
	v->members_size = size;
	return true;
}

struct member *
member_add(struct vnets *vs, struct vnet *v, struct assoc *a, uint64_t host_id, uint32_t label)
{
	struct member *m = member_find(vs, host_id, v->vni);

	if (m != NULL) {
		m->assoc = a;
		m->label = label;
		return m;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->key = (struct member_key){ host_id, v->vni };
	m->vnet = v;
	m->assoc = a;
	m->label = label;
	if (!members_grow(v) || table_insert(&vs->members, &m->node) < 0) {
		free(m);
		return NULL;
	}
	m->index = v->n_members;
	v->members[v->n_members++] = m;
	return m;
}

void
member_remove(struct vnets *vs, struct member *m)
{
	struct vnet *v = m->vnet;
	struct member *last = v->members[--v->n_members];

	v->members[m->index] = last;
	last->index = m->index;
	table_remove(&vs->members, &m->node);
	free(m);
}
