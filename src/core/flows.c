/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/offload_internal.h"
#include "core/stats.h"
#include "varp/varp.h"

#define RENEW_MS 3000  /* a slot that is not renewed for so long is dead */
#define IDLE_MS	 60000 /* a flow not used for so long makes room */
#define HOLD_MS	 10000
#define EVICT_PER_S \
	32 /* flows that make room for new ones when all slots are taken; each costs a look at all */

enum flow_state {
	FLOW_FREE,
	FLOW_SETTING,
	FLOW_SET,
	FLOW_DUE, /* to be deleted, as soon as that can be asked for */
	FLOW_DELETING
};

/* Bytes, without padding. */
struct flow_key {
	uint32_t vni; /* ours */
	struct macaddr mac;
	uint16_t zero;
};

struct flow {
	struct table_node node; /* in the table while SETTING or SET */
	struct flow_key key;
	struct flow *next; /* free ones, or those whose deletion is due */
	enum flow_state state;
	unsigned awaited;      /* answers of priv about it */
	uint32_t serial;       /* of this use of the slot */
	struct member *member; /* NULL: a source */
	char ifname[VNET_IFNAME_SIZE];
	struct monotime used_at; /* in software or in the kernel */
	struct kernel_slot seen; /* what has been counted of the slot */
};

struct flows {
	struct table table;
	struct kernel_slot *slots; /* NULL: the kernel is not running */
	struct flow *flow;	   /* one for each slot */
	struct flow *free, *due;
	uint32_t n; /* flows that were ever used */
	size_t sources;
	uint32_t serial;
	struct bucket evictions;
	struct monotime renewed;
	struct monotime held; /* no new ones before: the kernel took one not */
};

struct flows *
flows_new(void)
{
	struct flows *fs = calloc(1, sizeof(*fs));

	if (fs == NULL)
		return NULL;
	fs->flow = calloc(KERNEL_SLOTS_MAX, sizeof(*fs->flow));
	if (fs->flow == NULL ||
	    TABLE_INIT(&fs->table, struct flow, node, key, KERNEL_SLOTS_MAX) < 0) {
		flows_free(fs);
		return NULL;
	}
	return fs;
}

void
flows_free(struct flows *fs)
{
	if (fs == NULL)
		return;
	table_fini(&fs->table);
	free(fs->flow);
	free(fs);
}

static uint32_t
slot_of(const struct flows *fs, const struct flow *f)
{
	return (uint32_t)(f - fs->flow);
}

static struct flow *
flow_find(const struct flows *fs, uint32_t vni, const struct macaddr *mac)
{
	struct flow_key key = { .vni = vni, .mac = *mac };
	struct table_node *n = table_find(&fs->table, &key);

	return n != NULL ? TABLE_ENTRY(n, struct flow, node) : NULL;
}

/* --- to and from the kernel --- */

/* The kernel reads it at any time. */
static void
slot_expire(struct kernel_slot *slot, int64_t ns)
{
	__atomic_store_n(&slot->expires, (uint64_t)ns, __ATOMIC_RELEASE);
}

static uint32_t
flow_token(struct offload *o, const struct flow *f)
{
	return request_begin(
	    o, &(struct request){ REQUEST_FLOW, f->serial, slot_of(o->flows, f), 0, 0 });
}

/* False: not now. */
static bool
flow_set(struct offload *o, struct flow *f)
{
	struct kernel_flow k = { .mac = f->key.mac, .slot = slot_of(o->flows, f) };
	uint32_t token = flow_token(o, f);

	if (token == 0)
		return false;
	memcpy(k.ifname, f->ifname, sizeof(k.ifname));
	if (f->member != NULL) {
		k.peer = f->member->assoc->path->number;
		k.vni = f->member->label;
		k.mtu = f->member->assoc->inner_mtu;
	}
	if (request_end(o, token, kernelcli_flow_set(o->setup.priv, token, &k)) < 0)
		return false;
	f->awaited++;
	return true;
}

static void
flow_free(struct flows *fs, struct flow *f)
{
	f->state = FLOW_FREE;
	f->next = fs->free;
	fs->free = f;
}

/*
 * The kernel must have forgotten the flow before its slot is used again: only the answer to this
 * makes it free.
 */
static void
delete_due(struct offload *o)
{
	struct flows *fs = o->flows;

	while (fs->due != NULL) {
		struct flow *f = fs->due;
		uint32_t token = flow_token(o, f);

		if (token == 0 ||
		    request_end(o, token,
			kernelcli_flow_delete(o->setup.priv, token, f->ifname, &f->key.mac)) < 0)
			return;
		fs->due = f->next;
		f->awaited++;
		f->state = FLOW_DELETING;
	}
}

/* What went by the slot since it was looked at. */
static struct offload_count
slot_news(struct flow *f, const struct kernel_slot *now)
{
	struct offload_count n = { now->tx_packets - f->seen.tx_packets,
		now->tx_bytes - f->seen.tx_bytes, now->rx_packets - f->seen.rx_packets,
		now->rx_bytes - f->seen.rx_bytes };

	f->seen = *now;
	return n;
}

/* Counts where frames of the engine are counted. */
static struct offload_count
count_news(struct offload *o, struct flow *f)
{
	struct kernel_slot slot = o->flows->slots[slot_of(o->flows, f)];
	struct offload_count n = slot_news(f, &slot);
	struct member *m = f->member;

	if (m == NULL)
		return n;
	stats_add(STAT_KERNEL_TX, n.tx_packets);
	stats_add(STAT_KERNEL_RX, n.rx_packets);
	m->assoc->tx_packets += n.tx_packets;
	m->assoc->tx_bytes += n.tx_bytes;
	m->assoc->rx_packets += n.rx_packets;
	m->assoc->rx_bytes += n.rx_bytes;
	return n;
}

/* Nothing goes by it from now on. */
static void
flow_drop(struct offload *o, struct flow *f)
{
	struct flows *fs = o->flows;

	slot_expire(&fs->slots[slot_of(fs, f)], 0);
	(void)count_news(o, f);
	table_remove(&fs->table, &f->node);
	if (f->member == NULL)
		fs->sources--;
	else if (f->member->assoc->path != NULL)
		f->member->assoc->path->flows--;
	f->member = NULL;
	f->state = FLOW_DUE;
	f->next = fs->due;
	fs->due = f;
	delete_due(o);
	offload_kick(o);
}

void
flows_answered(struct offload *o, const struct request *r, int error)
{
	struct flow *f = &o->flows->flow[r->number];

	if (f->serial != r->serial)
		return;
	f->awaited--;
	if (f->state == FLOW_DELETING && f->awaited == 0) {
		flow_free(o->flows, f);
	} else if (f->state == FLOW_SETTING && error < 0) {
		o->flows->held = monotime_add_ms(o->now, HOLD_MS);
		flow_drop(o, f);
	} else if (f->state == FLOW_SETTING) {
		f->state = FLOW_SET;
	}
}

/* --- new ones --- */

/* The one not used for longest makes room; it takes a while. */
static void
evict(struct offload *o)
{
	struct flows *fs = o->flows;
	struct flow *oldest = NULL;

	if (!bucket_take(&fs->evictions, EVICT_PER_S, EVICT_PER_S, o->now))
		return;
	for (uint32_t i = 0; i < fs->n; i++) {
		struct flow *f = &fs->flow[i];

		if (f->state == FLOW_SET &&
		    (oldest == NULL || monotime_before(f->used_at, oldest->used_at)))
			oldest = f;
	}
	if (oldest != NULL)
		flow_drop(o, oldest);
}

static struct flow *
flow_take(struct offload *o)
{
	struct flows *fs = o->flows;
	struct flow *f = fs->free;

	if (f != NULL)
		fs->free = f->next;
	else if (fs->n < KERNEL_SLOTS_MAX)
		f = &fs->flow[fs->n++];
	else
		evict(o);
	return f;
}

static void
flow_add(struct offload *o, struct vnet *v, struct member *m, const struct macaddr *mac)
{
	struct flows *fs = o->flows;
	struct flow *f = monotime_before(o->now, fs->held) ? NULL : flow_take(o);

	if (f == NULL)
		return;
	*f = (struct flow){
		.key = { .vni = v->vni, .mac = *mac },
		.state = FLOW_SETTING,
		.serial = ++fs->serial,
		.member = m,
		.used_at = o->now,
	};
	memcpy(f->ifname, v->spec.ifname, sizeof(f->ifname));
	memset(&fs->slots[slot_of(fs, f)], 0, sizeof(*fs->slots));
	if (table_insert(&fs->table, &f->node) < 0) {
		flow_free(fs, f);
		return;
	}
	if (!flow_set(o, f)) {
		table_remove(&fs->table, &f->node);
		flow_free(fs, f);
		return;
	}
	if (m == NULL)
		fs->sources++;
	else
		m->assoc->path->flows++;
	slot_expire(&fs->slots[slot_of(fs, f)], monotime_add_ms(o->now, RENEW_MS).ns);
}

static void
flow_used(struct offload *o, struct vnet *v, struct member *m, const struct macaddr *mac)
{
	struct flow *f = flow_find(o->flows, v->vni, mac);

	if (f == NULL)
		flow_add(o, v, m, mac);
	else
		f->used_at = o->now;
}

void
offload_used(struct offload *o, struct member *m, const struct macaddr *src,
    const struct macaddr *dst, struct monotime now)
{
	struct vnet *v = m->vnet;

	if (o->flows->slots == NULL || !path_in_use(m->assoc) || !m->in_kernel ||
	    v->spec.offload == OFFLOAD_OFF)
		return;
	o->now = now;
	flow_used(o, v, NULL, src);
	flow_used(o, v, m, dst);
}

/* --- ends --- */

void
flows_start(struct offload *o, struct kernel_slot *slots)
{
	o->flows->slots = slots;
}

void
flows_stop(struct offload *o)
{
	struct flows *fs = o->flows;

	if (fs->slots == NULL)
		return;
	for (uint32_t i = 0; i < fs->n; i++) {
		struct flow *f = &fs->flow[i];

		slot_expire(&fs->slots[i], 0);
		if (f->state == FLOW_SETTING || f->state == FLOW_SET) {
			(void)count_news(o, f);
			table_remove(&fs->table, &f->node);
			if (f->member != NULL && f->member->assoc->path != NULL)
				f->member->assoc->path->flows--;
		}
		f->state = FLOW_FREE;
	}
	fs->free = fs->due = NULL;
	fs->n = 0;
	fs->sources = 0;
	fs->slots = NULL;
	for (struct vnet *v = o->setup.vnets->first; v != NULL; v = v->next)
		v->in_kernel = false;
}

void
flows_withdraw(struct offload *o, const struct assoc *a, uint32_t vni)
{
	struct flows *fs = o->flows;

	if (fs->slots == NULL)
		return;
	for (uint32_t i = 0; i < fs->n; i++) {
		struct flow *f = &fs->flow[i];

		if (f->state != FLOW_SETTING && f->state != FLOW_SET)
			continue;
		if ((a == NULL || (f->member != NULL && f->member->assoc == a)) &&
		    (vni == 0 || f->key.vni == vni))
			flow_drop(o, f);
	}
}

void
offload_moved(struct offload *o, uint32_t vni, const struct macaddr *mac)
{
	struct flow *f = o->flows->slots != NULL ? flow_find(o->flows, vni, mac) : NULL;
	struct varp_route route;

	if (f == NULL)
		return;
	route = varp_lookup(o->setup.varp, vni, mac);
	if (f->member != NULL ? route.where != VARP_REMOTE || route.via != f->member
			      : route.where != VARP_LOCAL)
		flow_drop(o, f);
}

void
offload_member_added(struct offload *o, struct member *m)
{
	if (m->assoc->path == NULL)
		return;
	m->assoc->path->members_due = true;
	offload_kick(o);
}

void
offload_member_gone(struct offload *o, struct member *m)
{
	struct path *p = m->assoc->path;
	uint32_t token;

	if (!m->in_kernel)
		return;
	m->in_kernel = false;
	flows_withdraw(o, m->assoc, m->vnet->vni);
	token = request_begin(o, &(struct request){ .kind = REQUEST_OTHER });
	if (token == 0 ||
	    request_end(o, token,
		kernelcli_member_delete(o->setup.priv, token, p->number, m->vnet->vni)) < 0)
		path_remove(o, p); /* which cannot fail */
}

void
offload_device_gone(struct offload *o, struct vnet *v)
{
	uint32_t token;

	flows_withdraw(o, NULL, v->vni);
	for (size_t i = 0; i < v->n_members; i++)
		offload_member_gone(o, v->members[i]);
	if (!v->in_kernel)
		return;
	v->in_kernel = false;
	token = request_begin(o, &(struct request){ .kind = REQUEST_OTHER });
	if (token != 0)
		(void)request_end(
		    o, token, kernelcli_vnet_delete(o->setup.priv, token, v->spec.ifname));
}

/* --- time --- */

/* What the kernel carried is news for VARP, as frames of the engine are. */
static void
feed_back(struct offload *o, struct flow *f)
{
	struct offload_count n = count_news(o, f);
	struct member *m = f->member;

	if (n.tx_packets > 0 || n.rx_packets > 0)
		f->used_at = o->now;
	if (m == NULL) {
		if (n.tx_packets > 0)
			varp_local_frame(o->setup.varp, f->key.vni, &f->key.mac, o->now);
		return;
	}
	if (n.rx_packets > 0)
		varp_remote_frame(
		    o->setup.varp, f->key.vni, m->key.host_id, m, &f->key.mac, o->now);
}

bool
flows_device(struct offload *o, struct vnet *v)
{
	uint32_t token;

	if (v->in_kernel)
		return true;
	token = request_begin(o, &(struct request){ .kind = REQUEST_DEVICE, .number = v->vni });
	v->in_kernel = token != 0 &&
		       request_end(
			   o, token, kernelcli_vnet_add(o->setup.priv, token, v->spec.ifname)) == 0;
	return v->in_kernel;
}

void
flows_device_refused(struct offload *o, uint32_t vni)
{
	struct vnet *v = vnet_by_vni(o->setup.vnets, vni);

	flows_withdraw(o, NULL, vni);
	o->flows->held = monotime_add_ms(o->now, HOLD_MS);
	if (v != NULL)
		v->in_kernel = false;
}

void
flows_tick(struct offload *o, struct monotime now)
{
	struct flows *fs = o->flows;

	delete_due(o);
	if (fs->slots == NULL || monotime_diff_ms(now, fs->renewed) < 1000)
		return;
	fs->renewed = now;
	for (uint32_t i = 0; i < fs->n; i++) {
		struct flow *f = &fs->flow[i];

		if (f->state == FLOW_SET)
			feed_back(o, f);
		if (f->state != FLOW_SET)
			continue; /* its MAC turned out to have moved */
		if (monotime_diff_ms(now, f->used_at) > IDLE_MS)
			flow_drop(o, f);
		else
			slot_expire(&fs->slots[i], monotime_add_ms(now, RENEW_MS).ns);
	}
}

/* The kernel's copies are made anew. */
void
offload_mtu_changed(struct offload *o, const struct assoc *a)
{
	if (path_in_use(a))
		flows_withdraw(o, a, 0);
}

void
offload_vnet_changed(struct offload *o, struct vnet *v)
{
	if (v->spec.offload == OFFLOAD_OFF)
		flows_withdraw(o, NULL, v->vni);
	for (size_t i = 0; i < v->n_members; i++)
		offload_member_added(o, v->members[i]);
}

/* --- for people --- */

void
flows_count(const struct offload *o, size_t *flows, size_t *sources)
{
	*sources = o->flows->sources;
	*flows = o->flows->table.count - *sources;
}

bool
offload_flow(
    const struct offload *o, uint32_t vni, const struct macaddr *mac, struct offload_count *out)
{
	const struct flows *fs = o->flows;
	const struct flow *f = fs->slots != NULL ? flow_find(fs, vni, mac) : NULL;
	const struct kernel_slot *slot;

	if (f == NULL)
		return false;
	slot = &fs->slots[slot_of(fs, f)];
	*out = (struct offload_count){ slot->tx_packets, slot->tx_bytes, slot->rx_packets,
		slot->rx_bytes };
	return true;
}
