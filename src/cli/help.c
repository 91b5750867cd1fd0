/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `vn help` prints, all of it made of the table. */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

#define WIDTH	      80
#define OPTION_INDENT 8

/* Words of text in lines of at most WIDTH columns, each behind so many spaces; '\n' begins a new line. */
static void
print_wrapped(const char *text, int indent)
{
	int column = 0;

	while (*text) {
		int len = (int)strcspn(text, " \n");

		if (column > 0 && column + 1 + len > WIDTH) {
			printf("\n");
			column = 0;
		}
		column += printf("%*s%.*s", column ? 1 : indent, "", len, text);
		text += len;
		if (*text == '\n') {
			printf("\n");
			column = 0;
		}
		if (*text)
			text++;
	}
	printf("\n");
}

static void
print_options(const struct vn_option *options)
{
	for (const struct vn_option *o = options; o && o->name; o++) {
		char letter[5] = { '-', o->letter, ',', ' ', '\0' };

		printf("    %s--%s%s%s\n", o->letter ? letter : "", o->name, o->arg ? " " : "",
		    o->arg ? o->arg : "");
		print_wrapped(o->help, OPTION_INDENT);
	}
}

/* "[-s LEVEL]", after a space; on a new line where it does not fit. */
static int
print_synopsis_option(const struct vn_option *o, int column)
{
	char text[WIDTH], dash[3] = { '-', o->letter, '\0' };
	int len = snprintf(text, sizeof(text), "[%s%s%s%s]", o->letter ? dash : "--",
	    o->letter ? "" : o->name, o->arg ? " " : "", o->arg ? o->arg : "");

	if (column + 1 + len > WIDTH) {
		printf("\n   ");
		column = 3;
	}
	return column + printf(" %s", text);
}

static void
print_command(const struct vn_command *c)
{
	int column = printf("usage: vn %s", c->name);

	for (const struct vn_option *o = c->options; o && o->name; o++)
		column = print_synopsis_option(o, column);
	printf("%s%s%s\n\n", column + (int)strlen(c->args) + 1 > WIDTH ? "\n   " : "",
	    *c->args ? " " : "", c->args);
	printf("%s: %s.\n", c->name, c->summary);
	print_wrapped(c->help, 0);
	if (c->options)
		printf("\n");
	print_options(c->options);
}

static void
print_all(void)
{
	const char *group = "";

	printf("usage: vn [OPTION..] COMMAND [OPTION..] [ARGUMENT..]\n");
	for (const struct vn_command *c = vn_commands; c->name; c++) {
		char synopsis[WIDTH];

		if (strcmp(group, c->group) != 0)
			printf("\n%s\n", c->group);
		group = c->group;
		snprintf(synopsis, sizeof(synopsis), "%s %s", c->name, c->args);
		printf("    %-27s %s\n", synopsis, c->summary);
	}
	printf("\nOptions of every command, before or behind it\n");
	print_options(vn_global_options);
	printf("\n");
	print_wrapped(
	    "VNET is an id in either form, or the name of the vnet's device. \"vn help "
	    "COMMAND\" tells all about a command. Exit status: 0 done, 1 refused, 2 wrong "
	    "usage, 3 no vnetd, or no answer from it.",
	    0);
}

void
vn_print_help(const struct vn_command *command)
{
	if (command)
		print_command(command);
	else
		print_all();
}

enum vn_status
cmd_help(struct vn *vn)
{
	const struct vn_command *command = vn->n_args ? vn_command_find(vn->args[0]) : NULL;

	if (vn->n_args && !command) {
		complain(vn->args[0], "unknown command; see \"vn help\"");
		return VN_USAGE;
	}
	vn_print_help(command);
	return VN_OK;
}
