# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every counter kernel_* of vn stats counts something; case_counters.py leaves them to this case."""

import signal
import socket
import struct

from case_kernel_path import A, B, ESP, Wire, kernel_sas, noise, pair
from kernelpath import path, uses_kernel, wait_path
from vnettest import case, wait_until

TIMES = 5
FRAME = b"\xff" * 6 + b"\x02\0\0\0\x66\x01\x88\xb5" + bytes(46)


class Counted:
    """Waits until a counter of the host shows what is done meanwhile."""

    def __init__(self, host, name, least=1):
        self.host, self.name, self.least = host, name, least

    def __enter__(self):
        self.before = self.host.stats()[self.name]

    def __exit__(self, kind, *_):
        if kind is None:
            wait_until(lambda: self.host.stats()[self.name] >= self.before + self.least, 10,
                       self.name)


def address(host):
    return bytes(map(int, host.addr4.split(".")))


def esp_packet(wire, source, target):
    """One of those that went from a host to another: (Ethernet, IP, ESP)."""
    def mine(frame):
        return frame[12:14] == b"\x08\0" and frame[23] == ESP and \
            frame[26:34] == address(source) + address(target)
    frame = wait_until(lambda: next(filter(mine, wire.seen()), None), 10, "ESP on the wire")
    return frame[:14], frame[14:34], frame[34:]


def act_carried(net, a, b):
    del net
    for direction in "tx", "rx":
        with Counted(a, f"kernel_{direction}"):
            uses_kernel(*((a, B) if direction == "tx" else (b, A)))


def act_refused(net, a, b):
    """Packets of the peer once more, and packets that a third host has altered."""
    wire, c = Wire(net), net.host("c")
    uses_kernel(b, A)
    ether, ip, esp = esp_packet(wire, b, a)
    raw = c.packet_socket("eth0", 0x0800)
    out = raw.getsockname()[4]
    spi, seq = struct.unpack("!II", esp[:8])
    replayed = esp
    forged = struct.pack("!II", spi, seq + 1000) + esp[8:-1] + bytes([esp[-1] ^ 1])
    for packet in replayed, forged:
        with Counted(a, "kernel_refused", TIMES):
            for _ in range(TIMES):
                raw.send(ether[:6] + out + ether[12:] + ip + packet)
    # What was forged has not moved the window.
    uses_kernel(b, A)
    assert path(b)[0] == "kernel esp", path(b)


def act_vni(net, a, b):
    """The peer's kernel seals frames of a vnet that it does not share with us."""
    del net
    policies = b.ip("xfrm", "policy").stdout.split()
    pseudo = next(word[:-3] for word in policies if word.startswith("198.18."))
    b.ip("route", "add", "10.9.9.9", "encap", "ip", "id", 0x1234, "src", b.addr4, "dst", pseudo,
         "dev", "vnet-conf", "src", b.addr4)
    with Counted(a, "kernel_vni", TIMES):
        b.ping("10.9.9.9", count=TIMES)
    b.ip("route", "del", "10.9.9.9")


def act_unsealed(net, a, b):
    """Both other barriers are gone, and nobody puts them back: what finds no policy is dropped, and
    what comes without an SA too."""
    del b
    wire, d = Wire(net), net.host("d")
    uses_kernel(a, B)
    pings = noise(a, B)
    a.kill("priv", signal.SIGSTOP)
    a.run("sh", "-c", "nft flush ruleset; ip xfrm policy flush")
    with Counted(a, "kernel_unsent"):
        pass
    out = d.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with Counted(a, "kernel_clear", TIMES):
        for _ in range(TIMES):
            out.sendto(struct.pack("!II", 0x08000000, 0x97 << 8) + FRAME, (a.addr4, 1800))
    assert not [frame for frame in wire.clear() if frame[26:30] == address(a)]
    a.kill("priv", signal.SIGCONT)
    wait_path(a, "kernel esp", deadline=60)
    uses_kernel(a, B)
    pings.kill()


def act_fallback(net, a, b):
    del net, b
    [sa] = kernel_sas(a)
    with Counted(a, "kernel_fallback"):
        a.ip("xfrm", "state", "delete", "dst", sa["dst"], "proto", "esp", "spi", sa["spi"])


@case(limit=60)
def test_each(net):
    a, b = pair(net)
    for act in act_carried, act_refused, act_vni, act_unsealed, act_fallback:
        act(net, a, b)
        print(act.__name__, flush=True)
    never = [name for name, value in a.stats().items()
             if name.startswith("kernel_") and value == 0]
    assert not never, f"never counted: {never}"
