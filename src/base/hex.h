/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One hexadecimal digit, for the parsers of addresses, ids and keys. Pure. */

/* Its value, or -1. */
static inline int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
