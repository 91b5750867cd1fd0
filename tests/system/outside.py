# SPDX-License-Identifier: LGPL-2.1-or-later
"""ESP and VXLAN as others make and read them: the judge of the unit tests with the keys that
`vn sas --keys` gives. Nothing here is vnetd's own code."""

import dataclasses
import struct
import sys

from harness import ROOT
from vnettest import Skip

sys.path.append(str(ROOT / "tests" / "unit"))
try:
    import judge_esp
except SystemExit:
    raise Skip("python3-cryptography or python3-scapy is missing") from None

UDP, DUMMY = 17, 59                         # next headers
MESSAGE_PORT = 1798
PORTS = {"auth": 1799, "conf": 1800}        # of VXLAN inside ESP, by level
VXLAN = 0x08000000
SUITES = judge_esp.SUITES
LEVELS = {name: "auth" if name.startswith("null") else "conf" for name in SUITES}


class Sa:
    """One direction, from a row of `vn sas --keys -j`."""

    def __init__(self, row):
        self.row, self.spi, self.esn = row, int(row["spi"], 16), row["esn"]
        self.suite, self.port = SUITES[row["suite"]], PORTS[row["level"]]
        self.keymat = b"".join(bytes.fromhex(row.get(part, ""))
                               for part in ("enc_key", "salt", "auth_key"))
        assert len(self.keymat) == self.suite.keymat_len, row
        self.seq = row["seq"]

    def open(self, packet):
        """(sequence number, next header, payload); the high word, which is not sent, is 0."""
        spi, seq = struct.unpack("!II", packet[:8])
        assert spi == self.spi
        text = self.suite.open(self.keymat, packet, seq, self.esn)
        payload = text[:len(text) - 2 - text[-2]]
        assert text == payload + judge_esp.trailer(self.suite, len(payload), text[-1]), "padding"
        return seq, text[-1], payload

    def seal(self, payload, next_header=UDP, seq=None, trailer=None):
        """With the next sequence number, if none is given."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        text = payload + (trailer or judge_esp.trailer(self.suite, len(payload), next_header))
        header = struct.pack("!II", self.spi, seq & 0xffffffff)
        return self.suite.seal(self.keymat, header, text, seq, self.esn)

    def scapy(self):
        return self.suite.scapy_sa(self.keymat, self.spi, self.seq, self.esn)

    def open_by_scapy(self, packet):
        """(next header, payload); ICVs of HMAC, which scapy has without the high word, unread."""
        outer = judge_esp.IP(src="192.0.2.1", dst="192.0.2.2", proto=50)
        plain = self.scapy().decrypt(outer / judge_esp.ESP(packet), verify=self.suite.scapy_has_esn)
        return plain.proto, bytes(plain.payload)

    def seal_by_scapy(self, payload, next_header=UDP):
        """The ICV, where scapy leaves out the high word, by Python's hmac."""
        self.seq += 1
        plain = judge_esp.IP(src="192.0.2.1", dst="192.0.2.2", proto=next_header) / payload
        packet = bytes(self.scapy().encrypt(plain, seq_num=self.seq)[judge_esp.ESP])
        if self.suite.scapy_has_esn:
            return packet
        body = packet[:-self.suite.icv_len]
        return body + self.suite.icv(self.keymat, body, self.seq, self.esn)

    def seal_frame(self, vni, frame, **options):
        return self.seal(udp(self.port, vxlan(vni, frame)), **options)


def sas(host):
    """{SPI: Sa} of both directions."""
    return {sa.spi: sa for sa in map(Sa, host.vn_json("sas", "--keys"))}


def udp(port, payload, dst=None):
    return struct.pack("!HHHH", port, dst or port, 8 + len(payload), 0) + payload


def vxlan(vni, frame, flags=VXLAN):
    return struct.pack("!II", flags, vni << 8) + frame


@dataclasses.dataclass
class Inner:
    """A payload of ESP, taken apart; a frame or a message."""
    port: int
    vni: int = None
    frame: bytes = None

    @classmethod
    def of(cls, payload):
        src, dst, length, checksum = struct.unpack("!HHHH", payload[:8])
        assert src == dst and length == len(payload) and checksum == 0, payload[:8].hex()
        if dst == MESSAGE_PORT:
            return cls(dst)
        flags, vni = struct.unpack("!II", payload[8:16])
        assert flags == VXLAN and vni & 0xff == 0, payload[8:16].hex()
        return cls(dst, vni >> 8, payload[16:])


def datagrams(sniffer):
    """Payloads of the whole datagrams to port 1798 that a sniffer has seen, defragmented."""
    from scapy.layers.inet import IP, UDP as UDP_, defragment
    packets = defragment([p[IP] for p in sniffer.packets() if IP in p])
    return [bytes(p[UDP_].payload) for p in packets if UDP_ in p and p[UDP_].dport == 1798]


def word(datagram):
    return int.from_bytes(datagram[:4], "big")
