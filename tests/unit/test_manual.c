/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of MTUs in man/vnet.7 says what the program computes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "esp/suite.h"

#define IPV4 20
#define IPV6 40

/* ".It SUITE Ta N Ta N Ta N Ta N": underlays of 1500 and 9000 bytes, IPv4 and IPv6 each. */
static bool
check_row(const char *line, unsigned *seen)
{
	char name[32];
	unsigned v[4];
	const struct suite *s;

	if (sscanf(line, ".It %31s Ta %u Ta %u Ta %u Ta %u", name, &v[0], &v[1], &v[2], &v[3]) != 5)
		return false;
	s = suite_by_name(name);
	assert_non_null(s);
	assert_int_equal(v[0], suite_inner_mtu(s, 1500, IPV4));
	assert_int_equal(v[1], suite_inner_mtu(s, 1500, IPV6));
	assert_int_equal(v[2], suite_inner_mtu(s, 9000, IPV4));
	assert_int_equal(v[3], suite_inner_mtu(s, 9000, IPV6));
	*seen |= 1u << s->id;
	return true;
}

static void
test_mtu_table(void **state)
{
	const char *top = getenv("srcdir");
	char path[4096], line[512];
	unsigned seen = 0, rows = 0;
	FILE *page;

	(void)state;
	snprintf(path, sizeof(path), "%s/man/vnet.7", top ? top : ".");
	page = fopen(path, "re");
	assert_non_null(page);
	while (fgets(line, sizeof(line), page))
		rows += check_row(line, &seen);
	fclose(page);
	assert_int_equal(rows, SUITE_COUNT);
	assert_int_equal(seen, (1u << SUITE_COUNT) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mtu_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
