/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In place of cipher_ipsec_mb.c where the library is not. */

#include "esp/cipher_engine.h"

const struct engine engine_ipsec_mb = { 0 };

bool
ipsec_mb_thread_init(const char **why)
{
	*why = "built without libipsec-mb";
	return false;
}

void
ipsec_mb_thread_fini(void)
{
}

bool
ipsec_mb_ready(void)
{
	return false;
}

const char *
ipsec_mb_version(void)
{
	return "";
}

struct engine_least
ipsec_mb_least(const struct suite *s)
{
	(void)s;
	return (struct engine_least){ 0 };
}
