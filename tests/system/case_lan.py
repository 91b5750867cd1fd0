# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes a LAN of several hosts: who hears what, how often, and how hosts find each other."""

import pathlib
import secrets
import shutil
import time

from vnettest import always, case, wait_until

ETHERTYPE = 0x88b5
DEV = "vnif0097"
BROADCAST, MULTICAST = "ff:ff:ff:ff:ff:ff", "01:00:5e:01:02:03"
SECURITY = [["-s", "none"], ["-s", "auth"], ["-s", "conf"], ["--suite", "null-sha256"],
            ["--suite", "aes128-sha256"], ["--suite", "aes128gcm"], ["--suite", "aes256gcm"]]


def frame(dst, src, text):
    return bytes.fromhex((dst + src).replace(":", "") + f"{ETHERTYPE:x}") + text.encode().ljust(46)


class Ear:
    """Hears all frames of ours on all devices of a host."""

    def __init__(self, host):
        self.socket, self.heard = host.packet_socket("", ETHERTYPE), []

    def frames(self):
        """[(device, text)] of all that has come, in order."""
        while True:
            try:
                data, address = self.socket.recvfrom(2048)
            except BlockingIOError:
                return self.heard
            if address[0] != "eth0":        # the underlay; there it is inside something
                self.heard.append((address[0], data[14:].decode().strip()))

    def send(self, dev, dst, src, text):
        self.socket.sendto(frame(dst, src, text), (dev, ETHERTYPE))


def members(host, count, vnet="97"):
    return host.vn_json("vnets", vnet)[0]["members"] == count


def known(host):
    """MAC addresses that it knows to be elsewhere."""
    return [entry["vmac"] for entry in host.vn_json("varp") if entry["type"] == "ventry"]


def lan(net, names, level="conf", vnet="97"):
    """Hosts that all have the vnet, and all know it."""
    hosts = net.hosts(*names)
    for host in hosts:
        host.start()
        host.vn("vnet-create", "-s", level, vnet)
    for host in hosts:
        wait_until(lambda h=host: members(h, len(hosts) - 1, vnet), 10, "members")
    return hosts


def hear_all(ears, expected):
    """Waits until each has heard what it should, once, and fails on anything more."""
    for ear, wanted in zip(ears, expected):
        wait_until(lambda e=ear, w=wanted: len(e.frames()) >= len(w), 5, "the frames")
    time.sleep(0.2)         # a second copy of a frame would come as fast as the first
    for ear, wanted in zip(ears, expected):
        assert sorted(ear.frames()) == sorted(wanted), (len(ear.frames()), len(wanted))


@case(limit=60)
def test_flood(net):
    """Broadcast, multicast and unknown unicast reach each of three other members once, and nobody
    else; what is known goes to one only."""
    hosts = lan(net, "abcd")
    (stranger,) = net.hosts("e")
    stranger.start()
    stranger.vn("vnet-create", "-s", "conf", "98")      # of the same key, so it has associations
    hosts[0].vn("vnet-create", "-s", "conf", "98")
    wait_until(lambda: members(stranger, 1, "98"), 10, "the stranger's vnet")
    ears = [Ear(host) for host in (*hosts, stranger)]
    expected = [[] for _ in ears]
    macs = [f"02:00:00:00:97:{number:02x}" for number in range(4)]
    for sender, ear in enumerate(ears[:4]):
        for number in range(30):
            for dst in BROADCAST, MULTICAST, f"02:00:00:00:99:{number:02x}":
                text = f"{sender} {number} {dst}"
                ear.send(DEV, dst, macs[sender], text)
                for other in range(4):
                    expected[other] += [(DEV, text)] * (other != sender)
    hear_all(ears, expected)

    for sender, host in enumerate(hosts):
        for other in range(4):
            if other != sender:
                wait_until(lambda h=host, m=macs[other]: m in known(h), 5, "an entry")
                ears[sender].send(DEV, macs[other], macs[sender], f"{sender} to {other}")
                expected[other].append((DEV, f"{sender} to {other}"))
    hear_all(ears, expected)
    assert stranger.stats()["vni_unknown"] == stranger.stats()["vni_forbidden"] == 0


@case(limit=60)
def test_no_loop(net):
    """What came from the network never goes back to it."""
    a, b, c = lan(net, "abc")
    ears = [Ear(host) for host in (a, b, c)]
    before = [host.stats() for host in (a, b, c)]
    for number in range(20):
        ears[0].send(DEV, BROADCAST, "02:00:00:00:97:01", str(number))
    wanted = [(DEV, str(number)) for number in range(20)]
    hear_all(ears, [[], wanted, wanted])
    for host, old in zip((b, c), before[1:]):
        assert host.stats()["frame_copies"] - old["frame_copies"] <= 4, "frames went back"


def many(count):
    """[(id, device, options)] of vnets of all levels, suites and keys, ids of both lengths."""
    vnets = []
    for number in range(count):
        last = f"{0x300 + number:x}"
        name = last if number % 2 else f"2001:db8:0:0:0:0:0:{last}"
        options = SECURITY[number % len(SECURITY)] + (["-k", "red"] if number % 3 == 1 else [])
        vnets.append((name, f"vnif0{last}", options if options[1] != "none" else options[:2]))
    return vnets


@case(limit=120)
def test_many_vnets(net):
    """Fifty vnets of all kinds, the same MAC in each: every frame comes once, in its vnet."""
    hosts, secret, vnets = net.hosts("a", "b", "c"), secrets.token_bytes(32), many(50)
    for shift, host in enumerate(hosts):
        host.put_key("red", secret)
        host.start()
        for name, _, options in vnets[17 * shift:] + vnets[:17 * shift]:
            host.vn("vnet-create", *options, name)
    for host in hosts:
        wait_until(lambda h=host: all(v["members"] == 2 for v in h.vn_json("vnets")), 20, "members")

    labels = [{v["id"]: v["vni"] for v in host.vn_json("vnets")} for host in hosts]
    long_ids = [vnet for vnet in labels[0] if vnet.startswith("2001")]
    assert len(long_ids) == 25 and all(labels[0][v] >= 0x800000 for v in long_ids)
    assert all(labels[0][v] == int(v[-4:], 16) for v in labels[0] if v not in long_ids)
    assert any(labels[0][v] != labels[1][v] for v in long_ids), "no label differs"

    ears = [Ear(host) for host in hosts]
    expected = [[], [], []]
    for sender, ear in enumerate(ears):
        for name, dev, _ in vnets:
            for dst in BROADCAST, MULTICAST:
                text = f"{sender} {name} {dst}"
                ear.send(dev, dst, f"02:00:00:00:00:0{sender}", text)
                for other in range(3):
                    expected[other] += [(dev, text)] * (other != sender)
    hear_all(ears, expected)
    for other in range(3):      # by now every address is known in every vnet
        assert len([mac for mac in known(hosts[other]) if mac.startswith("02:00:00:00:00:")]) == 100


@case(limit=60)
def test_same_mac(net):
    """One MAC at two hosts, in two vnets: each vnet has its own."""
    a, b, c = lan(net, "abc")
    for host in a, b, c:
        host.vn("vnet-create", "-s", "conf", "98")
    for host in a, b, c:
        wait_until(lambda h=host: members(h, 2, "98"), 10, "members")
    ears = [Ear(host) for host in (a, b, c)]
    mac, other = "02:00:00:00:00:01", "vnif0098"
    ears[1].send(DEV, BROADCAST, mac, "b")
    ears[2].send(other, BROADCAST, mac, "c")
    wanted = [[(DEV, "b"), (other, "c")], [(other, "c")], [(DEV, "b")]]
    hear_all(ears, wanted)

    def where():
        return {(e["vnet"][-4:], e["addr"]) for e in a.vn_json("varp") if e.get("vmac") == mac}
    wait_until(lambda: where() == {("0097", b.addr4), ("0098", c.addr4)}, 5, "two entries")
    ears[0].send(DEV, mac, "02:00:00:00:00:02", "to b")
    ears[0].send(other, mac, "02:00:00:00:00:02", "to c")
    wanted[1].append((DEV, "to b"))
    wanted[2].append((other, "to c"))
    hear_all(ears, wanted)


def apart(net):
    """Two hosts on subnets with a router between, which passes no multicast."""
    net.segment("u"), net.segment("w")
    a, b = net.host("a", on="u"), net.host("b", on="w")
    net.router("u", "w")
    return a, b


def join(*hosts):
    for number, host in enumerate(hosts, 1):
        host.start()
        host.vn("vnet-create", "-s", "conf", "97")
        host.add_address(DEV, f"10.0.0.{number}/24")


def peer_added(net, target, addr):
    a, b = apart(net)
    join(a, b)
    assert not a.ping("10.0.0.2")
    a.vn("peer-add", target(b))
    wait_until(lambda: a.ping("10.0.0.2"), 5, "ping across the router")
    (peer,) = a.vn_json("peers")
    assert (peer["addr"], peer["state"], peer["origin"]) == (addr(b), "up", "configured"), peer
    assert peer["name"] == target(b), peer
    a.restart()
    wait_until(lambda: a.ping("10.0.0.2"), 5, "ping after a restart")
    a.vn("peer-delete", target(b))
    assert a.vn("peer-delete", target(b), check=False).returncode == 1
    a.restart()
    b.restart()
    always(lambda: not a.ping("10.0.0.2", wait=0.2), 2, "apart again")
    assert a.vn_json("peers") == []


@case(limit=60)
def test_peer_by_v4(net):
    peer_added(net, lambda b: b.addr4, lambda b: b.addr4)


@case(limit=60)
def test_peer_by_v6(net):
    peer_added(net, lambda b: b.addr6, lambda b: b.addr6)


@case(limit=60)
def test_peer_by_name(net):
    """A name, as /etc/hosts has it; one that is in no list is refused."""
    a, b = apart(net)
    etc = pathlib.Path("/etc/netns") / a.ns
    etc.mkdir(parents=True)
    try:
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{b.addr4} far.example\n")
        join(a, b)
        done = a.vn("peer-add", "nowhere.example", check=False, timeout=60)
        assert done.returncode == 1 and done.stderr.startswith("vn: nowhere.example: "), done
        a.vn("peer-add", "far.example")
        wait_until(lambda: a.ping("10.0.0.2"), 5, "ping across the router")
        (peer,) = a.vn_json("peers")
        assert (peer["name"], peer["addr"], peer["state"]) == ("far.example", b.addr4, "up"), peer
        # A name that is gone stays a peer, and is back when it resolves again.
        (etc / "hosts").write_text("127.0.0.1 localhost\n")
        a.restart()
        wait_until(lambda: "problem" in a.vn_json("peers")[0], 20, "what does not resolve is named")
        (etc / "hosts").write_text(f"{b.addr4} far.example\n")
        wait_until(lambda: a.ping("10.0.0.2"), 20, "ping when the name resolves again")
    finally:
        shutil.rmtree(etc)


@case(limit=60)
def test_relay(net):
    """One machine a subnet that knows of the other joins both; all hosts then talk directly, and
    peers in a ring make no storm."""
    net.segment("u"), net.segment("w")
    a, b, c, d = (net.host(name, on=on) for name, on in zip("abcd", "uuww"))
    net.router("u", "w")
    join(a, b, c, d)
    b.vn("peer-add", c.addr4)
    c.vn("peer-add", b.addr4)
    for host in a, b, c, d:
        wait_until(lambda h=host: members(h, 3), 10, f"members of {host.name}")
    sniffer = net.sniff("udp port 1798", on="w")
    for here in a, b, c, d:
        for last in range(1, 5):
            assert here.name == "abcd"[last - 1] or here.ping(f"10.0.0.{last}"), (here.name, last)
    pairs = {(p["IP"].src, p["IP"].dst) for p in sniffer.packets()
             if int.from_bytes(bytes(p["UDP"].payload)[:4], "big") > 255}
    direct = {(here.addr4, there.addr4) for here in (a, b) for there in (c, d)}
    assert direct <= pairs, pairs

    for here in a, b, c, d:     # every arrangement of peers at once
        for there in a, b, c, d:
            if here != there:
                here.vn("peer-add", there.addr4, check=False)
    time.sleep(3)
    before = [host.stats()["udp_rx"] for host in (a, b, c, d)]
    time.sleep(5)
    gained = [host.stats()["udp_rx"] - old for host, old in zip((a, b, c, d), before)]
    assert all(count < 100 for count in gained), f"datagrams in 5 s: {gained}"


def first_reply(host, dst, since):
    """Seconds from then until dst answers."""
    wait_until(lambda: host.ping(dst, wait=0.2), 5, f"ping {dst}", interval=0)
    return time.monotonic() - since


@case(limit=120)
def test_first_ping(net):
    """From the second create to the first reply within a second, also when all is made anew."""
    a, b = net.hosts("a", "b")
    times = []
    for _ in range(5):
        for host in a, b:
            host.start()
        time.sleep(1)           # past the DISCOVERs of the start
        for again in range(2):
            a.vn("vnet-create", "-s", "conf", "--address", "10.0.0.1/24", "97")
            if not again:
                time.sleep(2)   # past those of the first create
            since = time.monotonic()
            b.vn("vnet-create", "-s", "conf", "--address", "10.0.0.2/24", "97")
            times.append(first_reply(b, "10.0.0.1", since))
            for host in a, b:
                host.vn("vnet-delete", "97")
        for host in a, b:
            host.stop()
    print("first ping after", " ".join(f"{t:.2f}" for t in times), "s")
    assert max(times) < 1, times


@case(limit=60)
def test_made_anew(net):
    """A vnet deleted and made again, at one end, the other or with another level at both."""
    a, b = net.hosts("a", "b")
    join(a, b)
    wait_until(lambda: a.ping("10.0.0.2"), 10, "ping")
    times = []
    for number, host in enumerate((a, b, a, b), 1):
        host.vn("vnet-delete", "97")
        wait_until(lambda o=a if host is b else b: members(o, 0), 5, "the other knows")
        since = time.monotonic()
        host.vn("vnet-create", "-s", "conf", "--address", f"10.0.0.{2 - number % 2}/24", "97")
        times.append(first_reply(a, "10.0.0.2", since))
    for host, last in (a, 1), (b, 2):
        host.vn("vnet-delete", "97")
        since = time.monotonic()
        host.vn("vnet-create", "-s", "auth", "--address", f"10.0.0.{last}/24", "97")
    times.append(first_reply(a, "10.0.0.2", since))
    for host in b, a:
        since = time.monotonic()
        host.restart()
        times.append(first_reply(a, "10.0.0.2", since))
    print("first ping after", " ".join(f"{t:.2f}" for t in times), "s")
    assert max(times) < 2, times


@case(limit=60)
def test_quiet(net):
    """Hosts that hear each other by multicast and as peers say little, whenever one starts."""
    a, b = net.hosts("a", "b")
    join(a, b)
    a.vn("peer-add", b.addr4)
    b.vn("peer-add", a.addr4)
    for host in a, b, a, b:
        before = b.stats()["discover_tx"]
        host.restart()
        wait_until(lambda: a.ping("10.0.0.2"), 5, "ping")
        time.sleep(1)
        said = b.stats()["discover_tx"] - before
        assert said < 30, f"{said} DISCOVERs"


def moves(host):
    return host.stats()["peer_moved"]


@case(limit=60)
def test_nat(net):
    """Behind a NAT, which forgets: traffic from inside makes the new address known, and proven."""
    net.segment("u"), net.segment("w")
    a, b = net.host("a", on="u"), net.host("b", on="w")
    router = net.router("u", "w", nat=True)
    join(a, b)
    a.vn("peer-add", b.addr4)
    wait_until(lambda: a.ping("10.0.0.2"), 5, "ping from inside")
    assert b.ping("10.0.0.1"), "ping from outside"
    assert {p["addr"] for p in b.vn_json("peers")} == {router.address}
    for _ in range(3):
        before = moves(b)
        router.forget()
        since = time.monotonic()
        print(f"after {first_reply(a, '10.0.0.2', since):.2f} s")
        assert moves(b) == before + 1


@case(limit=60)
def test_address_changes(net):
    """A host whose underlay address changes keeps its associations, at either end."""
    a, b = lan(net, "ab")
    for number, host in enumerate((a, b), 1):
        host.add_address(DEV, f"10.0.0.{number}/24")
    wait_until(lambda: a.ping("10.0.0.2"), 5, "ping")
    ups = b.stats()["associations"]
    for host, other, address in (a, b, "192.0.2.71"), (b, a, "192.0.2.72"), (a, b, "192.0.2.73"):
        old = host.ip("-4", "-br", "addr", "show", "dev", "eth0").stdout.split()[2]
        host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        host.ip("addr", "del", old, "dev", "eth0")
        host.ip("addr", "replace", f"{address}/24", "dev", "eth0")
        since = time.monotonic()
        print(f"after {first_reply(host, '10.0.0.1' if host is b else '10.0.0.2', since):.2f} s")
        wait_until(lambda o=other, w=address: o.vn_json("peers")[0]["addr"] == w, 5, "its address")
    assert b.stats()["associations"] == ups, "it was taken for another host"


@case(limit=60)
def test_address_changes_one_by_one(net):
    """Each peer is told at once, although nothing else is sent: the next may change its own."""
    a, b = lan(net, "ab")
    for host in a, b:
        host.vn("vnet-create", "-s", "none", "98")
    for host in a, b:
        wait_until(lambda h=host: members(h, 1, "98"), 10, "members")
    for host, other, address in (a, b, "192.0.2.71"), (b, a, "192.0.2.72"), (a, b, "192.0.2.73"):
        old = host.ip("-4", "-br", "addr", "show", "dev", "eth0").stdout.split()[2]
        host.ip("addr", "del", old, "dev", "eth0")
        host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        wait_until(lambda o=other, w=address: {p["addr"] for p in o.vn_json("peers")} == {w}, 3,
                   "its address, of both associations")
