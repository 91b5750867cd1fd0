/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manual SAs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd.h"

static enum vn_status
add_form(struct vn *vn, const char *path, const struct sxp *form)
{
	struct sxp_out request = vn_begin("sa.add");

	if (strcmp(sxp_name(form), "sa") != 0) {
		sxp_out_free(&request);
		return vn_file_error(path, form->line, "expected (sa (peer ADDRESS) ..)");
	}
	for (const struct sxp *e = sxp_args(form); e; e = e->next)
		sxp_out_expr(&request, e);
	return vn_do(vn, request);
}

static bool
check_file(const char *path, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		complain(path, "%s; expected a file of (sa ..) forms", strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		complain(path, "no regular file, expected one of (sa ..) forms");
		return false;
	}
	if (st.st_mode & 077) {
		complain(path,
		    "mode %04o lets others at its keys, expected 0600; they may have been read",
		    (unsigned)st.st_mode & 07777);
		return false;
	}
	return true;
}

enum vn_status
cmd_sa_add(struct vn *vn)
{
	const char *path = vn->args[0];
	/* O_NONBLOCK: a FIFO must not hold us up. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	enum vn_status status;
	FILE *file = NULL;

	if (!check_file(path, fd) || !(file = fdopen(fd, "r"))) {
		if (fd >= 0)
			close(fd);
		return VN_REFUSED;
	}
	status = vn_read_forms(vn, path, file, add_form);
	fclose(file);
	return status;
}

enum vn_status
cmd_sa_delete(struct vn *vn)
{
	struct sxp_out request = vn_begin_with("sa.del", "peer", vn->args[0]);

	if (vn->n_args > 1)
		sxp_out_kv(&request, "level", vn->args[1]);
	return vn_do(vn, request);
}
