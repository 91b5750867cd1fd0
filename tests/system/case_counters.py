# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every counter of vn stats counts something: each is driven here, but for a few of which it is
said why no test can."""

import contextlib
import random
import socket
import struct
import sys
import time

from case_hostile import Forger, control, discover, each_kind, handshake_header, key_id
from case_hostile import AES128_SHA1, DISCOVER, HANDSHAKE1, NOISE_LEN, PORT
from case_workers import FLOOD
from fakehost import (ANNOUNCE, GROUP, MEMBERS, REQUEST, WITHDRAW, FakeHost, items, members,
                      message)
from outside import DUMMY, UDP, udp, vxlan
from vnettest import Failed, case, need, wait_until

DEV = "vnif0097"
ETH_P_ALL = 3
PACKET_VNET_HDR = 15
SOL_PACKET = 263

UNREACHABLE = {
    "frame_no_buffer": "what waits or is gathered is bounded below the number of buffers",
    "udp_truncated": "no UDP datagram is larger than a buffer",
    "esp_exhausted": "2^64 packets",
    **dict.fromkeys(("esp_ahead", "raw_rx", "raw_tx", "raw_tx_failed"),
                    "of manual SAs, which case_manual_sa.py has"),
    **dict.fromkeys(("port_rx", "port_tx", "port_tx_failed", "port_refused"),
                    "of manual SAs in the kernel: tests/vm/case_manual_kernel.py drives each port_*"),
    "raw_refused": "the filter of the raw sockets lets nothing but ESP through",
    "esp_no_room": "every buffer has room in front and behind",
    "esp_crypto_failed": "the library does not fail",
    **dict.fromkeys(("kernel_tx", "kernel_rx", "kernel_refused", "kernel_clear", "kernel_vni",
                     "kernel_unsent", "kernel_fallback"),
                    "of the kernel's path: tests/vm/case_kernel_counters.py drives each kernel_*"),
}


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def frame(dst, src=b"\x02\0\0\0\x77\x01", length=46):
    return dst + src + b"\x88\xb5" + bytes(length)


class World:
    """Hosts a and b with vnetd; c has a host of ours, which is another in every act."""

    def __init__(self, net):
        self.net = net
        self.a, self.b, self.c = net.hosts("a", "b", "c")
        for number, host in enumerate((self.a, self.b), 1):
            host.configure("(rekey (seconds 10))\n")
            host.start("--workers", 2)
            host.vn("vnet-create", "-s", "conf", "--address", f"10.0.0.{number}/24", "97")
            host.vn("vnet-create", "-s", "none", "98")
            host.vn("vnet-create", "-s", "auth", "-b", "br", "99")
        self.guests = [host.guest("g", "br", f"10.0.9.{n}/24")
                       for n, host in enumerate((self.a, self.b), 1)]
        wait_until(lambda: self.a.ping("10.0.0.2"), 10, "ping")
        wait_until(lambda: self.guests[0].ping("10.0.9.2"), 10, "ping between guests")
        self.port = self.a.packet_socket(DEV, ETH_P_ALL)

    def zero(self, *names):
        stats = self.a.stats()
        return [n for n in names if stats[n] == 0]

    def until(self, *names, act=None, deadline=5):
        """Does it again until all of these have counted."""
        def counted():
            if act:
                act()
            return not self.zero(*names)
        try:
            wait_until(counted, deadline, "", interval=0.1)
        except Failed:
            raise Failed(f"never counted: {self.zero(*names)}") from None


def act_datagrams(w):
    sender = w.c.socket(socket.AF_INET, socket.SOCK_DGRAM)
    kinds = each_kind(w.a)
    for _, datagram in kinds:
        sender.sendto(datagram, (w.a.addr4, PORT))
        time.sleep(0.01)
    w.until(*{counter for counter, _ in kinds}, "cookie_rx")


def act_floods(w):
    """Too much from strangers: DISCOVERs of one, message 1s of all, hosts that are none."""
    sender = w.c.socket(socket.AF_INET, socket.SOCK_DGRAM)
    key = key_id(w.a)
    one = control(HANDSHAKE1, handshake_header(key) + bytes(16) + random.randbytes(NOISE_LEN))
    for _ in range(100):
        sender.sendto(control(DISCOVER, discover()), (w.a.addr4, PORT))
        sender.sendto(one, (w.a.addr4, PORT))
    w.until("rate_limited", "cookie_tx")
    forger = Forger(w.c, w.a)

    def invent():
        for _ in range(1000):
            number = random.getrandbits(24)
            source = f"10.{number >> 16}.{number >> 8 & 0xff}.{number & 0xff}"
            found = discover(random.getrandbits(64) | 1, [(key, 1 << AES128_SHA1)])
            forger.send(source, control(DISCOVER, found))
    w.until("hosts_full", act=invent, deadline=20)


def act_relay(w):
    w.a.vn("peer-add", w.b.addr4)
    with FakeHost(w.c, w.a) as fake:
        w.until("discover_relayed", act=lambda: fake.discover((GROUP, PORT)))
    w.a.vn("peer-delete", w.b.addr4)


def act_handshakes(w):
    with FakeHost(w.c, w.a, host_id=2**64 - 2) as fake:
        # The lower id begins; while it waits for an answer, ours crosses it.
        fake.discover()
        fake.heard(HANDSHAKE1)
        fake.message1(1)
        w.until("handshake_crossed")
    with FakeHost(w.c, w.a) as fake:
        fake.message1(5)
        fake.message1(3)
        w.until("handshake_busy")
        fake.associate(7)
        fake.message1(6)
        w.until("handshake_replayed", "esp_dummy", "associations")


def act_esp(w):
    """What may be wrong with a packet that opens, or does not."""
    with FakeHost(w.c, w.a) as fake:
        fake.associate(1)
        fake.send_esp(bytes(16), 6)
        fake.send_esp(bytes(7))
        fake.send_esp(udp(1799, vxlan(0x97, frame(b"\xff" * 6))))
        for flags, vni in (0, 0x97), (0x08000000, 0x1234), (0x08000000, 0x98):
            fake.send_esp(udp(1800, vxlan(vni, frame(b"\xff" * 6), flags)))
        for bad in b"short", frame(b"\xff" * 6, src=b"\x01" + bytes(5)), \
                frame(bytes.fromhex("0180c2000000")):
            fake.send_esp(udp(1800, vxlan(0x97, bad)))
        good = fake.send_esp(bytes(16), DUMMY)
        fake.send(good)
        good = fake.sa.seal(bytes(16), DUMMY)
        fake.send(good[:-1] + bytes([good[-1] ^ 1]))
        fake.send(good[:20])
        fake.send_esp(bytes(16), trailer=b"\x07" * 14 + bytes([14, UDP]))
        fake.send_esp(bytes(16), DUMMY, seq=0)
        w.until("esp_next_header", "inner_short", "inner_port", "vxlan_malformed", "vni_unknown",
                "vni_forbidden", "frame_short", "frame_source", "frame_reserved", "esp_replayed",
                "esp_bad_icv", "esp_short", "esp_bad_padding", "esp_old")


def act_messages(w):
    own, theirs = mac_bytes(w.a.mac(DEV)), mac_bytes(w.b.mac(DEV))
    with FakeHost(w.c, w.a, host_id=2**64 - 3) as fake:
        fake.associate(1)
        fake.say(b"\x07" * 20)
        fake.say(message(REQUEST, items(0x1234, (own, 0))))
        fake.say(message(MEMBERS, members(7, (0x97, 0x97))[4:12] + bytes(8) +
                         members(7, (0x97, 0x97))[20:]))
        w.until("message_refused", "message_vni", "membership_bad")
        fake.say(members(8, (0x97, 0x97)))
        wait_until(lambda: w.a.vn_json("vnets", "97")[0]["members"] == 2, 5, "it is a member")

        # Claims: a new MAC, one that b has, one that a has and has just used.
        fake.say(message(ANNOUNCE, items(0x97, (b"\x02\0\0\0\x55\x01", 1), (theirs, 1000))))
        w.until("varp_learned", "varp_moved")
        counter = 2000

        def contest():
            nonlocal counter
            counter += 1000
            w.port.send(frame(b"\xff" * 6, own))
            fake.say(message(ANNOUNCE, items(0x97, (own, counter))))
        w.until("varp_reclaimed", "varp_vif_lost", "varp_damped", act=contest, deadline=15)

        # It never acknowledges what a announces.
        w.port.send(frame(b"\xff" * 6, b"\x02\0\0\0\x66\x01"))
        w.until("varp_resent", "varp_given_up", deadline=15)
        for first in range(0, 17000, 80):
            fake.say(message(ANNOUNCE, items(0x97, *(
                (b"\x02\x44" + struct.pack("!I", first + n), 1) for n in range(80)))))
        w.until("varp_full")
        fake.say(message(WITHDRAW, items(0x97, (theirs, 1001), (own, counter + 1))))
        fake.say(members(9))
        wait_until(lambda: w.a.ping("10.0.0.2"), 10, "ping, when it has left")


DONT_FRAGMENT, MORE_FRAGMENTS = 0x4000, 0x2000


def send_whole(host, dev, flags):
    """A TCP segment of 3000 bytes that is to be cut later."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 3040, 1, flags, 64, 6, 0, bytes(4), bytes(4))
    tcp = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x10, 100, 0, 0)
    # checksum wanted, TCP over IPv4, headers, size, where the checksum starts and is
    header = struct.pack("=BBHHHH", 1, 1, 54, 1400, 34, 16)
    port = host.packet_socket(dev, ETH_P_ALL)
    port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    port.send(header + b"\xff" * 6 + b"\x02\0\0\0\0\x02\x08\0" + ip + tcp + bytes(3000))
    port.close()


def act_frames(w):
    w.until("frame_local", "frame_unicast", "frame_flood", "frame_copies", act=lambda: (
        w.port.send(frame(b"\x02\0\0\0\x77\x09", b"\x02\0\0\0\x77\x08")),
        w.port.send(frame(b"\x02\0\0\0\x77\x08", b"\x02\0\0\0\x77\x09")),
        w.a.ping("10.0.0.2", wait=0.2)))
    # A vnet that nobody else has.
    w.a.vn("vnet-create", "-s", "conf", "9a")
    lonely = w.a.packet_socket("vnif009a", ETH_P_ALL)
    for _ in range(40):
        lonely.send(frame(b"\xff" * 6))
    w.until("frame_queued", "frame_queue_full")
    send_whole(w.a, "vnif009a", DONT_FRAGMENT)
    w.until("frame_no_member")
    send_whole(w.a, DEV, MORE_FRAGMENTS)        # what is a fragment cannot be cut
    w.until("device_header")
    w.a.vn("vnet-delete", "9a")


def act_sizes(w):
    one, two = w.guests
    server = two.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("10.0.9.2", 7))
    server.listen()
    client = one.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(5)
    client.connect(("10.0.9.2", 7))
    one.ping("10.0.9.2", size=1472)
    one.ping("10.0.9.2", size=1472, dont_fragment=True)
    w.until("mss_clamped", "frame_too_big", "frame_too_big_told", "frame_rx", "frame_tx")


def act_device_down(w):
    w.a.ip("link", "set", DEV, "down")
    w.until("device_rx_failed", act=lambda: w.b.ping("10.0.0.1", wait=0.1))
    w.a.ip("link", "set", DEV, "up")
    wait_until(lambda: w.a.ping("10.0.0.2"), 5, "ping again")


def act_move(w):
    w.b.sysctl("net.ipv4.conf.all.promote_secondaries", 1)
    w.b.add_address("eth0", "192.0.2.77/24")
    w.b.ip("addr", "del", f"{w.b.addr4}/24", "dev", "eth0")
    w.until("peer_moved", act=lambda: w.b.ping("10.0.0.1", wait=0.2), deadline=20)


def act_no_way_out(w):
    need("nft")
    w.a.run("nft", "add table inet shut; "
            "add chain inet shut out { type filter hook output priority 0; }; "
            "add rule inet shut out udp dport 1798 drop")
    w.until("udp_tx_failed", act=lambda: w.a.ping("10.0.0.2", wait=0.1))
    w.a.run("nft", "delete", "table", "inet", "shut")


def act_control_socket(w):
    path = str(w.a.dir / "run" / "vnetd.sock")
    with contextlib.ExitStack() as stack:
        def connect():
            client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.connect(path)
            return client
        connect().sendall(b")")
        w.until("control_garbage", "control_clients")
        for _ in range(80):
            connect()
        time.sleep(0.2)
    w.until("control_busy")


def act_workers(w):
    """More than the first of them can take of what the other one leaves to it."""
    floods = [w.a.spawn(sys.executable, "-c", FLOOD, DEV) for _ in range(3)]
    w.until("worker_handed_over", "worker_queue_full", deadline=20)
    for flood in floods:
        flood.kill()


def act_state(w):
    """The place of the new state file is taken."""
    taken = w.a.dir / "state" / "state.new"
    taken.mkdir()
    w.a.vn("vnet-create", "-s", "none", "9b", check=False)
    w.until("state_failed")
    taken.rmdir()
    w.a.vn("vnet-delete", "9b")


@case(limit=240)
def test_each(net):
    w = World(net)
    acts = (act_datagrams, act_relay, act_handshakes, act_esp, act_messages, act_frames, act_sizes,
            act_device_down, act_no_way_out, act_control_socket, act_workers, act_state, act_move,
            act_floods)
    for act in acts:
        begun = time.monotonic()
        act(w)
        print(f"{act.__name__} {time.monotonic() - begun:.1f} s", flush=True)
    w.until("rekeys", deadline=20)
    never = set(w.zero(*w.a.stats()))
    assert set(UNREACHABLE) <= set(w.a.stats())
    assert never <= set(UNREACHABLE), f"never counted: {sorted(never - set(UNREACHABLE))}"
    print("never:", {name: UNREACHABLE[name] for name in never})
