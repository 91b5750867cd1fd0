/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "addr.h"

#include <arpa/inet.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static struct ipaddr
from_in(const struct in_addr *in)
{
	struct ipaddr ip = { .family = AF_INET };

	memcpy(ip.b, in, sizeof(*in));
	return ip;
}

static bool
needs_scope(const struct in6_addr *in6)
{
	return IN6_IS_ADDR_LINKLOCAL(in6) || IN6_IS_ADDR_MC_LINKLOCAL(in6);
}

static struct ipaddr
from_in6(const struct in6_addr *in6, uint32_t scope)
{
	struct ipaddr ip = { .family = AF_INET6 };

	if (IN6_IS_ADDR_V4MAPPED(in6)) {
		ip.family = AF_INET;
		memcpy(ip.b, in6->s6_addr + 12, 4);
		return ip;
	}
	memcpy(ip.b, in6, sizeof(*in6));
	ip.scope = needs_scope(in6) ? scope : 0;
	return ip;
}

/* An interface index in decimal: names are for those who may ask the kernel. */
static bool
parse_scope(const char *text, uint32_t *out)
{
	uint32_t v = 0;

	for (const char *p = text; *p; p++) {
		uint32_t digit = (uint32_t)(*p - '0');

		if (digit > 9 || v > (INT_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return v != 0;
}

bool
ipaddr_parse(const char *text, struct ipaddr *out)
{
	const char *percent = strchr(text, '%');
	size_t len = percent ? (size_t)(percent - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	struct in_addr in;
	struct in6_addr in6;
	uint32_t scope = 0;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (!percent && inet_pton(AF_INET, address, &in) == 1) {
		*out = from_in(&in);
		return true;
	}
	if (inet_pton(AF_INET6, address, &in6) != 1)
		return false;
	if (percent && (!needs_scope(&in6) || !parse_scope(percent + 1, &scope)))
		return false;
	*out = from_in6(&in6, scope);
	return true;
}

const char *
ipaddr_format(const struct ipaddr *ip, char buf[static IPADDR_STRLEN])
{
	size_t len;

	/* The address of no family has no form: inet_ntop refuses it. */
	if (!inet_ntop((int)ip->family, ip->b, buf, IPADDR_STRLEN)) {
		memcpy(buf, "-", 2);
	} else if (ip->scope) {
		len = strlen(buf);
		snprintf(buf + len, IPADDR_STRLEN - len, "%%%u", ip->scope);
	}
	return buf;
}

struct ipaddr
ipaddr_v4(uint32_t host_order)
{
	return from_in(&(struct in_addr){ htonl(host_order) });
}

bool
ipaddr_is_set(const struct ipaddr *ip)
{
	return ip->family != 0;
}

bool
ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static uint32_t
v4_host_order(const struct ipaddr *ip)
{
	return (uint32_t)ip->b[0] << 24 | (uint32_t)ip->b[1] << 16 | (uint32_t)ip->b[2] << 8 |
	       ip->b[3];
}

static struct in6_addr
v6(const struct ipaddr *ip)
{
	struct in6_addr in6;

	memcpy(&in6, ip->b, sizeof(in6));
	return in6;
}

bool
ipaddr_is_multicast(const struct ipaddr *ip)
{
	if (ip->family == AF_INET)
		return IN_MULTICAST(v4_host_order(ip));
	return ip->family == AF_INET6 && ip->b[0] == 0xff;
}

static bool
is_unicast_v4(uint32_t addr)
{
	return addr != INADDR_ANY && addr != INADDR_BROADCAST && !IN_MULTICAST(addr) &&
	       addr >> 24 != IN_LOOPBACKNET;
}

static bool
is_unicast_v6(struct in6_addr addr)
{
	return !IN6_IS_ADDR_UNSPECIFIED(&addr) && !IN6_IS_ADDR_LOOPBACK(&addr) &&
	       !IN6_IS_ADDR_MULTICAST(&addr);
}

bool
ipaddr_is_unicast(const struct ipaddr *ip)
{
	if (ip->family == AF_INET)
		return is_unicast_v4(v4_host_order(ip));
	return ip->family == AF_INET6 && is_unicast_v6(v6(ip));
}

size_t
ipaddr_header_len(const struct ipaddr *ip)
{
	return ip->family == AF_INET6 ? 40 : 20;
}

bool
endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

const char *
endpoint_format(const struct endpoint *ep, char buf[static ENDPOINT_STRLEN])
{
	char ip[IPADDR_STRLEN];
	bool brackets = ep->ip.family == AF_INET6;

	if (ep->port == ENDPOINT_ESP)
		return memcpy(buf, ipaddr_format(&ep->ip, ip), sizeof(ip));
	snprintf(buf, ENDPOINT_STRLEN, "%s%s%s:%u", brackets ? "[" : "", ipaddr_format(&ep->ip, ip),
	    brackets ? "]" : "", ep->port);
	return buf;
}

bool
endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct endpoint *out)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	sa_family_t family;

	if (len < offsetof(struct sockaddr, sa_data))
		return false;
	memcpy(&family, &sa->sa_family, sizeof(family));
	if (family == AF_INET && len >= sizeof(sin)) {
		memcpy(&sin, sa, sizeof(sin));
		*out = (struct endpoint){ from_in(&sin.sin_addr), ntohs(sin.sin_port) };
		return true;
	}
	if (family == AF_INET6 && len >= sizeof(sin6)) {
		memcpy(&sin6, sa, sizeof(sin6));
		*out = (struct endpoint){ from_in6(&sin6.sin6_addr, sin6.sin6_scope_id),
			ntohs(sin6.sin6_port) };
		return true;
	}
	return false;
}

socklen_t
endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *out)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)ep->port) };
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)ep->port),
		.sin6_scope_id = ep->ip.scope,
	};

	memset(out, 0, sizeof(*out));
	switch (ep->ip.family) {
	case AF_INET:
		memcpy(&sin.sin_addr, ep->ip.b, sizeof(sin.sin_addr));
		memcpy(out, &sin, sizeof(sin));
		return sizeof(sin);
	case AF_INET6:
		memcpy(&sin6.sin6_addr, ep->ip.b, sizeof(sin6.sin6_addr));
		memcpy(out, &sin6, sizeof(sin6));
		return sizeof(sin6);
	default:
		return 0;
	}
}
