# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine that has no TAP devices, or has them only later."""

from vnettest import case, wait_until

WITHOUT_TUN = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"]


@case(limit=40)
def test_none(net):
    """No /dev/net/tun: vnetd runs, refuses new vnets naming it, keeps stored ones and says what they lack."""
    a, b = net.hosts("a", "b")
    for number, host in enumerate((a, b), 1):
        host.start()
        host.vn("vnet-create", "-s", "conf", "--address", f"10.0.0.{number}/24", "97")
    wait_until(lambda: a.ping("10.0.0.2"), 10, "before")
    a.stop()
    argv = a.vnetd_argv
    a.vnetd_argv = lambda *args: WITHOUT_TUN + argv(*args)
    a.start()
    (vnet,) = a.vn_json("vnets")
    assert any("/dev/net/tun" in problem for problem in vnet["problem"]), vnet
    assert vnet["mtu"] == 1392, vnet  # its own old device is no underlay
    done = a.vn("vnet-create", "-s", "conf", "98", check=False)
    assert done.returncode == 1 and "/dev/net/tun" in done.stderr, done
    assert len(a.vn_json("vnets")) == 1
    a.stop()
    a.vnetd_argv = argv
    a.start()
    wait_until(lambda: a.ping("10.0.0.2"), 10, "with /dev/net/tun again")
    assert "problem" not in a.vn_json("vnets")[0]
