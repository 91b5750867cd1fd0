# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manual SAs that the kernel has: no number is sent twice, none is taken twice, and none is lost."""

import contextlib
import os
import re
import signal
import struct
import threading

from kernelpath import DEV, path, uses_kernel, wait_path
from kernelpeer import Kernel, check_traffic, members
from traffic import transfer
from vnettest import case, wait_until

FAR = "10.0.0.9"
ESP = 50
SECRET = b"taken only once."     # 16 bytes, all that ping repeats


class Judge:
    """All ESP that goes to host a, and what comes out of a's device."""

    def __init__(self, a, k):
        self.a, self.k = a, k
        self.wire = k.host.packet_socket("eth0", 3)     # ETH_P_ALL: what it sends too
        self.out = k.host.packet_socket("eth0", 0x88b5)
        self.out.setblocking(True)
        self.device = a.packet_socket(DEV, 0x0800)
        self.sealed, self.numbers = {}, []      # as they came; what is sent again counts once

    def read(self):
        ethertype = b"\x86\xdd" if self.k.v6 else b"\x08\x00"
        offset, at = (20, 54) if self.k.v6 else (23, 34)
        own = bytes.fromhex(self.k.host.mac("eth0").replace(":", ""))
        while True:
            try:
                frame = self.wire.recv(2048)
            except BlockingIOError:
                return
            if frame[12:14] != ethertype or frame[offset] != ESP:
                continue
            if frame[6:12] == own:
                self.sealed[frame] = None
            else:
                self.numbers.append(struct.unpack_from("!I", frame, at + 4)[0])

    def delivered(self):
        n = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                n += SECRET in self.device.recv(9216)
        return n

    def check(self):
        """Nothing a has sent has a number twice, and nothing that it has taken is taken again."""
        self.read()
        assert len(set(self.numbers)) == len(self.numbers), "a number was sent twice"
        self.delivered()
        assert len(self.sealed) > 20
        for frame in list(self.sealed)[-1000:]:
            self.out.send(frame)
        assert self.ping(), "a number of its own"
        self.read()
        assert self.delivered() <= 3, "taken twice"

    def ping(self):
        return self.k.host.run("ping", "-c", 1, "-W", 1, "-p", SECRET.hex(), "10.0.0.1",
                               check=False).returncode == 0


def lend(net, level="conf", v6=False, mtu=1392):
    a, host = net.hosts("a", "k")
    a.offload = "auto"
    members(level, a)
    k = Kernel(host, level, v6)
    k.add_device(f"{FAR}/24", mtu, a)
    k.meet(a)
    judge = Judge(a, k)
    wait_until(judge.ping, 10, "ping")
    wait_path(a, "kernel esp")
    assert all(sa["kernel"] and sa["state"] == "manual" for sa in a.vn_json("sas"))
    return a, k, judge


def sas(host):
    return {sa["direction"]: sa for sa in host.vn_json("sas")}


def burst(k, deadline=20):
    """So much that its numbers are above all that a has given up."""
    wait_until(lambda: k.host.run("ping", "-c", 400, "-i", "0.002", "-w", 10, "10.0.0.1",
                                  check=False).returncode == 0, deadline, "pings of k")


def oversize(a, k):
    """What fits no packet of the underlay goes in fragments, as in software."""
    for host, dev in (a, DEV), (k.host, "vx97"):
        host.ip("link", "set", dev, "mtu", 1500)
    for host, other in (a, FAR), (k.host, "10.0.0.1"):
        wait_until(lambda h=host, o=other: h.ping(o, size=1472), 10, f"a large frame from {host.name}")


def judge_all(net, level, v6, mtu):
    a, k, judge = lend(net, level, v6, mtu)
    burst(k)
    check_traffic(a, k, mtu)
    uses_kernel(a, FAR)
    oversize(a, k)
    stats = a.stats()
    assert stats["port_rx"] > 0 and stats["port_tx"] > 0, stats
    assert stats["kernel_rx"] > 100 and stats["raw_rx"] < 600, stats
    received = sas(a)["in"]
    assert received["packets"] > 400 and received["seq"] > 400, received
    judge.check()


@case(limit=120)
def test_auth(net):
    judge_all(net, "auth", False, 1420)


@case(limit=120)
def test_conf_v6(net):
    judge_all(net, "conf", True, 1376)


@case(limit=240)
def test_to_and_fro(net):
    """Software, kernel, and every way to lose the one or the other."""
    a, k, judge = lend(net)
    burst(k)

    def again(what, kernel=True):
        wait_until(lambda: a.ping(FAR), 10, f"{what}: ping")
        wait_until(judge.ping, 10, f"{what}: ping of k")
        judge.check()
        if kernel:
            wait_path(a, "kernel esp", deadline=60)
            burst(k)
        wait_until(lambda: a.ping(FAR), 10, f"{what}: ping later")
        judge.check()

    a.vn("offload", "off")
    assert path(a)[0] == "software"
    assert not a.ip("xfrm", "state").stdout.strip()
    again("software", kernel=False)
    before = sas(a)
    a.vn("offload", "auto")
    again("kernel")
    for direction in "in", "out":
        wait_until(lambda d=direction: sas(a)[d]["packets"] >= before[d]["packets"] + 400, 10,
                   f"counts of the kernel, {direction}: {before}")
        after = sas(a)[direction]
        assert after["seq"] > before[direction]["seq"], (before, after)
        assert after["packets"] < before[direction]["packets"] + 4000, (before, after)
    a.kill("engine")
    wait_until(lambda: a.vn("status", check=False).returncode == 0, 10, "a new engine")
    again("engine killed")
    a.kill("priv")
    again("priv killed")
    a.restart()
    again("restarted")


@case(limit=120)
def test_killed(net):
    """All of vnetd is killed; its SAs stay in the kernel until a new one looks."""
    a, k, judge = lend(net)
    burst(k)
    roles = a.roles()
    os.kill(a.daemon.pid, signal.SIGSTOP)       # or it would start them again
    for role in "priv", "engine", "keys", "resolve", "parent":
        os.kill(roles[role], signal.SIGKILL)
    a.daemon.wait()
    assert a.ip("xfrm", "state").stdout.strip()
    k.host.run("ping", "-c", 50, "-i", "0.002", "-w", 2, "10.0.0.1", check=False)
    a.start()
    wait_until(judge.ping, 10, "ping of k")
    judge.check()
    wait_path(a, "kernel esp", deadline=60)
    burst(k)
    judge.check()


@case(limit=120)
def test_early(net):
    """Killed while the numbers are still those of software: nothing is given up."""
    a, _, judge = lend(net)
    for _ in range(3):
        assert sas(a)["in"]["seq"] < 128
        a.kill("engine")
        wait_until(lambda: a.vn("status", check=False).returncode == 0, 10, "a new engine")
        wait_until(judge.ping, 3, "ping of k")
        wait_path(a, "kernel esp", deadline=60)
        assert judge.ping()


@case(limit=120)
def test_flushed(net):
    """Nobody knows the kernel's last number then: what may have been taken is not taken again."""
    a, k, judge = lend(net)
    burst(k)
    a.ip("xfrm", "state", "flush")
    wait_path(a, "software")
    a.wait_log("was flushed")
    burst(k, 60)
    judge.check()
    wait_path(a, "kernel esp", deadline=60)
    judge.check()


@case(limit=120)
def test_astray(net):
    """Others route its pseudo-address: there is no probe that would notice, and it is software's."""
    a, k, judge = lend(net)
    burst(k)
    a.ip("route", "add", "198.18.0.0/16", "via", k.addr)
    a.wait_log("routed elsewhere by others")
    wait_path(a, "software")
    wait_until(lambda: a.ping(FAR), 10, "ping")
    burst(k)
    judge.check()
    a.ip("route", "del", "198.18.0.0/16")
    for mode in "off", "auto":          # or it would try again after a while
        a.vn("offload", mode)
    wait_path(a, "kernel esp", deadline=40)
    burst(k)
    judge.check()


def sealed(host):
    """Of the SA that sends: its last number, its packets and bytes, and its hard limits of them."""
    text = host.ip("-s", "xfrm", "state", "list", "spi", "0x1002").stdout
    number = int(re.search(r"oseq 0x([0-9a-f]+)", text)[1], 16)
    bytes_, packets = re.search(r"(\d+)\(bytes\), (\d+)\(packets\)", text).groups()
    limits = re.findall(r"hard (\d+)\((?:bytes|packets)\)", text)
    return number, int(packets), int(bytes_), int(limits[1]), int(limits[0])


@case(limit=120)
def test_limits(net):
    """What the kernel may send is what the disk says, also where it cuts segments late and counts
    them as one packet; short ones are not for it."""
    net.underlay.run("modprobe", "esp4_offload")
    a, k, _ = lend(net)
    stored = int(re.search(r"\(sent (\d+)\)", (a.dir / "state" / "state").read_text())[1])

    def check():
        number, packets, octets, most, most_octets = sealed(a)
        assert number + most - packets + (most_octets - octets) / 512 <= stored, (sealed(a), stored)
        return number, packets

    first, before = check()
    transfer(a, k.host, FAR, bytes(1 << 20))
    number, packets = check()
    assert number - first > 750 > 1.5 * (packets - before), "segments are cut one by one"
    tx = a.stats()["port_tx"]
    a.ip("route", "change", "10.0.0.0/24", "dev", DEV, "advmss", 400)
    k.host.ip("route", "change", "10.0.0.0/24", "dev", "vx97", "advmss", 400)
    transfer(a, k.host, FAR, bytes(1 << 18))
    check()
    assert a.stats()["port_tx"] > tx + 500


class Flood:
    """Broadcasts into a device, each from another address, until the end."""

    def __init__(self, host, dev):
        self.raw, self.ended = host.packet_socket(dev, 0x88b5), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        number = 0
        while not self.ended.wait(0.001):
            number += 1
            with contextlib.suppress(OSError):
                self.raw.send(b"\xff" * 6 + b"\2\0" + struct.pack("!I", number) + b"\x88\xb5" + bytes(46))

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


@case(limit=120)
def test_counters(net):
    """What goes wrong at the engine's port."""
    a, k, _ = lend(net)

    def refused():
        a.vn("sa-delete", k.addr)
        if a.stats()["port_refused"]:
            return True
        k.host.ip("xfrm", "state", "flush")
        k.meet(a)
        wait_path(a, "kernel esp", deadline=60)
        return False

    with Flood(a, DEV):
        a.ip("link", "set", "vnet-probe", "down")
        wait_until(lambda: a.stats()["port_tx_failed"], 10, "port_tx_failed")
    wait_path(a, "kernel esp", deadline=60)
    with Flood(k.host, "vx97"):
        wait_until(refused, 60, "port_refused")
