# SPDX-License-Identifier: GPL-2.0-or-later
"""The :proxy-PID socket: the real xpra list, info, version, id and stop; xproxyctl; and peers that misuse it."""
import json
import os
import re
import socket
import stat
import time

import harness as h
import xpranet as x

SECONDS = 40


def linked(**kw):
    """A running connection with its control socket there. (link, ":proxy-PID")"""
    link = h.link(**kw)
    link.display = f":proxy-{link.conn.guard()}"
    link.socket = h.eventually(lambda: [p for p in h.control_sockets() if p.endswith(link.display[1:])], 3,
                               "the control socket")[0]
    return link


def ask(link, caps, encoder=x.RENCODEPLUS, how=None):
    """A scripted control client as the session's user; its Peer."""
    s = socket.socket(socket.AF_UNIX)
    h.as_thread(h.alice, lambda: s.connect(link.socket))
    peer = x.Peer(s, encoder, how)
    h.defer(peer.close)
    if caps is not None:
        peer.hello(caps)
    return peer


def running(link):
    link.c.send_packet("bell", 1)
    return link.s.expect("bell")


# ---- the socket itself
def test_socket_file():
    """HOSTNAME-proxy-PID, 0600, the session's user's, in the first of SocketDirs; gone at the end."""
    link = linked()
    st = os.stat(link.socket)
    assert stat.S_ISSOCK(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o600, oct(st.st_mode)
    assert (st.st_uid, st.st_gid) == (h.alice.uid, h.alice.gid)
    assert link.socket == f"{h.alice.sockets}/{h.HOSTNAME}-proxy-{link.conn.guard()}"
    link.c.close()
    link.s.close()
    assert link.conn.wait() == 0
    h.eventually(lambda: not os.path.exists(link.socket), 1, "the socket file goes")


def test_socket_directory_is_made():
    """The last component of the directory, 0700, if it is missing."""
    os.rmdir(h.alice.sockets)
    h.defer(lambda: os.path.isdir(h.alice.sockets) or h.make_dir(h.alice.sockets, 0o700, h.alice))
    link = linked()
    st = os.stat(h.alice.sockets)
    assert stat.S_IMODE(st.st_mode) == 0o700 and st.st_uid == h.alice.uid, oct(st.st_mode)
    assert running(link)


def test_stale_socket_file_is_replaced():
    """A dead socket of an earlier process with the same PID is in nobody's way (the name is taken over)."""
    link = linked()
    link.c.close()
    link.s.close()
    link.conn.wait()
    assert not h.control_sockets()


# ---- the real xpra
@h.needs_tool("xpra")
def test_xpra_list():
    link = linked()
    r = h.xpra("list")
    assert r.returncode == 0, r.stdout
    assert re.search(rf"LIVE session at {link.display}\b", r.stdout), r.stdout
    assert running(link)


@h.needs_tool("xpra")
def test_xpra_version():
    link = linked()
    r = h.xpra("version", link.display)
    assert r.returncode == 0 and re.search(r"^\d+\.\d+", r.stdout.strip().split("\n")[-1]), r.stdout
    ours = h.ctl("--version")
    assert r.stdout.strip().split("\n")[-1] in ours.stdout, (r.stdout, ours.stdout)
    assert running(link)


@h.needs_tool("xpra")
def test_xpra_id():
    link = linked()
    r = h.xpra("id", link.display)
    assert r.returncode == 0, r.stdout
    assert "session-type=proxy-instance" in r.stdout and f"pid={link.conn.guard()}" in r.stdout, r.stdout
    assert running(link)


def info_lines(text):
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)


@h.needs_tool("xpra")
def test_xpra_info():
    """What xpra's own instance says, and who, where and how much, which it does not."""
    link = linked(relay={"PingInterval": "1s"})
    for peer in (link.c, link.s):
        p = peer.expect("ping", timeout=4, skip=())
        time.sleep(0.05)
        peer.send_packet("ping_echo", p[1], 0, 0, 0, 0, p[3])
    running(link)
    link.s.send_packet("draw", 1, 0, 0, 1, 1, "png", bytes(100000), 1, 0, {})
    link.c.expect("draw")
    r = h.xpra("info", link.display)
    assert r.returncode == 0, r.stdout
    info = info_lines(r.stdout)
    assert info.get("proxy.version"), r.stdout
    for side in ("client", "server"):
        assert 40 <= float(info.get(f"proxy.latency.{side}", 0)) < 2000, \
            f"latency of the {side}: {info.get(f'proxy.latency.{side}')}\n{r.stdout}"
    words = set(info.values())
    peername = ":".join(map(str, link.c.sock.getsockname()[:2]))
    assert {"john", "multifile", peername} <= words, r.stdout
    assert any(str(link.server.port) in v for v in words), r.stdout
    assert int(info["connection.server.input.bytecount"]) >= 100000, r.stdout
    assert int(info["connection.client.output.injected"]) >= 1, r.stdout
    assert int(info["connection.server.output.injected"]) >= 1, r.stdout
    assert "pw" not in words, "the password is shown"


@h.needs_tool("xpra")
def test_xpra_stop():
    """Both sides are told why, everything goes, xpra says it has exited."""
    link = linked()
    r = h.xpra("stop", link.display)
    assert link.c.read_end(3) == "server shutdown; socket request"
    assert link.s.read_end(3), "the session was not told"
    link.c.close()
    link.s.close()
    assert link.conn.wait(2) == 0
    assert "has exited" in r.stdout or r.returncode == 0, r.stdout
    line = link.conn.logged("socket request")
    assert "john" in line, line


@h.needs_root
@h.needs_tool("xpra")
def test_xpra_by_root():
    """root reaches it by its path."""
    link = linked()
    root = h.User("root", 0, 0, os.environ["HOME"], os.environ["XDG_RUNTIME_DIR"])
    r = h.xpra("version", f"socket://{link.socket}", user=root)
    assert r.returncode == 0 and "0." in r.stdout, r.stdout


@h.needs_root
def test_others_cannot_connect():
    link = linked()
    s = socket.socket(socket.AF_UNIX)
    try:
        h.as_thread(h.bob, lambda: s.connect(link.socket))
        raise AssertionError("bob may connect to alice's control socket")
    except PermissionError:
        pass


# ---- scripted
@h.each("3.1.3", "6.5", "bencode")
def test_requests(generation):
    """Each request from each generation, in its encoder, compressed as it does."""
    link = linked()
    encoder, how, make = {"3.1.3": (x.RENCODE, "zlib", x.hello31), "6.5": (x.RENCODEPLUS, "lz4", x.hello65),
                          "bencode": (x.BENCODE, None, x.hello31)}[generation]
    for request, key in (("version", "version"), ("id", "session-type"), ("info", "proxy.version")):
        peer = ask(link, make(request=request, **{f"{request}_request": True}), encoder, how)
        p = peer.read_packet(5)
        assert p.name == "hello" and p.flags & x.ENCODER_MASK == encoder, p[:1]
        got = x.texts(p[1])
        found = got.get(key) or (got.get("proxy") or {}).get("version")
        assert found, f"{request}: {list(got)[:40]}"
        peer.close()
    assert running(link)


def test_info_namespace():
    """info-namespace: a tree of dictionaries; without it, dotted keys."""
    link = linked()
    for nested in (True, False):
        p = ask(link, x.hello65(request="info", **{"info-namespace": nested})).read_packet(5)
        got = x.texts(p[1])
        version = got["proxy"]["version"] if nested and isinstance(got.get("proxy"), dict) else got.get("proxy.version")
        assert version, list(got)


@h.each("challenge", "unknown request", "no request", "screenshot", "shell")
def test_refusals(what):
    link = linked()
    caps = {"challenge": x.hello65(challenge=True, request="info"), "unknown request": x.hello65(request="nonsense"),
            "no request": x.hello65(), "screenshot": x.hello65(request="screenshot"), "shell": x.hello65(request="shell")}[what]
    words = ask(link, caps).read_end(3)
    expected = ("authentication error; this socket does not use authentication" if what == "challenge" else
                "control command error; this socket only handles 'info', 'version' and 'stop' requests")
    assert words.replace(", 'id'", "").replace("'version', ", "'version' ").replace("'version'  and", "'version' and") == expected \
        or words.split(";")[0] == expected.split(";")[0], words
    assert running(link)


@h.each("text", "header", "huge", "bomb", "deep", "http", "nothing", "half", "chunk", "flood")
def test_misuse(what):
    """Nothing that is said to the control socket harms the connection it belongs to."""
    link = linked()
    data = {"text": b"hello\n", "header": b"P" + b"\xff" * 50, "huge": x.header(x.RENCODEPLUS, 0, 0, 200 << 20) + bytes(5000),
            "bomb": x.record(x.RENCODEPLUS, 0x11, 0, b"\xff\xff\xff\x0f" + bytes(100)),
            "deep": x.record(x.RENCODEPLUS, 0, 0, b"\xc1" * 5000), "http": b"GET / HTTP/1.1\r\n\r\n", "nothing": b"",
            "half": x.build(["hello", x.hello65(request="info")])[:50], "chunk": x.record(0, 0, 7, b"x" * 50),
            "flood": b"".join(x.build(["hello", x.hello65(request="info")]) for _ in range(200))}[what]
    peer = ask(link, None)
    try:
        peer.send_raw(data)
    except OSError:
        pass
    if what not in ("nothing", "half"):
        try:
            peer.read_packet(3)
        except (x.Closed, x.PlainText):
            pass
        except x.Timeout:
            raise AssertionError("neither answered nor closed") from None
    assert running(link)
    p = ask(link, x.hello65(request="version")).read_packet(5)
    assert p.name == "hello"


def test_many_clients():
    """More than twenty that say nothing: the relay goes on, extra ones are turned away, and when they are gone
    the socket answers again."""
    link = linked()
    peers = []
    for _ in range(30):
        try:
            peers.append(ask(link, None))
        except BlockingIOError:
            break
    assert running(link)
    for p in peers:
        p.close()
    time.sleep(0.2)
    assert ask(link, x.hello65(request="version")).read_packet(5).name == "hello"


def test_slow_reader():
    """One that asks and does not read blocks nobody."""
    link = linked()
    slow = [ask(link, x.hello65(request="info")) for _ in range(5)]
    assert running(link)
    assert ask(link, x.hello65(request="info")).read_packet(5).name == "hello"
    assert slow


# ---- xproxyctl
def test_ctl_list():
    link = linked()
    r = h.ctl("list", user=h.alice)
    assert r.returncode == 0, r.stderr
    row = [line for line in r.stdout.split("\n") if link.display in line]
    assert len(row) == 1, r.stdout
    for word in ("john", "127.0.0.1:%d" % link.c.sock.getsockname()[1], str(link.server.port), "rencodeplus"):
        assert word in row[0], f"{word} is not in {row[0]!r}"


def test_ctl_list_json():
    links = [linked(), linked()]
    r = h.ctl("list", "--json", user=h.alice)
    assert r.returncode == 0, r.stderr
    rows = {row["id"]: row for row in json.loads(r.stdout)}
    assert set(rows) == {link.display for link in links}, rows
    row = rows[links[0].display]
    assert row["user"] == "john" and row["pid"] == links[0].conn.guard() and row["transport"] == "tcp", row
    assert str(links[0].server.port) in row["upstream"], row
    assert isinstance(row["bytes_in"], int) and isinstance(row["bytes_out"], int), row


def test_ctl_list_user():
    link = linked()
    assert link.display in h.ctl("list", "--user", "john", user=h.alice).stdout
    assert link.display not in h.ctl("list", "--user", "mary", user=h.alice).stdout


def test_ctl_list_empty():
    r = h.ctl("list", "--json", user=h.alice)
    assert r.returncode == 0 and json.loads(r.stdout) == [], r.stdout
    assert h.ctl("list", user=h.alice).returncode == 0


def test_ctl_info():
    link = linked()
    r = h.ctl("info", link.display, user=h.alice)
    assert r.returncode == 0 and "john" in info_lines(r.stdout).values(), r.stdout + r.stderr
    r = h.ctl("info", str(link.conn.guard()), "--json", user=h.alice)
    assert r.returncode == 0 and "john" in json.loads(r.stdout).values(), r.stdout + r.stderr


def test_ctl_version():
    link = linked()
    r = h.ctl("version", link.display, user=h.alice)
    assert r.returncode == 0 and re.match(r"\d+\.\d+", r.stdout), r.stdout + r.stderr


@h.each("display", "pid", "two", "user", "all")
def test_ctl_stop(how):
    links = [linked(), linked()]
    args = {"display": [links[0].display], "pid": [str(links[0].conn.guard())], "two": [link.display for link in links],
            "user": ["--user", "john"], "all": ["--all"]}[how]
    r = h.ctl("stop", *args, user=h.alice)
    assert r.returncode == 0, r.stdout + r.stderr
    for link in links if how not in ("display", "pid") else links[:1]:
        assert "server shutdown" in link.c.read_end(3)
        link.c.close()
        link.s.close()
        assert link.conn.wait(2) == 0
    if how in ("display", "pid"):
        assert running(links[1])


@h.each("info", "stop", "version")
def test_ctl_nothing_matched(command):
    link = linked()
    r = h.ctl(command, ":proxy-999999", user=h.alice)
    assert r.returncode == 3 and "999999" in r.stderr, (r.returncode, r.stderr)
    assert running(link)


@h.each("", "nonsense", "info", "stop", "list --nonsense", "version", "info :proxy-1 :proxy-2 --bad")
def test_ctl_usage(args):
    r = h.ctl(*args.split(), user=h.alice)
    assert r.returncode == 2 and r.stderr and not r.stdout, (r.returncode, r.stdout, r.stderr)


@h.needs_root
def test_ctl_root_sees_all():
    """As root every connection of the machine, as a user one's own."""
    first = linked()
    srv = h.Server()
    conn = h.spawn(h.conf(h.multifile(h.line("mary", "pw", srv.uri, user=h.bob)), Relay={"PingInterval": "0"}))
    assert conn.peer.login(x.hello65(username="mary"), "pw").name == "hello"
    second = f":proxy-{conn.guard()}"
    h.eventually(lambda: len(h.control_sockets()) == 2, 3, "both control sockets")
    for user, expected in ((None, {first.display, second}), (h.alice, {first.display}), (h.bob, {second})):
        r = h.ctl("list", "--json", user=user)
        shown = {row["id"] for row in json.loads(r.stdout)}
        if not user and not h.PRIVATE:  # other files' connections are on this machine too
            shown &= expected
        assert shown == expected, (user and user.name, r.stdout, r.stderr)
    r = h.ctl("stop", second, user=h.alice)
    assert r.returncode == 3, "alice can stop bob's connection"
    r = h.ctl("stop", second)
    assert r.returncode == 0, r.stderr
    assert "server shutdown" in conn.peer.read_end(3)


def test_ctl_hostile_names():
    """What a client says about itself cannot disturb the table or the JSON."""
    srv = h.Server()
    evil = 'x"\\\n\x1b[31m{}'
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"}))
    p = conn.peer.login(x.hello65(username="john", client_type=evil, hostname=evil, name=evil), "pw")
    if p.name != "hello":
        return  # refused for that: just as well
    h.eventually(h.control_sockets, 3, "the control socket")
    assert json.loads(h.ctl("list", "--json", user=h.alice).stdout)[0]["user"] == "john"
    for text in (h.ctl("list", user=h.alice).stdout, h.ctl("info", str(conn.guard()), user=h.alice).stdout, conn.log()):
        assert "\x1b" not in text, repr(text)


# ---- xproxyctl users
@h.needs_tool("xpra")
def test_users_xpra_reads_ours():
    """A database made by xproxyctl serves xpra's own sqlite_auth.py, and the reverse logs in here."""
    tool = "/usr/lib/python3/dist-packages/xpra/server/auth/sqlite_auth.py"
    if not os.path.exists(tool):
        raise h.Skip("no sqlite_auth.py")
    d = h.make_dir("db2", 0o700)

    def xpra_tool(*args):
        import subprocess
        return subprocess.run(["/usr/bin/python3", tool, *args], capture_output=True, text=True, cwd=d,
                              env=dict(os.environ, PYTHONPATH="/usr/lib/python3/dist-packages"), timeout=20)
    ours = os.path.join(d, "ours.sdb")
    assert h.ctl("users", ours, "create").returncode == 0
    assert h.ctl("users", ours, "add", "foo", "bar", "nobody", "nobody", "tcp://127.0.0.1:1/").returncode == 0
    r = xpra_tool(ours, "list")
    assert "foo" in r.stdout + r.stderr, (r.stdout, r.stderr)
    r = xpra_tool(ours, "authenticate", "foo", "bar")
    assert r.returncode == 0, (r.stdout, r.stderr)
    theirs = os.path.join(d, "theirs.sdb")
    srv = h.Server()
    for args in (("create",), ("add", "foo", "bar", str(h.alice.uid), str(h.alice.gid), srv.uri)):
        r = xpra_tool(theirs, *args)
        assert r.returncode == 0, (args, r.stdout, r.stderr)
    r = h.ctl("users", theirs, "list")
    assert "foo" in r.stdout, (r.stdout, r.stderr)
    conn = h.spawn(h.conf(f"sqlite(filename={theirs})"))
    assert conn.peer.login(x.hello65(username="foo"), "bar").name == "hello", conn.log()
    srv.get()
