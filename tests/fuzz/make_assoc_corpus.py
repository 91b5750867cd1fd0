#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes tests/fuzz/corpus/assoc anew: what fuzz_assoc's network does, step by step."""
import os
import struct

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "assoc")


def later(ms):
    return b"t" + struct.pack(">H", ms)


def peer(n=0, port=0):
    """The peer's n-th newest datagram reaches us."""
    return b"d" + bytes([n, port])


def altered(n, at, value):
    return b"D" + bytes([n]) + struct.pack(">HB", at, value)


def ours(n=0):
    return b"a" + bytes([n])


def back(n=0):
    return b"r" + bytes([n])


def raw(datagram, port=0):
    return b"x" + bytes([port]) + struct.pack(">H", len(datagram)) + datagram


def control(kind, body):
    return struct.pack(">IBBH", 0, 1, kind, len(body)) + body


def hs1(key_id=0, noise=b"\x55" * 120):
    return control(3, struct.pack(">IB3xI16x", key_id, 5, 7) + noise)


CONNECT, HINT, PEER_CONNECTS, KEYS = b"c\0", b"c\1", b"C", b"k"

# We begin: message 1, message 2, our dummy, the peer's.
HANDSHAKE = CONNECT + KEYS + ours() + KEYS + peer() + KEYS + later(0) + ours() + peer()
# The peer begins.
ANSWER = PEER_CONNECTS + KEYS + peer() + KEYS + ours() + KEYS + later(0) + peer() + ours()

FILES = {
    "handshake": HANDSHAKE,
    "handshake-by-hint": HINT + HANDSHAKE[2:],
    "answer": ANSWER,
    "rekey": HANDSHAKE + later(2000) + HANDSHAKE + later(61000),
    "rekey-by-peer": HANDSHAKE + later(2000) + ANSWER + later(61000),
    "rekey-by-count": HANDSHAKE + (b"s" + ours() + b"S" + peer()) * 70 + later(2000) + HANDSHAKE[2:],
    "crossed": PEER_CONNECTS + CONNECT + KEYS + peer() + KEYS + ours() + KEYS + peer() + KEYS + later(0) + ours() + peer(),
    "crossed-both-complete": PEER_CONNECTS + KEYS + peer() + KEYS + ours() + CONNECT + KEYS + KEYS + ours() + later(0) +
        peer() + KEYS + later(0) + ours() + peer(1) + ours(0) + peer(0) + ours(1),
    "message1-busy": PEER_CONNECTS + KEYS + later(6000) + PEER_CONNECTS + KEYS + peer() + KEYS + peer(1) + KEYS,
    "message1-replayed": ANSWER + peer(1) + KEYS + later(100) + peer(1) + KEYS,
    "message1-repeated": PEER_CONNECTS + KEYS + peer() + peer() + KEYS + peer(0, 3) + KEYS,
    "message1-unknown-key": raw(hs1()),
    "message1-altered": PEER_CONNECTS + KEYS + altered(0, 60, 1) + KEYS + peer() + KEYS,
    "message1-short": raw(hs1()[:-1]) + raw(control(3, b"\0" * 10)),
    "message1-reflected": CONNECT + KEYS + back() + later(6000) + back() + KEYS,
    "message2-altered": CONNECT + KEYS + ours() + KEYS + altered(0, 40, 9) + KEYS + peer() + KEYS,
    "message2-twice": CONNECT + KEYS + ours() + KEYS + peer() + peer() + KEYS + peer() + later(10000),
    "message2-unexpected": raw(control(4, struct.pack(">IB3xI", 1, 5, 9) + b"\1" * 120)),
    "cookie-demanded": PEER_CONNECTS + KEYS + peer() * 25 + KEYS + ours() + peer() + KEYS,
    "cookie-answered": CONNECT + KEYS + ours() * 25 + KEYS + peer() + ours() + KEYS + peer() + KEYS + later(0) + ours() + peer(),
    "cookie-unexpected": raw(control(5, struct.pack(">IB3xI", 1, 5, 9) + b"\1" * 16)),
    "cookie-over-budget": ANSWER + later(2000) + PEER_CONNECTS + KEYS + peer() * 12 + ours() + peer() * 12 + KEYS,
    "keys-restarted": CONNECT + KEYS + b"K" + KEYS + ours() + KEYS + b"K" + peer() + KEYS + HANDSHAKE,
    "peer-restarted": HANDSHAKE + later(2000) + b"P" + ANSWER,
    "peer-moved": HANDSHAKE + later(2000) + b"S" + peer(0, 5) + ours() + peer(0, 5),
    "peer-moved-unproven": HANDSHAKE + later(2000) + (b"S" + peer(0, 5)) * 3 + later(2000) + b"S" + peer(0, 6),
    "esp-replayed": HANDSHAKE + b"S" + peer() + peer(),
    "esp-old": HANDSHAKE + b"S" + altered(0, 7, 2) + altered(0, 7, 3),
    "esp-left-of-window": HANDSHAKE + b"S" * 70 + peer() + peer(69) + peer(40),
    "esp-altered": HANDSHAKE + b"S" + altered(0, 20, 1) + peer(),
    "esp-short": HANDSHAKE + b"S" + altered(0, 20, 0) + altered(0, 3, 0) + peer(),
    "esp-unknown-spi": HANDSHAKE + later(6000) + raw(b"\1\2\3\4" + b"\0" * 60) + KEYS + raw(b"\1\2\3\4", 3),
    "down": HANDSHAKE + b"w" + later(0) + KEYS + later(2000) + b"s" + later(65000),
    "freed": HANDSHAKE + CONNECT + b"f" + KEYS + ours() + PEER_CONNECTS + KEYS + peer() + KEYS,
    "retry": HANDSHAKE + b"w" + (later(1000) + KEYS) * 30,
    "expired": CONNECT + KEYS + ours() + KEYS + later(5001) + peer() + KEYS + PEER_CONNECTS + KEYS + peer() + KEYS + later(5001),
}


def main():
    os.makedirs(OUT, exist_ok=True)
    for name, data in FILES.items():
        with open(os.path.join(OUT, name + ".bin"), "wb") as f:
            f.write(data)


main()
