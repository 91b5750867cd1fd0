# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taking vnetd off a machine: --remove-devices and make uninstall."""

import pathlib
import shutil

from vnettest import BUILD, Skip, case, need


def remove(host):
    return host.run(BUILD / "vnetd", "--remove-devices", "--run-dir", host.dir / "run", check=False)


@case(limit=30)
def test_remove_devices(net):
    """Ours go, and no others; not while a vnetd runs."""
    host = net.host("a")
    assert (remove(host).returncode, remove(host).stdout) == (0, "")
    host.start()
    for vnet in "97", "98", "99":
        host.vn("vnet-create", "-b", f"br{vnet}", vnet)
    host.ip("tuntap", "add", "other", "mode", "tap", "user", "nobody")
    host.ip("tuntap", "add", "rooted", "mode", "tap")
    host.ip("tuntap", "add", "point", "mode", "tun", "user", "_vnetd")
    done = remove(host)
    assert done.returncode == 1 and f"another vnetd (pid {host.daemon.pid}) runs" in done.stderr, done
    host.stop()
    done = remove(host)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert sorted(done.stdout.split()) == ["vnif0097", "vnif0098", "vnif0099"]
    assert not any(host.link(f"vnif00{vnet}") for vnet in (97, 98, 99))
    assert all(host.link(name) for name in ("br97", "other", "rooted", "point", "eth0"))
    host.start()        # which knows its vnets still
    assert host.link("vnif0097")["master"] == "br97"


@case(limit=30)
def test_in_use(net):
    """A device that a program has open, as a second vnetd, stays, and the others go."""
    host = net.host("a")
    host.start()
    for vnet in "97", "98":
        host.vn("vnet-create", vnet)
    done = host.run(BUILD / "vnetd", "--remove-devices", "--run-dir", host.dir / "second", check=False)
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.splitlines() == [f'vnetd: device "vnif00{vnet}" is in use' for vnet in (97, 98)]
    assert host.link("vnif0097") and not (host.dir / "second").exists()


@case(limit=30)
def test_not_root(net):
    host = net.host("a")
    program = host.dir / "vnetd"        # the build directory may be closed to others
    shutil.copy(BUILD / "vnetd", program)
    done = host.run("setpriv", "--reuid=nobody", "--clear-groups", program, "--remove-devices", check=False)
    assert done.returncode == 1 and "expected root" in done.stderr, done


@case(limit=60)
def test_make_uninstall(net):
    need("make")
    if not (BUILD / "Makefile").exists():
        raise Skip("the programs were built elsewhere")
    host, prefix = net.host("a"), net.dir / "prefix"
    program = prefix / "sbin" / "vnetd"
    for directory in "bin", "sbin":
        (prefix / directory).mkdir(parents=True)
    shutil.copy(BUILD / "vnetd", program)
    private = f'mount -t tmpfs none /run && mkdir /run/vnet && mount --bind {host.dir}/run /run/vnet && exec "$@"'
    # Nothing is to be made anew for it.
    uninstall = ["unshare", "-m", "sh", "-c", private, "sh", "make", "-C", BUILD, "-o", "Makefile", "uninstall",
                 f"prefix={prefix}", f"sysconfdir={prefix}/etc", f"localstatedir={prefix}/var"]
    host.start()
    host.vn("vnet-create", "97")
    done = host.run(*uninstall, check=False)
    assert done.returncode and "another vnetd" in done.stderr and program.exists(), done
    host.stop()
    staged = pathlib.Path(f"{net.dir}/stage{prefix}")
    shutil.copytree(prefix, staged)
    host.run(*uninstall, f"DESTDIR={net.dir}/stage")
    assert not (staged / "sbin" / "vnetd").exists() and program.exists() and host.link("vnif0097")
    done = host.run(*uninstall)
    assert "vnif0097\n" in done.stdout
    assert not host.link("vnif0097") and not program.exists()
