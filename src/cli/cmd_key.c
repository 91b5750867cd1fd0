/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long-term keys. */
#include "cli/cmd.h"

enum vn_status
cmd_keys(struct vn *vn)
{
	return vn_list(vn, vn_begin("key.list"));
}

enum vn_status
cmd_key_gen(struct vn *vn)
{
	struct sxp_out request = vn_begin_with("key.gen", "name", vn->args[0]);

	if (vn->value[OPT_REPLACE])
		sxp_out_kv(&request, "replace", "yes");
	return vn_do(vn, request);
}

enum vn_status
cmd_key_reload(struct vn *vn)
{
	return vn_do(vn, vn_begin("key.reload"));
}

enum vn_status
cmd_key_retire(struct vn *vn)
{
	return vn_do(vn, vn_begin_with("key.retire", "name", vn->args[0]));
}
