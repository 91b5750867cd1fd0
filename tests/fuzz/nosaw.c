/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Driver for libFuzzer, which has its own main(). */
#include "fuzz.h"

void
fuzz_saw(unsigned cls)
{
	(void)cls;
}
