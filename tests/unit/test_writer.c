/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms of output, each writer given the same expressions. tests/system/case_vn.py shows more of them through vn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/columns.h"
#include "cli/writer.h"

/* Calls give() with each expression of text. */
static void
each(const char *text, void (*give)(void *arg, const struct sxp *e), void *arg)
{
	struct sxp_parser *p = sxp_parser_new(4096);
	size_t len = strlen(text), used;
	struct sxp *e;

	for (; sxp_parser_feed(p, text, len, &used, &e) == 1; text += used, len -= used) {
		give(arg, e);
		sxp_free(e);
	}
	sxp_parser_free(p);
}

static void
to_writer(void *arg, const struct sxp *e)
{
	struct writer *w = arg;

	w->item(w, e);
}

static void
to_columns(void *arg, const struct sxp *e)
{
	columns_add(arg, e);
}

static void
written(struct writer *(*new)(FILE *), const char *text, bool complete, const char *expected)
{
	char *out;
	size_t size;
	FILE *file = open_memstream(&out, &size);
	struct writer *w = new (file);

	each(text, to_writer, w);
	w->end(w, complete);
	fclose(file);
	assert_string_equal(out, expected);
	free(out);
}

static void
test_sxp(void **state)
{
	(void)state;
	written(writer_new_sxp, "(a) (b c \"d e\" (f g))", true, "(a)\n(b c \"d e\" (f g))\n");
	written(writer_new_sxp, "(a (b 1) (c (d 2) (e (f 3) (g 4))) (h 5) (i 6))", true,
	    "(a (b 1)\n"
	    "    (c (d 2)\n"
	    "        (e (f 3) (g 4)))\n"
	    "    (h 5) (i 6))\n");
	written(writer_new_sxp, "(a 1)", false, "(a 1)\n");
}

static void
test_json_kinds(void **state)
{
	(void)state;
	written(writer_new_json, "", true, "[\n]\n");
	written(writer_new_json, "(a)", false, "");
	written(writer_new_json, "(vnet (mtu 1400) (vni x) (members -1) (public yes) (up maybe))",
	    true,
	    "[\n  {\n    \"type\": \"vnet\",\n    \"mtu\": 1400,\n    \"vni\": \"x\",\n"
	    "    \"members\": \"-1\",\n    \"public\": true,\n    \"up\": \"maybe\"\n  }\n]\n");
	written(writer_new_json, "(c (value 18446744073709551615) (age 18446744073709551616))",
	    true,
	    "[\n  {\n    \"type\": \"c\",\n    \"value\": 18446744073709551615,\n"
	    "    \"age\": \"18446744073709551616\"\n  }\n]\n");
}

static void
test_json_lists(void **state)
{
	(void)state;
	written(writer_new_json, "(vnet (problem a) (addr 1) (interfaces x) (vnif (addr 2)))", true,
	    "[\n  {\n    \"type\": \"vnet\",\n    \"problem\": [\n      \"a\"\n    ],\n"
	    "    \"addr\": \"1\",\n    \"interfaces\": [\n      \"x\"\n    ],\n"
	    "    \"vnif\": {\n      \"addr\": [\n        \"2\"\n      ]\n    }\n  }\n]\n");
	written(writer_new_json, "(x (k 1) (k 2) (k 3))", true,
	    "[\n  {\n    \"type\": \"x\",\n    \"k\": [\n      \"1\",\n      \"2\",\n      \"3\"\n"
	    "    ]\n  }\n]\n");
}

static void
test_columns(void **state)
{
	static const struct column columns[] = { { "n", "NAME" }, { "v", "V" }, { "t", "TEXT" },
		{ "none", "NONE" } };
	struct columns *c = columns_new(columns, 4);
	char *out;
	size_t size;
	FILE *file = open_memstream(&out, &size);

	(void)state;
	each("(r (n a) (v 1) (t b)) (r (t \"c d\") (v 22)) (r (v (x)))", to_columns, c);
	assert_int_equal(columns_count(c), 3);
	columns_print(c, file);
	fclose(file);
	assert_string_equal(out, "NAME   V  TEXT\na      1  b\n-     22  c d\n-      -  -\n");
	columns_free(c);
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sxp),
		cmocka_unit_test(test_json_kinds),
		cmocka_unit_test(test_json_lists),
		cmocka_unit_test(test_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
