/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sockets that priv opens for the engine, and how it knows them again. In priv. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/*
 * A UDP socket on that port of any address, not shared with anybody, as struct priv_sockets says. A
 * descriptor or -errno.
 */
int priv_socket_udp(sa_family_t family, uint16_t port);
/* Is fd such a socket? Then *port is its. */
bool priv_socket_is_udp(int fd, sa_family_t family, uint16_t *port);
