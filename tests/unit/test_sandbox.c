/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sandbox's tables: what no later entry may undo. That the kernel enforces them, tests/system/case_process.py shows. */

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "core/sandbox_tables.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PARENT_BIT   (1u << ROLE_PARENT)

static bool
allows(enum role r, int nr, bool any_arguments)
{
	for (size_t i = 0; i < sandbox_n_calls; i++) {
		const struct sandbox_call *c = &sandbox_calls[i];

		if (c->nr == nr && c->roles & 1u << r && (c->n_cmp == 0 || !any_arguments))
			return true;
	}
	return false;
}

static void
test_entries(void **state)
{
	(void)state;
	for (size_t i = 0; i < sandbox_n_calls; i++) {
		const struct sandbox_call *c = &sandbox_calls[i];

		assert_true(c->roles > 0 && c->roles < 1u << ROLE_COUNT);
		assert_true(c->n_cmp <= SANDBOX_CMP_MAX);
		assert_true(c->why && c->why[0]);
	}
	for (size_t i = 0; i < sandbox_n_paths; i++) {
		assert_true(sandbox_paths[i].why && sandbox_paths[i].why[0]);
		assert_int_equal(
		    sandbox_paths[i].place == PLACE_FIXED, sandbox_paths[i].path != NULL);
	}
}

/* Of a role's entries for one call, one that takes any arguments would undo the others, and two of them are one too many. */
static void
test_no_rule_undoes_another(void **state)
{
	(void)state;
	for (size_t i = 0; i < sandbox_n_calls; i++) {
		for (size_t j = 0; j < sandbox_n_calls; j++) {
			const struct sandbox_call *a = &sandbox_calls[i], *b = &sandbox_calls[j];

			if (i != j && a->nr == b->nr && a->n_cmp == 0)
				assert_int_equal(a->roles & b->roles & ~PARENT_BIT, 0);
		}
	}
}

static void
test_forbidden(void **state)
{
	static const int in_roles[] = { SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(clone),
		SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(kill),
		SCMP_SYS(setresuid), SCMP_SYS(capset), SCMP_SYS(chroot), SCMP_SYS(chown),
		SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(listen), SCMP_SYS(socketpair) };
	static const int anywhere[] = { SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev), SCMP_SYS(mount), SCMP_SYS(unshare), SCMP_SYS(setns),
		SCMP_SYS(bpf), SCMP_SYS(init_module), SCMP_SYS(finit_module),
		SCMP_SYS(io_uring_setup), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl),
		SCMP_SYS(add_key), SCMP_SYS(memfd_secret), SCMP_SYS(pidfd_getfd), SCMP_SYS(symlink),
		SCMP_SYS(mknod), SCMP_SYS(reboot) };
	static const int in_engine[] = { SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2),
		SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(ioctl),
		SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(getdents64) };

	(void)state;
	for (enum role r = ROLE_PRIV; r < ROLE_COUNT; r++) {
		for (size_t i = 0; i < ARRAY_LEN(in_roles); i++)
			assert_false(allows(r, in_roles[i], false));
	}
	for (enum role r = 0; r < ROLE_COUNT; r++) {
		for (size_t i = 0; i < ARRAY_LEN(anywhere); i++)
			assert_false(allows(r, anywhere[i], false));
	}
	for (size_t i = 0; i < ARRAY_LEN(in_engine); i++)
		assert_false(allows(ROLE_ENGINE, in_engine[i], false));
	assert_false(allows(ROLE_KEYS, SCMP_SYS(socket), false));
	assert_false(allows(ROLE_KEYS, SCMP_SYS(connect), false));
}

static void
test_filtered(void **state)
{
	static const int calls[] = { SCMP_SYS(socket), SCMP_SYS(ioctl) };

	(void)state;
	for (enum role r = ROLE_PRIV; r < ROLE_COUNT; r++) {
		for (size_t i = 0; i < ARRAY_LEN(calls); i++)
			assert_false(allows(r, calls[i], true));
		if (r != ROLE_RESOLVE)
			assert_false(
			    allows(r, SCMP_SYS(mmap), true) || allows(r, SCMP_SYS(mprotect), true));
	}
	assert_false(allows(ROLE_ENGINE, SCMP_SYS(setsockopt), true));
}

static void
test_capabilities(void **state)
{
	const uint64_t priv = 1ull << CAP_NET_ADMIN | 1ull << CAP_NET_RAW;

	(void)state;
	assert_true(sandbox_roles[ROLE_PRIV].caps == priv);
	assert_true(sandbox_roles[ROLE_KEYS].caps == 0);
	assert_true(sandbox_roles[ROLE_RESOLVE].caps == 0);
	assert_true(sandbox_roles[ROLE_ENGINE].caps == 0);
	assert_true((sandbox_bounding_caps & priv) == priv);
	assert_false(sandbox_bounding_caps & (1ull << CAP_SYS_ADMIN | 1ull << CAP_SYS_PTRACE));
	assert_false(sandbox_roles[ROLE_ENGINE].needs_files);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_no_rule_undoes_another),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_filtered),
		cmocka_unit_test(test_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
