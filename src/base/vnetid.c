/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vnetid.h"

#include <stdio.h>
#include <string.h>

#include "hex.h"

#define GROUPS 8

/* One to four digits at *text, which moves behind them. False if there are none or more. */
static bool
parse_group(const char **text, uint8_t b[static 2])
{
	const char *p = *text;
	unsigned v = 0;
	int d;

	while ((d = hex_digit(*p)) >= 0) {
		if (p - *text == 4)
			return false;
		v = v << 4 | (unsigned)d;
		p++;
	}
	if (p == *text)
		return false;
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
	*text = p;
	return true;
}

bool
vnetid_parse(const char *text, struct vnetid *out)
{
	struct vnetid id = { 0 };

	if (!parse_group(&text, id.b))
		return false;
	if (*text == '\0') {
		*out = (struct vnetid){ .b = { [14] = id.b[0], [15] = id.b[1] } };
		return true;
	}
	for (size_t i = 1; i < GROUPS; i++) {
		if (*text++ != ':' || !parse_group(&text, id.b + 2 * i))
			return false;
	}
	if (*text != '\0')
		return false;
	*out = id;
	return true;
}

const char *
vnetid_format(const struct vnetid *id, char buf[static VNETID_STRLEN])
{
	for (size_t i = 0; i < GROUPS; i++)
		snprintf(buf + 5 * i, VNETID_STRLEN - 5 * i, "%02x%02x%s", id->b[2 * i],
		    id->b[2 * i + 1], i < GROUPS - 1 ? ":" : "");
	return buf;
}

bool
vnetid_equal(const struct vnetid *a, const struct vnetid *b)
{
	return vnetid_compare(a, b) == 0;
}

int
vnetid_compare(const struct vnetid *a, const struct vnetid *b)
{
	return memcmp(a, b, sizeof(*a));
}

bool
vnetid_is_zero(const struct vnetid *id)
{
	return vnetid_equal(id, &(struct vnetid){ 0 });
}

bool
vnetid_is_physical(const struct vnetid *id)
{
	return vnetid_equal(id, &(struct vnetid){ .b = { [15] = 1 } });
}

bool
vnetid_is_short(const struct vnetid *id, uint16_t *value)
{
	struct vnetid low = { .b = { [14] = id->b[14], [15] = id->b[15] } };

	if (!vnetid_equal(id, &low))
		return false;
	*value = (uint16_t)(id->b[14] << 8 | id->b[15]);
	return true;
}

void
vnetid_default_ifname(const struct vnetid *id, char name[static VNET_IFNAME_SIZE])
{
	snprintf(name, VNET_IFNAME_SIZE, "vnif%02x%02x", id->b[14], id->b[15]);
}

const char *
vnet_ifname_error(const char *name)
{
	if (*name == '\0')
		return "empty";
	if (strlen(name) > VNET_IFNAME_MAX)
		return "longer than 14 characters";
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "a directory, not a name";
	if (strcmp(name, "all") == 0 || strcmp(name, "default") == 0)
		return "a name that sysctl keeps for all devices";
	/*
	 * The kernel refuses '/' and ':' and takes '%' for a pattern; the rest would need quotes in
	 * our files.
	 */
	if (strpbrk(name, "/:%\"()#"))
		return "holds one of / : % \" ( ) #";
	for (const char *p = name; *p; p++) {
		if (*p <= ' ' || *p > '~')
			return "holds white space, a control character or one that is not ASCII";
	}
	return NULL;
}
