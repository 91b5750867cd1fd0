/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fields that several messages share. Internal to src/varp. Pure.
 *
 *   endpoint    family 1 (4 or 6) | zero 1 | port 2 | address 16 (IPv4: the first 4, rest zero)
 */

#include <stdbool.h>

#include "base/addr.h"
#include "base/cursor.h"

#define WIRE_ENDPOINT_LEN 20

void wire_write_endpoint(struct wcur *c, const struct endpoint *ep);
/*
 * False if the family is unknown or bytes that must be zero are not; an IPv4-mapped address is IPv4
 * written wrong.
 */
bool wire_read_endpoint(struct rcur *c, struct endpoint *ep);
