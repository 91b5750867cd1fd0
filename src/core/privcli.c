/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "privcli"

#include "core/privcli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/monotime.h"
#include "core/privcli_internal.h"

#define TAKEN_AT_ONCE 64

/* A state on its way to the disk. */
struct store {
	uint32_t seq;
	uint64_t number;
};

struct privcli {
	struct loop *loop;
	struct loop_fd watch;
	int fd; /* -1: priv is gone */
	uint32_t seq;
	privcli_stored_fn *stored;
	void *arg;
	struct store stores[PRIVCLI_STORES_MAX]; /* oldest first */
	size_t n_stores;
	struct kernelcli *kernel;
	char error[PRIV_TEXT_MAX];
};

const char *
privcli_error(const struct privcli *c)
{
	return c->error;
}

/* --- the channel --- */

/* The i-th store has ended. */
static void
end_store(struct privcli *c, size_t i, int error)
{
	uint64_t number = c->stores[i].number;

	memmove(&c->stores[i], &c->stores[i + 1], (--c->n_stores - i) * sizeof(c->stores[0]));
	c->stored(c->arg, number, error);
}

static void
drop_channel(struct privcli *c)
{
	if (c->fd < 0)
		return;
	if (c->watch.active)
		loop_unwatch(c->loop, &c->watch);
	close(c->fd);
	c->fd = -1;
	while (c->n_stores > 0)
		end_store(c, 0, -EPIPE);
	kernelcli_gone(c->kernel);
}

/* What nobody waits for: a store that ended, the kernel's path, a call that gave up. */
static void
late_answer(struct privcli *c, struct ipc_msg *m)
{
	const struct priv_answer *a = ipc_body(m, sizeof(*a));

	for (size_t i = 0; a && m->type == PRIV_ANSWER && i < c->n_stores; i++) {
		if (c->stores[i].seq != m->seq)
			continue;
		snprintf(c->error, sizeof(c->error), "%.*s", (int)sizeof(a->text) - 1, a->text);
		end_store(c, i, a->error);
		return;
	}
	kernelcli_note(c->kernel, m);
}

static void
channel_ready(void *arg, uint32_t events)
{
	struct privcli *c = arg;
	struct ipc_msg m;
	int err;

	(void)events;
	/* Not all at once, however many come: what they say is told in between. */
	for (unsigned n = 0; n < TAKEN_AT_ONCE && c->fd >= 0; n++) {
		err = ipc_recv(c->fd, &m);
		if (err == -EAGAIN)
			return;
		if (err) {
			drop_channel(c);
			return;
		}
		late_answer(c, &m);
		ipc_msg_done(&m);
	}
}

static void
take_channel(struct privcli *c, int fd)
{
	int err = loop_watch(c->loop, &c->watch, fd, EPOLLIN, channel_ready, c);

	if (err) {
		log_warnx("channel to priv: %s", strerrordesc_np(-err));
		close(fd);
		return;
	}
	c->fd = fd;
}

struct privcli *
privcli_new(struct loop *loop, int fd, privcli_stored_fn *stored, void *arg)
{
	struct privcli *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	*c = (struct privcli){ .loop = loop, .fd = -1, .stored = stored, .arg = arg };
	take_channel(c, fd);
	return c;
}

void
privcli_free(struct privcli *c)
{
	if (!c)
		return;
	c->n_stores = 0;
	kernelcli_free(c->kernel);
	c->kernel = NULL;
	drop_channel(c);
	free(c);
}

void
privcli_replace(struct privcli *c, int fd)
{
	drop_channel(c);
	take_channel(c, fd);
}

/* --- calls --- */

static int __attribute__((format(printf, 3, 4)))
fail(struct privcli *c, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	return err;
}

static int
send_request(struct privcli *c, enum priv_request type, const void *body, size_t len, int pass_fd)
{
	int err = c->fd < 0 ? -EPIPE : ipc_send(c->fd, type, ++c->seq, body, len, pass_fd);

	if (err == -EPIPE)
		drop_channel(c);
	return err ? fail(c, err, "the privileged process cannot be asked: %s",
			 strerrordesc_np(-err))
		   : 0;
}

int
privcli_send(struct privcli *c, enum priv_request type, const void *body, size_t len, uint32_t *seq)
{
	int err = send_request(c, type, body, len, -1);

	*seq = c->seq;
	return err;
}

struct loop *
privcli_loop(struct privcli *c)
{
	return c->loop;
}

struct kernelcli *
privcli_kernel(struct privcli *c)
{
	return c->kernel;
}

void
privcli_set_kernel(struct privcli *c, struct kernelcli *k)
{
	c->kernel = k;
}

/*
 * The answer to the last request; what else comes meanwhile is dispatched. On success *m is the
 * caller's to end.
 */
static int
wait_answer(struct privcli *c, struct ipc_msg *m)
{
	struct monotime end = monotime_add_ms(monotime_now(), PRIV_TIMEOUT_MS);
	uint32_t seq = c->seq;

	for (;;) {
		int64_t left_ms = monotime_diff_ms(end, monotime_now());
		int err = c->fd < 0 ? -EPIPE
				    : ipc_recv_wait(c->fd, m, left_ms > 0 ? (int)left_ms : 0);

		if (err && err != -ETIMEDOUT)
			drop_channel(c);
		if (err)
			return fail(c, err, "the privileged process does not answer: %s",
			    strerrordesc_np(-err));
		if (m->seq == seq && m->type == PRIV_ANSWER &&
		    ipc_body(m, sizeof(struct priv_answer)))
			return 0;
		late_answer(c, m);
		ipc_msg_done(m);
	}
}

/* out: the answer. fd: what came with it or -1, the caller's; NULL if nothing should come. */
static int
call(struct privcli *c, enum priv_request type, const void *body, size_t len, int pass_fd,
    struct priv_answer *out, int *fd)
{
	struct ipc_msg m;
	int err = send_request(c, type, body, len, pass_fd);

	if (!err)
		err = wait_answer(c, &m);
	if (err)
		return err;
	memcpy(out, m.body, sizeof(*out));
	out->text[sizeof(out->text) - 1] = '\0';
	if (fd && !out->error)
		*fd = ipc_take_fd(&m);
	ipc_msg_done(&m);
	return fail(c, out->error, "%s", out->text);
}

static int
simple_call(struct privcli *c, enum priv_request type, const void *body, size_t len)
{
	struct priv_answer a;

	return call(c, type, body, len, -1, &a, NULL);
}

/* A name that is too long for its field is not sent. */
static int
set_name(struct privcli *c, char field[static VNET_IFNAME_SIZE], const char *name)
{
	const char *e = vnet_ifname_error(name);

	if (e)
		return fail(c, -EINVAL, "device name \"%s\": %s", name, e);
	strcpy(field, name);
	return 0;
}

static int
name_call(struct privcli *c, enum priv_request type, const char *name, struct priv_answer *a)
{
	struct priv_name q = { 0 };
	int err = set_name(c, q.ifname, name);

	return err ? err : call(c, type, &q, sizeof(q), -1, a, NULL);
}

/* --- TAPs --- */

int
privcli_tap_open(struct privcli *c, const char *ifname, const struct macaddr *mac, uint32_t mtu,
    struct priv_tap *out)
{
	struct priv_tap_open q = { .mtu = mtu, .mac = *mac };
	int fd = -1, err = set_name(c, q.ifname, ifname);
	struct priv_answer a;

	if (!err)
		err = call(c, PRIV_TAP_OPEN, &q, sizeof(q), -1, &a, &fd);
	if (err)
		return err;
	if (fd < 0)
		return fail(c, -EPROTO, "no queue of TAP \"%s\" came", ifname);
	*out = (struct priv_tap){ .fd = fd, .ifindex = a.ifindex, .adopted = a.flag };
	return 0;
}

int
privcli_tap_delete(struct privcli *c, const char *ifname)
{
	struct priv_answer a;

	return name_call(c, PRIV_TAP_DELETE, ifname, &a);
}

int
privcli_link_set_mtu(struct privcli *c, const char *ifname, uint32_t mtu)
{
	struct priv_mtu q = { .mtu = mtu };
	int err = set_name(c, q.ifname, ifname);

	return err ? err : simple_call(c, PRIV_LINK_SET_MTU, &q, sizeof(q));
}

/* --- bridges and addresses --- */

int
privcli_bridge_add(struct privcli *c, const char *bridge, bool *made)
{
	struct priv_answer a;
	int err = name_call(c, PRIV_BRIDGE_ADD, bridge, &a);

	if (!err)
		*made = a.flag;
	return err;
}

int
privcli_bridge_delete(struct privcli *c, const char *bridge)
{
	struct priv_answer a;

	return name_call(c, PRIV_BRIDGE_DELETE, bridge, &a);
}

int
privcli_bridge_port(struct privcli *c, const char *port, const char *bridge)
{
	struct priv_port q = { 0 };
	int err = set_name(c, q.port, port);

	if (!err && bridge[0] != '\0')
		err = set_name(c, q.bridge, bridge);
	return err ? err : simple_call(c, PRIV_BRIDGE_PORT, &q, sizeof(q));
}

static int
addr_call(struct privcli *c, enum priv_request type, const char *ifname, const struct ipaddr *ip,
    uint8_t prefix_len)
{
	struct priv_addr q = { .ip = *ip, .prefix_len = prefix_len };
	int err = set_name(c, q.ifname, ifname);

	return err ? err : simple_call(c, type, &q, sizeof(q));
}

int
privcli_addr_add(struct privcli *c, const char *ifname, const struct ipaddr *ip, uint8_t prefix_len)
{
	return addr_call(c, PRIV_ADDR_ADD, ifname, ip, prefix_len);
}

int
privcli_addr_delete(
    struct privcli *c, const char *ifname, const struct ipaddr *ip, uint8_t prefix_len)
{
	return addr_call(c, PRIV_ADDR_DELETE, ifname, ip, prefix_len);
}

/* --- sockets --- */

static int
socket_call(struct privcli *c, enum priv_keep what, uint16_t port, int *fd)
{
	const struct priv_socket q = { .what = what, .port = port };
	struct priv_answer a;
	int err = call(c, PRIV_SOCKET, &q, sizeof(q), -1, &a, fd);

	return !err && *fd < 0 ? fail(c, -EPROTO, "no socket came") : err;
}

int
privcli_sockets(struct privcli *c, uint16_t port, struct priv_sockets *out)
{
	struct priv_sockets s = { -1, -1 };
	int err = socket_call(c, PRIV_KEEP_UDP4, port, &s.udp4);

	if (!err)
		err = socket_call(c, PRIV_KEEP_UDP6, port, &s.udp6);
	if (!err || err == -EAFNOSUPPORT) {
		*out = s;
		return 0;
	}
	if (s.udp4 >= 0)
		close(s.udp4);
	return err;
}

int
privcli_keep_fd(struct privcli *c, enum priv_keep what, const char *ifname, int fd)
{
	struct priv_kept q = { .what = what };
	struct priv_answer a;
	int err = what == PRIV_KEEP_TAP ? set_name(c, q.ifname, ifname) : 0;

	return err ? err : call(c, PRIV_KEEP_FD, &q, sizeof(q), fd, &a, NULL);
}

static int
lane_call(struct privcli *c, enum priv_request type, const struct priv_lane *lane,
    const char *ifname, int pass_fd, int *fd)
{
	struct priv_lane q = *lane;
	struct priv_answer a;
	int err = q.what == PRIV_KEEP_TAP ? set_name(c, q.ifname, ifname) : 0;

	return err ? err : call(c, type, &q, sizeof(q), pass_fd, &a, fd);
}

int
privcli_lane_open(
    struct privcli *c, enum priv_keep what, const char *ifname, unsigned lane, int *fd)
{
	int got = -1, err = lane_call(c, PRIV_LANE_OPEN,
			  &(struct priv_lane){ .what = what, .lane = lane }, ifname, -1, &got);

	if (!err && got < 0)
		err = fail(c, -EPROTO, "no descriptor came");
	if (!err)
		*fd = got;
	return err;
}

int
privcli_lane_keep(struct privcli *c, enum priv_keep what, const char *ifname, unsigned lane, int fd)
{
	return lane_call(
	    c, PRIV_LANE_KEEP, &(struct priv_lane){ .what = what, .lane = lane }, ifname, fd, NULL);
}

static int
esp_call(struct privcli *c, sa_family_t family, int *fd)
{
	const struct priv_family q = { .family = family };
	struct priv_answer a;
	int err = call(c, PRIV_ESP_SOCKET, &q, sizeof(q), -1, &a, fd);

	return !err && *fd < 0 ? fail(c, -EPROTO, "no socket came") : err;
}

int
privcli_esp_sockets(struct privcli *c, struct priv_esp_sockets *out)
{
	struct priv_esp_sockets s = { -1, -1 };
	int err = esp_call(c, AF_INET, &s.esp4);

	if (!err)
		err = esp_call(c, AF_INET6, &s.esp6);
	if (!err || err == -EAFNOSUPPORT) {
		*out = s;
		return 0;
	}
	if (s.esp4 >= 0)
		close(s.esp4);
	return err;
}

int
privcli_esp_filter(struct privcli *c, const uint32_t *spis, size_t n)
{
	struct priv_spis q = { .n = (uint32_t)n };

	memcpy(q.spis, spis, n * sizeof(*spis));
	return simple_call(c, PRIV_ESP_FILTER, &q, sizeof(q));
}

int
privcli_esp_keep(struct privcli *c, sa_family_t family, int fd)
{
	const struct priv_family q = { .family = family };
	struct priv_answer a;

	return call(c, PRIV_ESP_KEEP, &q, sizeof(q), fd, &a, NULL);
}

/* --- bytes --- */

static int
read_all(int fd, char *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = pread(fd, buf + at, len - at, (off_t)at);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
		if (n > 0)
			at += (size_t)n;
	}
	return 0;
}

/* All of the file: malloc'd, with a NUL behind. */
static int
read_file(int fd, char **text, size_t *len)
{
	struct stat st = { 0 };
	char *buf;
	int err;

	if (fd >= 0 && fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > PRIV_BLOB_MAX)
		return -EFBIG;
	buf = malloc((size_t)st.st_size + 1);
	if (!buf)
		return -ENOMEM;
	err = read_all(fd, buf, (size_t)st.st_size);
	if (err) {
		free(buf);
		return err;
	}
	buf[st.st_size] = '\0';
	*text = buf;
	*len = (size_t)st.st_size;
	return 0;
}

static int
load(struct privcli *c, enum priv_request type, const char *what, char **text, size_t *len)
{
	struct priv_answer a;
	int fd = -1, err = call(c, type, NULL, 0, -1, &a, &fd);

	if (err)
		return err;
	err = read_file(fd, text, len);
	if (fd >= 0)
		close(fd);
	return err ? fail(c, err, "cannot read the %s: %s", what, strerrordesc_np(-err)) : 0;
}

int
privcli_config_load(struct privcli *c, char **text, size_t *len)
{
	return load(c, PRIV_CONFIG_LOAD, "configuration file", text, len);
}

int
privcli_state_load(struct privcli *c, char **text, size_t *len)
{
	return load(c, PRIV_STATE_LOAD, "state file", text, len);
}

int
privcli_memo_load(struct privcli *c, void **bytes, size_t *len)
{
	char *text;
	int err = load(c, PRIV_MEMO_LOAD, "memo", &text, len);

	if (!err)
		*bytes = text;
	return err;
}

static int
write_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Sealed memory with these bytes: a descriptor or -errno. */
static int
make_blob(const void *bytes, size_t len)
{
	int fd, err;

	if (len > PRIV_BLOB_MAX)
		return -EFBIG;
	fd = memfd_create("vnet", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	err = write_all(fd, bytes, len);
	if (!err &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int
privcli_state_store(struct privcli *c, uint64_t number, const void *bytes, size_t len)
{
	const struct priv_blob q = { .number = number, .len = len };
	int fd, err;

	if (c->n_stores == PRIVCLI_STORES_MAX)
		return fail(c, -EAGAIN, "too many states are on their way to the disk");
	fd = make_blob(bytes, len);
	if (fd < 0)
		return fail(c, fd, "cannot hand over the state: %s", strerrordesc_np(-fd));
	err = send_request(c, PRIV_STATE_STORE, &q, sizeof(q), fd);
	close(fd);
	if (!err)
		c->stores[c->n_stores++] = (struct store){ c->seq, number };
	return err;
}

int
privcli_memo_store(struct privcli *c, const void *bytes, size_t len)
{
	const struct priv_blob q = { .len = len };
	struct priv_answer a;
	int fd = make_blob(bytes, len), err;

	if (fd < 0)
		return fail(c, fd, "cannot hand over the memo: %s", strerrordesc_np(-fd));
	err = call(c, PRIV_MEMO_STORE, &q, sizeof(q), fd, &a, NULL);
	close(fd);
	return err;
}

int
privcli_numbers(struct privcli *c, int *fd)
{
	struct priv_answer a;
	int err = call(c, PRIV_NUMBERS, NULL, 0, -1, &a, fd);

	return !err && *fd < 0 ? fail(c, -EPROTO, "no file came") : err;
}

int
privcli_kernel_port(struct privcli *c, int *fd)
{
	struct priv_answer a;
	int err = call(c, PRIV_KERNEL_PORT, NULL, 0, -1, &a, fd);

	return !err && *fd < 0 ? fail(c, -EPROTO, "no port came") : err;
}
