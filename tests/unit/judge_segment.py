#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Independent judge of segmentation: scapy makes frames, and makes again, with lengths and checksums of its own, every
segment that segment_start() and segment_next() cut them into.

judge_segment.py [PROGRAM], by default tests/unit/segment_lines below the current directory. Exits 77 without scapy.
"""

import logging
import random
import subprocess
import sys

try:
    logging.getLogger("scapy").setLevel(logging.ERROR)
    from scapy.layers.inet import IP, TCP, UDP, IPOption_Router_Alert
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop
    from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
    from scapy.packet import Raw
except ImportError as missing:
    print(f"judge_segment: skipped: {missing}")
    sys.exit(77)

NONE, TCP4, TCP6, UDP_L4, ECN = 0, 1, 4, 5, 0x80
FIN, PSH, ACK, CWR = 1, 8, 16, 128


def layers(v6, tcp):
    """Everything in front of the payload"""
    frame = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
    tags = random.randrange(3)
    if tags == 2:
        frame /= Dot1AD(vlan=random.randrange(4095))
    if tags:
        frame /= Dot1Q(vlan=random.randrange(4095), prio=random.randrange(8))
    if v6:
        frame /= IPv6(src="fd00::1", dst="fd00::2", tc=random.randrange(256), fl=random.randrange(1 << 20))
        if random.randrange(4) == 0:
            frame /= IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt()
    else:
        frame /= IP(src="10.0.0.1", dst="10.0.0.2", id=random.randrange(65536), tos=random.randrange(256),
                    flags=random.choice(("", "DF")), options=random.choice(([], [IPOption_Router_Alert()])))
    ports = {"sport": random.randrange(1, 65536), "dport": random.randrange(1, 65536)}
    if not tcp:
        return frame / UDP(**ports)
    options = random.choice(([], [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))], [("SAckOK", b"")]))
    return frame / TCP(**ports, seq=random.randrange(1 << 32), ack=5, flags=random.randrange(256), options=options)


def transport(frame):
    return frame[TCP] if TCP in frame else frame[UDP]


def pieces(frame, payload, size, last_index):
    for i in range(last_index + 1):
        piece = frame.copy()
        if IP in piece:
            piece[IP].id = (piece[IP].id + i) % 65536
        if TCP in piece:
            piece[TCP].seq = (piece[TCP].seq + i * size) % (1 << 32)
            flags = int(piece[TCP].flags)
            flags &= ~0 if i == last_index else ~(FIN | PSH)
            piece[TCP].flags = flags & (~0 if i == 0 else ~CWR)
        yield bytes(piece / Raw(payload[i * size:(i + 1) * size]))


def partial(frame, start, offset):
    """The frame as the kernel gives it out: with the pseudo header's sum in the field"""
    data = bytearray(frame)
    checksum = int.from_bytes(data[start + offset:start + offset + 2], "big")
    data[start + offset:start + offset + 2] = b"\0\0"
    rest = data[start:] + bytes(len(data[start:]) % 2)
    covered = sum(int.from_bytes(rest[i:i + 2], "big") for i in range(0, len(rest), 2))
    pseudo = ((~checksum & 0xffff) - covered) % 0xffff
    data[start + offset:start + offset + 2] = pseudo.to_bytes(2, "big")
    return bytes(data)


def judge(program, v6, tcp):
    frame = layers(v6, tcp)
    size = random.choice((1, 48, 536, 1348, 1448, random.randrange(1, 9000)))
    payload = random.randbytes(random.randrange(1, min(size * 40, 60000)) + size % 2)
    whole = bytes(frame / Raw(payload))
    start, offset = len(bytes(frame)) - len(bytes(transport(frame))), 16 if tcp else 6
    kind = UDP_L4 if not tcp else (TCP6 if v6 else TCP4) | (ECN if int(frame[TCP].flags) & CWR else 0)
    given = partial(whole, start, offset).hex()
    last = (len(payload) - 1) // size
    got = program(kind, size, start, offset, given)
    want = list(pieces(frame, payload, size, last))
    assert len(got) == len(want), f"{len(got)} segments, not {len(want)}: {got[0][:60]}"
    for i, (a, b) in enumerate(zip(got, want)):
        assert bytes.fromhex(a) == b, f"segment {i} is {a}, not {b.hex()}"
    assert bytes.fromhex(program(NONE, 0, start, offset, given)[0]) == whole, "checksum filled in"


def main():
    random.seed(1798)
    process = subprocess.Popen([sys.argv[1] if len(sys.argv) > 1 else "tests/unit/segment_lines"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def program(*words):
        process.stdin.write(" ".join(str(w) for w in words) + "\n")
        return process.stdout.readline().split()

    count = failed = 0
    for v6 in (False, True):
        for tcp in (True, False):
            for _ in range(60):
                count += 1
                try:
                    judge(program, v6, tcp)
                except AssertionError as what:
                    failed += 1
                    print(f"judge_segment: IPv{6 if v6 else 4} {'TCP' if tcp else 'UDP'}: {what}")
    print(f"judge_segment: {count} frames, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
