/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of commands: what they are called, what they take, and what `vn help` says of them. */
#include "cli/cmd.h"

/* The settings of a vnet; what holds where one is not said depends on the command. */
#define SETTINGS(DEFAULT)                                                                       \
	{ OPT_SECURITY, 's', "security", "LEVEL",                                               \
		"none: clear; auth: nobody can forge or replay; conf: nor read." DEFAULT(       \
		    "none, or what the suite gives") },                                         \
	    { OPT_SUITE, '\0', "suite", "SUITE",                                                \
		    "The ESP algorithms: null-sha1, null-sha256 (auth); aes128-sha1, "          \
		    "aes128-sha256, "                                                           \
		    "aes128gcm, aes256gcm (conf)." DEFAULT("null-sha1, aes128-sha1") },         \
	    { OPT_KEY, 'k', "key", "NAME",                                                      \
		    "The key that hosts must share." DEFAULT(                                   \
			"default, which is hard-wired and public until there is a key file of " \
			"that "                                                                 \
			"name") },                                                              \
	    { OPT_BRIDGE, 'b', "bridge", "NAME",                                                \
		    "Make the device a port of this bridge, which is made if need be." DEFAULT( \
			"none") },                                                              \
	    { OPT_MTU, '\0', "mtu", "BYTES",                                                    \
		    "MTU of the device, or \"auto\"." DEFAULT(                                  \
			"auto, what fits without fragments") },                                 \
	    { OPT_OFFLOAD, '\0', "offload", "MODE",                                             \
		    "May the kernel carry it? auto; off; require: refused where it "            \
		    "cannot." DEFAULT("auto") },                                                \
	{                                                                                       \
		OPT_ADDRESS, '\0', "address", "ADDRESS/LEN",                                    \
		    "Give the device this address; may be repeated." DEFAULT("none")            \
	}
#define WHEN_CREATED(text) " Default: " text "."
#define UNCHANGED(text)	   " Default: as it is."

static const struct vn_option create_options[] = {
	SETTINGS(WHEN_CREATED),
	{ OPT_VNETIF, 'v', "vnetif", "NAME",
	    "Name of the device. Default: vnif and the last field of the id, as in vnif0097." },
	VN_OPTION_END,
};
static const struct vn_option set_options[] = { SETTINGS(UNCHANGED), VN_OPTION_END };
static const struct vn_option delete_options[] = {
	{ OPT_BRIDGE, 'b', "bridge", NULL, "Delete its bridge too. Default: the bridge stays." },
	VN_OPTION_END,
};
static const struct vn_option vnets_options[] = {
	{ OPT_ALL, 'a', "all", NULL, "Also vifs and VARP entries. Default: vnets only." },
	{ OPT_LONG, 'l', "long", NULL,
	    "Also the device's addresses, its bridge and the bridge's interfaces. Default: no." },
	VN_OPTION_END,
};
static const struct vn_option stored_options[] = {
	{ OPT_LONG, 'l', "long", NULL, "The stored forms. Default: ids only." },
	VN_OPTION_END,
};
static const struct vn_option bridges_options[] = {
	{ OPT_LONG, 'l', "long", NULL, "Also their interfaces. Default: names only." },
	VN_OPTION_END,
};
static const struct vn_option vif_options[] = {
	{ OPT_INTERFACE, 'i', "interface", NULL,
	    "MAC is the name of a device, whose address is used. Default: MAC is an address." },
	VN_OPTION_END,
};
static const struct vn_option peer_options[] = {
	{ OPT_PORT, 'p', "port", "N", "UDP port of the peer. Default: 1798." },
	VN_OPTION_END,
};
static const struct vn_option peer_add_options[] = {
	{ OPT_PORT, 'p', "port", "N", "UDP port of the peer. Default: 1798." },
	{ OPT_VXLAN, '\0', "vxlan", NULL,
	    "HOST is the IP address of a kernel VXLAN device without vnetd: a member of every vnet "
	    "of "
	    "level none with an id of 16 bits, which is its VNI. Default: a host with vnetd." },
	{ OPT_HUB, '\0', "hub", NULL,
	    "With --vxlan: this host carries the device to all other members, which then need not "
	    "name it. Default: only this host reaches it." },
	VN_OPTION_END,
};
static const struct vn_option gen_options[] = {
	{ OPT_REPLACE, '\0', "replace", NULL,
	    "Replace a key that exists; the old one is accepted until key-retire. Default: an "
	    "existing key is refused." },
	VN_OPTION_END,
};
static const struct vn_option sas_options[] = {
	{ OPT_KEYS, '\0', "keys", NULL,
	    "Also the keys, to decrypt captured packets. Root only, and logged. Default: no." },
	{ OPT_FORMAT, '\0', "format", "FORMAT",
	    "table; sxp; wireshark (lines of its file esp_sa) or ip-xfrm (commands), both of which "
	    "need --keys. Default: table, with --keys wireshark." },
	VN_OPTION_END,
};
static const struct vn_option insmod_options[] = {
	{ OPT_LEGACY, '\0', "legacy-vnets", NULL,
	    "Make vnets 2, 3 and 4 (vnif0002 to vnif0004, level none), as the module of old did. "
	    "Default: no." },
	VN_OPTION_END,
};

const struct vn_command vn_commands[] = {
	{ "Vnets", "vnet-create", "ID|FILE", 1, 1, cmd_vnet_create, create_options,
	    "make a vnet and its device",
	    "Makes vnet ID: 1 to 4 hex digits, or 8 such groups with colons between. Silent on "
	    "success, and when it exists with these settings. FILE holds one or several forms "
	    "(vnet (id ID) (vnetif NAME) (bridge NAME) (security LEVEL) ..) and takes no options.\n"
	    "Example: vn vnet-create -s conf -b vnet97 97" },
	{ "Vnets", "vnet-set", "VNET", 1, 1, cmd_vnet_set, set_options,
	    "change settings of a vnet, keeping its device",
	    "What is not named stays as it is; addresses named replace all it had, and -b \"\" "
	    "takes "
	    "its device out of a bridge.\n"
	    "Example: vn vnet-set --suite aes256gcm 97" },
	{ "Vnets", "vnet-delete", "VNET", 1, 1, cmd_vnet_delete, delete_options,
	    "remove a vnet and its device", "Example: vn vnet-delete -b 97" },
	{ "Vnets", "vnets", "[VNET..]", 0, VN_ARGS_ANY, cmd_vnets, vnets_options, "list vnets",
	    "Lists these vnets, or all, by id.\nExample: vn vnets -l 97" },
	{ "Vnets", "vnifs", "[VNET..]", 0, VN_ARGS_ANY, cmd_vnifs, NULL,
	    "list the devices of vnets", "Only what vnets -l adds.\nExample: vn vnifs" },
	{ "Vnets", "vnet-list", "", 0, 0, cmd_vnet_list, stored_options, "list stored vnets",
	    "Those that a restart makes again.\nExample: vn vnet-list -l" },
	{ "Vnets", "bridges", "", 0, 0, cmd_bridges, bridges_options, "list bridges",
	    "Example: vn bridges -l" },

	{ "MAC addresses", "vifs", "", 0, 0, cmd_vifs, NULL, "list MAC addresses seen on this host",
	    "Example: vn vifs" },
	{ "MAC addresses", "vif-add", "VNET MAC", 2, 2, cmd_vif_add, vif_options,
	    "announce a MAC address of this host",
	    "For a machine that is silent, as one that was moved here.\n"
	    "Example: vn vif-add 97 02:00:00:00:00:01" },
	{ "MAC addresses", "vif-delete", "VNET MAC", 2, 2, cmd_vif_delete, vif_options,
	    "withdraw a MAC address of this host", "Example: vn vif-delete -i 97 tap0" },
	{ "MAC addresses", "varp", "", 0, 0, cmd_varp, NULL,
	    "list which host has which MAC address", "Example: vn varp" },
	{ "MAC addresses", "varp-flush", "", 0, 0, cmd_varp_flush, NULL,
	    "forget which host has which MAC address", "Example: vn varp-flush" },

	{ "Other hosts", "peers", "", 0, 0, cmd_peers, NULL,
	    "list hosts, their state and what is wrong", "Example: vn peers" },
	{ "Other hosts", "peer-add", "HOST", 1, 1, cmd_peer_add, peer_add_options,
	    "look for a host that multicast does not reach",
	    "HOST is an IP address or a name.\nExample: vn peer-add gate.example.org" },
	{ "Other hosts", "peer-delete", "HOST", 1, 1, cmd_peer_delete, peer_options,
	    "look for it no more", "Example: vn peer-delete gate.example.org" },
	{ "Other hosts", "sas", "", 0, 0, cmd_sas, sas_options, "list security associations",
	    "Example: vn sas --keys >>~/.config/wireshark/esp_sa" },
	{ "Other hosts", "sa-add", "FILE", 1, 1, cmd_sa_add, NULL,
	    "add a member that has ip xfrm, but no vnetd",
	    "FILE, which only its owner may read, holds one or several forms "
	    "(sa (peer ADDRESS) (level LEVEL) (spi-in N) (spi-out N) (auth-in KEY) ..); they are "
	    "kept and never rekeyed. See MANUAL SAS in vn(8).\nExample: vn sa-add ~/gate.sa" },
	{ "Other hosts", "sa-delete", "PEER [LEVEL]", 1, 2, cmd_sa_delete, NULL,
	    "forget manual SAs and their keys",
	    "Of level auth or conf, or of both.\nExample: vn sa-delete 192.0.2.7" },

	{ "Keys", "keys", "", 0, 0, cmd_keys, NULL, "list keys by name, never their secrets",
	    "Example: vn keys" },
	{ "Keys", "key-gen", "NAME", 1, 1, cmd_key_gen, gen_options, "make a key file",
	    "Other hosts need a copy of the file.\nExample: vn key-gen office" },
	{ "Keys", "key-reload", "", 0, 0, cmd_key_reload, NULL, "read the key files again",
	    "Example: vn key-reload" },
	{ "Keys", "key-retire", "NAME", 1, 1, cmd_key_retire, NULL,
	    "no longer accept the key that was replaced", "Example: vn key-retire office" },

	{ "System", "status", "", 0, 0, cmd_status, NULL,
	    "tell how vnetd is, and which ports must be open", "Example: vn status" },
	{ "System", "stats", "", 0, 0, cmd_stats, NULL, "print all counters",
	    "Example: vn stats | grep drop" },
	{ "System", "offload", "[on|off|auto]", 0, 1, cmd_offload, NULL,
	    "tell what the kernel carries, or whether it may",
	    "Off: all goes in software, at once, and no connection is lost. On is auto, and "
	    "refused "
	    "where the kernel cannot. Until vnetd is started again; vnetd --offload is for good.\n"
	    "Example: vn offload off" },
	{ "System", "insmod", "[varp_mcaddr=ADDR]", 0, 1, cmd_insmod, insmod_options,
	    "load kernel modules that help, and start vnetd",
	    "ADDR is the multicast group to find others by. Default: 224.10.0.1. Fine when vnetd "
	    "runs already.\n"
	    "Example: vn insmod varp_mcaddr=224.10.0.2" },
	{ "System", "help", "[COMMAND]", 0, 1, cmd_help, NULL, "print this, or all about a command",
	    "Example: vn help vnet-create" },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
