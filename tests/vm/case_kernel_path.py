# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secured vnets through the kernel: what is known goes there, and nothing ever leaves in clear."""

import contextlib
import os
import signal
import socket
import struct
import time

from kernelpath import DEV, VNET, carries_many, flows, join, path, uses_kernel, wait_path
from traffic import Connection, Stream, transfer
from vnettest import case, wait_until

A, B = "10.0.0.1", "10.0.0.2"
SUITES = ["null-sha1", "aes128-sha1", "null-sha256", "aes128-sha256", "aes128gcm", "aes256gcm"]
ESP, UDP = 50, 17
SECRET = b"nobody reads it."     # 16 bytes, all that ping repeats


class Wire:
    """All frames of the underlay, from now on."""

    def __init__(self, net):
        net.underlay.ip("link", "set", net.segment("u").dev, "promisc", "on")
        self.raw = net.underlay.packet_socket(net.segment("u").dev, 3)     # ETH_P_ALL
        self.frames = []

    def seen(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.frames.append(self.raw.recv(9216))
        return self.frames

    def count(self, *protocols, source=None):
        """IPv4 packets of these protocols, UDP by its destination port."""
        def kind(frame):
            if frame[12:14] != b"\x08\0" or (source and frame[26:30] != source):
                return None
            return int.from_bytes(frame[36:38], "big") if frame[23] == UDP else frame[23]
        return sum(kind(frame) in protocols for frame in self.seen())

    def clear(self):
        """Frames that nobody may ever see: VXLAN outside ESP, and what is secret."""
        return [frame for frame in self.seen() if SECRET in frame or
                (frame[12:14] == b"\x08\0" and frame[23] == UDP and
                 frame[36:38] in (b"\x07\x07", b"\x07\x08"))]


def kernel_sas(host, direction="out"):
    return [sa for sa in host.vn_json("sas") if sa["kernel"] and sa["direction"] == direction]


def pair(net, suite="aes128-sha1", **options):
    hosts = net.hosts("a", "b")
    join(hosts, suite=suite, **options)
    return hosts


def noise(host, address):
    """What must not be read by anybody, without end."""
    return host.spawn("ping", "-q", "-i", "0.05", "-s", "64", "-p", SECRET.hex(), address,
                      stdout=-3)


# --- it works ---

def judge(net, suite):
    """Full frames and TCP both ways in the kernel, as protocol 50."""
    a, b = pair(net, suite)
    uses_kernel(a, B)
    uses_kernel(b, A)
    wire = Wire(net)
    data = os.urandom(1 << 18)
    transfer(a, b, B, data)
    transfer(b, a, A, data)
    assert wire.count(ESP) > 10 * wire.count(1798), (wire.count(ESP), wire.count(1798))
    full = a.link(DEV)["mtu"] - 28
    assert a.ping(B, size=full, dont_fragment=True)
    assert not a.ping(B, size=full + 1, dont_fragment=True)
    for host in a, b:
        assert len(kernel_sas(host)) == 1 and len(kernel_sas(host, "in")) == 2
        wait_until(lambda h=host: kernel_sas(h)[0]["packets"] > 10, 8, "counts")


def add_cases():
    for suite in SUITES:
        def test(net, suite=suite):
            judge(net, suite)
        globals()[f"test_{suite.replace('-', '_')}"] = case(limit=60)(test)


add_cases()


@case(limit=60)
def test_ipv6(net):
    a, b = net.hosts("a", "b")
    for host in a, b:
        host.ip("addr", "del", f"{host.addr4}/24", "dev", "eth0")
    a.configure(f"(peer.add (addr {b.addr6}))\n")
    join([a, b], suite="aes128-sha1")
    uses_kernel(a, B)
    transfer(a, b, B, os.urandom(1 << 18))


@case(limit=120)
def test_rekey(net):
    """Keys change under load, by time and by count, and nothing is lost."""
    a, b = net.hosts("a", "b")
    for host in a, b:
        host.configure("(rekey (seconds 600) (packets 2000))\n")
    join([a, b], suite="aes128-sha1")
    before = a.stats()["rekeys"]
    with Stream(a, b, B, 0.004) as stream:
        stream.flowing()
        wait_until(lambda: a.stats()["rekeys"] >= before + 2, 40, "rekeys")
        assert path(a)[0] == path(b)[0] == "kernel esp", (path(a), path(b))
        stream.flowing()
        stream.stop()
        assert not stream.lost() and not stream.doubled(), stream.lost()[:10]
    assert a.stats()["kernel_fallback"] == 0
    assert len(kernel_sas(a)) == 1, kernel_sas(a)


@case(limit=120)
def test_mixed(net):
    """A kernel at one end, software at the other; rekeyed from either."""
    a, b = net.hosts("a", "b")
    for host in a, b:
        host.configure("(rekey (seconds 600) (packets 1500))\n")
    a.offload, b.offload = "auto", "off"
    for number, host in enumerate((a, b), 1):
        host.start()
        host.vn("vnet-create", "-s", "conf", VNET)
        host.add_address(DEV, f"10.0.0.{number}/24")
    wait_until(lambda: a.ping(B), 10, "ping")
    wait_path(a, "kernel udp to software")
    assert path(b)[0] == "software"
    uses_kernel(a, B)
    before = a.stats()["rekeys"]
    with Stream(a, b, B, 0.005) as there, Stream(b, a, A, 0.005) as back:
        wait_until(lambda: a.stats()["rekeys"] >= before + 2, 40, "rekeys")
        for stream in there, back:
            stream.flowing()
            stream.stop()
            assert not stream.lost(), stream.lost()[:10]
    transfer(a, b, B, os.urandom(1 << 18))
    transfer(b, a, A, os.urandom(1 << 18))
    b.vn("offload", "auto")
    for host in a, b:
        wait_path(host, "kernel esp", deadline=15)
    assert a.ping(B)


@case(limit=120)
def test_blocked(net):
    """Protocol 50, then UDP 1801, then all of the kernel is cut off: the next way, at once."""
    a, b = pair(net)
    b.run("nft", "add", "table", "inet", "closed")
    b.run("nft", "add chain inet closed input { type filter hook input priority -400 ; }")
    with Connection(a, b, B) as connection:
        uses_kernel(a, B)
        b.run("nft", *"add rule inet closed input meta l4proto esp drop".split())
        wait_path(a, "kernel udp")
        assert path(a)[1].startswith("IP protocol 50"), path(a)
        connection.flowing()
        uses_kernel(a, B)
        b.run("nft", *"add rule inet closed input udp dport 1801 drop".split())
        wait_path(a, "kernel udp to software")
        connection.flowing()
        a.vn("offload", "off")
        connection.flowing()
    assert a.stats()["kernel_fallback"] >= 2


@case(limit=150)
def test_comes_back(net):
    """What protocol 50 lost it gets back when it works again, with new keys and without a loss."""
    a, b = net.hosts("a", "b")
    for host in a, b:
        host.configure("(rekey (seconds 600) (packets 2000))\n")
    join([a, b], suite="aes128-sha1")
    with Stream(a, b, B, 0.004) as stream, Connection(a, b, B) as connection:
        uses_kernel(a, B)
        for host in a, b:
            host.run("nft", "add", "table", "inet", "closed")
            host.run("nft", "add chain inet closed input "
                     "{ type filter hook input priority -400 ; }")
            host.run("nft", *"add rule inet closed input meta l4proto esp drop".split())
        for host in a, b:
            wait_path(host, "kernel udp")
        stream.flowing()
        first, before = stream.sent, a.stats()["rekeys"]
        wait_until(lambda: a.stats()["rekeys"] >= before + 2, 40, "rekeys")
        stream.flowing()
        assert path(a)[0] == path(b)[0] == "kernel udp", (path(a), path(b))
        for host in a, b:
            host.run("nft", "delete", "table", "inet", "closed")
        for host in a, b:
            wait_path(host, "kernel esp", deadline=60)
            assert path(host)[1] == "", path(host)
        uses_kernel(a, B)
        connection.flowing()
        stream.flowing()
        stream.stop()
    assert not [number for number in stream.lost() if number >= first] and not stream.doubled()
    for host in a, b:
        assert host.stats()["kernel_fallback"] == 1, host.stats()
        assert len(kernel_sas(host)) == 1, kernel_sas(host)


# --- nothing in clear ---

def survives(net, break_it, deadline=60, suite="aes128-sha1"):
    """While secrets flow in the kernel, something is broken on a: nothing is seen in clear, frames
    flow again, and in the end by the kernel."""
    a, b = pair(net, suite)
    uses_kernel(a, B)
    wire = Wire(net)
    noises = [noise(a, B), noise(b, A)]
    for step in break_it(a):
        wait_until(lambda: a.ping(B), 20, f"ping after {step}")
        assert not wire.clear(), (step, wire.clear()[0])
    wait_path(a, "kernel esp", deadline=deadline)
    uses_kernel(a, B)
    assert all(proc.poll() is None for proc in noises)
    assert not wire.clear(), wire.clear()[0]
    assert len(wire.seen()) > 100


@case(limit=120)
def test_flushed(net):
    """Whatever somebody flushes."""
    def flush(host):
        for command in (["ip", "xfrm", "policy", "flush"], ["ip", "xfrm", "state", "flush"],
                        ["nft", "flush", "ruleset"]):
            host.run(*command)
            yield command
    survives(net, flush)


@case(limit=120)
def test_flushed_together(net):
    def flush(host):
        host.run("sh", "-c", "nft flush ruleset; ip xfrm policy flush; ip xfrm state flush")
        yield "all of it"
        for _ in range(20):
            host.run("sh", "-c", "ip xfrm state flush; ip xfrm policy flush; nft flush ruleset")
        yield "all of it, again and again"
    survives(net, flush)


@case(limit=120)
def test_marks(net):
    """A foreign rule that rewrites every mark."""
    def rewrite(host):
        host.run("nft", "add", "table", "inet", "foreign")
        for hook in "output", "prerouting":
            kind = "route" if hook == "output" else "filter"
            host.run("nft", f"add chain inet foreign {hook} {{ type {kind} hook {hook} "
                     "priority -500 ; }")
            host.run("nft", *f"add rule inet foreign {hook} meta mark set 7".split())
        yield "marks"
        host.run("nft", "delete", "table", "inet", "foreign")
    survives(net, rewrite)


@case(limit=120)
def test_devices(net):
    def delete(host):
        for link in [row for row in host.run("ls", "/sys/class/net").stdout.split()
                     if row not in ("lo", "eth0", DEV)]:
            host.ip("link", "delete", link, check=False)
            yield f"ip link delete {link}"
    survives(net, delete)


@case(limit=60)
def test_quotes(net):
    """What an SA still opens when its device is gone is not sent back in an ICMP error."""
    a, b = pair(net)
    uses_kernel(a, B)
    wire = Wire(net)
    noise(a, B)
    b.kill("priv", signal.SIGSTOP)      # nothing is put back
    b.ip("link", "delete", "vnet-conf")

    def dropped():
        rules = b.run("nft", "list", "table", "inet", "vnetd").stdout
        return any("destination-unreachable" in rule and "packets 0 " not in rule
                   for rule in rules.splitlines())
    wait_until(dropped, 5, "ICMP errors that are not sent")
    assert not wire.clear(), wire.clear()[0]
    b.kill("priv", signal.SIGCONT)


@case(limit=180)
def test_kills(net):
    """kill -9 of each process, and a restart."""
    def kill(host):
        for role in "engine", "priv", "keys", "parent":
            host.kill(role)
            if role == "parent":
                host.daemon.wait()
                host.start()
            yield f"kill -9 {role}"
            wait_path(host, "kernel esp", deadline=40)
        host.restart()
        yield "restart"
    survives(net, kill)


@case(limit=60)
def test_before_sas(net):
    """Never in clear while the kernel begins, ends, and begins anew."""
    wire = Wire(net)
    a, b = net.hosts("a", "b")
    for number, host in enumerate((a, b), 1):
        host.offload = "auto"
        host.start()
        host.vn("vnet-create", "-s", "conf", VNET)
        host.add_address(DEV, f"10.0.0.{number}/24")
        noise(host, B if host is a else A)
    for mode in "off", "auto", "off", "auto":
        wait_path(a, "kernel esp" if mode == "off" else "software", deadline=40)
        a.vn("offload", mode)
    wait_path(a, "kernel esp", deadline=40)
    uses_kernel(a, B)
    assert not wire.clear()


@case(limit=60)
def test_hostile(net):
    """Cleartext to the ports of the kernel's devices, and a local user's datagrams, get nowhere."""
    a, b = pair(net)
    frame = bytes.fromhex(a.mac(DEV).replace(":", "")) + b"\2\0\0\0\x66\1\x08\0" + SECRET * 4
    raw = a.packet_socket(DEV, 0x0800)
    wire = Wire(net)
    for port in 1799, 1800, 1802, 1801:
        for sender in net.host(f"c{port}"), b:
            out = sender.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for vni in 0x97, 0x98, 0xffffff:
                out.sendto(struct.pack("!II", 0x08000000, vni << 8) + frame, (a.addr4, port))
    # A local user who would have a datagram sealed.
    out = a.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in 1799, 1800:
        out.sendto(struct.pack("!II", 0x08000000, 0x97 << 8) + frame, (b.addr4, port))
    assert a.ping(B, count=3)
    with contextlib.suppress(BlockingIOError):
        while True:
            assert SECRET not in raw.recv(2048)
    assert wire.count(1802) > 0             # the wire has seen it
    assert a.stats()["kernel_vni"] + a.stats()["kernel_clear"] > 0


# --- it goes away ---

@case(limit=120)
def test_goes_away(net):
    """A TCP connection through off and on, an engine that hangs, and a peer that starts anew."""
    a, b = pair(net)
    with Connection(a, b, B) as connection:
        for mode, wanted in ("off", "software"), ("auto", "kernel esp"):
            a.vn("offload", mode)
            connection.flowing()
            wait_path(a, wanted, deadline=40)
        b.kill("engine")
        connection.flowing()
        wait_path(a, "kernel esp", deadline=40)
        wait_path(b, "kernel esp", deadline=40)
        connection.flowing()
        a.kill("engine", signal.SIGSTOP)
        time.sleep(3.5)
        wire = Wire(net)
        time.sleep(0.5)
        assert not wire.count(ESP, source=bytes(map(int, a.addr4.split("."))))
        a.kill("engine", signal.SIGCONT)
        connection.flowing()


@case(limit=90)
def test_moves(net):
    """A machine whose flow is in the kernel moves to another host and is right within a second."""
    a, b, c = hosts = net.hosts("a", "b", "c")
    join(hosts, suite="aes128-sha1")
    for host in b, c:
        host.bridge("br0", DEV)
    guest = b.guest("g", "br0", "10.0.0.9/24", mac="02:00:00:00:99:01")
    with Stream(a, guest, "10.0.0.9", 0.02) as stream:
        stream.flowing()
        for source, target in (b, c), (c, b):
            sent = a.stats()["kernel_tx"]
            wait_until(lambda: a.stats()["kernel_tx"] > sent + 20, 15, "the flow is in the kernel")
            source.ip("link", "set", "guest1", "netns", target.ns)
            target.ip("link", "set", "guest1", "master", "br0", "up")
            guest.run("ping", "-c", "1", "-W", "1", A, check=False)     # it says something
            assert stream.flowing(10) < 5       # one second, on a real machine


@case(limit=60)
def test_many(net):
    """Thousands of addresses over one association."""
    a, b = pair(net)
    carries_many(a, b, 3000)
    assert len(kernel_sas(a)) == 1
    b.stop()
    wait_until(lambda: not flows(a), 30, "no flow is left")
