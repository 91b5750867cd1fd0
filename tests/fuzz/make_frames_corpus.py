#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the corpora of fuzz_segment, fuzz_merge and fuzz_esp_batch anew. Virtio-net headers are little-endian."""

import pathlib
import struct

NEEDS_CSUM = 1
TCP4, TCP6, UDP, ECN = 1, 4, 5, 0x80
GOOD, PORT, FLUSH, NEXT, CHECKED = 1, 2, 4, 8, 16
ACK, PSH, SYN, FIN, CWR, ECE = 0x10, 8, 2, 1, 0x80, 0x40


def frame(v6=False, tcp=True, tags=(), options=b"", flags=ACK, payload=b"x" * 100, sport=1000, df=True, fragment=0,
          extensions=0, words=5):
    l4 = struct.pack(">HH", sport, 80)
    if tcp:
        l4 += struct.pack(">IIBBHHH", 7, 9, (words + len(options) // 4) << 4, flags, 500, 0, 0) + options
    else:
        l4 += struct.pack(">HH", 8 + len(payload), 0)
    l4 += payload
    protocol = 6 if tcp else 17
    if v6:
        ip = b""
        for i in range(extensions):
            ip += struct.pack(">BBHI", 60 if i < extensions - 1 else protocol, 0, 0x0104, 0)
        ip = struct.pack(">IHBB", 6 << 28, len(ip + l4), 60 if extensions else protocol, 64) + \
            b"\xfd" + bytes(14) + b"\1" + b"\xfd" + bytes(14) + b"\2" + ip
    else:
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(l4), 30000, 0x4000 * df | fragment, 64, protocol, 0,
                         b"\x0a\0\0\1", b"\x0a\0\0\2")
    ether = b"\2\0\0\0\0\1\2\0\0\0\0\2" + b"".join(struct.pack(">HH", t, 7) for t in tags)
    return ether + struct.pack(">H", 0x86dd if v6 else 0x0800) + ip + l4


def header(kind, size, start, offset, flags=NEEDS_CSUM):
    return struct.pack("<BBHHHH", flags, kind, 0, size, start, offset)


def segment_files():
    tcp4, udp6 = frame(), frame(v6=True, tcp=False)
    tagged = frame(tags=(0x88a8, 0x8100), options=b"\1" * 12, flags=ACK | PSH | FIN | CWR, payload=b"y" * 3000)
    yield "tcp4", header(TCP4, 60, 34, 16) + tcp4
    yield "tcp4-tags-options", header(TCP4 | ECN, 1348, 42, 16) + tagged
    yield "tcp4-one", header(TCP4, 1348, 34, 16) + tcp4
    yield "tcp6", header(TCP6, 7, 54, 16) + frame(v6=True)
    yield "tcp6-extensions", header(TCP6, 50, 70, 16) + frame(v6=True, extensions=2)
    yield "udp4", header(UDP, 30, 34, 6) + frame(tcp=False)
    yield "udp6", header(UDP, 30, 54, 6) + udp6
    yield "reject-type-ufo", header(3, 30, 34, 6) + frame(tcp=False)
    yield "reject-type", header(0x7f, 30, 34, 6) + tcp4
    yield "reject-headers-version", header(TCP6, 60, 34, 16) + tcp4
    yield "reject-headers-protocol", header(UDP, 60, 34, 16) + tcp4
    yield "reject-headers-fragment", header(TCP4, 60, 34, 16) + frame(fragment=0x2000)
    yield "reject-headers-cut", header(TCP4, 60, 34, 16) + tcp4[:50]
    yield "reject-headers-tcp-short", header(TCP4, 60, 34, 16) + frame(words=4)
    yield "reject-headers-tcp-long", header(TCP4, 60, 34, 16) + frame(words=15, payload=b"")
    yield "reject-headers-empty", header(TCP4, 60, 34, 16)
    yield "reject-checksum-none", header(TCP4, 60, 34, 16, flags=0) + tcp4
    yield "reject-checksum-start", header(TCP4, 60, 14, 16) + tcp4
    yield "reject-checksum-offset", header(TCP4, 60, 34, 6) + tcp4
    yield "reject-size-zero", header(TCP4, 0, 34, 16) + tcp4
    yield "reject-size-no-payload", header(TCP4, 60, 34, 16) + frame(payload=b"")
    yield "reject-size-many", header(TCP4, 1, 34, 16) + frame(payload=b"z" * 1400)
    yield "one-plain", header(0, 0, 0, 0, flags=0) + tcp4
    yield "one-filled", header(0, 0, 34, 16) + tcp4
    yield "one-outside", header(0, 0, 34, 120) + tcp4[:140]


def step(flags, data):
    return struct.pack(">BH", flags, len(data)) + data


def following(n, flags=GOOD, count=3):
    return struct.pack(">BH", flags | NEXT, n) * count


def merge_files():
    udp = b"\1"
    for v6 in (False, True):
        for tcp in (True, False):
            name = f"{'tcp' if tcp else 'udp'}{'6' if v6 else '4'}"
            yield name, udp + step(GOOD, frame(v6=v6, tcp=tcp)) + following(100)
            yield f"{name}-short-last", udp + step(GOOD, frame(v6=v6, tcp=tcp)) + following(100) + following(40)
    yield "udp-not-wanted", b"\0" + step(GOOD, frame(tcp=False)) + following(100)
    yield "tags-options", udp + step(GOOD, frame(tags=(0x8100,), options=b"\1\1\x08\x0a" + bytes(8))) + following(100)
    yield "same-id", udp + step(GOOD, frame()) + b"".join(
        step(GOOD, frame()[:38] + struct.pack(">I", 7 + 100 * i) + frame()[42:]) for i in (1, 2))
    yield "full", udp + step(GOOD, frame()) + following(100, count=70)
    yield "evicted", udp + b"".join(step(GOOD, frame(sport=1000 + i)) for i in range(12))
    yield "two-ports", udp + (step(GOOD, frame()) + step(GOOD | PORT, frame())) * 2
    yield "flushed", udp + step(GOOD | FLUSH, frame()) + following(100)
    yield "checked", udp + step(CHECKED, frame(payload=b"y" * 100)) + following(100, flags=CHECKED)
    yield "alone-bad-checksum", udp + step(0, frame()) + following(100, flags=0)
    yield "alone-flags", udp + b"".join(step(GOOD, frame(flags=f)) for f in (ACK, SYN, ACK | PSH, ACK | CWR | ECE))
    yield "alone-fragment", udp + step(GOOD, frame()) + following(100) + step(GOOD, frame(fragment=0x2000))
    yield "alone-extension", udp + (step(GOOD, frame(v6=True, extensions=1)) + following(100))
    yield "alone-arp", udp + step(0, b"\xff" * 12 + b"\x08\x06" + bytes(28)) + step(0, b"") + step(0, b"abc")


def esp_batch_files():
    def steps(*triples):
        return b"".join(bytes(t) for t in triples)

    for suite in range(6):
        for flags in range(4):
            yield f"ok-{suite}-{flags}", bytes((suite, flags)) + steps(*((i, 9, 0) for i in range(7)))
    yield "order", b"\1\1" + steps(*((i * 7 % 60, 9, 0) for i in range(60)))
    yield "reject-replayed", b"\1\3" + steps((1, 9, 0), (1, 9, 0), (2, 9, 0), (1, 0, 30))
    yield "reject-old", b"\1\2" + steps((79, 9, 0), (2, 9, 0))
    yield "reject-old-esn", b"\1\3" + steps((79, 9, 0), (2, 9, 0))
    yield "reject-old-next-call", b"\1\0" + steps(*[(79, 9, 0)] * 64, (2, 9, 0), (79, 9, 0))
    yield "reject-icv", b"\0\2" + steps(*((i, 0, 20 + i) for i in range(8)))
    yield "reject-short", b"\4\2" + steps(*((i, 1, 20 + i) for i in range(8)))
    yield "reject-padding", b"\1\2" + steps(*((i * 8 + 7, 9, 0) for i in range(8)))
    yield "mixed", b"\1\3" + steps(*((i * 11 % 80, i % 5, i * 13 % 256) for i in range(70)))


def main():
    corpus = pathlib.Path(__file__).resolve().parent / "corpus"
    for target, files in (("segment", segment_files()), ("merge", merge_files()), ("esp_batch", esp_batch_files())):
        directory = corpus / target
        directory.mkdir(exist_ok=True)
        for old in directory.iterdir():
            old.unlink()
        for name, data in files:
            (directory / f"{name}.bin").write_bytes(data)


if __name__ == "__main__":
    main()
