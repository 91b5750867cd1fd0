/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every call that changes the disk fails once, and is once the last before a crash: the state is the old or the new one, whole. */
#include "core/priv_state.h"
#include "core/privmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define LEN   200000 /* several writes */

static char name[] = "/tmp/test_priv_state.XXXXXX";
static int dir;

static int
make_blob(char fill, size_t len, int seals)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	char *bytes = malloc(len + 1);

	assert_true(fd >= 0 && bytes);
	memset(bytes, fill, len);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	free(bytes);
	return fd;
}

/* --- faults --- */

enum fault { FAULT_NONE, FAULT_ONCE, FAULT_CRASH };

static enum fault fault;
static unsigned calls_left; /* until it strikes */
static unsigned n_calls;
static bool struck;

static bool
strikes(void)
{
	n_calls++;
	if (fault == FAULT_NONE || (struck && fault == FAULT_ONCE))
		return false;
	if (!struck && calls_left-- > 0)
		return false;
	struck = true;
	errno = ENOSPC;
	return true;
}

static int
faulty_openat(int d, const char *path, int flags, mode_t mode)
{
	return strikes() ? -1 : openat(d, path, flags, mode);
}

/* Half of what should be written is, when it strikes and at other times. */
static ssize_t
faulty_write(int fd, const void *buf, size_t len)
{
	if (!strikes())
		return write(fd, buf, len > 1 ? len / 2 : len);
	if (write(fd, buf, len / 2) < 0)
		return -1;
	errno = ENOSPC;
	return -1;
}

static int
faulty_fsync(int fd)
{
	return strikes() ? -1 : fsync(fd);
}

static int
faulty_renameat(int d1, const char *from, int d2, const char *to)
{
	return strikes() ? -1 : renameat(d1, from, d2, to);
}

static int
faulty_unlinkat(int d, const char *path, int flags)
{
	return strikes() ? -1 : unlinkat(d, path, flags);
}

static const struct priv_state_calls faulty = { faulty_openat, faulty_write, faulty_fsync,
	faulty_renameat, faulty_unlinkat };

/* What all of the state file consists of; '?' if not of one kind of bytes, '-' if there is none. */
static char
content(size_t len)
{
	int fd = priv_state_open(dir);
	char *bytes = malloc(len + 1), c;

	assert_non_null(bytes);
	if (fd < 0) {
		free(bytes);
		return fd == -ENOENT ? '-' : '?';
	}
	c = read(fd, bytes, len + 1) == (ssize_t)len ? bytes[0] : '?';
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != c)
			c = '?';
	}
	close(fd);
	free(bytes);
	return c;
}

static bool
has_temp(void)
{
	return faccessat(dir, PRIV_STATE_TEMP, F_OK, 0) == 0;
}

static int
store(char fill, size_t len)
{
	int blob = make_blob(fill, len, SEALS), err;

	n_calls = 0;
	struck = false;
	err = priv_state_store(&faulty, dir, blob, len);
	close(blob);
	return err;
}

static void
try_fault(enum fault kind, unsigned at, unsigned renamed_at)
{
	int err;
	char c;

	fault = FAULT_NONE;
	assert_int_equal(store('o', LEN), 0);
	fault = kind;
	calls_left = at;
	err = store('n', LEN);
	c = content(LEN);
	assert_int_equal(err, -ENOSPC);
	/* New only if nothing but the directory's fsync was missing. */
	assert_int_equal(c, at > renamed_at ? 'n' : 'o');
	if (kind == FAULT_ONCE)
		assert_false(has_temp());
	priv_state_clean(dir);
	assert_false(has_temp());
	assert_int_equal(content(LEN), c);
}

static void
test_faults(void **state)
{
	unsigned total;

	(void)state;
	fault = FAULT_NONE;
	assert_int_equal(store('o', LEN), 0);
	total = n_calls; /* the last two are rename and the directory's fsync */
	assert_true(total > 10);
	for (unsigned at = 0; at < total; at++) {
		try_fault(FAULT_ONCE, at, total - 2);
		try_fault(FAULT_CRASH, at, total - 2);
	}
}

static void
test_store(void **state)
{
	struct stat st;

	(void)state;
	fault = FAULT_NONE;
	unlinkat(dir, PRIV_STATE_FILE, 0);
	assert_int_equal(content(1), '-');
	assert_int_equal(store('a', 5), 0);
	assert_int_equal(content(5), 'a');
	assert_int_equal(fstatat(dir, PRIV_STATE_FILE, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(store('b', 0), 0);
	assert_int_equal(fstatat(dir, PRIV_STATE_FILE, &st, 0), 0);
	assert_int_equal(st.st_size, 0);
	/* What an earlier crash left is no obstacle, nor a way elsewhere. */
	assert_int_equal(
	    close(openat(dir, PRIV_STATE_TEMP, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	assert_int_equal(store('c', 3), 0);
	assert_int_equal(symlinkat("elsewhere", dir, PRIV_STATE_TEMP), 0);
	assert_int_equal(store('d', 3), -ELOOP);
	assert_int_equal(faccessat(dir, "elsewhere", F_OK, 0), -1);
	assert_int_equal(content(3), 'c');
	assert_int_equal(store('d', 3), 0);
	assert_int_equal(content(3), 'd');
}

static void
test_blobs(void **state)
{
	static const int weak[] = { 0, F_SEAL_WRITE, F_SEAL_SHRINK | F_SEAL_GROW,
		F_SEAL_SHRINK | F_SEAL_WRITE, F_SEAL_GROW | F_SEAL_WRITE };
	int blob = make_blob('x', 10, SEALS);

	(void)state;
	assert_int_equal(priv_state_check_blob(blob, 10), 0);
	assert_int_equal(priv_state_check_blob(blob, 9), -EINVAL);
	assert_int_equal(priv_state_check_blob(blob, 11), -EINVAL);
	close(blob);
	assert_int_equal(priv_state_check_blob(blob, 10), -EINVAL);
	assert_int_equal(priv_state_check_blob(dir, 10), -EINVAL);
	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		blob = make_blob('x', 10, weak[i]);
		assert_int_equal(priv_state_check_blob(blob, 10), -EINVAL);
		close(blob);
	}
}

static uint64_t
received(int fd)
{
	struct priv_numbers n;

	assert_int_equal(pread(fd, &n, sizeof(n), 0), sizeof(n));
	return n.sas[3].received;
}

/* What is there stays through restarts, but not through a boot, nor if it is not whole. */
static void
test_numbers(void **state)
{
	const uint64_t value = 77;
	const off_t at = offsetof(struct priv_numbers, sas[3].received);
	struct stat st;
	int fd = priv_numbers_open(dir, "boot a");

	(void)state;
	assert_true(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600);
	assert_int_equal(received(fd), 0);
	assert_int_equal(pwrite(fd, &value, sizeof(value), at), sizeof(value));
	close(fd);
	fd = priv_numbers_open(dir, "boot a");
	assert_int_equal(received(fd), 77);
	close(fd);
	fd = priv_numbers_open(dir, "boot b");
	assert_int_equal(received(fd), 0);
	assert_int_equal(pwrite(fd, &value, sizeof(value), at), sizeof(value));
	assert_int_equal(ftruncate(fd, sizeof(struct priv_numbers) - 1), 0);
	close(fd);
	fd = priv_numbers_open(dir, "boot b");
	assert_int_equal(received(fd), 0);
	assert_int_equal(pwrite(fd, &value, sizeof(value), at), sizeof(value));
	close(fd);
	/* Where the boot is not known nothing is believed. */
	fd = priv_numbers_open(dir, "");
	assert_int_equal(received(fd), 0);
	assert_int_equal(pwrite(fd, &value, sizeof(value), at), sizeof(value));
	close(fd);
	fd = priv_numbers_open(dir, "");
	assert_int_equal(received(fd), 0);
	close(fd);
	unlinkat(dir, PRIV_NUMBERS_FILE, 0);
	assert_int_equal(symlinkat("/dev/null", dir, PRIV_NUMBERS_FILE), 0);
	fd = priv_numbers_open(dir, "boot a");
	assert_int_equal(received(fd), 0);
	close(fd);
	unlinkat(dir, PRIV_NUMBERS_FILE, 0);
	assert_int_equal(priv_numbers_open(-1, "boot a"), -EBADF);
}

static struct priv_number
number(int fd, size_t i)
{
	struct priv_numbers n;

	assert_int_equal(pread(fd, &n, sizeof(n), 0), sizeof(n));
	return n.sas[i];
}

static void
put_number(int fd, size_t i, uint32_t spi, bool lent)
{
	const struct priv_number n = { spi, spi + 1, 5, 0, lent };

	assert_int_equal(
	    pwrite(fd, &n, sizeof(n), (off_t)(offsetof(struct priv_numbers, sas) + i * sizeof(n))),
	    sizeof(n));
}

/* Only what is lent gets its last number, once. */
static void
test_lent_numbers(void **state)
{
	int fd = priv_numbers_open(dir, "boot a");

	(void)state;
	assert_true(fd >= 0);
	assert_false(priv_numbers_lent(fd));
	put_number(fd, 2, 0x1001, false);
	put_number(fd, 3, 0x1003, true);
	put_number(fd, 4, 0, true);
	assert_true(priv_numbers_lent(fd));
	priv_numbers_end(fd, 0x1001, 9);
	priv_numbers_end(fd, 0x1002, 9);
	assert_int_equal(number(fd, 2).kernel, 0);
	assert_true(number(fd, 3).lent && number(fd, 3).kernel == 0);
	priv_numbers_end(fd, 0x1003, 9);
	assert_true(!number(fd, 3).lent && number(fd, 3).kernel == 9);
	assert_int_equal(number(fd, 3).received, 5);
	priv_numbers_end(fd, 0x1003, 8);
	assert_int_equal(number(fd, 3).kernel, 9);
	assert_false(priv_numbers_lent(fd));
	close(fd);
	assert_false(priv_numbers_lent(-1));
	unlinkat(dir, PRIV_NUMBERS_FILE, 0);
}

static int
group_setup(void **state)
{
	(void)state;
	dir = mkdtemp(name) ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return dir < 0 ? -1 : 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	unlinkat(dir, PRIV_STATE_FILE, 0);
	close(dir);
	return rmdir(name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_blobs),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_lent_numbers),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
