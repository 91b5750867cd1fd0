/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Linux as the judge of base/segment.h and base/merge.h: what goes into one TAP device with a virtio-net header comes
 * out of another, which wants plain frames, cut by the kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "base/merge.h"
#include "base/segment.h"
#include "tests/system/netns.h"
#include "tests/unit/frames.h"

#define ROUNDS	400
#define WAIT_MS 2000

static int in, out;
static struct packet_pool *pool;
static struct packet *p;
static struct frame frame;
static uint8_t payload[65536];
static bool takes_udp;

static unsigned
below(unsigned n)
{
	return (unsigned)random() % n;
}

static struct shape
random_shape(void)
{
	struct shape s = {
		.v6 = below(2),
		.tcp = !takes_udp || below(2),
		.df = below(2),
		.tags = below(3),
		.ttl = (uint8_t)(1 + below(255)),
		.tos = (uint8_t)random(),
		.flags = F_ACK,
		.tcp_options = below(11),
		.sport = (uint16_t)(1 + below(65535)),
		.dport = (uint16_t)(1 + below(65535)),
		.id = (uint16_t)random(),
		.window = (uint16_t)random(),
		.seq = (uint32_t)random() * 2,
		.ack = (uint32_t)random(),
		.option = 1,
	};

	return s;
}

static int
tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETOFFLOAD, 0ul) < 0)
		return -1;
	return fd;
}

/* The next frame that comes out, but for what the kernel says by itself. */
static size_t
next_out(uint8_t bytes[static FRAME_ROOM])
{
	struct virtio_net_hdr hdr;
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { bytes, FRAME_ROOM } };

	for (;;) {
		struct pollfd fd = { .fd = out, .events = POLLIN };

		if (poll(&fd, 1, WAIT_MS) <= 0)
			fail_msg("nothing came out");
		ssize_t n = readv(out, iov, 2);
		assert_true(n >= (ssize_t)sizeof(hdr));
		if (memcmp(bytes, "\2\0\0\0\0\1\2\0\0\0\0\2", 12) != 0)
			continue;
		assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_int_equal(hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
		return (size_t)n - sizeof(hdr);
	}
}

static void
assert_out(const uint8_t *want, size_t len)
{
	static uint8_t got[FRAME_ROOM];

	assert_int_equal(next_out(got), len);
	assert_memory_equal(got, want, len);
}

static struct virtio_net_hdr
header_of(const struct frame *f, const struct shape *s, size_t size)
{
	uint8_t tcp = s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = s->tcp ? tcp : VIRTIO_NET_HDR_GSO_UDP_L4,
		.hdr_len = (uint16_t)f->payload,
		.gso_size = (uint16_t)size,
		.csum_start = (uint16_t)f->l4,
		.csum_offset = s->tcp ? 16 : 6,
	};

	if (s->tcp && (s->flags & F_CWR) != 0)
		hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	return hdr;
}

static ssize_t
put_in(struct virtio_net_hdr *hdr, struct frame *f)
{
	struct iovec iov[2] = { { hdr, sizeof(*hdr) }, { f->bytes, f->len } };

	return writev(in, iov, 2);
}

static void
cut_as_linux_cuts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct shape s = random_shape();
		size_t size = 100 + below(1200), n = size + 1 + below((unsigned)(size * 39));
		struct segments cut;
		size_t room;

		n = n < 60000 ? n : 60000;
		s.ip_options = below(4) == 0 ? below(s.v6 ? 4 : 10) : 0;
		s.flags |= (uint8_t)(below(256) & (F_FIN | F_PSH | F_ECE | F_CWR));
		frame_make(&frame, &s, payload + below(1000), n, true);
		struct virtio_net_hdr hdr = header_of(&frame, &s, size);
		assert_int_equal(put_in(&hdr, &frame), sizeof(hdr) + frame.len);
		assert_int_equal(segment_start(&cut, &hdr, frame.bytes, frame.len), SEGMENT_OK);
		while (packet_reset(p, &room), segment_next(&cut, p))
			assert_out(p->data, p->len);
	}
}

static void
write_in(void *arg, void *port, const struct iovec *iov, int n_iov, unsigned frames)
{
	unsigned *merged = arg;

	(void)port;
	assert_true(writev(in, iov, n_iov) > 0);
	*merged += frames;
}

/* What was merged, the kernel cuts into what it was before. */
static void
merged_as_linux_cuts(void **state)
{
	static struct frame frames[40];
	static uint8_t bytes[40][2000];
	static struct merge m;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct shape s = random_shape();
		size_t size = 100 + below(1200);
		unsigned n = 2 + below(38), merged = 0;

		s.flags |= (uint8_t)(below(256) & (F_FIN | F_PSH | F_ECE | F_CWR));
		merge_init(&m, true, write_in, &merged);
		for (unsigned j = 0; j < n; j++) {
			struct shape piece = shape_of_segment(s, j, size, j == n - 1);

			frame_make(&frames[j], &piece, payload + j * size,
			    size - (j == n - 1 ? 30 : 0), false);
			memcpy(bytes[j], frames[j].bytes, frames[j].len);
			assert_int_equal(merged, 0);
			merge_frame(&m, NULL, bytes[j], frames[j].len, false);
		}
		merge_flush(&m);
		assert_int_equal(merged, n);
		for (unsigned j = 0; j < n; j++)
			assert_out(frames[j].bytes, frames[j].len);
	}
}

static void
one_frame_filled_in_as_linux_does(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct shape s = random_shape();

		frame_make(&frame, &s, payload, below(1300), true);
		struct virtio_net_hdr hdr = header_of(&frame, &s, 0);
		hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		assert_int_equal(put_in(&hdr, &frame), sizeof(hdr) + frame.len);
		assert_int_equal(segment_checksum(&hdr, frame.bytes, frame.len), SEGMENT_OK);
		assert_out(frame.bytes, frame.len);
	}
}

static int
setup(void **state)
{
	struct shape udp = { .ttl = 1 };

	(void)state;
	srandom(1798);
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)random();
	pool = packet_pool_new(1);
	in = tap("in");
	out = tap("out");
	if (!pool || in < 0 || out < 0 ||
	    !netns_run(
		"ip link add bridge type bridge mcast_snooping 0 &&"
		" for i in in out; do ip link set $i master bridge up mtu 1600 addrgenmode none;"
		" done && ip link set bridge addrgenmode none up"))
		return -1;
	p = packet_get(pool);
	frame_make(&frame, &udp, payload, 2000, true);
	struct virtio_net_hdr hdr = header_of(&frame, &udp, 1000);
	takes_udp = put_in(&hdr, &frame) > 0; /* from Linux 6.2 on */
	for (unsigned i = 0; takes_udp && i < 2; i++)
		(void)next_out(frame.bytes);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	packet_pool_free(pool);
	close(in);
	close(out);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_as_linux_cuts),
		cmocka_unit_test(merged_as_linux_cuts),
		cmocka_unit_test(one_frame_filled_in_as_linux_does),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, setup, teardown);
}
