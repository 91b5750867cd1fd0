/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sxp.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE_MIN 256

enum state { BETWEEN, IN_ATOM, IN_STRING, IN_ESCAPE, IN_COMMENT };

struct level {
	struct sxp *list;
	struct sxp **tail; /* where its next element goes */
};

struct sxp_parser {
	enum state state;
	struct level levels[SXP_DEPTH_MAX];
	size_t depth;
	char *text; /* of the atom or string being read */
	size_t text_len;
	size_t text_size;
	unsigned text_line;
	unsigned line;
	size_t bytes; /* of the top-level expression so far */
	size_t max_bytes;
	bool failed;
	char error[80];
};

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_control(char c)
{
	return ((unsigned char)c < ' ' && !is_space(c)) || c == 0x7f;
}

static bool
is_special(char c)
{
	return c == '(' || c == ')' || c == '"' || c == '#';
}

/* For messages: what cannot be shown is a question mark. */
static char
shown(char c)
{
	return c >= ' ' && c <= '~' ? c : '?';
}

/* Makes room for more bytes behind len, wiping what is left behind: text may be a key. */
static bool
reserve(char **text, size_t len, size_t *size, size_t more)
{
	size_t need, bigger = *size ? *size : TEXT_SIZE_MIN;
	char *grown;

	if (__builtin_add_overflow(len, more, &need) || need > SIZE_MAX / 2)
		return false;
	if (need <= *size)
		return true;
	while (bigger < need)
		bigger *= 2;
	grown = malloc(bigger);
	if (!grown)
		return false;
	if (*text) {
		memcpy(grown, *text, len);
		explicit_bzero(*text, len);
		free(*text);
	}
	*text = grown;
	*size = bigger;
	return true;
}

/* The text of an atom lives behind it, in the same allocation. */
static struct sxp *
sxp_new(enum sxp_type type, const char *text, size_t len, unsigned line)
{
	struct sxp *e = malloc(sizeof(*e) + (type == SXP_ATOM ? len + 1 : 0));

	if (!e)
		return NULL;
	*e = (struct sxp){ .type = type, .line = line };
	if (type == SXP_ATOM) {
		e->text = (char *)(e + 1);
		if (len > 0)
			memcpy(e->text, text, len);
		e->text[len] = '\0';
	}
	return e;
}

void
sxp_free(struct sxp *e)
{
	struct sxp *last = e, *next;

	for (; e; e = next) {
		/* Its children join the end of the list that is being freed: no recursion. */
		last->next = e->child;
		while (last->next)
			last = last->next;
		next = e->next;
		if (e->text)
			explicit_bzero(e->text, strlen(e->text));
		free(e);
	}
}

struct sxp_parser *
sxp_parser_new(size_t max_bytes)
{
	struct sxp_parser *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->line = 1;
	p->max_bytes = max_bytes;
	return p;
}

void
sxp_parser_free(struct sxp_parser *p)
{
	if (!p)
		return;
	if (p->depth > 0)
		sxp_free(p->levels[0].list);
	if (p->text)
		explicit_bzero(p->text, p->text_size);
	free(p->text);
	free(p);
}

__attribute__((format(printf, 2, 3))) static int
fail(struct sxp_parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->error, sizeof(p->error), fmt, ap);
	va_end(ap);
	p->failed = true;
	return -1;
}

static int
fail_memory(struct sxp_parser *p)
{
	return fail(p, "out of memory");
}

static void
add_element(struct sxp_parser *p, struct sxp *e)
{
	struct level *level = &p->levels[p->depth - 1];

	*level->tail = e;
	level->tail = &e->next;
}

static int
open_list(struct sxp_parser *p)
{
	struct sxp *list;

	if (p->depth == SXP_DEPTH_MAX)
		return fail(p, "lists nested deeper than %d", SXP_DEPTH_MAX);
	list = sxp_new(SXP_LIST, NULL, 0, p->line);
	if (!list)
		return fail_memory(p);
	if (p->depth > 0)
		add_element(p, list);
	p->levels[p->depth++] = (struct level){ list, &list->child };
	return 0;
}

static int
close_list(struct sxp_parser *p)
{
	if (p->depth == 0)
		return fail(p, "unexpected ')'");
	return --p->depth == 0 ? 1 : 0;
}

static int
begin_text(struct sxp_parser *p, enum state state)
{
	p->state = state;
	p->text_len = 0;
	p->text_line = p->line;
	return 0;
}

static int
add_char(struct sxp_parser *p, char c)
{
	if (!reserve(&p->text, p->text_len, &p->text_size, 1))
		return fail_memory(p);
	p->text[p->text_len++] = c;
	return 0;
}

static int
end_text(struct sxp_parser *p)
{
	struct sxp *e = sxp_new(SXP_ATOM, p->text, p->text_len, p->text_line);

	if (!e)
		return fail_memory(p);
	add_element(p, e);
	p->state = BETWEEN;
	return 0;
}

static int
feed_between(struct sxp_parser *p, char c)
{
	if (is_space(c))
		return 0;
	switch (c) {
	case '(':
		return open_list(p);
	case ')':
		return close_list(p);
	case '#':
		p->state = IN_COMMENT;
		return 0;
	}
	if (p->depth == 0)
		return fail(p, "expected '(', found '%c'", shown(c));
	if (c == '"')
		return begin_text(p, IN_STRING);
	begin_text(p, IN_ATOM);
	return add_char(p, c);
}

static int
feed_atom(struct sxp_parser *p, char c)
{
	if (!is_space(c) && !is_special(c))
		return add_char(p, c);
	return end_text(p) < 0 ? -1 : feed_between(p, c);
}

static int
feed_string(struct sxp_parser *p, char c)
{
	switch (c) {
	case '"':
		return end_text(p);
	case '\\':
		p->state = IN_ESCAPE;
		return 0;
	default:
		return add_char(p, c);
	}
}

static int
feed_escape(struct sxp_parser *p, char c)
{
	if (c != '"' && c != '\\')
		return fail(p, "unknown escape '\\%c', expected \\\" or \\\\", shown(c));
	p->state = IN_STRING;
	return add_char(p, c);
}

static int
feed_state(struct sxp_parser *p, char c)
{
	switch (p->state) {
	case BETWEEN:
		return feed_between(p, c);
	case IN_ATOM:
		return feed_atom(p, c);
	case IN_STRING:
		return feed_string(p, c);
	case IN_ESCAPE:
		return feed_escape(p, c);
	case IN_COMMENT:
		if (c == '\n')
			p->state = BETWEEN;
		return 0;
	}
	return -1;
}

static int
feed_char(struct sxp_parser *p, char c)
{
	int r;

	if (is_control(c))
		return fail(p, "control character 0x%02x", (unsigned char)c);
	if ((p->depth > 0 || (c == '(' && p->state == BETWEEN)) && ++p->bytes > p->max_bytes)
		return fail(p, "expression longer than %zu bytes", p->max_bytes);
	r = feed_state(p, c);
	if (r == 0 && c == '\n')
		p->line++;
	return r;
}

int
sxp_parser_feed(struct sxp_parser *p, const char *buf, size_t len, size_t *used, struct sxp **out)
{
	int r = p->failed ? -1 : 0;
	size_t i = 0;

	while (r == 0 && i < len)
		r = feed_char(p, buf[i++]);
	*used = i;
	if (r == 1) {
		*out = p->levels[0].list;
		p->bytes = 0;
	}
	return r;
}

bool
sxp_parser_idle(const struct sxp_parser *p)
{
	return p->depth == 0 && !p->failed;
}

const char *
sxp_parser_error(const struct sxp_parser *p)
{
	return p->error;
}

unsigned
sxp_parser_line(const struct sxp_parser *p)
{
	return p->line;
}

bool
sxp_is_list(const struct sxp *e)
{
	return e->type == SXP_LIST;
}

const char *
sxp_name(const struct sxp *e)
{
	return e->child && e->child->type == SXP_ATOM ? e->child->text : "";
}

const struct sxp *
sxp_args(const struct sxp *e)
{
	return e->child ? e->child->next : NULL;
}

const struct sxp *
sxp_find(const struct sxp *e, const char *key)
{
	for (const struct sxp *c = e->child; c; c = c->next) {
		if (sxp_is_list(c) && strcmp(sxp_name(c), key) == 0)
			return c;
	}
	return NULL;
}

const char *
sxp_get(const struct sxp *e, const char *key)
{
	const struct sxp *c = sxp_find(e, key);
	const struct sxp *arg = c ? sxp_args(c) : NULL;

	return arg && !arg->next && arg->type == SXP_ATOM ? arg->text : NULL;
}

static void
out_bytes(struct sxp_out *o, const char *text, size_t len)
{
	if (o->bad || !reserve(&o->text, o->len, &o->size, len + 1)) {
		o->bad = true;
		return;
	}
	memcpy(o->text + o->len, text, len);
	o->len += len;
	o->text[o->len] = '\0';
}

static void
out_char(struct sxp_out *o, char c)
{
	out_bytes(o, &c, 1);
}

static void
begin_element(struct sxp_out *o)
{
	if (o->space)
		out_char(o, ' ');
	o->space = true;
}

void
sxp_out_open(struct sxp_out *o, const char *name)
{
	begin_element(o);
	out_char(o, '(');
	o->depth++;
	o->space = false;
	if (name)
		sxp_out_atom(o, name);
}

void
sxp_out_close(struct sxp_out *o)
{
	if (o->depth == 0) {
		o->bad = true;
		return;
	}
	out_char(o, ')');
	o->space = true;
	if (--o->depth == 0) {
		out_char(o, '\n');
		o->space = false;
	}
}

static bool
needs_quotes(const char *text)
{
	if (*text == '\0')
		return true;
	for (; *text; text++) {
		if (is_space(*text) || is_special(*text))
			return true;
	}
	return false;
}

static void
out_quoted(struct sxp_out *o, char c)
{
	if (c == '"' || c == '\\')
		out_char(o, '\\');
	/* The language has no form for it, and one odd name must not cost the whole answer. */
	out_char(o, is_control(c) ? '?' : c);
}

void
sxp_out_atom(struct sxp_out *o, const char *text)
{
	bool quotes = needs_quotes(text);

	begin_element(o);
	if (quotes)
		out_char(o, '"');
	for (; *text; text++) {
		if (quotes)
			out_quoted(o, *text);
		else
			out_char(o, is_control(*text) ? '?' : *text);
	}
	if (quotes)
		out_char(o, '"');
}

__attribute__((format(printf, 2, 0))) static void
out_vfmt(struct sxp_out *o, const char *fmt, va_list ap)
{
	char *text;
	int len = vasprintf(&text, fmt, ap);

	if (len < 0) {
		o->bad = true;
		return;
	}
	sxp_out_atom(o, text);
	explicit_bzero(text, (size_t)len);
	free(text);
}

void
sxp_out_fmt(struct sxp_out *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	out_vfmt(o, fmt, ap);
	va_end(ap);
}

void
sxp_out_kv(struct sxp_out *o, const char *key, const char *value)
{
	sxp_out_open(o, key);
	sxp_out_atom(o, value);
	sxp_out_close(o);
}

void
sxp_out_kvf(struct sxp_out *o, const char *key, const char *fmt, ...)
{
	va_list ap;

	sxp_out_open(o, key);
	va_start(ap, fmt);
	out_vfmt(o, fmt, ap);
	va_end(ap);
	sxp_out_close(o);
}

void
sxp_out_expr(struct sxp_out *o, const struct sxp *e)
{
	const struct sxp *after[SXP_DEPTH_MAX]; /* what follows each open list */
	size_t depth = 0;

	while (e || depth > 0) {
		if (!e) {
			sxp_out_close(o);
			e = after[--depth];
		} else if (!sxp_is_list(e)) {
			sxp_out_atom(o, e->text);
			e = depth > 0 ? e->next : NULL;
		} else if (depth < SXP_DEPTH_MAX) {
			sxp_out_open(o, NULL);
			after[depth] = depth > 0 ? e->next : NULL;
			depth++;
			e = e->child;
		} else {
			o->bad = true;
			return;
		}
	}
}

void
sxp_out_free(struct sxp_out *o)
{
	if (o->text)
		explicit_bzero(o->text, o->size);
	free(o->text);
	*o = (struct sxp_out){ 0 };
}
