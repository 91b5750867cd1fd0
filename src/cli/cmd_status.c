/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the daemon is, for people; S-expressions of the same are not wanted by anybody, JSON is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/columns.h"

#define LABEL_WIDTH 14

static const struct column process_columns[] = {
	{ "role", "PROCESS" },
	{ "pid", "PID" },
	{ "restarts", "RESTARTS" },
	{ "sandbox", "SANDBOX" },
};

static const struct column ability_columns[] = {
	{ "name", "KERNEL" },
	{ "able", "ABLE" },
	{ "reason", "REASON" },
};

static const struct column counter_columns[] = {
	{ "name", NULL },
	{ "value", NULL },
	{ "help", NULL },
};

/* "3 h 12 min": the two largest units. */
static void
print_duration(const char *seconds)
{
	static const struct {
		unsigned seconds;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	uint64_t left = strtoull(seconds, NULL, 10);
	int printed = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && printed < 2; i++) {
		uint64_t n = left / units[i].seconds;

		left %= units[i].seconds;
		if (n == 0 && printed == 0 && units[i].seconds > 1)
			continue;
		printf("%s%" PRIu64 " %s", printed ? " " : "", n, units[i].name);
		printed++;
	}
	printf("\n");
}

static void
print_line(const char *key, const char *value)
{
	printf("%-*s", LABEL_WIDTH, key);
	if (strcmp(key, "uptime") == 0)
		print_duration(value);
	else
		printf("%s\n", value);
}

/* Repeated keys are named once, as in a list of ports. */
static void
print_facts(const struct sxp *status)
{
	const char *previous = "";

	for (const struct sxp *e = sxp_args(status); e; e = e->next) {
		const struct sxp *value = sxp_is_list(e) ? sxp_args(e) : NULL;

		if (!value || sxp_is_list(value))
			continue;
		print_line(strcmp(previous, sxp_name(e)) == 0 ? "" : sxp_name(e), value->text);
		previous = sxp_name(e);
	}
}

/* The (ability ..)s among these. */
static void
print_abilities(const struct sxp *e)
{
	struct columns *abilities = columns_new(ability_columns, 3);

	for (; e && abilities; e = e->next)
		if (sxp_is_list(e) && strcmp(sxp_name(e), "ability") == 0)
			columns_add(abilities, e);
	if (abilities && columns_count(abilities) > 0) {
		printf("\n");
		columns_print(abilities, stdout);
	}
	columns_free(abilities);
}

static const char *
said(const struct sxp *e, const char *key)
{
	const char *value = sxp_get(e, key);

	return value ? value : "?";
}

/* What the kernel carries, and what it can. */
static void
print_kernel(const struct sxp *first)
{
	for (const struct sxp *e = first; e; e = e->next) {
		const char *reason = sxp_is_list(e) ? sxp_get(e, "reason") : NULL;

		if (!sxp_is_list(e) || strcmp(sxp_name(e), "offload") != 0)
			continue;
		printf("\n%-*s%s: %s, associations %s, flows %s%s%s\n", LABEL_WIDTH, "offload",
		    said(e, "mode"), said(e, "state"), said(e, "paths"), said(e, "flows"),
		    reason ? "; " : "", reason ? reason : "");
	}
	print_abilities(first);
}

static void
print_status(void *arg, const struct sxp *status)
{
	struct columns *processes = columns_new(process_columns, 4);

	(void)arg;
	print_facts(status);
	for (const struct sxp *e = sxp_args(status); e && processes; e = e->next)
		if (sxp_is_list(e) && strcmp(sxp_name(e), "process") == 0)
			columns_add(processes, e);
	if (processes && columns_count(processes) > 0) {
		printf("\n");
		columns_print(processes, stdout);
	}
	columns_free(processes);
	print_kernel(sxp_args(status));
}

enum vn_status
cmd_status(struct vn *vn)
{
	struct sxp_out request = vn_begin("status");

	if (vn->value[OPT_JSON])
		return vn_list(vn, request);
	sxp_out_close(&request);
	return vn_request(vn, &request, print_status, NULL);
}

static void
add_counter(void *arg, const struct sxp *counter)
{
	columns_add(arg, counter);
}

enum vn_status
cmd_stats(struct vn *vn)
{
	struct sxp_out request = vn_begin("stats");
	struct columns *counters;
	enum vn_status status;

	if (vn->value[OPT_JSON])
		return vn_list(vn, request);
	sxp_out_close(&request);
	counters = columns_new(counter_columns, 3);
	if (!counters) {
		complain("vn", "out of memory");
		sxp_out_free(&request);
		return VN_REFUSED;
	}
	status = vn_request(vn, &request, add_counter, counters);
	if (status == VN_OK)
		columns_print(counters, stdout);
	columns_free(counters);
	return status;
}

enum vn_status
cmd_offload(struct vn *vn)
{
	struct sxp_out request = vn_begin("offload");

	if (vn->n_args == 0)
		return vn_list(vn, request);
	sxp_out_kv(&request, "mode", vn->args[0]);
	return vn_do(vn, request);
}
