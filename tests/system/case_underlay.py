# SPDX-License-Identifier: LGPL-2.1-or-later
"""The wires of the tests themselves: when these fail, nothing else here means anything."""

import subprocess

from vnettest import case, wait_until

# Says who asked, and answers; asks from one port, until answered.
UDP_SERVER = """
import socket
s = socket.socket(type=socket.SOCK_DGRAM)
s.bind(("", 1798))
print("ready", flush=True)
while True:
    data, sender = s.recvfrom(100)
    print(*sender, flush=True)
    s.sendto(data, sender)
"""
UDP_CLIENT = """
import socket
s = socket.socket(type=socket.SOCK_DGRAM)
s.bind(("", 1798))
s.settimeout(5)
s.sendto(b"x", ("{}", 1798))
assert s.recv(100) == b"x"
"""


@case(limit=20)
def test_segment(net):
    a, b = net.hosts("a", "b", mtu=1400)
    sniffer = net.sniff("icmp")
    assert a.ping(b.addr4) and a.ping(b.addr6)
    assert a.ping(b.addr4, size=1372, dont_fragment=True)
    assert not a.ping(b.addr4, size=1373, dont_fragment=True)
    wait_until(lambda: len(sniffer.packets()) == 4, 5, "two echo requests and replies seen")
    net.segment().cut(b)
    assert not a.ping(b.addr4)


@case(limit=20)
def test_multicast(net):
    """A group joined on one host hears the other, with no querier and no route."""
    a, b = net.hosts("a", "b")
    listener = b.spawn("tcpdump", "-n", "-c", "1", "-i", "eth0", "udp and dst 224.10.0.1")
    say = ("import socket; s = socket.socket(type=socket.SOCK_DGRAM);"
           f"s.setsockopt(0, socket.IP_MULTICAST_IF, socket.inet_aton('{a.addr4}'));"
           "s.sendto(b'x', ('224.10.0.1', 1798))")
    wait_until(lambda: a.run("python3", "-c", say) and listener.poll() == 0, 10, "heard", 0.2)


@case(limit=20)
def test_router(net):
    net.segment("left")
    net.segment("right")
    a, b = net.host("a", "left"), net.host("b", "right")
    assert not a.ping(b.addr4)
    net.router("left", "right")
    assert a.ping(b.addr4) and a.ping(b.addr6)


@case(limit=20)
def test_nat(net):
    net.segment("inside")
    net.segment("outside")
    a, b = net.host("a", "inside"), net.host("b", "outside")
    router = net.router("inside", "outside", nat=True)
    sniffer = net.sniff("icmp", on="outside")
    assert a.ping(b.addr4)
    assert not b.ping(router.address)
    sources = wait_until(lambda: {p["IP"].src for p in sniffer.packets()}, 5, "the ping outside")
    assert a.addr4 not in sources and router.address in sources

    server = b.spawn("python3", "-c", UDP_SERVER, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    ports = []
    for _ in range(2):
        a.run("python3", "-c", UDP_CLIENT.format(b.addr4))
        ports.append(server.stdout.readline().split())
        router.forget()
    assert ports[0][0] == ports[1][0] == router.address and ports[0][1] != ports[1][1], ports


@case(limit=20)
def test_guest(net):
    (a,) = net.hosts("a")
    a.bridge("br0")
    one = a.guest("one", "br0", "10.0.0.1/24", mac="02:00:00:00:99:01")
    two = a.guest("two", "br0", "10.0.0.2/24", "fd00::2/64")
    assert one.mac("eth0") == "02:00:00:00:99:01"
    assert one.ping("10.0.0.2", count=2) and two.ping("10.0.0.1")
