# SPDX-License-Identifier: GPL-2.0-or-later
"""AES between client and proxy: every mode and generation of client, with and without a password, what is refused and
in which words, and the real client."""
import functools
import itertools
import os
import socket
import threading
import time

import aes
import harness as h
import xpranet as x

SECONDS = 75
KEY = b"0123456789abcdef-known-aes-key"

if aes.Cipher is None:
    raise h.Skip("python3-cryptography is not installed")


def keyfile(content=KEY + b"\n", mode=0o600, owner=None):
    return h.make_file(f"aes-{next(h._serial)}.key", content, mode, owner)


def listen(modes="AES", **more):
    return {"Encryption": modes, "EncryptionKeyFile": keyfile(), **more}


OLD = {"flat": x.RENCODE, "html5-3": x.BENCODE}  # rencodeplus is not for them


def encoder_of(kind):
    return OLD.get(kind, x.RENCODEPLUS)


def hello_of(kind, **more):
    make = x.hello31 if kind in OLD else x.hello65
    if kind.startswith("html5"):
        more.setdefault("client_type", "HTML5")
        more.setdefault("version", {"html5": "17", "html5-9": "9"}.get(kind, "3.1.3"))
    if kind == "both":
        more.setdefault("version", "5.0.9")
    return make(username="john", **more)


class Linked:
    """A client that encrypts, connected to a scripted server, as h.link() does it without."""

    def __init__(self, kind="nested", mode="CBC", password=True, modes="AES", conf=None, server=None, secret=KEY,
                 caps=None, relay=None, tls=None, where="tcp", granularity=None, **more):
        old = kind in OLD
        self.server = server or h.Server("3.1.3" if old else "6.5")
        module = h.multifile(h.line("john", "pw", self.server.uri)) if password else None
        sections = {"Relay": relay or {"PingInterval": "0"}, "Listen": conf or listen(modes)}
        if not password:
            self.server = server or h.Server("3.1.3" if old else "6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)
            if h.ROOT:  # the key is alice's then, who runs the program
                os.chown(sections["Listen"]["EncryptionKeyFile"], h.alice.uid, h.alice.gid)
        self.conn = h.spawn(h.conf(module or "none", **sections), where, user=None if password else h.alice,
                            encoder=encoder_of(kind))
        if tls:
            self.conn.peer.start_tls(tls)
        self.c = self.conn.peer
        self.aes = aes.Client(self.c, secret, kind, mode, granularity, **more)
        self.hello = self.aes.login(caps or hello_of(kind), *(["pw"] if password else []))
        assert self.hello.name == "hello", f"{x.texts(self.hello)!r:.300}\n{self.conn.log()}"
        self.session = self.server.get()
        self.s = self.session.peer
        h.take_keymap(self.s, self.session.raw_caps) if old and not self.server.old else None


def exchange(link, size=300000):
    """Both directions, small and large, chunks too; then the end."""
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus")[1] == 3
    for n in (1, 15, 16, 17, 31, 32, 33, size):
        data = os.urandom(n)
        threading.Thread(target=link.s.send_packet, args=("draw", 1, data), kwargs={"chunks": (2,)}, daemon=True).start()
        assert link.c.expect("draw", timeout=20)[2] == data
        threading.Thread(target=link.c.send_packet, args=("clipboard", 1, data), daemon=True).start()
        assert link.s.expect("clipboard", timeout=20)[2] == data


def finish(link):
    link.c.close()
    link.s.close()
    assert link.conn.wait() == 0, link.conn.log()


# ---- it works
KINDS = [("flat", "CBC"), ("html5-3", "CBC"), ("html5-9", "CBC"), ("html5", "CBC"), *itertools.product(("both", "nested"), aes.MODES)]


@h.each(*(f"{kind} {mode} {'password' if p else 'none'}" for (kind, mode), p in itertools.product(KINDS, (True, False))))
def test_session(case):
    """Every generation of clients in every mode, with the caps where it looks for them, with and without a challenge."""
    kind, mode, password = case.split()
    link = Linked(kind, mode, password == "password")
    leaked = [k for k in link.session.caps if k.startswith(("cipher", "encryption"))]
    assert not leaked, f"leaked to the server: {leaked}"
    h.compare_hellos(hello_of(kind), link.session.raw_caps, exempt=("username",))
    exchange(link)
    finish(link)


@h.each("SHA1", "SHA224", "SHA256", "SHA384", "SHA512")
def test_keys(name):
    """What the client chose for its own direction."""
    for size in (16, 24, 32):
        finish_after(Linked("nested", "CTR", key_hash=name, key_size=size, key_stretch_iterations=100))


def finish_after(link):
    exchange(link, 5000)
    finish(link)


@h.each("legacy", "PKCS#7")
def test_padding(name):
    """Stated for one direction by the client, chosen for the other from its list."""
    link = Linked("flat", padding=name, **{"padding.options": [name]})
    theirs = aes.caps_of(link.hello[1], "cipher.")
    assert x.text(theirs["padding"]) == name, theirs
    finish_after(link)


@h.each("CBC", "CTR", "CFB", "GCM")
def test_frame_by_frame(mode):
    """stream: False, which 6.2+ clients can ask for: each record with its own IV."""
    link = Linked("nested", mode, stream=False)
    assert aes.caps_of(link.hello[1]["encryption"])["stream"] is False
    finish_after(link)


@h.each("6.1 32", "6.2 16", "6.5.3 16", "7.0 16", "5.1.6 32", "4.4 32")
def test_granularity_by_version(case):
    """Clients that do not give themselves away by `stream`."""
    version, granularity = case.split()
    finish_after(Linked("both", caps=hello_of("both", version=version), granularity=int(granularity)))


def test_bytes_one_by_one():
    """However the stream is cut."""
    link = Linked("nested")
    data = os.urandom(100)
    sealed = link.aes.sock.writer.write(x.build(["clipboard", 1, data], x.RENCODEPLUS) + x.build(["focus", 3, []], x.RENCODEPLUS))
    for b in sealed:
        link.aes.sock.sock.sendall(bytes([b]))
    assert link.s.expect("clipboard")[2] == data
    assert link.s.expect("focus")[1] == 3
    finish(link)


def pour_both_ways(link):
    """Full buffers in both directions: nothing waits for the other for ever, nothing is lost."""
    data = [os.urandom(1 << 20) for _ in range(4)]

    def pour(peer, name):
        for d in data:
            peer.send_packet(name, 1, d)
    for peer, name in ((link.c, "clipboard"), (link.s, "draw")):
        threading.Thread(target=pour, args=(peer, name), daemon=True).start()
    got = []
    t = threading.Thread(target=lambda: got.extend(link.s.expect("clipboard", timeout=30)[2] for _ in data))
    t.start()
    assert [link.c.expect("draw", timeout=30)[2] for _ in data] == data
    t.join(30)
    assert got == data
    finish(link)


def read_late(link, reader, writer, name, reads):
    """A peer that does not read: what is encrypted already waits, and comes in order; its own packet goes through."""
    data = [os.urandom(1 << 20) for _ in range(8)]
    threading.Thread(target=lambda: [writer.send_packet(name, i, d) for i, d in enumerate(data)], daemon=True).start()
    reader.send_packet(reads, 3, [])
    assert writer.expect(reads)[1] == 3
    for i, d in enumerate(data):
        p = reader.expect(name, timeout=20)
        assert p[1] == i and p[2] == d
    finish(link)


def test_both_ways_at_once():
    pour_both_ways(Linked("nested"))


def test_slow_reader():
    link = Linked("nested", "CTR")
    read_late(link, link.c, link.s, "draw", "focus")


def private_memory(pid):
    """kB that no other process shares."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Private_Dirty:"))


@h.needs_root
def test_idle_memory():
    """A quiet connection that encrypts needs hardly more than one that does not."""
    used = []
    for link in (h.link(relay={"PingInterval": "300ms"}), Linked("nested", relay={"PingInterval": "300ms"})):
        data = os.urandom(2 << 20)
        threading.Thread(target=link.s.send_packet, args=("draw", 1, data), daemon=True).start()
        assert link.c.expect("draw", timeout=20)[2] == data
        time.sleep(2.5 * h.SLACK)  # a second of silence, then the next ping
        used.append(private_memory(link.conn.worker()))
    assert used[1] <= used[0] + 32, f"{used} kB"


def test_pings_of_our_own():
    """What the proxy itself says is encrypted too, and it hears the answers."""
    link = Linked("nested", relay={"PingInterval": "200ms"})
    p = link.c.expect("ping", skip=())
    link.c.send_packet("ping_echo", *p[1:2], 0, 0, 0, 0, p[3])
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus", skip=("ping",))[1] == 3
    finish(link)


def test_server_asks_for_a_password():
    """A challenge that the session's server sends: relayed with the proxy's own capabilities."""
    for kind in ("flat", "both", "nested", "html5"):
        server = h.Server("3.1.3" if kind in OLD else "6.5", password="serverpw")
        conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", server.uri)), Listen=listen()), encoder=encoder_of(kind))
        client = aes.Client(conn.peer, KEY, kind)
        p = client.login(hello_of(kind), "pw", "serverpw")
        assert p.name == "hello", x.texts(p)
        s = server.get()
        assert not [k for k in s.caps if k.startswith(("cipher", "encryption"))]
        conn.peer.send_packet("focus", 3, [])
        assert s.peer.expect("focus")[1] == 3
        conn.peer.close()
        assert conn.wait() == 0


def test_inside_tls():
    """Both at once; with TLS it may be left out."""
    import test_tls
    cert = test_tls.listen()
    link = Linked("nested", tls=test_tls.context(), conf=listen(**cert))
    exchange(link)
    finish(link)
    link = h.link(tls=test_tls.context(), Listen=listen(**cert))
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus")[1] == 3


def test_unix_socket():
    """There it is not required, but used if it is offered."""
    link = Linked("nested", where="unix")
    finish_after(link)
    link = h.link(kind="unix", Listen=listen())
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus")[1] == 3


def test_translated():
    """An old client's AES and a new server that shares no encoder with it."""
    link = Linked("flat", server=h.Server("6.5"))
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus")[1] == 3
    link.s.send_packet("bell", 1, 2, 3)
    assert link.c.expect("bell")[1:] == [1, 2, 3]
    finish(link)


def test_second_server_hello():
    """It would make the client change its keys: dropped, and said."""
    link = Linked("nested")
    link.s.send_packet("hello", x.server65())
    link.s.send_packet("bell", 1)
    assert link.c.expect("bell")
    link.conn.logged("second hello")


@h.each("version", "id", "info")
def test_requests(request):
    """One-shot answers are encrypted and announce the keys as well."""
    conn = h.spawn(h.conf("allow", Listen=listen()))
    client = aes.Client(conn.peer, KEY, "nested")
    p = client.login(x.hello65(username=h.alice.name, request=request), *(["any"] if request == "info" else []))
    assert p.name == "hello", x.texts(p)
    conn.peer.close()
    assert conn.wait() == 0


# ---- digests: 5.6
def test_xor_is_allowed():
    """Encrypted, so a client may hand its password over."""
    for encrypted in (True, False):
        conn = h.spawn(h.conf("allow", Listen=listen() if encrypted else {}))
        caps = x.hello65(username=h.alice.name, digest=["xor"])
        if encrypted:
            client = aes.Client(conn.peer, KEY, "nested")
            client.hello(caps)
            p = conn.peer.expect("challenge")
            assert x.text(p[3]) == "xor"
        else:
            conn.peer.hello(caps)
            assert conn.peer.read_packet().name == "disconnect"


# ---- what is refused
def refused(conn, p, words, rc):
    said = "; ".join(map(x.text, p[1:])) if p.name == "disconnect" else f"{p.name} packet"
    assert said == words, f"client was told {said!r}, expected {words!r}\n{conn.log()}"
    conn.peer.close()
    assert conn.wait() == rc, f"exit code {conn.proc.returncode}, expected {rc}\n{conn.log()}"


@h.each("old", "new")
def test_client_without(generation):
    conn = h.spawn(h.conf("none", Listen=listen()), encoder=x.RENCODE if generation == "old" else x.RENCODEPLUS)
    conn.peer.hello((x.hello31 if generation == "old" else x.hello65)())
    refused(conn, conn.peer.read_packet(), "missing encryption tokens", 4)
    conn.logged("refused: .*missing encryption tokens")


@h.each("flat", "both", "nested", "html5", "html5-9", "html5-3")
def test_server_without(kind):
    """The words are not encrypted: there is no key."""
    conn = h.spawn(h.conf("none"), encoder=encoder_of(kind))
    conn.peer.hello({**hello_of(kind), **aes.new_caps(kind)[0]})
    refused(conn, conn.peer.read_packet(), "the server does not support encryption on this connection", 4)


def test_version_needs_no_encryption():
    """xpra answers it before anything else."""
    conn = h.spawn(h.conf("none", Listen=listen()))
    conn.peer.hello(x.hello65(request="version"))
    assert conn.peer.read_packet().name == "hello"


BAD = {
    "cipher": ({"cipher": "DES"}, "the server is configured for 'AES' not 'DES' as requested by the client"),
    "mode": ({"mode": "ECB"}, "the server is configured for AES-CBC, AES-GCM not AES-ECB as requested by the client"),
    "mode-not-allowed": ({"mode": "CTR"}, "the server is configured for AES-CBC, AES-GCM not AES-CTR as requested by the client"),
    "stretch": ({"key_stretch": "scrypt"}, "unsupported key stretching 'scrypt'"),
    "padding": ({"padding": "ISO"}, "unsupported padding 'ISO'"),
    "hash": ({"key_hash": "MD5"}, "unsupported key hash algorithm 'MD5'"),
    "few-iterations": ({"key_stretch_iterations": 99}, "invalid number of iterations 99, range is 100 to 100000"),
    "many-iterations": ({"key_stretch_iterations": 100001}, "invalid number of iterations 100001, range is 100 to 100000"),
    "costly-iterations": ({"key_stretch_iterations": 1000000}, "invalid number of iterations 1000000, range is 100 to 100000"),
    "negative-iterations": ({"key_stretch_iterations": -1}, "invalid number of iterations -1, range is 100 to 100000"),
    "no-iterations": ({"key_stretch_iterations": "many"}, "invalid number of iterations -1, range is 100 to 100000"),
    "key-size": ({"key_size": 8}, "unsupported key size 8"),
    "short-iv": ({"iv": "0" * 15}, "invalid encryption iv"),
    "long-iv": ({"iv": "0" * 17}, "invalid encryption iv"),
    "no-salt": ({"key_salt": b""}, "invalid encryption key salt"),
    "long-salt": ({"key_salt": bytes(300)}, "invalid encryption key salt"),
    "wide-text": ({"iv": "\u20ac" * 16}, "invalid encryption iv"),
    "long-name": ({"padding": "x" * 200}, "unsupported padding '?'"),
}


@h.each(*BAD)
def test_bad_parameters(name):
    more, words = BAD[name]
    conn = h.spawn(h.conf("none", Listen=listen("AES-CBC AES-GCM")))
    conn.peer.hello({**x.hello65(), **aes.new_caps("nested", **more)[0]})
    refused(conn, conn.peer.read_packet(), words, 4)


def test_plain_record():
    """From the first answer on, nothing in clear is taken."""
    link = Linked("nested")
    link.aes.sock.sock.sendall(x.build(["focus", 3, []], x.RENCODEPLUS))
    assert link.c.read_end(5) == "protocol error; unencrypted packet dropped", link.conn.log()
    assert link.s.read_end(5).startswith("protocol error")
    assert link.conn.wait() == 8


def test_wrong_padding():
    link = Linked("nested")
    sealed = bytearray(link.aes.sock.writer.write(x.build(["focus", 3, []], x.RENCODEPLUS)))
    sealed[-1] ^= 1
    link.aes.sock.sock.sendall(bytes(sealed))
    assert link.c.read_end(5) == "protocol error; encryption padding error - wrong key?", link.conn.log()
    assert link.s.read_end(5) == "protocol error; encryption padding error - wrong key?", "the server is told as well"
    assert link.conn.wait() == 8


def test_wrong_key_in_the_response():
    """A client whose two keys differ: words, before anybody is asked whether the password is right."""
    conn = h.spawn(h.conf("allow", Listen=listen()))
    client = aes.Client(conn.peer, KEY, "nested")
    client.hello(x.hello65(username="john"))
    c = conn.peer.expect("challenge")
    client.secret = b"another key"
    client.take(c[2])
    client.secret = KEY
    conn.peer.answer(c, {**x.hello65(username="john"), **client.caps()}, "any")
    client.sock.reader = None  # what comes is under the keys of the first hello
    assert conn.wait() == 8
    conn.logged("wrong key")


@h.each("clear", "encrypted")
def test_packets_with_the_hello(how):
    """Nothing may follow a hello: it would be under keys that are no more."""
    conn = h.spawn(h.conf("allow", Listen=listen()))
    client = aes.Client(conn.peer, KEY, "nested")
    caps = x.hello65(username="john")
    extra = x.build(["bell", 1], x.RENCODEPLUS)
    if how == "clear":
        conn.peer.send_raw(x.build(["hello", {**caps, **client.caps()}], x.RENCODEPLUS) + extra)
        p = None
        client.sock.reader = None
    else:
        client.hello(caps)
        c = conn.peer.expect("challenge")
        client.take(c[2])
        before = client.sock.reader
        full = {**caps, **client.caps(), "challenge_response": b"x", "challenge_client_salt": b"y" * 32}
        conn.peer.send_raw(x.build(["hello", full], x.RENCODEPLUS) + extra)
        client.sock.reader = before
    p = conn.peer.read_packet()
    assert p.name == "disconnect" and x.text(p[2]) == "packets before the answer to the hello", x.texts(p)
    assert conn.wait() == 8


def test_hello_without_after_a_hello_with():
    conn = h.spawn(h.conf("allow", Listen=listen()))
    client = aes.Client(conn.peer, KEY, "nested")
    client.hello(x.hello65(username="john"))
    c = conn.peer.expect("challenge")
    client.take(c[2])
    conn.peer.answer(c, x.hello65(username="john"), "any")
    refused(conn, conn.peer.read_packet(), "missing encryption tokens", 4)


# ---- configuration
def ends_with_2(sections, words, **kw):
    conn = h.spawn(h.conf("none", Listen=sections), **kw)
    conn.peer.hello(x.hello65())
    said = conn.peer.read_end()
    assert conn.wait() == 2, conn.log()
    assert "encryption key is missing" in said, said
    assert words in conn.log(), conn.log()


def test_no_key():
    ends_with_2({"Encryption": "AES"}, "Encryption= needs a key: set EncryptionKeyFile=")


def test_key_cannot_be_used():
    ends_with_2({"Encryption": "AES", "EncryptionKeyFile": "/nonexistent/key"}, "No such file")
    ends_with_2({"Encryption": "AES", "EncryptionKeyFile": keyfile(b"\r\n\n")}, "empty")
    ends_with_2({"Encryption": "AES", "EncryptionKeyFile": keyfile(bytes(5000))}, "larger than 4096 bytes")
    ends_with_2({"Encryption": "AES", "EncryptionKeyFile": "/dev/zero"}, "not a regular file")
    if h.ROOT:
        ends_with_2({"Encryption": "AES", "EncryptionKeyFile": keyfile()}, "Permission denied", user=h.alice)


def test_check_config():
    path = h.conf("none", Listen={"Encryption": "AES"})
    r = h.subprocess.run([h.CONN, "-c", path, "--check-config"], capture_output=True, text=True)
    assert r.returncode == 2 and "Encryption= needs a key" in r.stderr, r
    path = h.conf("none", Listen=listen())
    r = h.subprocess.run([h.CONN, "-c", path, "--check-config"], capture_output=True, text=True)
    assert r.returncode == 0, r
    path = h.conf("none", Listen={"Encryption": "AES-ECB"})
    r = h.subprocess.run([h.CONN, "-c", path, "--check-config"], capture_output=True, text=True)
    assert r.returncode == 2 and "AES-GCM" in r.stderr, r


@h.each("credential", "crlf", "spaces")
def test_key_sources(name):
    """systemd's credential; ends of lines around the key do not count, anything else does."""
    content = {"credential": KEY + b"\n", "crlf": b"\r\n" + KEY + b"\r\n\r\n", "spaces": b" " + KEY}[name]
    directory = h.make_dir(f"credentials-{next(h._serial)}", 0o755)
    with open(os.path.join(directory, "encryption-key"), "wb") as f:
        f.write(content)
    server = h.Server()
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", server.uri)), Listen={"Encryption": "AES"}),
                   env={"CREDENTIALS_DIRECTORY": directory})
    client = aes.Client(conn.peer, b" " + KEY if name == "spaces" else KEY, "nested")
    assert client.login(x.hello65(username="john"), "pw").name == "hello"


@h.needs_root
def test_key_is_not_kept():
    """Neither process has it in its memory once the session runs."""
    if h.ASAN:
        raise h.Skip("memory under ASan says nothing")
    link = Linked("nested")
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
                    assert KEY not in mem.read(end - start), f"{pid}: {line}"
                except (OSError, ValueError):
                    pass


@h.needs_root
def test_info_says_so():
    link = Linked("nested", "GCM")
    link.conn.logged("login")
    assert link.conn.worker()


# ---- the real client
@functools.lru_cache(None)
def session():
    return h.RealServer(h.alice)


@functools.lru_cache(None)
def listener(module, encrypted=True):
    s = session()
    spec = h.multifile(h.line("foo", "pw", s.uri)) if module == "password" else "none"
    user = None if module == "password" else h.alice
    conf = {"Sessions": {"SocketDirs": "$XDG_RUNTIME_DIR/xpra", "ConnectTimeout": "3s"}}
    if encrypted:
        conf["Listen"] = {"Encryption": "AES", "EncryptionKeyFile": keyfile(owner=user)}
    return h.Listener(h.conf(spec, **conf), user=user, shared=True)


def attach(l, key=KEY, user="foo", password="pw", args=()):
    options = [f"--encryption=AES", f"--encryption-keyfile={keyfile(key, 0o644)}"] if key else []
    return h.RealClient(l.url(user, password), *options, *args)


@h.needs_xpra
@h.each("password", "none")
def test_real_client(module):
    """xpra 3.1.3 attach --encryption=AES: a window, keys; twice."""
    s, l = session(), listener(module)
    for text in ("typed through AES", "and again"):
        client = attach(l)
        window = client.attached(s.title)
        client.type(window, text)
        h.eventually(lambda: text in s.keys(), 10, lambda: f"{text!r} arrives in the xterm, which has {s.keys()!r}")
        client.detach()
        h.eventually(lambda: not h.program_processes(), 3, lambda: f"left: {h.program_processes()}")


@h.needs_xpra
@h.each("password", "none")
def test_real_client_wrong_key(module):
    """It reads what the proxy says with the wrong key, and says what is wrong."""
    l = listener(module)
    l.mark()
    rc, said = attach(l, b"another key").ended()
    assert rc != 0 and "encryption padding error - wrong key?" in said, said[-1500:]
    if module == "password":
        h.eventually(lambda: "is its key another one?" in l.log_since(), 3, "the journal says what may be wrong")


@h.needs_xpra
def test_real_client_without():
    rc, said = attach(listener("none"), None).ended()
    assert rc != 0 and "missing encryption tokens" in said, said[-1500:]


@h.needs_xpra
def test_real_client_server_without():
    """It reads nothing in clear any more, so it cannot show why; with a server of its own version it is the same."""
    for url in (listener("none", False).url("foo", "pw"), session().uri):
        rc, said = h.RealClient(url, "--encryption=AES", f"--encryption-keyfile={keyfile(KEY, 0o644)}").ended()
        assert rc != 0 and "unencrypted packet dropped" in said, said[-1500:]
    assert "the server does not support encryption on this connection" in listener("none", False).log()
