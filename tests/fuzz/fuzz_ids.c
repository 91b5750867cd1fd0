/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text as a MAC, a vnet id, an IP address and a device name: what is accepted must survive format and parse. */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/ether.h"
#include "base/vnetid.h"

enum {
	SAW_MAC,
	SAW_ID_SHORT,
	SAW_ID_LONG,
	SAW_IPV4,
	SAW_IPV4_MAPPED,
	SAW_IPV6,
	SAW_IPV6_SCOPE,
	SAW_IFNAME,
	SAW_NOTHING,
};

const char *const fuzz_classes[] = {
	"MAC",
	"short id",
	"long id",
	"IPv4",
	"IPv4-mapped IPv6",
	"IPv6",
	"IPv6 with scope",
	"device name",
	"nothing of these",
	NULL,
};

static void
check(bool good)
{
	if (!good)
		abort();
}

static bool
try_mac(const char *text)
{
	struct macaddr mac, again;
	char buf[MAC_STRLEN];

	if (!mac_parse(text, &mac))
		return false;
	check(mac_parse(mac_format(&mac, buf), &again) && mac_equal(&mac, &again));
	fuzz_saw(SAW_MAC);
	return true;
}

static bool
try_vnetid(const char *text)
{
	struct vnetid id, again;
	char buf[VNETID_STRLEN];
	uint16_t value;

	if (!vnetid_parse(text, &id))
		return false;
	check(vnetid_parse(vnetid_format(&id, buf), &again) && vnetid_equal(&id, &again));
	check(strlen(buf) == VNETID_STRLEN - 1);
	if (strchr(text, ':'))
		fuzz_saw(SAW_ID_LONG);
	else
		fuzz_saw(SAW_ID_SHORT);
	check(strchr(text, ':') || vnetid_is_short(&id, &value));
	return true;
}

static bool
try_ipaddr(const char *text)
{
	struct endpoint ep = { .port = 1798 }, back;
	struct sockaddr_storage ss;
	struct ipaddr again;
	char buf[IPADDR_STRLEN];
	socklen_t len;

	if (!ipaddr_parse(text, &ep.ip))
		return false;
	check(ipaddr_parse(ipaddr_format(&ep.ip, buf), &again) && ipaddr_equal(&ep.ip, &again));
	len = endpoint_to_sockaddr(&ep, &ss);
	check(endpoint_from_sockaddr((struct sockaddr *)&ss, len, &back));
	check(endpoint_equal(&ep, &back));
	if (ep.ip.family == AF_INET)
		fuzz_saw(strchr(text, ':') ? SAW_IPV4_MAPPED : SAW_IPV4);
	else
		fuzz_saw(ep.ip.scope ? SAW_IPV6_SCOPE : SAW_IPV6);
	return true;
}

static bool
try_ifname(const char *text)
{
	if (vnet_ifname_error(text))
		return false;
	check(strlen(text) >= 1 && strlen(text) <= VNET_IFNAME_MAX);
	fuzz_saw(SAW_IFNAME);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	unsigned n;

	check(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	n = try_mac(text) + try_vnetid(text) + try_ipaddr(text) + try_ifname(text);
	if (n == 0)
		fuzz_saw(SAW_NOTHING);
	free(text);
	return 0;
}
