# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manual SAs: a member that is no vnetd but a raw socket and the judge's ESP (outside.py)."""

import ipaddress
import os
import re
import socket
import struct

from case_restart import kill_all
from vnettest import case, wait_until

DEV, VNI = "vnif0097", 0x97
ETHERTYPE = 0x88b5
SPI_IN, SPI_OUT = 0x1001, 0x1002        # as vnetd sees them
MAC = b"\x02\0\0\0\0\x09"
DEFAULTS = {"auth": "null-sha1", "conf": "aes128-sha1"}


def key(length):
    return os.urandom(length).hex()


class Peer:
    """A host without vnetd that has one manual SA in each direction with host a."""

    def __init__(self, a, host, level="conf", v6=False, udp=None, **more):
        import outside
        self.outside, self.a, self.level = outside, a, level
        self.suite = more.pop("suite", DEFAULTS[level])
        self.esn = more.pop("esn", "no")
        enc = outside.SUITES[self.suite].keymat_len - (32 if "256" in self.suite else 20)
        auth = 32 if "256" in self.suite else 20
        self.addr, self.to = (host.addr6, a.addr6) if v6 else (host.addr4, a.addr4)
        self.keys = {f"auth-{way}": key(auth) for way in ("in", "out")}
        if enc:
            self.keys |= {f"enc-{way}": key(enc) for way in ("in", "out")}
        self.form = {"peer": self.addr, "level": level, "suite": self.suite, "esn": self.esn,
                     "spi-in": hex(SPI_IN), "spi-out": SPI_OUT,
                     **{name: "0x" + value for name, value in self.keys.items()}, **more}
        self.sas = {way: outside.Sa({"spi": hex(spi), "esn": self.esn == "yes",
                                     "suite": self.suite, "level": level, "seq": 0,
                                     "enc_key": self.keys.get(f"enc-{way}", ""),
                                     "auth_key": self.keys[f"auth-{way}"]})
                    for way, spi in (("in", SPI_IN), ("out", SPI_OUT))}
        family = socket.AF_INET6 if v6 else socket.AF_INET
        if udp:
            self.form["udp"] = udp
            self.socket = host.socket(family, socket.SOCK_DGRAM)
            self.socket.bind((self.addr, udp))
        else:
            self.socket = host.socket(family, socket.SOCK_RAW, socket.IPPROTO_ESP)
        self.port = 1798 if udp else 0
        self.skip = 20 if not udp and not v6 else 0       # the IP header of raw(7)
        self.socket.setblocking(False)
        self.device = a.packet_socket(DEV, ETHERTYPE)

    def write(self, mode=0o600, **changes):
        """The file; its path."""
        form = {**self.form, **changes}
        path = self.a.dir / "peer.sa"
        path.write_text("# keys\n(sa " + " ".join(f"({k} {v})" for k, v in form.items() if v is not None)
                        + ")\n")
        path.chmod(mode)
        return path

    def add(self, **changes):
        self.a.vn("sa-add", self.write(**changes))

    def send(self, packet):
        self.socket.sendto(packet, (self.to, self.port))

    def say(self, frame, vni=VNI, **options):
        """As one frame in ESP; the packet."""
        packet = self.sas["in"].seal_frame(vni, frame, **options)
        self.send(packet)
        return packet

    def heard(self):
        """(sequence number, frame) of every packet that has come."""
        found = []
        while True:
            try:
                packet = self.socket.recv(65536)[self.skip:]
            except BlockingIOError:
                return found
            if struct.unpack_from("!I", packet)[0] != SPI_OUT:
                continue
            seq, next_header, payload = self.sas["out"].open(packet)
            assert next_header == 17
            inner = self.outside.Inner.of(payload)
            assert inner.port == {"auth": 1799, "conf": 1800}[self.level] and inner.vni == VNI
            found.append((seq, inner.frame))

    def arrives(self, text):
        """Does a frame from the peer with this text come out of the device of a?"""
        def look():
            try:
                while text not in self.device.recv(2048):
                    pass
                return True
            except BlockingIOError:
                return False
        return look

    def frame(self, text):
        return b"\xff" * 6 + MAC + struct.pack("!H", ETHERTYPE) + text.ljust(46, b"\0")

    def both_ways(self):
        """A frame in each direction; repeated, as it takes a moment until a number may be used."""
        count = iter(range(1000))

        def into():
            text = b"to a %d" % next(count)
            self.say(self.frame(text))
            return wait_until(self.arrives(text), 0.2)

        def out():
            text = b"to the peer %d" % next(count)
            self.device.send(self.frame(text))
            return wait_until(lambda: any(text in frame for _, frame in self.heard()), 0.2)
        wait_until(into, 5, "a frame from the peer")
        wait_until(out, 5, "a frame to the peer")


def vnet(host, level, *more):
    host.start()
    host.vn("vnet-create", "-s", level, *more, "97")
    host.ip("link", "set", DEV, "up")


def counted(host, name, send):
    before = host.stats()[name]
    wait_until(lambda: send() or host.stats()[name] > before, 5, name, interval=0.2)


def exchange(net, level, **options):
    a, k = net.hosts("a", "k")
    suite = options.get("suite", DEFAULTS[level])
    vnet(a, level, "--suite", suite)
    peer = Peer(a, k, level, **options)
    peer.add()
    peer.both_ways()

    (row,) = a.vn_json("peers")
    assert row["origin"] == "manual" and row["state"] == "up", row
    assert ipaddress.ip_address(row["addr"]) == ipaddress.ip_address(peer.addr), row
    (association,) = row["association"]
    assert association["manual"] is True and "public" not in association, association
    assert association["vnets"] == 1, association
    assert all(sa["state"] == "manual" for sa in a.vn_json("sas"))

    assert options.get("udp") or all(a.stats()[name] > 0 for name in ("raw_rx", "raw_tx"))
    packet = peer.say(peer.frame(b"once"))
    wait_until(peer.arrives(b"once"), 5, "the frame")
    counted(a, "esp_replayed", lambda: peer.send(packet))
    counted(a, "esp_bad_icv", lambda: peer.send(packet[:7] + bytes([packet[7] ^ 0x40]) + packet[8:]))
    counted(a, "vni_unknown", lambda: peer.say(peer.frame(b"other"), vni=0x98))
    assert not peer.arrives(b"once")()

    lines = a.vn("sas", "--keys", "--format", "ip-xfrm").stdout.splitlines()
    assert len(lines) == 2 and all(f"0x{peer.keys[name]}" in "".join(lines) for name in peer.keys)
    assert all(("encap espinudp" in line) == ("udp" in options) for line in lines), lines

    # No trace of a key in what anybody sees.
    for text in a.log(), a.vn("sas").stdout, a.vn("peers").stdout, a.vn("vnet-list", "-l").stdout:
        assert not any(value in text for value in peer.keys.values())
    assert (a.dir / "state" / "state").stat().st_mode & 0o777 == 0o600

    a.vn("sa-delete", peer.addr, level)
    assert a.vn_json("sas") == [] and a.vn_json("peers") == []
    stored = (a.dir / "state" / "state").read_text()
    assert not any(value in stored for value in peer.keys.values()), "keys are kept"
    before = a.stats()["frame_rx"]
    peer.say(peer.frame(b"late"))
    assert not peer.arrives(b"late")() and a.stats()["frame_rx"] == before


@case(limit=40)
def test_auth(net):
    exchange(net, "auth")


@case(limit=40)
def test_conf(net):
    exchange(net, "conf")


@case(limit=40)
def test_conf_v6_esn(net):
    exchange(net, "conf", v6=True, esn="yes")


@case(limit=40)
def test_auth_v6(net):
    exchange(net, "auth", v6=True, suite="null-sha256")


@case(limit=40)
def test_conf_udp(net):
    exchange(net, "conf", udp=4500, suite="aes128-sha256")


@case(limit=40)
def test_refused(net):
    """What is wrong is named; keys never are."""
    a, k = net.hosts("a", "k")
    vnet(a, "conf")
    peer = Peer(a, k)

    def refused(why, mode=0o600, status=None, **changes):
        done = a.vn("sa-add", peer.write(mode, **changes), check=False)
        assert done.returncode and re.search(why, done.stderr), done.stderr
        assert not any(value[:16] in done.stderr for value in peer.keys.values()), done.stderr
        assert not any(value[:16] in a.log() for value in peer.keys.values())

    refused("mode 0640 .* expected 0600", mode=0o640)
    refused("mode 0604 .* expected 0600", mode=0o604)
    refused("nonces", suite="aes128gcm")
    refused("a suite of level auth; expected one of level conf", suite="null-sha1")
    refused("expected auth or conf", level="none")
    refused("no auth-in", **{"auth-in": None})
    refused("no enc-out", **{"enc-out": None})
    refused("found 38 characters", **{"auth-in": "0x" + peer.keys["auth-in"][2:]})
    refused("the same as auth-in", **{"auth-out": "0x" + peer.keys["auth-in"]})
    refused("what looks like a secret", peer="0x" + peer.keys["enc-in"])
    refused('unknown key "auth_in"', auth_in="0x" + peer.keys["auth-in"])
    refused("expected a number from 256", **{"spi-in": "0x42"})
    refused("unknown key \"sent\"", sent="0")
    assert "regular file" in a.vn("sa-add", "/dev/zero", check=False).stderr
    assert "No such file" in a.vn("sa-add", "/nowhere", check=False).stderr
    peer.add()
    refused("has manual SAs of level conf already", **{"spi-in": "0x3001"})
    refused("spi-in is taken", peer="192.0.2.77")
    done = a.vn("sa-delete", peer.addr, "auth", check=False)
    assert done.returncode == 1 and "no manual SAs of level auth" in done.stderr
    a.vn("sa-delete", peer.addr)
    peer.add(peer="203.0.113.99")
    counted(a, "raw_tx_failed", lambda: peer.device.send(peer.frame(b"no way")))


@case(limit=40)
def test_some_vnets(net):
    """Only those that are named, and nothing of the others comes in."""
    a, k = net.hosts("a", "k")
    vnet(a, "conf")
    a.vn("vnet-create", "-s", "conf", "98")
    peer = Peer(a, k, vnet="97")
    peer.add()
    peer.both_ways()
    assert {v["vnetif"]: v["members"] for v in a.vn_json("vnets")} == {DEV: 1, "vnif0098": 0}
    counted(a, "vni_forbidden", lambda: peer.say(peer.frame(b"98"), vni=0x98))
    a.vn("vnet-delete", "97")
    a.vn("vnet-create", "-s", "conf", "97")
    peer.device = a.packet_socket(DEV, ETHERTYPE)
    a.ip("link", "set", DEV, "up")
    peer.both_ways()


@case(limit=40)
def test_key_names(net):
    """The vnets are those of a key by whatever name; the key itself is of no use here."""
    a, k = net.hosts("a", "k")
    secret = os.urandom(32)
    for name in "alpha", "default":         # one key, whose first name vnets are grouped under
        a.put_key(name, secret)
    vnet(a, "conf")
    peer = Peer(a, k)
    peer.add()
    peer.both_ways()

    def again():
        peer.device = a.packet_socket(DEV, ETHERTYPE)
        peer.both_ways()
        assert len(a.vn_json("sas")) == 2 and a.vn_json("vnets")[0]["members"] == 1
    a.restart()
    again()
    for name in "alpha", "default":
        (a.dir / "keys" / f"{name}.psk").unlink()
        a.vn("key-reload")
        again()
    a.kill("keys")
    again()


def large(net, v6):
    """What does not fit goes in fragments, and comes so."""
    a, k = net.hosts("a", "k")
    vnet(a, "conf", "--mtu", "1500")
    peer = Peer(a, k, v6=v6)
    peer.add()
    peer.both_ways()
    frame = peer.frame(os.urandom(1500))
    peer.device.send(frame)
    wait_until(lambda: any(frame == got for _, got in peer.heard()), 5, "a large frame to the peer")
    frame = peer.frame(os.urandom(1500))
    peer.say(frame)
    wait_until(peer.arrives(frame), 5, "a large frame from the peer")


def test_large(net):
    large(net, False)


def test_large_v6(net):
    large(net, True)


@case(limit=60)
def test_hub(net):
    """One host carries the peer to the others."""
    a, b, k = net.hosts("a", "b", "k")
    for host in a, b:
        vnet(host, "conf")
    peer = Peer(a, k, hub="yes")
    peer.add()
    peer.both_ways()
    far = b.packet_socket(DEV, ETHERTYPE)

    def through():
        peer.say(peer.frame(b"from behind the hub"))
        return b"from behind the hub" in far.recv(2048)
    wait_until(through, 10, "a frame from the peer to b")
    far.send(MAC + b"\x02\0\0\0\0\x0b" + struct.pack("!H", ETHERTYPE) + b"to the peer".ljust(46))
    wait_until(lambda: any(b"to the peer" in frame for _, frame in peer.heard()), 5, "and back")


@case(limit=90)
def test_numbers(net):
    """Through kills of anything no number is sent twice, and no packet taken twice."""
    a, k = net.hosts("a", "k")
    vnet(a, "auth")
    peer = Peer(a, k, "auth")
    peer.add()
    peer.both_ways()
    seen, taken, highest = set(), [], 0

    def work():
        nonlocal highest
        for n in range(300):
            peer.device.send(peer.frame(b"out %d" % n))
        peer.device.send(peer.frame(b"end of it"))

        def collect():
            nonlocal highest
            got = peer.heard()
            for seq, _ in got:
                assert seq not in seen and seq > highest, f"{seq} again"
                seen.add(seq)
                highest = seq
            return any(b"end of it" in frame for _, frame in got)
        wait_until(lambda: collect() or peer.device.send(peer.frame(b"end of it")), 5, "the last frame",
                   interval=0.2)

    def take():
        for _ in range(32):
            taken.append(peer.say(peer.frame(b"taken %d." % len(taken))))
        return wait_until(peer.arrives(b"taken %d." % (len(taken) - 1)), 0.1, interval=0.005)

    for kill in (lambda: a.kill("engine"), lambda: a.kill("priv"), lambda: kill_all(a), a.stop):
        work()
        wait_until(take, 5, "a frame from the peer", interval=0)
        before_kill = len(taken)
        kill()
        if a.daemon.poll() is not None:
            a.start()
        wait_until(lambda: a.vn("status"), 5, "an answer")
        peer.device = a.packet_socket(DEV, ETHERTYPE)
        wait_until(take, 20, "a frame from the peer", interval=0)
        before = a.stats()["frame_rx"]
        for packet in taken:
            peer.send(packet)
        stats = wait_until(lambda: (s := a.stats())["esp_old"] + s["esp_replayed"] >= len(taken) and s, 5,
                           "all refused")
        assert stats["frame_rx"] == before, "a replay was taken"
        assert len(taken) == before_kill + 32, "packets were lost"
    work()


@case(limit=60)
def test_crash_of_the_machine(net):
    """Only the disk is left: an idle peer loses no more than what is reserved for an idle one."""
    a, k = net.hosts("a", "k")
    vnet(a, "conf")
    peer = Peer(a, k)
    peer.add()
    peer.both_ways()
    old = [peer.say(peer.frame(b"taken")) for _ in range(20)]
    wait_until(peer.arrives(b"taken"), 5, "the frame")
    kill_all(a)
    (a.dir / "state" / "numbers").unlink()
    a.start()
    peer.device = a.packet_socket(DEV, ETHERTYPE)
    for packet in old:
        peer.send(packet)
    wait_until(lambda: a.stats()["esp_replayed"] >= len(old), 5, "all refused")
    assert not peer.arrives(b"taken")()
    for n in range(300):
        peer.say(peer.frame(b"after the crash %d." % n))
    wait_until(peer.arrives(b"after the crash 299."), 5, "frames again")


@case(limit=60)
def test_nothing_stored(net):
    """Where numbers cannot be stored they are not used, and it says so until they can."""
    a, k = net.hosts("a", "k")
    vnet(a, "conf")
    peer = Peer(a, k)
    peer.add()
    peer.both_ways()
    obstacle = a.dir / "state" / "state.new"
    obstacle.mkdir()
    wait_until(lambda: [peer.say(peer.frame(b"more")) for _ in range(50)] and
               a.stats()["esp_ahead"] > 0, 10, "refused packets")
    wait_until(lambda: "cannot be stored" in
               a.vn_json("peers")[0]["association"][0]["problem"][0], 5, "the problem")
    obstacle.rmdir()
    wait_until(lambda: "problem" not in a.vn_json("peers")[0]["association"][0], 10, "no problem")
    wait_until(lambda: peer.say(peer.frame(b"again")) and peer.arrives(b"again")(), 10,
               "frames again", interval=0.1)


@case(limit=60)
def test_used_up(net):
    """At the end of 32 bits it stops, and says so."""
    a, k = net.hosts("a", "k")
    vnet(a, "auth")
    peer = Peer(a, k, "auth")
    peer.add()
    peer.both_ways()
    a.stop()
    state = a.dir / "state" / "state"
    text = state.read_text()
    state.write_text(re.sub(r"\(sent \d+\)", f"(sent {2**32 - 3})", text))
    a.start()
    peer.device = a.packet_socket(DEV, ETHERTYPE)
    for _ in range(5):
        peer.device.send(peer.frame(b"last ones"))
    wait_until(lambda: peer.device.send(peer.frame(b"no more")) and
               "used up" in a.vn_json("peers")[0]["association"][0]["problem"][0], 5,
               "the problem", interval=0.3)
    assert [seq for seq, _ in peer.heard()] == [2**32 - 2, 2**32 - 1]
    assert a.stats()["esp_exhausted"] > 0
