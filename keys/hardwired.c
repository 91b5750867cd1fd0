/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/hardwired.h"

#include <assert.h>

#define TEXT "this pre-shared key is no secret"

static_assert(sizeof(TEXT) - 1 == KEYFILE_SECRET_LEN, "all of the text and no NUL");

const uint8_t hardwired_key[KEYFILE_SECRET_LEN] = TEXT;
