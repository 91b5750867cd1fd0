/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/keysd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/hardwired.h"
#include "keys/keysmsg.h"
#include "keys/session.h"

#define SWEEP_MS 1000

struct open {
	uint32_t handle; /* 0: free */
	struct monotime since;
	struct session session;
};

struct keysd {
	struct keyring *ring;
	keysd_send_fn *send;
	void *arg;
	uint32_t last_handle;
	struct monotime swept;
	struct open open[KEYS_OPEN_MAX]; /* at handle % KEYS_OPEN_MAX */
};

struct keysd *
keysd_new(struct keyring *ring, keysd_send_fn *send, void *arg)
{
	struct keysd *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		keyring_free(ring);
		return NULL;
	}
	d->ring = ring;
	d->send = send;
	d->arg = arg;
	return d;
}

void
keysd_free(struct keysd *d)
{
	if (d == NULL)
		return;
	keysd_reset(d);
	keyring_free(d->ring);
	free(d);
}

void
keysd_reset(struct keysd *d)
{
	explicit_bzero(d->open, sizeof(d->open));
}

static struct open *
open_at(struct keysd *d, uint32_t handle)
{
	return &d->open[handle % KEYS_OPEN_MAX];
}

static struct open *
open_find(struct keysd *d, uint32_t handle)
{
	struct open *o = open_at(d, handle);

	return handle != 0 && o->handle == handle ? o : NULL;
}

static void
open_close(struct open *o)
{
	explicit_bzero(o, sizeof(*o));
}

/*
 * A free place and its handle, which is not used again before the counter comes round; NULL if all
 * are taken.
 */
static struct open *
open_new(struct keysd *d, struct monotime now)
{
	for (unsigned i = 0; i < KEYS_OPEN_MAX; i++) {
		uint32_t handle = ++d->last_handle;
		struct open *o = open_at(d, handle);

		if (handle == 0 || o->handle != 0)
			continue;
		o->handle = handle;
		o->since = now;
		return o;
	}
	return NULL;
}

static bool
open_expired(const struct open *o, struct monotime now)
{
	return o->handle != 0 && monotime_diff_ms(now, o->since) > KEYS_OPEN_MAX_MS;
}

static void
sweep(struct keysd *d, struct monotime now)
{
	if (monotime_diff_ms(now, d->swept) < SWEEP_MS)
		return;
	d->swept = now;
	for (size_t i = 0; i < KEYS_OPEN_MAX; i++) {
		if (open_expired(&d->open[i], now))
			open_close(&d->open[i]);
	}
}

static void
send_list(struct keysd *d, uint32_t seq)
{
	struct key_info info;

	for (size_t i = 0; keyring_info(d->ring, i, &info); i++)
		d->send(d->arg, KEYS_KEY, seq, &info, sizeof(info));
	d->send(d->arg, KEYS_LIST_END, seq, NULL, 0);
}

void
keysd_send_list(struct keysd *d)
{
	send_list(d, 0);
}

static bool
handle_list(struct keysd *d, const struct ipc_msg *m)
{
	if (ipc_body(m, 0) == NULL)
		return false;
	send_list(d, m->seq);
	return true;
}

/*
 * What the engine wants to offer or ask for. Flags we do not know are ignored in a peer's payload,
 * but not put into ours.
 */
static bool
offer_valid(uint32_t suite, const struct hs_payload *ours)
{
	return hs_suite_valid(suite) && hs_payload_check(ours) == HS_OK &&
	       (ours->flags & ~HS_FLAG_ESN) == 0;
}

static bool
handle_initiate(struct keysd *d, const struct ipc_msg *m, struct monotime now)
{
	const struct keys_initiate *req = ipc_body(m, sizeof(*req));
	struct keys_initiated out = { .status = KEYS_UNKNOWN_KEY };

	if (req == NULL || !offer_valid(req->suite, &req->payload))
		return false;

	const uint8_t *psk = keyring_secret(d->ring, req->key_id);
	struct open *o = psk == NULL ? NULL : open_new(d, now);

	if (psk != NULL)
		out.status = o == NULL ? KEYS_BUSY
				       : session_initiate(&o->session, req, psk, out.noise);
	if (out.status == KEYS_OK)
		out.handle = o->handle;
	else if (o != NULL)
		open_close(o);
	d->send(d->arg, KEYS_INITIATED, m->seq, &out, sizeof(out));
	return true;
}

static bool
handle_respond(struct keysd *d, const struct ipc_msg *m)
{
	const struct keys_respond *req = ipc_body(m, sizeof(*req));
	struct keys_session out;

	if (req == NULL || !offer_valid(req->suite, &req->payload))
		return false;

	const uint8_t *psk = keyring_secret(d->ring, req->key_id);

	session_refuse(&out, KEYS_UNKNOWN_KEY);
	if (psk != NULL)
		session_respond(req, psk, &out);
	d->send(d->arg, KEYS_RESPONDED, m->seq, &out, sizeof(out));
	explicit_bzero(&out, sizeof(out));
	return true;
}

static bool
handle_finish(struct keysd *d, const struct ipc_msg *m, struct monotime now)
{
	const struct keys_finish *req = ipc_body(m, sizeof(*req));
	struct keys_session out;

	if (req == NULL || req->handle == 0 || req->unused != 0)
		return false;

	struct open *o = open_find(d, req->handle);

	session_refuse(&out, KEYS_NO_HANDSHAKE);
	if (o != NULL && !open_expired(o, now) &&
	    session_finish(&o->session, req->noise, &out) == KEYS_OK)
		open_close(o);
	out.handle = req->handle;
	d->send(d->arg, KEYS_FINISHED, m->seq, &out, sizeof(out));
	explicit_bzero(&out, sizeof(out));
	return true;
}

static bool
handle_forget(struct keysd *d, const struct ipc_msg *m)
{
	const struct keys_forget *req = ipc_body(m, sizeof(*req));

	if (req == NULL || req->handle == 0)
		return false;

	struct open *o = open_find(d, req->handle);

	if (o != NULL)
		open_close(o);
	return true;
}

/* Why a request about a key failed, for people. */
static void
explain(struct keys_done *done, const char *name)
{
	char shown[KEY_NAME_MAX], reason[KEY_ERROR_MAX / 2];
	const char *bad = key_name_error(name);

	key_name_show(name, shown);
	if (bad != NULL)
		snprintf(reason, sizeof(reason), "the name %s", bad);
	else if (strcmp(name, HARDWIRED_NAME) == 0)
		snprintf(reason, sizeof(reason), "built in and public, it has no file");
	else if (done->error == -ENOTDIR)
		snprintf(reason, sizeof(reason), "there is no keys directory");
	else if (done->error == -EEXIST)
		snprintf(reason, sizeof(reason), "exists; --replace keeps it as %s.old.psk", shown);
	else if (done->error == -ENOENT)
		snprintf(reason, sizeof(reason), "no file %s.old.psk to retire", shown);
	else
		snprintf(reason, sizeof(reason), "%s", strerrordesc_np(-done->error));
	snprintf(done->text, sizeof(done->text), "key \"%s\": %s", shown, reason);
}

/* The new list first, so that who sees the answer has it already. */
static void
reload(struct keysd *d, uint32_t seq, struct keys_done *done)
{
	int err = keyring_load(d->ring);

	if (err != 0 && done->error == 0) {
		done->error = err;
		snprintf(done->text, sizeof(done->text), "keys directory: %s",
		    err == -E2BIG ? "too many key files" : strerrordesc_np(-err));
	}
	keysd_send_list(d);
	d->send(d->arg, KEYS_DONE, seq, done, sizeof(*done));
}

static bool
handle_admin(struct keysd *d, const struct ipc_msg *m)
{
	const struct keys_admin *req = ipc_body(m, sizeof(*req));
	struct keys_done done = { 0 };

	if (req == NULL || memchr(req->name, '\0', sizeof(req->name)) == NULL || req->replace > 1)
		return false;
	if (m->type == KEYS_GENERATE)
		done.error = keyring_generate(d->ring, req->name, req->replace);
	else
		done.error = keyring_retire(d->ring, req->name);
	if (done.error != 0)
		explain(&done, req->name);
	reload(d, m->seq, &done);
	return true;
}

static bool
handle_reload(struct keysd *d, const struct ipc_msg *m)
{
	struct keys_done done = { 0 };

	if (ipc_body(m, 0) == NULL)
		return false;
	reload(d, m->seq, &done);
	return true;
}

bool
keysd_handle(struct keysd *d, const struct ipc_msg *m, struct monotime now)
{
	if (m->fd != -1)
		return false;
	sweep(d, now);
	switch (m->type) {
	case KEYS_LIST:
		return handle_list(d, m);
	case KEYS_INITIATE:
		return handle_initiate(d, m, now);
	case KEYS_RESPOND:
		return handle_respond(d, m);
	case KEYS_FINISH:
		return handle_finish(d, m, now);
	case KEYS_FORGET:
		return handle_forget(d, m);
	case KEYS_GENERATE:
	case KEYS_RETIRE:
		return handle_admin(d, m);
	case KEYS_RELOAD:
		return handle_reload(d, m);
	default:
		return false;
	}
}
