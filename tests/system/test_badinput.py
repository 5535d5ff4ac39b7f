# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input, one by one: a clear line in the log that names the cause, a disconnect packet or plain text for
the client, the end within two seconds, and no process and no socket file left over (which the harness
checks after every test)."""
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
import zlib

import harness as h
import xpranet as x

SECONDS = 75
PROTOCOL_ERROR = 8


def refused(conn, words, log, rc=PROTOCOL_ERROR, within=2):
    """The client is told words (None: anything), the log has a line that matches, exit code rc, in time."""
    began = time.monotonic()
    told = conn.peer.read_end(within * h.SLACK + 1)
    got = conn.wait(within)
    took = time.monotonic() - began
    assert took < (within + 0.3) * h.SLACK, f"took {took:.1f} s"
    assert told if words is None else words.lower() in told.lower(), f"the client was told {told!r}\n{conn.log()}"
    if rc is not None:
        assert got == rc, f"exit code {got}, expected {rc}\n{conn.log()}"
    conn.logged(log, 1)
    return told


def waiting(limits=None, kind="tcp", listen=None, **kw):
    """A connection that waits for a hello."""
    return h.spawn(h.conf("password(value=pw)", Limits=limits or {}, Listen=listen or {}), kind=kind, **kw)


# ---- framing
def test_hello_in_single_bytes_and_split_everywhere():
    """Not bad, only slow: cut at every byte, both encoders."""
    for encoder, caps in ((x.RENCODE, x.hello31(username="john")), (x.RENCODEPLUS, x.hello65(username="john"))):
        conn = waiting(encoder=encoder)
        conn.peer.hello(caps, pieces=1)
        assert conn.peer.read_packet(5).name == "challenge"
        conn.peer.close()


def test_hello_too_large():
    """A 1 MiB + 1 hello: refused from its header, before the rest is read."""
    conn = waiting()
    conn.peer.send_raw(x.header(x.RENCODEPLUS, 0, 0, (1 << 20) + 1) + b"\xc2\x85hello")
    refused(conn, None, r"size|large|1048577")


def test_hello_limit_is_configurable():
    conn = waiting({"HelloSize": "4K"})
    conn.peer.hello(x.hello65(username="john", filler="f" * 5000))
    refused(conn, None, r"size|large")
    conn = waiting({"HelloSize": "4M"})
    conn.peer.hello(x.hello65(username="john", filler=os.urandom(1 << 20)))
    assert conn.peer.read_packet(5).name == "challenge"


def test_hello_of_the_largest_size():
    conn = waiting()
    caps = x.hello65(username="john", filler=b"")
    room = (1 << 20) - len(x.encode(["hello", caps], x.RENCODEPLUS)) - 16
    caps["filler"] = b"f" * room
    conn.peer.hello(caps)
    assert conn.peer.read_packet(5).name == "challenge"


@h.each("rencodeplus", "rencode", "bencode")
def test_nesting(encoder):
    """65 deep is refused, 64 is not."""
    bits = x.ENCODERS[encoder]
    for depth in (64, 65):
        deep = []
        for _ in range(depth - 3):  # the packet and the capabilities are two, the empty list one
            deep = [deep]
        conn = waiting(encoder=bits)
        caps = (x.hello65 if bits == x.RENCODEPLUS else x.hello31)(username="john", deep=deep)
        conn.peer.hello(caps)
        if depth == 64:
            assert conn.peer.read_packet(5).name == "challenge"
            conn.peer.close()
        else:
            refused(conn, None, r"deep|nest|parse")


@h.each("2 GiB", "4 GiB", "256 MiB + 1")
def test_size_field(size):
    n = {"2 GiB": 2 << 30, "4 GiB": (4 << 30) - 1, "256 MiB + 1": (256 << 20) + 1}[size]
    conn = waiting()
    conn.peer.send_raw(x.header(x.RENCODEPLUS, 0, 0, n) + b"x" * 100)
    refused(conn, None, r"size|large|not an xpra")


def bomb(how):
    n = 300 << 20
    if how == "zlib":
        c = zlib.compressobj(9)
        return 0x09, b"".join(c.compress(bytes(1 << 20)) for _ in range(n >> 20)) + c.flush()
    if how == "lz4":  # 1:255; the announced size is what must be looked at first
        body = b"\x1f\x00\x01\x00" + b"\xff" * ((n - 20) // 255) + b"\x10" + b"\x50" + bytes(5)
        return 0x11, struct.pack("<L", n) + body
    import brotli
    return 0x41, brotli.compress(bytes(n), quality=1)


@h.each("zlib", "lz4", "brotli", "lz4 lies", "lz4 4 GiB")
def test_bomb(how):
    """Decompression is bounded before memory is touched."""
    if not x.have(how.split()[0]):
        raise h.Skip(f"no python3-{how}")
    if how == "lz4 lies":
        level, data = 0x11, struct.pack("<L", 100) + x.compress(bytes(5000), "lz4")[1][4:]
    elif how == "lz4 4 GiB":
        level, data = 0x11, b"\xff\xff\xff\xff" + x.compress(bytes(5000), "lz4")[1][4:]
    else:
        level, data = bomb(how)
    data = data[:1 << 20]  # the limit for a hello; enough of it is there
    conn = waiting()
    peak = [0]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.01):
            for pid in conn.processes():
                try:
                    peak[0] = max(peak[0], h.rss(pid))
                except (OSError, KeyError):
                    pass
    t = threading.Thread(target=watch, daemon=True)
    t.start()
    conn.peer.send_raw(x.record(x.RENCODEPLUS, level, 0, data))
    refused(conn, None, r"decompress|compress|bomb|large|size")
    stop.set()
    t.join()
    if not h.ASAN:
        assert peak[0] < 30000, f"{peak[0]} kB"


@h.each("http", "http upgrade", "post", "tls", "ssh", "rfb", "rdp", "proxy v1", "proxy v2", "random", "newline", "P garbage")
def test_other_protocols(what):
    """Whoever speaks something else reads why, in words or in HTTP."""
    data, answer, log = {
        "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "400", "http"),
        "http upgrade": (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: binary\r\n"
                         b"Sec-WebSocket-Version: 13\r\n\r\n", "400", "http"),
        "post": (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "400", "http"),
        "tls": (bytes.fromhex("16030100f1010000ed0303") + os.urandom(230), "disconnect: ", "tls|ssl"),
        "ssh": (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "disconnect: ", "ssh"),
        "rfb": (b"RFB 003.008\n", "disconnect: ", "vnc|rfb"),
        "rdp": (bytes.fromhex("0300002c27e00000000000436f6f6b69653a206d737473686173683d"), "disconnect: ", "rdp"),
        "proxy v1": (b"PROXY TCP4 127.0.0.77 127.0.0.1 42867 14501\r\n", "disconnect: ", "proxy"),
        "proxy v2": (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12), "disconnect: ", "proxy"),
        "random": (b"hello? anybody there?\r\n", "disconnect: ", "xpra"),
        "newline": (b"\r\n\r\n", "disconnect: ", "xpra"),
        "P garbage": (b"P" + b"\xff" * 20, "disconnect: ", "xpra"),
    }[what]
    # HTTP where it is not allowed; what else it may do here: test_web.py, test_websocket.py
    conn = waiting(listen={"Transports": "tcp tls"} if log == "http" else None)
    conn.peer.send_raw(data)
    if what == "newline":
        conn.peer.shutdown()
    refused(conn, answer, log)


@h.each("flags 0x20", "two encoders", "cipher", "yaml", "chunk first", "chunk with encoder", "size 0", "lzo", "two compressors",
        "index 16", "ping first", "integer name", "empty list", "not a list", "name only", "caps not a dict", "undecodable",
        "bad utf-8", "bytes left over", "truncated value", "disconnect")
def test_first_record(what):
    """A first record that is wrong in each way a header or a packet can be."""
    hello = x.encode(["hello", x.hello65(username="john")], x.RENCODEPLUS)
    P = x.RENCODEPLUS
    full = {"digest": x.DIGESTS_31, "salt-digest": x.DIGESTS_31[1:], "version": "3.1.3", "username": "john"}
    data = {
        "flags 0x20": x.record(P | 0x20, 0, 0, hello), "two encoders": x.record(0x11, 0, 0, hello),
        "cipher": x.record(P | 2, 0, 0, hello), "yaml": x.record(x.YAML, 0, 0, b"- hello\n- !!python/object/apply:os.system\n  - id\n"),
        "chunk first": x.record(0, 0, 7, b"x" * 20) + x.record(P, 0, 0, hello),
        "chunk with encoder": x.record(P, 0, 3, b"x" * 20), "size 0": x.header(P, 0, 0, 0) + b"x" * 20,
        "lzo": x.record(P, 0x21, 0, hello), "two compressors": x.record(P, 0x51, 0, hello),
        "index 16": x.record(0, 0, 16, b"x" * 20), "ping first": x.build(["ping", 1234567]),
        "integer name": x.build([1, x.hello65(username="john")]), "empty list": x.record(P, 0, 0, b"\xc0" + bytes(8)),
        "not a list": x.record(P, 0, 0, b"\x01" * 10), "name only": x.build(["hello"]) + b"",
        "caps not a dict": x.build(["hello", ["version", "6.5"]]), "undecodable": x.record(P, 0, 0, b"\xc2\x85hello\x3a\x3a\x3a"),
        "bad utf-8": x.record(P, 0, 0, b"\xc2\x85hello\x67\x82\xc3\x28\x01"),
        "bytes left over": x.record(x.BENCODE, 0, 0, x.bencode(["hello", full]) + b"junk"),
        "truncated value": x.record(P, 0, 0, hello[:-5]),
        "disconnect": x.build(["disconnect", "client request"]),
    }[what]
    if what == "name only":
        data = x.record(P, 0, 0, b"\xc1\x85hello" + bytes(4))
    conn = waiting()
    conn.peer.send_raw(data)
    if what == "disconnect":
        conn.peer.read_end(3)
        assert conn.wait(2) in (0, PROTOCOL_ERROR)
        return
    refused(conn, None, r"\w+ .*\w+")
    assert "internal" not in conn.log(), conn.log()


def test_no_version():
    caps = x.hello65(username="john", version=None)
    conn = waiting()
    conn.peer.hello(caps)
    refused(conn, "version error", "version")


def test_every_prefix_then_close():
    """A client that goes away at any point of its hello: nothing to complain about, nothing stays."""
    data = x.build(["hello", x.hello65(username="john")])
    for n in (0, 1, 7, 8, 9, 100, len(data) - 1):
        conn = waiting()
        conn.peer.send_raw(data[:n])
        conn.peer.close()
        assert conn.wait(2) in (0, PROTOCOL_ERROR), f"{n}: {conn.proc.returncode}"


def test_close_while_challenged():
    conn = waiting()
    conn.peer.hello(x.hello65(username="john"))
    conn.peer.expect("challenge")
    conn.peer.reset()
    assert conn.wait(2) == 0
    assert conn.log().strip(), "nothing in the log"


@h.each("no digest", "module fails", "right password", "wrong password")
def test_client_gone_before_the_guard_answers(what):
    """The worker's last words are read even if the guard finds out by an answer that nobody takes any more."""
    conn = h.spawn(h.conf("fail" if what == "module fails" else "password(value=pw)"))
    h.eventually(lambda: len(conn.processes()) >= 2, 3, "both processes")
    worker, caps = conn.worker(), x.hello65(username="john")
    if what == "no digest":
        caps["digest"] = []
    if "password" in what:
        conn.peer.hello(caps)
        challenge = conn.peer.expect("challenge")
    os.kill(conn.guard(), signal.SIGSTOP)
    if "password" in what:
        conn.peer.answer(challenge, caps, "pw" if what == "right password" else "nope")
    else:
        conn.peer.hello(caps)
    time.sleep(0.1)
    conn.peer.close()
    h.eventually(lambda: not (s := h.stat(worker)) or s["state"] == "Z", 2, "the worker ends")
    os.kill(conn.guard(), signal.SIGCONT)
    rc = conn.wait(3)
    assert "without a word" not in conn.log(), conn.log()
    assert rc in (0, 2, 5), f"exit code {rc}\n{conn.log()}"


def test_flipped_bits_in_a_hello():
    """Any single damaged byte: an answer or a refusal, never a crash, never silence until the timeout."""
    data = bytearray(x.build(["hello", x.hello65(username="john")]))
    for i in list(range(0, 40)) + list(range(40, len(data), max(1, len(data) // 25))):
        broken = bytearray(data)
        broken[i] ^= 0x81
        conn = waiting()
        conn.peer.send_raw(bytes(broken))
        conn.peer.shutdown()
        conn.peer.read_all(3)
        rc = conn.wait(3)
        assert rc in (0, 3, 4, 5, 6, 8), f"byte {i}: exit code {rc}\n{conn.log()}"
        conn.peer.close()


test_flipped_bits_in_a_hello.timeout = 90


# ---- after the login
@h.each("magic", "flags", "size", "chunk twice", "four chunks", "index 16")
def test_relay_record(what):
    """A broken record in a running session ends it in words, and nothing of it reaches the server."""
    link = h.link()
    P = x.RENCODEPLUS
    data = {"magic": b"Q" + bytes(20), "flags": x.record(P | 0x20, 0, 0, b"\xc1\x84bell"),
            "size": x.header(P, 0, 0, 0xffffffff) + b"\xc1\x84bell",
            "chunk twice": x.record(0, 0, 7, b"a" * 9) + x.record(0, 0, 7, b"b" * 9) + x.build(["draw", 1]),
            "four chunks": b"".join(x.record(0, 0, i, b"a" * 9) for i in (1, 2, 3, 4)),
            "index 16": x.record(0, 0, 16, b"a" * 9)}[what]
    link.c.send_packet("bell", 1)
    link.c.send_raw(data)
    told = link.c.read_end(4)
    assert told, "the client was not told anything"
    assert link.conn.wait(2) == PROTOCOL_ERROR, link.conn.proc.returncode
    link.conn.logged(r"header|record|chunk|size|protocol|magic|index")
    packets, _ = link.s.read_all(3)
    assert [p.name for p in packets if p.name not in ("ping", "disconnect")] == ["bell"]


@h.each("3.1.3", "6.5")
def test_relay_undecodable(server):
    """A packet that has to be translated and cannot be."""
    link = h.link("3.1.3" if server == "6.5" else "6.5", server)
    bits = x.RENCODE if server == "6.5" else x.RENCODEPLUS
    link.c.send_raw(x.record(bits, 0, 0, b"\xc3\x84draw\x01\x3a"))
    told = link.c.read_end(4)
    assert told, "closed without a word"
    assert link.conn.wait(2) == PROTOCOL_ERROR


def test_relay_bomb():
    """A record that has to be decompressed (info-response is looked into) and is a bomb."""
    link = h.link()
    c = zlib.compressobj(9)
    head = x.encode(["info-response", {}], x.RENCODEPLUS)[:-1] + b"\x67\x81a" + b"400000000:"
    data = c.compress(head) + b"".join(c.compress(b"a" * (1 << 20)) for _ in range(380)) + c.flush()
    link.s.send_raw(x.record(x.RENCODEPLUS, 0x09, 0, data))
    time.sleep(1)
    if not h.ASAN:
        for pid in link.conn.processes():
            assert h.rss(pid) < 64000, f"{h.rss(pid)} kB"
    link.c.close()
    link.s.close()
    link.conn.wait(3)


# ---- databases
def sqlite_module(kind):
    path = os.path.join(h.SCRATCH, f"bad-{kind}.sdb".replace(" ", "-"))
    if os.path.exists(path):
        os.unlink(path)
    if kind == "missing":
        return path
    if kind == "empty":
        open(path, "w").close()
        return path
    if kind == "not sqlite":
        with open(path, "w") as f:
            f.write("john|pw|1000|1000\n" * 200)
        return path
    if kind == "directory":
        os.makedirs(path, exist_ok=True)
        return path
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    db.execute("CREATE TABLE " + ("other" if kind == "no table" else "users") +
               " (username, password, uid, gid, displays, env_options, session_options)")
    if kind not in ("no table",):
        for i in range(300):
            db.execute("INSERT INTO users VALUES (?,?,?,?,?,?,?)", (f"u{i}", "pw", "1", "1", "x" * 200, "", ""))
        db.execute("INSERT INTO users VALUES ('john','pw','1','1',':1','','')")
    if kind == "locked":
        db.execute("BEGIN EXCLUSIVE")
        h.defer(db.close)
        return path
    db.close()
    if kind == "corrupt":
        with open(path, "r+b") as f:
            f.seek(0, 2)
            size = f.tell()
            for at in range(1024, size, 512):
                f.seek(at)
                f.write(os.urandom(300))
    if kind == "unreadable":
        os.chmod(path, 0)
    return path


def words_of_refusal(peer, username):
    """Logs in, with a password if asked for one. The words it is refused with."""
    caps = x.hello65(username=username)
    peer.hello(caps)
    try:
        p = peer.read_packet(8)
        if p.name == "challenge":
            peer.answer(p, caps, "pw")
            p = peer.read_packet(8)
    except x.PlainText as e:
        return e.args[0]
    assert p.name == "disconnect", f"{x.texts(p)!r:.200}"
    return "; ".join(map(x.text, p[1:]))


@h.each("missing", "empty", "not sqlite", "directory", "no table", "locked", "corrupt")
def test_database(kind):
    """The log says which file and what is wrong with it; the client is refused like for a wrong password."""
    path = sqlite_module(kind)
    conn = h.spawn(h.conf(f"sqlite(filename={path})"))
    began = time.monotonic()
    told = words_of_refusal(conn.peer, "john")
    assert path not in told, f"the client learns the path: {told}"
    assert time.monotonic() - began < 2, "the refusal took too long"
    rc = conn.wait(1)
    assert rc in (1, 2, 5), f"exit code {rc}\n{conn.log()}"
    conn.logged(os.path.basename(path))
    words = {"missing": "does not exist; create it with", "empty": "has no table of users; create it with",
             "not sqlite": "is not an sqlite database; make a new one", "directory": "is not a regular file",
             "no table": "has no table of users; create it with", "locked": "is locked by another program; let it finish",
             "corrupt": "is damaged; restore a copy"}[kind]
    conn.logged(words)


def test_multifile_bad_line():
    """One bad line is reported with file and line number, never its contents, and the others work."""
    srv = h.Server()
    spec = h.multifile("# fine", "just-one-field-SECRET1", "a|b|c|d|e|f|g|h|i|SECRET2", h.line("john", "pw", srv.uri))
    path = spec.split("filename=")[1].rstrip(")")
    conn = h.spawn(h.conf(spec))
    p = conn.peer.login(x.hello65(username="john"), "pw")
    assert p.name == "hello", x.texts(p)
    conn.logged(rf"{os.path.basename(path)}:2\b")
    log = conn.log()
    assert "SECRET" not in log, "contents of a bad line are in the log"
    assert "just-one" not in log


@h.each("missing", "directory", "world-readable", "binary", "empty")
def test_multifile_file(kind):
    path = os.path.join(h.SCRATCH, f"mf-{kind}")
    if kind == "directory":
        os.makedirs(path, exist_ok=True)
    elif kind != "missing":
        h.make_file(f"mf-{kind}", {"binary": os.urandom(5000), "empty": b""}.get(kind, b"john|pw|1|1|:1\n"),
                    0o644 if kind == "world-readable" else 0o600)
    conn = h.spawn(h.conf(f"multifile(filename={path})"))
    told = words_of_refusal(conn.peer, "nobody-known")
    assert told and path not in told, f"the client learns the path: {told}"
    assert conn.wait(3) != 0
    if kind in ("missing", "directory"):
        conn.logged(os.path.basename(path))


# ---- configuration
@h.each("unknown key", "unknown section", "bad value", "bad module", "bad option", "missing file", "no equals", "binary")
def test_config(what):
    """Stops with file, line and what was expected; the client learns nothing of it."""
    text = {"unknown key": "[Auth]\nModule=none\n[Limits]\nLoginTimeuot=1s\n", "unknown section": "[Auth]\nModule=none\n[Nonsense]\nA=b\n",
            "bad value": "[Auth]\nModule=none\n[Limits]\nLoginTimeout=soon\n", "bad module": "[Auth]\n\nModule=nosuchmodule\n",
            "bad option": "[Auth]\nModule=password(valeu=x)\n", "no equals": "[Auth]\nModule none\n",
            "missing file": None, "binary": os.urandom(300)}[what]
    path = h.make_file(f"bad-{what.replace(' ', '-')}.conf", text) if text is not None else os.path.join(h.SCRATCH, "nosuch.conf")
    conn = h.spawn(path)
    conn.peer.hello(x.hello65(username="john"))
    told = conn.peer.read_end(3)
    assert conn.wait(2) == 2, f"exit code {conn.proc.returncode}\n{conn.log()}"
    line = conn.logged(os.path.basename(path))
    number = {"unknown key": 4, "unknown section": 3, "bad value": 4, "no equals": 2}.get(what)
    if number:
        assert f"{os.path.basename(path)}:{number}" in line, line
    assert "conf" not in told and h.SCRATCH not in told, told
    # --check-config says the same without a connection
    r = program("-c", path, "--check-config")
    assert r.returncode == 2, r
    if number:
        assert f":{number}" in r.stderr + r.stdout, r


def program(*args, stdin=subprocess.DEVNULL):
    return subprocess.run([h.CONN, *args], capture_output=True, text=True, timeout=10, stdin=stdin)


def test_config_good():
    r = program("-c", h.conf("none"), "--check-config")
    assert r.returncode == 0, r


@h.each("--nonsense", "-o", "-oNo.Such=1", "extra")
def test_usage(args):
    r = program(args)
    assert r.returncode == 2 and r.stderr, r


def test_not_a_socket():
    """Started by hand: says what it is, instead of hanging."""
    for stdin in (subprocess.DEVNULL, subprocess.PIPE):
        r = program("-c", h.conf("none"), stdin=stdin)
        assert r.returncode == 2 and "socket" in r.stderr, r


# ---- upstreams
def toward(uri, sections=None, within=6):
    """Logs in and waits for the end. (conn, what the client was told, seconds)"""
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", uri)), **(sections or {"Sessions": {"ConnectTimeout": "2s"}})))
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    conn.peer.answer(conn.peer.expect("challenge"), caps, "pw")
    began = time.monotonic()
    told = conn.peer.read_end(within * h.SLACK + 5)
    took = time.monotonic() - began
    rc = conn.wait(3)
    assert took < within * h.SLACK, f"{took:.1f} s"
    assert told, f"closed without a word\n{conn.log()}"
    return conn, told, rc


def test_upstream_refuses():
    port = h.free_port()
    conn, told, rc = toward(f"tcp://127.0.0.1:{port}/", within=4)
    assert told == "session not found error; failed to connect to display", told
    assert rc == 7
    assert str(port) in conn.logged("refused")


def test_upstream_does_not_accept():
    """A full backlog: SYNs are dropped. ConnectTimeout counts."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    h.defer(s.close)
    held = []
    for _ in range(4):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex(s.getsockname())
        held.append(c)
        h.defer(c.close)
    conn, told, rc = toward(f"tcp://127.0.0.1:{s.getsockname()[1]}/", within=5)
    assert told == "session not found error; failed to connect to display", told
    assert rc == 7
    conn.logged("timed out|timeout")


def test_upstream_says_nothing():
    """Accepts, then silence."""
    dead = h.Dead(lambda s: None)
    conn, told, rc = toward(dead.uri, within=6)
    assert "session not found error" in told or "timeout" in told, told
    assert rc == 7
    conn.logged("timeout|timed out|no answer|did not answer|silent")


@h.each("at once", "after the hello")
def test_upstream_resets(when):
    def do(s):
        if when == "after the hello":
            s.recv(65536)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    dead = h.Dead(do)
    conn, told, rc = toward(dead.uri)
    assert rc == 7, rc
    conn.logged("reset|closed|lost|unreachable|failed")


@h.each("text", "binary", "http", "header", "wrong packet", "bad hello", "huge", "disconnect", "xpra text")
def test_upstream_garbage(what):
    """The log says what it was; the client reads a sentence, and a real refusal word by word."""
    data = {"text": b"220 mail.example.org ESMTP\r\n", "binary": os.urandom(500).replace(b"P", b"Q"), "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "header": b"P" + b"\xff" * 30, "wrong packet": x.build(["draw", 1, 2, 3]), "bad hello": x.build(["hello", 5]),
            "huge": x.header(x.RENCODEPLUS, 0, 0, 250 << 20) + bytes(1000),
            "disconnect": x.build(["disconnect", "session busy", "this session is locked"]),
            "xpra text": b"disconnect: invalid protocol, go away\n"}[what]

    def do(s):
        s.recv(65536)
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    dead = h.Dead(do)
    conn, told, rc = toward(dead.uri)
    assert rc in (7, 8), f"exit code {rc}"
    if what == "disconnect":
        assert told == "session busy; this session is locked", told
    elif what == "xpra text":
        assert "go away" in conn.log(), conn.log()
    conn.logged(r"upstream|server|session")


def test_client_leaves_while_dialling():
    dead = h.Dead(lambda s: None)
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", dead.uri))))
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    conn.peer.answer(conn.peer.expect("challenge"), caps, "pw")
    h.eventually(lambda: dead.held, 5, "the server is dialled")
    conn.peer.close()
    assert conn.wait(2) == 0, conn.proc.returncode
    dead.held[0].settimeout(3)
    try:
        while dead.held[0].recv(65536):
            pass
    except ConnectionResetError:
        pass


# ---- signals
def in_phase(phase):
    """A connection that is in this phase. (conn, session or None)"""
    if phase == "relaying":
        link = h.link()
        h.eventually(h.control_sockets, 3, "a control socket")
        return link.conn, link
    dead = h.Dead(lambda s: None)
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", dead.uri))))
    if phase == "waiting":
        h.eventually(lambda: len(conn.processes()) >= 2, 3, "both processes")
        return conn, None
    caps = x.hello65(username="john")
    conn.peer.hello(caps)
    c = conn.peer.expect("challenge")
    if phase == "dialling":
        conn.peer.answer(c, caps, "pw")
        h.eventually(lambda: dead.held, 5, "the server is dialled")
    return conn, None


PHASES = ("waiting", "challenged", "dialling", "relaying")


@h.each(*PHASES)
def test_sigterm(phase):
    conn, link = in_phase(phase)
    os.kill(conn.guard(), signal.SIGTERM)
    told = conn.peer.read_end(3)
    assert "server shutdown" in told or "SIGTERM" in told, told
    conn.wait(2)
    conn.logged("SIGTERM|terminat|shutdown")


def test_sigterm_to_all():
    """As systemd ends a unit: every process of it gets the signal at once. The socket's file still goes."""
    for _ in range(3):
        conn, link = in_phase("relaying")
        for pid in conn.processes():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        assert "server shutdown" in conn.peer.read_end(3)
        conn.wait(2)
        h.eventually(lambda: not h.control_sockets(), 1, lambda: f"left: {h.control_sockets()}")


@h.each(*PHASES)
def test_sigkill_guard(phase):
    """The worker must not go on without its guard; the control socket's file goes too."""
    conn, link = in_phase(phase)
    others = conn.processes()[1:]
    assert others, "there is only one process"
    os.kill(conn.guard(), signal.SIGKILL)
    conn.wait(2)
    h.eventually(lambda: not [p for p in others if (s := h.stat(p)) and s["state"] != "Z"], 2,
                 lambda: f"left: {[h.stat(p) for p in others]}")
    h.eventually(lambda: not h.control_sockets(), 2, lambda: f"left: {h.control_sockets()}")
    conn.peer.read_end(2)


@h.each(*PHASES)
def test_sigkill_worker(phase):
    conn, link = in_phase(phase)
    os.kill(conn.worker(), signal.SIGKILL)
    rc = conn.wait(2)
    assert rc != 0, "as if nothing had happened"
    conn.logged("kill|signal|worker|died")
    conn.peer.read_end(2)
    if link:
        link.s.read_end(2)


@h.each("missing", "read-only", "file in its place")
def test_control_directory(what):
    """That the control socket cannot be made is a warning, never the end of the connection."""
    base = h.make_dir(f"dirs-{what.replace(' ', '-')}", 0o755)
    path = {"missing": "/nonexistent/deep/xpra", "read-only": os.path.join(base, "sub") if h.ROOT else "/proc/xpra", "file in its place": os.path.join(base, "f", "x")}[what]
    if what == "file in its place":
        h.make_file(os.path.join(os.path.basename(base), "f"), "x")
    link = h.link(Sessions={"SocketDirs": path})
    link.c.send_packet("bell", 1)
    link.s.expect("bell")
    link.conn.logged("control socket|control")
