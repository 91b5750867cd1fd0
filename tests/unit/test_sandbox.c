/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sandbox's tables: what no later entry may undo; and, where the test is root and the users exist, what a sealed role cannot do. */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/sandbox.h"
#include "core/sandbox_tables.h"
#include "sealed.h"

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
		SCMP_SYS(setresuid), SCMP_SYS(capset), SCMP_SYS(chown), SCMP_SYS(fchown),
		SCMP_SYS(fchownat), SCMP_SYS(listen), SCMP_SYS(socketpair) };
	/* sandbox.c: a role that may not call openat opens no files */
	static const int as_openat[] = { SCMP_SYS(open), SCMP_SYS(openat2), SCMP_SYS(creat),
		SCMP_SYS(open_by_handle_at), SCMP_SYS(open_tree) };
	static const int anywhere[] = { SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev), SCMP_SYS(chroot), SCMP_SYS(mount), SCMP_SYS(unshare),
		SCMP_SYS(setns), SCMP_SYS(init_module), SCMP_SYS(finit_module),
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
		for (size_t i = 0; i < ARRAY_LEN(as_openat); i++)
			assert_false(allows(r, as_openat[i], false));
	}
	for (size_t i = 0; i < ARRAY_LEN(in_engine); i++)
		assert_false(allows(ROLE_ENGINE, in_engine[i], false));
	assert_false(allows(ROLE_KEYS, SCMP_SYS(socket), false));
	assert_false(allows(ROLE_KEYS, SCMP_SYS(connect), false));
}

static void
test_filtered(void **state)
{
	static const int calls[] = { SCMP_SYS(socket), SCMP_SYS(ioctl), SCMP_SYS(bpf) };

	(void)state;
	for (enum role r = ROLE_PRIV; r < ROLE_COUNT; r++) {
		for (size_t i = 0; i < ARRAY_LEN(calls); i++)
			assert_false(allows(r, calls[i], true));
		assert_int_equal(allows(r, SCMP_SYS(bpf), false), r == ROLE_PRIV);
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
	assert_true(sandbox_start_caps ==
		    (priv | 1ull << CAP_SETPCAP | 1ull << CAP_SETUID | 1ull << CAP_SETGID));
}

/* --- sealed processes --- */

static int
do_open_etc(void)
{
	return outcome(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int
do_make_file(void)
{
	return outcome(open("/var/tmp/vnet-test-sandbox", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int
do_udp(void)
{
	return outcome(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int
do_packet_socket(void)
{
	return outcome(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int
do_connect_http(void)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(80),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return outcome(connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    (const struct sockaddr *)&sin, sizeof(sin)));
}

static int
do_ioctl(void)
{
	int n;

	return outcome(ioctl(STDERR_FILENO, FIONBIO, &n));
}

static int
do_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		       MAP_FAILED
		   ? REFUSED
		   : DONE;
}

static int
do_map_data(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		       MAP_FAILED
		   ? REFUSED
		   : DONE;
}

static int
do_fork(void)
{
	return outcome(fork());
}

static int
do_exec(void)
{
	return outcome(execl("/bin/true", "true", NULL));
}

static int
do_become_root(void)
{
	return outcome(setresuid(0, 0, 0));
}

static int
do_signal_parent(void)
{
	return outcome(kill(getppid(), 0));
}

static int
do_memfd(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return outcome(ftruncate(fd, 4096) < 0 ? -1 : fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

static int
compare_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 1);
}

static int
do_sort(void)
{
	static uint8_t list[1u << 16];

	qsort(list, sizeof(list), 1, compare_bytes);
	return DONE;
}

static int
do_find_device(void)
{
	return if_nametoindex("lo") ? DONE : REFUSED;
}

/* The second of what libc does when it cannot go on; the first is to say so. */
static int
do_abort(void)
{
	abort();
}

static int
do_free_twice(void)
{
	void *volatile p = malloc(1);

	free(p);
	free(p);
	return DONE;
}

static void
test_sealed(void **state)
{
	static const struct {
		enum role role;
		deed_fn *deed;
		int outcome;
	} cases[] = {
		{ ROLE_ENGINE, do_abort, ABORTED },
		{ ROLE_ENGINE, do_free_twice, ABORTED },
		{ ROLE_KEYS, do_free_twice, ABORTED },
		{ ROLE_PRIV, do_free_twice, ABORTED },
		{ ROLE_RESOLVE, do_free_twice, ABORTED },
		{ ROLE_ENGINE, do_map_data, DONE },
		{ ROLE_ENGINE, do_memfd, DONE },
		{ ROLE_ENGINE, do_sort, DONE },
		{ ROLE_ENGINE, do_map_code, KILLED },
		{ ROLE_ENGINE, do_udp, KILLED },
		{ ROLE_ENGINE, do_ioctl, KILLED },
		{ ROLE_ENGINE, do_exec, KILLED },
		{ ROLE_KEYS, do_udp, KILLED },
		{ ROLE_KEYS, do_map_code, KILLED },
		{ ROLE_PRIV, do_udp, DONE },
		{ ROLE_PRIV, do_packet_socket, KILLED },
		{ ROLE_PRIV, do_ioctl, KILLED },
		{ ROLE_PRIV, do_exec, KILLED },
		{ ROLE_PRIV, do_become_root, KILLED },
		{ ROLE_RESOLVE, do_udp, DONE },
		{ ROLE_RESOLVE, do_packet_socket, KILLED },
		{ ROLE_RESOLVE, do_open_etc, DONE },
		{ ROLE_RESOLVE, do_find_device, DONE },
		{ ROLE_RESOLVE, do_fork, KILLED },
		{ ROLE_RESOLVE, do_exec, KILLED },
		{ ROLE_RESOLVE, do_signal_parent, KILLED },
	};
	static const struct {
		enum role role;
		deed_fn *deed;
		int outcome;
		int abi;
	} landlock_cases[] = {
		{ ROLE_PRIV, do_open_etc, DENIED, 1 },
		{ ROLE_PRIV, do_make_file, DENIED, 1 },
		{ ROLE_KEYS, do_open_etc, DENIED, 1 },
		{ ROLE_RESOLVE, do_make_file, DENIED, 1 },
		{ ROLE_RESOLVE, do_connect_http, DENIED, 4 },
	};

	(void)state;
	if (!seal_prepare())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(sealed(cases[i].role, cases[i].deed), cases[i].outcome);
	for (size_t i = 0; i < ARRAY_LEN(landlock_cases); i++) {
		if (landlock_abi() >= landlock_cases[i].abi)
			assert_int_equal(sealed(landlock_cases[i].role, landlock_cases[i].deed),
			    landlock_cases[i].outcome);
	}
	seal_done();
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
		cmocka_unit_test(test_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
