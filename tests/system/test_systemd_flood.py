# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers in numbers, against the installed units under a real systemd: what they cost, and that everybody else still
gets in, during and after."""
import errno
import os
import resource
import selectors
import socket
import subprocess
import sys
import time

import harness as h
import machine
import xpranet
from machine import needs_machine

SECONDS = 75
CONNECTS, WITHIN = 5000, 2.0
MB = 1 << 20


def bob_gets_in(source, seconds):
    """Until a legitimate client is greeted by its session; how long that took. It tries again when turned away, as a
    person would."""
    began = time.monotonic()
    while True:
        try:
            s = socket.socket()
            s.settimeout(max(0.1, began + seconds - time.monotonic()))
            s.bind((source, 0))
            s.connect(("127.0.0.1", 14500))
            s.settimeout(None)
            peer = xpranet.Peer(s, xpranet.RENCODE)
            p = peer.login(xpranet.hello31(username="bob"), "pw", timeout=seconds)
            assert p.name == "hello", xpranet.texts(p)
            peer.close()
            return time.monotonic() - began
        except (OSError, xpranet.Closed, xpranet.Timeout) as e:
            s.close()
            if time.monotonic() - began > seconds:
                raise AssertionError(f"not within {seconds:g} s: {e}") from None
            time.sleep(0.1)


class Flood:
    """That many connects, evenly over that time, from so many addresses, by a process of their own; who gets in says
    nothing and stays until the end."""

    def __init__(self, addresses):
        self.proc = h.popen([sys.executable, os.path.abspath(__file__), str(addresses)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
        h.defer(h.end_process, self.proc)
        assert self.proc.stdout.readline() == "started\n"

    def wait(self):
        """Until all have connected, or tried to; how long they took."""
        return float(self.proc.stdout.readline())

    def end(self):
        self.proc.stdin.close()
        self.proc.wait(20)


def flood(addresses):
    """The process."""
    many_files()
    print("started", flush=True)
    sockets, start = [], time.monotonic()
    while len(sockets) < CONNECTS:
        if len(sockets) >= CONNECTS * (time.monotonic() - start) / WITHIN:
            time.sleep(0.002)
            continue
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.bind((addresses[len(sockets) % len(addresses)], 0))
        assert s.connect_ex(("127.0.0.1", 14500)) in (0, errno.EINPROGRESS)
        sockets.append(s)
    print(time.monotonic() - start, flush=True)
    sys.stdin.read()


def sources(n):
    return ["127.0.0.66"] if n == 1 else [f"127.{1 + i // 60000}.{i // 250 % 240}.{1 + i % 250}" for i in range(n)]


def many_files():
    """5000 sockets are more than a process usually may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < CONNECTS + 200:
        raise h.Skip(f"no more than {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def memory(m):
    """(all connections together, systemd itself), bytes."""
    with open(f"/proc/{m.leader()}/status", encoding="utf8") as f:
        rss = next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS:"))
    used = m.show("xproxy.slice", "MemoryCurrent")["MemoryCurrent"]
    return int(used) if used.isdigit() else 0, rss


def started(m):
    """The units, once the two processes of each run."""
    units = m.units()
    return units if int(m.show("xproxy.slice", "TasksCurrent")["TasksCurrent"]) >= 2 * len(units) - 10 else None


def scripted(m, more="", dropin=""):
    server = h.Server("3.1.3")
    m.put("/etc/xproxy/users", f"bob|pw|alice|alice|{server.uri}||\n", 0o600)
    m.configure(f"[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n{more}")
    m.restart_socket(dropin)
    return server


@h.each("one address", "many addresses")
@needs_machine
@h.timeout(120)
def test_flood(m, where):
    """5,000 connects within two seconds: the socket goes on, memory is bounded; one gets in within ten seconds of its
    end, and if it comes from one address, from another during it."""
    many_files()
    scripted(m)
    quiet = bob_gets_in("127.0.0.9", 10)
    _, before = memory(m)
    strangers = Flood(1 if where == "one address" else CONNECTS)
    during = bob_gets_in("127.0.0.9", 30) if where == "one address" else 0  # else who was first has all the places
    took = strangers.wait()
    units = h.eventually(lambda: started(m), 30, lambda: "they have not all been started", 0.2)
    at_the_end = memory(m)
    strangers.end()
    after = bob_gets_in("127.0.0.9", 30)
    h.eventually(lambda: not m.units(), 30, lambda: f"{len(m.units())} units left", 0.2)
    peak = max(at_the_end[1], memory(m)[1]) - before
    print(f"flood from {where}: {CONNECTS} connects in {took:.1f} s, {len(units)} units; getting in took {quiet:.2f} s before, "
          f"{during:.2f} s during it, {after:.2f} s after it; {at_the_end[0] / MB:.0f} MB, systemd {peak / MB:+.1f} MB")
    assert after < 10 * h.SLACK, f"{after:.1f} s"
    assert m.show("xproxy.socket", "ActiveState", "Result") == {"ActiveState": "active", "Result": "success"}
    assert len([u for u in units if "127.0.0.66" in u]) <= 64 and len(units) <= 256, len(units)
    assert at_the_end[0] <= len(units) * 1.6 * MB + 8 * MB, (at_the_end, len(units))
    assert peak < 64 * MB, peak
    assert not m.shell("systemctl list-units --failed --no-legend").stdout.strip()


@needs_machine
@h.timeout(120)
def test_silent_clients(m):
    """500 that connect and say nothing: 1.6 MB and two tasks each at most, and gone when the time for logins is up."""
    many_files()
    limit = 15
    scripted(m, f"[Limits]\nLoginTimeout={limit}s\n", "[Socket]\nMaxConnections=1000\n")
    used, rss = memory(m)
    peers = selectors.DefaultSelector()
    began = time.monotonic()
    for source in sources(500):
        s = socket.create_connection(("127.0.0.1", 14500), source_address=(source, 0))
        h.defer(s.close)
        peers.register(s, selectors.EVENT_READ, time.monotonic())
    h.eventually(lambda: int(m.show("xproxy.slice", "TasksCurrent")["TasksCurrent"]) >= 1000, 60,
                 lambda: m.show("xproxy.slice", "TasksCurrent"), 0.1)
    started = time.monotonic() - began
    tasks = int(m.show("xproxy.slice", "TasksCurrent")["TasksCurrent"])
    units, (now_used, now_rss) = len(m.units()), memory(m)
    each = (now_used - used + now_rss - rss) / 500
    assert units == 500 and tasks <= 2 * 500, (units, tasks)
    assert each <= 1.6 * MB, f"{each / MB:.2f} MB each"
    longest = 0
    while peers.get_map():
        for key, _ in peers.select(limit + 10):
            longest = max(longest, time.monotonic() - key.data)
            key.fileobj.recv(4096) or peers.unregister(key.fileobj)
    assert longest < (limit + started + 3) * h.SLACK, f"{longest:.1f} s"
    h.eventually(lambda: not m.units(), 10, lambda: f"{len(m.units())} units left", 0.2)
    print(f"500 silent clients: {each / MB:.2f} MB and {tasks / 500:g} tasks each, all started after {started:.1f} s, the last "
          f"gone after {longest:.1f} s")


if __name__ == "__main__":
    flood(sources(int(sys.argv[1])))
