# SPDX-License-Identifier: GPL-2.0-or-later
"""ws:// and wss:// to the proxy: the handshake, frames of every kind and cut, what is refused and in which words, a
relay that is the same as without, and the real client."""
import os
import re
import signal
import socket
import struct
import threading
import time

import harness as h
import test_replay
import test_tls
import websocket as web
import xpranet as x

SECONDS = 90
TIMED_OUT, REFUSED, PROTOCOL_ERROR = 3, 4, 8


def spawn(kind="tcp", module="allow", limits=None, **listen):
    return h.spawn(h.conf(module, Listen=listen, Limits=limits or {}), kind)


def version_of(peer):
    """A whole exchange: the hello that answers a request for the version."""
    peer.hello(x.hello65(request="version"))
    return x.texts(peer.expect("hello")[1])["version"]


# ---- it works
@h.each("masked", "unmasked", "masked tls", "unmasked tls", "masked unix")
def test_session(how):
    """Both directions, small and large, and where it is shown."""
    listen, tls = {}, None
    if "tls" in how:
        listen, tls = test_tls.listen(), test_tls.context()
    link = h.link(kind="unix" if "unix" in how else "tcp", tls=tls, ws={"masked": not how.startswith("unmasked")}, Listen=listen)
    for size in (1, 100, 65536, 3_000_000):
        data = os.urandom(size)
        link.c.send_packet("clipboard", data)
        assert link.s.expect("clipboard", timeout=20)[1] == data
        link.s.send_packet("draw", 1, data)
        assert link.c.expect("draw", timeout=20)[2] == data
    name = "wss" if "tls" in how else "ws"
    if h.ROOT:
        info = h.ctl("info", str(link.conn.guard())).stdout
        assert f"session.transport={name}\n" in info, info
    link.c.close()
    assert link.conn.wait() == 0, link.conn.log()


@h.each("bytes", "three", "messages of a byte", "text", "fragments", "64 bit", "with empty ones", "with pings")
def test_any_cut(how):
    """The stream of bytes is what counts; frames and segments may be anything."""
    conn = spawn()
    conn.peer.start_websocket()
    ws = conn.peer.sock
    hello = x.build(["hello", x.hello65(request="version")])
    mask = b"\x01\x80\xff\x37"
    if how in ("bytes", "three"):
        data, step = web.frame(hello, mask=mask), 1 if how == "bytes" else 3
        for i in range(0, len(data), step):
            ws.sock.sendall(data[i:i + step])
    elif how == "messages of a byte":
        ws.sock.sendall(b"".join(web.frame(hello[i:i + 1], mask=os.urandom(4)) for i in range(len(hello))))
    elif how == "text":
        ws.send(hello, web.TEXT)
    elif how == "fragments":
        n = len(hello) // 3
        ws.send(hello[:n], fin=False)
        ws.send(hello[n:2 * n], web.CONTINUATION, fin=False)
        ws.send(b"hi", web.PING)
        ws.send(hello[2 * n:], web.CONTINUATION)
        assert ws.wait_control(web.PONG) == b"hi"
    elif how == "64 bit":
        ws.send(hello, length=64)
    elif how == "with empty ones":
        for part in (b"", hello[:9], b"", hello[9:], b""):
            ws.send(part)
    else:
        ws.sock.sendall(b"".join(web.frame(hello[i:i + 40], mask=mask) + web.frame(b"%d" % i, web.PING, mask)
                                 for i in range(0, len(hello), 40)))
        assert ws.wait_control(web.PONG)
    assert conn.peer.expect("hello")


@h.each("all of it", "half a frame")
def test_frames_with_the_request(how):
    """In one segment with the request, which no client should send: nothing is lost."""
    conn = spawn()
    data = web.frame(x.build(["hello", x.hello65(request="version")]), mask=b"abcd")
    n = len(data) if how == "all of it" else 30
    conn.peer.start_websocket(early=data[:n])
    conn.peer.sock.sock.sendall(data[n:])
    assert conn.peer.expect("hello")


def test_request_in_single_bytes():
    conn = spawn()
    conn.peer.send_raw(web.request(), pieces=1)
    assert web.read_head(conn.peer.sock)[0] == 101


def test_request_after_others():
    """A keep-alive connection that becomes a WebSocket."""
    conn = spawn()
    assert web.plain_request(conn.peer.sock, "GET /Status HTTP/1.1\r\nHost: x\r\n\r\n")[2] == b"ready\n"
    assert web.plain_request(conn.peer.sock, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 404
    conn.peer.start_websocket()
    assert version_of(conn.peer)


def test_frames_of_ours():
    """One unmasked binary frame for what there is to send, not one for each packet's crumbs."""
    link = h.link(ws={})
    ws = link.c.sock
    ws.frames.clear()
    link.s.send_packet("draw", 1, os.urandom(100_000))
    link.c.expect("draw")
    assert sum(n for _, n in ws.frames) > 100_000 and len(ws.frames) < 60, ws.frames


def test_pings():
    """Answered while it waits and while it relays, with their content; a pong of nobody is ignored."""
    conn = spawn(module="password(value=pw)")
    conn.peer.start_websocket()
    conn.peer.sock.send(b"before the hello", web.PING)
    assert conn.peer.sock.wait_control(web.PONG) == b"before the hello"
    link = h.link(ws={})
    for body in (b"", b"x" * 125):
        link.c.sock.send(body, web.PING)
        assert link.c.sock.wait_control(web.PONG) == body
    link.c.sock.send(b"nobody asked", web.PONG)
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus")[1] == 3


def test_pings_during_a_download():
    """Pongs go between frames, never into one, however full the socket is."""
    link = h.link(ws={})
    blocks = [os.urandom(900_000) for _ in range(12)]
    threading.Thread(target=lambda: [link.s.send_packet("draw", 1, b) for b in blocks], daemon=True).start()
    for i in range(40):
        link.c.sock.send(b"%d" % i, web.PING)
        time.sleep(0.01)
    assert [link.c.expect("draw", timeout=30)[2] for _ in blocks] == blocks
    assert link.c.sock.wait_control(web.PONG)


def test_slow_reader():
    """A client that does not read stops the server; memory stays bounded."""
    link = h.link(ws={})
    h.flood(link.s)
    time.sleep(1.5)
    assert h.rss(link.conn.worker()) < 20_000, h.rss(link.conn.worker())


def test_aes_inside():
    """xpra's own encryption inside a WebSocket, inside TLS."""
    test_replay.replay(test_replay.Recording("d50-50-aes-cbc"), ws={}, tls=test_tls.context(user=h.alice),
                       Listen=test_tls.listen(h.alice))


# ---- the end
@h.each("close frame", "close frame without a code", "no close frame", "reset")
def test_closed_by_the_client(how):
    link = h.link(ws={})
    if how.startswith("close"):
        link.c.sock.send(b"" if "without" in how else b"\x03\xe9bye", web.CLOSE)
        assert link.c.sock.wait_control(web.CLOSE) == (b"" if "without" in how else b"\x03\xe9")
        link.c.close()
    elif how == "reset":
        link.c.reset()
    else:
        link.c.close()
    assert link.conn.wait() == 0, link.conn.log()
    link.conn.logged("end: user 'john' .*client-close")


def test_closed_before_the_login():
    conn = spawn(module="password(value=pw)")
    conn.peer.start_websocket()
    conn.peer.sock.send(struct.pack("!H", 1001), web.CLOSE)
    assert conn.wait() == 0, conn.log()
    conn.logged("closed: ")


def test_closed_by_the_server():
    """The client is told why."""
    link = h.link(ws={})
    link.s.send_packet("disconnect", "server shutdown", "because")
    link.s.close()
    assert x.texts(link.c.expect("disconnect"))[1:] == ["server shutdown", "because"]


@h.each("client first", "client says nothing")
def test_stopped(how):
    """Who closes: the client, when it has read why. The proxy does if it does not, and is the first to hang up."""
    link = h.link(ws={})
    os.kill(link.conn.guard(), signal.SIGTERM)
    assert "server shutdown" in x.texts(link.c.expect("disconnect"))
    link.s.close()
    if how == "client first":
        link.c.sock.send(b"\x03\xe9bye", web.CLOSE)
    began = time.monotonic()
    assert link.c.sock.wait_control(web.CLOSE) == (b"\x03\xe9" if how == "client first" else b"\x03\xe8")
    link.c.read_all()
    assert how != "client first" or time.monotonic() - began < 0.4, "it waits for a client that waits for it"
    assert link.conn.wait() == 0, link.conn.log()


def test_refused_login():
    conn = spawn(module="reject")
    conn.peer.start_websocket()
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert p.name == "disconnect" and "authentication failed" in x.texts(p)[1], x.texts(p)


# ---- what is refused
BAD_FRAMES = {
    "reserved bits": (web.frame(b"x", reserved=4), "reserved bits"),
    "opcode 3": (web.frame(b"x", 3), "unknown kind"),
    "opcode 11": (web.frame(b"x", 11), "unknown kind"),
    "lone continuation": (web.frame(b"x", web.CONTINUATION), "wrong order"),
    "two beginnings": (web.frame(b"", fin=False) + web.frame(b"x"), "wrong order"),
    "long ping": (web.frame(b"x" * 126, web.PING), "too long"),
    "cut ping": (web.frame(b"x", web.PING, fin=False), "cut"),
    "too large": (b"\x82\x7f" + struct.pack("!Q", 1 << 40), "1 GiB"),
    "length with a sign": (b"\x82\x7f" + struct.pack("!Q", 1 << 63), "1 GiB"),
}


@h.each(*BAD_FRAMES)
def test_bad_frames(what):
    """Before the login and in the middle of a session: in words, and with a close frame that says 1002."""
    data, words = BAD_FRAMES[what]
    conn = spawn()
    conn.peer.start_websocket()
    conn.peer.sock.sock.sendall(data)
    assert words in conn.peer.read_end(5), conn.log()
    assert (web.CLOSE, b"\x03\xea") in conn.peer.sock.control, conn.peer.sock.control
    assert conn.wait() == PROTOCOL_ERROR
    conn.logged(f"refused: .*{words}")
    link = h.link(ws={})
    link.c.send_packet("focus", 4, [])
    assert link.s.expect("focus")[1] == 4
    link.c.sock.sock.sendall(data)
    assert words in link.c.read_end(5), link.conn.log()
    assert link.conn.wait() == PROTOCOL_ERROR


BAD_REQUESTS = {
    "no key": (dict(drop=["Sec-WebSocket-Key"]), 400, "valid key"),
    "short key": (dict(Sec_WebSocket_Key="abcd"), 400, "valid key"),
    "two keys": (dict(Sec_WebSocket_Key=[web.KEY, web.KEY]), 400, "valid key"),
    "no connection": (dict(drop=["Connection"]), 400, "Connection: Upgrade"),
    "version": (dict(Sec_WebSocket_Version="99"), 426, "version that is not 13"),
    "no version": (dict(drop=["Sec-WebSocket-Version"]), 426, "version that is not 13"),
    "no subprotocol": (dict(drop=["Sec-WebSocket-Protocol"]), 403, "WebSocket subprotocol that is not"),
    "another subprotocol": (dict(Sec_WebSocket_Protocol="base64, binaryx"), 403, "WebSocket subprotocol that is not"),
}


@h.each(*BAD_REQUESTS)
def test_bad_requests(what):
    kw, status, words = BAD_REQUESTS[what]
    conn = spawn()
    got, fields, body = web.plain_request(conn.peer.sock, web.request(**kw))
    assert got == status and words in body.decode(), (got, body)
    assert fields["connection"] == "close" and (status != 426 or fields["sec-websocket-version"] == "13"), fields
    assert conn.wait() == PROTOCOL_ERROR
    conn.logged(f"refused: .*{words}")


@h.each("7", "8", "list", "lower case", "path")
def test_unusual_requests(what):
    kw = {"7": dict(Sec_WebSocket_Version="7"), "8": dict(Sec_WebSocket_Version="8"),
          "list": dict(Sec_WebSocket_Protocol="foo , binary", Connection="keep-alive, Upgrade"),
          "lower case": dict(Upgrade="WebSocket", Connection="upgrade"),
          "path": dict(path="/any/where?display=1")}[what]
    conn = spawn()
    conn.peer.start_websocket(**kw)
    assert version_of(conn.peer)


@h.each("Transports=tcp", "Transports=tcp http", "RequireTLS=yes", "RequireTLS=yes tls", "RequireTLS=yes unix")
def test_allowed(case):
    """Transports= and RequireTLS= decide."""
    key, _, how = case.partition(" ")
    listen = {**test_tls.listen(), "HTMLRoot": "/none", **dict([case.split("=")] if key.startswith("T") else [key.split("=")])}
    conn = spawn("unix" if how == "unix" else "tcp", module="password(value=pw)", **listen)
    if how == "tls":
        conn.peer.start_tls(test_tls.context())
    if how in ("tls", "unix"):
        conn.peer.start_websocket(host="localhost")
        conn.peer.hello(x.hello65(username="john"))
        conn.peer.expect("challenge")
        return
    status, _, body = web.plain_request(conn.peer.sock, web.request())
    # without websocket it is a request as any other
    assert status == {"Transports=tcp": 400, "Transports=tcp http": 404, "RequireTLS=yes": 403}[case], (status, body)
    if key == "RequireTLS=yes":
        assert b"wss://" in body
        assert conn.wait() == REFUSED
        conn.logged("refused: .*requires SSL")


def test_websocket_alone():
    """Transports=websocket: neither xpra as it is nor files."""
    conn = spawn(Transports="websocket")
    conn.peer.start_websocket()
    assert version_of(conn.peer)
    conn = spawn(Transports="websocket")
    assert web.plain_request(conn.peer.sock, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 400
    assert conn.wait() == PROTOCOL_ERROR
    conn.logged("takes no HTTP")
    conn = spawn(Transports="websocket", module="password(value=pw)")
    conn.peer.hello(x.hello65(username="john"))
    assert conn.peer.read_packet(5).name == "disconnect"
    assert conn.wait() == REFUSED


@h.each("ws", "wss", "ws unix")
def test_clear_passwords(how):
    """xor, which sends the password as good as in clear, is offered over wss and not over ws, from wherever."""
    conn = spawn("unix" if "unix" in how else "tcp", "password(value=pw)", **test_tls.listen())
    if how == "wss":
        conn.peer.start_tls(test_tls.context())
    conn.peer.start_websocket()
    conn.peer.hello(x.hello65(username="john", digest=["xor"]))
    p = conn.peer.read_packet(5)
    assert p.name == ("challenge" if how == "wss" else "disconnect"), x.texts(p)


@h.each("a byte", "half a request", "no hello", "half a frame")
def test_slow(what):
    """LoginTimeout= counts, at every step."""
    conn = spawn(limits={"LoginTimeout": "1s"})
    if what in ("a byte", "half a request"):
        conn.peer.send_raw(web.request()[:4 if what == "a byte" else 60])
        status, _, body = web.read_answer(conn.peer.sock)
        assert status == 408 and b"login timeout" in body, body
    else:
        conn.peer.start_websocket()
        if what == "half a frame":
            conn.peer.sock.sock.sendall(web.frame(x.build(["hello", x.hello65()]))[:50])
        assert "login timeout" in conn.peer.read_end(4)
    assert conn.wait(3) == TIMED_OUT
    conn.logged("refused: .*login timeout")


# ---- whom to believe
ORIGINS = {  # origin, host, AllowedOrigins=, whether
    "same": ("http://proxy.example.org:14500", "proxy.example.org:14500", None, True),
    "same https": ("https://proxy.example.org", "proxy.example.org", None, True),
    "default port": ("https://Proxy.example.org", "proxy.example.org:443", None, True),
    "another": ("https://evil.example.org", "proxy.example.org", None, False),
    "another port": ("http://proxy.example.org:8000", "proxy.example.org:14500", None, False),
    "suffix": ("https://proxy.example.org.evil", "proxy.example.org", None, False),
    "null": ("null", "proxy.example.org", None, False),
    "file": ("file://", "proxy.example.org", None, False),
    "listed": ("https://www.example.org", "proxy.example.org", "https://a.example.org https://WWW.example.org", True),
    "not listed": ("http://www.example.org", "proxy.example.org", "https://www.example.org", False),
    "any": ("null", "proxy.example.org", "*", True),
    "two": (["https://evil.example.org", "http://a"], "a", None, False),
}


@h.each(*ORIGINS)
def test_origin(case):
    origin, host, allowed, good = ORIGINS[case]
    conn = spawn(**({"AllowedOrigins": allowed} if allowed else {}))
    if good:
        conn.peer.start_websocket(host=host, Origin=origin)
        assert version_of(conn.peer)
        return
    status, _, body = web.plain_request(conn.peer.sock, web.request(host=host, Origin=origin))
    assert status == 403 and b"AllowedOrigins=" in body, (status, body)
    assert conn.wait() == REFUSED
    conn.logged("refused: .*a web page of .* wanted a WebSocket: AllowedOrigins= does not list it")


FORWARDED = {  # X-Forwarded-For, ForwardedFor=, TrustedProxies=, who the client is
    "one": ("192.0.2.7", "yes", None, "192.0.2.7:0"),
    "ipv6": ("2001:db8::7", "yes", None, "[2001:db8::7]:0"),
    "with a port": ("[2001:db8::7]:4711", "yes", None, "[2001:db8::7]:0"),
    "v4 with a port": ("192.0.2.7:4711", "yes", None, "192.0.2.7:0"),
    "claimed": ("10.9.9.9, 192.0.2.7", "yes", None, "192.0.2.7:0"),
    "two fields": (["10.9.9.9", "192.0.2.7"], "yes", None, "192.0.2.7:0"),
    "two front ends": ("10.9.9.9, 192.0.2.7, 127.0.0.5", "yes", None, "192.0.2.7:0"),
    "nonsense": ("unknown", "yes", None, None),
    "nonsense behind one of ours": ("<script>, 127.0.0.5", "yes", None, "127.0.0.5:0"),
    "empty": ("", "yes", None, None),
    "off": ("192.0.2.7", "no", None, None),
    "not trusted": ("192.0.2.7", "yes", "198.51.100.1", None),
}


@h.each(*FORWARDED)
def test_forwarded_for(case):
    """X-Forwarded-For counts where it is switched on and trusted; then its last address that is not a front end's."""
    value, on, trusted, client = FORWARDED[case]
    listen = {"ForwardedFor": on}
    if trusted:
        listen["TrustedProxies"] = trusted
    link = h.link(ws={"X_Forwarded_For": value}, Listen=listen)
    client = client or "%s:%d" % link.c.sock.getsockname()
    link.conn.logged(f"login: user 'john' from {re.escape(client)} to")
    link.c.close()
    assert link.conn.wait() == 0
    assert "violation" not in link.conn.log(), link.conn.log()


# ---- real peers
def framed():
    names = [n for n in test_replay.kinds()["session"] if re.search("ws|h5|npm", n)]
    assert names
    return names


@h.each(framed)
def test_replay_inside(name):
    """Recorded sessions of WebSocket clients, in frames as browsers make them, and as native clients do."""
    test_replay.replay(test_replay.Recording(name), ws={"masked": "h5" in name or "npm" in name})


@h.needs_xpra
@h.timeout(90)
@h.each("ws", "wss")
def test_real_client(scheme):
    """The real 3.1.3 client: a window, keys, a detach."""
    s = h.RealServer(h.alice)
    l = h.Listener(h.conf(h.multifile(h.line("foo", "pw", s.display)), Listen=test_tls.listen()))
    args = ("--ssl-ca-certs=" + test_tls.certificate()[0], "--ssl-check-hostname=no") if scheme == "wss" else ()
    client = h.RealClient(f"{scheme}://foo:pw@127.0.0.1:{l.port}/", *args)
    window = client.attached(s.title)
    client.type(window, f"over {scheme}")
    h.eventually(lambda: f"over {scheme}" in s.keys(), 10, lambda: f"the keys arrive, there is {s.keys()!r}")
    if h.ROOT:
        assert f" {scheme} " in h.ctl("list").stdout, h.ctl("list").stdout
    client.detach()
    h.eventually(lambda: not h.program_processes(), 3, lambda: f"left: {h.program_processes()}")
