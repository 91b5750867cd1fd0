/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keys/hardwired.h"
#include "unhex.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* A directory, open, and a ring over it: the fixture of each test. */
static int dir;
static struct keyring *ring;

/* Stands for a crash: the process ends before the change to the directory that counts this down to zero. */
static int crash_after = -1;

static void
maybe_crash(void)
{
	if (crash_after >= 0 && crash_after-- == 0)
		_exit(1);
}

int
linkat(int ofd, const char *old, int nfd, const char *new, int flags)
{
	maybe_crash();
	return (int)syscall(SYS_linkat, ofd, old, nfd, new, flags);
}

int
renameat(int ofd, const char *old, int nfd, const char *new)
{
	maybe_crash();
	return (int)syscall(SYS_renameat, ofd, old, nfd, new);
}

int
unlinkat(int fd, const char *name, int flags)
{
	maybe_crash();
	return (int)syscall(SYS_unlinkat, fd, name, flags);
}

int
fsync(int fd)
{
	maybe_crash();
	return (int)syscall(SYS_fsync, fd);
}

static int
setup(void **state)
{
	char path[] = "test_keyring.XXXXXX";

	(void)state;
	umask(022);
	if (mkdtemp(path) == NULL)
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = strdup(path);
	ring = keyring_new(dir);
	return dir < 0 || *state == NULL || ring == NULL;
}

static int
teardown(void **state)
{
	char cmd[128];

	keyring_free(ring);
	close(dir);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", (char *)*state);
	free(*state);
	return system(cmd);
}

static void
put(const char *file, const char *text, mode_t mode)
{
	int fd = openat(dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct key_info
info(const char *name)
{
	struct key_info found;

	for (size_t i = 0; i < keyring_count(ring); i++) {
		assert_true(keyring_info(ring, i, &found));
		if (strcmp(found.name, name) == 0)
			return found;
	}
	fail_msg("no key %s", name);
	abort();
}

static struct key_info
load_one(const char *name)
{
	assert_int_equal(keyring_load(ring), 0);
	return info(name);
}

static void
assert_secret(uint32_t id, const char *hex)
{
	uint8_t want[KEYFILE_SECRET_LEN];
	const uint8_t *got = keyring_secret(ring, id);

	unhex(hex, want, sizeof(want));
	assert_non_null(got);
	assert_memory_equal(got, want, sizeof(want));
}

static void
test_builtin(void **state)
{
	struct keyring *bare = keyring_new(-1);
	struct key_info a, b, c;

	(void)state;
	assert_non_null(bare);
	assert_int_equal(keyring_count(bare), 2);
	assert_true(keyring_info(bare, 0, &a) && keyring_info(bare, 1, &b));
	assert_false(keyring_info(bare, 2, &c));
	assert_string_equal(a.name, KEY_DEFAULT);
	assert_string_equal(b.name, HARDWIRED_NAME);
	assert_int_equal(a.id, b.id);
	assert_int_equal(a.id,
	    0xc921941f); /* printf 'vnet key id' | openssl mac -digest SHA256 -macopt key:TEXT HMAC */
	assert_int_equal(a.source, KEY_HARDWIRED);
	assert_int_equal(b.source, KEY_HARDWIRED);
	assert_memory_equal(keyring_secret(bare, a.id), hardwired_key, sizeof(hardwired_key));
	assert_null(keyring_secret(bare, 0));
	assert_null(keyring_secret(bare, a.id + 1));
	assert_int_equal(keyring_generate(bare, "site", false), -ENOTDIR);
	assert_int_equal(keyring_retire(bare, "site"), -ENOTDIR);
	keyring_free(bare);
	keyring_free(NULL);
}

static void
test_files(void **state)
{
	struct key_info site, def;

	(void)state;
	put("site.psk", "# ours\n" HEX_A "\n", 0600);
	put("site.old.psk", HEX_B, 0400);
	put("README", "not a key", 0644);
	put("site.psk~", "not a key", 0644);
	site = load_one("site");
	assert_int_equal(site.source, KEY_FILE);
	assert_string_equal(site.error, "");
	assert_secret(site.id, HEX_A);
	assert_secret(site.old_id, HEX_B);
	assert_int_not_equal(site.id, site.old_id);
	def = info(KEY_DEFAULT);
	assert_int_equal(def.source, KEY_HARDWIRED);
	assert_int_equal(def.id, info(HARDWIRED_NAME).id);
	assert_int_equal(keyring_count(ring), 3);

	put("default.psk", HEX_B, 0600);
	def = load_one(KEY_DEFAULT);
	assert_int_equal(def.source, KEY_FILE);
	assert_int_equal(def.id, site.old_id);
}

static void
test_sorted_by_name(void **state)
{
	static const char *const names[] = { "b", "Z", "zz", "a", "m-1", "m_1" };
	struct key_info before = { .name = "" }, now;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char file[KEY_NAME_MAX + 8];

		snprintf(file, sizeof(file), "%s.psk", names[i]);
		put(file, HEX_A, 0600);
	}
	assert_int_equal(keyring_load(ring), 0);
	assert_int_equal(keyring_count(ring), 8);
	for (size_t i = 0; keyring_info(ring, i, &now); i++) {
		assert_true(strcmp(before.name, now.name) < 0);
		before = now;
	}
}

static void
test_refused_files(void **state)
{
	char big[KEYFILE_SIZE_MAX + 2];

	(void)state;
	memset(big, '\n', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	put("open.psk", HEX_A, 0644);
	put("group.psk", HEX_A, 0620);
	put("short.psk", "\n0123", 0600);
	put("empty.psk", "", 0600);
	put("big.psk", big, 0600);
	assert_int_equal(mkdirat(dir, "dir.psk", 0700), 0);
	assert_int_equal(mkfifoat(dir, "fifo.psk", 0600), 0);
	assert_int_equal(symlinkat("open.psk", dir, "link.psk"), 0);
	assert_int_equal(keyring_load(ring), 0);

	const struct {
		const char *name, *error;
	} cases[] = {
		{ "open", "key file \"open.psk\": mode 0644 lets others read it, expected 0600" },
		{ "group",
		    "key file \"group.psk\": mode 0620 lets others write it, expected 0600" },
		{ "short", "key file \"short.psk\": line 2: too few or too many digits, expected "
			   "64 hex digits" },
		{ "empty", "key file \"empty.psk\": no key, expected 64 hex digits" },
		{ "big", "key file \"big.psk\": more than 4096 bytes, expected one line of 64 hex "
			 "digits" },
		{ "dir", "key file \"dir.psk\": not a plain file" },
		{ "fifo", "key file \"fifo.psk\": not a plain file" },
		{ "link", "key file \"link.psk\": a symbolic link, expected a plain file" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key_info k = info(cases[i].name);

		assert_string_equal(k.error, cases[i].error);
		assert_int_equal(k.id, 0);
		assert_int_equal(k.source, KEY_FILE);
	}
}

static void
test_another_owner(void **state)
{
	struct key_info k;
	char want[KEY_ERROR_MAX];

	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can give files away */
	put("site.psk", HEX_A, 0600);
	assert_int_equal(fchownat(dir, "site.psk", 12345, (gid_t)-1, 0), 0);
	k = load_one("site");
	snprintf(want, sizeof(want), "key file \"site.psk\": owned by uid 12345, expected uid %u",
	    geteuid());
	assert_string_equal(k.error, want);
	assert_int_equal(k.id, 0);
}

/* Nothing that is wrong with default.psk may bring the public key back. */
static void
test_broken_default(void **state)
{
	struct key_info k;

	(void)state;
	put("default.psk", HEX_A, 0640);
	k = load_one(KEY_DEFAULT);
	assert_int_equal(k.id, 0);
	assert_int_equal(k.source, KEY_FILE);
	assert_string_not_equal(k.error, "");

	assert_int_equal(renameat(dir, "default.psk", dir, "default.old.psk"), 0);
	assert_int_equal(fchmodat(dir, "default.old.psk", 0600, 0), 0);
	k = load_one(KEY_DEFAULT);
	assert_int_equal(k.id, 0);
	assert_secret(k.old_id, HEX_A);
	assert_string_equal(
	    k.error, "key file \"default.psk\": missing, expected beside \"default.old.psk\"");
}

static void
test_broken_old(void **state)
{
	struct key_info k;

	(void)state;
	put("site.psk", HEX_A, 0600);
	put("site.old.psk", "?", 0600);
	k = load_one("site");
	assert_secret(k.id, HEX_A);
	assert_int_equal(k.old_id, 0);
	assert_string_equal(k.error, "key file \"site.old.psk\": line 1: a character that is not a "
				     "hex digit, expected 64 hex digits");
	put("site.psk", "", 0600);
	assert_string_equal(
	    load_one("site").error, "key file \"site.psk\": no key, expected 64 hex digits");
}

static void
test_misnamed_files(void **state)
{
	(void)state;
	put("my key.psk", HEX_A, 0600);
	put("hardwired.psk", HEX_A, 0600);
	put(".psk", HEX_A, 0600);
	put("a\n\xff.psk", HEX_A, 0600);
	put("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.psk", HEX_A, 0600);
	assert_string_equal(load_one("my key.psk").error,
	    "key file \"my key.psk\": its name has a character other "
	    "than letters, digits, - and _, expected NAME.psk");
	assert_string_equal(info("hardwired.psk").error,
	    "key file \"hardwired.psk\": its name is that of the built-in key, expected NAME.psk");
	assert_int_equal(info(HARDWIRED_NAME).source, KEY_HARDWIRED);
	assert_string_equal(
	    info(".psk").error, "key file \".psk\": its name is empty, expected NAME.psk");
	assert_int_equal(info("a??.psk").id, 0);
	assert_string_equal(info("aaaaaaaaaaaaaaaaaaaaaaaaaaaa...").error,
	    "key file \"aaaaaaaaaaaaaaaaaaaaaaaaaaaa...\": its name is longer than 31 characters, "
	    "expected NAME.psk");
}

static void
test_too_many(void **state)
{
	(void)state;
	put("site.psk", HEX_A, 0600);
	assert_int_equal(keyring_load(ring), 0);
	for (int i = 0; i < KEYRING_MAX; i++) {
		char file[32];

		snprintf(file, sizeof(file), "k%d.psk", i);
		put(file, HEX_B, 0600);
		if (i == KEYRING_MAX - 4)
			assert_int_equal(keyring_load(ring),
			    0); /* with site, default and hardwired it is full */
	}
	assert_int_equal(keyring_load(ring), -E2BIG);
	assert_int_equal(keyring_count(ring), KEYRING_MAX); /* as it was */
	assert_secret(info("site").id, HEX_A);
}

static void
test_names(void **state)
{
	(void)state;
	assert_null(key_name_error("a"));
	assert_null(key_name_error("Site-1_b"));
	assert_null(key_name_error("0123456789012345678901234567890"));
	assert_string_equal(key_name_error(""), "is empty");
	assert_string_equal(
	    key_name_error("01234567890123456789012345678901"), "is longer than 31 characters");
	assert_non_null(key_name_error("a.old"));
	assert_non_null(key_name_error("../a"));
	assert_non_null(key_name_error("a/b"));
	assert_non_null(key_name_error("a b"));
	assert_non_null(key_name_error("\xc3\xa4"));
}

static void
test_generate(void **state)
{
	struct key_info first, second, third;
	struct stat st;

	(void)state;
	assert_int_equal(keyring_generate(ring, "site", false), 0);
	assert_int_equal(fstatat(dir, "site.psk", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_nlink, 1);
	first = load_one("site");
	assert_string_equal(first.error, "");
	assert_int_not_equal(first.id, 0);

	assert_int_equal(keyring_generate(ring, "site", false), -EEXIST);
	assert_int_equal(load_one("site").id, first.id);
	assert_int_equal(info("site").old_id, 0);

	assert_int_equal(keyring_generate(ring, "site", true), 0);
	second = load_one("site");
	assert_int_not_equal(second.id, first.id);
	assert_int_equal(second.old_id, first.id);

	assert_int_equal(keyring_generate(ring, "site", true), 0);
	third = load_one("site");
	assert_int_equal(third.old_id, second.id);
	assert_null(keyring_secret(ring, first.id));

	assert_int_equal(keyring_retire(ring, "site"), 0);
	assert_int_equal(load_one("site").old_id, 0);
	assert_int_equal(info("site").id, third.id);
	assert_int_equal(keyring_retire(ring, "site"), -ENOENT);

	assert_int_equal(keyring_generate(ring, "fresh", true), 0); /* nothing to replace */
	assert_int_equal(load_one("fresh").old_id, 0);
	assert_int_equal(keyring_count(ring), 4); /* and no other file was left */
}

/* What a crash just before the last step of a replacement leaves: two names of one file. */
static void
test_replace_after_crash(void **state)
{
	struct stat st;

	(void)state;
	put("site.psk", HEX_A, 0600);
	assert_int_equal(linkat(dir, "site.psk", dir, "site.old.psk", 0), 0);
	put("site.new", "half a k", 0600);
	put("site.link", "", 0600);
	assert_int_equal(keyring_generate(ring, "site", true), 0);
	assert_secret(load_one("site").old_id, HEX_A);
	assert_int_not_equal(info("site").id, info("site").old_id);
	assert_int_equal(faccessat(dir, "site.new", F_OK, 0), -1);
	assert_int_equal(faccessat(dir, "site.link", F_OK, 0), -1);
	assert_int_equal(fstatat(dir, "site.old.psk", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
}

static void
test_generate_refused(void **state)
{
	(void)state;
	assert_int_equal(keyring_generate(ring, HARDWIRED_NAME, true), -EPERM);
	assert_int_equal(keyring_retire(ring, HARDWIRED_NAME), -EPERM);
	assert_int_equal(keyring_generate(ring, "../x", false), -EINVAL);
	assert_int_equal(keyring_retire(ring, ""), -EINVAL);
}

/* In a child that ends before its n-th change of the directory. True: it came to the end. */
static bool
generate_until(int n, bool replace)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		crash_after = n;
		_exit(keyring_generate(ring, "site", replace) == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 0, 1);
	return WEXITSTATUS(status) == 0;
}

static void
test_crash_while_replacing(void **state)
{
	uint32_t id, old_id;
	bool done = false;
	int n;

	(void)state;
	assert_int_equal(keyring_generate(ring, "site", false), 0);
	assert_int_equal(keyring_generate(ring, "site", true), 0);
	id = load_one("site").id;
	old_id = info("site").old_id;
	for (n = 0; !done; n++) {
		done = generate_until(n, true);

		struct key_info k = load_one("site");

		assert_string_equal(k.error, "");
		assert_int_not_equal(k.id, 0);
		if (k.id == id)
			assert_true(k.old_id == old_id || k.old_id == id);
		else
			assert_int_equal(k.old_id, id); /* nobody is locked out by the new key */
		assert_int_equal(keyring_count(ring), 3);
		id = k.id;
		old_id = k.old_id;
	}
	assert_true(n > 6);
	assert_int_equal(faccessat(dir, "site.new", F_OK, 0), -1);
	assert_int_equal(faccessat(dir, "site.link", F_OK, 0), -1);
}

static void
test_crash_while_making(void **state)
{
	bool done = false;

	(void)state;
	for (int n = 0; !done; n++) {
		unlinkat(dir, "site.psk", 0);
		done = generate_until(n, false);
		assert_int_equal(keyring_load(ring), 0);
		if (keyring_count(ring) == 3)
			assert_string_equal(info("site").error, "");
		else
			assert_int_equal(keyring_count(ring), 2);
	}
	assert_int_not_equal(info("site").id, 0);
	assert_int_equal(faccessat(dir, "site.new", F_OK, 0), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_builtin),
		TEST(test_files),
		TEST(test_sorted_by_name),
		TEST(test_refused_files),
		TEST(test_another_owner),
		TEST(test_broken_default),
		TEST(test_broken_old),
		TEST(test_misnamed_files),
		TEST(test_too_many),
		TEST(test_names),
		TEST(test_generate),
		TEST(test_replace_after_crash),
		TEST(test_generate_refused),
		TEST(test_crash_while_replacing),
		TEST(test_crash_while_making),
	};

	if (!noise_global_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
