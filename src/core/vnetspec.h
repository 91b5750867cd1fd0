/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What people say about a vnet: the form (vnet (id 97) (vnetif NAME) (security LEVEL) ...) of
 * configuration and state files, of config files given to vn vnet-create, and of the control
 * message vnet.add. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/sxp.h"
#include "base/vnetid.h"
#include "esp/suite.h"

#define VNETSPEC_ADDRS_MAX 8
#define VNETSPEC_KEY_SIZE  32
#define VNETSPEC_ERROR_MAX 256

/* May the kernel carry it (offload.h)? REQUIRE: it is made only where the kernel can. */
enum offload_mode { OFFLOAD_AUTO, OFFLOAD_OFF, OFFLOAD_REQUIRE };
const char *offload_mode_name(enum offload_mode mode); /* "auto", "off", "require" */
bool offload_mode_parse(const char *text, enum offload_mode *out);

struct vnetspec_addr {
	struct ipaddr ip;
	uint8_t prefix_len;
};

struct vnetspec {
	struct vnetid id;
	char ifname[VNET_IFNAME_SIZE]; /* always set: the default if none was said */
	char bridge[VNET_IFNAME_SIZE]; /* "": none */
	char key[VNETSPEC_KEY_SIZE];   /* "default" if none was said */
	enum level level;	       /* none if not said */
	enum suite_id suite; /* the level's default if not said; SUITE_NONE for level none */
	uint32_t mtu;	     /* 0: computed */
	enum offload_mode offload;
	uint32_t n_addrs;
	struct vnetspec_addr addrs[VNETSPEC_ADDRS_MAX];
	/* Was it said? For vnet-create on a vnet that exists, and vnet-set. */
	bool has_ifname, has_bridge, has_key, has_level, has_suite, has_mtu, has_addrs, has_offload;
};

/*
 * Reads the children of e (its name is not looked at): id, vnetif, bridge, security, suite, key,
 * mtu, offload, address "10.0.0.1/24" (repeatable). Unknown keys are ignored, doubled ones are errors.
 * Refused, with the offending text in quotes and what was expected in error: ids 0 and 1, bad
 * names, names that read as an id, a suite of another level, a key or suite with level none (unless
 * level was not said in a set). A suite without a level implies its level. need_id false: for
 * vnet.set, where `id` is handled by the caller (it may be a device name). Then ifname stays "" if
 * it was not said, (bridge "") means out of any bridge, and (mtu auto) the computed one.
 */
bool vnetspec_parse(
    const struct sxp *e, bool need_id, struct vnetspec *out, char error[static VNETSPEC_ERROR_MAX]);
struct form_error;
/*
 * The same for files: the error knows its line; strict: unknown keys are refused, lest a misspelt
 * (security conf) makes a clear vnet.
 */
bool vnetspec_parse_file(
    const struct sxp *e, bool strict, struct vnetspec *out, struct form_error *err);
/*
 * (NAME (id ..) ..) with its level and every other field that is not its default. Parses back to
 * the same.
 */
void vnetspec_print(struct sxp_out *o, const char *name, const struct vnetspec *s);

/* "10.0.0.1/24". */
bool vnetspec_parse_addr(const char *text, struct vnetspec_addr *out);
void vnetspec_format_addr(const struct vnetspec_addr *a, char *buf, size_t size);
