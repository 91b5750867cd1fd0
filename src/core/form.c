/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/form.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"

const char *
form_shown(const char *text, char buf[static FORM_SHOWN_SIZE])
{
	size_t n = 0;

	for (; text[n] && n < FORM_SHOWN_SIZE - 4; n++)
		buf[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	strcpy(buf + n, text[n] ? "..." : "");
	return buf;
}

bool
form_fail(struct form_error *err, const struct sxp *at, const char *fmt, ...)
{
	va_list ap;

	err->line = at->line;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

bool
form_refuse(struct form_error *err, const struct sxp *form, const char *fmt, ...)
{
	const struct sxp *value = sxp_args(form);
	char key[FORM_SHOWN_SIZE], text[FORM_SHOWN_SIZE];
	va_list ap;
	int n;

	err->line = form->line;
	n = snprintf(err->text, sizeof(err->text), "%s \"%s\": ", form_shown(sxp_name(form), key),
	    form_shown(value && !sxp_is_list(value) ? value->text : "", text));
	va_start(ap, fmt);
	vsnprintf(err->text + n, sizeof(err->text) - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

const char *
form_text(const struct sxp *form, struct form_error *err)
{
	const struct sxp *value = sxp_args(form);
	char key[FORM_SHOWN_SIZE];

	if (value && !value->next && !sxp_is_list(value))
		return value->text;
	form_shown(sxp_name(form), key);
	form_fail(err, form, "%s: expected one value, as in (%s VALUE)", key, key);
	return NULL;
}

static bool
parse_number(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (*text == '\0')
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit > 9 || digit > max || n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

bool
form_number(
    const struct sxp *form, uint64_t min, uint64_t max, uint64_t *out, struct form_error *err)
{
	const char *text = form_text(form, err);
	uint64_t n;

	if (!text)
		return false;
	if (!parse_number(text, max, &n) || n < min)
		return form_refuse(
		    err, form, "expected a number from %" PRIu64 " to %" PRIu64, min, max);
	*out = n;
	return true;
}

bool
form_hex(const struct sxp *form, uint8_t *out, size_t len, struct form_error *err)
{
	const char *text = form_text(form, err);

	if (!text)
		return false;
	if (strlen(text) != 2 * len || strspn(text, "0123456789abcdefABCDEF") != 2 * len)
		return form_refuse(err, form, "expected %zu hex digits", 2 * len);
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return true;
}

static const struct form_field *
find_field(const struct form_field *fields, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	return NULL;
}

static bool
refuse_unknown(
    const struct sxp *form, const struct form_field *fields, size_t n, struct form_error *err)
{
	char keys[FORM_ERROR_MAX / 2] = "";
	size_t len = 0;

	for (size_t i = 0; i < n && len < sizeof(keys); i++)
		len += (size_t)snprintf(keys + len, sizeof(keys) - len, "%s%s",
		    i == 0	? ""
		    : i < n - 1 ? ", "
				: " or ",
		    fields[i].key);
	return form_refuse(err, form, "unknown key; expected %s", keys);
}

static bool
read_field(const struct form_field *f, const struct sxp *form, struct form_error *err)
{
	if (f->number)
		return form_number(form, f->min, f->max, f->number, err);
	*f->form = form;
	return form_text(form, err) != NULL;
}

bool
form_fields(const struct sxp *e, const struct form_field *fields, size_t n, bool strict,
    struct form_error *err)
{
	for (const struct sxp *form = sxp_args(e); form; form = form->next) {
		const struct form_field *f;

		if (!sxp_is_list(form))
			return form_fail(err, form, "expected (KEY VALUE), found an atom");
		f = find_field(fields, n, sxp_name(form));
		if (!f && strict)
			return refuse_unknown(form, fields, n, err);
		if (!f)
			continue;
		if (sxp_find(e, f->key) != form)
			return form_refuse(err, form, "expected only one %s", f->key);
		if (!read_field(f, form, err))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (fields[i].required && !sxp_find(e, fields[i].key))
			return form_fail(err, e, "no %s; expected (%s ..) in (%s ..)",
			    fields[i].key, fields[i].key, sxp_name(e));
	return true;
}
