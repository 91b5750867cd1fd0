/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyring.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "keys/hardwired.h"
#include "keys/keyfile.h"
#include "keys/keystore.h"
#include "keys/noise_crypto.h"

struct entry {
	struct key_info info;
	bool current, old; /* a file of that kind is there, good or not */
	uint8_t secret[KEYFILE_SECRET_LEN];
	uint8_t old_secret[KEYFILE_SECRET_LEN];
};

struct keyring {
	int dir_fd;
	size_t n;
	struct entry entries[KEYRING_MAX]; /* by name, once loaded */
};

const char *
key_name_error(const char *name)
{
	size_t len = strlen(name);

	if (len == 0)
		return "is empty";
	if (len >= KEY_NAME_MAX)
		return "is longer than 31 characters";
	for (const char *s = name; *s != '\0'; s++) {
		if (!isascii(*s) || (!isalnum(*s) && *s != '-' && *s != '_'))
			return "has a character other than letters, digits, - and _";
	}
	return NULL;
}

void
key_name_show(const char *text, char out[static KEY_NAME_MAX])
{
	int len = snprintf(out, KEY_NAME_MAX, "%s", text);

	for (char *s = out; *s != '\0'; s++) {
		if (!isascii(*s) || !isprint(*s))
			*s = '?';
	}
	if (len >= KEY_NAME_MAX)
		memcpy(out + KEY_NAME_MAX - sizeof("..."), "...", sizeof("..."));
}

/* 0 means "no key" elsewhere, so the one secret in 2^32 that hashes to it gets the next number. */
static uint32_t
secret_id(const uint8_t secret[static KEYFILE_SECRET_LEN])
{
	static const char label[] = "vnet key id";
	uint8_t mac[NOISE_HASH_LEN];

	if (!crypto_hmac_sha256(secret, label, sizeof(label) - 1, NULL, 0, mac))
		return 0;

	struct rcur r = rcur_init(mac, sizeof(mac));
	uint32_t id = rcur_be32(&r);

	return id == 0 ? 1 : id;
}

/*
 * In its place by name; NULL when the ring is full. Not by qsort(3), which may leave copies of
 * secrets on the heap.
 */
static struct entry *
entry_add(struct keyring *r, const char *name, enum key_source source)
{
	if (r->n == KEYRING_MAX)
		return NULL;

	struct entry *e = &r->entries[r->n++];

	for (; e > r->entries && strcmp(e[-1].info.name, name) > 0; e--)
		*e = e[-1];
	memset(e, 0, sizeof(*e));
	snprintf(e->info.name, sizeof(e->info.name), "%s", name);
	e->info.source = source;
	return e;
}

static struct entry *
entry_find(struct keyring *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->entries[i].info.name, name) == 0)
			return &r->entries[i];
	}
	return NULL;
}

static int
add_hardwired(struct keyring *r, const char *name)
{
	struct entry *e = entry_add(r, name, KEY_HARDWIRED);

	if (e == NULL)
		return -E2BIG;
	memcpy(e->secret, hardwired_key, sizeof(e->secret));
	e->info.id = secret_id(e->secret);
	return 0;
}

/* A file name that cannot be a key's: the dot in what is shown keeps it apart from every key. */
static int
add_misnamed(struct keyring *r, const char *file, const char *why)
{
	char shown[KEY_NAME_MAX];

	key_name_show(file, shown);

	struct entry *e = entry_add(r, shown, KEY_FILE);

	if (e == NULL)
		return -E2BIG;
	snprintf(e->info.error, sizeof(e->info.error),
	    "key file \"%s\": its name %s, expected NAME.psk", shown, why);
	return 0;
}

/* What else is wrong with NAME.psk itself counts more than what is wrong with NAME.old.psk. */
static void
load_file(struct keyring *r, struct entry *e, const char *file, bool old)
{
	char error[KEY_ERROR_MAX];
	uint8_t *secret = old ? e->old_secret : e->secret;
	uint32_t id = 0;

	if (keystore_read(r->dir_fd, file, secret, error))
		id = secret_id(secret);
	else if (!old || e->info.error[0] == '\0')
		snprintf(e->info.error, sizeof(e->info.error), "%s", error);
	if (old) {
		e->old = true;
		e->info.old_id = id;
	} else {
		e->current = true;
		e->info.id = id;
	}
}

/* Does s of *len bytes end in suffix? Then *len is without it. */
static bool
strip(const char *s, size_t *len, const char *suffix)
{
	size_t n = strlen(suffix);

	if (*len < n || memcmp(s + *len - n, suffix, n) != 0)
		return false;
	*len -= n;
	return true;
}

/* Files that do not end in .psk are none of ours. */
static int
load_name(struct keyring *r, const char *file)
{
	char stem[NAME_MAX + 1];
	size_t len = strlen(file);

	if (!strip(file, &len, KEYSTORE_SUFFIX))
		return 0;

	bool old = strip(file, &len, KEYSTORE_OLD);

	snprintf(stem, sizeof(stem), "%.*s", (int)len, file);

	const char *why = strcmp(stem, HARDWIRED_NAME) == 0 ? "is that of the built-in key"
							    : key_name_error(stem);

	if (why != NULL)
		return add_misnamed(r, file, why);

	struct entry *e = entry_find(r, stem);

	if (e == NULL)
		e = entry_add(r, stem, KEY_FILE);
	if (e == NULL)
		return -E2BIG;
	load_file(r, e, file, old);
	return 0;
}

static int
load_dir(struct keyring *r)
{
	int fd = fcntl(r->dir_fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	int err = 0;

	if (dir == NULL) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	rewinddir(dir); /* the offset is shared with dir_fd */
	while (err == 0 && (errno = 0, de = readdir(dir)) != NULL)
		err = load_name(r, de->d_name);
	if (err == 0)
		err = -errno;
	closedir(dir);
	return err;
}

static int
load(struct keyring *r)
{
	int err = add_hardwired(r, HARDWIRED_NAME);

	if (err == 0 && r->dir_fd >= 0)
		err = load_dir(r);
	for (size_t i = 0; i < r->n; i++) {
		struct entry *e = &r->entries[i];

		if (e->old && !e->current)
			snprintf(e->info.error, sizeof(e->info.error),
			    "key file \"%s.psk\": missing, expected beside \"%s.old.psk\"",
			    e->info.name, e->info.name);
	}
	if (err == 0 && entry_find(r, KEY_DEFAULT) == NULL)
		err = add_hardwired(r, KEY_DEFAULT);
	return err;
}

int
keyring_load(struct keyring *r)
{
	struct keyring *next = calloc(1, sizeof(*next));
	int err;

	if (next == NULL)
		return -ENOMEM;
	next->dir_fd = r->dir_fd;
	err = load(next);
	if (err == 0)
		memcpy(r, next, sizeof(*r));
	keyring_free(next);
	return err;
}

struct keyring *
keyring_new(int dir_fd)
{
	struct keyring *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->dir_fd = dir_fd;
	if (dir_fd < 0 && keyring_load(r) != 0) {
		keyring_free(r);
		return NULL;
	}
	return r;
}

void
keyring_free(struct keyring *r)
{
	if (r != NULL)
		explicit_bzero(r, sizeof(*r));
	free(r);
}

size_t
keyring_count(const struct keyring *r)
{
	return r->n;
}

bool
keyring_info(const struct keyring *r, size_t i, struct key_info *out)
{
	if (i >= r->n)
		return false;
	*out = r->entries[i].info;
	return true;
}

const uint8_t *
keyring_secret(const struct keyring *r, uint32_t id)
{
	for (size_t i = 0; id != 0 && i < r->n; i++) {
		const struct entry *e = &r->entries[i];

		if (e->info.id == id)
			return e->secret;
		if (e->info.old_id == id)
			return e->old_secret;
	}
	return NULL;
}

/* The built-in key has no file to make or remove. */
static int
check_name(const struct keyring *r, const char *name)
{
	if (key_name_error(name) != NULL)
		return -EINVAL;
	if (strcmp(name, HARDWIRED_NAME) == 0)
		return -EPERM;
	return r->dir_fd < 0 ? -ENOTDIR : 0;
}

int
keyring_generate(struct keyring *r, const char *name, bool replace)
{
	int err = check_name(r, name);

	return err != 0 ? err : keystore_generate(r->dir_fd, name, replace);
}

int
keyring_retire(struct keyring *r, const char *name)
{
	int err = check_name(r, name);

	return err != 0 ? err : keystore_retire(r->dir_fd, name);
}
