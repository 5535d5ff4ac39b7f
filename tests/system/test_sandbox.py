# SPDX-License-Identifier: GPL-2.0-or-later
"""What the processes of a connection may still do: nothing before the login that reads the network, nothing
after it that has privilege; and what happens to one that tries."""
import os
import re
import signal
import subprocess

import harness as h
import xpranet as x

SECONDS = 10
PROBE = os.path.join(h.BUILD, "sandbox-probe")
CALLS = ("open", "openat", "socket", "connect", "execve", "fork", "clone", "ptrace", "kill", "bind", "setuid",
         "io_uring_setup", "process_vm_readv", "setsockopt", "nodelay")


def ids(pid, which="Uid"):
    return {int(n) for n in h.status(pid)[which].split()}


def locked(pid, what):
    s = h.status(pid)
    assert s["Seccomp"] == "2", f"{what}: Seccomp {s['Seccomp']}"
    assert s["NoNewPrivs"] == "1", f"{what}: NoNewPrivs {s['NoNewPrivs']}"
    powerless(pid, what)


def powerless(pid, what):
    s = h.status(pid)
    for caps in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(s[caps], 16) == 0, f"{what}: {caps} {s[caps]}"


def before_login():
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", "tcp://127.0.0.1:1/"))))
    conn.peer.hello(x.hello65(username="john"))
    conn.peer.expect("challenge")
    return conn


def limits(pid):
    with open(f"/proc/{pid}/limits") as f:
        return {line[:26].strip(): line[26:].split()[0] for line in f.read().split("\n")[1:] if line}


@h.each("before the login", "relaying")
def test_worker(phase):
    """The process that reads the network: another uid, no group, no capability, a filter, few fds, not dumpable."""
    conn = before_login() if phase == "before the login" else h.link().conn
    worker = conn.worker()
    locked(worker, "worker")
    if h.ROOT:
        uid = ids(worker)
        assert len(uid) == 1 and not uid & {0, h.alice.uid}, f"worker runs as {uid}"
        assert len(ids(worker, "Gid")) == 1 and 0 not in ids(worker, "Gid")
        assert not h.status(worker)["Groups"].split(), f"groups {h.status(worker)['Groups']}"
        # not dumpable: /proc/PID belongs to root
        assert os.stat(f"/proc/{worker}/mem").st_uid == 0, "the worker can be read by its own uid"
    assert limits(worker)["Max core file size"] == "0", limits(worker)
    assert int(limits(worker)["Max open files"]) <= 64, limits(worker)["Max open files"]
    if not h.ROOT:
        assert not os.access(f"/proc/{worker}/fd", os.R_OK), "its own user can look into the worker"
        return
    fds = h.fds(worker)
    sockets = [n for n, what in fds.items() if what.startswith("socket:")]
    others = [what for n, what in fds.items() if not what.startswith("socket:") and n != 2]
    assert len(sockets) == (2 if phase == "before the login" else 3), fds
    assert others == ["anon_inode:[eventpoll]"], f"the worker holds {others}"


@h.needs_root
def test_worker_user_is_configurable():
    conn = h.spawn(h.conf("password(value=pw)", Listen={"User": h.bob.name}))
    conn.peer.hello(x.hello65(username="john"))
    conn.peer.expect("challenge")
    assert ids(conn.worker()) == {h.bob.uid} and ids(conn.worker(), "Gid") == {h.bob.gid}


def test_worker_filter_is_stacked():
    """The relay's filter comes on top of the first one."""
    conn = before_login()
    first = int(h.status(conn.worker()).get("Seccomp_filters", 0))
    second = int(h.status(h.link().conn.worker()).get("Seccomp_filters", 0))
    if not first:
        raise h.Skip("this kernel does not count filters")
    assert second > first, (first, second)


@h.needs_root
def test_guard_before_login():
    """It still needs privilege, but never holds the client's socket."""
    conn = before_login()
    guard = conn.guard()
    assert f"socket:[{conn.inode}]" not in h.fds(guard).values(), h.fds(guard)


def test_guard_after_login():
    """The session's user for good, locked, without the client's and the server's sockets."""
    link = h.link()
    guard = link.conn.guard()
    h.eventually(lambda: h.status(guard)["Seccomp"] == "2", 2, "the guard locks itself")
    locked(guard, "guard")
    if h.ROOT:
        assert ids(guard) == {h.alice.uid} and ids(guard, "Gid") == {h.alice.gid}, (ids(guard), ids(guard, "Gid"))
        assert {int(g) for g in h.status(guard)["Groups"].split()} <= {h.alice.gid}, h.status(guard)["Groups"]
    shared = set(h.fds(guard).values()) & set(h.fds(link.conn.worker()).values())
    shared = [s for s in shared if s.startswith("socket:")]
    assert not shared, f"guard and worker share {shared}"


def test_everybody_after_login():
    """No process of the connection has any privilege left, and none but the two has a filter to spare."""
    link = h.link()
    h.eventually(h.control_sockets, 3, "the control socket")
    for pid in link.conn.processes():
        powerless(pid, h.status(pid)["Name"])
        assert h.status(pid)["NoNewPrivs"] == "1", h.status(pid)["Name"]
        assert not (h.ROOT and 0 in ids(pid)), f"{h.status(pid)['Name']} is root"
    assert len(link.conn.processes()) <= 3, [h.status(p)["Name"] for p in link.conn.processes()]


@h.needs_root
def test_environment_is_forgotten():
    """Passwords in module options and the environment are not in the worker's memory map of them."""
    conn = h.spawn(h.conf("env(name=MYPW)"), env={"MYPW": "environment-secret"})
    conn.peer.hello(x.hello65(username=h.alice.name))
    conn.peer.expect("challenge")
    with open(f"/proc/{conn.worker()}/environ", "rb") as f:
        assert b"environment-secret" not in f.read()


def memory_of(pid):
    data = bytearray()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, perms = line.split()[:2]
            if "r" not in perms or "w" not in perms:
                continue
            a, b = (int(n, 16) for n in span.split("-"))
            if b - a > 64 << 20:
                continue
            try:
                mem.seek(a)
                data += mem.read(b - a)
            except OSError:
                pass
    return data


@h.needs_root
def test_secrets_are_not_in_the_worker():
    """Neither the users' file nor a password in the configuration nor the session's."""
    if h.ASAN:
        raise h.Skip("memory under ASan says nothing")
    srv = h.Server(password="upstream-secret-9X")
    spec = h.multifile(h.line("john", "users-secret-7Q", f"tcp://u:upstream-secret-9X@127.0.0.1:{srv.port}/"))
    conn = h.spawn(h.conf("password(value=config-secret-5Z)", spec), args=())
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    for password in ("config-secret-5Z", "users-secret-7Q"):
        conn.peer.answer(conn.peer.expect("challenge"), caps, password)
    assert conn.peer.read_packet(5).name == "hello", conn.log()
    srv.get()
    data = memory_of(conn.worker())
    assert b"xproxy" in data or len(data) > 100000, "nothing could be read"
    for secret in (b"upstream-secret-9X", b"users-secret-7Q", b"config-secret-5Z"):
        assert secret not in data, f"the worker knows {secret.decode()}"


def test_a_killed_worker_is_reported():
    """SIGSYS, as a broken rule gives: the log says so."""
    link = h.link()
    os.kill(link.conn.worker(), signal.SIGSYS)
    assert link.conn.wait(2) != 0
    link.conn.logged("SIGSYS|bad system call|sandbox|killed by signal 31|violat")


# A driver of a device needs these.
DEVICE = ("open", "openat", "clone")


@h.each(*[f"{who} {call}" for who in ("front", "front-ktls", "relay", "guard", "tunnel", "encode", "encode-device") for call in CALLS
          if who != "encode-device" or call not in DEVICE])
def test_probe(case):
    """A process in the same sandbox that makes the call does not live to tell; the encoder's openat() fails."""
    if not os.path.exists(PROBE):
        raise h.Skip("build/sandbox-probe is not built")
    if h.ASAN:
        raise h.Skip("the sanitizer's own calls are allowed")
    who, call = case.split()
    r = subprocess.run([PROBE, who, call], capture_output=True, timeout=10, cwd="/")
    if case == "encode openat":
        assert (r.returncode, r.stdout) == (0, b"refused\n"), f"{case}: {r.returncode} {r.stdout}"
        return
    assert r.returncode in (-signal.SIGSYS, 128 + signal.SIGSYS), f"{case}: exit code {r.returncode} {r.stderr}"


def test_how_many_calls():
    """The lists stay short: what is not on them need not be thought about."""
    text = open(os.path.join(h.ROOT_DIR, "base", "syscalls.h")).read()
    lists = dict(re.findall(r"#define SYSCALLS_(\w+)(.*?)(?=#define|\Z)", text, re.S))
    lists["FRONT"] = lists["FRONT"].replace("SYSCALLS_RELAY", lists["RELAY"])
    lists["FRONT_KTLS"] = lists["FRONT_KTLS"].replace("SYSCALLS_FRONT", lists["FRONT"])
    counts = {name: len(set(re.findall(r"\bALLOW(?:_ARGS?)?\((\w+)", body))) for name, body in lists.items()}
    assert counts["FRONT"] < counts["FRONT_KTLS"] <= 24 and counts["RELAY"] <= 21 and counts["GUARD"] <= 21 and counts["TUNNEL"] <= 13, counts
    assert counts["ENCODE"] <= 25, counts
    assert min(counts.values()) > 5, counts


def test_probe_harmless():
    """The probe itself works: a call that is allowed is survived."""
    if not os.path.exists(PROBE):
        raise h.Skip("build/sandbox-probe is not built")
    for who in ("front", "front-ktls", "relay", "guard", "tunnel", "encode", "encode-device"):
        r = subprocess.run([PROBE, who, "read"], capture_output=True, timeout=10, cwd="/")
        assert r.returncode == 0, f"{who} read: {r.returncode} {r.stderr}"
    # keys for the kernel, where it takes them and only up to the end of the login
    for who, code in (("front-ktls", 0), ("front", -signal.SIGSYS), ("relay", -signal.SIGSYS)):
        r = subprocess.run([PROBE, who, "ulp"], capture_output=True, timeout=10, cwd="/")
        assert r.returncode == code, f"{who} ulp: {r.returncode} {r.stderr}"
