/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * segment_start() and segment_next() by lines of text, for judge_segment.py: TYPE SIZE CSUM-START CSUM-OFFSET FRAME
 * answers the segments, or the name of the verdict. Type 0 has its checksum filled in. FRAME and the answer are hex.
 */

#include <inttypes.h>
#include <stdio.h>

#include "base/segment.h"
#include "unhex.h"

static uint8_t frame[66000];

static void
print_hex(const uint8_t *bytes, size_t len, char end)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
	putchar(end);
}

static enum segment_verdict
answer(const struct virtio_net_hdr *hdr, size_t len, struct packet *p)
{
	struct segments s;
	size_t room;
	enum segment_verdict v = segment_needed(hdr) ? segment_start(&s, hdr, frame, len)
						     : segment_checksum(hdr, frame, len);

	if (v != SEGMENT_OK)
		return v;
	if (!segment_needed(hdr))
		print_hex(frame, len, ' ');
	else
		while (packet_reset(p, &room), segment_next(&s, p))
			print_hex(p->data, p->len, ' ');
	putchar('\n');
	return v;
}

int
main(void)
{
	static char line[2 * sizeof(frame) + 100];
	struct packet_pool *pool = packet_pool_new(1);
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	int at;

	if (!pool)
		return 1;
	struct packet *p = packet_get(pool);
	setlinebuf(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%" SCNu8 " %" SCNu16 " %" SCNu16 " %" SCNu16 " %n", &hdr.gso_type,
			&hdr.gso_size, &hdr.csum_start, &hdr.csum_offset, &at) != 4)
			return 1;
		line[strcspn(line, "\n")] = '\0';
		enum segment_verdict v = answer(&hdr, unhex(line + at, frame, sizeof(frame)), p);
		if (v != SEGMENT_OK)
			puts(segment_verdict_name(v));
	}
	packet_pool_free(pool);
	return 0;
}
