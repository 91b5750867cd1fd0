/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esp/esp.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/cursor.h"

#define ESP_PART 64 /* packets that the cipher gets at once */

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
	*sa = (struct esp_out){
		.spi = spi,
		.esn = esn,
		.last = esn ? UINT64_MAX : UINT32_MAX,
		.suite = s,
		.cipher = cipher,
	};
	return 0;
}

int
esp_in_init(struct esp_in *sa, uint32_t spi, const struct suite *s, const uint8_t *keymat, bool esn,
    uint32_t window)
{
	struct cipher *cipher = cipher_new(s, keymat, false);

	if (!cipher)
		return -ENOMEM;
	*sa = (struct esp_in){
		.spi = spi, .esn = esn, .last = UINT64_MAX, .suite = s, .cipher = cipher
	};
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

/* Everything but the cipher's part. */
static enum esp_verdict
begin_seal(struct esp_out *sa, struct packet *p, uint8_t next_header, struct cipher_job *job)
{
	const struct suite *s = sa->suite;
	size_t payload_len = p->len;
	size_t text_len = (payload_len + ESP_TRAILER_LEN + s->align - 1) / s->align * s->align;
	size_t pad_len = text_len - payload_len - ESP_TRAILER_LEN;

	/* A sequence number must never come again (RFC 4303 section 3.3.3). */
	if (sa->seq >= sa->last)
		return ESP_EXHAUSTED;
	uint8_t *trailer = packet_append(p, pad_len + ESP_TRAILER_LEN + s->icv_len);
	uint8_t *header = packet_push(p, (size_t)ESP_HEADER_LEN + s->iv_len);
	if (!trailer || !header)
		return ESP_NO_ROOM;

	job->esp = header;
	job->text_len = text_len;
	job->seq = ++sa->seq;
	struct wcur w = wcur_init(header, ESP_HEADER_LEN);
	wcur_be32(&w, sa->spi);
	wcur_be32(&w, (uint32_t)job->seq);
	write_trailer(trailer, pad_len, next_header);
	return ESP_OK;
}

/* At most ESP_PART packets; jobs is room for as many. */
static void
seal_part(struct esp_out *sa, struct packet **p, size_t n, uint8_t next_header,
    struct cipher_job *jobs, enum esp_verdict *verdicts)
{
	size_t n_jobs = 0;

	for (size_t i = 0; i < n; i++) {
		verdicts[i] = begin_seal(sa, p[i], next_header, &jobs[n_jobs]);
		n_jobs += verdicts[i] == ESP_OK;
	}
	cipher_seal_batch(sa->cipher, jobs, n_jobs, sa->esn);
	for (size_t i = 0; i < n; i++) {
		if (verdicts[i] != ESP_OK)
			continue;
		if ((jobs++)->ok)
			sa->bytes += p[i]->len;
		else
			verdicts[i] = ESP_FAILED;
	}
}

/*
 * Length of the payload, or -1 if pad length or padding are not as RFC 4303 section 2.4 wants them.
 */
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
check_replay(const struct esp_in *sa, uint64_t seq)
{
	switch (replay_check(&sa->replay, seq)) {
	case REPLAY_SEEN:
		return ESP_REPLAYED;
	case REPLAY_OLD:
		return ESP_OLD;
	case REPLAY_NEW:
		break;
	}
	return seq <= sa->last ? ESP_OK : ESP_AHEAD;
}

/* What is checked before the ICV: it costs less. */
static enum esp_verdict
begin_open(const struct esp_in *sa, const struct packet *p, struct cipher_job *job)
{
	const struct suite *s = sa->suite;
	size_t head_len = (size_t)ESP_HEADER_LEN + s->iv_len;
	struct rcur r = rcur_init(p->data, p->len);

	if (p->len < head_len + ESP_TRAILER_LEN + s->icv_len ||
	    (p->len - head_len - s->icv_len) % s->align != 0)
		return ESP_SHORT;
	rcur_take(&r, sizeof(sa->spi));
	job->esp = p->data;
	job->text_len = p->len - head_len - s->icv_len;
	job->seq = replay_seq(&sa->replay, rcur_be32(&r));
	return check_replay(sa, job->seq);
}

static enum esp_verdict
end_open(
    struct esp_in *sa, struct packet *p, const struct cipher_job *job, struct esp_opened *opened)
{
	size_t head_len = (size_t)ESP_HEADER_LEN + sa->suite->iv_len;

	if (!job->ok)
		return ESP_BAD_ICV;
	/* Packets of the same batch may have taken the number, or moved the window on. */
	enum esp_verdict v = check_replay(sa, job->seq);
	if (v != ESP_OK)
		return v;
	opened->newest = replay_mark(&sa->replay, job->seq);

	ptrdiff_t payload_len = check_trailer(
	    p->data + head_len, job->text_len, &opened->next_header);
	if (payload_len < 0)
		return ESP_BAD_PADDING;
	sa->packets++;
	sa->bytes += p->len;
	packet_pull(p, head_len);
	packet_trim(p, p->len - (size_t)payload_len);
	return ESP_OK;
}

static void
open_part(struct esp_in *sa, struct packet **p, size_t n, struct cipher_job *jobs,
    struct esp_opened *opened)
{
	size_t n_jobs = 0;

	for (size_t i = 0; i < n; i++) {
		opened[i].verdict = begin_open(sa, p[i], &jobs[n_jobs]);
		n_jobs += opened[i].verdict == ESP_OK;
	}
	cipher_open_batch(sa->cipher, jobs, n_jobs, sa->esn);
	for (size_t i = 0; i < n; i++) {
		if (opened[i].verdict == ESP_OK)
			opened[i].verdict = end_open(sa, p[i], jobs++, &opened[i]);
		sa->bad += opened[i].verdict != ESP_OK;
	}
}

static size_t
part(size_t n)
{
	return n < ESP_PART ? n : ESP_PART;
}

void
esp_seal_batch(struct esp_out *sa, struct packet **p, size_t n, uint8_t next_header,
    enum esp_verdict *verdicts)
{
	UNCLEARED struct cipher_job jobs[ESP_PART];

	for (size_t done = 0; done < n; done += part(n - done))
		seal_part(sa, p + done, part(n - done), next_header, jobs, verdicts + done);
}

void
esp_open_batch(struct esp_in *sa, struct packet **p, size_t n, struct esp_opened *opened)
{
	UNCLEARED struct cipher_job jobs[ESP_PART];

	for (size_t done = 0; done < n; done += part(n - done))
		open_part(sa, p + done, part(n - done), jobs, opened + done);
}

enum esp_verdict
esp_seal(struct esp_out *sa, struct packet *p, uint8_t next_header)
{
	struct cipher_job job;
	enum esp_verdict v;

	seal_part(sa, &p, 1, next_header, &job, &v);
	return v;
}

enum esp_verdict
esp_open(struct esp_in *sa, struct packet *p, uint8_t *next_header, bool *newest)
{
	struct cipher_job job;
	struct esp_opened opened;

	open_part(sa, &p, 1, &job, &opened);
	if (opened.verdict == ESP_OK) {
		*next_header = opened.next_header;
		*newest = opened.newest;
	}
	return opened.verdict;
}
