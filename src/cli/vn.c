/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/vn.h"

static enum vn_status
run(struct vn *vn)
{
	if (vn->value[OPT_VERSION]) {
		printf("vn " PACKAGE_VERSION "\n");
		return VN_OK;
	}
	if (vn->value[OPT_HELP]) {
		vn_print_help(vn->command);
		return VN_OK;
	}
	return vn->command->run(vn);
}

int
main(int argc, char **argv)
{
	struct vn vn;
	enum vn_status status = vn_parse(argc, argv, &vn);

	if (status == VN_OK)
		status = run(&vn);
	client_close(vn.client);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == VN_OK) {
		complain("standard output", "%s", strerror(errno));
		status = VN_REFUSED;
	}
	return (int)status;
}
