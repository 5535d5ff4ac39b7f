# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that look at where a client comes from and what it has said, a program that decides, and alternatives:
each lets in, refuses, cannot tell, and is configured wrong."""
import concurrent.futures
import contextlib
import ctypes
import os
import socket
import threading

import harness as h
import xpranet as x

SECONDS = 60


def session(n=100, user=None):
    user = user or h.alice
    return h.Server("6.5", where=f"{user.sockets}/{h.HOSTNAME}-{n}", user=user)


def script(body):
    return h.make_file(f"script-{next(h._serial)}", f"#!/bin/sh\n{body}\n", 0o755)


def says(conn, peer, passwords=(), **caps):
    """The packet that a login ends with: "hello", or what the client is told."""
    caps = x.hello65(username=h.alice.name, **caps)
    peer.hello(caps)
    while (p := peer.read_packet(8)).name == "challenge":
        peer.answer(p, caps, passwords)
    return "hello" if p.name == "hello" else x.text(p[1])


def outcome(spec, kind="tcp", how="no", log=None, ws=None, password="pw", listen=None, **caps):
    """yes, no (whoever it is may not), error (nobody can tell), config."""
    conn = h.spawn(h.conf(*([spec] if isinstance(spec, str) else spec), Listen=listen or {}), kind=kind)
    if ws is not None:
        conn.peer.start_websocket(**ws)
    got = says(conn, conn.peer, password, **caps)
    conn.peer.close()
    rc = conn.wait()
    want = {"yes": ("hello", 0), "no": ("authentication failed", 5), "error": ("authentication error", 5),
            "config": ("authentication error", 2)}[how]
    assert (got, rc) == want, f"{spec}: {(got, rc)}, not {want}\n{conn.log()}"
    if how != "yes":
        line = conn.logged("refused")
        assert log is None or log in line or log in conn.log(), f"{log!r} is not in {line!r}"
    return conn


@contextlib.contextmanager
def together():
    """Each no takes its second: outcomes of one test, all at once."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = []
        yield lambda *a, **kw: running.append(pool.submit(outcome, *a, **kw))
        for one in running:
            one.result()


# ---- peercred
def connect_as(path, uid, gid, groups):
    """A connection whose other end is this user, as the kernel sees it: a thread of ours that is gone then."""
    made = []

    def run():
        libc = ctypes.CDLL(None, use_errno=True)
        setgroups, setresgid, setresuid = (116, 119, 117) if os.uname().machine == "x86_64" else (159, 149, 147)
        array = (ctypes.c_uint32 * len(groups))(*groups)
        for call in ((setgroups, len(groups), array), (setresgid, gid, gid, gid), (setresuid, uid, uid, uid)):
            if libc.syscall(*call):
                made.append(OSError(ctypes.get_errno(), "cannot become another"))
                return
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            made.append(s)
        except OSError as e:
            made.append(e)
    t = threading.Thread(target=run)
    t.start()
    t.join()
    if isinstance(made[0], OSError):
        raise made[0]
    peer = x.Peer(made[0])
    h.defer(peer.close)
    return peer


PEERCRED = {  # options, uid and gid of alice or bob, supplementary groups: is let in
    "anybody": ("", "alice", [], True),
    "uid": ("(uid=%(alice)d)", "alice", [], True),
    "uid by name": ("(uid=%(alice_name)s)", "alice", [], True),
    "other uid": ("(uid=%(bob)d:1234)", "alice", [], False),
    "gid": ("(gid=%(alice)d)", "alice", [], True),
    "supplementary gid": ("(gid=7001:7002)", "alice", [7000, 7002], True),
    "other gid": ("(gid=7001:7002)", "alice", [7000, 7003], False),
    "both, one is wrong": ("(uid=%(alice)d,gid=7001)", "alice", [7000], False),
}


@h.needs_root
@h.needs_tool("systemd-socket-activate")
@h.each(*PEERCRED)
def test_peercred(case):
    """The user of the other process is the identity, whatever the client says, and the sessions are that user's."""
    options, who, groups, good = PEERCRED[case]
    user = getattr(h, who)
    srv = session(user=user)
    spec = "peercred" + options % {"alice": h.alice.uid, "bob": h.bob.uid, "alice_name": h.alice.name}
    address = os.path.join(h.make_dir(f"sock-{next(h._serial)}"), "s")
    l = h.Listener(h.conf(spec), address=address)
    h.eventually(lambda: os.path.exists(address), 3)
    os.chmod(address, 0o666)
    peer = connect_as(address, user.uid, user.gid, groups)
    caps = x.hello65(username="somebody-else")
    p = peer.login(caps)
    if good:
        assert p.name == "hello", f"{x.texts(p)}\n{l.log()}"
        srv.get()
        h.eventually(lambda: f"login: user '{user.name}' from unix uid {user.uid}" in l.log(), 3, l.log)
        assert f" logs in as '{user.name}' (peercred)" in l.log() and "user 'somebody-else' from unix uid" in l.log(), l.log()
    else:
        assert p.name == "disconnect" and x.text(p[1]) == "authentication failed", x.texts(p)
    peer.close()


def test_another_name():
    """What the client has said and what became of it, in one line; nothing of the kind for who keeps the own name, or
    is not let in."""
    srv = session()
    for spec, name, good in (("allow(map-user=strip-domain)", f"EXAMPLE\\{h.alice.name}", True), ("allow", h.alice.name, True),
                             (f"allow(username={h.alice.name},verify-username=yes)", "x' logs in as 'y", True),
                             (f"reject(username={h.alice.name})", "nobody", False)):
        conn = h.spawn(h.conf(spec))
        caps = x.hello65(username=name)
        conn.peer.hello(caps)
        while (p := conn.peer.read_packet(8)).name == "challenge":
            conn.peer.answer(p, caps, "pw")
        assert (p.name == "hello") == good, f"{spec}: {x.texts(p)}\n{conn.log()}"
        conn.peer.close()
        conn.wait()
        said = name.replace("\\", "\\x5c").replace("'", "\\x27")
        line = f"user '{said}' from 127.0.0.1:"
        found = [one for one in conn.log().split("\n") if " logs in as " in one]
        assert len(found) == (good and name != h.alice.name), conn.log()
        assert not found or line in found[0] and f"' logs in as '{h.alice.name}' (allow)" not in line and \
            found[0].endswith(f" logs in as '{h.alice.name}' (allow)"), conn.log()
    assert srv.accepted == 3, srv.accepted


def test_proxy_of_an_ordinary_user():
    """Anybody whom a module lets in reaches the owner's sessions, unless the names that may are listed, or the owner's
    is the only one that is asked about."""
    srv = session()
    names = h.make_file("names", f"joan {h.alice.name}\n")
    os.chmod(names, 0o600)
    if h.ROOT:
        os.chown(names, h.alice.uid, h.alice.gid)
    only = script(f'[ "$XPROXY_USER" = {h.alice.name} ]')
    anybody = script("exit 0")
    for spec, name, good in ((f"exec(command={anybody})", "somebody", True), (f"exec(command={anybody},map-user={names})", "somebody", False),
                             (f"exec(command={anybody},map-user={names})", "joan", True), (f"exec(command={only})", "somebody", False),
                             (f"exec(command={only},client-username=no)", "somebody", True)):
        conn = h.spawn(h.conf(spec), user=h.alice)
        p = conn.peer.login(x.hello65(username=name))
        assert (p.name == "hello") == good, f"{spec}, {name}: {x.texts(p)}\n{conn.log()}"
        conn.peer.close()
        conn.wait()
    assert srv.accepted == 3, srv.accepted


def test_peercred_refuses():
    with together() as check:
        check("peercred", how="error", log="unix socket")
        check("peercred(uid=no-such-user)", how="config", log="'no-such-user' is neither")
        check("peercred(gid=0:x:)", "unix", how="config", log="gid= is a list")


@h.needs_root
def test_peercred_is_not_for_root():
    """root is the owner of the service, but has no sessions here."""
    session()
    conn = h.spawn(h.conf("peercred"), kind="unix")
    assert says(conn, conn.peer) == "authentication error"
    conn.peer.close()
    assert conn.wait() == 4


# ---- hosts
def test_hosts():
    session()
    allow = h.make_file("hosts.allow", "# ours\nsshd: ALL\nxproxy: 127.0.0.0/255.0.0.0 [::1]/128\n")
    deny = h.make_file("hosts.deny", "ALL: ALL\n")
    other = h.make_file("hosts.other", "xpra: 192.0.2. EXCEPT 192.0.2.1\n")
    bad = h.make_file("hosts.bad", "xproxy: ALL\nALL: ALL : spawn (/bin/mail root)\n")
    with together() as check:
        for kind in ("tcp", "tcp6"):
            check(f"hosts(allow-file={allow},deny-file={deny})", kind, "yes")
            check(f"hosts(allow-file={other},deny-file={deny})", kind, log="(hosts)")
        check(f"hosts(allow-file={other})", how="yes")
        check("hosts(allow=127.0.0.1)", how="yes")
        check("hosts(allow=127.0.0.1)", "tcp6")
        check("hosts(allow=unix)", "unix", "yes")
        check("hosts(deny=unix)", "unix")
        check(f"hosts(allow-file={bad})", how="config", log=f"{bad}:2: 'spawn'")
        check("hosts(allow-file=/no/such/file)", how="config", log="/no/such/file")
        check("hosts(allow=example.org)", how="config", log="dns=yes")


def test_hosts_by_name():
    """/etc/hosts is asked too; a name server that does not answer lets nobody in."""
    if not h.PRIVATE:
        raise h.Skip("/etc/hosts is not ours")
    session()
    outcome("hosts(allow=localhost,dns=yes)", how="yes")
    outcome("hosts(allow=KNOWN,dns=yes)", how="yes")
    outcome("hosts(allow=.example.org,dns=yes)", how="no")
    conn = h.spawn(h.conf("hosts(deny=.example.org,dns=yes)", Listen={"ProxyProtocol": "yes"}, Limits={"LoginTimeout": "3s"}))
    conn.peer.send_raw(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 14500\r\n")
    conn.peer.hello(x.hello65(username=h.alice.name))
    said = conn.peer.read_end(25)
    assert "hello" not in [p.name for p in conn.peer.seen], (said, conn.log())
    conn.logged("refused: .*hosts")


# ---- what it has said
def test_capability():
    session()
    with together() as check:
        check("capability(property=token,value=s3cr3t)", how="yes", token="s3cr3t")
        for token in ("s3cr3", "S3cr3t", "", 5, ["s3cr3t"]):
            check("capability(property=token,value=s3cr3t)", token=token)
    conn = outcome("capability(property=token,value=s3cr3t)")
    assert "s3cr3t" not in conn.log()
    with together() as check:
        check("capability(property=a.b,value=1)", how="yes", a={"b": 1})
        check("capability", how="config", log="needs value=")


def test_http_header():
    """Through a front end that is trusted; what anybody else says does not count."""
    session()
    on = {"ForwardedFor": "yes"}
    ws = {"X_Forwarded_For": "192.0.2.7", "X_Forwarded_Proto": "https"}
    with together() as check:
        check("http-header", how="yes", ws=ws, listen=on)
        check("http-header", ws=dict(ws, X_Forwarded_Proto="http"), listen=on)
        check("http-header", ws={"X_Forwarded_For": "192.0.2.7"}, listen=on)
        check("http-header", how="error", ws=ws, log="TrustedProxies=")
        check("http-header", how="error", log="TrustedProxies=")
        check("http-header", how="error", ws=ws, listen=dict(on, TrustedProxies="198.51.100.1"), log="TrustedProxies=")
        check("http-header(property=X-User,value=)", how="config", log="needs value=")


def test_certificate_without_tls():
    with together() as check:
        check("certificate", how="error", log="no certificate")
        check("certificate(field=x)", how="config", log="field= is cn")


def test_ratelimit():
    session()
    outcome("ratelimit(max-failures=5,window=60)", how="yes").logged(r"\[Limits\]")
    check = h.subprocess.run([h.CONN, "-c", h.conf("ratelimit"), "--check-config"], capture_output=True, text=True)
    assert check.returncode == 0 and "[Limits]" in check.stdout, check


# ---- exec
def test_exec():
    session()
    with together() as check:
        check(f"exec(command={script('exit 0')})", how="yes")
        check(f"exec(command={script('exit 1')})", log="(exec)")
        check(f"exec(command={script('exit 3')})", how="error", log="exit code 3")
        check("exec(command=/no/such/program)", how="config", log="cannot run /no/such/program")
        check("exec(command=true)", how="config", log="needs command=")
        check(f"exec(command={script('[ $XPROXY_USER = %s ]' % h.alice.name)})", how="yes")
    conn = outcome(f"exec(command={script('echo bad luck >&2; exit 1')})")
    conn.logged("says: 'bad luck'")


def test_exec_password():
    """Over a unix socket, where nobody listens; over tcp it is not asked for."""
    session()
    seen = os.path.join(h.make_dir("seen", 0o777), "seen")
    body = f"tr '\\0' ' ' </proc/$$/cmdline >{seen}; env >>{seen}; id -u >>{seen}; read -r p; [ \"$p\" = 's3 cr3t' ]"
    spec = f"exec(command={script(body)},require-challenge=yes)"
    outcome(spec, "unix", "yes", digest=["xor"], password="s3 cr3t")
    with open(seen) as f:
        text = f.read()
    assert "XPROXY_USER" in text and "s3 cr3t" not in text, text
    assert not h.ROOT or "\n0\n" not in text, "the program runs as root"
    outcome(spec, "unix", "no", digest=["xor"], password="wrong")
    conn = h.spawn(h.conf(spec))
    assert says(conn, conn.peer, "s3 cr3t", digest=["xor"]).startswith("authentication requires a secure connection")


# ---- alternatives
@h.each("first", "second", "neither")
def test_alternatives(which):
    """One password, for whichever takes it; in the log who it was, or why none."""
    session()
    spec = "password(value=one) || exec(command=%s,require-challenge=yes)" % script('[ "$(cat)" = two ]')
    password = {"first": "one", "second": "two", "neither": "three"}[which]
    conn = outcome(spec, "unix", "no" if which == "neither" else "yes", digest=["xor"], password=password)
    if which == "neither":
        line = conn.logged("refused")
        assert "(password)" in line and "(exec)" in line, line
    else:
        conn.logged(r"login: .*\(%s\)" % ("password" if which == "first" else "exec"))


@h.needs_root
def test_example():
    """The example of xproxy.conf(5), but for the group and the file: by a unix socket without a password."""
    with open(os.path.join(h.ROOT_DIR, "man", "xproxy.conf.5")) as f:
        page = f.read()
    at = page.index("Module=hosts(allow=unix")
    modules = [one.removeprefix("Module=") for one in page[at:page.index(".Ed", at)].strip().split("\n")]
    users = h.multifile(h.line("john", "pw", ":100"))
    assert "gid=staff" in modules[1] and "sqlite(filename=/var/lib/xproxy/users.sdb)" in modules[1], modules
    modules[1] = modules[1].replace("gid=staff", f"gid={h.alice.gid}").replace("sqlite(filename=/var/lib/xproxy/users.sdb)", users)
    srv = session()
    address = os.path.join(h.make_dir("example"), "s")
    l = h.Listener(h.conf(*modules), address=address)
    os.chmod(address, 0o666)
    for user, name in ((h.alice, "x"), (h.bob, "john")):
        peer = connect_as(address, user.uid, user.gid, [])
        caps = x.hello65(username=name)
        p = peer.login(caps) if user is h.alice else peer.login(caps, "pw")
        assert p.name == "hello", f"{x.texts(p)}\n{l.log()}"
        srv.get()
        peer.close()
    outcome(modules[:1], how="no")


@h.needs_root
@h.needs_xpra
@h.timeout(90)
def test_alternatives_with_the_real_client():
    """3.1.3: by a unix socket without a password, by tcp with one, and not with a wrong one."""
    s = h.RealServer(h.alice)
    spec = f"peercred(uid={h.bob.uid}) || {h.multifile(h.line(h.alice.name, 'pw', s.display))}"
    l = h.Listener(h.conf(spec))
    client = h.RealClient(l.url(h.alice.name, "pw"))
    client.attached(s.title)
    assert "(multifile)" in l.log(), l.log()
    client.detach()
    wrong = h.RealClient(l.url(h.alice.name, "wrong"))
    h.eventually(lambda: wrong.proc.poll() is not None, 15, "the client with a wrong password ends")
    assert "authentication failed" in wrong.log(), wrong.log()
    address = os.path.join(h.make_dir("real-sock"), "s")
    by_unix = h.Listener(h.conf(f"peercred || {h.multifile(h.line('x', 'y', ':1'))}"), address=address)
    os.chmod(address, 0o666)
    peer = connect_as(address, h.alice.uid, h.alice.gid, [])
    p = peer.login(x.hello65(username="x"))
    assert p.name == "hello", f"{x.texts(p)}\n{by_unix.log()}"
    peer.close()
