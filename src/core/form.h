/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reading of forms (KEY VALUE) with errors for people: what failed, the offending text in quotes,
 * what was expected. For vnetspec.c and config.c. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sxp.h"

#define FORM_ERROR_MAX 256

struct form_error {
	unsigned line; /* of the offending form */
	char text[FORM_ERROR_MAX];
};

#define FORM_SHOWN_SIZE 52
/*
 * The beginning of text, '?' for what cannot be shown, dots where it goes on. Writes into buf and
 * returns it.
 */
const char *form_shown(const char *text, char buf[static FORM_SHOWN_SIZE]);

/* Always false, so that a reader can return it. */
bool form_fail(struct form_error *err, const struct sxp *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* `KEY "VALUE": FMT..`, the value shortened and with '?' for what cannot be shown. */
bool form_refuse(struct form_error *err, const struct sxp *form, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The value of (KEY VALUE), one atom; NULL and an error if it has another shape. */
const char *form_text(const struct sxp *form, struct form_error *err);
/* A decimal number from min to max; *out untouched on an error. */
bool form_number(
    const struct sxp *form, uint64_t min, uint64_t max, uint64_t *out, struct form_error *err);
/* Exactly 2 * len hex digits. */
bool form_hex(const struct sxp *form, uint8_t *out, size_t len, struct form_error *err);

/* What the children of a form may be: (KEY VALUE), each once. */
struct form_field {
	const char *key;
	bool required;
	const struct sxp **form; /* where to put the child, one atom inside; or else */
	uint64_t *number;	 /* where to put its number */
	uint64_t min, max;	 /* of a number */
};

/*
 * Fills what fields ask for, which stays as it is where nothing is said. strict: other keys are
 * refused, else ignored.
 */
bool form_fields(const struct sxp *e, const struct form_field *fields, size_t n, bool strict,
    struct form_error *err);
