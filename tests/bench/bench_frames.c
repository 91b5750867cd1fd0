/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Nanoseconds of cutting a super-frame of 64 KB and of merging its segments again, without a look at their checksums
 * and with one, alone on one core: bench_frames [MSS]
 */

#include <stdio.h>
#include <string.h>

#include "../unit/frames.h"
#include "base/merge.h"
#include "base/segment.h"
#include "bench.h"

#define PAYLOAD 64000

static uint8_t payload[PAYLOAD];
static struct frame whole;
static unsigned emitted;

static void
emit(void *arg, void *port, const struct iovec *iov, int n_iov, unsigned frames)
{
	(void)arg;
	(void)port;
	(void)iov;
	(void)n_iov;
	(void)frames;
	emitted++;
}

static void
bench_shape(const struct shape *s, size_t mss, struct packet_pool *pool)
{
	static struct bench cut_ns, merge_ns[2];
	static struct merge m;
	struct packet *p[SEGMENTS_MAX];
	struct segments cut;
	uint8_t tcp = s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	unsigned n = 0;

	cut_ns.n = merge_ns[0].n = merge_ns[1].n = emitted = 0;
	frame_make(&whole, s, payload, PAYLOAD, true);
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = s->tcp ? tcp : VIRTIO_NET_HDR_GSO_UDP_L4,
		.gso_size = (uint16_t)mss,
		.csum_start = (uint16_t)whole.l4,
		.csum_offset = s->tcp ? 16 : 6,
	};
	merge_init(&m, true, emit, NULL);
	for (unsigned round = 0; round < BENCH_ROUNDS; round++) {
		double start = bench_now();
		if (segment_start(&cut, &hdr, whole.bytes, whole.len) != SEGMENT_OK)
			exit(1);
		for (n = 0; n < cut.count; n++) {
			p[n] = packet_get_for(pool, mss + 100);
			segment_next(&cut, p[n]);
		}
		double cut_at = bench_now();
		for (unsigned i = 0; i < n; i++)
			merge_frame(&m, NULL, p[i]->data, p[i]->len, round % 2 == 0);
		merge_flush(&m);
		double merged_at = bench_now();
		for (unsigned i = 0; i < n; i++)
			packet_put(p[i]);
		bench_add(&cut_ns, cut_at - start);
		bench_add(&merge_ns[round % 2], merged_at - cut_at);
	}
	double cut_median = bench_median(&cut_ns);
	printf("%s/IPv%c, %u segments of %zu bytes: cut %6.0f ns, %4.0f each; merge into %u, each "
	       "%4.0f, looking "
	       "%4.0f\n",
	    s->tcp ? "TCP" : "UDP", s->v6 ? '6' : '4', n, mss, cut_median, cut_median / n,
	    emitted / BENCH_ROUNDS, bench_median(&merge_ns[0]) / n, bench_median(&merge_ns[1]) / n);
}

int
main(int argc, char **argv)
{
	size_t mss = argc > 1 ? strtoul(argv[1], NULL, 10) : 1340;
	struct packet_pool *pool = packet_pool_new(SEGMENTS_MAX);

	if (!pool || mss < 48 || mss > PAYLOAD) {
		fprintf(stderr, "bench_frames: want segments of 48 to %d bytes\n", PAYLOAD);
		return 1;
	}
	for (unsigned i = 0; i < 4; i++) {
		struct shape s = { .v6 = i & 1, .tcp = i < 2, .tcp_options = 3, .flags = F_ACK };

		bench_shape(&s, mss, pool);
	}
	packet_pool_free(pool);
	return 0;
}
