/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The long-term keys of this host by name: the hard-wired one, and files NAME.psk (current) and
 * NAME.old.psk (still accepted) in the keys directory. Lives in the keys process only; secrets
 * never leave it. "default" is the name a vnet gets without -k: the file default.psk if there is
 * one, else the hard-wired key.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keys/noise.h"

#define KEY_NAME_MAX  32 /* with NUL */
#define KEYRING_MAX   256
#define KEY_ERROR_MAX 160
#define KEY_DEFAULT   "default"

enum key_source { KEY_HARDWIRED, KEY_FILE, KEY_IKE };

struct key_info {
	char name[KEY_NAME_MAX];
	uint32_t source; /* enum key_source */
	/*
	 * Of HMAC-SHA256 under the secret over "vnet key id" the first 4 bytes; 0: no usable key.
	 */
	uint32_t id;
	uint32_t old_id; /* of NAME.old.psk, 0: none */
	/* Why a file is not usable, naming it, else "". With an id, that file is NAME.old.psk. */
	char error[KEY_ERROR_MAX];
};

struct keyring;

/*
 * dir_fd: the keys directory (O_PATH is not enough), borrowed; empty until keyring_load(). -1: the
 * hard-wired key only, there at once. NULL if memory is short. noise_global_init() comes first.
 */
struct keyring *keyring_new(int dir_fd);
void keyring_free(struct keyring *r);
/*
 * Reads the directory again. A file that is not exactly a secret (see keyfile.h), not 0600 or
 * stricter, not ours, or not a plain file becomes an entry with an error; so does one whose name is
 * no key's (then under its file name, which has a dot), and NAME.old.psk alone. A broken file never
 * falls back to another key. "hardwired" and "default" are always there. More than KEYRING_MAX in
 * all: -E2BIG. 0 or -errno; on failure the keys stay as they were.
 */
int keyring_load(struct keyring *r);
size_t keyring_count(const struct keyring *r);
/* The i-th by name. */
bool keyring_info(const struct keyring *r, size_t i, struct key_info *out);
/* The secret behind a key id, current or old; NULL if unknown. Valid until the next load. */
const uint8_t *keyring_secret(const struct keyring *r, uint32_t id);

/*
 * A usable key name: letters, digits, '-', '_', up to 31 (no dots). NULL, or what is wrong: "is
 * empty", "is longer than ..".
 */
const char *key_name_error(const char *name);
/* Any text as a name to show: '?' for what does not print, cut with "..." when too long. */
void key_name_show(const char *text, char out[static KEY_NAME_MAX]);

/*
 * Makes NAME.psk from the kernel's random numbers (0600, written whole or not at all, fsync).
 * Existing: -EEXIST unless replace, then the present file becomes NAME.old.psk, in place of one
 * that is there. -EINVAL: no key name; -EPERM: "hardwired"; -ENOTDIR: no directory. This and
 * keyring_retire() change files only: keyring_load() brings them in.
 */
int keyring_generate(struct keyring *r, const char *name, bool replace);
/* Removes NAME.old.psk. -ENOENT if there is none. */
int keyring_retire(struct keyring *r, const char *name);
