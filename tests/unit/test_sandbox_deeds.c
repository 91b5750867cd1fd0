/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What each sealed role must not be able to do, done: by system calls as an intruder would make
 * them, with descriptors that it might have got at. Needs root and the users of vnetd.
 */

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "sealed.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Opened before the seal. */
static int tun_fd, route_fd;

/* --- calls that nobody may make, with arguments that would work --- */

static const struct {
	const char *name;
	long call, arg[5];
} forbidden[] = {
	{ "ptrace", SYS_ptrace, { PTRACE_TRACEME } },
	{ "ptrace of the parent", SYS_ptrace, { PTRACE_SEIZE, 1 } },
	{ "kcmp", SYS_kcmp, { 1, 1 } },
	{ "pidfd_open", SYS_pidfd_open, { 1 } },
	{ "clone", SYS_clone, { SIGCHLD } },
	{ "unshare", SYS_unshare, { 0x10000000 /* a user namespace */ } },
	{ "setns", SYS_setns, { 0, 0 } },
	{ "mount", SYS_mount, { 0 } },
	{ "umount2", SYS_umount2, { 0 } },
	{ "pivot_root", SYS_pivot_root, { 0 } },
	{ "chroot", SYS_chroot, { (long)(intptr_t) "/" } },
	{ "open_tree", SYS_open_tree, { AT_FDCWD, (long)(intptr_t) "/" } },
	{ "openat2", SYS_openat2, { AT_FDCWD, (long)(intptr_t) "/etc/passwd" } },
	{ "bpf", SYS_bpf, { 0 } },
	{ "perf_event_open", SYS_perf_event_open, { 0 } },
	{ "userfaultfd", SYS_userfaultfd, { 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 1 } },
	{ "io_setup", SYS_io_setup, { 1 } },
	{ "keyctl", SYS_keyctl, { 0 } },
	{ "add_key", SYS_add_key, { 0 } },
	{ "init_module", SYS_init_module, { 0 } },
	{ "kexec_load", SYS_kexec_load, { 0 } },
	{ "reboot", SYS_reboot, { 0 } },
	{ "swapon", SYS_swapon, { 0 } },
	{ "settimeofday", SYS_settimeofday, { 0 } },
	{ "personality", SYS_personality, { 0 } },
	{ "setuid", SYS_setuid, { 0 } },
	{ "setgroups", SYS_setgroups, { 0 } },
	{ "capset", SYS_capset, { 0 } },
	{ "kill of all", SYS_kill, { -1, SIGKILL } },
	{ "symlink", SYS_symlink, { 0 } },
	{ "mknodat", SYS_mknodat, { 0 } },
	{ "fchmod", SYS_fchmod, { 0, 0777 } },
	{ "fchown", SYS_fchown, { 0, 0, 0 } },
	{ "chdir", SYS_chdir, { (long)(intptr_t) "/" } },
	{ "listen", SYS_listen, { 0, 1 } },
	{ "shmget", SYS_shmget, { 0, 4096, 01600 } },
	{ "mlockall", SYS_mlockall, { 1 } },
	{ "execve", SYS_execve, { (long)(intptr_t) "/bin/true" } },
	/* the other system call table of x86-64 */
	{ "x32 getpid", 0x40000000 + SYS_getpid, { 0 } },
};
static size_t now;

static int
do_forbidden(void)
{
	const long *a = forbidden[now].arg;

	return outcome(syscall(forbidden[now].call, a[0], a[1], a[2], a[3], a[4]));
}

static void
test_forbidden_calls(void **state)
{
	(void)state;
	for (enum role r = ROLE_PRIV; r < ROLE_COUNT; r++) {
		for (now = 0; now < ARRAY_LEN(forbidden); now++) {
			if (sealed(r, do_forbidden) != KILLED)
				fail_msg("%s: %s", role_name(r), forbidden[now].name);
		}
	}
}

/* --- memory of others --- */

static int
do_read_memory(void)
{
	char buf[8];
	struct iovec own = { buf, sizeof(buf) }, other = { buf, sizeof(buf) };

	return outcome(process_vm_readv(getppid(), &own, 1, &other, 1, 0));
}

static int
do_write_memory(void)
{
	char buf[8] = { 0 };
	struct iovec own = { buf, sizeof(buf) }, other = { buf, sizeof(buf) };

	return outcome(process_vm_writev(getppid(), &own, 1, &other, 1, 0));
}

static int
do_open_memory(void)
{
	return outcome(open("/proc/1/mem", O_RDWR | O_CLOEXEC));
}

/* --- devices and the network --- */

static int
do_tunsetiff(void)
{
	struct ifreq ifr = { .ifr_name = "vnettest%d", .ifr_flags = IFF_TAP | IFF_NO_PI };

	return outcome(ioctl(tun_fd, TUNSETIFF, &ifr));
}

/* A way out of the machine beside UDP. */
static int
do_tcp(void)
{
	return outcome(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
do_unix_socket(void)
{
	return outcome(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
do_netlink_socket(void)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}

static int
do_vsock(void)
{
	return outcome(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
do_raw_socket(void)
{
	return outcome(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int
do_connect(void)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET };

	return outcome(connect(STDIN_FILENO, (const struct sockaddr *)&sin, sizeof(sin)));
}

/* Sets lo up, which it is: what comes back says whether we may. */
static int
do_set_link(void)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg info;
	} q = { { sizeof(q), RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0 },
		{ .ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP } };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char more[512];
	} a;

	if (sendto(route_fd, &q, sizeof(q), 0, NULL, 0) < 0 ||
	    recvfrom(route_fd, &a, sizeof(a), 0, NULL, NULL) < 0)
		return ABORTED;
	errno = -a.e.error;
	return a.h.nlmsg_type != NLMSG_ERROR ? ABORTED
	       : errno == 0		     ? DONE
	       : errno == EPERM		     ? REFUSED
					     : ABORTED;
}

static void
test_deeds(void **state)
{
	static const struct {
		const char *name;
		deed_fn *deed;
		int outcome[ROLE_COUNT]; /* of priv, keys, resolve, engine */
	} deeds[] = {
		{ "process_vm_readv", do_read_memory, { 0, KILLED, KILLED, KILLED, KILLED } },
		{ "process_vm_writev", do_write_memory, { 0, KILLED, KILLED, KILLED, KILLED } },
		/* what may open files may not open that one */
		{ "/proc/1/mem", do_open_memory, { 0, DENIED, DENIED, DENIED, KILLED } },
		{ "TUNSETIFF", do_tunsetiff, { 0, DONE, KILLED, KILLED, KILLED } },
		{ "TCP", do_tcp, { 0, DONE, KILLED, DONE, KILLED } },
		{ "a Unix socket", do_unix_socket, { 0, KILLED, KILLED, DONE, KILLED } },
		{ "netlink", do_netlink_socket, { 0, DONE, KILLED, DONE, KILLED } },
		{ "vsock", do_vsock, { 0, KILLED, KILLED, KILLED, KILLED } },
		{ "ICMP", do_raw_socket, { 0, DONE, KILLED, REFUSED, KILLED } },
		{ "connect", do_connect, { 0, KILLED, KILLED, REFUSED, KILLED } },
		{ "rtnetlink", do_set_link, { 0, DONE, KILLED, REFUSED, REFUSED } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
		for (enum role r = ROLE_PRIV; r < ROLE_COUNT; r++) {
			int got = sealed(r, deeds[i].deed);

			if (got != deeds[i].outcome[r])
				fail_msg("%s: %s: %d", role_name(r), deeds[i].name, got);
		}
	}
}

static int
prepare(void **state)
{
	(void)state;
	tun_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	route_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden_calls),
		cmocka_unit_test(test_deeds),
	};
	int r;

	if (!seal_prepare()) {
		puts("not root, no users of vnetd, or a sanitizer in it");
		return 77;
	}
	r = cmocka_run_group_tests(tests, prepare, NULL);
	seal_done();
	return r;
}
