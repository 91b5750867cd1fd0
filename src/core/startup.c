/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/startup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/notify.h"
#include "core/role.h"

#define GROUP	      "vnet"
#define SYSUSERS      VNET_SYSUSERSDIR "/vnet.conf"
#define SYSUSERS_TREE "etc/sysusers.d/vnet.conf"
#define LOCK_NAME     "vnetd.pid"
#define LOG_NAME      "vnetd.log"
#define CONTROL_NAME  "vnetd.sock"
#define CONTROL_QUEUE 64

static int lock_fd = -1;

/*
 * One directory of the daemon: whose it is to be, and the names of files that may be in it before
 * it is.
 */
struct place {
	const char *option;
	const char *path;
	const char *user;
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

static bool
check_users(void)
{
	const char *missing = NULL;

	for (enum role r = ROLE_PRIV; r < ROLE_COUNT; r++) {
		if (!getpwnam(role_user(r)))
			missing = role_user(r);
	}
	if (!getgrnam(GROUP))
		missing = GROUP;
	if (!missing)
		return true;
	fprintf(stderr, "vnetd: no user or group \"%s\"; make them all by: systemd-sysusers %s\n",
	    missing, access(SYSUSERS, R_OK) == 0 ? SYSUSERS : SYSUSERS_TREE);
	return false;
}

/* As mkdir -p, for a path that is absolute. */
static bool
make_directory(const char *path)
{
	char partial[OPTION_PATH_MAX];

	for (const char *p = path + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		memcpy(partial, path, (size_t)(p - path));
		partial[p - path] = '\0';
		if (mkdir(partial, 0755) < 0 && errno != EEXIST)
			return false;
		if (*p == '\0')
			return true;
	}
}

/*
 * May this file be in the place before it is made the daemon's? The run directory stays root's, so
 * there it goes by name.
 */
static bool
entry_is_ours(int dir_fd, const char *name, const struct place *p)
{
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	if (p->uid == 0)
		return strncmp(name, "vnetd.", 6) == 0;
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == p->uid;
}

static bool
check_entries(DIR *dir, const struct place *p)
{
	const struct dirent *e;
	bool ok = true;

	while (ok && (e = readdir(dir))) {
		ok = entry_is_ours(dirfd(dir), e->d_name, p);
		if (!ok)
			fprintf(stderr,
			    "vnetd: %s: \"%s\" holds \"%s\", which is not vnetd's; expected an "
			    "empty directory or one of user %s\n",
			    p->option, p->path, e->d_name, p->user);
	}
	return ok;
}

static bool
give_directory(int place_fd, const struct place *p)
{
	int fd = openat(place_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool ok;

	if (!dir) {
		fprintf(stderr, "vnetd: %s: cannot read \"%s\": %m\n", p->option, p->path);
		if (fd >= 0)
			close(fd);
		return false;
	}
	ok = check_entries(dir, p);
	if (ok && (fchown(fd, p->uid, p->gid) < 0 || fchmod(fd, p->mode) < 0)) {
		fprintf(stderr, "vnetd: %s: cannot give \"%s\" to %s: %m\n", p->option, p->path,
		    p->user);
		ok = false;
	}
	closedir(dir);
	return ok;
}

/*
 * One that is as it should be is not opened: its user's, it is closed to root without DAC_OVERRIDE.
 */
static bool
take_directory(int place_fd, const struct place *p)
{
	struct stat st;

	if (fstat(place_fd, &st) < 0) {
		fprintf(stderr, "vnetd: %s: \"%s\": %m\n", p->option, p->path);
		return false;
	}
	if (st.st_uid != 0 && st.st_uid != p->uid) {
		fprintf(stderr, "vnetd: %s: \"%s\" belongs to uid %u, expected root or %s\n",
		    p->option, p->path, st.st_uid, p->user);
		return false;
	}
	if (st.st_uid == p->uid && st.st_gid == p->gid && (st.st_mode & 07777) == p->mode)
		return true;
	return give_directory(place_fd, p);
}

static bool
prepare_directory(const struct place *p)
{
	bool ok;
	int fd;

	if (!make_directory(p->path)) {
		fprintf(stderr, "vnetd: %s: cannot make \"%s\": %m\n", p->option, p->path);
		return false;
	}
	fd = open(p->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		bool link = errno == ELOOP || errno == ENOTDIR;

		fprintf(stderr, "vnetd: %s: \"%s\": %s\n", p->option, p->path,
		    link ? "not a directory (a symbolic link is none here)"
			 : strerrordesc_np(errno));
		return false;
	}
	ok = take_directory(fd, p);
	close(fd);
	return ok;
}

static struct place
role_place(enum role r, const char *option, const char *path)
{
	const struct passwd *pw = getpwnam(role_user(r));

	return (struct place){
		.option = option,
		.path = path,
		.user = role_user(r),
		.uid = pw->pw_uid,
		.gid = pw->pw_gid,
		.mode = 0700,
	};
}

static bool
prepare_directories(const struct options *o)
{
	struct place run = { "--run-dir", o->run_dir, "root", 0, getgrnam(GROUP)->gr_gid, 0750 };
	struct place state = role_place(ROLE_PRIV, "--state-dir", o->state_dir);
	struct place keys = role_place(ROLE_KEYS, "--keys-dir", o->keys_dir);

	return prepare_directory(&run) && prepare_directory(&state) && prepare_directory(&keys);
}

/* A file of ours in the run directory, which only root writes. */
static int
open_in_run_dir(const struct options *o, const char *name, int flags)
{
	char path[OPTION_PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", o->run_dir, name);
	fd = open(path, flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		fprintf(stderr, "vnetd: cannot open \"%s\": %m\n", path);
	return fd;
}

static bool
take_lock(const struct options *o)
{
	char pid[16];
	ssize_t n;

	lock_fd = open_in_run_dir(o, LOCK_NAME, O_RDWR);
	if (lock_fd < 0)
		return false;
	if (flock(lock_fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno != EWOULDBLOCK) {
		fprintf(stderr, "vnetd: cannot lock \"%s/" LOCK_NAME "\": %m\n", o->run_dir);
		return false;
	}
	n = read(lock_fd, pid, sizeof(pid) - 1);
	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	fprintf(stderr, "vnetd: another vnetd (pid %s) runs with the run directory \"%s\"\n",
	    pid[0] ? pid : "unknown", o->run_dir);
	return false;
}

/* Where there is no run directory, none runs. */
bool
startup_lock(const struct options *o)
{
	return (access(o->run_dir, F_OK) < 0 && errno == ENOENT) || take_lock(o);
}

static int
bind_control(int fd, const struct sockaddr_un *sa, gid_t group)
{
	mode_t mask;
	int r;

	/* Nobody can connect until owner and mode are what they should be. */
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)sa, sizeof(*sa));
	umask(mask);
	if (r < 0 || lchown(sa->sun_path, 0, group) < 0 || chmod(sa->sun_path, 0660) < 0)
		return -1;
	return listen(fd, CONTROL_QUEUE);
}

/* Who has the lock has the path: a socket there is that of a vnetd that died. */
static bool
open_control(const struct options *o, int *out)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/" CONTROL_NAME, o->run_dir);
	struct stat st;
	int fd;

	if ((size_t)n >= sizeof(sa.sun_path)) {
		fprintf(stderr,
		    "vnetd: --run-dir: \"%s/" CONTROL_NAME
		    "\" is too long, expected at most %zu bytes\n",
		    o->run_dir, sizeof(sa.sun_path) - 1);
		return false;
	}
	if (lstat(sa.sun_path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "vnetd: \"%s\" is not a socket\n", sa.sun_path);
		return false;
	}
	unlink(sa.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind_control(fd, &sa, getgrnam(GROUP)->gr_gid) < 0) {
		fprintf(stderr, "vnetd: cannot make the control socket \"%s\": %m\n", sa.sun_path);
		return false;
	}
	*out = fd;
	return true;
}

bool
startup_write_pid(void)
{
	if (ftruncate(lock_fd, 0) == 0 && lseek(lock_fd, 0, SEEK_SET) == 0 &&
	    dprintf(lock_fd, "%d\n", getpid()) > 0)
		return true;
	fprintf(stderr, "vnetd: cannot write " LOCK_NAME ": %m\n");
	return false;
}

/* Standard descriptors exist, input and output lead nowhere, what else came along is closed. */
static bool
prepare_descriptors(struct parent_setup *out)
{
	int null_fd = close_range(STDERR_FILENO + 1, ~0u, 0) < 0 ? -1 : open("/dev/null", O_RDWR);
	int exe_fd;

	while (null_fd >= 0 && null_fd <= STDERR_FILENO)
		null_fd = dup(null_fd);
	exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0 || exe_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
	    dup2(null_fd, STDOUT_FILENO) < 0) {
		fprintf(stderr, "vnetd: cannot open /dev/null or /proc/self/exe: %m\n");
		return false;
	}
	close(null_fd);
	out->exe_fd = exe_fd;
	return true;
}

bool
startup_check(const struct options *o, struct parent_setup *out)
{
	*out = (struct parent_setup){
		.options = *o, .exe_fd = -1, .control_fd = -1, .starter_fd = -1, .notify_fd = -1
	};
	if (geteuid() != 0) {
		fprintf(stderr, "vnetd: started by uid %u, expected root\n", geteuid());
		return false;
	}
	umask(022);
	if (!check_users() || !prepare_directories(o) || !prepare_descriptors(out) ||
	    !take_lock(o) || !open_control(o, &out->control_fd))
		return false;
	out->notify_fd = notify_open();
	out->watchdog_ms = notify_watchdog_ms();
	if (chdir("/") == 0)
		return true;
	fprintf(stderr, "vnetd: cannot change to \"/\": %m\n");
	return false;
}

/* The starting process: until the other end says how it went. */
static int
wait_ready(int fd, const struct options *o)
{
	char text[256];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	if (strcmp(text, PARENT_READY) == 0)
		return 0;
	if (len > 0)
		fprintf(stderr, "vnetd: %s\n", text);
	else
		fprintf(stderr, "vnetd: ended before it was ready; see \"%s/" LOG_NAME "\"\n",
		    o->run_dir);
	return 1;
}

int
startup_background(struct parent_setup *out)
{
	int log_fd = open_in_run_dir(&out->options, LOG_NAME, O_WRONLY | O_APPEND);
	int fds[2];
	pid_t pid;

	if (log_fd < 0)
		return 1;
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fprintf(stderr, "vnetd: cannot go to the background: %m\n");
		return 1;
	}
	if (pid > 0) {
		close(fds[1]);
		return wait_ready(fds[0], &out->options);
	}
	close(fds[0]);
	out->starter_fd = fds[1];
	setsid();
	dup2(log_fd, STDERR_FILENO);
	close(log_fd);
	return -1;
}
