/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/priv_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/major.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TUN_MINOR 200
#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* What base/segment.h does for the kernel. */
#define TAP_OFFLOADS	 (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)
#define TAP_OFFLOADS_UDP (TAP_OFFLOADS | TUN_F_USO4 | TUN_F_USO6)
#define TAP_FLAGS	 (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)

int
priv_tap_attach(const char *ifname, uid_t owner, bool create, bool *opened)
{
	struct ifreq ifr = { .ifr_flags = (short)(TAP_FLAGS | (create ? IFF_TUN_EXCL : 0)) };
	int fd = open(PRIV_TAP_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC), err;

	*opened = fd >= 0;
	if (fd < 0)
		return -errno;
	strncpy(ifr.ifr_name, ifname, sizeof(ifr.ifr_name) - 1);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0 && ioctl(fd, TUNSETOWNER, (unsigned long)owner) == 0 &&
	    ioctl(fd, TUNSETPERSIST, 1ul) == 0 &&
	    (ioctl(fd, TUNSETOFFLOAD, (unsigned long)TAP_OFFLOADS_UDP) == 0 ||
		ioctl(fd, TUNSETOFFLOAD, (unsigned long)TAP_OFFLOADS) == 0))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int
priv_tap_make_plain(int fd)
{
	return ioctl(fd, TUNSETOFFLOAD, 0ul) < 0 ? -errno : 0;
}

bool
priv_tap_is(int fd, const char *ifname)
{
	struct ifreq ifr = { 0 };
	struct stat st;

	/* The number of the ioctl may mean something else to another device. */
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(MISC_MAJOR, TUN_MINOR))
		return false;
	return ioctl(fd, TUNGETIFF, &ifr) == 0 && (ifr.ifr_flags & TAP_FLAGS) == TAP_FLAGS &&
	       strncmp(ifr.ifr_name, ifname, sizeof(ifr.ifr_name)) == 0;
}

void
priv_tap_abandon(int fd)
{
	ioctl(fd, TUNSETPERSIST, 0ul);
}
