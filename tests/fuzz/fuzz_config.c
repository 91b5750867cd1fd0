/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration and state files: what was read prints to a text that reads back to the same text, without an error. */
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "fuzz.h"

/* The first ones are outcomes; the others are what an error says, one for each kind. */
enum {
	CONFIG_ACCEPTED,
	STATE_ACCEPTED,
	OTHER_STATE,
	STATE_HOST,
	STATE_VNETS,
	STATE_PEERS,
	STATE_LABELS,
	STATE_SAS,
	FIRST_ERROR
};

const char *const fuzz_classes[] = {
	"configuration accepted",
	"state accepted",
	"state with another text",
	"state with a host",
	"state with vnets",
	"state with peers",
	"state with labels",
	"state with manual SAs",
	/* syntax */
	"unexpected ')'",
	"expected '('",
	"nested deeper",
	"control character",
	"unknown escape",
	"the file ends inside a form",
	/* forms */
	"unknown form",
	"unknown key",
	"): expected only once",
	"found an atom",
	"expected only one",
	"expected one value",
	"expected a number from",
	"hex digits",
	" in (",
	/* what they say */
	"expected member or hub",
	"expected the IP address of the VXLAN device",
	"expected the address or name of one host",
	"peer ",
	"expected a multicast address",
	"underlay: expected the names",
	"underlay: expected a name, found a list",
	"underlay: expected names of devices",
	"underlay: expected at most",
	"expected on or off",
	"expected the id of a vnet",
	"the device of vnet",
	"vnet ",
	"expected", /* of a vnet: fuzz_vnetspec has the kinds */
	NULL,
};

static void
saw_error(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg;
	if (strcmp(file, "f") != 0 || line == 0)
		abort();
	for (unsigned i = FIRST_ERROR; fuzz_classes[i]; i++)
		if (strstr(text, fuzz_classes[i])) {
			fuzz_saw(i);
			return;
		}
	abort();
}

static void
no_error(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg, (void)file, (void)line, (void)text;
	abort();
}

static void
round_trip(const struct config *c)
{
	struct sxp_out first = { 0 }, second = { 0 };
	struct config again;

	config_print(&first, c);
	config_parse(first.text, first.len, "again", true, &again, no_error, NULL);
	config_print(&second, &again);
	if (first.bad || second.bad || strcmp(first.text, second.text) != 0)
		abort();
	config_free(&again);
	sxp_out_free(&first);
	sxp_out_free(&second);
}

static void
saw_state(const struct config *c)
{
	if (c->host_id != 0)
		fuzz_saw(STATE_HOST);
	if (c->n_vnets > 0)
		fuzz_saw(STATE_VNETS);
	if (c->n_peers > 0)
		fuzz_saw(STATE_PEERS);
	if (c->n_labels > 0)
		fuzz_saw(STATE_LABELS);
	if (c->n_sas > 0)
		fuzz_saw(STATE_SAS);
}

static bool
try(const uint8_t *data, size_t len, bool state)
{
	struct config c;
	unsigned errors = config_parse((const char *)data, len, "f", state, &c, saw_error, NULL);

	round_trip(&c);
	if (state && errors == 0)
		saw_state(&c);
	config_free(&c);
	return errors == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	bool config = try(data, len, false), state = try(data, len, true);

	if (config)
		fuzz_saw(CONFIG_ACCEPTED);
	if (state)
		fuzz_saw(config ? STATE_ACCEPTED : OTHER_STATE);
	return 0;
}
