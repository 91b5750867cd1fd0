/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/sandbox_tables.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define CAP(name) (1ull << CAP_##name)

const struct sandbox_role sandbox_roles[ROLE_COUNT] = {
	[ROLE_PARENT] = {
		.caps = CAP(SETUID) | CAP(SETGID) | CAP(KILL),
		.dns = true,
	},
	[ROLE_PRIV] = {
		.caps = CAP(NET_ADMIN) | CAP(NET_RAW),
		.files = 16384, /* a duplicate of every TAP queue */
	},
	[ROLE_KEYS] = { .files = 64 },
	[ROLE_RESOLVE] = { .files = 64, .dns = true },
	[ROLE_ENGINE] = { .files = 16384 }, /* every TAP queue, clients of the control socket */
};

/*
 * SETPCAP, SETUID, SETGID: to give up the rest. DAC_OVERRIDE comes to them where only root may open
 * /dev/net/tun.
 */
const uint64_t sandbox_start_caps = CAP(SETPCAP) | CAP(SETUID) | CAP(SETGID) | CAP(NET_ADMIN) |
				    CAP(NET_RAW);

/*
 * Where it may, priv loads the programs of the kernel's path; without, there is none. PERFMON:
 * the verifier of Linux 6.1 takes half of a word of the stack for a pointer otherwise.
 */
const uint64_t sandbox_start_caps_optional = CAP(BPF) | CAP(PERFMON);

#define START	1u /* the parent's own, and every process between exec and its seal */
#define PRIV	(1u << ROLE_PRIV)
#define KEYS	(1u << ROLE_KEYS)
#define RESOLVE (1u << ROLE_RESOLVE)
#define ENGINE	(1u << ROLE_ENGINE)
#define EACH	(PRIV | KEYS | RESOLVE | ENGINE)

#define CALL(roles, call, why)                           \
	{                                                \
		roles, SCMP_SYS(call), 0, { { 0 } }, why \
	}
#define CALL1(roles, call, cmp1, why)                   \
	{                                               \
		roles, SCMP_SYS(call), 1, { cmp1 }, why \
	}
#define CALL2(roles, call, cmp1, cmp2, why)                   \
	{                                                     \
		roles, SCMP_SYS(call), 2, { cmp1, cmp2 }, why \
	}
#define EQ(arg, value)                                 \
	{                                              \
		arg, SCMP_CMP_EQ, (uint64_t)(value), 0 \
	}
#define WITHOUT(arg, bits)                                   \
	{                                                    \
		arg, SCMP_CMP_MASKED_EQ, (uint64_t)(bits), 0 \
	}

const struct sandbox_call sandbox_calls[] = {
	/* channels, and descriptors handed over */
	CALL(EACH, read, "descriptors handed over"),
	CALL(EACH, write, "log lines; descriptors handed over"),
	CALL(EACH, close, "descriptors handed over and replaced"),
	CALL(EACH, sendmsg, "channels"),
	CALL(EACH, recvmsg, "channels"),
	CALL(EACH, poll, "waiting for an answer"),
	CALL(EACH, ppoll, "waiting for an answer"),
	CALL(PRIV | ENGINE, epoll_ctl, "loop"),
	CALL(PRIV | ENGINE, epoll_wait, "loop"),
	CALL(PRIV | ENGINE, epoll_pwait, "loop"),
	CALL(ENGINE, readv, "TAP frames with their header"),
	CALL(EACH, writev, "TAP frames with their header; libc's last words"),
	CALL(PRIV | ENGINE, pread64, "texts handed over as descriptors"),
	CALL(PRIV, pwrite64, "the last number of an SA that the kernel had"),
	CALL(ENGINE, recvmmsg, "packets"),
	CALL(ENGINE, sendmmsg, "packets"),
	CALL(RESOLVE, sendmmsg, "DNS queries"),
	CALL(PRIV | RESOLVE | ENGINE, recvfrom, "netlink, DNS, control clients"),
	CALL(PRIV | RESOLVE | ENGINE, sendto, "netlink, DNS, control clients"),
	CALL(ENGINE, accept4, "control clients"),
	CALL(ENGINE, shutdown, "control clients"),
	CALL(ENGINE, memfd_create, "state text handed to priv"),
	CALL(ENGINE, ftruncate, "state text handed to priv"),

	/* memory; only the resolver loads code */
	CALL(EACH, brk, "malloc"),
	CALL1(PRIV | KEYS | ENGINE, mmap, WITHOUT(2, PROT_EXEC), "malloc"),
	CALL1(PRIV | KEYS | ENGINE, mprotect, WITHOUT(2, PROT_EXEC), "malloc"),
	CALL(RESOLVE, mmap, "malloc; NSS modules are loaded when first used"),
	CALL(RESOLVE, mprotect, "malloc; NSS modules are loaded when first used"),
	CALL(EACH, munmap, "free"),
	CALL(EACH, mremap, "realloc"),
	CALL(EACH, madvise, "free"),
	CALL(EACH, sysinfo, "qsort of a long list asks how much there is"),
	CALL(EACH, sched_getaffinity, "getrandom: a state for each processor (glibc 2.41)"),

	/* process */
	CALL(EACH, clock_gettime, "clocks that the vdso cannot read"),
	CALL(EACH, gettimeofday, "clocks that the vdso cannot read"),
	CALL(EACH, time, "clocks that the vdso cannot read"),
	CALL(EACH, getrandom, "keys, nonces, seeds"),
	CALL(EACH, futex, "locks of libc and OpenSSL"),
	CALL(EACH, getpid, "OpenSSL's random numbers, netlink"),
	CALL(EACH, gettid, "abort"),
	CALL(EACH, tgkill, "abort"),
	CALL(EACH, rt_sigprocmask, "abort"),
	CALL(EACH, rt_sigreturn, "return from a handler"),
	CALL(EACH, restart_syscall, "waiting goes on after a stop"),
	CALL(EACH, sched_yield, "locks"),
	CALL(EACH, exit, "end"),
	CALL(EACH, exit_group, "end"),

	/* files */
	CALL(EACH, fstat, "sizes"),
	CALL(EACH, newfstatat, "sizes; keys, state file"),
	CALL(EACH, lseek, "texts handed over as descriptors"),
	CALL(PRIV | KEYS | RESOLVE, openat, "files; Landlock says which"),
	CALL(PRIV | KEYS, renameat, "files replaced whole"),
	CALL(KEYS, linkat, "a key file made whole or not at all"),
	CALL(PRIV | KEYS, unlinkat, "temporary files, retired keys"),
	CALL(PRIV | KEYS, fsync, "files survive a crash"),
	CALL(KEYS | RESOLVE, getdents64, "which keys there are; NSS"),
	CALL(KEYS, geteuid, "files must be ours"),
	CALL1(KEYS, fcntl, EQ(1, F_DUPFD_CLOEXEC), "list of the keys directory"),
	CALL1(KEYS, fcntl, EQ(1, F_GETFL), "list of the keys directory"),
	CALL1(KEYS, fcntl, EQ(1, F_SETFD), "list of the keys directory"),
	CALL1(ENGINE, fcntl, EQ(1, F_ADD_SEALS), "state text handed to priv"),
	CALL1(PRIV, fcntl, EQ(1, F_GET_SEALS), "state text of the engine"),

	/* the engine's sockets: groups and their interfaces; it opens none */
	CALL2(ENGINE, setsockopt, EQ(1, IPPROTO_IP), EQ(2, IP_ADD_MEMBERSHIP), "discovery group"),
	CALL2(ENGINE, setsockopt, EQ(1, IPPROTO_IP), EQ(2, IP_DROP_MEMBERSHIP), "discovery group"),
	CALL2(ENGINE, setsockopt, EQ(1, IPPROTO_IP), EQ(2, IP_MULTICAST_IF), "discovery group"),
	CALL2(ENGINE, setsockopt, EQ(1, IPPROTO_IP), EQ(2, IP_MULTICAST_TTL), "discovery group"),
	CALL2(ENGINE, setsockopt, EQ(1, IPPROTO_IP), EQ(2, IP_MULTICAST_LOOP), "discovery group"),
	CALL2(
	    ENGINE, setsockopt, EQ(1, IPPROTO_IPV6), EQ(2, IPV6_ADD_MEMBERSHIP), "discovery group"),
	CALL2(ENGINE, setsockopt, EQ(1, IPPROTO_IPV6), EQ(2, IPV6_DROP_MEMBERSHIP),
	    "discovery group"),
	CALL2(ENGINE, setsockopt, EQ(1, IPPROTO_IPV6), EQ(2, IPV6_MULTICAST_IF), "discovery group"),
	CALL2(
	    ENGINE, setsockopt, EQ(1, IPPROTO_IPV6), EQ(2, IPV6_MULTICAST_HOPS), "discovery group"),
	CALL2(
	    ENGINE, setsockopt, EQ(1, IPPROTO_IPV6), EQ(2, IPV6_MULTICAST_LOOP), "discovery group"),
	CALL2(ENGINE, getsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_PEERCRED), "who a control client is"),
	CALL2(ENGINE, getsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_ERROR), "what befell a socket"),
	CALL(PRIV | RESOLVE | ENGINE, getsockname, "own port; netlink port"),

	/* priv: devices and sockets */
	CALL1(PRIV, socket, EQ(0, AF_INET), "UDP and ESP sockets"),
	CALL1(PRIV, socket, EQ(0, AF_INET6), "UDP and ESP sockets"),
	CALL(PRIV, bind, "UDP and ESP sockets"),
	CALL(PRIV, getsockopt, "buffer sizes of sockets"),
	CALL(PRIV, setsockopt, "sockets made ready for the engine"),
	CALL1(PRIV, ioctl, EQ(1, TUNSETIFF), "TAPs"),
	CALL1(PRIV, ioctl, EQ(1, TUNGETIFF), "TAPs"),
	CALL1(PRIV, ioctl, EQ(1, TUNSETPERSIST), "TAPs"),
	CALL1(PRIV, ioctl, EQ(1, TUNSETOWNER), "TAPs: ours are the engine's user's"),
	CALL1(PRIV, ioctl, EQ(1, TUNSETOFFLOAD), "TAPs: frames in one piece, checksums left to us"),

	/* priv: the kernel's path; its programs and maps are loaded before the seal */
	CALL2(PRIV, socket, EQ(0, AF_NETLINK), EQ(2, NETLINK_ROUTE), "devices, programs on them"),
	CALL2(PRIV, socket, EQ(0, AF_NETLINK), EQ(2, NETLINK_XFRM), "SAs and policies"),
	CALL2(PRIV, socket, EQ(0, AF_NETLINK), EQ(2, NETLINK_NETFILTER), "barrier"),
	CALL1(PRIV, bpf, EQ(0, BPF_MAP_LOOKUP_ELEM), "flows"),
	CALL1(PRIV, bpf, EQ(0, BPF_MAP_UPDATE_ELEM), "flows, members, peers, devices"),
	CALL1(PRIV, bpf, EQ(0, BPF_MAP_DELETE_ELEM), "flows, members"),

	/* resolve: whatever NSS modules do with files and sockets of their own */
	CALL1(RESOLVE, socket, EQ(0, AF_INET), "DNS"),
	CALL1(RESOLVE, socket, EQ(0, AF_INET6), "DNS"),
	CALL1(RESOLVE, socket, EQ(0, AF_UNIX), "nscd, systemd-resolved, sssd, avahi"),
	CALL1(RESOLVE, socket, EQ(0, AF_NETLINK), "which families the machine has"),
	CALL(RESOLVE, connect, "DNS"),
	CALL(RESOLVE, bind, "netlink"),
	CALL(RESOLVE, getpeername, "NSS modules"),
	CALL(RESOLVE, getsockopt, "DNS"),
	CALL(RESOLVE, setsockopt, "DNS"),
	CALL1(RESOLVE, ioctl, EQ(1, FIONREAD), "length of a DNS answer"),
	CALL1(RESOLVE, ioctl, EQ(1, SIOCGIFINDEX), "name servers with link-local addresses"),
	CALL(RESOLVE, fcntl, "DNS sockets, NSS modules"),
	CALL(RESOLVE, uname, "host name"),
	CALL(RESOLVE, rt_sigaction, "NSS modules"),
	CALL(RESOLVE, prctl, "NSS modules: process name"),
	CALL(RESOLVE, dup, "NSS modules"),
	CALL(RESOLVE, select, "NSS modules"),
	CALL(RESOLVE, pselect6, "NSS modules"),
	CALL(RESOLVE, epoll_ctl, "NSS modules"),
	CALL(RESOLVE, epoll_wait, "NSS modules"),
	CALL(RESOLVE, epoll_pwait, "NSS modules"),
	CALL(RESOLVE, epoll_pwait2, "NSS modules of systemd"),
	CALL(RESOLVE, timerfd_create, "NSS modules"),
	CALL(RESOLVE, timerfd_settime, "NSS modules"),

	/*
	 * What libraries do while they are loaded: at the start of each role, where getpwnam() may
	 * bring NSS modules, and in the resolver at any time. The list is not what one libc does on
	 * one processor: arm64 has neither stat nor access, a new libc asks in new ways, and all of
	 * these only look.
	 */
	CALL(START | RESOLVE, stat, "files looked for; resolv.conf, nsswitch.conf: changed?"),
	CALL(START | RESOLVE, lstat, "files looked for"),
	CALL(START | RESOLVE, statx, "files looked for"),
	CALL(START | RESOLVE, access, "ld.so.preload and others: are they there?"),
	CALL(START | RESOLVE, faccessat, "are files there?"),
	CALL(START | RESOLVE, faccessat2, "are files there?"),
	CALL(START | RESOLVE, readlink, "where is the program? ($ORIGIN)"),
	CALL(START | RESOLVE, readlinkat, "where is the program? ($ORIGIN)"),
	CALL(START | RESOLVE, statfs, "is there SELinux?"),
	CALL(START | RESOLVE, fstatfs, "is /proc what it should be?"),
	CALL(START | RESOLVE, pread64, "ELF headers"),
	CALL(START | RESOLVE, getuid, "who are we?"),
	CALL(START | RESOLVE, geteuid, "who are we?"),
	CALL(START | RESOLVE, getgid, "who are we?"),
	CALL(START | RESOLVE, getegid, "who are we?"),
	CALL(START | RESOLVE, getresuid, "who are we?"),
	CALL(START | RESOLVE, getresgid, "who are we?"),
	CALL(START | RESOLVE, getppid, "who are we?"),
	CALL(START | RESOLVE, getcpu, "which processor, where the vdso cannot tell"),
	CALL(START | RESOLVE, clock_getres, "clocks that the vdso cannot read"),
	CALL(START | RESOLVE, clock_nanosleep, "a daemon or randomness that is not there yet"),
	CALL(START | RESOLVE, nanosleep, "a daemon or randomness that is not there yet"),
	CALL(START | RESOLVE, epoll_create1, "loop; NSS modules"),

	/* the parent, and the start of each role: exec, ld.so, opening, sealing */
	CALL(START, clone, "fork; the engine's threads"),
	CALL(START, clone3, "fork; the engine's threads"),
	CALL(START, eventfd2, "how the engine's threads wake each other"),
	CALL(START, set_robust_list, "start of a process"),
	CALL(START, set_tid_address, "start of a process"),
	CALL(START, rseq, "start of a process"),
	CALL(START, arch_prctl, "start of a process (x86)"),
	CALL(START, execve, "roles"),
	CALL(START, execveat, "roles"),
	CALL(START, wait4, "roles that end"),
	CALL(START, kill, "roles that lie or do not stop"),
	CALL(START, socketpair, "channels"),
	CALL(START, dup2, "descriptors of a role"),
	CALL(START, dup3, "descriptors of a role"),
	CALL(START, close_range, "descriptors of a role"),
	CALL(START, fcntl, "descriptors of a role"),
	CALL(START, rt_sigaction, "signals of a role"),
	CALL(START, signalfd4, "signals of the parent"),
	CALL(START, mmap, "ld.so"),
	CALL(START, mprotect, "ld.so"),
	CALL(START, uname, "ld.so"),
	CALL(START, prlimit64, "limits"),
	CALL(START, getrlimit, "limits"),
	CALL(START, setrlimit, "limits"),
	CALL(START, socket, "netlink of priv and the engine"),
	CALL(START, setsockopt, "sockets made before the seal"),
	CALL(START, getsockopt, "sockets made before the seal"),
	CALL(START, ioctl, "devices looked at before the seal"),
	CALL(START, bpf, "programs of the kernel's path"),
	CALL(START, capget, "seal"),
	CALL(START, capset, "seal"),
	CALL(START, prctl, "seal"),
	CALL(START, setresuid, "seal"),
	CALL(START, setresgid, "seal"),
	CALL(START, setgroups, "seal"),
	CALL(START, landlock_create_ruleset, "seal"),
	CALL(START, landlock_add_rule, "seal"),
	CALL(START, landlock_restrict_self, "seal"),
	CALL(START, seccomp, "seal"),
};
const size_t sandbox_n_calls = sizeof(sandbox_calls) / sizeof(sandbox_calls[0]);

const struct sandbox_path sandbox_paths[] = {
	{ START, PLACE_PROGRAM, ACCESS_LOAD, NULL, "roles are this program" },
	{ START, PLACE_CONFIG_DIR, ACCESS_READ, NULL, "configuration, read before the seal" },
	{ PRIV, PLACE_STATE_DIR, ACCESS_KEEP, NULL, "state" },
	{ KEYS, PLACE_KEYS_DIR, ACCESS_KEEP, NULL, "keys" },
	{ PRIV, PLACE_FIXED, ACCESS_DEVICE, "/dev/net/tun", "TAPs" },
	{ START, PLACE_FIXED, ACCESS_DEVICE, "/dev/null", "standard descriptors" },
	{ RESOLVE, PLACE_FIXED, ACCESS_READ, "/dev/urandom", "NSS modules" },
	{ START, PLACE_FIXED, ACCESS_READ, "/proc",
	    "libraries ask about the machine and themselves" },
	{ START, PLACE_FIXED, ACCESS_READ, "/sys", "network devices, processors" },
	{ RESOLVE, PLACE_FIXED, ACCESS_READ, "/etc",
	    "resolver's configuration, users, ld.so.cache" },
	{ RESOLVE, PLACE_FIXED, ACCESS_READ, "/run", "resolv.conf, sockets of name services" },
	{ RESOLVE, PLACE_FIXED, ACCESS_READ, "/usr/share", "time zones, IDN tables" },
	{ RESOLVE, PLACE_FIXED, ACCESS_READ, "/var/lib/sss", "sssd's cache" },
	{ START | RESOLVE, PLACE_FIXED, ACCESS_LOAD, "/lib", "libraries, NSS modules" },
	{ START | RESOLVE, PLACE_FIXED, ACCESS_LOAD, "/lib64", "libraries, ld.so" },
	{ START | RESOLVE, PLACE_FIXED, ACCESS_LOAD, "/usr/lib", "libraries, NSS modules" },
	{ START | RESOLVE, PLACE_FIXED, ACCESS_LOAD, "/usr/lib64", "libraries, NSS modules" },
	{ START | RESOLVE, PLACE_FIXED, ACCESS_LOAD, "/usr/local/lib", "libraries" },
};
const size_t sandbox_n_paths = sizeof(sandbox_paths) / sizeof(sandbox_paths[0]);
