/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What a fuzz target and its driver owe each other. The target calls fuzz_saw() with the class of
 * every outcome it reaches; the replay driver fails when the corpus leaves a class unseen, so each
 * message type and each kind of rejection stays in the corpus. Under libFuzzer it does nothing.
 */
#include <stddef.h>
#include <stdint.h>

/* Names of the classes, index = class, NULL at the end. Defined by the target. */
extern const char *const fuzz_classes[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

void fuzz_saw(unsigned cls);
