/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sxp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The first expression of text, in pieces of n bytes. */
static struct sxp *
parse_in_pieces(const char *text, size_t n)
{
	struct sxp_parser *p = sxp_parser_new(65536);
	size_t len = strlen(text), used;
	struct sxp *e = NULL;
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i += used)
		r = sxp_parser_feed(p, text + i, len - i < n ? len - i : n, &used, &e);
	if (r < 0)
		fail_msg("\"%s\": %s", text, sxp_parser_error(p));
	assert_int_equal(r, 1);
	assert_true(sxp_parser_idle(p));
	sxp_parser_free(p);
	return e;
}

static struct sxp *
parse(const char *text)
{
	return parse_in_pieces(text, SIZE_MAX);
}

static void
assert_prints(const struct sxp *e, const char *text)
{
	struct sxp_out o = { 0 };

	sxp_out_expr(&o, e);
	assert_false(o.bad);
	assert_string_equal(o.text, text);
	assert_int_equal(o.len, strlen(text));
	assert_int_equal(o.depth, 0);
	sxp_out_free(&o);
}

static void
test_parse_and_print(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "()", "()\n" },
		{ " ( ) ", "()\n" },
		{ "(ok)", "(ok)\n" },
		{ "(vnet (id 97)(bridge vnet97)\n\t(vnetif vnif97)\r\n(security none))",
		    "(vnet (id 97) (bridge vnet97) (vnetif vnif97) (security none))\n" },
		{ "((()))", "((()))\n" },
		{ "((a) b (c (d)) e)", "((a) b (c (d)) e)\n" },
		{ "# comment (\n(a # another )\n b)", "(a b)\n" },
		{ "(a#\n)", "(a)\n" },
		{ "(\"\" \"a b\" \"(\" \")\" \"#\" \"plain\")",
		    "(\"\" \"a b\" \"(\" \")\" \"#\" plain)\n" },
		{ "(\"q\\\"q\" \"b\\\\s\" b\\s)", "(\"q\\\"q\" b\\s b\\s)\n" },
		{ "(\"b\\\\ s\")", "(\"b\\\\ s\")\n" },
		{ "(\"two\nlines\")", "(\"two\nlines\")\n" },
		{ "(a\"b\"c)", "(a b c)\n" },
		{ "(caf\xc3\xa9)", "(caf\xc3\xa9)\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t n = 1; n <= 4; n++) {
			struct sxp *e = parse_in_pieces(cases[i].text, n);

			assert_prints(e, cases[i].printed);
			sxp_free(e);
		}
	}
}

static void
test_errors(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *error;
		unsigned line;
	} cases[] = {
		{ ")", 1, "unexpected ')'", 1 },
		{ "(a)\n)", 5, "unexpected ')'", 2 },
		{ "ok", 2, "expected '(', found 'o'", 1 },
		{ "\n\n\"a\"", 5, "expected '(', found '\"'", 3 },
		{ "\xc3\xa9", 2, "expected '(', found '?'", 1 },
		{ "(a\0)", 4, "control character 0x00", 1 },
		{ "(\n\x1b[m)", 6, "control character 0x1b", 2 },
		{ "(\"\x7f\")", 5, "control character 0x7f", 1 },
		{ "#\1", 2, "control character 0x01", 1 },
		{ "(\"a\\n\")", 7, "unknown escape '\\n', expected \\\" or \\\\", 1 },
		{ "(\"a\\\n\")", 7, "unknown escape '\\?', expected \\\" or \\\\", 1 },
		{ "(a (b (c) \"d e", 14, NULL, 0 },
		{ "(0123456789012345678901234567890123456789)", 42,
		    "expression longer than 40 bytes", 1 },
		{ "((((((((((((((((((((((((((((((((()", 34, "lists nested deeper than 32", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sxp_parser *p = sxp_parser_new(40);
		size_t pos = 0, used;
		struct sxp *e;
		int r;

		assert_string_equal(sxp_parser_error(p), "");
		while ((r = sxp_parser_feed(
			    p, cases[i].text + pos, cases[i].len - pos, &used, &e)) == 1) {
			sxp_free(e);
			pos += used;
		}
		assert_int_equal(r, cases[i].error ? -1 : 0);
		assert_false(sxp_parser_idle(p));
		if (cases[i].error) {
			assert_string_equal(sxp_parser_error(p), cases[i].error);
			assert_int_equal(sxp_parser_line(p), cases[i].line);
			assert_int_equal(sxp_parser_feed(p, "(a)", 3, &used, &e), -1);
		}
		sxp_parser_free(p);
	}
	sxp_parser_free(NULL);
}

static void
test_bounds_are_exact(void **state)
{
	char deep[2 * SXP_DEPTH_MAX + 1];
	struct sxp_parser *p = sxp_parser_new(2 * SXP_DEPTH_MAX);
	struct sxp *e = NULL;
	size_t used;

	(void)state;
	memset(deep, '(', SXP_DEPTH_MAX);
	memset(deep + SXP_DEPTH_MAX, ')', SXP_DEPTH_MAX);
	deep[2 * SXP_DEPTH_MAX] = '\0';
	/* White space and comments between expressions count for nothing, and each starts afresh. */
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(sxp_parser_feed(p, "  # comment\n", 12, &used, &e), 0);
		assert_int_equal(sxp_parser_feed(p, deep, strlen(deep), &used, &e), 1);
		assert_int_equal(used, strlen(deep));
		sxp_free(e);
	}
	sxp_parser_free(p);
}

static void
test_several(void **state)
{
	static const char text[] = "(a 1) (b 2)(c 3)\n";
	static const char *const names[] = { "a", "b", "c" };
	struct sxp_parser *p = sxp_parser_new(8);
	size_t pos = 0, used;
	struct sxp *e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(sxp_parser_feed(p, text + pos, strlen(text) - pos, &used, &e), 1);
		assert_string_equal(sxp_name(e), names[i]);
		sxp_free(e);
		pos += used;
	}
	assert_int_equal(sxp_parser_feed(p, text + pos, strlen(text) - pos, &used, &e), 0);
	assert_int_equal(pos + used, strlen(text));
	assert_true(sxp_parser_idle(p));
	assert_int_equal(sxp_parser_line(p), 2);
	sxp_parser_free(p);
}

static void
test_lines(void **state)
{
	struct sxp *e = parse("\n(a\n # x\n b \"c\nd\"\n(e))");

	(void)state;
	assert_int_equal(e->line, 2);
	assert_int_equal(sxp_args(e)->line, 4);
	assert_int_equal(sxp_args(e)->next->line, 4);
	assert_int_equal(sxp_args(e)->next->next->line, 6);
	sxp_free(e);
}

static void
test_access(void **state)
{
	struct sxp *e = parse(
	    "(vnet.add (id 97) flag (empty) (two a b) (list (x)) (id 98) (s \"\"))");
	struct sxp *anonymous = parse("((a) b)");
	struct sxp *empty = parse("()");

	(void)state;
	assert_true(sxp_is_list(e));
	assert_string_equal(sxp_name(e), "vnet.add");
	assert_string_equal(sxp_name(sxp_args(e)), "id");
	assert_false(sxp_is_list(e->child));
	assert_string_equal(sxp_get(e, "id"), "97");
	assert_string_equal(sxp_get(e, "s"), "");
	assert_null(sxp_find(e, "flag"));
	assert_non_null(sxp_find(e, "empty"));
	assert_null(sxp_args(sxp_find(e, "empty")));
	assert_null(sxp_get(e, "empty"));
	assert_null(sxp_get(e, "two"));
	assert_null(sxp_get(e, "list"));
	assert_null(sxp_get(e, "none"));
	assert_string_equal(sxp_name(anonymous), "");
	assert_string_equal(sxp_args(anonymous)->text, "b");
	assert_string_equal(sxp_name(empty), "");
	assert_null(sxp_args(empty));
	assert_null(sxp_find(empty, "id"));
	/* An atom has no name, arguments or children. */
	assert_string_equal(sxp_name(e->child), "");
	assert_null(sxp_args(e->child));
	assert_null(sxp_get(e->child, "id"));
	sxp_free(e);
	sxp_free(anonymous);
	sxp_free(empty);
	sxp_free(NULL);
}

static void
test_out(void **state)
{
	struct sxp_out o = { 0 };

	(void)state;
	sxp_out_open(&o, "vnet");
	sxp_out_kv(&o, "id", "97");
	sxp_out_kvf(&o, "mtu", "%d", 1500);
	sxp_out_kvf(&o, "note", "%s %s", "two", "words");
	sxp_out_open(&o, NULL);
	sxp_out_fmt(&o, "%02x", 10);
	sxp_out_atom(&o, "");
	sxp_out_close(&o);
	sxp_out_close(&o);
	sxp_out_open(&o, "ok");
	sxp_out_close(&o);
	assert_false(o.bad);
	assert_string_equal(
	    o.text, "(vnet (id 97) (mtu 1500) (note \"two words\") (0a \"\"))\n(ok)\n");
	sxp_out_free(&o);
	assert_null(o.text);
	sxp_out_free(&o);
}

static void
test_out_atoms(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "plain", "plain" },
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "a\tb", "\"a\tb\"" },
		{ "(", "\"(\"" },
		{ "a#b", "\"a#b\"" },
		{ "say \"hi\"", "\"say \\\"hi\\\"\"" },
		{ "c:\\x", "c:\\x" },
		{ "c:\\x y", "\"c:\\\\x y\"" },
		{ "esc\x1b[m", "esc?[m" },
		{ "del \x7f", "\"del ?\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sxp_out o = { 0 };

		sxp_out_atom(&o, cases[i].text);
		assert_string_equal(o.text, cases[i].printed);
		sxp_out_free(&o);
	}
}

static void
test_out_expr_inside(void **state)
{
	struct sxp *e = parse("(a (b c) (d))");
	struct sxp_out o = { 0 };

	(void)state;
	/* What follows it in its list is not part of it. */
	sxp_out_open(&o, "x");
	sxp_out_expr(&o, sxp_find(e, "b"));
	sxp_out_expr(&o, e->child);
	sxp_out_close(&o);
	assert_string_equal(o.text, "(x (b c) a)\n");
	sxp_out_free(&o);
	sxp_free(e);
}

static void
test_out_errors_stick(void **state)
{
	struct sxp_out o = { 0 };

	(void)state;
	sxp_out_close(&o);
	assert_true(o.bad);
	sxp_out_atom(&o, "late");
	assert_true(o.bad);
	assert_int_equal(o.len, 0);
	sxp_out_free(&o);
}

/* As wide as memory lets it: neither printing nor freeing may use stack for it. */
static void
test_wide(void **state)
{
	enum { ATOMS = 100000 };
	char *text = malloc(2 * ATOMS + 2);
	struct sxp_parser *p = sxp_parser_new(2 * ATOMS + 2);
	struct sxp_out o = { 0 };
	struct sxp *e;
	size_t used;

	(void)state;
	assert_non_null(text);
	text[0] = '(';
	for (size_t i = 0; i < ATOMS; i++)
		memcpy(text + 1 + 2 * i, "a ", 2);
	text[2 * ATOMS] = ')';
	text[2 * ATOMS + 1] = '\n';
	assert_int_equal(sxp_parser_feed(p, text, 2 * ATOMS + 2, &used, &e), 1);
	assert_int_equal(used, 2 * ATOMS + 1);
	sxp_out_expr(&o, e);
	assert_int_equal(o.len, 2 * ATOMS + 2);
	assert_memory_equal(o.text, text, o.len);
	sxp_out_free(&o);
	sxp_free(e);
	sxp_parser_free(p);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_print),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bounds_are_exact),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_out_atoms),
		cmocka_unit_test(test_out_expr_inside),
		cmocka_unit_test(test_out_errors_stick),
		cmocka_unit_test(test_wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
