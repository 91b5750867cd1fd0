/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of vnetd. Parsing is pure but for messages on standard error. */

#include <stdbool.h>
#include <stdint.h>

#define OPTION_PATH_MAX 256
/* Workers, the engine's first thread included; the last bits of an SPI say whose packet it is. */
#define LANES_MAX     16
#define SPI_LANE_MASK (LANES_MAX - 1)

struct options {
	char config[OPTION_PATH_MAX]; /* absolute, as are all; must exist only if config_given */
	char run_dir[OPTION_PATH_MAX];
	char state_dir[OPTION_PATH_MAX];
	char keys_dir[OPTION_PATH_MAX];
	char mcaddr[64]; /* -a: numeric group address, "" if not given */
	char offload[8]; /* auto, off, require; "" if not given */
	bool verbose;
	bool daemonize;
	bool check_config; /* -n */
	bool print_config; /* -nV: print the configuration in a form that parses back */
	bool config_given;
	bool remove_devices;
	uint32_t workers; /* 0: one for each processor that vnetd may use */
};

enum options_result { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_USAGE };

/* Fills all fields. On OPTIONS_EXIT_* everything has been printed. */
enum options_result options_parse(int argc, char **argv, struct options *out);
