/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE 4096

struct client {
	int fd;
	char *path;
	struct sxp_parser *parser;
	char text[4 * READ_SIZE]; /* what was read, each byte at most "<1b>" */
	size_t len, used;
};

static void
complain_unreachable(const char *path, int error)
{
	if (error == EACCES || error == EPERM)
		complain(path, "permission denied; expected root or a member of group vnet");
	else if (error == EAGAIN)
		complain(path, "vnetd does not take the connection");
	else if (error == ENOENT || error == ECONNREFUSED)
		complain(path, "no vnetd is running; start it with \"systemctl start vnetd\" or "
			       "\"vnetd --daemon\"");
	else
		complain(path, "%s", strerror(error));
}

/* A descriptor, or -errno. */
static int
connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = CLIENT_TIMEOUT_S };
	int fd, error;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
	    connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

enum vn_status
client_open(const char *path, bool quiet, struct client **out)
{
	int fd = connect_to(path);
	struct client *c;

	if (fd < 0) {
		if (!quiet)
			complain_unreachable(path, -fd);
		return VN_GONE;
	}
	c = calloc(1, sizeof(*c));
	if (c) {
		c->fd = fd;
		c->path = strdup(path);
		c->parser = sxp_parser_new(CLIENT_EXPRESSION_MAX);
	}
	if (!c || !c->path || !c->parser) {
		complain(path, "out of memory");
		if (c)
			client_close(c);
		else
			close(fd);
		return VN_GONE;
	}
	*out = c;
	return VN_OK;
}

void
client_close(struct client *c)
{
	if (!c)
		return;
	close(c->fd);
	sxp_parser_free(c->parser);
	free(c->path);
	explicit_bzero(c->text, sizeof(c->text));
	free(c);
}

/* A daemon that refuses before it has read all may have said why: what cannot be sent is not the end. */
static void
send_all(struct client *c, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits for bytes; a message if there will be none. */
static bool
wait_readable(struct client *c, long deadline)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
	long left;

	while ((left = deadline - now_ms()) > 0) {
		int n = poll(&pfd, 1, (int)left);

		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			break;
	}
	complain(c->path, "vnetd did not answer within %d seconds", CLIENT_TIMEOUT_S);
	return false;
}

static void
add_shown(struct client *c, unsigned char byte)
{
	if ((byte >= ' ' && byte <= '~') || (byte >= '\t' && byte <= '\r'))
		c->text[c->len++] = (char)byte;
	else
		c->len += (size_t)snprintf(c->text + c->len, sizeof("<1b>"), "<%02x>", byte);
}

/* Reads more text once all was used. */
static bool
refill(struct client *c, long deadline)
{
	unsigned char buf[READ_SIZE - 1]; /* the last <1b> brings a NUL */
	ssize_t n;

	if (!wait_readable(c, deadline))
		return false;
	n = recv(c->fd, buf, sizeof(buf), 0);
	if (n <= 0) {
		complain(c->path,
		    "vnetd closed the connection before its answer was complete; try again");
		return false;
	}
	c->len = c->used = 0;
	for (ssize_t i = 0; i < n; i++)
		add_shown(c, buf[i]);
	explicit_bzero(buf, (size_t)n);
	return true;
}

/* The language allows line breaks in strings; terminals and lines do not want them. */
static void
join_lines(struct sxp *e)
{
	for (; e; e = e->next) {
		if (sxp_is_list(e)) {
			join_lines(e->child);
			continue;
		}
		for (char *p = e->text; *p; p++)
			if (*p < ' ')
				*p = ' ';
	}
}

/* The next expression, which the caller frees; NULL after a message. */
static struct sxp *
next_expression(struct client *c)
{
	long deadline = now_ms() + CLIENT_TIMEOUT_S * 1000L;

	for (;;) {
		struct sxp *e;
		size_t used;
		int n = sxp_parser_feed(c->parser, c->text + c->used, c->len - c->used, &used, &e);

		c->used += used;
		if (n > 0) {
			join_lines(e);
			return e;
		}
		if (n < 0) {
			complain(c->path, "vnetd answered with something else: %s",
			    sxp_parser_error(c->parser));
			return NULL;
		}
		if (!refill(c, deadline))
			return NULL;
	}
}

static enum vn_status
refused(const struct sxp *error)
{
	const char *object = sxp_get(error, "object"), *reason = sxp_get(error, "reason");
	const char *code = sxp_get(error, "code");

	complain(object && *object ? object : "vnetd", "%s",
	    reason && *reason ? reason : "refused without a reason");
	return code && strcmp(code, "usage") == 0 ? VN_USAGE : VN_REFUSED;
}

enum vn_status
client_request(struct client *c, const char *text, size_t len, client_item_fn *item, void *arg)
{
	enum vn_status status = VN_OK;
	bool more = true;

	send_all(c, text, len);
	while (more) {
		struct sxp *e = next_expression(c);

		if (!e)
			return VN_GONE;
		more = false;
		if (strcmp(sxp_name(e), "error") == 0) {
			status = refused(e);
		} else if (strcmp(sxp_name(e), "ok") != 0) {
			more = true;
			if (item)
				item(arg, e);
		}
		sxp_free(e);
	}
	return status;
}
