/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The commands of vn, by object: what the table in commands.c points to. */

#include "cli/vn.h"

enum vn_status cmd_vnet_create(struct vn *vn);
enum vn_status cmd_vnet_set(struct vn *vn);
enum vn_status cmd_vnet_delete(struct vn *vn);

enum vn_status cmd_vnets(struct vn *vn);
enum vn_status cmd_vnifs(struct vn *vn);
enum vn_status cmd_vnet_list(struct vn *vn);

enum vn_status cmd_vifs(struct vn *vn);
enum vn_status cmd_vif_add(struct vn *vn);
enum vn_status cmd_vif_delete(struct vn *vn);

enum vn_status cmd_varp(struct vn *vn);
enum vn_status cmd_varp_flush(struct vn *vn);
enum vn_status cmd_peers(struct vn *vn);
enum vn_status cmd_peer_add(struct vn *vn);
enum vn_status cmd_peer_delete(struct vn *vn);
enum vn_status cmd_bridges(struct vn *vn);

enum vn_status cmd_keys(struct vn *vn);
enum vn_status cmd_key_gen(struct vn *vn);
enum vn_status cmd_key_reload(struct vn *vn);
enum vn_status cmd_key_retire(struct vn *vn);

enum vn_status cmd_sas(struct vn *vn);
enum vn_status cmd_sa_add(struct vn *vn);
enum vn_status cmd_sa_delete(struct vn *vn);
enum vn_status cmd_status(struct vn *vn);
enum vn_status cmd_stats(struct vn *vn);
enum vn_status cmd_offload(struct vn *vn);
enum vn_status cmd_insmod(struct vn *vn);
enum vn_status cmd_help(struct vn *vn);
