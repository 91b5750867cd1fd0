/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "priv"

#include "core/priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "core/priv_kernel.h"
#include "core/priv_link.h"
#include "core/priv_socket.h"
#include "core/priv_state.h"
#include "core/privcli.h"
#include "core/privmsg.h"

struct priv {
	struct loop *loop;
	struct loop_fd engine;
	struct priv_host host;
	struct priv_link *link;
	struct priv_kernel *kernel;
	int udp[2][LANES_MAX]; /* by enum priv_keep; -1: not open */
	int esp[2];	       /* of IPv4 and IPv6; -1: not open */
	int numbers;	       /* file of struct priv_numbers; -1: not open */
	int memo;	       /* as the engine gave it; -1: none */
};

static const sa_family_t esp_family[] = { AF_INET, AF_INET6 };
static const sa_family_t udp_family[] = { [PRIV_KEEP_UDP4] = AF_INET, [PRIV_KEEP_UDP6] = AF_INET6 };

struct reply {
	uint32_t type; /* PRIV_ANSWER, or what comes instead */
	union {
		struct priv_answer answer;
		struct priv_found found;
		struct kernel_count count;
	};
	int fd;	    /* to pass, -1: none */
	bool close; /* and then to close */
};

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
close_lanes(int fds[static LANES_MAX])
{
	for (unsigned i = 0; i < LANES_MAX; i++)
		close_fd(&fds[i]);
}

static bool
tell_engine(void *arg, const struct kernel_event *ev)
{
	const struct priv *p = arg;

	return p->engine.fd < 0 ||
	       ipc_send(p->engine.fd, PRIV_KERNEL_EVENT, 0, ev, sizeof(*ev), -1) == 0;
}

struct priv *
priv_new(struct loop *loop, const struct priv_host *host)
{
	struct priv *p = calloc(1, sizeof(*p));
	int err;

	if (!p) {
		struct priv_host h = *host;

		close_fd(&h.config);
		close_fd(&h.state_dir);
		errno = ENOMEM;
		return NULL;
	}
	p->loop = loop;
	p->host = *host;
	p->engine.fd = p->memo = p->numbers = p->esp[0] = p->esp[1] = -1;
	memset(p->udp, 0xff, sizeof(p->udp));
	p->link = priv_link_new(host->engine_uid);
	p->kernel = p->link ? priv_kernel_new(loop, p->link, tell_engine, p) : NULL;
	if (!p->kernel) {
		err = errno;
		priv_free(p);
		errno = err;
		return NULL;
	}
	return p;
}

static void
detach(struct priv *p)
{
	if (p->engine.active)
		loop_unwatch(p->loop, &p->engine);
	close_fd(&p->engine.fd);
	if (p->kernel)
		priv_kernel_abandon(p->kernel);
}

void
priv_free(struct priv *p)
{
	if (!p)
		return;
	detach(p);
	priv_kernel_free(p->kernel);
	priv_link_free(p->link);
	close_lanes(p->udp[PRIV_KEEP_UDP4]);
	close_lanes(p->udp[PRIV_KEEP_UDP6]);
	close_fd(&p->esp[0]);
	close_fd(&p->esp[1]);
	close_fd(&p->memo);
	close_fd(&p->numbers);
	close_fd(&p->host.config);
	close_fd(&p->host.state_dir);
	free(p);
}

/* --- sockets --- */

static int
serve_socket(struct priv *p, const struct priv_socket *q, struct reply *r)
{
	int *kept = p->udp[q->what], fd;
	uint16_t port;

	/* The configured port may have changed since. */
	if (*kept >= 0 &&
	    (!priv_socket_is_udp(*kept, udp_family[q->what], &port) || port != q->port))
		close_lanes(kept);
	if (*kept < 0) {
		fd = priv_socket_udp(udp_family[q->what], (uint16_t)q->port);
		if (fd == -EADDRINUSE)
			return privmsg_refuse(
			    &r->answer, fd, "UDP port %u is in use by another program", q->port);
		if (fd < 0)
			return privmsg_refuse(&r->answer, fd, "cannot open UDP port %u: %s",
			    q->port, strerrordesc_np(-fd));
		*kept = fd;
	}
	r->fd = *kept;
	return 0;
}

static int
keep_socket(int *kept, bool right, struct ipc_msg *m, struct priv_answer *a)
{
	if (!right)
		return privmsg_refuse(a, -EINVAL, "the descriptor is not the socket it should be");
	if (*kept >= 0)
		return privmsg_refuse(a, -EEXIST, "that socket is kept already");
	*kept = ipc_take_fd(m);
	return 0;
}

static int
serve_keep_fd(struct priv *p, struct ipc_msg *m, struct priv_answer *a)
{
	const struct priv_kept *q = (const void *)m->body;
	uint16_t port;
	int err;

	if (q->what != PRIV_KEEP_TAP)
		return keep_socket(
		    p->udp[q->what], priv_socket_is_udp(m->fd, udp_family[q->what], &port), m, a);
	err = priv_link_keep_tap(p->link, q->ifname, 0, m->fd, a);
	if (err == 0)
		ipc_take_fd(m);
	return err;
}

/* --- ESP --- */

static int *
esp_of(struct priv *p, const struct priv_family *q)
{
	return &p->esp[q->family == AF_INET6];
}

static int
serve_esp_socket(struct priv *p, const struct priv_family *q, struct reply *r)
{
	int *kept = esp_of(p, q);

	if (*kept < 0)
		*kept = priv_socket_esp((sa_family_t)q->family);
	if (*kept < 0)
		return privmsg_refuse(&r->answer, *kept,
		    "cannot open a socket for IP protocol 50: %s", strerrordesc_np(-*kept));
	r->fd = *kept;
	return 0;
}

static int
serve_esp_keep(struct priv *p, struct ipc_msg *m, struct priv_answer *a)
{
	const struct priv_family *q = (const void *)m->body;

	return keep_socket(esp_of(p, q), priv_socket_is_esp(m->fd, (sa_family_t)q->family), m, a);
}

static int
serve_esp_filter(struct priv *p, const struct priv_spis *q, struct priv_answer *a)
{
	for (size_t i = 0; i < 2; i++) {
		int err = p->esp[i] < 0
			      ? 0
			      : priv_socket_filter(p->esp[i], esp_family[i], q->spis, q->n);

		if (err < 0)
			return privmsg_refuse(a, err, "cannot set the filter of %u SPIs: %s", q->n,
			    strerrordesc_np(-err));
	}
	return 0;
}

/* --- lanes --- */

static int
serve_lane_socket(struct priv *p, const struct priv_lane *q, struct reply *r)
{
	int *kept = p->udp[q->what], fd;
	uint16_t port;

	if (kept[q->lane - 1] < 0 || !priv_socket_is_udp(kept[0], udp_family[q->what], &port))
		return privmsg_refuse(
		    &r->answer, -EINVAL, "socket %u before socket %u", q->lane, q->lane - 1);
	if (kept[q->lane] < 0) {
		fd = priv_socket_share(kept[0], udp_family[q->what], port, q->lane);
		if (fd < 0)
			return privmsg_refuse(&r->answer, fd, "cannot share UDP port %u: %s", port,
			    strerrordesc_np(-fd));
		kept[q->lane] = fd;
	}
	r->fd = kept[q->lane];
	return 0;
}

static int
serve_lane_open(struct priv *p, const struct priv_lane *q, struct reply *r)
{
	if (q->what != PRIV_KEEP_TAP)
		return serve_lane_socket(p, q, r);
	return priv_link_lane_open(p->link, q, &r->answer, &r->fd);
}

static int
serve_lane_keep(struct priv *p, struct ipc_msg *m, struct priv_answer *a)
{
	const struct priv_lane *q = (const void *)m->body;
	uint16_t port;
	int err;

	if (q->what != PRIV_KEEP_TAP)
		return keep_socket(&p->udp[q->what][q->lane],
		    priv_socket_is_udp(m->fd, udp_family[q->what], &port), m, a);
	err = priv_link_keep_tap(p->link, q->ifname, q->lane, m->fd, a);
	if (err == 0)
		ipc_take_fd(m);
	return err;
}

/* --- bytes --- */

static int
serve_state_load(struct priv *p, struct reply *r)
{
	int fd = priv_state_open(p->host.state_dir);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return privmsg_refuse(
		    &r->answer, fd, "cannot open the state file: %s", strerrordesc_np(-fd));
	r->fd = fd;
	r->close = true;
	return 0;
}

static int
serve_numbers(struct priv *p, struct reply *r)
{
	int fd = priv_numbers_open(p->host.state_dir, p->host.boot);

	if (fd < 0)
		return privmsg_refuse(
		    &r->answer, fd, "cannot open the file of numbers: %s", strerrordesc_np(-fd));
	priv_kernel_settle(p->kernel, fd);
	close_fd(&p->numbers);
	r->fd = p->numbers = fd;
	return 0;
}

static int
check_blob(const struct ipc_msg *m, struct priv_answer *a)
{
	const struct priv_blob *q = (const void *)m->body;
	int err = priv_state_check_blob(m->fd, q->len);

	a->number = q->number;
	return err ? privmsg_refuse(a, err, "the descriptor is not sealed memory of %ju bytes",
			 (uintmax_t)q->len)
		   : 0;
}

static int
serve_state_store(struct priv *p, const struct ipc_msg *m, struct priv_answer *a)
{
	const struct priv_blob *q = (const void *)m->body;
	int err = check_blob(m, a);

	if (err)
		return err;
	err = priv_state_store(&priv_state_libc, p->host.state_dir, m->fd, q->len);
	return err ? privmsg_refuse(a, err, "cannot store the state: %s", strerrordesc_np(-err))
		   : 0;
}

static int
serve_memo_store(struct priv *p, struct ipc_msg *m, struct priv_answer *a)
{
	int err = check_blob(m, a);

	if (err)
		return err;
	close_fd(&p->memo);
	p->memo = ipc_take_fd(m);
	return 0;
}

/* --- the kernel's path --- */

/* Its answer is not a PRIV_ANSWER when all is well. */
static int
serve_count(struct priv *p, const struct priv_kernel_sa *q, struct reply *r)
{
	struct kernel_count count;
	int err = priv_kernel_count(p->kernel, q, &count, &r->answer);

	if (err)
		return err;
	r->type = PRIV_KERNEL_COUNTED;
	r->count = count;
	return 0;
}

static int
serve_kernel(struct priv *p, const struct ipc_msg *m, struct reply *r)
{
	const void *q = m->body;

	switch (m->type) {
	case PRIV_KERNEL_FIND:
		r->type = PRIV_KERNEL_FOUND;
		priv_kernel_find(p->kernel, &r->found);
		return 0;
	case PRIV_KERNEL_START:
		return priv_kernel_start(p->kernel, q, &r->answer, &r->fd);
	case PRIV_KERNEL_SA_COUNT:
		return serve_count(p, q, r);
	case PRIV_KERNEL_PORT:
		return priv_kernel_port(p->kernel, &r->answer, &r->fd);
	default:
		return priv_kernel_serve(p->kernel, m, &r->answer);
	}
}

/* --- requests --- */

/* m has been checked. */
static int
serve(struct priv *p, struct ipc_msg *m, struct reply *r)
{
	const void *q = m->body;
	const char *name = (const char *)m->body; /* of struct priv_name */
	struct priv_answer *a = &r->answer;

	switch ((enum priv_request)m->type) {
	case PRIV_TAP_OPEN:
		return priv_link_tap_open(p->link, q, a, &r->fd);
	case PRIV_TAP_DELETE:
		return priv_link_tap_delete(p->link, name, a);
	case PRIV_LINK_SET_MTU:
		return priv_link_set_mtu(p->link, q, a);
	case PRIV_BRIDGE_ADD:
		return priv_link_bridge_add(p->link, name, a);
	case PRIV_BRIDGE_DELETE:
		return priv_link_bridge_delete(p->link, name, a);
	case PRIV_BRIDGE_PORT:
		return priv_link_bridge_port(p->link, q, a);
	case PRIV_ADDR_ADD:
		return priv_link_addr_add(p->link, q, a);
	case PRIV_ADDR_DELETE:
		return priv_link_addr_delete(p->link, q, a);
	case PRIV_SOCKET:
		return serve_socket(p, q, r);
	case PRIV_KEEP_FD:
		return serve_keep_fd(p, m, a);
	case PRIV_LANE_OPEN:
		return serve_lane_open(p, q, r);
	case PRIV_LANE_KEEP:
		return serve_lane_keep(p, m, a);
	case PRIV_CONFIG_LOAD:
		r->fd = p->host.config;
		return 0;
	case PRIV_STATE_LOAD:
		return serve_state_load(p, r);
	case PRIV_STATE_STORE:
		return serve_state_store(p, m, a);
	case PRIV_MEMO_LOAD:
		r->fd = p->memo;
		return 0;
	case PRIV_MEMO_STORE:
		return serve_memo_store(p, m, a);
	case PRIV_NUMBERS:
		return serve_numbers(p, r);
	case PRIV_ESP_SOCKET:
		return serve_esp_socket(p, q, r);
	case PRIV_ESP_KEEP:
		return serve_esp_keep(p, m, a);
	case PRIV_ESP_FILTER:
		return serve_esp_filter(p, q, a);
	default:
		return serve_kernel(p, m, r);
	}
}

static size_t
reply_len(const struct reply *r)
{
	switch (r->type) {
	case PRIV_KERNEL_FOUND:
		return sizeof(r->found);
	case PRIV_KERNEL_COUNTED:
		return sizeof(r->count);
	default:
		return sizeof(r->answer);
	}
}

/* False if the engine cannot be answered: it is gone, or does not read. */
static bool
answer(struct priv *p, struct ipc_msg *m)
{
	const char *wrong = privmsg_error(m);
	struct reply r;
	int err;

	memset(&r, 0, sizeof(r));
	r.fd = -1;
	if (wrong)
		err = privmsg_refuse(&r.answer, -EPROTO, "priv was sent %s", wrong);
	else
		err = serve(p, m, &r);
	if (r.type == PRIV_ANSWER)
		r.answer.error = err;
	if (wrong)
		log_warnx("request %u of the engine refused: %s", m->type, wrong);
	else if (err)
		log_debug("%s", r.answer.text);
	err = ipc_send(p->engine.fd, r.type, m->seq, &r.answer, reply_len(&r), r.fd);
	if (r.close)
		close(r.fd);
	if (err && err != -EPIPE)
		log_warnx("engine dropped, it takes no answer: %s", strerrordesc_np(-err));
	return err == 0;
}

/* One message a call: the channel to the parent gets its turn in between. */
static void
engine_ready(void *arg, uint32_t events)
{
	struct priv *p = arg;
	struct ipc_msg m;
	int err = ipc_recv(p->engine.fd, &m);
	bool alive;

	(void)events;
	if (err == -EAGAIN)
		return;
	if (err) {
		if (err != -EPIPE)
			log_warnx("engine dropped: %s", strerrordesc_np(-err));
		detach(p);
		return;
	}
	alive = answer(p, &m);
	ipc_msg_done(&m);
	if (!alive)
		detach(p);
}

int
priv_attach(struct priv *p, int fd)
{
	int err;

	detach(p);
	priv_state_clean(p->host.state_dir);
	err = loop_watch(p->loop, &p->engine, fd, EPOLLIN, engine_ready, p);
	if (err)
		close(fd);
	else
		p->engine.fd = fd;
	return err;
}
