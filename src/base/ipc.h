/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages between our processes over a SOCK_SEQPACKET pair: a type, a fixed body, at most one
 * descriptor. Both ends are the same program on the same machine, so bodies are structs; a receiver
 * checks the exact length of each type before it looks inside (ipc_body). Descriptors arrive
 * close-on-exec; more than one is refused and closed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPC_BODY_MAX 4096

struct ipc_msg {
	uint32_t type;
	uint32_t seq; /* chosen by the asker, echoed in the answer */
	size_t len;   /* of body */
	int fd;	      /* -1: none; the receiver owns it */
	_Alignas(8) uint8_t body[IPC_BODY_MAX];
};

/* A pair of non-blocking, close-on-exec SEQPACKET sockets. 0 or -errno. */
int ipc_pair(int fds[2]);
/*
 * pass_fd: sent along, stays the caller's, -1 for none. 0, -EAGAIN when the other end is slow,
 * -EPIPE, -errno.
 */
int ipc_send(int fd, uint32_t type, uint32_t seq, const void *body, size_t len, int pass_fd);
/*
 * 0; -EAGAIN when there is nothing; -EPIPE at end of file; -EPROTO for a message that is not one of
 * ours (its descriptors are closed). On error *m is not valid and holds no descriptor.
 */
int ipc_recv(int fd, struct ipc_msg *m);
/* Waits up to timeout_ms for a message: as ipc_recv, or -ETIMEDOUT. */
int ipc_recv_wait(int fd, struct ipc_msg *m, int timeout_ms);
/* The body if it is exactly size bytes, else NULL. */
const void *ipc_body(const struct ipc_msg *m, size_t size);
/* Takes the descriptor out of m (then the caller's), or -1. */
int ipc_take_fd(struct ipc_msg *m);
/* Closes a descriptor nobody took, and wipes the body (it may have held keys). */
void ipc_msg_done(struct ipc_msg *m);
