# SPDX-License-Identifier: GPL-2.0-or-later
"""Which session a client gets: every row of xpra's table of refusals with an old and a new hello, every way
to name a display, and sockets that must not be trusted."""
import os
import socket
import time

import harness as h
import xpranet as x

SECONDS = 35
GENERATIONS = ("old", "new")


def client(generation, **caps):
    """(encoder, hello) of a 3.1.3 or a 6.5 client."""
    if generation == "old":
        return x.RENCODE, x.hello31(**caps)
    return x.RENCODEPLUS, x.hello65(**caps)


def ask(generation, uris, user="john", args=(), sections=None, **caps):
    """Logs in as a multifile user who has these sessions. (conn, the packet that follows)"""
    spec = h.multifile(h.line("john", "pw", uris))
    encoder, hello = client(generation, username=user, **caps)
    conn = h.spawn(h.conf(spec, **(sections or {})), encoder=encoder, args=args)
    return conn, conn.peer.login(hello, "pw")


def said(p):
    assert p.name == "disconnect", f"expected a disconnect, got {x.texts(p)!r:.300}"
    return "; ".join(map(x.text, p[1:]))


def refused(conn, p, words, rc):
    assert said(p) == words, f"{said(p)!r}, expected {words!r}"
    conn.peer.close()
    assert conn.wait() in (rc if isinstance(rc, tuple) else (rc,)), f"exit code {conn.proc.returncode}, expected {rc}\n{conn.log()}"


def dead_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def local_session(n, user=None, version="6.5"):
    user = user or h.alice
    return h.Server(version, where=f"{user.sockets}/{h.HOSTNAME}-{n}", user=user)


# ---- refusals, row by row
@h.each(*GENERATIONS)
def test_no_displays(generation):
    """A list that is empty, and sockets of which there are none."""
    conn, p = ask(generation, "")
    refused(conn, p, "session not found error; no displays found", 6)
    encoder, hello = client(generation, username=h.alice.name)
    conn = h.spawn(h.conf("none"), encoder=encoder)
    refused(conn, conn.peer.login(hello), "session not found error; no displays found", 6)


@h.needs_root
@h.each(*GENERATIONS)
def test_root(generation):
    for uid, gid in (("0", "0"), ("root", "root"), ("0", str(h.alice.gid)), (str(h.alice.uid), "0")):
        spec = h.multifile(f"john|pw|{uid}|{gid}|tcp://127.0.0.1:1/")
        encoder, hello = client(generation, username="john")
        conn = h.spawn(h.conf(spec), encoder=encoder)
        refused(conn, conn.peer.login(hello, "pw"), "authentication error; cannot run proxy instances as root", (4, 6))


@h.each(*GENERATIONS)
def test_not_in_list(generation):
    srv = h.Server()
    conn, p = ask(generation, f":100,{srv.uri}", **wish(generation, ":77"))
    refused(conn, p, "session not found error; display ':77' not found", 6)
    assert srv.accepted == 0


def wish(generation, display):
    return {"display": display} if generation == "old" else {"session": {"display": display}}


@h.each(*GENERATIONS)
def test_ambiguous(generation):
    conn, p = ask(generation, "tcp://user:hidden@127.0.0.1:10100/,:101, :102")
    words = said(p)
    start = "session not found error; please specify a display, more than one is available: "
    assert words.startswith(start), words
    listed = words[len(start):].split(", ")
    assert listed[1:] == [":101", ":102"] and listed[0].startswith("tcp://") and "127.0.0.1:10100" in listed[0], listed
    assert "hidden" not in words, "the list shows a password"
    assert conn.wait() == 6


@h.each(*GENERATIONS)
def test_proxy_display(generation):
    conn, p = ask(generation, ":100,:101", **wish(generation, ":proxy-1"))
    refused(conn, p, "session not found error; invalid display: proxy display", 6)


@h.each(*GENERATIONS)
def test_proxy_displays_are_not_offered(generation):
    """A listed :proxy-PID leads back to us; with it left out one remains."""
    srv = h.Server()
    conn, p = ask(generation, f":proxy-1,{srv.uri}")
    assert p.name == "hello", said(p)
    srv.get()


@h.each(*GENERATIONS)
def test_start_is_off(generation):
    srv = h.Server()
    conn, p = ask(generation, srv.uri, **{"start-new-session": {"mode": "start", "start": ["xterm"]}})
    assert said(p).startswith("session not found error"), said(p)
    assert conn.wait() == 6
    assert srv.accepted == 0, "the client wanted a new session and got an old one"


@h.each(*GENERATIONS)
def test_dial(generation):
    """Nobody listens there: the words, at once, and a log line that says what failed."""
    port = dead_port()
    began = time.monotonic()
    conn, p = ask(generation, f"tcp://127.0.0.1:{port}/", sections={"Sessions": {"ConnectTimeout": "2s"}})
    refused(conn, p, "session not found error; failed to connect to display", 7)
    assert time.monotonic() - began < 5 * h.SLACK
    line = conn.logged("refused")
    assert str(port) in line, f"the log does not say where: {line}"


@h.each(*GENERATIONS)
def test_dial_local(generation):
    conn, p = ask(generation, ":100")
    refused(conn, p, "session not found error; failed to connect to display", 7)
    conn.logged(":100")


@h.each("gopher://x/", "tcp://127.0.0.1:99999/", "tcp://127.0.0.1:notaport/", "tcp://[::1", "quic://h:1/")
def test_bad_url(uri):
    """xpra: invalid display string. One that cannot be used must not stop the others, nor be silent."""
    srv = h.Server()
    conn, p = ask("new", uri)
    assert said(p).startswith("session not found error"), said(p)
    assert conn.wait() in (6, 7), conn.proc.returncode
    conn.logged("display|uri|url|session")
    conn, p = ask("new", f"{uri},{srv.uri}")
    if p.name == "disconnect":  # both are kept: then the good one can be named
        conn, p = ask("new", f"{uri},good={srv.uri}", session={"name": "good"})
    assert p.name == "hello", said(p)


def test_stop_through_the_port():
    """A client cannot stop what it did not start."""
    srv = h.Server()
    for request in ("stop", "exit"):
        conn, p = ask("new", srv.uri, request=request)
        assert said(p).startswith("permission error; "), said(p)
        assert request in said(p)
        assert conn.wait() != 0
    assert srv.accepted == 0


@h.each("screenshot", "upgrade", "no-such-thing")
def test_other_requests(request):
    srv = h.Server()
    conn, p = ask("new", srv.uri, request=request)
    assert said(p) == f"error: invalid request, '{request}' is not supported by the proxy server", said(p)
    assert conn.wait() != 0
    assert srv.accepted == 0


def test_info_through_the_port():
    """`xpra info tcp://proxy`: the proxy answers for itself, after the login."""
    conn, p = ask("old", "tcp://127.0.0.1:1/", request="info", info_request=True)
    assert p.name == "hello", said(p)
    assert any("proxy" in str(v) for v in x.texts(p[1]).values()), x.texts(p[1])


# ---- naming a display
NAMES = {
    "string": {"display": "100"}, "colon": {"display": ":100"}, "number": {"display": 100},
    "session display": {"session": {"display": "100"}}, "session display colon": {"session": {"display": ":100"}},
    "url": {"display": "URL"}, "name as display": {"display": "work"},
    "session name": {"session": {"name": "work"}}, "session-name": {"session-name": "work"},
    "dict and session": {"display": {"desktop_size": [1, 1]}, "session": {"display": "100"}},
    "bytes": {"display": b":100"},
}


@h.each(*[f"new {n}" for n in NAMES], *[f"old {n}" for n in ("string", "colon", "number", "url", "name as display")])
def test_display_named(case):
    """Two sessions, one is asked for in each way that a client has ever had."""
    generation, name = case.split(" ", 1)
    version = "3.1.3" if generation == "old" else "6.5"
    wanted, other = local_session(100, version=version), h.Server(version)
    caps = dict(NAMES[name])
    uris = f"other={other.uri},:100"
    expected = wanted
    if name == "url":
        caps["display"], expected = other.uri, other
    elif "name" in name:
        uris, expected = f":100,work={other.uri}", other
    conn, p = ask(generation, uris, **caps)
    assert p.name == "hello", said(p)
    expected.get()
    assert wanted.accepted + other.accepted == 1


@h.each("missing", "empty", "dict", "empty session")
def test_display_not_named(form):
    """Nothing that names one: the only session is the one."""
    srv = h.Server()
    caps = {"missing": {"display": None}, "empty": {"display": ""}, "dict": {},
            "empty session": {"display": "", "session": {"display": "", "name": ""}}}[form]
    conn, p = ask("new", srv.uri, **caps)
    assert p.name == "hello", said(p)
    srv.get()


def test_name_is_not_a_substring():
    srv = h.Server()
    for wanted in ("wor", "work2", "10", "1000"):
        conn, p = ask("new", f"work={srv.uri},:100", session={"display": wanted})
        assert said(p).startswith("session not found error"), said(p)
    assert srv.accepted == 0


@h.each("connect", "connect_test_request")
def test_probe(what):
    """`xpra connect-test`, and connect=False: a hello that says which, and no connection to the session."""
    srv = h.Server()
    for generation in GENERATIONS:
        caps = {"connect": False} if what == "connect" else {"connect_test_request": "abc123", "request": "connect_test"}
        conn, p = ask(generation, srv.uri, **caps)
        assert p.name == "hello", said(p)
        got = x.texts(p[1])
        if what == "connect":
            assert str(srv.port) in str(got.get("display")), got
        else:
            assert got.get("connect_test_response") == "abc123", got
        conn.peer.close()
        assert conn.wait() == 0
    assert srv.accepted == 0


def test_probe_ambiguous():
    conn, p = ask("new", ":100,:101", connect=False)
    assert "please specify a display" in said(p), said(p)


# ---- sockets
def test_scan_finds_live_ones():
    """Modules without a list: a live socket counts, a dead file does not, nor a plain file."""
    srv = local_session(100)
    dead = socket.socket(socket.AF_UNIX)
    path = f"{h.alice.sockets}/{h.HOSTNAME}-101"
    h.as_thread(h.alice, lambda: dead.bind(path))
    dead.close()
    h.defer(os.unlink, path)
    plain = f"{h.alice.sockets}/{h.HOSTNAME}-102"
    with open(plain, "w"):
        pass
    h.defer(os.unlink, plain)
    conn = h.spawn(h.conf("none"))
    p = conn.peer.login(x.hello65(username=h.alice.name))
    assert p.name == "hello", said(p)
    srv.get()


def test_scan_two():
    a, b = local_session(100), local_session(101)
    conn = h.spawn(h.conf("none"))
    p = conn.peer.login(x.hello65(username=h.alice.name))
    assert said(p) == ("session not found error; please specify a display, more than one is available: "
                       ":100, :101"), said(p)
    conn = h.spawn(h.conf("none"))
    assert conn.peer.login(x.hello65(username=h.alice.name, session={"display": "101"})).name == "hello"
    b.get()
    assert a.accepted <= 4, "the other one was not just probed"


def test_scan_session_directory():
    """DIR/N/socket, as 5.0 and newer have it."""
    os.makedirs(f"{h.alice.sockets}/105", exist_ok=True)
    if h.ROOT:
        os.chown(f"{h.alice.sockets}/105", h.alice.uid, h.alice.gid)
    h.defer(os.rmdir, f"{h.alice.sockets}/105")
    srv = h.Server("6.5", where=f"{h.alice.sockets}/105/socket")
    conn = h.spawn(h.conf("none"))
    p = conn.peer.login(x.hello65(username=h.alice.name))
    assert p.name == "hello", said(p)
    srv.get()


@h.needs_root
@h.each("file", "abstract")
def test_foreign_socket(kind):
    """A socket with the right name that somebody else serves: never used."""
    trap = h.Server("6.5", user=h.bob, where="@xpra/100" if kind == "abstract" else None) if kind == "abstract" else None
    if kind == "file":
        path = f"{h.alice.sockets}/{h.HOSTNAME}-100"
        os.chmod(h.alice.sockets, 0o777)
        h.defer(os.chmod, h.alice.sockets, 0o700)
        os.chmod(h.alice.runtime, 0o711)
        h.defer(os.chmod, h.alice.runtime, 0o700)
        trap = h.Server("6.5", user=h.bob, where=path)
        os.chmod(path, 0o666)
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", ":100"))))
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert said(p) == "session not found error; failed to connect to display", said(p)
    assert not trap.sessions, "bob's server got alice's client"


def test_abstract_of_our_own():
    srv = h.Server("6.5", where="@xpra/100", user=h.alice)
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", ":100"))))
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert p.name == "hello", said(p)
    srv.get()


def test_socket_uri():
    path = os.path.join(h.make_dir("elsewhere", 0o755, h.alice), "s.sock")
    srv = h.Server("6.5", where=path, user=h.alice)
    conn, p = ask("new", f"socket://{path}")
    assert p.name == "hello", said(p)
    srv.get()


@h.needs_root
def test_connects_as_the_user():
    """The session sees the user's credentials, and a socket that only its owner may use works."""
    srv = local_session(100, h.bob)
    spec = h.multifile(h.line("john", "pw", ":100", user=h.bob))
    conn = h.spawn(h.conf(spec))
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert p.name == "hello", said(p)
    sock = srv.get().peer.sock
    pid, uid, gid = __import__("struct").unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    assert (uid, gid) == (h.bob.uid, h.bob.gid), (uid, gid)


@h.each("tcp", "tcp6", "localhost4", "localhost6", "old spelling")
def test_tcp_addresses(kind):
    """IPv4, IPv6, and a name that has both while only one answers; tcp:HOST:PORT of old auth files."""
    where = "tcp6" if kind.endswith("6") else "tcp"
    if kind.startswith("localhost"):
        families = {i[0] for i in socket.getaddrinfo("localhost", 1, type=socket.SOCK_STREAM)}
        if len(families) < 2:
            raise h.Skip("localhost has one address only")
    srv = h.Server("6.5", where=where)
    uri = (f"tcp://localhost:{srv.port}/" if kind.startswith("localhost") else
           f"tcp:127.0.0.1:{srv.port}" if kind == "old spelling" else srv.uri)
    conn, p = ask("new", uri)
    assert p.name == "hello", said(p)
    srv.get()


def test_registry_socket():
    """Registry=socket: the module checks the password, the user's sockets are the list."""
    listed, local = h.Server(), local_session(100)
    conn, p = ask("new", listed.uri, sections={"Sessions": {"Registry": "socket", "SocketDirs": "$XDG_RUNTIME_DIR/xpra"}})
    assert p.name == "hello", said(p)
    local.get()
    assert listed.accepted == 0


def test_loop():
    """A session that leads back to the proxy ends, it does not multiply."""
    path = h.conf(h.multifile(h.line("john", "pw", "tcp://john:pw@127.0.0.1:1/")))
    listener = h.Listener(path)
    users = [p.split("=", 1)[1].rstrip(")") for p in open(path).read().split("\n") if p.startswith("Module=")]
    file = users[0].split("filename=")[1]
    with open(file, "w") as f:
        f.write(h.line("john", "pw", f"tcp://john:pw@127.0.0.1:{listener.port}/") + "\n")
    peer = listener.connect()
    peer.hello(x.hello65(username="john"))
    peer.answer(peer.expect("challenge"), x.hello65(username="john"), "pw")
    words = peer.read_end(15)
    assert words, "closed without a word"
    h.eventually(lambda: not h.program_processes(), 5, lambda: f"processes: {h.program_processes()}")
    assert 2 <= listener.log().count("Spawned") <= 10, listener.log()
