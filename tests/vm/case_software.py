# SPDX-License-Identifier: LGPL-2.1-or-later
"""vnetd on Debian's own kernel: its sandbox fits it, and frames pass at every level."""

import os

from traffic import transfer
from vnettest import case, wait_until

VNETS = {"97": ["-s", "none"], "98": ["-s", "auth"], "99": ["-s", "conf"],
         "9a": ["--suite", "aes128gcm"]}


def device(vnet):
    return f"vnif00{vnet}"


def join_all(net):
    """Two hosts that are members of every vnet, and reach each other through it."""
    hosts = net.hosts("a", "b")
    for number, host in enumerate(hosts, 1):
        host.start()
        for vnet, options in VNETS.items():
            host.vn("vnet-create", *options, vnet)
            host.add_address(device(vnet), f"10.0.{int(vnet, 16)}.{number}/24")
    for vnet in VNETS:
        wait_until(lambda v=vnet: hosts[0].ping(f"10.0.{int(v, 16)}.2"), 10, f"ping through {vnet}")
    return hosts


@case(limit=60)
def test_levels(net):
    """Sealed by Landlock and seccomp; pings and TCP at every level, also with a new engine."""
    hosts = join_all(net)
    assert all("landlock abi" in host.vn_json("status")[0]["sandbox"] for host in hosts), \
        hosts[0].vn("status").stdout
    data = os.urandom(1 << 18)
    for vnet in VNETS:
        transfer(hosts[0], hosts[1], f"10.0.{int(vnet, 16)}.2", data)
    hosts[0].kill("engine")
    for vnet in VNETS:
        wait_until(lambda v=vnet: hosts[1].ping(f"10.0.{int(v, 16)}.1"), 10, f"ping through {vnet}")
        transfer(hosts[1], hosts[0], f"10.0.{int(vnet, 16)}.1", data)
