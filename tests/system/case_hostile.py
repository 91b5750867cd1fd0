# SPDX-License-Identifier: LGPL-2.1-or-later
"""Input nobody should send: named, bounded, and no harm to those who behave."""

import contextlib
import random
import re
import socket
import struct
import threading
import time

from traffic import Stream
from vnettest import case, wait_until

DEV = "vnif0097"
PORT = 1798
CONTROL_VERSION = 1
DISCOVER, RELAYED, HANDSHAKE1, HANDSHAKE2, COOKIE, CLEAR, RELAY = range(1, 8)
HANDSHAKE1_LEN, HANDSHAKE2_LEN, COOKIE_LEN, NOISE_LEN = 148, 132, 28, 120
AES128_SHA1 = 2
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1


def pair(net):
    """Two hosts with vnets 97 conf and 98 none that talk, and a third machine without vnetd."""
    a, b, c = net.hosts("a", "b", "c")
    for number, host in enumerate((a, b), 1):
        host.start()
        host.vn("vnet-create", "-s", "conf", "--address", f"10.0.0.{number}/24", "97")
        host.vn("vnet-create", "-s", "none", "98")
    wait_until(lambda: a.ping("10.0.0.2"), 10, "ping")
    wait_until(lambda: all(v["members"] == 1 for v in a.vn_json("vnets")), 10, "members")
    return a, b, c


def memory(host):
    """Resident memory of the engine in KB."""
    with open(f"/proc/{host.roles()['engine']}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


@contextlib.contextmanager
def unharmed(a, b, lost=0):
    """Traffic between a and b goes on, with few packets lost at most; the processes live on, and
    the engine's memory stays."""
    roles, before = a.roles(), memory(a)
    with Stream(b, a, "10.0.0.1", 0.01) as stream:
        yield
        stream.flowing(2)
        stream.stop()
        assert len(stream.lost()) <= lost, f"lost {len(stream.lost())} of {stream.sent}"
    assert a.roles() == roles, "a process died"
    assert memory(a) < before + 8 * 1024, f"memory {before} -> {memory(a)} KB"


def control(kind, body=b"", version=CONTROL_VERSION, length=None):
    return struct.pack("!IBBH", 0, version, kind, len(body) if length is None else length) + body


def handshake_header(key_id, number=1, suite=AES128_SHA1):
    return struct.pack("!IB3xI", key_id, suite, number)


def key_id(host):
    return int(next(k["id"] for k in host.vn_json("keys") if k["name"] == "default"), 16)


def discover(host_id=0x1122334455667788, keys=(), pad=124):
    body = struct.pack("!QQIBBH", host_id, 1, random.getrandbits(32), 0, 4, len(keys))
    return (body + b"".join(struct.pack("!IHH", k, s, 0) for k, s in keys)).ljust(24 + pad, b"\0")


def each_kind(a):
    """(counter, datagram) of everything that has a name, from an address nobody knows."""
    own = int(a.vn_json("status")[0]["host"], 16)
    key, noise = key_id(a), random.randbytes(NOISE_LEN)
    frame = bytes.fromhex("ffffffffffff020000000001") + b"\x88\xb5" + bytes(46)
    clear = struct.pack("!QQQQ", 7, 1, 5, 0)
    origin = struct.pack("!BxH4s12x", 4, PORT, bytes([192, 0, 2, 77]))
    return [
        ("datagram_short", b""), ("datagram_short", b"abc"), ("keepalive", b"\xff"),
        *(("datagram_reserved", struct.pack("!I", word) + bytes(50)) for word in (1, 77, 255)),
        ("esp_unknown_spi", struct.pack("!II", 0x12345678, 1) + bytes(100)),
        ("esp_unknown_spi", struct.pack("!I", 256)),
        ("control_malformed", bytes(4)), ("control_malformed", bytes(7)),
        ("control_malformed", control(DISCOVER, discover(), length=17)),
        ("control_malformed", control(DISCOVER, bytes(1300))),
        ("control_version", control(DISCOVER, discover(), version=2)),
        ("control_version", control(99, version=0)),
        ("control_type", control(0)), ("control_type", control(8)), ("control_type", control(255)),
        *(("control_refused", control(kind, body)) for kind, body in (
            (DISCOVER, b""), (DISCOVER, discover(pad=123)), (DISCOVER, discover(host_id=0)),
            (RELAYED, bytes(168)), (HANDSHAKE1, b""), (HANDSHAKE2, bytes(9)), (COOKIE, bytes(29)))),
        ("own_message", control(DISCOVER, discover(host_id=own))),
        ("relayed_refused", control(RELAYED, origin + discover())),
        *((counter, control(HANDSHAKE1, header + bytes(16) + noise)) for counter, header in (
            ("handshake_unknown_key", handshake_header(key ^ 1)),
            ("handshake_unknown_key", handshake_header(key, suite=6)),
            ("handshake_failed", handshake_header(key)))),
        ("handshake_unexpected", control(HANDSHAKE2, handshake_header(key) + noise)),
        ("handshake_unexpected", control(COOKIE, handshake_header(key) + bytes(16))),
        ("clear_refused", control(CLEAR)), ("clear_refused", control(CLEAR, bytes(32))),
        ("clear_unproven", control(CLEAR, clear + bytes(28))),
        ("clear_secured", struct.pack("!II", 0x08000000, 0x97 << 8) + frame),
        ("clear_stranger", struct.pack("!II", 0x08000000, 0x98 << 8) + frame),
        ("clear_stranger", struct.pack("!I", 0x08000000)),
        ("control_version", bytes(65507)),
    ]


@case(limit=60)
def test_each_kind(net):
    """Every kind of datagram that is refused is counted as what it is, and answered by no more than
    it was long."""
    a, b, c = pair(net)
    sender = c.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.settimeout(0.05)
    with unharmed(a, b):
        for counter, datagram in each_kind(a):
            before = a.stats()[counter]
            sender.sendto(datagram, (a.addr4, PORT))
            wait_until(lambda k=counter, old=before: a.stats()[k] == old + 1, 2,
                       f"{counter} after {datagram[:16].hex()}")
            with contextlib.suppress(TimeoutError):
                answer = sender.recv(65536)
                assert len(answer) <= len(datagram), (counter, answer.hex())


def control_messages(net, a, b):
    """Real messages of all sorts, as a restart makes them."""
    sniffer = net.sniff("udp port 1798")
    b.restart()
    wait_until(lambda: a.ping("10.0.0.2"), 5, "ping after a restart")
    sniffer.stop()
    return [bytes(p["UDP"].payload) for p in sniffer.packets() if p.haslayer("IP")]


def spoilt(messages):
    """Copies cut off, made longer, with bits flipped, with fields of extreme values, and noise."""
    for message in messages:
        yield message
        for size in {0, 1, 3, 4, 7, 8, 9, len(message) // 2, len(message) - 1}:
            yield message[:size]
        yield message + bytes(1)
        yield message.ljust(1400, b"\xff")
        for _ in range(20):
            changed = bytearray(message)
            for _ in range(random.choice((1, 1, 2, 8))):
                value = random.choice((0, 1, 0x7f, 0x80, 0xff, random.getrandbits(8)))
                changed[random.randrange(len(changed))] = value
            yield bytes(changed)
    for size in (0, 1, 4, 8, 9, 50, 200, 1472, 9000, 60000):
        any_control = bytes([0, 0, 0, 0, CONTROL_VERSION, random.randrange(9)])
        for first in b"", bytes(4), b"\x08\0\0\0", any_control:
            yield (first + random.randbytes(size))[:65507]


class Forger:
    """Datagrams to port 1798 of a host with any source address."""

    def __init__(self, where, target):
        self.raw = where.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.target = target.addr4

    def send(self, source, datagram, port=PORT):
        udp = struct.pack("!HHHH", port, PORT, 8 + len(datagram), 0)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(datagram), 0, 0, 64, 17, 0,
                         socket.inet_aton(source), socket.inet_aton(self.target))
        self.raw.sendto(ip + udp + datagram, (self.target, 0))


@case(limit=90)
def test_spoilt(net):
    """Real messages spoilt in every way, from a stranger and as if from a peer, while it talks."""
    a, b, c = pair(net)
    seed = random.getrandbits(32)
    print("seed", seed)
    messages = control_messages(net, a, b)[:40]
    random.seed(seed)
    plain = c.socket(socket.AF_INET, socket.SOCK_DGRAM)
    forger = Forger(c, a)
    count = 0
    with unharmed(a, b, lost=20):       # a forged message may cost a moment, as any lost one
        for datagram in spoilt(messages):
            plain.sendto(datagram, (a.addr4, PORT))
            if len(datagram) < 1400:
                forger.send(b.addr4, datagram)
            count += 1
            if count % 20 == 0:
                time.sleep(0.02)    # no more than a socket takes: a lost one would prove nothing
    print(count, "datagrams")


@case(limit=60)
def test_message1_flood(net):
    """A flood of message 1s is answered by cookies at most; a peer that restarts amid it is back
    within a second."""
    a, b, c = pair(net)
    key, forger = key_id(a), Forger(c, a)
    deadline, sent = time.monotonic() + 6, 0
    roles, before, gaps = a.roles(), memory(a), []
    with Stream(b, a, "10.0.0.1", 0.01) as stream:
        restarts = [time.monotonic() + 2, time.monotonic() + 4]
        while time.monotonic() < deadline:
            for _ in range(20):
                header = handshake_header(key, random.getrandbits(32))
                message1 = control(HANDSHAKE1, header + bytes(16) + random.randbytes(NOISE_LEN))
                source = random.choice((b.addr4, c.addr4, f"192.0.2.{random.randrange(1, 254)}",
                                        f"10.{random.randrange(256)}.{random.randrange(256)}.9"))
                forger.send(source, message1, random.choice((PORT, random.randrange(1, 65536))))
                sent += 1
            time.sleep(0.01)
            if restarts and time.monotonic() > restarts[0]:
                restarts.pop(0)
                b.kill("engine")
                gaps.append(stream.flowing(5))
    stats = a.stats()
    print(f"{sent} message 1s, {stats['cookie_tx']} cookies, {stats['handshake_failed']} tried; "
          f"back after {gaps} s")
    assert max(gaps) < 1, gaps
    assert stats["cookie_tx"] > 0 and stats["handshake_failed"] < 1000
    assert a.roles() == roles and memory(a) < before + 6 * 1024


class Mirror(threading.Thread):
    """Sends every datagram of the segment again, a little later, and back to who sent it."""

    def __init__(self, segment):
        super().__init__()
        self.wire = segment.net.underlay.packet_socket(segment.dev, 0x0800)
        index = segment.net.underlay.link(segment.dev)["ifindex"]
        self.wire.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                             struct.pack("IHH8x", index, PACKET_MR_PROMISC, 0))
        self.running, self.count = True, 0

    def run(self):
        later = []
        while self.running:
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, address = self.wire.recvfrom(65536)
                    if address[2] == socket.PACKET_OUTGOING or data[23] != 17:
                        continue
                    data = data[:40] + bytes(2) + data[42:]     # its checksum was not made yet
                    addresses = data[30:34] + data[26:30]
                    back = data[6:12] + data[:6] + data[12:26] + addresses + data[34:]
                    for one in data, back:
                        later.append((time.monotonic() + random.choice((0, 0.01, 0.1, 2)), one))
            now = time.monotonic()
            for _, data in (one for one in later if one[0] <= now):
                self.wire.send(data)
                self.count += 1
            later = [one for one in later if one[0] > now]
            time.sleep(0.001)


@case(limit=60)
def test_reflected(net):
    """Everything comes twice, and back to its sender, rekeys and restarts included: nothing is lost
    and nothing is delivered twice."""
    a, b = net.hosts("a", "b")
    for number, host in enumerate((a, b), 1):
        host.configure("(rekey (packets 1000))\n")
        host.start()
        host.vn("vnet-create", "-s", "conf", "--address", f"10.0.0.{number}/24", "97")
    wait_until(lambda: a.ping("10.0.0.2"), 10, "ping")
    mirror = Mirror(net.segment("u"))
    mirror.start()
    try:
        with Stream(a, b, "10.0.0.2", 0.004) as there, Stream(b, a, "10.0.0.1", 0.004) as back:
            time.sleep(12)
            for stream in there, back:
                stream.stop()
                assert (len(stream.lost()), stream.doubled()) == (0, 0)
        b.kill("engine")
        since = time.monotonic()
        wait_until(lambda: a.ping("10.0.0.2", wait=0.2), 5, "ping after the engine was killed")
        assert time.monotonic() - since < 1
    finally:
        mirror.running = False
        mirror.join()
    stats = a.stats()
    print(f"{mirror.count} datagrams sent again, {stats['rekeys']} rekeys, "
          f"{stats['esp_replayed']} replays")
    assert stats["esp_replayed"] > 1000 and stats["rekeys"] >= 2


@case(limit=90)
def test_many_hosts(net):
    """Thousands of hosts that are none, from as many addresses: a new real one is still found."""
    a, b, c = pair(net)
    forger = Forger(c, a)
    key = key_id(a)
    with unharmed(a, b):
        for number in range(9000):
            source = f"10.{number >> 8}.{number & 0xff}.1"
            invented = discover(random.getrandbits(64) | 1, [(key, 1 << AES128_SHA1)])
            forger.send(source, control(DISCOVER, invented))
            if number % 50 == 0:
                time.sleep(0.01)
    c.start()
    c.vn("vnet-create", "-s", "conf", "--address", "10.0.0.3/24", "97")
    # A flood that has just ended may have cost its first tries.
    wait_until(lambda: c.ping("10.0.0.1", wait=0.2), 40, "ping from a new host")
    stats = a.stats()
    print(f"{stats['discover_rx']} heard, {stats['rate_limited']} beyond their budget, "
          f"{stats['hosts_full']} too many, {stats['handshake1_tx']} tried")


def connect(host):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    client.connect(str(host.dir / "run" / "vnetd.sock"))
    return client


def said(client):
    """All that is answered until the other end closes."""
    text = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while data := client.recv(65536):
            text += data
    return text.decode()


REFUSED = """\
(no.such.command)
(vnet.add)
(vnet.add (id 0))
(vnet.add (id 98 97))
(vnet.add (id 99) (security conf) (key ../../etc/passwd))
(vnet.del (vnet nope))
(vif.add (vnet 97) (vmac ff:ff:ff:ff:ff:ff))
(peer.add (addr ""))
(varp.mcaddr (addr 10.0.0.1))
"""


@case(limit=60)
def test_control_socket(net):
    """Garbage, half a message, one without end, and a thousand connections."""
    a, b, _ = pair(net)
    with unharmed(a, b):
        for garbage in (b")\n", b"\0\1\2\3\n", b'(vnet.add (id "97\n', b"(" * 200, b"hello\n",
                        random.randbytes(4096) + b"\n)", b"GET / HTTP/1.0\r\n\r\n"):
            with connect(a) as client:
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                text = said(client)
                assert "(ok)" not in text and "(vnet" not in text, (garbage[:20], text)
        with connect(a) as client:
            client.sendall(b"(status")          # half a message
        with connect(a) as client:              # one that is too long
            with contextlib.suppress(ConnectionError):
                for _ in range(40):
                    client.sendall(b"(vnet.list " + b"(a b) " * 1000)
            assert "(ok)" not in said(client)
        for bad in REFUSED.splitlines():
            with connect(a) as client:
                client.sendall(f"{bad}\n".encode())
                client.shutdown(socket.SHUT_WR)
                assert said(client).startswith("(error (object "), bad

        held = []
        for _ in range(1000):
            with contextlib.suppress(OSError):
                held.append(connect(a))
        done = a.vn("status", check=False)
        assert done.returncode in (0, 3), done
        for client in held:
            client.close()
        wait_until(lambda: a.vn("status").returncode == 0, 5, "vn is answered again")
        assert a.stats()["control_busy"] > 0


BROKEN = """\
(port 0)
(port 99999)
(vnet (id 97) (security secret))
(vnet (security conf))
(vnet (id zz))
(vnet (id 97) (suite des))
(rekey (seconds 1))
(replay-window 7)
(peer.add (addr 192.0.2.1) (port 70000))
(varp.mcaddr (addr 192.0.2.1))
(no-such-form 1)
(vnet (id 5) (securty conf))
(varp (entry-ttl 0))
(legacy-vnets maybe)
"""


@case(limit=30)
def test_broken_configuration(net):
    """All errors, each with file and line; vnetd does not start with one."""
    (a,) = net.hosts("a")
    a.configure(BROKEN)
    lines = len(BROKEN.splitlines())
    for argv in a.vnetd_argv("-n"), a.vnetd_argv():
        done = a.run(*argv, check=False)
        assert done.returncode == 1, done
        found = {int(n) for n in re.findall(rf"{a.config}:(\d+): ", done.stderr)}
        assert found == set(range(1, lines + 1)), (sorted(found), done.stderr)
    for text in ("(port 1798", ")", '(vnet (id "97)', "(" * 100, "\0", "x" * 100000,
                 "(vnet (id 97))" * 2):
        a.configure(text)
        done = a.run(*a.vnetd_argv(), check=False)
        assert done.returncode == 1 and f"{a.config}:1: " in done.stderr, (text[:20], done)
    a.configure("(vnet (id 97) (security conf))\n")
    assert a.run(*a.vnetd_argv("-n")).stderr == ""


@case(limit=30)
def test_broken_state(net):
    """A state that cannot be read is named, and left as it is."""
    (a,) = net.hosts("a")
    a.start()
    a.vn("vnet-create", "97")
    a.stop()
    path = a.dir / "state" / "state"
    text = path.read_text() + "(vnet.add (id 98"
    path.write_text(text)
    done = a.run(*a.vnetd_argv(), check=False)
    assert done.returncode == 1 and re.search(r"state:\d+: ", done.stderr), done
    assert path.read_text() == text


@case(limit=60)
def test_device_deleted(net):
    """A device, a bridge, or both, deleted by somebody else: made again, and named meanwhile."""
    a, b, _ = pair(net)
    a.ip("link", "del", DEV)
    wait_until(lambda: a.link(DEV) and a.ping("10.0.0.2"), 5, "the device again, with its address")
    assert re.search(DEV, a.log()), "the log names it"
    for host in a, b:
        host.vn("vnet-create", "-s", "conf", "-b", "br99", "99")
    wait_until(lambda: a.link("vnif0099").get("master") == "br99", 5, "the bridge")
    guests = [host.guest("g", "br99", f"10.9.0.{n}/24") for n, host in enumerate((a, b), 1)]
    wait_until(lambda: guests[0].ping("10.9.0.2"), 5, "ping between guests")
    a.ip("link", "del", "br99")
    wait_until(lambda: (a.link("vnif0099") or {}).get("master") == "br99", 5, "the bridge again")
    a.ip("link", "set", "guest1", "master", "br99")
    wait_until(lambda: guests[0].ping("10.9.0.2"), 5, "ping with the new bridge")
    for _ in range(3):
        a.ip("link", "del", "vnif0099")
        a.ip("link", "del", "br99")
        wait_until(lambda: (a.link("vnif0099") or {}).get("master") == "br99", 5, "both again")
    a.ip("link", "set", "vnif0099", "down")
    a.ip("link", "set", "vnif0099", "up")
    a.ip("link", "set", "guest1", "master", "br99")
    wait_until(lambda: guests[0].ping("10.9.0.2"), 5, "ping at last")
    assert not any("problem" in vnet for vnet in a.vn_json("vnets"))


@case(limit=30)
def test_port_taken(net):
    """Another program has port 1798: vnetd says so and ends; it starts when the port is free."""
    (a,) = net.hosts("a")
    for reuse in False, True:
        with a.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            if reuse:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("0.0.0.0", PORT))
            done = a.run(*a.vnetd_argv(), check=False)
            assert done.returncode == 1 and "1798 is in use by another program" in done.stderr, done
    a.start()


@case(limit=60)
def test_other_version(net):
    """A host that speaks another version of the protocol is counted, not answered, and no peer."""
    a, b, c = pair(net)
    sender = c.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((c.addr4, PORT))
    sender.settimeout(0.5)
    with unharmed(a, b):
        for kind in range(1, 8):
            for version in 0, 2, 255:
                message = control(kind, discover(keys=[(key_id(a), 4)]), version=version)
                sender.sendto(message, (a.addr4, PORT))
        wait_until(lambda: a.stats()["control_version"] == 21, 5, "21 messages of another version")
        try:
            raise AssertionError(f"answered: {sender.recv(2000).hex()}")
        except TimeoutError:
            pass
    assert c.addr4 not in {p["addr"] for p in a.vn_json("peers")}


@case(limit=60)
def test_device_name_taken(net):
    """When the vnet's device name is taken vn says so, and nothing is left of the vnet."""
    (a,) = net.hosts("a")
    a.start()
    a.ip("link", "add", DEV, "type", "bridge")
    done = a.vn("vnet-create", "97", check=False)
    assert done.returncode == 1 and DEV in done.stderr, done
    assert a.vn_json("vnets") == []
    a.ip("link", "del", DEV)
    a.vn("vnet-create", "97")
