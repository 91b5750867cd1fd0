#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Independent judge of the ESP code: what esp_seal() makes is taken apart by other implementations, and the other
way round. Python's hmac and cryptography judge every suite with and without ESN; scapy too, except where it leaves
the high half of the sequence number out of the HMAC.

judge_esp.py [PROGRAM], by default tests/unit/esp_lines below the current directory. Exits 77 where a judge is missing.
"""

import hmac
import logging
import random
import subprocess
import sys

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    logging.getLogger("scapy").setLevel(logging.ERROR)
    from scapy.layers.inet import IP
    from scapy.layers.ipsec import ESP, SecurityAssociation
except ImportError as missing:
    print(f"judge_esp: skipped: {missing}")
    sys.exit(77)

HEADER = 8


class Hmac:
    """HMAC over NULL or AES-CBC (RFC 2404, 4868, 3602)"""

    scapy_has_esn = False

    def __init__(self, enc_len, digest, auth_len, icv_len, scapy):
        self.enc_len, self.digest, self.auth_len, self.icv_len = enc_len, digest, auth_len, icv_len
        self.keymat_len = enc_len + auth_len
        self.iv_len = self.align = 16 if enc_len else 0
        self.align = self.align or 4
        self.scapy_names = scapy

    def icv(self, keymat, body, seq, esn):
        high = (seq >> 32).to_bytes(4, "big") if esn else b""
        return hmac.new(keymat[self.enc_len:], body + high, self.digest).digest()[:self.icv_len]

    def crypt(self, keymat, iv, text, sealing):
        if not self.enc_len:
            return text
        cipher = Cipher(algorithms.AES(keymat[:self.enc_len]), modes.CBC(iv))
        return (cipher.encryptor() if sealing else cipher.decryptor()).update(text)

    def seal(self, keymat, header, text, seq, esn):
        iv = random.randbytes(self.iv_len)
        body = header + iv + self.crypt(keymat, iv, text, True)
        return body + self.icv(keymat, body, seq, esn)

    def open(self, keymat, packet, seq, esn):
        body, icv = packet[:-self.icv_len], packet[-self.icv_len:]
        assert icv == self.icv(keymat, body, seq, esn), "ICV"
        iv = body[HEADER:HEADER + self.iv_len]
        return self.crypt(keymat, iv, body[HEADER + self.iv_len:], False)

    def scapy_sa(self, keymat, spi, seq, esn):
        crypt, auth = self.scapy_names
        return SecurityAssociation(
            ESP, spi=spi, crypt_algo=crypt, crypt_key=keymat[:self.enc_len] or None,
            auth_algo=auth, auth_key=keymat[self.enc_len:])


class Gcm:
    """AES-GCM (RFC 4106)"""

    iv_len, icv_len, align = 8, 16, 4
    scapy_has_esn = True

    def __init__(self, enc_len):
        self.keymat_len = enc_len + 4

    @staticmethod
    def aad(header, seq, esn):
        return header[:4] + seq.to_bytes(8, "big") if esn else header

    def seal(self, keymat, header, text, seq, esn):
        iv = random.randbytes(self.iv_len)
        return header + iv + AESGCM(keymat[:-4]).encrypt(keymat[-4:] + iv, text, self.aad(header, seq, esn))

    def open(self, keymat, packet, seq, esn):
        header, iv, rest = packet[:HEADER], packet[HEADER:HEADER + 8], packet[HEADER + 8:]
        assert iv == seq.to_bytes(8, "big"), "IV is not the sequence number"
        try:
            return AESGCM(keymat[:-4]).decrypt(keymat[-4:] + iv, rest, self.aad(header, seq, esn))
        except InvalidTag:
            raise AssertionError("tag") from None

    def scapy_sa(self, keymat, spi, seq, esn):
        return SecurityAssociation(ESP, spi=spi, crypt_algo="AES-GCM", crypt_key=keymat,
                                   esn_en=esn, esn=seq >> 32)


SUITES = {
    "null-sha1": Hmac(0, "sha1", 20, 12, ("NULL", "HMAC-SHA1-96")),
    "aes128-sha1": Hmac(16, "sha1", 20, 12, ("AES-CBC", "HMAC-SHA1-96")),
    "null-sha256": Hmac(0, "sha256", 32, 16, ("NULL", "SHA2-256-128")),
    "aes128-sha256": Hmac(16, "sha256", 32, 16, ("AES-CBC", "SHA2-256-128")),
    "aes128gcm": Gcm(16),
    "aes256gcm": Gcm(32),
}


def trailer(suite, length, next_header):
    pad = -(length + 2) % suite.align
    return bytes(range(1, pad + 1)) + bytes([pad, next_header])


class Program:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        return self.process.stdout.readline().split()


def judge(program, name, suite, esn, seq, payload):
    keymat, spi = random.randbytes(suite.keymat_len), random.randrange(256, 1 << 32)
    next_header = random.choice((59, 253, 254))  # none that scapy would look into
    header = spi.to_bytes(4, "big") + (seq & 0xffffffff).to_bytes(4, "big")
    text = payload + trailer(suite, len(payload), next_header)
    common = name, int(esn), f"{spi:x}", seq, keymat.hex()

    packet = bytes.fromhex(program.ask("seal", *common, next_header, payload.hex() or "-")[0])
    assert packet[:HEADER] == header, "header"
    assert suite.open(keymat, packet, seq, esn) == text, "text"
    if suite.scapy_has_esn or not esn:
        scapy = suite.scapy_sa(keymat, spi, seq, esn)
        # A transport-mode decryption gives back IP with the payload and its protocol.
        plain = scapy.decrypt(IP(src="192.0.2.1", dst="192.0.2.2", proto=50) / ESP(packet))
        assert plain.proto == next_header and bytes(plain.payload) == payload, "scapy"

    theirs = suite.seal(keymat, header, text, seq, esn)
    want = ["ok", str(next_header)] + ([payload.hex()] if payload else [])
    assert program.ask("open", *common, theirs.hex()) == want, "open"
    spoilt = bytearray(theirs)
    spoilt[random.randrange(HEADER, len(theirs))] ^= 1 << random.randrange(8)
    assert program.ask("open", *common, spoilt.hex()) == ["esp_bad_icv"], "open of a spoilt packet"


def main():
    random.seed(1798)
    program = Program(sys.argv[1] if len(sys.argv) > 1 else "tests/unit/esp_lines")
    numbers = {False: (1, 2, 0x7fffffff, 0xffffffff),
               True: (1, 0xffffffff, 1 << 32, (1 << 32) + 1, 0x123456789abcdef0, (1 << 64) - 1)}
    count = failed = 0
    for name, suite in SUITES.items():
        for esn, seqs in numbers.items():
            for seq in seqs:
                for length in (*range(20), 58, 1400, 65000):
                    count += 1
                    try:
                        judge(program, name, suite, esn, seq, random.randbytes(length))
                    except AssertionError as what:
                        failed += 1
                        print(f"judge_esp: {name} esn {esn} seq {seq:#x} length {length}: {what}")
    print(f"judge_esp: {count} packets each way, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
