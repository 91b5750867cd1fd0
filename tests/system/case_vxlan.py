# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plain VXLAN: a kernel VXLAN device without vnetd is a member of vnets of level none."""

from case_mtu import SIZE, download
from vnettest import case, wait_until

DEV = "vnif0097"
VNI = 0x97


def kernel_member(host, remote, vnet_address, mac):
    """A machine that has a kernel VXLAN device and nothing of ours."""
    host.ip("link", "add", "vx0", "address", mac, "type", "vxlan", "id", VNI, "dev", host.dev, "local", host.addr4,
            "remote", remote, "dstport", 1798)
    host.ip("link", "set", "vx0", "up")
    host.add_address("vx0", vnet_address)


def vnet(host, level, vnet_address):
    host.start()
    host.vn("vnet-create", "-s", level, "97")
    host.add_address(DEV, vnet_address)


@case(limit=40)
def test_member(net):
    """A member by --vxlan hears and is heard; before and after it is a stranger."""
    a, k = net.hosts("a", "k")
    vnet(a, "none", "10.0.0.1/24")
    kernel_member(k, a.addr4, "10.0.0.9/24", "02:00:00:00:00:09")
    assert not k.ping("10.0.0.1")
    assert a.stats()["clear_stranger"] > 0
    a.vn("peer-add", "--vxlan", k.addr4)
    wait_until(lambda: k.ping("10.0.0.1"), 10, "the kernel's device reaches the vnet")
    assert a.ping("10.0.0.9", count=3)
    (peer,) = a.vn_json("peers")
    assert peer["vxlan"] == "member" and peer["addr"] == k.addr4, peer
    k.run("ethtool", "-K", k.dev, "tx", "off")      # else nobody fills in the inner checksums: a veth needs none
    assert len(download(a, k, "10.0.0.1")) == SIZE     # segments without the bit that kernels do not know
    a.restart()
    wait_until(lambda: k.ping("10.0.0.1"), 10, "it is still a member after a restart")
    a.vn("peer-delete", k.addr4)
    assert not k.ping("10.0.0.1")


@case(limit=40)
def test_secured_is_closed(net):
    """A vnet with a level is nothing for a plain member, whatever it sends."""
    a, k = net.hosts("a", "k")
    vnet(a, "conf", "10.0.0.1/24")
    a.vn("peer-add", "--vxlan", k.addr4)
    kernel_member(k, a.addr4, "10.0.0.9/24", "02:00:00:00:00:09")
    sniffer = net.sniff("udp port 1798 and src host " + a.addr4)
    assert not k.ping("10.0.0.1", count=2)
    assert not a.ping("10.0.0.9", count=2)
    assert a.stats()["clear_secured"] > 0
    sniffer.stop()
    clear = [p for p in sniffer.packets() if bytes(p["UDP"].payload)[:4] == b"\x08\0\0\0"]
    assert not clear, clear


@case(limit=60)
def test_hub(net):
    """One host carries the device to all others; a port, so no frame comes back or twice."""
    a, b, c, k = net.hosts("a", "b", "c", "k")
    for number, host in enumerate((a, b, c), 1):
        vnet(host, "none", f"10.0.0.{number}/24")
    a.vn("peer-add", "--vxlan", "--hub", k.addr4)
    kernel_member(k, a.addr4, "10.0.0.9/24", "02:00:00:00:00:09")
    for host in (a, b, c):
        wait_until(lambda h=host: h.ping("10.0.0.9"), 10, f"{host.name} reaches the device through the hub")
    wait_until(lambda: b.ping("10.0.0.3"), 10, "b reaches c")
    done = k.run("ping", "-n", "-c", "5", "-i", "0.2", "-W", "1", "10.0.0.2")
    assert " 5 received" in done.stdout and "DUP" not in done.stdout, done.stdout
    entry = [e for e in b.vn_json("varp") if e.get("vmac") == "02:00:00:00:00:09"]
    assert entry and entry[0]["addr"] == a.addr4, entry  # it lives behind the hub
    assert b.vn("peer-add", "--hub", k.addr4, check=False).returncode == 2
