/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages between processes: what a role says to the parent, the parent to a role, and the engine
 * to priv. The input: who reads it (1 byte) | its role (1) | with a descriptor (1) | type (1) |
 * body.
 */
#include <stdlib.h>
#include <string.h>

#include "core/privcli.h"
#include "core/privmsg.h"
#include "core/role.h"
#include "fuzz.h"

enum reader { PARENT, ROLE, PRIV, READERS };

enum {
	SAID = 0,		  /* + enum role_msg, to the parent or to a role */
	ASKED = ROLE_CONTROL + 1, /* + enum priv_request */
	PARENT_REFUSED = ASKED + PRIV_REQUEST_END,
	ROLE_REFUSED,
	FIRST_ERROR
};

const char *const fuzz_classes[] = {
	[0] = "a short input",
	[SAID + ROLE_OPTIONS] = "options",
	[SAID + ROLE_CHANNEL] = "channel",
	[SAID + ROLE_START] = "start",
	[SAID + ROLE_READY] = "ready",
	[SAID + ROLE_FAILED] = "failed",
	[SAID + ROLE_STOP] = "stop",
	[SAID + ROLE_RELOAD] = "reload",
	[SAID + ROLE_SHUTDOWN] = "shutdown",
	[SAID + ROLE_PIDS] = "pids",
	[SAID + ROLE_PING] = "ping",
	[SAID + ROLE_PONG] = "pong",
	[SAID + ROLE_CONTROL] = "control",
	[ASKED + PRIV_ANSWER] = "an empty body",
#define X(suffix, body, with_fd) [ASKED + PRIV_##suffix] = #suffix,
	PRIV_REQUESTS(X)
#undef X
	    [PARENT_REFUSED] = "refused by the parent",
	[ROLE_REFUSED] = "refused by a role",
	[FIRST_ERROR] = "a request of no type",
	"a request of a wrong length",
	"a request without its descriptor",
	"a descriptor nobody asked for",
	"a name that does not end",
	"a name that no device can have",
	"an MTU out of range",
	"a MAC that no device can have",
	"an address of no family",
	"an address that no device can have",
	"a prefix length out of range",
	"a port out of range",
	"a socket of no kind",
	"a descriptor of no kind",
	"a lane out of range",
	"too many bytes",
	"a socket of no family",
	"too many SPIs",
	"an SPI that no SA can have",
	"a flag that is none",
	"a peer out of range",
	"a suite that is none",
	"an address that the kernel's path cannot use",
	"an SA of no direction or SPI",
	"a sequence number out of range",
	"a replay window out of range",
	"a VNI out of range",
	"a slot out of range",
	NULL,
};

static void
expect(bool right)
{
	if (!right)
		abort();
}

/* --- parent and roles --- */

static void
read_as_parent(const struct ipc_msg *m, enum role from)
{
	if (!role_msg_to_parent(m, from)) {
		fuzz_saw(PARENT_REFUSED);
		return;
	}
	fuzz_saw(SAID + m->type);
	expect(m->fd < 0);
	if (m->type == ROLE_FAILED)
		expect(
		    m->len == sizeof(struct role_failed) && strlen((const char *)m->body) < m->len);
	else
		expect(m->len == 0);
	if (from != ROLE_ENGINE)
		expect(m->type == ROLE_READY || m->type == ROLE_FAILED);
}

/* The partnership is mutual, so no message can join two roles that are none. */
static void
read_as_role(const struct ipc_msg *m, enum role to)
{
	const struct role_channel *channel = (const void *)m->body;

	if (!role_msg_to_role(m, to)) {
		fuzz_saw(ROLE_REFUSED);
		return;
	}
	fuzz_saw(SAID + m->type);
	expect((m->fd >= 0) == (m->type == ROLE_CHANNEL || m->type == ROLE_CONTROL));
	if (m->type == ROLE_CHANNEL)
		expect(channel->role < ROLE_COUNT && role_partners(channel->role) & 1u << to);
	if (to != ROLE_ENGINE)
		expect(m->type != ROLE_PING && m->type != ROLE_PIDS && m->type != ROLE_RELOAD &&
		       m->type != ROLE_CONTROL);
}

/* --- priv --- */

static void
expect_name(const char name[static VNET_IFNAME_SIZE])
{
	expect(memchr(name, '\0', VNET_IFNAME_SIZE) && name[0] != '\0' && !strchr(name, '/'));
	expect(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
}

static void
expect_tap(const struct priv_tap_open *q)
{
	expect_name(q->ifname);
	expect(q->mtu >= 68 && q->mtu <= 65521 && (q->mac.b[0] & 1) == 0);
}

static void
expect_port(const struct priv_port *q)
{
	expect_name(q->port);
	if (q->bridge[0])
		expect_name(q->bridge);
}

static void
expect_addr(const struct priv_addr *q)
{
	expect_name(q->ifname);
	expect(ipaddr_is_unicast(&q->ip) && q->prefix_len > 0 && q->prefix_len <= 128);
}

static void
expect_number(uint32_t number)
{
	expect(number >= 1 && number <= KERNEL_PEERS_MAX);
}

static void
expect_kernel_peer(const struct kernel_peer *q)
{
	expect_number(q->number);
	expect(suite_by_id(q->suite) && q->local.family == q->remote.family);
	expect(ipaddr_is_unicast(&q->local) && ipaddr_is_unicast(&q->remote) && q->learn <= 1);
}

static void
expect_kernel_sa(const struct kernel_sa *q)
{
	expect_number(q->peer);
	expect(q->direction == KERNEL_OUT || (q->window >= 1 && q->window <= 4096));
	expect(q->direction <= KERNEL_OUT && q->spi >= 256 && !q->sport == !q->dport);
}

static void
expect_kernel_flow(const struct kernel_flow *q)
{
	expect_name(q->ifname);
	expect(q->slot < KERNEL_SLOTS_MAX && q->peer <= KERNEL_PEERS_MAX);
	expect(q->peer == 0 || (q->vni < 0xffffff && q->mtu >= 68 && q->mtu <= 65521));
}

static void
expect_kernel_request(const struct ipc_msg *m)
{
	const void *body = m->body;

	switch (m->type) {
	case PRIV_KERNEL_PEER_ADD:
		expect_kernel_peer(body);
		break;
	case PRIV_KERNEL_SA_ADD:
		expect_kernel_sa(body);
		break;
	case PRIV_KERNEL_MEMBER_ADD:
		expect_number(((const struct kernel_member *)body)->peer);
		expect_name(((const struct kernel_member *)body)->ifname);
		break;
	case PRIV_KERNEL_FLOW_SET:
		expect_kernel_flow(body);
		break;
	case PRIV_KERNEL_VNET_ADD:
	case PRIV_KERNEL_VNET_DELETE:
	case PRIV_KERNEL_FLOW_DELETE:
		expect_name(body); /* it comes first */
		break;
	case PRIV_KERNEL_PEER_DELETE:
	case PRIV_KERNEL_SA_DELETE:
	case PRIV_KERNEL_SA_COUNT:
	case PRIV_KERNEL_SA_LIMIT:
	case PRIV_KERNEL_MEMBER_DELETE:
	case PRIV_KERNEL_PROBE:
		expect_number(((const struct priv_kernel_number *)body)->peer);
		break;
	case PRIV_KERNEL_START:
		expect(((const struct priv_kernel_start *)body)->secured <= 1);
		break;
	case PRIV_KERNEL_FIND:
	case PRIV_KERNEL_STOP:
	case PRIV_KERNEL_PORT:
		expect(m->len == 0);
		break;
	default:
		abort();
	}
}

static void
expect_lane(const struct priv_lane *q)
{
	expect(q->what <= PRIV_KEEP_TAP && q->lane > 0 && q->lane < LANES_MAX);
	if (q->what == PRIV_KEEP_TAP)
		expect_name(q->ifname);
}

static void
expect_request(const struct ipc_msg *m)
{
	const void *body = m->body;

	switch ((enum priv_request)m->type) {
	case PRIV_TAP_OPEN:
		expect_tap(body);
		break;
	case PRIV_TAP_DELETE:
	case PRIV_LINK_SET_MTU:
	case PRIV_BRIDGE_ADD:
	case PRIV_BRIDGE_DELETE:
		expect_name(body); /* it comes first in all of them */
		break;
	case PRIV_BRIDGE_PORT:
		expect_port(body);
		break;
	case PRIV_ADDR_ADD:
	case PRIV_ADDR_DELETE:
		expect_addr(body);
		break;
	case PRIV_SOCKET:
		expect(((const struct priv_socket *)body)->what < PRIV_KEEP_TAP);
		break;
	case PRIV_ESP_SOCKET:
	case PRIV_ESP_KEEP:
		expect(((const struct priv_family *)body)->family == AF_INET ||
		       ((const struct priv_family *)body)->family == AF_INET6);
		break;
	case PRIV_ESP_FILTER:
		expect(((const struct priv_spis *)body)->n <= PRIV_SPIS_MAX);
		break;
	case PRIV_KEEP_FD:
		expect(((const struct priv_kept *)body)->what <= PRIV_KEEP_TAP && m->fd >= 0);
		break;
	case PRIV_LANE_OPEN:
	case PRIV_LANE_KEEP:
		expect_lane(body);
		break;
	case PRIV_STATE_STORE:
	case PRIV_MEMO_STORE:
		expect(((const struct priv_blob *)body)->len <= PRIV_BLOB_MAX && m->fd >= 0);
		break;
	case PRIV_CONFIG_LOAD:
	case PRIV_STATE_LOAD:
	case PRIV_MEMO_LOAD:
	case PRIV_NUMBERS:
		expect(m->len == 0 && m->fd < 0);
		break;
	default:
		expect_kernel_request(m);
	}
}

static void
read_as_priv(const struct ipc_msg *m)
{
	const char *wrong = privmsg_error(m);
	unsigned i = FIRST_ERROR;

	if (!wrong) {
		fuzz_saw(ASKED + m->type);
		expect_request(m);
		return;
	}
	while (fuzz_classes[i] && strcmp(fuzz_classes[i], wrong) != 0)
		i++;
	expect(fuzz_classes[i]);
	fuzz_saw(i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ipc_msg m;

	if (len < 4 || len - 4 > sizeof(m.body)) {
		fuzz_saw(0);
		return 0;
	}
	m = (struct ipc_msg){ .type = data[3], .len = len - 4, .fd = data[2] & 1 ? 0 : -1 };
	memcpy(m.body, data + 4, m.len);
	if (m.len == 0)
		fuzz_saw(ASKED + PRIV_ANSWER);
	switch (data[0] % READERS) {
	case PARENT:
		read_as_parent(&m, data[1] % ROLE_COUNT);
		break;
	case ROLE:
		read_as_role(&m, data[1] % ROLE_COUNT);
		break;
	default:
		read_as_priv(&m);
	}
	return 0;
}
