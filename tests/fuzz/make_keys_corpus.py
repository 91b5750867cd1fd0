#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the corpora of fuzz_keyfile, fuzz_handshake, fuzz_keysd and fuzz_answer anew: after a change
of keys/handshake.h, or of keys/keysmsg.h or core/resolvemsg.h, whose structs are the bodies in the
last two. Run in tests/fuzz."""

import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../unit"))
from judge_noise import header, key_id, noise_for, payload  # noqa: E402

HARDWIRED = b"this pre-shared key is no secret"
SUITE = 2
LIST, INITIATE, RESPOND, FINISH, FORGET, GENERATE, RETIRE, RELOAD = 1, 4, 6, 8, 10, 11, 12, 13
ANSWER, FILL, FD, LATER = 0x10, 0x20, 0x40, 0x80


def write(name, data):
    path = os.path.join("corpus", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def keyfile():
    key = bytes(range(32)).hex().encode()
    write("keyfile/accept-plain.psk", key + b"\n")
    write("keyfile/accept-comments.psk", b"# site A\r\n\r\n\t" + key.upper() + b" \r\n# end")
    write("keyfile/reject-empty.psk", b"# nothing\n\n")
    write("keyfile/reject-hex.psk", b"0x" + key)
    write("keyfile/reject-nul.psk", key + b"\0")
    write("keyfile/reject-short.psk", key[:-1])
    write("keyfile/reject-doubled.psk", key + key)
    write("keyfile/reject-second.psk", key + b"\n" + key)
    write("keyfile/reject-large.psk", key + b"\n" * 4096)
    write("keyfile/reject-weak.psk", b"5a" * 32)


def handshake():
    head = header(HARDWIRED, SUITE, b"\1\2\3\4")
    cookie, noise = bytes(range(16)), bytes(range(120))
    pay = payload(0xA, 0xAA, [0x100, 0xFFFFFFFF], (0xB, 0xBB), 7)
    write("handshake/hs1.bin", head + cookie + noise)
    write("handshake/hs2.bin", head + noise)
    write("handshake/cookie.bin", head + cookie)
    write("handshake/payload.bin", pay)
    write("handshake/payload-8-spis.bin", payload(0xA, 0xAA, range(0x100, 0x108)))
    write("handshake/reject-length.bin", head)
    write("handshake/reject-suite.bin", head[:4] + b"\x07" + head[5:] + noise)
    write("handshake/reject-suite-none.bin", head[:4] + b"\0" + head[5:] + cookie)
    write("handshake/reject-reserved.bin", head[:7] + b"\1" + head[8:] + cookie + noise)
    write("handshake/reject-payload-host-0.bin", bytes(8) + pay[8:])
    write("handshake/payload-kernel.bin", pay[:35] + b"\1" + pay[36:])
    write("handshake/reject-spis-kernel.bin", pay[:35] + b"\2" + pay[36:])
    write("handshake/reject-spis-0.bin", pay[:34] + b"\0" + pay[35:])
    write("handshake/reject-spis-9.bin", pay[:34] + b"\x09" + pay[35:])
    write("handshake/reject-spi-unused.bin", pay[:34] + b"\1" + pay[35:])
    write("handshake/reject-spi-doubled.bin", payload(0xA, 0xAA, [0x100, 0x100]))
    write("handshake/reject-spi-vxlan.bin", payload(0xA, 0xAA, [0x08000000]))
    write("handshake/reject-spi-255.bin", payload(0xA, 0xAA, [255]))


def message(op, body=b""):
    return struct.pack(">BH", op, len(body)) + body


def native(host, n_spis=1, flags=1):
    """struct hs_payload"""
    spis = [0x100 + i for i in range(n_spis)]
    return struct.pack("<QQQQHBx8II", host, 1, 0, 0, flags, n_spis, *spis, *[0] * (8 - n_spis), 1)


def request(suite=SUITE, key=None, **fields):
    """struct keys_initiate, and how struct keys_respond starts"""
    return struct.pack("<II", int.from_bytes(key or key_id(HARDWIRED), "big"), suite) + native(0xA, **fields)


def respond(pay):
    """To a message 1 with that payload, from one who knows the key."""
    return message(RESPOND, request() + noise_for(HARDWIRED, SUITE).write_1(pay))


def finish(handle, unused=0):
    return struct.pack("<II", handle, unused) + bytes(120)


def admin(name, replace=0):
    return struct.pack("<32sI", name, replace)


def keysd():
    good, other = payload(0xB, 0xBB, [0x200]), payload(0xB, 0xBB, [0x200], (0xC, 0xCC))
    start = message(INITIATE, request())
    answer = message(RESPOND | ANSWER, request() + bytes(120))
    end = message(FINISH | ANSWER, finish(1))
    write("keysd/list.bin", message(LIST))
    write("keysd/handshake.bin", start + answer + end + end)
    write("keysd/handshake-twice.bin", start + answer + end + start + answer + message(FINISH | ANSWER, finish(2)))
    write("keysd/forged-answer.bin", start + message(FINISH, finish(1)) + answer + end)
    write("keysd/reflected.bin", start + end)
    write("keysd/expired.bin", start + answer + message(FINISH | ANSWER | LATER, finish(1)))
    write("keysd/forget.bin", start + message(FORGET, struct.pack("<I", 1)) + message(FINISH, finish(1)))
    write("keysd/respond.bin", respond(good))
    write("keysd/respond-bad-message.bin", message(RESPOND, request() + bytes(120)))
    write("keysd/respond-bad-payload.bin", respond(other))
    write("keysd/unknown-key.bin", message(INITIATE, request(key=b"none")) +
          message(RESPOND, request(key=b"none") + bytes(120)))
    write("keysd/busy.bin", message(INITIATE | FILL, request()) + message(INITIATE | LATER, request()))
    write("keysd/admin.bin", message(GENERATE, admin(b"site")) + message(GENERATE, admin(b"hardwired", 1)) +
          message(RETIRE, admin(b"a b")) + message(RELOAD))
    write("keysd/reject-type.bin", message(0))
    write("keysd/reject-answer-type.bin", message(5, bytes(128)))
    write("keysd/reject-fd.bin", message(LIST | FD))
    write("keysd/reject-list-length.bin", message(LIST, b"x"))
    write("keysd/reject-reload-length.bin", message(RELOAD, b"x"))
    write("keysd/reject-initiate-suite.bin", message(INITIATE, request(suite=0)))
    write("keysd/reject-initiate-spis.bin", message(INITIATE, request(n_spis=0)))
    write("keysd/reject-initiate-flags.bin", message(INITIATE, request(flags=2)))
    write("keysd/reject-respond-suite.bin", message(RESPOND, request(suite=7) + bytes(120)))
    write("keysd/reject-finish-handle.bin", message(FINISH, finish(0)))
    write("keysd/reject-finish-unused.bin", message(FINISH, finish(1, 1)))
    write("keysd/reject-forget-handle.bin", message(FORGET, bytes(4)))
    write("keysd/reject-generate-name.bin", message(GENERATE, admin(b"a" * 32)))
    write("keysd/reject-generate-replace.bin", message(GENERATE, admin(b"site", 2)))
    write("keysd/reject-retire-length.bin", message(RETIRE, admin(b"site")[:-1]))


def answer():
    of_keys, of_resolve, of_engine = range(3)

    def say(name, reader, kind, body=b"", fd=0):
        write(f"answer/{name}.bin", bytes((reader, fd, kind)) + body)

    def key(name=b"site", source=1, error=b""):
        return name.ljust(32, b"\0") + struct.pack("=III", source, 7, 0) + error.ljust(160, b"\0")

    def session(status=0, spis=(1000, ), host=9):
        spis = [*spis, *[0] * (8 - len(spis))]
        peer = struct.pack("=QQQQHBB8II", host, 1, 2, 3, 1, sum(map(bool, spis)), 0, *spis, 1)
        return struct.pack("=II", status, 0) + peer + bytes(120 + 2 * 8 * 64)

    def found(*addresses, n=None, error=b""):
        body = struct.pack("=I", len(addresses) if n is None else n)
        for family, address in addresses:
            body += struct.pack("=II16s", family, 0, bytes(map(int, address.split("."))))
        return body.ljust(4 + 8 * 24, b"\0") + error.ljust(128, b"\0")

    v4 = (2, "192.0.2.1")
    say("key", of_keys, 2, key())
    say("key-unusable", of_keys, 2, key(error=b"site.psk: mode 0644"))
    say("list-end", of_keys, 3)
    say("initiated", of_keys, 5, struct.pack("=II", 0, 1) + bytes(120))
    say("not-initiated", of_keys, 5, struct.pack("=II", 1, 0) + bytes(120))
    say("responded", of_keys, 7, session())
    say("finished-not", of_keys, 9, session(2, (), 0))
    say("done", of_keys, 14, struct.pack("=i160s", -17, b"exists"))
    say("reject-key-name-no-end", of_keys, 2, key(b"n" * 32))
    say("reject-key-no-name", of_keys, 2, key(b""))
    say("reject-key-error-no-end", of_keys, 2, key(error=b"e" * 160))
    say("reject-key-source", of_keys, 2, key(source=3))
    say("reject-key-short", of_keys, 2, key()[:-1])
    say("reject-key-descriptor", of_keys, 2, key(), 1)
    say("reject-list-end-long", of_keys, 3, b"\0")
    say("reject-initiated-no-handle", of_keys, 5, struct.pack("=II", 0, 0) + bytes(120))
    say("reject-initiated-status", of_keys, 5, struct.pack("=II", 6, 0) + bytes(120))
    say("reject-session-status", of_keys, 9, session(6))
    say("reject-session-no-spi", of_keys, 9, session(spis=()))
    say("reject-session-spi-twice", of_keys, 9, session(spis=(1000, 1000)))
    say("reject-session-no-host", of_keys, 9, session(host=0))
    say("reject-done-no-end", of_keys, 14, struct.pack("=i160s", -17, b"e" * 160))
    say("reject-done-error", of_keys, 14, struct.pack("=i160s", 1, b""))
    say("reject-request", of_keys, 4, bytes(80))
    say("reject-type", of_keys, 200)
    say("addresses", of_resolve, 2, found(v4, v4))
    say("no-address", of_resolve, 2, found(error=b"no such name"))
    say("reject-addresses-9", of_resolve, 2, found(v4, n=9))
    say("reject-address-family", of_resolve, 2, found((3, "192.0.2.1")))
    say("reject-address-group", of_resolve, 2, found((2, "224.0.0.1")))
    say("reject-address-error-no-end", of_resolve, 2, found(error=b"e" * 128))
    say("reject-address-short", of_resolve, 2, found(v4)[:-1])
    say("reject-address-descriptor", of_resolve, 2, found(v4), 1)
    say("query", of_engine, 1, b"gate.example.org".ljust(256, b"\0"))
    say("reject-query-empty", of_engine, 1, bytes(256))
    say("reject-query-no-end", of_engine, 1, b"n" * 256)
    say("reject-query-type", of_engine, 2, b"gate.example.org".ljust(256, b"\0"))
    write("answer/short.bin", b"\0\0")


keyfile()
handshake()
keysd()
answer()
