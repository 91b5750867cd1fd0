# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that talk all the time in frames that say whose they are, somebody who replays and forges
on the wire, and the judge of what a sniffer saw. Nothing here is vnetd's own code."""

import collections
import dataclasses
import secrets
import select
import socket
import struct
import threading
import time
import zlib

ETHERTYPE = 0x88b5                      # IEEE 802: for experiments
BROADCAST = b"\xff" * 6
MAGIC = secrets.token_bytes(6)          # nothing else on the wire has it
NONE, AUTH, CONF, CHANGING, FORGED = b"NACOF"
LEVELS = {"none": NONE, "auth": AUTH, "conf": CONF}
STAMP = struct.Struct("!6sBBBII")       # magic, vnet, level, sender, number, checksum
VXLAN, PORT = 0x08000000, 1798
KERNEL_PORT, PROBE_VNI = 1802, 0xffffff     # of the kernel's path of level none, and of its probes


def frame(dst, src, vnet, level, sender, number, length):
    stamp = STAMP.pack(MAGIC, vnet, level, sender, number, 0)
    stamp = stamp[:-4] + struct.pack("!I", zlib.crc32(stamp[:-4]))
    payload = (stamp * (length // STAMP.size)).ljust(length, b"\0")
    return dst + src + struct.pack("!H", ETHERTYPE) + payload


def whole(stamp):
    return len(stamp) == STAMP.size and zlib.crc32(stamp[:-4]) == int.from_bytes(stamp[-4:], "big")


def stamps(data):
    """(vnet, level) of every stamp in it that nobody has altered."""
    found, at = set(), data.find(MAGIC)
    while at >= 0:
        if whole(stamp := data[at:at + STAMP.size]):
            found.add(STAMP.unpack(stamp)[1:3])
        at = data.find(MAGIC, at + len(MAGIC))
    return found


class Guest:
    """One machine in one vnet. Its frames carry the level that its host's vnet has, or CHANGING
    from a while before that is told to change until it has been."""

    def __init__(self, namespace, host, vnet, number, level):
        self.host, self.vnet, self.number, self.level = host, vnet, number, level
        self.mac = bytes.fromhex(namespace.mac("eth0").replace(":", ""))
        self.socket = namespace.packet_socket("eth0", ETHERTYPE)
        self.sent = 0
        self.heard = {}                 # sender: when its last frame came
        self.unicast = {}               # the same, of what was for this guest alone
        self.seen = collections.defaultdict(set)
        self.newest = collections.Counter()
        self.late = 0                   # frames that came after a newer one
        self.wrong = []

    def say(self, dst, length):
        self.sent += 1
        try:
            self.socket.send(frame(dst, self.mac, self.vnet, self.level, self.number, self.sent,
                                   length))
        except OSError:
            pass                        # the queue is full, or the cable unplugged

    def hear(self):
        while True:
            try:
                data, (_, _, kind, *_) = self.socket.recvfrom(2048)
            except OSError:
                return
            if kind != socket.PACKET_OUTGOING:
                self.judge(data)

    def judge(self, data):
        dst, payload = data[:6], data[14:]
        magic, vnet, level, sender, number, _ = STAMP.unpack_from(payload)
        if magic != MAGIC or not whole(payload[:STAMP.size]) or vnet != self.vnet or \
                level == FORGED:
            self.wrong.append(f"got {payload[:STAMP.size].hex()}")
        elif level in (AUTH, CONF) and number in self.seen[sender]:
            self.wrong.append(f"number {number} of {sender} came twice")
        self.seen[sender].add(number)
        self.late += number < self.newest[sender]
        self.newest[sender] = max(number, self.newest[sender])
        self.heard[sender] = time.monotonic()
        if dst == self.mac:
            self.unicast[sender] = self.heard[sender]


class Talk:
    """All guests, in one thread; a context manager."""

    def __init__(self, guests, rng, interval=0.05):
        self.guests, self.rng, self.interval = guests, rng, interval
        self.running = True
        self.thread = threading.Thread(target=self._run)

    def others(self, guest):
        return [g for g in self.guests if g.vnet == guest.vnet and g is not guest]

    def _run(self):
        sockets = {g.socket.fileno(): g for g in self.guests}
        poll = select.poll()
        for fd in sockets:
            poll.register(fd, select.POLLIN)
        following = time.monotonic()
        while self.running:
            for fd, _ in poll.poll(max(0, following - time.monotonic()) * 1000):
                sockets[fd].hear()
            if time.monotonic() >= following:
                following = max(following + self.interval, time.monotonic() - 1)
                for guest in self.guests:
                    self._say(guest)

    def _say(self, guest):
        length = self.rng.choice((46, 200, 1000, 1400, 1500))
        dst = BROADCAST if self.rng.random() < 0.5 else self.rng.choice(self.others(guest)).mac
        guest.say(dst, length)

    def missing(self, since):
        """Who has not heard whom since then, by broadcast and by unicast."""
        return [f"vnet {g.vnet:x}: {g.host.name} from {o.host.name}"
                for g in self.guests for o in self.others(g)
                if min(g.heard.get(o.number, 0), g.unicast.get(o.number, 0)) < since]

    def wrong(self):
        return [f"guest of {g.host.name} in {g.vnet:x}: {w}" for g in self.guests for w in g.wrong]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        assert self.thread.is_alive(), "it has failed"
        self.running = False
        self.thread.join()


LATE_TTL = 63           # of packets that Mischief delivers; others have one more


def header_sum(head):
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xffff) + (total >> 16)
    return struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff)


def with_ttl(data, ttl):
    head = data[14:22] + bytes([ttl]) + data[23:24] + b"\0\0" + data[26:34]
    return data[:14] + head[:10] + header_sum(head) + head[12:] + data[34:]


def unchecked(data):
    """Without UDP checksum, which the kernel left to a device that there is not."""
    first = int.from_bytes(data[20:22], "big") & 0x1fff == 0
    return data[:40] + b"\0\0" + data[42:] if first else data


class Mischief:
    """Says again, later and altered, what it hears on a segment, and forges clear frames; a context
    manager. What it says goes to one host and is not seen by a sniffer of the segment. What is for
    a MAC address in `slow` it delivers too, whole, but in no order."""

    def __init__(self, segment, ports, secured, rng):
        self.heard = segment.net.underlay.packet_socket(segment.dev, 0x0800)
        # The bridge's own device: what passes the bridge.
        segment.net.underlay.ip("link", "set", segment.dev, "promisc", "on")
        self.out = [segment.net.underlay.packet_socket(p, 0x0800) for p in ports]
        self.secured, self.rng = secured, rng
        self.slow = set()
        self.running = True
        self.thread = threading.Thread(target=self._run)
        self.counts = collections.Counter()

    def _run(self):
        waiting = []                    # (when, frame)
        while self.running:
            time.sleep(0.01)
            now = time.monotonic()
            while data := self._next():
                if len(data) < 50:
                    continue
                if data[:6] in self.slow:
                    waiting.append((now + self.rng.uniform(0, 0.1),
                                    unchecked(with_ttl(data, LATE_TTL))))
                elif len(waiting) < 1000 and self.rng.random() < 0.2:
                    waiting.append((now + self.rng.choice((0, 0.02, 0.3, 5, 70)), data))
            due = [data for when, data in waiting if when <= now]
            waiting = [w for w in waiting if w[0] > now]
            for data in due:
                if data[22] == LATE_TTL:
                    self._send(data, "late")
                else:
                    self._say(data)

    def _next(self):
        try:
            data = self.heard.recv(2048)
        except OSError:
            return None
        return data if len(data) > 42 and data[23] == 17 else b"\0"

    def _say(self, data):
        what, done = self.rng.random(), "replayed"
        clear = int.from_bytes(data[42:46], "big") == VXLAN     # may be altered by anybody
        if what < 0.1 and not clear:
            at = self.rng.randrange(42, len(data))
            data = data[:at] + bytes([data[at] ^ 1 << self.rng.randrange(8)]) + data[at + 1:]
            done = "altered"
        elif what < 0.2:
            data, done = self._forge(data), "forged"
        self._send(unchecked(data), done)

    def _send(self, data, what):
        self.counts[what] += 1
        for out in self.out:
            try:
                out.send(data)
            except OSError:
                pass

    def _forge(self, data):
        """A clear frame of a secured vnet in the name of a true host."""
        inner = frame(BROADCAST, b"\x02" + secrets.token_bytes(5), self.rng.choice(self.secured),
                      FORGED, 0, 0, 100)
        vxlan = struct.pack("!II", VXLAN, self.rng.choice(self.secured) << 8) + inner
        udp = struct.pack("!HHHH", PORT, PORT, 8 + len(vxlan), 0) + vxlan
        head = data[14:16] + struct.pack("!H", 20 + len(udp)) + b"\0\0\0\0" + data[22:24] + b"\0\0"
        head += data[26:34]
        return data[:14] + head[:10] + header_sum(head) + head[12:] + udp

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        assert self.thread.is_alive(), "it has failed"
        self.running = False
        self.thread.join()
        print("mischief:", dict(self.counts))


# --- what a sniffer saw ---

@dataclasses.dataclass
class Packet:
    when: float
    src: str
    proto: int          # of IP, else minus the ethertype
    payload: bytes


def pcap_records(path):
    """(time, frame)"""
    with open(path, "rb") as file:
        magic, = struct.unpack("=I", file.read(24)[:4])
        scale = {0xa1b2c3d4: 1e-6, 0xa1b23c4d: 1e-9}[magic]
        while len(head := file.read(16)) == 16:
            seconds, fraction, length, _ = struct.unpack("=IIII", head)
            yield seconds + fraction * scale, file.read(length)


class Reassembly:
    """Of IPv4 and IPv6 fragments; what never becomes whole is told by rest()."""

    def __init__(self):
        self.parts = {}

    def add(self, key, offset, more, data):
        parts = self.parts.setdefault(key, {})
        parts[offset] = data, more
        at, whole = 0, b""
        while at in parts:
            data, more = parts[at]
            whole += data
            at += len(data)
            if not more:
                del self.parts[key]
                return whole
        return None

    def rest(self):
        return [data for parts in self.parts.values() for data, _ in parts.values()]


def packet_of(when, data, reassembly):
    """A whole Packet, or None."""
    ethertype, = struct.unpack_from("!H", data, 12)
    ip = data[14:]
    if ethertype == 0x0800:
        length, ident, fragment = struct.unpack_from("!HHH", ip, 2)
        proto, src, payload = ip[9], socket.inet_ntoa(ip[12:16]), ip[(ip[0] & 15) * 4:length]
        if fragment & 0x3fff:
            payload = reassembly.add((ip[12:20], ident, proto), (fragment & 0x1fff) * 8,
                                     fragment & 0x2000, payload)
    elif ethertype == 0x86dd:
        length, proto = struct.unpack_from("!HB", ip, 4)
        src, payload = socket.inet_ntop(socket.AF_INET6, ip[8:24]), ip[40:40 + length]
        if proto == 0:                  # hop-by-hop options, of MLD
            proto, payload = payload[0], payload[8 + payload[1] * 8:]
        if proto == 44:
            proto, _, fragment, ident = struct.unpack_from("!BBHI", payload)
            payload = reassembly.add((ip[8:40], ident, proto), fragment & 0xfff8, fragment & 1,
                                     payload[8:])
    else:
        return Packet(when, "", -ethertype, data[14:])
    return Packet(when, src, proto, payload) if payload is not None else None


OWN_OF_UNDERLAY = {2, 58, -0x0806}      # IGMP, ICMPv6, ARP
ICMP_ERRORS = {3, 11}                   # nobody has the port just now; fragments did not come


class Judge:
    """Goes through all that a sniffer saw. clear: {vnet: function (address, time) -> may a frame of
    it go in clear from there then?}; other vnets never. Frames of moody ones may have been sent by
    a guest before their vnet was secured."""

    def __init__(self, clear, moody):
        self.clear, self.moody = clear, moody
        self.wrong = []
        self.counts = collections.Counter()

    def read(self, path):
        reassembly = Reassembly()
        for when, data in pcap_records(path):
            packet = packet_of(when, data, reassembly)
            if packet:
                self.packet(packet)
        for data in reassembly.rest():  # of lost ones
            self.secrets("a fragment", data)
        return self

    def complain(self, packet, what):
        if len(self.wrong) < 20:
            self.wrong.append(f"{packet.when:.6f} {packet.src}: {what}")

    def secrets(self, what, data):
        for vnet, level in stamps(data):
            if level == CONF:
                self.wrong.append(f"{what} shows a frame of the confidential vnet {vnet:x}")

    def packet(self, packet):
        if packet.proto in OWN_OF_UNDERLAY:
            if MAGIC in packet.payload:
                self.complain(packet, "a guest's bytes outside any tunnel")
            return
        if packet.proto == 1 and packet.payload[0] in ICMP_ERRORS:
            self.counts["icmp"] += 1            # it repeats what came
            self.secrets("an ICMP error", packet.payload)
            return
        if packet.proto != 17 or len(packet.payload) < 12:
            self.complain(packet, f"protocol {packet.proto}: {packet.payload[:40].hex()}")
            return
        sport, dport = struct.unpack_from("!HH", packet.payload)
        if dport == KERNEL_PORT:
            self.kernel(packet, packet.payload[8:])
            return
        if (sport, dport) != (PORT, PORT):
            self.complain(packet, f"UDP ports {sport}, {dport}")
            return
        self.datagram(packet, packet.payload[8:])

    def kernel(self, packet, data):
        self.counts["kernel"] += 1
        if int.from_bytes(data[:4], "big") != VXLAN:
            self.complain(packet, f"no VXLAN on port {KERNEL_PORT}: {data[:16].hex()}")
        elif int.from_bytes(data[4:7], "big") != PROBE_VNI or MAGIC in data:
            self.vxlan(packet, data)

    def datagram(self, packet, data):
        word, = struct.unpack_from("!I", data)
        if word == 0:
            self.counts["control"] += 1
            if MAGIC in data or data[4] != 1:
                self.complain(packet, f"control message {data[:16].hex()}")
        elif word == VXLAN:
            self.counts["clear"] += 1
            self.vxlan(packet, data)
        elif word > 255:
            self.counts["esp"] += 1
            self.readable(packet, data)
        else:
            self.complain(packet, f"first word {word:08x}")

    def readable(self, packet, data):
        """ESP in which stamps can be read is of level auth: SPI, number, UDP, VXLAN, a frame."""
        vni = int.from_bytes(data[20:23], "big")
        for vnet, level in stamps(data):
            if vnet != vni or level in (CONF, FORGED) or level == NONE and vnet not in self.moody:
                self.complain(packet, f"{chr(level)} of vnet {vnet:x} can be read in ESP of {vni:x}")

    def vxlan(self, packet, data):
        vnet = int.from_bytes(data[4:7], "big")
        if not self.clear.get(vnet, lambda *_: False)(packet.src, packet.when):
            self.complain(packet, f"a clear frame of vnet {vnet:x}: {data[8:80].hex()}")
        for stamped, level in stamps(data):
            if stamped != vnet or level not in (NONE, CHANGING):
                self.complain(packet, f"{chr(level)} of vnet {stamped:x} is clear in {vnet:x}")
