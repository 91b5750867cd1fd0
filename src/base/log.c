/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 1024 /* of one message; what is longer is cut */
/* Every byte may become \xNN; then the priority, role and module in front and the newline. */
#define LINE_MAX_LEN (4 * TEXT_MAX + 128)

static const char *log_role;
static bool log_verbose;
static bool log_to_journal;

/* Is standard error what JOURNAL_STREAM names, "device:inode" (sd-daemon(3))? */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;
	char end;

	return stream && sscanf(stream, "%ju:%ju%c", &dev, &ino, &end) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void
log_init(const char *role, bool verbose)
{
	log_role = role;
	log_verbose = verbose;
	log_to_journal = stderr_is_journal();
}

static size_t
format_prefix(char *line, size_t size, enum log_level level, const char *module)
{
	char priority[8] = "";
	int n;

	if (log_to_journal)
		snprintf(priority, sizeof(priority), "<%d>", level);
	if (log_role)
		n = snprintf(line, size, "%svnetd[%s]: %s: ", priority, log_role, module);
	else
		n = snprintf(line, size, "%svnetd: %s: ", priority, module);
	return (size_t)n < size ? (size_t)n : size - 1;
}

__attribute__((format(printf, 4, 0))) static void
format_text(char *text, size_t size, int err, const char *fmt, va_list ap)
{
	size_t len;
	const char *reason;

	if (vsnprintf(text, size, fmt, ap) < 0)
		text[0] = '\0';
	if (err == 0)
		return;
	len = strlen(text);
	/* Unlike strerror() it has no buffer and no translations to load. */
	reason = strerrordesc_np(err);
	if (reason)
		snprintf(text + len, size - len, ": %s", reason);
	else
		snprintf(text + len, size - len, ": error %d", err);
}

/* What came from outside must not forge lines or drive the reader's terminal. */
static size_t
append_escaped(char *line, size_t len, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c >= ' ' && c <= '~') {
			line[len++] = *p;
			continue;
		}
		line[len++] = '\\';
		line[len++] = 'x';
		line[len++] = hex[c >> 4];
		line[len++] = hex[c & 15];
	}
	return len;
}

__attribute__((format(printf, 4, 0))) static void
emit(enum log_level level, const char *module, int err, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];
	char line[LINE_MAX_LEN];
	size_t len = format_prefix(line, LINE_MAX_LEN - 4 * TEXT_MAX, level, module);

	format_text(text, sizeof(text), err, fmt, ap);
	len = append_escaped(line, len, text);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody is left to tell */
}

void
log_emit(enum log_level level, const char *module, int err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (level == LOG_LEVEL_DEBUG && !log_verbose)
		return;
	va_start(ap, fmt);
	emit(level, module, err, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_fatal(const char *module, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_ERR, module, err, fmt, ap);
	va_end(ap);
	exit(1);
}
