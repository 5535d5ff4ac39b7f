# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole sessions: the real x2goclient, the program as its broker, the real x2goserver with its agent behind a real sshd.
What x2golistsessions says on the server is what counts."""
import functools
import os
import re
import time

import harness as h
import x2go

SECONDS = 240


@functools.lru_cache(None)
def server():
    return x2go.Server()


def profile(more="", name="Test One", where=None):
    return (f"[one]\nname={name}\nhost={where or f'tsa (127.0.0.1:{server().port})'}\ncommand=xterm\nrootless=1\nuser=bob\nsound=0\nprint=0\n"
            f"soundtunnel=0\n{more}\n")


PASSWORD, KEY = "usebrokerpass=1", "autologin=1"


def broker(profiles=None, known=True, users=None, **more):
    """The agents are asked over ssh, with a key of the broker's own."""
    s = server()
    s.clean()
    x2go.inside("rm", "-f", "/home/bob/.x2go/authorized_keys")
    made = x2go.Broker(profiles or profile(PASSWORD), users=users or {"bob": "sweet1"}, Agent="ssh", AgentUser="x2gobroker", **more)
    h.make_dir(f"{made.state}/.ssh", 0o700, made.user)
    h.make_file(f"{made.state}/.ssh/id_ed25519", x2go.text(s.agent_key), 0o600, made.user)
    if known:
        h.make_file(f"{made.state}/.ssh/known_hosts", s.host_key(), 0o600, made.user)
    h.defer(s.clean)
    return made


def client(b, *more, session="Test One"):
    return x2go.Client(b.url(user="bob"), f"--session={session}", "--add-to-known-hosts", *more, password="sweet1")


def shown(c, title="bob@tsa"):
    return c.window(title, 30)


@h.timeout(180)
def test_life():
    """New; suspended by its user; resumed by another client, which has to be told a server that it can reach;
    terminated by its user."""
    b, s = broker(), server()
    first = client(b)
    shown(first)
    session = s.one()
    assert "SESSION_INFO" not in first.log(), first.log()
    first.press_session("suspend")
    assert s.one("S")[1] == session[1]
    first.close()
    second = client(b)
    second.choose("resume")
    found = second.logged(r'Resuming session with id:"?([^" ]+)"?\s*on:"?([^" ]+)"?')
    assert found[1] == session[1] and found[2] == "127.0.0.1", found[0]
    shown(second)
    assert s.one("R")[1] == session[1]
    second.press_session("terminate")
    s.none()
    assert not first.crashed() and not second.crashed()


@h.timeout(120)
def test_new_beside_suspended():
    """All that the user has are offered; and another one can be had."""
    b, s = broker(), server()
    first = client(b)
    shown(first)
    old = s.one()
    first.press_session("suspend")
    s.one("S")
    first.close()
    listed = b.list("bob", "sweet1")
    assert x2go.qsettings(listed)["one"].get("status", x2go.qsettings(listed)["one"].get("suspended")) in ("S", "1"), listed
    second = client(b)
    second.choose("new")
    both = s.wait(lambda all: len(all) == 2 and all, 40)
    assert {one[4] for one in both} == {"S", "R"} and old[1] in {one[1] for one in both}, both
    answer = b.select("one", "", "bob", "sweet1")
    assert len(answer.sessions) >= 1 and all(one.split("|")[3] == "127.0.0.1" for one in answer.sessions), answer


@h.timeout(120)
def test_terminate_from_the_list():
    b, s = broker(), server()
    first = client(b)
    shown(first)
    s.one()
    first.press_session("suspend")
    s.one("S")
    first.close()
    second = client(b)
    second.choose("terminate")
    second.confirm()
    s.none(40)


@h.timeout(150)
def test_takeover():
    """What runs at one client goes to the one that asks for it now."""
    b, s = broker(), server()
    first = client(b)
    shown(first)
    session = s.one()
    second = client(b)
    h.eventually(lambda: re.search(r"Session data: .*\|[RS]\|", second.log()), 20, lambda: second.log()[-2000:])
    if "|R|" in re.search(r"Session data: .*", second.log())[0]:
        second.choose("suspend")
        s.one("S")
        time.sleep(1)
    second.choose("resume")
    shown(second)
    assert s.one("R")[1] == session[1]
    h.eventually(lambda: not any("bob@tsa" in title for title in first.windows()), 20, "the first has lost it")


@h.each("suspend", "terminate")
@h.timeout(120)
def test_by_order(order):
    """The broker's administrator asks the client, by way of its events."""
    b, s = broker(Events="5s"), server()
    c = client(b)
    shown(c)
    session = s.one()
    b.logged(rf"{re.escape(session[1])}", 20)
    listed = h.ctl("x2go", "list", conf_path=b.conf)
    assert listed.returncode == 0 and session[1] in listed.stdout, (listed, b.log())
    r = h.ctl("x2go", order, session[1], conf_path=b.conf)
    assert r.returncode == 0, r
    c.logged(f"broker asks to {order}", 20)
    s.one("S") if order == "suspend" else s.none()
    c.logged("FINISHED", 20)
    r = h.ctl("x2go", order, "bob-99-1_stRxterm_dp24", conf_path=b.conf)
    assert r.returncode != 0, r


def keys():
    return x2go.text(f"{x2go.THERE}/home/bob/.x2go/authorized_keys")


@h.each("used", "not used")
@h.timeout(150)
def test_temporary_key(how):
    """The session starts without a password, with a key that is good for nothing else and is gone soon."""
    b, s = broker(profile(KEY), Autologin="yes", KeyLifetime="60s" if how == "used" else "20s", Events="5s"), server()
    assert "ssh-rsa" not in keys(), keys()
    if how == "not used":
        answer = b.select("one", b.list("bob", "sweet1").authid, "bob")
        assert answer.key and answer.server == f"127.0.0.1:{s.port}", answer
        kept = [line for line in keys().splitlines() if "ssh-rsa" in line]
        assert len(kept) == 1 and re.match(r"restrict,|no-", kept[0]) and "no-pty" not in kept[0], kept
        b.sweep()
        assert kept[0] in keys()
        time.sleep(21)
        b.sweep()
        assert "ssh-rsa" not in keys(), keys()
        return
    c = client(b)
    c.logged("Authenticating with key")
    c.logged("User authentication OK")
    shown(c)
    s.one("R")
    h.eventually(lambda: "ssh-rsa" not in keys(), 30, lambda: f"the key is gone once the session runs: {keys()}")
    assert "PRIVATE KEY" not in b.log()
    for folder, _, files in os.walk(b.state):
        for name in files:
            if not folder.endswith(".ssh"):
                assert "PRIVATE KEY" not in x2go.text(os.path.join(folder, name)), name
    c.press_session("terminate")
    s.none()


@h.timeout(60)
def test_server_of_another_key():
    """A host key that is not known: no session is looked for, nothing is deployed, and nobody waits long."""
    b = broker(profile(KEY), known=False, Autologin="yes", AgentHostKeys="known")
    began = time.monotonic()
    answer = b.select("one", b.list("bob", "sweet1").authid, "bob")
    assert not answer.key and "PRIVATE" not in answer.body and "ssh-rsa" not in keys(), answer
    assert time.monotonic() - began < 20 * h.SLACK
    b.logged("[Hh]ost key")


@h.timeout(60)
def test_new_host_keys():
    b = broker(profile(KEY), known=False, Autologin="yes", AgentHostKeys="accept-new")
    assert b.select("one", b.list("bob", "sweet1").authid, "bob").key
    assert f"]:{server().port} " in x2go.text(f"{b.state}/.ssh/known_hosts")


@h.timeout(120)
def test_pyhoca():
    """With a password: of its own key, which the broker would take, it dies by itself ("cannot pickle")."""
    b, s = broker(profile()), server()
    p = x2go.Pyhoca(b.url("/json/", "bob", "sweet1"), "-P", "Test One", "-l", "bob", "--password", "sweet1", "--add-to-known-hosts",
                          "--terminate-on-ctrl-c", "-d")
    h.eventually(lambda: "X2Go session is now running" in p.log(), 60, p.log)
    s.one("R")
    p.interrupt()
    s.none(40)
