/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The barrier: an nftables table that drops VXLAN of the secured levels where IPsec has not sealed
 * it, or has not opened it. By ports, never by marks, which anybody may rewrite. Builds the batch
 * that makes or removes it, all at once or not at all. Pure; sent by netlink_batch().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;

struct nftnl_batch {
	_Alignas(8) uint8_t b[16384];
	size_t len;
};

void nftnl_begin(struct nftnl_batch *b);
/* Takes the place of a table of that name. */
void nftnl_add_barrier(
    struct nftnl_batch *b, const char *table, const uint16_t *ports, size_t n_ports);
void nftnl_add_removal(struct nftnl_batch *b, const char *table);
void nftnl_end(struct nftnl_batch *b);

/* An event about that table, or what is in it. */
bool nftnl_concerns(const struct nlmsghdr *nlh, const char *table);
