/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Nanoseconds of each table that a frame passes, alone on one core and in random order, by how much
 * is in the table: flat is the aim.
 */

#include <stdio.h>
#include <string.h>

#include "base/datagram.h"
#include "bench.h"
#include "esp/sadb.h"
#include "varp/forward.h"

#define VNET	 0x97
#define OWN	 1
#define MOST	 50000
#define PER_HOST 10000
#define AT_ONCE	 1024
#define FRAME	 64

static const size_t sizes[] = { 1, 10, 100, 1000, 10000, MOST };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct monotime now;
static struct sadb sadb;
static struct sadb_entry entries[MOST];
static uint32_t random_state = 1;
static unsigned long seen; /* so that nothing is left out */

struct subject {
	struct varp *varp;
	size_t n;
	uint8_t (*frames)[FRAME]; /* AT_ONCE, from and to addresses that are known */
	uint32_t spis[AT_ONCE];
};

static void
on_send(void *arg, enum message_type type, uint32_t vnet, uint64_t host,
    const struct message_item *item)
{
	(void)arg;
	(void)type;
	(void)vnet;
	(void)host;
	(void)item;
}

static void
on_members(void *arg, uint32_t vnet, void (*each)(void *ctx, uint64_t host), void *ctx)
{
	(void)arg;
	(void)vnet;
	(void)each;
	(void)ctx;
}

static size_t
random_below(size_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

static struct macaddr
address(size_t i, bool local)
{
	return (
	    struct macaddr){ { 2, local, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };
}

static uint64_t
host_of(size_t i)
{
	return OWN + 1 + i / PER_HOST;
}

static void
lookup(struct subject *s, size_t i)
{
	struct macaddr dst;

	memcpy(&dst, s->frames[i], sizeof(dst));
	seen += varp_lookup(s->varp, VNET, &dst).host;
}

static void
forward_out(struct subject *s, size_t i)
{
	seen += forward_decide(s->varp, VNET, FORWARD_FROM_DEVICE, s->frames[i], FRAME).verdict;
}

static void
forward_in(struct subject *s, size_t i)
{
	seen += forward_decide(s->varp, VNET, FORWARD_FROM_NETWORK, s->frames[i], FRAME).verdict;
}

static void
learn_local(struct subject *s, size_t i)
{
	struct macaddr src;

	memcpy(&src, s->frames[i] + sizeof(src), sizeof(src));
	varp_local_frame(s->varp, VNET, &src, now);
}

static void
learn_remote(struct subject *s, size_t i)
{
	struct macaddr dst;
	size_t number;

	memcpy(&dst, s->frames[i], sizeof(dst));
	number = (size_t)dst.b[3] << 16 | (size_t)dst.b[4] << 8 | dst.b[5];
	varp_remote_frame(s->varp, VNET, host_of(number), s, &dst, now);
}

static void
demux(struct subject *s, size_t i)
{
	uint32_t spi = 0;
	uint8_t datagram[8];

	memcpy(datagram, &(uint32_t){ htobe32(s->spis[i]) }, sizeof(spi));
	seen += datagram_classify(datagram, sizeof(datagram), &spi);
	seen += sadb_find(&sadb, spi) != NULL;
}

static double
bench_step(struct subject *s, void (*step)(struct subject *, size_t))
{
	static struct bench b;

	b.n = 0;
	for (unsigned round = 0; round < BENCH_ROUNDS; round++) {
		double start = bench_now();

		for (size_t i = 0; i < AT_ONCE; i++)
			step(s, i);
		bench_add(&b, (bench_now() - start) / AT_ONCE);
	}
	return bench_median(&b);
}

/* n addresses of others, as many of our own as there may be, n SAs. */
static void
fill(struct subject *s, size_t n)
{
	static const struct varp_ops ops = { .send = on_send, .members = on_members };
	static uint8_t frames[AT_ONCE][FRAME];
	size_t locals = n < VARP_VIFS_MAX ? n : VARP_VIFS_MAX;
	static size_t n_sas;

	*s = (struct subject){ varp_new(&(struct varp_config){ 0 }, OWN, &ops, NULL), n, frames,
		{ 0 } };
	if (!s->varp)
		exit(1);
	for (size_t i = 0; i < n; i++) {
		struct macaddr mac = address(i, false);

		varp_remote_frame(s->varp, VNET, host_of(i), s, &mac, now);
	}
	for (size_t i = 0; i < locals; i++) {
		struct macaddr mac = address(i, true);

		varp_local_frame(s->varp, VNET, &mac, now);
	}
	for (; n_sas < n; n_sas++)
		if (sadb_reserve(&sadb, &entries[n_sas]) < 0)
			exit(1);
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct macaddr dst = address(random_below(n), false),
			       src = address(random_below(locals), true);

		memcpy(frames[i], &dst, sizeof(dst));
		memcpy(frames[i] + sizeof(dst), &src, sizeof(src));
		memcpy(frames[i] + 2 * sizeof(dst), "\x08\x00", 2);
		s->spis[i] = entries[random_below(n)].spi;
	}
}

int
main(void)
{
	static const struct {
		const char *name;
		void (*step)(struct subject *, size_t);
	} steps[] = {
		{ "demux: SPI to SA", demux },
		{ "forward: from the device", forward_out },
		{ "forward: from the network", forward_in },
		{ "  of which: where is a MAC", lookup },
		{ "source is ours, as before", learn_local },
		{ "source is another's, as before", learn_remote },
	};
	double ns[sizeof(steps) / sizeof(steps[0])][SIZES];
	struct subject s;

	now = monotime_now();
	if (sadb_init(&sadb) < 0)
		return 1;
	printf("ns, by entries %18s", "");
	for (size_t n = 0; n < SIZES; n++) {
		printf(" %6zu", sizes[n]);
		fill(&s, sizes[n]);
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
			ns[i][n] = bench_step(&s, steps[i].step);
		varp_free(s.varp);
	}
	putchar('\n');
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		printf("%-33s", steps[i].name);
		for (size_t n = 0; n < SIZES; n++)
			printf(" %6.1f", ns[i][n]);
		putchar('\n');
	}
	sadb_fini(&sadb);
	return seen == 0;
}
