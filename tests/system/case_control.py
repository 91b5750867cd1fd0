# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control socket from the other side: what clients do to it."""

import os
import signal
import socket
import time

from vnettest import case, wait_until


def connect(host):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(host.dir / "run" / "vnetd.sock"))
    return client


def read_answers(client, count):
    text = b""
    while text.splitlines().count(b"(ok)") < count:
        piece = client.recv(65536)
        assert piece, text[-200:]
        text += piece
    return text


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@case(limit=40)
def test_slow_reader(net):
    """Many requests in one write, whose answers are more than the socket holds: all come, and idle is idle again."""
    (a,) = net.hosts("a")
    a.start()
    client = connect(a)
    client.sendall(b"(stats)\n" * 200)
    wait_until(lambda: a.vn("status").returncode == 0, 5, "others are served meanwhile")
    answers = read_answers(client, 200)
    assert answers.count(b"(name udp_rx)") == 200
    engine = a.roles()["engine"]
    before = cpu_seconds(engine)
    time.sleep(1)  # this is what is measured
    assert cpu_seconds(engine) - before < 0.2
    client.close()


@case(limit=40)
def test_gone_reader(net):
    """A client that leaves in the middle of its answers costs nothing afterwards."""
    (a,) = net.hosts("a")
    a.start()
    for _ in range(5):
        client = connect(a)
        client.sendall(b"(stats)\n" * 200)
        client.recv(100)
        client.close()
    engine = a.roles()["engine"]
    before = cpu_seconds(engine)
    time.sleep(1)
    assert cpu_seconds(engine) - before < 0.2
    a.vn("status")


@case(limit=40)
def test_pieces(net):
    """One request in many small writes, as the original's clients did, and several in one."""
    (a,) = net.hosts("a")
    a.start()
    client = connect(a)
    for byte in b"(vnet.add (id 97) (security auth))":
        client.sendall(bytes([byte]))
    assert read_answers(client, 1) == b"(ok)\n"
    client.sendall(b"(vnet.list)(vif.list)\n(varp.list) # a comment\n(vnet.del (vnet vnif0097))")
    text = read_answers(client, 4).decode()
    assert text.index("(vnetif vnif0097)") < text.index("(viftable") < text.index("(varp (device"), text


@case(limit=30)
def test_keys_killed(net):
    """Who has asked the keys process for something is told when it dies over it."""
    (a,) = net.hosts("a")
    a.start()
    client = connect(a)
    a.kill("keys", signal.SIGSTOP)
    client.sendall(b"(key.gen (name red))\n")
    time.sleep(0.2)
    a.kill("keys")
    answer = client.recv(1000)
    assert b"(error" in answer and b"restarted" in answer, answer
    client.sendall(b"(key.gen (name blue))\n")
    assert client.recv(1000).strip() == b"(ok)"
