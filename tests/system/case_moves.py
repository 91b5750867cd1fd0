# SPDX-License-Identifier: LGPL-2.1-or-later
"""MAC addresses that move: a machine that migrates, and one that is there twice."""

import re
import subprocess
import time

from vnettest import case, wait_until

MAC = "02:00:00:00:00:77"
ADDRESS = "10.0.0.77"


def lan(net, *names):
    hosts = net.hosts(*names)
    for host in hosts:
        host.start()
        host.vn("vnet-create", "-s", "conf", "-b", "vnet97", "97")
        wait_until(lambda h=host: h.link("vnet97"), 5, "the bridge")
    return hosts


def machine(host, number=0):
    return host.guest(f"moves{number}", "vnet97", f"{ADDRESS}/24", mac=MAC)


def gaps(output, until):
    """Times of the replies in `ping -D` output, up to `until`."""
    return [float(t) for t in re.findall(r"^\[([0-9.]+)\] .* bytes from", output, re.M) if float(t) <= until]


@case(limit=60)
def test_migration(net):
    """A machine moves with its MAC from b to c: a reaches it within 100 ms of its first frame there, and d too."""
    a, b, c, d = lan(net, "a", "b", "c", "d")
    watchers = [host.guest("watch", "vnet97", f"10.0.0.{n}/24") for n, host in ((1, a), (4, d))]
    old = machine(b)
    for watcher in watchers:
        wait_until(lambda w=watcher: w.ping(ADDRESS), 10, "the machine at b")
    for number in range(1, 4):
        pings = [w.spawn("ping", "-n", "-D", "-i", "0.01", "-W", "1", "-c", "300", ADDRESS,
                         stdout=subprocess.PIPE, text=True) for w in watchers]
        time.sleep(0.3)  # they ping the old place for a while
        old.ip("link", "del", "eth0")
        old = machine(c, number)
        first_frame = time.time()
        old.run("ping", "-n", "-c", "1", "-W", "1", "10.0.0.1", check=False)
        b, c = c, b
        for ping in pings:
            out, _ = ping.communicate(timeout=20)
            after = [t for t in gaps(out, first_frame + 10) if t > first_frame]
            assert after, "never reached again"
            assert after[0] - first_frame < 0.15, f"reached {after[0] - first_frame:.3f} s after its first frame"


@case(limit=60)
def test_doubled(net):
    """The same MAC at two hosts, both talking all the time: damped, named in the log, and the rest of the LAN unharmed."""
    a, b, c = lan(net, "a", "b", "c")
    watcher = a.guest("watch", "vnet97", "10.0.0.1/24")
    quiet = c.guest("quiet", "vnet97", "10.0.0.3/24")
    twins = [machine(b), machine(c)]
    talk = [t.spawn("ping", "-n", "-i", "0.01", "-W", "1", "-c", "400", "10.0.0.1") for t in twins]
    wait_until(lambda: any("moves too often" in h.log() and MAC in h.log() for h in (b, c)), 10, "it is named")
    assert watcher.ping("10.0.0.3", count=5)
    for ping in talk:
        ping.communicate(timeout=20)
    named = sum(h.log().count("moves too often") for h in (a, b, c))
    assert named <= 6, f"{named} lines for one doubled MAC"
    claims = sum(h.stats()["varp_damped"] for h in (b, c))
    assert claims > 0
    del quiet
