# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tagged frames of the kernel's VLAN devices cross a vnet, tags and all."""

import os

from traffic import transfer
from vnettest import case, wait_until

DEV, TAG_LEN = "vnif0097", 4


def tagged(host, vlan, address, over=DEV):
    dev = f"{over}.{vlan}"
    host.ip("link", "add", "link", over, "name", dev, "type", "vlan", "id", vlan)
    host.add_address(dev, address)
    return dev


@case(limit=60)
def test_tags(net):
    """Two VLANs and one in another; the largest packet in one datagram, and one that is not."""
    a, b = net.hosts("a", "b")
    mtu = 1392      # of conf, with 1500 below
    for number, host in enumerate((a, b), 1):
        host.start()
        host.vn("vnet-create", "-s", "conf", "97")
        host.add_address(DEV, f"10.0.0.{number}/24")
        inner = tagged(host, 5, f"10.0.5.{number}/24")
        tagged(host, 6, f"10.0.6.{number}/24")
        tagged(host, 7, f"10.0.7.{number}/24", over=inner)
    wait_until(lambda: a.ping("10.0.0.2"), 10, "ping without a tag")
    for vlan in 5, 6, 7:
        assert a.ping(f"10.0.{vlan}.2"), vlan
    b.ip("link", "set", f"{DEV}.6", "down")
    assert not a.ping("10.0.6.2") and a.ping("10.0.5.2")
    transfer(a, b, "10.0.5.2", os.urandom(1 << 18))
    transfer(b, a, "10.0.7.1", os.urandom(1 << 18))

    # The VLAN devices have addresses, but are no underlay.
    assert a.link(DEV)["mtu"] == b.link(DEV)["mtu"] == mtu
    for vlan, tags in (0, 0), (5, 1), (7, 2):
        address, fits = f"10.0.{vlan}.2", mtu - 28 - tags * TAG_LEN
        assert a.ping(address, size=fits, dont_fragment=True), (vlan, fits)
        a.ping(address, size=fits + 1)      # may have to be told first
        assert a.ping(address, size=fits + 1), (vlan, fits + 1)
        assert a.ping(address, size=1600), vlan
