# SPDX-License-Identifier: LGPL-2.1-or-later
"""A vnet between two hosts: levels, secrecy, restarts, refusals."""

from vnettest import case, wait_until

DEV = "vnif0097"
ETHERTYPE = 0x88b5      # for experiments (IEEE 802)
SECRET = "nobody reads"
PATTERN = SECRET.encode().hex()


def join(host, address, level):
    host.vn("vnet-create", "-s", level, "97")
    host.add_address(DEV, address)


def pair(net, level):
    """Two hosts that reach each other through vnet 97."""
    a, b = net.hosts("a", "b")
    for host, address in (a, "10.0.0.1/24"), (b, "10.0.0.2/24"):
        host.start()
        join(host, address, level)
    wait_until(lambda: a.ping("10.0.0.2"), 10, f"ping through the vnet, level {level}")
    return a, b


def first_words(sniffer):
    """The first 32-bit words of the datagrams to port 1798: what each one is."""
    payloads = (bytes(p["UDP"].payload) for p in sniffer.packets() if p.haslayer("UDP"))
    return [int.from_bytes(payload[:4], "big") for payload in payloads if len(payload) >= 4]


def secret_ping(host, dst):
    return host.run("ping", "-c", "3", "-i", "0.2", "-W", "1", "-p", PATTERN, dst,
                    check=False).returncode == 0


@case(limit=40)
def test_none(net):
    a, _ = pair(net, "none")
    sniffer = net.sniff("udp port 1798")
    assert secret_ping(a, "10.0.0.2")
    assert SECRET.encode() in sniffer.raw()
    assert 0x08000000 in first_words(sniffer)


@case(limit=40)
def test_auth(net):
    a, _ = pair(net, "auth")
    sniffer = net.sniff("udp port 1798")
    assert secret_ping(a, "10.0.0.2")
    assert SECRET.encode() in sniffer.raw()     # NULL cipher
    words = first_words(sniffer)
    assert 0x08000000 not in words and any(word > 255 for word in words), words


@case(limit=40)
def test_conf(net):
    a, _ = pair(net, "conf")
    sniffer = net.sniff("udp port 1798")
    assert secret_ping(a, "10.0.0.2")
    assert SECRET.encode() not in sniffer.raw()
    words = first_words(sniffer)
    assert 0x08000000 not in words and any(word > 255 for word in words), words


@case(limit=90)
def test_never_clear(net):
    """Start, crash of every role, restart, delete: nothing of a conf vnet is ever in clear."""
    sniffer = net.sniff()
    a, b = pair(net, "conf")
    noise = a.spawn("ping", "-q", "-i", "0.01", "-p", PATTERN, "10.0.0.2")
    for role in "engine", "keys", "priv", "resolve":
        a.kill(role)
        wait_until(lambda: b.ping("10.0.0.1"), 10, f"ping after {role} was killed")
    b.restart()
    wait_until(lambda: b.ping("10.0.0.1"), 10, "ping after a restart")
    b.vn("vnet-delete", "97")
    a.ping("10.0.0.2", count=5)
    assert noise.poll() is None
    assert SECRET.encode() not in sniffer.raw()
    assert 0x08000000 not in first_words(sniffer)


@case(limit=40)
def test_restart_keeps(net):
    """A restart keeps vnets, their devices and their addresses."""
    a, b = pair(net, "conf")
    before = a.link(DEV)
    a.restart()
    after = a.link(DEV)
    assert (before["ifindex"], before["address"]) == (after["ifindex"], after["address"])
    wait_until(lambda: b.ping("10.0.0.1"), 10, "ping after the restart")


@case(limit=60)
def test_lonely(net):
    """Frames of vnets that nobody else has do not use up what the others need."""
    a, b = pair(net, "conf")
    ids = [f"{number:x}" for number in range(0x1000, 0x1000 + 150)]
    forms = a.dir / "vnets"
    forms.write_text("".join(f"(vnet (id {id}) (security conf))\n" for id in ids))
    a.vn("vnet-create", forms)
    for id in ids:
        a.ip("link", "set", f"vnif{id}", "up")
        with a.packet_socket(f"vnif{id}", ETHERTYPE) as raw:
            for number in range(20):
                raw.send(b"\xff" * 6 + b"\2\0\0\0\0\1" + ETHERTYPE.to_bytes(2, "big") + bytes(46))
    assert a.stats()["frame_queue_full"] > 0
    assert a.ping("10.0.0.2", count=5)


@case(limit=40)
def test_guests(net):
    """Machines on bridges at either end, with MTU 1500 and no knowledge of any of this."""
    a, b = net.hosts("a", "b")
    guests = []
    for number, host in enumerate((a, b), 1):
        host.start()
        host.vn("vnet-create", "-s", "conf", "-b", "vnet97", "97")
        wait_until(lambda h=host: h.link("vnet97"), 5, "the bridge")
        guests.append(host.guest("guest", "vnet97", f"10.0.0.{number}/24",
                                 mac=f"02:00:00:00:97:0{number}"))
    wait_until(lambda: guests[0].ping("10.0.0.2"), 10, "ping between guests")
    full = ["ping", "-n", "-c", "1", "-W", "1", "-s", "1472", "10.0.0.2", "-M"]
    guests[0].run(*full, "dont")  # a frame of 1500 bytes crosses in outer fragments
    told = guests[0].run(*full, "do", check=False).stdout
    assert "mtu = 1392" in told, told  # one that must not be fragmented is told what fits
    assert guests[0].ping("10.0.0.2", size=1472)  # and heeds it


@case(limit=30)
def test_refused(net):
    """What is refused says why, and vn exits non-zero."""
    (a,) = net.hosts("a")
    a.start()
    for bad in (["vnet-create", "0"], ["vnet-create", "xyz"], ["vnet-delete", "97"],
                ["vnet-create", "-s", "secret", "97"]):
        done = a.vn(*bad, check=False)
        assert done.returncode != 0 and done.stderr.startswith("vn: "), (bad, done)
    assert a.stop() == 0
    done = a.vn("status", check=False)
    assert done.returncode != 0 and done.stderr.startswith("vn: "), done
