/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/tap.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/stats.h"

/*
 * Reads into a small packet, and what is more behind it into a large one, which then gets the whole.
 * Returns as readv(), and which of the two it is; the other is given back.
 */
static ssize_t
read_packet(int tap, struct virtio_net_hdr *hdr, struct packet *small, struct packet *large,
    struct packet **p)
{
	struct iovec iov[3] = { { .iov_base = hdr, .iov_len = sizeof(*hdr) } };
	ssize_t n;

	iov[1].iov_base = packet_reset(small, &iov[1].iov_len);
	iov[2].iov_base = packet_reset(large, &iov[2].iov_len);
	iov[2].iov_base = (uint8_t *)iov[2].iov_base + iov[1].iov_len;
	iov[2].iov_len -= iov[1].iov_len;
	n = readv(tap, iov, 3);
	*p = small;
	if (n > (ssize_t)(iov[0].iov_len + iov[1].iov_len)) {
		memcpy(large->data, small->data, iov[1].iov_len);
		*p = large;
	}
	packet_put(*p == small ? large : small);
	return n;
}

int
tap_read(int tap, struct packet_pool *pool, struct virtio_net_hdr *hdr, struct packet **p)
{
	struct packet *small = packet_get_for(pool, 0), *large = packet_get(pool);
	ssize_t n;
	int err;

	if (small == NULL || large == NULL) {
		packet_put(small);
		packet_put(large);
		stats_count(STAT_FRAME_NO_BUFFER);
		/* It is lost rather than asked for again and again. */
		(void)!read(tap, hdr, sizeof(*hdr));
		return -ENOBUFS;
	}
	n = read_packet(tap, hdr, small, large, p);
	if (n >= (ssize_t)sizeof(*hdr)) {
		(*p)->len = (size_t)n - sizeof(*hdr);
		return 0;
	}
	err = n < 0 ? errno : EIO;
	packet_put(*p);
	return err == EINTR ? -EAGAIN : -err;
}
