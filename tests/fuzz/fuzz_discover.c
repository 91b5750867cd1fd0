/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* First byte: 0 a DISCOVER, else a RELAYED; then the body. What is accepted is written back as the same bytes. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "varp/discover.h"

const char *const fuzz_classes[] = {
	"discover accepted",
	"discover short",
	"discover with too many keys",
	"discover reserved",
	"discover hops",
	"relayed accepted",
	"relayed short",
	"relayed with too many keys",
	"relayed reserved",
	"relayed hops",
	"relayed origin",
	NULL,
};

enum { RELAYED_CLASSES = DISCOVER_ORIGIN };

static void
check(bool good)
{
	if (!good)
		abort();
}

static void
try_discover(const uint8_t *body, size_t len)
{
	uint8_t again[DISCOVER_MAX_LEN];
	struct discover d;
	enum discover_verdict verdict = discover_parse(body, len, &d);

	fuzz_saw(verdict);
	if (verdict != DISCOVER_OK)
		return;
	check(discover_write(&d, again, sizeof(again)) == len);
	check(!memcmp(again, body, len));
}

static void
try_relayed(const uint8_t *body, size_t len)
{
	uint8_t again[DISCOVER_MAX_LEN + RELAYED_EXTRA];
	struct endpoint origin;
	struct discover d;
	enum discover_verdict verdict = relayed_parse(body, len, &origin, &d);

	fuzz_saw(RELAYED_CLASSES + verdict);
	if (verdict != DISCOVER_OK)
		return;
	check(ipaddr_is_unicast(&origin.ip) && origin.port);
	check(relayed_write(&origin, &d, again, sizeof(again)) == len);
	check(!memcmp(again, body, len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len)
		(data[0] ? try_relayed : try_discover)(data + 1, len - 1);
	return 0;
}
