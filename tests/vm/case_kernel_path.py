# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secured vnets through the kernel: what is known goes there, and nothing ever leaves in clear."""

import os
import re

from kernelpath import DEV, join, path, uses_kernel, wait_path
from traffic import Connection, transfer
from vnettest import case, wait_until

A, B = "10.0.0.1", "10.0.0.2"
SUITES = ["null-sha1", "aes128-sha1", "null-sha256", "aes128-sha256", "aes128gcm", "aes256gcm"]


def kernel_sas(host):
    return [sa for sa in host.vn_json("sas") if sa["kernel"]]


def judge(net, suite):
    """Full frames and TCP both ways in the kernel, as protocol 50."""
    a, b = net.hosts("a", "b")
    join([a, b], suite=suite)
    uses_kernel(a, B)
    uses_kernel(b, A)
    sniffer = net.sniff("proto 50 or udp port 1801 or udp port 1798")
    data = os.urandom(1 << 18)
    transfer(a, b, B, data)
    transfer(b, a, A, data)
    sniffer.stop()
    protocols = [p["IP"].proto for p in sniffer.packets()]
    assert protocols.count(50) > 10 * protocols.count(17), protocols
    full = a.link(DEV)["mtu"] - 28
    assert a.ping(B, size=full, dont_fragment=True)
    for host in a, b:
        sas = kernel_sas(host)
        assert {sa["direction"] for sa in sas} == {"in", "out"}, sas
        wait_until(lambda h=host: all(
            sa["packets"] > 10 for sa in kernel_sas(h) if sa["direction"] == "out"), 8, "counts")


def add_cases():
    for suite in SUITES:
        def test(net, suite=suite):
            judge(net, suite)
        globals()[f"test_{suite.replace('-', '_')}"] = case(limit=60)(test)


add_cases()
