/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Manual SAs as text: (sa (peer A) (level L) (spi-in N) .. (auth-in KEY) ..), the form of the file
 * that `vn sa-add` reads and, with the numbers that are reserved, of the state file. Keys are those
 * that `ip xfrm state` takes. No error shows any part of a key. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/vnetid.h"
#include "core/form.h"
#include "esp/suite.h"
#include "keys/keyring.h"

#define MANUAL_VNETS_MAX 64

struct manualspec {
	struct ipaddr peer;
	uint16_t udp_port; /* ESP in UDP to there; 0: as IP protocol 50 */
	bool esn, hub;
	enum suite_id suite;
	char key[KEY_NAME_MAX]; /* whose vnets it carries */
	struct vnetid vnets[MANUAL_VNETS_MAX];
	uint32_t n_vnets; /* 0: all of them */
	uint32_t spi_in, spi_out;
	uint8_t in[SUITE_KEYMAT_MAX], out[SUITE_KEYMAT_MAX];
	/* State only: no number above has been sent, none above has been taken. */
	uint64_t sent, received;
};

/*
 * stored: from the state file, where the numbers stand too. On an error *out is wiped. Unknown keys
 * are refused, as nobody knows what they were to restrict.
 */
bool manualspec_parse(
    const struct sxp *e, bool stored, struct manualspec *out, struct form_error *err);
/* The form of the state file. */
void manualspec_print(struct sxp_out *o, const struct manualspec *s);
