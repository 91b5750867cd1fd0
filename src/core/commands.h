/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What commands.c dispatches to: one function per command, in the file of its object. */

#include "core/control.h"

/* For error(..): false, with object and reason. */
bool command_refuse(struct request *r, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The vnet that the request names by (vnet V) or (id V), or NULL and refused. */
struct vnet *command_vnet(struct request *r);
/* The change must be on disk before the answer. */
bool command_store(struct request *r);

bool command_vnet_list(struct request *r);
bool command_vnet_stored(struct request *r);
bool command_vif_list(struct request *r);
bool command_varp_list(struct request *r);
bool command_peer_list(struct request *r);
bool command_sa_list(struct request *r);
bool command_bridge_list(struct request *r);
bool command_key_list(struct request *r);
bool command_status(struct request *r);
bool command_offload(struct request *r);
bool command_stats(struct request *r);
