/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE "control"
#include "base/log.h"
#include "core/commands.h"
#include "core/engine.h"
#include "core/hosts.h"
#include "core/keyscli.h"
#include "core/manual.h"
#include "core/state.h"
#include "core/transport.h"
#include "core/vnetctl.h"
#include "varp/varp.h"

bool
command_refuse(struct request *r, const char *object, const char *fmt, ...)
{
	va_list ap;

	snprintf(r->object, sizeof(r->object), "%.90s", object);
	va_start(ap, fmt);
	vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
	return false;
}

bool
command_store(struct request *r)
{
	r->wait_store = state_changed(r->engine);
	return true;
}

static bool
usage(struct request *r, const char *object, const char *reason)
{
	r->code = "usage";
	return command_refuse(r, object, "%s", reason);
}

struct vnet *
command_vnet(struct request *r)
{
	const char *text = sxp_get(r->expr, "vnet");
	struct vnet *v;

	if (text == NULL)
		text = sxp_get(r->expr, "id");
	if (text == NULL) {
		(void)usage(r, sxp_name(r->expr), "which vnet? expected (vnet ID)");
		return NULL;
	}
	v = vnet_by_text(&r->engine->vnets, text);
	if (v == NULL)
		(void)command_refuse(r, text, "no such vnet");
	return v;
}

/* --- vnets --- */

static bool
vnet_add_command(struct request *r)
{
	char error[VNETCTL_ERROR_MAX], id[VNETID_STRLEN];
	struct vnetspec spec;

	if (!vnetspec_parse(r->expr, true, &spec, error))
		return usage(
		    r, sxp_get(r->expr, "id") != NULL ? sxp_get(r->expr, "id") : "vnet.add", error);
	if (vnetctl_add(r->engine, &spec, false, false, error) < 0)
		return command_refuse(r, vnetid_format(&spec.id, id), "%s", error);
	return command_store(r);
}

static bool
vnet_set_command(struct request *r)
{
	char error[VNETCTL_ERROR_MAX], id[VNETID_STRLEN];
	struct vnet *v = command_vnet(r);
	struct vnetspec spec;

	if (v == NULL)
		return false;
	vnetid_format(&v->id, id);
	if (!vnetspec_parse(r->expr, false, &spec, error))
		return usage(r, id, error);
	if (vnetctl_set(r->engine, v, &spec, error) < 0)
		return command_refuse(r, id, "%s", error);
	return command_store(r);
}

static bool
vnet_del_command(struct request *r)
{
	const char *bridge = sxp_get(r->expr, "bridge");
	char error[VNETCTL_ERROR_MAX], id[VNETID_STRLEN];
	struct vnet *v = command_vnet(r);

	if (v == NULL)
		return false;
	vnetid_format(&v->id, id);
	if (vnetctl_delete(r->engine, v, bridge != NULL && strcmp(bridge, "yes") == 0, error) < 0)
		return command_refuse(r, id, "%s", error);
	return command_store(r);
}

/* --- vifs and VARP --- */

/* (vnet V) and (vmac MAC) */
static struct vnet *
vnet_and_mac(struct request *r, struct macaddr *mac)
{
	const char *text = sxp_get(r->expr, "vmac");
	struct vnet *v = command_vnet(r);

	if (v == NULL)
		return NULL;
	if (text == NULL || !mac_parse(text, mac) || mac_is_multicast(mac) || mac_is_zero(mac)) {
		r->code = "usage";
		(void)command_refuse(r, text != NULL ? text : "vmac",
		    "not the MAC address of an interface, expected one like 02:00:00:00:00:01");
		return NULL;
	}
	return v;
}

static bool
vif_add_command(struct request *r)
{
	struct macaddr mac;
	struct vnet *v = vnet_and_mac(r, &mac);
	int err;

	if (v == NULL)
		return false;
	err = varp_vif_add(r->engine->varp, v->vni, &mac, engine_now(r->engine));
	if (err < 0 && err != -EEXIST)
		return command_refuse(r, sxp_get(r->expr, "vmac"), "%s",
		    err == -ENOSPC ? "too many vifs" : strerror(-err));
	return true;
}

static bool
vif_del_command(struct request *r)
{
	struct macaddr mac;
	struct vnet *v = vnet_and_mac(r, &mac);

	if (v == NULL)
		return false;
	if (varp_vif_delete(r->engine->varp, v->vni, &mac) < 0)
		return command_refuse(r, sxp_get(r->expr, "vmac"), "no such vif in this vnet");
	return true;
}

static bool
varp_flush_command(struct request *r)
{
	sxp_out_open(r->out, "flushed");
	sxp_out_fmt(r->out, "%zu", varp_flush(r->engine->varp));
	sxp_out_close(r->out);
	return true;
}

static bool
varp_mcaddr_command(struct request *r)
{
	struct engine *e = r->engine;
	char error[VNETSPEC_ERROR_MAX];

	if (!config_parse_mcaddr(r->expr, &e->config.group, &e->config.group_ttl, error))
		return usage(r, "varp.mcaddr", error);
	transport_set_group(e->transport, &e->config.group, e->config.group_ttl, e->config.port);
	vnetctl_links_changed(e);
	hosts_announce(e);
	return true;
}

/* --- peers --- */

static bool
peer_parse(struct request *r, struct config_peer *p)
{
	char error[VNETSPEC_ERROR_MAX];

	if (config_parse_peer(r->expr, p, error))
		return true;
	return usage(r, "peer", error);
}

static bool
peer_add_command(struct request *r)
{
	struct config_peer p;
	int err;

	if (!peer_parse(r, &p))
		return false;
	snprintf(r->object, sizeof(r->object), "%.90s", p.host);
	err = target_add(r->engine, &p, false, r->token);
	if (err == -EINPROGRESS) {
		r->wait_event = true;
		return true;
	}
	if (err < 0 && err != -EEXIST)
		return command_refuse(
		    r, p.host, "%s", err == -ENOSPC ? "too many peers" : strerror(-err));
	return command_store(r);
}

static bool
peer_del_command(struct request *r)
{
	struct config_peer p;

	if (!peer_parse(r, &p))
		return false;
	if (target_remove(r->engine, p.host, p.port) < 0)
		return command_refuse(r, p.host, "no such peer was added");
	return command_store(r);
}

/* --- manual SAs --- */

static bool
sa_add_command(struct request *r)
{
	char error[MANUAL_ERROR_MAX], peer[IPADDR_STRLEN];
	struct manualspec spec;
	struct form_error bad;
	int err;

	if (!manualspec_parse(r->expr, false, &spec, &bad))
		return usage(r, "sa", bad.text);
	err = manual_add(r->engine, &spec, error);
	ipaddr_format(&spec.peer, peer);
	explicit_bzero(&spec, sizeof(spec));
	return err < 0 ? command_refuse(r, peer, "%s", error) : command_store(r);
}

static bool
sa_del_command(struct request *r)
{
	const char *text = sxp_get(r->expr, "peer"), *level_text = sxp_get(r->expr, "level");
	enum level level = LEVEL_NONE;
	struct ipaddr peer;

	if (text == NULL || !ipaddr_parse(text, &peer))
		return usage(r, text != NULL ? text : "sa.del",
		    "expected the IP address of the peer of a manual SA");
	if (level_text != NULL && (!level_parse(level_text, &level) || level == LEVEL_NONE))
		return usage(r, level_text, "expected auth or conf");
	if (manual_delete(r->engine, &peer, level) == 0)
		return command_refuse(r, text, "it has no manual SAs%s%s",
		    level_text != NULL ? " of level " : "", level_text != NULL ? level_text : "");
	return command_store(r);
}

/* --- keys --- */

static bool
key_ask(struct request *r, enum keys_msg type)
{
	const char *name = sxp_get(r->expr, "name"), *replace = sxp_get(r->expr, "replace");
	struct keys_admin m = { .replace = replace != NULL && strcmp(replace, "yes") == 0 };
	const char *wrong = name != NULL ? key_name_error(name) : "no name given";

	if (type != KEYS_RELOAD && wrong != NULL)
		return usage(r, name != NULL ? name : "name", wrong);
	if (type != KEYS_RELOAD)
		strcpy(m.name, name);
	if (!keyscli_ask(
		r->engine->keys, type, (uint32_t)r->token, &m, type == KEYS_RELOAD ? 0 : sizeof(m)))
		return command_refuse(r, "keys", "the keys process is being restarted; try again");
	if (name != NULL)
		snprintf(r->object, sizeof(r->object), "%.90s", name);
	r->wait_event = r->wait_keys = true;
	return true;
}

static bool
key_gen_command(struct request *r)
{
	return key_ask(r, KEYS_GENERATE);
}

static bool
key_retire_command(struct request *r)
{
	return key_ask(r, KEYS_RETIRE);
}

static bool
key_reload_command(struct request *r)
{
	return key_ask(r, KEYS_RELOAD);
}

/* --- all --- */

static const struct command {
	const char *name;
	bool (*run)(struct request *r);
} commands[] = {
	{ "bridge.list", command_bridge_list },
	{ "key.gen", key_gen_command },
	{ "key.list", command_key_list },
	{ "key.reload", key_reload_command },
	{ "key.retire", key_retire_command },
	{ "offload", command_offload },
	{ "peer.add", peer_add_command },
	{ "peer.del", peer_del_command },
	{ "peer.list", command_peer_list },
	{ "sa.add", sa_add_command },
	{ "sa.del", sa_del_command },
	{ "sa.list", command_sa_list },
	{ "stats", command_stats },
	{ "status", command_status },
	{ "varp.flush", varp_flush_command },
	{ "varp.list", command_varp_list },
	{ "varp.mcaddr", varp_mcaddr_command },
	{ "varp.print", command_varp_list },
	{ "vif.add", vif_add_command },
	{ "vif.del", vif_del_command },
	{ "vif.list", command_vif_list },
	{ "vnet.add", vnet_add_command },
	{ "vnet.del", vnet_del_command },
	{ "vnet.list", command_vnet_list },
	{ "vnet.set", vnet_set_command },
	{ "vnet.stored", command_vnet_stored },
};

bool
command_run(struct request *r)
{
	const char *name = sxp_name(r->expr);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(r);
	return usage(r, name[0] != '\0' ? name : "request", "no such command");
}
