/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/utsname.h>

#define LOG_MODULE "engine"
#include "base/log.h"
#include "core/clear.h"
#include "core/control.h"
#include "core/egress.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/hosts.h"
#include "core/ingress.h"
#include "core/kernelport.h"
#include "core/keyscli.h"
#include "core/linkmon.h"
#include "core/manual.h"
#include "core/offload.h"
#include "core/privcli.h"
#include "core/ratelimit.h"
#include "core/rawesp.h"
#include "core/resolvecli.h"
#include "core/sandbox.h"
#include "core/state.h"
#include "core/stats.h"
#include "core/transport.h"
#include "core/vnetctl.h"
#include "core/workers.h"
#include "varp/varp.h"

#define PACKETS		2048 /* buffers; memory is touched only as they are used */
#define STRANGERS_MAX	4096
#define STRANGERS_PER_S 20
#define STRANGERS_BURST 40
#define SPIS_OF_WORKERS 5
#define GRACE_MS	10 /* what was retired is looked at again */

static struct engine engine; /* one in the process */
static struct loop_fd parent_watch;

/* --- time --- */

static void
tick(void *arg)
{
	struct engine *e = arg;
	struct monotime now = engine_now(e), next;

	e->timer.when = (struct monotime){ 0 };
	next = assocs_tick(&e->assocs, now);
	next = monotime_earliest(next, exchange_tick(e, now));
	next = monotime_earliest(next, varp_tick(e->varp, now));
	next = monotime_earliest(next, hosts_tick(e, now));
	next = monotime_earliest(next, vnetctl_tick(e, now));
	next = monotime_earliest(next, manual_tick(e, now));
	next = monotime_earliest(next, offload_tick(e->offload, now));
	exchange_flush(e);
	egress_flush(e);
	state_flush(e);
	if (grace_collect(&e->grace))
		next = monotime_earliest(next, monotime_add_ms(now, GRACE_MS));
	if (monotime_is_set(next) &&
	    (!monotime_is_set(e->timer.when) || monotime_before(next, e->timer.when)))
		(void)loop_timer_set(e->loop, &e->timer, next, tick, e);
}

void
engine_kick(struct engine *e)
{
	(void)loop_timer_set(e->loop, &e->timer, engine_now(e), tick, e);
}

/* --- associations --- */

static void
send_control(
    void *arg, const struct endpoint *to, enum control_type type, const uint8_t *body, size_t len)
{
	struct engine *e = arg;
	uint8_t buf[CONTROL_HEADER_LEN + CONTROL_BODY_MAX];

	control_write_header(buf, type, len);
	memcpy(buf + CONTROL_HEADER_LEN, body, len);
	transport_send(e->transport, to, buf, CONTROL_HEADER_LEN + len);
}

static void
send_esp(void *arg, const struct endpoint *to, struct packet *p)
{
	struct engine *e = arg;

	if (to->port == ENDPOINT_ESP)
		rawesp_send(to, p);
	else
		transport_queue(e->transport, to, p);
}

static bool
ask_initiate(void *arg, uint32_t token, const struct keys_initiate *m)
{
	return keyscli_ask(((struct engine *)arg)->keys, KEYS_INITIATE, token, m, sizeof(*m));
}

static bool
ask_respond(void *arg, uint32_t token, const struct keys_respond *m)
{
	return keyscli_ask(((struct engine *)arg)->keys, KEYS_RESPOND, token, m, sizeof(*m));
}

static bool
ask_finish(void *arg, uint32_t token, const struct keys_finish *m)
{
	return keyscli_ask(((struct engine *)arg)->keys, KEYS_FINISH, token, m, sizeof(*m));
}

static void
tell_forget(void *arg, uint32_t handle)
{
	struct keys_forget m = { .handle = handle };

	(void)keyscli_ask(((struct engine *)arg)->keys, KEYS_FORGET, 0, &m, sizeof(m));
}

/* What a neighbour can cause by forged clear messages must not fill the log. */
static bool
worth_a_line(const struct engine *e)
{
	static struct bucket lines;

	return bucket_take(&lines, 1, 100, engine_now(e));
}

static void
assoc_is_up(void *arg, struct assoc *a, bool fresh)
{
	struct engine *e = arg;
	char ep[ENDPOINT_STRLEN];

	exchange_up(e, a, fresh);
	vnetctl_path_changed(e, a);
	if (fresh && worth_a_line(e))
		log_info("host %016" PRIx64 " at %s: up (%s%s%s)", a->key.host_id,
		    endpoint_format(&a->ep, ep), a->group->suite->name,
		    a->group->key[0] != '\0' ? ", key " : "", a->group->key);
	if (fresh)
		state_memo_changed(e);
	engine_kick(e);
}

static void
assoc_is_down(void *arg, struct assoc *a)
{
	if (worth_a_line(arg))
		log_info("host %016" PRIx64 ": down (%s)%s%s", a->key.host_id,
		    a->group->suite->name, a->problem[0] != '\0' ? ": " : "", a->problem);
	exchange_down(arg, a);
	offload_assoc_down(((struct engine *)arg)->offload, a);
	state_memo_changed(arg);
}

static void
assoc_has_moved(void *arg, struct assoc *a)
{
	(void)a;
	state_memo_changed(arg);
	vnetctl_links_changed(arg); /* the other family makes another MTU */
}

static void
assoc_probe(void *arg, struct assoc *a, const struct endpoint *to, uint64_t nonce)
{
	exchange_probe(arg, a, to, nonce);
}

static void
assoc_is_gone(void *arg, struct assoc *a)
{
	clear_forget();
	exchange_gone(a);
	offload_assoc_gone(((struct engine *)arg)->offload, a);
}

static void
pair_retired(void *arg, struct sa_pair *p)
{
	offload_pair_retired(((struct engine *)arg)->offload, p);
}

static const struct assocs_ops assocs_ops = {
	.control = send_control,
	.esp = send_esp,
	.initiate = ask_initiate,
	.respond = ask_respond,
	.finish = ask_finish,
	.forget = tell_forget,
	.up = assoc_is_up,
	.down = assoc_is_down,
	.moved = assoc_has_moved,
	.probe = assoc_probe,
	.gone = assoc_is_gone,
	.retired = pair_retired,
};

/* --- keys --- */

static void
keys_initiated(void *arg, uint32_t token, const struct keys_initiated *m)
{
	struct engine *e = arg;

	assocs_initiated(&e->assocs, token, m, engine_now(e));
	engine_kick(e);
}

static void
keys_responded(void *arg, uint32_t token, const struct keys_session *m)
{
	struct engine *e = arg;

	assocs_responded(&e->assocs, token, m, engine_now(e));
	engine_kick(e);
}

static void
keys_finished(void *arg, uint32_t token, const struct keys_session *m)
{
	struct engine *e = arg;

	assocs_finished(&e->assocs, token, m, engine_now(e));
	engine_kick(e);
}

/*
 * Was this pair made with a key that has been taken away? One whose file is unreadable now has not.
 */
static bool
is_revoked(const struct groups *gs, const struct assoc *a)
{
	const struct key_info *k = groups_key(gs, a->group->key);

	return a->active != NULL && (k == NULL || (k->id != 0 && k->id != a->active->key_id &&
						      k->old_id != a->active->key_id));
}

static void
drop_revoked(struct engine *e)
{
	for (struct assoc *a = e->assocs.first; a != NULL; a = a->next)
		if (a->manual == NULL && is_revoked(&e->groups, a))
			assoc_down(
			    &e->assocs, a, "its key is not accepted any more", engine_now(e));
}

static void
keys_list(void *arg, const struct key_info *keys, size_t n)
{
	struct engine *e = arg;
	bool first = !e->groups.keys_known;

	for (size_t i = 0; i < n; i++) {
		const struct key_info *before = groups_key(&e->groups, keys[i].name);

		if (keys[i].error[0] != '\0' &&
		    (before == NULL || strcmp(before->error, keys[i].error) != 0))
			log_warnx("%s", keys[i].error);
	}
	memcpy(e->groups.keys, keys, n * sizeof(*keys));
	e->groups.n_keys = n;
	e->groups.keys_known = true;
	vnetctl_keys_changed(e);
	drop_revoked(e);
	if (first)
		state_load_memo(e);
	hosts_reconsider(e);
	engine_kick(e);
}

static void
keys_done(void *arg, uint32_t token, const struct keys_done *m)
{
	struct engine *e = arg;

	control_event(e, token,
	    m->error == 0	 ? NULL
	    : m->text[0] != '\0' ? m->text
				 : strerror(-m->error),
	    0);
}

static const struct keyscli_ops keys_ops = {
	.initiated = keys_initiated,
	.responded = keys_responded,
	.finished = keys_finished,
	.list = keys_list,
	.done = keys_done,
};

/* --- the others --- */

static void
offload_send(void *arg, struct assoc *a, const struct message *m)
{
	exchange_send(arg, a, m);
}

static void
offload_due(void *arg)
{
	engine_kick(arg);
}

static bool
offload_port(void *arg)
{
	return kernelport_open(arg);
}

static void
name_resolved(void *arg, const char *name, const struct resolve_answer *answer)
{
	target_resolved(arg, name, answer);
}

static void
links_changed(void *arg)
{
	struct engine *e = arg;

	if (e->transport == NULL)
		return;
	vnetctl_links_changed(e);
	engine_kick(e);
}

static void
datagram_received(void *arg, const struct datagram *d)
{
	ingress_datagram(arg, d);
}

static void
datagrams_done(void *arg)
{
	struct engine *e = arg;

	ingress_flush(e);
	manual_received(e);
	exchange_flush(e);
	egress_flush(e);
}

/* --- the parent --- */

static void
channel_replaced(struct engine *e, enum role role, int fd)
{
	log_info("the %s process was restarted", role_name(role));
	if (role == ROLE_KEYS) {
		keyscli_replace(e->keys, fd);
		assocs_keys_restarted(&e->assocs, engine_now(e));
		control_keys_restarted(e);
	} else if (role == ROLE_RESOLVE) {
		resolvecli_replace(e->resolver, fd);
	} else {
		privcli_replace(e->priv, fd);
		(void)privcli_keep_fd(e->priv, PRIV_KEEP_UDP4, "", transport_fd4(e->transport));
		if (transport_fd6(e->transport) >= 0)
			(void)privcli_keep_fd(
			    e->priv, PRIV_KEEP_UDP6, "", transport_fd6(e->transport));
		manual_keep(e);
		vnetctl_keep_all(e);
		workers_keep_all(e);
		state_store_again(e);
		kernelport_close(e); /* the new one makes another */
		offload_restart(e->offload);
	}
}

static void
parent_readable(void *arg, uint32_t events)
{
	struct engine *e = arg;
	static struct ipc_msg m;

	(void)events;
	while (role_next(ROLE_ENGINE, &m) == 0) {
		switch (m.type) {
		case ROLE_CHANNEL:
			channel_replaced(e,
			    ((const struct role_channel *)(const void *)m.body)->role,
			    ipc_take_fd(&m));
			break;
		case ROLE_PIDS:
			memcpy(&e->pids, m.body, sizeof(e->pids));
			break;
		case ROLE_PING:
			(void)ipc_send(ROLE_PARENT_FD, ROLE_PONG, m.seq, NULL, 0, -1);
			break;
		case ROLE_RELOAD:
			(void)keyscli_ask(e->keys, KEYS_RELOAD, 0, NULL, 0);
			break;
		default:
			break;
		}
		ipc_msg_done(&m);
	}
}

/* --- start --- */

static bool
kernel_takes_merged_udp(void)
{
	struct utsname u;
	unsigned major, minor;

	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 2));
}

static void
need(const void *made, const char *what)
{
	if (made == NULL)
		role_fail("cannot make %s: %s", what, strerror(errno != 0 ? errno : ENOMEM));
}

/* What needs no other process, and what must be opened before the sandbox is sealed. */
static void
prepare(struct engine *e, const struct role_start *start)
{
	unsigned n_workers;

	e->options = start->options;
	e->loop = loop_new();
	need(e->loop, "the event loop");
	e->started = monotime_now();
	e->pool = packet_pool_new(PACKETS);
	need(e->pool, "packet buffers");
	if (!cipher_global_init())
		role_fail("the cryptographic library lacks an algorithm");
	n_workers = workers_wanted(e->options.workers);
	grace_init(&e->grace, n_workers - 1);
	e->ingress = ingress_new(e, kernel_takes_merged_udp());
	need(e->ingress, "room for received frames");
	if (n_workers > 1) {
		e->workers = workers_new(e, n_workers, kernel_takes_merged_udp());
		need(e->workers, "workers");
	}
	e->links = linkmon_new(links_changed, e);
	need(e->links, "the view of network devices");
	if (linkmon_start(e->links, e->loop) < 0 || vnets_init(&e->vnets) < 0)
		role_fail("out of memory");
	e->hosts = hosts_new();
	need(e->hosts, "the table of hosts");
	e->exchanges = exchanges_new(e);
	need(e->exchanges, "messages");
	e->state = state_new();
	need(e->state, "the state");
	e->strangers = ratelimit_new(STRANGERS_MAX, STRANGERS_PER_S, STRANGERS_BURST);
	need(e->strangers, "rate limits");
	e->priv = privcli_new(e->loop, start->channel[ROLE_PRIV], state_stored, e);
	need(e->priv, "the channel to priv");
	e->keys = keyscli_new(e->loop, start->channel[ROLE_KEYS], &keys_ops, e);
	need(e->keys, "the channel to keys");
	e->resolver = resolvecli_new(e->loop, start->channel[ROLE_RESOLVE], name_resolved, e);
	need(e->resolver, "the channel to resolve");
}

static void
open_sockets(struct engine *e, int control_fd)
{
	struct priv_sockets s;
	int err = privcli_sockets(e->priv, e->config.port, &s);

	if (err < 0)
		role_fail("UDP port %u: %s", e->config.port,
		    privcli_error(e->priv)[0] != '\0' ? privcli_error(e->priv) : strerror(-err));
	e->transport = transport_new(e->pool, s.udp4, s.udp6, datagram_received, datagrams_done, e);
	need(e->transport, "the transport");
	if (transport_watch(e->transport, e->loop) < 0)
		role_fail("cannot watch the UDP sockets");
	e->output = (struct output){ .pool = e->pool, .transport = e->transport };
	err = e->workers != NULL ? workers_run(e) : 0;
	if (err < 0)
		role_fail("sockets of workers: %s",
		    privcli_error(e->priv)[0] != '\0' ? privcli_error(e->priv) : strerror(-err));
	transport_set_group(e->transport, &e->config.group, e->config.group_ttl, e->config.port);
	e->control = control_new(e, control_fd);
	need(e->control, "the control socket");
}

/*
 * One for each worker of the other end, as far as they go, and one for its kernel.
 */
static uint8_t
n_spis(const struct engine *e)
{
	unsigned n = workers_count(e);

	return (uint8_t)((n < SPIS_OF_WORKERS ? n : SPIS_OF_WORKERS) + 1);
}

static void
start_protocol(struct engine *e)
{
	struct varp_config varp = { .entry_ttl_ms = (int64_t)e->config.entry_ttl * 1000 };
	struct assocs_config assocs = {
		.host_id = e->host_id,
		.start = e->start,
		.rekey_ms = (int64_t)e->config.rekey_seconds * 1000,
		.rekey_packets = e->config.rekey_packets,
		.replay_window = e->config.replay_window,
		.n_spis = n_spis(e),
		.lanes = (uint8_t)workers_count(e),
	};
	struct offload_setup offload = {
		.priv = e->priv,
		.assocs = &e->assocs,
		.vnets = &e->vnets,
		.mode = e->config.offload,
		.port = e->config.port,
		.send = offload_send,
		.kick = offload_due,
		.open_port = offload_port,
		.arg = e,
	};

	if (assocs_init(&e->assocs, &assocs, &e->groups, e->pool, &e->grace, &assocs_ops, e) < 0)
		role_fail("out of memory");
	e->varp = varp_new(&varp, e->host_id, &exchange_varp_ops, e);
	need(e->varp, "VARP tables");
	offload.varp = e->varp;
	e->offload = offload_new(&offload);
	need(e->offload, "the kernel's tables");
}

/* Whatever ends the process: what libraries tidy up then is nobody's any more. */
static void
end_workers(void)
{
	workers_stop(engine.workers);
}

int
role_engine_main(void)
{
	struct engine *e = &engine;
	struct role_start start;

	role_receive_start(ROLE_ENGINE, &start);
	prepare(e, &start);
	if (e->workers != NULL) {
		sandbox_enter_threads(ROLE_ENGINE, &e->options, workers_make_threads, e->workers);
		atexit(end_workers);
	} else {
		sandbox_enter(ROLE_ENGINE, &e->options);
	}
	state_load_settings(e);
	start_protocol(e);
	open_sockets(e, start.control);
	offload_start(e->offload);
	state_load_vnets(e);
	vnetctl_links_changed(e);
	if (loop_watch(e->loop, &parent_watch, ROLE_PARENT_FD, EPOLLIN, parent_readable, e) < 0)
		role_fail("cannot watch the channel to the parent");
	hosts_announce(e);
	role_ready();
	return loop_run(e->loop) == 0 ? 0 : 1;
}
