# SPDX-License-Identifier: GPL-2.0-or-later
"""The X2Go session broker as x2goclient asks it: what it says to every task, over http and https; and the real client,
which may be told "no" but is never made to crash or to give up."""
import os
import re
import socket
import subprocess
import time
import urllib.parse

import harness as h
import websocket as web
import test_auth_pam
import x2go

SECONDS = 200
DENIED = "Access denied\n"
KEY = re.compile(r"^[A-Za-z0-9._-]{16,127}$")


def denied(answer):
    """As x2goclient has to be told: anything else than 200 ends it."""
    assert answer.status == 200 and answer.body == DENIED, answer
    assert answer.fields["content-type"].startswith("text/plain"), answer.fields


def listed(answer, ids=("one", "two")):
    assert answer.status == 200 and answer.granted and KEY.match(answer.authid), answer
    assert "\r" not in answer.body and "<br>" not in answer.body, answer
    assert answer.profiles is not None and list(answer.profiles) == sorted(ids), answer
    return answer


def selected(answer, server):
    assert answer.status == 200 and answer.granted and KEY.match(answer.authid), answer
    assert answer.server == server and answer.body.count("SERVER:") == 1 and answer.body.index("SERVER:") > 0, answer
    return answer


# ---- the form
@h.each("http", "https")
@h.timeout(60)
def test_list_and_select(scheme):
    broker = x2go.Broker(tls=scheme == "https")
    first = listed(broker.list())
    assert first.fields["content-type"].startswith("text/plain") and int(first.fields["content-length"]) == len(first.body.encode())
    read = x2go.qsettings(first)
    one, two = read["one"], read["two"]
    assert one["name"] == "Test One" and one["user"] == "bob" and two["user"] == "test", read
    assert not [k for k in one if k.startswith(("acl-", "broker-"))], one
    second = selected(broker.select("one", first.authid), "127.0.0.1:9")
    third = selected(broker.select("two", second.authid), "127.0.0.1:9")
    assert len({first.authid, second.authid, third.authid}) == 3


@h.each("/plain/", "/plain/inifile", "/plain/inifile/more", "/plain", "/x2gobroker/plain/inifile", "/cgi-bin/x2gobroker.cgi")
def test_paths(path):
    """The client posts to whatever it was given."""
    broker = x2go.Broker()
    listed(broker.list(path=path))
    denied(broker.list(password="wrong", path=path))


@h.each("wrong password", "no password", "unknown user", "no user", "wrong authid", "another's authid")
def test_refused(how):
    broker = x2go.Broker(users={"test": "sweet", "joe": "pw"})
    authid = broker.list().authid
    user, password, given = {"wrong password": ("test", "wrong", ""), "no password": ("test", "", ""),
                             "unknown user": ("nobody", "sweet", ""), "no user": ("", "sweet", ""),
                             "wrong authid": ("test", "", "x" * 32), "another's authid": ("joe", "", authid)}[how]
    for task in ("listsessions", "selectsession", "setpass"):
        denied(broker.post(task, user=user, password=password, authid=given, sid="one", newpass="new"))
    assert "sweet" not in broker.log() and authid not in broker.log(), broker.log()


@h.each("unknown", "another's", "General", "", "../one", "one/two", "a b", "[one]")
def test_select_what_is_not_there(sid):
    """Never Access granted without a server: the client would crash. That one may not have a profile is asked again."""
    broker = x2go.Broker(x2go.PROFILES + "\n[another's]\nhost=h\nacl-users-allow=joe\n[another]\nhost=h\nacl-users-allow=joe\n")
    authid = listed(broker.list()).authid
    for one in (sid, "another") if sid == "another's" else (sid,):
        answer = broker.select(one, authid)
        assert answer.status == 200 and not answer.granted and "SERVER:" not in answer.body, answer


def test_nothing_for_this_user():
    broker = x2go.Broker("[one]\nhost=h\nacl-users-allow=joe\n")
    answer = broker.list()
    assert answer.status == 200 and not answer.profiles, answer


def test_testcon():
    """It says neither who it is nor a password."""
    answer = x2go.Broker().post("testcon")
    assert answer.status == 200 and answer.granted and 1024 <= len(answer.body) <= 1 << 20, answer


def test_no_task():
    broker = x2go.Broker()
    answer = broker.post(user="test", password="sweet", authid="")
    assert answer.status == 200 and answer.granted and answer.profiles is None, answer
    denied(broker.post(user="test", password="wrong", authid=""))


def test_setpass_is_off():
    """An answer without these words crashes a newer client."""
    broker = x2go.Broker()
    answer = broker.post("setpass", newpass="new", user="test", password="sweet", authid="")
    assert answer.status == 200 and "PASSWORD CHANGED: FAILED\n" in answer.body, answer
    listed(broker.list())


REFUSING = "auth required pam_deny.so\naccount required pam_permit.so\npassword required pam_deny.so\n"


@h.each("pam", "pam(service=house)", "pam(service=refusing) || pam(service=house)")
@h.timeout(60)
def test_setpass(module):
    """By that service of PAM which knows the old one: that is refused afterwards."""
    test_auth_pam.world()
    x2go.account()  # or it is in one copy only
    copy = h.make_dir("etc")  # whole, as pam_unix renames a file to shadow
    subprocess.run(["cp", "-a", "/etc/.", copy], check=True)
    subprocess.run(["mount", "--bind", copy, "/etc"], check=True)
    h.defer(subprocess.check_call, ["umount", "-l", "/etc"])
    with open(f"{copy}/pam.d/xproxy", encoding="utf8") as f:
        test_auth_pam.service("house", f.read())
    test_auth_pam.service("refusing", REFUSING)
    if module != "pam":
        test_auth_pam.service("xproxy", REFUSING)
    broker = x2go.Broker(auth=[module], PasswordChange="yes")
    first = listed(broker.list("alice", "pw"))
    answer = broker.post("setpass", newpass="Zü9&+ kqw!", user="alice", password="pw", authid=first.authid)
    assert answer.status == 200 and answer.granted and "PASSWORD CHANGED: OK\n" in answer.body, answer
    denied(broker.list("alice", "pw"))
    listed(broker.list("alice", "Zü9&+ kqw!"))


def event(broker, authid, name="CONNECTED", **more):
    fields = {"sid": "bob-50-1795158914_stRxterm_dp24", "event": name, "server": "127.0.0.1", "client": "", "login": "bob",
              "cmd": "xterm", "display": "50", "start": "20.11.26 07:15:16", "elapsed": "3", **more}
    return broker.post("clientevent", user="test", password="", **fields, authid=authid)


def test_events():
    """Logged; and two in a hurry with the same authid both count."""
    broker = x2go.Broker(Events="30s")
    first = listed(broker.list())
    config = re.search(r"START_CLIENT_CONFIG\n(.*)END_CLIENT_CONFIG\n", first.body, re.S)[1]
    assert dict(line.split("=") for line in config.split()) == {"events": "true", "liveevent": "30"}, config
    one = event(broker, first.authid, "ALIVE")
    two = event(broker, first.authid, "FINISHED")
    assert one.granted and two.granted, (one, two)
    broker.logged("bob-50-1795158914_stRxterm_dp24.*FINISHED|FINISHED.*bob-50-1795158914_stRxterm_dp24")
    denied(event(broker, "z" * 32))


def test_no_events():
    """Not asked for, none are sent; but one that comes is no error."""
    broker = x2go.Broker(Events="0")
    first = listed(broker.list())
    assert "CLIENT_CONFIG" not in first.body, first
    assert event(broker, first.authid).granted


# ---- HTTP
@h.each("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
def test_only_post(method):
    """Never a password in a URL."""
    broker = x2go.Broker()
    query = urllib.parse.urlencode({"task": "listsessions", "user": "test", "password": "sweet"})
    for path in ("/plain/", "/plain/inifile", "/json/"):
        answer = broker.request(method, f"{path}?{query}")
        assert answer.status == 405 and answer.fields["allow"] == "POST", (path, answer.status, answer.fields)
        assert not answer.granted, answer
    assert "sweet" not in broker.log(), broker.log()


def raw(broker, head, body="", path="/plain/"):
    with socket.create_connection(("127.0.0.1", broker.port), 20) as s:
        return web.plain_request(s, f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}")


@h.each("body", "length", "negative", "no length", "field", "many fields")
def test_too_much(what):
    """Refused, without being read to the end or held."""
    broker = x2go.Broker()
    good = "task=listsessions&user=test&password=sweet&authid="
    if what == "body":
        answer = broker.post("listsessions", user="test", password="sweet", more="&x=" + "y" * 200_000)
        assert answer.status in (400, 413) and not answer.granted, answer
    elif what in ("length", "negative", "no length"):
        head = {"length": "Content-Length: 99999999999999999999\r\n", "negative": "Content-Length: -1\r\n", "no length": ""}[what]
        status, _, body = raw(broker, head, good)
        assert status in (400, 411, 413) and b"granted" not in body, (status, body)
    elif what == "field":
        for name in ("user", "password", "authid", "sid", "login"):
            answer = broker.post("listsessions", **{"user": "test", "password": "sweet", "authid": "", name: "u" * 20_000})
            assert name in ("sid", "login") or not answer.granted, (name, answer)
    else:
        answer = broker.post("listsessions", user="test", password="sweet", more="&a=b" * 8000)
        assert answer.status in (200, 400, 413), answer
    listed(broker.list())


@h.each("none", "text/plain", "application/x-www-form-urlencoded; charset=UTF-8", "multipart/form-data")
def test_content_type(kind):
    """Old clients send none that means anything."""
    broker = x2go.Broker()
    kw = {} if kind == "none" else {"Content_Type": kind}
    listed(broker.request("POST", None, "task=listsessions&user=test&password=sweet&authid=", **kw))


def test_encoding():
    """+ and %XX; bytes that are no UTF-8 or control characters are nobody's name."""
    broker = x2go.Broker(users={"zoë +&=%": "p&=+ä%ß x"})
    listed(broker.list("zoë +&=%", "p&=+ä%ß x"))
    body = urllib.parse.urlencode({"task": "listsessions", "user": "zoë +&=%", "password": "p&=+ä%ß x", "authid": ""})
    listed(broker.request("POST", None, body, Content_Type=x2go.FORM))
    for user in ("%ff", "%00", "test%00", "a%0ab", "%", "%zz"):
        answer = broker.request("POST", None, f"task=listsessions&user={user}&password=sweet&authid=", Content_Type=x2go.FORM)
        assert answer.status in (200, 400) and not answer.granted, (user, answer)


def test_half_a_request():
    """One that never ends is not waited for forever."""
    broker = x2go.Broker(limits={"LoginTimeout": "2s"})
    with socket.create_connection(("127.0.0.1", broker.port), 20) as s:
        s.sendall(b"POST /plain/ HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\ntask=list")
        s.settimeout(15 * h.SLACK)
        began = time.monotonic()
        while s.recv(4096):
            pass
        assert time.monotonic() - began < 12 * h.SLACK


# ---- authids and who may have them
def test_no_auth():
    """Nobody is asked for a password, and there are no authids."""
    broker = x2go.Broker(auth=["none"], AuthID="none")
    answer = broker.list("whoever", "")
    assert answer.granted and answer.authid is None and "AUTHID" not in answer.body, answer
    chosen = broker.select("one", "", "whoever")
    assert chosen.server == "127.0.0.1:9" and "AUTHID" not in chosen.body, chosen


def preset(value="preset-0123456789abcdef", comment="# for the kiosks\n\n"):
    return value, h.make_file(f"authid-{next(h._serial)}", f"{comment}{value} and words\nanother\n", 0o640, x2go.account())


@h.each("with password", "instead of one", "required")
def test_auth_id_file(how):
    """The id that clients were given in a file: it and the password together get one of their own."""
    value, path = preset()
    if how == "instead of one":
        broker = x2go.Broker(auth=["none"], AuthIDFile=path, RequireAuthID="yes")
        denied(broker.list("test", ""))
        denied(broker.list("test", "", authid=value + "x"))
        denied(broker.list("test", "", authid="another"))
        answer = broker.list("test", "", authid=value)
        assert answer.granted and answer.profiles, answer
        return
    broker = x2go.Broker(AuthIDFile=path, RequireAuthID="yes" if how == "required" else "no")
    first = listed(broker.list(authid=value))
    assert first.authid != value
    selected(broker.select("one", first.authid), "127.0.0.1:9")
    denied(broker.list(password="wrong", authid=value))
    for wrong in (value[:-1], value + "x", value.upper()):
        denied(broker.list(authid=wrong))
    (denied if how == "required" else listed)(broker.list())


def test_static_authid():
    broker = x2go.Broker(AuthID="static", AuthIDGrace="1s")
    first = listed(broker.list())
    for _ in range(3):
        assert selected(broker.select("one", first.authid), "127.0.0.1:9").authid == first.authid
        time.sleep(0.8)


def test_authids_expire():
    broker = x2go.Broker(AuthIDTimeout="3s")
    began = time.monotonic()
    authid = listed(broker.list()).authid
    authid = selected(broker.select("one", authid), "127.0.0.1:9").authid
    time.sleep(max(0, began + 4 - time.monotonic()))
    denied(broker.select("one", authid))


def test_state_is_closed():
    """Of what is kept, nothing can be read by others, and no authid lies there as it is."""
    broker = x2go.Broker()
    authid = listed(broker.list()).authid
    assert os.stat(broker.state).st_mode & 0o777 == 0o700
    found = []
    for folder, _, files in os.walk(broker.state):
        for name in files:
            path = os.path.join(folder, name)
            found.append(path)
            with open(path, "rb") as f:
                assert authid.encode() not in f.read(), path
            assert authid not in path and os.stat(path).st_uid == broker.user.uid, path
    assert found


# ---- what profiles may hold
HARD = {"name": "Zoë; comma, \"quotes\" \\back\\slash = # Straße 😀ab €", "command": "/bin/x -a 'b c', d; e",
        "sshproxyhost": "@Invalid()", "icon": "/wJ8=+", "layout": "de,us"}


def test_values_as_qt_reads_them():
    """The client's INI reader takes commas, semicolons, umlauts and backslashes for something else."""
    profiles = "[one]\nhost=127.0.0.1\n" + "".join(f"{k}={v}\n" for k, v in HARD.items())
    got = x2go.qsettings(listed(x2go.Broker(profiles).list(), ["one"]))
    for key, value in HARD.items():
        assert got["one"][key] == value, (key, got["one"].get(key), value)


def test_bad_profiles():
    """A broken file is said in the log; clients get no list."""
    for text in ("[one\nhost=h\n", "host=h\n", "", "[one]\nhost=h\n[one]\nhost=g\n", "\0\0\0"):
        broker = x2go.Broker(text)
        answer = broker.list()
        assert answer.status in (200, 503) and not answer.profiles, answer
        if answer.status == 503:
            broker.logged("profiles-[0-9]*.conf:[0-9]+: ")
    broker = x2go.Broker()
    os.unlink(broker.profiles_path)
    answer = broker.list()
    assert answer.status in (200, 503) and not answer.profiles, answer
    broker.logged(re.escape(broker.profiles_path))


# ---- the real client
@h.each("http", "https")
@h.timeout(90)
def test_client(scheme):
    """A wrong password brings the form back, the right one the list; the profile is taken, up to the server's port."""
    broker = x2go.Broker(tls=scheme == "https")
    more = [f"--broker-cacertfile={broker.tls[0]}"] if broker.tls else []
    client = x2go.Client(broker.url(user="test"), "--session=Test One", *more, password="wrong")
    client.press("^(?!X2Go Client)")
    client.log_in("sweet")
    client.logged("Reading 2 sessions from config file")
    client.logged("Starting connection to server:.*127.0.0.1:9")
    assert not client.crashed()


@h.timeout(60)
def test_client_stranger():
    """A certificate that it cannot check."""
    broker = x2go.Broker(tls=True)
    client = x2go.Client(broker.url(user="test"), "--session=Test One", password="sweet")
    client.logged("sslError, code:")
    client.window("Secure connection failed")


@h.each("noauth http", "noauth https", "authid http", "authid https")
@h.timeout(60)
def test_client_without_form(case):
    """Without a screen: nobody is asked; or a file that the client was given says enough."""
    how, scheme = case.split()
    if how == "noauth":
        broker, more = x2go.Broker(auth=["none"], tls=scheme == "https", AuthID="none"), []
    else:
        value, path = preset(comment="")
        os.chmod(path, 0o644)
        broker = x2go.Broker(auth=["none"], tls=scheme == "https", AuthIDFile=path, RequireAuthID="yes")
        more = [f"--auth-id={h.make_file('id', value + chr(10))}"]
    more += [f"--broker-cacertfile={broker.tls[0]}"] if broker.tls else []
    client = x2go.Client(broker.url(user="test"), "--broker-noauth", "--session=Test One", *more, offscreen=True)
    client.logged("Starting connection to server:.*127.0.0.1:9")
    assert not client.crashed()


@h.each("unknown sid", "no profiles", "denied", "port 0")
@h.timeout(60)
def test_client_survives(how):
    """What is not to be had is said so that 4.1.2.2 stays alive, or ends by itself."""
    profiles = {"no profiles": "[one]\nhost=h\nacl-users-allow=joe\n", "port 0": x2go.PROFILES.replace("sshport=9", "sshport=0")}
    broker = x2go.Broker(profiles.get(how, x2go.PROFILES), auth=["none"], AuthID="none")
    path = broker.profiles_path
    client = x2go.Client(broker.url(user="test"), "--broker-noauth", *(["--session=Test One"] if how != "denied" else []))
    if how == "unknown sid":  # gone between list and select
        h.make_file(os.path.basename(path), x2go.PROFILES.replace("[one]", "[three]"))
    client.logged("A http request returned|Broker HTTP request failed")
    time.sleep(3)
    assert not client.crashed(), client.log()[-2000:]


@h.timeout(60)
def test_client_connectivity():
    """--connectivity-test tells the broker nothing of who it is."""
    broker = x2go.Broker(auth=["none"], AuthID="none")
    client = x2go.Client(broker.url(user="test"), "--broker-noauth", "--connectivity-test")
    client.logged("A http request returned")
    time.sleep(2)
    assert not client.crashed()
