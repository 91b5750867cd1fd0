#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An IPv4 NAT for UDP and ping, for kernels that have none: nat.py DEVICE PREFIX ADDRESS

Makes the tun device; what is routed into it from addresses that begin with PREFIX leaves it again
from ADDRESS, and the other way round. Port-restricted: only who was sent to can answer. SIGUSR1
makes it forget all mappings, as a rebooted router does; fragments other than the first are lost.
"""

import fcntl
import os
import signal
import socket
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
ICMP, UDP = 1, 17
FIRST_PORT = 40000


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Nat:
    def __init__(self, prefix, address):
        self.prefix, self.address = prefix.encode(), socket.inet_aton(address)
        self.next_port = FIRST_PORT
        self.forget()

    def forget(self, *_):
        self.ports, self.inside, self.sent_to = {}, {}, set()

    def translate(self, packet):
        """The packet to send on, or None to drop this one."""
        ihl, protocol = (packet[0] & 15) * 4, packet[9]
        later_fragment = struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
        if packet[0] >> 4 != 4 or later_fragment or protocol not in (UDP, ICMP):
            return None
        src, dst = bytes(packet[12:16]), bytes(packet[16:20])
        sport, dport = struct.unpack_from("!HH", packet, ihl)
        if protocol == ICMP:
            sport = dport = struct.unpack_from("!H", packet, ihl + 4)[0]
        if socket.inet_ntoa(src).encode().startswith(self.prefix):
            port = self._outside_port((protocol, src, sport))
            self.sent_to.add((port, dst, 0 if protocol == ICMP else dport))
            return self._rewrite(packet, ihl, 12, self.address, 0, port)
        known = (dport, src, 0 if protocol == ICMP else sport) in self.sent_to
        if dst != self.address or not known:
            return None
        _, address, port = self.inside[dport]
        return self._rewrite(packet, ihl, 16, address, 2, port)

    def _outside_port(self, key):
        if key not in self.ports:
            self.ports[key] = self.next_port
            self.inside[self.next_port] = key
            self.next_port += 1
        return self.ports[key]

    @staticmethod
    def _rewrite(packet, ihl, address_at, address, port_at, port):
        packet[address_at:address_at + 4] = address
        if packet[9] == UDP:
            struct.pack_into("!H", packet, ihl + port_at, port)
            struct.pack_into("!H", packet, ihl + 6, 0)      # no checksum
        else:
            struct.pack_into("!H", packet, ihl + 4, port)
            struct.pack_into("!H", packet, ihl + 2, 0)
            struct.pack_into("!H", packet, ihl + 2, checksum(bytes(packet[ihl:])))
        struct.pack_into("!H", packet, 10, 0)
        struct.pack_into("!H", packet, 10, checksum(bytes(packet[:ihl])))
        return packet


def main(device, prefix, address):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    nat = Nat(prefix, address)
    signal.signal(signal.SIGUSR1, nat.forget)
    while True:
        out = nat.translate(bytearray(os.read(tun, 65536)))
        if out:
            os.write(tun, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
