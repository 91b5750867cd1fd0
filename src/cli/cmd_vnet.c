/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making, changing and removing vnets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/vnetid.h"
#include "cli/cmd.h"

/* The options that are settings of a vnet, and their keys. */
static const struct {
	enum vn_option_id id;
	const char *key;
} settings[] = {
	{ OPT_VNETIF, "vnetif" },
	{ OPT_BRIDGE, "bridge" },
	{ OPT_SECURITY, "security" },
	{ OPT_SUITE, "suite" },
	{ OPT_KEY, "key" },
	{ OPT_MTU, "mtu" },
	{ OPT_OFFLOAD, "offload" },
};

#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

static bool
has_settings(const struct vn *vn)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (vn->value[settings[i].id])
			return true;
	return vn->n_addresses > 0;
}

static void
add_settings(const struct vn *vn, struct sxp_out *request)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (vn->value[settings[i].id])
			sxp_out_kv(request, settings[i].key, vn->value[settings[i].id]);
	for (size_t i = 0; i < vn->n_addresses; i++)
		sxp_out_kv(request, "address", vn->addresses[i]);
}

/* The daemon ignores keys it does not know; in a file a misspelt (security conf) must not make a clear vnet. */
static enum vn_status
check_keys(const char *path, const struct sxp *form)
{
	static const char known[] = " id vnetif bridge security suite key mtu offload address ";

	for (const struct sxp *e = sxp_args(form); e; e = e->next) {
		char key[32];

		snprintf(key, sizeof(key), " %.20s ", sxp_name(e));
		if (!sxp_is_list(e) || !strstr(known, key) || strlen(sxp_name(e)) > 20 ||
		    !*sxp_name(e))
			return vn_file_error(path, e->line,
			    "expected (KEY VALUE), KEY one of id, vnetif, bridge, security, "
			    "suite, key, mtu, offload, address");
	}
	return VN_OK;
}

static enum vn_status
create_form(struct vn *vn, const char *path, const struct sxp *form)
{
	struct sxp_out request = vn_begin("vnet.add");
	enum vn_status status = VN_OK;

	if (strcmp(sxp_name(form), "vnet") != 0 && strcmp(sxp_name(form), "vnet.add") != 0)
		status = vn_file_error(path, form->line, "expected (vnet (id ID) ..)");
	else
		status = check_keys(path, form);
	if (status != VN_OK) {
		sxp_out_free(&request);
		return status;
	}
	for (const struct sxp *e = sxp_args(form); e; e = e->next)
		sxp_out_expr(&request, e);
	return vn_do(vn, request);
}

/* An argument that is no id names a file. */
static enum vn_status
create_file(struct vn *vn, const char *path)
{
	FILE *file = fopen(path, "re");
	enum vn_status status;

	if (!file) {
		complain(path,
		    "%s; expected a vnet id (1 to 4 hex digits, or 8 such groups with colons "
		    "between) or a file of (vnet ..) forms",
		    strerror(errno));
		return VN_USAGE;
	}
	if (has_settings(vn)) {
		complain(path, "expected no options with a file, which says all");
		status = VN_USAGE;
	} else {
		status = vn_read_forms(vn, path, file, create_form);
	}
	fclose(file);
	return status;
}

enum vn_status
cmd_vnet_create(struct vn *vn)
{
	struct sxp_out request;
	struct vnetid id;

	if (!vnetid_parse(vn->args[0], &id))
		return create_file(vn, vn->args[0]);
	request = vn_begin_with("vnet.add", "id", vn->args[0]);
	add_settings(vn, &request);
	return vn_do(vn, request);
}

enum vn_status
cmd_vnet_set(struct vn *vn)
{
	struct sxp_out request;

	if (!has_settings(vn)) {
		complain(vn->args[0], "expected what to change; see \"vn help vnet-set\"");
		return VN_USAGE;
	}
	request = vn_begin_with("vnet.set", "vnet", vn->args[0]);
	add_settings(vn, &request);
	return vn_do(vn, request);
}

enum vn_status
cmd_vnet_delete(struct vn *vn)
{
	struct sxp_out request = vn_begin_with("vnet.del", "vnet", vn->args[0]);

	if (vn->value[OPT_BRIDGE])
		sxp_out_kv(&request, "bridge", "yes");
	return vn_do(vn, request);
}
