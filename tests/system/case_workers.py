# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several workers: flows over SAs and queues of their own, in order, and fairly."""

import pathlib
import socket
import struct
import sys
import threading

from case_basic import DEV, join
from fakehost import FakeHost, members
from outside import PORTS, udp, vxlan
from traffic import Stream
from vnettest import case, wait_until

FLOWS = 8
UDP_SEGMENT = 103
BURST = 300
MARKER = b"said in secret"
# Broadcasts as fast as the machine makes them.
FLOOD = """
import os, socket, sys
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind((sys.argv[1], 0x88b5))
while True:
    try:
        raw.send(b"\\xff" * 6 + bytes.fromhex("0200000000") + os.urandom(1) + b"\\x88\\xb5" + bytes(100))
    except OSError:
        pass
"""


def pair(net, config="", workers=3):
    a, b = net.hosts("a", "b")
    for host, address in (a, "10.0.0.1/24"), (b, "10.0.0.2/24"):
        host.configure(config)
        host.start("--workers", workers)
        join(host, address, "conf")
    wait_until(lambda: a.ping("10.0.0.2"), 10, "ping through the vnet")
    return a, b


def used(host, direction):
    """How many SAs have carried more than messages, of any pair."""
    return sum(sa["direction"] == direction and sa["packets"] > 30 for sa in host.vn_json("sas"))


def rekeys(host):
    return host.stats()["rekeys"]


@case(limit=90)
def test_flows(net):
    """They spread, and each stays in order and whole, through rekeys too."""
    a, b = pair(net, "(rekey (packets 1500))\n")
    assert a.vn_json("status")[0]["workers"] == 3
    streams = [Stream(*((a, b, "10.0.0.2") if i % 2 else (b, a, "10.0.0.1")), interval=0.004,
                      port=7000 + i) for i in range(FLOWS)]
    try:
        wait_until(lambda: rekeys(a) >= 2 and rekeys(b) >= 2, 60, "rekeys")
        assert used(a, "out") >= 2 and used(b, "out") >= 2, (a.vn("sas").stdout, b.vn("sas").stdout)
        assert used(a, "in") >= 2 and used(b, "in") >= 2, (a.vn("sas").stdout, b.vn("sas").stdout)
    finally:
        for stream in streams:
            stream.stop()
    for stream in streams:
        numbers = [number for number, _ in stream.arrivals]
        assert not stream.lost(), stream.lost()
        assert numbers == sorted(numbers) and not stream.doubled()


def burst(sender, receiver, address, port):
    """Datagrams of a new flow as fast as they go: their numbers as they arrived."""
    sink = receiver.socket(socket.AF_INET, socket.SOCK_DGRAM)
    source = sender.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sink, source:
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sink.bind((address, port))
        sink.settimeout(1)
        for i in range(BURST):
            source.sendto(struct.pack("!I", i), (address, port))
        arrived = []
        try:
            while len(arrived) < BURST:
                arrived.append(struct.unpack("!I", sink.recv(16))[0])
        except TimeoutError:
            pass
        return arrived


@case(limit=60)
def test_new_flows(net):
    """The first frames of a flow go through the first worker, the others through that of their
    queue: none overtakes another."""
    a, b = pair(net)
    before = a.stats()["worker_handed_over"]
    for i in range(12):
        for host in a, b:       # no flow is known to the workers any more
            host.vn("varp-flush")
        arrived = burst(*((a, b, "10.0.0.2") if i % 2 else (b, a, "10.0.0.1")), 7100 + i)
        assert arrived == sorted(arrived), arrived
        assert len(arrived) > BURST // 2, len(arrived)
    assert a.stats()["worker_handed_over"] > before


@case(limit=60)
def test_flooded(net):
    """A vnet full of broadcasts does not starve another."""
    a, b = pair(net)
    for host, address in (a, "10.0.1.1/24"), (b, "10.0.1.2/24"):
        host.vn("vnet-create", "-s", "conf", "98")
        host.add_address("vnif0098", address)
    wait_until(lambda: a.ping("10.0.1.2"), 10, "ping through the other vnet")
    floods = [a.spawn(sys.executable, "-c", FLOOD, "vnif0098") for _ in range(2)]
    frames = a.stats()["frame_flood"]
    wait_until(lambda: a.stats()["frame_flood"] > frames + 10000, 20, "flood")
    streams = [Stream(a, b, "10.0.0.2", 0.01, 7200 + i) for i in range(4)]
    threading.Event().wait(3)
    for stream in streams:
        stream.stop()
    assert all(flood.poll() is None for flood in floods)
    # All of it shares two processors with the flood, and one queue at the other end.
    for stream in streams:
        assert len(stream.lost()) <= stream.sent // 3, (len(stream.lost()), stream.sent)
        assert stream.gap() < 1, stream.gap()
    assert a.ping("10.0.0.2")


@case(limit=60)
def test_idle(net):
    """Nobody to carry for: nobody wakes."""
    a, _ = pair(net)
    engine = a.roles()["engine"]

    def switches():
        total = 0
        for task in pathlib.Path(f"/proc/{engine}/task").iterdir():
            if task.name != str(engine):
                status = (task / "status").read_text()
                total += int(status.split("voluntary_ctxt_switches:")[1].split()[0])
        return total
    threading.Event().wait(1)
    before = switches()
    threading.Event().wait(3)
    assert switches() - before <= 6, switches() - before


@case(limit=60)
def test_level_taken_away(net):
    """What workers have read, or handed on, while a vnet was secured never leaves in clear."""
    a, b = pair(net)
    there = bytes.fromhex(b.mac(DEV).replace(":", ""))
    port = a.packet_socket(DEV, 0x88b5)
    port.setblocking(True)
    sniffer = net.sniff("udp port 1798")

    def say(number):
        """Known destinations and unknown ones, from many sources, so that all queues have some."""
        for dst in there, bytes.fromhex("0200000000") + bytes([number % 256]), b"\xff" * 6:
            port.send(dst + bytes.fromhex("02000000aa") + bytes([number % 64]) + b"\x88\xb5" +
                      MARKER * 40)
    for level in ("none", "conf") * 10:
        for number in range(400 if level == "none" else 0):
            say(number)
        a.vn("vnet-set", "-s", level, "97")
        b.vn("vnet-set", "-s", level, "97")
        wait_until(lambda: a.ping("10.0.0.2"), 10, f"ping at level {level}")
    sniffer.stop()
    assert MARKER not in sniffer.raw(), "said in secret, sent in clear"


@case(limit=40)
def test_mixed_pieces(net):
    """A piece of UDP_GRO may hold packets of SAs of several workers: none is lost or doubled, and
    they stay in order."""
    a, c = net.hosts("a", "c")
    a.start("--workers", 3)
    a.vn("vnet-create", "-s", "conf", "97")
    device = a.packet_socket(DEV, 0x88b5)
    c.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "on")     # it crosses in one piece
    with FakeHost(c, a) as fake:
        fake.associate(1)
        fake.say(members(1, (0x97, 0x97)))
        wait_until(lambda: a.vn_json("vnets")[0]["members"] == 1, 5, "a member")
        lanes = [sa.spi % 16 for sa in fake.sas]
        assert len(lanes) == 4 and lanes[0] == 0 and set(lanes) == {0, 1, 2}, lanes
        number = 0
        for first in list(range(4)) * 10:
            piece, start = b"", number
            for _ in range(12):
                frame = b"\xff" * 6 + bytes.fromhex("0200000000fa") + b"\x88\xb5" + \
                    struct.pack("!I", number) + bytes(60)
                sa = fake.sas[(first + number // 2) % 4]
                packet = sa.seal(udp(PORTS["conf"], vxlan(0x97, frame)))
                piece += packet
                number += 1
            fake.socket.sendmsg([piece], [(socket.IPPROTO_UDP, UDP_SEGMENT,
                                           struct.pack("=H", len(packet)))], 0, fake.to)
            arrived = []

            def all_here():
                while len(arrived) < 12:
                    try:
                        arrived.append(struct.unpack_from("!I", device.recv(200), 14)[0])
                    except BlockingIOError:
                        return False
                return True
            wait_until(all_here, 5, f"the piece from {start} on", interval=0.005)
            assert arrived == list(range(start, number)), (start, arrived)
    stats = a.stats()
    assert stats["esp_replayed"] == stats["esp_bad_icv"] == stats["esp_unknown_spi"] == 0
    assert stats["worker_handed_over"] < number, "workers opened nothing by themselves"
