# SPDX-License-Identifier: GPL-2.0-or-later
"""Strangers in numbers, against the installed units under a real systemd: what they cost, and that everybody else still
gets in, during and after."""
import errno
import resource
import selectors
import socket
import threading
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
    """That many connects, evenly over that time, from these addresses; who gets in says nothing and stays."""

    def __init__(self, sources):
        self.sources, self.sockets, self.began, self.tried = sources, [], threading.Event(), 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        self.began.wait()

    def run(self):
        start = time.monotonic()
        self.began.set()
        while self.tried < CONNECTS:
            while self.tried < CONNECTS * (time.monotonic() - start) / WITHIN and self.tried < CONNECTS:
                self.one(self.sources[self.tried % len(self.sources)])
            time.sleep(0.002)
        self.seconds = time.monotonic() - start

    def one(self, source):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        s.bind((source, 0))
        try:
            s.connect(("127.0.0.1", 14500))
        except OSError as e:
            assert e.errno == errno.EINPROGRESS, e
        self.sockets.append(s)
        self.tried += 1

    def end(self):
        self.thread.join()
        for s in self.sockets:
            s.close()


def sources(n):
    return [f"127.{1 + i // 60000}.{i // 250 % 240}.{1 + i % 250}" for i in range(n)]


def many_files():
    """5000 sockets are more than a process usually may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTS + 200:
        raise h.Skip(f"no more than {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def memory(m):
    """(all connections together, systemd itself), bytes."""
    with open(f"/proc/{m.leader()}/status", encoding="utf8") as f:
        rss = next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS:"))
    used = m.show("xproxy.slice", "MemoryCurrent")["MemoryCurrent"]
    return int(used) if used.isdigit() else 0, rss


def scripted(m, more=""):
    server = h.Server("3.1.3")
    m.put("/etc/xproxy/users", f"bob|pw|alice|alice|{server.uri}||\n", 0o600)
    m.configure(f"[Auth]\nModule=multifile(filename=/etc/xproxy/users)\n{more}")
    m.restart_socket()
    return server


@h.each("one address", "many addresses")
@needs_machine
@h.timeout(120)
def test_flood(m, where):
    """5,000 connects within two seconds: the socket goes on, memory is bounded; from elsewhere one gets in during it,
    and afterwards within ten seconds at the latest."""
    many_files()
    scripted(m)
    quiet = bob_gets_in("127.0.0.9", 10)
    _, before = memory(m)
    flood = Flood(["127.0.0.66"] if where == "one address" else sources(CONNECTS))
    during = bob_gets_in("127.0.0.9", 30 * h.SLACK)
    flood.thread.join()
    at_the_end = memory(m)
    instances = len(m.units())
    flood.end()
    after = bob_gets_in("127.0.0.9", 10 * h.SLACK)
    h.eventually(lambda: not m.units(), 30, lambda: f"{len(m.units())} units left", 0.2)
    peak = memory(m)
    assert m.show("xproxy.socket", "ActiveState", "Result") == {"ActiveState": "active", "Result": "success"}
    assert instances <= (64 if where == "one address" else 1024), instances
    assert at_the_end[0] <= instances * 1.6 * MB + 8 * MB, (at_the_end, instances)
    assert max(at_the_end[1], peak[1]) - before < 64 * MB, (before, at_the_end, peak)
    assert not m.shell("systemctl list-units --failed --no-legend").stdout.strip()
    print(f"flood from {where}: {CONNECTS} connects in {flood.seconds:.1f} s, {instances} instances; alone {quiet:.2f} s, "
          f"during {during:.2f} s, after {after:.2f} s; {at_the_end[0] / MB:.0f} MB, systemd {(peak[1] - before) / MB:+.1f} MB")


@needs_machine
@h.timeout(120)
def test_silent_clients(m):
    """500 that connect and say nothing: 1.6 MB and two tasks each at most, and gone when the time for logins is up."""
    many_files()
    limit = 15
    scripted(m, f"[Limits]\nLoginTimeout={limit}s\n")
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
