#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""judge_noise.py again with somebody else's implementation of Noise: Debian's python3-dissononce. Only the payloads and the
derivation of SA keys from the split are still the judge's."""

import sys

try:
    from dissononce.cipher.aesgcm import AESGCMCipher
    from dissononce.dh.x25519.x25519 import X25519DH
    from dissononce.hash.sha256 import SHA256Hash
    from dissononce.processing.handshakepatterns.interactive.NN import NNHandshakePattern
    from dissononce.processing.impl.cipherstate import CipherState
    from dissononce.processing.impl.handshakestate import HandshakeState
    from dissononce.processing.impl.symmetricstate import SymmetricState
    from dissononce.processing.modifiers.psk import PSKPatternModifier
except ImportError:
    print("python3-dissononce is not there: skipped")
    sys.exit(77)

import judge_noise


class Noise:
    """The judge's Noise, by the package."""

    def __init__(self, psk, prologue):
        self.psk, self.prologue, self.state, self.ciphers = psk, prologue, None, None

    def begin(self, initiator):
        self.state = HandshakeState(SymmetricState(CipherState(AESGCMCipher()), SHA256Hash()), X25519DH())
        self.state.initialize(PSKPatternModifier(0).modify(NNHandshakePattern()), initiator, self.prologue,
                              psks=(self.psk,))

    def write(self, payload):
        message = bytearray()
        self.ciphers = self.state.write_message(payload, message)
        return bytes(message)

    def read(self, message):
        payload = bytearray()
        self.ciphers = self.state.read_message(message, payload)
        return bytes(payload)

    def write_1(self, payload):
        self.begin(True)
        return self.write(payload)

    def read_1(self, message):
        self.begin(False)
        return self.read(message)

    def write_2(self, payload, _peer):
        return self.write(payload)

    def read_2(self, message):
        return self.read(message)

    def split(self):
        return [bytes(cipher._key) for cipher in self.ciphers]     # pylint: disable=protected-access


if __name__ == "__main__":
    judge_noise.Noise = Noise
    judge_noise.main()
