/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: options stand before the command if they are of every command, and anywhere behind it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/vn.h"

#define OPTIONS_MAX OPT_COUNT

const struct vn_option vn_global_options[] = {
	{ OPT_JSON, 'j', "json", NULL, "Print JSON instead of S-expressions or text." },
	{ OPT_SOCKET, '\0', "socket", "PATH",
	    "Talk to the vnetd behind this socket. Default: $VNET_SOCKET, else " VNET_RUNDIR
	    "/vnetd.sock." },
	{ OPT_HELP, 'h', "help", NULL, "Print help, about the command if there is one." },
	{ OPT_VERSION, '\0', "version", NULL, "Print the version." },
	VN_OPTION_END,
};

/* What getopt_long wants to know, made of our tables. */
struct getopt_tables {
	char letters[2 * OPTIONS_MAX + 3];
	struct option names[OPTIONS_MAX + 1];
	const struct vn_option *options[OPTIONS_MAX];
	int n;
};

const struct vn_command *
vn_command_find(const char *name)
{
	for (const struct vn_command *c = vn_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* The value that getopt_long returns for an option: beyond all letters. */
static int
value_of(enum vn_option_id id)
{
	return 256 + (int)id;
}

static void
add_options(struct getopt_tables *t, const struct vn_option *options)
{
	size_t len = strlen(t->letters);

	for (const struct vn_option *o = options; o && o->name; o++) {
		t->options[t->n] = o;
		t->names[t->n++] = (struct option){ o->name,
			o->arg ? required_argument : no_argument, NULL, value_of(o->id) };
		if (o->letter)
			t->letters[len++] = o->letter;
		if (o->letter && o->arg)
			t->letters[len++] = ':';
	}
	t->letters[len] = '\0';
}

static const struct vn_option *
find_option(const struct getopt_tables *t, int c)
{
	for (int i = 0; i < t->n; i++)
		if (c == value_of(t->options[i]->id) || c == t->options[i]->letter)
			return t->options[i];
	return NULL;
}

static enum vn_status
wrong_option(const struct vn *vn, int c, const char *word)
{
	const char *name = vn->command ? vn->command->name : NULL;
	char letter[3] = { '-', (char)optopt, '\0' };
	bool is_letter = optopt > 0 && optopt < 256;

	complain(name ? name : "vn", "%s \"%s\"; see \"vn help%s%s\"",
	    c == ':' ? "no argument after option" : "unknown option", is_letter ? letter : word,
	    name ? " " : "", name ? name : "");
	return VN_USAGE;
}

static enum vn_status
take_option(struct vn *vn, const struct vn_option *o)
{
	vn->value[o->id] = o->arg ? optarg : "";
	if (o->id != OPT_ADDRESS)
		return VN_OK;
	if (vn->n_addresses == VN_ADDRESSES_MAX) {
		complain(optarg, "expected at most %d addresses", VN_ADDRESSES_MAX);
		return VN_USAGE;
	}
	vn->addresses[vn->n_addresses++] = optarg;
	return VN_OK;
}

/* Reads options; optind is then at the first argument. */
static enum vn_status
read_options(struct vn *vn, int argc, char **argv, struct getopt_tables *t)
{
	enum vn_status status = VN_OK;
	int c;

	opterr = 0;
	optind = 0; /* GNU: forget an earlier call */
	while (status == VN_OK && (c = getopt_long(argc, argv, t->letters, t->names, NULL)) != -1) {
		if (c == '?' || c == ':')
			status = wrong_option(vn, c, argv[optind - 1]);
		else
			status = take_option(vn, find_option(t, c));
	}
	return status;
}

/* The manual of the original spelled this one with a single dash. */
static void
allow_single_dash(char **argv)
{
	static char interface[] = "--interface";

	for (; *argv && strcmp(*argv, "--") != 0; argv++)
		if (strcmp(*argv, "-interface") == 0)
			*argv = interface;
}

static enum vn_status
check_count(const struct vn *vn)
{
	const struct vn_command *c = vn->command;

	if (vn->value[OPT_HELP])
		return VN_OK;
	if (vn->n_args < c->min_args) {
		complain(c->name, "expected %s; see \"vn help %s\"", c->args, c->name);
		return VN_USAGE;
	}
	if (c->max_args != VN_ARGS_ANY && vn->n_args > c->max_args) {
		complain(c->name, "unexpected \"%s\"; see \"vn help %s\"", vn->args[c->max_args],
		    c->name);
		return VN_USAGE;
	}
	return VN_OK;
}

static enum vn_status
parse_command(struct vn *vn, int argc, char **argv)
{
	struct getopt_tables t = { .letters = ":" };
	enum vn_status status;

	vn->command = vn_command_find(argv[0]);
	if (!vn->command) {
		complain(argv[0], "unknown command; see \"vn help\"");
		return VN_USAGE;
	}
	add_options(&t, vn_global_options);
	add_options(&t, vn->command->options);
	if (find_option(&t, value_of(OPT_INTERFACE)))
		allow_single_dash(argv);
	status = read_options(vn, argc, argv, &t);
	if (status != VN_OK)
		return status;
	vn->args = argv + optind;
	vn->n_args = argc - optind;
	return check_count(vn);
}

enum vn_status
vn_parse(int argc, char **argv, struct vn *vn)
{
	struct getopt_tables t = { .letters = "+:" };
	enum vn_status status;

	*vn = (struct vn){ 0 };
	add_options(&t, vn_global_options);
	status = read_options(vn, argc, argv, &t);
	if (status != VN_OK)
		return status;
	if (optind < argc)
		return parse_command(vn, argc - optind, argv + optind);
	if (vn->value[OPT_HELP] || vn->value[OPT_VERSION])
		return VN_OK;
	complain("vn", "expected a command; see \"vn help\"");
	return VN_USAGE;
}
