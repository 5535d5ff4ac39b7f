# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole sessions from the first to the last moment, by every way to the broker: see x2go_session.py. What
x2golistsessions says on the server is what counts.

Which way the other tests of sessions go: what differs from here is not the way, and each takes ten seconds or more, so
each goes one, and not all the same. test_x2go_takeover.py: a second session by http, a list by https, a takeover by
ssh, orders by https and ssh. test_x2go_session_key.py: temporary keys by https and http, as here by ssh; pyhoca-cli by
http and https, as it has no ssh."""
import harness as h
import x2go_session as one
from x2go_session import broker, client, server, shown

SECONDS = 80


@h.each("http", "https", "ssh")
@h.timeout(180)
def test_life(over):
    """New; suspended by its user; resumed by another client, which has to be told a server that it can reach;
    terminated by its user."""
    b, s = broker(over=over, Events="5s"), server()
    first = client(b, over=over)
    shown(first)
    session = s.one()
    assert "SESSION_INFO" not in first.log(), first.log()
    logged_in(first, over)
    first.press_session("suspend")
    assert s.one("S")[1] == session[1]
    first.close()
    second = client(b, over=over)
    second.choose("resume")
    found = second.logged(r'Resuming session with id:"?([^" ]+)"?\s*on:"?([^" ]+)"?')
    assert found[1] == session[1] and found[2] == "127.0.0.1", found[0]
    shown(second)
    assert s.one("R")[1] == session[1]
    logged_in(second, over)
    second.press_session("terminate")
    s.none()
    assert not first.crashed() and not second.crashed()


def logged_in(c, over):
    """By ssh without any password, with a key that is gone once it has been of use."""
    c.logged("User authentication OK")
    if over == "ssh":
        c.logged("Authenticating with key")
        h.eventually(lambda: "ssh-rsa" not in one.keys(), 30, lambda: f"the key is gone: {one.keys()}")
    else:
        assert "Authenticating with key" not in c.log(), c.log()[-3000:]
