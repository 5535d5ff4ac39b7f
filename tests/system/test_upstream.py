# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions behind ssl, ws and wss: scripted and real servers; certificates that must not pass; servers that misbehave at
each step; what xproxy-tunnel may do; and that nothing is left over."""
import os
import re
import ssl
import subprocess
import threading
import time

import fronts
import harness as h
import xpranet as x

SECONDS = 50
WRAP = {"ssl": fronts.tls, "ws": fronts.ws, "wss": fronts.wss}


def ca(more=""):
    return f"ssl-ca-certs={fronts.authority()}" + (f";{more}" if more else "")


def link(scheme, wrap=None, options=None, host="127.0.0.1", server="6.5", path="", **kw):
    srv = h.Server(server)
    front = fronts.Front(srv.port, wrap or WRAP[scheme](), "::1" if ":" in host else "127.0.0.1")
    made = h.link(srv=srv, uri=f"{scheme}://{host}:{front.port}/{path}", options=ca() if options is None else options,
                  server=server, **kw)
    made.front = front
    return made


def tunnels():
    return [pid for pid, words in h.program_processes() if "xproxy-tunnel" in words]


def nothing_left():
    h.eventually(lambda: not h.program_processes(), 3, lambda: f"left: {h.program_processes()}")


def both_ways(l, size=3 << 20):
    data = os.urandom(size)
    threading.Thread(target=l.s.send_packet, args=("draw", 1, data), daemon=True).start()
    assert l.c.expect("draw", timeout=30)[2] == data
    threading.Thread(target=l.c.send_packet, args=("clipboard", 1, data), daemon=True).start()
    assert l.s.expect("clipboard", timeout=30)[2] == data


# ---- it works
@h.each("ssl", "ws", "wss")
def test_session(scheme):
    """Both directions, small and large, and where it is shown."""
    l = link(scheme)
    l.c.send_packet("focus", 3, [])
    assert l.s.expect("focus")[1] == 3
    both_ways(l)
    assert len(tunnels()) == 1, h.program_processes()
    if h.ROOT:
        info = h.ctl("info", str(l.conn.guard())).stdout
        assert f"{scheme}://127.0.0.1:{l.front.port}" in info, info
    end = l.front.ends[0]
    if scheme != "ws":
        assert end.sock.version() == "TLSv1.3", end.sock.version()
    if scheme != "ssl":
        assert end.request.startswith("GET / HTTP/1.1\r\n"), end.request
        assert end.fields["sec-websocket-protocol"] == "binary" and end.fields["host"] == f"127.0.0.1:{l.front.port}"
        assert all(masked for _, masked in end.log), "a client masks"
    l.c.close()
    assert l.conn.wait() == 0, l.conn.log()
    nothing_left()


@h.each("ssl", "ws", "wss")
def test_mode(scheme):
    """What a client that does not want to be connected is told."""
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", f"{scheme}://127.0.0.1:1/"))))
    p = conn.peer.login(x.hello65(username="john", connect=False), "pw")
    assert x.texts(p[1])["mode"] == scheme, p


@h.each("ssl", "ws", "wss")
def test_redial(scheme):
    """A 6.5 client to a 3.1.3 server: another encoder on a fresh connection, through a fresh tunnel."""
    l = link(scheme, server="3.1.3")
    assert l.server.accepted == 2, l.server.accepted
    both_ways(l, 100_000)
    h.eventually(lambda: len(tunnels()) == 1, 3, lambda: f"one tunnel, not {tunnels()}")


@h.each("1.2", "::1", "client certificate", "server name", "any name", "unverified", "uri options", "home", "revocations", "by name")
def test_tls_options(what):
    """Each session option that lets a connection through."""
    options, wrap, host, path = ca(), fronts.tls(), "127.0.0.1", ""
    if what == "1.2":
        wrap = fronts.tls(highest=ssl.TLSVersion.TLSv1_2)
    elif what == "::1":
        host = "[::1]"
    elif what == "client certificate":  # the session's user alone can read it
        wrap = fronts.tls(clients=True)
        options = ca(f"ssl-cert={fronts.certificate(names=('client',), owner=h.alice)}")
    elif what == "server name":
        wrap, options = fronts.tls(names=("far.example.org",)), ca("ssl-server-hostname=far.example.org")
    elif what == "any name":
        wrap, options = fronts.tls(names=("far.example.org",)), ca("ssl-check-hostname=no")
    elif what == "unverified":
        wrap, options = fronts.tls("self-signed"), "ssl-server-verify-mode=none"
    elif what == "uri options":
        options, path = "", f"?ssl-ca-certs={fronts.authority().replace('/', '%2F')}&ssl-check-hostname=yes"
    elif what == "home":
        if not h.ROOT:
            raise h.Skip("it would write to your home directory")
        with open(fronts.authority()) as f, open(os.path.join(h.alice.home, "ca.pem"), "w") as to:
            to.write(f.read())
        options = "ssl-ca-certs=~/ca.pem"
    elif what == "revocations":
        options = ca(f"ssl-crl={fronts.revocations()}")
    elif what == "by name":
        wrap, host = fronts.tls(names=("*.example.org", "localhost")), "localhost"
    both_ways(link("ssl", wrap, options, host, path=path), 1000)


@h.each("verified", "unverified", "any name", "plain")
def test_clear_password(how):
    """xor, which sends the password as good as in clear: only to a server that has proved who it is."""
    srv = h.Server("6.5", password="upstream-pw", digest="xor")
    front = fronts.Front(srv.port, fronts.tls())
    options = {"unverified": "ssl-server-verify-mode=none", "any name": ca("ssl-check-hostname=no")}.get(how, ca())
    where = f"127.0.0.1:{srv.port}" if how == "plain" else f"127.0.0.1:{front.port}"
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", f"{'tcp' if how == 'plain' else 'ssl'}://u:upstream-pw@{where}/", options=options))))
    p = conn.peer.login(x.hello65(username="john"), "pw")
    if how == "verified":
        assert p.name == "hello", x.texts(p)
        return
    assert "server requested a digest that is not supported" in x.texts(p), x.texts(p)
    conn.peer.close()
    h.eventually(lambda: srv.problems, 3, "the server sees the end")
    assert "bad response" not in str(srv.problems), "it has got an answer"


@h.each("frames of a byte", "in trickles", "with the answer", "pings", "text and pieces", "closes")
def test_websocket(what):
    """Frames of every kind from a server."""
    early = fronts.WebSocket.frame(9, b"early")
    kw = {"frames of a byte": {"frames": 1}, "in trickles": {"trickle": True}, "with the answer": {"early": early}}.get(what, {})
    l = link("ws", fronts.ws(**kw), path="10")
    end = l.front.ends[0]
    assert end.request.startswith("GET /10 HTTP/1.1\r\n"), end.request
    if what == "pings":
        end.inject(fronts.WebSocket.frame(9, b"x" * 125))
    elif what == "text and pieces":
        data = x.build(["focus", 4, []])
        end.inject(fronts.WebSocket.frame(1, data[:3], 0) + fronts.WebSocket.frame(9, b"") + fronts.WebSocket.frame(0, data[3:]))
        assert l.c.expect("focus")[1] == 4
    elif what == "closes":
        end.inject(fronts.WebSocket.frame(8, b"\x03\xe8bye"))
        assert "server connection lost" in x.texts(l.c.expect("disconnect"))
        l.c.close()
        assert l.conn.wait() == 0
        return
    if what in ("with the answer", "pings", "text and pieces"):
        h.eventually(lambda: (10, True) in end.log, 3, lambda: f"a pong, not {end.log}")
    both_ways(l, 20_000)


def test_slow_reader():
    """A client that does not read stops the server; memory stays bounded in the tunnel too."""
    l = link("ssl")
    h.flood(l.s)
    time.sleep(2)
    assert h.rss(tunnels()[0]) < 20_000, h.rss(tunnels()[0])


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))


@h.needs_root
@h.each("ssl", "ws", "wss", "ssl system")
def test_memory(what):
    """What a tunnel costs while nothing happens, in kB; with this machine's list of authorities too."""
    scheme, _, system = what.partition(" ")
    options, bundle = None, "/etc/ssl/certs/ca-certificates.crt"
    if system:
        options = ""
        if not os.path.exists(bundle) or not h.PRIVATE:
            raise h.Skip("no package ca-certificates, or it would change this machine's list of authorities")
        with open(bundle) as f, open(fronts.authority()) as mine:
            both = h.make_file("bundle.crt", f.read() + mine.read())
        subprocess.run(["mount", "--bind", both, bundle], check=True)
        h.defer(subprocess.run, ["umount", bundle])
    begin = time.monotonic()
    l = link(scheme, options=options)
    took = time.monotonic() - begin
    both_ways(l)
    time.sleep(2.5)
    used = pss(tunnels()[0])
    print(f"xproxy-tunnel, {what}: PSS {used} kB; login {took * 1000:.0f} ms")
    assert used < 8000, used


# ---- what must not pass
def refused(uri, words, options="", timeout="3s", limit=5):
    """The client is told little, the journal says what; in time; and nothing is left."""
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", uri, options=options)),
                          Sessions={"ConnectTimeout": timeout, "SocketDirs": "$XDG_RUNTIME_DIR/xpra"}))
    begin = time.monotonic()
    p = conn.peer.login(x.hello65(username="john"), "pw", timeout=10 * h.SLACK)
    assert x.texts(p[:3]) == ["disconnect", "session not found error", "failed to connect to display"], x.texts(p)
    took = time.monotonic() - begin
    assert took < limit * h.SLACK, took
    conn.peer.close()
    assert conn.wait() == 7, conn.log()
    conn.logged(words)
    nothing_left()


@h.each("expired", "early", "wrong name", "wrong address", "self-signed", "unknown authority", "revoked", "list expired", "no list")
def test_bad_certificate(what):
    host, options, names = "127.0.0.1", ca(), ("localhost", "127.0.0.1")
    words = {"expired": "it has expired", "early": "it is not valid yet", "wrong name": "it is for another name",
             "wrong address": "it is for another name", "self-signed": "it is self-signed",
             "unknown authority": "no known authority", "revoked": "it has been revoked",
             "list expired": "the list in ssl-crl has expired", "no list": "ssl-crl has no list of its authority"}[what]
    if what == "wrong name":
        host, names = "localhost", ("other.example.org", "127.0.0.1")
    elif what == "wrong address":
        names = ("localhost", "192.0.2.1")
    elif what == "unknown authority":
        options = f"ssl-ca-certs={fronts.authority('other')}"
    elif what == "revoked":
        options = ca(f"ssl-crl={fronts.revocations()}")
    elif what == "list expired":
        options = ca(f"ssl-crl={fronts.revocations(expired=True)}")
    elif what == "no list":
        options = ca(f"ssl-crl={fronts.revocations('other')}")
    srv = h.Server("6.5")
    front = fronts.Front(srv.port, fronts.tls(what, names=names))
    for scheme in ("ssl", "wss"):
        refused(f"{scheme}://{host}:{front.port}/", f"connect to {scheme}://{host}:{front.port}: certificate: {words}", options)
    assert srv.accepted == 0, "something reached a server that was not believed"


@h.each("TLS 1.1", "no client certificate", "not TLS", "plain xpra", "closes at once", "closes in the handshake", "silent",
        "silent in the handshake", "refuses")
def test_bad_tls(what):
    handler = {
        "not TLS": lambda s: s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "plain xpra": lambda s: s.sendall(x.build(["hello", x.server65()])),
        "closes at once": lambda s: s.close(),
        "closes in the handshake": lambda s: (s.recv(10), s.close()),
        "silent": lambda s: None,
        "silent in the handshake": lambda s: s.sendall(b"\x16\x03\x03\x00\x50\x02"),
    }.get(what)
    if handler:
        port = h.Dead(handler).port
    elif what == "refuses":
        port = h.free_port()
    else:
        srv = h.Server("6.5")
        port = fronts.Front(srv.port, fronts.tls(**({"highest": ssl.TLSVersion.TLSv1_1} if what == "TLS 1.1" else {"clients": True}))).port
    words = {"TLS 1.1": "TLS handshake: .*(version|protocol|alert)", "no client certificate": "certificate required|connection lost|closed",
             "not TLS": "TLS handshake: wrong version", "plain xpra": "TLS handshake: wrong version",
             "silent": "TLS handshake: no answer within ConnectTimeout", "refuses": "Connection refused",
             "silent in the handshake": "TLS handshake: no answer within ConnectTimeout"}.get(what, "TLS handshake: the server closed")
    refused(f"ssl://127.0.0.1:{port}/", words, ca(), timeout="1s")


@h.each("403", "200", "no protocol", "wrong accept", "garbage", "too long", "closes at once", "closes in the answer", "silent")
def test_bad_upgrade(what):
    def answer(data, close=False):
        def do(s):
            s.recv(4096)
            s.sendall(data)
            if close:
                s.close()
        return h.Dead(do).port
    head = b"HTTP/1.1 101 Switching Protocols\r\n"
    port = {
        "403": lambda: fronts.Front(1, fronts.ws(status="403 Forbidden")).port,
        "200": lambda: fronts.Front(1, fronts.ws(status="200 OK")).port,
        "no protocol": lambda: fronts.Front(1, fronts.ws(protocol="other")).port,
        "wrong accept": lambda: answer(head + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n"
                                       b"Sec-WebSocket-Protocol: binary\r\n\r\n"),
        "garbage": lambda: answer(b"\x00\x01\x02 garbage\r\n\r\n"),
        "too long": lambda: answer(head + b"X: " + b"x" * 20000 + b"\r\n\r\n"),
        "closes at once": lambda: h.Dead(lambda s: s.close()).port,
        "closes in the answer": lambda: answer(b"HTTP/1.1 101 ", True),
        "silent": lambda: h.Dead(lambda s: None).port,
    }[what]()
    words = {"403": "websocket upgrade: the server answers with HTTP status 403", "200": "HTTP status 200",
             "silent": "websocket upgrade: no answer within ConnectTimeout"}.get(what, "websocket upgrade: .")
    refused(f"ws://127.0.0.1:{port}/", words, timeout="1s")


@h.each("gibberish", "a frame too large", "plain text")
def test_broken_frames(what):
    """After the upgrade: the session ends, and the journal says why."""
    data = {"gibberish": b"\xff\xff\xff\xff" * 10, "a frame too large": b"\x82\x7f" + b"\x7f" * 8,
            "plain text": b"disconnect: not today\n"}[what]
    l = link("ws")
    l.front.ends[0].inject(data)
    assert "server connection lost" in x.texts(l.c.expect("disconnect"))
    l.c.close()
    l.conn.wait()
    l.conn.logged("xproxy-tunnel: .*connection lost: ")


@h.each("ssl-ca-certs", "ssl-crl", "ssl-cert", "ssl-key")
def test_files(option):
    """Each with the user's rights, and what is wrong with it in words; the server is not even dialled, or not spoken to."""
    srv = h.Server("6.5")
    front = fronts.Front(srv.port, fronts.tls())
    uri = f"ssl://127.0.0.1:{front.port}/"
    base = ca() if option != "ssl-ca-certs" else "lz4=yes"
    if option == "ssl-key":
        base = ca(f"ssl-cert={fronts.certificate(owner=h.alice)}")
    empty = h.make_file("empty.pem", "\n", 0o644)
    secret = h.make_file("secret.pem", "secret", 0o600)
    if h.ROOT:
        refused(uri, rf"{option}: .*{secret}.*Permission denied", f"{base};{option}={secret}")
    refused(uri, f"{option}: .*/none.*No such file", f"{base};{option}=/none")
    refused(uri, f"{option}=relative: neither", f"{base};{option}=relative")
    refused(uri, f"{option}: .*/dev/zero", f"{base};{option}=/dev/zero")
    refused(uri, f"{option}: ", f"{base};{option}={empty}")
    assert srv.accepted == 0


# ---- xproxy-tunnel itself
@h.needs_root
def test_tunnel_sandbox():
    """The worker's user, no capability, a filter, few fds, not dumpable; nobody's files."""
    l = link("wss", options=ca(f"ssl-cert={fronts.certificate(owner=h.alice)}"))
    pid, worker = tunnels()[0], l.conn.worker()
    s, w = h.status(pid), h.status(worker)
    assert s["Seccomp"] == "2" and s["NoNewPrivs"] == "1", s
    for caps in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(s[caps], 16) == 0, (caps, s[caps])
    assert s["Uid"] == w["Uid"] and s["Gid"] == w["Gid"] and not s["Groups"].split(), s
    assert not {"0", str(h.alice.uid)} & set(s["Uid"].split()), s["Uid"]
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0, "it can be read by its own uid"
    fds = h.fds(pid)
    assert sorted(fds) == [0, 1, 2] and fds[2].startswith("pipe:"), fds
    # neither the client's socket nor the guard's
    assert not set(fds.values()) & set(h.fds(worker).values()), (fds, h.fds(worker))
    with open(f"/proc/{pid}/environ", "rb") as f:
        assert f.read() == b""
    with open(f"/proc/{pid}/limits") as f:
        limits = f.read()
    assert re.search(r"Max core file size\s+0 ", limits) and re.search(r"Max processes\s+0 ", limits), limits


def test_tunnel_by_hand():
    """Not for people: it says so."""
    r = subprocess.run([os.path.join(h.BUILD, "xproxy-tunnel")], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    assert r.returncode == 1 and "started by xproxy-conn" in r.stderr, r


@h.each("guard KILL", "worker KILL", "tunnel KILL", "group TERM", "tunnel TERM", "client leaves", "server leaves")
def test_nothing_is_left(what):
    l = link("wss")
    who, _, sig = what.partition(" ")
    if who == "client":
        l.c.reset()
    elif who == "server":
        l.s.reset()
    elif who == "group":  # as systemd stops a unit
        for p in l.conn.processes():
            os.kill(p, 15)
    else:
        pid = {"guard": l.conn.guard, "worker": l.conn.worker, "tunnel": lambda: tunnels()[0]}[who]()
        os.kill(pid, {"KILL": 9, "TERM": 15}[sig])
    if what == "tunnel TERM":
        both_ways(l, 1000)
        return
    if who == "group":
        assert "server shutdown" in x.texts(l.c.expect("disconnect"))
        assert "server shutdown" in x.texts(l.s.expect("disconnect")), "the server's last words"
    l.c.close()
    l.conn.wait()
    nothing_left()


@h.each("handshake", "answered")
def test_client_leaves_early(when):
    """While the tunnel still waits for a server that is silent."""
    port = h.Dead(lambda s: None).port
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", f"ssl://127.0.0.1:{port}/", options=ca()))))
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    conn.peer.answer(conn.peer.expect("challenge"), caps, "pw")
    if when == "handshake":
        h.eventually(tunnels, 5, "a tunnel")
        time.sleep(0.2)
    conn.peer.close()
    conn.wait(3)
    nothing_left()
