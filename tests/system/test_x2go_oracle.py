# SPDX-License-Identifier: GPL-2.0-or-later
"""Side by side with Debian's x2gobroker, with the same profiles and the same requests: the same is said, but for ids.
And where Debian's is wrong: what it does wrong is shown, and that the program does not."""
import os
import re
import socket
import subprocess
import time

import harness as h
import test_sshd
import x2go

SECONDS = 200

PROFILES = """[DEFAULT]
command=TERMINAL
user=BROKER_USER
speed=2

[localhost-mate]
name=MATE here
host=localhost
command=mate

[icewm]
name=IceWM
host=10.9.8.7
sshport=2222
command=IceWM
rootless=1
user=joe
usebrokerpass=true

[one-host]
name=One
host=tsa (127.0.0.1:2201)
command=/usr/bin/xterm -T x
fullscreen=true
width=1024
sound=false
not-a-key=whatever

[pool]
name=Pool
host=tsa (127.0.0.1:2201), tsb (127.0.0.1:2201)
sshport=2299
command=XFCE
icon=not-set

[pool-plain]
name=Folder/Pool
host=127.0.0.1,127.0.0.1
sshport=2207
applications=TERMINAL, WWWBROWSER
export=

[proxied]
name=Proxied
host=inner
usesshproxy=true
sshproxyhost=outer
sshproxyport=2022
sshproxysameuser=true
"""

# What the client never looks at, or what says the same in other words there
EXEMPT = {"useexports", "variant", "not-a-key", "status"}
ACLS = {
    "open": "",
    "user": "acl-users-allow=test",
    "other-user": "acl-users-allow=joe,jim",
    "deny-user": "acl-users-deny=test",
    "deny-other": "acl-users-deny=joe",
    "deny-all-but": "acl-users-deny=ALL\nacl-users-allow=test\nacl-users-order=allow-deny",
    "deny-all-wins": "acl-users-deny=ALL\nacl-users-allow=test\nacl-users-order=deny-allow",
    "group": "acl-groups-allow=testers",
    "other-group": "acl-groups-allow=others",
    "group-all": "acl-groups-allow=ALL",
    "group-but-not-user": "acl-groups-allow=testers\nacl-users-deny=test",
    "group-denied": "acl-groups-deny=testers\nacl-groups-allow=ALL\nacl-groups-order=deny-allow",
    "group-denied-first-allowed": "acl-groups-deny=testers\nacl-groups-allow=ALL\nacl-groups-order=allow-deny",
    "client": "acl-clients-allow=127.0.0.1",
    "client-net": "acl-clients-allow=127.0.0.0/8",
    "client-other": "acl-clients-allow=10.0.0.0/8",
    "client-denied": "acl-clients-deny=127.0.0.0/8\nacl-clients-allow=ALL\nacl-clients-order=deny-allow",
    "client-allowed-first": "acl-clients-deny=ALL\nacl-clients-allow=127.0.0.1\nacl-clients-order=allow-deny",
    "client-and-user": "acl-clients-allow=127.0.0.1\nacl-users-allow=joe",
    "client-only-deny": "acl-clients-deny=10.0.0.1",
}

AGENT = """#!/bin/sh
# $1 user, $2 task
case $2 in
ping) echo OK ;;
availabletasks) printf 'OK\\navailabletasks\\nlistsessions\\nsuspendsession\\nfindbusyservers\\nfindbusyservers_by_sessionstats\\naddauthkey\\ndelauthkey\\n' ;;
listsessions) echo OK; cat <<'END'
%s
END
;;
findbusyservers*) printf 'OK\\n80:tsa\\n20:tsb\\n' ;;
suspendsession) echo OK ;;
addauthkey | delauthkey) %s ;;
*) exit 1 ;;
esac
"""
SUSPENDED = "12542|test-53-1795158914_stDXFCE_dp24|53|tsb|S|2026-11-20T07:15:14|c4fc22776c4fc2776c4fc22776c4fc27|127.0.0.1|36339|36340|2026-11-20T07:15:23|test|39|36341|-1|-1"
RUNNING = SUSPENDED.replace("|S|", "|R|").replace("-53-", "-54-").replace("|53|", "|54|")


def agent(sessions="", addauthkey="echo OK"):
    return AGENT % (sessions, addauthkey)


def both(profiles=PROFILES, script=None, oracle=None, **x2go_keys):
    """(Debian's, the program)"""
    debian = x2go.Oracle(profiles, agent=script, **(oracle or {}))
    keys = {}
    if script:
        keys = {"Agent": "local", "AgentCommand": h.make_file(f"agent-{next(h._serial)}", script, 0o755)}
    return debian, x2go.Broker(profiles, **{**keys, **x2go_keys})


def value(v):
    """As a client understands it."""
    if isinstance(v, list):
        v = ",".join(one.strip() for one in v)
    v = {"true": "1", "false": "0"}.get(str(v).lower(), str(v))
    return v.strip().strip('"')


def lists(answer):
    read = x2go.qsettings(answer)
    return {sid: {k: value(v) for k, v in keys.items() if k not in EXEMPT} for sid, keys in read.items()}


def same_lists(debian, ours):
    a, b = lists(debian), lists(ours)
    assert list(a) == list(b), (list(a), list(b))
    for sid, keys in a.items():
        for k in set(keys) | set(b[sid]):
            said, mine = keys.get(k), b[sid].get(k)
            assert k not in keys or said == mine, f"[{sid}] {k}: Debian's says {said!r}, we {mine!r}"
    return a, b


# ---- the same
def test_list_and_select():
    debian, ours = both()
    a, b = debian.list(), ours.list()
    assert a.granted and b.granted and a.authid and b.authid, (a, b)
    said, _ = same_lists(a, b)
    assert set(said) == {"localhost-mate", "icewm", "one-host", "pool", "pool-plain", "proxied"}
    for sid in sorted(set(said)):
        a, b = debian.select(sid, a.authid), ours.select(sid, b.authid)
        assert a.granted and b.granted and a.authid and b.authid, (sid, a, b)
        assert a.server == b.server and a.key is b.key is None and a.sessions is b.sessions is None, (sid, a, b)


@h.each("user=BROKER_USER", "user=", "name=Zo\xeb", "fullscreen=yes", "command=gnome", "command=Custom Thing", "rootless=true\ncommand=LXDE",
        "host=a , b ,c", "speed=not-set", "host=tsa (tsa.example)", "host=h (10.0.0.1:22)\nsshport=2222")
def test_profile(lines):
    """One key more, both ways of writing it."""
    text = f"[p]\nname=P\nhost=127.0.0.1\n{lines}\n" if "host=" not in lines and "name=" not in lines else \
        f"[p]\n{lines}\n" + ("host=127.0.0.1\n" if "host=" not in lines else "name=P\n")
    debian, ours = both(text)
    a, b = debian.list(), ours.list()
    if "Zo" in lines:  # raw UTF-8 is what Qt does not read
        assert x2go.qsettings(b)["p"]["name"] == "Zo\xeb", b
        return
    same_lists(a, b)
    if "host=a" not in lines:  # at random there
        assert debian.select("p", a.authid).server == ours.select("p", b.authid).server


def test_acls():
    """Every rule by itself: who sees what."""
    x2go.group("testers", "test", "joe")
    x2go.group("others", "joe")
    text = "".join(f"[{k}]\nname={k}\nhost=127.0.0.1\n{v}\n\n" for k, v in ACLS.items())
    debian, ours = both(text)
    a, b = debian.list(), ours.list()
    assert list(a.profiles) == list(b.profiles), (set(a.profiles) - set(b.profiles), set(b.profiles) - set(a.profiles))
    assert "open" in a.profiles and "user" in a.profiles and "other-user" not in a.profiles and "group" in a.profiles, list(a.profiles)


@h.each("suspended", "running", "elsewhere", "none")
@h.timeout(60)
def test_agent(which):
    """What the agent says of the user's sessions, in the list and at select."""
    session = {"suspended": SUSPENDED, "running": RUNNING, "elsewhere": SUSPENDED.replace("tsb", "other"), "none": ""}[which]
    text = "[pool]\nname=Pool\nhost=tsa (127.0.0.1:2201), tsb (127.0.0.1:2202)\ncommand=XFCE\n"
    debian, ours = both(text, agent(session))
    a, b = debian.list(), ours.list()
    x, y = same_lists(a, b)
    status = {one: x2go.qsettings(answer)["pool"].get("status") for one, answer in (("debian", a), ("ours", b))}
    assert status["debian"] == status["ours"], status
    assert x["pool"]["host"] == y["pool"]["host"], (x, y)
    a, b = debian.select("pool", a.authid), ours.select("pool", b.authid)
    assert a.server == b.server, (a, b)
    assert bool(a.sessions) == bool(b.sessions) == (which in ("suspended", "running")), (a, b)
    assert "" not in (b.sessions or []), b
    for said, mine in zip(a.sessions or [], b.sessions or []):
        said, mine = said.split("|"), mine.split("|")
        assert said[3] == "tsb" and mine[3] == "127.0.0.1", (said, mine)  # the name is nothing a client could connect to
        mine[3] = "tsb"
        assert said[:14] == mine[:14], (said, mine)


@h.timeout(60)
def test_autologin():
    """A key of the same kind; it is in the answer only once it has been deployed, and sshd takes it."""
    server = test_sshd.Sshd("")
    keys = os.path.join(os.path.dirname(server.key), "keys")
    os.chmod(keys, 0o666)
    text = f"[one]\nname=One\nhost=tsa (127.0.0.1:{server.port})\ncommand=XFCE\nuser={h.alice.name}\n"
    debian, ours = both(text, agent(addauthkey=f"echo \"$3\" >>{keys}; echo OK"), {"default_session_autologin": "true"}, Autologin="yes")
    a, b = debian.list(), ours.list()
    x, y = same_lists(a, b)
    assert x["one"]["autologin"] == y["one"]["autologin"] == "1", (x, y)
    a, b = debian.select("one", a.authid), ours.select("one", b.authid)
    assert a.key and b.key and a.server == b.server, (a, b)
    for pem in (a.key, b.key):
        r = subprocess.run(["openssl", "rsa", "-noout", "-text"], input=pem, capture_output=True, text=True)
        assert "2048 bit" in r.stdout or "3072 bit" in r.stdout, r.stdout[:200] + r.stderr


def test_json():
    debian, ours = both()
    a, b = (one.post("listprofiles", path="/json/", user="test", password="sweet", authid="") for one in (debian, ours))
    assert a.status == b.status == 200 and a.fields["content-type"].startswith("text/json") and b.fields["content-type"].startswith("text/json")
    a, b = a.json, b.json
    assert a["auth-status"] == b["auth-status"] and a["task"] == b["task"] and set(a) == set(b), (set(a), set(b))
    assert set(a["profiles"]) == set(b["profiles"]), (a, b)
    for sid, keys in b["profiles"].items():
        for k, v in keys.items():
            said = a["profiles"][sid].get(k)
            assert k in EXEMPT or said is None or value(said) == value(v) or (said, v) == (0, False), f"[{sid}] {k}: {said!r}, {v!r}"
            # what it has no default for is text there, and setdpi a number; python-x2go wants types
            assert said is None or isinstance(said, str) or k == "setdpi" or type(said) is type(v), (sid, k, said, v)
    for sid in ("icewm", "one-host", "pool-plain"):
        a, b = (one.post("selectsession", path="/json/", profile_id=sid, user="test", authid=last["next-authid"]).json
                for one, last in ((debian, a), (ours, b)))
        assert a["selected_session"]["server"] == b["selected_session"]["server"], (a, b)
        assert str(a["selected_session"]["port"]) == str(b["selected_session"]["port"]), (a, b)


# ---- where Debian's is wrong
def test_flaw_denied_profile_selected():
    debian, ours = both("[p]\nname=P\nhost=127.0.0.1\n[secret]\nname=S\nhost=10.1.2.3\nacl-users-allow=joe\n")
    a, b = debian.list(), ours.list()
    assert list(a.profiles) == list(b.profiles) == ["p"]
    a, b = debian.select("secret", a.authid), ours.select("secret", b.authid)
    assert a.server == "10.1.2.3:22", a
    assert not b.granted and "10.1.2.3" not in b.body, b


def test_flaw_unknown_profile():
    debian, ours = both()
    a, b = debian.list(), ours.list()
    a, b = debian.select("none", a.authid), ours.select("none", b.authid)
    assert a.server.startswith("no-server-available"), a
    assert b.status == 200 and not b.granted and "SERVER" not in b.body, b


def test_flaw_any_order():
    """Their own example hides from everybody."""
    debian, ours = both("[p]\nname=P\nhost=h\nacl-any-order=allow-deny\nacl-users-deny=ALL\nacl-users-allow=test\n[q]\nname=Q\nhost=h\n")
    a, b = debian.list(), ours.list()
    assert list(a.profiles) == ["q"] and list(b.profiles) == ["p", "q"], (a, b)


def test_flaw_wrong_password():
    """401 ends x2goclient; see test_x2go."""
    debian, ours = both()
    a, b = debian.list(password="no"), ours.list(password="no")
    assert a.status == 401 and b.status == 200 and not b.granted, (a, b)
    a, b = (one.post("listprofiles", path="/json/", user="test", password="no", authid="") for one in (debian, ours))
    assert a.status == b.status == 401, (a, b)


@h.timeout(60)
def test_flaw_json_keys():
    """A key that python-x2go does not know, and pyhoca-cli dies of the list."""
    debian, ours = both("[p]\nname=P\nhost=h\nusebrokerpass=1\n")
    a, b = (x2go.Pyhoca(one.url("/json/", "test", "sweet"), "--list-profiles").said()[1] for one in (debian, ours))
    assert "TypeError" in a, a
    assert "Traceback" not in b and re.search("Name: *P|P\\b", b), b


def test_flaw_get():
    debian, ours = both()
    a, b = (one.request("GET", "/plain/?task=listsessions&user=test&password=sweet") for one in (debian, ours))
    assert a.granted and b.status == 405 and not b.granted, (a, b)


def test_flaw_testcon():
    debian, ours = both()
    a, b = debian.post("testcon"), ours.post("testcon")
    assert a.status == 401 and b.status == 200 and b.granted, (a, b)


def test_flaw_setpass():
    """Access granted, and nothing was done."""
    debian, ours = both()
    a, b = (one.post("setpass", newpass="n", user="test", password="sweet", authid="") for one in (debian, ours))
    assert a.granted and "PASSWORD" not in a.body, a
    assert "PASSWORD CHANGED: FAILED\n" in b.body, b


def test_flaw_preset_authid():
    value, path = "preset-0123456789abcdef", h.make_file("preset", "preset-0123456789abcdef\n", 0o640, x2go.account())
    x2go.root()
    x2go.put("/etc/x2go/preset", value + "\n")
    debian, ours = both(oracle={"require_cookie": "true", "my_cookie_file": "/etc/x2go/preset"}, RequireAuthID="yes", AuthIDFile=path)
    a, b = debian.list(authid=value), ours.list(authid=value)
    assert a.status == 500, a
    assert b.granted and b.profiles, b


def test_flaw_ambiguous_authid():
    """User te and authid st_X are not user te_st and authid X."""
    debian = x2go.Oracle(PROFILES, default_auth_mech="none")
    authid = debian.list("te_st").authid
    assert debian.list("te", "", authid=f"st_{authid}").granted
    ours = x2go.Broker(PROFILES, users={"te_st": "sweet", "te": "other"})
    authid = ours.list("te_st").authid
    for user, given in (("te", f"st_{authid}"), ("te_st", f"../{authid}"), ("te_st/..", authid), ("../te_st", authid)):
        assert not ours.list(user, "", authid=given).granted, (user, given)
    assert ours.select("icewm", authid, "te_st").granted


def test_flaw_traversal():
    """Neither a user nor an authid names a file: what lies beside the state is neither believed nor removed."""
    debian, ours = both()
    debian.list()
    for where in (x2go.THERE, ""):
        victim = f"{where}/tmp/victim_x"
        with open(victim, "w", encoding="utf8") as f:
            f.write(f"127.0.0.1 {time.time()}")
        os.chmod(victim, 0o666)
    x2go.inside("chown", "x2gobroker", "/tmp/victim_x")
    os.chown("/tmp/victim_x", ours.user.uid, ours.user.gid)
    up = "../" * 8
    answer = debian.list(f"{up}tmp/victim", "", authid="x")
    assert answer.granted, answer
    ours.list()
    for user, authid in ((f"{up}tmp/victim", "x"), ("test", f"/{up}tmp/victim_x"), ("test", f"{up}tmp/victim_x"), ("/tmp/victim", "x")):
        assert not ours.list(user, "", authid=authid).granted, (user, authid)
    assert os.path.exists("/tmp/victim_x")
    os.unlink("/tmp/victim_x")


def test_bad_number():
    """The others are listed, and the log says where; with Debian's it is a traceback for everybody."""
    debian, ours = both("[bad]\nhost=h\nwidth=abc\n[good]\nhost=h\n")
    a, b = debian.list(), ours.list()
    assert a.status == 500 and b.granted and list(b.profiles) == ["good"], (a, b)
    ours.logged(rf"{re.escape(ours.profiles_path)}:3: .*width|\[bad\].*width")


def test_flaw_no_port():
    """A key that is taken back with not-set, and the list is gone there."""
    text = "[bad]\nname=Bad\nhost=127.0.0.1\nsshport=not-set\n\n[good]\nname=Good\nhost=127.0.0.1\n"
    debian, ours = both(text)
    a, b = debian.list(), ours.list()
    assert a.status == 500, a
    assert b.granted and "good" in b.profiles, b
    assert ours.select("good", b.authid).server == "127.0.0.1:22"


@h.timeout(60)
def test_flaw_key_that_was_not_deployed():
    text = "[one]\nname=One\nhost=tsa (127.0.0.1:2201)\ncommand=XFCE\n"
    debian, ours = both(text, agent(addauthkey="exit 1"), {"default_session_autologin": "true"}, Autologin="yes")
    a, b = debian.list(), ours.list()
    a, b = debian.select("one", a.authid), ours.select("one", b.authid)
    assert a.key, a
    assert not b.key and "PRIVATE" not in b.body, b


@h.timeout(60)
def test_flaw_localhost_is_down():
    """A single host whose port is closed."""
    closed = h.free_port()
    text = f"[p]\nname=P\nhost=localhost\nsshport={closed}\n"
    debian, ours = both(text, oracle={"default_portscan_x2goservers": "true"}, PortScan="yes")
    a, b = debian.list(), ours.list()
    a, b = debian.select("p", a.authid), ours.select("p", b.authid)
    assert a.status == 500, a
    assert b.status == 200 and (b.server == f"localhost:{closed}" or not b.granted), b


@h.timeout(60)
def test_port_scan():
    """Of a pool, the one that answers; if none does, no name is invented."""
    up = socket.create_server(("127.0.0.1", 0))
    h.defer(up.close)
    port, down = up.getsockname()[1], h.free_port()
    text = f"[p]\nname=P\nhost=a (127.0.0.1:{down}), b (127.0.0.1:{port}), c (127.0.0.1:{down})\n"
    debian, ours = both(text, oracle={"default_portscan_x2goservers": "true"}, PortScan="yes")
    a, b = debian.list(), ours.list()
    for _ in range(4):
        a, b = debian.select("p", a.authid), ours.select("p", b.authid)
        assert a.server == b.server == f"127.0.0.1:{port}", (a, b)
    up.close()
    a, b = debian.select("p", a.authid), ours.select("p", b.authid)
    assert re.match("no-X2Go-Server-available", a.server), a
    assert b.status == 200 and not b.granted and "SERVER" not in b.body, b
