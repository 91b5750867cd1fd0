/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varp/memberset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/siphash.h"

enum { SIZE_MIN = 16, IMAGE_LEN = 20 };

void
memberset_fini(struct memberset *s)
{
	free(s->entries);
	*s = (struct memberset){ 0 };
}

int
memberset_reserve(struct memberset *s, size_t n)
{
	size_t size = s->size ? s->size : SIZE_MIN;

	if (n <= s->size)
		return 0;
	if (n > MEMBERSHIP_TOTAL_MAX)
		return -ENOSPC;
	while (size < n)
		size *= 2;

	struct membership_entry *entries = reallocarray(s->entries, size, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	s->entries = entries;
	s->size = size;
	return 0;
}

int
memberset_copy(const struct memberset *s, struct memberset *copy)
{
	*copy = (struct memberset){ 0 };

	int err = memberset_reserve(copy, s->n);

	if (err < 0)
		return err;
	for (size_t i = 0; i < s->n; i++)
		copy->entries[i] = s->entries[i];
	copy->n = s->n;
	return 0;
}

/* The first place whose id is not below id. */
static size_t
lower_bound(const struct memberset *s, const struct vnetid *id)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (vnetid_compare(&s->entries[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct membership_entry *
memberset_find(const struct memberset *s, const struct vnetid *id)
{
	size_t at = lower_bound(s, id);

	return at < s->n && vnetid_equal(&s->entries[at].id, id) ? &s->entries[at] : NULL;
}

int
memberset_put(struct memberset *s, const struct membership_entry *e)
{
	struct membership_entry *old = memberset_find(s, &e->id);

	if (old) {
		old->vni = e->vni;
		return 0;
	}

	int err = memberset_reserve(s, s->n + 1);

	if (err < 0)
		return err;

	size_t at = lower_bound(s, &e->id);

	memmove(&s->entries[at + 1], &s->entries[at], (s->n - at) * sizeof(*e));
	s->entries[at] = *e;
	s->n++;
	return 0;
}

bool
memberset_remove(struct memberset *s, const struct vnetid *id)
{
	struct membership_entry *e = memberset_find(s, id);

	if (!e)
		return false;
	s->n--;
	memmove(e, e + 1, (size_t)(s->entries + s->n - e) * sizeof(*e));
	return true;
}

static int
compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bool
labels_differ(const struct memberset *s)
{
	uint32_t *vnis = calloc(s->n, sizeof(*vnis));
	bool differ = vnis != NULL;

	if (!vnis)
		return false;
	for (size_t i = 0; i < s->n; i++)
		vnis[i] = s->entries[i].vni;
	qsort(vnis, s->n, sizeof(*vnis), compare_u32);
	for (size_t i = 1; i < s->n; i++)
		differ &= vnis[i - 1] != vnis[i];
	free(vnis);
	return differ;
}

bool
memberset_is_sound(const struct memberset *s)
{
	for (size_t i = 1; i < s->n; i++) {
		if (vnetid_compare(&s->entries[i - 1].id, &s->entries[i].id) >= 0)
			return false;
	}
	return s->n < 2 || labels_differ(s);
}

uint64_t
memberset_hash(const struct memberset *s)
{
	static const struct siphash_key zero_key;
	uint8_t image[MEMBERSHIP_TOTAL_MAX * IMAGE_LEN];
	struct wcur c = wcur_init(image, sizeof(image));

	for (size_t i = 0; i < s->n; i++) {
		wcur_copy(&c, s->entries[i].id.b, sizeof(s->entries[i].id.b));
		wcur_be32(&c, s->entries[i].vni);
	}
	return siphash(&zero_key, image, wcur_len(&c));
}
