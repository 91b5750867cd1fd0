# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts, wires and guests for system tests, made of network namespaces.

A case is a function test_NAME(net) in case_FILE.py; `net` is an empty Net, which the driver
takes down whatever happens. The simplest one:

    def test_ping(net):
        a, b = net.hosts("a", "b")              # joined by the segment "u"
        for host, addr in (a, "10.0.0.1/24"), (b, "10.0.0.2/24"):
            host.start()                        # vnetd, until it answers
            host.vn("vnet-create", "-s", "conf", "97")
            host.add_address("vnif0097", addr)
        wait_until(lambda: a.ping("10.0.0.2"), 10, "ping through the vnet")

Namespaces are called vtPID-NAME, so cases run side by side, and what a killed one left is found.
"""

import ctypes
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import ROOT

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("VNET_BUILD", ROOT)).resolve()
SEGMENTS_V4 = ("192.0.2", "198.51.100", "203.0.113")     # RFC 5737; IPv6 is 2001:db8:N::/64
GUEST_MTU = 1500
# vnetd --workers in all cases that do not say otherwise; "": the default.
WORKERS = os.environ.get("VNET_WORKERS", "")
# All deadlines are so many times longer: an emulated machine (tests/vm) is slow.
SLOW = float(os.environ.get("VNET_SLOW", 1))
# What the cases that do not say so themselves are about: off, or auto to run them through the
# kernel, where it can.
OFFLOAD = os.environ.get("VNET_OFFLOAD", "off")
SO_RCVBUFFORCE = 33
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer")


class Skip(Exception):
    """The case cannot run here; the text says why."""


class Failed(AssertionError):
    """A command or a wait failed."""


def case(limit=60, extra=False):
    """Decorates a case: its time limit in seconds; extra: run by `tools/check --all` only."""
    def mark(function):
        function.limit, function.extra = limit, extra
        return function
    return mark


def need(program):
    if not shutil.which(program):
        raise Skip(f"no program {program}")


def wait_until(function, deadline=10, what="condition", interval=0.05):
    """Polls until function() is true, and returns that value. Failures inside count as false."""
    end, last = time.monotonic() + deadline * SLOW, None
    while True:
        try:
            last = function()
            if last:
                return last
        except (Failed, OSError, ValueError, LookupError) as error:
            last = error
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {deadline} s; last seen: {last!r}")
        time.sleep(interval)


def always(function, seconds, what="condition", interval=0.1):
    """Fails when function() is false at any time during so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not function():
            raise Failed(f"{what}: not true any more")
        time.sleep(interval)


def run(argv, check=True, timeout=30, **options):
    """Runs a command; its result has returncode, stdout and stderr as text."""
    argv = [str(a) for a in argv]
    timeout *= SLOW
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **options)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(argv)}: no end within {timeout} s") from error
    if check and done.returncode:
        raise Failed(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def sweep(of_pid=None):
    """Removes what belongs to one case, or to cases that are dead: namespaces, the processes in
    them, and directories."""
    def swept(name):
        match = re.match(r"vt(\d+)-", name)
        return match and (int(match[1]) == of_pid if of_pid
                          else not os.path.exists(f"/proc/{match[1]}"))

    listed = run(["ip", "netns", "list"]).stdout.splitlines()
    for name in filter(swept, (line.split()[0] for line in listed)):
        for pid in run(["ip", "netns", "pids", name], check=False).stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        run(["ip", "netns", "del", name], check=False)
    temp = pathlib.Path(tempfile.gettempdir())
    for path in temp.glob("vt*-*"):
        if swept(path.name):
            shutil.rmtree(path, ignore_errors=True)


class Namespace:
    """A network namespace and what runs in it."""

    def __init__(self, net, name):
        self.net, self.name = net, name
        self.ns = f"vt{os.getpid()}-{name}"
        self.children = []
        run(["ip", "netns", "add", self.ns])
        # No duplicate address detection: an address works at once.
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args, check=True):
        return run(["ip", "-n", self.ns, *args], check)

    def inside(self, argv):
        return ["ip", "netns", "exec", self.ns, *(str(a) for a in argv)]

    def run(self, *argv, check=True, timeout=30, **options):
        return run(self.inside(argv), check, timeout, **options)

    def spawn(self, *argv, **options):
        """Starts a command that lives until it ends or the case does."""
        proc = subprocess.Popen(self.inside(argv), **{"stdin": subprocess.DEVNULL, **options})
        self.children.append(proc)
        return proc

    def socket(self, *args):
        """A socket of this namespace, in this process."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as own, open(f"/run/netns/{self.ns}") as there:
            if libc.setns(there.fileno(), 0) < 0:
                raise OSError(ctypes.get_errno(), f"setns {self.ns}")
            try:
                return socket.socket(*args)
            finally:
                libc.setns(own.fileno(), 0)

    def packet_socket(self, dev, ethertype):
        """Sends and receives frames with that ethertype on a device, "" all; recv() never blocks."""
        raw = self.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
        raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        if dev:
            raw.bind((dev, ethertype))
        raw.setblocking(False)
        return raw

    def sysctl(self, name, value):
        self.run("sh", "-c", f"echo {value} >/proc/sys/{name.replace('.', '/')}")

    def add_address(self, dev, *addresses):
        for address in addresses:
            self.ip("addr", "add", address, "dev", dev, *(["nodad"] if ":" in address else []))
        self.ip("link", "set", dev, "up")

    def link(self, dev):
        """What `ip -s -d -j link show` says of a device; None when there is no such device."""
        done = self.ip("-s", "-d", "-j", "link", "show", "dev", dev, check=False)
        return json.loads(done.stdout)[0] if done.returncode == 0 else None

    def mac(self, dev):
        return self.link(dev)["address"]

    def ping(self, dst, count=1, size=None, dont_fragment=False, dev=None, wait=1):
        """True when all of count echo requests were answered."""
        argv = ["ping", "-n", "-q", "-c", count, "-i", "0.2", "-W", wait, dst]
        argv += ["-s", size] if size is not None else []
        argv += ["-M", "do"] if dont_fragment else []
        argv += ["-I", dev] if dev else []
        done = self.run(*argv, check=False, timeout=count * (wait + 1) + 10)
        return done.returncode == 0 and f" {count} received" in done.stdout

    def close(self):
        for proc in self.children:
            if proc.poll() is None:
                proc.kill()
            proc.wait()


class Router(Namespace):
    """Made by Net.router()."""

    def hide(self, inside, outside):
        """Sends what comes from eth0 through nat.py, which has an address of its own outside."""
        self.address = f"{outside}.253"
        for sysctl in "ipv4.conf.all.rp_filter", "ipv4.conf.default.rp_filter":
            self.sysctl(f"net.{sysctl}", 0)
        self.nat = self.spawn(HERE / "nat.py", "nat0", f"{inside}.", self.address)
        wait_until(lambda: self.link("nat0"), 5, "the NAT's device")
        self.ip("link", "set", "nat0", "up")
        self.ip("route", "add", self.address, "dev", "nat0")
        self.ip("neigh", "add", "proxy", self.address, "dev", "eth1")
        self.ip("rule", "add", "iif", "eth0", "lookup", "100")
        self.ip("route", "add", "default", "dev", "nat0", "table", "100")

    def forget(self):
        """The NAT loses its mappings: who speaks next from inside comes from another port."""
        self.nat.send_signal(signal.SIGUSR1)


class Host(Namespace):
    """A host with an underlay address and, once started, a vnetd."""

    def __init__(self, net, name):
        super().__init__(net, name)
        self.dir = net.dir / name
        for sub in ("run", "state", "keys"):
            (self.dir / sub).mkdir(parents=True)
        self.config = self.dir / "vnetd.conf"
        self.config.write_text("")
        self.log_path = self.dir / "vnetd.log"
        self.log_path.touch()
        self.addr4 = self.addr6 = None
        self.dev = None
        self.daemon = None
        self.offload = OFFLOAD
        self.guests = 0

    # vnetd

    def configure(self, text):
        self.config.write_text(text)

    def put_key(self, name, secret):
        """A key file of 32 bytes, as vn key-gen makes it; two hosts given the same share it."""
        path = self.dir / "keys" / f"{name}.psk"
        path.write_text(f"{secret.hex()}\n")
        path.chmod(0o600)
        for entry in path.parent, path:
            shutil.chown(entry, "_vnetkeys", "_vnetkeys")
        path.parent.chmod(0o700)

    def vnetd_argv(self, *args):
        return [BUILD / "vnetd", "--config", self.config, "--run-dir", self.dir / "run",
                "--state-dir", self.dir / "state", "--keys-dir", self.dir / "keys",
                "--offload", self.offload,
                *(["--workers", WORKERS] if WORKERS else []), *args]

    def start(self, *args, wait=True):
        """Starts vnetd, by default until it answers vn."""
        assert not self.daemon or self.daemon.poll() is not None, "vnetd is running"
        with open(self.log_path, "ab") as log:
            self.daemon = self.spawn(*self.vnetd_argv(*args), stdout=log, stderr=log)
        if wait:
            wait_until(self._answers, 10, f"{self.name}: vnetd answers")
        return self.daemon

    def _answers(self):
        if self.daemon.poll() is not None:
            raise RuntimeError(f"{self.name}: vnetd ended, exit status {self.daemon.returncode}")
        return self.vn("status", check=False).returncode == 0

    def stop(self, timeout=10):
        """Asks vnetd to end; its exit status."""
        self.daemon.terminate()
        try:
            return self.daemon.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name}: vnetd did not end within {timeout} s of SIGTERM") from None

    def restart(self, *args):
        self.stop()
        self.start(*args)

    def roles(self):
        """{role: pid} of the running vnetd."""
        found = {"parent": self.daemon.pid}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                ppid = int(stat.read_text().rpartition(")")[2].split()[1])
                argv = (stat.parent / "cmdline").read_text()
            except (OSError, IndexError):
                continue    # ended meanwhile
            role = re.search(r"\0--role\0(\w+)", argv)
            if ppid == self.daemon.pid and role:
                found[role[1]] = int(stat.parent.name)
        return found

    def kill(self, role, signum=signal.SIGKILL):
        """Kills one process of vnetd; its pid."""
        pid = self.roles()[role]
        os.kill(pid, signum)
        return pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, deadline=10):
        return wait_until(lambda: re.search(pattern, self.log()), deadline,
                          f"{self.name}: {pattern!r} in the log")

    # vn

    def vn(self, *args, check=True, **options):
        return self.run(BUILD / "vn", "--socket", self.dir / "run" / "vnetd.sock", *args,
                        check=check, **options)

    def vn_json(self, *args):
        return json.loads(self.vn(*args, "-j").stdout)

    def stats(self):
        """{counter: value}"""
        return {row["name"]: row["value"] for row in self.vn_json("stats")}

    # Guests

    def bridge(self, name, *ports):
        self.ip("link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        self.ip("link", "set", name, "up")
        for port in ports:
            self.ip("link", "set", port, "master", name)

    def guest(self, name, bridge, *addresses, mac=None, mtu=GUEST_MTU):
        """A machine plugged into a bridge of this host by its device eth0."""
        guest = Namespace(self.net, f"{self.name}{name}")
        self.net.members.append(guest)
        self.guests += 1
        port = f"guest{self.guests}"
        self.ip("link", "add", port, "mtu", mtu, "type", "veth",
                "peer", "name", "eth0", "netns", guest.ns)
        guest.ip("link", "set", "eth0", "mtu", mtu, *(["address", mac] if mac else []))
        self.ip("link", "set", port, "master", bridge, "up")
        guest.ip("link", "set", "eth0", "up")
        guest.add_address("eth0", *addresses)
        return guest


class Sniffer:
    """tcpdump on one device, from when it listens to stop()."""

    def __init__(self, where, dev, bpf=""):
        need("tcpdump")
        fd, path = tempfile.mkstemp(suffix=".pcap", dir=where.net.dir)
        os.close(fd)
        self.path = pathlib.Path(path)
        self.messages = messages = self.path.with_suffix(".err")
        with open(messages, "wb") as err:
            self.proc = where.spawn("tcpdump", "-n", "-U", "--immediate-mode", "-s", "9216", "-B", "65536",
                                    "-Z", "root",
                                    "-i", dev, "-w", self.path, *bpf.split(), stderr=err)
        wait_until(lambda: "listening on" in messages.read_text(), 10, f"tcpdump on {dev} {bpf}")

    def stop(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait()
        lost = re.search(r"^(\d+) packets? dropped by kernel", self.messages.read_text(), re.M)
        assert lost is None or lost[1] == "0", f"the sniffer missed {lost[1]} packets"

    def packets(self):
        """What was captured up to now, as scapy packets."""
        from scapy.layers import inet, inet6, l2     # noqa: F401; takes a second to load
        from scapy.utils import rdpcap
        return list(rdpcap(str(self.path))) if self.path.stat().st_size > 24 else []

    def raw(self):
        """All captured bytes, to look for text that must not be there."""
        return self.path.read_bytes()


class Segment:
    """One subnet of the underlay: a bridge in the underlay's namespace."""

    def __init__(self, net, name, number, mtu):
        self.net, self.name, self.number, self.mtu = net, name, number, mtu
        self.prefix4, self.prefix6 = SEGMENTS_V4[number], f"2001:db8:{number}:"
        self.dev = f"seg-{name}"
        self.members = 0
        net.underlay.ip("link", "add", self.dev, "type", "bridge", "forward_delay", "0",
                        "mcast_snooping", "0")
        net.underlay.ip("link", "set", self.dev, "mtu", mtu, "up")

    def plug(self, ns, dev="eth0", last=None):
        """Joins a namespace by a device with the next addresses; (IPv4, IPv6)."""
        self.members += 1
        last = last or self.members
        port = f"{self.name}-{last}"
        mac = f"02:00:00:00:{self.number:02x}:{last:02x}"
        self.net.underlay.ip("link", "add", port, "mtu", self.mtu, "type", "veth",
                             "peer", "name", dev, "netns", ns.ns)
        ns.ip("link", "set", dev, "address", mac, "mtu", self.mtu)
        # Every datagram crosses alone, as on a wire: sniffers and counters see what a network would.
        ns.run("ethtool", "-K", dev, "tx-udp-segmentation", "off")
        self.net.underlay.ip("link", "set", port, "master", self.dev, "up")
        addr4, addr6 = f"{self.prefix4}.{last}", f"{self.prefix6}:{last:x}"
        ns.add_address(dev, f"{addr4}/24", f"{addr6}/64")
        return addr4, addr6

    def cut(self, host, cut=True):
        """Unplugs the cable of a host, or plugs it in again."""
        port = f"{self.name}-{host.addr4.rpartition('.')[2]}"
        self.net.underlay.ip("link", "set", port, "down" if cut else "up")

    def sniff(self, bpf=""):
        return Sniffer(self.net.underlay, self.dev, bpf)


class Net:
    """The underlay and everything on it; a context manager that takes all down."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"vt{os.getpid()}-"))
        self.dir.chmod(0o755)      # vnetd's users pass through it
        self.segments, self.members = {}, []

    @functools.cached_property
    def underlay(self):
        underlay = Namespace(self, "net")
        self.members.append(underlay)
        return underlay

    def segment(self, name="u", mtu=1500):
        if name not in self.segments:
            self.segments[name] = Segment(self, name, len(self.segments), mtu)
        return self.segments[name]

    def host(self, name, on="u"):
        """A host on a segment; its addr4, addr6 and dev are the underlay's."""
        host = Host(self, name)
        self.members.append(host)
        host.dev = "eth0"
        host.addr4, host.addr6 = self.segment(on).plug(host)
        return host

    def hosts(self, *names, mtu=1500):
        self.segment("u", mtu)
        return [self.host(name) for name in names]

    def router(self, *segments, nat=False):
        """Routes between segments, which must exist; every host on them gets it as its default
        route. nat: IPv4 hosts of the first segment are hidden behind an address of the second."""
        router = Router(self, "router")
        self.members.append(router)
        for number, name in enumerate(segments):
            self.segments[name].plug(router, f"eth{number}", last=254)
        router.sysctl("net.ipv4.ip_forward", 1)
        router.sysctl("net.ipv6.conf.all.forwarding", 0 if nat else 1)
        for host in self.all_hosts():
            segment = next(s for s in self.segments.values()
                           if host.addr4.startswith(s.prefix4 + "."))
            if segment.name in segments:
                host.ip("route", "replace", "default", "via", f"{segment.prefix4}.254")
                host.ip("-6", "route", "replace", "default", "via", f"{segment.prefix6}:fe")
        if nat:
            router.hide(*(self.segments[name].prefix4 for name in segments[:2]))
        return router

    def all_hosts(self):
        return [m for m in self.members if isinstance(m, Host)]

    def sniff(self, bpf="", on="u"):
        return self.segment(on).sniff(bpf)

    def check_logs(self):
        """Fails on what no case may ever cause."""
        for host in self.all_hosts():
            match = SANITIZER.search(host.log())
            if match:
                raise Failed(f"{host.name}: {match[0]} in the log of vnetd")

    def logs(self, last=60):
        parts = []
        for host in self.all_hosts():
            lines = host.log().splitlines()
            parts += [f"--- log of vnetd on {host.name} (last {last} of {len(lines)} lines)"]
            parts += lines[-last:]
        return "\n".join(parts)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.all_hosts():
            if host.daemon and host.daemon.poll() is None:
                host.daemon.terminate()
        for host in self.all_hosts():
            if host.daemon:
                try:
                    host.daemon.wait(5 * SLOW)
                except subprocess.TimeoutExpired:
                    pass
        for member in self.members:
            member.close()
        sweep(os.getpid())
