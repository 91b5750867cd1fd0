# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured between two ends of an overlay, and what its daemons cost meanwhile."""

import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import time

from vnettest import BUILD, Failed, wait_until

PINGS, PING_INTERVAL = 400, 0.002
FLOOD_BYTES = 64
CONNECTS = 10    # of iperf3 to its server
TICKS = os.sysconf("SC_CLK_TCK")


def descendants(roots):
    """Those pids and all their children that live."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue    # ended meanwhile
    found, new = set(), set(roots) & set(parents)
    while new:
        found |= new
        new = {pid for pid, parent in parents.items() if parent in found} - found
    return found


def cpu_seconds(pids):
    """What these processes have used of the CPUs since they began."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory_mb(pids, field):
    """VmRSS or VmHWM of the largest of these processes."""
    sizes = [0]
    for pid in pids:
        found = re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
        sizes += [int(found[1])] if found else []
    return max(sizes) / 1024


class Meter:
    """Measures from a to address, which b has. pids: the daemons of both."""

    def __init__(self, a, b, address, pids, seconds):
        self.a, self.b, self.address, self.pids, self.seconds = a, b, address, pids, seconds
        self.profile = None     # path, to which .a.data and .b.data are added
        b.spawn("iperf3", "-s", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: "5201" in b.run("ss", "-Hltn").stdout, 5, "iperf3 listens")

    def tcp(self, *options):
        """Bytes received in all and Gbit/s."""
        argv = "iperf3", "-J", "-c", self.address, "-t", self.seconds, *options
        for _ in range(CONNECTS):
            done = self.a.run(*argv, check=False, timeout=self.seconds + 20)
            if not re.search("unable to connect|server is busy", done.stdout):
                break
            time.sleep(0.5)     # it has not ended the last test yet
        end = json.loads(done.stdout).get("end", {})
        sums = [end[name] for name in ("sum_received", "sum_received_bidir_reverse") if name in end]
        if done.returncode or not sums:
            raise Failed(f"iperf3 {' '.join(map(str, options))}: {done.stdout[-300:]}{done.stderr}")
        return sum(s["bytes"] for s in sums), sum(s["bits_per_second"] for s in sums) / 1e9

    def tcp_with_cpu(self):
        """Gbit/s of one flow, and seconds of CPU of the daemons for each gigabyte."""
        before = cpu_seconds(self.pids)
        count, rate = self.tcp()
        return rate, (cpu_seconds(self.pids) - before) / (count / 1e9) if count else None

    def tcp_profiled(self):
        """Records the daemons of each end during one flow."""
        recorders = []
        for end in self.a, self.b:
            inside = set(map(int, end.run("ip", "netns", "pids", end.ns).stdout.split()))
            recorders.append(end.spawn("perf", "record", "-q", "-e", "cpu-clock", "-g",
                                       "-o", f"{self.profile}.{end.name}.data",
                                       "-p", ",".join(map(str, inside & self.pids))))
        time.sleep(0.5)
        self.tcp()
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)
            recorder.wait(10)

    def flood(self):
        """Thousands of small datagrams that arrive in a second."""
        program = BUILD / "tests" / "bench" / "bench_flood"
        sink = self.b.spawn(program, "count", 7000, self.seconds + 0.7,
                            stdout=subprocess.PIPE, text=True)
        sink.stdout.readline()
        self.a.run(program, "send", self.address, 7000, self.seconds, FLOOD_BYTES)
        return float(sink.communicate(timeout=self.seconds + 5)[0]) / 1e3

    def round_trips(self):
        """Microseconds of each ping."""
        done = self.a.run("ping", "-n", "-c", PINGS, "-i", PING_INTERVAL, "-W", "1", self.address,
                          check=False, timeout=PINGS * PING_INTERVAL * 10 + 10)
        times = [float(t) * 1e3 for t in re.findall(r"time=([\d.]+) ms", done.stdout)]
        if len(times) < PINGS * 0.9:
            raise Failed(f"{len(times)} answers to {PINGS} pings")
        return sorted(times)

    def all(self):
        """{measure: value}"""
        trips = self.round_trips()
        tcp, cpu = self.tcp_with_cpu()
        result = {
            "tcp": tcp,
            "tcp_back": self.tcp("-R")[1],
            "tcp_four": self.tcp("-P", 4, "--bidir")[1],
            "cpu": cpu if self.pids else None,
            "kpps": self.flood(),
            "rtt": statistics.median(trips),
            "rtt_p99": trips[int(len(trips) * 0.99)],
        }
        time.sleep(0.2)
        if self.pids:
            result["rest"] = memory_mb(self.pids, "VmRSS")
            result["peak"] = memory_mb(self.pids, "VmHWM")
        if self.pids and self.profile:
            self.tcp_profiled()
        return result
