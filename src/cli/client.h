/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The connection to vnetd's control socket. What comes from the daemon is not trusted with a terminal: bytes that are not printable
 * ASCII turn into <1b> and the like before anybody sees them. No wait is longer than CLIENT_TIMEOUT_S.
 */

#include <stddef.h>

#include "base/sxp.h"
#include "cli/message.h"

#define CLIENT_TIMEOUT_S      10
#define CLIENT_EXPRESSION_MAX (1u << 20)

struct client;

/* One expression of an answer, borrowed. */
typedef void client_item_fn(void *arg, const struct sxp *item);

/* VN_OK and *out, or VN_GONE after a message that says what to do. quiet: no message. */
enum vn_status client_open(const char *path, bool quiet, struct client **out);
void client_close(struct client *c);
/* Sends a request and reads its answer up to (ok) or (error ..), which becomes a message and the status. */
enum vn_status client_request(
    struct client *c, const char *text, size_t len, client_item_fn *item, void *arg);
