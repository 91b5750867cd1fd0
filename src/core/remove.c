/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/remove.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/priv_kernel.h"
#include "core/priv_link.h"
#include "core/role.h"
#include "core/startup.h"

static void
tell(void *arg, const char *ifname, int err, const struct priv_answer *a)
{
	bool *all = arg;

	if (err == 0)
		puts(ifname);
	else
		fprintf(stderr, "vnetd: %s\n", a->text);
	*all &= err == 0;
}

int
remove_devices(const struct options *o)
{
	const struct passwd *pw = getpwnam(role_user(ROLE_ENGINE));
	struct priv_link *l;
	bool all = true;
	int err;

	if (geteuid() != 0) {
		fprintf(
		    stderr, "vnetd: --remove-devices: run by uid %u, expected root\n", geteuid());
		return 1;
	}
	if (!pw) /* nor can anything be its */
		return 0;
	if (!startup_lock(o))
		return 1;
	l = priv_link_new(pw->pw_uid);
	err = l ? priv_link_delete_all(l, tell, &all) : -errno;
	if (err)
		fprintf(stderr, "vnetd: --remove-devices: cannot list devices: %s\n",
		    strerrordesc_np(-err));
	priv_link_free(l);
	if (!err)
		err = priv_kernel_remove_left();
	return err || !all;
}
