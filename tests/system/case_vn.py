# SPDX-License-Identifier: LGPL-2.1-or-later
"""vn alone, against a daemon made of a few lines: its requests, its output, its exit statuses."""

import contextlib
import csv
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading

from harness import ROOT
from vnettest import BUILD, case, need, run

VN = BUILD / "vn"
ID = "0000:0000:0000:0000:0000:0000:0000:0097"
USAGE, REFUSED, GONE = 2, 1, 3


class Daemon:
    """Answers requests from a list of texts; what has neither (ok) nor (error ..), and None, is cut
    off there."""

    def __init__(self, directory):
        self.path = directory / "vnetd.sock"
        self.replies, self.requests = [], []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):      # vn may have gone
                self._answer(connection)

    def _answer(self, connection):
        while True:
            data = connection.recv(65536)
            if not data:
                return
            for request in data.decode().splitlines():
                self.requests.append(request)
                reply = self.replies.pop(0) if self.replies else "(ok)\n"
                if reply is None:
                    return
                if isinstance(reply, str):
                    reply = reply.encode()
                for half in reply[:len(reply) // 2], reply[len(reply) // 2:]:
                    connection.sendall(half)
                if b"(ok)" not in reply and b"(error" not in reply:
                    return

    def close(self):
        # close() alone leaves accept() waiting
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def daemon(net):
    fake = Daemon(net.dir)
    try:
        yield fake
    finally:
        fake.close()
        fake.path.unlink()


def vn(fake, *args, **options):
    return run([VN, "--socket", fake.path, *args], check=False, **options)


def ask(fake, args, *replies):
    """Runs vn against these replies; (what it asked, what it did)."""
    fake.requests.clear()
    fake.replies[:] = replies
    done = vn(fake, *args)
    return fake.requests[:], done


COMMANDS = [
    # arguments, requests
    ("vnet-create 97", "(vnet.add (id 97))"),
    ("vnet-create -s conf 97", "(vnet.add (id 97) (security conf))"),
    ("vnet-create 97 -s conf", "(vnet.add (id 97) (security conf))"),
    ("-j vnet-create --security=conf 97", "(vnet.add (id 97) (security conf))"),
    ("vnet-create -b br0 -v lan -k office -s conf --suite aes256gcm --mtu 1400 "
     "--address 10.0.0.1/24 --address 2001:db8::1/64 1:0:0:0:0:0:0:97",
     "(vnet.add (id 1:0:0:0:0:0:0:97) (vnetif lan) (bridge br0) (security conf) (suite aes256gcm) "
     "(key office) (mtu 1400) (address 10.0.0.1/24) (address 2001:db8::1/64))"),
    ("vnet-set vnif0097 -k office", "(vnet.set (vnet vnif0097) (key office))"),
    ("vnet-set --mtu auto 97", "(vnet.set (vnet 97) (mtu auto))"),
    ("vnet-set --offload off 97", "(vnet.set (vnet 97) (offload off))"),
    ("vnet-delete 97", "(vnet.del (vnet 97))"),
    ("vnet-delete -b lan", "(vnet.del (vnet lan) (bridge yes))"),
    ("vnets", "(vnet.list)"),
    ("vnets 97 98", "(vnet.list (vnet 97) (vnet 98))"),
    ("vnets -l", "(vnet.list (long yes))"),
    ("vnets -a", "(vnet.list)", "(vif.list)", "(varp.list)"),
    ("vnets --all --long 97", "(vnet.list (vnet 97) (long yes))", "(vif.list)", "(varp.list)"),
    ("vnifs 97", "(vnet.list (vnet 97) (long yes))"),
    ("vnet-list", "(vnet.stored)"),
    ("vnet-list -l", "(vnet.stored (long yes))"),
    ("vifs", "(vif.list)"),
    ("vif-add 97 02-00-00-00-00-0A", "(vif.add (vnet 97) (vmac 02:00:00:00:00:0a))"),
    ("vif-delete 97 02:00:00:00:00:01", "(vif.del (vnet 97) (vmac 02:00:00:00:00:01))"),
    ("varp", "(varp.list)"),
    ("varp-flush", "(varp.flush)"),
    ("peers", "(peer.list)"),
    ("peer-add 192.0.2.1", "(peer.add (addr 192.0.2.1))"),
    ("peer-add gate.example.org -p 1799", "(peer.add (addr gate.example.org) (port 1799))"),
    ("peer-delete --port=7 2001:db8::1", "(peer.del (addr 2001:db8::1) (port 7))"),
    ("sas", "(sa.list)"),
    ("sas --keys", "(sa.list (keys yes))"),
    ("sa-delete 192.0.2.7", "(sa.del (peer 192.0.2.7))"),
    ("sa-delete 192.0.2.7 conf", "(sa.del (peer 192.0.2.7) (level conf))"),
    ("bridges", "(bridge.list)"),
    ("bridges -l", "(bridge.list (long yes))"),
    ("keys", "(key.list)"),
    ("key-gen office", "(key.gen (name office))"),
    ("key-gen office --replace", "(key.gen (name office) (replace yes))"),
    ("key-reload", "(key.reload)"),
    ("key-retire office", "(key.retire (name office))"),
    ("status", "(status)"),
    ("offload", "(offload)"),
    ("offload off", "(offload (mode off))"),
    ("stats", "(stats)"),
]


def test_requests(net):
    """Each command asks for the right thing, and prints nothing when there is nothing."""
    with daemon(net) as fake:
        for command, *requests in COMMANDS:
            asked, done = ask(fake, command.split())
            assert asked == requests, (command, asked)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), (command, done)
        commands = {c[0].split()[0].replace("-j", "vnet-create") for c in COMMANDS}
        missing = help_commands() - commands - {"insmod", "help", "sa-add"}
        assert not missing, missing


def test_sa_add(net):
    """A file that only its owner may read is handed over as it is; no other."""
    path = net.dir / "keys.sa"
    path.write_text("# two\n(sa (peer 192.0.2.7)\n (auth-in 0x01))\n(sa (peer 192.0.2.8))\n")
    with daemon(net) as fake:
        path.chmod(0o600)
        asked, done = ask(fake, ["sa-add", path])
        assert asked == ["(sa.add (peer 192.0.2.7) (auth-in 0x01))", "(sa.add (peer 192.0.2.8))"]
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        for mode in 0o640, 0o606, 0o700 | 0o010:
            path.chmod(mode)
            asked, done = ask(fake, ["sa-add", path])
            assert (asked, done.returncode) == ([], REFUSED), done
            assert f"mode {mode:04o} lets others at its keys, expected 0600" in done.stderr
        path.chmod(0o600)
        for text, error in (("(vnet (id 97))", "1: expected (sa (peer ADDRESS) ..)"),
                            ("(sa (peer 192.0.2.7)", "1: the file ends inside a form"),
                            ("\n)", "2: unexpected ')'")):
            path.write_text(text)
            asked, done = ask(fake, ["sa-add", path])
            assert (asked, done.returncode) == ([], REFUSED), done
            assert done.stderr == f"vn: {path}:{error}\n", done
        _, done = ask(fake, ["sa-add", net.dir])
        assert (done.returncode, done.stderr) == \
            (REFUSED, f"vn: {net.dir}: no regular file, expected one of (sa ..) forms\n"), done


def test_argument_with_spaces(net):
    with daemon(net) as fake:
        asked, _ = ask(fake, ["vnet-delete", 'a "b" (c)\\'])
        assert asked == ['(vnet.del (vnet "a \\"b\\" (c)\\\\"))'], asked


def test_interface(net):
    """vif-add -i takes the address of a device, in each of its spellings."""
    with daemon(net) as fake:
        for option in "-i", "--interface", "-interface":
            asked, done = ask(fake, ["vif-add", option, "97", "nosuchdevice0"])
            assert (asked, done.returncode) == ([], REFUSED), done
            assert done.stderr == "vn: nosuchdevice0: No such device\n", done
        net.underlay.ip("link", "add", "veth0", "address", "02:00:00:00:00:05", "type", "veth",
                        "peer", "name", "veth1")
        for args in (["-i", "97", "veth0"], ["97", "-interface", "veth0"]):
            fake.requests.clear()
            net.underlay.run(VN, "--socket", fake.path, "vif-add", *args)
            assert fake.requests == ["(vif.add (vnet 97) (vmac 02:00:00:00:00:05))"], fake.requests
        done = net.underlay.run(VN, "--socket", fake.path, "vif-add", "-i", "97", "lo", check=False)
        assert (done.returncode, done.stderr) == (REFUSED, "vn: lo: not an Ethernet device\n"), done


VNET = f"(vnet (id {ID}) (vnetif vnif0097) (security conf) (suite aes128-sha1) (key default) " \
    "(key_id 0123abcd) (public yes) (vni 151) (mtu 1392) (members 2) (address 10.0.0.1/24) " \
    "(vnif (name vnif0097) (vmac 02:00:00:00:00:01) (up yes) (addr 10.0.0.1/24) (bridge br0) " \
    '(interfaces eth1 vnif0097)) (problem "no key"))'
PEER = "(vnet_peer (addr 192.0.2.2) (port 1798) (tx_packets 18446744073709551615) " \
    "(rx_packets 7) (host 00000000000000ff) (name -) (state up) (rtt_us 300) " \
    "(association (key default) (suite aes128-sha1) (vnets 1) (age 5)))"
OUTPUTS = [
    # arguments, answer, S-expressions, JSON
    ("vnets -l", VNET,
     f"(vnet (id {ID}) (vnetif vnif0097) (security conf) (suite aes128-sha1) (key default) "
     "(key_id 0123abcd) (public yes) (vni 151) (mtu 1392) (members 2) (address 10.0.0.1/24)\n"
     "    (vnif (name vnif0097) (vmac 02:00:00:00:00:01) (up yes) (addr 10.0.0.1/24) (bridge br0) "
     '(interfaces eth1 vnif0097))\n    (problem "no key"))\n',
     [{"type": "vnet", "id": ID, "vnetif": "vnif0097", "security": "conf", "suite": "aes128-sha1",
       "key": "default", "key_id": "0123abcd", "public": True, "vni": 151, "mtu": 1392,
       "members": 2, "address": ["10.0.0.1/24"],
       "vnif": {"name": "vnif0097", "vmac": "02:00:00:00:00:01", "up": True,
                "addr": ["10.0.0.1/24"], "bridge": "br0", "interfaces": ["eth1", "vnif0097"]},
       "problem": ["no key"]}]),
    ("vnifs", VNET,
     "(vnif (name vnif0097) (vmac 02:00:00:00:00:01) (up yes) (addr 10.0.0.1/24) (bridge br0) "
     "(interfaces eth1 vnif0097))\n",
     [{"type": "vnif", "name": "vnif0097", "vmac": "02:00:00:00:00:01", "up": True,
       "addr": ["10.0.0.1/24"], "bridge": "br0", "interfaces": ["eth1", "vnif0097"]}]),
    ("peers", PEER,
     "(vnet_peer (addr 192.0.2.2) (port 1798) (tx_packets 18446744073709551615) "
     "(rx_packets 7) (host 00000000000000ff) (name -) (state up) (rtt_us 300)\n"
     "    (association (key default) (suite aes128-sha1) (vnets 1) (age 5)))\n",
     [{"type": "vnet_peer", "addr": "192.0.2.2", "port": 1798, "tx_packets": 18446744073709551615,
       "rx_packets": 7, "host": "00000000000000ff", "name": "-", "state": "up", "rtt_us": 300,
       "association": [{"key": "default", "suite": "aes128-sha1", "vnets": 1, "age": 5}]}]),
    ("vifs", f"(viftable (vifs 1) (ttl 60)) (vif (vnet {ID}) (vmac 02:00:00:00:00:01) (age 3))",
     f"(viftable (vifs 1) (ttl 60))\n(vif (vnet {ID}) (vmac 02:00:00:00:00:01) (age 3))\n",
     [{"type": "viftable", "vifs": 1, "ttl": 60},
      {"type": "vif", "vnet": ID, "vmac": "02:00:00:00:00:01", "age": 3}]),
    ("bridges -l", "(bridge (name br0) (interfaces)) (bridge (name br1) (interfaces eth1))",
     "(bridge (name br0) (interfaces))\n(bridge (name br1) (interfaces eth1))\n",
     [{"type": "bridge", "name": "br0", "interfaces": []},
      {"type": "bridge", "name": "br1", "interfaces": ["eth1"]}]),
    ("keys", '(key (name office) (id -) (vnets 0) (problem "office.psk: \\"x\\\\\\""))',
     '(key (name office) (id -) (vnets 0) (problem "office.psk: \\"x\\\\\\""))\n',
     [{"type": "key", "name": "office", "id": "-", "vnets": 0, "problem": ['office.psk: "x\\"']}]),
    ("peers", "", "", []),
    ("varp", "(varp (device vnif0097) (port 1798))", "(varp (device vnif0097) (port 1798))\n",
     [{"type": "varp", "device": ["vnif0097"], "port": 1798}]),
    # what the table of keys does not know
    ("varp", "(ventry (ref many) (new 1 2) (twice a) (twice b) (none) (queue))",
     "(ventry (ref many) (new 1 2) (twice a) (twice b) (none) (queue))\n",
     [{"type": "ventry", "ref": "many", "new": ["1", "2"], "twice": ["a", "b"], "none": {},
       "queue": {}}]),
]


def test_outputs(net):
    """S-expressions and JSON; -j before and behind."""
    with daemon(net) as fake:
        for command, answer, text, value in OUTPUTS:
            _, done = ask(fake, command.split(), answer + "(ok)\n")
            assert (done.returncode, done.stdout, done.stderr) == (0, text, ""), (command, done)
            for args in (["-j", *command.split()], [*command.split(), "--json"]):
                _, done = ask(fake, args, answer + "(ok)\n")
                assert done.returncode == 0 and json.loads(done.stdout) == value, (args, done)


def test_vnets_all(net):
    """vnets -a VNET prints only the vifs and entries of that vnet."""
    other = ID.replace("97", "98")
    entries = f"(viftable (vifs 2) (ttl 60)) (vif (vnet {other})) (vif (vnet {ID}))(ok)\n"
    with daemon(net) as fake:
        _, done = ask(fake, ["vnets", "-a", "97"], f"(vnet (id {ID}))(ok)", entries, entries)
        assert done.stdout.count(other) == 0 and done.stdout.count(ID) == 3, done
        _, done = ask(fake, ["vnets", "-a", "-j"], f"(vnet (id {ID}))(ok)", entries, entries)
        assert len(json.loads(done.stdout)) == 7, done


STATUS = "(status (version 0.1) (pid 12) (host 00000000000000ff) (uptime 7384) (port 1798) " \
    "(process (role priv) (pid 13) (restarts 0) (sandbox seccomp)) " \
    "(process (role engine) (pid 14) (restarts 2)) (crypto openssl) " \
    '(ports "udp 1798") (ports "udp 1801") ' \
    "(offload (mode auto) (state running) (reason barred) (paths 1) (flows 2) (sources 1)) " \
    '(ability (name vxlan) (able yes)) (ability (name aes128gcm) (able no) (reason "no esp")))'
STATUS_TEXT = """\
version       0.1
pid           12
host          00000000000000ff
uptime        2 h 3 min
port          1798
crypto        openssl
ports         udp 1798
              udp 1801

PROCESS  PID  RESTARTS  SANDBOX
priv      13         0  seccomp
engine    14         2  -

offload       auto: running, associations 1, flows 2; barred

KERNEL     ABLE  REASON
vxlan      yes   -
aes128gcm  no    no esp
"""
STATS = '(counter (name rx) (value 12345) (help "packets")) (counter (name bad_icv) (value 1) ' \
    '(help "dropped"))'


def test_status_and_stats(net):
    with daemon(net) as fake:
        _, done = ask(fake, ["status"], STATUS + "(ok)")
        assert done.stdout == STATUS_TEXT, done.stdout
        _, done = ask(fake, ["status", "-j"], STATUS + "(ok)")
        (status,) = json.loads(done.stdout)
        assert status["process"][1] == {"role": "engine", "pid": 14, "restarts": 2}
        assert status["ports"] == ["udp 1798", "udp 1801"] and status["uptime"] == 7384
        _, done = ask(fake, ["stats"], STATS + "(ok)")
        assert done.stdout == "rx       12345  packets\nbad_icv      1  dropped\n", done.stdout
        _, done = ask(fake, ["stats", "-j"], STATS + "(ok)")
        assert json.loads(done.stdout)[0] == {"type": "counter", "name": "rx", "value": 12345,
                                              "help": "packets"}


def sa(suite, enc="", auth="", salt="", src="192.0.2.1", dst="192.0.2.2"):
    keys = "".join(f"({k} {v})" for k, v in
                   (("enc_key", enc), ("salt", salt), ("auth_key", auth)) if v)
    return f"(sa (direction out) (spi 0x0000abcd) (src {src}) (dst {dst}) (sport 1798) " \
        f"(dport 1798) (suite {suite}) (key default) (state up) (esn yes) (seq 9) (window 4096) " \
        f"(packets 8) (bytes 7) (age 6) {keys})"


SHA1, SHA256 = 20 * "a1", 32 * "a2"
SAS = [
    (sa("null-sha1", auth=SHA1), "NULL", "", "HMAC-SHA-1-96 [RFC2404]", SHA1),
    (sa("aes128-sha1", 16 * "e1", SHA1), "AES-CBC [RFC3602]", 16 * "e1",
     "HMAC-SHA-1-96 [RFC2404]", SHA1),
    (sa("null-sha256", auth=SHA256), "NULL", "", "HMAC-SHA-256-128 [RFC4868]", SHA256),
    (sa("aes128-sha256", 16 * "e1", SHA256), "AES-CBC [RFC3602]", 16 * "e1",
     "HMAC-SHA-256-128 [RFC4868]", SHA256),
    (sa("aes128gcm", 16 * "e1", salt=4 * "5a"), "AES-GCM with 16 octet ICV [RFC4106]",
     16 * "e1" + 4 * "5a", "NULL", ""),
    (sa("aes256gcm", 32 * "e1", salt=4 * "5a"), "AES-GCM with 16 octet ICV [RFC4106]",
     32 * "e1" + 4 * "5a", "NULL", ""),
]
SAS_TABLE = """\
DIR  SPI         SOURCE     DESTINATION  SUITE      KEY      STATE  SEQUENCE  PACKETS  BYTES  AGE
out  0x0000abcd  192.0.2.1  192.0.2.2    null-sha1  default  up            9        8      7    6
"""


def test_sas_formats(net):
    answer = "".join(s[0] for s in SAS) + "(ok)\n"
    with daemon(net) as fake:
        _, done = ask(fake, ["sas"], SAS[0][0] + "(ok)\n")
        assert done.stdout == SAS_TABLE, done.stdout
        _, done = ask(fake, ["sas", "--keys"], answer)
        expected = [f'"IPv4","192.0.2.1","192.0.2.2","0x0000abcd","{enc}","{"0x" * bool(key)}{key}",'
                    f'"{auth}","{"0x" * bool(auth_key)}{auth_key}"'
                    for _, enc, key, auth, auth_key in SAS]
        assert done.stdout.splitlines() == expected, done.stdout
        _, done = ask(fake, ["sas", "--keys"], answer.replace("key e", "key 0xe")
                      .replace("key a", "key 0xa").replace("salt ", "salt 0x"))
        assert done.stdout.splitlines() == expected, done.stdout
        _, done = ask(fake, ["sas", "--keys", "--format", "sxp"], answer)
        assert done.stdout.count("(auth_key " + SHA1) == 2, done.stdout
        _, done = ask(fake, ["sas", "--keys", "-j"], answer)
        assert json.loads(done.stdout)[4]["salt"] == "5a5a5a5a", done.stdout
        _, done = ask(fake, ["sas", "--keys"],
                      sa("null-sha1", auth='"x\\"$(reboot)"', src="2001:db8::1") + "(ok)\n")
        assert done.stdout.startswith('"IPv6",') and "reboot" not in done.stdout, done.stdout


def sealed(line):
    """An ESP packet of the SA that a line of esp_sa describes, made by scapy."""
    from scapy.layers.inet import IP, UDP       # takes a second to load
    from scapy.layers.ipsec import ESP, SecurityAssociation
    _, src, dst, spi, enc, enc_key, auth, auth_key = next(csv.reader([line]))
    algorithms = {"NULL": "NULL", "AES-CBC [RFC3602]": "AES-CBC",
                  "AES-GCM with 16 octet ICV [RFC4106]": "AES-GCM",
                  "HMAC-SHA-1-96 [RFC2404]": "HMAC-SHA1-96",
                  "HMAC-SHA-256-128 [RFC4868]": "SHA2-256-128"}
    sa_ = SecurityAssociation(
        ESP, int(spi, 16), crypt_algo=algorithms[enc], crypt_key=bytes.fromhex(enc_key[2:]) or None,
        auth_algo=algorithms[auth], auth_key=bytes.fromhex(auth_key[2:]) or None)
    return sa_.encrypt(IP(src=src, dst=dst) / UDP(sport=1800, dport=1800) / b"one frame")


def test_sas_for_wireshark(net):
    """Wireshark opens packets of every suite with what `sas --keys` prints."""
    need("tshark")
    from scapy.utils import wrpcap
    with daemon(net) as fake:
        _, done = ask(fake, ["sas", "--keys"], "".join(s[0] for s in SAS) + "(ok)\n")
    for line in done.stdout.splitlines():
        wrpcap(str(net.dir / "esp.pcap"), [sealed(line)])
        judged = run(["tshark", "-o", f"uat:esp_sa:{line}", "-o", "esp.enable_encryption_decode:TRUE",
                      "-o", "esp.enable_authentication_check:TRUE",
                      "-r", net.dir / "esp.pcap", "-T", "fields", "-e", "udp.dstport",
                      "-e", "esp.icv_good"])
        assert judged.stdout.split() == ["1800", "1"], (line, judged)


def test_sas_for_the_kernel(net):
    """Every line of `sas --keys --format ip-xfrm` is one that ip takes, where the kernel has ESP."""
    with daemon(net) as fake:
        _, done = ask(fake, ["sas", "--keys", "--format", "ip-xfrm"],
                      "".join(s[0] for s in SAS) + SAS[1][0].replace("(window 4096)", "") + "(ok)\n")
    lines = done.stdout.splitlines()
    assert lines[6] == lines[1].replace("4096", "32"), lines
    assert lines[1] == ("ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x0000abcd "
                        f"mode transport auth-trunc 'hmac(sha1)' 0x{SHA1} 96 enc 'cbc(aes)' "
                        f"0x{16 * 'e1'} encap espinudp 1798 1798 0.0.0.0 flag esn "
                        "replay-window 4096"), lines
    assert f" aead 'rfc4106(gcm(aes))' 0x{16 * 'e1'}5a5a5a5a 128 encap " in lines[4], lines
    for line in lines:
        judged = net.underlay.run("sh", "-c", line, check=False)
        # The kernel may have no ESP; what ip itself does not understand is an error of ours.
        no_esp = "not found.", "RTNETLINK answers: Function not implemented"
        assert not judged.returncode or judged.stderr.strip().endswith(no_esp), (line, judged)
        net.underlay.run("ip", "xfrm", "state", "flush")


WRONG = [
    ([], "vn: vn: expected a command"),
    (["frobnicate"], "vn: frobnicate: unknown command"),
    (["--frob", "vnets"], 'vn: vn: unknown option "--frob"'),
    (["-x", "vnets"], 'vn: vn: unknown option "-x"'),
    (["vnets", "-x"], 'vn: vnets: unknown option "-x"; see "vn help vnets"'),
    (["vnets", "-aX"], 'vn: vnets: unknown option "-X"'),
    (["vnets", "--frob"], 'vn: vnets: unknown option "--frob"'),
    (["peer-add", "a", "-p"], 'vn: peer-add: no argument after option "-p"'),
    (["peer-add", "a", "--port"], 'vn: peer-add: no argument after option "--port"'),
    (["peer-add"], "vn: peer-add: expected HOST"),
    (["vif-add", "97"], "vn: vif-add: expected VNET MAC"),
    (["vif-add", "97", "xyz"], "vn: xyz: expected a MAC address"),
    (["peer-add", "a", "b"], 'vn: peer-add: unexpected "b"'),
    (["vnet-set", "97"], "vn: 97: expected what to change"),
    (["vnet-create", "xyz"], "vn: xyz: No such file or directory; expected a vnet id"),
    (["vnet-create", "12345"], "vn: 12345: No such file or directory; expected a vnet id"),
    (["sas", "--format", "pcap"], "vn: pcap: unknown format; expected table, wireshark"),
    (["sas", "--format", "wireshark"], "vn: wireshark: this format is of keys"),
    (["insmod", "debug=1"], "vn: debug=1: expected varp_mcaddr=ADDR"),
    (["help", "frob"], "vn: frob: unknown command"),
    (["vnet-create", "97"] + 9 * ["--address", "10.0.0.1/24"], "vn: 10.0.0.1/24: expected at most 8"),
]


def test_usage(net):
    with daemon(net) as fake:
        for args, message in WRONG:
            asked, done = ask(fake, args)
            assert (done.returncode, done.stdout, asked) == (USAGE, "", []), (args, done)
            assert done.stderr.startswith(message) and done.stderr.count("\n") == 1, (args, done)


def test_refused(net):
    with daemon(net) as fake:
        for code, status in ("refused", REFUSED), ("internal", REFUSED), ("usage", USAGE):
            _, done = ask(fake, ["vnet-delete", "97"],
                          f'(error (object 97) (reason "no such vnet") (code {code}))\n')
            assert (done.returncode, done.stderr) == (status, "vn: 97: no such vnet\n"), done
        _, done = ask(fake, ["-j", "peers"], PEER + '(error (object "") (reason ""))')
        assert (done.returncode, done.stdout) == (REFUSED, ""), done
        assert done.stderr == "vn: vnetd: refused without a reason\n", done


def test_full_disk(net):
    with daemon(net) as fake, open("/dev/full", "w", encoding="ascii") as full:
        fake.replies[:] = [PEER + "(ok)"]
        done = subprocess.run([VN, "--socket", fake.path, "peers"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=20)
        assert done.returncode == REFUSED and "No space left" in done.stderr, done


def test_terminal_is_safe(net):
    """What the daemon says is printable, whatever it was."""
    nasty = b'\x1b]0;owned\x07 \xc2\x9b2J \x00\r\n'
    with daemon(net) as fake:
        _, done = ask(fake, ["peers"], b'(vnet_peer (name "' + nasty + b'"))(ok)')
        assert done.stdout == '(vnet_peer (name "<1b>]0;owned<07> <c2><9b>2J <00>  "))\n', done
        _, done = ask(fake, ["peers", "-j"], b'(vnet_peer (name "' + nasty + b'"))(ok)')
        assert json.loads(done.stdout)[0]["name"] == "<1b>]0;owned<07> <c2><9b>2J <00>  ", done
        _, done = ask(fake, ["status"], b'(status (' + nasty.strip() + b' "' + nasty + b'"))(ok)')
        assert all(" " <= c <= "~" or c == "\n" for c in done.stdout), done
        _, done = ask(fake, ["peers"], b'(error (object "' + nasty + b'") (reason "a\nb"))')
        assert done.stderr == "vn: <1b>]0;owned<07> <c2><9b>2J <00>  : a b\n", done


BROKEN = [
    (None, "closed the connection"),
    ("(vnet_peer", "closed the connection"),
    (PEER, "closed the connection"),
    ("hello", "answered with something else: expected '(', found 'h'"),
    (")", "answered with something else: unexpected ')'"),
    ("(" * 64, "answered with something else: lists nested deeper"),
    ("(a " + "x" * (2 << 20) + ")", "answered with something else: expression longer"),
]


def test_broken_answers(net):
    """An answer that is cut off or garbage is exit status 3, and no half of a JSON array."""
    with daemon(net) as fake:
        for reply, message in BROKEN:
            for args in ["peers"], ["peers", "-j"], ["vnets"], ["stats"]:
                _, done = ask(fake, args, reply)
                assert done.returncode == GONE, (reply and reply[:50], args, done)
                assert message in done.stderr and done.stderr.count("\n") == 1, done
                if "-j" in args:
                    assert done.stdout == "", done


@case(limit=60)
def test_no_answer(net):
    """A daemon that hangs is told after ten seconds, one that trickles too."""
    stopped = threading.Event()

    def trickle(listener):
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            while not stopped.wait(1):
                connection.send(b"(")
                connection.send(b")")
                connection.send(b"(a")
                stopped.wait(30)

    path = net.dir / "slow.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=trickle, args=(listener,), daemon=True)
        thread.start()
        done = run([VN, "--socket", path, "vnets"], check=False)
        stopped.set()
        thread.join()
    assert done.returncode == GONE and "did not answer within 10 seconds" in done.stderr, done


def test_no_daemon(net):
    path = net.dir / "none.sock"
    start = f'vn: {path}: no vnetd is running; start it with "systemctl start vnetd" ' \
        'or "vnetd --daemon"\n'
    done = run([VN, "--socket", path, "vnets"], check=False)
    assert (done.returncode, done.stderr) == (GONE, start), done
    done = run([VN, "vnets"], check=False, env={**os.environ, "VNET_SOCKET": str(path)})
    assert (done.returncode, done.stderr) == (GONE, start), done
    with daemon(net) as fake:
        pass
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.close()
    done = run([VN, "--socket", path, "vnets"], check=False)
    assert (done.returncode, done.stderr) == (GONE, start), done
    assert not fake.path.exists()
    done = run([VN, "--socket", "x" * 200, "vnets"], check=False)
    assert done.returncode == GONE and "File name too long" in done.stderr, done


def test_no_permission(net):
    with daemon(net) as fake:
        fake.path.chmod(0o660)
        program = net.dir / "vn"        # where nobody can read it
        shutil.copy(VN, program)
        done = run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                    program, "--socket", fake.path, "vnets"], check=False)
        assert done.returncode == GONE, done
        assert done.stderr == f"vn: {fake.path}: permission denied; expected root or a member of " \
            "group vnet\n", done


FILE = """# as in the original
(vnet (id 97) (bridge vnet97)
      (vnetif vnif97) (security none))   # one
(vnet (id 98) (security conf))
"""


def test_create_from_file(net):
    path = net.dir / "vnets"
    path.write_text(FILE)
    with daemon(net) as fake:
        asked, done = ask(fake, ["vnet-create", path])
        assert done.returncode == 0 and asked == [
            "(vnet.add (id 97) (bridge vnet97) (vnetif vnif97) (security none))",
            "(vnet.add (id 98) (security conf))"], (asked, done)
        asked, done = ask(fake, ["vnet-create", path], '(error (object 97) (reason "no"))')
        assert (done.returncode, len(asked)) == (REFUSED, 1), done
        _, done = ask(fake, ["vnet-create", "-s", "conf", path])
        assert done.returncode == USAGE and "no options with a file" in done.stderr, done
        for text, message in (
                ("(vnet (id 97))\n(vnet (id 98)\n  (securty conf))", ":3: expected (KEY VALUE), KEY"),
                ("(vnet 97)", ":1: expected (KEY VALUE)"),
                ("\n(peer (addr a))", ":2: expected (vnet (id ID) ..)"),
                ("(vnet (id 97)", ":1: the file ends inside a form"),
                ("vnet 97", ":1: expected '(', found 'v'")):
            path.write_text(text)
            _, done = ask(fake, ["vnet-create", path])
            assert done.returncode == REFUSED, (text, done)
            assert done.stderr.startswith(f"vn: {path}{message}"), (text, done)
        _, done = ask(fake, ["vnet-create", net.dir])
        assert done.returncode == REFUSED and "Is a directory" in done.stderr, done


def help_commands():
    text = run([VN, "help"]).stdout
    return {m[1] for m in re.finditer(r"^    ([a-z][a-z-]+) ", text, re.M)}


def test_help(net):
    """Help says all: each command, each with its options and an example; the manual says the same."""
    text = run([VN, "help"]).stdout
    assert run([VN, "--help"]).stdout == run([VN, "-h"]).stdout == text
    assert max(map(len, text.splitlines())) <= 80, text
    manual = (ROOT / "man" / "vn.8").read_text()
    in_manual = re.split(r"^\.Sh ", manual, flags=re.M)
    commands = next(s for s in in_manual if s.startswith("COMMANDS"))
    documented = {}
    for block in re.split(r"^\.It Nm vn Cm |^\.It Cm ", commands, flags=re.M)[1:]:
        name = block.split()[0]
        documented[name] = {m[1] for m in re.finditer(r"^\.It .*Fl -([a-z-]+)", block, re.M)}
    assert set(documented) == help_commands(), set(documented) ^ help_commands()
    for command in help_commands():
        text = run([VN, "help", command]).stdout
        assert text.startswith(f"usage: vn {command}") and "\nExample: vn " in text, text
        assert run([VN, command, "--help"]).stdout == run([VN, "-h", command]).stdout == text
        options = set(re.findall(r"^    .*--([a-z-]+)", text, re.M))
        assert options == documented[command], (command, options, documented[command])
    assert re.match(r"vn \d", run([VN, "--version"]).stdout)


def test_manual_is_clean(net):
    need("mandoc")
    for page in "vn.8", "vnetd.conf.5":
        done = run(["mandoc", "-T", "lint", "-W", "warning", ROOT / "man" / page], check=False)
        assert done.returncode == 0, done.stdout


FAKE_PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >>"$LOG"
[ "${0##*/}" != modprobe ] || [ "$2" != esp4 ]
"""


def test_insmod(net):
    """Modules, then vnetd with the group, in the run directory of the socket."""
    programs, log = net.dir / "bin", net.dir / "log"
    programs.mkdir()
    shutil.copy(VN, programs / "vn")
    for name in "modprobe", "vnetd":
        (programs / name).write_text(FAKE_PROGRAM)
        (programs / name).chmod(0o755)
    env = {**os.environ, "LOG": str(log), "PATH": f"{programs}:/usr/bin:/bin",
           "VNET_SOCKET": str(net.dir / "vnetd.sock")}
    argv = [programs / "vn", "insmod", "varp_mcaddr=224.10.0.2", "--legacy-vnets"]

    (programs / "vnetd").write_text("#!/bin/sh\necho vnetd $* >>$LOG\nexit 4\n")
    done = run(argv, check=False, env=env)
    assert done.returncode == REFUSED and "did not start: exit status 4" in done.stderr, done
    assert log.read_text().splitlines() == [
        *(f"modprobe -q {m}" for m in ("tun", "vxlan", "esp4", "esp6", "xfrm_user", "cls_bpf")),
        f"vnetd --daemon --run-dir {net.dir} -a 224.10.0.2"], log.read_text()
    assert "vn: esp4: this kernel has no such module" in done.stderr, done

    with daemon(net) as fake:
        log.unlink()
        done = run(argv, check=False, env=env)
        assert done.returncode == 0 and "vnetd" not in log.read_text(), done
        assert fake.requests == ["(varp.mcaddr (addr 224.10.0.2))", "(vnet.add (id 2))",
                                 "(vnet.add (id 3))", "(vnet.add (id 4))"], fake.requests
    done = run(argv, check=False, env={**env, "VNET_SOCKET": str(net.dir / "x.sock")})
    assert done.returncode == USAGE and "expected DIRECTORY/vnetd.sock" in done.stderr, done


COMPLETE = """
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)) COMP_LINE="${*:2}" COMP_POINT=${#COMP_LINE}
_vn vn "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(fake, *words, replies=()):
    """What bash offers for the last word."""
    fake.replies[:] = replies
    done = run(["bash", "-c", COMPLETE, "bash", ROOT / "etc/bash-completion/vn", *words],
               env={**os.environ, "PATH": f"{BUILD}:/usr/bin:/bin", "VNET_SOCKET": str(fake.path)})
    assert done.stderr == "", done.stderr
    return sorted(done.stdout.split())


def test_completion(net):
    need("bash")
    vnets = f"(vnet (id {ID}) (vnetif lan)) (ok)"
    with daemon(net) as fake:
        assert complete(fake, "vn", "") == sorted(help_commands())
        assert complete(fake, "vn", "-j", "vnet-c") == ["vnet-create"]
        assert complete(fake, "vn", "--so") == ["--socket"]
        assert "--suite" in complete(fake, "vn", "vnet-create", "--")
        assert "--json" in complete(fake, "vn", "vnet-create", "--")
        assert complete(fake, "vn", "vnet-create", "-s", "") == ["auth", "conf", "none"]
        assert complete(fake, "vn", "vnet-create", "--suite", "aes256") == ["aes256gcm"]
        assert complete(fake, "vn", "sas", "--format", "w") == ["wireshark"]
        assert complete(fake, "vn", "help", "key-r") == ["key-reload", "key-retire"]
        assert complete(fake, "vn", "vnet-delete", "", replies=[vnets]) == [ID, "lan"]
        assert complete(fake, "vn", "vnet-delete", "0000:0", replies=[vnets]) == [ID]
        assert complete(fake, "vn", "vnets", "-l", "la", replies=[vnets]) == ["lan"]
        assert complete(fake, "vn", "vif-delete", "97", "02", replies=[
            f"(vif (vnet {ID}) (vmac 02:00:00:00:00:01)) (ok)"]) == ["02:00:00:00:00:01"]
        assert complete(fake, "vn", "peer-delete", "", replies=[
            "(vnet_peer (addr 192.0.2.2) (name gate)) (ok)"]) == ["192.0.2.2", "gate"]
        assert complete(fake, "vn", "vnet-create", "-k", "", replies=[
            "(key (name office)) (ok)"]) == ["office"]
        assert complete(fake, "vn", "key-retire", "off", replies=[
            "(key (name office)) (ok)"]) == ["office"]
        assert complete(fake, "vn", "vnet-create", "-b", "", replies=[
            "(bridge (name br0)) (ok)"]) == ["br0"]
    assert complete(fake, "vn", "vnet-delete", "") == []
    assert complete(fake, "vn", "peer-delete", "x") == []
