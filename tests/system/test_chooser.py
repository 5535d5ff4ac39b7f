# SPDX-License-Identifier: GPL-2.0-or-later
"""The page at "/": what it is served with, the login behind it, and the lists of sessions; then the page itself in a
real browser, by keyboard alone, up to a window of the session that was chosen."""
import base64
import json
import os
import re
import shutil
import time
import urllib.parse

import harness as h
import test_browser
import test_proxyproto
import test_tls
import websocket as web

SECONDS = 60
OK, REFUSED, AUTH, PROTOCOL_ERROR = 0, 4, 5, 8
HEAD = "Host: 127.0.0.1\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
HOSTILE = "<script>window.bad++<b>\"'\\&"
TWELVE = [f"host{n}=tcp://10.0.0.{n}:14500/" for n in range(1, 13)]


def site(client=True):
    """A directory that looks like the HTML5 client, or like somebody's own site."""
    root = h.make_dir(f"www-{next(h._serial)}")
    for name in ("index.html", "connect.html", "js/Utilities.js")[:3 if client else 1]:
        h.make_dir(os.path.join(os.path.basename(root), os.path.dirname(name)))
        h.make_file(f"{os.path.basename(root)}/{name}", f"<p>{name}")
    return root


def spawn(uris="", kind="tcp", module=None, **listen):
    listen = {"HTMLRoot": site(), **listen}
    return h.spawn(h.conf(module or h.multifile(h.line("john", "pw", uris)), Listen=listen), kind)


def post(conn, fields=None, head=FORM, body=None, path="/Sessions", length=None):
    body = urllib.parse.urlencode(fields or {"username": "john", "password": "pw"}) if body is None else body
    length = len(body) if length is None else length
    return web.plain_request(conn.peer.sock, f"POST {path} HTTP/1.1\r\n{HEAD}{head}Content-Length: {length}\r\n\r\n{body}")


def get(conn, path, fields=""):
    return web.plain_request(conn.peer.sock, f"GET {path} HTTP/1.1\r\n{HEAD}{fields}\r\n")


def basic(user="john", password="pw"):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() + "\r\n"


# ---- the page's files
def test_page():
    """Where the HTML5 client is, "/" is ours; its own pages stay where they are; nothing inline, nobody else's."""
    conn = spawn()
    status, fields, page = get(conn, "/")
    assert status == 200 and fields["content-type"].startswith("text/html") and b"chooser.js" in page, (status, fields)
    policy = dict(one.strip().split(" ", 1) for one in fields["content-security-policy"].split(";"))
    assert policy == {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
                      "img-src": "'self'", "form-action": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'"}, policy
    assert not re.search(rb"style=|\bon\w+=|<script>|<style|https?://(?!</a>)", page), page
    for name, kind in (("chooser.css", "text/css"), ("chooser.js", "text/javascript")):
        assert f"xproxy/{name}".encode() in page
        status, fields, body = get(conn, f"/xproxy/{name}")
        assert status == 200 and fields["content-type"].startswith(kind) and b"SPDX" in body
        assert fields["content-security-policy"].startswith("default-src 'none'")
        assert get(conn, f"/xproxy/{name}", f"If-None-Match: {fields['etag']}\r\n")[0] == 304
    for path in ("/index.html", "/connect.html"):
        assert get(conn, path)[2] == f"<p>{path[1:]}".encode()
    # what a user has kept as a bookmark goes on working
    assert get(conn, "/?username=john&submit=true")[2] == b"<p>index.html"
    assert get(conn, "/Status")[2] == b"ready\n"
    for path in ("/xproxy/", "/xproxy", "/xproxy/../index.html", "/xproxy/.", "/xproxy/none", "/chooser.html", "/Sessions", "/Displays"):
        assert get(conn, path)[0] == 404, path


@h.each("no", "own site", "no files")
def test_no_page(how):
    """Switched off, or where there is no HTML5 client to open."""
    listen = {"no": {"Chooser": "no"}, "own site": {"HTMLRoot": site(client=False)}, "no files": {"HTMLRoot": "/none"}}[how]
    conn = spawn(**listen)
    status, _, body = get(conn, "/")
    assert (status, body) == ((404, b"404 Not Found\n") if how == "no files" else (200, b"<p>index.html")), (status, body)
    assert get(conn, "/xproxy/chooser.js")[0] == 404
    if how == "no":
        assert post(conn)[0] == 405


# ---- the login
@h.each("none", "one", "twelve", "socket", "hostile")
def test_list(which):
    """What a user is shown, and nothing of it is connected to; no password of a session is in it."""
    path = os.path.join(h.make_dir("sockets", 0o755, h.alice), "one")
    uris = {"none": "", "one": "tcp://joe:secret@10.0.0.1:14500/", "twelve": ",".join(TWELVE), "socket": f"a b=socket://{path}",
            "hostile": f"{HOSTILE}=tcp://10.0.0.1/,:10"}[which]
    began = int(time.time())
    if which == "socket":
        h.Server(where=path)
    conn = spawn(uris)
    status, fields, body = post(conn)
    assert status == 200 and fields["content-type"] == "application/json" and fields["cache-control"] == "no-store", (fields, body)
    assert fields["connection"] == "close" and b"secret" not in body
    got = json.loads(body)["sessions"]
    if which == "none":
        assert got == []
    elif which == "one":
        assert got == [{"display": got[0]["display"], "host": "10.0.0.1"}] and "10.0.0.1" in got[0]["display"], got
    elif which == "twelve":
        assert got == [{"display": f"host{n}", "name": f"host{n}", "host": f"10.0.0.{n}"} for n in range(1, 13)], got
    elif which == "socket":
        (one,) = got
        assert one["name"] == "a b" and one["display"] == f"socket://{path}" and one["host"] == h.HOSTNAME, got
        assert began - 1 <= one.get("since", began) <= time.time() + 1, (began, got)
    else:
        assert got[0]["name"] == HOSTILE and got[1] == {"display": ":10", "host": h.HOSTNAME}, got
    assert conn.wait() == OK
    conn.logged(rf"list: user 'john' from 127\.0\.0\.1:\d+ was shown {len(got)} sessions \(multifile\)")
    conn.logged("closed: .*a list of sessions")
    assert "pw" not in conn.log() and "secret" not in conn.log()


@h.needs_root
def test_scan():
    """Without a list in the record: the user's live sockets, and since when."""
    began = int(time.time())
    h.Server(where=os.path.join(h.alice.sockets, f"{h.HOSTNAME}-77"))
    conn = spawn(module="none")
    status, _, body = post(conn, {"username": h.alice.name, "password": ""})
    (one,) = json.loads(body)["sessions"]
    assert one["display"] == ":77" and began - 1 <= one.get("since", began) <= time.time() + 1, one


def test_what_is_shown_can_be_had():
    """Each display of the list opens that session, asked for as the HTML5 client does."""
    servers = [h.Server() for _ in range(3)]
    uris = f"plain={servers[0].uri},a b={servers[1].uri},{servers[2].uri}"
    conn = spawn(uris)
    got = json.loads(post(conn)[2])["sessions"]
    assert [s.get("name") for s in got] == ["plain", "a b", None], got
    for server, session in zip(servers, got):
        other = spawn(uris)
        other.peer.start_websocket()
        p = other.peer.login(h.xpranet.hello65(username="john", display=session["display"]), "pw")
        assert p.name == "hello", p
        server.get()


@h.each("wrong password", "unknown user", "no password", "two modules", "no module", "not on this machine")
def test_denied(how):
    """In xpra's words, after the second that a failure costs, with the line that fail2ban matches."""
    users = h.multifile(h.line("john", "pw", ":10"))
    fields = {"unknown user": {"username": "nemo", "password": "pw"}, "no password": {"username": "john", "password": ""},
              "wrong password": {"username": "john", "password": "wrong"},
              "not on this machine": {"username": "nemo", "password": "pw"}}.get(how)
    modules = {"two modules": [users, "password(value=pw)"], "no module": ["nonsense"],
               "not on this machine": ["password(value=pw)"]}.get(how, [users])
    conn = h.spawn(h.conf(*modules, Listen={"HTMLRoot": site()}))
    began = time.monotonic()
    status, head, body = post(conn, fields)
    took, error = time.monotonic() - began, json.loads(body)["error"]
    if how == "two modules":
        assert status == 403 and "more than one password" in error, error
        return
    if how == "not on this machine":
        if h.ROOT:
            assert status == 403 and error == "authentication error: cannot access sessions", error
        return
    if how == "no module":
        assert status == 503 and error == "authentication error: cannot access sessions", (status, error)
        assert took >= 1
        return
    assert status == 401 and error == "authentication failed" and took >= 1, (status, error, took)
    assert not head["www-authenticate"].startswith("Basic")  # the page asks again, not the browser
    assert conn.wait() == AUTH
    conn.logged(rf"refused: user '{fields['username']}' from 127\.0\.0\.1:\d+: authentication failed \(wrong password or unknown")


NO_FORM = "Content-Type: application/json\r\n"


@h.each("json", "no type", "no length", "chunked", "oversized", "huge length", "bad length", "two lengths", "no password", "no name", "twice",
        "escape", "zero", "long name", "empty")
def test_malformed(how):
    """Refused in words, at once: nothing of it gets to the guard."""
    conn = spawn(":10")
    status = {"json": 415, "no type": 415, "no length": 411, "chunked": 411, "oversized": 413, "huge length": 413}.get(how, 400)
    good = "username=john&password=pw"
    if how in ("no length", "chunked", "two lengths"):
        more = {"no length": "", "chunked": "Transfer-Encoding: chunked\r\nContent-Length: 25\r\n", "two lengths": "Content-Length: 25\r\n" * 2}[how]
        got = web.plain_request(conn.peer.sock, f"POST /Sessions HTTP/1.1\r\n{HEAD}{FORM}{more}\r\n{good}")
    else:
        body = {"json": json.dumps({"username": "john", "password": "pw"}), "oversized": good + "&a=" + "b" * 4096, "no password": "username=john",
                "no name": "password=pw", "twice": good + "&username=joe", "escape": "username=john&password=%4",
                "zero": "username=john&password=p%00w", "long name": "password=pw&username=" + "j" * 256, "empty": ""}.get(how, good)
        length = {"huge length": "9" * 30, "bad length": "2x"}.get(how)
        got = post(conn, head={"json": NO_FORM, "no type": ""}.get(how, FORM), body=body, length=length)
    assert got[0] == status and json.loads(got[2])["error"], got
    assert conn.wait() == PROTOCOL_ERROR
    conn.logged("refused: .*a login")
    assert "list:" not in conn.log()


def test_encoded():
    """Names and passwords of any letters, as browsers encode them."""
    user, password = "jörg+1 %", "p&=+ ä%/"
    conn = h.spawn(h.conf(h.multifile(h.line(user, password, ":10")), Listen={"HTMLRoot": site()}))
    assert post(conn, {"username": user, "password": password})[0] == 200
    conn.logged("was shown 1 sessions")


@h.each("slow", "cut", "split")
def test_body_in_pieces(how):
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", ":10")), Listen={"HTMLRoot": site()}, Limits={"LoginTimeout": "1s"}))
    s = conn.peer.sock
    s.sendall(f"POST /Sessions HTTP/1.1\r\n{HEAD}{FORM}Content-Length: 25\r\n\r\nuser".encode())
    if how == "cut":
        conn.peer.close()
        assert conn.wait(3) == OK
        return
    if how == "split":
        time.sleep(0.3)
        s.sendall(b"name=john&password=pw")
    s.settimeout(10)
    assert web.read_answer(s)[0] == (200 if how == "split" else 408)


@h.each("same", "none", "another", "null", "listed", "two")
def test_origin(how):
    """Pages of other sites get no list; whoever is no browser has no origin."""
    listen = {"AllowedOrigins": "https://elsewhere.example"} if how == "listed" else {}
    origin = {"same": "Origin: http://127.0.0.1\r\n", "none": "", "null": "Origin: null\r\n",
              "two": "Origin: http://127.0.0.1\r\n" * 2}.get(how, "Origin: https://elsewhere.example\r\n")
    conn = spawn(":10", **listen)
    status, fields, body = post(conn, head=FORM + origin)
    assert status == (200 if how in ("same", "none", "listed") else 403), (status, body)
    assert "access-control-allow-origin" not in fields
    if status == 403:
        assert conn.wait() == REFUSED
        conn.logged("AllowedOrigins= does not list it")


@h.each("tls", "unix", "loopback", "forwarded", "front https", "front http", "front not trusted", "network", "network, tls", "RequireTLS")
def test_where_passwords_may_come(how):
    """Over TLS, from this machine, and through a front end that says it has TLS; else 403, and the page goes to https
    if there is a certificate."""
    front = {"forwarded": "X-Forwarded-For: 192.0.2.7\r\n", "front https": "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n",
             "front http": "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"}
    front["front not trusted"] = front["front https"]
    listen = {"tls": test_tls.listen(), "network, tls": test_tls.listen(), "RequireTLS": test_tls.listen(RequireTLS="yes"),
              "front https": {"ForwardedFor": "yes"}, "front http": {"ForwardedFor": "yes"}}.get(how, {})
    conf = h.conf(h.multifile(h.line("john", "pw", ":10")), Listen={
        "HTMLRoot": site(), **listen, **({"ProxyProtocol": "yes"} if how.startswith("network") else {})})

    def start():
        conn = h.spawn(conf, "unix" if how == "unix" else "tcp")
        if how.startswith("network"):  # the only way to come from another machine on this one
            conn.peer.sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\n")
        if how == "tls":
            conn.peer.start_tls(test_tls.context())
        return conn
    good = how in ("tls", "unix", "loopback", "front https")
    conn = start()
    status, _, body = post(conn, head=FORM + front.get(how, ""))
    if how == "RequireTLS":
        assert status == 308
        return
    assert status == (200 if good else 403), (status, body)
    if not good:
        assert "https://" in json.loads(body)["error"]
        conn.logged("refused: .*plain HTTP")
        assert conn.wait() == REFUSED
    if how == "front https":
        conn.logged(r"list: user 'john' from 192\.0\.2\.7")
    status, fields, _ = get(start(), "/", front.get(how, ""))
    assert status == (307 if how == "network, tls" else 200)
    assert status == 200 or fields["location"] == "https://127.0.0.1/"


# ---- for connect.html
def test_basic():
    """GET with Basic authentication, when it is switched on: objects with the display as their key."""
    uris = "far=tcp://10.0.0.1:14500/,:10,<b>=tcp://10.0.0.2/"
    conn = spawn(uris, HTTPSessions="yes")
    status, fields, _ = get(conn, "/Sessions")
    assert status == 401 and fields["www-authenticate"].startswith("Basic realm="), fields
    assert conn.wait() == OK  # nobody has failed: that is how browsers ask
    conn.logged("closed: .*needs a login")
    conn = spawn(uris, HTTPSessions="yes")
    status, fields, body = get(conn, "/Sessions", basic())
    assert status == 200 and fields["cache-control"] == "no-store", (status, body)
    got = json.loads(body)
    assert got["far"] == {"username": "john", "session-name": "far"} and got[":10"] == {"username": "john", "session-name": ""}, got
    assert not [k for k in got if re.search("[<> \"']", k)], got
    conn = spawn(uris, HTTPSessions="yes")
    assert json.loads(get(conn, "/Displays", basic())[2]) == {}
    began = time.monotonic()
    conn = spawn(uris, HTTPSessions="yes")
    status, fields, body = get(conn, "/Sessions", basic(password="wrong"))
    assert status == 401 and fields["www-authenticate"].startswith("Basic") and time.monotonic() - began >= 1
    assert conn.wait() == AUTH
    conn.logged("refused: user 'john' .*authentication failed")
    for value in ("Basic %%%", "Basic am9obg==", "Basic " + "A" * 3000, "Basic am8AaG46cHc="):
        conn = spawn(uris, HTTPSessions="yes")
        assert get(conn, "/Sessions", f"Authorization: {value}\r\n")[0] == 400, value
    conn = spawn(uris, HTTPSessions="yes")
    assert get(conn, "/Sessions", "Authorization: Bearer abc\r\n")[0] == 401


# ---- privilege
@h.needs_root
def test_privilege():
    """While it waits for the guard's answer, the worker is as locked as ever, and holds two sockets only; an xpra
    client's login is not possible afterwards, nor a second one over HTTP."""
    conn = spawn(",".join(TWELVE))
    body = "username=john&password=wrong"
    conn.peer.sock.sendall(f"POST /Sessions HTTP/1.1\r\n{HEAD}{FORM}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    time.sleep(0.4)
    worker = conn.worker()
    assert h.status(worker)["Seccomp"] == "2" and int(h.status(worker)["CapEff"], 16) == 0
    files = [what for n, what in h.fds(worker).items() if n != 2 and not what.startswith(("socket:", "anon_inode:"))]
    assert not files, files
    conn.peer.sock.sendall(f"POST /Sessions HTTP/1.1\r\n{HEAD}{FORM}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    conn.peer.sock.settimeout(10)
    assert web.read_answer(conn.peer.sock)[0] == 401
    assert conn.wait() == AUTH
    assert "violation" not in conn.log(), conn.log()


# ---- in a browser
TAB, ENTER, UP, DOWN, HOME, END = "\ue004", "\ue007", "\ue013", "\ue015", "\ue011", "\ue010"
SHIFT_TAB = "\ue008" + TAB


def listen(b, uris, **more):
    """Opens the page of a server whose user john has these sessions; the server."""
    l = h.Listener(h.conf(h.multifile(h.line("john", "pw", uris)), Listen={**test_tls.listen(), **more}))
    b.console()
    scheme = "https" if more.get("RequireTLS") else "http"
    b.open(f"{scheme}://127.0.0.1:{l.port}/")
    return l


def keep(b, name):
    """What is on the screen, as a picture for whoever reads the results."""
    where = os.path.join(h.BUILD, "screenshots")
    os.makedirs(where, exist_ok=True)
    b.screenshot().save(os.path.join(where, f"chooser-{name}.png"))


def focused(b):
    """What the keyboard is at: its label, or its text."""
    return b.script("""const e = document.activeElement;
                       return e.labels && e.labels.length ? e.labels[0].textContent : e.innerText;""")


def log_in(b, password="pw"):
    """By keyboard alone, from where the page puts it."""
    assert focused(b) == "User name", focused(b)
    b.type("john" + TAB)
    assert focused(b) == "Password"
    b.type(password + ENTER)


def reads(b, what, seconds=10):
    h.eventually(lambda: what in b.script("return document.querySelector('main').innerText"), seconds,
                 lambda: f"{what!r} in: " + b.script("return document.body.innerText"), 0.1)


CONTRAST = """
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const luminance = (color) => {
        canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const back = (e) => { const c = getComputedStyle(e).backgroundColor;
        return c === "rgba(0, 0, 0, 0)" && e.parentElement ? back(e.parentElement) : c; };
    const poor = [];
    for (const e of document.querySelectorAll("main *")) {
        if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
            continue;
        const [x, y] = [luminance(getComputedStyle(e).color), luminance(back(e))].sort((a, b) => b - a);
        const ratio = (x + 0.05) / (y + 0.05);
        if (ratio < 4.5)
            poor.push(e.textContent + " " + ratio);
    }
    return poor;"""


def accessible(b):
    """What can be said of it without a person: contrast, labels, nothing beside the screen, where the keyboard is."""
    poor = b.script(CONTRAST)
    assert not poor, poor
    assert b.script("return document.documentElement.lang") == "en"
    assert b.script("return [...document.querySelectorAll('input')].every(e => e.labels.length === 1)")
    assert b.script("return document.querySelectorAll('h1').length") == 1
    assert b.script("return document.documentElement.scrollWidth <= innerWidth"), "it has to be scrolled sideways"
    assert b.script("return parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2, "no focus to be seen"


def cdp(b, command, **params):
    return b.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})


def clean(b):
    messages = [m for m in b.console() if not re.search("401|favicon|chrome://", m)]
    assert not messages, messages


@test_browser.needs_client
def test_no_sessions():
    b = test_browser.the_browser()
    listen(b, "")
    keep(b, "login")
    accessible(b)
    log_in(b)
    reads(b, "There is no session for john now.")
    assert b.script("return document.title").startswith("No sessions")
    keep(b, "0")
    accessible(b)
    assert focused(b) == "Log in as somebody else"
    b.type(ENTER)
    assert focused(b) == "User name" and b.script("return document.getElementById('password').value") == ""
    clean(b)
    test_browser.leave(b)


@test_browser.needs_client
def test_wrong_password():
    """It says so, to screen readers too, and the keyboard is where the next attempt begins."""
    b = test_browser.the_browser()
    l = listen(b, "")
    log_in(b, "wrong")
    reads(b, "Authentication failed.")
    assert b.script("return document.querySelector('[role=alert]').innerText") == "Authentication failed."
    keep(b, "wrong")
    accessible(b)
    assert focused(b) == "Password"
    b.type("pw" + ENTER)
    reads(b, "There is no session for john now.")
    assert b.script("return document.querySelector('[role=alert]').innerText") == ""
    assert re.search(r"refused: user 'john' from 127\.0\.0\.1:\d+: authentication failed", l.log()), l.log()
    clean(b)
    test_browser.leave(b)


@test_browser.needs_client
@h.needs_xpra
@h.each("http", "https")
def test_one_session(scheme):
    """Straight there: a window on the screen, and keys arrive. The password is not left behind."""
    b = test_browser.the_browser()
    session = test_browser.the_session()
    listen(b, session.display, **({"RequireTLS": "yes"} if scheme == "https" else {}))
    log_in(b)
    where = test_browser.on_screen(b)
    keep(b, "1")
    test_browser.types(b, where, f"one{scheme}")
    assert b.script("return location.pathname + location.search") == "/index.html"
    assert "pw" not in b.script("return JSON.stringify(Object.entries(sessionStorage))")
    test_browser.leave(b)


@test_browser.needs_client
@h.needs_xpra
def test_twelve_sessions():
    """By keyboard to the seventh, which is a real one: its window is on the screen."""
    b = test_browser.the_browser()
    session = test_browser.the_session()
    uris = [f"desk{n}=tcp://10.0.0.{n}:14500/" for n in range(1, 13)]
    uris[6] = f"the real one={session.display}"
    uris[9] = f"{HOSTILE}=tcp://10.0.0.10:14500/"
    uris[10] = f"{'a-very-long-name' * 7}=tcp://{'a-very-long-host-name.' * 4}example.org/"
    listen(b, ",".join(uris))
    log_in(b)
    reads(b, "12 sessions of john.")
    assert b.script("return document.title").startswith("Choose a session")
    names = b.script("return [...document.querySelectorAll('li .name')].map(e => e.textContent)")
    assert len(names) == 12 and names[6] == "the real one" and names[9] == HOSTILE, names
    assert b.script("return document.querySelectorAll('li button > * > *').length") == 0  # nobody's markup
    about = b.script("return document.querySelectorAll('li .about')[6].textContent")
    assert re.fullmatch(rf"{session.display}, on {re.escape(h.HOSTNAME)}(, since .*20\d\d.*)?", about), about
    keep(b, "12")
    accessible(b)
    for name, dark, width in (("12-dark", True, 1000), ("12-phone", False, 320), ("12-phone-dark", True, 320)):
        cdp(b, "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        cdp(b, "Emulation.setDeviceMetricsOverride", width=width, height=640, deviceScaleFactor=2 if width < 400 else 1, mobile=False)
        keep(b, name)
        accessible(b)
    cdp(b, "Emulation.setEmulatedMedia", features=[])
    cdp(b, "Emulation.setDeviceMetricsOverride", width=500, height=400, deviceScaleFactor=2, mobile=False)  # 200 % zoom
    accessible(b)
    cdp(b, "Emulation.clearDeviceMetricsOverride")
    first = focused(b)
    assert first.startswith("desk1\n"), first
    for keys, name in ((UP, "desk1"), (DOWN, "desk2"), (TAB, "desk3"), (END, "desk12"), (DOWN, "desk12"), (TAB, "Log in as somebody else"),
                       (SHIFT_TAB, "desk12"), (HOME, "desk1"), (DOWN * 6, "the real one")):
        if keys == SHIFT_TAB:
            b.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [
                {"type": "keyDown", "value": keys[0]}, {"type": "keyDown", "value": keys[1]},
                {"type": "keyUp", "value": keys[1]}, {"type": "keyUp", "value": keys[0]}]}]})
        else:
            b.type(keys)
        assert focused(b).split("\n")[0] == name, (keys, focused(b))
    clean(b)
    b.type(ENTER)
    test_browser.types(b, test_browser.on_screen(b), "twelve")
    test_browser.leave(b)


@test_browser.needs_client
def test_plain_http():
    """Where a password could be read on its way, none is asked for."""
    b = test_browser.the_browser()
    if not h.PRIVATE:
        raise h.Skip("needs a name of this machine's that is not localhost, in namespaces of its own")
    with open("/etc/hosts", "a") as f:
        f.write("127.0.0.1 proxy.test\n")
    l = h.Listener(h.conf("none"))
    b.open(f"http://proxy.test:{l.port}/")
    reads(b, "Open it with https://")
    assert not b.script("return document.getElementById('login').checkVisibility()")
    assert b.script("return document.getElementById('https').href") == f"https://proxy.test:{l.port}/"
    keep(b, "insecure")
    b.type(TAB)
    accessible(b)
    test_browser.leave(b)


def nginx_https(l):
    """The configuration that the manual has for a part of a web site with TLS; its port."""
    if not shutil.which("nginx"):
        raise h.Skip("nginx is not installed")
    certificate, key = test_tls.certificate()
    temporary = "".join(f"{kind}_temp_path {h.make_dir(f'nginx-{kind}', 0o777)};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return test_proxyproto.nginx(None, stream=f"""http {{
    access_log off;
    {temporary}
    server {{
        listen 127.0.0.1:14500 ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location /desk/ {{
            proxy_pass http://{l.address}/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_buffering off;
            proxy_read_timeout 1d;
        }}
    }}
}}
""")


@test_browser.needs_client
@h.needs_xpra
def test_behind_a_web_site():
    """Below a path of nginx's, which has the certificate: from the page to the window of the second of two sessions."""
    b = test_browser.the_browser()
    session = test_browser.the_session()
    l = h.Listener(h.conf(h.multifile(h.line("john", "pw", f"one=tcp://10.0.0.1/,two={session.display}")), Listen={"ForwardedFor": "yes"}))
    b.open(f"https://127.0.0.1:{nginx_https(l)}/desk/")
    log_in(b)
    reads(b, "2 sessions of john.")
    b.type(DOWN + ENTER)
    test_browser.types(b, test_browser.on_screen(b), "nginx")
    assert "/desk/index.html" in b.call("GET", "/url")
    test_browser.leave(b)
