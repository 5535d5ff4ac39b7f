# SPDX-License-Identifier: GPL-2.0-or-later
"""otp: codes by one secret for all and by a file with everybody's own, between connections that are processes of their
own; disks that are full or read-only; the real client with a code and a password; and within the installed unit."""
import base64
import functools
import hashlib
import hmac
import os
import struct
import subprocess
import time

import harness as h
import machine
import secure
from machine import needs_machine

SECONDS = 60
KEY = b"12345678901234567890"
SECRET = base64.b32encode(KEY).decode()
FAILED = "authentication failed"
ERROR = "authentication error; cannot access sessions"


def hotp(counter, digits=6):
    mac = hmac.new(KEY, struct.pack(">Q", counter), hashlib.sha1).digest()
    at = mac[19] & 15
    return str((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 10 ** digits).zfill(digits)


def totp(steps=0):
    return hotp(int(time.time()) // 30 + steps)


def folder(name):
    """A new one that is the program's alone, root's or alice's."""
    return h.make_dir(f"{name}-{next(h._serial)}", 0o700, h.as_user_default())


def with_secret(more="valid-window=1", state=None):
    return f"otp(secret={SECRET},state={state or folder('state')},{more})"


def with_file(*lines, where=None, more=""):
    path = os.path.join(where or folder("oath"), "users.oath")
    with open(path, "w", encoding="utf8") as f:
        f.write("".join(line + "\n" for line in lines))
    os.chmod(path, 0o600)
    return f"otp(users-file={path}{more})"


def line(user, kind="HOTP/T30"):
    return f"{kind} {user} - {KEY.hex()}"


def session():
    h.Server("6.5", where=f"{h.alice.sockets}/{h.HOSTNAME}-100", user=h.alice)


SPECS = {"secret": with_secret, "totp": lambda: with_file(line("bob"), line("alice")),
         "hotp": lambda: with_file(line("bob", "HOTP"), line("alice", "HOTP"))}


def codes(kind):
    """One that is right, one that will be after it, and one that is not."""
    return (hotp(0), hotp(1), hotp(7)) if kind == "hotp" else (totp(), totp(1), totp(50))


@h.each(*SPECS)
def test_code(kind):
    """Is right once; the next connection, which is another process, is refused with it."""
    session()
    spec, (first, second, wrong) = SPECS[kind](), codes(kind)
    secure.accepted(*secure.log_in(spec, "alice", first))
    again = secure.log_in(spec, "alice", first)
    secure.refused(*again, FAILED, r"alice.*wrong password or unknown user \(otp\)")
    assert "has been used before" in again[0].log(), again[0].log()
    secure.together(lambda code: secure.refused(*secure.log_in(spec, "alice", code), FAILED, r"unknown user \(otp\)"),
                    (wrong, first + "0", first[1:], "x"))
    secure.accepted(*secure.log_in(spec, "alice", second))


def test_nobody():
    """Who is not in the file is not let in; no code appears in the log."""
    conn, p = secure.log_in(with_file(line("bob")), "alice", code := totp())
    secure.refused(conn, p, FAILED, r"unknown user \(otp\)")
    assert code not in conn.log() and KEY.hex() not in conn.log(), conn.log()


@h.each(*SPECS)
def test_all_at_once(kind):
    """One code, eight connections: exactly one gets in."""
    session()
    spec, (code, _, _) = SPECS[kind](), codes(kind)
    ends = []

    def run(_):
        conn, p = secure.log_in(spec, "alice", code, timeout=20)
        ends.append(p.name)
        if p.name != "hello":
            secure.refused(conn, p, FAILED, r"unknown user \(otp\)")
    secure.together(run, range(8))
    assert sorted(ends) == ["disconnect"] * 7 + ["hello"], ends


def test_unprotected():
    """A code is not asked for where others can read it."""
    conn = secure.start(with_secret(), secure=False)
    conn.peer.hello(secure.hello("alice"))
    secure.refused(conn, conn.peer.read_packet(5), "authentication requires a secure connection, such as ssl",
                   "otp: .*unprotected transport: use TLS")


def test_configuration():
    """Errors that say what to do, and not what the secret is."""
    def run(case):
        conn, p = secure.log_in(case[0], "alice", totp())
        secure.refused(conn, p, ERROR, case[1], rc=2)
        assert SECRET not in conn.log(), conn.log()
    secure.together(run, ((f"otp(secret=0{SECRET})", "not in base32"), ("otp", "secret= .*or users-file="),
                          (f"otp(secret={SECRET},state=/nowhere/x)", "cannot make this folder.*No such file"),
                          ("otp(users-file=/nowhere/users)", "/nowhere/users: No such file"),
                          (f"otp(secret={SECRET},window=1)", "option 2 is unknown.*valid-window")))


def mounted(name, *options):
    if not h.PRIVATE:
        raise h.Skip("needs root and namespaces of its own: it mounts")
    where = folder(name)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(["mode=700", *options]), "tmpfs", where], check=True)
    h.defer(subprocess.run, ["umount", "-l", where])
    return where


@h.each("secret", "file")
def test_full_disk(kind):
    """Nobody new gets in."""
    where = mounted("full", "size=64k")
    spec = with_secret(state=where) if kind == "secret" else with_file(line("alice"), where=where)
    with open(os.path.join(where, "filler"), "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass
    secure.refused(*secure.log_in(spec, "alice", totp()), ERROR,
                   "cannot write a counter.*No space left" if kind == "secret" else "cannot be written anew.*disk full")


@h.each("secret", "file")
def test_read_only(kind):
    where = mounted("read-only")
    spec = with_secret(state=where) if kind == "secret" else with_file(line("alice"), where=where)
    subprocess.run(["mount", "-o", "remount,ro", where], check=True)
    conn, p = secure.log_in(spec, "alice", totp())
    secure.refused(conn, p, ERROR, "Read-only file system", rc=conn.wait(5))
    assert conn.proc.returncode in (2, 5)


# ---- two secrets: where from, a code, a password
def chain(users, uri, state=None):
    """hosts, otp, sqlite."""
    database = os.path.join(folder("db"), "users.sdb")
    for args in (["create"], ["add", "foo", "-", h.alice.name, h.alice.name, uri]):
        h.ctl("users", database, *args, input="the password\n" if args[0] == "add" else None)
    return ["hosts(allow=127.0.0.0/8)", f"otp(users-file={users},prompt=the code)", f"sqlite(filename={database})"]


def test_chain():
    """Both have to be right; each is asked for by a challenge of its own."""
    server = h.Server("6.5")
    users = with_file(line("foo")).split("=")[1].rstrip(")")
    modules = chain(users, server.uri)
    secure.refused(*secure.log_in(modules, "foo", [totp(-1), "wrong"]), FAILED, r"unknown user \(sqlite\)")
    secure.refused(*secure.log_in(modules, "foo", [totp(9), "the password"]), FAILED, r"unknown user \(otp\)")
    secure.accepted(*secure.log_in(modules, "foo", [totp(), "the password"]))
    elsewhere = ["hosts(allow=192.0.2.1)", *modules[1:]]
    secure.refused(*secure.log_in(elsewhere, "foo", [totp(1), "the password"]), FAILED, "hosts")


def attach(url, *args):
    """The client's handlers come in this order: what is in the address answers the first challenge, the file the next."""
    return h.RealClient(url, "--password-file=%s" % h.make_file("otp-password", "the password"),
                        "--ssl-server-verify-mode=none", *args)


@functools.lru_cache(None)
def real():
    return h.RealServer(h.alice)


@h.needs_xpra
def test_real_client():
    s = real()
    users = with_file(line("foo")).split("=")[1].rstrip(")")
    listener = h.Listener(h.conf(*chain(users, s.uri), Listen=secure.listen()))
    h._logs.append(s.shown)
    attach(f"ssl://foo:{totp()}@127.0.0.1:{listener.port}/").attached(s.title)
    assert "login" in listener.log(), listener.log()
    wrong = attach(f"ssl://foo:{totp(9)}@127.0.0.1:{listener.port}/")
    wrong.proc.wait(20)
    assert "authentication failed" in wrong.log(), wrong.log()


@h.needs_xpra
@needs_machine
@h.timeout(90)
def test_unit(m):
    """As installed: root without DAC_OVERRIDE, behind the unit's filters, writes the file and the counters."""
    s = machine.RealSession(m, "alice", 151)
    m.put("/var/lib/xproxy/users.oath", line("foo") + "\n", 0o600)
    m.shell("xproxyctl users /var/lib/xproxy/users.sdb create && echo 'the password' | "
            "xproxyctl users /var/lib/xproxy/users.sdb add foo - alice alice :151")
    cert, key = secure.server_certificate()
    for name, path in (("cert", cert), ("key", key)):
        with open(path, encoding="utf8") as f:
            m.put(f"/etc/xproxy/tls/{name}.pem", f.read(), 0o600)
    auth = ("[Auth]\nModule=hosts(allow=127.0.0.1)\nModule=%s\nModule=sqlite(filename=/var/lib/xproxy/users.sdb)\n"
            "[Listen]\nTLSCertificate=/etc/xproxy/tls/cert.pem\nTLSKey=/etc/xproxy/tls/key.pem\n")
    for spec in ("otp(users-file=/var/lib/xproxy/users.oath)", f"otp(secret={SECRET},valid-window=1)"):
        m.configure(auth % spec)
        code = totp()
        client = attach(f"ssl://foo:{code}@127.0.0.1:14500/")
        client.attached(s.title)
        client.detach()
        again = attach(f"ssl://foo:{code}@127.0.0.1:14500/")
        again.proc.wait(30)
        assert "authentication failed" in again.log(), again.log()
    assert "has been used before" in m.shell("journalctl --no-pager -u 'xproxy@*'").stdout
    left = m.shell("stat -c '%a %U %n' /var/lib/xproxy /var/lib/xproxy/counters /var/lib/xproxy/counters/* "
                   "/var/lib/xproxy/users.oath").stdout.split()
    assert left[0::3] == ["700", "700", "600", "600"] and set(left[1::3]) == {"root"}, left
