# SPDX-License-Identifier: LGPL-2.1-or-later
"""Level none through the kernel: what is known goes there, nothing is lost when it goes away."""

import os
import signal
import time

from kernelpath import DEV, VNET, carries_many, flows, join, path, traces, uses_kernel
from kernelpath import wait_path, why_not
from traffic import Connection, Stream, transfer
from vnettest import case, need, wait_until

A, B = "10.0.0.1", "10.0.0.2"
NOTHING = set(), set(), False, False


def pair(net, **options):
    hosts = net.hosts("a", "b")
    join(hosts, **options)
    return hosts


@case(limit=60)
def test_none(net):
    """Pings and TCP by the kernel, on its port, counted where everybody looks; then nothing is left."""
    a, b = pair(net)
    uses_kernel(a, B)
    uses_kernel(b, A)
    sniffer = net.sniff("udp port 1798 or udp port 1802")
    data = os.urandom(1 << 22)
    transfer(a, b, B, data)
    transfer(b, a, A, data)
    sniffer.stop()
    ports = [p["UDP"].dport for p in sniffer.packets()]
    assert ports.count(1802) > 20 * ports.count(1798), (ports.count(1802), ports.count(1798))
    assert flows(a) and flows(b)
    status = a.vn_json("offload")[0]
    assert (status["state"], status["paths"]) == ("running", 1) and status["flows"] >= 1, status
    wait_until(lambda: a.vn_json("peers")[0]["tx_packets"] > 500, 3, "counts")
    assert any("1802" in line for line in a.vn_json("status")[0]["ports"])
    for host in a, b:
        host.stop()
        assert traces(host) == NOTHING, (host.name, traces(host))


@case(limit=60)
def test_ipv6(net):
    a, b = net.hosts("a", "b")
    for host in a, b:
        host.ip("addr", "del", f"{host.addr4}/24", "dev", "eth0")
    a.configure(f"(peer.add (addr {b.addr6}))\n")
    join([a, b])
    uses_kernel(a, B)
    transfer(a, b, B, os.urandom(1 << 20))


@case(limit=120)
def test_goes_away(net):
    """A connection survives whatever ends the offload, and comes back to the kernel."""
    a, b = pair(net)
    with Connection(a, b, B) as connection:
        uses_kernel(a, B)
        sent = sum(flows(a).values())
        a.vn("offload", "off")
        assert path(a)[0] == "software"
        assert a.stats()["kernel_tx"] >= sent       # nothing is forgotten
        assert a.vn_json("offload")[0]["state"] == "off"
        assert connection.flowing() < 2
        wait_path(b, "software")
        assert connection.flowing() < 2
        a.vn("offload", "auto")
        for host in a, b:
            wait_path(host, "kernel vxlan", deadline=40)
        connection.flowing()
        for role in "engine", "priv", "keys":
            a.kill(role)
            connection.flowing()
            for host in a, b:
                wait_path(host, "kernel vxlan", deadline=40)
        connection.flowing()
        uses_kernel(a, B)


@case(limit=60)
def test_devices_deleted(net):
    """What somebody deletes is made again; meanwhile frames go in software."""
    a, b = pair(net)
    ours = traces(a)[0]
    assert ours
    with Connection(a, b, B) as connection:
        for link in ours:
            a.ip("link", "delete", link)
            connection.flowing()
        wait_until(lambda: traces(a)[0] == ours, 45, "the devices are back")
        for host in a, b:
            wait_path(host, "kernel vxlan", deadline=45)
        connection.flowing()
        a.run("tc", "qdisc", "del", "dev", DEV, "clsact")
        connection.flowing()
    wait_until(lambda: a.ping(B), 5, "ping")


@case(limit=60)
def test_blocked(net):
    """A port that a firewall closes: software within seconds, and `vn peers` says why."""
    need("nft")
    a, b = pair(net)
    uses_kernel(a, B)
    with Stream(a, b, B, 0.01) as stream:
        stream.flowing()
        b.run("nft", "add", "table", "inet", "closed")
        b.run("nft", "add chain inet closed input { type filter hook input priority -400 ; }")
        b.run("nft", "add", "rule", "inet", "closed", "input", "udp", "dport", "1802", "drop")
        wait_path(a, "software", deadline=8)
        assert "UDP port 1802" in path(a)[1], path(a)
        stream.flowing(3)
        stream.stop()
        assert stream.gap() < 6, stream.gap()
    assert a.stats()["kernel_fallback"] == 1
    assert path(b)[0] == "kernel vxlan"         # its own way is open


@case(limit=60)
def test_hangs(net):
    """An engine that hangs leaves nothing to the kernel after 3 s."""
    a, b = pair(net)
    with Stream(a, b, B, 0.01) as stream:
        stream.flowing()
        uses_kernel(a, B)
        a.kill("engine", signal.SIGSTOP)
        time.sleep(3.5)
        sniffer = net.sniff(f"udp port 1802 and src host {a.addr4}")
        time.sleep(0.5)
        sniffer.stop()
        assert not sniffer.packets()
        a.kill("engine", signal.SIGCONT)
        stream.flowing()
        wait_path(a, "kernel vxlan", deadline=40)


@case(limit=90)
def test_moves(net):
    """A machine whose flow is in the kernel moves to another host, and back, and is right at once."""
    a, b, c = hosts = net.hosts("a", "b", "c")
    join(hosts)
    for host in b, c:
        host.bridge("br0", DEV)
    guest = b.guest("g", "br0", "10.0.0.9/24", mac="02:00:00:00:99:01")
    port = "guest1"
    with Stream(a, guest, "10.0.0.9", 0.01) as stream:
        stream.flowing()
        wait_until(lambda: "02:00:00:00:99:01" in flows(a), 10, "the flow is in the kernel")
        for source, target in (b, c), (c, b):
            time.sleep(0.5)
            source.ip("link", "set", port, "netns", target.ns)
            target.ip("link", "set", port, "master", "br0", "up")
            guest.run("ping", "-c", "1", "-W", "1", A, check=False)     # it says something
            assert stream.flowing(5) < 2
            wait_until(lambda: "02:00:00:00:99:01" in flows(a), 10, "a flow again")
            stream.flowing()


@case(limit=60)
def test_off_and_required(net):
    """Per vnet and per daemon; what the kernel cannot carry is refused where it must."""
    a, b = pair(net)
    a.vn("vnet-set", "--offload", "off", VNET)
    assert a.vn_json("vnets")[0]["offload"] == "off"
    wait_path(a, "software")
    assert path(a)[1] == "no vnet of it may be offloaded", path(a)
    assert a.ping(B)
    a.vn("vnet-set", "--offload", "require", VNET)
    wait_path(a, "kernel vxlan", deadline=40)
    lacking = why_not(a, "nftables", "tap", "aes128-sha1")
    done = a.vn("vnet-create", "-s", "conf", "--offload", "require", "98", check=False)
    assert (done.returncode != 0) == bool(lacking), done
    if lacking:
        assert "the kernel cannot carry it" in done.stderr, done.stderr
    a.vn("offload", "off")
    done = a.vn("vnet-set", "--offload", "require", VNET, check=False)
    assert done.returncode == 1 and "switched off" in done.stderr, done
    a.vn("offload", "on")
    for wrong in ["vnet-set", "--offload", "maybe", VNET], ["offload", "maybe"]:
        assert a.vn(*wrong, check=False).returncode == 2, wrong
    b.restart("--offload", "off")
    wait_until(lambda: b.ping(A), 10, "ping")
    assert b.vn_json("offload")[0]["state"] == "off" and traces(b) == NOTHING
    assert why_not(b, "vxlan") == ""            # known all the same


@case(limit=60)
def test_hostile(net):
    """Frames to the kernel's ports from no peer, and with a VNI that is no vnet, are dropped."""
    from scapy.all import Ether, IP, UDP, Raw, VXLAN, ICMP
    a, b = pair(net)
    c = net.host("c")
    wire = {host: host.packet_socket("eth0", 0x0800) for host in (b, c)}

    def send(host, vni, **udp):
        inner = Ether(dst=a.mac(DEV), src="02:00:00:00:66:01") / IP(
            src="10.0.0.66", dst=A) / ICMP() / Raw(b"x" * 40)
        frame = Ether(dst=a.mac("eth0"), src=host.mac("eth0")) / IP(
            src=host.addr4, dst=a.addr4) / UDP(sport=4789, dport=1802, **udp) / VXLAN(
                flags=8, vni=vni) / inner
        wire[host].send(bytes(frame))

    sniffer = a.packet_socket(DEV, 0x0800)
    before = a.stats()
    for _ in range(5):
        send(c, 0x97)
        send(b, 0x98)
    wait_until(lambda: (now := a.stats())["kernel_clear"] >= before["kernel_clear"] + 5
               and now["kernel_vni"] >= before["kernel_vni"] + 5, 5, "drops are counted")
    try:
        while True:
            assert b"x" * 40 not in sniffer.recv(2048)
    except BlockingIOError:
        pass


@case(limit=120, extra=True)
def test_many(net):
    """Thousands of addresses: those in use are in the kernel."""
    carries_many(*pair(net), 3000)
