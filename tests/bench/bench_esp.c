/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Nanoseconds per packet of esp_seal_batch() and esp_open_batch(), for every suite, engine and number of packets,
 * alone on one core: bench_esp [payload bytes]
 */

#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "esp/esp.h"

#define PACKETS 48 /* of a super-frame */

static const size_t batches[] = { 1, 2, 3, 4, 5, 6, 8, 12, 16, 32, 48 };

#define BATCHES (sizeof(batches) / sizeof(batches[0]))

struct sas {
	struct esp_out out;
	struct esp_in in;
};

/* All packets, n at a time. */
static void
bench_batch(struct sas *sas, struct packet *p[static PACKETS], size_t len, size_t n, double ns[2])
{
	static struct bench seal, open;
	enum esp_verdict verdicts[PACKETS];
	struct esp_opened opened[PACKETS];

	seal.n = open.n = 0;
	for (unsigned round = 0; round < BENCH_ROUNDS; round++) {
		for (unsigned i = 0; i < PACKETS; i++) {
			packet_reset(p[i], &(size_t){ 0 });
			p[i]->len = len;
		}
		double start = bench_now();
		for (size_t i = 0; i + n <= PACKETS; i += n)
			esp_seal_batch(&sas->out, p + i, n, ESP_NEXT_UDP, verdicts + i);
		double sealed = bench_now();
		for (size_t i = 0; i + n <= PACKETS; i += n)
			esp_open_batch(&sas->in, p + i, n, opened + i);
		double opened_at = bench_now();
		size_t all = PACKETS / n * n;
		for (size_t i = 0; i < all; i++)
			if (verdicts[i] != ESP_OK || opened[i].verdict != ESP_OK)
				exit(1);
		bench_add(&seal, (sealed - start) / (double)all);
		bench_add(&open, (opened_at - sealed) / (double)all);
	}
	ns[0] = bench_median(&seal);
	ns[1] = bench_median(&open);
}

static void
bench_suite(const struct suite *s, const char *engine, struct packet *p[static PACKETS], size_t len)
{
	static const uint8_t keymat[SUITE_KEYMAT_MAX] = { 1, 2, 3 };
	static const char *const names[] = { "seal", "open" };
	double ns[BATCHES][2];
	struct sas sas;

	if (esp_out_init(&sas.out, 0x1001, s, keymat, true) < 0 ||
	    esp_in_init(&sas.in, 0x1001, s, keymat, true, REPLAY_WINDOW_DEFAULT) < 0)
		exit(1);
	for (size_t b = 0; b < BATCHES; b++)
		bench_batch(&sas, p, len, batches[b], ns[b]);
	for (unsigned way = 0; way < 2; way++) {
		printf("%-13s %-9s %s", s->name, engine, names[way]);
		for (size_t b = 0; b < BATCHES; b++)
			printf(" %5.0f", ns[b][way]);
		putchar('\n');
	}
	esp_out_fini(&sas.out);
	esp_in_fini(&sas.in);
}

int
main(int argc, char **argv)
{
	static const char *const engines[] = { "openssl", "ipsec-mb", "auto" };
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
		memset(p[i]->buf, 0x5a, PACKET_HEADROOM + len + PACKET_TAILROOM);
	}
	printf(
	    "%s\nns per packet of %zu bytes, by packets at once\n%28s", cipher_describe(), len, "");
	for (size_t b = 0; b < BATCHES; b++)
		printf(" %5zu", batches[b]);
	putchar('\n');
	for (unsigned id = SUITE_NONE + 1; id < SUITE_COUNT; id++)
		for (size_t e = 0; e < sizeof(engines) / sizeof(engines[0]); e++)
			if (cipher_prefer(engines[e]))
				bench_suite(suite_by_id(id), engines[e], p, len);
	for (unsigned i = 0; i < PACKETS; i++)
		packet_put(p[i]);
	packet_pool_free(pool);
	return 0;
}
