# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a login is still in memory while the session runs: no password, no answer, no file of passwords."""
import sqlite3

import harness as h
import xpranet as x
from test_sandbox import memory_of

SECONDS = 10

PASSWORD = "passw0rd-of-the-user-4711"
UPSTREAM = "passw0rd-upstream-0815"
OTHER = "passw0rd-of-somebody-else-99"


def users_db(*rows):
    path = h.make_file(f"db-{next(h._serial)}.sdb", b"", 0o600)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE users (username, password, uid, gid, displays, env_options, session_options)")
    db.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?, '', '')", rows)
    db.commit()
    db.close()
    return f"sqlite(filename={path})"


def script(body):
    return h.make_file(f"script-{next(h._serial)}", f"#!/bin/sh\n{body}\n", 0o755)


def spec(kind, uri):
    a = h.alice
    return {
        "multifile": lambda: h.multifile(h.line("other", OTHER, ":1"), h.line("john", PASSWORD, uri)),
        "sqlite": lambda: users_db(("john", PASSWORD, str(a.uid), str(a.gid), uri), ("other", OTHER, "", "", "")),
        "file": lambda: "file(filename=%s)" % h.make_file(f"file-{next(h._serial)}", PASSWORD, 0o600),
        "exec": lambda: "exec(command=%s,require-challenge=yes)" % script(f'[ "$(cat)" = {PASSWORD} ]'),
        "password": lambda: f"password(value={PASSWORD})",
    }[kind]()


@h.needs_root
@h.each("multifile tcp", "multifile unix xor", "sqlite tcp", "file tcp", "exec unix xor", "password tcp", "two at once")
def test_nothing_is_left(case):
    """Guard and worker, searched while the session runs; what is known to be there is found."""
    kind, xor = case.split()[0], "xor" in case
    srv = h.Server("6.5", password=UPSTREAM)
    uri = f"tcp://u:{UPSTREAM}@127.0.0.1:{srv.port}/"
    modules = [spec("multifile" if kind in ("exec", "file", "password", "two") else kind, uri)]
    if kind in ("exec", "file", "password"):
        modules.insert(0, spec(kind, uri))
    if kind == "two":
        modules = [spec("exec", uri) + " || " + spec("sqlite", uri)]
    if kind == "two":
        xor = False
    conn = h.spawn(h.conf(*modules, Relay={"PingInterval": "0"}), kind="unix" if "unix" in case else "tcp")
    caps = x.hello65(username="john")
    if xor:
        caps["digest"] = ["xor"]
    conn.peer.hello(caps)
    answers = []
    while (p := conn.peer.read_packet(10)).name == "challenge":
        answers += conn.peer.answer(p, caps, PASSWORD)
        answers.append(bytes(p[1]) if isinstance(p[1], bytes) else p[1].encode("latin1"))
    assert p.name == "hello", f"{x.texts(p)}\n{conn.log()}"
    srv.get()
    secrets = {PASSWORD.encode(): "the password", UPSTREAM.encode(): "the session's password", OTHER.encode(): "another user's"}
    secrets.update({a: "an answer" for a in answers})
    assert len(answers) >= 3
    h.eventually(lambda: h.status(conn.guard())["Seccomp"] == "2", 3, "the guard serves the session")
    found, pids = [], conn.processes()
    for pid in pids:
        data = memory_of(pid)
        assert len(data) > 20000, "nothing could be read"
        assert pid != conn.guard() or b"john" in data, "the guard's memory was not read"
        for secret, what in secrets.items():
            at = data.find(secret)
            if at >= 0:
                found.append(f"{h.status(pid)['Name']} has {what}: {data[max(0, at - 60):at + 40]!r}")
    assert not found, "\n".join(found)


@h.needs_root
def test_the_head_of_a_websocket():
    """Cookies and the like: there while modules may ask for them, gone once the login is over, also behind where its hello was."""
    srv = h.Server("6.5")
    users = h.multifile(h.line("john", PASSWORD, srv.uri))
    conn = h.spawn(h.conf(users, Relay={"PingInterval": "0"}))
    conn.peer.start_websocket(X_Long="x" * 7500, Cookie=f"sid={OTHER}", Authorization="Basic cGFzc3cwcmQtb2Ytam9obg==")
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    p, worker = conn.peer.expect("challenge"), conn.worker()
    assert OTHER.encode() in memory_of(worker)
    conn.peer.answer(p, caps, PASSWORD)
    conn.peer.expect("hello")
    srv.get()
    for secret in OTHER.encode(), b"cGFzc3cwcmQtb2Ytam9obg==":
        for pid in conn.processes():
            data = memory_of(pid)
            at = data.find(secret)
            assert len(data) > 20000 and at < 0, (pid, data[max(0, at - 60):at + 60])


@h.needs_root
def test_the_search_finds():
    """While the challenge is open its salt is in the guard and in the worker: what this is about would be seen."""
    conn = h.spawn(h.conf(f"password(value={PASSWORD})"))
    conn.peer.hello(x.hello65(username="john"))
    salt = conn.peer.expect("challenge")[1]
    assert salt in memory_of(conn.guard())
    assert PASSWORD.encode() in memory_of(conn.guard())


def test_salts_are_used_once():
    """Every challenge has its own, also that of a second module, and the next connection's."""
    path = h.conf("password(value=one)", "password(value=one)")
    seen = set()
    for _ in range(20):
        conn = h.spawn(path)
        caps = x.hello65(username=h.alice.name)
        conn.peer.hello(caps)
        for _ in range(2):
            p = conn.peer.read_packet(5)
            if p.name != "challenge":
                break
            assert bytes(p[1]) not in seen
            seen.add(bytes(p[1]))
            conn.peer.answer(p, caps, "one")
        conn.peer.close()
        conn.wait()
    assert len(seen) == 40, len(seen)
