# SPDX-License-Identifier: GPL-2.0-or-later
"""AES between proxy and session: every mode and generation of servers, with the client's own AES or none, passwords from
here and from the client; what is refused and in which words; key files; servers that misbehave; the real server."""
import functools
import itertools
import os
import threading
import time

import aes
import harness as h
import xpranet as x
from test_encryption import exchange, finish, encoder_of, hello_of, listen, pour_both_ways, read_late

SECONDS = 75
KEY = b"a-session's-own-key-0123456789"
OTHER = b"0123456789abcdef-known-aes-key"  # the client's

if aes.Cipher is None:
    raise h.Skip("python3-cryptography is not installed")

VERSIONS = {"flat": "3.1.3", "both": "5.0", "6.0": "6.0", "nested": "6.5"}


def keyfile(content=KEY + b"\n", mode=0o600, owner=None):
    """The session's user's."""
    return h.make_file(f"session-{next(h._serial)}.key", content, mode, owner or h.alice)


def options(mode="AES", file=None):
    return f"encryption={mode};encryption-keyfile={file or keyfile()}"


def serve(kind="nested", mode="CBC", secret=KEY, **more):
    version = VERSIONS[kind]
    caps = None if kind == "flat" else x.server65(version=version + ".1")
    return h.Server(version, caps=caps, greet=aes.Serving(secret, kind, mode, **more))


class Linked:
    """Client - program - a server that encrypts; client: "plain", "old" (3.1.3) or a kind of aes.Client."""

    def __init__(self, kind="nested", mode="CBC", client="plain", server=None, session=None, uri="", passwords=(), relay=None, **more):
        self.server = server or serve(kind, mode, **more)
        sections = {"Relay": relay or {"PingInterval": "0"}}
        plain = client in ("plain", "old")
        if not plain:
            sections["Listen"] = listen()
        like = {"plain": "nested", "old": "flat"}.get(client, client)
        line = h.line("john", "pw", uri.format(self.server.uri) or self.server.uri,
                      options=options(f"AES-{mode}") if session is None else session)
        self.conn = h.spawn(h.conf(h.multifile(line), **sections), encoder=encoder_of(like))
        self.c = self.conn.peer
        self.hello = (self.c if plain else aes.Client(self.c, OTHER, client)).login(hello_of(like), "pw", *passwords)
        assert self.hello.name == "hello", f"{x.texts(self.hello)!r:.300}\n{self.conn.log()}\n{self.server.problems}"
        if plain:
            leaked = [k for k in x.texts(self.hello[1]) if k.startswith(("cipher", "encryption"))]
            assert not leaked, f"leaked to the client: {leaked}"
        self.session = self.server.get()
        self.s = self.session.peer
        if like == "flat" and kind != "flat":
            h.take_keymap(self.s, self.session.raw_caps)


def ping_pong(link):
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus")[1] == 3
    link.s.send_packet("bell", 1, 2, 3)
    assert link.c.expect("bell")[1:] == [1, 2, 3]


# ---- it works
KINDS = [("flat", "CBC"), *itertools.product(("both", "nested"), aes.MODES), ("6.0", "CBC")]


@h.each(*(f"{kind} {mode} {p}" for (kind, mode), p in itertools.product(KINDS, ("none", "ours", "client"))))
def test_session(case):
    """Every generation of servers in every mode; no password, one that the guard knows, one that the client knows."""
    kind, mode, password = case.split()
    uri = "tcp://u:serverpw@" + "{0[6]}" if password == "ours" else ""
    server = serve(kind, mode, passwords=["serverpw"] if password != "none" else ())
    if uri:
        uri = f"tcp://u:serverpw@127.0.0.1:{server.port}/"
    link = Linked(kind, mode, server=server, uri=uri, client="old" if kind == "flat" else "plain",
                  passwords=["serverpw"] if password == "client" else ())
    hellos = len(link.session.hellos)
    assert hellos == (1 if password == "none" else 2), hellos
    exchange(link)
    finish(link)


@h.each(*(f"{client} {kind}" for client, kind in itertools.product(("flat", "both", "nested", "html5"), ("flat", "6.0", "nested"))))
def test_both_legs(case):
    """Another key on each, and two passwords; where they share no encoder, in translation too."""
    client, kind = case.split()
    link = Linked(kind, client=client, server=serve(kind, passwords=["one", "two"]), passwords=["one", "two"])
    ping_pong(link)
    finish(link)


@h.each("old nested", "plain flat")
def test_redial(case):
    """The first encoder is not understood: new keys with the new connection."""
    client, kind = case.split()
    link = Linked(kind, client=client)
    assert link.server.accepted == 2, link.server.accepted
    ping_pong(link)
    finish(link)


@h.each("CBC", "CTR", "CFB", "GCM")
def test_frame_by_frame(mode):
    """A server that wants each record with an IV of its own."""
    link = Linked("nested", mode, stream=False)
    exchange(link, 5000)
    finish(link)


@h.each("legacy", "PKCS#7")
def test_padding(padding):
    """What the server states."""
    link = Linked("both", padding=padding)
    exchange(link, 5000)
    finish(link)


@h.each("6.0 32", "6.1.3 32", "6.2 16", "6.5.3 16", "7.0 16")
def test_granularity_by_version(case):
    """Servers that do not give themselves away by `stream`."""
    version, granularity = case.split()
    serving = aes.Serving(KEY, "6.0", granularity=int(granularity))
    link = Linked(server=h.Server("6.5", caps=x.server65(version=version), greet=serving))
    exchange(link, 5000)
    finish(link)


@h.each(*range(17))
def test_padding_is_learned(n):
    """From however long a challenge the server pads to 32 or 16: what we say next has to be right."""
    link = Linked("6.0", server=serve("6.0", passwords=["pw2"], **{"x": "y" * int(n)}), passwords=["pw2"])
    ping_pong(link)
    finish(link)


@h.each("SHA1 16", "SHA224 24", "SHA256 32", "SHA384 16", "SHA512 32")
def test_keys(case):
    name, size = case.split()
    link = Linked("nested", "CTR", key_hash=name, key_size=int(size), key_stretch_iterations=100)
    ping_pong(link)
    finish(link)


def test_what_the_server_is_told():
    """One mode, under the names of all versions; nothing of it reaches the client."""
    link = Linked("both", "GCM", client="nested")
    caps = link.session.caps
    assert caps["cipher"] == "AES" and caps["cipher.mode"] == "GCM" and caps["encryption"]["mode"] == "GCM", caps
    assert caps["encryption"]["mode.options"] == ["GCM"] and caps["cipher.key_stretch_iterations"] == 10000, caps
    h.compare_hellos(hello_of("nested"), link.session.raw_caps, exempt=("username",))
    finish(link)


@h.each("AES CBC", "aes-gcm GCM", "AES-CTR CTR")
def test_option_names(case):
    name, mode = case.split()
    link = Linked("nested", mode, session=options(name))
    ping_pong(link)
    finish(link)


def test_options_in_the_uri():
    """Of one session only, with the file below the user's home."""
    file = os.path.join(h.alice.home, "aes.key")
    with open(file, "wb") as f:
        f.write(b"\r\n" + KEY + b"\r\n")
    h.defer(os.unlink, file)
    os.chmod(file, 0o600)
    if h.ROOT:
        os.chown(file, h.alice.uid, h.alice.gid)
    server, plain = serve(), h.Server()
    uris = f"a=tcp://127.0.0.1:{server.port}/?encryption=AES&encryption-keyfile=~%2Faes.key,b={plain.uri}"
    path = h.conf(h.multifile(h.line("john", "pw", uris)))
    for name, there in (("a", server), ("b", plain)):
        conn = h.spawn(path)
        assert conn.peer.login(x.hello65(username="john", display=name), "pw").name == "hello", conn.log()
        conn.peer.send_packet("focus", 3, [])
        assert there.get().peer.expect("focus")[1] == 3
        conn.peer.close()
        assert conn.wait() == 0


def test_local_session():
    """One that is found by looking for it."""
    where = f"{h.alice.sockets}/{h.HOSTNAME}-100"
    server = h.Server("6.5", where=where, user=h.alice, greet=aes.Serving(KEY))
    link = Linked(server=server, uri=":100")
    ping_pong(link)
    finish(link)


def test_early_packets():
    """3.1.3 tells everybody about the others, in clear until it has read a hello: not for us."""
    link = Linked("flat", client="old", server=serve("flat", early=[["notify_show", 1, "somebody"], ["bell", 7]]))
    ping_pong(link)
    finish(link)


def test_bytes_one_by_one():
    """However the server's stream is cut, from its first answer on."""
    class Slow(aes.Socket):
        def sendall(self, data):
            for b in self.writer.write(data) if self.writer else data:
                self.sock.sendall(bytes([b]))
                time.sleep(0.0005)

    serving = aes.Serving(KEY, passwords=["p"])
    kept, aes.Socket = aes.Socket, Slow
    try:
        link = Linked(server=h.Server("6.5", greet=serving), passwords=["p"])
        data = os.urandom(100)
        link.s.send_packet("draw", 1, data, chunks=(2,))
        assert link.c.expect("draw")[2] == data
        finish(link)
    finally:
        aes.Socket = kept


def test_both_ways_at_once():
    """Other keys and paddings on the two legs."""
    pour_both_ways(Linked("6.0", client="nested"))


def test_slow_server():
    link = Linked("nested", "CTR")
    read_late(link, link.s, link.c, "clipboard", "bell")


@h.each("client", "server")
def test_half_close(who):
    """What the other side still says arrives."""
    link = Linked("6.0")
    near, far, name = (link.c, link.s, "draw") if who == "client" else (link.s, link.c, "clipboard")
    near.shutdown()
    data = os.urandom(200000)
    threading.Thread(target=far.send_packet, args=(name, 1, data), daemon=True).start()
    assert near.expect(name)[2] == data
    far.close()
    assert link.conn.wait() == 0


def test_pings_of_our_own():
    link = Linked("nested", relay={"PingInterval": "200ms"})
    p = link.s.expect("ping", skip=())
    link.s.send_packet("ping_echo", *p[1:2], 0, 0, 0, 0, p[3])
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus", skip=("ping",))[1] == 3
    finish(link)


def test_xor_from_the_guard():
    """The server has proved that it has the key: it may see a password."""
    serving = aes.Serving(KEY)

    def greet(server, s):
        if not server._read_hello(s):
            return False
        s.peer.sock = aes.Socket(s.peer.sock)
        salt = os.urandom(32)
        s.peer.send_packet("challenge", salt, serving.renew(s, False), "xor", "hmac+sha512", "password")
        server._read_hello(s)
        caps = s.raw_caps_get("challenge_response"), s.raw_caps_get("challenge_client_salt")
        if x.respond("xor", "serverpw", x.combine_salts("hmac+sha512", salt, caps[1])) != caps[0]:
            server.problems.append("bad response")
            return False
        s.peer.send_packet("hello", {**server.caps, **serving.renew(s, True)})
        return True
    server = h.Server("6.5", greet=greet)
    link = Linked(server=server, uri=f"tcp://u:serverpw@127.0.0.1:{server.port}/")
    ping_pong(link)
    finish(link)


# ---- what is refused
GENERIC = "session not found error; failed to connect to display"


def refused(session, words, told=GENERIC, server=None, rc=7):
    """The journal says words, and the client is told less."""
    server = server or serve()
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", server.uri, options=session))))
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert p.name == "disconnect", f"{x.texts(p)!r:.300}"
    said = "; ".join(w for w in map(x.text, p[1:]) if w)
    assert said == told, said
    conn.peer.close()
    assert conn.wait() == rc, conn.log()
    conn.logged(words)
    return server


def test_server_wants_it():
    """Nothing is configured here: its own words, and what to do in the journal."""
    refused("", "encryption= and encryption-keyfile= .*are not set", "connection error; missing encryption tokens from client")


@h.each("words", "hello", "challenge")
def test_server_without(how):
    """It says so; or it just goes on in clear, which must not be."""
    def say(server, s):
        if not server._read_hello(s):
            return False
        assert aes.find(s.raw_caps)["cipher"] == "AES"
        if how == "words":
            s.peer.send_packet("disconnect", "connection error", "the server does not support encryption on this connection")
        elif how == "challenge":
            s.peer.send_packet("challenge", b"s" * 32, {}, "hmac+sha512", "hmac+sha512", "password")
        else:
            s.peer.send_packet("hello", server.caps)
        s.peer.read_all(5)
        assert len(s.hellos) == 1
        return False
    words = "connection error; the server does not support encryption on this connection"
    refused(options(), "encryption= and encryption-keyfile= .*are set" if how == "words" else "does not encrypt",
            words if how == "words" else GENERIC, h.Server("6.5", greet=say))


def test_silent_server():
    """6.5.3 cannot encrypt, and does not say so: it says nothing at all."""
    server = h.Server("6.5", greet=lambda server, s: server._read_hello(s) and s.peer.read_all(5) and False)
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", server.uri, options=options())), Sessions={"ConnectTimeout": "500ms"}))
    assert conn.peer.login(x.hello65(username="john"), "pw").name == "disconnect"
    conn.logged("no answer to our hello within ConnectTimeout: does its server encrypt")


@h.each(*(f"{mode} {p}" for mode, p in itertools.product(aes.MODES, ("hello", "challenge"))))
def test_wrong_key(case):
    mode, p = case.split()
    server = serve(mode=mode, secret=b"another key", passwords=["pw"] if p == "challenge" else ())
    refused(options(f"AES-{mode}"), "another key than the session's encryption-keyfile=", server=server)


def test_other_mode():
    """A server of its own mind: it answers in CBC, as servers before 4.3 must."""
    class Stubborn(aes.Serving):
        def renew(self, s, answered):
            s.hellos[-1][1] = {k: v for k, v in s.raw_caps.items() if x.text(k) != "encryption" and not x.text(k).startswith("cipher.mode")}
            return super().renew(s, answered)
    refused(options("AES-CTR"), "or another mode", server=h.Server("5.0", caps=x.server65(version="5.0"), greet=Stubborn(KEY, "flat")))


BAD = {
    "iterations": ({"key_stretch_iterations": 100001}, "invalid number of iterations 100001, range is 100 to 100000"),
    "stretch": ({"key_stretch": "scrypt"}, "unsupported key stretching 'scrypt'"),
    "iv": ({"iv": "short"}, "invalid encryption iv"),
    "size": ({"key_size": 7}, "unsupported key size 7"),
    "cipher": ({"cipher": ""}, "does not say how it decrypts"),
}


@h.each(*BAD)
def test_bad_parameters(name):
    """A server that is well understood, and says what cannot be done."""
    more, words = BAD[name]

    class Odd(aes.Serving):
        def renew(self, s, answered):
            return {"encryption": {**super().renew(s, answered)["encryption"], **more}}

    serving = Odd(KEY)
    server = h.Server("6.5", greet=lambda server, s: serving(server, s) and s.peer.read_all(5) and False)
    refused(options(), words, server=server)


def test_nothing_before_our_answer():
    """A packet right after a challenge would have to be read with keys that come with our answer."""
    class Hasty(aes.Serving):
        def __call__(self, server, s):
            server._read_hello(s)
            s.peer.sock = aes.Socket(s.peer.sock)
            added = self.renew(s, False)
            s.peer.send_raw(x.build(["challenge", b"s" * 32, added, "hmac+sha512", "hmac+sha512", "password"], x.RENCODEPLUS) +
                            x.build(["bell", 1], x.RENCODEPLUS))
            s.peer.read_all(5)
            return False
    server = h.Server("6.5", greet=Hasty(KEY))
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", f"tcp://u:p@127.0.0.1:{server.port}/", options=options()))))
    assert conn.peer.login(x.hello65(username="john"), "pw").name == "disconnect"
    conn.logged("says more than what we answer")


# ---- the key file
@h.each("missing", "unreadable", "empty", "large", "device", "relative", "no file", "no encryption", "bad mode", "long")
def test_key_file(what):
    """Named, with what is wrong, and not even dialled: never in clear."""
    session, words = {
        "missing": (options(file="/nonexistent/key"), "encryption-keyfile: cannot read /nonexistent/key: No such file"),
        "unreadable": (options(file=h.make_file("roots.key", KEY, 0o600)), "cannot read .*roots.key: Permission denied; the session's user must be able to"),
        "empty": (options(file=keyfile(b"\r\n\n")), r"session-\d+.key is empty; it must hold the key"),
        "large": (options(file=keyfile(bytes(1025))), "larger than 1024 bytes"),
        "device": (options(file="/dev/zero"), "/dev/zero is not a regular file"),
        "relative": (options(file="aes.key"), "encryption-keyfile=aes.key: neither / nor ~/ comes first"),
        "no file": ("encryption=AES", "set the session options encryption=AES and encryption-keyfile=FILE both, or neither"),
        "no encryption": (f"encryption-keyfile={keyfile()}", "set the session options encryption=AES and encryption-keyfile=FILE both, or neither"),
        "bad mode": (options("DES"), "set the session options encryption=AES and"),
        "long": (options(file="/" + "x" * 300), "set the session options encryption=AES and"),
    }[what]
    if what == "unreadable" and not h.ROOT:
        raise h.Skip("the file would be our own")
    server = refused(session, words)
    assert server.accepted == 0, "it was dialled"


def test_switched_off_by_the_uri():
    """The record's for all but one."""
    plain = h.Server()
    link = Linked(server=plain, uri=plain.uri + "?encryption=no&encryption-keyfile=")
    ping_pong(link)
    finish(link)


@h.needs_root
def test_key_is_not_kept():
    """Neither process has it in its memory once the session runs."""
    if h.ASAN:
        raise h.Skip("memory under ASan says nothing")
    link = Linked(client="nested")
    exchange(link, 100)
    for pid in link.conn.processes():
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
            for line in maps:
                where, rights = line.split()[:2]
                if "rw" not in rights or "[v" in line:
                    continue
                start, end = (int(n, 16) for n in where.split("-"))
                try:
                    mem.seek(start)
                    found = mem.read(end - start)
                except (OSError, ValueError):
                    continue
                assert KEY not in found and OTHER not in found, f"{pid}: {line}"


# ---- while relaying
def ended(link, words):
    assert link.c.read_end(5) == f"protocol error; {words}", link.conn.log()
    assert link.conn.wait() == 8


def test_plain_record():
    link = Linked()
    link.s.sock.sock.sendall(x.build(["bell", 1], x.RENCODEPLUS))
    ended(link, "unencrypted packet dropped")


def test_wrong_padding():
    link = Linked()
    sealed = bytearray(link.s.sock.writer.write(x.build(["bell", 1], x.RENCODEPLUS)))
    sealed[-1] ^= 1
    link.s.sock.sock.sendall(bytes(sealed))
    ended(link, "encryption padding error - wrong key?")


def test_truncated():
    """The server dies within a record: what was whole has arrived."""
    link = Linked()
    sealed = link.s.sock.writer.write(x.build(["bell", 1], x.RENCODEPLUS) + x.build(["draw", 1, bytes(1000)], x.RENCODEPLUS))
    link.s.sock.sock.sendall(sealed[:-40])
    assert link.c.expect("bell")[1] == 1
    link.s.sock.sock.close()
    link.c.read_all(5)
    assert link.conn.wait() in (0, 7), link.conn.log()


def test_second_server_hello():
    link = Linked()
    link.s.send_packet("hello", x.server65())
    link.s.send_packet("bell", 1)
    assert link.c.expect("bell")
    link.conn.logged("second hello")


# ---- the real server
@functools.lru_cache(None)
def real(how):
    """One listens for AES on TCP, as 3.1.3 has it; the other wants a password, too."""
    file = keyfile(KEY + b"\n")
    args = [f"--tcp-encryption=AES", f"--tcp-encryption-keyfile={file}"]
    if how == "password":
        args += [f"--tcp-auth=password:value=serverpw"]
    return h.RealServer(h.alice, args=args)


def listener(session, server, password=False):
    uri = f"tcp://u:serverpw@127.0.0.1:{server.port}/" if password else server.uri
    spec = h.multifile(h.line("foo", "pw", uri, options=session))
    return h.Listener(h.conf(spec, Sessions={"SocketDirs": "$XDG_RUNTIME_DIR/xpra", "ConnectTimeout": "5s"}))


@h.needs_xpra
@h.timeout(60)
@h.each("none", "password")
def test_real_server(how):
    """xpra 3.1.3 start --tcp-encryption=AES: a window, keys, a new size; and once more."""
    s = real(how)
    l = listener(options(), s, how == "password")
    for i, text in enumerate(("typed through AES", "and again")):
        client = h.RealClient(l.url("foo", "pw"))
        window = client.attached(s.title)
        client.type(window, text)
        h.eventually(lambda: text in s.keys(), 10, lambda: f"{text!r} arrives in the xterm, which has {s.keys()!r}")
        client.resize(window, 500 + 100 * i, 400)
        h.eventually(lambda: abs(s.geometry()[0] - 500 - 100 * i) < 20, 10, lambda: f"a new size: {s.geometry()}")
        client.detach()
        h.eventually(lambda: not h.program_processes(), 3, lambda: f"left: {h.program_processes()}")


@h.needs_xpra
@h.each("not set", "wrong key", "not there")
def test_real_server_refused(how):
    """Words that lead to the cause."""
    session, words = {
        "not set": ("", "encryption= and encryption-keyfile= .*are not set"),
        "wrong key": (options(file=keyfile(b"another")), "another key than the session's encryption-keyfile="),
        "not there": (options(), "encryption= and encryption-keyfile= .*are set"),
    }[how]
    s = real("none") if how != "not there" else h.RealServer(h.alice)
    l = listener(session, s)
    rc, said = h.RealClient(l.url("foo", "pw")).ended()
    assert rc != 0, said[-1500:]
    h.eventually(lambda: h.re.search(words, l.log()), 3, lambda: f"/{words}/ in the journal:\n{l.log()}")
