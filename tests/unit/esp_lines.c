/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * esp_seal() and esp_open() by lines of text, for judge_esp.py:
 *	seal SUITE ESN SPI SEQUENCE-NUMBER KEYMAT NEXT-HEADER PAYLOAD	answers the packet
 *	open SUITE ESN SPI SEQUENCE-NUMBER KEYMAT PACKET		answers VERDICT [NEXT-HEADER PAYLOAD]
 * Bytes are hex; "-" is none. The packet to open is expected to be the newest of its SA.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "esp/esp.h"
#include "unhex.h"

struct request {
	const struct suite *suite;
	bool esn;
	uint32_t spi;
	uint64_t seq;
	uint8_t keymat[SUITE_KEYMAT_MAX];
};

static void
print_hex(const struct packet *p)
{
	for (size_t i = 0; i < p->len; i++)
		printf("%02x", p->data[i]);
	putchar('\n');
}

static bool
seal(const struct request *r, struct packet *p, uint8_t next)
{
	struct esp_out sa;

	if (esp_out_init(&sa, r->spi, r->suite, r->keymat, r->esn) < 0)
		return false;
	sa.seq = r->seq - 1;
	enum esp_verdict v = esp_seal(&sa, p, next);
	esp_out_fini(&sa);
	if (v == ESP_OK)
		print_hex(p);
	else
		puts(esp_verdict_name(v));
	return true;
}

static bool
open_packet(const struct request *r, struct packet *p)
{
	struct esp_in sa;
	uint8_t next;
	bool newest;

	if (esp_in_init(&sa, r->spi, r->suite, r->keymat, r->esn, REPLAY_WINDOW_DEFAULT) < 0)
		return false;
	sa.replay.top = r->seq - 1;
	enum esp_verdict v = esp_open(&sa, p, &next, &newest);
	esp_in_fini(&sa);
	printf("%s ", esp_verdict_name(v));
	if (v == ESP_OK) {
		printf("%u ", next);
		print_hex(p);
	} else {
		putchar('\n');
	}
	return true;
}

static bool
answer(char *line, struct packet *p)
{
	char verb[8], name[32], keymat[2 * SUITE_KEYMAT_MAX + 1];
	struct request r;
	unsigned esn, next = 0;
	int at = 0;
	size_t room;

	if (sscanf(line, "%7s %31s %u %" SCNx32 " %" SCNu64 " %128s %n", verb, name, &esn, &r.spi,
		&r.seq, keymat, &at) != 6)
		return false;
	bool sealing = strcmp(verb, "seal") == 0;
	if (sealing) {
		int more = 0;

		if (sscanf(line + at, "%u %n", &next, &more) != 1)
			return false;
		at += more;
	}
	r.suite = suite_by_name(name);
	r.esn = esn;
	unhex(keymat, r.keymat, sizeof(r.keymat));
	packet_reset(p, &room);
	line[strcspn(line, "\n")] = '\0';
	p->len = strcmp(line + at, "-") == 0 ? 0 : unhex(line + at, p->data, room);
	return sealing ? seal(&r, p, (uint8_t)next) : open_packet(&r, p);
}

int
main(void)
{
	static char line[2 * 65536 + 512];
	struct packet_pool *pool = packet_pool_new(1);

	if (!pool || !cipher_global_init())
		return 1;
	struct packet *p = packet_get(pool);
	setlinebuf(stdout);
	while (fgets(line, sizeof(line), stdin))
		if (!answer(line, p))
			return 1;
	packet_pool_free(pool);
	return 0;
}
