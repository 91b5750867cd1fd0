# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with Debian's kernel, emulated, made for one command.

QEMU without KVM boots a kernel that apt-get fetches into build/vm (it is not installed) with an
archive of this machine's programs as its only disk. Needs no root.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile

from harness import ROOT

HERE = pathlib.Path(__file__).resolve().parent
CACHE = ROOT / "build" / "vm"
KERNEL = "linux-image-cloud-amd64"
MEMORY_MB = 1024
CPUS = ["-accel", "tcg,thread=multi", "-smp", "2"]
BROKEN = 125        # exit status when there was no machine, or it ended without one
PROGRAMS = ["/usr/bin/python3", "bridge", "busybox", "ethtool", "ip", "nft", "ping", "sh", "tc"]
TREES = ["system", "vm"]                    # of tests/
TESTS = ("tests/system/test_kernel",)       # of the build; one that is not there is no trouble
MODULES = (
    "virtio_pci", "virtio_console",                         # how it talks to us
    "8021q", "bridge", "dummy", "sch_netem", "tun", "veth", "vxlan",
    # ESP. What it finds by name when an SA is made depends on nothing.
    "esp4", "esp6", "esp4_offload", "xfrm_user", "authenc", "authencesn", "cbc", "crypto_null", "ctr", "drbg", "echainiv",
    "gcm", "ghash_generic", "aesni_intel", "jitterentropy_rng", "seqiv", "sha1_ssse3",
    "sha256_ssse3", "sha512_generic",
    # The kernel's path.
    "cls_bpf", "esp6", "nf_tables", "sch_ingress", "xfrm_algo",
)
# Large, and nothing here imports it.
NOT_OF_PYTHON = re.compile(r"/(__pycache__/.*\.opt-.*|config-|dist-packages|ensurepip|idlelib|"
                           r"lib2to3|pydoc_data|test|tests|tkinter|unittest)(/|$|\b)")


class Broken(Exception):
    """There can be no machine; the text says why."""


def output(*argv, **options):
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True,
                          **options).stdout


# The kernel

def kernel_package(*options):
    """The package that KERNEL means today; None when apt knows of none."""
    found = subprocess.run(["apt-cache", *options, "depends", "--important", KERNEL], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    match = re.search(r"Depends: (linux-image-[0-9]\S+)", found)
    return match and match[1]


def fetch_kernel():
    """Unpacks the package into CACHE."""
    CACHE.mkdir(parents=True, exist_ok=True)
    options = ["-o", "APT::Sandbox::User="]
    package = kernel_package(*options)
    if not package:         # lists of our own, where the machine has none
        lists, archives = CACHE / "lists", CACHE / "archives"
        for directory in lists, archives:
            (directory / "partial").mkdir(parents=True, exist_ok=True)
        options += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache::archives={archives}"]
        output("apt-get", *options, "-qq", "update")
        package = kernel_package(*options)
    if not package:
        raise Broken(f"apt-get finds no {KERNEL}")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        output("apt-get", *options, "-qq", "download", package, cwd=scratch)
        tree = pathlib.Path(scratch, "tree")
        output("dpkg-deb", "-x", *pathlib.Path(scratch).glob("*.deb"), tree)
        release = next((tree / "lib" / "modules").iterdir()).name
        output("busybox", "depmod", "-b", tree, release)
        tree.rename(CACHE / release)


def kernel():
    """(image, directory of modules)"""
    if not list(CACHE.glob("*/boot")):
        try:
            fetch_kernel()
        except (OSError, subprocess.CalledProcessError) as error:
            raise Broken(f"cannot fetch the kernel: {error}") from error
    tree = max(CACHE.glob("*/boot")).parent
    return next(tree.glob("boot/vmlinuz-*")), tree / "lib" / "modules" / tree.name


# The disk

class Archive:
    """A cpio archive, as the kernel unpacks it: every file belongs to root."""

    def __init__(self, path):
        self.out, self.names, self.number = open(path, "wb"), {""}, 0

    def _entry(self, name, mode, data=b""):
        self.names.add(name)
        self.number += 1
        fields = self.number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        for part in head, data:
            self.out.write(part + bytes(-len(part) % 4))

    def directory(self, name, mode=0o755):
        parent = os.path.dirname(name)
        if name not in self.names:
            self.directory(parent)
            self._entry(name, 0o40000 | mode)

    def link(self, name, target):
        self._entry(name, 0o120777, target.encode())

    def write(self, name, data, mode=0o644):
        self.directory(os.path.dirname(name))
        self._entry(name, 0o100000 | mode, data)

    def file(self, source, name=None):
        """A file of this machine, by default under its own name."""
        source = pathlib.Path(source)
        name = str(name or source.parent.resolve() / source.name).lstrip("/")
        if name not in self.names:
            self.write(name, source.read_bytes(), source.stat().st_mode & 0o777)

    def tree(self, source, name=None, without=None):
        source = pathlib.Path(source)
        for path in sorted(source.rglob("*")):
            inside = "/" + str(path.relative_to(source))
            if path.is_file() and not (without and without.search(inside)):
                self.file(path, name and name + inside)

    def close(self):
        self._entry("TRAILER!!!", 0)
        self.out.close()


def libraries(*paths):
    """All that programs and libraries are linked to."""
    # ldd is not happy with scripts, of which there may be some.
    told = subprocess.run(["ldd", *map(str, paths)], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL, check=False).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", told)))


def module_files(modules):
    """Paths of MODULES and of all that they depend on; what is built in has none."""
    depends = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        name = pathlib.Path(path).name.partition(".")[0].replace("-", "_")
        depends[name] = [path, *others.split()]
    return sorted({path for name in MODULES for path in depends.get(name, [])})


def make_disk(path, modules, build, command):
    disk = Archive(path)
    for name in "bin", "lib", "lib64", "sbin":
        disk.directory(f"usr/{name}")
        disk.link(name, f"usr/{name}")
    for name in "dev", "proc", "root", "run", "sys", "busybox", "var":
        disk.directory(name)
    disk.directory("tmp", 0o1777)
    disk.link("var/run", "/run")

    programs = [shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
                for name in PROGRAMS]
    if None in programs:
        raise Broken(f"no program {PROGRAMS[programs.index(None)]}")
    ours = [build / "vnetd", build / "vn"]
    ours += [build / test for test in TESTS if (build / test).exists()]
    stdlib = pathlib.Path(sysconfig.get_path("stdlib"))
    # Opened when a thread ends, which ldd does not know.
    unseen = list(pathlib.Path("/lib").glob("*-linux-gnu/libgcc_s.so.1"))
    for source in programs + unseen + libraries(*programs, *ours, *stdlib.rglob("*.so")):
        disk.file(source)
    disk.tree(stdlib, without=NOT_OF_PYTHON)
    for name in "group", "passwd", "protocols", "services":
        if os.path.exists(f"/etc/{name}"):
            disk.file(f"/etc/{name}")
    disk.link("usr/sbin/modprobe", shutil.which("busybox"))

    lists = [path.name for path in modules.glob("modules.*")]
    for name in module_files(modules) + lists:
        disk.file(modules / name, f"usr/lib/modules/{modules.name}/{name}")

    for program in ours:
        disk.file(program, f"vnet/build/{program.relative_to(build)}")
    disk.file(ROOT / "tests" / "harness.py", "vnet/tests/harness.py")
    for name in TREES:
        disk.tree(ROOT / "tests" / name, f"vnet/tests/{name}")
    disk.file(HERE / "init", "init")
    disk.write("command", command.encode())
    disk.close()


# The machine

def show_console(path):
    text = re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|c)", "", path.read_text(errors="replace"))
    print("the end of its console:", *text.splitlines()[-40:], sep="\n", flush=True)


def boot(image, scratch):
    """Runs the machine to its end; the exit status of the command, None if there was none."""
    status, console = scratch / "status", scratch / "console"
    status.touch()
    argv = ["qemu-system-x86_64", *CPUS, "-cpu", "max", "-m", str(MEMORY_MB),
            "-nodefaults", "-no-user-config", "-nographic", "-no-reboot",
            "-net", "none", "-kernel", image, "-initrd", scratch / "disk",
            "-append", "console=ttyS0 panic=-1 quiet random.trust_cpu=on mitigations=off",
            "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
            "-chardev", "stdio,id=output,signal=off",
            "-chardev", f"file,id=status,path={status}", "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=output,nr=1",
            "-device", "virtserialport,chardev=status,nr=2"]
    ended = False
    try:
        # At the end of its input QEMU would take the port for closed, output and all.
        silence, held = os.pipe()
        subprocess.run(argv, stdin=silence, check=False)
        for end in silence, held:
            os.close(end)
        ended = re.fullmatch(r"\d+\n", status.read_text())
        return int(ended[0]) if ended else None
    finally:
        if not ended and console.exists():
            show_console(console)


def run(command, build):
    """Runs a shell command in a machine that has the programs of a build; its exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(BROKEN))      # the harness, when time is up
    try:
        image, modules = kernel()
        with tempfile.TemporaryDirectory(prefix="vnet-vm-") as scratch:
            scratch = pathlib.Path(scratch)
            make_disk(scratch / "disk", modules, pathlib.Path(build), command)
            status = boot(image, scratch)
    except (Broken, OSError) as why:
        print(why)
        status = None
    return BROKEN if status is None else status
