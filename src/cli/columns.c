/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/columns.h"

#include <stdlib.h>
#include <string.h>

struct cell_row {
	struct cell_row *next;
	char *cells[COLUMNS_MAX];
};

struct columns {
	const struct column *columns;
	size_t n, n_rows;
	struct cell_row *first, **tail;
	int widths[COLUMNS_MAX];
	bool text[COLUMNS_MAX]; /* not numbers only */
	bool used[COLUMNS_MAX]; /* some row has a value */
};

struct columns *
columns_new(const struct column *columns, size_t n)
{
	struct columns *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->columns = columns;
	c->n = n;
	c->tail = &c->first;
	for (size_t i = 0; i < n && columns[0].heading; i++)
		c->widths[i] = (int)strlen(columns[i].heading);
	return c;
}

static void
free_row(struct cell_row *row)
{
	for (size_t i = 0; i < COLUMNS_MAX; i++)
		free(row->cells[i]);
	free(row);
}

static struct cell_row *
new_row(const struct columns *c, const struct sxp *e)
{
	struct cell_row *row = calloc(1, sizeof(*row));

	for (size_t i = 0; row && i < c->n; i++) {
		const char *value = sxp_get(e, c->columns[i].key);

		row->cells[i] = strdup(value && *value ? value : "-");
		if (!row->cells[i]) {
			free_row(row);
			row = NULL;
		}
	}
	return row;
}

void
columns_add(struct columns *c, const struct sxp *e)
{
	struct cell_row *row = new_row(c, e);

	if (!row)
		return;
	for (size_t i = 0; i < c->n; i++) {
		const char *cell = row->cells[i];
		int width = (int)strlen(cell);

		if (width > c->widths[i])
			c->widths[i] = width;
		if (strcmp(cell, "-") == 0)
			continue;
		c->used[i] = true;
		if (cell[strspn(cell, "0123456789")] != '\0')
			c->text[i] = true;
	}
	*c->tail = row;
	c->tail = &row->next;
	c->n_rows++;
}

size_t
columns_count(const struct columns *c)
{
	return c->n_rows;
}

static bool
is_last(const struct columns *c, size_t i)
{
	while (++i < c->n)
		if (c->used[i])
			return false;
	return true;
}

static void
print_cell(const struct columns *c, size_t i, const char *cell, FILE *file)
{
	bool last = is_last(c, i);
	/* Nothing behind the last one: no white space at the end of a line. */
	int width = !c->text[i] ? c->widths[i] : last ? 0 : -c->widths[i];

	if (c->used[i])
		fprintf(file, "%*s%s", width, cell, last ? "\n" : "  ");
}

void
columns_print(const struct columns *c, FILE *file)
{
	for (size_t i = 0; i < c->n && c->columns[0].heading; i++)
		print_cell(c, i, c->columns[i].heading, file);
	for (const struct cell_row *row = c->first; row; row = row->next)
		for (size_t i = 0; i < c->n; i++)
			print_cell(c, i, row->cells[i], file);
}

void
columns_free(struct columns *c)
{
	struct cell_row *row, *next;

	if (!c)
		return;
	for (row = c->first; row; row = next) {
		next = row->next;
		free_row(row);
	}
	free(c);
}
