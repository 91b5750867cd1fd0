/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "resolve"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/resolvemsg.h"
#include "core/role.h"
#include "core/sandbox.h"

static void
add_address(struct resolve_answer *a, const struct addrinfo *ai)
{
	struct endpoint ep;

	if (a->n == RESOLVE_ADDRS_MAX ||
	    !endpoint_from_sockaddr(ai->ai_addr, ai->ai_addrlen, &ep) || !ipaddr_is_unicast(&ep.ip))
		return;
	for (uint32_t i = 0; i < a->n; i++) {
		if (ipaddr_equal(&a->addrs[i], &ep.ip))
			return;
	}
	a->addrs[a->n++] = ep.ip;
}

static void
resolve(const char *name, struct resolve_answer *a)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *list = NULL;
	int r;

	errno = 0;
	r = getaddrinfo(name, NULL, &hints, &list);
	if (r == 0) {
		for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
			add_address(a, ai);
		freeaddrinfo(list);
		if (a->n == 0)
			snprintf(a->error, sizeof(a->error), "no unicast address");
	} else {
		const char *why = r == EAI_SYSTEM && errno ? strerrordesc_np(errno)
							   : gai_strerror(r);

		snprintf(a->error, sizeof(a->error), "%s", why);
	}
}

static bool
handle_message(void *arg, const struct ipc_msg *m)
{
	const int *engine_fd = arg;
	const struct resolve_query *q = resolvemsg_query(m);
	struct resolve_answer a = { 0 };
	int r;

	if (!q)
		return false;
	resolve(q->name, &a);
	log_debug("\"%s\": %u addresses%s%s", q->name, a.n, a.n ? "" : ": ", a.error);
	r = role_answer(*engine_fd, RESOLVE_ANSWER, m->seq, &a, sizeof(a));
	if (r < 0 && r != -EPIPE)
		log_warnx("answer to the engine: %s", strerrordesc_np(-r));
	return true;
}

static void
new_engine(void *arg, int fd)
{
	int *engine_fd = arg;

	*engine_fd = fd;
}

int
role_resolve_main(void)
{
	struct role_start start;
	int engine_fd = -1;
	const struct role_service service = { ROLE_RESOLVE, handle_message, new_engine,
		&engine_fd };

	role_receive_start(ROLE_RESOLVE, &start);
	sandbox_enter(ROLE_RESOLVE, &start.options);
	return role_serve(&service, &start);
}
