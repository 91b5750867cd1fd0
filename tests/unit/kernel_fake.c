/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_fake.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct kernel_fake fake;

static int __attribute__((format(printf, 2, 3))) ask(uint32_t token, const char *fmt, ...)
{
	struct asked *a = &fake.asked[fake.n_asked];
	va_list ap;

	if (fake.busy)
		return -EAGAIN;
	assert_true(fake.n_asked < ASKED_MAX);
	va_start(ap, fmt);
	vsnprintf(a->text, sizeof(a->text), fmt, ap);
	va_end(ap);
	a->token = token;
	a->count = strncmp(a->text, "count", 5) == 0;
	fake.n_asked++;
	return 0;
}

void
kernelcli_init(struct privcli *c, const struct kernelcli_ops *ops, void *arg)
{
	(void)c;
	fake.ops = ops;
	fake.arg = arg;
}

int
kernelcli_find(struct privcli *c)
{
	(void)c;
	return ask(0, "find");
}

int
kernelcli_start(struct privcli *c, uint32_t token, bool secured)
{
	(void)c;
	return ask(token, "start %d", secured);
}

int
kernelcli_stop(struct privcli *c, uint32_t token)
{
	(void)c;
	return ask(token, "stop");
}

struct kernel_slot *
kernelcli_slots(struct privcli *c)
{
	(void)c;
	return fake.slots;
}

const struct kernel_drops *
kernelcli_drops(struct privcli *c)
{
	(void)c;
	return &fake.drops;
}

int
kernelcli_vnet_add(struct privcli *c, uint32_t token, const char *ifname)
{
	(void)c;
	return ask(token, "vnet %s", ifname);
}

int
kernelcli_vnet_delete(struct privcli *c, uint32_t token, const char *ifname)
{
	(void)c;
	return ask(token, "no vnet %s", ifname);
}

int
kernelcli_peer_add(struct privcli *c, uint32_t token, const struct kernel_peer *p)
{
	(void)c;
	return ask(token, "peer %u", p->number);
}

int
kernelcli_peer_delete(struct privcli *c, uint32_t token, uint32_t number)
{
	(void)c;
	return ask(token, "no peer %u", number);
}

int
kernelcli_sa_add(struct privcli *c, uint32_t token, const struct kernel_sa *sa)
{
	int err = ask(
	    token, "sa %s %x %u", sa->direction == KERNEL_IN ? "in" : "out", sa->spi, sa->dport);

	(void)c;
	if (err == 0)
		fake.sa[fake.n_sa++ % 64] = *sa;
	return err;
}

int
kernelcli_sa_delete(
    struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d, uint32_t spi)
{
	(void)c;
	(void)peer;
	return ask(token, "no sa %s %x", d == KERNEL_IN ? "in" : "out", spi);
}

int
kernelcli_sa_count(
    struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d, uint32_t spi)
{
	(void)c;
	(void)peer;
	(void)d;
	return ask(token, "count %x", spi);
}

int
kernelcli_member_add(struct privcli *c, uint32_t token, const struct kernel_member *m)
{
	(void)c;
	return ask(token, "member %u %x", m->peer, m->vni);
}

int
kernelcli_member_delete(struct privcli *c, uint32_t token, uint32_t peer, uint32_t vni)
{
	(void)c;
	return ask(token, "no member %u %x", peer, vni);
}

int
kernelcli_flow_set(struct privcli *c, uint32_t token, const struct kernel_flow *f)
{
	(void)c;
	fake.flow = *f;
	return ask(token, "flow %u %u", f->mac.b[5], f->peer);
}

int
kernelcli_flow_delete(
    struct privcli *c, uint32_t token, const char *ifname, const struct macaddr *mac)
{
	(void)c;
	(void)ifname;
	return ask(token, "no flow %u", mac->b[5]);
}

int
kernelcli_probe(struct privcli *c, uint32_t token, uint32_t peer, uint64_t nonce)
{
	(void)c;
	fake.nonce = fake.nonces[peer % 8] = nonce;
	return ask(token, "probe %u", peer);
}

int
kernelcli_sa_limit(struct privcli *c, uint32_t token, uint32_t peer, enum kernel_direction d,
    uint32_t spi, const struct kernel_limits *limits)
{
	(void)c;
	(void)peer;
	(void)spi;
	return ask(token, "limit %s %" PRIu64 " %" PRIu64 " %" PRIu64,
	    d == KERNEL_IN ? "in" : "out", limits->soft, limits->hard, limits->hard_bytes);
}

bool
manual_lend(struct manual *m, struct manual_loan *loan)
{
	(void)m;
	if (fake.manual.cannot)
		return false;
	*loan = fake.manual.loan;
	fake.manual.lent++;
	return true;
}

void
manual_lent(struct manual *m)
{
	(void)m;
	fake.manual.had++;
}

void
manual_counted(struct manual *m, bool sent, uint64_t seq)
{
	(void)m;
	fake.manual.counted[sent] = seq;
}

uint64_t
manual_last(struct manual *m)
{
	(void)m;
	return fake.manual.loan.last;
}

void
manual_return(struct manual *m)
{
	(void)m;
	fake.manual.returned++;
}

bool
manual_settle(struct manual *m)
{
	(void)m;
	fake.manual.settled += !fake.manual.deaf;
	return !fake.manual.deaf;
}

void
fake_findings(bool secured)
{
	struct kernel_finding found[KERNEL_ABILITIES] = { 0 };

	for (unsigned i = 0; i < KERNEL_ABILITIES; i++) {
		found[i].able = i < KERNEL_SUITE || secured;
		if (!found[i].able)
			snprintf(found[i].reason, sizeof(found[i].reason), "no ESP");
	}
	fake.ops->found(fake.arg, found);
}

void
fake_answer(void)
{
	while (fake.n_answered < fake.n_asked) {
		const struct asked *a = &fake.asked[fake.n_answered++];
		struct kernel_count n = fake.count;

		if (fake.refused != NULL &&
		    strncmp(a->text, fake.refused, strlen(fake.refused)) == 0)
			fake.ops->done(fake.arg, a->token, fake.refuse, "refused by the kernel");
		else if (a->count)
			fake.ops->counted(fake.arg, a->token, &n);
		else if (a->token != 0)
			fake.ops->done(fake.arg, a->token, 0, "");
	}
}

unsigned
asked_since(unsigned from, const char *text)
{
	unsigned n = 0;

	for (unsigned i = from; i < fake.n_asked; i++)
		n += strncmp(fake.asked[i].text, text, strlen(text)) == 0;
	return n;
}

unsigned
asked(const char *text)
{
	return asked_since(0, text);
}
