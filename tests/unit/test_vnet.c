/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/vnet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/datagram.h"

static struct vnets vs;

static int
setup(void **state)
{
	(void)state;
	return vnets_init(&vs);
}

static int
teardown(void **state)
{
	(void)state;
	vnets_fini(&vs);
	return 0;
}

static struct vnetspec
spec(const char *id, const char *ifname)
{
	struct vnetspec s = { 0 };

	assert_true(vnetid_parse(id, &s.id));
	snprintf(s.ifname, sizeof(s.ifname), "%s", ifname);
	return s;
}

static struct vnet *
add(const char *id, const char *ifname)
{
	struct vnetspec s = spec(id, ifname);
	struct vnet *v;
	int err;

	v = vnet_add(&vs, &s, &err);
	assert_non_null(v);
	return v;
}

/* A long id that ends in n. */
static struct vnet *
add_long(unsigned n)
{
	char id[VNETID_STRLEN];

	snprintf(id, sizeof(id), "1:0:0:0:0:0:%x:%x", n >> 16, n & 0xffff);
	return add(id, "a");
}

static void
found_in_every_way(void **state)
{
	struct vnet *a = add("0061", "vnif0061"), *b = add("1:2:3:4:5:6:7:8", "long0");
	struct vnetspec again = spec("97", "other");
	int err = 0;

	(void)state;
	assert_ptr_equal(vnet_by_id(&vs, &a->id), a);
	assert_ptr_equal(vnet_by_vni(&vs, 0x61), a);
	assert_ptr_equal(vnet_by_vni(&vs, b->vni), b);
	assert_null(vnet_by_vni(&vs, 0x62));
	assert_ptr_equal(vnet_by_ifname(&vs, "long0"), b);
	assert_null(vnet_by_ifname(&vs, "long1"));
	assert_ptr_equal(vnet_by_text(&vs, "61"), a);
	assert_ptr_equal(vnet_by_text(&vs, "1:2:3:4:5:6:7:8"), b);
	assert_ptr_equal(vnet_by_text(&vs, "vnif0061"), a);
	assert_null(vnet_by_text(&vs, "62"));
	assert_null(vnet_by_text(&vs, ""));
	a->ifindex = 5;
	assert_null(vnet_by_ifindex(&vs, 5)); /* of an earlier device */
	a->tap = 3;
	assert_ptr_equal(vnet_by_ifindex(&vs, 5), a);
	a->tap = -1;
	again.id = a->id;
	assert_null(vnet_add(&vs, &again, &err));
	assert_int_equal(err, -EEXIST);
	assert_int_equal(vs.count, 2);
	assert_ptr_equal(vnet_by_vni(&vs, 0x61), a);
}

static void
sorted_by_id(void **state)
{
	static const char *const ids[] = { "30", "2", "1:0:0:0:0:0:0:1", "ffff", "31" };
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		add(ids[i], ids[i]);
	for (struct vnet *v = vs.first; v != NULL; v = v->next, n++)
		if (v->next != NULL)
			assert_true(vnetid_compare(&v->id, &v->next->id) < 0);
	assert_int_equal(n, 5);
	vnet_remove(&vs, vnet_by_text(&vs, "30"));
	assert_null(vnet_by_text(&vs, "30"));
	assert_int_equal(vs.count, 4);
}

static void
labels(void **state)
{
	struct vnet *a = add_long(1), *b = add_long(2), *c;
	uint32_t vni = a->vni;

	(void)state;
	assert_int_equal(a->vni, VNI_LABEL_MIN);
	assert_int_equal(b->vni, VNI_LABEL_MIN + 1);
	assert_int_equal(add("ffff", "s")->vni, 0xffff);
	/* Remembered, and not given to another. */
	vnet_remove(&vs, a);
	c = add_long(3);
	assert_int_equal(c->vni, VNI_LABEL_MIN + 2);
	assert_int_equal(add_long(1)->vni, vni);
	/* From a state file. */
	struct vnetid id;
	assert_true(vnetid_parse("1:0:0:0:0:0:0:9", &id));
	vnets_label_set(&vs, &id, VNI_LABEL_MIN + 100);
	assert_int_equal(add_long(9)->vni, VNI_LABEL_MIN + 100);
	assert_int_equal(add_long(10)->vni, VNI_LABEL_MIN + 101);
}

static void
last_label(void **state)
{
	struct vnetspec s = spec("1:0:0:0:0:0:0:a", "x");
	struct vnetid id;
	int err = 0;

	(void)state;
	assert_true(vnetid_parse("1:0:0:0:0:0:0:9", &id));
	vnets_label_set(&vs, &id, VNI_PROBE - 1);
	assert_null(vnet_add(&vs, &s, &err)); /* VNI_PROBE is not one */
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(add_long(9)->vni, VNI_PROBE - 1);
}

static void
count_label(void *ctx, const struct vnetid *id, uint32_t vni)
{
	unsigned *n = ctx;

	(void)id;
	assert_true(vni >= VNI_LABEL_MIN);
	++*n;
}

/* Made and removed for years: what is remembered stays bounded, and the labels of what is there stay. */
static void
labels_of_vnets_that_come_and_go(void **state)
{
	struct vnet *stays = add_long(1), *v = NULL;
	uint32_t vni = stays->vni, last = vni;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 2; i < 2 * VNETS_MAX + 1000; i++) {
		v = add_long(i);
		assert_true(v->vni > last);
		last = v->vni;
		vnet_remove(&vs, v);
	}
	assert_int_equal(stays->vni, vni);
	vnets_each_label(&vs, count_label, &n);
	assert_int_equal(n, 2 * VNETS_MAX);
	/* One that went late is remembered, the first is not. */
	assert_int_equal(add_long(2 * VNETS_MAX + 998)->vni, last - 1);
	assert_int_equal(add_long(2)->vni, last + 1);
}

static void
as_many_as_there_can_be(void **state)
{
	struct vnetspec s = spec("2:0:0:0:0:0:0:1", "x");
	int err = 0;

	(void)state;
	for (unsigned i = 0; i < VNETS_MAX; i++)
		add_long(i);
	assert_null(vnet_add(&vs, &s, &err));
	assert_int_equal(err, -ENOSPC);
	vnet_remove(&vs, vnet_by_vni(&vs, VNI_LABEL_MIN));
	assert_non_null(vnet_add(&vs, &s, &err));
}

static void
members(void **state)
{
	struct vnet *a = add("61", "a"), *b = add("62", "b");
	struct assoc *one = (struct assoc *)&one,
		     *two = (struct assoc *)&two; /* never looked into */
	struct member *m;

	(void)state;
	for (uint64_t h = 1; h <= 100; h++) {
		assert_non_null(member_add(&vs, a, one, h, 7));
		assert_non_null(member_add(&vs, b, one, h, 8));
	}
	assert_int_equal(a->n_members, 100);
	assert_null(member_find(&vs, 101, 0x61));
	m = member_find(&vs, 50, 0x61);
	assert_ptr_equal(m->vnet, a);
	assert_int_equal(m->label, 7);
	/* Again: it changes, and is no second one. */
	assert_ptr_equal(member_add(&vs, a, two, 50, 9), m);
	assert_int_equal(m->label, 9);
	assert_ptr_equal(m->assoc, two);
	assert_int_equal(a->n_members, 100);
	for (uint64_t h = 100; h >= 2; h -= 2)
		member_remove(&vs, member_find(&vs, h, 0x61));
	assert_int_equal(a->n_members, 50);
	for (size_t i = 0; i < a->n_members; i++) {
		assert_int_equal(a->members[i]->index, i);
		assert_int_equal(a->members[i]->key.host_id % 2, 1);
		assert_ptr_equal(member_find(&vs, a->members[i]->key.host_id, 0x61), a->members[i]);
	}
	assert_int_equal(b->n_members, 100);
	vnet_remove(&vs, b);
	assert_null(member_find(&vs, 1, 0x62));
	assert_int_equal(vs.members.count, 50);
}

static void
members_are_bounded(void **state)
{
	struct vnet *v = NULL;
	uint64_t n = 0;

	(void)state;
	for (unsigned i = 0; i < 17; i++) {
		v = add_long(i);
		for (uint64_t h = 1; h <= 4096; h++)
			n += member_add(&vs, v, NULL, h, 1) != NULL;
	}
	assert_int_equal(n, MEMBERS_MAX);
	assert_int_equal(v->n_members, 0);
	vnet_remove(&vs, v);
}

/* Frames that wait go back to their pool. */
static void
queue_is_freed(void **state)
{
	struct packet_pool *pool = packet_pool_new(4);
	struct vnet *v = add("61", "a");

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct packet *p = packet_get(pool);

		p->next = NULL;
		*v->queue_tail = p;
		v->queue_tail = &p->next;
	}
	assert_int_equal(packet_pool_available(pool), 1);
	vnet_remove(&vs, v);
	assert_int_equal(packet_pool_available(pool), 4);
	packet_pool_free(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(found_in_every_way, setup, teardown),
		cmocka_unit_test_setup_teardown(sorted_by_id, setup, teardown),
		cmocka_unit_test_setup_teardown(labels, setup, teardown),
		cmocka_unit_test_setup_teardown(last_label, setup, teardown),
		cmocka_unit_test_setup_teardown(labels_of_vnets_that_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(as_many_as_there_can_be, setup, teardown),
		cmocka_unit_test_setup_teardown(members, setup, teardown),
		cmocka_unit_test_setup_teardown(members_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(queue_is_freed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
