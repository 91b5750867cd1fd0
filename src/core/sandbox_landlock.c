/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "sandbox"

/*
 * Landlock by its system calls: Debian 12's headers end at ABI 2, so later rights are spelled out
 * here (linux/landlock.h).
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "core/sandbox_tables.h"

#define FS_TRUNCATE   (1ull << 14)
#define FS_IOCTL_DEV  (1ull << 15)
#define NET_BIND_TCP  (1ull << 0)
#define NET_CONN_TCP  (1ull << 1)
#define SCOPE_ALL     (1ull << 0 | 1ull << 1) /* abstract sockets, signals */
#define RULE_NET_PORT 2
#define DNS_PORT      53

struct ruleset_attr {
	uint64_t handled_fs;
	uint64_t handled_net;
	uint64_t scoped;
};

struct net_port_attr {
	uint64_t allowed;
	uint64_t port;
};

#define FS_ABI1 ((1ull << 13) - 1)
#define FS_FILE                                                       \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	    LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static const uint64_t access_rights[] = {
	[ACCESS_READ] = FS_READ,
	[ACCESS_LOAD] = FS_READ | LANDLOCK_ACCESS_FS_EXECUTE,
	[ACCESS_DEVICE] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
			  FS_IOCTL_DEV,
	[ACCESS_KEEP] = FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
			LANDLOCK_ACCESS_FS_REMOVE_FILE | FS_TRUNCATE,
};

static uint64_t
handled_fs(int abi)
{
	uint64_t rights = FS_ABI1;

	if (abi >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		rights |= FS_TRUNCATE;
	if (abi >= 5)
		rights |= FS_IOCTL_DEV;
	return rights;
}

int
landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi >= 0)
		return (int)abi;
	if (errno != ENOSYS && errno != EOPNOTSUPP)
		fatal("Landlock");
	return 0;
}

/* The directory of the configuration file, not the file: editors put a new one in its place. */
static int
open_parent(const char *path)
{
	char copy[OPTION_PATH_MAX];

	strcpy(copy, path);
	return open(dirname(copy), O_PATH | O_CLOEXEC);
}

static int
open_place(const struct sandbox_path *p, const struct options *o)
{
	switch (p->place) {
	case PLACE_STATE_DIR:
		return open(o->state_dir, O_PATH | O_CLOEXEC);
	case PLACE_KEYS_DIR:
		return open(o->keys_dir, O_PATH | O_CLOEXEC);
	case PLACE_CONFIG_DIR:
		return open_parent(o->config);
	case PLACE_PROGRAM:
		return open("/proc/self/exe", O_PATH | O_CLOEXEC);
	default:
		return open(p->path, O_PATH | O_CLOEXEC);
	}
}

static int
add_path(int ruleset_fd, const struct sandbox_path *p, const struct options *o, int abi)
{
	struct landlock_path_beneath_attr attr = {
		.allowed_access = access_rights[p->access] & handled_fs(abi),
		.parent_fd = open_place(p, o),
	};
	struct stat st;
	int r = 0;

	/* What is not there cannot be used either. */
	if (attr.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (fstat(attr.parent_fd, &st) < 0)
		r = -errno;
	else if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= FS_FILE;
	if (r == 0 &&
	    syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
		r = -errno;
	close(attr.parent_fd);
	return r;
}

static int
add_paths(int ruleset_fd, enum role r, const struct options *o, int abi,
    const struct sandbox_path *paths, size_t n, const char **what)
{
	for (size_t i = 0; i < n; i++) {
		int err;

		/* The parent's domain holds for all. */
		if (r != ROLE_PARENT && !(paths[i].roles & 1u << r))
			continue;
		*what = paths[i].why;
		err = add_path(ruleset_fd, &paths[i], o, abi);
		if (err < 0)
			return err;
	}
	return 0;
}

static int
add_dns(int ruleset_fd)
{
	const struct net_port_attr attr = { NET_CONN_TCP, DNS_PORT };

	return syscall(SYS_landlock_add_rule, ruleset_fd, RULE_NET_PORT, &attr, 0) < 0 ? -errno : 0;
}

int
landlock_prepare(enum role r, const struct options *o, int abi, const char **what)
{
	const struct ruleset_attr attr = {
		.handled_fs = handled_fs(abi),
		.handled_net = abi >= 4 ? NET_BIND_TCP | NET_CONN_TCP : 0,
		.scoped = abi >= 6 ? SCOPE_ALL : 0,
	};
	size_t size = abi >= 6	 ? sizeof(attr)
		      : abi >= 4 ? offsetof(struct ruleset_attr, scoped)
				 : offsetof(struct ruleset_attr, handled_net);
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	int err = 0;

	*what = "ruleset";
	if (fd < 0)
		return -errno;
	if (abi >= 4 && sandbox_roles[r].dns) {
		*what = "TCP port 53";
		err = add_dns(fd);
	}
	if (err == 0)
		err = add_paths(fd, r, o, abi, sandbox_paths, sandbox_n_paths, what);
	if (err == 0)
		err = add_paths(
		    fd, r, o, abi, sandbox_sanitizer_paths, sandbox_n_sanitizer_paths, what);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

int
landlock_enforce(int ruleset_fd)
{
	int r = syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0 ? -errno : 0;

	close(ruleset_fd);
	return r;
}
