# SPDX-License-Identifier: GPL-2.0-or-later
"""Registry=: sessions from elsewhere than the module that lets the user in; what xproxyctl says of it."""
import json
import os
import sqlite3
import time

import harness as h
import xpranet as x

SECONDS = 45
RIGHT = "password(value=pw)"
ERROR = "authentication error; cannot access sessions"


def session(n):
    return h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-{n}", user=h.alice)


def program(text, shell="#!/bin/sh"):
    return h.make_file(f"program-{next(h._serial)}", f"{shell}\n{text}\n", 0o755)


def prints(record):
    """exec with a program that prints this."""
    text = record if isinstance(record, str) else json.dumps(record)
    path = h.make_file(f"record-{next(h._serial)}", text)
    return f"exec(command={program(f'cat {path}')})"


def configuration(registry, *modules):
    return h.conf(*(modules or (RIGHT,)), Sessions={"Registry": registry, "SocketDirs": "$XDG_RUNTIME_DIR/xpra"})


def login(registry, name="john", modules=()):
    conn = h.spawn(configuration(registry, *modules))
    return conn, conn.peer.login(x.hello65(username=name), "pw")


def said(p):
    return "; ".join(map(x.text, p[1:])) if p.name == "disconnect" else f"{p.name} packet"


def entered(conn, p, server):
    assert p.name == "hello", f"{said(p)}\n{conn.log()}"
    assert server.get()


def refused(conn, p, words, logged):
    assert said(p) == words, f"{said(p)}\n{conn.log()}"
    conn.peer.close()
    conn.wait()
    conn.logged(logged)


def record(**more):
    return {"uid": h.alice.uid, "gid": h.alice.gid, **more}


@h.each("multifile", "sqlite", "exec")
def test_kinds(kind):
    server = session(101)
    if kind == "multifile":
        spec = h.multifile(f"john||{h.alice.uid}|{h.alice.gid}|:101")
    elif kind == "sqlite":
        path = h.make_file(f"db-{next(h._serial)}.sdb", b"", 0o600)
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE sessions (who, uid, gid, displays, env_options, session_options)")
        db.execute("INSERT INTO sessions VALUES ('john', ?, ?, ':101', '', '')", (h.alice.uid, h.alice.gid))
        db.commit()
        db.close()
        spec = f'sqlite(filename={path},password_query=none,sessions_query="SELECT * FROM sessions WHERE who=?")'
    else:
        spec = prints(record(sessions=[{"uri": ":101", "name": "desk"}])).replace(")", ",timeout=5)")
    entered(*login(spec), server)
    r = h.ctl("sessions", "john", conf_path=configuration(spec))
    assert r.returncode == 0 and f"registry: {kind} has a record" in r.stdout, r.stdout + r.stderr
    assert "module:   password checks the password and keeps no sessions" in r.stdout, r.stdout
    assert f"1, from the record of {kind}" in r.stdout and "reachable" in r.stdout, r.stdout
    r = h.ctl("check", conf_path=configuration(spec))
    assert f"registry {kind}: [Sessions] Registry=" in r.stdout and "error" not in r.stdout.split("errors")[0], r.stdout
    if kind != "exec":
        conn, p = login(spec, "jane")
        assert "no displays found" in said(p), said(p)
        r = h.ctl("sessions", "jane", conf_path=configuration(spec))
        assert f"registry: {kind} has no record" in r.stdout and r.returncode == 3, r.stdout


def test_exec_record():
    """All that a record may say; the program learns who is meant, and nothing else of ours."""
    two = session(102)
    entered(*login(prints(record(displays=[":102"], env={"LANG": "C"}, options={"compression": "lz4"}))), two)
    entered(*login(prints({"uid": h.alice.name, "gid": str(h.alice.gid), "sessions": [":102"]})), two)
    out = h.make_file("environment", "", 0o666)
    path = program(f"env >{out}; id -u >>{out}; echo $XPROXY_USER $# $1 >>{out}; test $XPROXY_USER = john || exit 1; "
                   f"echo '{json.dumps(record(displays=[':102']))}'")
    entered(*login(f"exec(command={path} one)"), two)
    with open(out) as f:
        told = f.read()
    assert "john 1 one\n" in told and "XPROXY_ADDRESS=127.0.0.1\n" in told and "XPROXY_SECURE=no\n" in told, told
    assert {line.split("=")[0] for line in told.split("\n") if "=" in line} <= {
        "PATH", "LANG", "XPROXY_USER", "XPROXY_PEER", "XPROXY_ADDRESS", "XPROXY_PEER_UID", "XPROXY_SECURE", "PWD", "SHLVL",
        "_", "OLDPWD"}, told
    assert not h.ROOT or "\n65534\n" in told, told
    for spec in f"exec(command={path})", prints("null"):
        conn, p = login(spec, "jane")
        assert "no displays found" in said(p), said(p)


BAD = {
    "not-json": ("{", "is not JSON in line"),
    "empty": ("", "is not JSON in line"),
    "secret": ('{"uid": s3cret}', "is not JSON in line"),
    "twice": ('{"uid": 1, "uid": 2, "displays": []}', "is not JSON in line"),
    "list": ("[]", "Expected object"),
    "unknown": ('{"uid": 1, "display": []}', "display"),
    "neither": ('{"uid": 1}', "one of sessions and displays"),
    "both": ('{"sessions": [], "displays": []}', "one of sessions and displays"),
    "uid": ('{"uid": -1, "displays": []}', "uid is a number"),
    "uid-large": ('{"uid": 4294967295, "displays": []}', "uid is a number"),
    "gid": ('{"gid": "a b", "displays": []}', "gid is a number"),
    "sessions": ('{"sessions": {}}', "are lists"),
    "session": ('{"sessions": [7]}', "a session is"),
    "no-uri": ('{"sessions": [{"name": "x"}]}', "a session is"),
    "comma": ('{"sessions": ["tcp://h:1/,tcp://i:2/"]}', "a session has no ','"),
    "name": ('{"sessions": [{"uri": ":1", "name": "a=b"}]}', "a session has no ','"),
    "newline": ('{"sessions": [":1\\n"]}', "a session has no ','"),
    "long": (json.dumps({"displays": [":1"] * 4000}), "at most 8191 bytes"),
    "env": ('{"displays": [], "env": {"A": 1}}', "the values of env are strings"),
    "env-list": ('{"displays": [], "env": []}', "env is an object"),
    "options": ('{"displays": [], "options": {"a": "b;password=x"}}', "options cannot have ';'"),
    "huge": ("x" * 300000, "prints more than 256 KiB"),
    "deep": ("[" * 100000, "is not JSON in line"),
}


def test_exec_malformed():
    """One clear error that quotes nothing of the record, and nobody is let in."""
    for name, (text, words) in BAD.items():
        r = h.ctl("check", conf_path=configuration(prints(text)))
        assert words in r.stdout and r.returncode == 1 and "s3cret" not in r.stdout, f"{name}: {r.stdout}"
    refused(*login(prints(BAD["unknown"][0])), ERROR, "registry exec: the record of .*display")


def test_exec_fails():
    """A program that hangs, fails, is killed or is not there."""
    for text, words in (("exit 2", "exit code 2"), ("kill -9 $$", "killed by signal 9"),
                        ("exec sleep 60", "has not answered within 1 s")):
        began = time.monotonic()
        refused(*login(f"exec(command={program(text)},timeout=1)"), ERROR, f"registry exec: .*{words}")
        assert time.monotonic() - began < 4 * h.SLACK
    for spec, words in (("exec", "needs command="), ("exec(command=ls)", "needs command="),
                        ("exec(command=/nonexistent)", "cannot run /nonexistent"),
                        ("exec(command=/bin/true,timeout=0)", "timeout= is a number"),
                        ("exec(command=/bin/true,user=nobody-here)", "there is no user 'nobody-here'"),
                        (RIGHT, "keeps no sessions"), ("none || none", "can be only one")):
        r = h.ctl("check", conf_path=configuration(spec))
        assert words in r.stdout and r.returncode == 1, r.stdout


def test_exec_words():
    """What it says on stderr is in the log, and shown by xproxyctl; escaped, and no part of the record."""
    server = session(104)
    path = program(f"printf 'look\\033 out\\n' >&2; echo '{json.dumps(record(displays=[':104']))}'")
    conn, p = login(f"exec(command={path})")
    entered(conn, p, server)
    conn.logged(r"says: 'look\\x1b out'")
    for command in ("check",), ("sessions", "john"):
        r = h.ctl(*command, conf_path=configuration(f"exec(command={path})"))
        assert r.returncode == 0 and r"says: 'look\x1b out'" in r.stdout, f"{command}: {r}"


def test_exec_twice():
    """One program lets users in, another has their sessions: neither is asked what the other is for."""
    server = session(105)
    asked = h.make_file("asked", "", 0o666)
    decides = program(f"echo decides >>{asked}; test $XPROXY_USER = john")
    knows = program(f"echo knows >>{asked}; echo '{json.dumps(record(displays=[':105']))}'")
    path = configuration(f"exec(command={knows})", f"exec(command={decides})")
    for name, good in ("john", True), ("jane", False):
        conn = h.spawn(path)
        conn.peer.hello(x.hello65(username=name))
        p = conn.peer.read_packet(8)
        if good:
            entered(conn, p, server)
        else:
            assert said(p) == "authentication failed", f"{said(p)}\n{conn.log()}"
        conn.peer.close()
        conn.wait()
    with open(asked) as f:
        assert f.read() == "decides\nknows\ndecides\n"
    os.truncate(asked, 0)
    path = configuration(f"exec(command={knows})", f"exec(command={decides},require-challenge=yes)")
    r = h.ctl("sessions", "john", conf_path=path)
    assert r.returncode == 0 and "exec decides by the client's answer" in r.stdout, r.stdout + r.stderr
    assert "1, from the record of exec" in r.stdout, r.stdout
    r = h.ctl("check", conf_path=path)
    assert r.returncode == 0, r.stdout
    with open(asked) as f:
        assert f.read() == "knows\nknows\n"


def test_hangs_with_the_login():
    """What is stuck ends with the login, which names it."""
    spec = f"exec(command={program('sleep 61')},timeout=30)"
    conn = h.spawn(h.conf(RIGHT, Sessions={"Registry": spec}, Limits={"ChallengeTimeout": "2s", "LoginTimeout": "2s"}))
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert "timeout" in said(p), said(p)
    conn.peer.close()
    conn.wait()
    conn.logged("was given up")


def test_sessions_of_alternatives():
    """xproxyctl sessions: every alternative, and what cannot be asked without a password."""
    server = session(103)
    users = h.multifile(h.line("john", "pw", ":103"))
    hashed = h.multifile(h.line("jane", "$6$saltsalt$" + "x" * 86, ":103")).replace(")", ",passwords=hashed)")
    r = h.ctl("sessions", "john", conf_path=h.conf(f"{users} || {hashed}"))
    assert r.returncode == 0 and "one of these is enough" in r.stdout, r.stdout
    assert "multifile has a record\n" in r.stdout and "no record of 'john': a login is refused" in r.stdout, r.stdout
    r = h.ctl("sessions", "jane", conf_path=h.conf(f"{users} || {hashed}"))
    assert r.returncode == 0 and "1, from the record of multifile" in r.stdout and "reachable" in r.stdout, r.stdout
    assert "with other passwords, would not be shown" in r.stdout, r.stdout
    r = h.ctl("sessions", "jane", conf_path=h.conf(users, hashed))
    assert r.returncode == 3, r.stdout
    r = h.ctl("sessions", "nobody-here", conf_path=h.conf(f"{users} || {hashed}"))
    assert r.returncode == 3, r.stdout
    r = h.ctl("sessions", "john", conf_path=h.conf(f"none || {users}"))
    assert r.returncode == 0 and "decides when a client connects" in r.stdout, r.stdout
    assert server
