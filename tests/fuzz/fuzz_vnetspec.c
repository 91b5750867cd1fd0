/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vnet forms: what is accepted prints to a text that parses back to the same. */
#include <stdlib.h>
#include <string.h>

#include "core/vnetspec.h"
#include "fuzz.h"

/* The first ones are outcomes; the others are what an error says, one for each kind. */
enum { NOT_A_FORM, ACCEPTED, SET_ACCEPTED, FIRST_ERROR };

const char *const fuzz_classes[] = {
	"no form",
	"accepted",
	"accepted in a set",
	"no id",
	"expected 1 to 4 hex digits",
	"0 is not the id",
	"1 is the physical network",
	"expected the name of a device",
	"reads as a vnet id",
	"expected the name of a bridge",
	"the name of the vnet's device",
	"expected none, auth or conf",
	"expected auto, off or require",
	"expected one of null-sha1",
	"level none has no suite",
	"a suite of level",
	"expected the name of a key",
	"level none has no key",
	"expected a number from",
	"expected an address and its prefix length",
	"expected it only once",
	"expected at most 8 addresses",
	"expected only one",
	"expected one value",
	"found an atom",
	NULL,
};

static struct sxp *
parse_one(const char *text, size_t len)
{
	struct sxp_parser *p = sxp_parser_new(65536);
	struct sxp *e = NULL;
	size_t used;

	if (p && sxp_parser_feed(p, text, len, &used, &e) <= 0)
		e = NULL;
	sxp_parser_free(p);
	return e;
}

static unsigned
error_class(const char *error)
{
	for (unsigned i = FIRST_ERROR; fuzz_classes[i]; i++)
		if (strstr(error, fuzz_classes[i]))
			return i;
	abort();
}

/* But for what was said: defaults are not printed. */
static bool
same(const struct vnetspec *a, const struct vnetspec *b)
{
	if (a->n_addrs != b->n_addrs)
		return false;
	for (uint32_t i = 0; i < a->n_addrs; i++)
		if (!ipaddr_equal(&a->addrs[i].ip, &b->addrs[i].ip) ||
		    a->addrs[i].prefix_len != b->addrs[i].prefix_len)
			return false;
	return vnetid_equal(&a->id, &b->id) && strcmp(a->ifname, b->ifname) == 0 &&
	       strcmp(a->bridge, b->bridge) == 0 && strcmp(a->key, b->key) == 0 &&
	       a->level == b->level && a->suite == b->suite && a->mtu == b->mtu;
}

static void
round_trip(const struct vnetspec *spec)
{
	struct sxp_out out = { 0 };
	char error[VNETSPEC_ERROR_MAX];
	struct vnetspec again;
	struct sxp *e;

	vnetspec_print(&out, "vnet", spec);
	if (out.bad)
		abort();
	e = parse_one(out.text, out.len);
	if (!e || !vnetspec_parse(e, true, &again, error) || !same(spec, &again))
		abort();
	sxp_free(e);
	sxp_out_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sxp *e = parse_one((const char *)data, len);
	char error[VNETSPEC_ERROR_MAX];
	struct vnetspec spec;

	if (!e) {
		fuzz_saw(NOT_A_FORM);
		return 0;
	}
	if (vnetspec_parse(e, true, &spec, error)) {
		fuzz_saw(ACCEPTED);
		round_trip(&spec);
	} else {
		fuzz_saw(error_class(error));
	}
	fuzz_saw(vnetspec_parse(e, false, &spec, error) ? SET_ACCEPTED : error_class(error));
	sxp_free(e);
	return 0;
}
