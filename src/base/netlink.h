/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A netlink socket of one's own: requests that wait for the kernel's answer, dumps, events.
 * Requests are built elsewhere (rtnl.h). Only the kernel is listened to, and to a request only what
 * carries its sequence number and our port.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_TEXT_MAX 128 /* the kernel's words, with NUL */

struct nlmsghdr;
struct netlink;

/* Called with each message; it stays the caller's. */
typedef void netlink_fn(void *arg, const struct nlmsghdr *nlh);

/*
 * protocol: NETLINK_ROUTE and the like. groups: of events, a mask of RTMGRP_*, or 0. NULL with
 * errno set.
 */
struct netlink *netlink_new(int protocol, uint32_t groups);
void netlink_free(struct netlink *n);
int netlink_fd(const struct netlink *n);
/* Events of what was done through this socket carry it (nlmsg_pid). */
uint32_t netlink_port(const struct netlink *n);
/* What the kernel said (extended acknowledgement) to the last request, or "". */
const char *netlink_text(const struct netlink *n);

/* A request without body in size bytes, which are zeroed. */
struct nlmsghdr *netlink_begin(void *buf, size_t size, uint16_t type, uint16_t flags);

/*
 * Sends nlh (sequence number, port and flags are filled in) and waits for its end: 0 or the
 * kernel's -errno. What comes before the end, and events on a socket that has groups, goes to each
 * (may be NULL). A dump may have to be asked for again: -EINTR, things changed under it; -ENOBUFS,
 * messages were lost.
 */
int netlink_request(struct netlink *n, struct nlmsghdr *nlh, netlink_fn *each, void *arg);
/*
 * Sends several messages in one datagram, of which each but the first and last is acknowledged, and
 * which are done all or none (nfnetlink's batches): 0 or the kernel's first -errno.
 */
int netlink_batch(struct netlink *n, void *messages, size_t len);
/*
 * Gives each all events that are there, without waiting. 0; -ENOBUFS when some were lost: dump
 * again; -errno.
 */
int netlink_events(struct netlink *n, netlink_fn *each, void *arg);

/* Walks the messages of one datagram. False if it does not end where a message does. Pure. */
bool netlink_walk(const void *buf, size_t len, netlink_fn *each, void *arg);

/* The end of a request: an acknowledgement or the end of a dump. Pure. */
struct netlink_end {
	int error; /* 0 or -errno */
	char text[NETLINK_TEXT_MAX];
};

enum netlink_verdict { NETLINK_NO_END, NETLINK_END, NETLINK_END_MALFORMED };

/* *out is set on NETLINK_END only. */
enum netlink_verdict netlink_parse_end(const struct nlmsghdr *nlh, struct netlink_end *out);
