/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine is told by keys and by resolve, and resolve by the engine. The input: who reads
 * (1 byte) | with a descriptor (1) | type (1) | body. What is accepted can be looked into without
 * care: texts end, counts and kinds are in range.
 */
#include <stdlib.h>
#include <string.h>

#include "core/resolvemsg.h"
#include "fuzz.h"
#include "keys/keysmsg.h"

enum reader { OF_KEYS, OF_RESOLVE, OF_ENGINE, READERS };

enum {
	A_KEY,
	AN_UNUSABLE_KEY,
	LIST_END,
	INITIATED,
	NOT_INITIATED,
	SESSION,
	NO_SESSION,
	DONE,
	REFUSED_OF_KEYS,
	ADDRESSES,
	NO_ADDRESS,
	REFUSED_OF_RESOLVE,
	QUERY,
	REFUSED_OF_ENGINE,
	SHORT,
};

const char *const fuzz_classes[] = {
	[A_KEY] = "a key",
	[AN_UNUSABLE_KEY] = "a key that is not usable",
	[LIST_END] = "the end of the list",
	[INITIATED] = "a handshake begun",
	[NOT_INITIATED] = "a handshake not begun",
	[SESSION] = "keys of a session",
	[NO_SESSION] = "no session",
	[DONE] = "a request done",
	[REFUSED_OF_KEYS] = "refused, of keys",
	[ADDRESSES] = "addresses",
	[NO_ADDRESS] = "no address",
	[REFUSED_OF_RESOLVE] = "refused, of resolve",
	[QUERY] = "a query",
	[REFUSED_OF_ENGINE] = "refused, of the engine",
	[SHORT] = "a short input",
	NULL,
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
saw_key(const struct key_info *k)
{
	check(strnlen(k->name, sizeof(k->name)) < sizeof(k->name));
	check(strnlen(k->error, sizeof(k->error)) < sizeof(k->error));
	fuzz_saw(k->error[0] == '\0' ? A_KEY : AN_UNUSABLE_KEY);
}

static void
saw_session(const struct keys_session *s)
{
	check(s->status < KEYS_STATUS_COUNT);
	if (s->status != KEYS_OK) {
		fuzz_saw(NO_SESSION);
		return;
	}
	check(s->peer.n_spis >= 1 && s->peer.n_spis <= HS_SPI_MAX && s->peer.host_id != 0);
	fuzz_saw(SESSION);
}

static void
saw_initiated(const struct keys_initiated *i)
{
	check(i->status != KEYS_OK || i->handle != 0);
	fuzz_saw(i->status == KEYS_OK ? INITIATED : NOT_INITIATED);
}

static void
of_keys(const struct ipc_msg *m)
{
	const struct keys_done *done = (const void *)m->body;

	if (!keysmsg_answer_valid(m)) {
		fuzz_saw(REFUSED_OF_KEYS);
		return;
	}
	switch (m->type) {
	case KEYS_KEY:
		saw_key((const void *)m->body);
		break;
	case KEYS_LIST_END:
		fuzz_saw(LIST_END);
		break;
	case KEYS_INITIATED:
		saw_initiated((const void *)m->body);
		break;
	case KEYS_RESPONDED:
	case KEYS_FINISHED:
		saw_session((const void *)m->body);
		break;
	case KEYS_DONE:
		check(done->error <= 0);
		check(strnlen(done->text, sizeof(done->text)) < sizeof(done->text));
		fuzz_saw(DONE);
		break;
	default:
		abort();
	}
}

static void
of_resolve(const struct ipc_msg *m)
{
	const struct resolve_answer *a = resolvemsg_answer(m);

	if (a == NULL) {
		fuzz_saw(REFUSED_OF_RESOLVE);
		return;
	}
	check(a->n <= RESOLVE_ADDRS_MAX);
	check(strnlen(a->error, sizeof(a->error)) < sizeof(a->error));
	for (uint32_t i = 0; i < a->n; i++)
		check(ipaddr_is_unicast(&a->addrs[i]));
	fuzz_saw(a->n > 0 ? ADDRESSES : NO_ADDRESS);
}

static void
of_engine(const struct ipc_msg *m)
{
	const struct resolve_query *q = resolvemsg_query(m);

	if (q == NULL) {
		fuzz_saw(REFUSED_OF_ENGINE);
		return;
	}
	check(strnlen(q->name, sizeof(q->name)) < sizeof(q->name) && q->name[0] != '\0');
	fuzz_saw(QUERY);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ipc_msg m;

	if (len < 3 || len - 3 > sizeof(m.body)) {
		fuzz_saw(SHORT);
		return 0;
	}
	m = (struct ipc_msg){ .type = data[2], .len = len - 3, .fd = data[1] & 1 ? 0 : -1 };
	memcpy(m.body, data + 3, m.len);
	switch (data[0] % READERS) {
	case OF_KEYS:
		of_keys(&m);
		break;
	case OF_RESOLVE:
		of_resolve(&m);
		break;
	default:
		of_engine(&m);
	}
	return 0;
}
