/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/priv_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/privmsg.h"

static int
libc_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

const struct priv_state_calls priv_state_libc = { libc_openat, write, fsync, renameat, unlinkat };

/*
 * Without these seals the engine could change the bytes while they are read; no other kind of file
 * has any.
 */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int
priv_state_check_blob(int fd, uint64_t len)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
	    (uint64_t)st.st_size != len)
		return -EINVAL;
	return 0;
}

static int
write_all(const struct priv_state_calls *calls, int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = calls->write(fd, buf, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int
copy(const struct priv_state_calls *calls, int fd, int blob, size_t len)
{
	char buf[65536];

	for (size_t at = 0; at < len;) {
		ssize_t n = pread(blob, buf, sizeof(buf), (off_t)at);
		int err;

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		err = write_all(calls, fd, buf, (size_t)n);
		if (err)
			return err;
		at += (size_t)n;
	}
	return 0;
}

/* The new file beside the old one, on disk. */
static int
write_temp(const struct priv_state_calls *calls, int dir, int blob, size_t len)
{
	int fd = calls->openat(
	    dir, PRIV_STATE_TEMP, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = copy(calls, fd, blob, len);
	if (!err && calls->fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

int
priv_state_store(const struct priv_state_calls *calls, int dir, int blob, size_t len)
{
	int err = write_temp(calls, dir, blob, len);

	if (!err && calls->renameat(dir, PRIV_STATE_TEMP, dir, PRIV_STATE_FILE) < 0)
		err = -errno;
	if (err) {
		calls->unlinkat(dir, PRIV_STATE_TEMP, 0);
		return err;
	}
	return calls->fsync(dir) < 0 ? -errno : 0;
}

int
priv_state_open(int dir)
{
	int fd = openat(dir, PRIV_STATE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool
numbers_valid(int fd, const char *boot)
{
	struct priv_numbers n;

	return boot[0] != '\0' && pread(fd, &n, sizeof(n), 0) == sizeof(n) &&
	       strncmp(n.boot, boot, sizeof(n.boot)) == 0;
}

int
priv_numbers_open(int dir, const char *boot)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(dir, PRIV_NUMBERS_FILE, flags);
	struct priv_numbers n = { 0 };
	int err;

	if (fd >= 0 && numbers_valid(fd, boot))
		return fd;
	if (fd >= 0)
		close(fd);
	unlinkat(dir, PRIV_NUMBERS_FILE, 0);
	fd = openat(dir, PRIV_NUMBERS_FILE, flags | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -errno;
	snprintf(n.boot, sizeof(n.boot), "%s", boot);
	err = write_all(&priv_state_libc, fd, (const char *)&n, sizeof(n));
	if (err < 0)
		close(fd);
	return err < 0 ? err : fd;
}

bool
priv_numbers_lent(int fd)
{
	struct priv_numbers n;

	if (pread(fd, &n, sizeof(n), 0) != sizeof(n))
		return false;
	for (size_t i = 0; i < PRIV_NUMBERS_MAX; i++)
		if (n.sas[i].spi_in != 0 && n.sas[i].lent)
			return true;
	return false;
}

static bool
write_number(int fd, uint64_t value, size_t at)
{
	return pwrite(fd, &value, sizeof(value), (off_t)at) == sizeof(value);
}

void
priv_numbers_end(int fd, uint32_t spi_in, uint64_t kernel)
{
	struct priv_numbers n;

	if (pread(fd, &n, sizeof(n), 0) != sizeof(n))
		return;
	/* In this order. If it fails it counts as not known, which costs packets only. */
	for (size_t i = 0; i < PRIV_NUMBERS_MAX; i++)
		if (n.sas[i].spi_in == spi_in && n.sas[i].lent &&
		    write_number(fd, kernel, offsetof(struct priv_numbers, sas[i].kernel)))
			(void)write_number(fd, 0, offsetof(struct priv_numbers, sas[i].lent));
}

void
priv_state_clean(int dir)
{
	unlinkat(dir, PRIV_STATE_TEMP, 0);
}
