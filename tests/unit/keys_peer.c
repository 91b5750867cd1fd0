/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One end of a handshake on standard input and output, messages in hex, for a judge that was written from
 * the specifications alone (judge_noise.py): keys_peer initiate|respond DIRECTORY SUITE HOST-ID START SPI...,
 * with the key "site".
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/keysd.h"
#include "keys/keysmsg.h"
#include "unhex.h"

static uint32_t key_id;
static uint8_t answer[IPC_BODY_MAX];

static void
receive(void *arg, uint32_t type, uint32_t seq, const void *body, size_t len)
{
	const struct key_info *k = body;

	(void)arg;
	(void)seq;
	if (type == KEYS_KEY && strcmp(k->name, "site") == 0)
		key_id = k->id;
	else if (type != KEYS_KEY && len > 0)
		memcpy(answer, body, len);
}

static void
ask(struct keysd *d, uint32_t type, const void *body, size_t len)
{
	struct ipc_msg m = { .type = type, .len = len, .fd = -1 };

	if (len > 0)
		memcpy(m.body, body, len);
	if (!keysd_handle(d, &m, monotime_now()))
		errx(1, "message %u refused", type);
}

static void
print(const char *name, const uint8_t *p, size_t len)
{
	printf("%s ", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", p[i]);
	printf("\n");
	fflush(stdout);
}

static void
read_message(uint8_t *out, size_t len)
{
	char text[2 * HS1_LEN + 2];

	if (fgets(text, sizeof(text), stdin) == NULL)
		errx(1, "no message");
	text[strcspn(text, "\n")] = '\0';
	if (unhex(text, out, len) != len)
		errx(1, "message \"%s\": expected %zu bytes", text, len);
}

static void
print_session(const struct keys_session *s, unsigned n_in, size_t len)
{
	uint8_t payload[HS_PAYLOAD_LEN];

	if (s->status != KEYS_OK)
		errx(1, "session: status %u", s->status);
	hs_payload_write(payload, &s->peer);
	print("peer", payload, sizeof(payload));
	for (unsigned i = 0; i < n_in; i++)
		print("in", s->in[i], len);
	for (unsigned i = 0; i < s->peer.n_spis; i++)
		print("out", s->out[i], len);
}

static void
initiate(struct keysd *d, const struct suite *suite, const struct hs_payload *ours)
{
	const struct keys_initiate req = { .key_id = key_id, .suite = suite->id, .payload = *ours };
	const struct hs_header h = { .key_id = key_id, .suite = suite->id, .id = 7 };
	static const uint8_t cookie[HS_COOKIE_LEN];
	uint8_t one[HS1_LEN], two[HS2_LEN];
	struct keys_finish fin = { 0 };
	struct keys_initiated out;
	struct keys_session s;
	struct hs_header got;
	const uint8_t *noise;

	ask(d, KEYS_INITIATE, &req, sizeof(req));
	memcpy(&out, answer, sizeof(out));
	hs1_write(one, &h, cookie, out.noise);
	print("message", one, sizeof(one));
	read_message(two, sizeof(two));
	if (hs2_parse(two, sizeof(two), &got, &noise) != HS_OK || got.id != h.id)
		errx(1, "message 2 is none");
	fin.handle = out.handle;
	memcpy(fin.noise, noise, sizeof(fin.noise));
	ask(d, KEYS_FINISH, &fin, sizeof(fin));
	memcpy(&s, answer, sizeof(s));
	print_session(&s, ours->n_spis, suite_keymat_len(suite));
}

static void
respond(struct keysd *d, const struct suite *suite, const struct hs_payload *ours)
{
	struct keys_respond req = { .suite = suite->id, .payload = *ours };
	uint8_t one[HS1_LEN], two[HS2_LEN];
	const uint8_t *cookie, *noise;
	struct keys_session s;
	struct hs_header h;

	read_message(one, sizeof(one));
	if (hs1_parse(one, sizeof(one), &h, &cookie, &noise) != HS_OK)
		errx(1, "message 1 is none");
	req.key_id = h.key_id;
	memcpy(req.noise, noise, sizeof(req.noise));
	ask(d, KEYS_RESPOND, &req, sizeof(req));
	memcpy(&s, answer, sizeof(s));
	hs2_write(two, &h, s.noise);
	print("message", two, sizeof(two));
	print_session(&s, ours->n_spis, suite_keymat_len(suite));
}

int
main(int argc, char **argv)
{
	if (argc < 7 || argc > 6 + HS_SPI_MAX)
		errx(2, "usage: keys_peer initiate|respond DIRECTORY SUITE HOST-ID START SPI...");

	const struct suite *suite = suite_by_name(argv[3]);
	int dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct keyring *ring = noise_global_init() ? keyring_new(dir) : NULL;
	struct keysd *d = ring == NULL ? NULL : keysd_new(ring, receive, NULL);
	struct hs_payload ours = {
		.flags = HS_FLAG_ESN, .n_spis = (uint8_t)(argc - 6), .attempt = 1
	};

	if (suite == NULL || dir < 0 || d == NULL)
		errx(1, "cannot start");
	ours.host_id = strtoull(argv[4], NULL, 0);
	ours.start = strtoull(argv[5], NULL, 0);
	for (int i = 6; i < argc; i++)
		ours.spis[i - 6] = (uint32_t)strtoul(argv[i], NULL, 0);
	ask(d, KEYS_RELOAD, NULL, 0);
	if (strcmp(argv[1], "initiate") == 0)
		initiate(d, suite, &ours);
	else
		respond(d, suite, &ours);
	keysd_free(d);
	return 0;
}
