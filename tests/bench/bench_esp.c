/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nanoseconds per packet of esp_seal() and esp_open(), for every suite, alone on one core: bench_esp [payload bytes] */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "esp/esp.h"

#define PACKETS 64
#define ROUNDS	2000

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
bench_suite(const struct suite *s, struct packet *p[static PACKETS], size_t len)
{
	static const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1, 2, 3 };
	struct esp_out out;
	struct esp_in in;
	int64_t seal_ns = 0, open_ns = 0;

	if (esp_out_init(&out, 0x1001, s, keymat, true) < 0 ||
	    esp_in_init(&in, 0x1001, s, keymat, true, REPLAY_WINDOW_DEFAULT) < 0)
		exit(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < PACKETS; i++) {
			packet_reset(p[i], &(size_t){ 0 });
			p[i]->len = len;
		}
		int64_t start = now_ns();
		for (unsigned i = 0; i < PACKETS; i++)
			if (esp_seal(&out, p[i], ESP_NEXT_UDP) != ESP_OK)
				exit(1);
		int64_t sealed = now_ns();
		for (unsigned i = 0; i < PACKETS; i++) {
			uint8_t next;
			bool newest;

			if (esp_open(&in, p[i], &next, &newest) != ESP_OK)
				exit(1);
		}
		seal_ns += sealed - start;
		open_ns += now_ns() - sealed;
	}
	printf("%-14s seal %5lld  open %5lld ns\n", s->name,
	    (long long)(seal_ns / (PACKETS * ROUNDS)), (long long)(open_ns / (PACKETS * ROUNDS)));
	esp_out_fini(&out);
	esp_in_fini(&in);
}

int
main(int argc, char **argv)
{
	size_t len = argc > 1 ? strtoul(argv[1], NULL, 10) : 1400;
	struct packet_pool *pool = packet_pool_new(PACKETS);
	struct packet *p[PACKETS];

	if (!pool || !cipher_global_init() || len > 65000) {
		fprintf(stderr,
		    "bench_esp: cannot start: want at most 65000 bytes, OpenSSL and memory\n");
		return 1;
	}
	for (unsigned i = 0; i < PACKETS; i++) {
		p[i] = packet_get(pool);
		memset(p[i]->buf, 0x5a, PACKET_SIZE);
	}
	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++)
		bench_suite(suite_by_id(id), p, len);
	for (unsigned i = 0; i < PACKETS; i++)
		packet_put(p[i]);
	packet_pool_free(pool);
	return 0;
}
