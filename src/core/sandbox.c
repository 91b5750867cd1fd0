/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "sandbox"

#include "core/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "core/sandbox_tables.h"

#define TUN_DEVICE "/dev/net/tun"
#define EMPTY_DIR  "empty" /* beneath the run directory */

struct seal {
	enum role role;
	const struct options *options;
	uid_t uid;
	gid_t gid;
	int abi;
	int ruleset_fd;
};

static char description[64] = "not sealed";

/* No step may fail; error is an errno value, or 0. */
static void __attribute__((noreturn)) step_failed(enum role r, const char *step, int error)
{
	const char *why = error ? strerrordesc_np(error) : NULL;

	if (r == ROLE_PARENT)
		fatalx("%s%s%s", step, why ? ": " : "", why ? why : "");
	role_fail("sandbox: %s%s%s", step, why ? ": " : "", why ? why : "");
}

static void
find_user(struct seal *s)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(role_user(s->role));
	if (!pw)
		role_fail("sandbox: no user \"%s\"", role_user(s->role));
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		role_fail("sandbox: user \"%s\" is root", role_user(s->role));
	s->uid = pw->pw_uid;
	s->gid = pw->pw_gid;
}

/* Whether the user could open it without DAC_OVERRIDE; a device that is not there needs none. */
static bool
may_open_tun(uid_t uid, gid_t gid)
{
	struct stat st;

	if (stat(TUN_DEVICE, &st) < 0)
		return true;
	if (st.st_uid == uid)
		return (st.st_mode & 0600) == 0600;
	if (st.st_gid == gid)
		return (st.st_mode & 0060) == 0060;
	return (st.st_mode & 0006) == 0006;
}

static void
set_caps(uint64_t caps, capng_type_t type)
{
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (caps & 1ull << cap)
			capng_update(CAPNG_ADD, type, cap);
	}
}

static void
change_user(const struct seal *s)
{
	uint64_t caps = sandbox_roles[s->role].caps;

	if (s->role == ROLE_PRIV && !may_open_tun(s->uid, s->gid))
		caps |= 1ull << CAP_DAC_OVERRIDE;
	if (capng_lock() < 0)
		step_failed(s->role, "capabilities cannot be locked", errno);
	capng_clear(CAPNG_SELECT_BOTH);
	set_caps(caps, CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	if (capng_change_id((int)s->uid, (int)s->gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) <
	    0)
		step_failed(s->role, "user and capabilities cannot be changed", errno);
}

/* The parent stays uid 0 and able to regain by exec what its children's start needs, no more. */
static void
cut_parent(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	set_caps(sandbox_roles[ROLE_PARENT].caps, CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	set_caps(sandbox_bounding_caps, CAPNG_BOUNDING_SET);
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		step_failed(ROLE_PARENT, "capabilities cannot be given up", errno);
}

static void
limit(enum role r, int resource, rlim_t most, const char *step)
{
	struct rlimit lim;

	if (getrlimit(resource, &lim) < 0)
		step_failed(r, step, errno);
	if (lim.rlim_max > most)
		lim.rlim_max = most;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(resource, &lim) < 0)
		step_failed(r, step, errno);
}

static void
set_limits(enum role r)
{
	limit(r, RLIMIT_CORE, 0, "limit of core files");
	if (r == ROLE_PARENT)
		return; /* its own would be its children's */
	limit(r, RLIMIT_NOFILE, sandbox_roles[r].files, "limit of descriptors");
	limit(r, RLIMIT_NPROC, 0, "limit of processes");
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		step_failed(r, "not dumpable", errno);
}

/* Cleared by the change of uid, so only now; that the parent died before shows on descriptor 3. */
static void
die_with_parent(enum role r)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		step_failed(r, "end with the parent", errno);
}

static void
prepare_landlock(struct seal *s)
{
	const char *what;
	char step[128];

	s->abi = landlock_abi();
	s->ruleset_fd = -1;
	if (s->abi == 0)
		return;
	s->ruleset_fd = landlock_prepare(s->role, s->options, s->abi, &what);
	if (s->ruleset_fd < 0) {
		snprintf(step, sizeof(step), "Landlock: %s", what);
		step_failed(s->role, step, -s->ruleset_fd);
	}
}

static void
enforce_landlock(const struct seal *s)
{
	int r = s->abi ? landlock_enforce(s->ruleset_fd) : 0;

	if (r < 0)
		step_failed(s->role, "Landlock", -r);
}

/* Instead of Landlock, for roles that open nothing. Before the uid changes. */
static void
enter_empty_root(const struct seal *s)
{
	char path[OPTION_PATH_MAX + sizeof(EMPTY_DIR) + 1];
	struct stat st;

	if (s->abi > 0 || sandbox_roles[s->role].needs_files)
		return;
	snprintf(path, sizeof(path), "%s/%s", s->options->run_dir, EMPTY_DIR);
	if (mkdir(path, 0500) < 0 && errno != EEXIST)
		step_failed(s->role, "empty directory", errno);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0 || st.st_mode & 022)
		step_failed(s->role, "empty directory is not a directory of root", 0);
	if (chroot(path) < 0 || chdir("/") < 0)
		step_failed(s->role, "chroot to the empty directory", errno);
}

static int
add_calls(scmp_filter_ctx ctx, enum role r, const struct sandbox_call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sandbox_call *c = &calls[i];
		unsigned n_cmp = c->n_cmp;
		int err;

		if (r != ROLE_PARENT && !(c->roles & 1u << r))
			continue;
		err = seccomp_rule_add_array(
		    ctx, SCMP_ACT_ALLOW, c->nr, n_cmp, n_cmp ? c->cmp : NULL);
		if (err < 0)
			return err;
	}
	return 0;
}

/* no_new_privs is the roles' alone: the parent's children get their start's capabilities by exec. */
static void
load_filter(enum role r)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!ctx)
		step_failed(r, "seccomp", ENOMEM);
	err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, r != ROLE_PARENT);
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (err == 0)
		err = add_calls(ctx, r, sandbox_calls, sandbox_n_calls);
	if (err == 0)
		err = add_calls(ctx, r, sandbox_sanitizer_calls, sandbox_n_sanitizer_calls);
	if (err == 0)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	if (err < 0)
		step_failed(r, "seccomp", -err);
}

static void
describe(const struct seal *s)
{
	if (s->abi > 0)
		snprintf(description, sizeof(description), "landlock abi %d, seccomp kill", s->abi);
	else if (sandbox_roles[s->role].needs_files)
		snprintf(description, sizeof(description),
		    "no landlock: files by uid only, seccomp kill");
	else
		snprintf(
		    description, sizeof(description), "no landlock: empty chroot, seccomp kill");
}

/* Capabilities last: without no_new_privs the steps before need SYS_ADMIN. */
static void
seal_parent(struct seal *s)
{
	set_limits(ROLE_PARENT);
	enforce_landlock(s);
	load_filter(ROLE_PARENT);
	cut_parent();
}

static void
seal_role(struct seal *s)
{
	find_user(s);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		step_failed(s->role, "no new privileges", errno);
	enter_empty_root(s);
	change_user(s);
	set_limits(s->role);
	die_with_parent(s->role);
	enforce_landlock(s);
	load_filter(s->role);
}

void
sandbox_enter(enum role r, const struct options *o)
{
	struct seal s = { .role = r, .options = o };

	prepare_landlock(&s);
	describe(&s);
	if (r == ROLE_PARENT)
		seal_parent(&s);
	else
		seal_role(&s);
	log_debug("sealed: %s", description);
}

const char *
sandbox_describe(void)
{
	return description;
}
