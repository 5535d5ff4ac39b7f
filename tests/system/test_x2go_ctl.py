# SPDX-License-Identifier: GPL-2.0-or-later
"""xproxyctl x2go: sessions that clients have reported, and what they are told to do with them."""
import json
import os
import subprocess

import harness as h

SECONDS = 30
PROBE = os.path.join(h.BUILD, "x2go-probe")
ID = "bob-50-1795158914_stRxterm_dp24"


def state(owner=None):
    if not os.path.exists(PROBE):
        raise h.Skip("build/x2go-probe is not built")
    return h.make_dir(f"state-{next(h._serial)}", 0o700, owner)


def report(where, event, user="bob", session=ID, owner=None):
    r = subprocess.run([PROBE, "event", where, user, session, event], capture_output=True, text=True, check=False, timeout=10,
                       **(owner.popen_as() if owner else {}))
    assert r.returncode == 0, r
    return r.stdout.strip()


def ctl(where, *args):
    return h.ctl("-o", f"X2Go.State={where}", "x2go", *args)


def test_list():
    where = state()
    assert ctl(where).stdout == "No X2Go client has reported a session.\n"
    assert json.loads(ctl(where, "list", "--json").stdout) == []
    report(where, "CONNECTED")
    report(where, "ALIVE", user="al\x1b[31mice\"", session="alice-51-1_stDMATE_dp24")
    r = ctl(where, "list")
    assert r.returncode == 0 and ID in r.stdout and "CONNECTED" in r.stdout and "192.0.2.1" in r.stdout, r
    assert "\x1b" not in r.stdout, r
    found = {one["session"]: one for one in json.loads(ctl(where, "--json").stdout)}
    assert found[ID]["user"] == "bob" and found[ID]["server"] == "tsa" and found[ID]["command"] == "xterm", found
    assert found["alice-51-1_stDMATE_dp24"]["user"] == "al\x1b[31mice\"", found
    report(where, "FINISHED")
    assert ID not in ctl(where).stdout


@h.each("suspend", "terminate")
def test_order(what):
    """The client is told once, with its next report."""
    where = state()
    r = ctl(where, what, ID)
    assert r.returncode == 3 and f"no client has reported a session '{ID}'" in r.stderr, r
    report(where, "CONNECTED")
    assert ctl(where, what, ID).returncode == 0
    assert json.loads(ctl(where, "--json").stdout)[0]["order"] == what
    assert report(where, "ALIVE") == f"{what.upper()} {ID}"
    assert report(where, "ALIVE") == ""
    assert json.loads(ctl(where, "--json").stdout)[0]["order"] == ""


@h.needs_root
def test_owner():
    """Root leaves no file in the folder that its owner cannot use, and follows no link of his."""
    owner = h.alice
    where = state(owner)
    report(where, "CONNECTED", owner=owner)
    assert ctl(where, "suspend", ID).returncode == 0
    for folder, _, files in os.walk(where):
        for name in files:
            assert os.stat(os.path.join(folder, name)).st_uid == owner.uid, name
    assert report(where, "ALIVE", owner=owner) == f"SUSPEND {ID}"
    victim = h.make_file("victim", "", 0o600)
    lock = os.path.join(where, "sessions-lock")
    os.unlink(lock)
    os.symlink(victim, lock)
    r = ctl(where, "suspend", ID)
    assert r.returncode == 1 and "Too many levels" in r.stderr, r


def test_wrong():
    where = state()
    for args in (("nonsense",), ("suspend",), ("suspend", ID, "more"), ("list", "more"), ("suspend", ID, "--json")):
        r = ctl(where, *args)
        assert r.returncode == 2 and "x2go takes nothing" in r.stderr, (args, r)
    os.chmod(where, 0o755)
    r = ctl(where)
    assert r.returncode == 1 and "mode 0700" in r.stderr, r
    r = ctl(where + "x")
    assert r.returncode == 1 and "No such file" in r.stderr, r
