/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For a build --without-offload: there are no programs, and nothing else is ever asked for. */
#include <errno.h>
#include <stdio.h>

#include "core/fastpath_load.h"

struct fastpath *
fastpath_load(char *reason, size_t size)
{
	snprintf(reason, size, "built --without-offload");
	return NULL;
}

void
fastpath_free(struct fastpath *f)
{
	(void)f;
}

int
fastpath_program(const struct fastpath *f, enum fastpath_program p)
{
	(void)f;
	(void)p;
	return -EOPNOTSUPP;
}

int
fastpath_slots(const struct fastpath *f)
{
	(void)f;
	return -EOPNOTSUPP;
}

void
fastpath_clear_slots(struct fastpath *f)
{
	(void)f;
}

int
fastpath_probes(const struct fastpath *f)
{
	(void)f;
	return -EOPNOTSUPP;
}

void
fastpath_take_probes(struct fastpath *f, fastpath_probe_fn *each, void *arg)
{
	(void)f;
	(void)each;
	(void)arg;
}

int
fastpath_set_device(struct fastpath *f, uint32_t level, uint32_t ifindex)
{
	(void)f;
	(void)level;
	(void)ifindex;
	return -EOPNOTSUPP;
}

int
fastpath_set_peer(struct fastpath *f, uint32_t number, const struct fastpath_peer *p)
{
	(void)f;
	(void)number;
	(void)p;
	return -EOPNOTSUPP;
}

int
fastpath_set_flow(
    struct fastpath *f, const struct fastpath_flow_key *k, const struct fastpath_flow *v)
{
	(void)f;
	(void)k;
	(void)v;
	return -EOPNOTSUPP;
}

int
fastpath_get_flow(struct fastpath *f, const struct fastpath_flow_key *k, struct fastpath_flow *v)
{
	(void)f;
	(void)k;
	(void)v;
	return -EOPNOTSUPP;
}

int
fastpath_delete_flow(struct fastpath *f, const struct fastpath_flow_key *k)
{
	(void)f;
	(void)k;
	return -EOPNOTSUPP;
}

int
fastpath_set_member(
    struct fastpath *f, const struct fastpath_member_key *k, const struct fastpath_member *v)
{
	(void)f;
	(void)k;
	(void)v;
	return -EOPNOTSUPP;
}

int
fastpath_delete_member(struct fastpath *f, const struct fastpath_member_key *k)
{
	(void)f;
	(void)k;
	return -EOPNOTSUPP;
}
