# SPDX-License-Identifier: GPL-2.0-or-later
"""Between the two hellos and the end: original bytes, own pings, hello rewriting, challenges of the server,
session options, memory, half-close, who is told what when it ends."""
import ctypes
import os
import re
import select
import socket
import threading
import time

import harness as h
import xpranet as x

SECONDS = 60


# ---- original bytes
def packets_of_all_kinds(encoder):
    """Records in shapes that peers send and a re-encoder would not reproduce."""
    blob = os.urandom(70000)
    yield x.build(["focus", 1, []], encoder)
    yield x.build(["key-action", 1, "a", True, ["shift"], 97, "a", 38, 0], encoder, flush=True)
    yield x.build(["map-window", 1, 0, 0, 640, 480, {"encoding.transparency": True}, {}], encoder, how="lz4")
    yield x.build(["draw", 1, 0, 0, 100, 100, "rgb24", blob, 1, 300, {"rgb_format": "RGB"}], encoder, chunks=[7])
    yield x.build(["draw", 1, 0, 0, 9, 9, "png", blob[:200], 2, 0, {}], encoder)
    yield x.build(["send-file", "n", "m", 0, 0, 5, blob[:900], {}, "i"], encoder, chunks=[6], chunk_how="lz4")
    yield x.build(["cursor", "raw", 1, 2, 3, 4, 5, 6, b"serial", blob[:4096], "name"], encoder, chunks=[8, 9])
    yield x.build(["clipboard-contents", 1, "CLIPBOARD", "UTF8_STRING", 8, "bytes", "é€" * 400], encoder, how="lz4")
    if encoder != x.BENCODE:  # integers that are not minimal, a list with a terminator, an unknown name
        yield x.record(encoder, 0, 0, b"\xc3\x8dpointer-thing\x41" + bytes(7) + b"\x05\x3b\x01\x02\x7f")
        yield x.record(encoder | x.FLUSH, 0, 0, b"\x3b\x85focus\x01\xc0\x7f")
    yield x.build(["draw", 1, 0, 0, 2000, 2000, "rgb32", os.urandom(3 << 20), 3, 8000, {}], encoder, chunks=[7])
    yield x.build(["x" * 40, {"a": {"b": [1, -1, 2 ** 40, -2 ** 40]}}], encoder)


@h.each("new new", "old old", "old bencode", "new unix")
def test_original_bytes(case):
    """What both sides can decode passes bit by bit, both ways at once, chunks and flush flags and all."""
    client, server = case.split()
    if server == "bencode":
        caps = x.hello31(username="john", rencode=False, encoders=["bencode"])
        srv = h.Server("3.1.3")
        conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"}), encoder=x.BENCODE)
        p = conn.peer.login(caps, "pw")
        assert p.name == "hello", x.texts(p)
        link = h.Link(conn, conn.peer, srv.get(), p, srv)
        encoder = x.BENCODE
    else:
        link = h.link("3.1.3" if client == "old" else "6.5", "3.1.3" if server == "old" else "6.5",
                      kind="unix" if server == "unix" else "tcp")
        encoder = x.RENCODE if client == "old" else x.RENCODEPLUS
    up, down = list(packets_of_all_kinds(encoder)), list(packets_of_all_kinds(encoder))[::-1]
    threads = [threading.Thread(target=peer.send_raw, args=(b"".join(data),), daemon=True)
               for peer, data in ((link.c, up), (link.s, down))]
    for t in threads:
        t.start()
    for peer, data in ((link.s, up), (link.c, down)):
        for i, raw in enumerate(data):
            got = read_record_bytes(peer, len(raw))
            assert got == raw, f"packet {i} of {len(data)}: sent {raw[:60].hex()}... got {got[:60].hex()}..."
    for t in threads:
        t.join(5)


def read_record_bytes(peer, n, timeout=20):
    """n bytes as they come, without decoding."""
    data, deadline = bytes(peer.assembler.data[:n]), time.monotonic() + timeout
    del peer.assembler.data[:n]
    while len(data) < n:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([peer.sock], [], [], left)[0]:
            raise x.Timeout(f"{len(data)} of {n} bytes")
        more = peer.sock.recv(n - len(data))
        if not more:
            raise x.Closed(data)
        data += more
    return data


@h.each("1", "2", "9", "1000")
def test_cut_up(size):
    """Any segmentation gives the same stream."""
    link = h.link()
    data = b"".join([x.build(["focus", i, []]) for i in range(20)] +
                    [x.build(["draw", 1, 0, 0, 1, 1, "png", bytes(300), 5, 0, {}], chunks=[7])])
    for peer, other in ((link.c, link.s), (link.s, link.c)):
        sender = threading.Thread(target=peer.send_raw, args=(data, int(size)), daemon=True)
        sender.start()
        assert read_record_bytes(other, len(data)) == data


def test_next_packet_with_the_hello():
    """Hello and what follows in one segment: nothing is lost, nothing is reordered."""
    srv = h.Server("6.5")
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"}))
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    c = conn.peer.expect("challenge")
    salt = x.combine_salts(x.text(c[4]), c[1], b"s" * 32)
    full = dict(caps, challenge_response=x.respond(x.text(c[3]), "pw", salt), challenge_client_salt=b"s" * 32)
    tail = [x.build(["ping", 1]), x.build(["focus", 7, []])]
    conn.peer.send_raw(x.build(["hello", full]) + b"".join(tail))
    conn.peer.expect("hello")
    s = srv.get()
    for raw in tail:
        assert read_record_bytes(s.peer, len(raw)) == raw


def test_server_speaks_right_after_its_hello():
    srv = h.Server("6.5", greet=False)
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"}))
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    conn.peer.answer(conn.peer.expect("challenge"), caps, "pw")
    s = srv.get()
    s.peer.expect("hello")
    packets = [["new-window", 1, 0, 0, 1, 1, {}, {}], ["startup-complete"], ["bell", 1]]
    s.peer.send_raw(x.build(["hello", x.server65()]) + b"".join(map(x.build, packets)))
    conn.peer.expect("hello")
    for p in packets:
        assert x.texts(conn.peer.read_packet(5)) == x.texts(p)


@h.each("3.1.3", "6.5")
def test_server_speaks_before_its_hello(version):
    """3.1.3 tells a client of the others' arrival before its own hello when several attach at once."""
    srv = h.Server(version, before_hello=[["server-event", "handshake-complete"], ["server-event", "startup-complete", "5"]])
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"}), encoder=srv.encoder)
    caps = (x.hello31 if srv.old else x.hello65)(username="john")
    p = conn.peer.login(caps, "pw")
    while p.name == "server-event":
        p = conn.peer.read_packet(5)
    assert p.name == "hello", f"{x.texts(p)!r:.200}\n{conn.log()}"
    srv.get().peer.send_packet("bell", 1)
    assert conn.peer.expect("bell", "server-event")


def test_hello_in_single_bytes():
    """Both hellos of the login one byte at a time."""
    srv = h.Server("6.5")
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", srv.uri))))
    caps = x.hello65(username="john")
    conn.peer.hello(caps, pieces=1)
    conn.peer.answer(conn.peer.expect("challenge"), caps, "pw", pieces=1)
    assert conn.peer.read_packet(5).name == "hello"


# ---- own pings
def test_own_pings():
    """To both sides, with a source id; the echoes end here; other pings and echoes pass."""
    link = h.link(relay={"PingInterval": "1s"})
    for peer, other in ((link.c, link.s), (link.s, link.c)):
        p = peer.read_packet(4)
        assert p.name == "ping" and len(p) == 4 and isinstance(p[1], int) and isinstance(p[2], int) and p[3], p
        peer.send_packet("ping_echo", p[1], 0, 0, 0, 0, p[3])
        peer.send_packet("ping_echo", 99, 1, 2, 3, 4, "another")
        peer.send_packet("ping", 7777)
        got = [other.expect("ping_echo", "ping", timeout=4, skip=()) for _ in range(2)]
        while len(got) < 12 and [g[1] for g in got][-1] != 7777:
            got.append(other.expect("ping_echo", "ping", timeout=4, skip=()))
        passed = [x.texts(list(g)) for g in got if g.name == "ping_echo" or g[1] == 7777]
        assert passed == [["ping_echo", 99, 1, 2, 3, 4, "another"], ["ping", 7777]], passed


def test_pings_only_between_packets():
    """While a packet is half sent, or a chunk waits for its main record, no ping gets in between."""
    link = h.link(relay={"PingInterval": "1s"})
    draw = x.build(["draw", 1, 0, 0, 10, 10, "png", b"p" * 5000, 1, 0, {}], chunks=[7])
    for peer, other in ((link.s, link.c), (link.c, link.s)):
        for cut in (4, 3000, 8 + 5000, 8 + 5000 + 3):
            peer.send_raw(draw[:cut])
            time.sleep(1.2)
            peer.send_raw(draw[cut:])
            p = other.read_packet(5, skip=("ping",))
            assert p.raw.endswith(draw) and p.name == "draw", f"cut at {cut}: {p[:3]}"
        assert any(q.name == "ping" for q in other.seen), "no own ping came at all"


test_pings_only_between_packets.timeout = 60


def test_no_pings_without_source_id():
    """A client that cannot say which ping it echoes is not pinged (its echoes would reach the server)."""
    link = h.link("3.1.3", "3.1.3", relay={"PingInterval": "1s"},
                  caps=x.hello31(username="john", **{"ping-echo-sourceid": None}))
    try:
        p = link.c.read_packet(2.5)
    except x.Timeout:
        return
    link.c.send_packet("ping_echo", p[1], 0, 0, 0, 0)
    link.c.send_packet("bell", 1)
    assert link.s.read_packet(5, skip=("ping",)).name == "bell", "the echo of our own ping reached the server"


@h.each("client", "server")
def test_ping_timeout(silent):
    """It really fires: a side that says nothing at all is given up, both are told."""
    link = h.link(relay={"PingInterval": "1s", "PingTimeout": "2s"})
    quiet, alive = (link.c, link.s) if silent == "client" else (link.s, link.c)
    stop = threading.Event()

    def talk():
        while not stop.wait(0.4):
            try:
                alive.send_packet("focus", 1, [])
            except OSError:
                return
    threading.Thread(target=talk, daemon=True).start()
    began = time.monotonic()
    words = alive.read_end(8)
    stop.set()
    assert 1.5 < time.monotonic() - began < 6 * h.SLACK, time.monotonic() - began
    assert "ping timeout" in words and silent in words, words
    link.conn.wait(3)
    link.conn.logged("ping timeout")


def test_any_traffic_is_life():
    """No echo, but other packets: alive."""
    link = h.link(relay={"PingInterval": "1s", "PingTimeout": "2s"})
    for _ in range(12):
        for peer in (link.c, link.s):
            peer.send_packet("focus", 1, [])
        time.sleep(0.4)
    assert link.conn.proc.poll() is None
    link.c.send_packet("bell", 5)
    while link.s.read_packet(5).name != "bell":
        pass


def test_idle_timeout():
    link = h.link(relay={"PingInterval": "1s", "IdleTimeout": "2s"})
    stop = threading.Event()

    def echo(peer):
        while not stop.is_set():
            try:
                p = peer.read_packet(10)
            except Exception:  # noqa: BLE001 - the end
                return
            if p.name == "ping":
                peer.send_packet("ping_echo", p[1], 0, 0, 0, 0, p[3])
    threading.Thread(target=echo, args=(link.s,), daemon=True).start()
    while True:  # the client answers pings, which is not activity
        p = link.c.read_packet(8)
        if p.name == "disconnect":
            break
        if p.name == "ping":
            link.c.send_packet("ping_echo", p[1], 0, 0, 0, 0, p[3])
    stop.set()
    assert x.text(p[1]) == "idle timeout", x.texts(p)
    link.conn.wait(3)


# ---- info-response
@h.each("new", "old")
def test_info_response(generation):
    version = "3.1.3" if generation == "old" else "6.5"
    link = h.link(version, version)
    tree = {"clients": 1, "server": {"type": "x11"}, "é": "€", "list": [1, 2]} if generation == "new" else \
           {"clients": 1, "server.type": "x11", "state.windows": 5}
    for how, size in ((None, 0), ("lz4", 0), (None, 200000)):
        sent = dict(tree, filler="f" * size)
        link.s.send_packet("info-response", sent, how=how)
        p = link.c.expect("info-response")
        got = x.texts(p[1])
        for k, v in x.texts(x.plain(sent)).items():
            assert got.get(k) == v, f"{k}: {got.get(k)!r:.80} instead of {v!r:.80}"
        extra = set(got) - set(x.texts(x.plain(sent)))
        assert extra and all(str(k).startswith("proxy") for k in extra), extra
        assert any("version" in str(k) or "version" in str(got[k]) for k in extra), {k: got[k] for k in extra}


# ---- memory
def memory(link):
    return {pid: h.rss(pid) for pid in link.conn.processes()}


@h.each("client", "server")
@h.timeout(60)
def test_backpressure(slow):
    """100 MB towards a side that does not read: the sender is stopped, memory stays small, the other
    direction lives; when the side reads again everything is there."""
    if h.ASAN:
        raise h.Skip("memory under ASan says nothing")
    link = h.link(relay={"PingInterval": "1s", "PingTimeout": "60s"})
    source, sink = (link.s, link.c) if slow == "client" else (link.c, link.s)
    blob = os.urandom(60000)
    packet = x.build(["draw", 1, 0, 0, 100, 200, "png", blob, 1, 0, {}], chunks=[7])
    count, sent, done = 100 * 1000 * 1000 // len(packet), [0], threading.Event()

    def pour():
        for _ in range(count):
            source.send_raw(packet)
            sent[0] += len(packet)
        done.set()
    threading.Thread(target=pour, daemon=True).start()
    time.sleep(3)
    before = sent[0]
    time.sleep(0.5)
    assert sent[0] == before and before < 40e6, f"{sent[0] / 1e6:.0f} MB were taken, the reader reads nothing"
    sizes = memory(link)
    assert all(kb < 20000 for kb in sizes.values()), f"RSS in kB: {sizes}"
    sink.send_packet("ping", 4242)  # the way back is free
    while (p := source.read_packet(5)).name != "ping" or p[1] != 4242:
        pass
    got = pings = 0
    while got < count:
        p = sink.read_packet(20)
        if p.name == "ping":
            pings += 1
            continue
        assert p.raw == packet, f"packet {got} is damaged"
        got += 1
    assert done.wait(5) and got == count
    sizes = memory(link)
    assert all(kb < 20000 for kb in sizes.values()), f"RSS in kB after it all: {sizes}"


@h.timeout(60)
def test_large_packets_stream():
    """One packet of 60 MB passes, without being held in memory."""
    if h.ASAN:
        raise h.Skip("memory under ASan says nothing")
    link = h.link()
    blob = os.urandom(1 << 20) * 60
    data = x.record(0, 0, 7, blob) + x.build(["draw", 1, 0, 0, 1, 1, "rgb32", b"", 1, 4, {}])
    threading.Thread(target=link.s.send_raw, args=(data,), daemon=True).start()
    peak = 0
    deadline = time.monotonic() + 40
    while (got := len(link.c.assembler.data)) < len(data):
        link.c._fill(deadline)
        if got % (1 << 22) < 300000:
            peak = max(peak, *memory(link).values())
    assert bytes(link.c.assembler.data) == data
    assert 0 < peak < 20000, f"peak RSS {peak} kB"


# ---- ends
def test_half_close():
    """The client has said all it will; what the server still says arrives."""
    link = h.link()
    link.c.send_packet("focus", 3, [])
    link.c.shutdown()
    p = link.s.read_packet(5, skip=("ping",))
    assert p.name == "focus"
    try:
        q = link.s.read_packet(2)
        assert q.name == "disconnect", q  # allowed: being told instead of an EOF
    except x.Closed:
        pass
    except x.Timeout:
        raise AssertionError("the server does not learn that the client has closed") from None
    try:
        for i in range(3):
            link.s.send_packet("bell", i)
        link.s.shutdown()
    except OSError:
        pass
    packets, _ = link.c.read_all(5)
    assert [p[1] for p in packets if p.name == "bell"] == [0, 1, 2], packets
    assert link.conn.wait() == 0


@h.each("client", "server")
def test_first_reason_first(who):
    """A disconnect passes as it is, its first item first, before the stream ends; nothing is put before it."""
    link = h.link()
    source, sink = (link.c, link.s) if who == "client" else (link.s, link.c)
    source.send_packet("bell", 1)
    source.send_packet("disconnect", "idle timeout", "no activity for 5 minutes")
    source.close()
    packets, _ = sink.read_all(5)
    assert [p.name for p in packets][:2] == ["bell", "disconnect"], [p[:2] for p in packets]
    assert [x.text(i) for i in packets[1]] == ["disconnect", "idle timeout", "no activity for 5 minutes"], packets[1]
    sink.close()
    assert link.conn.wait() == 0
    line = link.conn.logged("idle timeout")
    assert line


@h.each("close", "reset")
def test_server_lost(way):
    """A session that vanishes without a word: the client is told in a disconnect packet what happened (clients
    since 6.x reconnect for ever if they are not)."""
    link = h.link()
    link.s.send_packet("bell", 1)
    link.c.expect("bell")
    getattr(link.s, way)()
    words = link.c.read_end(5)
    assert "server connection lost" in words, f"the client was told {words!r}"
    link.c.close()
    assert link.conn.wait() == 0, link.conn.proc.returncode
    link.conn.logged(r"closed|lost|reset")


@h.each("close", "reset")
def test_client_lost(way):
    """A client that vanishes: the session learns it at once, by a word or the end of the stream."""
    link = h.link()
    link.c.send_packet("bell", 1)
    link.s.expect("bell")
    began = time.monotonic()
    getattr(link.c, way)()
    link.s.read_all(3)
    assert time.monotonic() - began < 1 * h.SLACK
    link.s.close()
    assert link.conn.wait(2) == 0, link.conn.proc.returncode
    link.conn.logged(r"closed|lost|reset")


def test_lost_in_the_middle_of_a_packet():
    """A half packet is not completed with something else."""
    link = h.link()
    data = x.build(["draw", 1, 0, 0, 9, 9, "png", b"d" * 5000, 1, 0, {}])
    link.s.send_raw(data[:2000])
    time.sleep(0.2)
    link.s.close()
    rest = b""
    try:
        while True:
            link.c._fill(time.monotonic() + 5)
    except (x.Closed, x.PlainText):
        rest = bytes(link.c.assembler.data)
    assert rest == data[:len(rest)], "foreign bytes inside a packet"
    link.c.close()
    assert link.conn.wait() == 0


@h.each("TERM", "INT")
def test_signal(name):
    """Both sides are told "server shutdown", it ends in time, the control socket goes too."""
    import signal
    link = h.link()
    h.eventually(h.control_sockets, 3, "a control socket")
    began = time.monotonic()
    os.kill(link.conn.guard(), getattr(signal, f"SIG{name}"))
    assert link.c.read_end(3).startswith("server shutdown"), "client"
    assert link.s.read_end(3), "server"
    link.conn.wait(2)
    assert time.monotonic() - began < 2 * h.SLACK
    link.conn.logged(f"SIG{name}|shutdown")


# ---- the server's challenge
def through_challenge(uri_password, server_password, client_password=None, version="6.5", options=""):
    srv = h.Server(version, password=server_password)
    user = f"u:{uri_password}@" if uri_password else ""
    uri = f"tcp://{user}127.0.0.1:{srv.port}/"
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", uri, options=options)), Relay={"PingInterval": "0"}),
                   encoder=srv.encoder)
    caps = (x.hello31 if srv.old else x.hello65)(username="john")
    p = conn.peer.login(caps, "pw")
    rounds = 0
    while p.name == "challenge" and rounds < 3:
        rounds += 1
        conn.peer.answer(p, caps, client_password or "")
        p = conn.peer.read_packet(5)
    return srv, conn, p, rounds


@h.each("3.1.3", "6.5")
def test_url_password(version):
    """user:password@ in the URI answers the server, the client is not asked twice."""
    srv, conn, p, rounds = through_challenge("serverpw", "serverpw", version=version)
    assert p.name == "hello" and rounds == 0, x.texts(p)
    s = srv.get()
    assert s.caps["username"] == "u", s.caps.get("username")
    conn.peer.send_packet("bell", 1)
    s.peer.expect("bell")


def test_option_password():
    srv, conn, p, rounds = through_challenge("", "serverpw", options="password=serverpw")
    assert p.name == "hello" and rounds == 0, x.texts(p)


def test_url_password_percent():
    srv, conn, p, rounds = through_challenge("a%40b%3Ac", "a@b:c")
    assert p.name == "hello" and rounds == 0, x.texts(p)


def test_url_password_wrong():
    """The client gets the server's words, not silence."""
    srv, conn, p, rounds = through_challenge("wrong", "serverpw")
    assert p.name == "disconnect" and rounds == 0, x.texts(p)
    assert "authentication failed" in "; ".join(map(x.text, p[1:])), x.texts(p)
    assert conn.wait() in (5, 7), conn.proc.returncode
    assert "wrong" not in conn.log(), "the password is in the log"


@h.each("3.1.3", "6.5")
def test_passed_through(version):
    """No password known: the server's own challenge reaches the client, its answer the server."""
    srv, conn, p, rounds = through_challenge("", "serverpw", "serverpw", version)
    assert p.name == "hello" and rounds == 1, x.texts(p)
    s = srv.get()
    c = [q for q in conn.peer.seen if q.name == "challenge"][-1]
    assert bytes(c[1]) == s.challenge[1] and x.text(c[3]) == s.challenge[3] and x.text(c[4]) == s.challenge[4]
    assert x.text(c[5]) == s.challenge[5]


def test_passed_through_wrong():
    srv, conn, p, rounds = through_challenge("", "serverpw", "bad")
    assert p.name == "disconnect" and rounds == 1, x.texts(p)
    assert "authentication failed" in "; ".join(map(x.text, p[1:])), x.texts(p)


def test_passed_through_twice():
    srv, conn, p, rounds = through_challenge("", ["one", "one"], "one")
    assert p.name == "hello" and rounds == 2, (rounds, x.texts(p))


def test_our_challenge_does_not_reach_the_server():
    """The answer to our own challenge stays here."""
    link = h.link()
    for hello in link.session.hellos:
        leaked = [k for k in x.texts(hello[1]) if str(k).startswith("challenge")]
        assert not leaked, leaked


@h.each("xor salt", "u2f", "xor")
def test_url_password_refuses(what):
    """A password from the URL is not given away to a server that asks in an unsafe way."""
    digest, salt_digest = {"xor salt": ("hmac+sha512", "xor"), "u2f": ("u2f:xor", "hmac+sha512"),
                           "xor": ("xor", "hmac+sha512")}[what]
    srv = h.Server("6.5", greet=False)
    uri = f"tcp://u:serverpw@127.0.0.1:{srv.port}/"
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", uri))))
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    conn.peer.answer(conn.peer.expect("challenge"), caps, "pw")
    s = srv.get()
    s.peer.expect("hello")
    s.peer.send_packet("challenge", os.urandom(64), {}, digest, salt_digest, "password")
    words = conn.peer.read_end(5)
    assert words, "no word to the client"
    packets, _ = s.peer.read_all(5)
    assert not [p for p in packets if p.name == "hello"], "the password was given away"
    assert conn.wait() != 0
    conn.logged("digest")


# ---- session options
@h.each("compression=0", "compression_level=0", "compression_level=3", "lz4=0", "lz4=no", "rencodeplus=1",
        "compression_level=7;lz4=0", "none")
def test_session_options(options):
    link = h.link(options="" if options == "none" else options)
    caps = link.session.caps
    pairs = dict(p.split("=") for p in options.split(";") if "=" in p)
    level = pairs.get("compression", pairs.get("compression_level"))
    if level is not None:
        assert caps.get("compression_level") == int(level), caps.get("compression_level")
    lz4 = caps.get("lz4")
    lz4 = lz4.get("") if isinstance(lz4, dict) else lz4
    if pairs.get("lz4") in ("0", "no"):
        assert not lz4 and "lz4" not in caps.get("compressors", []), (lz4, caps.get("compressors"))
    else:
        assert lz4, "lz4 is not announced"


@h.each("compression=0", "compression_level=0")
def test_compression_option_lasts(options):
    """3.1.3 clients say set_deflate after the hello; that must not undo what the session's options say."""
    link = h.link("3.1.3", "3.1.3", options=options)
    link.c.send_packet("set_deflate", 1)
    link.c.send_packet("bell", 1)
    p = link.s.read_packet(5)
    while p.name == "set_deflate":
        assert p[1] == 0, f"the server is told compression level {p[1]}"
        p = link.s.read_packet(5)
    assert p.name == "bell", p[:2]


def test_session_options_unknown():
    link = h.link(options="nosuch=1;compression_level=2")
    assert link.session.caps.get("compression_level") == 2
    line = link.conn.logged("nosuch")
    assert line


# ---- hellos
@h.each("old", "new")
def test_hello_to_server(generation):
    version = "3.1.3" if generation == "old" else "6.5"
    make = x.hello31 if generation == "old" else x.hello65
    # without an IV nothing is asked for; clients that do want AES: test_encryption.py
    sent = make(username="john", **{"cipher": "AES", "cipher.key_salt": "0" * 16, "cipher.mode": "CBC",
                                    "encryption": {"cipher": "AES", "key_salt": "0" * 16}, "challenge_padding": b"p"})
    link = h.link(version, version, caps=sent)
    caps = link.session.caps
    h.compare_hellos(sent, link.session.raw_caps)
    leaked = [k for k in caps if k.startswith(h.FORBIDDEN_CAPS) and caps[k] not in (False, {}, "", None)]
    assert not leaked, f"leaked to the server: {[(k, caps[k]) for k in leaked]}"
    assert caps.get("proxy"), "the server is not told that there is a proxy"
    if generation == "new":
        assert isinstance(caps["proxy"], dict), caps["proxy"]
        assert "ssl-upgrade" not in caps["packet-types"] and "draw" in caps["packet-types"], caps["packet-types"]
    for name in ("rencode", "bencode") if generation == "old" else ("rencodeplus",):
        assert caps.get(name), f"{name} is not announced"
    assert not caps.get("lzo") and "lzo" not in caps.get("compressors", []), "lzo is announced"
    assert not caps.get("yaml") or caps["yaml"] == {"": False}, "yaml is announced"
    assert link.session.hellos[0].compression == 0, "the first hello to a server must not be compressed"


@h.each("old", "new")
def test_hello_to_client(generation):
    version = "3.1.3" if generation == "old" else "6.5"
    make = x.server31 if generation == "old" else x.server65
    sent = make(**{"cipher": "AES", "encryption": {"cipher": "AES"}, "mmap_enabled": True, "mmap_token": 77})
    link = h.link(version, version, server_caps=sent)
    caps = link.caps
    h.compare_hellos(sent, link.hello[1])
    leaked = [k for k in caps if k.startswith(h.FORBIDDEN_CAPS) and caps[k] not in (False, {}, "", None)]
    assert not leaked, f"leaked to the client: {[(k, caps[k]) for k in leaked]}"
    assert caps.get("proxy"), "the client is not told that there is a proxy"
    if generation == "new":
        assert "ssl-upgrade" not in caps["packet-types"] and "damage-sequence" in caps["packet-types"]
    assert caps["uuid"] == sent["uuid"] and caps["version"] == sent["version"]


def test_username_stays():
    assert h.link().session.caps["username"] == "john"


def test_uri_display_goes_on():
    """tcp://host/DISPLAY is for a proxy behind the session's host."""
    srv = h.Server()
    link = h.link(uri=f"tcp://127.0.0.1:{srv.port}/:55", srv=srv)
    assert link.session.caps.get("display") in (":55", "55"), link.session.caps.get("display")


def test_client_display_wish_is_ours():
    """What the client said to choose a session is not said again to the session."""
    srv = h.Server("3.1.3")
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", f"work={srv.uri},:100"))), encoder=x.RENCODE)
    p = conn.peer.login(x.hello31(username="john", display="work"), "pw")
    assert p.name == "hello", x.texts(p)
    assert srv.get().caps.get("display") in (None, "", "work"), srv.get(index=0).caps.get("display")


def test_second_hello_is_dropped():
    """Only the answer to a challenge is a hello; another one neither reaches the server nor ends it."""
    link = h.link()
    link.c.hello(x.hello65(username="mallory", **{"cipher": "AES"}))
    link.c.send_packet("bell", 1)
    p = link.s.read_packet(5, skip=("ping",))
    assert p.name == "bell", f"{p.name} reached the server"


def test_unencrypted_records_only():
    """The cipher flag without a cipher ends it in words."""
    link = h.link()
    link.c.send_raw(x.record(x.RENCODEPLUS | 0x02, 0, 0, x.encode(["bell", 1], x.RENCODEPLUS)))
    words = link.c.read_end(5)
    assert words, "closed without a word"
    assert link.conn.wait() == 8


# ---- sockets
def socket_options(pid, inode):
    """{name: value} of a socket that another process holds."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = next(n for n, what in h.fds(pid).items() if what == f"socket:[{inode}]")
    pidfd = os.pidfd_open(pid)
    got = libc.syscall(438, pidfd, fd, 0)  # pidfd_getfd
    os.close(pidfd)
    if got < 0:
        raise h.Skip("pidfd_getfd is not allowed here")
    with socket.socket(fileno=got) as s:
        return {"nodelay": s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                "keepalive": s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                "user_timeout": s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)}


@h.needs_root
def test_socket_options():
    """TCP_NODELAY, keepalive and TCP_USER_TIMEOUT on both legs."""
    link = h.link()
    worker = link.conn.worker()
    inodes = {m.group(1) for what in h.fds(worker).values() if (m := re.match(r"socket:\[(\d+)\]", what))}
    tcp = [socket_options(worker, i) for i in inodes if is_tcp(i)]
    assert len(tcp) == 2, f"{len(tcp)} TCP sockets"
    for options in tcp:
        assert options["nodelay"] and options["keepalive"] and options["user_timeout"] > 0, tcp


def is_tcp(inode):
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(file) as f:
            if any(line.split()[9] == inode for line in f.read().split("\n")[1:] if line):
                return True
    return False


def test_latency():
    """A packet does not wait for anything: 200 round trips."""
    link = h.link()
    began = time.monotonic()
    for i in range(200):
        link.c.send_packet("ping", i)
        assert link.s.expect("ping", skip=())[1] == i
        link.s.send_packet("ping_echo", i, 0, 0, 0, 0, "")
        assert link.c.expect("ping_echo", skip=())[1] == i
    each = (time.monotonic() - began) / 200
    assert each < 0.02 * h.SLACK, f"{each * 1e3:.1f} ms a round trip"


def test_idle_costs_nothing():
    """No busy loop: less than 2 % of a core while nothing happens, also when one side has stopped reading."""
    link = h.link(relay={"PingInterval": "5s"})

    def cpu():
        total = 0
        for pid in link.conn.processes():
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def check(what):
        before = cpu()
        time.sleep(1.5)
        used = cpu() - before
        assert used <= 0.04 * h.SLACK, f"{used:.2f} s of CPU in 1.5 s, {what}"
    check("idle")
    stop = threading.Event()

    def pour():
        data = x.build(["draw", 1, 0, 0, 1, 1, "png", bytes(60000), 1, 0, {}])
        while not stop.is_set():
            try:
                link.s.send_raw(data)
            except OSError:
                return
    threading.Thread(target=pour, daemon=True).start()
    time.sleep(1.5)
    check("client not reading")
    link.c.shutdown()
    time.sleep(0.3)
    check("client half closed and not reading")
    stop.set()
