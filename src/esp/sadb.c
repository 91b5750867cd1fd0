/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esp/sadb.h"

#include <errno.h>
#include <stddef.h>

#include "base/datagram.h"
#include "base/siphash.h"

/* At most one SPI in 65536 is taken, so this many bad draws do not happen. */
#define DRAWS 16

int
sadb_init(struct sadb *db)
{
	return TABLE_INIT(&db->table, struct sadb_entry, node, spi, SADB_MAX);
}

void
sadb_fini(struct sadb *db)
{
	table_fini(&db->table);
}

int
sadb_reserve(struct sadb *db, struct sadb_entry *e)
{
	return sadb_reserve_like(db, e, 0, 0);
}

int
sadb_reserve_like(struct sadb *db, struct sadb_entry *e, uint32_t mask, uint32_t bits)
{
	int err = -ENOSPC;

	for (unsigned i = 0; i < DRAWS; i++) {
		uint32_t spi;

		random_bytes(&spi, sizeof(spi));
		err = sadb_insert(db, e, (spi & ~mask) | (bits & mask));
		if (err != -EEXIST && err != -EINVAL)
			return err;
	}
	return -ENOSPC;
}

int
sadb_insert(struct sadb *db, struct sadb_entry *e, uint32_t spi)
{
	if (!datagram_spi_valid(spi))
		return -EINVAL;
	e->spi = spi;
	return table_insert(&db->table, &e->node);
}

void
sadb_remove(struct sadb *db, struct sadb_entry *e)
{
	table_remove(&db->table, &e->node);
}

struct sadb_entry *
sadb_find(const struct sadb *db, uint32_t spi)
{
	struct table_node *n = table_find(&db->table, &spi);

	return n ? TABLE_ENTRY(n, struct sadb_entry, node) : NULL;
}
