/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * IP addresses and UDP endpoints of the underlay, both families in one type. The only file that
 * switches on the family. Pure. IPv4-mapped IPv6 addresses become IPv4 when they enter. The structs
 * have no padding and unused bytes are zero, so they can be compared and hashed as bytes.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct ipaddr {
	uint32_t family; /* AF_INET, AF_INET6, or 0: none */
	uint32_t scope;	 /* interface index of a link-local IPv6 address, else 0 */
	uint8_t b[16];	 /* network order; IPv4 uses the first 4 */
};

struct endpoint {
	struct ipaddr ip;
	uint32_t port; /* host order; or */
};

#define ENDPOINT_ESP 0x10000 /* in place of a port: ESP as IP protocol 50 */

#define IPADDR_STRLEN	64 /* with %scope and NUL */
#define ENDPOINT_STRLEN 80 /* "[addr%scope]:port" and NUL */

/*
 * Numeric IPv4, or IPv6 with %scope, an interface index, if it is link-local (the name of an
 * interface is for the kernel to look up, not for us). False, and *out untouched, otherwise.
 */
bool ipaddr_parse(const char *text, struct ipaddr *out);
/* Writes into buf and returns it; "-" for no address. */
const char *ipaddr_format(const struct ipaddr *ip, char buf[static IPADDR_STRLEN]);
struct ipaddr ipaddr_v4(uint32_t host_order);
bool ipaddr_is_set(const struct ipaddr *ip);
bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b);
bool ipaddr_is_multicast(const struct ipaddr *ip);
/* Multicast, unspecified, broadcast (255.255.255.255) or loopback are not. */
bool ipaddr_is_unicast(const struct ipaddr *ip);
/* Bytes of an IP header of that family: 20 or 40. */
size_t ipaddr_header_len(const struct ipaddr *ip);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* "10.0.0.1:1798", "[2001:db8::1]:1798". */
const char *endpoint_format(const struct endpoint *ep, char buf[static ENDPOINT_STRLEN]);
/* False for families other than IPv4 and IPv6. */
bool endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct endpoint *out);
/* Length of the filled sockaddr, 0 if ep has no address. */
socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *out);
