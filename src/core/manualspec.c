/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/manualspec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/datagram.h"
#include "base/hex.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define SECRET_MIN 8 /* bytes: what is said of anything else has fewer hex digits in a row */

struct reading {
	struct manualspec *s;
	struct form_error *err;
	const struct sxp *suite, *auth_in, *auth_out, *enc_in, *enc_out;
	enum level level;
};

static bool
read_peer(struct reading *r, const struct sxp *form, const char *text)
{
	if (!ipaddr_parse(text, &r->s->peer) || !ipaddr_is_unicast(&r->s->peer))
		return form_refuse(r->err, form, "expected the IP address of one host");
	return true;
}

static bool
read_level(struct reading *r, const struct sxp *form, const char *text)
{
	if (!level_parse(text, &r->level) || r->level == LEVEL_NONE)
		return form_refuse(r->err, form, "expected auth or conf");
	return true;
}

static bool
read_suite(struct reading *r, const struct sxp *form, const char *text)
{
	const struct suite *suite = suite_by_name(text);

	if (!suite || suite->id == SUITE_NONE)
		return form_refuse(r->err, form,
		    "expected one of null-sha1, null-sha256, aes128-sha1, aes128-sha256");
	if (suite->auth_key_len == 0)
		return form_refuse(r->err, form,
		    "GCM with keys that never change would repeat nonces; expected aes128-sha1 or "
		    "aes128-sha256");
	r->s->suite = suite->id;
	r->suite = form;
	return true;
}

/* As ip(8) takes and prints it: 0x and hex digits, or decimal. */
static bool
parse_spi(const char *text, uint32_t *out)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	uint64_t n = 0;

	text += hex ? 2 : 0;
	if (*text == '\0')
		return false;
	for (; *text; text++) {
		int digit = hex_digit(*text);

		if (digit < 0 || (!hex && digit > 9))
			return false;
		n = n * (hex ? 16 : 10) + (unsigned)digit;
		if (n > UINT32_MAX)
			return false;
	}
	*out = (uint32_t)n;
	return datagram_spi_valid(*out);
}

static bool
read_spi(struct reading *r, const struct sxp *form, const char *text)
{
	if (!parse_spi(text, sxp_name(form)[4] == 'i' ? &r->s->spi_in : &r->s->spi_out))
		return form_refuse(r->err, form,
		    "expected a number from 256 (0x100) to 0xffffffff other than 0x08000000");
	return true;
}

/* How long they must be only the suite tells. */
static bool
read_secret(struct reading *r, const struct sxp *form, const char *text)
{
	bool in = strstr(sxp_name(form), "-in") != NULL;

	(void)text;
	*(sxp_name(form)[0] == 'a' ? (in ? &r->auth_in : &r->auth_out)
				   : (in ? &r->enc_in : &r->enc_out)) = form;
	return true;
}

static bool
read_yes(struct reading *r, const struct sxp *form, const char *text)
{
	bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0)
		return form_refuse(r->err, form, "expected yes or no");
	*(sxp_name(form)[0] == 'e' ? &r->s->esn : &r->s->hub) = yes;
	return true;
}

static bool
read_udp(struct reading *r, const struct sxp *form, const char *text)
{
	uint64_t port;

	(void)text;
	if (!form_number(form, 1, UINT16_MAX, &port, r->err))
		return false;
	r->s->udp_port = (uint16_t)port;
	return true;
}

static bool
read_key(struct reading *r, const struct sxp *form, const char *text)
{
	const char *wrong = key_name_error(text);

	if (wrong)
		return form_refuse(r->err, form, "%s; expected the name of a key", wrong);
	strcpy(r->s->key, text);
	return true;
}

/* A kernel VXLAN device has the id for its VNI. */
static bool
read_vnet(struct reading *r, const struct sxp *form, const char *text)
{
	struct manualspec *s = r->s;
	struct vnetid id;
	uint16_t vni;

	if (!vnetid_parse(text, &id) || !vnetid_is_short(&id, &vni) || vni < 2)
		return form_refuse(
		    r->err, form, "expected the id of a vnet, 1 to 4 hex digits from 2 on");
	for (uint32_t i = 0; i < s->n_vnets; i++)
		if (vnetid_equal(&s->vnets[i], &id))
			return form_refuse(r->err, form, "expected it only once");
	if (s->n_vnets == MANUAL_VNETS_MAX)
		return form_refuse(r->err, form, "expected at most %d vnets", MANUAL_VNETS_MAX);
	s->vnets[s->n_vnets++] = id;
	return true;
}

static bool
read_number(struct reading *r, const struct sxp *form, const char *text)
{
	(void)text;
	return form_number(
	    form, 0, UINT64_MAX, sxp_name(form)[0] == 's' ? &r->s->sent : &r->s->received, r->err);
}

#define REQUIRED 1u
#define MANY	 2u
#define STATE	 4u
#define SECRET	 8u

static const struct {
	const char *key;
	bool (*read)(struct reading *r, const struct sxp *form, const char *text);
	unsigned flags;
} fields[] = {
	{ "peer", read_peer, REQUIRED },
	{ "level", read_level, REQUIRED },
	{ "suite", read_suite, 0 },
	{ "spi-in", read_spi, REQUIRED },
	{ "spi-out", read_spi, REQUIRED },
	{ "auth-in", read_secret, REQUIRED | SECRET },
	{ "auth-out", read_secret, REQUIRED | SECRET },
	{ "enc-in", read_secret, SECRET },
	{ "enc-out", read_secret, SECRET },
	{ "esn", read_yes, 0 },
	{ "udp", read_udp, 0 },
	{ "key", read_key, 0 },
	{ "vnet", read_vnet, MANY },
	{ "hub", read_yes, 0 },
	{ "sent", read_number, REQUIRED | STATE },
	{ "received", read_number, REQUIRED | STATE },
};

/* A key in the wrong place is not shown either. */
static bool
may_be_secret(const char *text)
{
	size_t run = 0;

	for (; *text && run < 2 * SECRET_MIN; text++)
		run = hex_digit(*text) < 0 ? 0 : run + 1;
	return run == 2 * SECRET_MIN;
}

static bool
read_field(struct reading *r, const struct sxp *e, const struct sxp *form, bool stored)
{
	char key[FORM_SHOWN_SIZE];

	if (!sxp_is_list(form))
		return form_fail(r->err, form, "expected (KEY VALUE), found an atom");
	for (size_t i = 0; i < LEN(fields); i++) {
		const struct sxp *value = sxp_args(form);

		if (strcmp(fields[i].key, sxp_name(form)) != 0 ||
		    (fields[i].flags & STATE && !stored))
			continue;
		if (!(fields[i].flags & MANY) && sxp_find(e, fields[i].key) != form)
			return form_fail(r->err, form, "%s: expected only once", fields[i].key);
		if (!value || value->next || sxp_is_list(value))
			return form_fail(r->err, form, "%s: expected one value, as in (%s VALUE)",
			    fields[i].key, fields[i].key);
		if (!stored && !(fields[i].flags & SECRET) && may_be_secret(value->text))
			return form_fail(r->err, form,
			    "%s: found what looks like a secret; expected it elsewhere",
			    fields[i].key);
		return fields[i].read(r, form, value->text);
	}
	return form_fail(r->err, form,
	    "unknown key \"%s\"; expected peer, level, suite, spi-in, spi-out, auth-in, auth-out, "
	    "enc-in, enc-out, esn, udp, key, vnet or hub",
	    may_be_secret(sxp_name(form)) ? "(hidden)" : form_shown(sxp_name(form), key));
}

static bool
settle_suite(struct reading *r)
{
	const struct suite *suite;

	if (!r->suite)
		r->s->suite = suite_default(r->level)->id;
	suite = suite_by_id(r->s->suite);
	if (suite->level != r->level)
		return form_refuse(r->err, r->suite,
		    "a suite of level %s; expected one of level %s", level_name(suite->level),
		    level_name(r->level));
	return true;
}

/* form is NULL: there is none. */
static bool
settle_secret(struct reading *r, const struct sxp *e, const struct sxp *form, const char *key,
    uint8_t *out, size_t len)
{
	const char *name = suite_by_id(r->s->suite)->name, *text;

	if (!form)
		return len == 0 ||
		       form_fail(r->err, e, "no %s; expected (%s KEY) of %zu bytes with suite %s",
			   key, key, len, name);
	if (len == 0)
		return form_fail(r->err, form, "%s: expected none with suite %s", key, name);
	text = sxp_args(form)->text;
	text += text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0;
	if (strlen(text) != 2 * len || strspn(text, "0123456789abcdefABCDEF") != 2 * len)
		return form_fail(r->err, form,
		    "%s: found %zu characters; expected 0x and %zu hex digits with suite %s", key,
		    strlen(text), 2 * len, name);
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return true;
}

static bool
settle_keys(struct reading *r, const struct sxp *e)
{
	struct manualspec *s = r->s;
	const struct suite *suite = suite_by_id(s->suite);
	size_t enc = suite->enc_key_len, auth = suite->auth_key_len;

	if (!settle_secret(r, e, r->enc_in, "enc-in", s->in, enc) ||
	    !settle_secret(r, e, r->enc_out, "enc-out", s->out, enc) ||
	    !settle_secret(r, e, r->auth_in, "auth-in", s->in + enc, auth) ||
	    !settle_secret(r, e, r->auth_out, "auth-out", s->out + enc, auth))
		return false;
	if (memcmp(s->in + enc, s->out + enc, auth) == 0)
		return form_fail(r->err, r->auth_out,
		    "auth-out: the same as auth-in; expected a key for each direction");
	return true;
}

static bool
read_all(struct reading *r, const struct sxp *e, bool stored)
{
	if (sxp_name(e)[0] == '\0')
		return form_fail(r->err, e, "found a form without a name");
	strcpy(r->s->key, KEY_DEFAULT);
	for (const struct sxp *form = sxp_args(e); form; form = form->next)
		if (!read_field(r, e, form, stored))
			return false;
	for (size_t i = 0; i < LEN(fields); i++)
		if (fields[i].flags & REQUIRED && (stored || !(fields[i].flags & STATE)) &&
		    !sxp_find(e, fields[i].key))
			return form_fail(
			    r->err, e, "no %s; expected (%s VALUE)", fields[i].key, fields[i].key);
	if (!settle_suite(r) || !settle_keys(r, e))
		return false;
	if (!r->s->esn && (r->s->sent > UINT32_MAX || r->s->received > UINT32_MAX))
		return form_fail(r->err, e, "numbers of more than 32 bits; expected (esn yes)");
	return true;
}

bool
manualspec_parse(const struct sxp *e, bool stored, struct manualspec *out, struct form_error *err)
{
	struct reading r = { .s = out, .err = err };

	memset(out, 0, sizeof(*out));
	if (read_all(&r, e, stored))
		return true;
	explicit_bzero(out, sizeof(*out));
	return false;
}

static void
print_secret(struct sxp_out *o, const char *key, const uint8_t *bytes, size_t len)
{
	char text[2 + 2 * SUITE_KEYMAT_MAX + 1] = "0x";

	if (len == 0)
		return;
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 + 2 * i, 3, "%02x", bytes[i]);
	sxp_out_kv(o, key, text);
	explicit_bzero(text, sizeof(text));
}

void
manualspec_print(struct sxp_out *o, const struct manualspec *s)
{
	const struct suite *suite = suite_by_id(s->suite);
	size_t enc = suite->enc_key_len, auth = suite->auth_key_len;
	char peer[IPADDR_STRLEN], id[VNETID_STRLEN];

	sxp_out_open(o, "sa");
	sxp_out_kv(o, "peer", ipaddr_format(&s->peer, peer));
	sxp_out_kv(o, "level", level_name(suite->level));
	sxp_out_kv(o, "suite", suite->name);
	sxp_out_kvf(o, "spi-in", "0x%08x", s->spi_in);
	sxp_out_kvf(o, "spi-out", "0x%08x", s->spi_out);
	print_secret(o, "auth-in", s->in + enc, auth);
	print_secret(o, "auth-out", s->out + enc, auth);
	print_secret(o, "enc-in", s->in, enc);
	print_secret(o, "enc-out", s->out, enc);
	sxp_out_kv(o, "esn", s->esn ? "yes" : "no");
	if (s->udp_port)
		sxp_out_kvf(o, "udp", "%u", s->udp_port);
	sxp_out_kv(o, "key", s->key);
	for (uint32_t i = 0; i < s->n_vnets; i++)
		sxp_out_kv(o, "vnet", vnetid_format(&s->vnets[i], id));
	sxp_out_kv(o, "hub", s->hub ? "yes" : "no");
	sxp_out_kvf(o, "sent", "%" PRIu64, s->sent);
	sxp_out_kvf(o, "received", "%" PRIu64, s->received);
	sxp_out_close(o);
}
