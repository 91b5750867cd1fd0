# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes killed under traffic, restarts, and what is kept through them."""

import contextlib
import os
import random
import signal
import threading
import time

from traffic import Stream
from vnettest import case, wait_until

DEV = "vnif0097"


def pair(net):
    """Two hosts with vnet 97 on bridges, and addresses on the bridges."""
    hosts = net.hosts("a", "b")
    for number, host in enumerate(hosts, 1):
        host.start()
        host.vn("vnet-create", "-s", "conf", "-b", "br97", "97")
        wait_until(lambda h=host: h.link("br97"), 5, "the bridge")
        host.add_address("br97", f"10.0.0.{number}/24")
    wait_until(lambda: hosts[0].ping("10.0.0.2"), 10, "ping")
    return hosts


def wait_gone(pids):
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 5, "all gone",
               interval=0.01)


def kill_all(host):
    """kill -9 of every process, in any order, until none is left."""
    roles = list(host.roles().values())
    random.shuffle(roles)
    for pid in roles:
        with contextlib.suppress(ProcessLookupError):     # followed one that was killed before it
            os.kill(pid, signal.SIGKILL)
    host.daemon.wait()
    wait_gone(roles)


def kept(host):
    """Everything that must survive: devices, their numbers, addresses and bridges, vnets."""
    devices = {}
    for name in DEV, "br97":
        link = host.link(name)
        devices[name] = link["ifindex"], link["address"], link["mtu"], link.get("master")
    vnets = [{k: v for k, v in vnet.items() if k != "members"} for vnet in host.vn_json("vnets")]
    addresses = host.ip("-br", "addr", "show", "dev", "br97").stdout
    return devices, vnets, addresses


def killed(net, role, times, who="a"):
    """Kills a role of some hosts so often under traffic; the stream, which has ended."""
    a, b = pair(net)
    victims = [host for host in (a, b) if host.name in who]
    before = [kept(host) for host in (a, b)]
    with Stream(a, b, "10.0.0.2") as stream, Stream(b, a, "10.0.0.1") as back:
        for _ in range(times):
            time.sleep(random.uniform(1.1, 1.6))     # sooner it would be a process that always dies
            pids = [host.roles() for host in victims]
            for host in victims:
                host.kill(role)
            for host, old in zip(victims, pids):
                wait_until(lambda h=host, o=old[role]: h.roles().get(role, o) != o, 5, "a new one")
            for one in stream, back:
                one.flowing()
        time.sleep(0.3)
        stream.stop()
        back.stop()
        assert [kept(host) for host in (a, b)] == before
        print(f"{role} killed: lost {len(stream.lost())} of {stream.sent} and {len(back.lost())} "
              f"of {back.sent}, longest gap {stream.gap():.3f} and {back.gap():.3f} s")
        assert stream.doubled() == back.doubled() == 0
    return stream, back


@case(limit=60)
def test_engine(net):
    assert max(stream.gap() for stream in killed(net, "engine", 6)) < 1


@case(limit=60)
def test_both_engines(net):
    assert max(stream.gap() for stream in killed(net, "engine", 4, who="ab")) < 1


@case(limit=60)
def test_keys(net):
    assert not any(stream.lost() for stream in killed(net, "keys", 3))


@case(limit=60)
def test_priv(net):
    assert not any(stream.lost() for stream in killed(net, "priv", 3))


@case(limit=90)
def test_priv_and_engine(net):
    """Both killed within milliseconds, in either order: new ones find all they need."""
    a, b = pair(net)
    before = kept(a)
    for pause in 0, 0.001, 0.003, 0.01, 0.03, 0.1:
        for order in ("priv", "engine"), ("engine", "priv"):
            time.sleep(1.1)
            old = a.roles()
            for role in order:
                os.kill(old[role], signal.SIGKILL)
                time.sleep(pause)
            wait_until(lambda r=old: all(a.roles().get(role, r[role]) != r[role] for role in order), 5, "new ones")
            wait_until(lambda: a.vn("status"), 5, f"an answer after {order}, {pause} s apart")
            wait_until(lambda: a.ping("10.0.0.2") and b.ping("10.0.0.1"), 10, "ping")
            assert kept(a) == before


@case(limit=60)
def test_resolve(net):
    assert not any(stream.lost() for stream in killed(net, "resolve", 3))


@case(limit=60)
def test_parent(net):
    """The parent killed, and started again as a service manager would. The kernel takes up to a
    second each to tell that the device and its bridge have a carrier again."""
    a, b = pair(net)
    before = kept(a)
    with Stream(a, b, "10.0.0.2") as stream, Stream(b, a, "10.0.0.1") as back:
        for _ in range(3):
            time.sleep(random.uniform(1.1, 1.5))
            roles = a.roles().values()
            a.kill("parent")
            a.daemon.wait()
            wait_gone(roles)
            a.start()
            for one in stream, back:
                one.flowing()
        stream.stop()
        back.stop()
        print(f"parent killed: longest gap {stream.gap():.3f} and {back.gap():.3f} s")
        assert max(stream.gap(), back.gap()) < 5
    assert kept(a) == before


def told(host):
    """All that a command has made: vnets but for what changes by itself, peers, stored forms."""
    vnets = [{k: v for k, v in vnet.items() if k != "members"} for vnet in host.vn_json("vnets")]
    peers = {peer["name"] for peer in host.vn_json("peers") if "name" in peer}
    return vnets, host.vn_json("vnet-list", "-l"), peers


@case(limit=60)
def test_everything_comes_back(net):
    """Vnets of all kinds, labels, addresses, bridges and peers are there after a restart, a crash
    and on a machine that has been switched off, without a command."""
    (a,) = net.hosts("a")
    a.put_key("red", bytes(range(32)))
    a.start()
    for number in range(12):
        a.vn("vnet-create", "-s", ("none", "auth", "conf")[number % 3], f"3{number:02x}")
        a.vn("vnet-create", "--suite", "aes256gcm", "-k", "red", "-b", f"br{number}",
             f"2001:db8:0:0:0:0:{number}:4{number:02x}")
    a.vn("vnet-create", "-s", "conf", "--address", "10.0.0.1/24", "--address", "fd00::1/64", "97")
    a.vn("vnet-delete", "301")
    a.vn("vnet-delete", "2001:db8:0:0:0:0:2:402")
    for peer in "192.0.2.9", "2001:db8::9":
        a.vn("peer-add", peer)
    before, macs = told(a), {v["vnetif"]: a.mac(v["vnetif"]) for v in a.vn_json("vnets")}
    assert len(before[0]) == 23 and len(before[2]) == 2, before

    def same():
        return (told(a) == before and {v: a.mac(v) for v in macs} == macs and
                "10.0.0.1/24" in (addresses := a.ip("-br", "addr", "show", "dev", DEV).stdout) and
                "fd00::1/64" in addresses and a.link("vnif0400")["master"] == "br0")
    a.restart()
    wait_until(same, 5, "all of it after a restart")
    kill_all(a)
    a.start()
    wait_until(same, 5, "all of it after a crash")
    a.stop()
    for device in *macs, *(f"br{number}" for number in range(12)):
        a.ip("link", "del", device, check=False)
    a.start()
    wait_until(same, 10, "all of it after the devices were gone")


class Creator(threading.Thread):
    """Makes and deletes vnets as fast as vnetd answers; knows what was acknowledged."""

    def __init__(self, host, expected, first):
        super().__init__()
        self.host, self.expected, self.number = host, expected, first
        self.maybe = set()      # neither acknowledged nor refused
        self.running = True

    def run(self):
        while self.running:
            if len(self.expected) > 20:
                vnet, command = random.choice(sorted(self.expected)), "vnet-delete"
            else:
                vnet, command = f"{self.number:x}", "vnet-create"
                self.number += 1
            self.maybe = {vnet}
            if self.host.vn(command, vnet, check=False).returncode:
                return
            self.maybe = set()
            (self.expected.add if command == "vnet-create" else self.expected.discard)(vnet)


@case(limit=120)
def test_acknowledged_is_kept(net):
    """All processes killed at any instant while vnets are made and deleted: what was acknowledged
    is there, or gone, when vnetd runs again."""
    (a,) = net.hosts("a")
    expected, number, acknowledged = set(), 0x200, 0
    for _ in range(12):
        a.start()
        creator = Creator(a, expected, number)
        creator.start()
        time.sleep(random.uniform(0.05, 0.5))
        kill_all(a)
        creator.running = False
        creator.join()
        acknowledged += creator.number - number
        number = creator.number
        a.start()
        there = {f"{int(v['id'][-4:], 16):x}" for v in a.vn_json("vnets")}
        assert there ^ expected <= creator.maybe, (there ^ expected, creator.maybe)
        expected.clear()
        expected.update(there)
        a.stop()
    print(f"{acknowledged} creates in 12 lives")
    assert acknowledged > 30
