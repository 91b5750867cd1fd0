/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Vnet ids: 128 bits, written as 8 groups of 4 hex digits, or as one group of up to 4 hex digits
 * with the other seven zero. Device names that follow from them. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vnetid {
	uint8_t b[16];
};

#define VNETID_STRLEN	 40
#define VNET_IFNAME_MAX	 14 /* longest device or bridge name, without NUL */
#define VNET_IFNAME_SIZE 16 /* IFNAMSIZ */

/*
 * Long form (1 to 4 digits a group) or short form. False, and *out untouched, otherwise. Accepts 0
 * and 1.
 */
bool vnetid_parse(const char *text, struct vnetid *out);
/* Always the long form, lower case; writes into buf and returns it. */
const char *vnetid_format(const struct vnetid *id, char buf[static VNETID_STRLEN]);
bool vnetid_equal(const struct vnetid *a, const struct vnetid *b);
int vnetid_compare(const struct vnetid *a, const struct vnetid *b);
bool vnetid_is_zero(const struct vnetid *id);
/* Id 1: the physical network, which has no device. */
bool vnetid_is_physical(const struct vnetid *id);
/* Does it fit 16 bits? Then *value is it. */
bool vnetid_is_short(const struct vnetid *id, uint16_t *value);
/* "vnif" and the last group as 4 hex digits. */
void vnetid_default_ifname(const struct vnetid *id, char name[static VNET_IFNAME_SIZE]);

/*
 * NULL if name can be a device's name here, else what is wrong with it ("longer than 14
 * characters", ..).
 */
const char *vnet_ifname_error(const char *name);
