/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/segment.h"
#include "frames.h"

#define FRAMES_MAX 512
#define FLOWS	   12	 /* more than are held */
#define NO_FLOW	   FLOWS /* a frame spoilt so that nobody can tell: its order is not looked at */

/* Frames that went in, and what came out cut again: for each flow the same, in the same order. */
struct sent {
	unsigned flow;
	size_t len;
	uint8_t *bytes, *copy; /* given away; kept */
	bool out;
};

static struct packet_pool *pool;
static struct packet *p;
static struct merge m;
static struct frame frame;
static struct sent sent[FRAMES_MAX];
static unsigned n_sent, n_emitted, n_out, emitted_frames[FRAMES_MAX];
static struct virtio_net_hdr last_hdr;
static uint8_t payload[65536];
static int ports[2];
static bool checked; /* what is given away next */

static unsigned
below(unsigned n)
{
	return (unsigned)random() % n;
}

/* Equal, but for the id of an atomic datagram, which nobody may look at (RFC 6864), and the checksum over it. */
static bool
same_frame(const struct sent *s, const uint8_t *bytes, size_t len)
{
	struct l4 at;

	if (s->len != len || l4_find(bytes, len, &at) != L4_OK || at.v6 ||
	    (bytes[at.ip + IP4_FRAGMENT] & 0x40) == 0)
		return s->len == len && memcmp(s->copy, bytes, len) == 0;
	return memcmp(s->copy, bytes, at.ip + IP4_ID) == 0 &&
	       memcmp(s->copy + at.ip + IP4_FRAGMENT, bytes + at.ip + IP4_FRAGMENT, 4) == 0 &&
	       memcmp(s->copy + at.ip + IP4_SRC, bytes + at.ip + IP4_SRC, len - at.ip - IP4_SRC) ==
		   0;
}

/* The oldest frame of its flow that is not out yet must be this one. */
static void
came_out(const uint8_t *bytes, size_t len)
{
	bool passed[FLOWS] = { false };

	for (unsigned i = 0; i < n_sent; i++) {
		struct sent *s = &sent[i];

		if (s->out || (s->flow != NO_FLOW && passed[s->flow]))
			continue;
		if (same_frame(s, bytes, len)) {
			s->out = true;
			n_out++;
			return;
		}
		if (s->flow != NO_FLOW)
			passed[s->flow] = true;
	}
	fail_msg("a frame of %zu bytes that nobody sent, or out of order", len);
}

static void
emitted(void *arg, void *port, const struct iovec *iov, int n_iov, unsigned frames)
{
	static uint8_t whole[FRAME_ROOM];
	size_t len = 0;
	struct segments cut;

	assert_ptr_equal(arg, &m);
	assert_true(port == &ports[0] || port == &ports[1]);
	assert_int_equal(iov[0].iov_len, sizeof(last_hdr));
	memcpy(&last_hdr, iov[0].iov_base, sizeof(last_hdr));
	for (int i = 1; i < n_iov; i++) {
		memcpy(whole + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	emitted_frames[n_emitted++] = frames;
	if (frames == 1) {
		assert_memory_equal(&last_hdr, (&(struct virtio_net_hdr){ 0 }), sizeof(last_hdr));
		came_out(whole, len);
		return;
	}
	assert_int_equal(segment_start(&cut, &last_hdr, whole, len), SEGMENT_OK);
	assert_int_equal(cut.count, frames);
	assert_int_equal(last_hdr.hdr_len, cut.at.payload);
	for (unsigned i = 0; i < frames; i++) {
		size_t room;

		packet_reset(p, &room);
		assert_true(segment_next(&cut, p));
		came_out(p->data, p->len);
	}
}

static void
begin(bool udp)
{
	n_sent = n_emitted = n_out = 0;
	merge_init(&m, udp, emitted, &m);
}

static void
give_bytes(unsigned flow, int *port, const uint8_t *bytes, size_t len)
{
	struct sent *s = &sent[n_sent++];

	*s = (struct sent){
		.flow = flow, .len = len, .bytes = malloc(len + 1), .copy = malloc(len + 1)
	};
	assert_true(s->bytes && s->copy);
	memcpy(s->bytes, bytes, len);
	memcpy(s->copy, bytes, len);
	merge_frame(&m, port, s->bytes, len, checked);
}

static void
give(unsigned flow)
{
	give_bytes(flow, &ports[0], frame.bytes, frame.len);
}

/* All is out. Returns how many frames that made. */
static unsigned
end(void)
{
	merge_flush(&m);
	assert_int_equal(n_out, n_sent);
	assert_int_equal(m.n_flows, 0);
	for (unsigned i = 0; i < n_sent; i++) {
		free(sent[i].bytes);
		free(sent[i].copy);
	}
	return n_emitted;
}

static struct shape
flow_shape(unsigned flow)
{
	struct shape s = {
		.v6 = flow & 1,
		.tcp = flow % 3 > 0,
		.df = flow & 2,
		.tags = flow % 5 % 3,
		.tcp_options = flow % 4,
		.ttl = 64,
		.flags = F_ACK,
		.sport = (uint16_t)(1000 + flow),
		.dport = 80,
		.id = (uint16_t)random(),
		.window = 500,
		.seq = (uint32_t)random() * 2,
	};

	return s;
}

static void
give_stream(struct shape s, unsigned n, size_t size, size_t last_size)
{
	for (unsigned i = 0; i < n; i++) {
		struct shape piece = shape_of_segment(s, i, size, i == n - 1);

		frame_make(
		    &frame, &piece, payload + i * size, i == n - 1 ? last_size : size, false);
		give(0);
	}
}

static void
a_stream_becomes_one_frame(void **state)
{
	(void)state;
	for (unsigned flow = 0; flow < FLOWS; flow++)
		for (unsigned n = 2; n <= 40; n++)
			for (unsigned end_flags = 0; end_flags < 4; end_flags++) {
				struct shape s = flow_shape(flow);

				s.flags |= (end_flags & 1 ? F_PSH : 0) |
					   (end_flags & 2 ? F_FIN : 0);
				begin(true);
				give_stream(s, n, 1400, end_flags == 0 ? 1400 : 1 + below(1400));
				assert_int_equal(end(), 1);
				assert_int_equal(emitted_frames[0], n);
				assert_int_equal(last_hdr.gso_size, 1400);
			}
}

static void
limits_of_one_frame(void **state)
{
	struct shape s = flow_shape(1);

	(void)state;
	begin(false); /* by segments */
	give_stream(s, MERGE_SEGMENTS * 2 + 1, 10, 10);
	assert_int_equal(end(), 3);
	assert_int_equal(emitted_frames[0], MERGE_SEGMENTS);
	begin(false); /* by length: 7 * 8948 and headers are 62 KB */
	give_stream(s, 7, 8948, 8948);
	assert_int_equal(end(), 1);
	for (unsigned room = 0; room < 2; room++) { /* exactly 65535 bytes of IP, and one more */
		s = (struct shape){ .tcp = true, .flags = F_ACK };
		begin(false);
		give_stream(s, 3, 21832, 21831 + room);
		assert_int_equal(end(), 1 + room);
	}
}

static void
window_scaled_and_wrapped_numbers(void **state)
{
	struct shape s = flow_shape(4);

	(void)state;
	s.seq = UINT32_MAX - 2000;
	s.id = 65534;
	begin(false);
	give_stream(s, 5, 1000, 1000);
	assert_int_equal(end(), 1);
}

/* Atomic datagrams may all have one id. */
static void
one_id_for_all(void **state)
{
	struct shape s = flow_shape(2);

	(void)state;
	for (unsigned df = 0; df < 2; df++) {
		begin(false);
		for (unsigned i = 0; i < 5; i++) {
			s.df = df;
			frame_make(&frame, &s, payload, 100, false);
			give(0);
			s.seq += 100;
			s.id =
			    (uint16_t)(s.id +
				       (i >=
					   2)); /* counts from the third on, which does not go with it */
		}
		assert_int_equal(end(), df ? 2 : 3);
		assert_int_equal(emitted_frames[0], df ? 3 : 1);
	}
}

/* Any bit of the second frame's headers that is not as expected keeps the two apart, though the checksums are good. */
static void
every_header_bit_counts(void **state)
{
	(void)state;
	for (unsigned flow = 0; flow < FLOWS; flow++) {
		struct shape s = flow_shape(flow), next;

		s.id |= 1; /* no single bit of the next id makes it this one */
		next = s;
		next.seq += 100;
		next.id++;
		frame_make(&frame, &s, payload, 100, false);
		for (size_t bit = 0; bit < 8 * frame.payload; bit++) {
			size_t at = bit / 8;
			uint8_t mask = (uint8_t)(1 << bit % 8);

			begin(true);
			frame_make(&frame, &s, payload, 100, false);
			give(0);
			frame_make(&frame, &next, payload, 100, false);
			frame.bytes[at] ^= mask;
			bool ends = s.tcp && at == frame.l4 + 13 && (mask & (F_PSH | F_FIN)) != 0;
			bool sum = at - frame_checksum_at(&frame, &s) < 2 ||
				   (!s.v6 && at - (frame.ip + 10) < 2);
			if (!sum)
				frame_checksums(&frame, &s, false);
			give(NO_FLOW);
			assert_int_equal(end(), ends ? 1 : 2);
		}
	}
}

/* A shorter or pushed segment is the last of its frame; a longer one begins another. */
static void
what_ends_a_frame(void **state)
{
	static const struct {
		size_t sizes[4];
		uint8_t flags[4];
		unsigned frames;
	} cases[] = {
		{ { 100, 100, 100, 100 }, { 0 }, 1 },
		{ { 100, 60, 100, 100 }, { 0 }, 2 },
		{ { 100, 120, 120, 100 }, { 0 }, 2 },
		{ { 100, 100, 100, 100 }, { 0, F_PSH, 0, 0 }, 2 },
		{ { 100, 100, 100, 100 }, { F_PSH, F_PSH, F_PSH, F_PSH }, 4 },
		{ { 100, 0, 100, 100 }, { 0 }, 3 },
		{ { 100, 100, 100, 100 }, { 0, F_SYN, 0, 0 }, 3 },
		{ { 100, 100, 100, 100 }, { F_SYN, 0, 0, 0 }, 2 },
		{ { 100, 100, 100, 100 }, { F_RST, F_RST, F_RST, F_RST }, 4 },
		{ { 100, 100, 100, 100 }, { 0, F_URG, F_URG, 0 }, 4 },
		{ { 100, 100, 100, 100 }, { F_CWR, 0, 0, 0 }, 1 },
		{ { 100, 100, 100, 100 }, { 0, 0, F_CWR, 0 }, 2 },
		{ { 100, 100, 100, 100 }, { F_CWR, F_CWR, F_CWR, F_CWR }, 4 },
		{ { 100, 100, 100, 100 }, { F_ECE, F_ECE, 0, 0 }, 2 },
		{ { 0, 0, 0, 0 }, { 0 }, 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned v6 = 0; v6 < 2; v6++) {
			struct shape s = { .tcp = true, .v6 = v6, .tcp_options = 3 };

			begin(false);
			for (unsigned j = 0; j < 4; j++) {
				s.flags = F_ACK | cases[i].flags[j];
				frame_make(&frame, &s, payload, cases[i].sizes[j], false);
				give(0);
				s.seq += (uint32_t)cases[i].sizes[j];
				s.id++;
			}
			assert_int_equal(end(), cases[i].frames);
			if (cases[i].frames == 1)
				assert_int_equal(!!(last_hdr.gso_type & VIRTIO_NET_HDR_GSO_ECN),
				    cases[i].flags[0] != 0);
		}
}

static void
bad_checksums_and_lengths_stay_alone(void **state)
{
	(void)state;
	for (unsigned flow = 0; flow < FLOWS; flow++)
		for (unsigned i = 0; i < 5; i++) {
			struct shape s = flow_shape(flow);

			begin(true);
			for (unsigned j = 0; j < 3; j++) {
				frame_make(&frame, &s, payload, 100, false);
				if (i == 0)
					frame.bytes[frame.payload + 50] ^= 4;
				else if (i == 1)
					frame.bytes[frame_checksum_at(&frame, &s)] ^= 1;
				else if (i == 2 && !s.v6)
					frame.bytes[frame.ip + 10] ^= 1;
				else if (i == 2 && !s.tcp)
					memset(frame.bytes + frame_checksum_at(&frame, &s), 0, 2);
				else if (i == 3)
					frame.len += 6; /* Ethernet padding */
				else
					frame.len -= 1; /* cut */
				give(0);
				s.seq += 100;
				s.id++;
			}
			assert_int_equal(end(), 3);
		}
}

/* Then the merged frame asks for them all to be made anew, and the right ones come out. */
static void
checksums_are_not_looked_at_if_somebody_has(void **state)
{
	(void)state;
	for (unsigned flow = 0; flow < FLOWS; flow++) {
		struct shape s = flow_shape(flow);

		begin(true);
		checked = true;
		for (unsigned j = 0; j < 3; j++) {
			frame_make(&frame, &s, payload, 100, false);
			frame.bytes[frame_checksum_at(&frame, &s)] ^= 1;
			give(0);
			sent[j].copy[frame_checksum_at(&frame, &s)] ^= 1;
			s.seq += 100;
			s.id++;
		}
		checked = false;
		assert_int_equal(end(), 1);
	}
}

static void
udp_only_where_the_device_takes_it(void **state)
{
	struct shape s = flow_shape(0);

	(void)state;
	assert_false(s.tcp);
	begin(false);
	give_stream(s, 4, 100, 100);
	assert_int_equal(end(), 4);
}

static void
ports_are_kept_apart(void **state)
{
	struct shape s = flow_shape(1);

	(void)state;
	begin(false);
	for (unsigned i = 0; i < 20; i++) {
		frame_make(&frame, &s, payload, 100, false);
		give_bytes(i % 2, &ports[i % 2], frame.bytes, frame.len);
		if (i % 2) {
			s.seq += 100;
			s.id++;
		}
	}
	assert_int_equal(end(), 2);
}

/* A fragment belongs to some flow, nobody knows which: it overtakes nothing. Other protocols have no flow. */
static void
what_has_no_ports(void **state)
{
	struct shape s = flow_shape(4);

	(void)state;
	for (unsigned protocol = 0; protocol < 2; protocol++) {
		begin(false);
		give_stream(s, 2, 100, 100);
		struct shape next = shape_of_segment(s, 2, 100, true);
		frame_make(&frame, &next, payload, 100, false);
		frame.bytes[frame.ip + (protocol ? 9 : 6)] = protocol ? 1 : 0x20;
		give(protocol);
		frame_make(&frame, &next, payload, 100, false);
		give(0);
		assert_int_equal(end(), protocol ? 2 : 3);
		assert_int_equal(emitted_frames[0], protocol ? 1 : 2);
	}
	begin(false);
	for (size_t len = 0; len < 20; len++)
		give_bytes(0, &ports[0], payload, len);
	assert_int_equal(end(), 20);
}

/* One step of a flow that goes wrong now and then, as traffic does. */
static void
random_step(unsigned flow, struct shape *s)
{
	struct shape now = *s;
	size_t n = 1 + below(below(4) ? 3 : 1400);
	bool keep = true, whole = true;

	if (below(4))
		n = s->window; /* of most flows, the usual size */
	switch (below(20)) {
	case 0:
		n = 0;
		break;
	case 1:
		now.flags |= (uint8_t)(1 << below(8));
		break;
	case 2: /* out of order */
		now.seq += (uint32_t)below(3000) - 1500;
		keep = false;
		break;
	case 3: /* lost */
		s->seq += 1000;
		break;
	case 4:
		now.option++;
		now.ack++;
		break;
	case 5:
		now.id = (uint16_t)random();
		break;
	case 6:
		now.ip_options = 1;
		break;
	default:
		break;
	}
	frame_make(&frame, &now, payload + below(1000), n, false);
	if (below(30) == 0) {
		frame.bytes[below((unsigned)frame.len)] ^= (uint8_t)(1 << below(8));
		whole = false;
	} else if (below(40) == 0) {
		frame.len = below((unsigned)frame.len);
		whole = false;
	}
	give(whole ? flow : NO_FLOW);
	if (keep) {
		s->seq += (uint32_t)n;
		s->id++;
	}
}

static void
random_traffic_is_the_same_cut_again(void **state)
{
	struct shape shapes[FLOWS];
	unsigned in = 0, out = 0;

	(void)state;
	for (unsigned i = 0; i < FLOWS; i++) {
		shapes[i] = flow_shape(i);
		shapes[i].window = (uint16_t)(1 + below(1400));
	}
	for (unsigned round = 0; round < 2000; round++) {
		unsigned n = 1 + below(round % 10 == 0 ? FRAMES_MAX : 60), flow = below(FLOWS);

		begin(round & 1);
		for (unsigned i = 0; i < n; i++) {
			if (below(4) == 0)
				flow = below(FLOWS);
			random_step(flow, &shapes[flow]);
		}
		out += end();
		in += n;
	}
	assert_true(out < in - in / 10); /* so something was merged */
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
		cmocka_unit_test(a_stream_becomes_one_frame),
		cmocka_unit_test(limits_of_one_frame),
		cmocka_unit_test(window_scaled_and_wrapped_numbers),
		cmocka_unit_test(one_id_for_all),
		cmocka_unit_test(every_header_bit_counts),
		cmocka_unit_test(what_ends_a_frame),
		cmocka_unit_test(bad_checksums_and_lengths_stay_alone),
		cmocka_unit_test(checksums_are_not_looked_at_if_somebody_has),
		cmocka_unit_test(udp_only_where_the_device_takes_it),
		cmocka_unit_test(ports_are_kept_apart),
		cmocka_unit_test(what_has_no_ports),
		cmocka_unit_test(random_traffic_is_the_same_cut_again),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
