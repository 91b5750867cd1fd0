# SPDX-License-Identifier: LGPL-2.1-or-later
"""The processes of vnetd: start, stop, restart of each, and what the kernel says of their sandboxes."""

import ctypes
import grp
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import time

from vnettest import always, case, run, wait_until

ROLES = {"priv": "_vnetpriv", "keys": "_vnetkeys", "resolve": "_vnetres", "engine": "_vnetd"}
DAC_OVERRIDE, KILL, SETGID, SETUID, SETPCAP, NET_ADMIN, NET_RAW, PERFMON, BPF = 1, 5, 6, 7, 8, 12, 13, 38, 39
# With a /dev/net/tun of that mode, without capabilities over others' files.
CONFINED = ('mount -t tmpfs none /dev/net && mknod -m {mode} /dev/net/tun c 10 200 && exec setpriv'
            ' --groups={group} --bounding-set=-dac_override,-dac_read_search,-chown "$@"')


def start(host, *args):
    """Starts vnetd, until the parent says that all roles are ready; their pids."""
    seen = host.log().count("parent: ready")
    host.start(*args, wait=False)
    wait_until(lambda: host.log().count("parent: ready") > seen, 10, "ready")
    return host.roles()


def status(pid):
    """/proc/PID/status as a dictionary."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def caps(text):
    number = int(text, 16)
    return {bit for bit in range(64) if number >> bit & 1}


def gone(pid):
    try:
        return status(pid)["State"].startswith("Z")
    except OSError:
        return True


def refused(host, *args):
    """Runs a vnetd that cannot start; what it says."""
    done = host.run(*host.vnetd_argv(*args), check=False)
    assert done.returncode == 1, f"exit status {done.returncode}: {done.stderr}"
    return done.stderr


@case(limit=30)
def test_start_stop(net):
    host = net.host("a")
    for signum in signal.SIGTERM, signal.SIGINT:
        roles = start(host)
        assert set(roles) == {"parent", *ROLES}
        assert (host.dir / "run" / "vnetd.pid").read_text() == f"{roles['parent']}\n"
        host.daemon.send_signal(signum)
        assert host.daemon.wait(5) == 0
        assert all(gone(pid) for pid in roles.values())
    assert "killed" not in host.log()


@case(limit=30)
def test_directories(net):
    host = net.host("a")
    for name in "run", "state", "keys":
        (host.dir / name).rmdir()
    start(host)
    modes = {name: (os.stat(host.dir / name).st_uid, os.stat(host.dir / name).st_mode & 0o7777)
             for name in ("run", "state", "keys")}
    assert modes == {"run": (0, 0o750), "state": (pwd.getpwnam("_vnetpriv").pw_uid, 0o700),
                     "keys": (pwd.getpwnam("_vnetkeys").pw_uid, 0o700)}
    host.stop()

    keys, aside = host.dir / "keys", host.dir / "aside"
    keys.rename(aside)
    keys.symlink_to(aside)
    assert "not a directory" in refused(host)
    keys.unlink()
    keys.mkdir()
    (keys / "mine.txt").write_text("not vnetd's")
    assert re.search(r'keys" holds "mine.txt"', refused(host))
    assert os.stat(keys).st_uid == 0
    os.chown(keys, 12345, 0)
    assert "belongs to uid 12345" in refused(host)


@case(limit=30)
def test_second_refused(net):
    host = net.host("a")
    roles = start(host)
    assert f"another vnetd (pid {roles['parent']}) runs" in refused(host)
    assert host.roles() == roles
    host.kill("parent")
    wait_until(lambda: all(gone(pid) for pid in roles.values()), 5, "everything gone")
    start(host)


@case(limit=30)
def test_not_root(net):
    host = net.host("a")
    user = pwd.getpwnam("nobody")
    argv = host.vnetd_argv()
    # Where the build directory is closed to others, the program itself cannot be reached.
    done = run(argv, check=False, user=user.pw_uid, group=user.pw_gid, extra_groups=[],
               executable=f"/proc/self/fd/{os.open(argv[0], os.O_RDONLY)}", close_fds=False)
    assert done.returncode == 1 and "expected root" in done.stderr, done.stderr


@case(limit=30)
def test_no_users(net):
    host = net.host("a")
    for path in "/etc/passwd", "/etc/group":
        lines = pathlib.Path(path).read_text().splitlines(keepends=True)
        (host.dir / os.path.basename(path)).write_text(
            "".join(line for line in lines if "vnet" not in line.partition(":")[0]))
        mount = f"mount --bind {host.dir}/{os.path.basename(path)} {path} && exec \"$@\""
        done = host.run("unshare", "-m", "sh", "-c", mount, "sh", *host.vnetd_argv(), check=False)
        assert done.returncode == 1 and "systemd-sysusers " in done.stderr, done.stderr
        assert os.stat(host.dir / "keys").st_uid == 0


@case(limit=60)
def test_restart_each(net):
    host = net.host("a")
    before = start(host)
    for role in ROLES:
        killed = host.kill(role)
        after = wait_until(lambda: set(host.roles()) == {"parent", *ROLES}
                           and host.roles()[role] != killed and host.roles(), 5, f"{role} again")
        assert {r for r in after if after[r] != before[r]} == {role}
        wait_until(lambda: sealed(after[role]), 5, f"{role} sealed")
        before = after
    always(lambda: host.roles() == before, 1, "nothing else dies")
    assert host.stop() == 0


@case(limit=60)
def test_backoff(net):
    """One that dies again and again is started less and less often, and the others stay."""
    host = net.host("a")
    before = start(host)
    deaths, end = 0, time.monotonic() + 5
    while time.monotonic() < end:
        if "resolve" in host.roles():
            host.kill("resolve")
            deaths += 1
        time.sleep(0.02)
    assert 4 <= deaths <= 8, deaths     # after 0, 0.1, 0.2, 0.4, 0.8, 1.6 and 3.2 s
    after = wait_until(lambda: "resolve" in host.roles() and host.roles(), 10, "resolve again")
    assert {r for r in after if after[r] != before[r]} == {"resolve"}


@case(limit=30)
def test_parent_killed(net):
    host = net.host("a")
    roles = start(host)
    os.kill(roles["engine"], signal.SIGSTOP)    # a hung one too
    host.kill("parent")
    wait_until(lambda: all(gone(pid) for pid in roles.values()), 2, "every role gone")


@case(limit=30)
def test_hung_role(net):
    host = net.host("a")
    roles = start(host)
    os.kill(roles["engine"], signal.SIGSTOP)
    assert host.stop(timeout=4) == 0
    assert all(gone(pid) for pid in roles.values())
    assert "engine killed: it did not stop" in host.log()


@case(limit=30)
def test_terminal(net):
    """What a terminal sends to the whole group is the parent's to act on."""
    host = net.host("a")
    roles = start(host)
    for role in ROLES:
        os.kill(roles[role], signal.SIGINT)
        os.kill(roles[role], signal.SIGHUP)
    always(lambda: host.roles() == roles, 0.5, "all live on")


@case(limit=30)
def test_control_socket(net):
    """It is there before anybody can connect, and what a dead vnetd left is replaced."""
    host, group = net.host("a"), grp.getgrnam("vnet").gr_gid
    path = host.dir / "run" / "vnetd.sock"
    path.write_text("")
    assert "not a socket" in refused(host) and path.is_file()
    path.unlink()
    for _ in range(2):
        start(host)
        facts = path.lstat()
        assert stat.S_ISSOCK(facts.st_mode)
        assert (facts.st_mode & 0o7777, facts.st_uid, facts.st_gid) == (0o660, 0, group)
        host.vn("status")
        roles = host.roles().values()
        host.kill("parent")
        wait_until(lambda r=roles: all(gone(pid) for pid in r), 5, "everything gone")
        assert path.is_socket()


@case(limit=30)
def test_daemon(net):
    host = net.host("a")
    done = host.run(*host.vnetd_argv("--daemon"))
    assert done.stdout == done.stderr == ""
    pid = int((host.dir / "run" / "vnetd.pid").read_text())
    assert "parent: ready" in (host.dir / "run" / "vnetd.log").read_text()
    assert f"another vnetd (pid {pid})" in refused(host, "--daemon")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: gone(pid), 5, "end")


@case(limit=30)
def test_notify(net):
    """READY=1 when all are ready, WATCHDOG=1 while the engine answers, and not when it hangs."""
    host = net.host("a")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(net.dir / "notify"))
    manager.settimeout(5)
    environment = dict(os.environ, NOTIFY_SOCKET=str(net.dir / "notify"), WATCHDOG_USEC="300000")
    with open(host.log_path, "ab") as log:
        host.daemon = host.spawn(*host.vnetd_argv(), stdout=log, stderr=log, env=environment)
    assert manager.recv(100) == b"READY=1"
    assert manager.recv(100) == b"WATCHDOG=1"
    os.kill(host.roles()["engine"], signal.SIGSTOP)
    time.sleep(0.5)
    manager.setblocking(False)
    try:
        while True:
            manager.recv(100)
    except BlockingIOError:
        pass
    time.sleep(0.5)
    try:
        assert not manager.recv(100)
    except BlockingIOError:
        pass


# The sandbox

def sealed(pid):
    facts = status(pid)
    return facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"


@case(limit=30)
def test_sandbox(net):
    host = net.host("a")
    roles = start(host, "--workers", 3)
    check_sandbox(host, roles, os.stat("/dev/net/tun").st_mode & 0o006 == 0o006)


def check_sandbox(host, roles, tun):
    """What the kernel says of each process; tun: everybody may open /dev/net/tun."""
    threads = {"engine": host.vn_json("status")[0]["workers"]}
    override = set() if tun else {DAC_OVERRIDE}
    facts = status(roles.pop("parent"))
    assert facts["Uid"].split() == ["0"] * 4 and facts["Seccomp"] == "2"
    assert facts["NoNewPrivs"] == "1"
    own = {SETUID, SETGID, KILL}
    inherited = {SETPCAP, SETUID, SETGID, NET_ADMIN, NET_RAW, BPF, PERFMON} | override
    assert caps(facts["CapEff"]) == own
    assert caps(facts["CapPrm"]) == own | inherited and caps(facts["CapBnd"]) == inherited
    assert caps(facts["CapInh"]) == caps(facts["CapAmb"]) == set()
    kept = {"priv": {NET_ADMIN, NET_RAW} | override}
    for role, pid in roles.items():
        user, facts = pwd.getpwnam(ROLES[role]), status(pid)
        assert facts["Uid"].split() == [str(user.pw_uid)] * 4, role
        assert facts["Gid"].split() == [str(user.pw_gid)] * 4, role
        assert facts["Groups"].split() == [], role
        assert caps(facts["CapEff"]) == caps(facts["CapPrm"]) == kept.get(role, set()), role
        assert caps(facts["CapBnd"]) | caps(facts["CapInh"]) | caps(facts["CapAmb"]) == set(), role
        assert sealed(pid) and int(facts["Seccomp_filters"]) == 2, role
        tasks = os.listdir(f"/proc/{pid}/task")
        assert len(tasks) == threads.get(role, 1), role
        for task in tasks:
            of_thread = status(f"{pid}/task/{task}")
            for fact in ("Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb",
                         "NoNewPrivs", "Seccomp", "Seccomp_filters"):
                assert of_thread[fact] == facts[fact], (role, fact)
        # The kernel gives the files of a process that is not dumpable to root.
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0, role


@case(limit=30)
def test_without_override(net):
    """Root that may not override permissions is enough where everybody may open /dev/net/tun; where
    not, what is missing is named."""
    host = net.host("a")
    for sub, user in ("state", "_vnetpriv"), ("keys", "_vnetkeys"):
        shutil.chown(host.dir / sub, user, user)
        (host.dir / sub).chmod(0o700)
    (host.dir / "run").chmod(0o750)
    shutil.chown(host.dir / "run", "root", "vnet")

    def confined(mode):
        script = CONFINED.format(mode=mode, group=grp.getgrnam("vnet").gr_gid)
        return ["unshare", "-m", "sh", "-c", script, "sh", *host.vnetd_argv()]

    done = host.run(*confined(600), check=False)
    assert done.returncode == 1
    assert '/dev/net/tun: user "_vnetpriv" may not open it, expected mode 0666' in done.stderr, done.stderr
    shutil.chown(host.config, "_vnetd")
    host.config.chmod(0o600)
    done = host.run(*confined(666), check=False)
    assert done.returncode == 1 and "vnetd.conf: closed to root" in done.stderr, done.stderr
    host.config.chmod(0o644)
    with open(host.log_path, "ab") as log:
        host.daemon = host.spawn(*confined(666), stdout=log, stderr=log)
    host.wait_log("parent: ready")
    check_sandbox(host, host.roles(), True)
    host.vn("vnet-create", "97")
    host.vn("key-gen", "office")
    assert (host.dir / "state" / "state").exists() and (host.dir / "keys" / "office.psk").exists()
    before = host.roles()
    for role in ROLES:
        host.kill(role)
        wait_until(lambda r=role: host.roles()[r] != before[r], 5, f"{role} again")
    wait_until(lambda: host.vn("vnet-create", "98"), 5, "work after all were killed")


@case(limit=30)
def test_limits(net):
    for role, pid in start(net.host("a")).items():
        text = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", text, re.M), role
        if role != "parent":
            assert re.search(r"^Max processes +0 +0 ", text, re.M), role


@case(limit=30)
def test_descriptors(net):
    """Nothing of the starter's and nothing of another role's is open in a role."""
    host = net.host("a")
    stray = os.open(host.config, os.O_RDONLY)
    os.set_inheritable(stray, True)
    with open(host.log_path, "ab") as log:
        host.daemon = host.spawn(*host.vnetd_argv(), stdout=log, stderr=log, close_fds=False)
    host.wait_log("parent: ready")
    os.close(stray)
    allowed = {"parent": r"anon_inode:|socket:|/vnetd$|/vnetd\.pid$",
               "priv": r"anon_inode:|socket:|/state(/state\.new)?$|/memfd:|/vnetd\.conf$|/dev/net/tun$",
               "keys": r"socket:|/keys$",
               "resolve": r"socket:",
               "engine": r"anon_inode:|socket:|/memfd:|/dev/net/tun$"}
    for role, pid in host.roles().items():
        fds = {int(p.name): os.readlink(p) for p in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
        assert fds.pop(0) == fds.pop(1) == "/dev/null", role
        assert fds.pop(2).endswith("/vnetd.log"), role
        if role != "parent":
            assert fds[3].startswith("socket:"), role
        assert all(re.search(allowed[role], target) for target in fds.values()), (role, fds)


def hide_landlock():
    """In a child before exec: makes the kernel one without Landlock, by a filter of ours."""
    landlock_create_ruleset, allow, enosys = 444, 0x7fff0000, 0x00050000 | 38
    program = [(0x20, 0, 0, 0),     # the number of the system call
               (0x15, 0, 1, landlock_create_ruleset), (0x06, 0, 0, enosys), (0x06, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in program))
    fprog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    pr_set_seccomp, mode_filter = 22, 2
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_seccomp, mode_filter, fprog, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


@case(limit=30)
def test_without_landlock(net):
    host = net.host("a")
    with open(host.log_path, "ab") as log:
        host.daemon = host.spawn(*host.vnetd_argv("-V"), stdout=log, stderr=log,
                                 preexec_fn=hide_landlock)
    host.wait_log("parent: ready")
    said = dict(re.findall(r"vnetd\[(\w+)\]: sandbox: sealed: (.*)", host.log()))
    assert said.pop("engine") == "no landlock: opens no files, seccomp kill"
    assert set(said.values()) == {"no landlock: files by uid only, seccomp kill"}
    assert all(sealed(pid) for pid in host.roles().values())
    host.kill("engine")
    wait_until(lambda: host.log().count("vnetd[engine]: sandbox: sealed") == 2, 5, "again")
    assert host.stop() == 0
