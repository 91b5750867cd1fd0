/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forms of manual SAs, as from a file and as from the state: what is accepted prints to a text that
 * parses back to the same, and no error holds 16 hex digits in a row.
 */
#include <stdlib.h>
#include <string.h>

#include "core/manualspec.h"
#include "fuzz.h"

/* The first ones are outcomes; the others are what an error says, one for each kind. */
enum { NOT_A_FORM, ACCEPTED, STATE_ACCEPTED, FIRST_ERROR };

const char *const fuzz_classes[] = {
	"no form",
	"accepted",
	"accepted in the state",
	"expected the IP address of one host",
	"expected auth or conf",
	"expected one of null-sha1",
	"GCM with keys that never change",
	"a suite of level",
	"expected a number from 256",
	"expected none with suite",
	"bytes with suite", /* a key that is missing */
	"hex digits with suite",
	"the same as auth-in",
	"expected yes or no",
	"expected a number from 1",
	"expected the name of a key",
	"expected the id of a vnet",
	"expected it only once",
	"expected at most 64 vnets",
	"what looks like a secret",
	"expected only once",
	"expected one value",
	"unknown key \"(hidden)\"",
	"unknown key",
	"more than 32 bits",
	"found an atom",
	"found a form without a name",
	"no ",
	NULL,
};

static void
expect(bool right)
{
	if (!right)
		abort();
}

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

static void
saw_error(const char *error)
{
	unsigned i = FIRST_ERROR;

	for (const char *p = error; *p; p++) {
		size_t digits = strspn(p, "0123456789abcdefABCDEF");

		expect(digits < 16);
		p += digits > 0 ? digits - 1 : 0;
	}
	while (fuzz_classes[i] && !strstr(error, fuzz_classes[i]))
		i++;
	expect(fuzz_classes[i] != NULL);
	fuzz_saw(i);
}

static void
round_trip(const struct manualspec *s)
{
	struct sxp_out out = { 0 };
	struct manualspec again;
	struct form_error err;
	struct sxp *e;

	manualspec_print(&out, s);
	e = parse_one(out.text, out.len);
	expect(e && manualspec_parse(e, true, &again, &err));
	expect(memcmp(s, &again, sizeof(again)) == 0);
	sxp_free(e);
	sxp_out_free(&out);
}

static void
try(const struct sxp *e, bool stored)
{
	static const struct manualspec zero;
	struct manualspec s;
	struct form_error err;

	if (manualspec_parse(e, stored, &s, &err)) {
		fuzz_saw(stored ? STATE_ACCEPTED : ACCEPTED);
		round_trip(&s);
	} else {
		expect(memcmp(&s, &zero, sizeof(s)) == 0);
		if (!stored) /* what the state says there only we have written */
			saw_error(err.text);
		else if (strstr(err.text, "32 bits"))
			saw_error(err.text);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sxp *e = parse_one((const char *)data, len);

	if (!e) {
		fuzz_saw(NOT_A_FORM);
		return 0;
	}
	try(e, false);
	try(e, true);
	sxp_free(e);
	return 0;
}
