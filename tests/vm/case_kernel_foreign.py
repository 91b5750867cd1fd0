# SPDX-License-Identifier: LGPL-2.1-or-later
"""Others touch single SAs and routes of the kernel's path: frames flow on, and never in clear."""

import re
import signal

from case_kernel_path import A, B, Wire, kernel_sas, pair
from kernelpath import join, path, traces, uses_kernel, wait_path
from traffic import Connection, Stream
from vnettest import case, wait_until

FLUSH = "nft flush ruleset; ip xfrm policy flush"
NOTHING = set(), set(), False, False
GONE = "the kernel's SA is gone"


def pseudo_of(host):
    """What stands for its only peer."""
    return re.search(r"dst (198\.18\.\d+\.\d+)/32", host.ip("xfrm", "policy").stdout)[1]


def forget_log(host):
    host.log_path.write_text("")


def sa_words(host):
    """Its outbound SA, as ip names it."""
    [sa] = kernel_sas(host)
    return ["src", sa["src"], "dst", sa["dst"], "proto", "esp", "spi", sa["spi"]]


def delete(host):
    host.ip("xfrm", "state", "delete", *sa_words(host)[2:])


def hide(host):
    """No policy of ours finds it any more, of which no event tells: the kernel asks for another."""
    host.ip("xfrm", "state", "update", *sa_words(host), "mode", "beet", "if_id", 7,
            "enc", "cbc(aes)", "0x" + "11" * 16, "auth-trunc", "hmac(sha1)", "0x" + "22" * 20, 96)


# --- SAs ---

@case(limit=60)
def test_sa(net):
    """The outbound SA goes: software at once, new keys, and the kernel again."""
    a, b = pair(net)
    wire = Wire(net)
    for lose in delete, hide:
        uses_kernel(a, B)
        old, first = sa_words(a), 0
        forget_log(a)
        with Stream(a, b, B, 0.02) as stream:
            stream.flowing()
            first = stream.sent
            lose(a)
            a.wait_log(GONE, 3)
            stream.flowing(3)
            wait_path(a, "kernel esp", deadline=40)
            stream.flowing(3)
            stream.stop()
            assert stream.gap(first) < 3, (lose, stream.gap(first))
        assert sa_words(a) != old
        assert not wire.clear(), (lose, wire.clear()[0])


@case(limit=60)
def test_sa_unheard(net):
    """It goes while priv hears nothing: probes find that out."""
    a, b = pair(net)
    uses_kernel(a, B)
    wire = Wire(net)
    with Stream(a, b, B, 0.02) as stream:
        stream.flowing()
        first = stream.sent
        a.kill("priv", signal.SIGSTOP)
        delete(a)
        wait_until(lambda: "spi 0x00000000" in a.ip("xfrm", "state").stdout, 3, "an acquire")
        stream.flowing(3)
        a.wait_log("IP protocol 50: probes are not answered", 3)
        a.kill("priv", signal.SIGCONT)
        wait_path(a, "kernel esp", deadline=60)
        stream.flowing(3)
        stream.stop()
        assert stream.gap(first) < 6, stream.gap(first)
    assert not wire.clear(), wire.clear()[0]


# --- routes ---

@case(limit=60)
def test_routes(net):
    """Routes in front of ours, by which frames would pass the barrier that those are, were the
    others gone: the kernel takes no frames, and all are carried."""
    a, b = pair(net)
    wire = Wire(net)
    with Stream(a, b, B, 0.02) as stream:
        for do, undo in (
                ("ip route replace 198.18.0.0/15 via {b}", "ip route del 198.18.0.0/15 via {b}"),
                ("ip route add {p} via {b}", "ip route del {p}"),
                ("ip route add unreachable 198.18.0.0/16", "ip route del unreachable 198.18.0.0/16"),
                ("ip route add default via {b} table 77; ip rule add to 198.18.0.0/15 lookup 77",
                 "ip rule del lookup 77"),
                ("ip addr add {p}/32 dev eth0", "ip addr del {p}/32 dev eth0")):
            names = {"p": pseudo_of(a), "b": b.addr4}
            uses_kernel(a, B)
            forget_log(a)
            first = stream.sent
            a.run("sh", "-c", do.format_map(names))
            a.wait_log("routed elsewhere by others", 3)
            a.kill("priv", signal.SIGSTOP)      # nothing is put back
            a.run("sh", "-c", FLUSH)
            stream.flowing(3)
            for _ in range(20):
                assert a.ping(B), do
            assert not wire.clear(), (do, wire.clear()[0])
            assert stream.gap(first) < 5, (do, stream.gap(first))
            a.kill("priv", signal.SIGCONT)
            a.run("sh", "-c", undo.format_map(names))
            for mode in "off", "auto":          # or it would try again after a while
                a.vn("offload", mode)
            wait_path(a, "kernel esp", deadline=40)
    assert not wire.clear(), wire.clear()[0]


@case(limit=90)
def test_prefix_was_there(net):
    """Without our routes there are no secured vnets in the kernel, until they can be made."""
    a, b = net.hosts("a", "b")
    a.ip("route", "add", "198.18.0.0/15", "via", b.addr4)
    join([a, b], suite="aes128-sha1", wait=False)
    a.wait_log("secured vnets stay in software")
    wait_until(lambda: "route" in path(a)[1], 10, "why it is in software")
    assert a.ping(B)
    a.ip("route", "del", "198.18.0.0/15", "via", b.addr4)
    wait_path(a, "kernel esp", deadline=60)
    uses_kernel(a, B)


@case(limit=60)
def test_route_was_there(net):
    """Who routes a pseudo-address keeps it; that peer stays in software until it is free."""
    a, b = net.hosts("a", "b")
    a.ip("route", "add", "198.18.0.0/16", "via", b.addr4)
    join([a, b], suite="aes128-sha1", wait=False)
    wait_until(lambda: "route" in path(a)[1], 10, "why it is in software")
    assert path(a)[0] == "software" and a.ping(B)
    a.ip("route", "del", "198.18.0.0/16")
    wait_path(a, "kernel esp", deadline=60)
    uses_kernel(a, B)


# --- ourselves ---

@case(limit=90)
def test_on_and_off(net):
    """Twenty times under one TCP connection; while it is off nothing is left."""
    a, b = pair(net)
    with Connection(a, b, B) as connection:
        for _ in range(20):
            a.vn("offload", "off")
            wait_until(lambda: traces(a) == NOTHING, 5, "nothing is left")
            connection.flowing()
            a.vn("offload", "auto")
            wait_path(a, "kernel esp", deadline=40)
            connection.flowing()
    for host in a, b:
        host.stop()
        assert traces(host) == NOTHING, (host.name, traces(host))
