/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel carries: vn offload, and its part of other lists. */
#include <inttypes.h>
#include <string.h>

#include "core/commands.h"
#include "core/engine.h"
#include "core/listing.h"
#include "core/offload.h"

static const char *
state_name(const struct offload_info *i)
{
	static const char *const names[] = { [OFFLOAD_IDLE] = "software",
		[OFFLOAD_FINDING] = "starting",
		[OFFLOAD_STARTING] = "starting",
		[OFFLOAD_RUNNING] = "running" };

	return i->mode == OFFLOAD_OFF ? "off" : names[i->state];
}

static void
print_ability(struct sxp_out *o, const char *name, const struct kernel_finding *f)
{
	sxp_out_open(o, "ability");
	sxp_out_kv(o, "name", name);
	sxp_out_kv(o, "able", f->able ? "yes" : "no");
	if (!f->able)
		sxp_out_kv(o, "reason", f->reason);
	sxp_out_close(o);
}

void
print_offload(struct sxp_out *o, const struct offload *offload)
{
	struct offload_info i = offload_info(offload);

	sxp_out_open(o, "offload");
	sxp_out_kv(o, "mode", offload_mode_name(i.mode));
	sxp_out_kv(o, "state", state_name(&i));
	if (i.mode != OFFLOAD_OFF && i.why[0] != '\0' &&
	    (i.state == OFFLOAD_IDLE || (i.state == OFFLOAD_RUNNING && !i.secured)))
		sxp_out_kv(o, "reason", i.why);
	sxp_out_kvf(o, "paths", "%u", i.paths);
	sxp_out_kvf(o, "flows", "%zu", i.flows);
	sxp_out_kvf(o, "sources", "%zu", i.sources);
	sxp_out_close(o);
	for (unsigned n = 0; i.found && n < KERNEL_ABILITIES; n++)
		if (n != KERNEL_SUITE + SUITE_NONE)
			print_ability(o, offload_ability_name(n), &i.findings[n]);
}

void
print_flow(
    struct sxp_out *o, const struct offload *offload, uint32_t vni, const struct macaddr *mac)
{
	struct offload_count n;

	if (!offload_flow(offload, vni, mac, &n))
		return;
	sxp_out_kvf(o, "kernel_tx", "%" PRIu64, n.tx_packets);
	sxp_out_kvf(o, "kernel_rx", "%" PRIu64, n.rx_packets);
}

bool
command_offload(struct request *r)
{
	const char *mode = sxp_get(r->expr, "mode");
	struct engine *e = r->engine;
	const char *why;

	if (mode == NULL) {
		print_offload(r->out, e->offload);
		return true;
	}
	if (strcmp(mode, "on") != 0 && strcmp(mode, "off") != 0 && strcmp(mode, "auto") != 0) {
		r->code = "usage";
		return command_refuse(r, mode, "expected on, off or auto");
	}
	e->config.offload = strcmp(mode, "off") == 0 ? OFFLOAD_OFF : OFFLOAD_AUTO;
	offload_set_mode(e->offload, e->config.offload);
	why = strcmp(mode, "on") == 0 ? offload_refusal(e->offload, suite_by_id(SUITE_NONE)) : NULL;
	if (why != NULL)
		return command_refuse(r, "offload", "the kernel can carry nothing: %s", why);
	return true;
}
