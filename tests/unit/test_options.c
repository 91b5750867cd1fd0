/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/options.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 8

/* Parses "vnetd" and the words, up to NULL. */
static enum options_result
parse(struct options *out, const char *const *words)
{
	static char name[] = "vnetd";
	char copies[ARGS_MAX][2 * OPTION_PATH_MAX];
	char *argv[ARGS_MAX + 2] = { name };
	int argc = 1;

	for (; words[argc - 1]; argc++) {
		strcpy(copies[argc - 1], words[argc - 1]);
		argv[argc] = copies[argc - 1];
	}
	return options_parse(argc, argv, out);
}

#define PARSE(out, ...) parse(out, (const char *const[]){ __VA_ARGS__, NULL })

static void
test_defaults(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, (const char *const[]){ NULL }), OPTIONS_RUN);
	assert_string_equal(o.config, VNET_CONFDIR "/vnetd.conf");
	assert_string_equal(o.run_dir, VNET_RUNDIR);
	assert_string_equal(o.state_dir, VNET_STATEDIR);
	assert_string_equal(o.keys_dir, VNET_CONFDIR "/keys");
	assert_string_equal(o.mcaddr, "");
	assert_false(
	    o.config_given || o.verbose || o.daemonize || o.check_config || o.print_config);
	assert_false(o.remove_devices);
	assert_int_equal(PARSE(&o, "--remove-devices"), OPTIONS_RUN);
	assert_true(o.remove_devices);
}

static void
test_all(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-a", "224.10.0.9", "-f", "/c", "--run-dir=/r", "--state-dir=/s",
			     "--keys-dir=/k", "--daemon"),
	    OPTIONS_RUN);
	assert_string_equal(o.mcaddr, "224.10.0.9");
	assert_string_equal(o.config, "/c");
	assert_string_equal(o.run_dir, "/r");
	assert_string_equal(o.state_dir, "/s");
	assert_string_equal(o.keys_dir, "/k");
	assert_true(o.config_given && o.daemonize);
	assert_string_equal(o.offload, "");
	assert_int_equal(PARSE(&o, "--offload", "require"), OPTIONS_RUN);
	assert_string_equal(o.offload, "require");
	assert_int_equal(o.workers, 0);
	assert_int_equal(PARSE(&o, "--workers", "16"), OPTIONS_RUN);
	assert_int_equal(o.workers, 16);
}

static void
test_spellings(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "--varp_mcaddr", "ff02::1"), OPTIONS_RUN);
	assert_string_equal(o.mcaddr, "ff02::1");
	assert_int_equal(PARSE(&o, "--file", "/c"), OPTIONS_RUN);
	assert_string_equal(o.config, "/c");
	assert_int_equal(PARSE(&o, "--config", "/d"), OPTIONS_RUN);
	assert_string_equal(o.config, "/d");
	assert_int_equal(PARSE(&o, "--verbose"), OPTIONS_RUN);
	assert_true(o.verbose);
}

static void
test_check(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-n"), OPTIONS_RUN);
	assert_true(o.check_config && !o.print_config);
	assert_int_equal(PARSE(&o, "-nV"), OPTIONS_RUN);
	assert_true(o.check_config && o.print_config);
	assert_int_equal(PARSE(&o, "-V", "-n"), OPTIONS_RUN);
	assert_true(o.print_config);
}

static void
test_paths(void **state)
{
	char cwd[PATH_MAX], expected[PATH_MAX + 16];
	struct options o;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(expected, sizeof(expected), "%s/etc/x.conf", cwd);
	if (strlen(expected) >= OPTION_PATH_MAX)
		skip();
	assert_int_equal(PARSE(&o, "--run-dir", "/run/x//", "--state-dir", "/"), OPTIONS_RUN);
	assert_string_equal(o.run_dir, "/run/x");
	assert_string_equal(o.state_dir, "/");
	assert_int_equal(PARSE(&o, "-f", "etc/x.conf"), OPTIONS_RUN);
	assert_string_equal(o.config, expected);
}

static void
test_refused(void **state)
{
	char path[OPTION_PATH_MAX + 1];
	struct options o;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[OPTION_PATH_MAX] = '\0';
	assert_int_equal(PARSE(&o, "--run-dir", path), OPTIONS_EXIT_USAGE);
	path[OPTION_PATH_MAX - 1] = '\0';
	assert_int_equal(PARSE(&o, "--run-dir", path), OPTIONS_RUN);
	assert_int_equal(PARSE(&o, "--run-dir", ""), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "-a", "10.0.0.1"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "-a", "group.example"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "-a"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "--offload", "on"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "--workers", "0"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "--workers", "17"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "--workers", "2x"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "--workers", "-1"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "-z"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "--role", "priv"), OPTIONS_EXIT_USAGE);
	assert_int_equal(PARSE(&o, "start"), OPTIONS_EXIT_USAGE);
}

static void
test_told(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(PARSE(&o, "-h"), OPTIONS_EXIT_OK);
	assert_int_equal(PARSE(&o, "--help"), OPTIONS_EXIT_OK);
	assert_int_equal(PARSE(&o, "-v"), OPTIONS_EXIT_OK);
	assert_int_equal(PARSE(&o, "--version"), OPTIONS_EXIT_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
