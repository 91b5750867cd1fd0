/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOG_MODULE "state"
#include "base/log.h"
#include "core/clear.h"
#include "core/control.h"
#include "core/engine.h"
#include "core/hosts.h"
#include "core/manual.h"
#include "core/privcli.h"
#include "core/state.h"
#include "core/stats.h"
#include "core/vnetctl.h"

struct state {
	struct config stored; /* the state file as read at start; freed when its vnets are made */
	uint64_t number;      /* of the last change */
	bool dirty;
	bool memo_dirty;
	uint64_t done;	/* the last store that was answered, */
	int done_error; /* and how */
	bool answered;	/* sessions that wait for it have not been told */
	bool loading;	/* what is made now is stored already */
};

struct state *
state_new(void)
{
	return calloc(1, sizeof(struct state));
}

void
state_free(struct state *s)
{
	free(s);
}

/* --- reading --- */

static void
config_trouble(void *arg, const char *file, unsigned line, const char *text)
{
	(void)arg;
	log_warnx("%s:%u: %s", file, line, text);
}

static void
load_config(struct engine *e)
{
	size_t len = 0;
	char *text = NULL;
	unsigned errors;
	int err = privcli_config_load(e->priv, &text, &len);

	if (err < 0)
		role_fail("cannot read the configuration: %s", strerror(-err));
	errors = config_parse(
	    text, len, e->options.config, false, &e->config, config_trouble, NULL);
	free(text);
	if (errors > 0)
		role_fail("%s: %u error%s (see above)", e->options.config, errors,
		    errors == 1 ? "" : "s");
	if (e->options.mcaddr[0] != '\0' && !ipaddr_parse(e->options.mcaddr, &e->config.group))
		role_fail("multicast address \"%s\" is no address", e->options.mcaddr);
	if (e->options.offload[0] != '\0')
		(void)offload_mode_parse(e->options.offload, &e->config.offload);
}

/* Greater than any number used before, even when the clock went back. */
static uint64_t
next_start(uint64_t stored)
{
	struct timespec ts;
	uint64_t ms;

	clock_gettime(CLOCK_REALTIME, &ts);
	ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	return ms > stored ? ms : stored + 1;
}

void
state_load_settings(struct engine *e)
{
	struct config *stored = &e->state->stored;
	size_t len = 0;
	char *text = NULL;
	unsigned errors;
	int err;

	load_config(e);
	err = privcli_state_load(e->priv, &text, &len);
	if (err < 0)
		role_fail("cannot read the state: %s", strerror(-err));
	errors = config_parse(text, len, "state", true, stored, config_trouble, NULL);
	explicit_bzero(text, len);
	free(text);
	/* Going on without what could not be read would store the loss. */
	if (errors > 0)
		role_fail("%s/state: %u error%s (see above); mend the file or move it away",
		    e->options.state_dir, errors, errors == 1 ? "" : "s");
	e->host_id = stored->host_id;
	memcpy(e->seed, stored->seed, sizeof(e->seed));
	if (e->host_id == 0) {
		random_bytes(&e->host_id, sizeof(e->host_id));
		random_bytes(e->seed, sizeof(e->seed));
		e->host_id |= e->host_id == 0;
	}
	e->start = next_start(stored->start);
	for (size_t i = 0; i < stored->n_labels; i++)
		vnets_label_set(&e->vnets, &stored->labels[i].id, stored->labels[i].vni);
}

static void
load_from(struct engine *e, const struct config *c, bool from_config)
{
	char error[VNETCTL_ERROR_MAX], id[VNETID_STRLEN];

	for (size_t i = 0; i < c->n_vnets; i++) {
		if (vnet_by_id(&e->vnets, &c->vnets[i].id) != NULL)
			continue; /* stored by hand comes first */
		if (vnetctl_add(e, &c->vnets[i], from_config, true, error) < 0)
			log_warnx("vnet %s: %s", vnetid_format(&c->vnets[i].id, id), error);
	}
	for (size_t i = 0; i < c->n_peers; i++)
		(void)target_add(e, &c->peers[i], from_config, 0);
}

static void
load_legacy(struct engine *e)
{
	char error[VNETCTL_ERROR_MAX];

	for (uint8_t n = 2; n <= 4; n++) {
		struct vnetspec spec = {
			.id.b[15] = n, .level = LEVEL_NONE, .suite = SUITE_NONE, .key = KEY_DEFAULT
		};

		vnetid_default_ifname(&spec.id, spec.ifname);
		if (vnet_by_id(&e->vnets, &spec.id) == NULL &&
		    vnetctl_add(e, &spec, true, true, error) < 0)
			log_warnx("vnet %u: %s", n, error);
	}
}

/* Going on without one would store the loss of its keys and numbers. */
static void
load_sas(struct engine *e, const struct config *c)
{
	char error[MANUAL_ERROR_MAX], peer[IPADDR_STRLEN];

	for (size_t i = 0; i < c->n_sas; i++)
		if (manual_add(e, &c->sas[i], error) < 0)
			role_fail(
			    "manual SAs of %s: %s", ipaddr_format(&c->sas[i].peer, peer), error);
}

void
state_load_vnets(struct engine *e)
{
	e->state->loading = true;
	load_from(e, &e->state->stored, false);
	load_sas(e, &e->state->stored);
	load_from(e, &e->config, true);
	if (e->config.legacy_vnets)
		load_legacy(e);
	e->state->loading = false;
	config_free(&e->state->stored);
	memset(&e->state->stored, 0, sizeof(e->state->stored));
	state_changed(e); /* the new start number */
}

/* --- writing --- */

static void
add_label(void *ctx, const struct vnetid *id, uint32_t vni)
{
	struct config *c = ctx;

	c->labels[c->n_labels].id = *id;
	c->labels[c->n_labels++].vni = vni;
}

static bool
state_collect(const struct engine *e, struct config *c)
{
	memset(c, 0, sizeof(*c));
	c->host_id = e->host_id;
	c->start = e->start;
	memcpy(c->seed, e->seed, sizeof(c->seed));
	c->vnets = calloc(e->vnets.count + 1, sizeof(*c->vnets));
	c->peers = calloc(e->hosts->n_targets + 1, sizeof(*c->peers));
	c->labels = calloc(e->vnets.labels.count + 1, sizeof(*c->labels));
	if (c->vnets == NULL || c->peers == NULL || c->labels == NULL)
		return false;
	for (const struct vnet *v = e->vnets.first; v != NULL; v = v->next)
		if (!v->from_config)
			c->vnets[c->n_vnets++] = v->spec;
	for (const struct target *t = e->hosts->targets; t != NULL; t = t->next)
		if (!t->from_config && t->token == 0)
			c->peers[c->n_peers++] = t->peer;
	vnets_each_label(&e->vnets, add_label, c);
	return manual_collect(e, c);
}

static void
state_store(struct engine *e)
{
	struct state *s = e->state;
	struct sxp_out out = { 0 };
	struct config c;
	int err = -ENOMEM;

	if (state_collect(e, &c)) {
		config_print_state(&out, &c);
		err = out.bad ? -ENOMEM
			      : privcli_state_store(e->priv, s->number, out.text, out.len);
	}
	config_free(&c);
	sxp_out_free(&out);
	if (err == -EAGAIN)
		return; /* several are on their way: once more when one is done */
	s->dirty = false;
	if (err < 0) /* a new priv is given everything again */
		state_stored(e, s->number, err);
}

uint64_t
state_changed(struct engine *e)
{
	if (e->state->loading)
		return e->state->number;
	if (!e->state->dirty) {
		e->state->dirty = true;
		e->state->number++;
		engine_kick(e);
	}
	return e->state->number;
}

void
state_stored(void *arg, uint64_t number, int error)
{
	struct engine *e = arg;

	if (error == -EPIPE)
		return;
	if (error < 0) {
		stats_count(STAT_STATE_FAILED);
		log_warnx("the state could not be stored: %s", strerror(-error));
	}
	manual_stored(e, number, error);
	/* It may come in the middle of a call to priv: the rest waits for the end of the round. */
	e->state->done = number;
	e->state->done_error = error;
	e->state->answered = true;
	engine_kick(e);
}

void
state_store_again(struct engine *e)
{
	e->state->dirty = true;
	e->state->memo_dirty = true;
	engine_kick(e);
}

/* --- memo --- */

void
state_memo_changed(struct engine *e)
{
	e->state->memo_dirty = true;
	engine_kick(e);
}

static void
memo_store(struct engine *e)
{
	struct sxp_out out = { 0 };
	char addr[IPADDR_STRLEN];

	for (const struct assoc *a = e->assocs.first; a != NULL; a = a->next) {
		if (!a->up || a->plain)
			continue;
		sxp_out_open(&out, "endpoint");
		sxp_out_kvf(&out, "host", "%016" PRIx64, a->key.host_id);
		sxp_out_kv(&out, "key", a->group->key);
		sxp_out_kv(&out, "suite", a->group->suite->name);
		sxp_out_kv(&out, "addr", ipaddr_format(&a->ep.ip, addr));
		sxp_out_kvf(&out, "port", "%u", a->ep.port);
		sxp_out_close(&out);
	}
	if (!out.bad && privcli_memo_store(e->priv, out.text != NULL ? out.text : "", out.len) < 0)
		log_debug("the memo was not stored");
	sxp_out_free(&out);
	e->state->memo_dirty = false;
}

static void
memo_entry(struct engine *e, const struct sxp *x)
{
	const char *host = sxp_get(x, "host"), *key = sxp_get(x, "key"),
		   *suite = sxp_get(x, "suite");
	const char *addr = sxp_get(x, "addr"), *port = sxp_get(x, "port");
	const struct suite *s = suite != NULL ? suite_by_name(suite) : NULL;
	struct endpoint ep = { 0 };
	struct group *g;
	struct assoc *a;

	if (host == NULL || key == NULL || s == NULL || addr == NULL || port == NULL ||
	    !ipaddr_parse(addr, &ep.ip))
		return;
	ep.port = (uint32_t)strtoul(port, NULL, 10) & 0xffff;
	for (g = e->groups.first; g != NULL; g = g->next)
		if (g->suite == s && strcmp(g->key, key) == 0)
			break;
	if (g == NULL || g->vnets == 0)
		return;
	if (s->id == SUITE_NONE) {
		clear_greet(e, strtoull(host, NULL, 16), &ep);
		return;
	}
	a = assoc_get(&e->assocs, strtoull(host, NULL, 16), g, engine_now(e));
	if (a == NULL || a->up)
		return;
	assoc_remember(&e->assocs, a, &ep, engine_now(e));
	engine_kick(e);
}

void
state_load_memo(struct engine *e)
{
	struct sxp_parser *parser = sxp_parser_new(4096);
	size_t len = 0, used = 0, at = 0;
	void *bytes = NULL;
	struct sxp *x;

	if (parser == NULL || privcli_memo_load(e->priv, &bytes, &len) < 0)
		len = 0;
	while (at < len && sxp_parser_feed(parser, (char *)bytes + at, len - at, &used, &x) == 1) {
		memo_entry(e, x);
		sxp_free(x);
		at += used;
	}
	free(bytes);
	sxp_parser_free(parser);
}

void
state_flush(struct engine *e)
{
	if (e->state->dirty)
		state_store(e);
	if (e->state->memo_dirty)
		memo_store(e);
	if (e->state->answered) {
		e->state->answered = false;
		control_stored(e, e->state->done, e->state->done_error);
	}
}
