# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two ends joined by a wire, and the overlays that are measured between them.

A peer is a function that gets a Pair, starts daemons there and returns their device; addresses and
MTU are given to it here. Its decorator says what it is, and what programs it needs.
"""

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import textwrap

import vnettest
from vnettest import Skip, run, wait_until

ADDRESSES = "10.0.0.1", "10.0.0.2"
# What the largest of the headers of all peers needs; vnetd finds what it needs by itself.
HEADERS = 100
SMALL = 1400            # what those who have room for no more carry, whatever the underlay
OPENSSL_ONLY = None     # a build directory, set by run
VNET = "97", "vnif0097"


@dataclasses.dataclass
class Peer:
    name: str
    what: str           # "vnetd", "clear" or "encrypted" for layer 2, "layer 3", "" without daemon
    start: object       # function of a Pair
    needs: tuple = ()
    most: int = 9000    # the largest packet it can carry

    def missing(self):
        """Why it cannot run here, or None."""
        for program in self.needs:
            if not (shutil.which(program) or pathlib.Path(program).exists()):
                return f"no {program}"
        return None


PEERS = []


def peer(name, what, *args, needs=(), most=9000, **options):
    """Registers a function as a peer, perhaps more than once with other arguments."""
    def register(function):
        PEERS.append(Peer(name, what, lambda pair: function(pair, *args, **options),
                          tuple(needs), most))
        return function
    return register


class End(vnettest.Host):
    """One of the two; number is 1 or 2."""

    def __init__(self, net, name, number):
        super().__init__(net, name)
        self.number, self.dev, self.inner = number, "eth0", ADDRESSES[number - 1]
        self.addr4, self.vnetd = f"192.0.2.{number}", None

    def in_kernel(self):
        peers = json.loads(self.vn("peers", "-j").stdout)
        paths = [a["path"] for peer in peers for a in peer.get("association", [])]
        return paths and all(path.startswith("kernel") for path in paths)

    def vnetd_argv(self, *args):
        argv = super().vnetd_argv(*args)
        return [self.vnetd or argv[0], *argv[1:]]

    def write(self, name, text):
        """A file in the directory of this end."""
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(0o600)
        return path

    def daemon_log(self, *argv, **options):
        """Spawns a daemon, which must not go to the background; what it says goes to the log."""
        with open(self.log_path, "ab") as log:
            return self.spawn(*argv, stdout=log, stderr=log, **options)


    def beside(self, *argv):
        """Runs a command in the namespaces of the last daemon."""
        return run(["nsenter", "-t", self.children[-1].pid, "-n", "-m", *argv])


class Pair(vnettest.Net):
    """Two ends joined by one veth. Without gso every packet crosses it alone, and is merged by the
    receiver's GRO as with a plain network card."""

    def __init__(self, mtu, gso):
        super().__init__()
        self.mtu = mtu
        self.ends = self.a, self.b = [End(self, name, n) for n, name in enumerate("ab", 1)]
        self.members += self.ends
        self.a.ip("link", "add", "eth0", "mtu", mtu, "type", "veth",
                  "peer", "name", "eth0", "mtu", mtu, "netns", self.b.ns)
        for end in self.ends:
            end.add_address("eth0", f"{end.addr4}/24")
            if not gso:
                end.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "off", "tso", "off",
                        "gro", "on")

    def other(self, end):
        return self.b if end is self.a else self.a

    def start(self, chosen):
        """Starts a peer, until pings pass; the address of b in it."""
        dev = chosen.start(self)
        address = self.b.inner if dev else self.b.addr4
        for end in self.ends if dev else ():
            wait_until(lambda e=end: e.link(dev), 10, f"{chosen.name}: device {dev}")
            if chosen.what != "vnetd":
                end.ip("link", "set", dev, "mtu", min(self.mtu - HEADERS, chosen.most))
            # Some give the address themselves.
            end.ip("addr", "replace", f"{end.inner}/24", "dev", dev)
            end.ip("link", "set", dev, "up")
        # fastd begins anew after 20 s when two first handshakes have crossed.
        wait_until(lambda: self.a.ping(address), 45, f"{chosen.name}: ping")
        if chosen.what == "vnetd" and self.a.offload != "off":
            wait_until(lambda: all(end.in_kernel() for end in self.ends), 10,
                       f"{chosen.name}: in the kernel")
        return address

    def pids(self):
        return [child.pid for end in self.ends for child in end.children]


# Without daemons


@peer("veth", "")
def bare(pair):
    return None


@peer("kernel VXLAN", "")
def kernel_vxlan(pair):
    for end in pair.ends:
        end.ip("link", "add", "vx0", "type", "vxlan", "id", "97", "dstport", "4789",
               "local", end.addr4, "remote", pair.other(end).addr4)
    return "vx0"


# vnetd


@peer("vnetd none, kernel", "vnetd", "-s", "none", offload="require")
@peer("vnetd conf, OpenSSL only", "vnetd", "-s", "conf", openssl=True)
@peer("vnetd aes128gcm", "vnetd", "--suite", "aes128gcm")
@peer("vnetd conf", "vnetd", "-s", "conf")
@peer("vnetd auth", "vnetd", "-s", "auth")
@peer("vnetd none", "vnetd", "-s", "none")
def vnetd(pair, *level, openssl=False, offload="off"):
    if openssl and not OPENSSL_ONLY:
        raise Skip("no build without libipsec-mb")
    for end in pair.ends:
        end.vnetd = OPENSSL_ONLY / "vnetd" if openssl else None
        end.offload = offload
        end.start()
        end.vn("vnet-create", *level, VNET[0])
    return VNET[1]


# Layer 2


@peer("fastd salsa2012+umac", "encrypted", "salsa2012+umac", needs=["fastd"])
@peer("fastd aes128-ctr+umac", "encrypted", "aes128-ctr+umac", needs=["fastd"])
@peer("fastd null", "clear", "null", needs=["fastd"])
def fastd(pair, method):
    keys = {}
    for end in pair.ends:
        made = run(["fastd", "--generate-key"]).stdout
        keys[end] = re.search(r"Secret: (\w+)\s+Public: (\w+)", made).groups()
    for end in pair.ends:
        other = pair.other(end)
        config = end.write("fastd.conf", f"""\
            log to stderr level warn;
            mode tap;
            interface "fast0";
            bind {end.addr4}:10000;
            method "{method}";
            mtu {pair.mtu - HEADERS};
            secret "{keys[end][0]}";
            peer "other" {{ key "{keys[other][1]}"; remote {other.addr4}:10000; }}
            """)
        end.daemon_log("fastd", "--config", config)
    return "fast0"


@peer("tinc switch AES-128-CBC SHA1", "encrypted", needs=["tincd"])
def tinc(pair):
    for end in pair.ends:
        config = end.dir / "tinc"
        end.write("tinc/hosts/" + end.name, f"""\
            Address = {end.addr4}
            Cipher = AES-128-CBC
            Digest = SHA1
            MACLength = 12
            """)
        end.write("tinc/tinc.conf", f"""\
            Name = {end.name}
            AddressFamily = ipv4
            Mode = switch
            DeviceType = tap
            Interface = tinc0
            ConnectTo = {pair.other(end).name}
            """)
        run(["tincd", "-c", config, "-K", "2048"], stdin=subprocess.DEVNULL)
    for end in pair.ends:
        other = pair.other(end)
        shutil.copy(other.dir / "tinc" / "hosts" / other.name, end.dir / "tinc" / "hosts")
        end.daemon_log("tincd", "-c", end.dir / "tinc", "-D", f"--pidfile={end.dir / 'tinc.pid'}")
    return "tinc0"


@peer("OpenVPN tap AES-128-CBC SHA1", "encrypted", "AES-128-CBC", needs=["openvpn", "openssl"])
@peer("OpenVPN tap AES-128-GCM", "encrypted", "AES-128-GCM", needs=["openvpn", "openssl"])
def openvpn(pair, cipher):
    prints = {}
    for end in pair.ends:
        cert = end.dir / "cert.pem"
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-keyout", end.dir / "key.pem", "-out", cert, "-subj", f"/CN={end.name}"])
        made = run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256"]).stdout
        prints[end] = made.strip().partition("=")[2]
    for end in pair.ends:
        other = pair.other(end)
        role = ["--tls-server", "--dh", "none"] if end is pair.a else ["--tls-client"]
        end.daemon_log("openvpn", "--dev", "vpn0", "--dev-type", "tap", "--proto", "udp4",
                       "--local", end.addr4, "--remote", other.addr4, *role,
                       "--cert", end.dir / "cert.pem", "--key", end.dir / "key.pem",
                       "--peer-fingerprint", prints[other], "--data-ciphers", cipher,
                       "--data-ciphers-fallback", cipher, "--auth", "SHA1",
                       "--tun-mtu", pair.mtu - HEADERS, "--mssfix", "0", "--verb", "1")
    return "vpn0"


@peer("n2n Twofish", "encrypted", needs=["edge", "supernode", "ifconfig"], most=SMALL)
def n2n(pair):
    pair.a.daemon_log("supernode", "-l", "7654")
    for end in pair.ends:
        end.daemon_log("edge", "-d", "edge0", "-c", "bench", "-k", "bench", "-a", end.inner,
                       "-m", f"02:00:00:00:97:0{end.number}", "-M", SMALL,
                       "-p", "7655", "-l", f"{pair.a.addr4}:7654")
    return "edge0"


def vde_switches(pair):
    for end in pair.ends:
        end.daemon_log("vde_switch", "-tap", "vde0", "-sock", end.dir / "vde",
                       stdin=subprocess.PIPE)
        wait_until((end.dir / "vde" / "ctl").exists, 5, "vde_switch")


@peer("VDE over TCP", "clear", needs=["vde_switch", "dpipe", "vde_plug", "socat"], most=SMALL)
def vde_clear(pair):
    vde_switches(pair)
    server = "TCP-LISTEN:5000,nodelay"
    client = f"TCP:{pair.b.addr4}:5000,nodelay,retry=20,interval=0.1"
    for end, to in (pair.b, server), (pair.a, client):
        end.daemon_log("dpipe", "vde_plug", end.dir / "vde", "=", "socat", "STDIO", to)
    return "vde0"


@peer("VDE cryptcab", "encrypted", needs=["vde_switch", "vde_cryptcab"], most=SMALL)
def vde_cryptcab(pair):
    vde_switches(pair)
    for end in pair.b, pair.a:
        key = end.write("key", "a key that both have\n")
        # Blowfish, which OpenSSL 3 does not offer unasked.
        config = end.write("openssl.cnf", """\
            openssl_conf = top
            [top]
            providers = providers
            [providers]
            default = on
            legacy = on
            [on]
            activate = 1
            """)
        to = ["-c", f"{pair.b.addr4}:5000"] if end is pair.a else []
        end.daemon_log("env", f"OPENSSL_CONF={config}", "vde_cryptcab", "-s", end.dir / "vde",
                       "-P", key, "-p", "5000", *to, stdin=subprocess.PIPE)
    return "vde0"


# Layer 3


@peer("wireguard-go", "layer 3", needs=["wireguard-go", "wg"])
def wireguard_go(pair):
    keys = {}
    for end in pair.ends:
        secret = run(["wg", "genkey"]).stdout
        end.write("wg.key", secret)
        keys[end] = run(["wg", "pubkey"], input=secret).stdout.strip()
    for end in pair.ends:
        other = pair.other(end)
        # Its socket is where all namespaces see it.
        end.daemon_log("sh", "-c", "mount -t tmpfs none /run && exec env "
                       "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 LOG_LEVEL=error "
                       "wireguard-go -f wg0")
        wait_until(lambda e=end: e.link("wg0"), 5, "wireguard-go")
        end.beside("wg", "set", "wg0", "listen-port", "51820", "private-key", end.dir / "wg.key",
                   "peer", keys[other], "allowed-ips", "10.0.0.0/24",
                   "endpoint", f"{other.addr4}:51820")
    return "wg0"


@peer("Nebula", "layer 3", needs=["nebula", "nebula-cert"])
def nebula(pair):
    run(["nebula-cert", "ca", "-name", "bench", "-out-crt", pair.dir / "ca.crt",
         "-out-key", pair.dir / "ca.key"])
    for end in pair.ends:
        other = pair.other(end)
        run(["nebula-cert", "sign", "-name", end.name, "-ip", f"{end.inner}/24",
             "-ca-crt", pair.dir / "ca.crt", "-ca-key", pair.dir / "ca.key",
             "-out-crt", end.dir / "crt", "-out-key", end.dir / "key"])
        config = end.write("nebula.yml", f"""\
            pki: {{ca: {pair.dir}/ca.crt, cert: {end.dir}/crt, key: {end.dir}/key}}
            static_host_map: {{"{other.inner}": ["{other.addr4}:4242"]}}
            lighthouse: {{am_lighthouse: false}}
            listen: {{host: {end.addr4}, port: 4242}}
            tun: {{dev: neb0, mtu: {pair.mtu - HEADERS}}}
            logging: {{level: error}}
            firewall:
              outbound: [{{port: any, proto: any, host: any}}]
              inbound: [{{port: any, proto: any, host: any}}]
            """)
        end.daemon_log("nebula", "-config", config)
    return "neb0"


@peer("strongSwan libipsec AES-128-CBC SHA1", "layer 3",
      needs=["charon-systemd", "swanctl",
             "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so"], most=SMALL)
def strongswan(pair):
    environment = {}
    for end in pair.ends:
        other = pair.other(end)
        end.write("strongswan.conf", """\
            charon-systemd {
              load = random nonce openssl kdf kernel-libipsec kernel-netlink socket-default vici
              journal { default = -1 }
            }
            """)
        end.write("swanctl/swanctl.conf", f"""\
            connections {{ other {{
              version = 2
              local_addrs = {end.addr4}
              remote_addrs = {other.addr4}
              proposals = aes128-sha256-ecp256
              local {{ auth = psk
                id = {end.name} }}
              remote {{ auth = psk
                id = {other.name} }}
              children {{ net {{
                esp_proposals = aes128-sha1
                local_ts = {end.inner}/32
                remote_ts = {other.inner}/32
              }} }}
            }} }}
            secrets {{ ike-other {{ secret = "a secret that both have" }} }}
            """)
        end.add_address("lo", f"{end.inner}/32")
        environment[end] = ["env", f"STRONGSWAN_CONF={end.dir}/strongswan.conf",
                            f"SWANCTL_DIR={end.dir}/swanctl"]
        end.daemon_log("sh", "-c", "mount -t tmpfs none /run && exec \"$@\"", "sh",
                       *environment[end], "charon-systemd")

    def swanctl(end, *args):
        return end.beside(*environment[end], "swanctl", *args)
    for end in pair.ends:
        wait_until(lambda e=end: swanctl(e, "--load-all"), 10, "charon takes its configuration")
    wait_until(lambda: swanctl(pair.a, "--initiate", "--child", "net"), 10, "IKE")
    return "ipsec0"
