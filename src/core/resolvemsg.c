/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/resolvemsg.h"

#include <string.h>

const struct resolve_query *
resolvemsg_query(const struct ipc_msg *m)
{
	const struct resolve_query *q = ipc_body(m, sizeof(*q));

	if (m->type != RESOLVE_QUERY || m->fd >= 0 || q == NULL || q->name[0] == '\0' ||
	    memchr(q->name, '\0', sizeof(q->name)) == NULL)
		return NULL;
	return q;
}

const struct resolve_answer *
resolvemsg_answer(const struct ipc_msg *m)
{
	const struct resolve_answer *a = ipc_body(m, sizeof(*a));

	if (m->type != RESOLVE_ANSWER || m->fd >= 0 || a == NULL || a->n > RESOLVE_ADDRS_MAX ||
	    memchr(a->error, '\0', sizeof(a->error)) == NULL)
		return NULL;
	for (uint32_t i = 0; i < a->n; i++)
		if (!ipaddr_is_unicast(&a->addrs[i]))
			return NULL;
	return a;
}
