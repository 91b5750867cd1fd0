/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct groups *gs;

static void
add_key(const char *name, uint32_t id, uint32_t old_id)
{
	struct key_info *k = &gs->keys[gs->n_keys++];

	*k = (struct key_info){ .id = id, .old_id = old_id };
	strcpy(k->name, name);
}

static int
setup(void **state)
{
	(void)state;
	gs = calloc(1, sizeof(*gs));
	if (gs == NULL)
		return -1;
	add_key("broken", 0, 0);
	add_key("default", 0x11, 0);
	add_key("hardwired", 0x11, 0);
	add_key("site", 0x22, 0x21);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_null(gs->first);
	free(gs);
	return 0;
}

static const struct suite *
suite(const char *name)
{
	return suite_by_name(name);
}

static struct group *
with_vnet(const char *key, const char *suite_name)
{
	struct group *g = group_get(gs, key, suite(suite_name));

	assert_non_null(g);
	g->vnets = 1;
	return g;
}

static void
one_per_key_and_suite(void **state)
{
	struct group *a = group_get(gs, "default", suite("aes128-sha1")), *b, *c, *d;

	(void)state;
	/* Two names of one secret are one group; another suite, or another key, is another. */
	b = group_get(gs, "hardwired", suite("aes128-sha1"));
	assert_ptr_equal(a, b);
	assert_string_equal(a->key, "default");
	assert_int_equal(a->refs, 2);
	c = group_get(gs, "default", suite("aes128gcm"));
	d = group_get(gs, "site", suite("aes128-sha1"));
	assert_ptr_not_equal(a, c);
	assert_ptr_not_equal(a, d);
	group_put(gs, b);
	assert_int_equal(a->refs, 1);
	group_put(gs, a);
	group_put(gs, d);
	assert_ptr_equal(gs->first, c);
	group_put(gs, c);
	group_put(gs, NULL);
}

static void
none_has_no_key(void **state)
{
	struct group *a = group_get(gs, "default", suite("none")),
		     *b = group_get(gs, "site", suite("none"));

	(void)state;
	assert_ptr_equal(a, b);
	assert_string_equal(a->key, "");
	assert_int_equal(group_key_id(gs, a, NULL), 0);
	group_put(gs, a);
	group_put(gs, b);
}

static void
keys_that_are_not_usable(void **state)
{
	struct group *broken = with_vnet("broken", "aes128-sha1"),
		     *missing = with_vnet("nobody", "aes128-sha1");

	(void)state;
	assert_ptr_not_equal(broken, missing);
	assert_int_equal(group_key_id(gs, broken, NULL), 0);
	assert_int_equal(group_key_id(gs, missing, NULL), 0);
	assert_null(group_by_key_id(gs, 0, SUITE_AES128_SHA1)); /* nobody has key 0 */
	assert_null(groups_key(gs, "nobody"));
	assert_string_equal(groups_canonical(gs, "nobody"), "nobody");
	assert_string_equal(groups_canonical(gs, "broken"), "broken");
	group_put(gs, broken);
	group_put(gs, missing);
}

static void
found_by_key_id(void **state)
{
	struct group *g = group_get(gs, "site", suite("aes128-sha1"));

	(void)state;
	assert_null(group_by_key_id(gs, 0x22, SUITE_AES128_SHA1)); /* no vnet, nobody to talk to */
	g->vnets = 1;
	assert_ptr_equal(group_by_key_id(gs, 0x22, SUITE_AES128_SHA1), g);
	assert_ptr_equal(group_by_key_id(gs, 0x21, SUITE_AES128_SHA1), g);
	assert_null(group_by_key_id(gs, 0x22, SUITE_NULL_SHA1));
	assert_null(group_by_key_id(gs, 0x11, SUITE_AES128_SHA1));
	group_put(gs, g);
}

static void
key_id_to_begin_with(void **state)
{
	struct group *g = with_vnet("site", "aes128-sha1");
	struct discover heard = { .n_keys = 1, .keys = { { 0x21, 1u << SUITE_AES128_SHA1 } } };

	(void)state;
	assert_int_equal(group_key_id(gs, g, NULL), 0x22);
	assert_int_equal(group_key_id(gs, g, &heard), 0x21); /* it has only the old one */
	heard.keys[1] = (struct discover_key){ 0x22, 1u << SUITE_AES128_SHA1 };
	heard.n_keys = 2;
	assert_int_equal(group_key_id(gs, g, &heard), 0x22);
	heard.n_keys = 0;
	assert_int_equal(group_key_id(gs, g, &heard), 0x22);
	group_put(gs, g);
}

static void
discover_tells_what_there_is(void **state)
{
	struct group *a = with_vnet("site", "aes128-sha1"), *b = with_vnet("site", "null-sha1"),
		     *c = with_vnet("default", "aes128gcm"), *none = with_vnet("", "none"),
		     *unused = group_get(gs, "default", suite("null-sha1")),
		     *broken = with_vnet("broken", "null-sha1");
	struct discover d;
	char text[64];

	(void)state;
	memset(&d, 0xff, sizeof(d));
	groups_discover(gs, &d);
	assert_int_equal(d.flags, DISCOVER_FLAG_CLEAR);
	assert_int_equal(d.n_keys, 3);
	for (unsigned i = 0; i < d.n_keys; i++)
		assert_int_equal(d.keys[i].suites,
		    d.keys[i].key_id == 0x11 ? 1u << SUITE_AES128GCM
					     : 1u << SUITE_AES128_SHA1 | 1u << SUITE_NULL_SHA1);
	assert_true(group_heard(gs, a, &d));
	assert_true(group_heard(gs, none, &d));
	assert_true(group_heard(gs, c, &d));
	assert_false(group_heard(gs, unused, &d)); /* the key, but with another suite */
	assert_true(group_suites_differ(gs, unused, &d, text, sizeof(text)));
	assert_string_equal(text, "aes128gcm");
	assert_false(group_suites_differ(gs, a, &d, text, sizeof(text)));
	assert_false(group_suites_differ(gs, broken, &d, text, sizeof(text)));
	assert_false(group_heard(gs, broken, &d));
	d.n_keys = 0;
	d.flags = 0;
	assert_false(group_heard(gs, a, &d));
	assert_false(group_heard(gs, none, &d));
	d.keys[0] = (struct discover_key){ 0, 0xffff };
	d.n_keys = 1;
	assert_false(group_heard(gs, broken, &d)); /* key 0 is no key */
	group_put(gs, a);
	group_put(gs, b);
	group_put(gs, c);
	group_put(gs, none);
	group_put(gs, unused);
	group_put(gs, broken);
}

static void
trouble_is_told(void **state)
{
	struct group *g = with_vnet("site", "aes128-sha1");
	struct discover d = { .n_keys = 1, .keys = { { 0x22, 1u << SUITE_AES128_SHA1 } } };
	char text[GROUP_TROUBLE_MAX];

	(void)state;
	assert_false(group_trouble(gs, g, &d, text));
	d.keys[0].key_id = 0x21; /* the old one will do */
	assert_false(group_trouble(gs, g, &d, text));
	d.keys[0].suites = 1u << SUITE_AES256GCM;
	assert_true(group_trouble(gs, g, &d, text));
	assert_string_equal(text,
	    "suites differ: key \"site\" has vnets with aes128-sha1 here and with aes256gcm there");
	d.keys[0].key_id = 0x11; /* has no part in the group, but no other key either */
	assert_false(group_trouble(gs, g, &d, text));
	d.keys[1] = (struct discover_key){ 0x33, 1u << SUITE_AES128_SHA1 };
	d.n_keys = 2;
	assert_true(group_trouble(gs, g, &d, text));
	assert_string_equal(text,
	    "keys differ: \"site\" is 00000022 here, and that host has not got it but 00000033");
	g->vnets = 0;
	assert_false(group_trouble(gs, g, &d, text));
	group_put(gs, g);
}

/* All suites of a key in a text that is too short for them. */
static void
suites_in_little_room(void **state)
{
	struct group *g = with_vnet("site", "null-sha1");
	struct discover d = { .n_keys = 1,
		.keys = { { 0x22, 0xffff & ~(1u << SUITE_NULL_SHA1) } } };
	char text[100];

	(void)state;
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		group_suites_differ(gs, g, &d, text, size);
		assert_true(strnlen(text, size) < size);
		assert_int_equal(text[size], 'x');
	}
	assert_string_equal(text, "aes128-sha1, null-sha256, aes128-sha256, aes128gcm, aes256gcm");
	group_put(gs, g);
}

/* More keys than fit into one DISCOVER. */
static void
too_many_keys(void **state)
{
	struct group *g[DISCOVER_KEYS_MAX + 10];
	struct discover d;
	char name[KEY_NAME_MAX];

	(void)state;
	for (unsigned i = 0; i < DISCOVER_KEYS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "key%u", i);
		add_key(name, 0x1000 + i, 0);
		g[i] = with_vnet(name, "null-sha1");
	}
	groups_discover(gs, &d);
	assert_int_equal(d.n_keys, DISCOVER_KEYS_MAX);
	for (unsigned i = 0; i < DISCOVER_KEYS_MAX + 10; i++)
		group_put(gs, g[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_per_key_and_suite, setup, teardown),
		cmocka_unit_test_setup_teardown(none_has_no_key, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_that_are_not_usable, setup, teardown),
		cmocka_unit_test_setup_teardown(found_by_key_id, setup, teardown),
		cmocka_unit_test_setup_teardown(key_id_to_begin_with, setup, teardown),
		cmocka_unit_test_setup_teardown(discover_tells_what_there_is, setup, teardown),
		cmocka_unit_test_setup_teardown(trouble_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(suites_in_little_room, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_keys, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
