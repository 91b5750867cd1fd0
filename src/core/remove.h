/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vnetd --remove-devices: takes the network devices that vnetd left for its next start off this
 * machine. A program of its own, run as root, without a sandbox.
 */

#include "core/options.h"

/* Prints the name of each that is gone, and on standard error what failed. An exit status. */
int remove_devices(const struct options *o);
