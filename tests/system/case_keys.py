# SPDX-License-Identifier: LGPL-2.1-or-later
"""Key files, what is wrong with them, and new keys under traffic without a packet lost."""

import random
import re
import secrets
import shutil
import time

from traffic import Stream
from vnettest import always, case, need, wait_until

DEV = "vnif0097"


def key_file(host, name):
    return host.dir / "keys" / f"{name}.psk"


def copy_key(source, target, name, as_name=None):
    """As root does it: the file with its owner and mode, then a word to vnetd."""
    to = key_file(target, as_name or name)
    shutil.copy(key_file(source, name), to)
    shutil.chown(to, "_vnetkeys", "_vnetkeys")
    to.chmod(0o600)


def pair(net, *options, config=""):
    hosts = net.hosts("a", "b")
    for number, host in enumerate(hosts, 1):
        host.configure(config)
        host.start()
        create(host, number, *options)
    return hosts


def create(host, number, *options):
    host.vn("vnet-create", "-s", "conf", "--address", f"10.0.0.{number}/24", *options, "97")


def joined(a, b):
    wait_until(lambda: a.ping("10.0.0.2") and b.ping("10.0.0.1"), 10, "ping")


def apart(a, _b):
    always(lambda: not a.ping("10.0.0.2", wait=0.2), 1.5, "no ping")


def key(host, name):
    return next(k for k in host.vn_json("keys") if k["name"] == name)


def problems(host, what):
    """All problems that a list tells, in one text."""
    told = [item["problem"] for item in host.vn_json(what) if "problem" in item]
    return "\n".join(one if isinstance(one, str) else "\n".join(one) for one in told)


@case(limit=60)
def test_file(net):
    """A key made here and copied there; who has not got it stays out."""
    a, b, c = net.hosts("a", "b", "c")
    for host in a, b, c:
        host.start()
    done = b.vn("vnet-create", "-s", "conf", "-k", "red", "97", check=False)
    assert done.returncode == 1 and re.search('no key "red".*key-gen red', done.stderr), done
    a.vn("key-gen", "red")
    assert a.vn("key-gen", "red", check=False).returncode == 1
    assert key_file(a, "red").stat().st_mode & 0o777 == 0o600
    copy_key(a, b, "red")
    b.vn("key-reload")
    assert key(a, "red")["id"] == key(b, "red")["id"] and not key(a, "red").get("public")
    create(a, 1, "-k", "red")
    create(b, 2, "-k", "red")
    create(c, 3)                                # the same vnet, with the hard-wired key
    joined(a, b)
    always(lambda: not c.ping("10.0.0.1", wait=0.2), 1, "no ping")
    assert not any("public" in vnet for vnet in a.vn_json("vnets"))
    assert key_file(a, "red").read_text().strip() not in a.log() + b.log() + a.vn("keys").stdout


@case(limit=60)
def test_default(net):
    """default.psk takes the place of the hard-wired key for every vnet without a key of its own."""
    a, b = pair(net)
    joined(a, b)
    assert a.vn_json("vnets")[0]["public"] is True
    a.vn("key-gen", "default")
    apart(a, b)         # at once, not at the next rekey
    copy_key(a, b, "default")
    b.vn("key-reload")
    joined(a, b)
    for host in a, b:
        assert "public" not in host.vn_json("vnets")[0], host.vn_json("vnets")
        assert key(host, "default")["source"] == "file"


@case(limit=60)
def test_wrong_key(net):
    """Two keys of one name: named, also where the hosts have another key in common."""
    a, b = net.hosts("a", "b")
    for host in a, b:
        host.put_key("red", secrets.token_bytes(32))
        host.start()
    for number, host in enumerate((a, b), 1):
        create(host, number, "-k", "red")
    for host in a, b:
        host.vn("vnet-create", "-s", "conf", "98")
    for host, other in (a, b), (b, a):
        ids = key(host, "red")["id"], key(other, "red")["id"]
        expected = 'keys differ: "red" is {} here.* {}'.format(*ids)
        wait_until(lambda h=host, e=expected: re.search(e, problems(h, "peers")), 5, "named")
        host.wait_log(rf"192\.0\.2\.\d:1798: {expected}")
    copy_key(a, b, "red")
    b.vn("key-reload")
    joined(a, b)
    for host in a, b:
        wait_until(lambda h=host: not problems(h, "peers"), 5, "no more")


@case(limit=60)
def test_bad_files(net):
    """A file that is no key is named, is not used, and nothing else takes its place."""
    a, b = net.hosts("a", "b")
    secret = secrets.token_bytes(32)
    for host in a, b:
        host.put_key("red", secret)
        host.start()
    for number, host in enumerate((a, b), 1):
        create(host, number, "-k", "red")
    joined(a, b)
    path, good = key_file(a, "red"), key_file(a, "red").read_text()

    def spoil(text=good, mode=0o600, owner="_vnetkeys"):
        path.write_text(text)
        path.chmod(mode)
        shutil.chown(path, owner)
    for what, how in (("lets others read it", {"mode": 0o644}),
                      ("owned by uid 0", {"owner": "root", "mode": 0o644}),
                      ("no key", {"text": ""}),
                      ("too few or too many digits", {"text": good[:40]}),
                      ("not a hex digit", {"text": "x" * 64}),
                      ("all bytes of the key are equal", {"text": "00" * 32}),
                      ("something after the key", {"text": good * 2}),
                      ("more than 4096 bytes", {"text": "#" * 5000})):
        spoil(**how)
        a.vn("key-reload")
        for listed in "keys", "vnets":
            assert re.search(f"red.psk.*{what}", problems(a, listed)), (what, a.vn(listed).stdout)
        a.wait_log(f"red.psk.*{what}")
        assert "id" not in key(a, "red")
    path.unlink()
    path.symlink_to("/etc/passwd")
    a.vn("key-reload")
    assert "symbolic link" in problems(a, "keys")
    path.unlink()
    a.restart()
    wait_until(lambda: 'there is no key "red"' in problems(a, "vnets"), 5, "a missing one is named")
    apart(a, b)
    spoil()
    a.vn("key-reload")
    joined(a, b)
    assert not problems(a, "vnets")


@case(limit=60)
def test_suites_differ(net):
    """Named at both ends, by peer, by vnet and in the log, until they are the same."""
    a, b = net.hosts("a", "b")
    for number, (host, suite) in enumerate(((a, "aes128gcm"), (b, "aes256gcm")), 1):
        host.start()
        create(host, number, "--suite", suite)
    for host, here, there in (a, "aes128gcm", "aes256gcm"), (b, "aes256gcm", "aes128gcm"):
        for listed in "peers", "vnets":
            wait_until(lambda h=host, w=listed, s={here, there}:
                       s <= set(re.findall(r"aes\w+", problems(h, w))), 5, f"named in vn {listed}")
        host.wait_log(f"{here}.*{there}")
    a.vn("vnet-set", "--suite", "aes256gcm", "97")
    joined(a, b)
    for host in a, b:
        wait_until(lambda h=host: not problems(h, "peers") + problems(h, "vnets"), 5, "no more")


def flows(a, b, seconds, interval=0.002):
    """A stream each way for so long; fails when one packet is lost, late or doubled."""
    with Stream(a, b, "10.0.0.2", interval) as there, Stream(b, a, "10.0.0.1", interval) as back:
        yield
        time.sleep(seconds)
        there.stop()
        back.stop()
        for stream in there, back:
            lost = stream.lost()
            assert not lost, f"lost {len(lost)} of {stream.sent}: {lost[:20]}"
            assert not stream.doubled()
        print(f"{there.sent} and {back.sent} packets, none lost; longest gap {there.gap():.3f}, "
              f"{back.gap():.3f} s")


def rekeys(host):
    return host.stats()["rekeys"]


@case(limit=90)
def test_rekey_by_time(net):
    a, b = pair(net, config="(rekey (seconds 10))\n")
    joined(a, b)
    for _ in flows(a, b, 25):
        pass
    assert 2 <= rekeys(a) <= 6, rekeys(a)


@case(limit=90)
def test_rekey_by_count(net):
    """Both ends count, so both begin at about the same time."""
    a, b = pair(net, config="(rekey (packets 1000))\n")
    joined(a, b)
    for _ in flows(a, b, 12):
        pass
    assert rekeys(a) >= 2 and rekeys(b) >= 2, (rekeys(a), rekeys(b))


@case(limit=90)
def test_rekey_on_a_bad_network(net):
    """Rekeys go on where one packet in ten is lost, and none is lost because of them."""
    need("nft")
    a, b = pair(net, config="(rekey (packets 1000))\n")
    joined(a, b)
    for host in a, b:
        host.run("nft", "add table inet bad; "
                 "add chain inet bad out { type filter hook output priority 0; }; "
                 "add rule inet bad out udp dport 1798 numgen random mod 10 0 drop")
    with Stream(a, b, "10.0.0.2", 0.002) as stream:
        time.sleep(12)
        stream.stop()
        print(f"lost {len(stream.lost())} of {stream.sent}, {rekeys(b)} rekeys")
        assert rekeys(b) >= 2 and stream.sent * 0.05 < len(stream.lost()) < stream.sent * 0.15
    for host in a, b:
        host.run("nft", "delete table inet bad")
    time.sleep(0.5)
    for _ in flows(a, b, 5):
        pass


@case(limit=90)
def test_restart_while_rekeying(net):
    """One end's engine killed again and again while both rekey as often as they can."""
    a, b = pair(net, config="(rekey (packets 1000))\n")
    joined(a, b)
    with Stream(a, b, "10.0.0.2", 0.001) as there, Stream(b, a, "10.0.0.1", 0.001) as back:
        for _ in range(8):
            time.sleep(random.uniform(1.1, 1.8))
            host = random.choice((a, b))
            host.kill("engine")
            for stream in there, back:
                stream.flowing()
        there.stop()
        back.stop()
        print(f"longest gap {there.gap():.3f}, {back.gap():.3f} s")
        assert max(there.gap(), back.gap()) < 1
    for _ in flows(a, b, 5):
        pass


@case(limit=90)
def test_swap(net):
    """A key is replaced, copied, and the old one retired, with rekeys all the time; none is lost."""
    a, b = net.hosts("a", "b")
    secret = secrets.token_bytes(32)
    for number, host in enumerate((a, b), 1):
        host.put_key("red", secret)
        host.configure("(rekey (packets 1000))\n")
        host.start()
        create(host, number, "-k", "red")
    joined(a, b)
    old = key(a, "red")["id"]

    def used():
        return {assoc["key_id"] for host in (a, b) for peer in host.vn_json("peers")
                for assoc in peer["association"]}
    for _ in flows(a, b, 3):
        time.sleep(1)
        a.vn("key-gen", "--replace", "red")
        new = key(a, "red")["id"]
        assert key(a, "red")["old_id"] == old != new
        before = rekeys(b)
        wait_until(lambda: rekeys(b) > before, 15, "a rekey with the old key")
        assert used() == {old}
        shutil.copy2(key_file(b, "red"), key_file(b, "red.old"))
        shutil.chown(key_file(b, "red.old"), "_vnetkeys", "_vnetkeys")
        copy_key(a, b, "red")
        b.vn("key-reload")
        wait_until(lambda: used() == {new}, 20, "the new key is used")
        for host in a, b:
            host.vn("key-retire", "red")
        assert "old_id" not in key(a, "red") and not key_file(a, "red.old").exists()
    assert a.vn("key-retire", "red", check=False).returncode == 1
