/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "privmsg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/datagram.h"
#include "core/privcli.h"
#include "esp/replay.h"

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
lane_error(const struct priv_lane *q)
{
	if (q->what > PRIV_KEEP_TAP)
		return "a descriptor of no kind";
	if (q->lane < 1 || q->lane >= LANES_MAX)
		return "a lane out of range";
	return q->what == PRIV_KEEP_TAP ? name_error(q->ifname) : NULL;
}

static const char *
family_error(const struct priv_family *q)
{
	return q->family != AF_INET && q->family != AF_INET6 ? "a socket of no family" : NULL;
}

static const char *
spis_error(const struct priv_spis *q)
{
	if (q->n > PRIV_SPIS_MAX)
		return "too many SPIs";
	for (uint32_t i = 0; i < q->n; i++)
		if (!datagram_spi_valid(q->spis[i]))
			return "an SPI that no SA can have";
	return NULL;
}

static const char *
blob_error(const struct priv_blob *q)
{
	return q->len > PRIV_BLOB_MAX ? "too many bytes" : NULL;
}

/* --- the kernel's path --- */

static const char *
number_error(uint32_t number)
{
	return number < 1 || number > KERNEL_PEERS_MAX ? "a peer out of range" : NULL;
}

static const char *
flag_error(uint32_t flag)
{
	return flag > 1 ? "a flag that is none" : NULL;
}

static const char *
kernel_peer_error(const struct kernel_peer *q)
{
	const char *e = number_error(q->number);

	if (e)
		return e;
	if (q->suite >= SUITE_COUNT)
		return "a suite that is none";
	if (q->local.family != q->remote.family ||
	    (q->local.family != AF_INET && q->local.family != AF_INET6))
		return "an address of no family";
	if (!ipaddr_is_unicast(&q->local) || !ipaddr_is_unicast(&q->remote) || q->local.scope ||
	    q->remote.scope)
		return "an address that the kernel's path cannot use";
	return flag_error(q->learn);
}

static const char *
spi_error(uint32_t peer, uint32_t direction, uint32_t spi)
{
	const char *e = number_error(peer);

	if (e)
		return e;
	return direction > KERNEL_OUT || !datagram_spi_valid(spi) ? "an SA of no direction or SPI"
								  : NULL;
}

static const char *
kernel_sa_error(const struct kernel_sa *q)
{
	const char *e = spi_error(q->peer, q->direction, q->spi);

	if (e)
		return e;
	if (q->esn > 1 || (!q->esn && q->seq > UINT32_MAX))
		return "a sequence number out of range";
	if (q->direction == KERNEL_IN && (q->window < 1 || q->window > REPLAY_WINDOW_MAX))
		return "a replay window out of range";
	return (q->sport == 0) != (q->dport == 0) ? "a port out of range" : NULL;
}

static const char *
vni_error(uint32_t vni)
{
	return vni >= VNI_PROBE ? "a VNI out of range" : NULL;
}

static const char *
kernel_member_error(const struct kernel_member *q)
{
	const char *e = number_error(q->peer);

	if (!e)
		e = vni_error(q->vni);
	return e ? e : name_error(q->ifname);
}

static const char *
flow_key_error(const char ifname[static VNET_IFNAME_SIZE], const struct macaddr *mac)
{
	const char *e = name_error(ifname);

	if (!e && (mac_is_multicast(mac) || mac_is_zero(mac)))
		e = "a MAC that no device can have";
	return e;
}

static const char *
kernel_flow_error(const struct kernel_flow *q)
{
	const char *e = flow_key_error(q->ifname, &q->mac);

	if (e)
		return e;
	if (q->slot >= KERNEL_SLOTS_MAX)
		return "a slot out of range";
	if (q->peer == 0)
		return NULL;
	e = number_error(q->peer);
	if (!e)
		e = vni_error(q->vni);
	return e ? e : mtu_error(q->mtu);
}

/* The length is right. */
static const char *
kernel_error(const struct ipc_msg *m)
{
	const void *body = m->body;

	switch (m->type) {
	case PRIV_KERNEL_START:
		return flag_error(((const struct priv_kernel_start *)body)->secured);
	case PRIV_KERNEL_VNET_ADD:
	case PRIV_KERNEL_VNET_DELETE:
		return name_error(((const struct priv_name *)body)->ifname);
	case PRIV_KERNEL_PEER_ADD:
		return kernel_peer_error(body);
	case PRIV_KERNEL_PEER_DELETE:
	case PRIV_KERNEL_PROBE:
		return number_error(((const struct priv_kernel_number *)body)->peer);
	case PRIV_KERNEL_SA_ADD:
		return kernel_sa_error(body);
	case PRIV_KERNEL_SA_DELETE:
	case PRIV_KERNEL_SA_COUNT:
	case PRIV_KERNEL_SA_LIMIT: { /* which begins with one */
		const struct priv_kernel_sa *q = body;

		return spi_error(q->peer, q->direction, q->spi);
	}
	case PRIV_KERNEL_MEMBER_ADD:
		return kernel_member_error(body);
	case PRIV_KERNEL_MEMBER_DELETE: {
		const struct priv_kernel_member *q = body;
		const char *e = number_error(q->peer);

		return e ? e : vni_error(q->vni);
	}
	case PRIV_KERNEL_FLOW_SET:
		return kernel_flow_error(body);
	case PRIV_KERNEL_FLOW_DELETE: {
		const struct priv_kernel_flow *q = body;

		return flow_key_error(q->ifname, &q->mac);
	}
	default:
		return NULL;
	}
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
	case PRIV_ESP_SOCKET:
	case PRIV_ESP_KEEP:
		return family_error(body);
	case PRIV_ESP_FILTER:
		return spis_error(body);
	case PRIV_KEEP_FD:
		return kept_error(body);
	case PRIV_LANE_OPEN:
	case PRIV_LANE_KEEP:
		return lane_error(body);
	case PRIV_STATE_STORE:
	case PRIV_MEMO_STORE:
		return blob_error(body);
	default:
		return kernel_error(m);
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

int
privmsg_failed(struct priv_answer *a, int err, const char *words, const char *fmt, ...)
{
	char what[PRIV_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return privmsg_refuse(a, err, "%s: %s%s%s%s", what, strerrordesc_np(-err),
	    *words ? " (" : "", words, *words ? ")" : "");
}
