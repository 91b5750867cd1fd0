/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other hosts: peers and the VARP cache; and bridges. */

#include "cli/cmd.h"

enum vn_status
cmd_varp(struct vn *vn)
{
	return vn_list(vn, vn_begin("varp.list"));
}

enum vn_status
cmd_varp_flush(struct vn *vn)
{
	return vn_do(vn, vn_begin("varp.flush"));
}

enum vn_status
cmd_peers(struct vn *vn)
{
	return vn_list(vn, vn_begin("peer.list"));
}

static enum vn_status
change_peer(struct vn *vn, const char *name)
{
	struct sxp_out request = vn_begin_with(name, "addr", vn->args[0]);

	if (vn->value[OPT_PORT])
		sxp_out_kv(&request, "port", vn->value[OPT_PORT]);
	if (vn->value[OPT_VXLAN])
		sxp_out_kv(&request, "vxlan", vn->value[OPT_HUB] ? "hub" : "member");
	return vn_do(vn, request);
}

enum vn_status
cmd_peer_add(struct vn *vn)
{
	if (vn->value[OPT_HUB] && !vn->value[OPT_VXLAN]) {
		complain("--hub", "expected only with --vxlan");
		return VN_USAGE;
	}
	return change_peer(vn, "peer.add");
}

enum vn_status
cmd_peer_delete(struct vn *vn)
{
	return change_peer(vn, "peer.del");
}

enum vn_status
cmd_bridges(struct vn *vn)
{
	struct sxp_out request = vn_begin("bridge.list");

	if (vn->value[OPT_LONG])
		sxp_out_kv(&request, "long", "yes");
	return vn_list(vn, request);
}
