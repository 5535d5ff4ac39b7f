# SPDX-License-Identifier: GPL-2.0-or-later
"""Temporary keys and host keys with the real server, and pyhoca-cli's session: see x2go_session.py for what is real
here, test_x2go_session.py for which test goes which way to the broker."""
import os
import re
import time

import harness as h
import x2go
from x2go_session import KEY, broker, client, keys, profile, server, shown

SECONDS = 80


@h.timeout(150)
def test_temporary_key_used():
    """The session starts without a password, with a key that is good for nothing else and is gone soon; one that the
    same client was given for another server is still good."""
    other = profile(KEY, "Test Two", f"tsa (localhost:{server().port})").replace("[one]", "[two]")
    b, s = broker(profile(KEY) + other, over="https", Autologin="yes", AgentHostKeys="accept-new", KeyLifetime="60s", Events="5s"), server()
    assert "ssh-rsa" not in keys(), keys()
    answer = b.select("two", "", "bob", "sweet1")
    assert answer.key and answer.server == f"localhost:{s.port}", answer
    stays = keys()
    assert stays.count("ssh-rsa") == 1, stays
    c = client(b, over="https")
    c.logged("Authenticating with key")
    c.logged("User authentication OK")
    shown(c)
    s.one("R")
    b.logged("'CONNECTED'", 20)
    h.eventually(lambda: keys() == stays, 30, lambda: f"the key is gone once the session runs: {keys()}")
    assert "PRIVATE KEY" not in b.log()
    for folder, _, files in os.walk(b.state):
        for name in files:
            if not folder.endswith(".ssh"):
                assert "PRIVATE KEY" not in x2go.text(os.path.join(folder, name)), name
    c.press_session("terminate")
    s.none()


@h.timeout(60)
def test_temporary_key_not_used():
    b, s = broker(profile(KEY), Autologin="yes", KeyLifetime="20s"), server()  # the least that is taken
    listed = b.list("bob", "sweet1")
    due = time.monotonic() + 20
    answer = b.select("one", listed.authid, "bob")
    assert answer.key and answer.server == f"127.0.0.1:{s.port}", answer
    kept = [line for line in keys().splitlines() if "ssh-rsa" in line]
    assert len(kept) == 1 and re.match(r"restrict,|no-", kept[0]) and "no-pty" not in kept[0], kept
    b.sweep()
    assert kept[0] in keys()
    time.sleep(max(0, due - time.monotonic()))

    def swept():
        b.sweep()
        return "ssh-rsa" not in keys()
    h.eventually(swept, 5, keys, 0.5)


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


@h.each("http", "https")
@h.timeout(120)
def test_pyhoca(over):
    """With a password: of its own key, which the broker would take, it dies by itself ("cannot pickle")."""
    b, s = broker(profile(), over=over), server()
    p = x2go.Pyhoca(b.url("/json/", "bob", "sweet1"), "-P", "Test One", "-l", "bob", "--password", "sweet1", "--add-to-known-hosts",
                    "--terminate-on-ctrl-c", "-d", env={"REQUESTS_CA_BUNDLE": b.tls[0]} if b.tls else None)
    h.eventually(lambda: "X2Go session is now running" in p.log(), 60, p.log)
    s.one("R")
    p.interrupt()
    s.none(40)
