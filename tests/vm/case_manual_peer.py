# SPDX-License-Identifier: LGPL-2.1-or-later
"""A member that is nothing but ip link, bridge fdb and ip xfrm; vnetd in software."""

from kernelpeer import Kernel, check_traffic, members
from vnettest import case, wait_until


def meet(net, level, v6, mtu):
    a, host = net.hosts("a", "k")
    members(level, a)
    wire = a.packet_socket("eth0", 0x86dd if v6 else 0x0800)
    k = Kernel(host, level, v6)
    k.add_device("10.0.0.9/24", mtu, a)
    k.meet(a)
    assert a.link("vnif0097")["mtu"] == mtu
    check_traffic(a, k, mtu)
    protocols, others = set(), {17, 58, 0} if v6 else {17}       # DISCOVER; ND, MLD
    while True:
        try:
            frame = wire.recv(2048)
        except BlockingIOError:
            break
        protocols.add(frame[20] if v6 else frame[23])
    assert 50 in protocols and protocols <= {50, *others}, protocols
    a.kill("engine")
    wait_until(lambda: a.vn("status"), 5, "a new engine")
    check_traffic(a, k, mtu)


@case(limit=40)
def test_auth(net):
    meet(net, "auth", False, 1420)


@case(limit=40)
def test_conf_v6(net):
    meet(net, "conf", True, 1376)


@case(limit=60)
def test_two_hosts_and_hub(net):
    """It floods to two hosts that each have SAs with it; then one is a hub for the other."""
    a, b, host = net.hosts("a", "b", "k")
    members("conf", a, b)
    k = Kernel(host, "conf")
    k.add_device("10.0.0.9/24", 1392, a, b)
    for one in a, b:
        k.meet(one)
    for one, number in (a, 1), (b, 2):
        wait_until(lambda o=one: o.ping("10.0.0.9"), 10, f"{one.name} reaches k")
        wait_until(lambda n=number: host.ping(f"10.0.0.{n}"), 10, f"k reaches {one.name}")
    for one in a, b:
        one.vn("sa-delete", k.addr)
    host.ip("xfrm", "state", "flush")
    host.ip("link", "delete", "vx97")
    host.ip("xfrm", "policy", "flush")
    k.add_device("10.0.0.9/24", 1392, a)
    k.meet(a, hub=True)
    for number in 1, 2:
        wait_until(lambda n=number: host.ping(f"10.0.0.{n}"), 10, f"k reaches 10.0.0.{number}")
    assert b.ping("10.0.0.9", count=3)
