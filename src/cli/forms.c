/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of forms. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "cli/vn.h"

#define FORM_MAX 65536 /* what the daemon takes as a request */

enum vn_status
vn_file_error(const char *path, unsigned line, const char *text)
{
	char object[PATH_MAX + 12];

	snprintf(object, sizeof(object), "%s:%u", path, line);
	complain(object, "%s", text);
	return VN_REFUSED;
}

/* What one buffer of the file completes. */
static enum vn_status
feed(struct vn *vn, const char *path, struct sxp_parser *p, const char *text, size_t len,
    vn_form_fn *fn)
{
	enum vn_status status = VN_OK;

	while (len > 0 && status == VN_OK) {
		struct sxp *form;
		size_t used;
		int n = sxp_parser_feed(p, text, len, &used, &form);

		text += used;
		len -= used;
		if (n < 0)
			return vn_file_error(path, sxp_parser_line(p), sxp_parser_error(p));
		if (n > 0) {
			status = fn(vn, path, form);
			sxp_free(form);
		}
	}
	return status;
}

enum vn_status
vn_read_forms(struct vn *vn, const char *path, FILE *file, vn_form_fn *fn)
{
	struct sxp_parser *p = sxp_parser_new(FORM_MAX);
	enum vn_status status = VN_OK;
	char text[4096];
	size_t len;

	if (!p)
		return vn_file_error(path, 0, "out of memory");
	setbuf(file, NULL); /* text is the only copy, and wiped: there may be keys in it */
	while (status == VN_OK && (len = fread(text, 1, sizeof(text), file)) > 0)
		status = feed(vn, path, p, text, len, fn);
	explicit_bzero(text, sizeof(text));
	if (status == VN_OK && ferror(file))
		status = vn_file_error(path, sxp_parser_line(p), strerror(errno));
	else if (status == VN_OK && !sxp_parser_idle(p))
		status = vn_file_error(path, sxp_parser_line(p), "the file ends inside a form");
	sxp_parser_free(p);
	return status;
}
