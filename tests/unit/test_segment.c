/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frames.h"

#define ROUNDS 4000

static struct packet_pool *pool;
static struct packet *p;
static struct frame whole, want;
static uint8_t payload[65536];

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
		.tcp = below(3) > 0,
		.df = below(2),
		.tags = below(3),
		.ip_options = below(4) == 0 ? below(5) : 0,
		.tcp_options = below(11),
		.ttl = (uint8_t)random(),
		.tos = (uint8_t)random(),
		.flags = (uint8_t)random(),
		.sport = (uint16_t)random(),
		.dport = (uint16_t)random(),
		.id = (uint16_t)random(),
		.window = (uint16_t)random(),
		.urgent = (uint16_t)random(),
		.seq = (uint32_t)random() * 2,
		.ack = (uint32_t)random(),
		.option = (uint8_t)random(),
	};

	return s;
}

static struct virtio_net_hdr
header_of(const struct frame *f, const struct shape *s, size_t size)
{
	uint8_t tcp = s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = s->tcp ? tcp : VIRTIO_NET_HDR_GSO_UDP_L4,
		.gso_size = (uint16_t)size,
		.csum_start = (uint16_t)f->l4,
		.csum_offset = s->tcp ? 16 : 6,
	};

	if (s->tcp && (s->flags & F_CWR) != 0)
		hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	return hdr;
}

static void
fresh(void)
{
	size_t room;

	packet_reset(p, &room);
}

/* Cuts n bytes into pieces of size and compares with frames made one by one. */
static void
assert_cut(const struct shape *s, size_t n, size_t size)
{
	struct segments cut;
	unsigned count = (unsigned)((n + size - 1) / size);

	frame_make(&whole, s, payload, n, true);
	struct virtio_net_hdr hdr = header_of(&whole, s, size);
	assert_true(segment_needed(&hdr));
	assert_int_equal(segment_start(&cut, &hdr, whole.bytes, whole.len), SEGMENT_OK);
	assert_int_equal(cut.count, count);
	for (unsigned i = 0; i < count; i++) {
		bool last = i == count - 1;
		struct shape piece = shape_of_segment(*s, i, size, last);

		fresh();
		assert_true(segment_next(&cut, p));
		frame_make(&want, &piece, payload + i * size, last ? n - i * size : size, false);
		assert_int_equal(p->len, want.len);
		assert_memory_equal(p->data, want.bytes, want.len);
	}
	fresh();
	assert_false(segment_next(&cut, p));
	assert_int_equal(p->len, 0);
}

static void
random_frames_are_cut_as_by_hardware(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct shape s = random_shape();
		size_t n = 1 + below(below(4) == 0 ? 65000 : 3000);
		size_t least = (n + SEGMENTS_MAX - 1) / SEGMENTS_MAX;

		assert_cut(&s, n, least + below(below(2) ? 100 : 2000));
	}
}

static void
sizes_at_the_edges(void **state)
{
	struct shape s = {
		.tcp = true, .df = true, .id = 65530, .seq = UINT32_MAX - 700, .tcp_options = 3
	};

	(void)state;
	for (size_t n = 1; n < 130; n++)
		for (size_t size = 1; size < 130; size++)
			assert_cut(&s, n, size);
	assert_cut(&s, 65000, 1448);
	assert_cut(&s, 65483, 48);
	assert_cut(&s, 65000, 65000);
	s.flags = F_ACK | F_PSH | F_FIN | F_CWR | F_ECE;
	assert_cut(&s, 4344, 1448);
}

static enum segment_verdict
verdict(const struct virtio_net_hdr *hdr, size_t len)
{
	/* Of exactly this size, so that a sanitizer sees what is read beyond. */
	uint8_t *copy = malloc(len > 0 ? len : 1);
	struct segments s;

	assert_non_null(copy);
	memcpy(copy, whole.bytes, len);
	enum segment_verdict v = segment_start(&s, hdr, copy, len);
	if (v == SEGMENT_OK)
		while (fresh(), segment_next(&s, p))
			;
	free(copy);
	return v;
}

static void
cut_headers_are_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct shape s = random_shape();

		frame_make(&whole, &s, payload, 100, true);
		struct virtio_net_hdr hdr = header_of(&whole, &s, 60);
		for (size_t len = 0; len < whole.payload; len++)
			assert_int_equal(verdict(&hdr, len), SEGMENT_HEADERS);
		assert_int_equal(verdict(&hdr, whole.payload), SEGMENT_SIZE);
		assert_int_equal(verdict(&hdr, whole.payload + 1), SEGMENT_OK);
	}
}

static void
wrong_kinds_are_refused(void **state)
{
	struct shape tcp4 = { .tcp = true }, udp6 = { .v6 = true };
	static const uint8_t types[] = { 2, 3, 6, 7, 0x7f, 0xff, VIRTIO_NET_HDR_GSO_ECN };

	(void)state;
	frame_make(&whole, &tcp4, payload, 100, true);
	struct virtio_net_hdr good = header_of(&whole, &tcp4, 60), hdr = good;
	for (size_t i = 0; i < sizeof(types); i++) {
		hdr.gso_type = types[i];
		assert_int_equal(verdict(&hdr, whole.len), SEGMENT_TYPE);
	}
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_HEADERS);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_HEADERS);
	whole.bytes[whole.ip + 6] = 0x20; /* more fragments */
	assert_int_equal(verdict(&good, whole.len), SEGMENT_HEADERS);
	whole.bytes[whole.ip + 6] = 0;
	whole.bytes[whole.ip + 7] = 1; /* not the first one */
	assert_int_equal(verdict(&good, whole.len), SEGMENT_HEADERS);
	whole.bytes[whole.ip + 7] = 0;
	whole.bytes[whole.ip + 9] = 132; /* SCTP */
	assert_int_equal(verdict(&good, whole.len), SEGMENT_HEADERS);
	whole.bytes[whole.ip + 9] = 6;
	whole.bytes[whole.ip] = 0x44;
	assert_int_equal(verdict(&good, whole.len), SEGMENT_HEADERS);
	whole.bytes[whole.ip] = 0x65;
	assert_int_equal(verdict(&good, whole.len), SEGMENT_HEADERS);
	whole.bytes[whole.ip] = 0x45;
	whole.bytes[whole.l4 + 12] = 0x40;
	assert_int_equal(verdict(&good, whole.len), SEGMENT_HEADERS);
	whole.bytes[whole.l4 + 12] = 0x50;
	assert_int_equal(verdict(&good, whole.len), SEGMENT_OK);

	frame_make(&whole, &udp6, payload, 100, true);
	hdr = header_of(&whole, &udp6, 60);
	whole.bytes[whole.ip + 6] = 44; /* fragment */
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_HEADERS);
	whole.bytes[whole.ip + 6] = 50; /* ESP */
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_HEADERS);
}

static void
wrong_checksum_fields_are_refused(void **state)
{
	struct shape s = { .tcp = true };

	(void)state;
	frame_make(&whole, &s, payload, 100, true);
	const struct virtio_net_hdr good = header_of(&whole, &s, 60);
	struct virtio_net_hdr hdr = good;
	hdr.flags = 0;
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_CHECKSUM);
	for (unsigned i = 0; i < 65536; i++) {
		hdr = good;
		hdr.csum_start = (uint16_t)i;
		assert_int_equal(
		    verdict(&hdr, whole.len), i == whole.l4 ? SEGMENT_OK : SEGMENT_CHECKSUM);
		hdr = good;
		hdr.csum_offset = (uint16_t)i;
		assert_int_equal(verdict(&hdr, whole.len), i == 16 ? SEGMENT_OK : SEGMENT_CHECKSUM);
	}
}

static void
wrong_sizes_are_refused(void **state)
{
	struct shape s = { .tcp = true };

	(void)state;
	frame_make(&whole, &s, payload, 65481, true);
	struct virtio_net_hdr hdr = header_of(&whole, &s, 0);
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_SIZE);
	hdr.gso_size = 47; /* one piece too many */
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_SIZE);
	hdr.gso_size = 48;
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_OK);
	hdr.gso_size = 65535; /* larger than any frame we carry */
	assert_int_equal(verdict(&hdr, whole.len), SEGMENT_SIZE);
	assert_int_equal(verdict(&hdr, 65519), SEGMENT_OK);
}

static void
a_frame_that_stays_one_gets_its_checksum(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct shape s = random_shape();
		size_t n = below(below(4) == 0 ? 65000 : 100);

		frame_make(&whole, &s, payload, n, true);
		frame_make(&want, &s, payload, n, false);
		struct virtio_net_hdr hdr = header_of(&whole, &s, 0);
		hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		assert_false(segment_needed(&hdr));
		assert_int_equal(segment_checksum(&hdr, whole.bytes, whole.len), SEGMENT_OK);
		if (memcmp(want.bytes + want.l4 + hdr.csum_offset, "\0\0", 2) == 0)
			memset(want.bytes + want.l4 + hdr.csum_offset, 0xff,
			    2); /* as Linux does, whatever it is */
		assert_memory_equal(whole.bytes, want.bytes, want.len);
		hdr.flags = 0;
		assert_int_equal(segment_checksum(&hdr, whole.bytes, whole.len), SEGMENT_OK);
		assert_memory_equal(whole.bytes, want.bytes, want.len);
	}
}

static void
a_checksum_outside_the_frame_is_refused(void **state)
{
	static const struct {
		uint16_t start, offset;
		enum segment_verdict want;
	} cases[] = {
		{ 0, 0, SEGMENT_OK },
		{ 40, 58, SEGMENT_OK },
		{ 98, 0, SEGMENT_OK },
		{ 99, 0, SEGMENT_CHECKSUM },
		{ 40, 59, SEGMENT_CHECKSUM },
		{ 100, 0, SEGMENT_CHECKSUM },
		{ 65535, 65535, SEGMENT_CHECKSUM },
		{ 65535, 1, SEGMENT_CHECKSUM },
		{ 0, 65535, SEGMENT_CHECKSUM },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *frame = calloc(1, 100);
		struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.csum_start = cases[i].start,
			.csum_offset = cases[i].offset };

		assert_non_null(frame);
		assert_int_equal(segment_checksum(&hdr, frame, 100), cases[i].want);
		free(frame);
	}
}

static void
verdicts_have_names(void **state)
{
	(void)state;
	for (enum segment_verdict v = SEGMENT_OK; v < SEGMENT_VERDICT_COUNT; v++)
		assert_non_null(segment_verdict_name(v));
	assert_string_equal(segment_verdict_name(SEGMENT_SIZE), "segment_size");
}

static int
setup(void **state)
{
	(void)state;
	srandom(1798);
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)random();
	pool = packet_pool_new(1);
	if (!pool)
		return -1;
	p = packet_get(pool);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	packet_pool_free(pool);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_frames_are_cut_as_by_hardware),
		cmocka_unit_test(sizes_at_the_edges),
		cmocka_unit_test(cut_headers_are_refused),
		cmocka_unit_test(wrong_kinds_are_refused),
		cmocka_unit_test(wrong_checksum_fields_are_refused),
		cmocka_unit_test(wrong_sizes_are_refused),
		cmocka_unit_test(a_frame_that_stays_one_gets_its_checksum),
		cmocka_unit_test(a_checksum_outside_the_frame_is_refused),
		cmocka_unit_test(verdicts_have_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
