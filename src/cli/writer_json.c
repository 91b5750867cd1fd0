/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "cli/writer.h"

enum kind {
	TEXT, /* whatever is not in the table */
	NUMBER,
	TRUTH,	/* yes, no */
	REPEAT, /* may stand several times: an array of what each says */
	WORDS,	/* says several things at once: an array of them */
};

/* in: the expression that a key stands in, where the same key is something else in others. */
static const struct {
	const char *in, *key;
	enum kind kind;
} kinds[] = {
	{ NULL, "ability", REPEAT },
	{ NULL, "able", TRUTH },
	{ NULL, "address", REPEAT },
	{ NULL, "age", NUMBER },
	{ NULL, "association", REPEAT },
	{ NULL, "associations", NUMBER },
	{ NULL, "bytes", NUMBER },
	{ NULL, "counter", NUMBER },
	{ NULL, "crypto", REPEAT },
	{ NULL, "dport", NUMBER },
	{ NULL, "entry_ttl", NUMBER },
	{ NULL, "esn", TRUTH },
	{ NULL, "flushed", NUMBER },
	{ NULL, "flows", NUMBER },
	{ NULL, "interfaces", WORDS },
	{ NULL, "kernel", TRUTH },
	{ NULL, "kernel_rx", NUMBER },
	{ NULL, "kernel_tx", NUMBER },
	{ NULL, "manual", TRUTH },
	{ NULL, "members", NUMBER },
	{ NULL, "mtu", NUMBER },
	{ NULL, "packets", NUMBER },
	{ NULL, "paths", NUMBER },
	{ NULL, "peers", NUMBER },
	{ NULL, "pid", NUMBER },
	{ NULL, "port", NUMBER },
	{ NULL, "ports", REPEAT },
	{ NULL, "problem", REPEAT },
	{ NULL, "process", REPEAT },
	{ NULL, "public", TRUTH },
	{ NULL, "queue", NUMBER },
	{ NULL, "ref", NUMBER },
	{ NULL, "restarts", NUMBER },
	{ NULL, "rtt_us", NUMBER },
	{ NULL, "rx_packets", NUMBER },
	{ NULL, "seq", NUMBER },
	{ NULL, "sport", NUMBER },
	{ NULL, "sources", NUMBER },
	{ NULL, "start", NUMBER },
	{ NULL, "ttl", NUMBER },
	{ NULL, "tx_packets", NUMBER },
	{ NULL, "up", TRUTH },
	{ NULL, "uptime", NUMBER },
	{ NULL, "value", NUMBER },
	{ NULL, "vifs", NUMBER },
	{ NULL, "vnets", NUMBER },
	{ NULL, "vni", NUMBER },
	{ NULL, "window", NUMBER },
	{ NULL, "workers", NUMBER },
	{ "varp", "device", WORDS },
	{ "vnif", "addr", REPEAT },
};

struct json_writer {
	struct writer writer;
	FILE *file;
	struct json_object *array;
};

static struct json_object *convert_list(const struct sxp *e);

static enum kind
kind_of(const char *in, const char *key)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].key, key) == 0 &&
		    (!kinds[i].in || strcmp(kinds[i].in, in) == 0))
			return kinds[i].kind;
	return TEXT;
}

/* A value that is not what its key promises stays text. */
static struct json_object *
convert_atom(const char *text, enum kind kind)
{
	if (kind == NUMBER && *text && text[strspn(text, "0123456789")] == '\0') {
		unsigned long long n;

		errno = 0;
		n = strtoull(text, NULL, 10);
		if (errno == 0)
			return json_object_new_uint64(n);
	}
	if (kind == TRUTH && (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0))
		return json_object_new_boolean(strcmp(text, "yes") == 0);
	return json_object_new_string(text);
}

static struct json_object *
convert_any(const struct sxp *e)
{
	return sxp_is_list(e) ? convert_list(e) : convert_atom(e->text, TEXT);
}

static struct json_object *
convert_array(const struct sxp *first)
{
	struct json_object *array = json_object_new_array();

	for (const struct sxp *e = first; e; e = e->next)
		json_object_array_add(array, convert_any(e));
	return array;
}

static bool
all_lists(const struct sxp *first)
{
	for (const struct sxp *e = first; e; e = e->next)
		if (!sxp_is_list(e))
			return false;
	return true;
}

/* What (KEY ..) says. */
static struct json_object *
convert_value(const struct sxp *e, enum kind kind)
{
	const struct sxp *args = sxp_args(e);

	if (kind == WORDS)
		return convert_array(args);
	if (args && !args->next && !sxp_is_list(args))
		return convert_atom(args->text, kind);
	return all_lists(args) ? convert_list(e) : convert_array(args);
}

static void
add_member(struct json_object *object, const char *in, const struct sxp *e)
{
	const char *key = sxp_name(e);
	enum kind kind = kind_of(in, key);
	struct json_object *value = convert_value(e, kind), *old, *array;

	if (!json_object_object_get_ex(object, key, &old)) {
		array = kind == REPEAT ? json_object_new_array() : NULL;
		json_object_object_add(object, key, array ? array : value);
	} else if (json_object_is_type(old, json_type_array)) {
		array = old;
	} else { /* the table did not know that it may stand twice: nothing is lost all the same */
		array = json_object_new_array();
		json_object_array_add(array, json_object_get(old));
		json_object_object_add(object, key, array);
	}
	if (array)
		json_object_array_add(array, value);
}

static void
add_members(struct json_object *object, const struct sxp *e)
{
	for (const struct sxp *child = sxp_args(e); child; child = child->next)
		if (sxp_is_list(child))
			add_member(object, sxp_name(e), child);
}

/* An object of the (KEY VALUE) in a list. */
static struct json_object *
convert_list(const struct sxp *e)
{
	struct json_object *object = json_object_new_object();

	add_members(object, e);
	return object;
}

static void
write_item(struct writer *w, const struct sxp *item)
{
	struct json_writer *jw = (struct json_writer *)w;
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "type", json_object_new_string(sxp_name(item)));
	add_members(object, item);
	json_object_array_add(jw->array, object);
}

static void
write_end(struct writer *w, bool complete)
{
	struct json_writer *jw = (struct json_writer *)w;

	if (complete)
		fprintf(jw->file, "%s\n",
		    json_object_to_json_string_ext(jw->array, JSON_C_TO_STRING_PRETTY |
								  JSON_C_TO_STRING_SPACED |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(jw->array);
	free(jw);
}

struct writer *
writer_new_json(FILE *file)
{
	struct json_writer *jw = malloc(sizeof(*jw));

	if (!jw)
		return NULL;
	*jw = (struct json_writer){ { write_item, write_end }, file, json_object_new_array() };
	return &jw->writer;
}
