# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel's own ESP and VXLAN in the place of one host: it understands us and we understand it.

Two hosts meet as usual. Then b's vnetd is killed, and b's kernel goes on with the SAs as `vn sas`
prints them, from where b was, but close to where sequence numbers outgrow 32 bits.
"""

import os
import re
import shlex
import socket
import struct

from traffic import transfer
from vnettest import case, wait_until

SUITES = ["null-sha1", "aes128-sha1", "null-sha256", "aes128-sha256", "aes128gcm", "aes256gcm"]
DEV, VNI = "vnif0097", 0x97
ADDRESS_A, ADDRESS_B = "10.0.0.1", "10.0.0.2"
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
OUTER = 14 + 20 + 8             # headers of a frame before ESP
START = 0xffffff80              # b's next sequence number


class KernelPeer:
    """Host b, whose kernel speaks for it."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.link = b.link(DEV)
        self.port = {"auth": 1799, "conf": 1800}[b.vn_json("sas")[0]["level"]]
        states = b.vn("sas", "--keys", "--format", "ip-xfrm").stdout.splitlines()
        b.kill("parent")
        b.daemon.wait()
        b.ip("link", "delete", DEV)     # which outlives its vnetd
        for line in states:
            self.add_state(line)
        self.add_policies()
        self.add_vxlan()
        self.hold_port()

    def hold_port(self):
        """What is not ESP comes to this socket, which nobody reads."""
        self.socket = self.b.socket(socket.AF_INET, socket.SOCK_DGRAM)
        wait_until(lambda: self.socket.bind((self.b.addr4, 1798)) is None, 5, "port 1798")
        self.socket.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)

    def add_state(self, line):
        command = shlex.split(line)
        assert command[:4] == ["ip", "xfrm", "state", "add"], line
        if f"src {self.b.addr4}" in line:
            command += ["replay-oseq", str(START)]
        self.b.ip(*command[1:])

    def add_policies(self):
        ends = "src", self.b.addr4, "dst", self.a.addr4
        back = "src", self.a.addr4, "dst", self.b.addr4
        for direction, way in ("out", ends), ("in", back):
            self.b.ip("xfrm", "policy", "add", *way, "proto", "udp", "dport", self.port,
                      "dir", direction, "tmpl", *way, "proto", "esp", "mode", "transport")

    def add_vxlan(self):
        self.b.ip("link", "add", DEV, "address", self.link["address"], "mtu", self.link["mtu"],
                  "type", "vxlan", "id", VNI, "dstport", self.port,
                  "srcport", self.port, self.port + 1,
                  "local", self.b.addr4, "remote", self.a.addr4, "nolearning")
        self.b.add_address(DEV, f"{ADDRESS_B}/24")

    def counters(self):
        """What the kernel has refused; but messages of vnetd, which come out of ESP at port 1798,
        it takes for ESP again, of no SA."""
        text = self.b.run("cat", "/proc/net/xfrm_stat").stdout
        return {name: int(value) for name, value in map(str.split, text.splitlines())
                if value != "0" and name != "XfrmInNoStates"}

    def sequence(self):
        """(high, low) of what b has sent."""
        states = self.b.ip("xfrm", "state", "list", "src", self.b.addr4).stdout
        return tuple(int(n, 16) for n in
                     re.search(r"oseq-hi 0x(\w+), oseq 0x(\w+)", states).groups())


class Wire:
    """Frames from one host to another, to be sent again."""

    def __init__(self, sender, receiver):
        self.out = sender.packet_socket("eth0", 0x0800)
        self.into = receiver.packet_socket("eth0", 0x0800)

    def next(self):
        """A whole frame with ESP in it that comes from now on."""
        while True:
            try:
                self.into.recv(2048)
            except BlockingIOError:
                break

        def esp():
            frame = self.into.recv(2048)
            whole = not struct.unpack_from("!H", frame, 20)[0] & 0x3fff
            return whole and frame[23] == 17 and frame[OUTER:OUTER + 3] != bytes(3) and frame
        return wait_until(esp, 5, "ESP", interval=0.001)

    def send(self, frame):
        self.out.send(frame)


def later(frame):
    """The frame with a sequence number that has not been seen, which its ICV does not know, and
    without a UDP checksum, which would not know it either."""
    seq = struct.unpack_from("!I", frame, OUTER + 4)[0] + 1000 & 0xffffffff
    return frame[:OUTER - 2] + bytes(2) + frame[OUTER:OUTER + 4] + struct.pack("!I", seq) + \
        frame[OUTER + 8:]


def refused(counters, name, send):
    """Counted under that name only."""
    before = counters()
    send()
    after = wait_until(lambda: (now := counters()) != before and now, 5, name)
    counted = {n: v - before.get(n, 0) for n, v in after.items() if v != before.get(n, 0)}
    assert counted == {name: 1}, f"{counted}, not {name}"


def esp_refusals(host):
    return {name: value for name, value in host.stats().items()
            if name.startswith("esp_") and name not in ("esp_rx", "esp_tx")}


def judge(net, suite):
    a, b = net.hosts("a", "b")
    for host, address in (a, ADDRESS_A), (b, ADDRESS_B):
        # A checksum left to the device would be wrong in a frame that is sent again.
        host.run("ethtool", "-K", "eth0", "tx", "off")
        host.start()
        host.vn("vnet-create", "--suite", suite, "97")
        host.add_address(DEV, f"{address}/24")
    wait_until(lambda: a.ping(ADDRESS_B), 10, "ping between two vnetd")

    kernel = KernelPeer(a, b)
    wait_until(lambda: b.ping(ADDRESS_A), 5, "ping from the kernel")
    # b must not seem dead while something else is looked at.
    a.spawn("ping", "-q", "-i", "0.5", ADDRESS_B, stdout=-3)
    full = kernel.link["mtu"] - 28
    for host, other in (a, ADDRESS_B), (b, ADDRESS_A):
        assert host.ping(other, size=full, dont_fragment=True), f"a full frame from {host.name}"
        assert not host.ping(other, size=full + 1, dont_fragment=True)
    data = os.urandom(1 << 18)
    transfer(a, b, ADDRESS_B, data)
    transfer(b, a, ADDRESS_A, data)
    assert kernel.sequence()[0] == 1, kernel.sequence()
    assert not kernel.counters(), kernel.counters()

    wire = Wire(a, b)
    refused(kernel.counters, "XfrmInStateSeqError", lambda: wire.send(wire.next()))
    refused(kernel.counters, "XfrmInStateProtoError", lambda: wire.send(later(wire.next())))
    wire = Wire(b, a)
    refused(lambda: esp_refusals(a), "esp_replayed", lambda: wire.send(wire.next()))
    refused(lambda: esp_refusals(a), "esp_bad_icv", lambda: wire.send(later(wire.next())))
    assert a.ping(ADDRESS_B, count=3) and a.vn_json("vnets")[0]["members"] == 1


def add_cases():
    for suite in SUITES:
        def test(net, suite=suite):
            judge(net, suite)
        globals()[f"test_{suite.replace('-', '_')}"] = case(limit=30)(test)


add_cases()
