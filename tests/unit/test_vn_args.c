/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/vn.h"

#define WORDS_MAX 32

static char line[256];
static char *words[WORDS_MAX + 1];

/* Parses "vn" and the words of text, which live until the next call. */
static enum vn_status
parse(const char *text, struct vn *vn)
{
	static char name[] = "vn";
	int n = 0;

	snprintf(line, sizeof(line), "%s", text);
	words[n++] = name;
	for (char *word = strtok(line, " "); word && n < WORDS_MAX; word = strtok(NULL, " "))
		words[n++] = word;
	words[n] = NULL;
	return vn_parse(n, words, vn);
}

static void
test_order_is_free(void **state)
{
	static const char *const lines[] = {
		"-j --socket /s vnets -a 97",
		"--socket=/s vnets 97 --json --all",
		"vnets --socket /s -aj 97",
		"vnets -j 97 -a --socket=/s",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct vn vn;

		assert_int_equal(parse(lines[i], &vn), VN_OK);
		assert_string_equal(vn.command->name, "vnets");
		assert_string_equal(vn.value[OPT_SOCKET], "/s");
		assert_non_null(vn.value[OPT_JSON]);
		assert_non_null(vn.value[OPT_ALL]);
		assert_null(vn.value[OPT_LONG]);
		assert_int_equal(vn.n_args, 1);
		assert_string_equal(vn.args[0], "97");
	}
}

static void
test_same_letter_means_what_the_command_says(void **state)
{
	struct vn vn;

	(void)state;
	assert_int_equal(parse("vnet-create -b br0 97", &vn), VN_OK);
	assert_string_equal(vn.value[OPT_BRIDGE], "br0");
	assert_int_equal(parse("vnet-delete -b 97", &vn), VN_OK);
	assert_string_equal(vn.value[OPT_BRIDGE], "");
	assert_string_equal(vn.args[0], "97");
}

static void
test_single_dash_of_old(void **state)
{
	struct vn vn;

	(void)state;
	assert_int_equal(parse("vif-add -interface 97 tap0", &vn), VN_OK);
	assert_non_null(vn.value[OPT_INTERFACE]);
	assert_int_equal(vn.n_args, 2);
	assert_int_equal(parse("vif-add -- 97 -interface", &vn), VN_OK);
	assert_null(vn.value[OPT_INTERFACE]);
	assert_string_equal(vn.args[1], "-interface");
}

static void
test_addresses(void **state)
{
	struct vn vn;

	(void)state;
	assert_int_equal(
	    parse("vnet-create --address 10.0.0.1/24 97 --address ::1/64", &vn), VN_OK);
	assert_int_equal(vn.n_addresses, 2);
	assert_string_equal(vn.addresses[1], "::1/64");
}

static void
test_help_needs_no_arguments(void **state)
{
	struct vn vn;

	(void)state;
	assert_int_equal(parse("peer-add -h", &vn), VN_OK);
	assert_string_equal(vn.command->name, "peer-add");
	assert_int_equal(parse("--help", &vn), VN_OK);
	assert_null(vn.command);
	assert_int_equal(parse("--version", &vn), VN_OK);
	assert_non_null(vn.value[OPT_VERSION]);
}

static void
test_wrong_usage(void **state)
{
	static const char *const lines[] = { "", "frob", "-x vnets", "-a vnets", "vnets -x",
		"vnets --bridge", "vnet-create", "vnet-create 97 98", "vif-add 97", "peers x",
		"peer-add a -p", "--socket", "vnets --socket", "vnet-list --long=yes" };
	struct vn vn;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (parse(lines[i], &vn) != VN_USAGE)
			fail_msg("vn %s: accepted", lines[i]);
}

/* Each option once a command, by name and by letter, and never one of every command. */
static void
test_tables_are_sound(void **state)
{
	(void)state;
	for (const struct vn_command *c = vn_commands; c->name; c++) {
		assert_ptr_equal(vn_command_find(c->name), c);
		assert_true(c->max_args == VN_ARGS_ANY || c->min_args <= c->max_args);
		assert_non_null(strstr(c->help, "Example: vn "));
		for (const struct vn_option *o = c->options; o && o->name; o++) {
			assert_non_null(strstr(o->help, "Default: "));
			for (const struct vn_option *p = o + 1; p->name; p++)
				assert_true(p->id != o->id && strcmp(p->name, o->name) != 0 &&
					    (!p->letter || p->letter != o->letter));
			for (const struct vn_option *p = vn_global_options; p->name; p++)
				assert_true(p->id != o->id && strcmp(p->name, o->name) != 0 &&
					    (!p->letter || p->letter != o->letter));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_is_free),
		cmocka_unit_test(test_same_letter_means_what_the_command_says),
		cmocka_unit_test(test_single_dash_of_old),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_help_needs_no_arguments),
		cmocka_unit_test(test_wrong_usage),
		cmocka_unit_test(test_tables_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
