/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/routes.h"

#include <errno.h>
#include <stdlib.h>

#define PORT_BUCKETS  4096
#define ROUTE_BUCKETS 16384

int
routes_init(struct routes *rs, struct grace *grace)
{
	*rs = (struct routes){ .grace = grace };
	if (RTABLE_INIT(&rs->ports, struct port, node, vni, PORT_BUCKETS) < 0)
		return -ENOMEM;
	return RTABLE_INIT(&rs->routes, struct route, node, key, ROUTE_BUCKETS);
}

struct port *
routes_port(const struct routes *rs, uint32_t vni)
{
	struct rtable_node *n = rtable_find(&rs->ports, &vni);

	return n != NULL ? TABLE_ENTRY(n, struct port, node) : NULL;
}

struct route *
routes_find(const struct routes *rs, uint32_t vni, const struct macaddr *mac)
{
	struct route_key key = { .vni = vni, .mac = *mac };
	struct rtable_node *n = rtable_find(&rs->routes, &key);

	return n != NULL ? TABLE_ENTRY(n, struct route, node) : NULL;
}

void
routes_port_add(struct routes *rs, struct port *p)
{
	p->number = ++rs->n_ports;
	for (unsigned i = 0; i < LANES_MAX; i++)
		p->queues[i].port = p;
	rtable_insert(&rs->ports, &p->node);
}

void
routes_port_remove(struct routes *rs, struct port *p)
{
	rtable_remove(&rs->ports, &p->node);
}

static void
route_free(struct grace_node *n)
{
	free(TABLE_ENTRY(n, struct route, retired));
}

static void
route_remove(struct routes *rs, struct route *r)
{
	rtable_remove(&rs->routes, &r->node);
	grace_retire(rs->grace, &r->retired, route_free);
}

void
routes_learn(
    struct routes *rs, uint32_t vni, const struct macaddr *mac, struct assoc *assoc, uint32_t label)
{
	struct route *r = routes_find(rs, vni, mac);

	if (r != NULL && r->assoc == assoc && r->label == label)
		return;
	if (r != NULL)
		route_remove(rs, r);
	r = rs->routes.count < ROUTES_MAX ? calloc(1, sizeof(*r)) : NULL;
	if (r == NULL)
		return;
	r->key = (struct route_key){ .vni = vni, .mac = *mac };
	r->assoc = assoc;
	r->label = label;
	rtable_insert(&rs->routes, &r->node);
}

void
routes_forget(struct routes *rs, uint32_t vni, const struct macaddr *mac)
{
	struct route *r = routes_find(rs, vni, mac);

	if (r != NULL)
		route_remove(rs, r);
}

void
routes_forget_assoc(struct routes *rs, uint32_t vni, const struct assoc *assoc)
{
	struct rtable_iter it = { 0 };
	struct rtable_node *n;

	while ((n = rtable_next(&rs->routes, &it)) != NULL) {
		struct route *r = TABLE_ENTRY(n, struct route, node);

		if (r->key.vni == vni && r->assoc == assoc)
			route_remove(rs, r);
	}
}
