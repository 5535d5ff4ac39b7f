# SPDX-License-Identifier: GPL-2.0-or-later
"""Profiles that are in the users' own records, wherever these are kept: at list and select, also for a client that shows
an auth-id and no password; and records that have sessions of xpra as well, whose clients see nothing of the others."""
import sqlite3

import databases
import harness as h
import x2go
import xpranet as x
from test_login import users_db

SECONDS = 60
PROFILES = "office=x2go://bob@127.0.0.1:9/MATE?usebrokerpass=1,x2go://srv.example.org:2222"
MIXED = f"{PROFILES},one=:100"


def module(kind, displays, name="test"):
    """The module, with one user who has these sessions."""
    uid, gid = str(h.alice.uid), str(h.alice.gid)
    if kind == "multifile":
        return h.multifile(h.line(name, "sweet", displays))
    if kind == "sqlite":
        return f"sqlite(filename={users_db((name, 'sweet', uid, gid, displays, '', ''))})"
    db = databases.database("pgsql")
    db.fill((name, "sweet", uid, gid, displays, "", ""))
    return db.spec()


KINDS = "multifile", "sqlite", "pgsql"


@h.each(*KINDS)
def test_list_and_select(kind):
    broker = x2go.Broker(auth=[module(kind, MIXED)], Profiles="auth")
    first = broker.list()
    assert first.granted and list(first.profiles) == ["office", "srv.example.org"], (first, broker.log())
    read = x2go.qsettings(first)
    assert (read["office"]["command"], read["office"]["user"], read["srv.example.org"]["sshport"]) == ("MATE", "bob", "2222"), read
    second = broker.list(password="", authid=first.authid)
    assert list(second.profiles) == ["office", "srv.example.org"], (second, broker.log())
    chosen = broker.select("office", second.authid)
    assert chosen.granted and chosen.server == "127.0.0.1:9", (chosen, broker.log())
    again = broker.select("office", "", password="sweet")
    assert again.server == "127.0.0.1:9", again
    assert not broker.select("one", again.authid).granted
    assert "left out" not in broker.log() and "record of user" not in broker.log(), broker.log()


@h.each("file", "auth")
def test_with_those_of_the_file(where):
    """Everybody's and one's own; and what another's record has is not to be had."""
    users = h.multifile(h.line("test", "sweet", "mine=x2go://127.0.0.1:9/"), h.line("joe", "pw", "his=x2go://127.0.0.1:9/"))
    broker = x2go.Broker(auth=[users], **({"Profiles": "auth"} if where == "auth" else {}))
    common = ["one", "two"] if where == "file" else []
    for name, password, own in (("test", "sweet", "mine"), ("joe", "pw", "his")):
        first = broker.list(name, password)
        assert list(first.profiles) == sorted([*common, own]), first
        second = broker.select(own, first.authid, name)
        assert second.server == "127.0.0.1:9", second
        assert not broker.select("his" if own == "mine" else "mine", second.authid, name).granted


@h.each("sqlite", "pgsql")
def test_taken_away(kind):
    """What the record no longer has, an auth-id of before does not bring back."""
    broker = x2go.Broker(auth=[module(kind, PROFILES)], Profiles="auth")
    authid = broker.list().authid
    if kind == "pgsql":
        databases.database("pgsql").sql("UPDATE users SET displays = 'x2go://srv.example.org:2222'")
    else:
        path = x2go.text(broker.conf).split("filename=")[1].split(")")[0]
        with sqlite3.connect(path) as db:
            db.execute("UPDATE users SET displays = 'x2go://srv.example.org:2222'")
    assert not broker.select("office", authid).granted, broker.log()


@h.each(*KINDS)
def test_xpra_clients(kind):
    """The only session of a mixed record is the one that xpra's clients get, unasked; and no line is logged about it."""
    server = h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)
    conn = h.spawn(h.conf(module(kind, MIXED, name="john")), kind="tcp")
    p = conn.peer.login(x.hello65(username="john"), "sweet")
    assert p.name == "hello", (x.texts(p), conn.log())
    assert server.get()
    assert "x2go" not in conn.log() and "left out" not in conn.log(), conn.log()


def test_xpra_clients_find_none():
    """A record of profiles only is one without sessions; by the name of one nothing is found."""
    spec = module("multifile", PROFILES, name="john")
    for wish, words in ((None, "no displays found"), ("office", "no displays found"), ("x2go://srv.example.org:2222", "no displays found")):
        conn = h.spawn(h.conf(spec), kind="tcp")
        p = conn.peer.login(x.hello65(username="john", **({"display": wish} if wish else {})), "sweet")
        assert p.name == "disconnect" and words in " ".join(x.texts(p)), (wish, p, conn.log())
        assert "left out" not in conn.log(), conn.log()


def test_xproxyctl_sessions():
    r = h.ctl("sessions", "test", conf_path=h.conf(module("multifile", MIXED)))
    assert r.returncode == 0 and "one" in r.stdout and "office" not in r.stdout and "left out" not in r.stdout + r.stderr, r
