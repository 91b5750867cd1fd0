/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables and numbers of man/vnet.7 are those of the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/datagram.h"
#include "core/assoc.h"
#include "core/liveness.h"
#include "core/vnet.h"
#include "esp/replay.h"
#include "esp/suite.h"
#include "keys/handshake.h"
#include "varp/discover.h"
#include "varp/message.h"
#include "varp/varp.h"

#define IPV4 20
#define IPV6 40

static char page[1 << 16];

static int
read_page(void **state)
{
	const char *top = getenv("srcdir");
	char path[4096];
	FILE *file;
	size_t len;

	(void)state;
	snprintf(path, sizeof(path), "%s/man/vnet.7", top ? top : ".");
	file = fopen(path, "re");
	assert_non_null(file);
	len = fread(page, 1, sizeof(page) - 1, file);
	assert_true(feof(file));
	page[len] = '\0';
	fclose(file);
	return 0;
}

static void __attribute__((format(printf, 1, 2))) says(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!strstr(page, text))
		fail_msg("vnet(7) does not say \"%s\"", text);
}

static void
test_mtus(void **state)
{
	(void)state;
	for (unsigned id = 0; id < SUITE_COUNT; id++) {
		const struct suite *s = suite_by_id(id);

		says(".It %s Ta %zu Ta %zu Ta %zu Ta %zu\n", s->name,
		    suite_inner_mtu(s, 1500, IPV4), suite_inner_mtu(s, 1500, IPV6),
		    suite_inner_mtu(s, 9000, IPV4), suite_inner_mtu(s, 9000, IPV6));
	}
}

static void
test_suites(void **state)
{
	(void)state;
	for (unsigned id = 1; id < SUITE_COUNT; id++) {
		const struct suite *s = suite_by_id(id);
		char line[160], *end;

		says("\n.It %s Ta %u Ta %s Ta ", s->name, id, level_name(s->level));
		snprintf(line, sizeof(line), "\n.It %s Ta %u Ta ", s->name, id);
		end = strchr(strstr(page, line) + 1, '\n');
		snprintf(line, sizeof(line), " Ta %u Ta %u", s->iv_len, s->icv_len);
		assert_memory_equal(end - strlen(line), line, strlen(line));
	}
}

static void
test_types(void **state)
{
	(void)state;
#define X(value, suffix, name) says("\n.It " #value " Ta " #suffix " Ta ");
	CONTROL_TYPES(X)
	MESSAGE_TYPES(X)
#undef X
}

static void
test_formats(void **state)
{
	(void)state;
	says("... %d keys at most, then zeros up to %d bytes", DISCOVER_KEYS_MAX, DISCOVER_MIN_LEN);
	says("nothing is relayed more than %d times", DISCOVER_HOPS_MAX);
	says("cookie, %d bytes", HS_COOKIE_LEN);
	says("Noise message, %d bytes", HS_NOISE_LEN);
	says("a payload of %d and", HS_PAYLOAD_LEN);
	says(" %d SPIs, 0 where unused", HS_SPI_MAX);
	says("At most %d bytes.", MESSAGE_MAX);
	says("... %d entries at most", MESSAGE_MEMBERS_MAX);
	says("... %d items at most", MESSAGE_ITEMS_MAX);
	says("window of %d packets", REPLAY_WINDOW_DEFAULT);
	says(".It %u Ta both", VNET_PORT);
	says(".It %u Ta auth", VNET_PORT_AUTH);
	says(".It %u Ta conf", VNET_PORT_CONF);
	says("one from 0x%x up", VNI_LABEL_MIN);
}

static void
test_times(void **state)
{
	(void)state;
	says("%d frames wait for one", VNET_QUEUE_MAX);
	says("and every %d seconds.\n", LIVENESS_ASK_MS / 1000);
	says("given up after %d questions", LIVENESS_TRIES);
	says("HALF-OPEN --- %d s", ASSOC_ATTEMPT_MS / 1000);
	says("DRAINING --- %d s", ASSOC_DRAIN_MS / 1000);
	says("beyond %d a second in all", ASSOC_HS_FREE);
	says("not seen for %d seconds", VARP_VIF_TTL_MS / 1000);
	says("%d REQUESTs", VARP_PROBES);
	says("%d s apart", VARP_PROBE_MS / 1000);
	says("repeated after %d, %d ms", VARP_RESEND_MS, 2 * VARP_RESEND_MS);
	says("more than %d moves of an address within %d seconds", VARP_MOVES_MAX,
	    VARP_MOVES_MS / 1000);
	says("rest for %d seconds", VARP_HOLD_MS / 1000);
	says("more than %d of the %d entries", VARP_PER_HOST_MAX, VARP_ENTRIES_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mtus),
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, read_page, NULL);
}
