/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/priv_link.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/netlink.h"
#include "base/rtnl.h"
#include "core/priv_tap.h"

#define DUMP_TRIES 8
#define TAPS_MAX   15000 /* below RLIMIT_NOFILE */

struct tap {
	char ifname[VNET_IFNAME_SIZE];
	unsigned lane; /* which of its queues */
	int fd;
};

struct priv_link {
	struct netlink *netlink;
	uid_t owner;
	struct tap *taps;
	size_t n_taps;
};

struct priv_link *
priv_link_new(uid_t engine_uid)
{
	struct priv_link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->owner = engine_uid;
	l->netlink = netlink_new(NETLINK_ROUTE, 0);
	if (!l->netlink) {
		free(l);
		return NULL;
	}
	return l;
}

void
priv_link_free(struct priv_link *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_taps; i++)
		close(l->taps[i].fd);
	free(l->taps);
	netlink_free(l->netlink);
	free(l);
}

/* --- queues --- */

static void
drop_tap(struct priv_link *l, struct tap *t)
{
	close(t->fd);
	*t = l->taps[--l->n_taps];
}

/* NULL if there is none; one whose device was removed or renamed since is dropped. */
static struct tap *
find_tap(struct priv_link *l, const char *ifname, unsigned lane)
{
	for (struct tap *t = l->taps; t < l->taps + l->n_taps; t++) {
		if (t->lane != lane || strcmp(t->ifname, ifname) != 0)
			continue;
		if (priv_tap_is(t->fd, ifname))
			return t;
		drop_tap(l, t);
		return NULL;
	}
	return NULL;
}

static int
add_tap(struct priv_link *l, const char *ifname, unsigned lane, int fd)
{
	struct tap *taps;

	if (l->n_taps == TAPS_MAX)
		return -ENOSPC;
	taps = reallocarray(l->taps, l->n_taps + 1, sizeof(*taps));
	if (!taps)
		return -ENOMEM;
	l->taps = taps;
	taps[l->n_taps] = (struct tap){ .lane = lane, .fd = fd };
	strcpy(taps[l->n_taps++].ifname, ifname);
	return 0;
}

/* --- asking and telling the kernel --- */

/* The words of fmt, and why the kernel refused. */
static int __attribute__((format(printf, 4, 5)))
failed(const struct priv_link *l, struct priv_answer *a, int err, const char *fmt, ...)
{
	char what[PRIV_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return privmsg_failed(a, err, netlink_text(l->netlink), "%s", what);
}

struct found {
	struct rtnl_link *link;
	bool any;
};

static void
note_link(void *arg, const struct nlmsghdr *nlh)
{
	struct found *f = arg;
	struct rtnl_msg m;

	if (rtnl_parse(nlh, &m) != RTNL_LINK)
		return;
	*f->link = m.link;
	f->any = true;
}

/* -ENODEV if there is no device of that name. */
static int
get_link(struct priv_link *l, const char *ifname, struct rtnl_link *out)
{
	struct found f = { .link = out };
	struct rtnl_request r;
	int err = netlink_request(l->netlink, rtnl_get_link(&r, ifname), note_link, &f);

	if (err)
		return err;
	return f.any ? 0 : -EPROTO;
}

static int
set_link(struct priv_link *l, const struct rtnl_change *c)
{
	struct rtnl_request r;

	return netlink_request(l->netlink, rtnl_set_link(&r, c), NULL, NULL);
}

/* By its own name: the kernel also finds devices by alternative ones. */
static bool
is_ours(const struct priv_link *l, const struct rtnl_link *link, const char *ifname)
{
	return strcmp(link->name, ifname) == 0 && strcmp(link->kind, "tun") == 0 &&
	       link->tun.type == IFF_TAP && link->tun.owned && link->tun.owner == l->owner;
}

static int
get_ours(struct priv_link *l, const char *ifname, struct rtnl_link *out, struct priv_answer *a)
{
	int err = get_link(l, ifname, out);

	if (err == -ENODEV)
		return privmsg_refuse(a, err, "no device \"%s\"", ifname);
	if (err)
		return failed(l, a, err, "cannot look at device \"%s\"", ifname);
	if (!is_ours(l, out, ifname))
		return privmsg_refuse(a, -EPERM, "device \"%s\" is not a vnet's", ifname);
	return 0;
}

static int
get_bridge(struct priv_link *l, const char *bridge, struct rtnl_link *out, struct priv_answer *a)
{
	int err = get_link(l, bridge, out);

	if (err == -ENODEV)
		return privmsg_refuse(a, err, "no bridge \"%s\"", bridge);
	if (err)
		return failed(l, a, err, "cannot look at bridge \"%s\"", bridge);
	if (strcmp(out->kind, "bridge") != 0)
		return privmsg_refuse(a, -EINVAL, "device \"%s\" is not a bridge", bridge);
	return 0;
}

/* --- TAPs --- */

/* The kept queue of the device, or a new one: a descriptor that stays ours, or -errno. */
static int
attach(struct priv_link *l, const char *ifname, unsigned lane, bool create, struct priv_answer *a)
{
	const struct tap *t = create ? NULL : find_tap(l, ifname, lane);
	int fd, err;
	bool opened;

	if (t)
		return t->fd;
	fd = priv_tap_attach(ifname, l->owner, create, &opened);
	if (fd < 0)
		return privmsg_refuse(a, fd, "cannot %s TAP \"%s\": %s%s",
		    create ? "create" : "attach to", ifname, opened ? "" : PRIV_TAP_DEVICE ": ",
		    strerrordesc_np(-fd));
	err = add_tap(l, ifname, lane, fd);
	if (err == 0)
		return fd;
	if (create)
		priv_tap_abandon(fd);
	close(fd);
	return privmsg_refuse(a, err, "cannot keep TAP \"%s\": %s", ifname, strerrordesc_np(-err));
}

static int
configure(struct priv_link *l, const struct priv_tap_open *q, struct priv_answer *a)
{
	struct rtnl_link link;
	int err = get_ours(l, q->ifname, &link, a);

	if (err)
		return err;
	/* The same address set again makes the kernel forget its neighbours there. */
	err = set_link(l, &(struct rtnl_change){ .ifindex = link.ifindex,
			      .mac = mac_equal(&link.mac, &q->mac) ? NULL : &q->mac,
			      .mtu = q->mtu,
			      .up = true });
	if (err)
		return failed(l, a, err, "cannot set up TAP \"%s\"", q->ifname);
	a->ifindex = link.ifindex;
	return 0;
}

int
priv_link_tap_open(
    struct priv_link *l, const struct priv_tap_open *q, struct priv_answer *a, int *fd)
{
	struct rtnl_link link;
	int err = get_link(l, q->ifname, &link), queue;
	bool exists = err == 0;

	if (err && err != -ENODEV)
		return failed(l, a, err, "cannot look at device \"%s\"", q->ifname);
	if (exists && !is_ours(l, &link, q->ifname))
		return privmsg_refuse(
		    a, -EEXIST, "device \"%s\" exists and is not a vnet's", q->ifname);
	if (exists && !(link.tun.persist && link.tun.vnet_hdr && link.tun.multi_queue))
		return privmsg_refuse(
		    a, -EEXIST, "TAP \"%s\" exists, but not as vnetd makes them", q->ifname);
	queue = attach(l, q->ifname, 0, !exists, a);
	if (queue < 0)
		return queue;
	err = configure(l, q, a);
	if (err && !exists) {
		priv_tap_abandon(queue);
		drop_tap(l, &l->taps[l->n_taps - 1]);
	}
	if (err)
		return err;
	a->flag = exists;
	*fd = queue;
	return 0;
}

int
priv_link_lane_open(struct priv_link *l, const struct priv_lane *q, struct priv_answer *a, int *fd)
{
	struct rtnl_link link;
	int err = get_ours(l, q->ifname, &link, a), queue;

	if (err)
		return err;
	queue = attach(l, q->ifname, q->lane, false, a);
	if (queue < 0)
		return queue;
	*fd = queue;
	return 0;
}

int
priv_link_tap_delete(struct priv_link *l, const char *ifname, struct priv_answer *a)
{
	struct rtnl_link link;
	struct rtnl_request r;
	int err = get_ours(l, ifname, &link, a);

	if (err)
		return err;
	for (size_t i = l->n_taps; i-- > 0;)
		if (strcmp(l->taps[i].ifname, ifname) == 0)
			drop_tap(l, &l->taps[i]);
	err = netlink_request(l->netlink, rtnl_del_link(&r, link.ifindex), NULL, NULL);
	return err ? failed(l, a, err, "cannot delete device \"%s\"", ifname) : 0;
}

struct names {
	const struct priv_link *l;
	char (*name)[VNET_IFNAME_SIZE];
	size_t n;
	bool failed;
};

static void
note_ours(void *arg, const struct nlmsghdr *nlh)
{
	struct names *ns = arg;
	struct rtnl_msg m;
	void *more;

	if (rtnl_parse(nlh, &m) != RTNL_LINK || !is_ours(ns->l, &m.link, m.link.name))
		return;
	more = reallocarray(ns->name, ns->n + 1, sizeof(*ns->name));
	if (!more) {
		ns->failed = true;
		return;
	}
	ns->name = more;
	strcpy(ns->name[ns->n++], m.link.name);
}

static int
delete_unused(struct priv_link *l, const char *ifname, struct priv_answer *a)
{
	struct rtnl_link link;
	int err = get_ours(l, ifname, &link, a);

	if (err)
		return err;
	/* A TAP has a carrier while one of its queues is open. */
	if (link.flags & IFF_LOWER_UP)
		return privmsg_refuse(a, -EBUSY, "device \"%s\" is in use", ifname);
	return priv_link_tap_delete(l, ifname, a);
}

int
priv_link_delete_all(struct priv_link *l, priv_link_each_fn *each, void *arg)
{
	struct names ns = { .l = l };
	struct rtnl_request r;
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		ns.n = 0;
		err = netlink_request(l->netlink, rtnl_get_links(&r, 0), note_ours, &ns);
	}
	if (err == 0 && ns.failed)
		err = -ENOMEM;
	for (size_t i = 0; err == 0 && i < ns.n; i++) {
		struct priv_answer a = { 0 };

		each(arg, ns.name[i], delete_unused(l, ns.name[i], &a), &a);
	}
	free(ns.name);
	return err;
}

int
priv_link_keep_tap(
    struct priv_link *l, const char *ifname, unsigned lane, int fd, struct priv_answer *a)
{
	struct rtnl_link link;
	int err = get_ours(l, ifname, &link, a);

	if (err)
		return err;
	if (!priv_tap_is(fd, ifname))
		return privmsg_refuse(
		    a, -EINVAL, "the descriptor is not a queue of TAP \"%s\"", ifname);
	if (find_tap(l, ifname, lane))
		return privmsg_refuse(a, -EEXIST, "a queue of TAP \"%s\" is kept already", ifname);
	err = add_tap(l, ifname, lane, fd);
	return err ? privmsg_refuse(
			 a, err, "cannot keep TAP \"%s\": %s", ifname, strerrordesc_np(-err))
		   : 0;
}

int
priv_link_set_mtu(struct priv_link *l, const struct priv_mtu *q, struct priv_answer *a)
{
	struct rtnl_link link;
	int err = get_ours(l, q->ifname, &link, a);

	if (err)
		return err;
	err = set_link(l, &(struct rtnl_change){ .ifindex = link.ifindex, .mtu = q->mtu });
	return err ? failed(l, a, err, "cannot set the MTU of \"%s\" to %u", q->ifname, q->mtu) : 0;
}

int
priv_link_ifindex(struct priv_link *l, const char *ifname, uint32_t *out, struct priv_answer *a)
{
	struct rtnl_link link;
	int err = get_ours(l, ifname, &link, a);

	if (!err)
		*out = link.ifindex;
	return err;
}

/* --- bridges --- */

int
priv_link_bridge_add(struct priv_link *l, const char *bridge, struct priv_answer *a)
{
	struct rtnl_link link;
	struct rtnl_request r;
	int err = get_link(l, bridge, &link);

	if (err == 0 && strcmp(link.kind, "bridge") != 0)
		return privmsg_refuse(
		    a, -EEXIST, "device \"%s\" exists and is not a bridge", bridge);
	if (err != -ENODEV)
		return err ? failed(l, a, err, "cannot look at device \"%s\"", bridge) : 0;
	err = netlink_request(l->netlink, rtnl_new_bridge(&r, bridge), NULL, NULL);
	if (err)
		return failed(l, a, err, "cannot create bridge \"%s\"", bridge);
	a->flag = true;
	return 0;
}

struct ports {
	uint32_t bridge;
	size_t n;
	char names[PRIV_TEXT_MAX / 2]; /* as many as fit */
};

static void
note_port(void *arg, const struct nlmsghdr *nlh)
{
	struct ports *p = arg;
	size_t used = strlen(p->names);
	struct rtnl_msg m;

	/* A kernel that does not filter tells of all links. */
	if (rtnl_parse(nlh, &m) != RTNL_LINK || m.link.master != p->bridge)
		return;
	p->n++;
	if (used + strlen(m.link.name) + 3 <= sizeof(p->names))
		sprintf(p->names + used, "%s%s", used ? ", " : "", m.link.name);
}

static int
list_ports(struct priv_link *l, uint32_t bridge, struct ports *p)
{
	struct rtnl_request r;
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++) {
		*p = (struct ports){ .bridge = bridge };
		err = netlink_request(l->netlink, rtnl_get_links(&r, bridge), note_port, p);
	}
	return err;
}

int
priv_link_bridge_delete(struct priv_link *l, const char *bridge, struct priv_answer *a)
{
	struct rtnl_link link;
	struct rtnl_request r;
	struct ports ports;
	int err = get_bridge(l, bridge, &link, a);

	if (err)
		return err;
	err = list_ports(l, link.ifindex, &ports);
	if (err)
		return failed(l, a, err, "cannot list the ports of bridge \"%s\"", bridge);
	if (ports.n > 0)
		return privmsg_refuse(a, -EBUSY, "bridge \"%s\" still has %zu port%s: %s", bridge,
		    ports.n, ports.n > 1 ? "s" : "", ports.names);
	err = netlink_request(l->netlink, rtnl_del_link(&r, link.ifindex), NULL, NULL);
	return err ? failed(l, a, err, "cannot delete bridge \"%s\"", bridge) : 0;
}

int
priv_link_bridge_port(struct priv_link *l, const struct priv_port *q, struct priv_answer *a)
{
	bool leave = q->bridge[0] == '\0';
	struct rtnl_link port, bridge = { 0 };
	int err = get_ours(l, q->port, &port, a);

	if (!err && !leave)
		err = get_bridge(l, q->bridge, &bridge, a);
	if (err)
		return err;
	err = set_link(
	    l, &(struct rtnl_change){ .ifindex = port.ifindex, .master = &bridge.ifindex });
	if (err && leave)
		return failed(l, a, err, "cannot take \"%s\" out of its bridge", q->port);
	return err ? failed(l, a, err, "cannot make \"%s\" a port of bridge \"%s\"", q->port,
			 q->bridge)
		   : 0;
}

/* --- addresses --- */

typedef struct nlmsghdr *build_addr_fn(struct rtnl_request *r, const struct rtnl_addr *a);

/* done: what the kernel says when there is nothing to do. */
static int
change_addr(struct priv_link *l, const struct priv_addr *q, build_addr_fn *build, int done,
    const char *what, struct priv_answer *a)
{
	char ip[IPADDR_STRLEN];
	struct rtnl_link link;
	struct rtnl_request r;
	int err = get_ours(l, q->ifname, &link, a);

	if (err)
		return err;
	err = netlink_request(l->netlink,
	    build(&r,
		&(struct rtnl_addr){
		    .ifindex = link.ifindex, .ip = q->ip, .prefix_len = (uint8_t)q->prefix_len }),
	    NULL, NULL);
	if (err == 0 || err == done)
		return 0;
	return failed(l, a, err, "cannot %s %s/%u %s \"%s\"", done == -EEXIST ? "add" : "delete",
	    ipaddr_format(&q->ip, ip), q->prefix_len, what, q->ifname);
}

int
priv_link_addr_add(struct priv_link *l, const struct priv_addr *q, struct priv_answer *a)
{
	return change_addr(l, q, rtnl_new_addr, -EEXIST, "to", a);
}

int
priv_link_addr_delete(struct priv_link *l, const struct priv_addr *q, struct priv_answer *a)
{
	return change_addr(l, q, rtnl_del_addr, -EADDRNOTAVAIL, "from", a);
}
