/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/input.h"

#include <sys/uio.h>

#include "core/stats.h"

static void
write_merged(void *arg, void *port, const struct iovec *iov, int n_iov, unsigned frames)
{
	const int *tap = port;

	(void)arg;
	stats_add(writev(*tap, iov, n_iov) < 0 ? STAT_DEVICE_RX_FAILED : STAT_FRAME_RX, frames);
}

void
input_init(struct input *in, struct packet_pool *pool, bool merge_udp, input_esp_fn *esp,
    input_other_fn *other, void *arg)
{
	in->pool = pool;
	in->esp = esp;
	in->other = other;
	in->arg = arg;
	in->n = 0;
	merge_init(&in->merge, merge_udp, write_merged, NULL);
}

void
input_flush(struct input *in)
{
	merge_flush(&in->merge);
	for (unsigned i = 0; i < in->n; i++)
		packet_put(in->held[i]);
	in->n = 0;
}

void
input_deliver(struct input *in, int *tap, const struct packet *p)
{
	if (*tap < 0)
		stats_count(STAT_DEVICE_RX_FAILED);
	else
		merge_frame(&in->merge, tap, p->data, p->len, p->checked);
}

void
input_hold(struct input *in, struct packet *p)
{
	if (in->n == INPUT_HELD_MAX)
		input_flush(in);
	in->held[in->n++] = p;
}

/*
 * The next datagram of a piece: the piece itself if it is the only one, else a packet that points
 * into it.
 */
static struct packet *
next_part(struct input *in, const struct datagram *d, size_t at)
{
	struct packet *whole = d->packet, *p;
	size_t left = whole->len - at;

	if (at == 0 && left <= d->segment)
		return whole;
	p = in->n < INPUT_HELD_MAX
		? packet_get_part(in->pool, whole->data + at, left < d->segment ? left : d->segment)
		: NULL;
	if (p == NULL) {
		stats_count(STAT_FRAME_NO_BUFFER);
		return NULL;
	}
	in->held[in->n++] = p;
	return p;
}

void
input_datagram(struct input *in, const struct datagram *d)
{
	UNCLEARED struct packet *parts[INPUT_BATCH];
	uint32_t spi = 0, open_spi = 0;
	size_t n = 0, at = 0;

	if (in->n + d->packet->len / d->segment + 2 > INPUT_HELD_MAX)
		input_flush(in); /* a piece is never flushed half way: its parts point into it */
	in->held[in->n++] = d->packet;
	do {
		struct packet *p = next_part(in, d, at);
		enum datagram_kind kind;

		at += d->segment;
		if (p == NULL)
			continue;
		kind = datagram_classify(p->data, p->len, &spi);
		if (n > 0 && (kind != DATAGRAM_ESP || spi != open_spi || n == INPUT_BATCH)) {
			in->esp(in->arg, open_spi, d, parts, n);
			n = 0;
		}
		if (kind == DATAGRAM_ESP) {
			open_spi = spi;
			parts[n++] = p;
		} else {
			in->other(in->arg, d, p, kind);
		}
	} while (at < d->packet->len);
	if (n > 0)
		in->esp(in->arg, open_spi, d, parts, n);
}
