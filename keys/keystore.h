/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Key files in their directory, one at a time: NAME.psk, and NAME.old.psk for the one before. The
 * file system half of keyring.c, which checks names before it calls. Keys process only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "keys/keyfile.h"
#include "keys/keyring.h"

#define KEYSTORE_SUFFIX ".psk"
#define KEYSTORE_OLD	".old" /* before the suffix */

/* False: secret is wiped and error says why, naming the file. */
bool keystore_read(int dir_fd, const char *file, uint8_t secret[static KEYFILE_SECRET_LEN],
    char error[static KEY_ERROR_MAX]);
/* See keyring_generate(), keyring_retire(). */
int keystore_generate(int dir_fd, const char *name, bool replace);
int keystore_retire(int dir_fd, const char *name);
