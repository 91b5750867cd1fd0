/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Bytes of the engine that priv keeps without looking at them: they come as a sealed memfd; the
 * state is stored so that at any moment the file is the old or the new one, whole. In priv.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PRIV_STATE_FILE "state"
#define PRIV_STATE_TEMP "state.new"

/*
 * The calls that change the disk: a seam where tests let them fail. Each as its namesake in the C
 * library.
 */
struct priv_state_calls {
	int (*openat)(int dir, const char *name, int flags, mode_t mode);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	int (*fsync)(int fd);
	int (*renameat)(int old_dir, const char *old, int new_dir, const char *new);
	int (*unlinkat)(int dir, const char *name, int flags);
};

extern const struct priv_state_calls priv_state_libc;

/* Is fd a memfd of exactly len bytes whose content can no longer change? 0 or -EINVAL. */
int priv_state_check_blob(int fd, uint64_t len);
/*
 * Replaces the state file in dir by the bytes of blob (checked before). 0 or -errno: after an error
 * it is the old or the new one.
 */
int priv_state_store(const struct priv_state_calls *calls, int dir, int blob, size_t len);
/* The state file for reading: a descriptor, -ENOENT, -errno. */
int priv_state_open(int dir);
/*
 * The file of struct priv_numbers, made if it is of another boot: a descriptor or -errno. It needs
 * no fsync(), for what a crash of the machine leaves of it is of another boot.
 */
#define PRIV_NUMBERS_FILE "numbers"
int priv_numbers_open(int dir, const char *boot);
/* Does the kernel have one of them? */
bool priv_numbers_lent(int fd);
/* The kernel has it no more; the last number it has taken, 0 if it has taken none. */
void priv_numbers_end(int fd, uint32_t spi_in, uint64_t kernel);
/* Removes what a store left that did not end. */
void priv_state_clean(int dir);
