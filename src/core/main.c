/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vnetd: the parent when started by people, a role when started by the parent. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/options.h"
#include "core/parent.h"
#include "core/remove.h"
#include "core/role.h"
#include "core/startup.h"

static int
run_role(const char *name)
{
	static int (*const mains[ROLE_COUNT])(void) = {
		[ROLE_PRIV] = role_priv_main,
		[ROLE_KEYS] = role_keys_main,
		[ROLE_RESOLVE] = role_resolve_main,
		[ROLE_ENGINE] = role_engine_main,
	};

	for (enum role r = 0; r < ROLE_COUNT; r++) {
		if (mains[r] && strcmp(name, role_name(r)) == 0)
			return mains[r]();
	}
	fprintf(stderr, "vnetd: no role \"%s\"\n", name);
	return 1;
}

/* The default file need not exist, and is then as good as empty. */
static int
check_config(const struct options *o)
{
	bool absent = !o->config_given && access(o->config, F_OK) < 0 && errno == ENOENT;

	return config_check_file(absent ? "/dev/null" : o->config, o->print_config);
}

static int
run_parent(const struct options *o)
{
	struct parent_setup setup;
	int status;

	if (!startup_check(o, &setup))
		return 1;
	if (o->daemonize && (status = startup_background(&setup)) >= 0)
		return status;
	if (!startup_write_pid())
		return 1;
	return parent_run(&setup);
}

int
main(int argc, char **argv)
{
	struct options o;

	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return run_role(argv[2]);
	switch (options_parse(argc, argv, &o)) {
	case OPTIONS_EXIT_OK:
		return 0;
	case OPTIONS_EXIT_USAGE:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	if (o.remove_devices)
		return remove_devices(&o);
	return o.check_config ? check_config(&o) : run_parent(&o);
}
