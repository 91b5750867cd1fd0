/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The SA database's look-up half: SPIs to inbound SAs, and the one allocator of our SPIs. Owns
 * nothing but its table; an entry is embedded in its owner's SA. SPIs are random, so that one of an
 * earlier run is unlikely to be met again.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"

#define SADB_MAX 65536

struct sadb_entry {
	struct table_node node;
	uint32_t spi; /* host order */
	void *owner;  /* NULL: reserved, no SA yet */
};

struct sadb {
	struct table table;
};

int sadb_init(struct sadb *db);
void sadb_fini(struct sadb *db);
/*
 * Reserves a random SPI that is valid (datagram_spi_valid) and free, and puts e into the table
 * under it. 0, -ENOSPC, -ENOMEM.
 */
int sadb_reserve(struct sadb *db, struct sadb_entry *e);
/* The same, random but for the bits in mask, which are as in bits. */
int sadb_reserve_like(struct sadb *db, struct sadb_entry *e, uint32_t mask, uint32_t bits);
/* The same with an SPI that is given (manual SAs). 0, -EEXIST, -EINVAL, -ENOSPC, -ENOMEM. */
int sadb_insert(struct sadb *db, struct sadb_entry *e, uint32_t spi);
void sadb_remove(struct sadb *db, struct sadb_entry *e);
struct sadb_entry *sadb_find(const struct sadb *db, uint32_t spi);
