/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The hard-wired pre-shared key: what vnets use until a key is configured. It is PUBLIC, the same
 * in every copy of this program, and its bytes are the ASCII text in hardwired.c, so that nobody
 * takes it for a secret. It keeps listeners out, not anybody who takes part.
 */

#include <stdint.h>

#include "keys/keyfile.h"

#define HARDWIRED_NAME "hardwired"

extern const uint8_t hardwired_key[KEYFILE_SECRET_LEN];
