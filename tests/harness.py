# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs cases, each a command of its own with a time limit, and says how they went.

A case passes by exit status 0, is skipped by 77 (its last line of output says why) and fails by
anything else, and then its output is shown. Used by tools/check and tests/system/run.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIP = 77


@dataclasses.dataclass
class Case:
    name: str
    argv: list
    limit: float = 60
    env: dict = dataclasses.field(default_factory=dict)
    cwd: pathlib.Path = ROOT
    after: str = ""   # name of a case that must have passed before this one can run


class Tally:
    """Counts and prints results as they come; never interleaves two."""

    def __init__(self):
        self.results = {}
        self.lock = threading.Lock()

    def add(self, name, status, seconds, output):
        with self.lock:
            self.results[name] = status
            if status == 0:
                print(f"ok {name} {seconds:.1f}s", flush=True)
            elif status == SKIP:
                lines = output.strip().splitlines() or ["no reason given"]
                print(f"skip {name}: {lines[-1]}", flush=True)
            else:
                shown = "".join(f"    {line}\n" for line in output.splitlines())
                print(f"FAIL {name} {seconds:.1f}s\n{shown}", end="", flush=True)

    def summary(self):
        statuses = list(self.results.values())
        passed, skipped = statuses.count(0), statuses.count(SKIP)
        failed = len(statuses) - passed - skipped
        return f"{passed} passed, {failed} failed, {skipped} skipped"

    def failed(self):
        return any(s not in (0, SKIP) for s in self.results.values())


class Runner:
    def __init__(self):
        self.tally = Tally()
        self.live = {}
        self.stopping = False
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, self._interrupted)

    def _interrupted(self, signum, _frame):
        self.stopping = True
        for proc in list(self.live.values()):
            kill_group(proc, signal.SIGTERM)

    def run(self, cases, jobs=1):
        """Runs the cases, `jobs` at a time."""
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for future in [pool.submit(self._run_one, case) for case in cases]:
                future.result()

    def _run_one(self, case):
        if self.stopping:
            return
        if case.after and self.tally.results.get(case.after, 0):
            self.tally.add(case.name, SKIP, 0, f"{case.after} did not pass")
            return
        begin = time.monotonic()
        with tempfile.TemporaryFile() as out:
            status = self._wait(case, out)
            out.seek(0)
            text = out.read().decode(errors="replace")
        if status is None:
            status, text = 124, text + f"out of time: limit is {case.limit:.0f} s\n"
        elif status < 0:
            text += f"killed by {signal.Signals(-status).name}\n"
        self.tally.add(case.name, status, time.monotonic() - begin, text)

    def _wait(self, case, out):
        """Exit status, or None when the time was up. Leaves no process of the case."""
        try:
            proc = subprocess.Popen([str(a) for a in case.argv], stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT, cwd=case.cwd, start_new_session=True,
                                    env={**os.environ, **case.env})
        except OSError as error:
            out.write(f"{case.argv[0]}: {error.strerror}\n".encode())
            return 127
        self.live[case.name] = proc
        try:
            return proc.wait(case.limit)
        except subprocess.TimeoutExpired:
            kill_group(proc, signal.SIGTERM)    # it cleans up
            try:
                proc.wait(15)
            except subprocess.TimeoutExpired:
                pass
            return None
        finally:
            kill_group(proc, signal.SIGKILL)
            proc.wait()
            del self.live[case.name]


def kill_group(proc, signum):
    try:
        os.killpg(proc.pid, signum)
    except ProcessLookupError:
        pass


def files(*suffixes):
    """Paths below ROOT of all files that git would not ignore, and that end as said."""
    with tempfile.TemporaryDirectory() as scratch:
        # A repository of its own: works in a release tree, and in a tree of another user.
        git = ["git", f"--git-dir={scratch}", f"--work-tree={ROOT}"]
        subprocess.run(["git", "init", "-q", "--bare", scratch], check=True)
        listed = subprocess.run([*git, "ls-files", "-oz", "--exclude-standard"], cwd=ROOT,
                                check=True, stdout=subprocess.PIPE, text=True).stdout
    names = (name for name in listed.split("\0") if name and not name.startswith(".git/"))
    return sorted(pathlib.Path(n) for n in names if not suffixes or n.endswith(suffixes))
