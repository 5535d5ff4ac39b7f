# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets in and who does not: every module, chains, the challenge's rules, timers, words, exit codes."""
import os
import sqlite3
import time

import harness as h
import xpranet as x

SECONDS = 85


def session(n=100, user=None, version="6.5"):
    """A scripted session of user's where the program looks for it: its own socket directory."""
    user = user or h.alice
    return h.Server(version, where=f"{user.sockets}/{h.HOSTNAME}-{n}", user=user)


def users_db(*rows):
    """A database with xpra's table."""
    path = h.make_file(f"db-{next(h._serial)}.sdb", b"", 0o600)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE users (username VARCHAR(255) NOT NULL, password VARCHAR(255), uid VARCHAR(63), "
               "gid VARCHAR(63), displays VARCHAR(8191), env_options VARCHAR(8191), session_options VARCHAR(8191))")
    db.executemany("INSERT INTO users VALUES(?,?,?,?,?,?,?)", rows)
    db.commit()
    db.close()
    return path


def entered(conn, packet):
    assert packet.name == "hello", f"expected a hello, got {x.texts(packet)!r:.300}\n{conn.log()}"
    conn.logged(r"login|logged in|connected")


def refused(conn, packet, words, rc):
    """packet is the disconnect that says words (its items joined with "; "); the program ends with rc."""
    said = "; ".join(map(x.text, packet[1:])) if packet.name == "disconnect" else f"{packet.name} packet"
    assert said == words, f"client was told {said!r}, expected {words!r}\n{conn.log()}"
    conn.peer.close()
    assert conn.wait() == rc, f"exit code {conn.proc.returncode}, expected {rc}\n{conn.log()}"


# ---- modules: (spec, environment, password that is right, one that is wrong)
def module(name):
    secret = h.make_file("secret", "s3cret", 0o600)
    newline = h.make_file("secret-newline", "s3cret\n", 0o600)
    uid, gid = str(h.alice.uid), str(h.alice.gid)
    return {
        "allow": ("allow", {}, "whatever", None),
        "reject": ("reject", {}, None, "whatever"),
        "password": ("password(value=s3cret)", {}, "s3cret", "s3creT"),
        "password-old-spelling": ("password:value=s3cret", {}, "s3cret", "wrong"),
        "password-comma-spelling": ("password,value=s3cret", {}, "s3cret", "wrong"),
        "env": ("env", {"XPRA_PASSWORD": "s3cret"}, "s3cret", "wrong"),
        "env-name": ("env(name=MYPW)", {"MYPW": "other", "XPRA_PASSWORD": "s3cret"}, "other", "s3cret"),
        "file": (f"file(filename={secret})", {}, "s3cret", "s3cret\n"),
        "file-newline": (f"file:filename={newline}", {}, "s3cret\n", "s3cret"),
        "multifile": (h.multifile("# comment", "", f"{h.alice.name}|s3cret|{uid}|{gid}|:100"), {}, "s3cret", "wrong"),
        "multifile-short": (h.multifile(f"{h.alice.name}|s3cret|{uid}|{gid}|:100||"), {}, "s3cret", ""),
        "sqlite": (f"sqlite(filename={users_db((h.alice.name, 's3cret', uid, gid, ':100', '', ''))})", {},
                   "s3cret", "wrong"),
        "sqlite-comma": (f"sqlite,filename={users_db((h.alice.name, 's3cret', uid, gid, ':100', None, None))}", {},
                         "s3cret", "wrong"),
    }[name]


MODULES = ["allow", "reject", "password", "password-old-spelling", "password-comma-spelling", "env", "env-name",
           "file", "file-newline", "multifile", "multifile-short", "sqlite", "sqlite-comma"]


@h.each(*MODULES)
def test_module(name):
    spec, env, right, wrong = module(name)
    session()
    path = h.conf(spec)
    if right is not None:
        conn = h.spawn(path, env=env)
        entered(conn, conn.peer.login(x.hello65(username=h.alice.name), right))
    if wrong is not None:
        conn = h.spawn(path, env=env)
        p = conn.peer.login(x.hello65(username=h.alice.name), wrong)
        refused(conn, p, "authentication failed", 5)
        line = conn.logged("authentication failed")
        assert h.alice.name in line, f"the refusal does not name the user: {line}"
        assert name.split("-")[0] in line, f"the refusal does not name the module: {line}"


def test_none():
    """No challenge at all."""
    session()
    conn = h.spawn(h.conf("none"))
    entered(conn, conn.peer.login(x.hello65(username=h.alice.name)))


def test_fail():
    """A module that cannot start lets nobody in, and the client learns no detail."""
    session()
    conn = h.spawn(h.conf("fail"))
    conn.peer.hello(x.hello65(username=h.alice.name))
    words = conn.peer.read_end()
    assert conn.wait() != 0
    conn.logged(r"\bfail\b")
    assert "hello" not in [p.name for p in conn.peer.seen]
    assert "always fails" not in words, f"detail leaked: {words}"


@h.each("multifile", "sqlite")
def test_unknown_user(kind):
    """The same words, the same second as a wrong password: no way to find out who exists."""
    row = ("john", "pw", str(h.alice.uid), str(h.alice.gid), ":100", "", "")
    spec = h.multifile("|".join(row)) if kind == "multifile" else f"sqlite(filename={users_db(row)})"
    times = []
    for user, password in (("john", "wrong"), ("nosuch", "pw"), ("", "pw")):
        conn = h.spawn(h.conf(spec))
        conn.peer.hello(x.hello65(username=user))
        c = conn.peer.expect("challenge")
        conn.peer.answer(c, x.hello65(username=user), password)
        began = time.monotonic()
        p = conn.peer.read_packet(5)
        times.append(time.monotonic() - began)
        refused(conn, p, "authentication failed", 5)
    assert all(0.9 < t < 2.5 * h.SLACK for t in times), f"refused after {times} s, expected about 1 s each"


def test_user_column():
    """Names are whole, case counts, and the first of two lines of one user is the one."""
    s = h.alice
    spec = h.multifile(f"john|pw1|{s.uid}|{s.gid}|:100", f"john|pw2|{s.uid}|{s.gid}|:101", f"johnny|pw3|{s.uid}|{s.gid}|:100")
    session()
    for user, password, good in (("john", "pw1", True), ("john", "pw2", False), ("johnny", "pw3", True),
                                 ("JOHN", "pw1", False), ("joh", "pw1", False)):
        conn = h.spawn(h.conf(spec))
        p = conn.peer.login(x.hello65(username=user), password)
        assert (p.name == "hello") == good, f"{user}/{password}: {x.texts(p)!r:.200}"


# ---- chains
CHAIN = ("password(value=one)", "password(value=two)")


@h.each("one,two", "one,one", "two,two", "one,", "wrong,two")
def test_chain(passwords):
    """All modules must pass, in order, one challenge each, with fresh salts."""
    session()
    conn = h.spawn(h.conf(*CHAIN))
    caps = x.hello65(username=h.alice.name)
    conn.peer.hello(caps)
    salts, p = [], conn.peer.read_packet(5)
    for password in passwords.split(","):
        if p.name != "challenge":
            break
        salts.append(p[1])
        conn.peer.answer(p, caps, password)
        p = conn.peer.read_packet(5)
    if passwords == "one,two":
        entered(conn, p)
        assert len(salts) == 2 and salts[0] != salts[1]
    else:
        refused(conn, p, "authentication failed", 5)
        assert len(salts) == (1 if passwords.startswith(("two", "wrong")) else 2), "the chain did not stop at the first no"


def test_chain_response_is_not_reused():
    """The answer to module one, sent again to module two that has the same password, is refused."""
    session()
    conn = h.spawn(h.conf("password(value=one)", "password(value=one)"))
    caps = x.hello65(username=h.alice.name)
    conn.peer.hello(caps)
    c1 = conn.peer.expect("challenge")
    response, client_salt = conn.peer.answer(c1, caps, "one")
    conn.peer.expect("challenge")
    conn.peer.hello(dict(caps, challenge_response=response, challenge_client_salt=client_salt))
    refused(conn, conn.peer.read_packet(5), "authentication failed", 5)


def test_chain_none_and_sessions_of_the_second():
    """`none` passes without a challenge; the first module that knows sessions says which."""
    srv = h.Server("6.5")
    conn = h.spawn(h.conf("none", h.multifile(h.line("john", "pw", srv.uri))))
    entered(conn, conn.peer.login(x.hello65(username="john"), "pw"))
    srv.get()


# ---- the challenge's rules
def test_fake_challenge():
    """A client that insists on a challenge gets one from `none`, and any answer is right."""
    session()
    conn = h.spawn(h.conf("none"))
    caps = x.hello65(username=h.alice.name, challenge=True)
    conn.peer.hello(caps)
    c = conn.peer.expect("challenge")
    assert len(c[1]) >= 32 and x.text(c[3]) == "hmac+sha512" and x.text(c[4]) == "hmac+sha512", c
    conn.peer.answer(c, caps, "anything")
    entered(conn, conn.peer.read_packet(5))


def test_fake_challenge_old_presence():
    """3.1.3 to 4.4: the key's presence counts, whatever its value."""
    session()
    conn = h.spawn(h.conf("none"), encoder=x.RENCODE)
    caps = x.hello31(username=h.alice.name, challenge=False)
    conn.peer.hello(caps)
    c = conn.peer.expect("challenge")
    conn.peer.answer(c, caps, "anything")
    entered(conn, conn.peer.read_packet(5))


@h.each("none", "password(value=pw)")
def test_challenge_wanted_for_ever(spec):
    """A client that keeps `challenge` set is not challenged without end."""
    session()
    conn = h.spawn(h.conf(spec))
    caps = x.hello65(username=h.alice.name, challenge=True)
    conn.peer.hello(caps)
    rounds = 0
    while (p := conn.peer.read_packet(5)).name == "challenge":
        rounds += 1
        assert rounds < 5, "challenged again and again"
        salt = x.combine_salts(x.text(p[4]), p[1], b"c" * 32)
        conn.peer.hello(dict(caps, challenge_response=x.respond(x.text(p[3]), "pw", salt),
                             challenge_client_salt=b"c" * 32))
    assert rounds >= 1 and p.name in ("hello", "disconnect"), p[:2]


def test_salts_are_fresh():
    seen = set()
    for _ in range(4):
        conn = h.spawn(h.conf("allow"))
        conn.peer.hello(x.hello65(username=h.alice.name))
        salt = bytes(conn.peer.expect("challenge")[1])
        assert len(salt) == 64, len(salt)
        assert salt not in seen
        seen.add(salt)
        conn.peer.close()


def test_replay():
    """A whole recorded login does not work a second time."""
    session()
    path, caps = h.conf("password(value=pw)"), x.hello65(username=h.alice.name)
    conn = h.spawn(path)
    conn.peer.hello(caps)
    response, client_salt = conn.peer.answer(conn.peer.expect("challenge"), caps, "pw")
    entered(conn, conn.peer.read_packet(5))
    again = dict(caps, challenge_response=response, challenge_client_salt=client_salt)
    conn = h.spawn(path)
    conn.peer.hello(caps)
    conn.peer.expect("challenge")
    conn.peer.hello(again)
    refused(conn, conn.peer.read_packet(5), "authentication failed", 5)
    # and not without asking either
    conn = h.spawn(path)
    conn.peer.hello(again)
    assert conn.peer.read_packet(5).name != "hello"


@h.each("no response", "empty response", "no client salt", "empty client salt", "cut", "long", "integer", "list")
def test_broken_answer(what):
    session()
    conn = h.spawn(h.conf("password(value=pw)"))
    caps = x.hello65(username=h.alice.name)
    conn.peer.hello(caps)
    c = conn.peer.expect("challenge")
    client_salt = os.urandom(32)
    response = x.respond(x.text(c[3]), "pw", x.combine_salts(x.text(c[4]), c[1], client_salt))
    answer = {
        "no response": {"challenge_client_salt": client_salt},
        "empty response": {"challenge_response": b"", "challenge_client_salt": client_salt},
        "no client salt": {"challenge_response": response},
        "empty client salt": {"challenge_response": response, "challenge_client_salt": b""},
        "cut": {"challenge_response": response[:-1], "challenge_client_salt": client_salt},
        "long": {"challenge_response": response * 100, "challenge_client_salt": client_salt},
        "integer": {"challenge_response": 5, "challenge_client_salt": client_salt},
        "list": {"challenge_response": [response], "challenge_client_salt": client_salt},
    }[what]
    conn.peer.hello(dict(caps, **answer))
    p = conn.peer.read_packet(5)
    assert p.name == "disconnect", x.texts(p)
    assert conn.wait() in (5, 8), conn.proc.returncode
    conn.logged("refused|fail|invalid|malformed")


# ---- digests
@h.each(*x.HMACS)
def test_digest(name):
    """Each hmac that a client may be limited to, for the response and for the salt."""
    session()
    conn = h.spawn(h.conf("password(value=pw)"), encoder=x.RENCODE)
    caps = x.hello31(username=h.alice.name, digest=[name], **{"salt-digest": [name]})
    conn.peer.hello(caps)
    c = conn.peer.expect("challenge")
    assert x.text(c[3]) == name and x.text(c[4]) == name, c[3:]
    conn.peer.answer(c, caps, "pw")
    entered(conn, conn.peer.read_packet(5))


def test_digest_preference():
    session()
    conn = h.spawn(h.conf("password(value=pw)"))
    both = ["xor", "hmac+md5", "hmac+sha256", "u2f", "hmac+sha384", "hmac+sha224"]
    conn.peer.hello(x.hello65(username=h.alice.name, digest=both, **{"salt-digest": both}))
    c = conn.peer.expect("challenge")
    assert x.text(c[3]) == "hmac+sha384" and x.text(c[4]) == "hmac+sha384", c[3:]


@h.each("none offered", "unknown only", "unknown salt digest", "salt xor only", "lists missing", "xor only")
def test_digest_refused(what):
    """Over tcp. Insecure or unknown ways are refused in words, not answered and not waited for."""
    session()
    caps = x.hello65(username=h.alice.name)
    lists = {"none offered": ([], []), "unknown only": (["u2f", "kerberos:x"], ["hmac+sha512"]),
             "unknown salt digest": (["hmac+sha512"], ["rot13"]),
             "salt xor only": (["hmac+sha512"], ["xor"]), "lists missing": (None, None),
             "xor only": (["xor"], ["hmac+sha512"])}[what]
    for key, value in zip(("digest", "salt-digest"), lists):
        caps.pop(key)
        if value is not None:
            caps[key] = value
    conn = h.spawn(h.conf("password(value=pw)"))
    conn.peer.hello(caps)
    p = conn.peer.read_packet(5)
    assert p.name == "disconnect", f"asked for {x.texts(p)!r:.200}"
    assert conn.wait() == 5, conn.proc.returncode
    conn.logged("digest")


def test_xor_on_a_unix_socket():
    """Nobody else can listen there, so the clear password may pass; hmac is still preferred."""
    session()
    for digests, chosen in ((["xor"], "xor"), (["xor", "hmac+sha256"], "hmac+sha256")):
        for password, good in (("pw", True), ("pwx", False), ("p", False)):
            conn = h.spawn(h.conf("password(value=pw)"), kind="unix")
            caps = x.hello65(username=h.alice.name, digest=digests)
            conn.peer.hello(caps)
            c = conn.peer.expect("challenge")
            assert x.text(c[3]) == chosen, c[3:]
            conn.peer.answer(c, caps, password)
            p = conn.peer.read_packet(5)
            assert (p.name == "hello") == good, f"{password}: {x.texts(p)!r:.200}"


def test_html5_answer():
    """HTML5 sends binary as text whose code points are the bytes."""
    session()
    conn = h.spawn(h.conf("password(value=pw)"))
    caps = x.hello65(username=h.alice.name, client_type="HTML5", display="", digest=["hmac+sha256"],
                     **{"salt-digest": ["hmac+sha256"]})
    conn.peer.hello(caps)
    c = conn.peer.expect("challenge")
    assert isinstance(c[3], str) and isinstance(c[4], str) and isinstance(c[5], str), c[3:]
    client_salt = bytes(range(0x80, 0xa0))
    response = x.respond("hmac+sha256", "pw", x.combine_salts("hmac+sha256", c[1], client_salt))
    conn.peer.hello(dict(caps, challenge_response=response.decode(), challenge_client_salt=client_salt.decode("latin1")))
    entered(conn, conn.peer.read_packet(5))


@h.each("bencode", "rencode", "rencodeplus")
def test_first_packet(encoder):
    """Every encoder and compressor a living client begins with, and the answer in the same encoder."""
    bits = x.ENCODERS[encoder]
    for how in (None, "zlib", "lz4", "brotli"):
        if not x.have(how):
            continue
        conn = h.spawn(h.conf("password(value=pw)"), encoder=bits, how=how)
        caps = (x.hello65 if bits == x.RENCODEPLUS else x.hello31)(username=h.alice.name)
        if bits == x.BENCODE:
            caps["rencode"] = False
            caps["encoders"] = ["bencode"]
        conn.peer.hello(caps)
        c = conn.peer.expect("challenge")
        assert c.flags & x.ENCODER_MASK == bits, f"{encoder}, {how}: answered with flags {c.flags:#x}"
        conn.peer.answer(c, caps, "wrong")
        p = conn.peer.read_packet(5)
        assert p.flags & x.ENCODER_MASK == bits and x.text(p[1]) == "authentication failed", p
        conn.peer.close()


# ---- names
@h.needs_root
@h.each("root", "0", "")
def test_username_of_root(name):
    conn = h.spawn(h.conf("none"))
    p = conn.peer.login(x.hello65(username=name))
    said = "; ".join(map(x.text, p[1:]))
    if name == "root":
        assert said == "authentication error; cannot run proxy instances as root", said
    else:
        assert said.split(";")[0] in ("authentication error", "session not found error"), said
    assert conn.wait() in (4, 6), conn.proc.returncode


@h.needs_root
def test_username_chooses_the_user():
    """Modules without a list: the system's user of that name, and nobody else's sessions."""
    sessions = {u.name: session(n, u) for n, u in ((100, h.alice), (110, h.bob))}
    for name, srv in sessions.items():
        conn = h.spawn(h.conf("allow"))
        entered(conn, conn.peer.login(x.hello65(username=name), "x"))
        srv.get()
        assert h.status(conn.guard())["Uid"].split()[0] == str({h.alice.name: h.alice, h.bob.name: h.bob}[name].uid)


def test_username_unix_user_unknown():
    """`allow` and a name the system does not know: as root nobody's (and not root's) sessions, else our own."""
    srv = session()
    conn = h.spawn(h.conf("allow"))
    p = conn.peer.login(x.hello65(username="no-such-user"), "x")
    if h.ROOT:
        said = "; ".join(map(x.text, p[1:]))
        assert p.name == "disconnect" and said.startswith(("session not found error", "authentication error")), said
        assert conn.wait() == 6, conn.proc.returncode
    else:
        entered(conn, p)
        srv.get()


@h.each("newline", "long", "slash", "binary", "number", "escape")
def test_username_hostile(what):
    """Cannot forge a log line, reach a path or crash anything."""
    name = {"newline": "x\nOct 11 12:00:00 host xproxy-conn: login user=alice", "long": "u" * 5000,
            "slash": "/../../etc/passwd", "binary": b"\xff\xfe\x00\x01", "number": 12345,
            "escape": "\x1b]0;x\x07\"'\\"}[what]
    session()
    conn = h.spawn(h.conf(h.multifile("john|pw|1|1|:100")))
    conn.peer.hello(x.hello65(username=name))
    try:
        p = conn.peer.read_packet(5)
        if p.name == "challenge":
            conn.peer.answer(p, x.hello65(username=name), "pw")
            p = conn.peer.read_packet(5)
        assert p.name == "disconnect", x.texts(p)
    except x.Closed:
        pass
    assert conn.wait() in (4, 5, 8), f"{conn.proc.returncode}\n{conn.log()}"
    log = conn.log()
    assert "\x1b" not in log and "\x07" not in log, "control characters in the log"
    assert not any(line.startswith("Oct 11") for line in log.split("\n")), f"a forged line:\n{log}"


# ---- timers
def test_login_timeout_silent():
    conn = h.spawn(h.conf("none", Limits={"LoginTimeout": "1s"}))
    began = time.monotonic()
    words = conn.peer.read_end()
    took = time.monotonic() - began
    assert "login timeout" in words, repr(words)
    assert 0.8 < took < 2.5 * h.SLACK, took
    assert conn.wait() == 3
    conn.logged("login timeout")


def test_login_timeout_is_absolute():
    """A byte now and then does not buy more time."""
    conn = h.spawn(h.conf("none", Limits={"LoginTimeout": "1s"}))
    data, began = x.build(["hello", x.hello65()]), time.monotonic()
    try:
        for byte in data[:60]:
            conn.peer.send_raw(bytes([byte]))
            time.sleep(0.1)
            if conn.proc.poll() is not None:
                break
    except OSError:
        pass
    assert time.monotonic() - began < 3 * h.SLACK
    assert conn.wait() == 3


def test_challenge_timeout():
    conn = h.spawn(h.conf("allow", Limits={"ChallengeTimeout": "1s"}))
    conn.peer.hello(x.hello65(username=h.alice.name))
    conn.peer.expect("challenge")
    began = time.monotonic()
    p = conn.peer.read_packet(5)
    assert 0.8 < time.monotonic() - began < 2.5 * h.SLACK
    refused(conn, p, "login timeout", 3)


def test_challenge_has_its_own_time():
    """The challenge's 120 s replace the login's 31: thinking of the password is not a slow hello."""
    session()
    conn = h.spawn(h.conf("allow", Limits={"LoginTimeout": "1s", "ChallengeTimeout": "10s"}))
    caps = x.hello65(username=h.alice.name)
    conn.peer.hello(caps)
    c = conn.peer.expect("challenge")
    time.sleep(2)
    conn.peer.answer(c, caps, "x")
    entered(conn, conn.peer.read_packet(5))


def test_failure_delay_does_not_outlive_the_client():
    """A client that leaves after a wrong password takes everything with it."""
    conn = h.spawn(h.conf("password(value=pw)"))
    caps = x.hello65(username=h.alice.name)
    conn.peer.hello(caps)
    conn.peer.answer(conn.peer.expect("challenge"), caps, "wrong")
    conn.peer.close()
    conn.wait(3)
    conn.logged("authentication failed")


# ---- ways to be started
@h.each("fd 0", "fd 3", "unix fd 0", "tcp6 fd 0")
def test_ways_in(way):
    srv = h.Server("6.5")
    spec = h.multifile(h.line("john", "pw", srv.uri))
    kind = "unix" if way.startswith("unix") else "tcp6" if way.startswith("tcp6") else "tcp"
    conn = h.spawn(h.conf(spec), kind=kind, fd3=way == "fd 3")
    entered(conn, conn.peer.login(x.hello65(username="john"), "pw"))
    s = srv.get()
    s.peer.send_packet("bell", 1)
    conn.peer.expect("bell")
    conn.peer.close()
    s.peer.close()
    assert conn.wait() == 0


@h.needs_tool("systemd-socket-activate")
@h.each("inetd", "LISTEN_FDS", "unix")
def test_socket_activate(way):
    srv = h.Server("6.5")
    spec = h.multifile(h.line("john", "pw", srv.uri))
    address = os.path.join(h.make_dir("sock"), "listen.sock") if way == "unix" else None
    listener = h.Listener(h.conf(spec), address=address, inetd=way != "LISTEN_FDS")
    peers = [listener.connect() for _ in range(3)]
    for peer in peers:
        assert peer.login(x.hello65(username="john"), "pw").name == "hello", listener.log()
    for i in range(3):
        srv.get(index=i).peer.send_packet("bell", 1)
    for peer in peers:
        peer.expect("bell")


@h.each("version", "id")
def test_requests_without_login(request):
    """Answered by the proxy itself before any challenge, for old and new clients."""
    for encoder, caps in ((x.RENCODE, x.hello31(version_request=request == "version")), (x.RENCODEPLUS, x.hello65())):
        conn = h.spawn(h.conf("password(value=pw)"), encoder=encoder)
        p = conn.peer.login(dict(caps, request=request))
        assert p.name == "hello", x.texts(p)
        got = x.texts(p[1])
        assert got.get("version"), got
        if request == "id":
            assert got.get("session-type") == "proxy", got
        conn.peer.close()
        assert conn.wait() == 0


def test_config_missing_module():
    """Nothing in [Auth]: nobody gets in, and the log says which key to set."""
    conn = h.spawn(h.conf())
    conn.peer.hello(x.hello65(username=h.alice.name))
    words = conn.peer.read_end()
    assert "hello" not in [p.name for p in conn.peer.seen], words
    assert conn.wait() == 2
    conn.logged("Module")


# ---- the log
def lines(conn, word):
    return [one for one in conn.log().split("\n") if f"]: {word}" in one]


def test_log_lines():
    """One line at login, one at the end, with who, from where, to where, how much and why; no secret."""
    srv = h.Server("6.5", password="upstream-secret")
    spec = h.multifile(h.line("john", "users-secret", f"tcp://u:upstream-secret@127.0.0.1:{srv.port}/"))
    conn = h.spawn(h.conf(spec, Relay={"PingInterval": "0"}), env={"REMOTE_ADDR": None, "REMOTE_PORT": None})
    here = "127.0.0.1:%d" % conn.peer.sock.getsockname()[1]
    entered(conn, conn.peer.login(x.hello65(username="john"), "users-secret"))
    s = srv.get()
    conn.peer.send_packet("focus", 1, [])
    s.peer.expect("focus")
    conn.peer.close()
    s.peer.close()
    conn.wait()
    for word in ("login", "end"):
        found = lines(conn, word)
        assert len(found) == 1, f"{len(found)} {word} lines:\n{conn.log()}"
        for part in ("'john'", here) + ((str(srv.port),) if word == "login" else ("bytes", "client")):
            assert part in found[0], f"{part} is not in {found[0]!r}"
    assert not lines(conn, "refused"), conn.log()
    assert "secret" not in conn.log(), "a password is in the log"


@h.each("password", "display", "protocol", "upstream")
def test_log_refused(why):
    """Exactly one line per refusal, always in the same form: fail2ban reads it."""
    uri = "tcp://127.0.0.1:1/" if why == "upstream" else ":77,:78"
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", uri))))
    here = "127.0.0.1:%d" % conn.peer.sock.getsockname()[1]
    if why == "protocol":
        conn.peer.send_raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50))
        conn.peer.read_end(5)
    else:
        conn.peer.login(x.hello65(username="john"), "wrong" if why == "password" else "pw")
    conn.peer.close()
    assert conn.wait() != 0
    found = [one for one in conn.log().split("\n") if here in one]
    assert len(found) == 1, f"{len(found)} lines:\n{conn.log()}"
    if why != "protocol":
        assert "'john'" in found[0] and "refused" in found[0], found[0]


def test_log_not_into_the_connection():
    """inetd gives the connection as stderr too: nothing but the protocol is written there."""
    srv = h.Server("6.5")
    ours, theirs = h.pair("tcp")
    path = h.conf(h.multifile("a bad line", h.line("john", "pw", srv.uri)), Relay={"PingInterval": "0"})
    proc = h.popen([h.CONN, "-c", path], stdin=theirs, stdout=theirs, stderr=theirs, cwd="/",
                   env=h.program_env(h.as_user_default(), theirs))
    theirs.close()
    peer = x.Peer(ours)
    h.defer(peer.close)
    p = peer.login(x.hello65(username="john"), "pw")
    assert p.name == "hello", p[:1]
    s = srv.get()
    s.peer.send_packet("bell", 1)
    peer.expect("bell")
    s.peer.close()
    packets, text = peer.read_all(5)
    assert text is None and [q.name for q in packets] in ([], ["disconnect"]), (packets, text)
    peer.close()
    proc.wait(5)
