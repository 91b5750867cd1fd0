/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * S-expressions: the language of configuration and state files, of the control socket and of what
 * vn prints. Atoms are runs of characters other than white space, ( ) " #; a string in "double
 * quotes" may hold any of them, with \" and \\. '#' starts a comment to the end of the line.
 * Control characters other than white space are refused everywhere. The parser is incremental,
 * bounded in depth and size. Text is wiped when freed, as it may be a key. No I/O.
 */

#include <stdbool.h>
#include <stddef.h>

enum sxp_type { SXP_ATOM, SXP_LIST };

struct sxp {
	enum sxp_type type;
	char *text;	   /* of an atom or string, else NULL */
	struct sxp *child; /* first of a list */
	struct sxp *next;
	unsigned line; /* where it starts, from 1 */
};

#define SXP_DEPTH_MAX 32

struct sxp_parser;

/* max_bytes bounds one top-level expression. NULL if memory is short. */
struct sxp_parser *sxp_parser_new(size_t max_bytes);
void sxp_parser_free(struct sxp_parser *p);
/*
 * Feeds bytes. Returns 1 when a top-level expression is complete (take it with *out, the caller
 * frees it; *used bytes were eaten, feed the rest again), 0 when more is needed (all eaten), -1 on
 * an error (sxp_parser_error tells; the parser is good for nothing but freeing).
 */
int sxp_parser_feed(
    struct sxp_parser *p, const char *buf, size_t len, size_t *used, struct sxp **out);
/*
 * No expression is open and nothing failed: what must hold at the end of a file. A top-level
 * expression is always a list.
 */
bool sxp_parser_idle(const struct sxp_parser *p);
const char *sxp_parser_error(const struct sxp_parser *p); /* "unexpected ')'", ..; "": none */
unsigned sxp_parser_line(const struct sxp_parser *p);	  /* current line, from 1 */

void sxp_free(struct sxp *e);

bool sxp_is_list(const struct sxp *e);
/* Text of the first element of a list if that is an atom, else "". */
const char *sxp_name(const struct sxp *e);
/* First element after the name, or NULL. */
const struct sxp *sxp_args(const struct sxp *e);
/* The child list of e named key, or NULL. */
const struct sxp *sxp_find(const struct sxp *e, const char *key);
/* The text of the single argument of child (key TEXT); NULL if there is none. */
const char *sxp_get(const struct sxp *e, const char *key);

/* Output: text that grows. Errors (memory) stick. */
struct sxp_out {
	char *text; /* NUL-terminated once anything was written; caller frees with sxp_out_free */
	size_t len;
	size_t size;
	unsigned depth;
	bool bad;
	bool space; /* internal: the next element needs a space in front */
};

/* name: the first atom, or NULL for none yet. */
void sxp_out_open(struct sxp_out *o, const char *name);
void sxp_out_close(struct sxp_out *o); /* a newline follows when depth reaches 0 */
/* An atom; quoted where its characters need it (an empty one too), '?' for a control character. */
void sxp_out_atom(struct sxp_out *o, const char *text);
/* One atom, formatted. */
void sxp_out_fmt(struct sxp_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* (key value) */
void sxp_out_kv(struct sxp_out *o, const char *key, const char *value);
void sxp_out_kvf(struct sxp_out *o, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sxp_out_expr(struct sxp_out *o, const struct sxp *e);
void sxp_out_free(struct sxp_out *o);
