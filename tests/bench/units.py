# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lines of xproxy@.service cost, next to a unit that has none and runs `true`: activations per second, the
processor time of each, and what `systemd-analyze security` says of it. In a rig, so as root only."""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import rig  # noqa: E402 - it lies one folder up

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
AT_ONCE, TURN = 16, 64
BARE = "[Service]\nExecStart=/bin/true\n"
# What is dearest for what it counts, in this order: leaving out one more each time is the frontier.
DEAREST = (("ProtectKernelLogs",), ("ProtectControlGroups",), ("ProtectKernelModules",), ("ProtectProc", "ProcSubset"),
           ("PrivateMounts",))
# Left out of the shipped unit, each with what it would cost and what it would score.
MORE = ("ProtectSystem=strict", "ProtectHome=read-only", "PrivateTmp=yes", "PrivateDevices=yes", "ProtectKernelLogs=yes",
        "ProtectKernelTunables=yes", "MemoryDenyWriteExecute=yes", "LockPersonality=yes", "ProtectHostname=yes",
        "SystemCallFilter=@system-service")


def shipped(program="/usr/libexec/xproxy-conn"):
    with open(os.path.join(TOP, "units", "xproxy@.service"), encoding="utf8") as f:
        return re.sub(r"(?m)^ExecStart=.*", f"ExecStart={program}", f.read())


def without(unit, *starts):
    return "".join(line for line in unit.splitlines(True) if not line.startswith(starts))


def directives(unit):
    """The lines that are paid for: a sandbox's."""
    after = unit.split("# ---- ", 1)[1]
    return [line for line in after.splitlines() if "=" in line and not line.startswith("#")]


def score(unit):
    """The exposure that systemd-analyze security computes."""
    path = os.path.join(tempfile.gettempdir(), f"xproxy-bench-{os.getpid()}@.service")
    with open(path, "w", encoding="utf8") as f:
        f.write(re.sub(r"(?m)^(Slice|Documentation)=.*\n", "", unit))
    try:
        r = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", path], capture_output=True, text=True,
                           check=False)
    finally:
        os.unlink(path)
    return float(re.search(r"exposure level for .*: ([\d.]+)", r.stdout + r.stderr).group(1))


class Lab:
    """Units that all wait on a port of their own."""

    def __init__(self, machine):
        self.machine, self.units, self.port = machine, {}, 20000

    def add(self, name, unit):
        self.port += 1
        file = f"bench{len(self.units)}"
        self.machine.put(f"/etc/systemd/system/{file}@.service", unit)
        self.machine.put(f"/etc/systemd/system/{file}.socket", f"[Socket]\nListenStream=127.0.0.1:{self.port}\nAccept=yes\n"
                         "MaxConnections=1000\nTriggerLimitIntervalSec=0\n")
        self.units[name] = (file, self.port, unit)

    def cpu(self):
        """Seconds of processor time that the whole machine has used."""
        h = next(h for h in rig.hierarchies() if h.unified)
        with open(os.path.join(h.here, self.machine.group, "cpu.stat"), encoding="utf8") as f:
            return int(f.readline().split()[1]) / 1e6

    def turn(self, name, count=TURN):
        """(activations per second, milliseconds of processor time for each)"""
        before = self.cpu()
        r = self.machine.shell(f"/usr/local/bin/rate {self.units[name][1]} {count} {AT_ONCE}")
        time.sleep(0.1)  # what is only cleared away
        return float(r.stdout), (self.cpu() - before) / count * 1e3

    def measure(self, rounds):
        """{name: [turns]}, interleaved."""
        self.machine.shell("systemctl daemon-reload; systemctl start " + " ".join(f"{f}.socket" for f, _, _ in self.units.values()))
        names, found = list(self.units), {name: [] for name in self.units}
        for name in names:
            self.turn(name, AT_ONCE)
        for i in range(rounds):
            for name in names[i % len(names):] + names[:i % len(names)]:
                found[name].append(self.turn(name))
        return found


def prepare(machine, build, tools):
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    subprocess.run(["make", "-s", "-C", TOP, "install", f"B={build}", f"DESTDIR={machine.root}", "prefix=/usr"], check=True, env=env,
                   stdout=subprocess.DEVNULL)
    machine.shell("systemd-sysusers && systemd-tmpfiles --create xproxy.conf")
    machine.put("/etc/xproxy/password", "secret", 0o600)
    machine.put("/etc/xproxy/xproxy.conf", "[Auth]\nModule=file(filename=/etc/xproxy/password)\n")
    with open(os.path.join(tools, "rate"), "rb") as f, open(machine.root + "/usr/local/bin/rate", "wb") as to:
        to.write(f.read())
    machine.shell("chmod 755 /usr/local/bin/rate")


def run(bench, quick):
    reason = rig.why_not()
    if reason:
        raise bench.Skip(reason)
    rounds = 5 if quick else 9
    bench.title(f"units: activations by systemd as PID 1, {AT_ONCE} at once, {rounds} interleaved rounds of {TURN}")
    true = shipped("/bin/true")
    with rig.Rig(f"bench{os.getpid()}") as machine:
        prepare(machine, bench.BUILD, bench.TOOLS)
        lab = Lab(machine)
        lab.add("no directive, true", BARE)
        lab.add("no directive, xproxy-conn", BARE.replace("/bin/true", "/usr/libexec/xproxy-conn") + "StandardInput=socket\n")
        lab.add("shipped, true", true)
        lab.add("shipped, xproxy-conn", shipped())
        gone = ()
        for names in DEAREST:
            gone += names
            lab.add(f"also without {names[0]}", without(shipped(), *gone))
        if not quick:  # every line by itself
            for line in directives(true):
                lab.add(f"true, - {line[:24]}", true.replace(line + "\n", ""))
            for line in MORE:
                unit = without(true, "SystemCallFilter") if line.startswith("SystemCallFilter") else true
                lab.add(f"true, + {line}", unit + line + "\n")
        found = lab.measure(rounds)
        bare = found["no directive, true"]
        for name, turns in found.items():
            ratio = statistics.median(t[0] / b[0] for t, b in zip(turns, bare))
            bench.row(name, f"{statistics.median(t[0] for t in turns):5.0f}/s, {ratio:.2f} x, "
                            f"{statistics.median(t[1] for t in turns):5.2f} ms CPU, exposure {score(lab.units[name][2])}")
    for name in ("shipped, true", "shipped, xproxy-conn"):
        ratio = statistics.median(t[0] / b[0] for t, b in zip(found[name], bare))
        bench.judge(f"{name} / no directive, true", ratio, 0.6, most=False, unit=" x")
    bench.judge("exposure of the shipped unit", score(shipped()), 2.6)
