/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of test_kernel about secured levels, for kernels that have ESP. */

#include "tests/system/kernel_hosts.h"

static const struct path secured_paths[] = {
	{ AF_INET, SUITE_NULL_SHA1, false },
	{ AF_INET, SUITE_AES128_SHA1, false },
	{ AF_INET, SUITE_NULL_SHA256, false },
	{ AF_INET, SUITE_AES128_SHA256, true },
	{ AF_INET, SUITE_AES128GCM, true },
	{ AF_INET, SUITE_AES256GCM, false },
	{ AF_INET, SUITE_AES128_SHA1, true },
	{ AF_INET6, SUITE_NULL_SHA1, true },
	{ AF_INET6, SUITE_AES128_SHA1, false },
	{ AF_INET6, SUITE_AES128GCM, true },
};

#define CONF ((struct path){ AF_INET, SUITE_AES128_SHA1, false })

static void
close_path(void)
{
	for (size_t i = 0; i < 2; i++) {
		DO(&hosts[i], stop);
		enter(&hosts[i]);
		assert_true(nothing_left());
		hosts[i].n_events = 0;
	}
}

static void
test_secured(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(secured_paths) / sizeof(secured_paths[0]); i++) {
		const struct path *p = &secured_paths[i];
		const struct kernel_count *c = &hosts[0].count;

		if (!can(p)) {
			printf("%s: not here\n", suite_by_id(p->suite)->name);
			continue;
		}
		printf("%s, IPv%d%s\n", suite_by_id(p->suite)->name, p->family == AF_INET ? 4 : 6,
		    p->udp ? ", in UDP" : "");
		run_path(p);
		/* A frame, and a probe, each way. */
		DO(&hosts[0], sa_count, PEER, KERNEL_OUT, 0x1001);
		assert_true(c->packets == 2 && c->bytes > FRAME_LEN && c->seq == 2);
		DO(&hosts[0], sa_count, PEER, KERNEL_IN, 0x1002);
		assert_true(c->packets == 2 && c->seq == 2 && c->refused == 0);
		close_path();
	}
}

#define SECURED_TESTS TEST(test_secured),
