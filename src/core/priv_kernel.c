/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "kernel"

#include "core/priv_kernel.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "core/priv_kernel_internal.h"
#include "core/priv_state.h"

#define PATROL_MS    1000
#define NFT_EVENTS   (1u << (7 - 1)) /* NFNLGRP_NFTABLES, without <linux/netfilter/nfnetlink.h> */
#define ROUTE_EVENTS (RTMGRP_LINK | RTMGRP_TC)

int
priv_kernel_failed(const struct netlink *n, struct priv_answer *a, int err, const char *fmt, ...)
{
	char what[PRIV_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return privmsg_failed(a, err, n ? netlink_text(n) : "", "%s", what);
}

static void patrol(void *arg);

static void
set_patrol(struct priv_kernel *k)
{
	loop_timer_set(
	    k->loop, &k->patrol, monotime_add_ms(loop_now(k->loop), PATROL_MS), patrol, k);
}

/* --- telling the engine --- */

void
priv_kernel_tell(
    struct priv_kernel *k, uint32_t type, uint32_t peer, uint64_t value, const char *fmt, ...)
{
	struct kernel_event ev = { .type = type, .peer = peer, .value = value };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ev.text, sizeof(ev.text), fmt, ap);
	va_end(ap);
	if (k->tell(k->arg, &ev) || (type != KERNEL_BROKEN && type != KERNEL_DOWN))
		return;
	/* These must be heard: again later. */
	k->pending = ev;
	k->has_pending = true;
	set_patrol(k);
}

/* --- looking after what we made --- */

/* How the SAs ended that were deleted until now. */
static void
hear_last_numbers(struct priv_kernel *k)
{
	if (k->xfrm.events)
		netlink_events(k->xfrm.events, priv_xfrm_event, k);
}

static void
take_down(struct priv_kernel *k)
{
	k->started = false;
	loop_timer_cancel(k->loop, &k->check);
	loop_timer_cancel(k->loop, &k->patrol);
	k->gone = 0;
	priv_flows_close(k);
	if (!priv_path_is_locked(k))
		return;
	/* SAs first: what they open finds its device, or an ICMP error would quote it in clear. */
	if (k->xfrm.requests)
		priv_xfrm_sweep(k->xfrm.requests);
	hear_last_numbers(k);
	priv_path_close(k);
	if (k->nft.requests)
		priv_path_sweep_barrier(k->nft.requests);
	priv_path_unlock(k);
}

static void
fall(struct priv_kernel *k, const struct priv_answer *why)
{
	take_down(k);
	log_warnx("%s was removed, the kernel's path is down: %s", k->what, why->text);
	priv_kernel_tell(k, KERNEL_DOWN, 0, 0, "%s was removed: %.100s", k->what, why->text);
}

/* What was removed is put back, or all is taken down. */
static void
repair(struct priv_kernel *k, uint32_t gone)
{
	struct priv_answer a = { 0 };
	int err = priv_path_repair(k, gone, &a);

	if (!err && gone & GONE_POLICY)
		err = priv_xfrm_repair(k, &a);
	if (!err && gone & GONE_PROGRAM)
		err = priv_flows_repair(k, &a);
	if (gone & GONE_SA)
		priv_xfrm_check_sas(k);
	if (!err && gone & GONE_LINK)
		priv_flows_check_routes(k);
	if (err) {
		fall(k, &a);
	} else if (gone & ~GONE_SA) {
		log_warnx("%s was removed by others, and put back", k->what);
		priv_kernel_tell(k, KERNEL_BROKEN, 0, 0, "%s was removed, and put back", k->what);
	}
}

static void
check(void *arg)
{
	struct priv_kernel *k = arg;
	uint32_t gone = k->gone;

	k->gone = 0;
	if (k->started && gone)
		repair(k, gone);
}

void
priv_kernel_note_gone(struct priv_kernel *k, uint32_t gone, const char *what)
{
	if (!k->started)
		return;
	if (!k->gone)
		snprintf(k->what, sizeof(k->what), "%s", what);
	k->gone |= gone;
	loop_timer_set(k->loop, &k->check, loop_now(k->loop), check, k);
}

static void
check_routes(struct priv_kernel *k)
{
	struct priv_answer a = { 0 };
	int err = priv_path_check_routes(k, &a);

	if (err > 0)
		priv_kernel_note_gone(k, GONE_ROUTE, "the route of pseudo-addresses");
	if (err >= 0) {
		k->no_route = false;
		return;
	}
	/* Without its device, which is looked after by its own event, there can be no route. */
	snprintf(k->what, sizeof(k->what), "the route of pseudo-addresses");
	if (k->no_route)
		fall(k, &a);
	else
		k->no_route = true;
}

/* What no event tells of, and what the engine could not be told. */
static void
patrol(void *arg)
{
	struct priv_kernel *k = arg;

	if (k->has_pending)
		k->has_pending = !k->tell(k->arg, &k->pending);
	if (k->started) {
		priv_xfrm_tell(k);
		check_routes(k);
		priv_flows_check_routes(k);
	}
	if (k->started || k->has_pending)
		set_patrol(k);
}

/* --- events --- */

static void
hear(struct priv_kernel *k, struct kernel_netlink *n, netlink_fn *each, uint32_t all)
{
	int err = netlink_events(n->events, each, k);

	if (err == -ENOBUFS)
		priv_kernel_note_gone(k, all, "maybe something (events were lost)");
	else if (err)
		log_warnx("netlink events: %s", strerrordesc_np(-err));
}

static void
route_ready(void *arg, uint32_t events)
{
	struct priv_kernel *k = arg;

	(void)events;
	hear(k, &k->route, priv_path_link_event, GONE_LINK | GONE_PROGRAM);
}

void
priv_kernel_hear_xfrm(struct priv_kernel *k)
{
	hear(k, &k->xfrm, priv_xfrm_event, GONE_POLICY | GONE_SA);
}

static void
xfrm_ready(void *arg, uint32_t events)
{
	(void)events;
	priv_kernel_hear_xfrm(arg);
}

static void
nft_event(void *arg, const struct nlmsghdr *nlh)
{
	struct priv_kernel *k = arg;

	if (nlh->nlmsg_pid != netlink_port(k->nft.requests) && nftnl_concerns(nlh, PATH_TABLE))
		priv_kernel_note_gone(k, GONE_BARRIER, "the nftables table " PATH_TABLE);
}

static void
nft_ready(void *arg, uint32_t events)
{
	struct priv_kernel *k = arg;

	(void)events;
	hear(k, &k->nft, nft_event, GONE_BARRIER);
}

static void
probes_ready(void *arg, uint32_t events)
{
	(void)events;
	priv_flows_take_probes(arg);
}

static void
close_netlink(struct priv_kernel *k, struct kernel_netlink *n)
{
	if (n->watch.active)
		loop_unwatch(k->loop, &n->watch);
	netlink_free(n->events);
	netlink_free(n->requests);
	*n = (struct kernel_netlink){ 0 };
}

/* -errno: the kernel does not speak the protocol. */
static int
open_netlink(struct priv_kernel *k, struct kernel_netlink *n, int protocol, uint32_t groups,
    loop_fd_fn *ready)
{
	int err;

	if (n->events)
		return 0;
	n->requests = netlink_new(protocol, 0);
	n->events = n->requests ? netlink_new(protocol, groups) : NULL;
	if (!n->events) {
		err = -errno;
		close_netlink(k, n);
		return err;
	}
	err = loop_watch(k->loop, &n->watch, netlink_fd(n->events), EPOLLIN, ready, k);
	if (err)
		close_netlink(k, n);
	return err;
}

static void
close_all(struct priv_kernel *k)
{
	close_netlink(k, &k->route);
	close_netlink(k, &k->xfrm);
	close_netlink(k, &k->nft);
}

/* While it is not started, nothing is noted. */
static void
drain_events(struct priv_kernel *k)
{
	netlink_events(k->route.events, priv_path_link_event, k);
	if (k->xfrm.events)
		netlink_events(k->xfrm.events, priv_xfrm_event, k);
	if (k->nft.events)
		netlink_events(k->nft.events, nft_event, k);
}

/* --- requests --- */

static int
open_all(struct priv_kernel *k, bool secured, struct priv_answer *a)
{
	int err = open_netlink(k, &k->route, NETLINK_ROUTE, ROUTE_EVENTS, route_ready);

	if (err)
		return privmsg_refuse(a, err, "rtnetlink: %s", strerrordesc_np(-err));
	err = open_netlink(k, &k->xfrm, NETLINK_XFRM, XFRMNL_EVENTS, xfrm_ready);
	if (err && secured)
		return privmsg_refuse(a, err, "XFRM: %s", strerrordesc_np(-err));
	err = open_netlink(k, &k->nft, NETLINK_NETFILTER, NFT_EVENTS, nft_ready);
	if (err && secured)
		return privmsg_refuse(a, err, "nftables: %s", strerrordesc_np(-err));
	return 0;
}

/* Both barriers stand before a device can send or receive. */
static int
open_path(struct priv_kernel *k, struct priv_answer *a)
{
	int err = priv_path_lock(k, a);

	if (err)
		return err;
	if (k->xfrm.requests)
		priv_xfrm_sweep(k->xfrm.requests);
	priv_path_sweep(k->route.requests);
	if (k->nft.requests)
		priv_path_sweep_barrier(k->nft.requests);
	if (k->secured)
		err = priv_path_open_barrier(k, a);
	if (!err && k->secured)
		err = priv_xfrm_open(k, a);
	if (!err)
		err = priv_path_open(k, a);
	return err ? err : priv_flows_open(k, a);
}

int
priv_kernel_start(
    struct priv_kernel *k, const struct priv_kernel_start *q, struct priv_answer *a, int *fd)
{
	int err;

	if (!k->programs)
		return privmsg_refuse(a, -EOPNOTSUPP, "%s", k->why_not);
	if (k->started)
		take_down(k);
	k->has_pending = false;
	err = open_all(k, q->secured, a);
	if (err)
		return err;
	k->secured = q->secured;
	err = open_path(k, a);
	if (err) {
		take_down(k);
		return err;
	}
	/* What was done until now is no news. */
	drain_events(k);
	k->started = true;
	k->gone = 0;
	k->no_route = false;
	set_patrol(k);
	*fd = fastpath_slots(k->programs);
	return 0;
}

int
priv_kernel_serve(struct priv_kernel *k, const struct ipc_msg *m, struct priv_answer *a)
{
	const void *q = m->body;

	if (m->type == PRIV_KERNEL_STOP) {
		priv_kernel_abandon(k);
		return 0;
	}
	if (!k->started)
		return privmsg_refuse(a, -ESRCH, "the kernel's path is not open");
	switch (m->type) {
	case PRIV_KERNEL_VNET_ADD:
		return priv_flows_add_vnet(k, ((const struct priv_name *)q)->ifname, a);
	case PRIV_KERNEL_VNET_DELETE:
		return priv_flows_del_vnet(k, ((const struct priv_name *)q)->ifname, a);
	case PRIV_KERNEL_PEER_ADD:
		return priv_flows_add_peer(k, q, a);
	case PRIV_KERNEL_PEER_DELETE:
		return priv_flows_del_peer(k, ((const struct priv_kernel_number *)q)->peer, a);
	case PRIV_KERNEL_SA_ADD:
		return priv_xfrm_add_sa(k, q, a);
	case PRIV_KERNEL_SA_DELETE:
		return priv_xfrm_del_sa(k, q, a);
	case PRIV_KERNEL_SA_LIMIT:
		return priv_xfrm_limit_sa(k, q, a);
	case PRIV_KERNEL_MEMBER_ADD:
		return priv_flows_add_member(k, q, a);
	case PRIV_KERNEL_MEMBER_DELETE:
		return priv_flows_del_member(k, q, a);
	case PRIV_KERNEL_FLOW_SET:
		return priv_flows_set(k, q, a);
	case PRIV_KERNEL_FLOW_DELETE:
		return priv_flows_delete(k, q, a);
	case PRIV_KERNEL_PROBE:
		return priv_flows_probe(k, q, a);
	default:
		return privmsg_refuse(a, -EPROTO, "a request of no type");
	}
}

int
priv_kernel_port(struct priv_kernel *k, struct priv_answer *a, int *fd)
{
	if (!k->started || k->probe < 0)
		return privmsg_refuse(a, -ESRCH, "the kernel's path is not open");
	*fd = k->probe;
	return 0;
}

/* What a priv that was killed has left goes, unless another vnetd of this machine has it. */
static void
settle_left(struct priv_kernel *k)
{
	struct priv_answer a;

	if (priv_path_lock(k, &a) < 0 ||
	    open_netlink(k, &k->xfrm, NETLINK_XFRM, XFRMNL_EVENTS, xfrm_ready) < 0) {
		priv_path_unlock(k);
		return;
	}
	priv_xfrm_sweep(k->xfrm.requests);
	hear_last_numbers(k);
	close_netlink(k, &k->xfrm);
	priv_path_unlock(k);
}

void
priv_kernel_settle(struct priv_kernel *k, int numbers)
{
	k->numbers = numbers;
	if (k->started)
		hear_last_numbers(k);
	else if (priv_numbers_lent(numbers))
		settle_left(k);
}

void
priv_kernel_abandon(struct priv_kernel *k)
{
	if (k->started)
		take_down(k);
	loop_timer_cancel(k->loop, &k->patrol);
	k->has_pending = false;
	close_all(k);
}

struct priv_kernel *
priv_kernel_new(struct loop *loop, struct priv_link *link, priv_kernel_tell_fn *tell, void *arg)
{
	struct priv_kernel *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return NULL;
	*k = (struct priv_kernel){ .loop = loop,
		.link = link,
		.tell = tell,
		.arg = arg,
		.numbers = -1,
		.encap = { -1, -1 },
		.probe = -1 };
	k->programs = fastpath_load(k->why_not, sizeof(k->why_not));
	err = k->programs ? loop_watch(loop, &k->probes, fastpath_probes(k->programs), EPOLLIN,
				probes_ready, k)
			  : 0;
	if (err) {
		snprintf(k->why_not, sizeof(k->why_not), "probes: %s", strerrordesc_np(-err));
		fastpath_free(k->programs);
		k->programs = NULL;
	}
	return k;
}

void
priv_kernel_free(struct priv_kernel *k)
{
	if (!k)
		return;
	priv_kernel_abandon(k);
	if (k->probes.active)
		loop_unwatch(k->loop, &k->probes);
	fastpath_free(k->programs);
	free(k->flows);
	free(k);
}

int
priv_kernel_remove_left(void)
{
	struct netlink *route = netlink_new(NETLINK_ROUTE, 0),
		       *nft = netlink_new(NETLINK_NETFILTER, 0),
		       *xfrm = netlink_new(NETLINK_XFRM, 0);
	int err = route ? 0 : -errno;

	if (xfrm)
		priv_xfrm_sweep(xfrm);
	if (route)
		priv_path_sweep(route);
	if (nft)
		priv_path_sweep_barrier(nft);
	netlink_free(route);
	netlink_free(nft);
	netlink_free(xfrm);
	return err;
}
