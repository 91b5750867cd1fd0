# SPDX-License-Identifier: LGPL-2.1-or-later
"""Minutes of traffic through rekeys and faults: nothing leaks, nothing is lost for long."""

import os
import re
import subprocess
import time

from vnettest import case, wait_until

MINUTES = 4


def usage(host):
    """{role: (resident memory in kB, open descriptors)}"""
    found = {}
    for role, pid in host.roles().items():
        with open(f"/proc/{pid}/status") as status:
            rss = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
        found[role] = rss, len(os.listdir(f"/proc/{pid}/fd"))
    return found


@case(limit=MINUTES * 60 + 120, extra=True)
def test_rekey(net):
    a, b, c = net.hosts("a", "b", "c")
    for number, host in enumerate((a, b, c), 1):
        host.configure("(rekey (seconds 10))\n")
        host.start()
        host.vn("vnet-create", "-s", "conf", "97")
        host.add_address("vnif0097", f"10.0.0.{number}/24")
    for dst in "10.0.0.2", "10.0.0.3":
        wait_until(lambda dst=dst: a.ping(dst), 10, f"ping {dst}")
    time.sleep(30)      # caches fill
    before = usage(a)
    count = (MINUTES * 60 - 30) * 20
    pings = [a.spawn("ping", "-q", "-i", "0.05", "-c", count, dst,
                     stdout=subprocess.PIPE, text=True) for dst in ("10.0.0.2", "10.0.0.3")]
    for ping in pings:
        output = ping.communicate(timeout=MINUTES * 60 + 30)[0]
        assert f" {count} received" in output, output
    after = usage(a)
    for role, (rss, fds) in after.items():
        assert rss < before[role][0] * 1.2 + 1024, f"{role}: memory {before[role]} -> {after[role]}"
        assert fds <= before[role][1] + 2, f"{role}: descriptors {before[role]} -> {after[role]}"
