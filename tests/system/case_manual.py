# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual pages and the unit tell the truth: examples are run, options and counters compared.

An example is a literal block of commands behind a prompt, "a# COMMAND": typed on host a. Hosts a
and b are on one subnet, c is behind a router. Their /etc, /run and /var/lib are their own, so that
commands run as they stand. The cases of a page are vnet_1, vnet_2 and so on, in its order.
"""

import functools
import grp
import os
import pwd
import re
import shutil

from harness import ROOT
from vnettest import BUILD, Skip, case, need, run, wait_until

PAGES = {path.name: path.read_text() for path in sorted((ROOT / "man").glob("*.[1-9]"))}
BLOCK = re.compile(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", re.M)
PATIENT = ("ping",)     # a LAN comes up within seconds


def plain(text):
    """Without roff's escapes."""
    for escape, char in (r"\(dq", '"'), (r"\e", "\\"), (r"\-", "-"), (r"\&", ""):
        text = text.replace(escape, char)
    return text


def blocks(page):
    return [plain(block) for block in BLOCK.findall(PAGES[page])]


def one_liners(page):
    return [plain(line) for line in re.findall(r"^\.Dl (.*)$", PAGES[page], re.M)]


# Examples

PRIVATE = """
    mount -t tmpfs none {dir}
    mkdir -p {dir}/etc/upper {dir}/etc/work {dir}/lib/upper {dir}/lib/work
    cd {dir}
    mount -t overlay -o lowerdir=/etc,upperdir=etc/upper,workdir=etc/work none /etc
    mount -t overlay -o lowerdir=/var/lib,upperdir=lib/upper,workdir=lib/work none /var/lib
    mount -t tmpfs none /run
    mkdir -p /etc/vnet
    touch {ready}
    exec sleep infinity
"""


class Typist:
    """Somebody at a host."""

    def __init__(self, host):
        self.host, private, ready = host, host.dir / "private", host.dir / "ready"
        private.mkdir()
        self.holder = host.spawn("unshare", "-m", "sh", "-ec",
                                 PRIVATE.format(dir=private, ready=ready))
        wait_until(lambda: ready.exists() or self.holder.poll() is not None, 5, "own directories")
        if not ready.exists():
            raise Skip("directories cannot be overlaid here")

    def run(self, command, check=True, **options):
        inside = ["nsenter", "-t", self.holder.pid, "-m", "-n", f"--wd={self.host.dir}"]
        environment = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}",
                       "HOME": str(self.host.dir)}
        return run([*inside, "sh", "-c", command], check, env=environment, **options)

    def type(self, command, typists):
        if command.startswith("scp "):
            self.copy(*command.split()[1:], typists)
        elif command.startswith(PATIENT):
            wait_until(lambda: self.run(command), 15, command)
        else:
            need(command.split()[0] if command.startswith("tcpdump") else "sh")
            self.run(command)

    def copy(self, source, target, typists):
        """scp: with the mode it has there, owned by root."""
        name, _, path = target.partition(":")
        assert path.endswith("/"), target
        text = self.run(f"cat {source}").stdout
        typists[name].run(f"install -m 600 /dev/stdin {path}{os.path.basename(source)}", input=text)


def play(commands, net):
    """Types the commands of one example; at the end the logs are kept for the driver."""
    for segment in "u", "v":
        net.segment(segment)
    typists = {name: Typist(net.host(name, segment)) for name, segment in zip("abc", "uuv")}
    net.router("u", "v")
    try:
        for host, command in commands:
            typists[host].type(command, typists)
    finally:
        for typist in typists.values():
            log = typist.run("cat /run/vnet*/vnetd.log", check=False).stdout
            typist.host.log_path.write_text(log)


def commands_of(page):
    """[[(host, command), ..], ..]; lines behind a backslash belong to the one before."""
    for block in blocks(page):
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        typed = [re.fullmatch(r"([abc])# (.+)", line) for line in lines]
        if any(typed):
            assert all(typed), f"{page}: not all are commands:\n{block}"
            yield [match.groups() for match in typed]


for _page in PAGES:
    for _number, _commands in enumerate(commands_of(_page), 1):
        _name = f"test_{_page.partition('.')[0]}_{_number}"
        globals()[_name] = case(limit=60)(functools.partial(play, _commands))


def test_forms(net):
    """Every form of vnetd.conf(5) and every file for vnet-create is one that vnetd reads."""
    forms = [line for page in ("vnetd.conf.5", "vnetd.8") for line in one_liners(page)
             if line.startswith("(")]
    forms += [block for page in ("vnetd.conf.5", "vn.8") for block in blocks(page)
              if re.match(r"(#.*\n)?\(vnet \(id \d", block)]
    assert len(forms) > 15, forms
    for form in forms:
        path = net.dir / "form.conf"
        path.write_text(form)
        done = run([BUILD / "vnetd", "-n", "-f", path], check=False)
        assert done.returncode == 0, f"{form}\n{done.stderr}"


# What must be there before a one-line example is typed: (its beginning, commands, which may fail).
OFFICE = "rm -f /etc/vnet/keys/office*; vn key-reload"
VNET = "vn vnet-delete -b 97; vn vnet-create -s conf -b vnet97 97"
SA = ("umask 077; printf '(sa (peer 192.0.2.7) (level auth) (spi-in 0x1001) (spi-out 0x1002) "
      f"(auth-in {'1' * 40}) (auth-out {'2' * 40}))' >~/gate.sa")
PEERS = ("gate.example.org", "-p 2798 gate.example.org", "192.0.2.9")
BEFORE = (
    ("vn insmod", "pid=$(cat /run/vnet/vnetd.pid); kill $pid; while kill -0 $pid; do sleep 0.1; done"),
    ("vn --socket /run/vnet2", "ln -sfn vnet /run/vnet2"),
    ("vn vnet-create", "vn vnet-delete -b 97; vn key-gen office"),
    ("vn vnet-set", f"{VNET}; vn key-gen office; ip link add br0 type bridge"),
    ("vn vnet-delete", VNET),
    ("vn vnets", VNET),
    ("vn -j vnets", VNET),
    ("vn vif-", f"{VNET}; ip link add tap0 type veth peer name tap1"),
    ("vn vif-delete -i", "vn vif-add -i 97 tap0"),
    ("vn peer-add", "; ".join(f"vn peer-delete {peer}" for peer in PEERS)),
    ("vn peer-delete", "; ".join(f"vn peer-add {peer}" for peer in PEERS)),
    ("vn sas", f"{VNET}; mkdir -p ~/.config/wireshark"),
    ("vn sa-add", f"{SA}; vn sa-delete 192.0.2.7"),
    ("vn sa-delete", f"{SA}; vn sa-add ~/gate.sa"),
    ("vn key-gen office", OFFICE),
    ("vn key-gen --replace office", f"{OFFICE}; vn key-gen office"),
    ("vn key-retire office", f"{OFFICE}; vn key-gen office; vn key-gen --replace office"),
)


@case(limit=120)
def test_one_liners(net):
    """Every one-line example of vn does what it says, after what it needs has been done."""
    need("jq")
    lines = [line for page in PAGES for line in one_liners(page) if line.startswith("vn ")]
    assert len(lines) > 50, lines
    typist = Typist(net.host("a"))
    typist.run("vnetd --daemon && echo 192.0.2.99 gate.example.org >>/etc/hosts")
    for line in lines:
        print(line, flush=True)
        for beginning, commands in BEFORE:
            if line.startswith(beginning):
                typist.run(commands, check=False)
        typist.run(line)


@case(limit=60)
def test_vnetd_one_liners(net):
    """Those of vnetd: it ends at once and well, or answers until it is told to end."""
    lines = [line for page in PAGES for line in one_liners(page) if line.startswith("vnetd ")]
    assert len(lines) > 10, lines
    typist = Typist(net.host("a"))
    typist.run("touch /etc/vnet/lab.conf")
    for line in lines:
        print(line, flush=True)
        run_dir = re.search(r"--run-dir (\S+)", line)
        base = f"{run_dir[1] if run_dir else '/run/vnet'}/vnetd"
        answers = f"vn --socket {base}.sock status"
        typist.run(f"rm -f ended; ({line}; echo $? >ended) &"
                   f" until [ -e ended ] || {answers}; do sleep 0.1; done;"
                   f" {answers} && pid=$(cat {base}.pid) && kill $pid &&"
                   " while kill -0 $pid; do sleep 0.1; done;"
                   " wait; exit $(cat ended)")


# Options and counters

def options(text):
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", text, re.I))


def items(text, macro):
    """[(head, body)] of the items of lists whose heads begin with that macro."""
    parts = re.split(rf"^\.It (?={macro} )", text, flags=re.M)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def flags(head):
    """-a and --long of ".It Fl a , Fl -long Ar X"."""
    return {f"-{name}" for name in re.findall(r"Fl (\S+)", plain(head))}


def test_vnetd_options(_net):
    text = run([BUILD / "vnetd", "-h"]).stdout.partition("\n\n")[2]
    # What stands behind two spaces explains.
    offered = {o for line in text.splitlines() for o in options(line.strip().partition("  ")[0])}
    described = PAGES["vnetd.8"].partition("The options are:")[2].partition("\n.Sh")[0]
    heads = items(described, "Fl")
    assert offered == {o for head, _ in heads for o in flags(head)}
    for head, body in heads:
        assert "Default:" in body and "\n.Dl vnetd " in body, head


def test_vn_options(_net):
    commands = set(re.findall(r"^    ([a-z][a-z-]*) ", run([BUILD / "vn", "help"]).stdout, re.M))
    section = PAGES["vn.8"].partition(".Sh COMMANDS")[2].partition("\n.Sh")[0]
    pages = {head.split()[1]: body for head, body in items(section, "Cm")}
    assert commands == set(pages), commands ^ set(pages)
    for name, body in pages.items():
        shown = run([BUILD / "vn", "help", name]).stdout
        offered = {o for line in re.findall(r"^    (-.*)$", shown, re.M) for o in options(line)}
        assert offered == {o for head, _ in items(body, "Fl") for o in flags(head)}, name
        for head, text in items(body, "Fl"):
            assert "Default:" in text and "\n.Dl vn " in text, f"{name} {head}"


@case(limit=30)
def test_counters(net):
    host = net.host("a")
    host.start()
    counters = {c["name"]: c["help"] for c in host.vn_json("stats")}
    section = PAGES["vnetd.8"].partition(".Sh COUNTERS")[2].partition("\n.Sh")[0]
    described = {head.split()[1]: body.partition("\n")[0] for head, body in items(section, "Cm")}
    lines = "".join(f".It Cm {name}\n{text}\n" for name, text in counters.items())
    assert described == counters, f"vnetd(8) should say:\n{lines}"


# The unit

@case(limit=40)
def test_unit(net):
    """With the capabilities, groups, devices and /proc that the unit leaves, vnetd does all it should."""
    unit = (ROOT / "etc" / "systemd" / "vnetd.service.in").read_text()
    caps = [name.lower() for line in re.findall(r"^CapabilityBoundingSet=(.*)", unit, re.M)
            for name in re.findall(r"CAP_(\w+)", line)]
    for line in "SupplementaryGroups=vnet", "ProcSubset=pid", "NoNewPrivileges=yes":
        assert f"\n{line}\n" in unit, line
    host = net.host("a")
    for sub, user in ("state", "_vnetpriv"), ("keys", "_vnetkeys"):     # as by tmpfiles.d
        shutil.chown(host.dir / sub, user, pwd.getpwnam(user).pw_gid)
        (host.dir / sub).chmod(0o700)
    setpriv = ["setpriv", "--no-new-privs", f"--groups={grp.getgrnam('vnet').gr_gid}",
               f"--bounding-set=-all,+{',+'.join(caps)}"]
    script = ('mount -t proc -o hidepid=invisible,subset=pid proc /proc && mount -t tmpfs none /dev/net &&'
              ' mknod -m 666 /dev/net/tun c 10 200 && exec "$@"')
    with open(host.log_path, "ab") as log:
        host.daemon = host.spawn("unshare", "-m", "sh", "-c", script, "sh", *setpriv,
                                 *host.vnetd_argv(), stdout=log, stderr=log)
    wait_until(lambda: host.vn("status"), 10, "vnetd answers")
    host.vn("vnet-create", "-s", "conf", "-b", "br0", "--address", "10.0.0.1/24", "97")
    host.vn("key-gen", "office")
    assert os.stat(host.dir / "run" / "vnetd.sock").st_gid == grp.getgrnam("vnet").gr_gid
    for role in "engine", "priv", "keys", "resolve":
        killed = host.kill(role)
        wait_until(lambda r=role, k=killed: host.roles()[r] != k, 5, f"{role} again")
        wait_until(lambda: host.vn("vnet-create", "98") and host.vn("vnet-delete", "98"), 5,
                   f"work after {role} was killed")
    assert host.stop() == 0
