# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host written from the specifications, that has the key and can say what no vnetd would."""

import random
import socket
import struct
import threading

import outside
from case_hostile import (AES128_SHA1, DISCOVER, HANDSHAKE1, HANDSHAKE2, HANDSHAKE2_LEN, PORT,
                          control, discover)
from vnettest import wait_until

import judge_noise      # outside has the path

HARDWIRED = b"this pre-shared key is no secret"
SUITE = "aes128-sha1"
GROUP = "224.10.0.1"
# Messages inside an association (varp/message.h).
MESSAGE_VERSION = 1
ECHO, ECHO_REPLY, MEMBERS, WANTED, REQUEST, ANNOUNCE, WITHDRAW, ACK = range(1, 9)


def message(kind, body, version=MESSAGE_VERSION):
    return struct.pack("!BBH", version, kind, len(body)) + body


def items(vni, *claims):
    """The body of REQUEST and the others: (MAC, counter)"""
    body = b"".join(mac + struct.pack("!HI", 0, counter) for mac, counter in claims)
    return struct.pack("!IHH", vni, len(claims), 0) + body


def siphash(data):
    """SipHash-2-4 under the zero key, from its paper."""
    mask = (1 << 64) - 1
    v = [0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573]

    def rotate(x, by):
        return (x << by | x >> 64 - by) & mask

    def rounds(n):
        for _ in range(n):
            v[0], v[2] = (v[0] + v[1]) & mask, (v[2] + v[3]) & mask
            v[1], v[3] = rotate(v[1], 13) ^ v[0], rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2], v[0] = (v[2] + v[1]) & mask, (v[0] + v[3]) & mask
            v[1], v[3] = rotate(v[1], 17) ^ v[2], rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xff])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xff
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def members(number, *vnets):
    """The full set: (vnet, VNI)"""
    ids = [(struct.pack("!QQ", 0, vnet), vni) for vnet, vni in sorted(vnets)]
    digest = siphash(b"".join(i + struct.pack("!I", vni) for i, vni in ids))
    body = struct.pack("!QQQHHHH", number, digest, 0, len(ids), 0, len(ids), 0)
    return message(MEMBERS, body + b"".join(i + struct.pack("!I", vni) for i, vni in ids))


class FakeHost:
    """On port 1798 of a namespace without vnetd; target is one that has it. A context manager."""

    def __init__(self, namespace, target, host_id=None, start=1):
        self.id, self.start = host_id or random.getrandbits(63) | 1, start
        self.to = target.addr4, PORT
        self.socket = namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((namespace.addr4, PORT))
        self.socket.settimeout(0.05)
        self.controls, self.packets = [], []      # (type, body) and ESP, as they came
        self.sa, self.sas = None, []
        self.running = True
        self.thread = threading.Thread(target=self._receive)

    def _receive(self):
        while self.running:
            try:
                data = self.socket.recv(65536)
            except (TimeoutError, ConnectionError):
                continue
            if data[:4] == bytes(4):
                self.controls.append((data[5], data[8:]))
            else:
                self.packets.append(data)

    def heard(self, kind, head=b"", deadline=5):
        """The body of a control message of that type that begins so."""
        return wait_until(lambda: next((b for k, b in self.controls if k == kind and
                                        b.startswith(head)), None), deadline, f"message {kind}")

    def send(self, datagram):
        self.socket.sendto(datagram, self.to)

    def discover(self, to=None):
        key = int.from_bytes(judge_noise.key_id(HARDWIRED), "big")
        body = discover(self.id, [(key, 1 << AES128_SHA1)])
        self.socket.sendto(control(DISCOVER, body), to or self.to)

    def message1(self, attempt):
        """Sends it; noise and header, for the rest of that handshake."""
        noise = judge_noise.noise_for(HARDWIRED, AES128_SHA1)
        spi = random.randrange(0x10000, 0x7fffffff)
        head = judge_noise.header(HARDWIRED, AES128_SHA1, random.randbytes(4))
        text = judge_noise.payload(self.id, self.start, [spi], attempt=attempt)
        self.send(control(HANDSHAKE1, head + bytes(16) + noise.write_1(text)))
        return noise, head

    def associate(self, attempt):
        """The whole handshake: afterwards sas are what the target receives by, in software, and sa
        is the first of them."""
        noise, head = self.message1(attempt)
        two = self.heard(HANDSHAKE2, head)
        assert len(two) == HANDSHAKE2_LEN, two.hex()
        said = noise.read_2(two[12:])
        spis = struct.unpack_from(f"!{said[34] - said[35]}I", said, 36)
        keys = judge_noise.sa_keys(noise.split()[0], AES128_SHA1, 36, spis)
        self.sas = [outside.Sa({"spi": f"{spi:08x}", "esn": True, "suite": SUITE, "level": "conf",
                                "enc_key": key[:16].hex(), "auth_key": key[16:].hex(), "seq": 0})
                    for spi, key in zip(spis, keys)]
        self.sa = self.sas[0]
        self.send_esp(bytes(16), outside.DUMMY)

    def send_esp(self, payload, next_header=outside.UDP, **options):
        sealed = self.sa.seal(payload, next_header, **options)
        self.send(sealed)
        return sealed

    def say(self, text):
        """A message inside the association."""
        self.send_esp(outside.udp(outside.MESSAGE_PORT, text))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        self.socket.close()
