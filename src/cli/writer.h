/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The forms of output: each expression of an answer goes to a writer, which prints it as what the user asked for. */

#include <stdbool.h>
#include <stdio.h>

#include "base/sxp.h"

struct writer {
	void (*item)(struct writer *w, const struct sxp *item);
	/* Frees w. complete: all items have come; otherwise a form that must be whole prints nothing. */
	void (*end)(struct writer *w, bool complete);
};

/* S-expressions, one a line; what is nested deeper stands on lines of its own, indented. NULL if memory is short. */
struct writer *writer_new_sxp(FILE *file);
/* One JSON array of objects: "type" is the name of the expression. See writer_json.c for which keys are numbers, truth values or lists. */
struct writer *writer_new_json(FILE *file);
