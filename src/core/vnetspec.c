/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/vnetspec.h"

#include <stdio.h>
#include <string.h>

#include "base/ether.h"
#include "core/form.h"
#include "keys/keyring.h"

#define MTU_MIN	      68 /* RFC 791: every IPv4 host forwards that much */
#define MTU_MAX	      (ETHER_FRAME_MAX - ETHER_HEADER_LEN - ETHER_VLAN_LEN)
#define ID_EXPECTED   "expected 1 to 4 hex digits, or 8 such groups with colons between"
#define ADDR_EXPECTED "expected an address and its prefix length, as in \"10.0.0.1/24\""

_Static_assert(VNETSPEC_ERROR_MAX == FORM_ERROR_MAX, "errors are passed on whole");
_Static_assert(VNETSPEC_KEY_SIZE == KEY_NAME_MAX, "key names are the keyring's");

static const char *const offload_modes[] = {
	[OFFLOAD_AUTO] = "auto", [OFFLOAD_OFF] = "off", [OFFLOAD_REQUIRE] = "require"
};

const char *
offload_mode_name(enum offload_mode mode)
{
	return offload_modes[mode];
}

bool
offload_mode_parse(const char *text, enum offload_mode *out)
{
	for (enum offload_mode m = OFFLOAD_AUTO; m <= OFFLOAD_REQUIRE; m++)
		if (strcmp(offload_modes[m], text) == 0) {
			*out = m;
			return true;
		}
	return false;
}

struct reading {
	struct vnetspec spec;
	const struct sxp *security, *suite, *key; /* forms that settle_security speaks of */
	bool need_id, strict, has_id;
	struct form_error *err;
};

/* Any form but address stands once. */
static bool
first_time(struct reading *r, const struct sxp *form, bool *said)
{
	if (*said)
		return form_refuse(r->err, form, "expected only one %s", sxp_name(form));
	*said = true;
	return true;
}

static bool
read_id(struct reading *r, const struct sxp *form, const char *text)
{
	if (!r->need_id)
		return true;
	if (!first_time(r, form, &r->has_id))
		return false;
	if (!vnetid_parse(text, &r->spec.id))
		return form_refuse(r->err, form, ID_EXPECTED);
	if (vnetid_is_zero(&r->spec.id))
		return form_refuse(r->err, form, "0 is not the id of a vnet; expected another");
	if (vnetid_is_physical(&r->spec.id))
		return form_refuse(r->err, form,
		    "1 is the physical network, which has no device; expected another");
	return true;
}

static bool
read_vnetif(struct reading *r, const struct sxp *form, const char *text)
{
	const char *wrong = vnet_ifname_error(text);
	struct vnetid id;

	if (wrong)
		return form_refuse(r->err, form, "%s; expected the name of a device", wrong);
	if (vnetid_parse(text, &id))
		return form_refuse(
		    r->err, form, "reads as a vnet id; expected a name that does not");
	strcpy(r->spec.ifname, text);
	return first_time(r, form, &r->spec.has_ifname);
}

static bool
read_bridge(struct reading *r, const struct sxp *form, const char *text)
{
	const char *wrong = vnet_ifname_error(text);

	if (wrong && (r->need_id || *text))
		return form_refuse(r->err, form, "%s; expected the name of a bridge", wrong);
	strcpy(r->spec.bridge, text);
	return first_time(r, form, &r->spec.has_bridge);
}

static bool
read_security(struct reading *r, const struct sxp *form, const char *text)
{
	if (!level_parse(text, &r->spec.level))
		return form_refuse(r->err, form, "expected none, auth or conf");
	r->security = form;
	return first_time(r, form, &r->spec.has_level);
}

/* The names of the suites of a level, of all if level is LEVEL_NONE: "a, b, c". */
static const char *
suite_names(enum level level, char buf[static VNETSPEC_ERROR_MAX])
{
	size_t n = 0;

	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++) {
		const struct suite *s = suite_by_id(id);

		if (level == LEVEL_NONE || s->level == level)
			n += (size_t)snprintf(
			    buf + n, VNETSPEC_ERROR_MAX - n, "%s%s", n ? ", " : "", s->name);
	}
	return buf;
}

static bool
read_suite(struct reading *r, const struct sxp *form, const char *text)
{
	const struct suite *suite = suite_by_name(text);
	char names[VNETSPEC_ERROR_MAX];

	if (!suite || suite->id == SUITE_NONE)
		return form_refuse(
		    r->err, form, "expected one of %s", suite_names(LEVEL_NONE, names));
	r->spec.suite = suite->id;
	r->suite = form;
	return first_time(r, form, &r->spec.has_suite);
}

static bool
read_key(struct reading *r, const struct sxp *form, const char *text)
{
	const char *wrong = key_name_error(text);

	if (wrong)
		return form_refuse(r->err, form, "%s; expected the name of a key", wrong);
	strcpy(r->spec.key, text);
	r->key = form;
	return first_time(r, form, &r->spec.has_key);
}

static bool
read_mtu(struct reading *r, const struct sxp *form, const char *text)
{
	uint64_t mtu = 0;

	if (strcmp(text, "auto") != 0 && !form_number(form, MTU_MIN, MTU_MAX, &mtu, r->err))
		return false;
	r->spec.mtu = (uint32_t)mtu;
	return first_time(r, form, &r->spec.has_mtu);
}

static bool
read_offload(struct reading *r, const struct sxp *form, const char *text)
{
	if (!offload_mode_parse(text, &r->spec.offload))
		return form_refuse(r->err, form, "expected auto, off or require");
	return first_time(r, form, &r->spec.has_offload);
}

static bool
read_address(struct reading *r, const struct sxp *form, const char *text)
{
	struct vnetspec *s = &r->spec;
	struct vnetspec_addr addr;

	if (!vnetspec_parse_addr(text, &addr))
		return form_refuse(r->err, form, ADDR_EXPECTED);
	for (uint32_t i = 0; i < s->n_addrs; i++)
		if (ipaddr_equal(&s->addrs[i].ip, &addr.ip))
			return form_refuse(r->err, form, "expected it only once");
	if (s->n_addrs == VNETSPEC_ADDRS_MAX)
		return form_refuse(
		    r->err, form, "expected at most %d addresses", VNETSPEC_ADDRS_MAX);
	s->addrs[s->n_addrs++] = addr;
	s->has_addrs = true;
	return true;
}

static const struct {
	const char *key;
	bool (*read)(struct reading *r, const struct sxp *form, const char *text);
} fields[] = {
	{ "id", read_id },
	{ "vnetif", read_vnetif },
	{ "bridge", read_bridge },
	{ "security", read_security },
	{ "suite", read_suite },
	{ "key", read_key },
	{ "mtu", read_mtu },
	{ "offload", read_offload },
	{ "address", read_address },
};

static bool
read_field(struct reading *r, const struct sxp *form)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *text;

		if (strcmp(fields[i].key, sxp_name(form)) != 0)
			continue;
		text = form_text(form, r->err);
		return text && fields[i].read(r, form, text);
	}
	if (!r->strict)
		return true;
	return form_refuse(r->err, form,
	    "unknown key; expected id, vnetif, bridge, security, suite, key, mtu, offload or "
	    "address");
}

/* Level, suite and key must agree, whatever their order was. */
static bool
settle_security(struct reading *r)
{
	struct vnetspec *s = &r->spec;
	char names[VNETSPEC_ERROR_MAX];

	if (!r->suite) {
		s->suite = suite_default(s->level)->id;
	} else {
		const struct suite *suite = suite_by_id(s->suite);

		if (r->security && s->level == LEVEL_NONE)
			return form_refuse(r->err, r->suite, "level none has no suite");
		if (r->security && s->level != suite->level)
			return form_refuse(r->err, r->suite,
			    "a suite of level %s; expected one of level %s: %s",
			    level_name(suite->level), level_name(s->level),
			    suite_names(s->level, names));
		s->level = suite->level;
		s->has_level = true;
	}
	if (r->key && s->level == LEVEL_NONE && (r->need_id || s->has_level))
		return form_refuse(r->err, r->key,
		    "level none has no key; expected (security auth) or (security conf) with it");
	return true;
}

static bool
settle_names(struct reading *r, const struct sxp *e)
{
	struct vnetspec *s = &r->spec;

	if (r->need_id && !r->has_id)
		return form_fail(r->err, e, "no id; expected (id ID) in (%s ..)", sxp_name(e));
	if (r->need_id && !s->has_ifname)
		vnetid_default_ifname(&s->id, s->ifname);
	if (*s->bridge && strcmp(s->bridge, s->ifname) == 0)
		return form_fail(r->err, e,
		    "bridge \"%s\": the name of the vnet's device; expected another", s->bridge);
	return true;
}

static bool
read_all(struct reading *r, const struct sxp *e, struct vnetspec *out)
{
	strcpy(r->spec.key, KEY_DEFAULT);
	for (const struct sxp *form = sxp_args(e); form; form = form->next) {
		if (!sxp_is_list(form))
			return form_fail(r->err, form, "expected (KEY VALUE), found an atom");
		if (!read_field(r, form))
			return false;
	}
	if (!settle_security(r) || !settle_names(r, e))
		return false;
	*out = r->spec;
	return true;
}

bool
vnetspec_parse(
    const struct sxp *e, bool need_id, struct vnetspec *out, char error[static VNETSPEC_ERROR_MAX])
{
	struct form_error err;
	struct reading r = { .need_id = need_id, .err = &err };

	if (read_all(&r, e, out))
		return true;
	strcpy(error, err.text);
	return false;
}

bool
vnetspec_parse_file(const struct sxp *e, bool strict, struct vnetspec *out, struct form_error *err)
{
	struct reading r = { .need_id = true, .strict = strict, .err = err };

	return read_all(&r, e, out);
}

void
vnetspec_print(struct sxp_out *o, const char *name, const struct vnetspec *s)
{
	char id[VNETID_STRLEN], ifname[VNET_IFNAME_SIZE], addr[IPADDR_STRLEN + 4];

	vnetid_default_ifname(&s->id, ifname);
	sxp_out_open(o, name);
	sxp_out_kv(o, "id", vnetid_format(&s->id, id));
	if (strcmp(s->ifname, ifname) != 0)
		sxp_out_kv(o, "vnetif", s->ifname);
	if (*s->bridge)
		sxp_out_kv(o, "bridge", s->bridge);
	sxp_out_kv(
	    o, "security", level_name(s->level)); /* said always: nobody should have to know */
	if (s->suite != suite_default(s->level)->id)
		sxp_out_kv(o, "suite", suite_by_id(s->suite)->name);
	/* A vnet that was set to none may remember its key; the language does not. */
	if (s->level != LEVEL_NONE && strcmp(s->key, KEY_DEFAULT) != 0)
		sxp_out_kv(o, "key", s->key);
	if (s->mtu)
		sxp_out_kvf(o, "mtu", "%u", s->mtu);
	if (s->offload != OFFLOAD_AUTO)
		sxp_out_kv(o, "offload", offload_mode_name(s->offload));
	for (uint32_t i = 0; i < s->n_addrs; i++) {
		vnetspec_format_addr(&s->addrs[i], addr, sizeof(addr));
		sxp_out_kv(o, "address", addr);
	}
	sxp_out_close(o);
}

bool
vnetspec_parse_addr(const char *text, struct vnetspec_addr *out)
{
	const char *slash = strchr(text, '/');
	char ip_text[IPADDR_STRLEN];
	struct ipaddr ip;
	unsigned len = 0;

	if (!slash || (size_t)(slash - text) >= sizeof(ip_text))
		return false;
	memcpy(ip_text, text, (size_t)(slash - text));
	ip_text[slash - text] = '\0';
	if (!ipaddr_parse(ip_text, &ip) || !ipaddr_is_unicast(&ip) || ip.scope)
		return false;
	/* One to three digits: what is written is what is printed. */
	for (const char *p = slash + 1; *p; p++) {
		if (*p < '0' || *p > '9' || p > slash + 3 || (*p == '0' && len == 0))
			return false;
		len = len * 10 + (unsigned)(*p - '0');
	}
	if (len == 0 || len > (ip.family == AF_INET ? 32 : 128))
		return false;
	*out = (struct vnetspec_addr){ ip, (uint8_t)len };
	return true;
}

void
vnetspec_format_addr(const struct vnetspec_addr *a, char *buf, size_t size)
{
	char ip[IPADDR_STRLEN];

	snprintf(buf, size, "%s/%u", ipaddr_format(&a->ip, ip), a->prefix_len);
}
