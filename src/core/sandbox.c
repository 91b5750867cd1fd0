/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "sandbox"

#include "core/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
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

struct seal {
	enum role role;
	const struct options *options;
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

static const struct passwd *
find_user(const struct seal *s, enum role r)
{
	const struct passwd *pw = getpwnam(role_user(r));

	if (!pw || pw->pw_uid == 0 || pw->pw_gid == 0)
		step_failed(s->role,
		    pw ? "the user of a role is root" : "the user of a role is missing", 0);
	return pw;
}

/* DAC_OVERRIDE where priv's user could not open the device; one that is not there needs none. */
static uint64_t
tun_caps(const struct passwd *pw)
{
	mode_t needed = S_IROTH | S_IWOTH;
	struct stat st;

	if (stat(TUN_DEVICE, &st) < 0)
		return 0;
	if (st.st_uid == pw->pw_uid)
		needed = S_IRUSR | S_IWUSR;
	else if (st.st_gid == pw->pw_gid)
		needed = S_IRGRP | S_IWGRP;
	return (st.st_mode & needed) == needed ? 0 : 1ull << CAP_DAC_OVERRIDE;
}

static bool
is_permitted(unsigned cap)
{
	return capng_have_capability(CAPNG_PERMITTED, cap);
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
	const struct passwd *pw = find_user(s, s->role);
	uint64_t caps = sandbox_roles[s->role].caps;

	if (s->role == ROLE_PRIV)
		caps |= tun_caps(pw);
	if (caps & 1ull << CAP_DAC_OVERRIDE && !is_permitted(CAP_DAC_OVERRIDE))
		role_fail(TUN_DEVICE ": user \"%s\" may not open it, expected mode 0666 (or the "
				     "capability DAC_OVERRIDE)",
		    pw->pw_name);
	if (capng_lock() < 0)
		step_failed(s->role, "capabilities cannot be locked", errno);
	capng_clear(CAPNG_SELECT_BOTH);
	set_caps(caps, CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	if (capng_change_id(
		(int)pw->pw_uid, (int)pw->pw_gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) < 0)
		step_failed(s->role, "user and capabilities cannot be changed", errno);
}

/* It stays uid 0. What its children's start needs is theirs by exec, and not in effect here. */
static void
cut_parent(const struct seal *s)
{
	uint64_t start = sandbox_start_caps;

	if (is_permitted(CAP_DAC_OVERRIDE)) /* else priv says what it lacks */
		start |= tun_caps(find_user(s, ROLE_PRIV));
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (sandbox_start_caps_optional & 1ull << cap && is_permitted(cap))
			start |= 1ull << cap;
	capng_clear(CAPNG_SELECT_BOTH);
	set_caps(sandbox_roles[ROLE_PARENT].caps, CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	set_caps(start, CAPNG_PERMITTED | CAPNG_BOUNDING_SET);
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

static void
load_filter(enum role r)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!ctx)
		step_failed(r, "seccomp", ENOMEM);
	err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1); /* all threads */
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

/* openat() stands for all calls that open files: test_sandbox.c sees to it. */
static bool
opens_files(enum role r)
{
	bool found = r == ROLE_PARENT;

	for (size_t i = 0; i < sandbox_n_calls; i++)
		found |= sandbox_calls[i].nr == SCMP_SYS(openat) &&
			 sandbox_calls[i].roles & 1u << r;
	return found;
}

static void
describe(const struct seal *s)
{
	if (s->abi > 0)
		snprintf(description, sizeof(description), "landlock abi %d, seccomp kill", s->abi);
	else
		snprintf(description, sizeof(description), "no landlock: %s, seccomp kill",
		    opens_files(s->role) ? "files by uid only" : "opens no files");
}

void
sandbox_enter(enum role r, const struct options *o)
{
	sandbox_enter_threads(r, o, NULL, NULL);
}

void
sandbox_enter_threads(enum role r, const struct options *o, void (*fn)(void *arg), void *arg)
{
	struct seal s = { .role = r, .options = o };

	prepare_landlock(&s);
	describe(&s);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		step_failed(r, "no new privileges", errno);
	if (capng_get_caps_process() < 0)
		step_failed(r, "capabilities cannot be read", errno);
	if (r == ROLE_PARENT)
		cut_parent(&s);
	else
		change_user(&s);
	set_limits(r);
	if (r != ROLE_PARENT)
		die_with_parent(r);
	enforce_landlock(&s);
	if (fn != NULL)
		fn(arg);
	if (r != ROLE_PARENT)
		limit(r, RLIMIT_NPROC, 0, "limit of processes");
	load_filter(r);
	log_debug("sealed: %s", description);
}

const char *
sandbox_describe(void)
{
	return description;
}
