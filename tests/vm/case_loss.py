# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bad underlay, by the kernel's netem: packets are lost, late, doubled and out of order."""

import os
import re

from traffic import Stream, transfer
from vnettest import case, wait_until

DEV, ADDRESS_A, ADDRESS_B = "vnif0097", "10.0.0.1", "10.0.0.2"
NETEM = "delay 20ms 10ms loss 3% duplicate 5% reorder 20% 50%".split()


@case(limit=60)
def test_rekeys(net):
    """What arrives is what was sent, once, while keys change; the association stays up."""
    a, b = net.hosts("a", "b")
    for host, address in (a, ADDRESS_A), (b, ADDRESS_B):
        host.configure("(rekey (seconds 10))\n")
        host.start()
        host.vn("vnet-create", "-s", "conf", "97")
        host.add_address(DEV, f"{address}/24")
    wait_until(lambda: a.ping(ADDRESS_B), 10, "ping")
    for host in a, b:
        host.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem", *NETEM)
    before = a.stats()["rekeys"]
    data = os.urandom(1 << 17)
    with Stream(a, b, ADDRESS_B, 0.01) as stream:     # closer than the delays differ
        while a.stats()["rekeys"] < before + 3:
            transfer(a, b, ADDRESS_B, data, port=7001)
            transfer(b, a, ADDRESS_A, data, port=7002)
        stream.stop()
        lost, numbers = len(stream.lost()), [number for number, _ in stream.arrivals]
        print(f"{lost} of {stream.sent} lost")
        assert 0 < lost < stream.sent / 5
        assert stream.doubled() == 0 and numbers != sorted(numbers)
    assert b.stats()["esp_replayed"] > 0
    for host in a, b:
        assert not re.search(r": down \(", host.log()), host.name
