# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded traffic of real clients and servers, 3.1.3 to 6.5.3 and HTML5, through the program: a scripted
client says what the real one said, a scripted server what the real one answered, and what comes out at
the other ends must be the same, but for the hellos' documented changes and item 0 where the recording used
the numbers of aliases (which the program takes out of the hellos, so that real peers use names).

Where the recorded peers used AES, the scripted client does so too: with the recorded key and its own recorded hellos,
towards the keys that the program announces.

tests/data/captures.tar.xz: NAME.c2s and NAME.s2c, both directions, WebSocket framing and partial last packets
removed. dSS-CC: direct, server and client version; pPP-...-A and -B: client and server leg of a real proxy."""
import functools
import os
import shutil
import socket
import tarfile
import threading

import aes
import harness as h
import xpranet as x

SECONDS = 70
AES_KEY = b"0123456789abcdef-known-aes-key"
REQUESTS = ("version", "id", "info", "stop", "exit", "connect_test", "connect-test")


@functools.lru_cache(None)
def captures():
    """{name: (client's bytes, server's bytes)}"""
    found = {}
    with tarfile.open(os.path.join(h.DATA, "captures.tar.xz")) as t:
        for m in t.getmembers():
            name, side = m.name.rsplit(".", 1)
            found.setdefault(name, {})[side] = t.extractfile(m).read()
    return {name: (d["c2s"], d.get("s2c")) for name, d in found.items()}


@functools.lru_cache(None)
def plain(name):
    """(client's bytes, server's bytes), decrypted where they were encrypted."""
    client, server = captures()[name]
    return aes.decrypt_recording(client, server, AES_KEY) if encrypts(name) else (client, server)


def encrypts(name):
    return "-aes" in name and not name.endswith("-B")  # -B: a proxy's other leg, which is clear


def packets(data):
    a, found = x.Assembler(), []
    a.feed(data)
    while (p := a.next()) is not None:
        found.append(p)
    return found


class Recording:
    """One capture, cut into what each side says when."""

    def __init__(self, name):
        self.name = name
        c, s = plain(name)
        self.encrypts = encrypts(name)
        self.client, self.server = unalias(packets(c), packets(s))
        self.hellos = [p for p in self.client if p.name == "hello"]
        at = next((i for i, p in enumerate(self.server) if p.name == "hello"), None)
        self.before = self.server[:at] if at is not None else self.server  # challenges, or a refusal
        self.answer = self.server[at] if at is not None else None          # the server's hello
        self.client_rest = [p for p in self.client if p.name != "hello"]
        self.server_rest = self.server[at + 1:] if at is not None else []
        self.caps = x.texts(x.plain(self.hellos[-1][1]))
        self.request = self.caps.get("request") or next(
            (r for r in REQUESTS if self.caps.get(f"{r.replace('-', '_')}_request")), "")

    @property
    def version(self):
        """Of the server; it decides which encoders it reads."""
        version = x.texts(self.answer[1]).get("version") if self.answer is not None else None
        if isinstance(version, str):
            return version
        return "6.5" if self.server and self.server[0].flags & x.RENCODEPLUS else "3.1.3"

    @property
    def modern(self):
        """The client's capabilities are nested, and its yaml is one that others read."""
        return self.hellos[-1].flags & x.RENCODEPLUS or str(self.caps["version"])[0] >= "6"

    @property
    def shared(self):
        """The server reads the client's encoder: nothing has to be translated."""
        encoder = self.hellos[-1].flags & x.ENCODER_MASK
        if encoder == x.YAML:
            return self.version.startswith("6") and self.modern
        return not (encoder != x.RENCODEPLUS if self.version.startswith("6") else
                    encoder == x.RENCODEPLUS and self.version.startswith("3"))


def unalias(client, server):
    """Integer names replaced by what the other side's hello had announced."""
    def table(side):
        found = {}
        for p in side:
            if len(p) == 2 and isinstance(p[1], dict) and (p.name == "hello" or isinstance(p[0], int)):
                found.update({number: name for name, number in (x.texts(p[1]).get("aliases") or {}).items()})
        return found

    def named(side, aliases):
        return [p if not isinstance(p[0], int) else renamed(p, aliases[p[0]]) for p in side]
    return named(client, table(server)), named(server, table(client))


def renamed(p, name):
    how = {0: None, 0x10: "lz4", 0x20: "lzo", 0x40: "brotli"}.get(p.compression & 0x70) if p.compression & 0x70 else \
        "zlib" if p.compression else None
    encoder = p.flags & x.ENCODER_MASK
    value = [name.encode() if encoder != x.RENCODEPLUS else name] + list(p[1:])
    q = x.Packet(value)
    q.raw = x.build(value, encoder, how, chunks=p.chunks)
    q.flags, q.compression, q.chunks = p.flags, p.compression, p.chunks
    return q


@functools.lru_cache(None)
def kinds():
    found = {"session": [], "request": [], "refused": [], "instance": [], "apart": [], "foreign": []}
    for name in sorted(captures()):
        server = plain(name)[1]
        if server is None:
            found["foreign"].append(name)
            continue
        if "-instance-" in name:
            found["instance"].append(name)
            continue
        if not server:
            found["apart"].append(name)
            continue
        r = Recording(name)
        if r.request or r.caps.get("start-new-session"):
            found["request"].append(name)
        elif r.answer is not None:
            found["session"].append(name)
        elif any(p.name == "disconnect" for p in r.server):
            found["refused"].append(name)
    return found


# ---- the scripted server: says what the recorded one said
def scripted(recording, where, user):
    def greet(server, s):
        if not server._read_hello(s):
            return False
        for p in recording.before:
            s.peer.send_raw(p.raw)
            if p.name == "challenge" and not server._read_hello(s):
                return False
        if recording.answer is None:
            s.peer.shutdown()
            return True
        s.peer.send_raw(recording.answer.raw)
        return True
    return h.Server(recording.version, where=where, user=user, greet=greet)


def client_hello(recording, conn):
    """Sends the recorded hellos, the last one again for every further challenge. The packet that ends it."""
    hellos, sent = recording.hellos, 0

    def say_hello():
        hello = hellos[min(sent, len(hellos) - 1)]
        conn.peer.send_raw(hello.raw)
        if recording.encrypts:  # its capabilities say how it decrypts
            conn.peer.sock.reader = aes.direction(AES_KEY, aes.find(hello[1]))

    def heed(caps):
        if recording.encrypts:
            conn.peer.sock.writer = aes.direction(AES_KEY, aes.find(caps), conn.peer.sock.reader.granularity or 16)
    say_hello()
    while (p := conn.peer.read_packet(10)).name == "challenge":
        sent += 1
        assert sent < 6, "challenged for ever"
        heed(p[2])
        say_hello()
    if p.name == "hello":
        heed(p[1])
    return p


def start(recording, args=(), tls=None, ws=None, **sections):
    where = f"{h.alice.sockets}/{h.HOSTNAME}-100"
    shutil.rmtree(os.path.join(h.alice.runtime, "xproxy"), ignore_errors=True)  # what it remembers of servers
    server = scripted(recording, where, h.alice)
    if recording.encrypts:
        sections["Listen"] = {**sections.get("Listen", {}), "Encryption": "AES", "EncryptionKeyFile": h.make_file("replay.key", AES_KEY, 0o600, h.alice)}
    # as an ordinary user, whose sessions everybody gets: the recorded user names exist nowhere
    conn = h.spawn(h.conf("none", Relay={"PingInterval": "0"}, **sections), user=h.alice, args=args)
    if tls:
        conn.peer.start_tls(tls)
    if ws is not None:
        conn.peer.start_websocket(**ws)
    if recording.encrypts:
        conn.peer.sock = aes.Socket(conn.peer.sock)
    return server, conn


def same_packet(sent, got, translated=False):
    """What was sent, bit by bit unless it had to be translated."""
    a, b = x.plain(list(sent)), x.plain(list(got))
    if x.text(sent[0]) == "info-response":
        assert set(a[1]) <= set(b[1]), "info-response lost something"
        return
    assert a == b, f"sent {a!r:.300}\ngot  {b!r:.300}"
    if not translated:
        assert got.raw == sent.raw, f"{x.text(sent[0])}: the bytes changed: {sent.raw[:40].hex()} {got.raw[:40].hex()}"


def pump(peer, rest, wait_for):
    """Sends the packets; a final disconnect only when wait_for is set."""
    try:
        for p in rest:
            if p.name == "disconnect":
                wait_for.wait(20)
            peer.send_raw(p.raw)
    except OSError:
        pass


def take_keymap(recording, s):
    """An old client with a server of 6.x, which can only be the proxy's doing."""
    caps = recording.hellos[-1][1]
    version = x.text(recording.answer[1].get("version", recording.answer[1].get(b"version", "")))
    if not truthy(caps, "rencodeplus") and not recording.modern and version.startswith("6"):
        h.take_keymap(s.peer, caps)


def truthy(caps, key):
    return bool(caps.get(key, caps.get(key.encode())))


def replay(recording, **how):
    translated = not recording.shared
    server, conn = start(recording, **how)
    p = client_hello(recording, conn)
    assert p.name == "hello", f"{x.texts(p)!r:.300}\n{conn.log()}"
    s = server.get()
    take_keymap(recording, s)
    if not translated:
        h.compare_hellos(recording.hellos[-1][1], s.raw_caps, exempt=("username",))
        h.compare_hellos(recording.answer[1], p[1])
    got_all = [threading.Event(), threading.Event()]
    for peer, rest, event in ((conn.peer, recording.client_rest, got_all[0]), (s.peer, recording.server_rest, got_all[1])):
        threading.Thread(target=pump, args=(peer, rest, event), daemon=True).start()
    up = [q for q in recording.client_rest if q.name not in ("disconnect", "ssl-upgrade")]
    down = [q for q in recording.server_rest if q.name not in ("disconnect", "ssl-upgrade")]
    for packets_, sink, done in ((down, conn.peer, got_all[0]), (up, s.peer, got_all[1])):
        for i, q in enumerate(packets_):
            try:
                same_packet(q, sink.read_packet(10), translated)
            except (x.Timeout, x.Closed, x.PlainText) as e:
                raise AssertionError(f"packet {i} of {len(packets_)}, {q.name}: {e!r}") from e
        done.set()
    # the last words, after which both go away
    for rest, sink in ((recording.client_rest, s.peer), (recording.server_rest, conn.peer)):
        last = [q for q in rest if q.name == "disconnect"]
        if last and not any(q.name == "disconnect" for q in sink.seen):
            same_packet(last[0], sink.expect("disconnect", timeout=5), translated)
            break
    conn.peer.close()
    s.peer.close()
    assert conn.wait() == 0, conn.proc.returncode
    return len(up), len(down)


@h.each(lambda: kinds()["session"])
def test_session(name):
    """Both directions of a whole session."""
    up, down = replay(Recording(name))
    assert up + down > 0


@h.each("31c-65s", "65c-31s", "50c-31s", "31c-50bencode", "html5c-31s", "h5v31c-65s")
def test_across(pair):
    """The client of one version with the server of another that it cannot talk to: everything but the hellos
    arrives with its meaning."""
    client, server = {"31c-65s": ("rich-31-31", "rich-65-65"), "65c-31s": ("rich-65-65", "rich-31-31"),
                      "50c-31s": ("d50-50-default", "d31-31-default"), "31c-50bencode": ("d31-31-zlib", "d50-50-bencode"),
                      "html5c-31s": ("h5-65", "d31-31-default"), "h5v31c-65s": ("h5v31-31", "d65-65-default")}[pair]
    a, b = Recording(client), Recording(server)
    a.before, a.answer, a.server_rest, a.server = [], b.answer, b.server_rest, b.server
    # what bencode has no word for is not in question here
    drop = pair.startswith("h5v31") or "bencode" in pair
    if drop:
        a.client_rest = [p for p in a.client_rest if representable(p)]
        a.server_rest = [p for p in a.server_rest if representable(p)]
    replay_across(a)


@h.each(lambda: kinds()["apart"])
def test_apart(name):
    """Clients that were recorded with a server that could not read them (it answered in plain text): through the
    proxy they reach a server of that version, and read all that it says."""
    old = name.startswith(("d31s", "d31-")) or name.endswith(("-31", "-31s"))
    a, b = Recording(name), Recording("rich-31-31" if old else "d50-50-default" if name.startswith("d50-") else "rich-65-65")
    a.answer, a.server_rest, a.server = b.answer, b.server_rest, b.server
    if a.hellos[-1].flags & x.ENCODER_MASK == x.BENCODE:
        a.server_rest = [p for p in a.server_rest if representable(p)]
    replay_across(a)


def representable(p):
    def ok(v):
        if isinstance(v, dict):
            return all(ok(k) and ok(i) for k, i in v.items())
        if isinstance(v, list):
            return all(map(ok, v))
        return v is not None and not isinstance(v, (float, bool))
    return ok(list(p))


RENAMED = {"file-send": "send-file", "file-ack-chunk": "ack-file-chunk", "file-send-chunk": "send-file-chunk",
           "file-data-request": "send-data-request", "file-data-response": "send-data-response", "file-request": "request-file"}
REWRITTEN = ("info-response", "keymap-changed")  # gets the proxy's part; flat or nested as the receiver reads it
NOT_FORWARDED = ("disconnect", "ssl-upgrade", "encodings", "encoding-set", "challenge")


def replay_across(recording):
    server, conn = start(recording)
    p = client_hello(recording, conn)
    assert p.name == "hello", f"{x.texts(p)!r:.300}\n{conn.log()}"
    s = server.get()
    take_keymap(recording, s)
    for peer, rest in ((conn.peer, recording.client_rest), (s.peer, recording.server_rest)):
        rest = [q for q in rest if q.name != "disconnect"]
        threading.Thread(target=pump, args=(peer, rest, threading.Event()), daemon=True).start()
    for rest, sink in ((recording.server_rest, conn.peer), (recording.client_rest, s.peer)):
        for i, q in enumerate(q for q in rest if q.name not in NOT_FORWARDED):
            got = sink.read_packet(10, skip=NOT_FORWARDED)
            want, have = x.plain(list(q)), x.plain(list(got))
            want[0] = RENAMED.get(x.text(want[0]), x.text(want[0]))
            have[0] = RENAMED.get(x.text(have[0]), x.text(have[0]))
            if want[0] in REWRITTEN:
                assert have[0] == want[0], f"packet {i}: {want[0]} became {have[0]}"
                continue
            assert want == have, f"packet {i}: sent {want!r:.300}\ngot  {have!r:.300}"
    conn.peer.close()
    s.peer.close()
    assert conn.wait() == 0


@h.each(lambda: kinds()["refused"])
def test_refused(name):
    """A server that refuses: the client reads its very words, in order, after as many challenges."""
    recording = Recording(name)
    words = next(p for p in recording.server if p.name == "disconnect")
    server, conn = start(recording)
    p = client_hello(recording, conn)
    assert p.name == "disconnect", x.texts(p)
    said, expected = ["; ".join(map(x.text, q[1:])) for q in (p, words)]
    assert said == expected or len(expected) > 400 and expected.startswith(said) and len(said) > 200, \
        f"{said!r:.300} instead of {expected!r:.300}"
    conn.peer.close()
    conn.wait()


@h.each(lambda: kinds()["request"])
def test_request(name):
    """One-shot requests: answered by the proxy itself, as xpra's proxy does, or refused; never the session's."""
    recording = Recording(name)
    server, conn = start(recording)
    p = client_hello(recording, conn)
    request = recording.request.replace("-", "_")
    got = x.texts(p[1]) if p.name == "hello" else "; ".join(map(x.text, p[1:]))
    if recording.caps.get("start-new-session"):
        assert p.name == "disconnect" and got.startswith("session not found error"), f"{got!r:.300}"
    elif request in ("stop", "exit"):
        assert p.name == "disconnect" and got.startswith("permission error"), got
    elif request == "connect_test":
        token = recording.caps.get("connect_test_request")
        assert got.get("connect_test_response") == token or token is None and isinstance(got, dict), got
    elif request == "id":
        assert got.get("session-type") == "proxy", got
    else:
        assert isinstance(got, dict) and (got.get("version") or "proxy" in str(got)), got
    assert p.flags & x.ENCODER_MASK == recording.hellos[0].flags & x.ENCODER_MASK, "another encoder than the client's"
    conn.peer.close()
    conn.wait()
    assert not server.sessions, "the session itself was asked"


@h.each(lambda: kinds()["instance"])
def test_instance(name):
    """The commands of real xpra 3.1.3 and 6.5 on the control socket of a connection."""
    link = h.link(relay={"PingInterval": "0"})
    path = h.eventually(h.control_sockets, 3, "the control socket")[0]
    s = socket.socket(socket.AF_UNIX)
    h.as_thread(h.alice, lambda: s.connect(path))
    peer = x.Peer(s)
    h.defer(peer.close)
    recording = Recording(name)
    peer.send_raw(recording.hellos[0].raw)
    kind = name.split("-instance-")[1]
    if kind == "stop":
        assert link.c.read_end(3) == "server shutdown; socket request"
        return
    p = peer.read_packet(5)
    if kind == "control-help":
        assert p.name == "disconnect" and x.text(p[1]) == "control command error", x.texts(p)
        return
    got = x.texts(p[1])
    assert p.name == "hello", x.texts(p)
    if kind == "version":
        assert got.get("version"), got
    if kind == "id":
        assert got.get("session-type") == "proxy-instance" and got.get("pid") == link.conn.guard(), got
    if kind == "info":
        proxy = got.get("proxy") if isinstance(got.get("proxy"), dict) else {}
        assert got.get("proxy.version") or proxy.get("version"), list(got)


@h.each(lambda: kinds()["foreign"])
def test_foreign(name):
    """What this socket does not take, TLS: the client is told so."""
    conn = h.spawn(h.conf("none"), user=h.alice)
    try:
        conn.peer.send_raw(captures()[name][0])
    except OSError:
        pass
    assert "ssl" in name and conn.wait(3) != 0
    assert "a TLS ClientHello on a socket without TLS" in conn.log(), conn.log()


def test_all_kinds_are_there():
    """The archive has what the tests above are about."""
    assert {"d65-65-yaml", "d31-31-lzo"} <= set(kinds()["session"])
    assert {"d31-31-yaml", "d50-50-yaml", "x31c-65s-yaml"} <= set(kinds()["apart"])
    assert len(kinds()["session"]) >= 62 and len(kinds()["request"]) >= 25 and len(kinds()["instance"]) >= 8 \
        and len(kinds()["apart"]) >= 17 and len(kinds()["foreign"]) >= 4, \
        {k: len(v) for k, v in kinds().items()}
    assert len([n for kind in kinds().values() for n in kind if encrypts(n)]) == 21 and \
        len([n for n in kinds()["session"] if encrypts(n)]) >= 12
