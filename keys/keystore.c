/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keystore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/siphash.h"

#define FILE_NAME_SIZE (KEY_NAME_MAX + sizeof(KEYSTORE_OLD KEYSTORE_SUFFIX))

struct error {
	char *text; /* KEY_ERROR_MAX bytes */
	const char *file;
};

static bool refuse(const struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool
refuse(const struct error *e, const char *fmt, ...)
{
	int n = snprintf(e->text, KEY_ERROR_MAX, "key file \"%s\": ", e->file);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text + n, (size_t)(KEY_ERROR_MAX - n), fmt, ap);
	va_end(ap);
	return false;
}

static bool
check_stat(int fd, const struct error *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return refuse(e, "%s", strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(e, "not a plain file");
	if (st.st_uid != geteuid())
		return refuse(e, "owned by uid %u, expected uid %u", st.st_uid, geteuid());
	if ((st.st_mode & 077) != 0)
		return refuse(e, "mode %04o lets others %s it, expected 0600", st.st_mode & 07777,
		    (st.st_mode & 044) != 0 ? "read" : "write");
	return true;
}

/* The whole file, at most size bytes of it. Bytes read, or -1. */
static ssize_t
read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static bool
read_secret(int fd, uint8_t secret[static KEYFILE_SECRET_LEN], const struct error *e)
{
	char text[KEYFILE_SIZE_MAX + 1];
	ssize_t len = read_all(fd, text, sizeof(text));
	int err = errno;
	unsigned line = 0;
	enum keyfile_verdict v = keyfile_parse(text, len < 0 ? 0 : (size_t)len, secret, &line);

	explicit_bzero(text, sizeof(text)); /* a failed read may have left a part in it */
	if (len < 0)
		return refuse(e, "%s", strerrordesc_np(err));
	if (v == KEYFILE_OK)
		return true;
	if (line == 0)
		return refuse(e, "%s", keyfile_verdict_text(v));
	return refuse(e, "line %u: %s", line, keyfile_verdict_text(v));
}

bool
keystore_read(int dir_fd, const char *file, uint8_t secret[static KEYFILE_SECRET_LEN],
    char error[static KEY_ERROR_MAX])
{
	const struct error e = { .text = error, .file = file };
	/* O_NONBLOCK: a FIFO must not hold us up before fstat shows what it is. */
	int fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool ok;

	explicit_bzero(secret, KEYFILE_SECRET_LEN);
	if (fd < 0 && errno == ELOOP)
		return refuse(&e, "a symbolic link, expected a plain file");
	if (fd < 0)
		return refuse(&e, "cannot be opened: %s", strerrordesc_np(errno));
	ok = check_stat(fd, &e) && read_secret(fd, secret, &e);
	close(fd);
	return ok;
}

static void
file_name(char out[static FILE_NAME_SIZE], const char *name, const char *suffix)
{
	snprintf(out, FILE_NAME_SIZE, "%s%s", name, suffix);
}

static int
remove_file(int dir_fd, const char *file)
{
	return unlinkat(dir_fd, file, 0) == 0 ? 0 : -errno;
}

/* Takes away what a crash may have left of an earlier attempt. */
static int
remove_leftover(int dir_fd, const char *file)
{
	int err = remove_file(dir_fd, file);

	return err == -ENOENT ? 0 : err;
}

static int
sync_dir(int dir_fd)
{
	return fsync(dir_fd) == 0 ? 0 : -errno;
}

static void
random_text(char text[static 2 * KEYFILE_SECRET_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t secret[KEYFILE_SECRET_LEN];

	random_bytes(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++) {
		text[2 * i] = digits[secret[i] >> 4];
		text[2 * i + 1] = digits[secret[i] & 15];
	}
	text[2 * sizeof(secret)] = '\n';
	explicit_bzero(secret, sizeof(secret));
}

/* A file with a new key in it, on the disk before this returns. */
static int
write_new(int dir_fd, const char *file)
{
	char text[2 * KEYFILE_SECRET_LEN + 1];
	int err = remove_leftover(dir_fd, file);
	int fd = err != 0 ? -1
			  : openat(dir_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err != 0 ? err : -errno;
	random_text(text);

	ssize_t n = write(fd, text, sizeof(text));

	if (n != (ssize_t)sizeof(text))
		err = n < 0 ? -errno : -ENOSPC;
	else if (fsync(fd) != 0)
		err = -errno;
	explicit_bzero(text, sizeof(text));
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err != 0)
		remove_file(dir_fd, file);
	return err;
}

/*
 * Makes NAME.old.psk a second name of the present NAME.psk, which stays. rename(2) of two names of
 * one file does nothing (a crash after this may have left them so), hence the last removal.
 */
static int
keep_old(int dir_fd, const char *name)
{
	char current[FILE_NAME_SIZE], link[FILE_NAME_SIZE], old[FILE_NAME_SIZE];
	int err;

	file_name(current, name, KEYSTORE_SUFFIX);
	file_name(link, name, ".link");
	file_name(old, name, KEYSTORE_OLD KEYSTORE_SUFFIX);
	err = remove_leftover(dir_fd, link);
	if (err != 0)
		return err;
	if (linkat(dir_fd, current, dir_fd, link, 0) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (renameat(dir_fd, link, dir_fd, old) != 0)
		err = -errno;
	remove_leftover(dir_fd, link);
	return err;
}

/* Each step leaves NAME.psk whole: the present one, or from the last on the new one. */
int
keystore_generate(int dir_fd, const char *name, bool replace)
{
	char current[FILE_NAME_SIZE], new[FILE_NAME_SIZE];
	int err;

	file_name(current, name, KEYSTORE_SUFFIX);
	file_name(new, name, ".new");
	err = write_new(dir_fd, new);
	if (err != 0)
		return err;
	if (replace) {
		err = keep_old(dir_fd, name);
		if (err == 0 && renameat(dir_fd, new, dir_fd, current) != 0)
			err = -errno;
	} else if (linkat(dir_fd, new, dir_fd, current, 0) !=
		   0) { /* unlike rename, refuses to overwrite */
		err = -errno;
	}
	if (!replace || err != 0)
		remove_file(dir_fd, new);
	return err != 0 ? err : sync_dir(dir_fd);
}

int
keystore_retire(int dir_fd, const char *name)
{
	char old[FILE_NAME_SIZE];
	int err;

	file_name(old, name, KEYSTORE_OLD KEYSTORE_SUFFIX);
	err = remove_file(dir_fd, old);
	return err != 0 ? err : sync_dir(dir_fd);
}
