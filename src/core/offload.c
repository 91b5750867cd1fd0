/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "offload"
#include "base/log.h"
#include "core/offload_internal.h"
#include "core/stats.h"

#define START_AGAIN_MS 30000
#define SECURE_MAX_MS  600000
#define COUNT_MS       5000
#define KERNEL_SAS     2 /* of a pair, for the kernel */

/* --- requests --- */

uint32_t
request_begin(struct offload *o, const struct request *r)
{
	uint32_t token = o->token + 1 != 0 ? o->token + 1 : 1;

	if (o->requests[token % REQUESTS_MAX].kind != REQUEST_NONE)
		return 0;
	o->token = token;
	o->requests[token % REQUESTS_MAX] = *r;
	return token;
}

int
request_end(struct offload *o, uint32_t token, int err)
{
	if (err < 0) {
		o->requests[token % REQUESTS_MAX].kind = REQUEST_NONE;
		o->token = token - 1;
	}
	return err;
}

static struct request
request_take(struct offload *o, uint32_t token)
{
	struct request r = o->requests[token % REQUESTS_MAX];

	o->requests[token % REQUESTS_MAX].kind = REQUEST_NONE;
	return r;
}

/* --- what the kernel can do --- */

const char *
offload_ability_name(unsigned ability)
{
	static const char *const names[] = { [KERNEL_VXLAN] = "vxlan",
		[KERNEL_BPF] = "bpf",
		[KERNEL_NFT] = "nftables",
		[KERNEL_TAP] = "tap" };

	return ability < KERNEL_SUITE ? names[ability] : suite_by_id(ability - KERNEL_SUITE)->name;
}

/* The first that vnets of that suite need and the kernel has not; -1: none. */
static int
missing(const struct offload *o, enum suite_id suite)
{
	static const enum kernel_ability needed[] = { KERNEL_VXLAN, KERNEL_BPF, KERNEL_NFT,
		KERNEL_TAP };
	size_t n = suite == SUITE_NONE ? 2 : 4;

	for (size_t i = 0; i < n; i++)
		if (!o->findings[needed[i]].able)
			return (int)needed[i];
	if (suite != SUITE_NONE && !o->findings[KERNEL_SUITE + suite].able)
		return KERNEL_SUITE + (int)suite;
	return -1;
}

static bool
any_secured(const struct offload *o)
{
	for (enum suite_id s = SUITE_NONE + 1; s < SUITE_COUNT; s++)
		if (missing(o, s) < 0)
			return true;
	return false;
}

const char *
offload_refusal(const struct offload *o, const struct suite *s)
{
	static char text[KERNEL_REASON_MAX + 64];
	int m;

	if (o->setup.mode == OFFLOAD_OFF)
		return "it is switched off";
	if (!o->found)
		return "what the kernel can do is not known yet";
	m = missing(o, s->id);
	if (m >= 0) {
		snprintf(text, sizeof(text), "%s: %s", offload_ability_name((unsigned)m),
		    o->findings[m].reason);
		return text;
	}
	if (o->state == OFFLOAD_FINDING || o->state == OFFLOAD_STARTING)
		return NULL;
	return o->state != OFFLOAD_RUNNING || (s->id != SUITE_NONE && !o->secured) ? o->why : NULL;
}

/* Does every vnet of the group stay in software, or one that must? */
static const char *
group_obstacle(const struct offload *o, const struct group *g)
{
	bool any = false;

	for (const struct vnet *v = o->setup.vnets->first; v != NULL; v = v->next) {
		if (v->group != g)
			continue;
		if (v->hubs > 0)
			return "a kernel VXLAN device is a port of this host";
		any |= v->spec.offload != OFFLOAD_OFF;
	}
	return any ? NULL : "no vnet of it may be offloaded";
}

const char *
offload_obstacle(const struct offload *o, const struct assoc *a)
{
	const char *why = offload_refusal(o, a->group->suite);

	if (why != NULL)
		return why;
	if (o->state != OFFLOAD_RUNNING)
		return "being started";
	if (a->plain && a->manual == NULL)
		return "no vnetd there";
	if (a->plain && a->ep.port != ENDPOINT_ESP)
		return "its ESP in UDP comes to the engine";
	if (!a->up || (a->group->suite->id != SUITE_NONE && a->active == NULL))
		return "it is down";
	if ((a->path == NULL || a->path->number == 0) &&
	    (!ipaddr_is_set(&a->local) || a->local.family != a->ep.ip.family))
		return "our address towards it is not known yet";
	return group_obstacle(o, a->group);
}

/* --- on and off --- */

/* Hosts offer SAs for the kernel as long as there may be one that can. */
static void
offer_sas(struct offload *o)
{
	bool offers = o->setup.mode != OFFLOAD_OFF && (!o->found || any_secured(o));

	o->setup.assocs->config.n_kernel = offers ? KERNEL_SAS : 0;
}

/* Without asking for anything to be removed: it is gone, or goes as a whole. */
static void
forget_all(struct offload *o)
{
	flows_stop(o);
	for (struct assoc *a = o->setup.assocs->first; a != NULL; a = a->next)
		if (a->path != NULL)
			path_remove(o, a->path);
	memset(o->leaving, 0, sizeof(o->leaving));
	o->n_leaving = 0;
	o->state = OFFLOAD_IDLE;
	o->secured = false;
	memset(&o->drops, 0, sizeof(o->drops));
	offload_kick(o);
}

static void
not_running(struct offload *o, const char *why)
{
	forget_all(o);
	snprintf(o->why, sizeof(o->why), "%s", why);
	o->retry = monotime_add_ms(o->now, START_AGAIN_MS);
}

static void
start(struct offload *o, bool secured)
{
	uint32_t token = request_begin(o, &(struct request){ .kind = REQUEST_START });

	o->retry = (struct monotime){ 0 };
	o->wanted_secured = secured;
	o->state = OFFLOAD_STARTING;
	if (token == 0 || request_end(o, token, kernelcli_start(o->setup.priv, token, secured)) < 0)
		not_running(o, "the privileged process cannot be asked");
}

static void
find(struct offload *o)
{
	o->retry = (struct monotime){ 0 };
	o->state = OFFLOAD_FINDING;
	if (kernelcli_find(o->setup.priv) < 0)
		not_running(o, "the privileged process cannot be asked");
}

static void
stop(struct offload *o)
{
	bool running = o->state == OFFLOAD_STARTING || o->state == OFFLOAD_RUNNING;
	uint32_t token;

	forget_all(o);
	o->retry = (struct monotime){ 0 };
	if (!running)
		return;
	token = request_begin(o, &(struct request){ .kind = REQUEST_OTHER });
	if (token != 0)
		(void)request_end(o, token, kernelcli_stop(o->setup.priv, token));
}

void
offload_start(struct offload *o)
{
	offer_sas(o);
	find(o); /* even if it is switched off: people want to know */
}

void
offload_restart(struct offload *o)
{
	forget_all(o);
	memset(o->requests, 0, sizeof(o->requests));
	offload_start(o);
}

void
offload_set_mode(struct offload *o, enum offload_mode mode)
{
	o->setup.mode = mode;
	offer_sas(o);
	if (mode == OFFLOAD_OFF)
		stop(o);
	else if (o->state == OFFLOAD_IDLE)
		find(o);
}

/* --- answers --- */

static void
found(void *arg, const struct kernel_finding findings[static KERNEL_ABILITIES])
{
	struct offload *o = arg;
	int m;

	memcpy(o->findings, findings, sizeof(o->findings));
	o->found = true;
	offer_sas(o);
	offload_kick(o);
	if (o->state != OFFLOAD_FINDING)
		return;
	o->state = OFFLOAD_IDLE;
	m = missing(o, SUITE_NONE);
	if (m >= 0)
		snprintf(o->why, sizeof(o->why), "%s: %s", offload_ability_name((unsigned)m),
		    o->findings[m].reason);
	else if (o->setup.mode != OFFLOAD_OFF)
		start(o, any_secured(o));
}

static void
started(struct offload *o, int error, const char *text)
{
	struct kernel_slot *slots;

	if (o->state != OFFLOAD_STARTING)
		return;
	if (error < 0 && o->wanted_secured) {
		snprintf(o->why, sizeof(o->why), "%s", text);
		if (offload_worth_a_line(o))
			log_warnx("secured vnets stay in software: %s", text);
		/* Others had what the barriers need; later they may not. */
		o->secure = offload_back_off(&o->secure_ms, START_AGAIN_MS, SECURE_MAX_MS, o->now);
		start(o, false);
		return;
	}
	slots = error < 0 ? NULL : kernelcli_slots(o->setup.priv);
	if (slots == NULL) {
		not_running(o, error < 0 ? text : "no shared memory");
		log_warnx("the kernel carries nothing: %s", o->why);
		return;
	}
	o->state = OFFLOAD_RUNNING;
	o->secured = o->wanted_secured;
	if (o->secured) {
		o->secure = (struct monotime){ 0 };
		o->secure_ms = 0;
	}
	flows_start(o, slots);
	log_info("the kernel may carry %s", o->secured ? "all levels" : "vnets of level none");
}

static void
done(void *arg, uint32_t token, int error, const char *text)
{
	struct offload *o = arg;
	struct request r = request_take(o, token);

	if (error == -EPIPE)
		return; /* offload_restart() comes */
	switch (r.kind) {
	case REQUEST_START:
		started(o, error, text);
		break;
	case REQUEST_FLOW:
		flows_answered(o, &r, error);
		break;
	case REQUEST_DEVICE:
		if (error < 0) {
			log_warnx("the kernel cannot carry a vnet: %s", text);
			flows_device_refused(o, r.number);
		}
		break;
	case REQUEST_PEER:
	case REQUEST_SA:
	case REQUEST_COUNT:
	case REQUEST_LIMIT:
	case REQUEST_MEMBER:
	case REQUEST_PROBE:
		path_answered(o, &r, error, text);
		break;
	case REQUEST_OTHER:
	case REQUEST_NONE:
		if (error < 0)
			log_debug("priv: %s", text);
		break;
	}
	offload_kick(o);
}

static void
counted(void *arg, uint32_t token, const struct kernel_count *c)
{
	struct offload *o = arg;
	struct request r = request_take(o, token);

	path_counted(o, &r, c);
}

static void
event(void *arg, const struct kernel_event *ev)
{
	struct offload *o = arg;

	if (o->state != OFFLOAD_RUNNING)
		return;
	switch (ev->type) {
	case KERNEL_BROKEN:
		if (offload_worth_a_line(o))
			log_warnx("%s; repaired", ev->text);
		break;
	case KERNEL_DOWN:
		log_warnx("all goes in software: %s", ev->text);
		not_running(o, ev->text);
		break;
	default:
		path_event(o, ev);
		break;
	}
}

/* --- life --- */

static const struct kernelcli_ops ops = {
	.found = found,
	.done = done,
	.counted = counted,
	.event = event,
};

struct offload *
offload_new(const struct offload_setup *s)
{
	struct offload *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->setup = *s;
	o->flows = flows_new();
	if (o->flows == NULL) {
		free(o);
		return NULL;
	}
	kernelcli_init(s->priv, &ops, o);
	return o;
}

void
offload_free(struct offload *o)
{
	if (o == NULL)
		return;
	flows_free(o->flows);
	free(o);
}

static void
tell_leaving(struct offload *o)
{
	for (uint32_t n = 1; n <= KERNEL_PEERS_MAX && o->n_leaving > 0; n++) {
		uint32_t token;

		if (!o->leaving[n])
			continue;
		token = request_begin(o, &(struct request){ .kind = REQUEST_OTHER });
		if (token == 0 ||
		    request_end(o, token, kernelcli_peer_delete(o->setup.priv, token, n)) < 0)
			return;
		o->leaving[n] = false;
		o->n_leaving--;
	}
}

static void
count_all(struct offload *o, struct monotime now)
{
	const struct kernel_drops *d = kernelcli_drops(o->setup.priv);

	if (d != NULL) {
		stats_add(STAT_KERNEL_CLEAR, d->clear - o->drops.clear);
		stats_add(STAT_KERNEL_VNI, d->vni - o->drops.vni);
		stats_add(STAT_KERNEL_UNSENT, d->unsent - o->drops.unsent);
		o->drops = *d;
	}
	if (monotime_diff_ms(now, o->counted) < COUNT_MS)
		return;
	o->counted = now;
	for (struct assoc *a = o->setup.assocs->first; a != NULL; a = a->next)
		path_count_all(o, a);
}

/* All anew, as there is a vnet that would have it. */
static bool
secure_due(const struct offload *o)
{
	bool any = false;

	for (const struct vnet *v = o->setup.vnets->first; v != NULL; v = v->next)
		any |= v->spec.suite != SUITE_NONE && v->spec.offload != OFFLOAD_OFF;
	return any && o->state == OFFLOAD_RUNNING && monotime_is_set(o->secure) &&
	       !monotime_before(o->now, o->secure);
}

struct monotime
offload_tick(struct offload *o, struct monotime now)
{
	struct monotime next = { 0 };

	o->now = now;
	if (o->setup.mode != OFFLOAD_OFF && o->state == OFFLOAD_IDLE && monotime_is_set(o->retry) &&
	    !monotime_before(now, o->retry))
		find(o);
	if (secure_due(o)) {
		stop(o);
		find(o);
	}
	if (o->state == OFFLOAD_IDLE)
		next = o->retry;
	if (o->state == OFFLOAD_RUNNING) {
		flows_tick(o, now);
		tell_leaving(o);
		count_all(o, now);
		next = monotime_add_ms(now, 1000);
	}
	for (struct assoc *a = o->setup.assocs->first; a != NULL; a = a->next)
		if (a->up || a->path != NULL)
			next = monotime_earliest(next, path_tick(o, a, now));
	return next;
}

struct offload_info
offload_info(const struct offload *o)
{
	struct offload_info i = { .mode = o->setup.mode,
		.state = o->state,
		.why = o->why,
		.secured = o->secured,
		.found = o->found,
		.findings = o->findings };

	flows_count(o, &i.flows, &i.sources);
	for (const struct assoc *a = o->setup.assocs->first; a != NULL; a = a->next)
		i.paths += path_in_use(a);
	return i;
}
