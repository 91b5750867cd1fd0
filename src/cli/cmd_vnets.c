/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of vnets. */
#include <string.h>

#include "cli/cmd.h"
#include "cli/writer.h"

/* The vnets that were asked for: with -a, only their vifs and entries are printed. */
struct chosen {
	struct writer *writer;
	struct sxp_out ids; /* (ID..) */
	bool all;
};

static struct sxp_out
begin_vnet_list(const struct vn *vn, bool with_long)
{
	struct sxp_out request = vn_begin("vnet.list");

	for (int i = 0; i < vn->n_args; i++)
		sxp_out_kv(&request, "vnet", vn->args[i]);
	if (with_long)
		sxp_out_kv(&request, "long", "yes");
	return request;
}

static void
write_vnet(void *arg, const struct sxp *item)
{
	struct chosen *chosen = arg;
	const char *id = sxp_get(item, "id");

	if (id)
		sxp_out_atom(&chosen->ids, id);
	chosen->writer->item(chosen->writer, item);
}

static bool
is_chosen(const struct chosen *chosen, const char *id)
{
	const char *found = chosen->ids.text ? strstr(chosen->ids.text, id) : NULL;

	return found && (found[strlen(id)] == ' ' || found[strlen(id)] == '\0');
}

static void
write_entry(void *arg, const struct sxp *item)
{
	struct chosen *chosen = arg;
	const char *id = sxp_get(item, "vnet");

	if (chosen->all || !id || is_chosen(chosen, id))
		chosen->writer->item(chosen->writer, item);
}

enum vn_status
cmd_vnets(struct vn *vn)
{
	struct chosen chosen = { .writer = vn_writer(vn), .all = vn->n_args == 0 };
	struct sxp_out request = begin_vnet_list(vn, vn->value[OPT_LONG] != NULL);
	enum vn_status status = VN_REFUSED;
	static const char *const more[] = { "vif.list", "varp.list" };

	sxp_out_close(&request);
	if (chosen.writer)
		status = vn_request(vn, &request, write_vnet, &chosen);
	for (size_t i = 0; i < 2 && vn->value[OPT_ALL] && status == VN_OK; i++) {
		request = vn_begin(more[i]);
		sxp_out_close(&request);
		status = vn_request(vn, &request, write_entry, &chosen);
	}
	if (chosen.writer)
		chosen.writer->end(chosen.writer, status == VN_OK);
	sxp_out_free(&chosen.ids);
	sxp_out_free(&request);
	return status;
}

static void
write_vnif(void *arg, const struct sxp *item)
{
	struct writer *w = arg;
	const struct sxp *vnif = sxp_find(item, "vnif");

	if (vnif)
		w->item(w, vnif);
}

enum vn_status
cmd_vnifs(struct vn *vn)
{
	struct sxp_out request = begin_vnet_list(vn, true);
	struct writer *w = vn_writer(vn);
	enum vn_status status = VN_REFUSED;

	sxp_out_close(&request);
	if (w) {
		status = vn_request(vn, &request, write_vnif, w);
		w->end(w, status == VN_OK);
	}
	sxp_out_free(&request);
	return status;
}

enum vn_status
cmd_vnet_list(struct vn *vn)
{
	struct sxp_out request = vn_begin("vnet.stored");

	if (vn->value[OPT_LONG])
		sxp_out_kv(&request, "long", "yes");
	return vn_list(vn, request);
}
