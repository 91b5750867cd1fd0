# SPDX-License-Identifier: LGPL-2.1-or-later
"""The promise: whatever dies, changes or gets lost, not one frame of a secured vnet leaves in
clear, none of one vnet gets into another, and when it is over everything is there and talks.

VNET_STORM_SEED repeats what was done (not when), VNET_STORM_SECONDS says for how long.
"""

import json
import os
import random
import re
import secrets
import time

from case_keys import copy_key
from storm import CHANGING, LATE_TTL, LEVELS, Guest, Judge, Mischief, Talk
from vnettest import Failed, case, need, wait_until

# Vnet: its options. The last one changes its level.
VNETS = {0xa1: ["-s", "none"], 0xa2: ["-s", "auth"], 0xa3: ["-s", "conf", "--address"],
         0xa4: ["-s", "conf", "-k", "red"], 0xa5: ["-s", "none"]}
MOODY = 0xa5
SECURED = [0xa2, 0xa3, 0xa4]
SETTLE = 0.6            # no frame takes that long from a guest to the engine
ROLES = ("engine", "keys", "priv", "resolve")


class Storm:
    def __init__(self, net, rng):
        self.net, self.rng = net, rng
        self.hosts = net.hosts("a", "b", "c")
        self.addresses = {host: {host.addr4, host.addr6} for host in self.hosts}
        # Host: [(from, to, is it none?)] of the moody vnet, times of the wall clock.
        self.moods = {host: [] for host in self.hosts}
        self.mood = {host: ("none", "default") for host in self.hosts}      # level and key
        self.devices = {}               # (host, vnet): interface index
        self.mischief = None
        self.next_address = 100
        self.guests = []
        self.done = {}

    # Set-up

    def start(self):
        for number, host in enumerate(self.hosts, 1):
            host.sysctl("net.ipv4.conf.all.promote_secondaries", 1)
            host.put_key("red", b"red" * 10 + b"!!")
            host.start()
            self.moods[host].append([time.time(), None, True])
            for vnet in VNETS:
                self.create(host, vnet)
                guest = host.guest(f"g{vnet:x}", f"br{vnet:x}", f"10.{vnet}.0.{number}/24",
                                   mac=f"02:00:00:00:{vnet:02x}:{number:02x}")
                self.guests.append(Guest(guest, host, vnet, number, LEVELS[self.level_of(vnet)]))

    def level_of(self, vnet):
        return VNETS[vnet][1]

    def create(self, host, vnet):
        options = VNETS[vnet]
        if vnet == MOODY:
            options = self.security(*self.mood[host])
        if "--address" in options:
            options = [*options, self.address(host, vnet)]
        self.insist(host, "vnet-create", *options, "-b", f"br{vnet:x}", f"{vnet:x}")
        self.devices[host, vnet] = host.link(f"vnif{vnet:04x}")["ifindex"]

    def address(self, host, vnet):
        return f"10.0.{vnet}.{self.hosts.index(host) + 1}/24"

    @staticmethod
    def security(level, key):
        return ["-s", level, *(["-k", key] if level != "none" else [])]

    @staticmethod
    def insist(host, *args):
        """vn, until it is done: the daemon may be on its way up."""
        return wait_until(lambda: host.vn(*args, timeout=30).returncode == 0, 30,
                          f"{host.name}: vn {' '.join(args)}", interval=0.2)

    # What may happen

    def kill(self, host):
        role = self.rng.choice(ROLES)
        try:
            host.kill(role)
        except (KeyError, ProcessLookupError):
            pass                        # it is dead already
        return role

    def kill_parent(self, host):
        host.daemon.kill()
        host.daemon.wait()
        self.up_again(host)

    def restart(self, host):
        host.stop()
        self.up_again(host)

    @staticmethod
    def up_again(host):
        """As a service manager does."""
        for _ in range(10):
            host.start(wait=False)
            try:
                return wait_until(host._answers, 10, f"{host.name}: vnetd answers")
            except RuntimeError:        # a socket of the last one is still there
                time.sleep(0.3)
        raise Failed(f"{host.name}: vnetd does not start")

    def create_again(self, host):
        vnet = self.rng.choice([*VNETS])
        self.insist(host, "vnet-delete", f"{vnet:x}")
        time.sleep(self.rng.uniform(0, 0.5))
        self.create(host, vnet)
        return f"{vnet:x}"

    def change_level(self, host, mood=None):
        """Also the key, maybe. Frames of the moment say so; clear ones may be seen until it is
        secured, and from when it is told to be none."""
        was, _ = self.mood[host]
        level, key = mood or (self.rng.choice([one for one in LEVELS if one != was]),
                              self.rng.choice(("default", "red")))
        guest = next(g for g in self.guests if g.host is host and g.vnet == MOODY)
        guest.level = CHANGING
        time.sleep(SETTLE)
        begun = time.time()
        self.insist(host, "vnet-set", *self.security(level, key), f"{MOODY:x}")
        if level == "none":
            self.note_mood(host, begun, True)
        elif was == "none":
            self.note_mood(host, time.time(), False)
        self.mood[host] = level, key
        time.sleep(SETTLE)              # what was sent meanwhile
        guest.level = LEVELS[level]
        return f"{level} {key}"

    def note_mood(self, host, when, none):
        self.moods[host][-1][1] = when
        self.moods[host].append([when, None, none])

    def replace_key(self, host):
        self.insist(host, "key-gen", "--replace", "red")
        for other in self.hosts:
            if other is not host:
                copy_key(host, other, "red")
                self.insist(other, "key-reload")
        if self.rng.random() < 0.5:
            for one in self.hosts:
                one.vn("key-retire", "red", check=False)

    def move(self, host):
        """Another address on the underlay."""
        new = f"192.0.2.{self.next_address}"
        self.next_address = 100 + (self.next_address - 99) % 150
        self.addresses[host].add(new)
        host.add_address("eth0", f"{new}/24")
        host.ip("addr", "del", f"{host.addr4}/24", "dev", "eth0")
        host.addr4 = new
        return new

    def unplug(self, host):
        port = self.port(host)
        self.net.underlay.ip("link", "set", port, "down")
        time.sleep(self.rng.uniform(0.2, 3))
        self.net.underlay.ip("link", "set", port, "up")

    def port(self, host):
        return f"u-{self.hosts.index(host) + 1}"

    def lose(self, host):
        percent = self.rng.choice((5, 20, 50))
        host.run("nft", "add table inet storm; flush table inet storm; "
                 "add chain inet storm in { type filter hook input priority 0; }; "
                 f"add rule inet storm in udp dport 1798 numgen random mod 100 < {percent} drop")
        time.sleep(self.rng.uniform(0.5, 3))
        host.run("nft", "delete", "table", "inet", "storm")
        return f"{percent} %"

    def reorder(self, host):
        """Everything comes, but by way of Mischief."""
        mac = bytes.fromhex(host.mac("eth0").replace(":", ""))
        self.mischief.slow.add(mac)
        host.run("nft", "add table inet order; "
                 "add chain inet order in { type filter hook input priority 0; }; "
                 f"add rule inet order in udp dport 1798 ip ttl > {LATE_TTL} drop")
        time.sleep(self.rng.uniform(0.5, 3))
        host.run("nft", "delete", "table", "inet", "order")
        self.mischief.slow.discard(mac)

    # All of it

    def rage(self, seconds):
        """Events from a pack of cards that is shuffled again when it is used up: none is left out."""
        pack = [self.kill] * 6 + [self.create_again, self.change_level, self.lose] * 2 + \
            [self.kill_parent, self.restart, self.replace_key, self.move, self.unplug, self.reorder]
        cards, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            if not cards:
                cards = self.rng.sample(pack, len(pack))
            event, host = cards.pop(), self.rng.choice(self.hosts)
            at = time.time()
            result = event(host)
            self.check_devices()
            print(f"{at:.3f} {host.name} {event.__name__} {result or ''}", flush=True)
            self.done[event.__name__] = self.done.get(event.__name__, 0) + 1
            time.sleep(self.rng.expovariate(1))
        print(self.done)

    def was_none(self, address, when):
        """Was the moody vnet of that host none then?"""
        for host in self.hosts:
            if address in self.addresses[host]:
                return any(none and since <= when and (until is None or when <= until)
                           for since, until, none in self.moods[host])
        return False

    def check_devices(self):
        """Whatever dies, they stay: the same devices, as ports of the same bridges, with the same
        address."""
        for host in self.hosts:
            listed = json.loads(host.ip("-j", "addr", "show").stdout)
            links = {link["ifname"]: link for link in listed}
            for vnet in VNETS:
                link = links.get(f"vnif{vnet:04x}")
                assert link and link["ifindex"] == self.devices[host, vnet] and \
                    link.get("master") == f"br{vnet:x}", (host.name, f"{vnet:x}", link)
                addresses = [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"]]
                assert "--address" not in VNETS[vnet] or self.address(host, vnet) in addresses, \
                    (host.name, f"{vnet:x}", addresses)

    def show(self):
        """What the hosts know, for who looks for the cause."""
        for host in self.hosts:
            for command in "vnets -l", "peers", "varp", "vifs", "stats":
                print(f"{host.name}# vn {command}\n{host.vn(*command.split(), check=False).stdout}")

    def check_all_there(self):
        self.check_devices()
        for host in self.hosts:
            listed = {int(vnet["id"].rpartition(":")[2], 16) for vnet in host.vn_json("vnets")}
            assert listed == set(VNETS), (host.name, listed)
            bad = re.search(r"ended: (killed by signal (?!9 )|exit status).*", host.log())
            assert not bad, f"{host.name}: {bad[0]}"


def storm(net, seconds):
    need("nft")
    seconds = float(os.environ.get("VNET_STORM_SECONDS", seconds))
    seed = os.environ.get("VNET_STORM_SEED") or secrets.token_hex(4)
    print(f"VNET_STORM_SEED={seed} for {seconds:.0f} s", flush=True)
    rng = random.Random(seed)
    world = Storm(net, rng)
    sniffer = net.sniff()
    world.start()
    ports = [world.port(host) for host in world.hosts]
    with Talk(world.guests, random.Random(seed)) as talk:
        wait_until(lambda: not talk.missing(1), 20, "everybody hears everybody")
        with Mischief(net.segment("u"), ports, SECURED, random.Random(seed)) as world.mischief:
            world.rage(seconds)
        for host in world.hosts[1:]:
            world.change_level(host, world.mood[world.hosts[0]])
        since = time.monotonic()
        try:
            wait_until(lambda: not talk.missing(since), 10, "everybody hears everybody again")
        except Failed as error:
            world.show()
            raise Failed(f"{error}: {talk.missing(since)}") from None
        print(f"all talk after {time.monotonic() - since:.1f} s")
        world.check_all_there()
    sniffer.stop()
    judge = Judge({0xa1: lambda *_: True, MOODY: world.was_none}, {MOODY}).read(sniffer.path)
    late = sum(guest.late for guest in world.guests)
    print(dict(judge.counts), "late:", late)
    assert not talk.wrong(), "\n".join(talk.wrong()[:20])
    assert not judge.wrong, "\n".join(judge.wrong)
    assert all(judge.counts[what] > 100 for what in ("esp", "clear", "control")), judge.counts
    assert late >= 10 * world.done.get("reorder", 0), "nothing came out of order"
    said = sniffer.path.with_suffix(".err").read_text()
    dropped = re.search(r"(\d+) packets dropped by kernel", said)
    assert dropped and int(dropped[1]) == 0, "the sniffer missed something"


@case(limit=300)
def test_storm(net):
    storm(net, 120)


@case(limit=2100, extra=True)
def test_long_storm(net):
    storm(net, 1800)
