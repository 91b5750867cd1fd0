/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parses text in pieces of sizes that vary, prints what came out, and parses that again: it must print the same. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/sxp.h"

#define MAX_BYTES 4096

enum {
	SAW_LIST,
	SAW_STRING,
	SAW_NESTED,
	SAW_COMMENT,
	SAW_SEVERAL,
	SAW_UNFINISHED,
	SAW_ERRORS, /* from here as in errors[] */
};

/* How each error begins. */
static const char *const errors[] = {
	"unexpected ')'",
	"expected '('",
	"control character",
	"unknown escape",
	"lists nested deeper",
	"expression longer",
};

const char *const fuzz_classes[] = {
	"list",
	"string that needs quotes",
	"nested list",
	"comment",
	"several expressions",
	"unfinished",
	"unexpected ')'",
	"atom at top level",
	"control character",
	"unknown escape",
	"too deep",
	"too long",
	NULL,
};

static void
check(bool good)
{
	if (!good)
		abort();
}

/* Prints e, which the caller frees. */
static struct sxp_out
print(const struct sxp *e)
{
	struct sxp_out o = { 0 };

	sxp_out_expr(&o, e);
	check(!o.bad && o.depth == 0 && o.len > 0 && o.text[o.len - 1] == '\n');
	return o;
}

static void
check_round_trip(const struct sxp *e)
{
	struct sxp_out first = print(e), second;
	struct sxp_parser *p = sxp_parser_new(SIZE_MAX);
	struct sxp *again = NULL;
	size_t used = 0;

	check(p && sxp_parser_feed(p, first.text, first.len, &used, &again) == 1);
	check(used == first.len - 1);
	second = print(again);
	check(first.len == second.len && memcmp(first.text, second.text, first.len) == 0);
	if (strchr(first.text, '"'))
		fuzz_saw(SAW_STRING);
	sxp_out_free(&first);
	sxp_out_free(&second);
	sxp_free(again);
	sxp_parser_free(p);
}

static void
check_expression(const struct sxp *e)
{
	fuzz_saw(SAW_LIST);
	check(sxp_is_list(e) && !e->next);
	for (const struct sxp *c = e->child; c; c = c->next) {
		if (sxp_is_list(c))
			fuzz_saw(SAW_NESTED);
		check(sxp_is_list(c) || c->text);
	}
	check_round_trip(e);
}

static void
saw_error(const char *error)
{
	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (strncmp(error, errors[i], strlen(errors[i])) == 0) {
			fuzz_saw(SAW_ERRORS + i);
			return;
		}
	}
	abort();
}

static void
saw_end(const struct sxp_parser *p, int result, unsigned n_expressions, bool comment)
{
	if (result < 0)
		saw_error(sxp_parser_error(p));
	else if (!sxp_parser_idle(p))
		fuzz_saw(SAW_UNFINISHED);
	else if (n_expressions > 0 && comment)
		fuzz_saw(SAW_COMMENT);
	if (n_expressions > 1)
		fuzz_saw(SAW_SEVERAL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sxp_parser *p = sxp_parser_new(MAX_BYTES);
	unsigned n_expressions = 0;
	struct sxp *e;
	size_t used;
	int r = 0;

	check(p != NULL);
	for (size_t pos = 0; pos < len && r >= 0; pos += used) {
		size_t piece = 1 + (data[pos] ^ pos) % 31;

		if (piece > len - pos)
			piece = len - pos;
		r = sxp_parser_feed(p, (const char *)data + pos, piece, &used, &e);
		check(used > 0 && used <= piece && (r != 0 || used == piece));
		if (r == 1) {
			check_expression(e);
			sxp_free(e);
			n_expressions++;
		}
	}
	saw_end(p, r, n_expressions, len > 0 && memchr(data, '#', len));
	sxp_parser_free(p);
	return 0;
}
