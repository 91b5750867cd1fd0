/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The other way: configuration as text, and vnetd -n. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"

#define FILE_MAX (16u << 20)

static void
print_settings(struct sxp_out *o, const struct config *c)
{
	char group[IPADDR_STRLEN];

	sxp_out_open(o, "varp.mcaddr");
	sxp_out_kv(o, "addr", ipaddr_format(&c->group, group));
	sxp_out_kvf(o, "ttl", "%u", c->group_ttl);
	sxp_out_close(o);
	sxp_out_kvf(o, "port", "%u", c->port);
	if (c->n_underlays) {
		sxp_out_open(o, "underlay");
		for (size_t i = 0; i < c->n_underlays; i++)
			sxp_out_atom(o, c->underlays[i]);
		sxp_out_close(o);
	}
	sxp_out_open(o, "rekey");
	sxp_out_kvf(o, "seconds", "%u", c->rekey_seconds);
	sxp_out_kvf(o, "packets", "%" PRIu64, c->rekey_packets);
	sxp_out_close(o);
	sxp_out_kvf(o, "replay-window", "%u", c->replay_window);
	sxp_out_open(o, "varp");
	sxp_out_kvf(o, "entry-ttl", "%u", c->entry_ttl);
	sxp_out_close(o);
	sxp_out_kv(o, "legacy-vnets", c->legacy_vnets ? "on" : "off");
	sxp_out_kv(o, "offload", offload_mode_name(c->offload));
}

static void
print_host(struct sxp_out *o, const struct config *c)
{
	char seed[2 * sizeof(c->seed) + 1];

	for (size_t i = 0; i < sizeof(c->seed); i++)
		snprintf(seed + 2 * i, 3, "%02x", c->seed[i]);
	sxp_out_open(o, "host");
	sxp_out_kvf(o, "id", "%016" PRIx64, c->host_id);
	sxp_out_kv(o, "seed", seed);
	sxp_out_kvf(o, "start", "%" PRIu64, c->start);
	sxp_out_close(o);
}

static void
print_peer(struct sxp_out *o, const struct config_peer *peer)
{
	sxp_out_open(o, "peer.add");
	sxp_out_kv(o, "addr", peer->host);
	if (peer->port)
		sxp_out_kvf(o, "port", "%u", peer->port);
	if (peer->kind != PEER_VNETD)
		sxp_out_kv(o, "vxlan", peer->kind == PEER_VXLAN_HUB ? "hub" : "member");
	sxp_out_close(o);
}

static void
print_label(struct sxp_out *o, const struct config_label *label)
{
	char id[VNETID_STRLEN];

	sxp_out_open(o, "label");
	sxp_out_kv(o, "id", vnetid_format(&label->id, id));
	sxp_out_kvf(o, "vni", "%u", label->vni);
	sxp_out_close(o);
}

void
config_print_state(struct sxp_out *o, const struct config *c)
{
	if (c->host_id)
		print_host(o, c);
	for (size_t i = 0; i < c->n_vnets; i++)
		vnetspec_print(o, "vnet.add", &c->vnets[i]);
	for (size_t i = 0; i < c->n_peers; i++)
		print_peer(o, &c->peers[i]);
	for (size_t i = 0; i < c->n_labels; i++)
		print_label(o, &c->labels[i]);
	for (size_t i = 0; i < c->n_sas; i++)
		manualspec_print(o, &c->sas[i]);
}

void
config_print(struct sxp_out *o, const struct config *c)
{
	print_settings(o, c);
	config_print_state(o, c);
}

/* The whole file, malloc'd; NULL and errno. */
static char *
read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	char *text = file ? malloc(FILE_MAX + 1) : NULL;

	if (text) {
		*len = fread(text, 1, FILE_MAX + 1, file);
		if (ferror(file) || *len > FILE_MAX) {
			errno = ferror(file) ? errno : EFBIG;
			free(text);
			text = NULL;
		}
	}
	if (file)
		fclose(file);
	return text;
}

static void
print_error(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s:%u: %s\n", file, line, text);
}

static bool
print_parsed(const struct config *c)
{
	struct sxp_out o = { 0 };
	bool ok;

	config_print(&o, c);
	ok = !o.bad && fputs(o.text, stdout) >= 0 && fflush(stdout) == 0;
	sxp_out_free(&o);
	return ok;
}

int
config_check_file(const char *path, bool print)
{
	struct config c;
	size_t len;
	char *text = read_file(path, &len);
	int status = 0;

	if (!text) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	if (config_parse(text, len, path, false, &c, print_error, NULL) > 0)
		status = 1;
	else if (print && !print_parsed(&c))
		status = 1;
	config_free(&c);
	free(text);
	return status;
}
