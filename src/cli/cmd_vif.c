/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual interfaces: MAC addresses that live on this host. */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ether.h"
#include "cli/cmd.h"

enum vn_status
cmd_vifs(struct vn *vn)
{
	return vn_list(vn, vn_begin("vif.list"));
}

/* The address of an Ethernet device. 0 or -errno. */
static int
device_mac(const char *name, struct macaddr *mac)
{
	struct ifreq ifr = { 0 };
	int fd, error = 0;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return -ENODEV;
	strcpy(ifr.ifr_name, name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		error = -errno;
	else if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		error = -EPROTOTYPE;
	close(fd);
	if (error == 0)
		memcpy(mac, ifr.ifr_hwaddr.sa_data, sizeof(*mac));
	return error;
}

static enum vn_status
find_mac(const struct vn *vn, const char *text, struct macaddr *mac)
{
	int error = 0;

	if (!vn->value[OPT_INTERFACE] && !mac_parse(text, mac)) {
		complain(text, "expected a MAC address, as 02:00:00:00:00:01, or -i and a device");
		return VN_USAGE;
	}
	if (vn->value[OPT_INTERFACE])
		error = device_mac(text, mac);
	if (error) {
		complain(
		    text, "%s", error == -EPROTOTYPE ? "not an Ethernet device" : strerror(-error));
		return VN_REFUSED;
	}
	return VN_OK;
}

static enum vn_status
change_vif(struct vn *vn, const char *name)
{
	struct macaddr mac;
	enum vn_status status = find_mac(vn, vn->args[1], &mac);
	struct sxp_out request;
	char text[MAC_STRLEN];

	if (status != VN_OK)
		return status;
	request = vn_begin_with(name, "vnet", vn->args[0]);
	sxp_out_kv(&request, "vmac", mac_format(&mac, text));
	return vn_do(vn, request);
}

enum vn_status
cmd_vif_add(struct vn *vn)
{
	return change_vif(vn, "vif.add");
}

enum vn_status
cmd_vif_delete(struct vn *vn)
{
	return change_vif(vn, "vif.del");
}
