/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The path of manual SAs (manual.h). The other end knows nothing of it: there is one SA a direction,
 * which the kernel has or software, nothing to probe, and no new keys. All frames that are no flow's
 * go through the engine's port, for the numbers are the kernel's.
 */
#include "core/manual.h"
#include "core/offload_internal.h"
#include "core/reserve.h"

#define COUNT_MS 1000

static struct manual *
manual_of(const struct path *p)
{
	return p->assoc->manual;
}

/*
 * So that no more numbers are used than are left, as of the last count. Where the kernel has
 * esp4_offload it cuts segments late, and counts them as one packet: then it is the bytes that tell
 * how many they can be.
 */
static struct kernel_limits
sending_limits(const struct path *p)
{
	const struct sa_kernel *k = &p->assoc->active->out->kernel;
	uint64_t used = k->seq > p->began ? k->seq : p->began,
		 left = p->last > used ? p->last - used : 0, half = left / 2 + 1,
		 soon = left / 4 + 1;

	return (struct kernel_limits){ k->packets + soon, k->packets + half,
		k->bytes + soon * KERNEL_SEGMENT_MIN, k->bytes + half * KERNEL_SEGMENT_MIN };
}

static struct monotime
lend(struct offload *o, struct path *p, struct monotime now)
{
	struct sa_pair *pair = p->assoc->active;
	struct manual_loan loan;
	struct kernel_sa in = { .direction = KERNEL_IN, .spi = pair->in->entry.spi },
			 out = { .direction = KERNEL_OUT, .spi = pair->out->sa.spi };

	if (p->waits > 0 || p->members_due)
		return monotime_add_ms(now, 1000); /* soon: what comes in has to find its device */
	if (!o->setup.open_port(o->setup.arg)) {
		path_give_up(o, p, "the engine has no port to the kernel");
		return now;
	}
	if (!manual_lend(manual_of(p), &loan)) {
		path_set_why(p, PATH_ESP, "too few sequence numbers are reserved");
		return monotime_add_ms(now, 1000);
	}
	p->began = loan.sent;
	p->last = loan.last;
	p->soft_received = RESERVE_BUSY / 2;
	in.seq = loan.received;
	in.limits.soft = p->soft_received;
	out.seq = loan.sent;
	out.limits = sending_limits(p);
	if (path_add_sa(o, p, in, &pair->in->kernel, pair->in->keymat) < 0 ||
	    path_add_sa(o, p, out, &pair->out->kernel, pair->out->keymat) < 0)
		path_give_up(o, p, "the privileged process takes no request");
	else
		p->stage = PATH_ADDING;
	return now;
}

void
path_manual_answered(struct offload *o, struct path *p)
{
	struct assoc *a = p->assoc;

	if (a->active->in->kernel.state != SA_KERNEL_HAS ||
	    a->active->out->kernel.state != SA_KERNEL_HAS)
		return;
	p->stage = PATH_USED;
	p->way = PATH_ESP;
	p->since = p->counted = o->now;
	p->why[0] = '\0';
	a->in_kernel = true;
	a->port = p->number;
	way_update(o->setup.assocs, a);
	manual_lent(manual_of(p));
}

static void
set_limit(struct offload *o, struct path *p, enum kernel_direction d, struct kernel_limits limits)
{
	const struct sa_pair *pair = p->assoc->active;
	uint32_t spi = d == KERNEL_IN ? pair->in->entry.spi : pair->out->sa.spi;
	uint32_t token = path_token(o, p, REQUEST_LIMIT, spi, d);

	if (token == 0 ||
	    request_end(
		o, token, kernelcli_sa_limit(o->setup.priv, token, p->number, d, spi, &limits)) < 0)
		path_give_up(o, p, "the privileged process takes no request");
}

/* As soon as it is known how far the kernel is. */
static void
limit_soon(struct path *p)
{
	p->limit_due = true;
	p->counted = (struct monotime){ 0 };
}

struct monotime
path_manual_tick(struct offload *o, struct path *p, struct monotime now)
{
	uint64_t last;

	if (p->stage == PATH_IDLE)
		return lend(o, p, now);
	if (p->stage == PATH_ADDING)
		return monotime_add_ms(now, 1000);
	last = manual_last(manual_of(p));
	if (last != p->last)
		limit_soon(p);
	p->last = last;
	if (monotime_diff_ms(now, p->counted) >= COUNT_MS) {
		p->counted = now;
		path_count_all(o, p->assoc);
	}
	return monotime_add_ms(p->counted, COUNT_MS);
}

void
path_manual_counted(
    struct offload *o, struct path *p, enum kernel_direction d, const struct kernel_count *c)
{
	manual_counted(manual_of(p), d == KERNEL_OUT, c->seq);
	if (d == KERNEL_IN || !p->limit_due || p->stage != PATH_USED)
		return;
	p->limit_due = false;
	set_limit(o, p, KERNEL_OUT, sending_limits(p));
}

static void
soft_limit(struct offload *o, struct path *p, enum kernel_direction d)
{
	limit_soon(p);
	if (d == KERNEL_OUT)
		return;
	p->soft_received += RESERVE_BUSY / 2;
	set_limit(o, p, KERNEL_IN, (struct kernel_limits){ .soft = p->soft_received });
}

void
path_manual_event(struct offload *o, struct path *p, const struct kernel_event *ev)
{
	switch (ev->type) {
	case KERNEL_SA_SOFT:
		soft_limit(o, p, ev->direction);
		break;
	case KERNEL_SA_LOST:
	case KERNEL_NO_SA:
		path_give_up(o, p, "the kernel's SA is gone");
		break;
	default:
		break;
	}
}

void
path_manual_removed(struct offload *o, struct path *p)
{
	p->assoc->port = 0;
	way_update(o->setup.assocs, p->assoc);
	manual_return(manual_of(p));
}

bool
path_manual_settled(struct offload *o, struct path *p)
{
	if (p->left != 0 && o->leaving[p->left])
		return false;
	p->left = 0;
	return manual_settle(manual_of(p));
}

/* --- the engine's port --- */

struct assoc *
offload_manual_of(const struct offload *o, uint32_t number)
{
	struct path *p = number <= KERNEL_PEERS_MAX ? o->paths[number] : NULL;

	return p != NULL && p->assoc->manual != NULL ? p->assoc : NULL;
}

void
offload_port_lost(struct offload *o)
{
	for (uint32_t number = 1; number <= KERNEL_PEERS_MAX; number++)
		if (offload_manual_of(o, number) != NULL)
			path_give_up(o, o->paths[number], "somebody has removed the engine's port");
}
