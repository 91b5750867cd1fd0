/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "cli/writer.h"

#define INDENT 4

struct sxp_writer {
	struct writer writer;
	FILE *file;
};

/* (KEY VALUE..) fits where it stands; a list with lists inside gets a line. */
static bool
is_flat(const struct sxp *e)
{
	if (!sxp_is_list(e))
		return true;
	for (const struct sxp *child = e->child; child; child = child->next)
		if (sxp_is_list(child))
			return false;
	return true;
}

static void
print_flat(FILE *file, const struct sxp *e)
{
	struct sxp_out o = { 0 };

	sxp_out_expr(&o, e);
	if (!o.bad)
		fwrite(o.text, 1, sxp_is_list(e) ? o.len - 1 : o.len, file);
	sxp_out_free(&o);
}

static void
print_list(FILE *file, const struct sxp *e, int depth)
{
	const struct sxp *previous = NULL;

	fputc('(', file);
	for (const struct sxp *child = e->child; child; previous = child, child = child->next) {
		bool flat = is_flat(child);

		if (previous && flat && is_flat(previous))
			fputc(' ', file);
		else if (previous)
			fprintf(file, "\n%*s", INDENT * (depth + 1), "");
		if (flat)
			print_flat(file, child);
		else
			print_list(file, child, depth + 1);
	}
	fputc(')', file);
}

static void
write_item(struct writer *w, const struct sxp *item)
{
	struct sxp_writer *sw = (struct sxp_writer *)w;

	print_list(sw->file, item, 0);
	fputc('\n', sw->file);
}

static void
write_end(struct writer *w, bool complete)
{
	(void)complete;
	free(w);
}

struct writer *
writer_new_sxp(FILE *file)
{
	struct sxp_writer *sw = malloc(sizeof(*sw));

	if (!sw)
		return NULL;
	*sw = (struct sxp_writer){ { write_item, write_end }, file };
	return &sw->writer;
}
