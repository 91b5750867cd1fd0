/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keysmsg.h"

#include <string.h>

static bool
ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool
key_valid(const struct key_info *k)
{
	return k != NULL && ends(k->name, sizeof(k->name)) && k->name[0] != '\0' &&
	       ends(k->error, sizeof(k->error)) && k->source <= KEY_IKE;
}

static bool
initiated_valid(const struct keys_initiated *m)
{
	return m != NULL && m->status < KEYS_STATUS_COUNT &&
	       (m->status == KEYS_OK) == (m->handle != 0);
}

static bool
session_valid(const struct keys_session *m)
{
	return m != NULL && m->status < KEYS_STATUS_COUNT &&
	       (m->status != KEYS_OK || hs_payload_check(&m->peer) == HS_OK);
}

static bool
done_valid(const struct keys_done *m)
{
	return m != NULL && m->error <= 0 && ends(m->text, sizeof(m->text));
}

bool
keysmsg_answer_valid(const struct ipc_msg *m)
{
	if (m->fd >= 0)
		return false;
	switch ((enum keys_msg)m->type) {
	case KEYS_KEY:
		return key_valid(ipc_body(m, sizeof(struct key_info)));
	case KEYS_LIST_END:
		return m->len == 0;
	case KEYS_INITIATED:
		return initiated_valid(ipc_body(m, sizeof(struct keys_initiated)));
	case KEYS_RESPONDED:
	case KEYS_FINISHED:
		return session_valid(ipc_body(m, sizeof(struct keys_session)));
	case KEYS_DONE:
		return done_valid(ipc_body(m, sizeof(struct keys_done)));
	default:
		return false;
	}
}
