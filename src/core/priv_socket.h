/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sockets that priv opens for the engine, and how it knows them again. In priv. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "core/options.h"

/*
 * A UDP socket on that port of any address, not shared with anybody, as struct priv_sockets says. A
 * descriptor or -errno.
 */
int priv_socket_udp(sa_family_t family, uint16_t port);
/*
 * Another on the port of first, which is such a socket, and the ones before: of an ESP packet the
 * last bits of the SPI (SPI_LANE_MASK) say which of them gets it; the first gets all else, and
 * alone joins groups, for each would get a copy. A descriptor or -errno.
 */
int priv_socket_share(int first, sa_family_t family, uint16_t port, unsigned lane);
/* Is fd such a socket? Then *port is its. */
bool priv_socket_is_udp(int fd, sa_family_t family, uint16_t *port);

/*
 * A raw socket for IP protocol 50, through whose filter nothing comes yet. A descriptor or -errno.
 */
int priv_socket_esp(sa_family_t family);
bool priv_socket_is_esp(int fd, sa_family_t family);
/* Lets ESP of these SPIs through (at most PRIV_SPIS_MAX), and nothing else. 0 or -errno. */
int priv_socket_filter(int fd, sa_family_t family, const uint32_t *spis, size_t n);
