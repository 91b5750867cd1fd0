/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "privmsg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/privcli.h"

static const char *
name_error(const char name[static VNET_IFNAME_SIZE])
{
	if (!memchr(name, '\0', VNET_IFNAME_SIZE))
		return "a name that does not end";
	return vnet_ifname_error(name) ? "a name that no device can have" : NULL;
}

static const char *
mtu_error(uint32_t mtu)
{
	return mtu < PRIV_MTU_MIN || mtu > PRIV_MTU_MAX ? "an MTU out of range" : NULL;
}

static const char *
tap_error(const struct priv_tap_open *q)
{
	const char *e = name_error(q->ifname);

	if (!e)
		e = mtu_error(q->mtu);
	if (!e && (mac_is_multicast(&q->mac) || mac_is_zero(&q->mac)))
		e = "a MAC that no device can have";
	return e;
}

static const char *
port_error(const struct priv_port *q)
{
	const char *e = name_error(q->port);

	return e || q->bridge[0] == '\0' ? e : name_error(q->bridge);
}

static const char *
addr_error(const struct priv_addr *q)
{
	const char *e = name_error(q->ifname);

	if (e)
		return e;
	if (q->ip.family != AF_INET && q->ip.family != AF_INET6)
		return "an address of no family";
	if (!ipaddr_is_unicast(&q->ip))
		return "an address that no device can have";
	if (q->prefix_len < 1 || q->prefix_len > (q->ip.family == AF_INET ? 32u : 128u))
		return "a prefix length out of range";
	return NULL;
}

static const char *
socket_error(const struct priv_socket *q)
{
	if (q->what >= PRIV_KEEP_TAP)
		return "a socket of no kind";
	return q->port < 1 || q->port > UINT16_MAX ? "a port out of range" : NULL;
}

static const char *
kept_error(const struct priv_kept *q)
{
	if (q->what > PRIV_KEEP_TAP)
		return "a descriptor of no kind";
	return q->what == PRIV_KEEP_TAP ? name_error(q->ifname) : NULL;
}

static const char *
blob_error(const struct priv_blob *q)
{
	return q->len > PRIV_BLOB_MAX ? "too many bytes" : NULL;
}

/* The length is right. */
static const char *
body_error(const struct ipc_msg *m)
{
	const void *body = m->body;

	switch (m->type) {
	case PRIV_TAP_OPEN:
		return tap_error(body);
	case PRIV_TAP_DELETE:
	case PRIV_BRIDGE_ADD:
	case PRIV_BRIDGE_DELETE:
		return name_error(((const struct priv_name *)body)->ifname);
	case PRIV_LINK_SET_MTU: {
		const struct priv_mtu *q = body;
		const char *e = name_error(q->ifname);

		return e ? e : mtu_error(q->mtu);
	}
	case PRIV_BRIDGE_PORT:
		return port_error(body);
	case PRIV_ADDR_ADD:
	case PRIV_ADDR_DELETE:
		return addr_error(body);
	case PRIV_SOCKET:
		return socket_error(body);
	case PRIV_KEEP_FD:
		return kept_error(body);
	case PRIV_STATE_STORE:
	case PRIV_MEMO_STORE:
		return blob_error(body);
	default:
		return NULL;
	}
}

const char *
privmsg_error(const struct ipc_msg *m)
{
	static const struct {
		size_t len;
		bool with_fd;
	} shape[PRIV_REQUEST_END] = {
#define X(suffix, body, fd) [PRIV_##suffix] = { sizeof(body), fd },
		PRIV_REQUESTS(X)
#undef X
	};

	if (m->type == PRIV_ANSWER || m->type >= PRIV_REQUEST_END)
		return "a request of no type";
	if (!ipc_body(m, shape[m->type].len))
		return "a request of a wrong length";
	if (shape[m->type].with_fd != (m->fd >= 0))
		return shape[m->type].with_fd ? "a request without its descriptor"
					      : "a descriptor nobody asked for";
	return body_error(m);
}

int
privmsg_refuse(struct priv_answer *a, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->text, sizeof(a->text), fmt, ap);
	va_end(ap);
	return error;
}
