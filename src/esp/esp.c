/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esp/esp.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/cursor.h"

static const char *const verdict_names[] = {
#define X(suffix, name, help) [ESP_##suffix] = name,
	ESP_VERDICTS(X)
#undef X
};

const char *
esp_verdict_name(enum esp_verdict v)
{
	return verdict_names[v];
}

int
esp_out_init(
    struct esp_out *sa, uint32_t spi, const struct suite *s, const uint8_t *keymat, bool esn)
{
	struct cipher *cipher = cipher_new(s, keymat, true);

	if (!cipher)
		return -ENOMEM;
	*sa = (struct esp_out){ .spi = spi, .esn = esn, .suite = s, .cipher = cipher };
	return 0;
}

int
esp_in_init(struct esp_in *sa, uint32_t spi, const struct suite *s, const uint8_t *keymat, bool esn,
    uint32_t window)
{
	struct cipher *cipher = cipher_new(s, keymat, false);

	if (!cipher)
		return -ENOMEM;
	*sa = (struct esp_in){ .spi = spi, .esn = esn, .suite = s, .cipher = cipher };
	replay_init(&sa->replay, window, esn);
	return 0;
}

void
esp_out_fini(struct esp_out *sa)
{
	cipher_free(sa->cipher);
	sa->cipher = NULL;
}

void
esp_in_fini(struct esp_in *sa)
{
	cipher_free(sa->cipher);
	sa->cipher = NULL;
}

/* Padding that RFC 4303 section 2.4 prescribes (1, 2, 3, ..), pad length, next header. */
static void
write_trailer(uint8_t *trailer, size_t pad_len, uint8_t next_header)
{
	for (size_t i = 0; i < pad_len; i++)
		trailer[i] = (uint8_t)(i + 1);
	trailer[pad_len] = (uint8_t)pad_len;
	trailer[pad_len + 1] = next_header;
}

enum esp_verdict
esp_seal(struct esp_out *sa, struct packet *p, uint8_t next_header)
{
	const struct suite *s = sa->suite;
	size_t payload_len = p->len;
	size_t text_len = (payload_len + ESP_TRAILER_LEN + s->align - 1) / s->align * s->align;
	size_t pad_len = text_len - payload_len - ESP_TRAILER_LEN;

	/* A sequence number must never come again (RFC 4303 section 3.3.3). */
	if (sa->seq >= (sa->esn ? UINT64_MAX : UINT32_MAX))
		return ESP_EXHAUSTED;
	uint8_t *trailer = packet_append(p, pad_len + ESP_TRAILER_LEN + s->icv_len);
	uint8_t *header = packet_push(p, (size_t)ESP_HEADER_LEN + s->iv_len);
	if (!trailer || !header)
		return ESP_NO_ROOM;

	uint64_t seq = ++sa->seq;
	struct wcur w = wcur_init(header, ESP_HEADER_LEN);
	wcur_be32(&w, sa->spi);
	wcur_be32(&w, (uint32_t)seq);
	write_trailer(trailer, pad_len, next_header);
	if (!cipher_seal(sa->cipher, header, text_len, seq, sa->esn))
		return ESP_FAILED;
	sa->bytes += p->len;
	return ESP_OK;
}

/* Length of the payload, or -1 if pad length or padding are not as RFC 4303 section 2.4 wants them. */
static ptrdiff_t
check_trailer(const uint8_t *text, size_t text_len, uint8_t *next_header)
{
	size_t pad_len = text[text_len - 2];

	if (pad_len > text_len - ESP_TRAILER_LEN)
		return -1;
	const uint8_t *pad = text + text_len - ESP_TRAILER_LEN - pad_len;
	for (size_t i = 0; i < pad_len; i++)
		if (pad[i] != i + 1)
			return -1;
	*next_header = text[text_len - 1];
	return pad - text;
}

static enum esp_verdict
open_packet(struct esp_in *sa, struct packet *p, uint8_t *next_header, bool *newest)
{
	const struct suite *s = sa->suite;
	size_t head_len = (size_t)ESP_HEADER_LEN + s->iv_len;
	struct rcur r = rcur_init(p->data, p->len);

	if (p->len < head_len + ESP_TRAILER_LEN + s->icv_len ||
	    (p->len - head_len - s->icv_len) % s->align != 0)
		return ESP_SHORT;
	size_t text_len = p->len - head_len - s->icv_len;
	rcur_take(&r, sizeof(sa->spi));
	uint64_t seq = replay_seq(&sa->replay, rcur_be32(&r));

	switch (replay_check(&sa->replay, seq)) {
	case REPLAY_NEW:
		break;
	case REPLAY_SEEN:
		return ESP_REPLAYED;
	case REPLAY_OLD:
		return ESP_OLD;
	}
	if (!cipher_open(sa->cipher, p->data, text_len, seq, sa->esn))
		return ESP_BAD_ICV;
	bool advanced = replay_mark(&sa->replay, seq);

	uint8_t next;
	ptrdiff_t payload_len = check_trailer(p->data + head_len, text_len, &next);
	if (payload_len < 0)
		return ESP_BAD_PADDING;
	sa->packets++;
	sa->bytes += p->len;
	packet_pull(p, head_len);
	packet_trim(p, p->len - (size_t)payload_len);
	*next_header = next;
	*newest = advanced;
	return ESP_OK;
}

enum esp_verdict
esp_open(struct esp_in *sa, struct packet *p, uint8_t *next_header, bool *newest)
{
	enum esp_verdict v = open_packet(sa, p, next_header, newest);

	if (v != ESP_OK)
		sa->bad++;
	return v;
}
