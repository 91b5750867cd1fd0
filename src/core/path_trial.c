/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a way that is better than the one in use works, found beside the flows: its SA of the
 * active pair goes to the kernel under a number of its own, which only probes use. If they are
 * answered, the next pair's SA of that way takes over as at any rekeying; so no flow is touched
 * before the way is known to work, and that SA is never used again.
 */
#include "core/offload_internal.h"

#define TRIAL_MIN_MS 30000

void
path_trial_end(struct offload *o, struct path *p)
{
	if (p->trial.number != 0)
		path_leave_number(o, p->trial.number);
	p->trial.number = 0;
}

void
path_trial_forget(struct path *p)
{
	p->trial.works = false;
	p->trial.due = (struct monotime){ 0 };
}

/* False: not now. */
static bool
install(struct offload *o, struct path *p, const struct kernel_sa *sa, struct sa_out *out)
{
	struct kernel_peer k = { .number = sa->peer,
		.suite = p->assoc->group->suite->id,
		.local = p->local,
		.remote = p->remote };
	uint32_t token = path_token(o, p, REQUEST_OTHER, 0, 0);

	return token != 0 &&
	       request_end(o, token, kernelcli_peer_add(o->setup.priv, token, &k)) == 0 &&
	       path_add_sa(o, p, *sa, &out->kernel, out->keymat) == 0;
}

static struct monotime
begin(struct offload *o, struct path *p, struct kernel_sa *sa, struct sa_out *out,
    struct monotime now)
{
	struct path_trial *t = &p->trial;

	t->number = sa->peer = path_take_number(o, p);
	if (t->number == 0 || !install(o, p, sa, out)) {
		path_trial_end(o, p);
		return monotime_add_ms(now, 1000);
	}
	t->due = (struct monotime){ 0 };
	t->unanswered = 0;
	t->probe_due = now;
	random_bytes(&t->nonce, sizeof(t->nonce));
	return now;
}

/* New keys bring SAs to try; if it was not they that came, they are made. */
static struct monotime
begin_next(struct offload *o, struct path *p, struct monotime now)
{
	struct path_trial *t = &p->trial;
	bool offered = false;

	for (t->way = PATH_ESP; t->way < p->way; t->way++) {
		struct kernel_sa sa = { .direction = KERNEL_OUT };
		struct sa_out *out = path_out(o, p, t->way, &sa);

		offered |= out != NULL;
		if (out != NULL && out->kernel.state == SA_KERNEL_NEVER)
			return begin(o, p, &sa, out, now);
	}
	if (!offered)
		return (struct monotime){ 0 };
	if (!monotime_is_set(t->due))
		t->due = offload_back_off(&t->wait_ms, TRIAL_MIN_MS, TRIAL_MAX_MS, now);
	if (monotime_before(now, t->due))
		return t->due;
	assoc_rekey(o->setup.assocs, p->assoc, now);
	return monotime_add_ms(now, 1000);
}

static struct monotime
send_probes(struct offload *o, struct path *p, struct monotime now)
{
	struct path_trial *t = &p->trial;

	if (monotime_before(now, t->probe_due))
		return t->probe_due;
	if (t->unanswered >= TRIES) {
		path_trial_end(o, p);
		path_set_why(p, t->way, "probes are not answered");
		return now;
	}
	path_probe(o, p, t->number, &t->nonce);
	t->unanswered++;
	t->probe_due = monotime_add_ms(now, TRY_MS);
	return t->probe_due;
}

struct monotime
path_trial_tick(struct offload *o, struct path *p, struct monotime now)
{
	const struct sa_pair *pair = p->assoc->active;

	if (p->stage != PATH_USED || p->out_pair != pair || p->heard_pair != pair) {
		path_trial_end(o, p);
		return (struct monotime){ 0 };
	}
	if (p->trial.works) {
		assoc_rekey(o->setup.assocs, p->assoc, now);
		return monotime_add_ms(now, 1000);
	}
	return p->trial.number != 0 ? send_probes(o, p, now) : begin_next(o, p, now);
}

bool
path_trial_seen(struct offload *o, struct path *p, uint64_t nonce)
{
	struct path_trial *t = &p->trial;

	if (t->number == 0 || (nonce ^ t->nonce) >> 8 != 0)
		return false;
	t->works = true;
	path_trial_end(o, p);
	return true;
}
