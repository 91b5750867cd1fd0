# SPDX-License-Identifier: LGPL-2.1-or-later
"""A member that is nothing but ip link, bridge fdb and ip xfrm, through manual SAs, as vn(8) says."""

import os

from traffic import transfer
from vnettest import case, wait_until

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


def meet(net, level, v6, mtu):
    a, host = net.hosts("a", "k")
    members(level, a)
    wire = a.packet_socket("eth0", 0x86dd if v6 else 0x0800)
    k = Kernel(host, level, v6)
    k.add_device("10.0.0.9/24", mtu, a)
    k.meet(a)
    assert a.link("vnif0097")["mtu"] == mtu
    check_traffic(a, k, mtu)
    protocols, others = set(), {17, 58, 0} if v6 else {17}       # DISCOVER; ND, MLD
    while True:
        try:
            frame = wire.recv(2048)
        except BlockingIOError:
            break
        protocols.add(frame[20] if v6 else frame[23])
    assert 50 in protocols and protocols <= {50, *others}, protocols
    a.kill("engine")
    wait_until(lambda: a.vn("status"), 5, "a new engine")
    check_traffic(a, k, mtu)


@case(limit=40)
def test_auth(net):
    meet(net, "auth", False, 1420)


@case(limit=40)
def test_conf_v6(net):
    meet(net, "conf", True, 1376)


@case(limit=60)
def test_two_hosts_and_hub(net):
    """It floods to two hosts that each have SAs with it; then one is a hub for the other."""
    a, b, host = net.hosts("a", "b", "k")
    members("conf", a, b)
    k = Kernel(host, "conf")
    k.add_device("10.0.0.9/24", 1392, a, b)
    for one in a, b:
        k.meet(one)
    for one, number in (a, 1), (b, 2):
        wait_until(lambda o=one: o.ping("10.0.0.9"), 10, f"{one.name} reaches k")
        wait_until(lambda n=number: host.ping(f"10.0.0.{n}"), 10, f"k reaches {one.name}")
    for one in a, b:
        one.vn("sa-delete", k.addr)
    host.ip("xfrm", "state", "flush")
    host.ip("link", "delete", "vx97")
    host.ip("xfrm", "policy", "flush")
    k.add_device("10.0.0.9/24", 1392, a)
    k.meet(a, hub=True)
    for number in 1, 2:
        wait_until(lambda n=number: host.ping(f"10.0.0.{n}"), 10, f"k reaches 10.0.0.{number}")
    assert b.ping("10.0.0.9", count=3)
