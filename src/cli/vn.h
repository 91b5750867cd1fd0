/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vn, the tool that talks to vnetd: its table of commands and what one call of it is. Commands are in cmd_*.c, by object; each sends
 * requests and hands the answer to a writer. Nothing but the client talks to the daemon.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/sxp.h"
#include "cli/client.h"

enum vn_option_id {
	/* of every command */
	OPT_JSON,
	OPT_SOCKET,
	OPT_HELP,
	OPT_VERSION,
	/* of some */
	OPT_ADDRESS,
	OPT_ALL,
	OPT_BRIDGE,
	OPT_FORMAT,
	OPT_HUB,
	OPT_INTERFACE,
	OPT_KEY,
	OPT_KEYS,
	OPT_LEGACY,
	OPT_LONG,
	OPT_MTU,
	OPT_OFFLOAD,
	OPT_PORT,
	OPT_REPLACE,
	OPT_SECURITY,
	OPT_SUITE,
	OPT_VNETIF,
	OPT_VXLAN,
	OPT_COUNT
};

struct vn_option {
	enum vn_option_id id;
	char letter; /* '\0': none */
	const char *name;
	const char *arg; /* what its argument is called; NULL: it has none */
	const char *help;
};

#define VN_OPTION_END                             \
	{                                         \
		OPT_COUNT, '\0', NULL, NULL, NULL \
	}
#define VN_ADDRESSES_MAX 8
#define VN_ARGS_ANY	 (-1)

struct vn {
	const struct vn_command *command;
	const char *value[OPT_COUNT]; /* NULL: not given; "" for one without argument */
	const char *addresses[VN_ADDRESSES_MAX];
	size_t n_addresses;
	char **args;
	int n_args;
	struct client *client; /* opened by the first request */
};

struct vn_command {
	const char *group; /* the heading it stands under in `vn help` */
	const char *name;
	const char *args; /* "VNET MAC" */
	int min_args, max_args;
	enum vn_status (*run)(struct vn *vn);
	const struct vn_option *options; /* NULL: none of its own */
	const char *summary;
	const char *help; /* defaults and an example */
};

/* All commands; the last one has no name. */
extern const struct vn_command vn_commands[];
extern const struct vn_option vn_global_options[];

const struct vn_command *vn_command_find(const char *name);
/* Fills *vn from the command line. VN_OK, or VN_USAGE after a message; with OPT_HELP or OPT_VERSION the command may be NULL. argv is
 * changed. */
enum vn_status vn_parse(int argc, char **argv, struct vn *vn);
/* NULL: of everything. */
void vn_print_help(const struct vn_command *command);

/* Gives each expression of a file to fn until that fails; what is wrong becomes a message. */
typedef enum vn_status vn_form_fn(struct vn *vn, const char *path, const struct sxp *form);
enum vn_status vn_read_forms(struct vn *vn, const char *path, FILE *file, vn_form_fn *fn);
/* A message about a line of a file; VN_REFUSED. */
enum vn_status vn_file_error(const char *path, unsigned line, const char *text);

const char *vn_socket_path(const struct vn *vn);
/* Sends a request, which it frees, and gives each expression of the answer to item (NULL: there is none). */
enum vn_status vn_request(struct vn *vn, struct sxp_out *request, client_item_fn *item, void *arg);
/* Begins the request (NAME ..), to be closed; and with an argument (NAME (KEY VALUE) ..) */
struct sxp_out vn_begin(const char *name);
struct sxp_out vn_begin_with(const char *name, const char *key, const char *value);
/* Closes the request, sends it and prints the answer in the form the user wants. */
enum vn_status vn_list(struct vn *vn, struct sxp_out request);
/* Closes and sends a request that has no answer. */
enum vn_status vn_do(struct vn *vn, struct sxp_out request);

struct writer;
/* For what the user wants; NULL after a message. */
struct writer *vn_writer(const struct vn *vn);
