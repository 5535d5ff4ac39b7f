#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the system tests: run.py [-j N] [--asan] [--list] [NAME...]

Every test_*.py runs in its own process. As root, and where unshare(1) may, that process has its own
mount, network, pid and ipc namespaces: nothing meets another file's ports, displays, users or
sockets, and nothing is left over when it ends. Elsewhere the same tests run without that, on free
ports; those that need root or several users say so and are skipped.

--asan: the programs in build-asan, made by `make B=build-asan MODE=asan`. What the sanitizers find is in the log of the
program, which a failed test shows; their own system calls are allowed there (base/syscalls.h).

NAME is part of "file::test", or all of a file's name: so measure_*.py run, which test nothing. XPROXY_BUILD: the build directory (default: build).
"""
import argparse
import functools
import importlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GRACE = 20  # seconds that a test process gets for its own cleaning up before it is killed

sys.dont_write_bytecode = True
sys.path.insert(0, HERE)


def tests_of(module):
    """[(name, function, argument or None)] in the order of the file."""
    found = []
    for name, f in vars(module).items():
        if isinstance(f, type) and issubclass(f, unittest.TestCase):
            for method in unittest.TestLoader().getTestCaseNames(f):
                found.append((f"{name}.{method}", functools.partial(run_case, f, method), None))
        if name.startswith("test_") and callable(f):
            cases = getattr(f, "cases", None)
            if cases is None:
                found.append((name, f, None))
            else:
                found += [(f"{name}[{case}]", f, case) for case in (cases() if callable(cases) else cases)]
    return found


def run_case(cls, method):
    """A test of unittest's, as one of ours."""
    result = unittest.TestResult()
    unittest.TestSuite([cls(method)]).run(result)
    if result.skipped:
        import harness
        raise harness.Skip(result.skipped[0][1])
    for _, trace in result.errors + result.failures:
        raise AssertionError(trace)


# ------------------------------------------------------------------------------- the child
class TimedOut(Exception):
    pass


def child(args):
    """Runs the named tests of one file, one JSON line per event on fd args.fd."""
    out = os.fdopen(args.fd, "w", buffering=1)

    def say(**event):
        out.write(json.dumps(event) + "\n")

    def alarm(*_):
        raise TimedOut("the test did not end in time")

    import harness
    say(event="setup")
    harness.setup(args.slot, args.private)
    module = importlib.import_module(args.child)
    wanted = json.loads(args.names)
    signal.signal(signal.SIGALRM, alarm)
    for name, f, case in tests_of(module):
        if name not in wanted:
            continue
        limit = int(getattr(f, "timeout", 30) * harness.SLACK)
        say(event="start", name=name, limit=limit)
        began, result, words = time.monotonic(), "ok", ""
        try:
            signal.alarm(limit)
            if harness.NO_PROGRAM and not getattr(f, "no_program", False):
                raise harness.Skip("the program is not built")
            f() if case is None else f(case)
        except harness.Skip as e:
            result, words = "skip", str(e)
        except BaseException as e:  # noqa: BLE001 - also SystemExit from a test is a failure
            result = "not ok"
            words = tale(e)
        finally:
            signal.alarm(0)
        try:
            signal.alarm(GRACE)
            if result == "not ok":
                words += harness.evidence()
            left = harness.end_of_test()
            if left and result == "ok":
                result, words = "not ok", f"left over after the test: {left}"
        except BaseException as e:  # noqa: BLE001
            if result == "ok":
                result, words = "not ok", "cleaning up: " + tale(e)
        finally:
            signal.alarm(0)
        say(event="end", name=name, result=result, words=words, s=round(time.monotonic() - began, 2))
    harness.end_of_file()
    say(event="done", cpu=sum(os.times()[:4]))


def tale(e):
    """The exception with the lines of the tests that led to it."""
    lines = [f"{type(e).__name__}: {e}"]
    for frame in traceback.extract_tb(e.__traceback__):
        if frame.filename.startswith(HERE) and not frame.filename.endswith("run.py"):
            lines.append(f"  {os.path.basename(frame.filename)}:{frame.lineno} {frame.name}: {frame.line}")
    return "\n".join(lines)


# ------------------------------------------------------------------------------- the parent
class Runner:
    def __init__(self, args, private):
        self.args, self.private = args, private
        self.counts = {"ok": 0, "not ok": 0, "skip": 0}
        self.lock = threading.Lock()
        self.failed, self.took = [], {}  # file: its seconds, and those of processors

    def report(self, file, name, result, words, seconds):
        with self.lock:
            self.counts[result] += 1
            full = f"{file}::{name}"
            if result == "skip":
                print(f"skip {full}: {words}", flush=True)
                return
            print(f"{result} {full} ({seconds:.1f} s)", flush=True)
            if result == "not ok":
                self.failed.append(full)
                for line in words.rstrip().split("\n"):
                    print("  | " + line, flush=True)

    def file(self, file, names, slot):
        began = time.monotonic()
        self.took[file] = [0, 0]
        while names:
            done, why = self.once(file, names, slot)
            rest = [n for n in names if n not in done]
            if rest and not why:
                why = "the test process died"
            if rest and why:  # the first of them is to blame
                self.report(file, rest[0], "not ok", why, 0)
                rest = rest[1:]
            if why and not done and why.startswith("setting up"):
                for name in rest:
                    self.report(file, name, "not ok", "setting up failed, see above", 0)
                rest = []
            names = rest
        self.took[file][0] = time.monotonic() - began

    def once(self, file, names, slot):
        """One child. (names that have a result, why it ended early or None)"""
        r, w = os.pipe()
        cmd = [sys.executable, os.path.abspath(__file__), "--child", file, "--names", json.dumps(names),
               "--fd", str(w), "--slot", str(slot)]
        if self.private:
            cmd = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child",
                   "--mount-proc"] + cmd + ["--private"]
        env = dict(os.environ, XPROXY_BUILD=self.args.build)
        p = subprocess.Popen(cmd, pass_fds=[w], start_new_session=True, cwd=ROOT, env=env,
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.close(w)
        errors = []
        reader = threading.Thread(target=lambda: errors.append(p.stderr.read()), daemon=True)
        reader.start()
        done, why, current, started, buf = set(), None, None, False, b""
        deadline = time.monotonic() + 60
        while True:
            if not select.select([r], [], [], max(0, deadline - time.monotonic()))[0]:
                why = f"killed: {current or 'setting up'} took too long"
                break
            data = os.read(r, 65536)
            if not data:
                break
            buf += data
            *lines, buf = buf.split(b"\n")
            for line in lines:
                e = json.loads(line)
                if e["event"] == "start":
                    current, started = e["name"], True
                    deadline = time.monotonic() + e["limit"] + GRACE + 10
                elif e["event"] == "end":
                    done.add(e["name"])
                    self.report(file, e["name"], e["result"], e["words"], e["s"])
                    current, deadline = None, time.monotonic() + 60
                elif e["event"] == "done":
                    self.took[file][1] += e["cpu"]
        os.close(r)
        try:
            if why:
                raise subprocess.TimeoutExpired(cmd, 0)
            p.wait(GRACE)
        except subprocess.TimeoutExpired:
            kill_tree(p.pid)
            p.wait()
        reader.join(5)
        noise = (errors[0] if errors else b"").decode("utf8", "replace").strip()
        if noise and len(done) < len(names) and not why:
            why = ("the test process died: " if started else "setting up failed: ") + noise[-2000:]
        return done, why


def kill_tree(pid):
    """SIGKILL for a process of ours and everything below it."""
    pids, i = [pid], 0
    while i < len(pids):
        try:
            with open(f"/proc/{pids[i]}/task/{pids[i]}/children") as f:
                pids += [int(c) for c in f.read().split()]
        except OSError:
            pass
        i += 1
    for one in pids:
        try:
            os.kill(one, signal.SIGKILL)
        except OSError:
            pass


def can_unshare():
    if os.geteuid() != 0 or os.environ.get("XPROXY_TEST_PRIVATE") == "no":
        return False
    try:
        return subprocess.run(["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--mount-proc",
                               "mount", "-t", "tmpfs", "none", "/run"],
                              stderr=subprocess.DEVNULL, timeout=10).returncode == 0
    except OSError:
        return False


def cost(file):
    """Files say what they take, so that the long ones start first."""
    with open(os.path.join(HERE, file + ".py")) as f:
        m = re.search(r"^SECONDS = (\d+)", f.read(), re.M)
    return int(m.group(1)) if m else 10


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*")
    # Most of a test's time is waiting: a login that is refused takes a second.
    p.add_argument("-j", type=int, default=min(6, 3 * (os.cpu_count() or 1)), dest="jobs")
    p.add_argument("--asan", action="store_true", help="test the programs in BUILD-asan")
    p.add_argument("--list", action="store_true")
    p.add_argument("--times", action="store_true", help="say at the end what each file took, and of it on a processor")
    p.add_argument("--child", help=argparse.SUPPRESS)
    p.add_argument("--names", dest="names_json", help=argparse.SUPPRESS)
    p.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    p.add_argument("--slot", type=int, default=0, help=argparse.SUPPRESS)
    p.add_argument("--private", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.child:
        args.names = args.names_json
        return child(args)
    args.build = os.environ.get("XPROXY_BUILD") or os.path.join(ROOT, "build")
    if args.asan and not os.environ.get("XPROXY_BUILD"):
        args.build = os.path.join(ROOT, "build-asan")
    args.build = os.path.abspath(args.build)
    plan = []
    for entry in sorted(os.listdir(HERE)):
        if re.fullmatch(r"test_\w+\.py", entry) or entry[:-3] in args.names:
            file = entry[:-3]
            names = [n for n, _, _ in tests_of(importlib.import_module(file))]
            names = [n for n in names if not args.names or any(x in f"{file}::{n}" for x in args.names)]
            if names:
                plan.append((file, names))
    if args.list:
        for file, names in plan:
            for n in names:
                print(f"{file}::{n}")
        return 0
    plan.sort(key=lambda item: -cost(item[0]))
    runner, began = Runner(args, can_unshare()), time.monotonic()

    def worker(slot):
        while True:
            with runner.lock:
                if not plan:
                    return
                file, names = plan.pop(0)
            runner.file(file, names, slot)

    workers = [threading.Thread(target=worker, args=(slot,)) for slot in range(max(1, args.jobs))]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    if args.times:
        for file, (seconds, cpu) in sorted(runner.took.items(), key=lambda item: -item[1][0]):
            print(f"{seconds:6.1f} s {cpu:6.1f} s {file}")
    c = runner.counts
    for name in runner.failed[:40]:
        print(f"failed: {name}")
    if len(runner.failed) > 40:
        print(f"failed: and {len(runner.failed) - 40} more")
    print(f"({time.monotonic() - began:.0f} s{'' if runner.private else ', without namespaces of its own'})")
    print(f"{c['ok']} passed, {c['not ok']} failed, {c['skip']} skipped", flush=True)
    return 1 if c["not ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
