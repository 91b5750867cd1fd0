/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A table for people: columns as wide as what is in them, numbers to the right; a column without any value is left out. */

#include <stddef.h>
#include <stdio.h>

#include "base/sxp.h"

#define COLUMNS_MAX 16

struct column {
	const char *key;     /* of the cell in (ROW (KEY VALUE) ..) */
	const char *heading; /* NULL in the first column: no headings */
};

struct columns;

/* columns are borrowed, at most COLUMNS_MAX. NULL if memory is short. */
struct columns *columns_new(const struct column *columns, size_t n);
/* Copies the values of an expression; "-" where it has none. */
void columns_add(struct columns *c, const struct sxp *row);
size_t columns_count(const struct columns *c);
void columns_print(const struct columns *c, FILE *file);
void columns_free(struct columns *c);
