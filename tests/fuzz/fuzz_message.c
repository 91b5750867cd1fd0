/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* First byte: 0 a message, else a clear header; then its bytes. What is accepted is written back as the same bytes. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "varp/message.h"

enum class {
#define X(value, suffix, name) CLASS_##suffix,
	MESSAGE_TYPES(X)
#undef X
#define X(suffix, name) CLASS_V_##suffix,
	    MESSAGE_VERDICTS(X)
#undef X
		CLASS_CLEAR,
	CLASS_CLEAR_REFUSED
};

const char *const fuzz_classes[] = {
#define X(value, suffix, name) name,
	MESSAGE_TYPES(X)
#undef X
#define X(suffix, name) name,
	    MESSAGE_VERDICTS(X)
#undef X
		"clear header",
	"clear header refused",
	NULL,
};

static void
check(bool good)
{
	if (!good)
		abort();
}

static void
try_message(const uint8_t *data, size_t len)
{
	uint8_t again[MESSAGE_MAX];
	struct message m;
	enum message_verdict verdict = message_parse(data, len, &m);

	fuzz_saw(CLASS_V_OK + verdict);
	if (verdict != MESSAGE_OK_V)
		return;
	fuzz_saw(m.type - 1);
	check(message_write(&m, again, sizeof(again)) == len);
	check(!memcmp(again, data, len));
}

static void
try_clear(const uint8_t *data, size_t len)
{
	uint8_t again[CLEAR_HEADER_LEN];
	struct clear_header h;

	if (!clear_parse(data, len, &h)) {
		fuzz_saw(CLASS_CLEAR_REFUSED);
		return;
	}
	fuzz_saw(CLASS_CLEAR);
	check(h.host_id && h.nonce);
	clear_write(again, &h);
	check(!memcmp(again, data, sizeof(again)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len)
		(data[0] ? try_clear : try_message)(data + 1, len - 1);
	return 0;
}
