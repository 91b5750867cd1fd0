/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/kernelcli.h"

#include <errno.h>

#include "core/privcli.h"

void
kernelcli_init(struct privcli *c, const struct kernelcli_ops *ops, void *arg)
{
	(void)c;
	(void)ops;
	(void)arg;
}

int
kernelcli_find(struct privcli *c)
{
	(void)c;
	return -EOPNOTSUPP;
}

int
kernelcli_start(struct privcli *c, uint32_t token, bool secured)
{
	(void)c;
	(void)token;
	(void)secured;
	return -EOPNOTSUPP;
}

int
kernelcli_stop(struct privcli *c, uint32_t token)
{
	(void)c;
	(void)token;
	return -EOPNOTSUPP;
}

struct kernel_slot *
kernelcli_slots(struct privcli *c)
{
	(void)c;
	return NULL;
}

int
kernelcli_vnet_add(struct privcli *c, uint32_t token, const char *ifname)
{
	(void)c;
	(void)token;
	(void)ifname;
	return -EOPNOTSUPP;
}

int
kernelcli_vnet_delete(struct privcli *c, uint32_t token, const char *ifname)
{
	(void)c;
	(void)token;
	(void)ifname;
	return -EOPNOTSUPP;
}

int
kernelcli_peer_add(struct privcli *c, uint32_t token, const struct kernel_peer *p)
{
	(void)c;
	(void)token;
	(void)p;
	return -EOPNOTSUPP;
}

int
kernelcli_peer_delete(struct privcli *c, uint32_t token, uint32_t number)
{
	(void)c;
	(void)token;
	(void)number;
	return -EOPNOTSUPP;
}

int
kernelcli_sa_add(struct privcli *c, uint32_t token, const struct kernel_sa *sa)
{
	(void)c;
	(void)token;
	(void)sa;
	return -EOPNOTSUPP;
}

int
kernelcli_sa_delete(
    struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d, uint32_t spi)
{
	(void)c;
	(void)token;
	(void)peer;
	(void)d;
	(void)spi;
	return -EOPNOTSUPP;
}

int
kernelcli_sa_count(
    struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d, uint32_t spi)
{
	(void)c;
	(void)token;
	(void)peer;
	(void)d;
	(void)spi;
	return -EOPNOTSUPP;
}

int
kernelcli_member_add(struct privcli *c, uint32_t token, const struct kernel_member *m)
{
	(void)c;
	(void)token;
	(void)m;
	return -EOPNOTSUPP;
}

int
kernelcli_member_delete(struct privcli *c, uint32_t token, uint32_t peer, uint32_t vni)
{
	(void)c;
	(void)token;
	(void)peer;
	(void)vni;
	return -EOPNOTSUPP;
}

int
kernelcli_flow_set(struct privcli *c, uint32_t token, const struct kernel_flow *f)
{
	(void)c;
	(void)token;
	(void)f;
	return -EOPNOTSUPP;
}

int
kernelcli_flow_delete(
    struct privcli *c, uint32_t token, const char *ifname, const struct macaddr *mac)
{
	(void)c;
	(void)token;
	(void)ifname;
	(void)mac;
	return -EOPNOTSUPP;
}

int
kernelcli_probe(struct privcli *c, uint32_t token, uint32_t peer, uint64_t nonce)
{
	(void)c;
	(void)token;
	(void)peer;
	(void)nonce;
	return -EOPNOTSUPP;
}

const struct kernel_drops *
kernelcli_drops(struct privcli *c)
{
	(void)c;
	return NULL;
}
