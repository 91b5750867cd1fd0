#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the corpora of fuzz_fit, fuzz_process and fuzz_command anew: after a change of core/role.h or core/privmsg.h,
whose structs are the bodies in the second, or of the commands. Run in tests/fuzz."""

import os
import socket
import struct


def write(name, data):
    path = os.path.join("corpus", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


# --- frames that do not fit ---

A, B = b"\x02\0\0\0\0\x0a", b"\x02\0\0\0\0\x0b"
MSS = b"\x02\x04\x05\xb4"           # 1460


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def v4(payload, proto=6, flags=0x4000, src="10.97.0.1", dst="10.97.0.2", length=None, options=b""):
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    length = length or 20 + len(options) + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, length, 7, flags, 64, proto, 0)
    head += ends + options
    return b"\x08\0" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def v6(payload, proto=6, src="fd00::1", dst="fd00::2", length=None):
    ends = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (src, dst))
    length = len(payload) if length is None else length
    return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, length, proto, 64) + ends + payload


def tcp(options=MSS, flags=2, offset=None, body=b""):
    options += b"\0" * (-len(options) % 4)
    offset = 5 + len(options) // 4 if offset is None else offset
    return struct.pack("!HHIIBBHHH", 1024, 80, 1, 0, offset << 4, flags, 64240, 0x1234, 0) + options + body


def tag(packet, n=1, kind=0x8100):
    return b"".join(struct.pack("!HH", kind, 100 + i) for i in range(n)) + packet


def fit():
    def save(name, packet, mtu=1400, dst=B):
        write(f"fit/{name}.bin", struct.pack("!H", mtu) + dst + A + packet)

    big = bytes(1500)
    save("clamped-v4", v4(tcp()))
    save("clamped-v4-options", v4(tcp(), options=b"\1" * 8))
    save("clamped-v6", v6(tcp()))
    save("clamped-odd", v4(tcp(b"\1" + MSS)))
    save("clamped-tagged", tag(v4(tcp())))
    save("clamped-tagged-twice", tag(v6(tcp()), 2, 0x88a8))
    save("clamped-after-others", v4(tcp(b"\4\2\x08\x0a" + bytes(8) + MSS)))
    save("mss-fits", v4(tcp(b"\2\4\5\0")))
    save("mss-none", v4(tcp(b"\4\2")))
    save("mss-of-3", v4(tcp(b"\2\3\5")))
    save("mtu-small", v4(tcp()), 40)
    save("no-syn", v4(tcp(flags=0x10)))
    save("fragment", v4(tcp(), flags=0x2000))
    save("options-cut", v4(tcp(b"\1\1\1\3")))
    save("options-zero", v4(tcp(b"\3\0\0\0")))
    save("options-long", v4(tcp(b"\2\x09\5\xb4")))
    save("tcp-short", v4(tcp()[:19]))
    save("tcp-offset-4", v4(tcp(offset=4)))
    save("tcp-offset-15", v4(tcp(offset=15)))
    save("udp", v4(bytes(30), 17))
    save("no-ip", b"\x08\x06" + bytes(28))
    save("tagged-thrice", tag(v4(tcp()), 3))
    save("frame-short", b"\x08")
    save("v4-short", b"\x08\0" + bytes(19))
    save("v4-version", b"\x08\0\x65" + v4(tcp())[3:])
    save("v4-header-4", b"\x08\0\x44" + v4(tcp())[3:])
    save("v4-length", v4(tcp(), length=1000))
    save("v4-length-short", v4(tcp(), length=19))
    save("v6-short", b"\x86\xdd" + bytes(39))
    save("v6-version", b"\x86\xdd\x40" + v6(tcp())[3:])
    save("v6-length", v6(tcp(), length=1000))
    save("told-v4", v4(big, 17))
    save("told-v4-tagged", tag(v4(big, 17)))
    save("told-v4-small", v4(bytes(60), 17), 70)
    save("told-v6", v6(big, 17))
    save("told-echo", v4(b"\x08" + big, 1))
    save("told-echo6", v6(b"\x80" + big, 58))
    save("error-v4", v4(b"\x03" + big, 1))
    save("error-v6", v6(b"\x01" + big, 58))
    save("too-big-no-df", v4(big, 17, flags=0))
    save("too-big-later-fragment", v4(big, 17, flags=0x4001))
    save("too-big-mtu-67", v4(big, 17), 67)
    save("too-big-v6-mtu-1279", v6(big, 17), 1279)
    save("too-big-group", v4(big, 17), dst=b"\x01\0\x5e\0\0\1")
    for name, src, dst in (("src-0", "0.0.0.0", "10.0.0.1"), ("src-127", "127.0.0.1", "10.0.0.1"),
                           ("src-group", "224.0.0.1", "10.0.0.1"), ("dst-group", "10.0.0.1", "224.0.0.1")):
        save(f"too-big-{name}", v4(big, 17, src=src, dst=dst))
    for name, src, dst in (("src-any6", "::", "fd00::1"), ("src-group6", "ff02::1", "fd00::1"),
                           ("dst-group6", "fd00::1", "ff02::1")):
        save(f"too-big-{name}", v6(big, 17, src=src, dst=dst))


# --- messages between processes ---

PARENT, ROLE, PRIV = range(3)
PARENT_ROLE, PRIV_ROLE, KEYS_ROLE, RESOLVE_ROLE, ENGINE_ROLE, ROLES = range(6)
OPTIONS, CHANNEL, START, READY, FAILED, STOP, RELOAD, SHUTDOWN, PIDS, PING, PONG, CONTROL = range(1, 13)
(TAP_OPEN, TAP_DELETE, LINK_SET_MTU, BRIDGE_ADD, BRIDGE_DELETE, BRIDGE_PORT, ADDR_ADD, ADDR_DELETE, SOCKET, KEEP_FD,
 CONFIG_LOAD, STATE_LOAD, STATE_STORE, MEMO_LOAD, MEMO_STORE) = range(1, 16)
(KERNEL_FIND, KERNEL_START, KERNEL_STOP, KERNEL_VNET_ADD, KERNEL_VNET_DELETE, KERNEL_PEER_ADD, KERNEL_PEER_DELETE,
 KERNEL_SA_ADD, KERNEL_SA_DELETE, KERNEL_SA_COUNT, KERNEL_MEMBER_ADD, KERNEL_MEMBER_DELETE, KERNEL_FLOW_SET,
 KERNEL_FLOW_DELETE, KERNEL_PROBE) = range(16, 31)
LANE_OPEN, LANE_KEEP = range(31, 33)
NUMBERS, ESP_SOCKET, ESP_KEEP, ESP_FILTER = range(33, 37)
KERNEL_SA_LIMIT, KERNEL_PORT = range(37, 39)
SIZEOF_OPTIONS = 4 * 256 + 64 + 8 + 6 + 2 + 4
UDP4, UDP6, TAP = range(3)
BLOB_MAX = 16 << 20


def name16(text):
    return text.encode().ljust(16, b"\0")


def address(text, family=None):
    v6 = ":" in text
    raw = socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, text)
    return struct.pack("=II16s", (socket.AF_INET6 if v6 else socket.AF_INET) if family is None else family, 0, raw)


def spis(*all_of_them, n=None):
    return struct.pack("=257I", len(all_of_them) if n is None else n, *all_of_them,
                       *(0,) * (256 - len(all_of_them)))


def process():
    def say(name, reader, role, kind, body=b"", fd=0):
        write(f"process/{name}.bin", bytes((reader, role, fd, kind)) + body)

    say("parent-ready", PARENT, KEYS_ROLE, READY)
    say("parent-failed", PARENT, PRIV_ROLE, FAILED, b"no".ljust(256, b"\0"))
    say("parent-shutdown", PARENT, ENGINE_ROLE, SHUTDOWN)
    say("parent-pong", PARENT, ENGINE_ROLE, PONG)
    say("reject-parent-pong-of-keys", PARENT, KEYS_ROLE, PONG)
    say("reject-parent-ready-long", PARENT, KEYS_ROLE, READY, b"\0")
    say("reject-parent-failed-no-nul", PARENT, KEYS_ROLE, FAILED, b"n" * 256)
    say("reject-parent-failed-short", PARENT, KEYS_ROLE, FAILED, b"n\0")
    say("reject-parent-descriptor", PARENT, KEYS_ROLE, READY, fd=1)
    say("reject-parent-type", PARENT, ENGINE_ROLE, OPTIONS, bytes(SIZEOF_OPTIONS))
    say("role-options", ROLE, KEYS_ROLE, OPTIONS, bytes(SIZEOF_OPTIONS))
    say("role-channel", ROLE, KEYS_ROLE, CHANNEL, struct.pack("=I", ENGINE_ROLE), 1)
    say("role-start", ROLE, KEYS_ROLE, START)
    say("role-stop", ROLE, KEYS_ROLE, STOP)
    say("role-reload", ROLE, ENGINE_ROLE, RELOAD)
    say("role-ping", ROLE, ENGINE_ROLE, PING)
    say("role-control", ROLE, ENGINE_ROLE, CONTROL, fd=1)
    say("role-pids", ROLE, ENGINE_ROLE, PIDS, bytes(8 * (ROLES - 1) + 8))
    say("reject-role-options-short", ROLE, KEYS_ROLE, OPTIONS, bytes(SIZEOF_OPTIONS - 1))
    say("reject-role-channel-no-fd", ROLE, KEYS_ROLE, CHANNEL, struct.pack("=I", ENGINE_ROLE))
    say("reject-role-channel-stranger", ROLE, KEYS_ROLE, CHANNEL, struct.pack("=I", PRIV_ROLE), 1)
    say("reject-role-channel-none", ROLE, KEYS_ROLE, CHANNEL, struct.pack("=I", 77), 1)
    say("reject-role-channel-short", ROLE, KEYS_ROLE, CHANNEL, b"\4", 1)
    say("reject-role-start-fd", ROLE, KEYS_ROLE, START, fd=1)
    say("reject-role-ping-of-keys", ROLE, KEYS_ROLE, PING)
    say("reject-role-control-no-fd", ROLE, ENGINE_ROLE, CONTROL)
    say("reject-role-control-of-priv", ROLE, PRIV_ROLE, CONTROL, fd=1)
    say("reject-role-pids-of-keys", ROLE, KEYS_ROLE, PIDS, bytes(40))
    say("reject-role-type", ROLE, ENGINE_ROLE, READY)
    say("reject-short", 0, 0, 0)
    write("process/reject-empty.bin", b"")

    def ask(name, kind, body=b"", fd=0):
        say(f"priv-{name}", PRIV, 0, kind, body, fd)

    name, mac = name16("vnif0097"), A + b"\0\0"
    ask("tap-open", TAP_OPEN, name + struct.pack("=I", 1500) + mac)
    ask("tap-delete", TAP_DELETE, name)
    ask("mtu", LINK_SET_MTU, name + struct.pack("=I", 65521))
    ask("bridge-add", BRIDGE_ADD, name)
    ask("bridge-delete", BRIDGE_DELETE, name)
    ask("bridge-port", BRIDGE_PORT, name + name16("br0"))
    ask("bridge-port-out", BRIDGE_PORT, name + name16(""))
    ask("addr-add", ADDR_ADD, name + address("10.97.0.1") + struct.pack("=I", 24))
    ask("addr-delete", ADDR_DELETE, name + address("fd00::1") + struct.pack("=I", 128))
    ask("socket", SOCKET, struct.pack("=II", UDP6, 1798))
    ask("keep", KEEP_FD, struct.pack("=I", TAP) + name, 1)
    ask("keep-udp", KEEP_FD, struct.pack("=I", UDP4) + bytes(16), 1)
    ask("config-load", CONFIG_LOAD)
    ask("state-load", STATE_LOAD)
    ask("state-store", STATE_STORE, struct.pack("=QQ", 1, 100), 1)
    ask("memo-load", MEMO_LOAD)
    ask("memo-store", MEMO_STORE, struct.pack("=QQ", 0, BLOB_MAX), 1)
    ask("reject-type-0", 0)
    ask("reject-type-200", 200)
    ask("reject-length", TAP_DELETE, name + b"\0")
    ask("reject-no-descriptor", STATE_STORE, struct.pack("=QQ", 1, 100))
    ask("reject-descriptor", TAP_DELETE, name, 1)
    ask("reject-name-no-end", TAP_DELETE, b"n" * 16)
    ask("reject-name-slash", TAP_DELETE, name16("a/b"))
    ask("reject-name-empty", BRIDGE_ADD, bytes(16))
    ask("reject-port-name", BRIDGE_PORT, bytes(16) + name)
    ask("reject-bridge-name", BRIDGE_PORT, name + name16("."))
    ask("reject-mtu-67", LINK_SET_MTU, name + struct.pack("=I", 67))
    ask("reject-mtu-large", TAP_OPEN, name + struct.pack("=I", 65522) + mac)
    ask("reject-mtu-name", LINK_SET_MTU, bytes(16) + struct.pack("=I", 1500))
    ask("reject-mac-group", TAP_OPEN, name + struct.pack("=I", 1500) + b"\1" + mac[1:])
    ask("reject-mac-zero", TAP_OPEN, name + struct.pack("=I", 1500) + bytes(8))
    ask("reject-family", ADDR_ADD, name + address("10.97.0.1", 3) + struct.pack("=I", 24))
    ask("reject-address-group", ADDR_ADD, name + address("224.0.0.1") + struct.pack("=I", 24))
    ask("reject-address-name", ADDR_ADD, bytes(16) + address("10.97.0.1") + struct.pack("=I", 24))
    ask("reject-prefix-0", ADDR_ADD, name + address("10.97.0.1") + struct.pack("=I", 0))
    ask("reject-prefix-33", ADDR_ADD, name + address("10.97.0.1") + struct.pack("=I", 33))
    ask("reject-prefix-129", ADDR_DELETE, name + address("fd00::1") + struct.pack("=I", 129))
    ask("reject-socket-port-0", SOCKET, struct.pack("=II", UDP4, 0))
    ask("reject-socket-port-65536", SOCKET, struct.pack("=II", UDP4, 65536))
    ask("reject-socket-kind", SOCKET, struct.pack("=II", TAP, 1798))
    ask("reject-keep-kind", KEEP_FD, struct.pack("=I", 3) + bytes(16), 1)
    ask("reject-keep-name", KEEP_FD, struct.pack("=I", TAP) + bytes(16), 1)
    ask("reject-blob", MEMO_STORE, struct.pack("=QQ", 0, BLOB_MAX + 1), 1)
    ask("lane-socket", LANE_OPEN, struct.pack("=II", UDP6, 1) + bytes(16))
    ask("lane-queue", LANE_OPEN, struct.pack("=II", TAP, 15) + name)
    ask("lane-keep", LANE_KEEP, struct.pack("=II", TAP, 2) + name, 1)
    ask("reject-lane-kind", LANE_OPEN, struct.pack("=II", 3, 1) + name)
    ask("reject-lane-0", LANE_OPEN, struct.pack("=II", UDP4, 0) + bytes(16))
    ask("reject-lane-16", LANE_KEEP, struct.pack("=II", UDP4, 16) + bytes(16), 1)
    ask("reject-lane-name", LANE_OPEN, struct.pack("=II", TAP, 1) + bytes(16))
    ask("numbers", NUMBERS)
    ask("esp-socket", ESP_SOCKET, struct.pack("=I", socket.AF_INET6))
    ask("esp-keep", ESP_KEEP, struct.pack("=I", socket.AF_INET), 1)
    ask("esp-filter", ESP_FILTER, spis(0x1001, 0xffffffff))
    ask("reject-esp-family", ESP_SOCKET, struct.pack("=I", socket.AF_UNIX))
    ask("reject-esp-filter-many", ESP_FILTER, spis(n=257))
    ask("reject-esp-filter-reserved", ESP_FILTER, spis(0x1001, 255))
    ask("reject-esp-filter-vxlan", ESP_FILTER, spis(0x08000000))
    kernel(ask, name, mac)


def kernel(ask, name, mac):
    """Requests about the kernel's path."""
    def word(*numbers):
        return struct.pack(f"={len(numbers)}I", *numbers)

    def peer(number=1, suite=2, local="192.0.2.1", remote="192.0.2.2", learn=0):
        return word(number, suite) + address(local) + address(remote) + word(learn)

    def sa(direction=0, spi=256, esn=1, window=4096, sport=1801, dport=1801, seq=0):
        return word(1, direction, spi, esn, window) + struct.pack("=HHQQQQQ", sport, dport, seq, 0, 0, 0, 0) + bytes(64)

    def flow(slot=0, number=1, vni=97, mtu=1392, to=mac):
        return name + to + word(slot, number, vni, mtu)

    ask("kernel-find", KERNEL_FIND)
    ask("kernel-start", KERNEL_START, word(1))
    ask("kernel-stop", KERNEL_STOP)
    ask("kernel-vnet-add", KERNEL_VNET_ADD, name)
    ask("kernel-vnet-delete", KERNEL_VNET_DELETE, name)
    ask("kernel-peer-add", KERNEL_PEER_ADD, peer())
    ask("kernel-peer-add-v6", KERNEL_PEER_ADD, peer(4096, 0, "2001:db8::1", "2001:db8::2"))
    ask("kernel-peer-delete", KERNEL_PEER_DELETE, word(1))
    ask("kernel-sa-add", KERNEL_SA_ADD, sa())
    ask("kernel-sa-add-out", KERNEL_SA_ADD, sa(1, esn=0, window=0, sport=0, dport=0))
    ask("kernel-sa-delete", KERNEL_SA_DELETE, word(1, 0, 256))
    ask("kernel-sa-count", KERNEL_SA_COUNT, word(1, 1, 256))
    ask("kernel-sa-limit", KERNEL_SA_LIMIT, word(1, 1, 256, 0) + struct.pack("=QQQQ", 1 << 20, 1 << 21, 0, 1 << 30))
    ask("kernel-port", KERNEL_PORT)
    ask("kernel-peer-learn", KERNEL_PEER_ADD, peer(learn=1))
    ask("kernel-member-add", KERNEL_MEMBER_ADD, word(1, 97) + name)
    ask("kernel-member-delete", KERNEL_MEMBER_DELETE, word(1, 97))
    ask("kernel-flow-set", KERNEL_FLOW_SET, flow())
    ask("kernel-flow-set-own", KERNEL_FLOW_SET, flow(number=0, vni=0, mtu=0))
    ask("kernel-flow-delete", KERNEL_FLOW_DELETE, name + mac[:6])
    ask("kernel-probe", KERNEL_PROBE, word(1, 0) + bytes(8))
    ask("reject-kernel-start", KERNEL_START, word(2))
    ask("reject-kernel-peer-0", KERNEL_PEER_ADD, peer(0))
    ask("reject-kernel-peer-large", KERNEL_PROBE, word(4097, 0) + bytes(8))
    ask("reject-kernel-suite", KERNEL_PEER_ADD, peer(suite=7))
    ask("reject-kernel-families", KERNEL_PEER_ADD, peer(remote="2001:db8::2"))
    ask("reject-kernel-address", KERNEL_PEER_ADD, peer(remote="224.0.0.1"))
    ask("reject-kernel-learn", KERNEL_PEER_ADD, peer(learn=2))
    ask("reject-kernel-limit", KERNEL_SA_LIMIT, word(1, 2, 256, 0) + bytes(32))
    ask("reject-kernel-direction", KERNEL_SA_ADD, sa(2))
    ask("reject-kernel-spi", KERNEL_SA_DELETE, word(1, 0, 255))
    ask("reject-kernel-spi-vxlan", KERNEL_SA_ADD, sa(spi=0x08000000))
    ask("reject-kernel-seq", KERNEL_SA_ADD, sa(esn=0, seq=1 << 32))
    ask("reject-kernel-esn", KERNEL_SA_ADD, sa(esn=2))
    ask("reject-kernel-window", KERNEL_SA_ADD, sa(window=4097))
    ask("reject-kernel-sa-port", KERNEL_SA_ADD, sa(sport=0))
    ask("reject-kernel-vni", KERNEL_MEMBER_ADD, word(1, 0xffffff) + name)
    ask("reject-kernel-member-name", KERNEL_MEMBER_ADD, word(1, 97) + bytes(16))
    ask("reject-kernel-slot", KERNEL_FLOW_SET, flow(32768))
    ask("reject-kernel-flow-mtu", KERNEL_FLOW_SET, flow(mtu=67))
    ask("reject-kernel-flow-mac", KERNEL_FLOW_SET, flow(to=bytes(8)))


# --- commands ---

def command():
    def save(name, text, refuse=0):
        write(f"command/{name}.txt", bytes([refuse]) + text)

    conf = b"(vnet.add (id 97) (vnetif vnif0097) (security conf) (bridge br0) (address 10.97.0.1/24))"
    none = b"(vnet.add (id 98) (security none))"
    long = b"(vnet.add (id 1:2:3:4:5:6:7:8) (security auth) (suite null-sha256) (mtu 1400))"
    save("vnets", conf + none + long + b"(vnet.list)(vnet.stored)(status)(stats)(bridge.list)(sa.list)")
    save("vnet-again", conf + conf + b"(vnet.add (id 97) (security auth))")
    save("vnet-set", conf + b"(vnet.set (vnet 97) (security none))(vnet.set (vnet 97) (security auth) (mtu 1300))"
         b"(vnet.set (vnet 97) (bridge br1) (address 10.97.0.2/24))(vnet.list)")
    save("vnet-set-refused", conf + b"(vnet.set (vnet 99))(vnet.set (vnet 97) (vnetif v))"
         b"(vnet.set (vnet 97) (key nokey))(vnet.set (vnet 97) (mtu 1))(vnet.set)")
    save("vnet-del", conf + b"(vnet.del (vnet vnif0097) (bridge yes))(vnet.del (id 97))(vnet.del)")
    save("vnet-add-refused", b"(vnet.add)(vnet.add (id 0))(vnet.add (id 97) (key nokey) (security conf))")
    save("priv-no", conf + none + b"(vnet.list)", 0x01)
    save("priv-no-address", conf + b"(vnet.list)", 0x08)
    save("priv-no-delete", conf + b"(vnet.set (vnet 97) (mtu 1300))(vnet.del (vnet 97))", 0x60)
    save("priv-never", conf + b"(vnet.set (vnet 97) (mtu 1300))(vnet.del (vnet 97))", 0xff)
    save("vifs", none + b"(vif.add (vnet 98) (vmac 02:00:00:00:00:01))(vif.add (vnet 98) (vmac 02:00:00:00:00:01))"
         b"(vif.list)(varp.list)(varp.print)(vif.list (vnet 98))(varp.flush)"
         b"(vif.del (vnet 98) (vmac 02:00:00:00:00:01))(vif.del (vnet 98) (vmac 02:00:00:00:00:01))")
    save("vifs-refused", none + b"(vif.add (vnet 98))(vif.add (vnet 98) (vmac 01:00:00:00:00:01))(vif.add (vnet 1))"
         b"(vif.add (vnet 98) (vmac 00:00:00:00:00:00))(vif.del (vnet 98) (vmac x))(vif.list (vnet 9))")
    save("lists-refused", b"(varp.list (vnet 9))(varp.print (vnet 9))(vnet.list (vnet 9))(vnet.stored (vnet 9))")
    save("mcaddr", b"(varp.mcaddr (addr 224.10.0.2) (ttl 4))(varp.mcaddr (addr ff02::1))(varp.mcaddr (addr 10.0.0.1))"
         b"(varp.mcaddr (addr 224.10.0.2) (ttl 0))(varp.mcaddr)(status)")
    save("peers", b"(peer.add (addr 192.0.2.9))(peer.add (addr 192.0.2.9) (port 1799))(peer.add (addr 2001:db8::9))"
         b"(peer.list)(peer.del (addr 192.0.2.9))(peer.del (addr 192.0.2.9))(status)")
    save("peers-names", b"(peer.add (addr yes))(peer.add (addr no))(peer.list)(peer.del (addr yes))")
    save("peers-refused", b"(peer.add)(peer.add (addr 224.0.0.1))(peer.add (addr a b))(peer.add (addr \"a b\"))"
         b"(peer.add (addr 192.0.2.9) (port 0))(peer.del (addr no))")
    save("peer-removed-while-it-waits", b"(peer.add (addr yes))\xff(peer.del (addr yes))")
    save("peer-added-twice-at-once", b"(peer.add (addr yes))\xff(peer.add (addr yes))")
    save("keys", conf + b"(key.list)(key.reload)(key.gen (name a))(key.gen)(key.gen (name a/b))(key.retire (name a))"
         b"(key.retire)(key.gen (name yes))(key.retire (name yes))(key.gen (name default) (replace yes))")
    save("sas-keys", conf + b"(sa.list (keys yes))(sa.list (vnet 97))")
    auth = (b"(sa.add (peer 192.0.2.7) (level auth) (spi-in 0x1001) (spi-out 4098) (auth-in 0x" + b"01" * 20 +
            b") (auth-out 0x" + b"02" * 20 + b"))")
    udp = auth.replace(b".7", b".8").replace(b"1001", b"1002").replace(b"(level", b"(udp 4500) (level")
    save("sas-manual", b"(vnet.add (id 97) (security auth))" + auth + udp + b"(sa.list (keys yes))(peer.list)"
         b"(sa.del (peer 192.0.2.7))(sa.del (peer 192.0.2.8) (level auth))(sa.list)")
    save("sas-manual-refused", auth + auth + auth.replace(b"1001", b"1003") + auth.replace(b".7", b".9") +
         b"(sa.add)(sa.del)(sa.del (peer 192.0.2.9))(sa.del (peer 192.0.2.7) (level none))")
    save("sas-manual-priv-no", auth, 0x01)
    save("sas-manual-priv-no-filter", auth, 0x08)
    save("sas-manual-priv-no-numbers", auth + b"(peer.list)", 0x04)
    save("offload", conf + b"(offload)(offload (mode off))(offload (mode maybe))(offload (mode on))")
    save("two-clients", conf + b"\xff(vnet.del (vnet 97))\xff(vnet.list)\xff" + none)
    save("in-pieces", b"(vnet.add (id\xff(sta\xff 97) (security none))(vnet.list\xfftus)\xff)")
    save("unknown", b"(no.such)()((status))(\"\")")
    save("garbage", b"(status) x (status)")
    save("garbage-close", b"(status))(status)")
    save("garbage-deep", b"(" * 40)
    save("garbage-control", b"(status \x01)")
    save("unfinished", b"(status")
    save("empty", b"")


if __name__ == "__main__":
    fit()
    process()
    command()
