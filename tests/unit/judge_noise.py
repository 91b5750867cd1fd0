#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other end of our handshake, written from the Noise specification (revision 34), RFC 5869 and the layout in
keys/handshake.h, on another library's primitives: does it come to the same keys, in both roles, for every suite?"""

import hashlib
import hmac
import os
import struct
import subprocess
import sys
import tempfile

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
except ImportError:
    print("python3-cryptography is not there: skipped")
    sys.exit(77)

PEER = "tests/unit/keys_peer"
# name: number on the wire, bytes of key material (cipher key, salt, integrity key)
SUITES = {
    "null-sha1": (1, 20),
    "aes128-sha1": (2, 16 + 20),
    "null-sha256": (3, 32),
    "aes128-sha256": (4, 16 + 32),
    "aes128gcm": (5, 16 + 4),
    "aes256gcm": (6, 32 + 4),
}


class Noise:
    """Symmetric state and the two messages of NNpsk0."""

    def __init__(self, psk, prologue):
        self.h = self.ck = b"Noise_NNpsk0_25519_AESGCM_SHA256"
        self.k, self.psk = None, psk
        self.private = X25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.mix_hash(prologue)

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def hkdf(self, ikm, outputs):
        temp = hmac.digest(self.ck, ikm, "sha256")
        out = [b""]
        for i in range(outputs):
            out.append(hmac.digest(temp, out[-1] + bytes([i + 1]), "sha256"))
        return out[1:]

    def mix_key(self, ikm):
        self.ck, self.k = self.hkdf(ikm, 2)

    def mix_psk(self):
        self.ck, temp, self.k = self.hkdf(self.psk, 3)
        self.mix_hash(temp)

    def mix_e(self, public):
        self.mix_hash(public)
        self.mix_key(public)

    def mix_ee(self, public):
        self.mix_key(self.private.exchange(X25519PublicKey.from_public_bytes(public)))

    def seal(self, payload):
        sealed = AESGCM(self.k).encrypt(bytes(12), payload, self.h)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        payload = AESGCM(self.k).decrypt(bytes(12), sealed, self.h)
        self.mix_hash(sealed)
        return payload

    def write_1(self, payload):
        self.mix_psk()
        self.mix_e(self.public)
        return self.public + self.seal(payload)

    def read_1(self, message):
        self.mix_psk()
        self.mix_e(message[:32])
        return self.open(message[32:])

    def write_2(self, payload, peer):
        self.mix_e(self.public)
        self.mix_ee(peer)
        return self.public + self.seal(payload)

    def read_2(self, message):
        self.mix_e(message[:32])
        self.mix_ee(message[:32])
        return self.open(message[32:])

    def split(self):
        return self.hkdf(b"", 2)


def key_id(secret):
    return hmac.digest(secret, b"vnet key id", "sha256")[:4]


def noise_for(secret, suite):
    return Noise(secret, b"vnet-esp" + b"\x01" + key_id(secret) + bytes([suite]))


def header(secret, suite, hs_id):
    return key_id(secret) + bytes([suite, 0, 0, 0]) + hs_id


def payload(host, start, spis, echo=(0, 0), attempt=0):
    return struct.pack(">QQQQHBx8II", host, start, *echo, 1, len(spis),
                       *spis, *[0] * (8 - len(spis)), attempt)


def sa_keys(direction, suite, length, spis):
    return [HKDFExpand(SHA256(), length, b"vnet esp" + bytes([suite]) + struct.pack(">I", spi)).derive(direction)
            for spi in spis]


def check(what, got, want):
    if got != want:
        sys.exit(f"{what}: found {got!r}, expected {want!r}")


class Peer:
    """Our program, with a host id and start of its own."""

    host, start = 0x1122334455667788, 0x99AABBCCDDEEFF00

    def __init__(self, role, directory, suite, spis):
        self.process = subprocess.Popen(
            [PEER, role, directory, suite, hex(self.host), hex(self.start)] + [hex(s) for s in spis],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hear(self, name):
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != name:
            sys.exit(f"keys_peer said {line}, expected {name}")
        return bytes.fromhex(line[1])

    def tell(self, message):
        self.process.stdin.write(message.hex() + "\n")
        self.process.stdin.flush()

    def check_session(self, said, receive, send):
        """said: the payload the judge sent; receive and send: the keys it has for its own two directions."""
        check("peer's payload", self.hear("peer"), said)
        for key in send:
            check("key of ours to receive with", self.hear("in"), key)
        for key in receive:
            check("key of ours to send with", self.hear("out"), key)
        check("keys_peer's exit", self.process.wait(), 0)


def judge_initiates(directory, secret, name, ours, theirs):
    suite, length = SUITES[name]
    peer = Peer("respond", directory, name, theirs)
    noise = noise_for(secret, suite)
    said = payload(0xC0FFEE, 0xDECAF, ours, attempt=9)
    head = header(secret, suite, b"\1\2\3\4")
    peer.tell(head + bytes(16) + noise.write_1(said))
    two = peer.hear("message")
    check("header of message 2", two[:12], head)
    check("payload of message 2", noise.read_2(two[12:])[:68],
          payload(peer.host, peer.start, theirs, (0xC0FFEE, 0xDECAF))[:68])
    i2r, r2i = noise.split()
    peer.check_session(said, sa_keys(r2i, suite, length, ours), sa_keys(i2r, suite, length, theirs))


def judge_responds(directory, secret, name, ours, theirs):
    suite, length = SUITES[name]
    peer = Peer("initiate", directory, name, theirs)
    noise = noise_for(secret, suite)
    one = peer.hear("message")
    head = header(secret, suite, struct.pack(">I", 7))
    check("header of message 1", one[:28], head + bytes(16))
    check("payload of message 1", noise.read_1(one[28:]), payload(peer.host, peer.start, theirs, attempt=1))
    said = payload(0xC0FFEE, 0xDECAF, ours, (peer.host, peer.start))
    peer.tell(head + noise.write_2(said, one[28:60]))
    i2r, r2i = noise.split()
    peer.check_session(said, sa_keys(i2r, suite, length, ours), sa_keys(r2i, suite, length, theirs))


def main():
    secret = os.urandom(32)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "site.psk")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            print("# for the judge\n" + secret.hex(), file=file)
        for name in SUITES:
            for n in (1, 2, 8):
                ours, theirs = list(range(0x1000, 0x1000 + n)), list(range(0xFFFFFFF0, 0xFFFFFFF0 + 9 - n))
                judge_initiates(directory, secret, name, ours, theirs)
                judge_responds(directory, secret, name, ours, theirs)
    print(f"{len(SUITES)} suites, both roles: the same payloads and keys")


if __name__ == "__main__":
    main()
