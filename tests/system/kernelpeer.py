# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that is nothing but ip link, bridge fdb and ip xfrm, through manual SAs, as vn(8) says."""

import os

from traffic import transfer
from vnettest import wait_until

VNI = 0x97
PORTS = {"auth": 1799, "conf": 1800}
FIRST_SPI = 0x1001
AUTH, ENC = 20, 16          # bytes of keys


class Kernel:
    """Host k, which runs no vnetd; addr is its own address in the family that is used."""

    def __init__(self, host, level, v6=False):
        self.host, self.level, self.v6 = host, level, v6
        self.addr = self.address_of(host)
        self.spi = FIRST_SPI

    def address_of(self, host):
        return host.addr6 if self.v6 else host.addr4

    def add_state(self, src, dst, spi, auth, enc):
        cipher = ["cbc(aes)", f"0x{enc}"] if self.level == "conf" else ["ecb(cipher_null)", ""]
        self.host.ip("xfrm", "state", "add", "src", src, "dst", dst, "proto", "esp", "spi", spi,
                     "mode", "transport", "replay-window", "32",
                     "auth-trunc", "hmac(sha1)", f"0x{auth}", "96", "enc", *cipher)

    def add_policy(self, src, dst, direction):
        self.host.ip("xfrm", "policy", "add", "src", src, "dst", dst, "proto", "udp",
                     "dport", PORTS[self.level], "dir", direction,
                     "tmpl", "proto", "esp", "mode", "transport")

    def meet(self, host, hub=False):
        """Manual SAs between host, which runs vnetd, and this one."""
        there = self.address_of(host)
        auth, enc = [[os.urandom(n).hex() for _ in range(2)] for n in (AUTH, ENC)]
        into, out = self.spi, self.spi + 1
        self.spi += 2
        text = f"(sa (peer {self.addr}) (level {self.level}) (spi-in {into}) (spi-out {out}) " \
            f"(auth-in 0x{auth[0]}) (auth-out 0x{auth[1]})"
        if self.level == "conf":
            text += f" (enc-in 0x{enc[0]}) (enc-out 0x{enc[1]})"
        path = host.dir / "k.sa"
        path.touch(0o600)
        path.write_text(text + (" (hub yes))" if hub else ")"))
        self.add_state(self.addr, there, into, auth[0], enc[0])
        self.add_state(there, self.addr, out, auth[1], enc[1])
        host.vn("sa-add", path)

    def add_device(self, address, mtu, *hosts):
        port = PORTS[self.level]
        self.host.ip("link", "add", "vx97", "mtu", mtu, "type", "vxlan", "id", VNI, "local", self.addr,
                     "dstport", port, "srcport", port, port + 1,
                     *(["udp6zerocsumrx"] if self.v6 else []))
        for host in hosts:
            there = self.address_of(host)
            self.add_policy(self.addr, there, "out")
            self.add_policy(there, self.addr, "in")
            self.host.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx97",
                          "dst", there)
        self.host.add_address("vx97", address)


def members(level, *hosts):
    for number, host in enumerate(hosts, 1):
        host.start()
        host.vn("vnet-create", "-s", level, "97")
        host.add_address("vnif0097", f"10.0.0.{number}/24")


def check_traffic(a, k, mtu):
    for host, other in (a, "10.0.0.9"), (k.host, "10.0.0.1"):
        wait_until(lambda: host.ping(other), 10, f"ping from {host.name}")
        assert host.ping(other, size=mtu - 28, dont_fragment=True), f"a full frame from {host.name}"
    data = os.urandom(1 << 17)
    transfer(a, k.host, "10.0.0.9", data)
    transfer(k.host, a, "10.0.0.1", data)
    bad = [line for line in k.host.run("cat", "/proc/net/xfrm_stat").stdout.splitlines()
           if not line.endswith("\t0") and "XfrmOutNoStates" not in line]    # before it had SAs
    assert not bad, bad
