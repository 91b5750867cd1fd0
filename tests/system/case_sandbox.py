# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the users of vnetd, as a stranger's process would have them, can do to its processes and
files: nothing. (tests/unit/test_sandbox_deeds.c has what a sealed role can do.)"""

import json
import os
import pwd
import socket
import subprocess
import sys

from vnettest import case, wait_until

USERS = {"priv": "_vnetpriv", "keys": "_vnetkeys", "resolve": "_vnetres", "engine": "_vnetd"}

# Prints what of the deeds named on the command line, as KIND:ARGUMENT, succeeded.
PROBE = """
import ctypes, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")

def vm(function, pid):
    own = ctypes.create_string_buffer(8)
    here = Iovec(ctypes.cast(own, ctypes.c_void_p), 8)
    there = Iovec(ctypes.cast(own, ctypes.c_void_p), 8)
    call(function(int(pid), ctypes.byref(here), 1, ctypes.byref(there), 1, 0))

def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)

deeds = {
    "seize": lambda pid: call(libc.ptrace(0x4206, int(pid), None, None)),
    "attach": lambda pid: call(libc.ptrace(16, int(pid), None, None)),
    "vm_read": lambda pid: vm(libc.process_vm_readv, pid),
    "vm_write": lambda pid: vm(libc.process_vm_writev, pid),
    "pidfd_getfd": lambda pid: call(libc.syscall(438, os.pidfd_open(int(pid)), 0, 0)),
    "read": lambda path: open(path, "rb").read(1),
    "write": lambda path: open(path, "r+b"),
    "list": os.listdir,
    "link": os.readlink,
    "make": lambda path: open(path, "xb"),
    "connect": connect,
}
done = []
for deed in sys.argv[1:]:
    kind, _, argument = deed.partition(":")
    try:
        deeds[kind](argument)
        done.append(deed)
    except OSError:
        pass
print(json.dumps(done))
"""


def tried(user, deeds):
    """Those of the deeds that the user could do."""
    done = subprocess.run([sys.executable, "-c", PROBE, *map(str, deeds)], user=user,
                          group=pwd.getpwnam(user).pw_gid, extra_groups=[], check=True,
                          capture_output=True, text=True, cwd="/")
    return json.loads(done.stdout)


def daemon(net):
    host = net.host("a")
    host.start()
    host.vn("key-gen", "red")
    host.vn("vnet-create", "-s", "conf", "-k", "red", "97")
    wait_until((host.dir / "state" / "state").exists, 5, "the state")
    return host


@case(limit=60)
def test_memory(net):
    """Not even a process of its own user can look into a role, or take over its descriptors."""
    host = daemon(net)
    roles = host.roles()
    for user in [*USERS.values(), "nobody"]:
        deeds = [f"{kind}:{pid}" for pid in roles.values()
                 for kind in ("seize", "attach", "vm_read", "vm_write", "pidfd_getfd")]
        deeds += [f"{kind}:/proc/{pid}/{file}" for pid in roles.values()
                  for kind, file in (("read", "mem"), ("write", "mem"), ("read", "maps"),
                                     ("read", "environ"), ("read", "stack"), ("list", "fd"),
                                     ("link", "exe"), ("link", "cwd"), ("list", "map_files"))]
        assert tried(user, deeds) == [], user
    # The probe can: of a process that is dumpable, and its own.
    with subprocess.Popen(["sleep", "60"], user="nobody", group="nogroup", extra_groups=[]) as own:
        found = tried("nobody", [f"vm_read:{own.pid}", f"read:/proc/{own.pid}/environ",
                                 f"list:/proc/{own.pid}/fd"])
        own.kill()
    assert f"read:/proc/{own.pid}/environ" in found and len(found) >= 2, found
    assert host.roles() == roles


@case(limit=60)
def test_files(net):
    """Keys are the keys process's, the state priv's, and the control socket root's and vnet's."""
    host = daemon(net)
    keys, state, run = (host.dir / sub for sub in ("keys", "state", "run"))
    deeds = {
        "_vnetkeys": [f"list:{keys}", f"read:{keys}/red.psk", f"write:{keys}/red.psk",
                      f"make:{keys}/new.psk"],
        "_vnetpriv": [f"list:{state}", f"read:{state}/state", f"write:{state}/state",
                      f"make:{state}/new"],
        None: [f"connect:{run}/vnetd.sock", f"make:{run}/new", f"make:{host.dir}/new",
               f"write:{host.config}"],
    }
    everything = [deed for some in deeds.values() for deed in some]
    for user in [*USERS.values(), "nobody"]:
        assert tried(user, everything) == deeds.get(user, []), user
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(run / "vnetd.sock"))
    assert os.stat(run / "vnetd.sock").st_mode & 0o777 == 0o660
