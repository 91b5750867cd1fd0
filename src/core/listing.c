/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that only show: what the engine knows, as expressions. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_MODULE "control"
#include "base/datagram.h"
#include "base/log.h"
#include "core/commands.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/hosts.h"
#include "core/linkmon.h"
#include "core/listing.h"
#include "core/manual.h"
#include "core/offload.h"
#include "core/plain.h"
#include "core/rawesp.h"
#include "core/sandbox.h"
#include "core/stats.h"
#include "core/vnetctl.h"
#include "core/workers.h"
#include "varp/varp.h"

static void
print_id(struct sxp_out *o, const char *key, const struct vnetid *id)
{
	char text[VNETID_STRLEN];

	sxp_out_kv(o, key, vnetid_format(id, text));
}

static void
print_vnet_of_vni(struct sxp_out *o, const struct engine *e, uint32_t vni)
{
	const struct vnet *v = vnet_by_vni(&e->vnets, vni);

	if (v != NULL)
		print_id(o, "vnet", &v->id);
}

/* --- vnets --- */

static void
print_interfaces(struct sxp_out *o, const struct engine *e, uint32_t bridge)
{
	sxp_out_open(o, "interfaces");
	for (size_t i = 0; i < linkmon_count(e->links); i++)
		if (linkmon_at(e->links, i)->master == bridge)
			sxp_out_atom(o, linkmon_at(e->links, i)->name);
	sxp_out_close(o);
}

static void
print_vnif(struct sxp_out *o, const struct engine *e, const struct vnet *v)
{
	const struct linkmon_link *l = v->tap >= 0 ? linkmon_by_index(e->links, v->ifindex) : NULL;
	const struct linkmon_link *bridge = l != NULL && l->master != 0
						? linkmon_by_index(e->links, l->master)
						: NULL;
	char mac[MAC_STRLEN], addr[IPADDR_STRLEN];

	sxp_out_open(o, "vnif");
	sxp_out_kv(o, "name", v->spec.ifname);
	sxp_out_kv(o, "vmac", mac_format(&v->mac, mac));
	sxp_out_kv(o, "up", l != NULL && l->up ? "yes" : "no");
	for (uint32_t i = 0; l != NULL && i < l->n_addrs; i++)
		sxp_out_kvf(o, "addr", "%s/%u", ipaddr_format(&l->addrs[i].ip, addr),
		    l->addrs[i].prefix_len);
	if (bridge != NULL) {
		sxp_out_kv(o, "bridge", bridge->name);
		print_interfaces(o, e, bridge->ifindex);
	}
	sxp_out_close(o);
}

static void
print_vnet_security(struct sxp_out *o, const struct engine *e, const struct vnet *v)
{
	const struct key_info *k = groups_key(&e->groups, v->spec.key);

	sxp_out_kv(o, "security", level_name(v->spec.level));
	if (v->spec.suite == SUITE_NONE)
		return;
	sxp_out_kv(o, "suite", suite_by_id(v->spec.suite)->name);
	sxp_out_kv(o, "key", v->spec.key);
	if (k != NULL && k->id != 0)
		sxp_out_kvf(o, "key_id", "%08x", k->id);
	if (k != NULL && k->source == KEY_HARDWIRED)
		sxp_out_kv(o, "public", "yes");
}

/* What keeps this vnet from reaching anybody, in words. */
static void
print_vnet_problems(struct sxp_out *o, const struct engine *e, const struct vnet *v)
{
	const struct key_info *k = groups_key(&e->groups, v->spec.key);
	struct table_iter it = { 0 };
	struct table_node *n;

	if (v->problem[0] != '\0')
		sxp_out_kv(o, "problem", v->problem);
	if (v->spec.offload == OFFLOAD_REQUIRE &&
	    offload_refusal(e->offload, v->group->suite) != NULL)
		sxp_out_kvf(o, "problem", "the kernel does not carry it: %s",
		    offload_refusal(e->offload, v->group->suite));
	if (v->spec.suite == SUITE_NONE)
		return;
	if (k == NULL && e->groups.keys_known)
		sxp_out_kvf(o, "problem", "there is no key \"%s\"", v->spec.key);
	else if (k != NULL && k->id == 0)
		sxp_out_kv(o, "problem", k->error);
	if (k == NULL || v->n_members > 0)
		return;
	while ((n = table_next(&e->hosts->table, &it)) != NULL) {
		const struct host *h = TABLE_ENTRY(n, struct host, node);
		char ep[ENDPOINT_STRLEN], suites[160];

		if (group_suites_differ(&e->groups, v->group, &h->heard, suites, sizeof(suites)))
			sxp_out_kvf(o, "problem",
			    "host %016" PRIx64 " at %s has this key, but with suite %s, not %s",
			    h->host_id, endpoint_format(&h->ep, ep), suites, v->group->suite->name);
	}
}

static void
print_vnet(struct sxp_out *o, const struct engine *e, const struct vnet *v, bool all)
{
	char addr[80];

	sxp_out_open(o, "vnet");
	print_id(o, "id", &v->id);
	sxp_out_kv(o, "vnetif", v->spec.ifname);
	print_vnet_security(o, e, v);
	sxp_out_kvf(o, "vni", "%u", v->vni);
	sxp_out_kvf(o, "mtu", "%u", v->mtu);
	sxp_out_kvf(o, "members", "%zu", v->n_members);
	if (v->spec.bridge[0] != '\0')
		sxp_out_kv(o, "bridge", v->spec.bridge);
	if (v->spec.offload != OFFLOAD_AUTO)
		sxp_out_kv(o, "offload", offload_mode_name(v->spec.offload));
	for (uint32_t i = 0; i < v->spec.n_addrs; i++) {
		vnetspec_format_addr(&v->spec.addrs[i], addr, sizeof(addr));
		sxp_out_kv(o, "address", addr);
	}
	print_vnet_problems(o, e, v);
	if (all)
		print_vnif(o, e, v);
	sxp_out_close(o);
}

static bool
vnet_asked(const struct request *r, const struct vnet *v)
{
	bool any = false;

	for (const struct sxp *x = sxp_args(r->expr); x != NULL; x = x->next) {
		const struct sxp *value = sxp_is_list(x) && strcmp(sxp_name(x), "vnet") == 0
					      ? sxp_args(x)
					      : NULL;

		if (value == NULL || value->text == NULL)
			continue;
		any = true;
		if (vnet_by_text(&r->engine->vnets, value->text) == v)
			return true;
	}
	return !any;
}

bool
command_vnet_list(struct request *r)
{
	for (const struct sxp *x = sxp_args(r->expr); x != NULL; x = x->next) {
		const struct sxp *value = sxp_is_list(x) && strcmp(sxp_name(x), "vnet") == 0
					      ? sxp_args(x)
					      : NULL;

		if (value != NULL && value->text != NULL &&
		    vnet_by_text(&r->engine->vnets, value->text) == NULL)
			return command_refuse(r, value->text, "no such vnet");
	}
	for (const struct vnet *v = r->engine->vnets.first; v != NULL; v = v->next)
		if (vnet_asked(r, v))
			print_vnet(r->out, r->engine, v, asked(r, "long"));
	return true;
}

bool
command_vnet_stored(struct request *r)
{
	for (const struct vnet *v = r->engine->vnets.first; v != NULL; v = v->next) {
		if (asked(r, "long")) {
			vnetspec_print(r->out, "vnet", &v->spec);
			continue;
		}
		sxp_out_open(r->out, "vnet");
		print_id(r->out, "id", &v->id);
		sxp_out_close(r->out);
	}
	return true;
}

/* --- vifs and VARP --- */

struct print_ctx {
	struct request *r;
	unsigned n;
};

static void
count_vif(void *arg, const struct varp_vif_info *vif)
{
	struct print_ctx *c = arg;

	(void)vif;
	c->n++;
}

static void
print_vif(void *arg, const struct varp_vif_info *vif)
{
	struct print_ctx *c = arg;
	struct sxp_out *o = c->r->out;
	char mac[MAC_STRLEN];

	sxp_out_open(o, "vif");
	print_vnet_of_vni(o, c->r->engine, vif->vnet);
	sxp_out_kv(o, "vmac", mac_format(&vif->mac, mac));
	sxp_out_kvf(o, "age", "%" PRId64, vif->age_ms / 1000);
	sxp_out_kvf(o, "counter", "%u", vif->counter);
	sxp_out_kv(o, "flags", vif->by_hand ? "P" : vif->damped ? "D" : "-");
	print_flow(o, c->r->engine->offload, vif->vnet, &vif->mac);
	sxp_out_close(o);
}

bool
command_vif_list(struct request *r)
{
	struct print_ctx c = { r, 0 };
	struct monotime now = engine_now(r->engine);

	varp_each_vif(r->engine->varp, now, count_vif, &c);
	sxp_out_open(r->out, "viftable");
	sxp_out_kvf(r->out, "vifs", "%u", c.n);
	sxp_out_kvf(r->out, "ttl", "%d", VARP_VIF_TTL_MS / 1000);
	sxp_out_close(r->out);
	varp_each_vif(r->engine->varp, now, print_vif, &c);
	return true;
}

static void
print_entry(void *arg, const struct varp_entry_info *entry)
{
	static const char *const states[] = { "reachable", "incomplete", "failed" };
	struct print_ctx *c = arg;
	const struct engine *e = c->r->engine;
	const struct member *m = member_find(&e->vnets, entry->host, entry->vnet);
	struct sxp_out *o = c->r->out;
	char mac[MAC_STRLEN], addr[IPADDR_STRLEN];

	sxp_out_open(o, "ventry");
	sxp_out_kv(o, "ref", "1");
	sxp_out_kv(o, "state", states[entry->state]);
	sxp_out_kv(o, "flags", entry->damped ? "D" : "-");
	sxp_out_kv(o, "addr", m != NULL ? ipaddr_format(&m->assoc->ep.ip, addr) : "-");
	sxp_out_kv(o, "queue", "0");
	sxp_out_kvf(o, "age", "%" PRId64, entry->age_ms / 1000);
	sxp_out_kv(o, "vmac", mac_format(&entry->mac, mac));
	print_vnet_of_vni(o, e, entry->vnet);
	print_host(o, entry->host);
	sxp_out_kvf(o, "counter", "%u", entry->counter);
	print_flow(o, e->offload, entry->vnet, &entry->mac);
	sxp_out_close(o);
}

bool
command_varp_list(struct request *r)
{
	const struct engine *e = r->engine;
	struct print_ctx c = { r, 0 };
	char addr[IPADDR_STRLEN];

	sxp_out_open(r->out, "varp");
	sxp_out_open(r->out, "device");
	for (size_t i = 0; i < linkmon_count(e->links); i++)
		if (vnetctl_finds_by(e, linkmon_at(e->links, i)))
			sxp_out_atom(r->out, linkmon_at(e->links, i)->name);
	sxp_out_close(r->out);
	sxp_out_kv(r->out, "mcast_addr", ipaddr_format(&e->config.group, addr));
	sxp_out_kv(r->out, "ucast_addr", ipaddr_format(vnetctl_own_address(e), addr));
	sxp_out_kvf(r->out, "port", "%u", e->config.port);
	sxp_out_kv(r->out, "encapsulation", "esp_udp");
	sxp_out_kvf(r->out, "entry_ttl", "%u", e->config.entry_ttl);
	sxp_out_close(r->out);
	varp_each_entry(e->varp, engine_now(e), print_entry, &c);
	return true;
}

/* --- peers --- */

static const char *
assoc_state(const struct assoc *a)
{
	if (a->up)
		return "up";
	return a->attempts != NULL || a->pairs != NULL ? "handshake" : "down";
}

static void
print_association(
    struct sxp_out *o, const struct engine *e, const struct assoc *a, struct monotime now)
{
	const struct key_info *k = groups_key(&e->groups, a->group->key);

	sxp_out_open(o, "association");
	if (a->manual != NULL) {
		sxp_out_kv(o, "key", a->group->key);
		sxp_out_kv(o, "manual", "yes");
	} else if (a->group->suite->id != SUITE_NONE) {
		sxp_out_kv(o, "key", a->group->key);
		if (k != NULL && k->id != 0)
			sxp_out_kvf(
			    o, "key_id", "%08x", a->active != NULL ? a->active->key_id : k->id);
		if (k != NULL && k->source == KEY_HARDWIRED)
			sxp_out_kv(o, "public", "yes");
	}
	sxp_out_kv(o, "suite", a->group->suite->name);
	sxp_out_kv(o, "state", assoc_state(a));
	sxp_out_kv(o, "path", offload_path_name(a));
	if (offload_path_why(a)[0] != '\0')
		sxp_out_kv(o, "path_why", offload_path_why(a));
	sxp_out_kvf(o, "vnets", "%zu", a->plain ? plain_vnets(e, a) : exchange_peer_vnets(a));
	sxp_out_kvf(o, "age", "%" PRId64, age_s(a->up ? a->up_since : a->born, now));
	if (a->problem[0] != '\0')
		sxp_out_kv(o, "problem", a->problem);
	sxp_out_close(o);
}

/* Key or suite that we and the host have apart. */
static void
print_host_problems(struct sxp_out *o, const struct engine *e, const struct host *h)
{
	for (const struct group *g = e->groups.first; g != NULL; g = g->next) {
		char text[GROUP_TROUBLE_MAX];

		if (group_trouble(&e->groups, g, &h->heard, text))
			sxp_out_kv(o, "problem", text);
	}
}

struct peer_sum {
	bool manual;
	uint64_t tx, rx;
	int64_t rtt_us;
	unsigned up, all;
	struct endpoint ep;
};

static struct peer_sum
sum_up(const struct engine *e, uint64_t host_id)
{
	struct peer_sum s = { .rtt_us = -1 };

	for (const struct assoc *a = e->assocs.first; a != NULL; a = a->next) {
		if (a->key.host_id != host_id)
			continue;
		s.all++;
		s.manual |= a->manual != NULL;
		s.tx += a->tx_packets;
		s.rx += a->rx_packets;
		if (!a->up)
			continue;
		s.up++;
		s.ep = a->ep;
		if (exchange_rtt_us(a) >= 0)
			s.rtt_us = exchange_rtt_us(a);
	}
	return s;
}

static void
print_peer(struct sxp_out *o, const struct engine *e, uint64_t host_id, const struct host *h,
    struct monotime now)
{
	struct peer_sum s = sum_up(e, host_id);
	const struct endpoint *ep = s.up > 0 || h == NULL ? &s.ep : &h->ep;
	const struct target *t = target_by_endpoint(e->hosts, ep);
	char addr[IPADDR_STRLEN];

	sxp_out_open(o, "vnet_peer");
	sxp_out_kv(o, "addr", ipaddr_format(&ep->ip, addr));
	sxp_out_kvf(o, "port", "%u", port_of(ep));
	sxp_out_kvf(o, "tx_packets", "%" PRIu64, s.tx);
	sxp_out_kvf(o, "rx_packets", "%" PRIu64, s.rx);
	print_host(o, host_id);
	if (t != NULL)
		sxp_out_kv(o, "name", t->peer.host);
	sxp_out_kv(o, "origin",
	    s.manual			? "manual"
	    : t != NULL			? "configured"
	    : h != NULL && h->multicast ? "multicast"
					: "heard");
	if (t != NULL && t->peer.kind != PEER_VNETD)
		sxp_out_kv(o, "vxlan", t->peer.kind == PEER_VXLAN_HUB ? "hub" : "member");
	sxp_out_kv(o, "state", s.up > 0 ? "up" : s.all > 0 ? "connecting" : "heard");
	if (s.rtt_us >= 0)
		sxp_out_kvf(o, "rtt_us", "%" PRId64, s.rtt_us);
	for (const struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		if (a->key.host_id == host_id)
			print_association(o, e, a, now);
	if (h != NULL)
		print_host_problems(o, e, h);
	sxp_out_close(o);
}

/* A configured peer that has not been heard at any of its addresses. */
static void
print_silent_target(struct sxp_out *o, const struct engine *e, const struct target *t)
{
	char addr[IPADDR_STRLEN];

	sxp_out_open(o, "vnet_peer");
	sxp_out_kv(o, "addr", t->n_eps > 0 ? ipaddr_format(&t->eps[0].ip, addr) : "-");
	sxp_out_kvf(o, "port", "%u", t->peer.port != 0 ? t->peer.port : e->config.port);
	sxp_out_kv(o, "tx_packets", "0");
	sxp_out_kv(o, "rx_packets", "0");
	sxp_out_kv(o, "name", t->peer.host);
	sxp_out_kv(o, "origin", "configured");
	sxp_out_kv(o, "state", "silent");
	if (t->error[0] != '\0')
		sxp_out_kvf(o, "problem", "its name does not resolve: %s", t->error);
	sxp_out_close(o);
}

static bool
target_heard(const struct engine *e, const struct target *t)
{
	struct table_iter it = { 0 };
	struct table_node *n;

	for (const struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		if (a->up && target_by_endpoint(e->hosts, &a->ep) == t)
			return true;
	while ((n = table_next(&e->hosts->table, &it)) != NULL)
		if (target_by_endpoint(e->hosts, &TABLE_ENTRY(n, struct host, node)->ep) == t)
			return true;
	return false;
}

/*
 * Has an association of this host been printed with its host record, or with an earlier
 * association?
 */
static bool
printed_before(const struct engine *e, const struct assoc *a)
{
	if (host_find(e->hosts, a->key.host_id) != NULL)
		return true;
	for (const struct assoc *b = e->assocs.first; b != a; b = b->next)
		if (b->key.host_id == a->key.host_id)
			return true;
	return false;
}

bool
command_peer_list(struct request *r)
{
	const struct engine *e = r->engine;
	struct table_iter it = { 0 };
	struct table_node *n;

	while ((n = table_next(&e->hosts->table, &it)) != NULL) {
		const struct host *h = TABLE_ENTRY(n, struct host, node);

		if (h->again || sum_up(e, h->host_id).all > 0)
			print_peer(r->out, e, h->host_id, h, engine_now(e));
	}
	for (const struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		if (!printed_before(e, a))
			print_peer(r->out, e, a->key.host_id, NULL, engine_now(e));
	for (const struct target *t = e->hosts->targets; t != NULL; t = t->next)
		if (!target_heard(e, t))
			print_silent_target(r->out, e, t);
	return true;
}

/* --- the rest --- */

bool
command_bridge_list(struct request *r)
{
	const struct engine *e = r->engine;

	for (size_t i = 0; i < linkmon_count(e->links); i++) {
		const struct linkmon_link *l = linkmon_at(e->links, i);

		if (!l->bridge)
			continue;
		sxp_out_open(r->out, "bridge");
		sxp_out_kv(r->out, "name", l->name);
		if (asked(r, "long"))
			print_interfaces(r->out, e, l->ifindex);
		sxp_out_close(r->out);
	}
	return true;
}

bool
command_key_list(struct request *r)
{
	static const char *const sources[] = { "hardwired", "file", "ike" };
	const struct groups *gs = &r->engine->groups;

	for (size_t i = 0; i < gs->n_keys; i++) {
		const struct key_info *k = &gs->keys[i];
		unsigned n = 0;

		for (const struct vnet *v = r->engine->vnets.first; v != NULL; v = v->next)
			n += v->spec.suite != SUITE_NONE && strcmp(v->spec.key, k->name) == 0;
		sxp_out_open(r->out, "key");
		sxp_out_kv(r->out, "name", k->name);
		sxp_out_kv(r->out, "source", k->source < 3 ? sources[k->source] : "?");
		if (k->id != 0)
			sxp_out_kvf(r->out, "id", "%08x", k->id);
		if (k->old_id != 0)
			sxp_out_kvf(r->out, "old_id", "%08x", k->old_id);
		sxp_out_kv(r->out, "public", k->source == KEY_HARDWIRED ? "yes" : "no");
		sxp_out_kvf(r->out, "vnets", "%u", n);
		if (k->error[0] != '\0')
			sxp_out_kv(r->out, "problem", k->error);
		sxp_out_close(r->out);
	}
	return true;
}

static void
print_ports(struct sxp_out *o, const struct engine *e)
{
	struct offload_info i = offload_info(e->offload);

	sxp_out_kvf(o, "ports", "udp %u (all that vnetd sends and receives)", e->config.port);
	if (rawesp_fd(AF_INET) >= 0)
		sxp_out_kv(o, "ports", "esp (of manual SAs)");
	if (i.state != OFFLOAD_RUNNING)
		return;
	sxp_out_kvf(o, "ports", "udp %d (the kernel's frames of level none)", KERNEL_PORT_NONE);
	if (i.secured)
		sxp_out_kvf(
		    o, "ports", "esp, udp %d (the kernel's of the other levels)", KERNEL_PORT_ESP);
}

bool
command_status(struct request *r)
{
	struct engine *e = r->engine;
	struct sxp_out *o = r->out;
	unsigned up = 0;

	for (const struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		up += a->up;
	sxp_out_open(o, "status");
	sxp_out_kv(o, "version", PACKAGE_VERSION);
	sxp_out_kvf(o, "pid", "%d", e->pids.pid[ROLE_PARENT]);
	print_host(o, e->host_id);
	sxp_out_kvf(o, "start", "%" PRIu64, e->start);
	sxp_out_kvf(o, "uptime", "%" PRId64, age_s(e->started, engine_now(e)));
	sxp_out_kvf(o, "port", "%u", e->config.port);
	sxp_out_kvf(o, "vnets", "%zu", e->vnets.count);
	sxp_out_kvf(o, "peers", "%zu", e->hosts->table.count);
	sxp_out_kvf(o, "associations", "%u", up);
	for (enum role role = 0; role < ROLE_COUNT; role++) {
		sxp_out_open(o, "process");
		sxp_out_kv(o, "role", role_name(role));
		sxp_out_kvf(o, "pid", "%d", e->pids.pid[role]);
		sxp_out_kvf(o, "restarts", "%u", e->pids.restarts[role]);
		sxp_out_close(o);
	}
	sxp_out_kv(o, "sandbox", sandbox_describe());
	sxp_out_kvf(o, "workers", "%u", workers_count(e));
	sxp_out_kv(o, "crypto", cipher_describe());
	print_ports(o, e);
	print_offload(o, e->offload);
	sxp_out_close(o);
	return true;
}

static void
print_counter(struct sxp_out *o, const char *name, uint64_t value, const char *help)
{
	sxp_out_open(o, "counter");
	sxp_out_kv(o, "name", name);
	sxp_out_kvf(o, "value", "%" PRIu64, value);
	sxp_out_kv(o, "help", help);
	sxp_out_close(o);
}

bool
command_stats(struct request *r)
{
	static const char *const esp_help[] = {
#define X(suffix, name, help) help,
		ESP_VERDICTS(X)
#undef X
	};
	static const char *const varp_texts[][2] = {
#define X(suffix, name, help) { name, help },
		VARP_COUNTERS(X)
#undef X
	};
	const uint64_t *varp = varp_counters(r->engine->varp);

	for (enum stats_id s = 0; s < STAT_COUNT; s++)
		print_counter(r->out, stats_name(s), stats_value(s), stats_help(s));
	for (enum esp_verdict v = ESP_OK + 1; v < ESP_VERDICT_COUNT; v++)
		print_counter(r->out, esp_verdict_name(v), stats_esp_value(v), esp_help[v]);
	for (enum varp_counter c = 0; c < VARP_COUNTER_COUNT; c++)
		print_counter(r->out, varp_texts[c][0], varp[c], varp_texts[c][1]);
	return true;
}
