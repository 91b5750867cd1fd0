/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/fastpath_load.h"

#define SLOTS_LEN ((FASTPATH_SLOTS + 1) * sizeof(struct fastpath_slot))

enum map { MAP_FLOWS, MAP_MEMBERS, MAP_PEERS, MAP_SLOTS, MAP_DEVICES, MAP_PROBES, MAPS };

static const char *const map_names[MAPS] = { "flows", "members", "peers", "slots", "devices",
	"probes" };
static const char *const program_names[FASTPATH_PROGRAMS] = { "from_none", "from_auth", "from_conf",
	"from_priv", "unsealed", "to_peer" };

struct fastpath {
	struct bpf_object *object;
	struct ring_buffer *ring;
	int maps[MAPS], programs[FASTPATH_PROGRAMS];
	void *slots;		 /* and the drops */
	fastpath_probe_fn *each; /* while probes are taken */
	void *arg;
};

/* The object file that the build made of fastpath.bpf.c. */
__asm__(".section .rodata\n"
	".balign 8\n"
	".globl fastpath_object\n"
	"fastpath_object: .incbin \"src/core/fastpath.bpf.o\"\n"
	".globl fastpath_object_end\n"
	"fastpath_object_end:\n"
	".previous\n");
extern const char fastpath_object[], fastpath_object_end[];

static int
ignore_words(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static int
note_probe(void *arg, void *data, size_t len)
{
	struct fastpath *f = arg;

	if (len == sizeof(struct fastpath_probe) && f->each)
		f->each(f->arg, data);
	return 0;
}

/* What could not be had, or NULL. */
static const char *
load(struct fastpath *f)
{
	size_t len = (uintptr_t)fastpath_object_end - (uintptr_t)fastpath_object;

	f->object = bpf_object__open_mem(fastpath_object, len, NULL);
	if (!f->object)
		return "BPF object";
	if (bpf_object__load(f->object) < 0)
		return "BPF programs";
	for (size_t i = 0; i < MAPS; i++) {
		f->maps[i] = bpf_object__find_map_fd_by_name(f->object, map_names[i]);
		if (f->maps[i] < 0)
			return map_names[i];
	}
	for (size_t i = 0; i < FASTPATH_PROGRAMS; i++) {
		const struct bpf_program *p = bpf_object__find_program_by_name(
		    f->object, program_names[i]);

		f->programs[i] = p ? bpf_program__fd(p) : -1;
		if (f->programs[i] < 0)
			return program_names[i];
	}
	f->slots = mmap(NULL, SLOTS_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, f->maps[MAP_SLOTS], 0);
	if (f->slots == MAP_FAILED)
		return "BPF map of slots";
	f->ring = ring_buffer__new(f->maps[MAP_PROBES], note_probe, f, NULL);
	return f->ring ? NULL : "BPF ring buffer";
}

struct fastpath *
fastpath_load(char *reason, size_t size)
{
	struct fastpath *f = calloc(1, sizeof(*f));
	const char *missing;

	if (!f) {
		snprintf(reason, size, "%s", strerrordesc_np(ENOMEM));
		return NULL;
	}
	f->slots = MAP_FAILED;
	libbpf_set_print(ignore_words);
	missing = load(f);
	if (!missing)
		return f;
	snprintf(reason, size, "%s: %s", missing, strerrordesc_np(errno));
	fastpath_free(f);
	return NULL;
}

void
fastpath_free(struct fastpath *f)
{
	if (!f)
		return;
	ring_buffer__free(f->ring);
	if (f->slots != MAP_FAILED)
		munmap(f->slots, SLOTS_LEN);
	bpf_object__close(f->object);
	free(f);
}

int
fastpath_program(const struct fastpath *f, enum fastpath_program p)
{
	return f->programs[p];
}

int
fastpath_slots(const struct fastpath *f)
{
	return f->maps[MAP_SLOTS];
}

void
fastpath_clear_slots(struct fastpath *f)
{
	memset(f->slots, 0, SLOTS_LEN);
}

int
fastpath_probes(const struct fastpath *f)
{
	return f->maps[MAP_PROBES];
}

void
fastpath_take_probes(struct fastpath *f, fastpath_probe_fn *each, void *arg)
{
	f->each = each;
	f->arg = arg;
	ring_buffer__consume(f->ring);
	f->each = NULL;
}

static int
set(const struct fastpath *f, enum map m, const void *key, const void *value)
{
	return bpf_map_update_elem(f->maps[m], key, value, BPF_ANY);
}

int
fastpath_set_device(struct fastpath *f, uint32_t level, uint32_t ifindex)
{
	return set(f, MAP_DEVICES, &level, &ifindex);
}

int
fastpath_set_peer(struct fastpath *f, uint32_t number, const struct fastpath_peer *p)
{
	return set(f, MAP_PEERS, &number, p);
}

int
fastpath_set_flow(
    struct fastpath *f, const struct fastpath_flow_key *k, const struct fastpath_flow *v)
{
	return set(f, MAP_FLOWS, k, v);
}

int
fastpath_get_flow(struct fastpath *f, const struct fastpath_flow_key *k, struct fastpath_flow *v)
{
	return bpf_map_lookup_elem(f->maps[MAP_FLOWS], k, v);
}

int
fastpath_delete_flow(struct fastpath *f, const struct fastpath_flow_key *k)
{
	return bpf_map_delete_elem(f->maps[MAP_FLOWS], k);
}

int
fastpath_set_member(
    struct fastpath *f, const struct fastpath_member_key *k, const struct fastpath_member *v)
{
	return set(f, MAP_MEMBERS, k, v);
}

int
fastpath_delete_member(struct fastpath *f, const struct fastpath_member_key *k)
{
	return bpf_map_delete_elem(f->maps[MAP_MEMBERS], k);
}
