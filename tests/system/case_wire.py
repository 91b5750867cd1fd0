# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a listener on the underlay sees of guests that ping and talk TCP."""

import socket
import threading

from vnettest import case, need, run, wait_until

MARKER = b"Nobody reads it."        # 16 bytes, as a pattern of ping may have
STREAM = MARKER * 32768
VXLAN = 0x08000000


def guests(net, level):
    """Two hosts that start while the sniffer already listens, and a machine behind each."""
    sniffer = net.sniff()
    machines = []
    for number, host in enumerate(net.hosts("a", "b"), 1):
        host.start()
        host.vn("vnet-create", "-s", level, "-b", "br", "97")
        wait_until(lambda h=host: h.link("br"), 5, "the bridge")
        machines.append(host.guest("guest", "br", f"10.0.0.{number}/24", f"fd00::{number}/64"))
    return sniffer, machines


def ping_marked(machine, dst, size):
    return machine.run("ping", "-q", "-c", "5", "-i", "0.1", "-W", "1", "-s", size,
                       "-p", MARKER.hex(), dst, check=False).returncode == 0


def stream(server, client, addr):
    """Sends the marker, half a megabyte of it, over TCP from a machine to another."""
    listener = server.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((addr, 5001))
    listener.listen()
    sender = client.socket(listener.family, socket.SOCK_STREAM)
    sender.settimeout(20)
    sender.connect((addr, 5001))
    receiver, _ = listener.accept()
    receiver.settimeout(20)

    def send():
        with sender:
            sender.sendall(STREAM)
    thread = threading.Thread(target=send)
    thread.start()
    received = bytearray()
    with receiver, listener:
        while data := receiver.recv(1 << 16):
            received += data
    thread.join()
    assert received == STREAM


def talk(machines):
    """Echoes of all sizes and streams both ways, over IPv4 and IPv6."""
    one, two = machines
    for here, there, last in (one, two, 2), (two, one, 1):
        for addr in f"10.0.0.{last}", f"fd00::{last}":
            wait_until(lambda h=here, a=addr: h.ping(a), 10, f"ping {addr}")
            assert ping_marked(here, addr, 56)
            assert ping_marked(here, addr, 1400), "a frame that does not fit one packet"
            stream(there, here, addr)


def look(sniffer):
    """First words of all datagrams to port 1798. There must be nothing else of anybody's."""
    from scapy.layers.inet import IP, UDP, defragment
    from scapy.layers.l2 import ARP
    words = []
    # Of a UDP_SEGMENT send, Linux gives IP ids again to the next: only fragments are told apart by them.
    pieces, whole = [], []
    for packet in sniffer.packets():
        fragment = packet.haslayer(IP) and (packet[IP].flags.MF or packet[IP].frag)
        (pieces if fragment else whole).append(packet)
    for packet in whole + list(defragment(pieces)):
        if packet.haslayer(ARP) or packet.haslayer("IPv6") and packet["IPv6"].nh in (0, 58):
            continue        # ARP, ND and MLD are the underlay's own
        if packet.haslayer(IP) and packet[IP].proto == 2:
            continue        # so is IGMP
        assert packet.haslayer(UDP), packet.summary()
        assert (packet[UDP].sport, packet[UDP].dport) == (1798, 1798), packet.summary()
        words.append(int.from_bytes(bytes(packet[UDP].payload)[:4], "big"))
    return words


def secured(net, level):
    sniffer, machines = guests(net, level)
    talk(machines)
    sniffer.stop()
    words = look(sniffer)
    outside = [word for word in words if word < 256 or word == VXLAN]
    assert set(outside) <= {0}, "neither ESP nor control"
    assert len(words) - len(outside) > len(STREAM) * 4 // 1500, "the traffic was not there at all"
    return sniffer


@case(limit=60)
def test_conf(net):
    sniffer = secured(net, "conf")
    assert MARKER[:8] not in sniffer.raw(), "readable"


@case(limit=60)
def test_auth(net):
    sniffer = secured(net, "auth")
    assert MARKER in sniffer.raw()      # NULL cipher: level auth hides nothing


@case(limit=60)
def test_none(net):
    """tshark reads a vnet of level none as plain VXLAN."""
    need("tshark")
    sniffer, machines = guests(net, "none")
    talk(machines)
    sniffer.stop()
    words = look(sniffer)
    assert set(words) == {0, VXLAN}, "more than VXLAN and control"
    listed = run(["tshark", "-r", sniffer.path, "-d", "udp.port==1798,vxlan",
                  "-Y", "vxlan && (icmp || tcp)", "-T", "fields", "-E", "occurrence=l",
                  "-e", "vxlan.vni", "-e", "vxlan.flags",
                  "-e", "ip.dst", "-e", "ip.proto"])
    seen = {tuple(line.split("\t")) for line in listed.stdout.splitlines()}
    assert seen >= {(str(0x97), "0x0800", f"10.0.0.{last}", proto) for last in (1, 2)
                    for proto in ("1", "6")}, seen


@case(limit=60)
def test_level_taken_away(net):
    """What a machine said while its vnet was secured stays unsaid when the vnet becomes none: what waited for a
    first peer, too."""
    a, b = net.hosts("a", "b")
    a.start()
    a.vn("vnet-create", "-s", "conf", "97")
    b.start()
    b.vn("vnet-create", "97")
    b.add_address("vnif0097", "10.0.0.2/24")
    sniffer = net.sniff("udp port 1798")
    frames = a.packet_socket("vnif0097", 0x88b5)
    for _ in range(40):     # more than wait in vnetd: the rest is dropped there, or still in the device
        frames.send(b"\xff" * 6 + bytes.fromhex("020000000007") + b"\x88\xb5" + MARKER * 4)
    wait_until(lambda: a.stats()["frame_queued"] > 0, 5, "frames wait")
    a.vn("vnet-set", "-s", "none", "97")
    a.add_address("vnif0097", "10.0.0.1/24")
    wait_until(lambda: a.ping("10.0.0.2"), 10, "the vnet is one of level none")
    sniffer.stop()
    assert MARKER not in sniffer.raw(), "said in secret, sent in clear"
