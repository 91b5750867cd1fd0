/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all commands do: ask, and print the answer. */
#include <stdlib.h>

#include "cli/vn.h"
#include "cli/writer.h"

const char *
vn_socket_path(const struct vn *vn)
{
	const char *env = getenv("VNET_SOCKET");

	if (vn->value[OPT_SOCKET])
		return vn->value[OPT_SOCKET];
	return env && *env ? env : VNET_RUNDIR "/vnetd.sock";
}

enum vn_status
vn_request(struct vn *vn, struct sxp_out *request, client_item_fn *item, void *arg)
{
	enum vn_status status = VN_OK;

	if (request->bad) {
		complain("vn", "out of memory");
		status = VN_REFUSED;
	} else if (!vn->client) {
		status = client_open(vn_socket_path(vn), false, &vn->client);
	}
	if (status == VN_OK)
		status = client_request(vn->client, request->text, request->len, item, arg);
	sxp_out_free(request);
	return status;
}

struct sxp_out
vn_begin(const char *name)
{
	struct sxp_out request = { 0 };

	sxp_out_open(&request, name);
	return request;
}

struct sxp_out
vn_begin_with(const char *name, const char *key, const char *value)
{
	struct sxp_out request = vn_begin(name);

	sxp_out_kv(&request, key, value);
	return request;
}

enum vn_status
vn_do(struct vn *vn, struct sxp_out request)
{
	sxp_out_close(&request);
	return vn_request(vn, &request, NULL, NULL);
}

struct writer *
vn_writer(const struct vn *vn)
{
	struct writer *w = vn->value[OPT_JSON] ? writer_new_json(stdout) : writer_new_sxp(stdout);

	if (!w)
		complain("vn", "out of memory");
	return w;
}

static void
to_writer(void *arg, const struct sxp *item)
{
	struct writer *w = arg;

	w->item(w, item);
}

enum vn_status
vn_list(struct vn *vn, struct sxp_out request)
{
	struct writer *w = vn_writer(vn);
	enum vn_status status = VN_REFUSED;

	sxp_out_close(&request);
	if (w) {
		status = vn_request(vn, &request, to_writer, w);
		w->end(w, status == VN_OK);
	}
	sxp_out_free(&request);
	return status;
}
