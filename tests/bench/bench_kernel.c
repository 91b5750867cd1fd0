/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the kernel's path costs beside what it saves: ns a frame of the program on a TAP, for a
 * frame that it sends on (hit) and one that it leaves to the engine (miss), and of one change of
 * the table, as the table grows. Needs root.
 */

#include <bpf/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bench.h"
#include "core/fastpath_load.h"

#define FRAME_LEN 1400
#define REPEAT	  20000
#define ROUNDS	  21
#define PEER	  1

static struct fastpath *path;
static struct fastpath_slot *slots;
static uint32_t ifindex;

static struct fastpath_flow_key
key_of(uint32_t number)
{
	struct fastpath_flow_key k = { .ifindex = ifindex, .mac = { 2 } };

	memcpy(k.mac + 2, &number, sizeof(number));
	return k;
}

/* Flow `number` is to the peer, but for number 0, which is our source. */
static void
set_flow(uint32_t number)
{
	struct fastpath_flow_key k = key_of(number);
	struct fastpath_flow f = {
		.slot = number, .peer = number > 0 ? PEER : 0, .vni = 97, .mtu = 1450
	};

	slots[number].expires = UINT64_MAX;
	if (fastpath_set_flow(path, &k, &f) < 0) {
		perror("bench_kernel: flow");
		exit(1);
	}
}

/* ns of the program for a UDP frame to flow `number`; -1: it does not do with it what it should. */
static double
run(uint32_t number, int verdict)
{
	struct fastpath_flow_key to = key_of(number), from = key_of(0);
	uint8_t frame[FRAME_LEN] = { [12] = 0x08, [14] = 0x45, [23] = IPPROTO_UDP };
	struct __sk_buff context = { .ifindex = ifindex };
	struct bench b = { 0 };

	memcpy(frame, to.mac, sizeof(to.mac));
	memcpy(frame + 6, from.mac, sizeof(from.mac));
	for (unsigned i = 0; i < ROUNDS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = sizeof(frame),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = REPEAT);

		if (bpf_prog_test_run_opts(fastpath_program(path, FASTPATH_TO_PEER), &o) < 0 ||
		    (int)o.retval != verdict)
			return -1;
		bench_add(&b, o.duration);
	}
	return bench_median(&b);
}

/* ns of making, and of taking away, one flow more. */
static void
change(uint32_t number, double *made, double *gone)
{
	struct fastpath_flow_key k = key_of(number);
	struct bench make = { 0 }, take = { 0 };

	for (unsigned i = 0; i < BENCH_ROUNDS; i++) {
		double began = bench_now(), between;

		set_flow(number);
		between = bench_now();
		fastpath_delete_flow(path, &k);
		bench_add(&make, between - began);
		bench_add(&take, bench_now() - between);
	}
	*made = bench_median(&make);
	*gone = bench_median(&take);
}

int
main(void)
{
	static const uint32_t sizes[] = { 1, 100, 1000, 10000, FASTPATH_SLOTS - 2 };
	struct fastpath_peer peer = { .family = AF_INET, .remote = { 0x0100007f } };
	char reason[160];
	uint32_t n = 0;

	path = fastpath_load(reason, sizeof(reason));
	if (path == NULL) {
		fprintf(stderr, "bench_kernel: %s\n", reason);
		return 77;
	}
	slots = mmap(NULL, FASTPATH_SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fastpath_slots(path), 0);
	ifindex = if_nametoindex("lo");
	if (slots == MAP_FAILED || fastpath_set_peer(path, PEER, &peer) < 0 ||
	    fastpath_set_device(path, 0, ifindex) < 0) {
		perror("bench_kernel");
		return 1;
	}
	set_flow(0);
	printf("ns             hit     miss  new flow  flow gone\n");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		double made, gone;

		while (n < sizes[i])
			set_flow(++n);
		change(n + 1, &made, &gone);
		printf("%5u flows  %6.0f   %6.0f    %6.0f     %6.0f\n", n, run(n, TC_ACT_REDIRECT),
		    run(n + 1, TC_ACT_UNSPEC), made, gone);
	}
	fastpath_free(path);
	return 0;
}
