/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "core/vnetspec.h"

#define DEFAULT_CONFIG	  VNET_CONFDIR "/vnetd.conf"
#define DEFAULT_RUN_DIR	  VNET_RUNDIR
#define DEFAULT_STATE_DIR VNET_STATEDIR
#define DEFAULT_KEYS_DIR  VNET_CONFDIR "/keys"

enum {
	OPT_RUN_DIR = 256,
	OPT_OFFLOAD,
	OPT_STATE_DIR,
	OPT_KEYS_DIR,
	OPT_DAEMON,
	OPT_REMOVE_DEVICES,
	OPT_WORKERS
};

static const struct option long_options[] = {
	{ "varp_mcaddr", required_argument, NULL, 'a' },
	{ "file", required_argument, NULL, 'f' },
	{ "config", required_argument, NULL, 'f' },
	{ "run-dir", required_argument, NULL, OPT_RUN_DIR },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "keys-dir", required_argument, NULL, OPT_KEYS_DIR },
	{ "offload", required_argument, NULL, OPT_OFFLOAD },
	{ "workers", required_argument, NULL, OPT_WORKERS },
	{ "daemon", no_argument, NULL, OPT_DAEMON },
	{ "remove-devices", no_argument, NULL, OPT_REMOVE_DEVICES },
	{ "verbose", no_argument, NULL, 'V' },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
print_help(void)
{
	printf(
	    "usage: vnetd [-nV] [-a ADDR] [-f FILE] [--run-dir DIR] [--state-dir DIR]\n"
	    "             [--keys-dir DIR] [--offload MODE] [--workers N]\n"
	    "             [--daemon]\n"
	    "       vnetd --remove-devices [--run-dir DIR]\n"
	    "\n"
	    "  -a, --varp_mcaddr ADDR   multicast group of discovery, numeric\n"
	    "  -f, --config, --file FILE\n"
	    "                           configuration (" DEFAULT_CONFIG ")\n"
	    "      --run-dir DIR        control socket, lock, log (" DEFAULT_RUN_DIR ")\n"
	    "      --state-dir DIR      what survives restarts (" DEFAULT_STATE_DIR ")\n"
	    "      --keys-dir DIR       key files (" DEFAULT_KEYS_DIR ")\n"
	    "      --offload MODE       auto, off or require: may the kernel carry vnets (auto)\n"
	    "      --workers N          threads for packets (one per processor)\n"
	    "      --daemon             go to the background once ready, log to DIR/vnetd.log\n"
	    "      --remove-devices     remove the devices that vnetd left, and exit\n"
	    "  -n                       check the configuration and exit; with -V, print it\n"
	    "  -V, --verbose            log more\n"
	    "  -v, --version            print the version and exit\n"
	    "  -h, --help               print this and exit\n");
}

/* The daemon leaves its working directory, so relative paths are made absolute here. */
static bool
set_path(char out[static OPTION_PATH_MAX], const char *what, const char *path)
{
	char cwd[OPTION_PATH_MAX] = "";
	int n;

	if (path[0] == '\0') {
		fprintf(stderr, "vnetd: %s: \"\" given, expected a path\n", what);
		return false;
	}
	if (path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL) {
		fprintf(stderr, "vnetd: %s: \"%s\": cannot tell the working directory: %m\n", what,
		    path);
		return false;
	}
	n = snprintf(out, OPTION_PATH_MAX, "%s%s%s", cwd, path[0] == '/' ? "" : "/", path);
	if (n >= OPTION_PATH_MAX) {
		fprintf(stderr,
		    "vnetd: %s: \"%s\" is too long, expected at most %d bytes with its directory\n",
		    what, path, OPTION_PATH_MAX - 1);
		return false;
	}
	/* With a slash behind it a symbolic link would be followed. */
	while (n > 1 && out[n - 1] == '/')
		out[--n] = '\0';
	return true;
}

static bool
set_mcaddr(struct options *out, const char *text)
{
	struct ipaddr ip;

	if (!ipaddr_parse(text, &ip) || !ipaddr_is_multicast(&ip) ||
	    strlen(text) >= sizeof(out->mcaddr)) {
		fprintf(stderr,
		    "vnetd: --varp_mcaddr: \"%s\" given, expected a multicast address such as "
		    "224.10.0.1\n",
		    text);
		return false;
	}
	strcpy(out->mcaddr, text);
	return true;
}

static bool
set_offload(struct options *out, const char *text)
{
	enum offload_mode mode;

	if (!offload_mode_parse(text, &mode)) {
		fprintf(stderr, "vnetd: --offload: \"%s\" given, expected auto, off or require\n",
		    text);
		return false;
	}
	strcpy(out->offload, offload_mode_name(mode));
	return true;
}

static bool
set_workers(struct options *out, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n < 1 || n > LANES_MAX) {
		fprintf(
		    stderr, "vnetd: --workers: \"%s\" given, expected 1 to %d\n", text, LANES_MAX);
		return false;
	}
	out->workers = (uint32_t)n;
	return true;
}

static void
set_defaults(struct options *out)
{
	memset(out, 0, sizeof(*out));
	strcpy(out->config, DEFAULT_CONFIG);
	strcpy(out->run_dir, DEFAULT_RUN_DIR);
	strcpy(out->state_dir, DEFAULT_STATE_DIR);
	strcpy(out->keys_dir, DEFAULT_KEYS_DIR);
}

static bool
apply(struct options *out, int opt, const char *arg)
{
	switch (opt) {
	case 'a':
		return set_mcaddr(out, arg);
	case 'f':
		out->config_given = true;
		return set_path(out->config, "--config", arg);
	case OPT_RUN_DIR:
		return set_path(out->run_dir, "--run-dir", arg);
	case OPT_STATE_DIR:
		return set_path(out->state_dir, "--state-dir", arg);
	case OPT_KEYS_DIR:
		return set_path(out->keys_dir, "--keys-dir", arg);
	case OPT_OFFLOAD:
		return set_offload(out, arg);
	case OPT_WORKERS:
		return set_workers(out, arg);
	case OPT_DAEMON:
		return out->daemonize = true;
	case OPT_REMOVE_DEVICES:
		return out->remove_devices = true;
	case 'n':
		return out->check_config = true;
	case 'V':
		return out->verbose = true;
	default:
		return false; /* getopt said why */
	}
}

enum options_result
options_parse(int argc, char **argv, struct options *out)
{
	int opt;

	set_defaults(out);
	optind = 0; /* glibc: begin anew, so that tests can parse more than once */
	while ((opt = getopt_long(argc, argv, "a:f:nVvh", long_options, NULL)) != -1) {
		if (opt == 'h') {
			print_help();
			return OPTIONS_EXIT_OK;
		}
		if (opt == 'v') {
			printf("vnetd " PACKAGE_VERSION "\n");
			return OPTIONS_EXIT_OK;
		}
		if (!apply(out, opt, optarg)) {
			fprintf(stderr, "vnetd: \"vnetd --help\" lists the options\n");
			return OPTIONS_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "vnetd: \"%s\" given, expected options only\n", argv[optind]);
		return OPTIONS_EXIT_USAGE;
	}
	out->print_config = out->check_config && out->verbose;
	return OPTIONS_RUN;
}
