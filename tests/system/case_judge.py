# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packets judged by programs that share no code with vnetd, and packets of theirs judged by it."""

import os
import random
import socket
import struct

from vnettest import case, need, run, wait_until

ETHERTYPE = 0x88b5                  # local experimental
MAC_A, MAC_B = "02:00:00:00:97:0a", "02:00:00:00:97:0b"
SUITES = ["null-sha1", "aes128-sha1", "null-sha256", "aes128-sha256", "aes128gcm", "aes256gcm"]
SIZES = [*range(14, 35), 60, 61, 1000, 1400, 1514]


def frame(size, dst=MAC_B, src=MAC_A):
    """A frame of that many bytes, at least a header, that nobody can guess."""
    return bytes.fromhex((dst + src).replace(":", "")) + struct.pack("!H", ETHERTYPE) + \
        os.urandom(size - 14)


def guests(net, suite):
    """Two hosts with one vnet of that suite, and a machine on a bridge at either end."""
    hosts, machines = net.hosts("a", "b"), []
    for host, mac in zip(hosts, (MAC_A, MAC_B)):
        host.start()
        host.vn("vnet-create", "--suite", suite, "-b", "br", "97")
        wait_until(lambda h=host: h.link("br"), 5, "the bridge")
        machines.append(host.guest("guest", "br", mac=mac))
    for host in hosts:
        wait_until(lambda h=host: h.vn_json("vnets")[0]["members"] == 1, 10, "members")
    return hosts, machines


def exchange(machines):
    """Frames of all sizes from the first machine to the second; what was sent."""
    out, into = (m.packet_socket("eth0", ETHERTYPE) for m in machines)
    sent, received = [frame(size) for size in SIZES], []

    def more():
        while True:
            try:
                received.append(into.recv(2048))
            except BlockingIOError:
                return received

    # One after the other: veth devices let what two CPUs send at once overtake each other.
    for number, one in enumerate(sent, 1):
        out.send(one)
        wait_until(lambda n=number: len(more()) >= n, 5, "the frame")
    assert received == sent, "frames came altered or doubled"
    return sent


def judge(suite, packets, sas, vni):
    """Opens every ESP packet; the frames of ours in them, in order."""
    import outside
    last, frames = {}, []
    for packet in packets:
        word = outside.word(packet)
        assert word != outside.VXLAN and not 0 < word < 256, f"{word:#x} on the wire"
        if word == 0:
            continue
        sa = sas[word]
        seq, next_header, payload = sa.open(packet)
        assert sa.row["suite"] == suite and sa.esn
        assert seq == last.get(word, seq - 1) + 1, f"sequence number {seq} after {last[word]}"
        last[word] = seq
        assert sa.open_by_scapy(packet) == (next_header, payload), "scapy"
        assert next_header in (outside.UDP, outside.DUMMY), next_header
        if next_header == outside.DUMMY:
            continue
        inner = outside.Inner.of(payload)
        if inner.port == outside.MESSAGE_PORT:
            continue
        assert (inner.port, inner.vni) == (sa.port, vni), inner
        if inner.frame[12:14] == ETHERTYPE.to_bytes(2, "big"):
            frames.append(inner.frame)
    return frames


def opened(net, suite):
    """What python's cryptography and scapy find in the packets between two hosts is what was sent."""
    import outside
    (a, _), machines = guests(net, suite)
    sniffer = net.sniff("ip")
    sent = exchange(machines)
    packets = wait_until(lambda: len(found := outside.datagrams(sniffer)) >= len(sent) and found,
                         5, "the capture")
    assert judge(suite, packets, outside.sas(a), 0x97) == sent


@case(limit=120)
def test_tshark(net):
    """tshark with the keys as vn prints them finds every frame, of every suite."""
    need("tshark")
    import outside
    hosts = net.hosts("a", "b")
    for host in hosts:
        host.start()
        for number, suite in enumerate(SUITES, 0x91):
            host.vn("vnet-create", "--suite", suite, "-b", f"br{number:x}", f"{number:x}")
    for host in hosts:
        wait_until(lambda h=host: all(v["members"] == 1 for v in h.vn_json("vnets")), 10, "members")
    sniffer = net.sniff("ip")
    sent = []
    for number in range(0x91, 0x91 + len(SUITES)):
        ends = []
        for host, mac in zip(hosts, (MAC_A, MAC_B)):
            wait_until(lambda h=host, n=number: h.link(f"br{n:x}"), 5, "the bridge")
            ends.append(host.guest(f"g{number:x}", f"br{number:x}", mac=mac))
        sent += [(number, one) for one in exchange(ends)]
    wait_until(lambda: len(outside.datagrams(sniffer)) >= len(sent), 5, "the capture")
    sniffer.stop()

    argv = ["tshark", "-r", sniffer.path, "-o", "esp.enable_encryption_decode:TRUE"]
    for line in hosts[0].vn("sas", "--keys", "--format", "wireshark").stdout.splitlines():
        argv += ["-o", f"uat:esp_sa:{line}"]
    for ports in "1798,udpencap", "1799,vxlan", "1800,vxlan":
        argv += ["-d", f"udp.port=={ports}"]
    argv += ["-Y", f"eth.type=={ETHERTYPE:#x}", "-T", "fields", "-E", "occurrence=l"]
    for field in "vxlan.vni", "eth.dst", "eth.src", "eth.type", "data.data":
        argv += ["-e", field]
    found = []
    for line in run(argv).stdout.splitlines():
        vni, dst, src, ethertype, data = line.split("\t")
        found.append((int(vni), bytes.fromhex((dst + src).replace(":", "") + ethertype[2:] + data)))
    assert found == sent, [(n, len(f)) for n, f in sent if (n, f) not in found]


class Forger:
    """Speaks for host a, whose vnetd is dead, from its address and with its keys, to host b."""

    def __init__(self, a, b, suite):
        import outside
        self.outside, self.b = outside, b
        wanted = {"direction": "out", "suite": suite, "state": "active"}
        self.sa = next(sa for sa in outside.sas(a).values() if wanted.items() <= sa.row.items())
        a.kill("parent")
        a.daemon.wait()
        self.sa.seq += 100      # a has spoken since it told its keys
        self.peer, self.stranger = (a.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        wait_until(lambda: self.peer.bind((a.addr4, 1798)) is None, 5, "port 1798")
        self.devices = [b.packet_socket(f"vnif00{vnet}", ETHERTYPE) for vnet in (97, 98, 99)]

    def good(self, size=None, **options):
        """A packet that must be accepted, and its frame."""
        one = frame(size or random.randrange(30, 300))   # no two alike
        return self.sa.seal_frame(0x97, one, **options), one

    def send(self, packet, sender=None):
        (sender or self.peer).sendto(packet, (self.b.addr4, 1798))

    def delivered(self):
        """What comes to any device of b, until a good frame that is sent now has come."""
        packet, last = self.good()
        self.send(packet)
        frames = []

        def arrived():
            for device in self.devices:
                try:
                    frames.append(device.recv(2048))
                except BlockingIOError:
                    pass
            return last in frames
        wait_until(arrived, 5, "a good frame")
        frames.remove(last)
        return frames

    def counters(self):
        """Of b, those of what is not delivered."""
        return {row["name"]: row["value"] for row in self.b.vn_json("stats")
                if "dropped" in row["help"] or
                row["name"].startswith("esp_") and row["name"] not in ("esp_rx", "esp_tx")}

    def accepted(self, packet, one):
        self.send(packet)
        assert self.delivered() == [one], "not delivered"

    def refused(self, counter, packet, sender=None):
        """Not delivered, and counted as that and as nothing else."""
        before = self.counters()
        self.send(packet, sender)
        assert self.delivered() == [], f"delivered, not {counter}"
        counted = {n: v - before[n] for n, v in self.counters().items() if v != before[n]}
        assert counted == {counter: 1}, f"{counted}, not {counter}"


def numbers(forger):
    """Each number once, inside the window, with the high word in the ICV."""
    sa = forger.sa
    forger.refused("esp_old", forger.good(seq=0)[0])
    for _ in range(20):
        forger.accepted(*forger.good())
    late = forger.good()
    forger.accepted(*forger.good())
    forger.accepted(*late)
    forger.refused("esp_replayed", late[0])
    old, edge = forger.good(), forger.good()
    sa.seq += 4096 - 3
    forger.accepted(*forger.good())
    forger.accepted(*edge)
    # Left of the window: with ESN the same as far to the right of it.
    forger.refused("esp_bad_icv", old[0])
    sa.seq = (1 << 32) + 1
    forger.accepted(*forger.good())
    forger.refused("esp_bad_icv", sa.seal_frame(0x97, frame(60), seq=sa.seq + 5 + (1 << 32)))
    forger.accepted(*forger.good())


def made_by_scapy(forger):
    sa, outside = forger.sa, forger.outside
    for size in 14, 60, 61, 1400:
        one = frame(size)
        payload = outside.udp(sa.port, outside.vxlan(0x97, one))
        forger.accepted(sa.seal_by_scapy(payload), one)
        packet = bytearray(sa.seal_by_scapy(payload))
        packet[-1] ^= 1
        forger.refused("esp_bad_icv", bytes(packet))


def altered(forger):
    length = len(forger.good(60)[0])
    for at in *range(8, length, 7), length - 1:
        packet = bytearray(forger.good(60)[0])
        packet[at] ^= 1 << random.randrange(8)
        forger.refused("esp_bad_icv", bytes(packet))
    packet = bytearray(forger.good(60)[0])
    packet[6] ^= 1
    forger.refused("esp_bad_icv", bytes(packet))        # another sequence number
    forger.refused("esp_bad_icv", forger.good(100)[0][:-16])
    forger.refused("esp_short", forger.good(100)[0][:-1])
    forger.refused("esp_short", forger.good(100)[0][:8])


def contents(forger):
    """Sealed as it should be, but what is inside is not for this SA."""
    outside, sa, one = forger.outside, forger.sa, frame(60)
    vxlan = outside.vxlan(0x97, one)
    other_port = {1799: 1800, 1800: 1799}[sa.port]
    group_source = frame(60, src="01:00:5e:00:00:01")
    link_local = frame(60, dst="01:80:c2:00:00:00")
    for counter, payload in (
            ("inner_port", outside.udp(other_port, vxlan)),
            ("inner_port", outside.udp(4789, vxlan)),
            ("inner_short", outside.udp(sa.port, vxlan)[:7]),
            ("vxlan_malformed", outside.udp(sa.port, vxlan[:7])),
            ("vxlan_malformed", outside.udp(sa.port, outside.vxlan(0x97, one, flags=0))),
            ("vni_unknown", outside.udp(sa.port, outside.vxlan(0x9a, one))),
            ("vni_forbidden", outside.udp(sa.port, outside.vxlan(0x98, one))),
            ("vni_forbidden", outside.udp(sa.port, outside.vxlan(0x99, one))),
            ("frame_short", outside.udp(sa.port, outside.vxlan(0x97, one[:13]))),
            ("frame_source", outside.udp(sa.port, outside.vxlan(0x97, group_source))),
            ("frame_reserved", outside.udp(sa.port, outside.vxlan(0x97, link_local))),
            ("message_refused", outside.udp(outside.MESSAGE_PORT, vxlan))):
        forger.refused(counter, sa.seal(payload))
    for next_header in 4, 6, 41, 47, 50:
        forger.refused("esp_next_header", sa.seal(outside.udp(sa.port, vxlan), next_header))
    forger.refused("esp_dummy", sa.seal(outside.udp(sa.port, vxlan), outside.DUMMY))
    text = outside.udp(sa.port, vxlan)
    pad = -(len(text) + 2) % sa.suite.align
    for trailer in bytes(pad) + bytes([pad, 17]), bytes(pad) + bytes([255, 17]):
        if trailer[-2]:
            forger.refused("esp_bad_padding", sa.seal(text, trailer=trailer))


def clear(forger):
    vxlan, one = forger.outside.vxlan, frame(60)
    for sender in forger.peer, forger.stranger:
        for vni in 0x97, 0x99:
            forger.refused("clear_secured", vxlan(vni, one), sender)
    forger.refused("clear_stranger", vxlan(0x98, one), forger.stranger)
    forger.refused("vni_unknown", vxlan(0x9a, one))
    forger.refused("esp_unknown_spi", struct.pack("!I", forger.sa.spi ^ 1) + forger.good()[0][4:])
    forger.send(vxlan(0x98, one))
    assert forger.delivered() == [one], "a frame of level none from its member"


def forged(net, suite):
    """ESP of another maker is accepted, and what is not right is neither delivered nor unnamed."""
    a, b = net.hosts("a", "b")
    other = "aes128-sha1" if suite.startswith("null") else "null-sha1"
    for host in a, b:
        host.start()
        host.vn("vnet-create", "--suite", suite, "97")
        host.vn("vnet-create", "-s", "none", "98")
        host.vn("vnet-create", "--suite", other, "99")
    for host in a, b:
        wait_until(lambda h=host: all(v["members"] == 1 for v in h.vn_json("vnets")), 10, "members")
    forger = Forger(a, b, suite)
    for judgement in clear, contents, made_by_scapy, altered, numbers:
        judgement(forger)


def each_suite(function, name):
    """A case of its own for every suite."""
    for suite in SUITES:
        def test(net, suite=suite):
            function(net, suite)
        globals()[f"test_{name}_{suite.replace('-', '_')}"] = case(limit=60)(test)


each_suite(opened, "opened")
each_suite(forged, "forged")
