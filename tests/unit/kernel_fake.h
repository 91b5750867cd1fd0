/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * In the place of kernelcli.c: a priv that says yes to all, when it is told to; what it was asked for
 * is recorded. And of manual.c: manual SAs that can be lent.
 */

#include <stdbool.h>

#include "core/kernelcli.h"
#include "core/manual.h"

#define ASKED_MAX 16384

extern struct kernel_fake {
	const struct kernelcli_ops *ops;
	void *arg;
	struct asked {
		char text[64];
		uint32_t token;
		bool count;
	} asked[ASKED_MAX];
	unsigned n_asked, n_answered;
	int refuse; /* answers of the next request that begins so */
	const char *refused;
	bool busy;
	struct kernel_slot slots[KERNEL_SLOTS_MAX];
	struct kernel_drops drops;
	struct kernel_sa sa[64];
	unsigned n_sa;
	uint64_t nonce, nonces[8]; /* of the last probe, in all and by peer */
	struct kernel_flow flow;
	struct kernel_count count; /* the answer to all that is counted */
	struct {
		bool cannot, deaf; /* be lent; settle */
		struct manual_loan loan;
		unsigned lent, had, returned, settled;
		uint64_t counted[2]; /* received, sent */
	} manual;
} fake;

/* What the kernel can do: all, or no ESP. */
void fake_findings(bool secured);
/* Answers all that has been asked for and not been answered. */
void fake_answer(void);
/* How often something that begins so was asked for, in all or since `from`. */
unsigned asked_since(unsigned from, const char *text);
unsigned asked(const char *text);
