# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts whose kernels carry what they can."""

import json
import time

from vnettest import Failed, Skip, wait_until

DEV, VNET = "vnif0097", "97"


def why_not(host, *abilities):
    """What of these the kernel lacks, and its reason; "" if nothing."""
    found = wait_until(lambda: host.vn_json("status")[0].get("ability"), 10, "what the kernel can")
    return "; ".join(f"{a['name']}: {a['reason']}" for a in found
                     if a["name"] in abilities and not a["able"])


def need_kernel(host, suite=None):
    missing = why_not(host, "vxlan", "bpf", *(["nftables", "tap", suite] if suite else []))
    if missing:
        raise Skip(f"the kernel lacks {missing}")


def path(host, other=None):
    """How the kernel sends to the other host, or the first: (path, why)."""
    for peer in host.vn_json("peers"):
        for association in peer.get("association", []):
            if other is None or peer["addr"] in (other.addr4, other.addr6):
                return association["path"], association.get("path_why", "")
    raise Failed("no association")


def wait_path(host, wanted, other=None, deadline=10):
    wait_until(lambda: path(host, other)[0] == wanted, deadline, f"{host.name}: path {wanted}")


def join(hosts, suite="none", wait=True):
    """Starts vnetd on each, and joins vnet 97 as 10.0.0.1, .2, ..; they reach each other."""
    for number, host in enumerate(hosts, 1):
        host.offload = "auto"
        host.start()
        need_kernel(host, None if suite == "none" else suite)
        host.vn("vnet-create", *(["-s", "none"] if suite == "none" else ["--suite", suite]), VNET)
        host.add_address(DEV, f"10.0.0.{number}/24")
    for number in range(2, len(hosts) + 1):
        wait_until(lambda n=number: hosts[0].ping(f"10.0.0.{n}"), 10, "ping through the vnet")
    if wait:
        for host in hosts:
            wait_path(host, "kernel vxlan" if suite == "none" else "kernel esp")


def flows(host):
    """{MAC: packets the kernel has sent to it} of other hosts' addresses that it knows."""
    return {entry["vmac"]: entry["kernel_tx"] for entry in host.vn_json("varp")
            if "kernel_tx" in entry}


def uses_kernel(host, address):
    """Pings, of which the engine sees nothing."""
    def counted():
        stats = host.stats()
        return stats["kernel_tx"], stats["frame_tx"]

    def seen():
        kernel, engine = counted()
        if not host.ping(address, count=5):
            return False
        wait_until(lambda: counted()[0] >= kernel + 5, 3, "counts of the kernel")
        return counted()[1] - engine < 5
    wait_until(seen, 10, f"{host.name}: pings through the kernel")


def carries_many(a, b, count):
    """Frames of a to so many addresses that b has go through the kernel."""
    raw_a, raw_b = a.packet_socket(DEV, 0x88b5), b.packet_socket(DEV, 0x88b5)

    def mac(number, side):
        return bytes([2, side, 0, 0, number >> 8, number & 255])

    def frame(to, source):
        return to + source + b"\x88\xb5" + bytes(46)

    for number in range(count):
        raw_b.send(frame(b"\xff" * 6, mac(number, 2)))
        if number % 100 == 99:
            time.sleep(0.05)
    wait_until(lambda: len(a.vn_json("varp")) > count * 0.9, 20, "addresses are known")

    def offloaded():
        for number in range(count):
            raw_a.send(frame(mac(number, 2), mac(1, 1)))
            if number % 100 == 99:
                time.sleep(0.02)
        return len(flows(a)) > count * 0.9
    wait_until(offloaded, 40, "flows")
    sent = a.stats()["kernel_tx"]
    offloaded()
    wait_until(lambda: a.stats()["kernel_tx"] > sent + count * 0.8, 5, "they are used")


def traces(host):
    """What vnetd makes in the kernel for it."""
    links = {row["ifname"] for row in json.loads(
        host.ip("-d", "-j", "link", "show").stdout)
        if row["ifname"].startswith("vnet-")}
    nft = host.run("nft", "list", "ruleset", check=False).stdout
    states = host.ip("xfrm", "state", check=False).stdout
    policies = host.ip("xfrm", "policy", check=False).stdout
    rules = {line for line in nft.splitlines() if line.startswith("table")}
    return links, rules, bool(states.strip()), bool(policies.strip())

