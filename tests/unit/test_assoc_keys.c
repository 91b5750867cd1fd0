/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Associations under keys of files: swapped ones, different ones, different suites. */
#include "assoc_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/stats.h"
#include "esp/esp.h"

enum { DIRS = 2, DIR_LEN = 32 };

static struct sim *s;

static void
make_dirs(char dirs[DIRS][DIR_LEN])
{
	for (int i = 0; i < DIRS; i++) {
		strcpy(dirs[i], "/tmp/vnet-assoc-XXXXXX");
		assert_non_null(mkdtemp(dirs[i]));
	}
}

static void
remove_dirs(char dirs[DIRS][DIR_LEN])
{
	static const char *const names[] = { "default.psk", "default.old.psk" };
	char path[80];

	for (int i = 0; i < DIRS; i++) {
		for (int j = 0; j < 2; j++) {
			snprintf(path, sizeof(path), "%s/%s", dirs[i], names[j]);
			unlink(path);
		}
		assert_int_equal(rmdir(dirs[i]), 0);
	}
}

/* The secret's bytes count up from value. mkstemp() gives the file its mode, 0600. */
static void
write_key(const char *dir, const char *name, unsigned value)
{
	char path[80], made[80];
	FILE *f;

	snprintf(made, sizeof(made), "%s/XXXXXX", dir);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fdopen(mkstemp(made), "w");
	assert_non_null(f);
	for (unsigned i = 0; i < 32; i++)
		fprintf(f, "%02x", value + i);
	fputc('\n', f);
	fclose(f);
	assert_int_equal(rename(made, path), 0);
}

static void
rekey_stops(void)
{
	for (unsigned i = 0; i < 2; i++) {
		s->hosts[i].as.config.rekey_ms = 3600000;
		s->hosts[i].as.config.rekey_packets = UINT64_MAX / 2;
	}
}

static void
file_keys(void **state)
{
	char dirs[DIRS][DIR_LEN];
	uint64_t unknown;

	(void)state;
	make_dirs(dirs);
	write_key(dirs[0], "default.psk", 1);
	write_key(dirs[1], "default.psk", 1);
	s = sim_new(1);
	s->hosts[0].keys_dir = dirs[0];
	s->hosts[1].keys_dir = dirs[1];
	sim_start(s, 0);
	sim_start(s, 1);
	sim_connect(s, 0, 1, true);
	sim_run(s, 100);
	sim_agree(s, 0, 1);

	/* One has swapped its key, the other not yet: what they have goes on, and rekeys with the old one. */
	write_key(dirs[0], "default.psk", 2);
	write_key(dirs[0], "default.old.psk", 1);
	sim_keys_stop(s, 0);
	sim_keys_start(s, 0);
	s->hosts[0].as.config.rekey_ms = 1000;
	unknown = stats_value(STAT_HS_UNKNOWN_KEY);
	sim_stream(s, 12000, 100);
	rekey_stops();
	assert_true(stats_value(STAT_HS_UNKNOWN_KEY) > unknown);
	assert_in_range(s->hosts[0].up, 2, 6);
	assert_int_equal(s->hosts[0].fresh, 1);
	sim_nothing_missing(s);
	/* Now the other one, too. */
	write_key(dirs[1], "default.psk", 2);
	write_key(dirs[1], "default.old.psk", 1);
	sim_keys_stop(s, 1);
	sim_keys_start(s, 1);
	s->hosts[0].as.config.rekey_ms = 1000;
	sim_stream(s, 12000, 100);
	rekey_stops();
	sim_agree(s, 0, 1);
	assert_int_equal(sim_assoc(s, 0, 1)->key_id, s->hosts[0].groups.keys[0].id);
	sim_run(s, 100);
	sim_nothing_missing(s);
	sim_end(s);
	remove_dirs(dirs);
}

static void
wrong_key(void **state)
{
	char dirs[DIRS][DIR_LEN];
	uint64_t unknown = stats_value(STAT_HS_UNKNOWN_KEY), failed = stats_value(STAT_HS_FAILED);

	(void)state;
	make_dirs(dirs);
	write_key(dirs[0], "default.psk", 1);
	write_key(dirs[1], "default.psk", 2);
	s = sim_new(1);
	s->hosts[0].keys_dir = dirs[0];
	s->hosts[1].keys_dir = dirs[1];
	sim_start(s, 0);
	sim_start(s, 1);
	sim_connect(s, 0, 1, false);
	sim_run(s, 6000);
	assert_false(sim_up(s, 0, 1));
	assert_true(stats_value(STAT_HS_UNKNOWN_KEY) > unknown);
	assert_null(s->hosts[1].as.first);
	/* The id of the other's key, but not the key. */
	s->hosts[1].groups.keys[0].id = s->hosts[0].groups.keys[0].id;
	for (size_t i = 0; i < s->hosts[1].groups.n_keys; i++)
		s->hosts[1].groups.keys[i].id = s->hosts[0].groups.keys[0].id;
	sim_connect(s, 0, 1, false);
	sim_run(s, 6000);
	assert_false(sim_up(s, 0, 1));
	assert_true(stats_value(STAT_HS_FAILED) > failed);
	sim_end(s);
	remove_dirs(dirs);
}

static void
suite_mismatch(void **state)
{
	uint64_t unknown = stats_value(STAT_HS_UNKNOWN_KEY);

	(void)state;
	s = sim_new(1);
	sim_start(s, 0);
	s->suite = "null-sha1";
	sim_start(s, 1);
	sim_connect(s, 0, 1, false);
	sim_run(s, 6000);
	assert_true(stats_value(STAT_HS_UNKNOWN_KEY) > unknown);
	assert_false(sim_up(s, 0, 1));
	assert_null(s->hosts[1].as.first);
	sim_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_keys),
		cmocka_unit_test(wrong_key),
		cmocka_unit_test(suite_mismatch),
	};

	if (!noise_global_init() || !cipher_global_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
