/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/datagram.h"
#include "core/form.h"
#include "esp/replay.h"

#define EXPRESSION_MAX	  (1u << 20)
#define REKEY_SECONDS_MAX 604800u
#define REKEY_PACKETS_MAX (UINT64_C(1) << 40)
#define ENTRY_TTL_MAX	  86400u
#define LEN(array)	  (sizeof(array) / sizeof((array)[0]))

struct reading {
	struct config *c;
	bool state;
	unsigned seen; /* forms that may stand once, a bit each */
	struct form_error err;
};

/* Room for one more in an array of n, doubled where n is a power of two. */
static bool
grow(void *array, size_t n, size_t size)
{
	void *old, *bigger;

	if (n & (n - 1))
		return true;
	memcpy(&old, array, sizeof(old));
	bigger = realloc(old, (n ? 2 * n : 1) * size);
	if (bigger)
		memcpy(array, &bigger, sizeof(bigger));
	return bigger != NULL;
}

static const char *
text_of(const struct sxp *form)
{
	return sxp_args(form)->text;
}

static bool
read_vnet(struct reading *r, const struct sxp *e)
{
	struct config *c = r->c;
	struct vnetspec spec;
	char id[VNETID_STRLEN];

	if (!vnetspec_parse_file(e, !r->state, &spec, &r->err))
		return false;
	for (size_t i = 0; i < c->n_vnets; i++) {
		vnetid_format(&c->vnets[i].id, id);
		if (vnetid_equal(&c->vnets[i].id, &spec.id))
			return form_fail(&r->err, e, "vnet %s: expected only once", id);
		if (strcmp(c->vnets[i].ifname, spec.ifname) == 0)
			return form_fail(&r->err, e,
			    "vnetif \"%s\": the device of vnet %s; expected (vnetif NAME) with "
			    "another",
			    spec.ifname, id);
	}
	if (c->n_vnets == CONFIG_VNETS_MAX || !grow(&c->vnets, c->n_vnets, sizeof(*c->vnets)))
		return form_fail(&r->err, e, "expected at most %d vnets", CONFIG_VNETS_MAX);
	c->vnets[c->n_vnets++] = spec;
	return true;
}

/* The characters of host names; with a letter or it would be a broken address. */
static bool
is_host_name(const char *text)
{
	bool letter = false;

	for (const char *p = text; *p; p++) {
		bool alpha = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

		letter |= alpha;
		if (!alpha && (*p < '0' || *p > '9') && !strchr("-._", *p))
			return false;
	}
	return letter && text[0] != '-' && text[0] != '.' && strlen(text) <= 253;
}

static bool
parse_peer(const struct sxp *e, bool strict, struct config_peer *out, struct form_error *err)
{
	const struct sxp *addr, *vxlan = NULL;
	struct ipaddr ip;
	uint64_t port = 0;
	const struct form_field fields[] = {
		{ .key = "addr", .required = true, .form = &addr },
		{ .key = "port", .number = &port, .min = 1, .max = UINT16_MAX },
		{ .key = "vxlan", .form = &vxlan },
	};

	if (!form_fields(e, fields, LEN(fields), strict, err))
		return false;
	if (vxlan && strcmp(text_of(vxlan), "member") != 0 && strcmp(text_of(vxlan), "hub") != 0)
		return form_refuse(err, vxlan, "expected member or hub");
	if (vxlan && !ipaddr_parse(text_of(addr), &ip))
		return form_refuse(err, addr, "expected the IP address of the VXLAN device");
	if (ipaddr_parse(text_of(addr), &ip) ? !ipaddr_is_unicast(&ip)
					     : !is_host_name(text_of(addr)))
		return form_refuse(err, addr, "expected the address or name of one host");
	*out = (struct config_peer){ .port = (uint16_t)port };
	strcpy(out->host, text_of(addr));
	if (vxlan)
		out->kind = strcmp(text_of(vxlan), "hub") == 0 ? PEER_VXLAN_HUB : PEER_VXLAN;
	return true;
}

static bool
read_peer(struct reading *r, const struct sxp *e)
{
	struct config *c = r->c;
	struct config_peer peer;

	if (!parse_peer(e, !r->state, &peer, &r->err))
		return false;
	for (size_t i = 0; i < c->n_peers; i++)
		if (strcmp(c->peers[i].host, peer.host) == 0 && c->peers[i].port == peer.port)
			return form_fail(&r->err, e, "peer %s: expected only once", peer.host);
	if (c->n_peers == CONFIG_PEERS_MAX || !grow(&c->peers, c->n_peers, sizeof(*c->peers)))
		return form_fail(&r->err, e, "expected at most %d peers", CONFIG_PEERS_MAX);
	c->peers[c->n_peers++] = peer;
	return true;
}

static bool
parse_mcaddr(
    const struct sxp *e, bool strict, struct ipaddr *group, uint8_t *ttl, struct form_error *err)
{
	const struct sxp *addr;
	struct ipaddr ip;
	uint64_t n = 1;
	const struct form_field fields[] = {
		{ .key = "addr", .required = true, .form = &addr },
		{ .key = "ttl", .number = &n, .min = 1, .max = UINT8_MAX },
	};

	if (!form_fields(e, fields, LEN(fields), strict, err))
		return false;
	if (!ipaddr_parse(text_of(addr), &ip) || !ipaddr_is_multicast(&ip))
		return form_refuse(err, addr, "expected a multicast address, as 224.10.0.1");
	*group = ip;
	*ttl = (uint8_t)n;
	return true;
}

static bool
read_mcaddr(struct reading *r, const struct sxp *e)
{
	return parse_mcaddr(e, !r->state, &r->c->group, &r->c->group_ttl, &r->err);
}

static bool
read_port(struct reading *r, const struct sxp *e)
{
	uint64_t port;

	if (!form_number(e, 1, UINT16_MAX, &port, &r->err))
		return false;
	r->c->port = (uint16_t)port;
	return true;
}

/* Names here are other people's: whatever the kernel takes. */
static bool
read_underlay(struct reading *r, const struct sxp *e)
{
	struct config *c = r->c;

	if (!sxp_args(e))
		return form_fail(&r->err, e, "underlay: expected the names of devices");
	for (const struct sxp *arg = sxp_args(e); arg; arg = arg->next) {
		if (sxp_is_list(arg))
			return form_fail(&r->err, arg, "underlay: expected a name, found a list");
		if (!*arg->text || strlen(arg->text) >= VNET_IFNAME_SIZE ||
		    strpbrk(arg->text, "/: \t\r\n\v\f"))
			return form_fail(&r->err, arg,
			    "underlay: expected names of devices, 1 to %d characters",
			    VNET_IFNAME_SIZE - 1);
		if (c->n_underlays == CONFIG_UNDERLAYS_MAX)
			return form_fail(&r->err, arg, "underlay: expected at most %d devices",
			    CONFIG_UNDERLAYS_MAX);
		strcpy(c->underlays[c->n_underlays++], arg->text);
	}
	return true;
}

static bool
read_rekey(struct reading *r, const struct sxp *e)
{
	struct config *c = r->c;
	uint64_t seconds = c->rekey_seconds, packets = c->rekey_packets;
	const struct form_field fields[] = {
		{ .key = "seconds", .number = &seconds, .min = 10, .max = REKEY_SECONDS_MAX },
		{ .key = "packets", .number = &packets, .min = 1000, .max = REKEY_PACKETS_MAX },
	};

	if (!form_fields(e, fields, LEN(fields), !r->state, &r->err))
		return false;
	c->rekey_seconds = (uint32_t)seconds;
	c->rekey_packets = packets;
	return true;
}

static bool
read_replay_window(struct reading *r, const struct sxp *e)
{
	uint64_t window;

	if (!form_number(e, 64, REPLAY_WINDOW_MAX, &window, &r->err))
		return false;
	r->c->replay_window = (uint32_t)window;
	return true;
}

static bool
read_varp(struct reading *r, const struct sxp *e)
{
	uint64_t ttl = r->c->entry_ttl;
	const struct form_field fields[] = {
		{ .key = "entry-ttl", .number = &ttl, .min = 1, .max = ENTRY_TTL_MAX },
	};

	if (!form_fields(e, fields, LEN(fields), !r->state, &r->err))
		return false;
	r->c->entry_ttl = (uint32_t)ttl;
	return true;
}

static bool
read_legacy_vnets(struct reading *r, const struct sxp *e)
{
	const char *text = form_text(e, &r->err);

	if (!text)
		return false;
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return form_refuse(&r->err, e, "expected on or off");
	r->c->legacy_vnets = strcmp(text, "on") == 0;
	return true;
}

static bool
read_offload(struct reading *r, const struct sxp *e)
{
	const char *text = form_text(e, &r->err);

	if (!text)
		return false;
	if (!offload_mode_parse(text, &r->c->offload))
		return form_refuse(&r->err, e, "expected auto, off or require");
	return true;
}

static bool
read_host(struct reading *r, const struct sxp *e)
{
	struct config *c = r->c;
	const struct sxp *id, *seed;
	uint64_t start;
	uint8_t b[8];
	const struct form_field fields[] = {
		{ .key = "id", .required = true, .form = &id },
		{ .key = "seed", .required = true, .form = &seed },
		{ .key = "start", .required = true, .number = &start, .max = UINT64_MAX },
	};

	if (!form_fields(e, fields, LEN(fields), false, &r->err) ||
	    !form_hex(id, b, sizeof(b), &r->err) ||
	    !form_hex(seed, c->seed, sizeof(c->seed), &r->err))
		return false;
	c->host_id = 0;
	for (size_t i = 0; i < sizeof(b); i++)
		c->host_id = c->host_id << 8 | b[i];
	c->start = start;
	return true;
}

static bool
read_label(struct reading *r, const struct sxp *e)
{
	struct config *c = r->c;
	const struct sxp *id;
	struct config_label label;
	uint64_t vni;
	const struct form_field fields[] = {
		{ .key = "id", .required = true, .form = &id },
		{ .key = "vni",
		    .required = true,
		    .number = &vni,
		    .min = VNI_LABEL_MIN,
		    .max = VNI_PROBE - 1 },
	};

	if (!form_fields(e, fields, LEN(fields), false, &r->err))
		return false;
	if (!vnetid_parse(text_of(id), &label.id))
		return form_refuse(&r->err, id, "expected the id of a vnet");
	label.vni = (uint32_t)vni;
	if (c->n_labels == CONFIG_LABELS_MAX || !grow(&c->labels, c->n_labels, sizeof(label)))
		return form_fail(&r->err, e, "expected at most %d labels", CONFIG_LABELS_MAX);
	c->labels[c->n_labels++] = label;
	return true;
}

/* Never grown in place, which would leave keys behind. */
static bool
read_sa(struct reading *r, const struct sxp *e)
{
	struct config *c = r->c;

	if (!c->sas)
		c->sas = calloc(CONFIG_SAS_MAX, sizeof(*c->sas));
	if (!c->sas || c->n_sas == CONFIG_SAS_MAX)
		return form_fail(&r->err, e, "expected at most %d manual SAs", CONFIG_SAS_MAX);
	if (!manualspec_parse(e, true, &c->sas[c->n_sas], &r->err))
		return false;
	c->n_sas++;
	return true;
}

#define ONCE  1u
#define STATE 2u /* state only */

static const struct {
	const char *name;
	bool (*read)(struct reading *r, const struct sxp *e);
	unsigned flags;
} forms[] = {
	{ "vnet.add", read_vnet, 0 },
	{ "vnet", read_vnet, 0 },
	{ "peer.add", read_peer, 0 },
	{ "varp.mcaddr", read_mcaddr, ONCE },
	{ "port", read_port, ONCE },
	{ "underlay", read_underlay, ONCE },
	{ "rekey", read_rekey, ONCE },
	{ "replay-window", read_replay_window, ONCE },
	{ "varp", read_varp, ONCE },
	{ "legacy-vnets", read_legacy_vnets, ONCE },
	{ "offload", read_offload, ONCE },
	{ "host", read_host, ONCE | STATE },
	{ "label", read_label, STATE },
	{ "sa", read_sa, STATE },
};

static bool
read_form(struct reading *r, const struct sxp *e)
{
	char name[FORM_SHOWN_SIZE];

	for (size_t i = 0; i < LEN(forms); i++) {
		if (strcmp(forms[i].name, sxp_name(e)) != 0 ||
		    (forms[i].flags & STATE && !r->state))
			continue;
		if (forms[i].flags & ONCE && r->seen & 1u << i)
			return form_fail(&r->err, e, "(%s ..): expected only once", forms[i].name);
		r->seen |= 1u << i;
		return forms[i].read(r, e);
	}
	return form_fail(&r->err, e,
	    "unknown form \"%s\"; expected vnet, vnet.add, peer.add, varp.mcaddr, port, underlay, "
	    "rekey, replay-window, varp, legacy-vnets or offload",
	    form_shown(sxp_name(e), name));
}

static void
set_defaults(struct config *c)
{
	*c = (struct config){
		.group_ttl = 1,
		.port = VNET_PORT,
		.rekey_seconds = 3600,
		.rekey_packets = UINT64_C(1) << 31,
		.replay_window = REPLAY_WINDOW_DEFAULT,
		.entry_ttl = 60,
	};
	ipaddr_parse(VNET_MCAST_GROUP, &c->group);
}

unsigned
config_parse(const char *text, size_t len, const char *file, bool state, struct config *out,
    config_error_fn *error, void *arg)
{
	struct sxp_parser *p = sxp_parser_new(EXPRESSION_MAX);
	struct reading r = { .c = out, .state = state };
	unsigned errors = 0;
	int status = 0;

	set_defaults(out);
	if (!p) {
		error(arg, file, 0, "out of memory");
		return 1;
	}
	while (len > 0 && errors < CONFIG_ERRORS_MAX) {
		struct sxp *e;
		size_t used;

		status = sxp_parser_feed(p, text, len, &used, &e);
		text += used;
		len -= used;
		if (status < 0)
			break;
		if (status > 0 && !read_form(&r, e)) {
			error(arg, file, r.err.line, r.err.text);
			errors++;
		}
		if (status > 0)
			sxp_free(e);
	}
	if (status < 0 || (len == 0 && !sxp_parser_idle(p))) {
		error(arg, file, sxp_parser_line(p),
		    status < 0 ? sxp_parser_error(p) : "the file ends inside a form; expected ')'");
		errors++;
	}
	sxp_parser_free(p);
	return errors;
}

void
config_free(struct config *c)
{
	free(c->vnets);
	free(c->peers);
	free(c->labels);
	if (c->sas)
		explicit_bzero(c->sas, CONFIG_SAS_MAX * sizeof(*c->sas));
	free(c->sas);
	*c = (struct config){ 0 };
}

bool
config_parse_peer(
    const struct sxp *e, struct config_peer *out, char error[static VNETSPEC_ERROR_MAX])
{
	struct form_error err;

	if (parse_peer(e, false, out, &err))
		return true;
	strcpy(error, err.text);
	return false;
}

bool
config_parse_mcaddr(
    const struct sxp *e, struct ipaddr *group, uint8_t *ttl, char error[static VNETSPEC_ERROR_MAX])
{
	struct form_error err;

	if (parse_mcaddr(e, false, group, ttl, &err))
		return true;
	strcpy(error, err.text);
	return false;
}
