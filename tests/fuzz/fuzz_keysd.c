/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hostile engine's messages to the keys role, one after the other: op 1 | length 2 | body. The low four
 * bits of an op are the message's type, the others what random bytes would never hit.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "fuzz.h"
#include "keys/hardwired.h"
#include "keys/keysd.h"
#include "keys/keysmsg.h"

enum {
	OP_TYPE = 0x0f,
	OP_ANSWER = 0x10, /* its Noise message is the last that the role itself gave out */
	OP_FILL = 0x20,	  /* again and again, until as many as can be are open */
	OP_FD = 0x40,
	OP_LATER = 0x80, /* after all that is open expired */
};

enum { ACCEPTED = 0, REFUSED = 8, REFUSED_TYPE = 16, REFUSED_FD, STATUS };

const char *const fuzz_classes[] = {
	"list accepted",
	"initiate accepted",
	"respond accepted",
	"finish accepted",
	"forget accepted",
	"generate accepted",
	"retire accepted",
	"reload accepted",
	"list refused",
	"initiate refused",
	"respond refused",
	"finish refused",
	"forget refused",
	"generate refused",
	"retire refused",
	"reload refused",
	"type refused",
	"descriptor refused",
	[STATUS + KEYS_OK] = "ok",
	[STATUS + KEYS_UNKNOWN_KEY] = "unknown key",
	[STATUS + KEYS_BAD_MESSAGE] = "bad message",
	[STATUS + KEYS_BAD_PAYLOAD] = "bad payload",
	[STATUS + KEYS_NO_HANDSHAKE] = "no handshake",
	[STATUS + KEYS_BUSY] = "busy",
	NULL,
};

static unsigned n_answers;
static uint8_t last_noise[HS_NOISE_LEN];

/* The place of a request's type in fuzz_classes, or -1. */
static int
request_index(uint32_t type)
{
	static const enum keys_msg requests[] = { KEYS_LIST, KEYS_INITIATE, KEYS_RESPOND,
		KEYS_FINISH, KEYS_FORGET, KEYS_GENERATE, KEYS_RETIRE, KEYS_RELOAD };

	for (int i = 0; i < (int)(sizeof(requests) / sizeof(requests[0])); i++) {
		if (requests[i] == type)
			return i;
	}
	return -1;
}

static void
check_initiated(const struct keys_initiated *m)
{
	fuzz_saw(STATUS + m->status);
	if ((m->status == KEYS_OK) != (m->handle != 0))
		abort();
	memcpy(last_noise, m->noise, sizeof(last_noise));
}

static void
check_session(const struct keys_session *m)
{
	static const struct keys_session none;

	fuzz_saw(STATUS + m->status);
	memcpy(last_noise, m->noise, sizeof(last_noise));
	if (m->status == KEYS_OK && hs_payload_check(&m->peer) != HS_OK)
		abort();
	if (m->status != KEYS_OK &&
	    memcmp(&m->peer, &none.peer, sizeof(none) - offsetof(struct keys_session, peer)) != 0)
		abort();
}

static void
receive(void *arg, uint32_t type, uint32_t seq, const void *body, size_t len)
{
	(void)arg;
	(void)seq;
	n_answers++;
	if (len > 0 && memmem(body, len, hardwired_key, sizeof(hardwired_key)) != NULL)
		abort(); /* long-term keys go nowhere */
	if (type == KEYS_INITIATED)
		check_initiated(body);
	else if (type == KEYS_RESPONDED || type == KEYS_FINISHED)
		check_session(body);
}

static void
give(struct keysd *d, const struct ipc_msg *m, struct monotime now)
{
	unsigned before = n_answers;
	int request = request_index(m->type);

	if (keysd_handle(d, m, now)) {
		if (request < 0)
			abort();
		fuzz_saw(ACCEPTED + (unsigned)request);
	} else {
		if (n_answers != before)
			abort();
		fuzz_saw(m->fd >= 0    ? REFUSED_FD
			 : request < 0 ? REFUSED_TYPE
				       : REFUSED + (unsigned)request);
	}
}

static void
put_last_noise(struct ipc_msg *m)
{
	size_t at = m->type == KEYS_FINISH ? offsetof(struct keys_finish, noise)
					   : offsetof(struct keys_respond, noise);

	if (m->len >= at + sizeof(last_noise))
		memcpy(m->body + at, last_noise, sizeof(last_noise));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct keyring *ring = noise_global_init() ? keyring_new(-1) : NULL;
	struct keysd *d = ring == NULL ? NULL : keysd_new(ring, receive, NULL);
	struct rcur r = rcur_init(data, len);
	struct monotime now = { 1 };
	bool filled = false;

	if (d == NULL)
		abort();
	while (rcur_left(&r) > 0) {
		unsigned op = rcur_u8(&r);
		struct ipc_msg m = { .type = op & OP_TYPE, .seq = 1, .fd = op & OP_FD ? 0 : -1 };

		m.len = rcur_be16(&r);
		if (m.len > sizeof(m.body))
			break;
		rcur_copy(&r, m.body, m.len);
		if (!rcur_ok(&r))
			break;
		if (op & OP_ANSWER)
			put_last_noise(&m);
		if (op & OP_LATER)
			now = monotime_add_ms(now, KEYS_OPEN_MAX_MS + 1);
		for (unsigned i = 0; i < KEYS_OPEN_MAX && (op & OP_FILL) != 0 && !filled; i++)
			give(d, &m, now);
		filled = filled || (op & OP_FILL) != 0; /* once is slow enough */
		give(d, &m, now);
	}
	keysd_free(d);
	return 0;
}
