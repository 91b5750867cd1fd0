/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOG_MODULE "manual"
#include "base/log.h"
#include "core/config.h"
#include "core/egress.h"
#include "core/engine.h"
#include "core/exchange.h"
#include "core/ingress.h"
#include "core/manual.h"
#include "core/plain.h"
#include "core/privcli.h"
#include "core/privmsg.h"
#include "core/rawesp.h"
#include "core/reserve.h"
#include "core/state.h"
#include "core/vnetctl.h"

#define SPI_TAKEN "its spi-in is taken by another SA"
#define TICK_MS	  1000 /* in that time nobody sends what is reserved at least */

/* Numbers that software may use while the kernel is given its SAs; */
#define LEND_SENT 4096
#define LEND_BUSY 4096	/* received: of a peer that sends much */
#define LEND_REST 65536 /* and that the kernel leaves to it, for what comes after */

_Static_assert(MANUAL_MAX <= PRIV_SPIS_MAX && MANUAL_MAX <= CONFIG_SAS_MAX,
    "the filter and the state have room for all");

enum lent { NOT_LENT, LENT, RETURNING };

struct manual {
	struct manual *next;
	struct engine *engine;
	struct manualspec spec; /* its numbers are those that this run began with */
	struct assoc *assoc;
	struct reserve sent, received;
	struct priv_number *kept; /* NULL: no place */
	uint64_t number;	  /* of the state that will have what is wanted; 0: nothing is */
	uint64_t skipped;	  /* numbers never sent, nor counted, in software */
	enum lent lent;
	bool had; /* the kernel has had what is lent */
	struct manual_loan loan;
	uint64_t kernel_sent, kernel_received; /* as last heard; loan's before */
};

static uint64_t
taken(const struct manual *m)
{
	uint64_t top = sa_in_count(m->assoc->active->in).seq;

	return m->lent != NOT_LENT && m->kernel_received > top ? m->kernel_received : top;
}

static uint64_t
used(const struct manual *m)
{
	uint64_t seq = sa_out_count(m->assoc->active->out).seq;

	return m->lent == LENT && m->kernel_sent > seq ? m->kernel_sent : seq;
}

static enum level
level_of(const struct manualspec *s)
{
	return suite_by_id(s->suite)->level;
}

bool
manual_takes(const struct manual *m, const struct vnetid *id)
{
	for (uint32_t i = 0; i < m->spec.n_vnets; i++)
		if (vnetid_equal(&m->spec.vnets[i], id))
			return true;
	return m->spec.n_vnets == 0;
}

uint64_t
manual_unsent(const struct manual *m)
{
	return m->spec.sent + m->skipped;
}

/* No number goes beyond what is reserved, or the kernel's. */
static void
apply(struct manual *m)
{
	struct sa_in *in = m->assoc->active->in;
	struct sa_out *out = m->assoc->active->out;

	pthread_mutex_lock(&in->lock);
	if (m->lent == NOT_LENT)
		in->sa.last = reserve_last(&m->received);
	pthread_mutex_unlock(&in->lock);
	pthread_mutex_lock(&out->lock);
	if (m->lent != LENT)
		out->sa.last = reserve_last(&m->sent);
	pthread_mutex_unlock(&out->lock);
}

/* --- sockets --- */

/* The kernel opens it too, and it is the kernel's. */
static bool
is_for_kernel(const struct engine *e, const struct packet *p)
{
	uint32_t spi, seq;

	memcpy(&spi, p->data, sizeof(spi));
	memcpy(&seq, p->data + sizeof(spi), sizeof(seq));
	for (const struct manual *m = e->manuals; m != NULL; m = m->next)
		if (m->lent != NOT_LENT && m->spec.spi_in == ntohl(spi))
			return (int32_t)(ntohl(seq) - (uint32_t)m->loan.received) > 0;
	return false;
}

static void
esp_received(void *arg, const struct datagram *d)
{
	if (is_for_kernel(arg, d->packet))
		packet_put(d->packet);
	else
		ingress_datagram(arg, d);
}

static void
esp_done(void *arg)
{
	struct engine *e = arg;

	ingress_flush(e);
	manual_received(e);
	exchange_flush(e);
	egress_flush(e);
}

static int
sockets_open(struct engine *e)
{
	struct priv_esp_sockets s;
	int err;

	if (rawesp_fd(AF_INET) >= 0)
		return 0;
	err = privcli_esp_sockets(e->priv, &s);
	return err < 0 ? err
		       : rawesp_open(e->loop, e->pool, s.esp4, s.esp6, esp_received, esp_done, e);
}

/* All that still comes is the kernel's. */
static bool
has_passed(const struct manual *m)
{
	return m->lent == LENT && m->kernel_received > m->loan.received;
}

/* What is not for these SAs does not even wake us. */
static int
filter_set(struct engine *e)
{
	uint32_t spis[PRIV_SPIS_MAX];
	size_t n = 0;

	if (rawesp_fd(AF_INET) < 0)
		return 0;
	for (const struct manual *m = e->manuals; m != NULL; m = m->next)
		if (m->spec.udp_port == 0 && !has_passed(m))
			spis[n++] = m->spec.spi_in;
	return privcli_esp_filter(e->priv, spis, n);
}

void
manual_keep(struct engine *e)
{
	if (rawesp_fd(AF_INET) >= 0)
		(void)privcli_esp_keep(e->priv, AF_INET, rawesp_fd(AF_INET));
	if (rawesp_fd(AF_INET6) >= 0)
		(void)privcli_esp_keep(e->priv, AF_INET6, rawesp_fd(AF_INET6));
}

/* --- the number that a kill must not take back --- */

static void
numbers_open(struct engine *e)
{
	void *at;
	int fd;

	if (e->numbers != NULL)
		return;
	if (privcli_numbers(e->priv, &fd) < 0) {
		log_warnx("%s; packets of manual SAs will be lost after a restart",
		    privcli_error(e->priv));
		return;
	}
	at = mmap(NULL, sizeof(*e->numbers), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		e->numbers = at;
	else
		log_warnx("the file of numbers cannot be mapped: %s", strerror(errno));
	close(fd);
}

/* Where these SAs' number is, or a free place; NULL if there is none. */
static struct priv_number *
number_find(struct engine *e, uint32_t spi_in, uint32_t spi_out)
{
	struct priv_number *free_one = NULL;

	for (size_t i = 0; e->numbers != NULL && i < PRIV_NUMBERS_MAX; i++) {
		struct priv_number *n = &e->numbers->sas[i];

		if (n->spi_in == spi_in && n->spi_out == spi_out)
			return n;
		if (n->spi_in == 0)
			free_one = n;
	}
	return free_one;
}

static uint64_t
highest(const struct priv_number *n)
{
	return n->kernel > n->received ? n->kernel : n->received;
}

/*
 * The highest number received. After a crash of the machine nobody knows: then it is what the disk
 * says, as for SAs that have never been used.
 */
static uint64_t
number_recall(struct engine *e, struct manual *m)
{
	const struct manualspec *s = &m->spec;
	struct priv_number *n;

	numbers_open(e);
	n = m->kept = number_find(e, s->spi_in, s->spi_out);
	if (n == NULL)
		return s->received;
	if (n->spi_in != 0 && s->sent != 0 && !n->lent)
		return highest(n);
	/* In this order, as we may be killed at any time. */
	n->kernel = 0;
	__atomic_store_n(&n->received, s->received, __ATOMIC_RELEASE);
	__atomic_store_n(&n->lent, 0, __ATOMIC_RELEASE);
	n->spi_out = s->spi_out;
	__atomic_store_n(&n->spi_in, s->spi_in, __ATOMIC_RELEASE);
	return s->received;
}

static void
number_forget(struct manual *m)
{
	if (m->kept != NULL)
		m->kept->spi_in = 0;
}

/* --- come and go --- */

static int
refuse(char error[static MANUAL_ERROR_MAX], int err, const char *why)
{
	snprintf(error, MANUAL_ERROR_MAX, "%s", why[0] != '\0' ? why : strerror(-err));
	return err;
}

static int
check_new(const struct engine *e, const struct manualspec *s, char error[static MANUAL_ERROR_MAX])
{
	size_t n = 0;

	for (const struct manual *m = e->manuals; m != NULL; m = m->next, n++) {
		if (m->spec.spi_in == s->spi_in)
			return refuse(error, -EEXIST, SPI_TAKEN);
		if (ipaddr_equal(&m->spec.peer, &s->peer) && level_of(&m->spec) == level_of(s)) {
			snprintf(error, MANUAL_ERROR_MAX,
			    "it has manual SAs of level %s already; see vn sa-delete",
			    level_name(level_of(s)));
			return -EEXIST;
		}
	}
	if (n >= MANUAL_MAX)
		return refuse(error, -ENOSPC, "there are too many manual SAs");
	return 0;
}

static void
manual_free(struct engine *e, struct manual *m)
{
	struct manual **at = &e->manuals;

	while (*at != NULL && *at != m)
		at = &(*at)->next;
	if (*at == m)
		*at = m->next;
	if (m->assoc != NULL) {
		plain_leave(e, m->assoc);
		m->assoc->manual = NULL;
		assoc_free(&e->assocs, m->assoc);
	}
	explicit_bzero(m, sizeof(*m));
	free(m);
}

/* The association with its SAs, down. */
static int
associate(struct engine *e, struct manual *m, char error[static MANUAL_ERROR_MAX])
{
	const struct manualspec *s = &m->spec;
	struct assoc_fixed fixed = {
		.spi_in = s->spi_in,
		.spi_out = s->spi_out,
		.in = s->in,
		.out = s->out,
		.esn = s->esn,
		.sent = s->sent,
	};
	struct endpoint ep = { s->peer, s->udp_port != 0 ? s->udp_port : ENDPOINT_ESP };
	struct group *g = group_get(&e->groups, s->key, suite_by_id(s->suite));
	struct assoc *a = NULL;
	int err;

	if (g != NULL)
		a = assoc_get(&e->assocs, plain_host_id(e, &ep), g, engine_now(e));
	group_put(&e->groups, g); /* the association holds it */
	if (a == NULL)
		return refuse(error, -ENOMEM, "");
	m->assoc = a;
	a->plain = true;
	a->manual = m;
	a->hub = s->hub;
	a->ep = ep;
	fixed.received = number_recall(e, m);
	fixed.taken = m->kept != NULL ? &m->kept->received : NULL;
	reserve_init(&m->sent, s->sent, s->sent, s->esn);
	/* A kernel may have taken more than was reserved. */
	reserve_init(&m->received, fixed.received > s->received ? fixed.received : s->received,
	    fixed.received, s->esn);
	err = assoc_fix(&e->assocs, a, &fixed, engine_now(e));
	if (err < 0) {
		number_forget(m);
		return refuse(error, err, err == -EEXIST ? SPI_TAKEN : "");
	}
	apply(m);
	return 0;
}

int
manual_add(struct engine *e, const struct manualspec *spec, char error[static MANUAL_ERROR_MAX])
{
	int err = check_new(e, spec, error);
	struct manual *m;

	if (err < 0)
		return err;
	if (spec->udp_port == 0 && (err = sockets_open(e)) < 0)
		return refuse(error, err, privcli_error(e->priv));
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return refuse(error, -ENOMEM, "");
	m->spec = *spec;
	m->engine = e;
	err = associate(e, m, error);
	if (err < 0) {
		manual_free(e, m);
		return err;
	}
	m->next = e->manuals;
	e->manuals = m;
	err = filter_set(e);
	if (err < 0) {
		(void)refuse(error, err, privcli_error(e->priv));
		number_forget(m);
		manual_free(e, m);
		return err;
	}
	m->assoc->up = true;
	m->assoc->up_since = engine_now(e);
	way_update(&e->assocs, m->assoc);
	plain_join(e, m->assoc);
	vnetctl_links_changed(e); /* IPv6 makes another MTU */
	engine_kick(e);
	return 0;
}

unsigned
manual_delete(struct engine *e, const struct ipaddr *peer, enum level level)
{
	struct manual *next;
	unsigned n = 0;

	for (struct manual *m = e->manuals; m != NULL; m = next) {
		next = m->next;
		if (!ipaddr_equal(&m->spec.peer, peer) ||
		    (level != LEVEL_NONE && level != level_of(&m->spec)))
			continue;
		number_forget(m);
		manual_free(e, m);
		n++;
	}
	if (n > 0)
		(void)filter_set(e); /* else what comes is of an unknown SPI */
	return n;
}

void
manual_fini(struct engine *e)
{
	while (e->manuals != NULL)
		manual_free(e, e->manuals);
	rawesp_close();
	if (e->numbers != NULL)
		munmap(e->numbers, sizeof(*e->numbers));
	e->numbers = NULL;
}

void
manual_keys_changed(struct engine *e)
{
	for (struct manual *m = e->manuals; m != NULL; m = m->next) {
		const char *key = groups_canonical(&e->groups, m->spec.key);
		struct assoc *a = m->assoc;
		struct group *g;

		if (strcmp(a->group->key, key) == 0)
			continue;
		g = group_get(&e->groups, key, a->group->suite);
		if (g == NULL)
			fatalx("out of memory");
		plain_leave(e, a);
		assoc_regroup(&e->assocs, a, g);
		group_put(&e->groups, g);
		plain_join(e, a);
	}
}

/* --- numbers --- */

static void
tell_problem(struct manual *m)
{
	const char *why = "";

	if (used(m) == m->sent.end)
		why = "its sequence numbers are used up and nothing is sent; add it again, with "
		      "new keys";
	else if (taken(m) == m->received.end)
		why = "the other end has used up its sequence numbers; add it again, with new keys";
	else if (monotime_is_set(m->sent.again) || monotime_is_set(m->received.again))
		why = "its sequence numbers cannot be stored";
	snprintf(m->assoc->problem, sizeof(m->assoc->problem), "%s", why);
}

struct monotime
manual_tick(struct engine *e, struct monotime now)
{
	for (struct manual *m = e->manuals; m != NULL; m = m->next) {
		bool sent = reserve_sent(&m->sent, used(m), now);

		if (reserve_received(&m->received, taken(m), now) || sent)
			m->number = state_changed(e);
		apply(m);
		tell_problem(m);
	}
	return e->manuals != NULL ? monotime_add_ms(now, TICK_MS) : (struct monotime){ 0 };
}

void
manual_received(struct engine *e)
{
	for (const struct manual *m = e->manuals; m != NULL; m = m->next)
		if (reserve_due(&m->received, taken(m)))
			engine_kick(e);
}

void
manual_stored(struct engine *e, uint64_t number, int error)
{
	for (struct manual *m = e->manuals; m != NULL; m = m->next) {
		if (m->number == 0 || m->number > number)
			continue;
		m->number = 0;
		reserve_stored(&m->sent, error == 0, engine_now(e));
		reserve_stored(&m->received, error == 0, engine_now(e));
		apply(m);
	}
}

/* --- lent to the kernel --- */

/* What software may still take. */
static void
lend_received(struct manual *m)
{
	struct sa_in *in = m->assoc->active->in;
	uint64_t ahead = m->received.ahead / 2, last = reserve_last(&m->received), top;

	if (ahead > LEND_BUSY)
		ahead = LEND_BUSY;
	pthread_mutex_lock(&in->lock);
	top = in->sa.replay.top;
	if (last < top)
		last = top;
	m->loan.received = last - top < ahead ? last : top + ahead;
	in->sa.last = m->loan.received;
	pthread_mutex_unlock(&in->lock);
	m->kept->kernel = 0;
	__atomic_store_n(&m->kept->lent, 1, __ATOMIC_RELEASE);
}

bool
manual_lend(struct manual *m, struct manual_loan *loan)
{
	struct sa_out *out = m->assoc->active->out;
	uint64_t last = reserve_last(&m->sent), sent = used(m) + LEND_SENT;

	if (m->kept == NULL || m->lent != NOT_LENT || last < sent + 2 * LEND_REST)
		return false;
	m->loan.sent = sent;
	m->loan.last = last - LEND_REST;
	pthread_mutex_lock(&out->lock);
	out->sa.last = sent;
	pthread_mutex_unlock(&out->lock);
	lend_received(m);
	m->kernel_sent = sent;
	m->kernel_received = m->loan.received;
	m->lent = LENT;
	m->had = false;
	*loan = m->loan;
	return true;
}

void
manual_lent(struct manual *m)
{
	struct sa_out *out = m->assoc->active->out;

	m->had = true;
	pthread_mutex_lock(&out->lock);
	out->sa.last = out->sa.seq;
	pthread_mutex_unlock(&out->lock);
}

void
manual_counted(struct manual *m, bool sent, uint64_t seq)
{
	bool passed = has_passed(m);

	if (m->lent != LENT)
		return;
	if (sent && seq > m->kernel_sent)
		m->kernel_sent = seq;
	if (!sent && seq > m->kernel_received)
		m->kernel_received = seq;
	if (passed != has_passed(m))
		(void)filter_set(m->engine);
	engine_kick(m->engine);
}

uint64_t
manual_last(struct manual *m)
{
	uint64_t last = reserve_last(&m->sent);

	if (m->lent == LENT && last > LEND_REST && last - LEND_REST > m->loan.last)
		m->loan.last = last - LEND_REST;
	return m->loan.last;
}

/* What the kernel counted is software's from now on, for `vn sas`. */
static void
take_counts(struct manual *m)
{
	struct sa_pair *p = m->assoc->active;

	pthread_mutex_lock(&p->in->lock);
	p->in->sa.packets += p->in->kernel.packets;
	p->in->sa.bytes += p->in->kernel.bytes;
	pthread_mutex_unlock(&p->in->lock);
	pthread_mutex_lock(&p->out->lock);
	m->skipped += m->loan.last - p->out->sa.seq - p->out->kernel.packets;
	p->out->sa.seq = m->loan.last;
	p->out->sa.bytes += p->out->kernel.bytes;
	pthread_mutex_unlock(&p->out->lock);
	p->in->kernel = p->out->kernel = (struct sa_kernel){ 0 };
}

void
manual_return(struct manual *m)
{
	if (m->lent != LENT)
		return;
	take_counts(m);
	m->lent = RETURNING;
	apply(m);
	/* What comes while the kernel deletes its SA waits in the socket. */
	(void)filter_set(m->engine);
	engine_kick(m->engine);
}

/* Nobody knows the last number: then it is what the disk says. */
static uint64_t
flushed(const struct manual *m)
{
	uint64_t top = m->received.limit > m->kernel_received ? m->received.limit
							      : m->kernel_received;

	log_warnx("the kernel's SA %08x was flushed: packets of the peer are lost until its "
		  "numbers are above %" PRIu64,
	    m->spec.spi_in, top);
	return top;
}

bool
manual_settle(struct manual *m)
{
	struct sa_in *in = m->assoc->active->in;
	uint64_t top;
	int fd;

	if (m->lent != RETURNING)
		return true;
	if (m->kept->lent) {
		if (privcli_numbers(m->engine->priv, &fd) < 0)
			return false;
		close(fd);
	}
	top = m->kept->lent && m->had ? flushed(m) : m->kept->kernel;
	m->kept->lent = 0;
	pthread_mutex_lock(&in->lock);
	if (top > in->sa.replay.top) {
		replay_start(&in->sa.replay, top);
		__atomic_store_n(in->taken, top, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&in->lock);
	m->lent = NOT_LENT;
	if (top > m->received.limit)
		m->received.limit = m->received.wanted = top;
	apply(m);
	engine_kick(m->engine);
	return true;
}

bool
manual_collect(const struct engine *e, struct config *c)
{
	c->sas = calloc(CONFIG_SAS_MAX, sizeof(*c->sas));
	if (c->sas == NULL)
		return false;
	for (const struct manual *m = e->manuals; m != NULL; m = m->next) {
		struct manualspec *s = &c->sas[c->n_sas++];

		*s = m->spec;
		s->sent = m->sent.wanted;
		s->received = m->received.wanted;
	}
	return true;
}
