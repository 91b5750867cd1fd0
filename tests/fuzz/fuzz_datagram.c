/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A datagram as it comes in on port 1798, then as what an SA holds: VXLAN header or inner UDP. */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/datagram.h"

enum {
	SAW_VXLAN_GOOD = DATAGRAM_KINDS,
	SAW_VXLAN_BAD,
	SAW_INNER_UDP_GOOD,
	SAW_INNER_UDP_BAD,
	SAW_PROBE,
	SAW_MALFORMED,
	SAW_VERSION_UNKNOWN,
	SAW_TYPE_UNKNOWN,
	SAW_TYPES, /* plus type - 1 */
};

const char *const fuzz_classes[] = {
	"control message",
	"VXLAN",
	"ESP",
	"keepalive",
	"short",
	"reserved SPI",
	"VXLAN header",
	"bad VXLAN header",
	"inner UDP header",
	"bad inner UDP header",
	"probe",
	"malformed control message",
	"unknown version",
	"unknown type",
#define X(value, suffix, name) name,
	CONTROL_TYPES(X)
#undef X
	    NULL,
};

static void
check(bool good)
{
	if (!good)
		abort();
}

static void
saw_control(const uint8_t *data, size_t len)
{
	struct control_header h;
	uint8_t again[CONTROL_HEADER_LEN];

	switch (control_parse(data, len, &h)) {
	case CONTROL_OK:
		check(h.body == data + CONTROL_HEADER_LEN);
		check(h.body_len == len - CONTROL_HEADER_LEN);
		control_write_header(again, h.type, h.body_len);
		check(memcmp(again, data, sizeof(again)) == 0);
		fuzz_saw(SAW_TYPES + h.type - 1);
		break;
	case CONTROL_MALFORMED:
		fuzz_saw(SAW_MALFORMED);
		break;
	case CONTROL_VERSION_UNKNOWN:
		fuzz_saw(SAW_VERSION_UNKNOWN);
		break;
	case CONTROL_TYPE_UNKNOWN:
		fuzz_saw(SAW_TYPE_UNKNOWN);
		break;
	}
}

static void
saw_vxlan(const uint8_t *data, size_t len)
{
	uint32_t vni;
	bool checked;

	if (!vxlan_parse(data, len, &vni, &checked)) {
		fuzz_saw(SAW_VXLAN_BAD);
		return;
	}
	check(len >= VXLAN_HEADER_LEN && vni <= VNI_MAX && checked == (data[7] & 1));
	fuzz_saw(SAW_VXLAN_GOOD);
}

static void
saw_inner_udp(const uint8_t *data, size_t len)
{
	uint8_t again[UDP_HEADER_LEN];
	uint16_t port;

	if (!inner_udp_parse(data, len, &port)) {
		fuzz_saw(SAW_INNER_UDP_BAD);
		return;
	}
	check(inner_udp_write(again, port, len - UDP_HEADER_LEN));
	check(memcmp(again, data, 6) == 0); /* without the checksum */
	fuzz_saw(SAW_INNER_UDP_GOOD);
}

static void
saw_probe(const uint8_t *data, size_t len)
{
	uint8_t again[PROBE_LEN];
	uint64_t nonce;

	if (!probe_parse(data, len, &nonce))
		return;
	probe_write(again, nonce);
	check(memcmp(again + 12, data + 12, 2 + 8) == 0); /* without addresses and padding */
	fuzz_saw(SAW_PROBE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint32_t spi = 0;
	enum datagram_kind kind = datagram_classify(data, len, &spi);

	fuzz_saw(kind);
	check((kind == DATAGRAM_ESP) == datagram_spi_valid(spi));
	saw_vxlan(data, len);
	saw_inner_udp(data, len);
	saw_probe(data, len);
	if (kind == DATAGRAM_CONTROL)
		saw_control(data, len);
	return 0;
}
