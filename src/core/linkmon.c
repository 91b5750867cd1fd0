/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "linkmon"

#include "core/linkmon.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/netlink.h"
#include "base/rtnl.h"

#define LINKS_MAX  4096
#define DUMP_TRIES 8
#define GROUPS	   (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)

struct entry {
	struct linkmon_link link;
	bool seen; /* in the present dump */
};

struct linkmon {
	struct netlink *netlink;
	struct loop *loop;
	struct loop_fd watch;
	linkmon_changed_fn *changed;
	void *arg;
	bool dirty;	       /* something changed since it was last told */
	bool stale;	       /* events were lost and the last dump failed */
	bool overflow;	       /* said once: more links than are kept */
	struct entry *entries; /* by ifindex */
	size_t n, size;
};

/* --- the table --- */

/* Where ifindex is, or would be. */
static size_t
position(const struct linkmon *m, uint32_t ifindex)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (m->entries[mid].link.ifindex < ifindex)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct entry *
find(const struct linkmon *m, uint32_t ifindex)
{
	size_t i = position(m, ifindex);

	return i < m->n && m->entries[i].link.ifindex == ifindex ? &m->entries[i] : NULL;
}

/* NULL when there is no room. */
static struct entry *
add(struct linkmon *m, uint32_t ifindex)
{
	size_t at = position(m, ifindex);

	if (m->n == m->size) {
		size_t size = m->size ? 2 * m->size : 16;
		struct entry *entries = m->n < LINKS_MAX
					    ? reallocarray(m->entries, size, sizeof(*entries))
					    : NULL;

		if (!entries) {
			if (!m->overflow)
				log_warnx(
				    "more than %zu network devices, the rest is not seen", m->n);
			m->overflow = true;
			return NULL;
		}
		m->entries = entries;
		m->size = size;
	}
	memmove(&m->entries[at + 1], &m->entries[at], (m->n - at) * sizeof(m->entries[0]));
	memset(&m->entries[at], 0, sizeof(m->entries[at]));
	m->entries[at].link.ifindex = ifindex;
	m->n++;
	return &m->entries[at];
}

static void
drop(struct linkmon *m, struct entry *e)
{
	size_t at = (size_t)(e - m->entries);

	memmove(e, e + 1, (--m->n - at) * sizeof(*e));
	m->dirty = true;
}

/* --- events --- */

static void
note_link(struct linkmon *m, const struct rtnl_link *l)
{
	struct entry *e = find(m, l->ifindex);
	struct linkmon_link next;

	if (!e)
		e = add(m, l->ifindex);
	if (!e)
		return;
	memcpy(
	    &next, &e->link, sizeof(next)); /* the addresses stay; all bytes, for the comparison */
	next.master = l->master;
	next.lower = l->lower;
	next.mtu = l->mtu;
	next.up = l->flags & IFF_UP;
	next.running = l->flags & IFF_RUNNING;
	next.multicast = l->flags & IFF_MULTICAST;
	next.loopback = l->flags & IFF_LOOPBACK;
	next.bridge = strcmp(l->kind, "bridge") == 0;
	memcpy(next.name, l->name, sizeof(next.name));
	e->seen = true;
	if (memcmp(&next, &e->link, sizeof(next)) == 0)
		return;
	memcpy(&e->link, &next, sizeof(next));
	m->dirty = true;
}

static bool
is_link_local(const struct ipaddr *ip)
{
	return ip->family == AF_INET6 && ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

/* Index among the addresses of the link, or their number. */
static uint32_t
find_addr(const struct linkmon_link *l, const struct rtnl_addr *a)
{
	uint32_t i = 0;

	while (i < l->n_addrs &&
	       !(l->addrs[i].prefix_len == a->prefix_len && ipaddr_equal(&l->addrs[i].ip, &a->ip)))
		i++;
	return i;
}

static void
note_addr(struct linkmon *m, const struct rtnl_addr *a)
{
	struct entry *e = find(m, a->ifindex);
	struct linkmon_link *l = e ? &e->link : NULL;

	if (!l || is_link_local(&a->ip) || l->n_addrs == LINKMON_ADDRS_MAX ||
	    find_addr(l, a) < l->n_addrs)
		return;
	l->addrs[l->n_addrs].ip = a->ip;
	l->addrs[l->n_addrs++].prefix_len = a->prefix_len;
	m->dirty = true;
}

static void
forget_addr(struct linkmon *m, const struct rtnl_addr *a)
{
	struct entry *e = find(m, a->ifindex);
	uint32_t i = e ? find_addr(&e->link, a) : 0;

	if (!e || i == e->link.n_addrs)
		return;
	e->link.n_addrs--;
	memmove(&e->link.addrs[i], &e->link.addrs[i + 1],
	    (e->link.n_addrs - i) * sizeof(e->link.addrs[0]));
	memset(&e->link.addrs[e->link.n_addrs], 0, sizeof(e->link.addrs[0]));
	m->dirty = true;
}

static void
note(void *arg, const struct nlmsghdr *nlh)
{
	struct linkmon *m = arg;
	struct rtnl_msg msg;
	struct entry *e;

	switch (rtnl_parse(nlh, &msg)) {
	case RTNL_LINK:
		note_link(m, &msg.link);
		break;
	case RTNL_LINK_GONE:
		e = find(m, msg.link.ifindex);
		if (e)
			drop(m, e);
		break;
	case RTNL_ADDR:
		note_addr(m, &msg.addr);
		break;
	case RTNL_ADDR_GONE:
		forget_addr(m, &msg.addr);
		break;
	default:
		break;
	}
}

/* --- dumps --- */

static int
dump_once(struct linkmon *m)
{
	struct rtnl_request r;
	/*
	 * First what is older: else it could show a device anew whose end was among the lost
	 * events.
	 */
	int err = netlink_events(m->netlink, note, m);

	if (err && err != -ENOBUFS)
		return err;
	for (size_t i = 0; i < m->n; i++)
		m->entries[i].seen = false;
	err = netlink_request(m->netlink, rtnl_get_links(&r, 0), note, m);
	if (err)
		return err;
	/* Addresses are few and have no mark: they are told again below. */
	for (size_t i = m->n; i-- > 0;) {
		if (!m->entries[i].seen)
			drop(m, &m->entries[i]);
		else
			m->entries[i].link.n_addrs = 0;
	}
	return netlink_request(m->netlink, rtnl_get_addrs(&r), note, m);
}

/* The whole table anew. */
static int
dump(struct linkmon *m)
{
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && (err == -EINTR || err == -ENOBUFS); i++)
		err = dump_once(m);
	return err;
}

static void
events_ready(void *arg, uint32_t events)
{
	struct linkmon *m = arg;
	int err = netlink_events(m->netlink, note, m);

	(void)events;
	if (err == -ENOBUFS || m->stale) {
		m->dirty = true;
		err = dump(m);
		m->stale = err != 0;
	}
	if (err)
		log_warnx("network devices cannot be watched: %s", strerrordesc_np(-err));
	if (!m->dirty)
		return;
	m->dirty = false;
	m->changed(m->arg);
}

/* --- what others call --- */

struct linkmon *
linkmon_new(linkmon_changed_fn *changed, void *arg)
{
	struct linkmon *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return NULL;
	m->changed = changed;
	m->arg = arg;
	m->netlink = netlink_new(NETLINK_ROUTE, GROUPS);
	err = m->netlink ? dump(m) : -errno;
	if (err) {
		linkmon_free(m);
		errno = -err;
		return NULL;
	}
	m->dirty = false;
	return m;
}

void
linkmon_free(struct linkmon *m)
{
	if (!m)
		return;
	if (m->watch.active)
		loop_unwatch(m->loop, &m->watch);
	netlink_free(m->netlink);
	free(m->entries);
	free(m);
}

int
linkmon_start(struct linkmon *m, struct loop *loop)
{
	m->loop = loop;
	return loop_watch(loop, &m->watch, netlink_fd(m->netlink), EPOLLIN, events_ready, m);
}

size_t
linkmon_count(const struct linkmon *m)
{
	return m->n;
}

const struct linkmon_link *
linkmon_at(const struct linkmon *m, size_t i)
{
	return &m->entries[i].link;
}

const struct linkmon_link *
linkmon_by_name(const struct linkmon *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->entries[i].link.name, name) == 0)
			return &m->entries[i].link;
	}
	return NULL;
}

const struct linkmon_link *
linkmon_by_index(const struct linkmon *m, uint32_t ifindex)
{
	const struct entry *e = find(m, ifindex);

	return e ? &e->link : NULL;
}
