/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages between the engine and the resolve process: a name in, addresses out. Bodies are fixed
 * structs.
 */

#include <stdint.h>

#include "base/addr.h"
#include "base/ipc.h"

#define RESOLVE_NAME_MAX  256
#define RESOLVE_ADDRS_MAX 8

enum resolve_msg { RESOLVE_QUERY = 1, RESOLVE_ANSWER };

struct resolve_query {
	char name[RESOLVE_NAME_MAX]; /* NUL-terminated */
};

struct resolve_answer {
	uint32_t n;				/* 0: error tells why */
	struct ipaddr addrs[RESOLVE_ADDRS_MAX]; /* unicast only, in the resolver's order */
	char error[128];
};

/* The body of a message, if it is one that the other end may send; else NULL. */
const struct resolve_query *resolvemsg_query(const struct ipc_msg *m);
const struct resolve_answer *resolvemsg_answer(const struct ipc_msg *m);
