/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays a corpus through a fuzz target: fuzz_NAME [DIRECTORY], by default
 * tests/fuzz/corpus/NAME under $srcdir, which the test harness of make exports.
 */
#include "fuzz.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES_MAX = 256 };

static bool seen[CLASSES_MAX];
static unsigned nr_classes;

void
fuzz_saw(unsigned cls)
{
	if (cls >= nr_classes)
		errx(1, "class %u is not among the %u of fuzz_classes", cls, nr_classes);
	seen[cls] = true;
}

static void
replay_file(const char *path)
{
	uint8_t *data = NULL;
	size_t len = 0, room = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		err(1, "%s", path);
	do {
		room += 65536;
		data = realloc(data, room);
		if (!data)
			err(1, "%s", path);
		len += fread(data + len, 1, room - len, file);
	} while (len == room);
	if (ferror(file))
		err(1, "%s", path);
	fclose(file);

	/* A buffer of the exact size lets ASan see a read past the end; non-NULL when empty. */
	uint8_t *exact = malloc(len ? len : 1);

	if (!exact)
		err(1, "%s", path);
	memcpy(exact, data, len);
	free(data);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static int
visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static unsigned
replay_dir(const char *dir)
{
	struct dirent **list;
	int nr = scandir(dir, &list, visible, alphasort);

	if (nr < 0)
		err(1, "%s", dir);
	for (int i = 0; i < nr; i++) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name) >= PATH_MAX)
			errx(1, "%s/%s: path too long", dir, list[i]->d_name);
		replay_file(path);
		free(list[i]);
	}
	free(list);
	return (unsigned)nr;
}

int
main(int argc, char **argv)
{
	const char *name = program_invocation_short_name, *srcdir = getenv("srcdir");
	char dir[PATH_MAX];
	unsigned missing = 0;

	if (!strncmp(name, "fuzz_", 5))
		name += 5;
	if (argc > 2)
		errx(2, "usage: %s [DIRECTORY]", argv[0]);
	if (snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", name) >=
	    PATH_MAX)
		errx(1, "%s: path too long", srcdir);
	while (fuzz_classes[nr_classes])
		nr_classes++;
	if (nr_classes > CLASSES_MAX)
		errx(1, "more than %d classes", CLASSES_MAX);

	unsigned nr_files = replay_dir(argc > 1 ? argv[1] : dir);

	printf("fuzz %s: %u files, %u classes\n", name, nr_files, nr_classes);
	for (unsigned i = 0; i < nr_classes; i++) {
		if (seen[i])
			continue;
		fprintf(stderr, "no file of the corpus shows class \"%s\"\n", fuzz_classes[i]);
		missing++;
	}
	if (!nr_files)
		fprintf(stderr, "%s: corpus is empty\n", argc > 1 ? argv[1] : dir);
	return missing || !nr_files;
}
