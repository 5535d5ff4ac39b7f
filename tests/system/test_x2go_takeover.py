# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions that are there already, and orders of the broker's administrator: see x2go_session.py for what is real here,
test_x2go_session.py for which test goes which way to the broker."""
import re

import harness as h
import x2go
from x2go_session import broker, client, server, shown, suspended

SECONDS = 70


@h.timeout(120)
def test_new_beside_suspended():
    """All that the user has are offered; and another one can be had."""
    b, s = broker(), server()
    old = suspended(b)
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
    b, s = broker(over="https"), server()
    suspended(b, over="https")
    second = client(b, over="https")
    second.choose("terminate")
    second.confirm()
    s.none(40)


@h.timeout(150)
def test_takeover():
    """What runs at one client goes to the one that asks for it now."""
    b, s = broker(over="ssh"), server()
    first = client(b, over="ssh")
    shown(first)
    session = s.one()
    second = client(b, over="ssh")
    h.eventually(lambda: re.search(r"Session data: .*\|[RS]\|", second.log()), 20, lambda: second.log()[-2000:])
    if "|R|" in re.search(r"Session data: .*", second.log())[0]:
        second.choose("suspend")
        s.one("S")
    second.choose("resume")
    shown(second)
    assert s.one("R")[1] == session[1]
    h.eventually(lambda: not any("bob@tsa" in title for title in first.windows()), 20, "the first has lost it")


@h.each("suspend, https", "terminate, ssh")
@h.timeout(120)
def test_by_order(how):
    """The broker's administrator asks the client, by way of its events."""
    order, over = how.split(", ")
    b, s = broker(over=over, Events="5s"), server()
    c = client(b, over=over)
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
