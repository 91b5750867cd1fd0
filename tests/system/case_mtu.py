# SPDX-License-Identifier: LGPL-2.1-or-later
"""What fits: the MTU of devices by their role, and TCP of guests that know nothing of it."""

import threading

from vnettest import case, wait_until

DEV = "vnif0097"
SIZE = 8 << 20


def mtu(host):
    return host.link(DEV)["mtu"]


@case(limit=60)
def test_roles(net):
    """A device of its own has what fits one packet; a bridge's port what the other ports have, 1500 at least."""
    for level, fits in ("none", 1450), ("auth", 1420), ("conf", 1392):
        (host,) = net.hosts(level)
        host.start()
        host.vn("vnet-create", "-s", level, "97")
        assert mtu(host) == fits, (level, mtu(host))
        host.bridge("br0")
        host.ip("link", "set", DEV, "master", "br0")
        wait_until(lambda h=host: mtu(h) == 1500, 5, "1500 as a port")
        host.guest("large", "br0", mtu=9000)
        wait_until(lambda h=host: mtu(h) == 9000, 5, "as much as the largest port")
        host.ip("link", "set", DEV, "nomaster")
        wait_until(lambda h=host, f=fits: mtu(h) == f, 5, "what fits, as it left the bridge")
        host.vn("vnet-set", "--mtu", "1300", "97")
        assert mtu(host) == 1300
        host.vn("vnet-set", "--mtu", "auto", "97")
        wait_until(lambda h=host, f=fits: mtu(h) == f, 5, "computed again")
        host.ip("link", "set", host.dev, "mtu", "1400")
        wait_until(lambda h=host, f=fits: f - 104 <= mtu(h) <= f - 96, 5, "less, as the underlay carries less")


def download(server, client, address):
    """TCP of SIZE bytes from a machine to another; what arrived."""
    import socket
    listener = server.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((address, 5001))
    listener.listen()

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(bytes(range(256)) * (SIZE // 256))
    thread = threading.Thread(target=serve)
    thread.start()
    received = bytearray()
    with client.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect((address, 5001))
        while data := connection.recv(1 << 16):
            received += data
    thread.join()
    listener.close()
    return bytes(received)


@case(limit=90)
def test_large_file(net):
    """Guests with 1500 bytes on bridges load a large file: their MSS is clamped, and no packet needs fragments."""
    a, b = net.hosts("a", "b")
    guests = []
    for number, host in enumerate((a, b), 1):
        host.start()
        host.vn("vnet-create", "-s", "conf", "-b", "vnet97", "97")
        wait_until(lambda h=host: h.link("vnet97"), 5, "the bridge")
        guests.append(host.guest("guest", "vnet97", f"10.0.0.{number}/24"))
    wait_until(lambda: guests[0].ping("10.0.0.2"), 10, "ping between guests")
    assert download(guests[1], guests[0], "10.0.0.2") == bytes(range(256)) * (SIZE // 256)
    assert a.stats()["mss_clamped"] > 0
    assert a.stats()["frame_too_big"] == b.stats()["frame_too_big"] == 0


@case(limit=40)
def test_devices_on_vnets(net):
    """A device that stands on a vnet's, with an address of its own, is the inside, not the underlay."""
    (host,) = net.hosts("a")
    host.start()
    host.vn("vnet-create", "-s", "conf", "97")
    host.ip("link", "add", "link", DEV, "name", "on0", "type", "macvlan")
    host.ip("link", "set", "on0", "up")
    host.add_address("on0", "10.5.0.1/24")
    host.ip("link", "set", host.dev, "mtu", "1480")
    wait_until(lambda: mtu(host) < 1392, 5, "a change of the underlay is followed")
    assert mtu(host) >= 1392 - 16, mtu(host)
