#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the corpus of fuzz_kernel anew: messages of the kernel, and those broken, as <linux/xfrm.h> has them."""

import pathlib
import socket
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus" / "kernel"
(NEWSA, DELSA, GETSA, NEWPOLICY, DELPOLICY, GETPOLICY, ALLOCSPI, ACQUIRE, EXPIRE, UPDPOLICY, UPDSA, POLEXPIRE, FLUSHSA,
 FLUSHPOLICY) = range(0x10, 0x1e)
MAPPING = 0x26
TMPL, SA, POLICY, ESN, MARK = 5, 6, 7, 23, 29       # attributes
NFT, DELTABLE, DELRULE = 10 << 8, 2, 8
NEWTFILTER, DELTFILTER, DELQDISC = 44, 45, 37
NUMBER = 0x766e0001


def message(kind, body, length=None):
    size = 16 + len(body) if length is None else length
    return struct.pack("<IHHII", size, kind, 0, 0, 0) + body + bytes(-len(body) % 4)


def attr(kind, body, length=None):
    return struct.pack("<HH", 4 + len(body) if length is None else length, kind) + body + bytes(-len(body) % 4)


def sa(family=socket.AF_INET):
    out = bytearray(224)
    out[56:60] = bytes((192, 0, 2, 1))
    struct.pack_into(">I", out, 72, 0x1001)
    out[76] = 50
    struct.pack_into("<QQ", out, 160, 1000, 10)
    struct.pack_into("<III", out, 192, 1, 2, 3)
    struct.pack_into("<IH", out, 208, NUMBER, family)
    return bytes(out)


def policy(out=1):
    info = bytearray(168)
    struct.pack_into(">H", info, 32, 1800)
    struct.pack_into("<II", info, 152, 1, 77)
    info[160] = out
    return bytes(info)


def template():
    out = bytearray(64)
    struct.pack_into("<I", out, 44, NUMBER)
    return bytes(out)


def main():
    CORPUS.mkdir(parents=True, exist_ok=True)
    for old in CORPUS.iterdir():
        old.unlink()

    def save(name, *messages):
        (CORPUS / f"{name}.bin").write_bytes(b"".join(messages))

    sa_id = bytes((192, 0, 2, 1)) + bytes(12) + struct.pack(">I", 0x1001) + struct.pack("<HBB", 2, 50, 0)
    numbers = struct.pack("<IIIIII", 1, 5, 6, 0, 1, 32) + bytes(4)
    save("sa", message(NEWSA, sa()))
    save("sa-v6", message(UPDSA, sa(socket.AF_INET6)))
    save("sa-numbers", message(NEWSA, sa() + attr(ESN, numbers)))
    save("sa-gone", message(DELSA, sa_id))
    last = attr(SA, sa()) + attr(ESN, numbers) + attr(MARK, struct.pack("<I", NUMBER))
    save("sa-gone-numbers", message(DELSA, sa_id + last))
    save("expired-soft", message(EXPIRE, sa() + bytes(8)))
    save("expired-hard", message(EXPIRE, sa() + b"\1" + bytes(7)))
    save("policy", message(NEWPOLICY, policy() + attr(TMPL, template())))
    save("policy-in", message(UPDPOLICY, policy(0)))
    save("policy-gone", message(DELPOLICY, bytes(64) + attr(POLICY, policy())))
    save("policy-gone-unnamed", message(DELPOLICY, bytes(64)))
    save("sas-flushed", message(FLUSHSA, b"\x32\0\0\0"))
    save("policies-flushed", message(FLUSHPOLICY, b""))
    save("acquire", message(ACQUIRE, bytes(96) + policy() + bytes(16) + attr(TMPL, template())))
    save("mapping", message(MAPPING, sa_id + bytes(40)))
    save("other", message(POLEXPIRE, bytes(176)))
    save("two", message(NEWSA, sa()), message(DELSA, sa_id))
    for name, kind, size in (("sa", NEWSA, 223), ("sa-gone", DELSA, 23), ("expired", EXPIRE, 231),
                             ("policy", NEWPOLICY, 167), ("policy-gone", DELPOLICY, 63),
                             ("acquire", ACQUIRE, 279), ("mapping", MAPPING, 63)):
        save(f"reject-short-{name}", message(kind, bytes(size)))
    save("reject-attr-numbers", message(NEWSA, sa() + attr(ESN, bytes(20))))
    save("reject-attr-sa-gone", message(DELSA, sa_id + attr(SA, bytes(220))))
    save("reject-attr-sa-gone-numbers", message(DELSA, sa_id + attr(ESN, bytes(20))))
    save("reject-attr-mark", message(NEWSA, sa() + attr(MARK, bytes(3))))
    save("reject-attr-template", message(NEWPOLICY, policy() + attr(TMPL, bytes(60))))
    save("reject-attr-policy", message(DELPOLICY, bytes(64) + attr(POLICY, bytes(160))))
    save("reject-attr-past-end", message(NEWSA, sa() + attr(ESN, bytes(8), 100)))
    save("reject-attr-short", message(ACQUIRE, bytes(280) + attr(TMPL, b"", 3)))
    save("table", message(NFT | DELTABLE, struct.pack("<BBH", 1, 0, 0) + attr(1, b"vnetd\0")))
    save("table-of-others", message(NFT | DELRULE, struct.pack("<BBH", 1, 0, 0) + attr(1, b"other\0")))
    save("table-no-nul", message(NFT | DELRULE, struct.pack("<BBH", 1, 0, 0) + attr(1, b"vnetd")))
    save("table-short", message(NFT | DELRULE, b"\1"))
    for name, kind, parent in (("program", NEWTFILTER, 0xfffffff3), ("program-gone", DELTFILTER, 0xfffffff2),
                               ("place-gone", DELQDISC, 0xfffffff1), ("program-elsewhere", DELTFILTER, 0x10000)):
        save(name, message(kind, struct.pack("<BBHiIII", 0, 0, 0, 4, 0, parent, 0)))
    save("program-short", message(DELTFILTER, bytes(19)))
    save("program-no-device", message(DELTFILTER, bytes(20)))
    save("reject-datagram-cut", message(NEWSA, sa())[:-1])
    save("reject-datagram-tail", message(FLUSHPOLICY, b""), b"\0\0\0\0")


if __name__ == "__main__":
    main()
