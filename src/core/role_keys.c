/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define LOG_MODULE "keys"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "core/role.h"
#include "core/sandbox.h"
#include "keys/keyring.h"
#include "keys/keysd.h"
#include "keys/noise.h"

struct keys_role {
	struct keysd *keysd;
	int engine_fd;
};

static void
send_answer(void *arg, uint32_t type, uint32_t seq, const void *body, size_t len)
{
	struct keys_role *k = arg;
	int r = role_answer(k->engine_fd, type, seq, body, len);

	/* The engine asks again what it did not hear; a new engine gets a new channel. */
	if (r < 0 && r != -EPIPE)
		log_warnx("answer %u to the engine: %s", type, strerrordesc_np(-r));
}

static bool
handle_message(void *arg, const struct ipc_msg *m)
{
	struct keys_role *k = arg;

	return keysd_handle(k->keysd, m, monotime_now());
}

static void
new_engine(void *arg, int fd)
{
	struct keys_role *k = arg;

	k->engine_fd = fd;
	keysd_reset(k->keysd);
	keysd_send_list(k->keysd);
}

int
role_keys_main(void)
{
	struct role_start start;
	struct keyring *ring;
	struct keys_role k;
	const struct role_service service = { ROLE_KEYS, handle_message, new_engine, &k };
	int dir_fd;

	role_receive_start(ROLE_KEYS, &start);
	dir_fd = role_open_dir(ROLE_KEYS, "keys", start.options.keys_dir);
	if (!noise_global_init())
		role_fail("OpenSSL lacks an algorithm of the handshake");
	ring = keyring_new(dir_fd);
	k.keysd = ring ? keysd_new(ring, send_answer, &k) : NULL;
	if (!k.keysd)
		role_fail("no memory for the keyring");
	sandbox_enter(ROLE_KEYS, &start.options);
	/* Only now, as our own user: what is not ours is refused. */
	if (keyring_load(ring) < 0)
		role_fail("keys directory \"%s\" cannot be read", start.options.keys_dir);
	return role_serve(&service, &start);
}
