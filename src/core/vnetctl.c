/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_MODULE "vnet"
#include "base/datagram.h"
#include "base/log.h"
#include "core/egress.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/hosts.h"
#include "core/linkmon.h"
#include "core/manual.h"
#include "core/offload.h"
#include "core/plain.h"
#include "core/privcli.h"
#include "core/state.h"
#include "core/transport.h"
#include "core/vnetctl.h"
#include "core/workers.h"
#include "varp/varp.h"

#define UNDERLAY_MTU_DEFAULT 1500
#define BRIDGE_PORT_MTU_MIN  1500
#define DEVICE_MTU_MIN	     68
#define RETRY_MS	     1000
#define STACK_MAX	     8 /* as in Linux; the two ends of a veth stand on each other */

/* --- MTU (DESIGN.md section 4) --- */

static bool
holds_ours(const struct engine *e, const struct linkmon_link *l)
{
	if (vnet_by_ifname(&e->vnets, l->name) != NULL)
		return true; /* of an earlier run, too */
	for (const struct vnet *v = e->vnets.first; v != NULL; v = v->next) {
		const struct linkmon_link *own = v->tap >= 0
						     ? linkmon_by_index(e->links, v->ifindex)
						     : NULL;

		if (own != NULL && own->master == l->ifindex)
			return true;
	}
	return false;
}

/*
 * Is the link ours, a bridge that holds one of ours, or a VLAN and the like on one of these? Its
 * frames are the inside, not the underlay.
 */
static bool
is_inside(const struct engine *e, const struct linkmon_link *l)
{
	for (int depth = 0; l != NULL && depth < STACK_MAX; depth++) {
		if (holds_ours(e, l))
			return true;
		l = l->lower != 0 ? linkmon_by_index(e->links, l->lower) : NULL;
	}
	return false;
}

static bool
is_underlay(const struct engine *e, const struct linkmon_link *l)
{
	if (!l->up || l->loopback || l->n_addrs == 0 || is_inside(e, l))
		return false;
	if (e->config.n_underlays == 0)
		return true;
	for (size_t i = 0; i < e->config.n_underlays; i++)
		if (strcmp(e->config.underlays[i], l->name) == 0)
			return true;
	return false;
}

bool
vnetctl_finds_by(const struct engine *e, const struct linkmon_link *l)
{
	return l->multicast && is_underlay(e, l);
}

static uint32_t
underlay_mtu(const struct engine *e)
{
	uint32_t mtu = 0;

	for (size_t i = 0; i < linkmon_count(e->links); i++) {
		const struct linkmon_link *l = linkmon_at(e->links, i);

		if (is_underlay(e, l) && (mtu == 0 || l->mtu < mtu))
			mtu = l->mtu;
	}
	return mtu != 0 ? mtu : UNDERLAY_MTU_DEFAULT;
}

const struct ipaddr *
vnetctl_own_address(const struct engine *e)
{
	static const struct ipaddr none;

	for (size_t i = 0; i < linkmon_count(e->links); i++)
		if (is_underlay(e, linkmon_at(e->links, i)))
			return &linkmon_at(e->links, i)->addrs[0].ip;
	return &none;
}

/* The longer header as soon as one peer is reached by IPv6. */
static size_t
underlay_header_len(const struct engine *e)
{
	size_t len = ipaddr_header_len(&(struct ipaddr){ .family = AF_INET });

	for (const struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		if (a->up && ipaddr_header_len(&a->ep.ip) > len)
			len = ipaddr_header_len(&a->ep.ip);
	return len;
}

static uint32_t
bridge_port_mtu(const struct engine *e, uint32_t bridge, uint32_t own)
{
	uint32_t mtu = BRIDGE_PORT_MTU_MIN;

	for (size_t i = 0; i < linkmon_count(e->links); i++) {
		const struct linkmon_link *l = linkmon_at(e->links, i);

		if (l->master == bridge && l->ifindex != own &&
		    vnet_by_ifindex(&e->vnets, l->ifindex) == NULL && l->mtu > mtu)
			mtu = l->mtu;
	}
	return mtu;
}

static uint32_t
wanted_mtu(const struct engine *e, const struct vnet *v)
{
	const struct linkmon_link *own = v->tap >= 0 ? linkmon_by_index(e->links, v->ifindex)
						     : NULL;
	size_t mtu;

	if (v->spec.mtu != 0)
		return v->spec.mtu;
	if (own != NULL && own->master != 0)
		return bridge_port_mtu(e, own->master, own->ifindex);
	mtu = suite_inner_mtu(v->group->suite, underlay_mtu(e), underlay_header_len(e));
	return mtu >= DEVICE_MTU_MIN ? (uint32_t)mtu : DEVICE_MTU_MIN;
}

static void
apply_mtu(struct engine *e, struct vnet *v)
{
	uint32_t mtu = wanted_mtu(e, v);

	if (v->tap < 0 || v->mtu == mtu)
		return;
	if (privcli_link_set_mtu(e->priv, v->spec.ifname, mtu) < 0)
		log_warnx("device %s: cannot set MTU %u: %s", v->spec.ifname, mtu,
		    privcli_error(e->priv));
	v->mtu = mtu; /* not tried again until something changes */
}

/* --- devices --- */

/* Stable over restarts, and another one on every host. */
static struct macaddr
device_mac(const struct engine *e, const struct vnetid *id)
{
	struct siphash_key key;
	struct macaddr mac;
	uint64_t h;

	memcpy(&key, e->seed, sizeof(key));
	h = siphash(&key, id->b, sizeof(id->b));
	memcpy(mac.b, &h, sizeof(mac.b));
	mac.b[0] = (uint8_t)((mac.b[0] & 0xfc) | 0x02); /* locally administered, not a group */
	return mac;
}

static int
priv_failed(const struct engine *e, int err, const char *what, const char *name,
    char error[static VNETCTL_ERROR_MAX])
{
	const char *text = privcli_error(e->priv);

	if (err == -EPIPE || err == -ETIMEDOUT)
		text = "the privileged process does not answer; try again";
	snprintf(error, VNETCTL_ERROR_MAX, "%s \"%s\": %s", what, name,
	    text[0] != '\0' ? text : strerror(-err));
	return err;
}

static void
device_close(struct engine *e, struct vnet *v)
{
	if (v->tap < 0)
		return;
	offload_device_gone(e->offload, v);
	workers_vnet_stop(e, v);
	workers_vnet_close(v);
	egress_stop(e, v);
	close(v->tap);
	v->tap = -1;
	v->ifindex = 0;
	v->master = 0;
}

/*
 * Device, bridge, addresses. On failure what was made stays with the vnet, for the caller to undo
 * or try again.
 */
static int
device_open(struct engine *e, struct vnet *v, char error[static VNETCTL_ERROR_MAX])
{
	const char *name = v->spec.ifname;
	struct priv_tap tap;
	bool made;
	int err;

	v->mac = device_mac(e, &v->id);
	v->mtu = wanted_mtu(e, v);
	if (v->tap < 0) {
		err = privcli_tap_open(e->priv, name, &v->mac, v->mtu, &tap);
		if (err < 0)
			return priv_failed(e, err, "device", name, error);
		v->tap = tap.fd;
		v->ifindex = tap.ifindex;
		err = egress_start(e, v);
		if (err < 0)
			return priv_failed(e, err, "device", name, error);
		offload_vnet_changed(e->offload, v);
		workers_vnet_start(e, v);
	}
	if (v->spec.bridge[0] != '\0') {
		err = privcli_bridge_add(e->priv, v->spec.bridge, &made);
		if (err == 0)
			err = privcli_bridge_port(e->priv, name, v->spec.bridge);
		if (err < 0)
			return priv_failed(e, err, "bridge", v->spec.bridge, error);
	}
	for (uint32_t i = 0; i < v->spec.n_addrs; i++) {
		const struct vnetspec_addr *a = &v->spec.addrs[i];

		err = privcli_addr_add(e->priv, name, &a->ip, a->prefix_len);
		if (err < 0)
			return priv_failed(e, err, "device", name, error);
	}
	v->problem[0] = '\0';
	return 0;
}

void
vnetctl_device_lost(struct engine *e, struct vnet *v, int err)
{
	log_warnx("device %s is gone (%s); making it again", v->spec.ifname, strerror(err));
	snprintf(v->problem, sizeof(v->problem), "its device is gone: %s", strerror(err));
	device_close(e, v);
	v->retry = engine_now(e);
	engine_kick(e);
}

void
vnetctl_keep_all(struct engine *e)
{
	for (struct vnet *v = e->vnets.first; v != NULL; v = v->next)
		if (v->tap >= 0)
			(void)privcli_keep_fd(e->priv, PRIV_KEEP_TAP, v->spec.ifname, v->tap);
}

struct monotime
vnetctl_tick(struct engine *e, struct monotime now)
{
	struct monotime next = { 0 };
	char error[VNETCTL_ERROR_MAX];

	for (struct vnet *v = e->vnets.first; v != NULL; v = v->next) {
		if (!monotime_is_set(v->retry))
			continue;
		if (!monotime_before(now, v->retry)) {
			v->retry = (struct monotime){ 0 };
			if (device_open(e, v, error) < 0) {
				snprintf(v->problem, sizeof(v->problem), "%.159s", error);
				v->retry = monotime_add_ms(now, RETRY_MS);
			} else
				log_info("device %s is back", v->spec.ifname);
		}
		next = monotime_earliest(next, v->retry);
	}
	return next;
}

/* --- groups --- */

/*
 * Into the group of its key and suite: announced there, and hosts that are in it already become
 * members.
 */
static bool
group_join(struct engine *e, struct vnet *v)
{
	struct group *g = group_get(&e->groups, v->spec.key, suite_by_id(v->spec.suite));

	if (g == NULL)
		return false;
	if (membership_own_add(g->own, &v->id, v->vni) < 0) {
		group_put(&e->groups, g);
		return false;
	}
	v->group = g;
	g->vnets++;
	exchange_group_changed(e, g);
	exchange_vnet_added(e, v);
	plain_vnet_added(e, v);
	workers_vnet_start(e, v);
	return true;
}

static void
group_leave(struct engine *e, struct vnet *v)
{
	struct group *g = v->group;

	workers_vnet_stop(e, v);
	if (g->suite->id != SUITE_NONE)
		egress_discard(v);
	varp_vnet_down(e->varp, v->vni);
	while (v->n_members > 0) {
		exchange_member_gone(e, v->members[v->n_members - 1]);
		member_remove(&e->vnets, v->members[v->n_members - 1]);
	}
	membership_own_remove(g->own, &v->id);
	g->vnets--;
	exchange_group_changed(e, g);
	v->group = NULL;
	group_put(&e->groups, g);
}

static void
announce_change(struct engine *e)
{
	hosts_announce(e);
	hosts_reconsider(e);
	state_changed(e);
}

void
vnetctl_keys_changed(struct engine *e)
{
	bool changed = false;

	for (struct vnet *v = e->vnets.first; v != NULL; v = v->next) {
		if (v->spec.suite == SUITE_NONE ||
		    strcmp(v->group->key, groups_canonical(&e->groups, v->spec.key)) == 0)
			continue;
		group_leave(e, v);
		if (!group_join(e, v))
			fatalx("out of memory");
		changed = true;
	}
	manual_keys_changed(e);
	if (changed)
		announce_change(e);
	else
		hosts_announce(e);
}

/* --- links --- */

void
vnetctl_path_changed(struct engine *e, struct assoc *a)
{
	/* As IP protocol 50 it has no UDP header. */
	size_t underlay = underlay_mtu(e) + (a->ep.port == ENDPOINT_ESP ? UDP_HEADER_LEN : 0);
	size_t mtu = suite_inner_mtu(a->group->suite, underlay, ipaddr_header_len(&a->ep.ip));

	if (mtu != a->inner_mtu)
		offload_mtu_changed(e->offload, a);
	way_set_mtu(&e->assocs, a, (uint32_t)mtu);
}

/*
 * A bridge that somebody deletes is made again. A device that somebody takes out of it is left
 * alone.
 */
static void
bridge_check(struct engine *e, struct vnet *v, uint32_t master)
{
	bool gone = v->master != 0 && linkmon_by_index(e->links, v->master) == NULL;

	if (master != 0)
		v->master = master;
	if (master != 0 || !gone || v->spec.bridge[0] == '\0')
		return;
	log_warnx(
	    "bridge %s of device %s is gone; making it again", v->spec.bridge, v->spec.ifname);
	v->master = 0;
	v->retry = engine_now(e);
	engine_kick(e);
}

static bool
addresses_changed(struct engine *e)
{
	static const struct siphash_key key;
	uint64_t before = e->addresses;

	e->addresses = 0;
	for (size_t i = 0; i < linkmon_count(e->links); i++) {
		const struct linkmon_link *l = linkmon_at(e->links, i);

		for (uint32_t j = 0; is_underlay(e, l) && j < l->n_addrs; j++)
			e->addresses += siphash(&key, &l->addrs[j].ip, sizeof(l->addrs[j].ip));
	}
	return e->addresses != before;
}

void
vnetctl_links_changed(struct engine *e)
{
	bool moved = addresses_changed(e);
	uint32_t ifs[TRANSPORT_IFS_MAX];
	size_t n = 0;

	for (struct vnet *v = e->vnets.first; v != NULL; v = v->next) {
		const struct linkmon_link *l = v->tap >= 0 ? linkmon_by_index(e->links, v->ifindex)
							   : NULL;

		if (l != NULL) {
			v->seen = true;
			bridge_check(e, v, l->master);
		} else if (v->tap >= 0 && v->seen)
			vnetctl_device_lost(e, v, ENODEV);
		if (l != NULL && l->mtu != v->mtu)
			v->mtu = l->mtu;
		apply_mtu(e, v);
	}
	for (struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		vnetctl_path_changed(e, a);
	for (size_t i = 0; i < linkmon_count(e->links) && n < TRANSPORT_IFS_MAX; i++) {
		const struct linkmon_link *l = linkmon_at(e->links, i);

		if (vnetctl_finds_by(e, l))
			ifs[n++] = l->ifindex;
	}
	if (transport_set_interfaces(e->transport, ifs, n) || moved)
		hosts_announce(e);
	if (moved)
		exchange_own_address_changed(e);
}

/* --- commands --- */

static bool
key_usable(const struct engine *e, const struct vnetspec *s, char error[static VNETCTL_ERROR_MAX])
{
	const struct key_info *k;

	if (s->suite == SUITE_NONE || !e->groups.keys_known)
		return true;
	k = groups_key(&e->groups, s->key);
	if (k == NULL)
		snprintf(error, VNETCTL_ERROR_MAX,
		    "there is no key \"%s\"; make it with \"vn key-gen %s\" and copy its file to "
		    "the other hosts",
		    s->key, s->key);
	else if (k->id == 0)
		snprintf(error, VNETCTL_ERROR_MAX, "%s", k->error);
	return k != NULL && k->id != 0;
}

/* What must be offloaded is refused where that cannot be. */
static bool
offload_possible(
    const struct engine *e, const struct vnetspec *s, char error[static VNETCTL_ERROR_MAX])
{
	bool required = s->offload == OFFLOAD_REQUIRE ||
			(e->config.offload == OFFLOAD_REQUIRE && s->offload != OFFLOAD_OFF);
	const char *why = required ? offload_refusal(e->offload, suite_by_id(s->suite)) : NULL;

	if (why != NULL)
		snprintf(error, VNETCTL_ERROR_MAX, "the kernel cannot carry it: %s", why);
	return why == NULL;
}

static bool
addr_known(const struct vnetspec *s, const struct vnetspec_addr *a)
{
	for (uint32_t i = 0; i < s->n_addrs; i++)
		if (s->addrs[i].prefix_len == a->prefix_len &&
		    ipaddr_equal(&s->addrs[i].ip, &a->ip))
			return true;
	return false;
}

/*
 * What spec asks for that v is not. Only what was said counts; a level counts always, as leaving it
 * out means none.
 */
static const char *
difference(const struct vnet *v, const struct vnetspec *s, char *now, size_t now_size, char *change,
    size_t change_size)
{
	const struct vnetspec *have = &v->spec;
	char text[IPADDR_STRLEN + 8];

#define DIFFERS(what, option, old, new)                                \
	do {                                                           \
		snprintf(now, now_size, "%s", (old));                  \
		snprintf(change, change_size, "%s %s", option, (new)); \
		return what;                                           \
	} while (0)
	if (s->level != have->level)
		DIFFERS("security", "-s", level_name(have->level), level_name(s->level));
	if (s->has_suite && s->suite != have->suite)
		DIFFERS("suite", "--suite", suite_by_id(have->suite)->name,
		    suite_by_id(s->suite)->name);
	if (s->has_key && strcmp(s->key, have->key) != 0)
		DIFFERS("key", "-k", have->key, s->key);
	if (s->has_ifname && strcmp(s->ifname, have->ifname) != 0)
		DIFFERS("device", "-v", have->ifname, s->ifname);
	if (s->has_bridge && strcmp(s->bridge, have->bridge) != 0)
		DIFFERS("bridge", "-b", have->bridge[0] != '\0' ? have->bridge : "none", s->bridge);
	if (s->has_mtu && s->mtu != have->mtu) {
		snprintf(text, sizeof(text), "%u", s->mtu);
		DIFFERS("MTU", "--mtu", have->mtu != 0 ? "another one" : "computed", text);
	}
	if (s->has_offload && s->offload != have->offload)
		DIFFERS("offload", "--offload", offload_mode_name(have->offload),
		    offload_mode_name(s->offload));
	for (uint32_t i = 0; s->has_addrs && i < s->n_addrs; i++) {
		if (addr_known(have, &s->addrs[i]))
			continue;
		vnetspec_format_addr(&s->addrs[i], text, sizeof(text));
		DIFFERS("address", "--address", "another one", text);
	}
#undef DIFFERS
	return NULL;
}

static int
add_existing(
    const struct vnet *v, const struct vnetspec *spec, char error[static VNETCTL_ERROR_MAX])
{
	char id[VNETID_STRLEN], now[64], change[96];
	const char *what = difference(v, spec, now, sizeof(now), change, sizeof(change));

	if (what == NULL)
		return 0;
	snprintf(error, VNETCTL_ERROR_MAX,
	    "exists with another %s: %s; \"vn vnet-set %s %s\" would change it", what, now,
	    vnetid_format(&v->id, id), change);
	return -EEXIST;
}

static bool
ifname_free(
    const struct engine *e, const struct vnetspec *spec, char error[static VNETCTL_ERROR_MAX])
{
	const struct vnet *other = vnet_by_ifname(&e->vnets, spec->ifname);
	char id[VNETID_STRLEN];

	if (other == NULL)
		return true;
	snprintf(error, VNETCTL_ERROR_MAX,
	    "device name \"%s\" is that of vnet %s; choose another one with -v NAME", spec->ifname,
	    vnetid_format(&other->id, id));
	return false;
}

int
vnetctl_add(struct engine *e, const struct vnetspec *spec, bool from_config, bool patient,
    char error[static VNETCTL_ERROR_MAX])
{
	struct vnet *v = vnet_by_id(&e->vnets, &spec->id);
	int err;

	if (v != NULL)
		return add_existing(v, spec, error);
	if (!ifname_free(e, spec, error) ||
	    (!patient && (!key_usable(e, spec, error) || !offload_possible(e, spec, error))))
		return -EINVAL;
	v = vnet_add(&e->vnets, spec, &err);
	if (v == NULL || !group_join(e, v)) {
		snprintf(error, VNETCTL_ERROR_MAX, "%s",
		    err == -ENOSPC ? "too many vnets" : "out of memory");
		if (v != NULL)
			vnet_remove(&e->vnets, v);
		return err < 0 ? err : -ENOMEM;
	}
	v->from_config = from_config;
	err = device_open(e, v, error);
	if (err < 0 && !patient) {
		bool made = v->tap >= 0;

		device_close(e, v);
		if (made)
			(void)privcli_tap_delete(e->priv, spec->ifname);
		group_leave(e, v);
		vnet_remove(&e->vnets, v);
		return err;
	}
	if (err < 0) {
		snprintf(v->problem, sizeof(v->problem), "%.159s", error);
		log_warnx("%s", error);
		v->retry = monotime_add_ms(engine_now(e), RETRY_MS);
	}
	announce_change(e);
	return 0;
}

static int
set_bridge(
    struct engine *e, struct vnet *v, const char *bridge, char error[static VNETCTL_ERROR_MAX])
{
	bool made;
	int err = 0;

	if (bridge[0] != '\0')
		err = privcli_bridge_add(e->priv, bridge, &made);
	if (err == 0 && v->tap >= 0)
		err = privcli_bridge_port(e->priv, v->spec.ifname, bridge);
	if (err < 0)
		return priv_failed(e, err, "bridge", bridge, error);
	memcpy(v->spec.bridge, bridge, sizeof(v->spec.bridge));
	return 0;
}

static int
set_addrs(struct engine *e, struct vnet *v, const struct vnetspec *s,
    char error[static VNETCTL_ERROR_MAX])
{
	const char *name = v->spec.ifname;
	int err = 0;

	for (uint32_t i = 0; i < s->n_addrs && err == 0 && v->tap >= 0; i++)
		err = privcli_addr_add(e->priv, name, &s->addrs[i].ip, s->addrs[i].prefix_len);
	if (err < 0)
		return priv_failed(e, err, "device", name, error);
	for (uint32_t i = 0; i < v->spec.n_addrs && v->tap >= 0; i++)
		if (!addr_known(s, &v->spec.addrs[i]))
			(void)privcli_addr_delete(
			    e->priv, name, &v->spec.addrs[i].ip, v->spec.addrs[i].prefix_len);
	memcpy(v->spec.addrs, s->addrs, sizeof(v->spec.addrs));
	v->spec.n_addrs = s->n_addrs;
	return 0;
}

int
vnetctl_set(struct engine *e, struct vnet *v, const struct vnetspec *s,
    char error[static VNETCTL_ERROR_MAX])
{
	struct vnetspec want = v->spec;
	int err;

	if (s->has_ifname && strcmp(s->ifname, v->spec.ifname) != 0) {
		snprintf(error, VNETCTL_ERROR_MAX,
		    "the device name cannot change; delete the vnet and create it with -v \"%s\"",
		    s->ifname);
		return -EINVAL;
	}
	if (s->has_level && s->level != want.level) {
		want.level = s->level;
		want.suite = suite_default(s->level)->id;
	}
	if (s->has_suite) {
		want.suite = s->suite;
		want.level = suite_by_id(s->suite)->level;
	}
	if (s->has_key)
		memcpy(want.key, s->key, sizeof(want.key));
	if (s->has_offload)
		want.offload = s->offload;
	if (!key_usable(e, &want, error) || !offload_possible(e, &want, error))
		return -EINVAL;
	if (s->has_bridge && (err = set_bridge(e, v, s->bridge, error)) < 0)
		return err;
	if (s->has_addrs && (err = set_addrs(e, v, s, error)) < 0)
		return err;
	if (s->has_mtu)
		v->spec.mtu = s->mtu;
	if (s->has_offload)
		v->spec.offload = s->offload;
	if (want.suite != v->spec.suite || strcmp(want.key, v->spec.key) != 0) {
		group_leave(e, v);
		v->spec.level = want.level;
		v->spec.suite = want.suite;
		memcpy(v->spec.key, want.key, sizeof(want.key));
		if (!group_join(e, v))
			fatalx("out of memory");
	}
	offload_vnet_changed(e->offload, v);
	v->from_config = false; /* what was changed by hand is stored */
	apply_mtu(e, v);
	announce_change(e);
	return 0;
}

int
vnetctl_delete(struct engine *e, struct vnet *v, bool bridge, char error[static VNETCTL_ERROR_MAX])
{
	struct vnetspec spec = v->spec;
	int err;

	error[0] = '\0';
	err = privcli_tap_delete(e->priv, spec.ifname);
	if (err < 0 && err != -ENODEV && err != -ENOENT)
		return priv_failed(e, err, "device", spec.ifname, error);
	device_close(e, v);
	group_leave(e, v);
	vnet_remove(&e->vnets, v);
	announce_change(e);
	if (!bridge || spec.bridge[0] == '\0')
		return 0;
	err = privcli_bridge_delete(e->priv, spec.bridge);
	if (err < 0 && err != -ENODEV && err != -ENOENT)
		return priv_failed(e, err, "bridge", spec.bridge, error);
	return 0;
}
