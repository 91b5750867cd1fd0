# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secured vnets through the kernel over underlays that are not what one wishes."""

import itertools
import os

from kernelpath import join, path, uses_kernel
from traffic import Stream, transfer
from vnettest import case, wait_until

A, B = "10.0.0.1", "10.0.0.2"
NETEM = "delay 20ms 10ms loss 3% duplicate 5% reorder 20% 50%".split()


@case(limit=120)
def test_netem(net):
    """Packets are lost, late, doubled and out of order: what arrives is what was sent, once."""
    a, b = net.hosts("a", "b")
    for host in a, b:
        host.configure("(rekey (seconds 600) (packets 3000))\n")
    join([a, b], suite="aes128-sha1")
    for host in a, b:
        host.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem", *NETEM)
    before = a.stats()["rekeys"]
    with Stream(a, b, B, 0.02) as stream:
        for port in itertools.count(7001):
            transfer(a, b, B, os.urandom(1 << 16), port=port)
            transfer(b, a, A, os.urandom(1 << 16), port=port)
            if a.stats()["rekeys"] >= before + 2:
                break
        stream.stop()
        lost, numbers = len(stream.lost()), [number for number, _ in stream.arrivals]
        print(f"{lost} of {stream.sent} lost; paths {path(a)}, {path(b)}")
        assert 0 < lost < stream.sent / 5
        assert stream.doubled() == 0 and numbers != sorted(numbers)
    for host in a, b:
        assert host.stats()["kernel_tx"] > 100, host.name


@case(limit=120)
def test_nat(net):
    """Behind a NAT, which lets no protocol 50 pass and knows only ports that were used."""
    net.segment("inside")
    net.segment("outside")
    a, b = net.host("a", "inside"), net.host("b", "outside")
    router = net.router("inside", "outside", nat=True)
    a.configure(f"(peer.add (addr {b.addr4}))\n")
    join([a, b], suite="aes128-sha1", wait=False)
    for host, address in (a, B), (b, A):
        wait_until(lambda h=host: path(h)[0].startswith("kernel udp"), 30, "a path")
        uses_kernel(host, address)
    transfer(a, b, B, os.urandom(1 << 16))
    router.forget()
    wait_until(lambda: a.ping(B) and b.ping(A), 40, "pings over other ports of the NAT")
    for host, address in (a, B), (b, A):
        uses_kernel(host, address)
