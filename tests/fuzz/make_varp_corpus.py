#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the corpora of fuzz_discover, fuzz_message, fuzz_membership and fuzz_varp anew."""

import ipaddress
import pathlib
import struct

MIN_LEN = 148


def discover(host=1, flags=1, hops=2, keys=((1, 3),), n=None, pad=True, tail=b""):
    body = struct.pack(">QQIBBH", host, 2, 3, flags, hops, len(keys) if n is None else n)
    body += b"".join(struct.pack(">IHH", k, s, 0) for k, s in keys)
    return (body.ljust(MIN_LEN, b"\0") if pad else body) + tail


def origin(ip="192.0.2.1", port=1798, zero=0, family=None):
    address = ipaddress.ip_address(ip)
    return struct.pack(">BBH", family or address.version, zero, port) + address.packed.ljust(
        16, b"\0")


def discover_files():
    bodies = {
        "accepted": discover(),
        "accepted-no-keys": discover(keys=()),
        "accepted-all-keys": discover(keys=[(i, i) for i in range(64)]),
        "reject-short": discover(pad=False),
        "reject-short-of-keys": discover(n=30),
        "reject-keys": discover(n=65),
        "accepted-answer": discover(flags=3),
        "reject-reserved-flag": discover(flags=4),
        "reject-reserved-host": discover(host=0),
        "reject-reserved-pad": discover()[:-1] + b"\1",
        "reject-reserved-tail": discover(tail=b"\0"),
        "reject-hops": discover(hops=5),
    }
    for name, body in bodies.items():
        yield f"discover-{name}", b"\0" + body
        yield f"relayed-{name}", b"\1" + origin() + body
    yield "relayed-accepted-ipv6", b"\1" + origin("2001:db8::1") + discover()
    for name, where in {
            "port": origin(port=0),
            "zero": origin(zero=1),
            "family": origin(family=5),
            "multicast": origin("224.10.0.1"),
            "link-local": origin("fe80::1"),
            "mapped": origin("::ffff:192.0.2.1"),
            "ipv4-tail": origin("2001:db8::1", family=4),
    }.items():
        yield f"relayed-reject-origin-{name}", b"\1" + where + discover()
    yield "relayed-reject-short-origin", b"\1" + origin()[:-1]


def message(kind, body, version=1, length=None):
    return struct.pack(">BBH", version, kind, len(body) if length is None else length) + body


def members(entries=((2, 0, 2), ), number=5, base=0, total=None, first=0, n=None, zero=0):
    count = len(entries)
    body = struct.pack(">QQQHHHH", number, 7, base, count if total is None else total, first,
                       count if n is None else n, zero)
    for vnet, op, vni in entries:
        body += struct.pack(">QQI", 0, vnet, op << 24 | vni)
    return message(3, body)


def varp(kind, items=((b"\2\0\0\0\0\1", 0, 1), ), vni=0x97, n=None, zero=0):
    body = struct.pack(">IHH", vni, len(items) if n is None else n, zero)
    for mac, pad, counter in items:
        body += mac + struct.pack(">HI", pad, counter)
    return message(kind, body)


def path(*ways, n=None, zero=0):
    body = struct.pack(">BBH", len(ways) if n is None else n, 0, zero)
    return message(9, body + b"".join(struct.pack(">IBBH", *way) for way in ways))


def message_files():
    echo = struct.pack(">QQQ", 1, 2, 3)
    good = {
        "echo": message(1, echo),
        "echo-reply": message(2, echo + origin()),
        "echo-reply-ipv6": message(2, echo + origin("2001:db8::1")),
        "members": members(),
        "members-empty": members(()),
        "members-part": members([(i, 0, i) for i in range(2, 59)], total=100, first=43),
        "members-change": members(((2, 1, 2), (3, 0, 3)), base=4),
        "wanted": message(4, struct.pack(">Q", 3)),
        "request": varp(5),
        "announce": varp(6),
        "announce-full": varp(6, [(b"\2\0\0\0\0" + bytes([i]), 0, i) for i in range(96)]),
        "withdraw": varp(7),
        "ack": varp(8),
        "path": path((0x1000, 1, 0, 0), (0x1001, 2, 0, 1801)),
        "path-clear": path((0, 3, 0, 1802)),
        "path-none": path(),
        "seen": message(10, bytes(8)),
    }
    bad = {
        "short": good["echo"][:3],
        "short-body": good["echo"][:-1],
        "short-reply": message(2, echo),
        "short-trailing": message(4, bytes(9)),
        "short-items": varp(6, n=2),
        "version": message(1, echo, version=2),
        "type": message(11, echo),
        "type-zero": message(0, echo),
        "count-members": members(n=58),
        "count-total": members(total=4097),
        "count-first": members(first=1),
        "count-change": members(total=2, base=4),
        "count-items": varp(6, n=97),
        "count-no-items": varp(6, ()),
        "value-family": message(2, echo + origin(family=5)),
        "value-number": members(number=0),
        "value-base": members(base=5),
        "value-id-zero": members(((0, 0, 2), )),
        "value-id-physical": members(((1, 0, 2), )),
        "value-op": members(((2, 2, 2), ), base=4),
        "value-remove-from-full": members(((2, 1, 2), )),
        "value-member-vni": members(((2, 0, 0), )),
        "value-vni-zero": varp(6, vni=0),
        "value-vni-large": varp(6, vni=1 << 24),
        "value-group": varp(6, ((b"\1\0\x5e\0\0\1", 0, 1), )),
        "value-zero-mac": varp(6, ((bytes(6), 0, 1), )),
        "value-pad": varp(6, ((b"\2\0\0\0\0\1", 1, 1), )),
        "value-zero": varp(6, zero=1),
        "count-ways": path(n=5),
        "short-ways": path(n=1),
        "value-way-kind": path((0x1000, 4, 0, 1)),
        "value-way-port": path((0x1000, 2, 0, 0)),
        "value-way-no-port": path((0x1000, 1, 0, 1801)),
        "value-way-spi": path((255, 1, 0, 0)),
        "value-way-no-spi": path((0x1000, 3, 0, 1802)),
        "value-way-pad": path((0x1000, 1, 1, 0)),
        "value-way-zero": path(zero=1),
    }
    for name, data in good.items():
        yield name, b"\0" + data
    for name, data in bad.items():
        yield f"reject-{name}", b"\0" + data
    yield "clear", b"\1" + struct.pack(">QQQQ", 1, 2, 3, 4)
    yield "clear-and-message", b"\1" + struct.pack(">QQQQ", 1, 2, 3, 0) + good["echo"]
    yield "clear-reject-short", b"\1" + bytes([1] * 31)
    yield "clear-reject-host", b"\1" + struct.pack(">QQQQ", 0, 2, 3, 4)
    yield "clear-reject-nonce", b"\1" + struct.pack(">QQQQ", 1, 2, 0, 4)


def part(number, first=0, n=57, damage=0):
    return bytes([0, number - 1, first, n, damage])


def full(number, damage=0):
    return b"".join(part(number, first, 57, damage) for first in (0, 57, 114))


def change(base, number, damage=0):
    return bytes([1, base - 1, number - 1, damage])


def raw(data):
    return bytes([3, len(data)]) + data


RESET = b"\2"
EMPTY_HASH = bytes.fromhex("1e924b9d737700d7")  # SipHash-2-4 of nothing under the zero key


def membership_files():
    empty = bytearray(members(()))
    empty[12:20] = EMPTY_HASH
    yield "applied-empty", part(1)
    yield "applied-full", full(5)
    yield "applied-changes", full(5) + change(5, 6) + change(6, 9) + change(9, 15)
    yield "applied-reversed", part(5, 57) + part(5, 0, 30) + part(5, 30, 40)
    yield "applied-after-reset", full(9) + RESET + full(3) + RESET + part(1)
    yield "applied-raw", raw(bytes(empty))
    yield "partial-raw", raw(members(((2, 0, 2), ), total=9))
    yield "partial-restarted", part(5) + part(6) + part(5, 57) + part(6, 57)
    yield "stale", full(5) + full(5) + full(4) + change(3, 5) + change(4, 5)
    yield "gap", full(5) + change(6, 7) + change(4, 8) + change(5, 6)
    names = ("hash", "label", "order", "same-label", "op", "total")
    for kind, name in enumerate(names, 1):
        yield f"reject-full-{name}", full(5) + full(6, kind) + full(7)
        yield f"reject-change-{name}", full(5) + change(5, 6, kind) + change(5, 7)
        yield f"reject-part-{name}", part(5) + part(5, 0, 57, kind) + full(5)


LOCAL, REMOTE, REQUEST, ANNOUNCE, WITHDRAW, ACK, UP, DOWN, VNET_DOWN, ADD, DELETE, FLUSH, PASS_MS, \
    PASS_S, FLOOD = range(15)


def op(kind, host=0, vnet=0, mac=0, counter=0):
    return bytes([kind, host | vnet << 2 | mac << 3 | counter << 5])


def pass_ms(ms):
    return bytes([PASS_MS, ms]) if ms < 256 else bytes([PASS_S, ms // 500])


def varp_files():
    up = op(UP, 0) + op(UP, 1) + op(UP, 2)
    acked = op(LOCAL) + b"".join(op(ACK, h, counter=1) for h in range(3))
    flap = b"".join(op(ANNOUNCE, 1, counter=c) + op(LOCAL) +
                    b"".join(op(ACK, h, counter=c + 1) for h in range(3)) for c in (2, 4))
    yield "announced", up + acked + pass_ms(10000)
    yield "resent-given-up", up + op(LOCAL) + pass_ms(20000)
    yield "learned-from-frame", up + op(REMOTE, 1) + op(REMOTE, 2) + pass_ms(2000)
    yield "learned-probing-failed", up + op(ANNOUNCE, 1, counter=3) + pass_ms(62000) + pass_ms(
        16000) + op(REMOTE, 1) + op(REMOTE, 2)
    yield "moved", up + op(ANNOUNCE, 1, counter=3) + op(ANNOUNCE, 2, counter=3) + op(
        ANNOUNCE, 0, counter=2)
    yield "lost", up + acked + op(ANNOUNCE, 1, counter=2) + op(LOCAL)
    yield "reclaimed", up + op(LOCAL) + op(ANNOUNCE, 0, counter=4) + op(ACK, 1, counter=6)
    yield "lost-to-ack", up + op(LOCAL) + pass_ms(3000) + op(ACK, 1, counter=6)
    yield "damped", up + acked + flap + flap + op(ANNOUNCE, 1, counter=6) + op(LOCAL) + op(
        ANNOUNCE, 1, counter=7) + op(LOCAL) * 3 + pass_ms(6000) + op(LOCAL)
    yield "damped-vif", up + b"".join(op(ANNOUNCE, h % 2, counter=1 + h)
                                      for h in range(5)) + op(LOCAL)
    yield "by-hand", up + op(ADD) + op(ADD) + pass_ms(100000) + op(DELETE) + op(DELETE)
    yield "by-hand-lost", up + op(ADD) + pass_ms(20000) + op(ANNOUNCE, 1, counter=5) + op(ADD)
    yield "requested", up + op(LOCAL) + op(REQUEST, 1) + op(REQUEST, 1, mac=1, counter=3)
    yield "withdrawn", up + op(ANNOUNCE, 1, counter=2) + op(WITHDRAW, 2, counter=3) + op(
        WITHDRAW, 1, counter=2)
    yield "withdrawn-at-once", up + op(ANNOUNCE, 1, counter=2) + op(WITHDRAW, 1, counter=2)
    yield "vif-ages", up + acked + pass_ms(40000) + op(LOCAL) + pass_ms(59000) + pass_ms(4000)
    yield "doubted", up + op(ANNOUNCE, 1, counter=3) + op(REMOTE, 2) + pass_ms(16000)
    yield "members", up + op(LOCAL) + op(ANNOUNCE, 1, mac=1) + op(DOWN, 1) + op(UP, 1)
    yield "vnet-down", up + op(LOCAL) + op(LOCAL, vnet=1) + op(VNET_DOWN) + op(FLUSH)
    yield "saturated", up + op(ANNOUNCE, 1, counter=7) + op(LOCAL) + op(ANNOUNCE, 0, counter=7)
    yield "full", up + bytes([FLOOD, 0xff]) + op(REMOTE, 1) + op(REMOTE, 2) + op(FLUSH)


def main():
    top = pathlib.Path(__file__).parent / "corpus"
    for target, files in (("discover", discover_files), ("message", message_files),
                          ("membership", membership_files), ("varp", varp_files)):
        (top / target).mkdir(parents=True, exist_ok=True)
        for name, data in files():
            (top / target / f"{name}.bin").write_bytes(data)


if __name__ == "__main__":
    main()
