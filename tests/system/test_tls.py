# SPDX-License-Identifier: GPL-2.0-or-later
"""ssl:// to the proxy: the handshake inside the sandbox, what is refused and in which words, a relay that is the
same as without, and the real client."""
import errno
import functools
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time

import harness as h
import test_replay
import xpranet as x

SECONDS = 100


# ---- certificates
@functools.lru_cache(None)
def certificate(name="localhost", user=None):
    """(certificate, key): the key can be read by root only, or by this user."""
    d = h.make_dir(f"tls-{name}-{user.name if user else 0}", 0o755)
    cert, key = os.path.join(d, "cert.pem"), os.path.join(d, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
    if h.ROOT and user:
        os.chown(key, user.uid, user.gid)
    return cert, key


def listen(user=None, **more):
    cert, key = certificate(user=user)
    return {"TLSCertificate": cert, "TLSKey": key, **more}


def context(lowest=None, highest=None, user=None):
    c = ssl.create_default_context(cafile=certificate(user=user)[0])
    if lowest:
        c.minimum_version = lowest
    if highest:
        c.maximum_version = highest
    return c


def spawn(kind="tcp", args=(), env=None, module="allow", limits=None, **more):
    return h.spawn(h.conf(module, Listen=listen(**more), Limits=limits or {}), kind, args=args, env=env)


V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
HELLO = {"username": "john"}


# ---- it works
@h.each("1.2", "1.3")
def test_session(name):
    """Both directions, small and large, and where it is shown."""
    version = V12 if name == "1.2" else V13
    link = h.link(tls=context(version, version), Listen=listen())
    data = os.urandom(3 << 20)
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus")[1] == 3
    threading.Thread(target=link.s.send_packet, args=("draw", 1, data), daemon=True).start()
    assert link.c.expect("draw", timeout=20)[2] == data
    threading.Thread(target=link.c.send_packet, args=("clipboard", 1, data), daemon=True).start()
    assert link.s.expect("clipboard", timeout=20)[2] == data
    assert link.c.sock.version() == f"TLSv{name}"
    if h.ROOT:
        info = h.ctl("info", str(link.conn.guard())).stdout
        assert "session.transport=tls\n" in info, info
    link.c.close()
    assert link.conn.wait() == 0


def kernel_has_tls():
    with socket.socket() as s:
        try:
            s.setsockopt(socket.IPPROTO_TCP, 31, b"tls\0")  # TCP_ULP
        except OSError as e:
            return e.errno == errno.ENOTCONN
    return False


def tls_stat():
    with open("/proc/net/tls_stat") as f:
        return {name: int(n) for name, n in (line.split() for line in f)}


@h.each("1.2", "1.3")
def test_in_kernel(name):
    """Where the kernel can, it encrypts: the same bytes, and it says so."""
    if not kernel_has_tls():
        raise h.Skip("the kernel has no TLS here (modprobe tls)")
    version = V12 if name == "1.2" else V13
    before = tls_stat()
    link = h.link(tls=context(version, version), Listen=listen())
    data = os.urandom(3 << 20)
    threading.Thread(target=link.s.send_packet, args=("draw", 1, data), daemon=True).start()
    threading.Thread(target=link.c.send_packet, args=("clipboard", 1, data), daemon=True).start()
    assert link.c.expect("draw", timeout=60)[2] == data
    assert link.s.expect("clipboard", timeout=60)[2] == data
    after = tls_stat()
    assert after["TlsTxSw"] + after["TlsTxDevice"] > before["TlsTxSw"] + before["TlsTxDevice"], (before, after)
    assert after["TlsDecryptError"] == before["TlsDecryptError"], (before, after)
    link.c.close()
    assert link.conn.wait() == 0


def test_both_ways_at_once():
    """Full buffers in both directions at the same time: nothing waits for the other for ever, nothing is lost."""
    link = h.link(tls=context(), Listen=listen())
    blocks = [os.urandom(700_000) for _ in range(24)]
    # one thread writes and reads: Python's TLS objects are not for two
    def serve():
        for b in blocks:
            link.s.send_packet("draw", 1, b)
    t = threading.Thread(target=serve, daemon=True)
    t.start()
    got = []
    link.c.sock.setblocking(False)
    out, assembler = b"".join(x.build(["clipboard", b]) for b in blocks), x.Assembler()
    end = time.monotonic() + 30
    echoed = []
    reader = threading.Thread(target=lambda: echoed.extend(link.s.expect("clipboard", timeout=30) for _ in blocks), daemon=True)
    reader.start()
    while len(got) < len(blocks) or out:
        assert time.monotonic() < end, (len(got), len(out))
        moved = False
        try:
            if out:
                n = link.c.sock.send(out[:65536])
                out, moved = out[n:], True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            assembler.feed(link.c.sock.recv(262144))
            moved = True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        while (p := assembler.next()) is not None:
            got.append(p)
        if not moved:
            time.sleep(0.001)
    reader.join(30)
    assert [p[2] for p in got] == blocks and [p[1] for p in echoed] == blocks


class ByHand:
    """The client's TLS with its bytes in our hands."""

    def __init__(self, sock, protocols=()):
        self.sock, self.incoming, self.outgoing = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        c = context()
        if protocols:
            c.set_alpn_protocols(protocols)
        self.tls = c.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def do(self, f, pieces=1 << 20):
        while True:
            try:
                done = f()
            except ssl.SSLWantReadError:
                done = None
            data = self.outgoing.read()
            for i in range(0, len(data), pieces):
                self.sock.sendall(data[i:i + pieces])
            if done is not None:
                return done
            self.incoming.write(self.sock.recv(65536))


def test_single_bytes():
    """Handshake and hello in segments of one byte."""
    conn = spawn()
    hand = ByHand(conn.peer.sock)
    hand.do(lambda: hand.tls.do_handshake() or True, pieces=1)
    hand.do(lambda: hand.tls.write(x.build(["hello", x.hello65(request="version")])), pieces=1)
    assert b"version" in hand.do(lambda: hand.tls.read(65536))
    conn.peer.close()
    assert conn.wait() == 0


def test_hello_with_the_handshake():
    """The client's last handshake message and its hello in one segment: nothing is left lying in a buffer."""
    conn = spawn()
    hand = ByHand(conn.peer.sock)
    conn.peer.sock.settimeout(10)
    while True:
        try:
            hand.tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            conn.peer.sock.sendall(hand.outgoing.read())
            hand.incoming.write(conn.peer.sock.recv(65536))
    hand.tls.write(x.build(["hello", x.hello65(request="version")]))
    conn.peer.sock.sendall(hand.outgoing.read())
    assert b"version" in hand.do(lambda: hand.tls.read(65536))


def test_plain_still_works():
    """The same socket takes plain tcp."""
    link = h.link(Listen=listen())
    link.c.send_packet("focus", 3, [])
    assert link.s.expect("focus")[1] == 3


def test_clear_passwords_may_pass():
    """xor, which sends the password as good as in clear, is offered over TLS and not without."""
    caps = x.hello65(username="john", digest=["xor"])
    for tls in (True, False):
        conn = spawn(module="password(value=pw)")
        if tls:
            conn.peer.start_tls(context())
        conn.peer.hello(caps)
        p = conn.peer.read_packet(5)
        assert p.name == ("challenge" if tls else "disconnect"), x.texts(p)


@h.each("before the hello", "before it is logged in", "relaying")
def test_closed_by_the_client(when):
    conn = spawn(module="password(value=pw)") if when != "relaying" else h.link(tls=context(), Listen=listen()).conn
    if when != "relaying":
        conn.peer.start_tls(context())
    if when == "before it is logged in":
        conn.peer.hello(x.hello65(username="john"))
        conn.peer.expect("challenge")
    conn.peer.sock.unwrap() if when == "relaying" else conn.peer.close()
    conn.peer.close()
    assert conn.wait() == 0, conn.log()


def test_server_closes():
    """The client is told why and gets TLS's own end of stream, not a cut connection."""
    c = context()
    link = h.link(tls=c, Listen=listen())
    link.s.close()
    p = link.c.expect("disconnect")
    assert "server connection lost" in x.texts(p)[1:], x.texts(p)
    link.c.sock.suppress_ragged_eofs = False
    assert link.c.sock.recv(100) == b""  # close_notify: else SSLEOFError


def test_slow_reader():
    """A client that does not read stops the server; memory stays bounded."""
    link = h.link(tls=context(), Listen=listen())
    h.flood(link.s)
    time.sleep(1.5)
    assert h.rss(link.conn.worker()) < 20_000, h.rss(link.conn.worker())


def s_client(conn, *args, quiet=True):
    """The real openssl s_client on the connection, through a socket pair of our own."""
    listener = socket.create_server(("127.0.0.1", 0))
    p = h.popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % listener.getsockname()[1], *(["-quiet"] if quiet else []),
                 "-no_ign_eof", *args],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    s, _ = listener.accept()
    for a, b in ((s, conn.peer.sock), (conn.peer.sock, s)):
        def copy(a=a, b=b):
            try:
                while data := a.recv(65536):
                    b.sendall(data)
                b.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        threading.Thread(target=copy, daemon=True).start()
    h.defer(s.close)
    return p


def test_renegotiation_is_refused():
    """TLS 1.2: a client cannot make the worker do the handshake again and again."""
    conn = spawn(limits={"LoginTimeout": "3s"})
    p = s_client(conn, "-tls1_2")
    time.sleep(0.5)
    p.stdin.write(b"R\n")
    p.stdin.flush()
    out = p.communicate(timeout=15)[0].decode("latin1")
    assert "renegotiation" in out.lower(), out
    conn.wait()


@h.needs_root
def test_new_keys_and_sandbox():
    """After a second of relaying: the locks are on, no descriptor of the key is left, and a change of keys (which takes
    OpenSSL's random generator) does not hit the filter."""
    link = h.link(tls=context(V13, V13), Listen=listen(KernelTLS="no"))
    st = h.status(link.conn.worker())
    assert st["Seccomp"] == "2" and int(st["CapEff"], 16) == 0 and st["NoNewPrivs"] == "1", st
    assert len(h.fds(link.conn.worker())) <= 5, h.fds(link.conn.worker())
    conn = spawn(KernelTLS="no")
    p = s_client(conn, "-tls1_3")
    time.sleep(0.5)
    for _ in range(3):
        p.stdin.write(b"K\n")
        p.stdin.flush()
        time.sleep(0.2)
    p.stdin.write(b"not xpra\n")
    p.stdin.flush()
    out = p.stdout.read().decode("latin1")  # up to the end of what the program says
    assert out.count("KEYUPDATE") == 3 and "not an xpra packet" in out, out
    assert conn.wait() == 8


def test_new_keys_in_kernel():
    """It has no way to change them: a peer that wants new ones is not sent what it could not read."""
    if not kernel_has_tls():
        raise h.Skip("the kernel has no TLS here (modprobe tls)")
    conn = spawn()
    p = s_client(conn, "-tls1_3")
    time.sleep(0.5)
    p.stdin.write(b"K\n")
    p.stdin.flush()
    p.stdout.read()
    assert conn.wait() == 8, conn.log()
    conn.logged("asks for new TLS keys, .* KernelTLS=no")


@h.timeout(180)
def test_testssl():
    """testssl.sh finds nothing to say about protocols, ciphers, forward secrecy and known weaknesses. (The certificate
    is this test's own and nobody's business.)"""
    l = h.Listener(h.conf("allow", Listen=listen(), Limits={"LoginTimeout": "5s"}))
    found = os.path.join(h.make_dir("testssl", 0o755), "found.json")
    subprocess.run(["testssl", "--warnings", "off", "--quiet", "-p", "-s", "-f", "-U", "--jsonfile", found,
                    f"127.0.0.1:{l.port}"], capture_output=True, timeout=170, check=False)
    with open(found) as f:
        rows = json.load(f)
    assert {"TLS1_3", "heartbleed", "ROBOT", "BREACH", "PFS"} <= {r["id"] for r in rows}, [r["id"] for r in rows]
    bad = [r for r in rows if r["severity"] not in ("OK", "INFO") and r["id"] != "engine_problem"]  # its own openssl
    assert not bad, bad


# ---- who is refused, and how
@h.each("RequireTLS=yes tcp", "Transports=tls tcp", "RequireTLS=yes unix", "Transports=tls unix")
def test_required(case):
    """In clear: refused in words the client shows; a local socket needs no TLS, unless it is all there is."""
    key, kind = case.split()
    keys = dict([key.split("=")])
    conn = spawn(kind, module="password(value=pw)", **keys)
    conn.peer.hello(x.hello65(username="john", **{"packet-types": ["challenge"]}))  # it cannot be upgraded
    p = conn.peer.read_packet(5)
    if case == "RequireTLS=yes unix":
        assert p.name == "challenge", x.texts(p)
        return
    assert p.name == "disconnect" and "requires SSL" in x.text(p[2]), x.texts(p)
    conn.peer.close()
    assert conn.wait() == 4
    conn.logged("refused.*requires SSL")
    conn = spawn(kind, module="password(value=pw)", **keys)
    conn.peer.start_tls(context())
    conn.peer.hello(x.hello65(username="john"))
    conn.peer.expect("challenge")


@h.each("no certificate", "not on this socket")
def test_not_here(why):
    conn = spawn(**({"Transports": "tcp"} if why == "not on this socket" else {"TLSCertificate": "", "TLSKey": ""}))
    try:
        conn.peer.start_tls(context())
        raise AssertionError("a handshake without TLS")
    except (ssl.SSLError, OSError):
        pass
    conn.peer.close()
    assert conn.wait() == 8
    conn.logged("TLS ClientHello on a socket without TLS")


@h.each("1.1", "1.2 where 1.3 is the least")
def test_version_too_old(version):
    highest = ssl.TLSVersion.TLSv1_1 if version == "1.1" else V12
    conn = spawn(TLSMinVersion="1.2" if version == "1.1" else "1.3")
    c = context()
    c.minimum_version, c.maximum_version = ssl.TLSVersion.TLSv1_1, highest
    c.set_ciphers("ALL:@SECLEVEL=0")
    try:
        conn.peer.start_tls(c)
        raise AssertionError("the handshake went through")
    except (ssl.SSLError, OSError):
        pass
    assert conn.wait() == 8
    conn.logged("TLS handshake failed: (unsupported|no shared|wrong version|.*version)")


@h.each("garbage", "closed", "silent", "half a hello", "plain inside")
def test_bad_handshake(what):
    conn = spawn(limits={"LoginTimeout": "1s"})
    if what == "garbage":
        conn.peer.send_raw(b"\x16\x03\x01\x00\x20" + bytes(range(32)) + b"z" * 500)
        want, words = 8, "TLS handshake failed"
    elif what == "closed":
        conn.peer.send_raw(b"\x16\x03\x01")
        conn.peer.close()
        want, words = 0, "closed during the TLS handshake"
    elif what == "silent":
        conn.peer.send_raw(b"\x16")
        want, words = 3, "TLS handshake took longer"
    elif what == "half a hello":
        conn.peer.start_tls(context())
        conn.peer.send_raw(x.build(["hello", x.hello65()])[:30])
        want, words = 3, "timeout"
    else:
        conn.peer.start_tls(context())
        conn.peer.send_raw(b"\x16\x03\x01\x02\x00\x01\x00\x01")  # TLS in TLS
        want, words = 8, "TLS"
    assert conn.wait() == want, conn.log()
    conn.logged(words)


# ---- configuration
def bad(words, **keys):
    conf = h.conf("allow", Listen=keys)
    conn = h.spawn(conf)
    conn.peer.send_raw(x.build(["hello", x.hello65()]))
    assert "not configured correctly" in conn.peer.read_end(5)
    assert conn.wait() == 2
    conn.logged(words)
    check = subprocess.run([h.CONN, "-c", conf, "--check-config"], capture_output=True, text=True, timeout=10)
    assert check.returncode == 2 and check.stderr.count("\n") == 1, check
    assert re.search(words, check.stderr), check.stderr


def test_bad_files():
    """Each: one line that names the file, the client is told nothing of it, exit 2; --check-config says the same."""
    cert, key = certificate()
    other = certificate("other")[1]
    secret = h.make_file("encrypted.pem", subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:x"], capture_output=True, check=True).stdout.decode(), 0o600)
    empty = h.make_file("empty.pem", "", 0o600)
    bad(r"TLSCertificate=/none: No such file", TLSCertificate="/none", TLSKey=key)
    bad(rf"TLSCertificate={empty}: ", TLSCertificate=empty, TLSKey=key)
    bad(r"TLSKey=/none: No such file", TLSCertificate=cert, TLSKey="/none")
    bad(rf"TLSKey={other}: key values mismatch", TLSCertificate=cert, TLSKey=other)
    bad(rf"TLSKey={secret}: ", TLSCertificate=cert, TLSKey=secret)
    bad("RequireTLS=yes needs a certificate: /etc/xproxy/tls/cert.pem is missing", RequireTLS="yes")
    bad("RequireTLS=yes needs tls in Transports=", RequireTLS="yes", Transports="tcp")


def test_key_from_elsewhere():
    """A systemd credential, or the certificate's own file."""
    cert, key = certificate()
    d = h.make_dir("credentials", 0o755)
    with open(key) as f:
        h.make_file("credentials/tls-key", f.read(), 0o600)
    both = h.make_file("both.pem", open(cert).read() + open(key).read(), 0o600)
    for conn in (h.spawn(h.conf("password(value=pw)", Listen={"TLSCertificate": cert}), env={"CREDENTIALS_DIRECTORY": d}),
                 h.spawn(h.conf("password(value=pw)", Listen={"TLSCertificate": both}))):
        conn.peer.start_tls(context())
        conn.peer.hello(x.hello65(username="john"))
        conn.peer.expect("challenge")


# ---- real peers
def terminated():
    names = [n for n in test_replay.kinds()["session"] if "ssl" in n or "rich" in n]
    assert names
    return names


@h.each(terminated)
def test_replay_inside(name):
    """Recorded sessions, inside TLS."""
    test_replay.replay(test_replay.Recording(name), tls=context(user=h.alice), Listen=listen(h.alice))


@h.each(lambda: [n for n in test_replay.kinds()["foreign"] if "ssl" in n])
def test_recorded_client_hello(name):
    """The ClientHello of real xpra clients: a handshake begins (the rest of the recording has keys that nobody has)."""
    conn = spawn(limits={"LoginTimeout": "2s"})
    data = test_replay.captures()[name][0]
    conn.peer.send_raw(data[:5 + int.from_bytes(data[3:5], "big")])
    conn.peer.sock.settimeout(5)
    first = conn.peer.sock.recv(6, socket.MSG_WAITALL)
    assert first[0] == 0x16 and first[5] == 2, first.hex()  # a ServerHello


@h.needs_xpra
@h.timeout(60)
@h.each("verified", "unverified")
def test_real_client(how):
    """The real 3.1.3 client: a window, keys, a detach."""
    s = h.RealServer(h.alice)
    l = h.Listener(h.conf(h.multifile(h.line("foo", "pw", s.display)), Listen=listen(RequireTLS="yes")))
    args = ("--ssl-ca-certs=" + certificate()[0],) if how == "verified" else ("--ssl-server-verify-mode=none",)
    client = h.RealClient(f"ssl://foo:pw@127.0.0.1:{l.port}/", *args, "--ssl-check-hostname=no")
    window = client.attached(s.title)
    client.type(window, "over tls")
    h.eventually(lambda: "over tls" in s.keys(), 10, lambda: f"the keys arrive, there is {s.keys()!r}")
    client.detach()
    h.eventually(lambda: not h.program_processes(), 3, lambda: f"left: {h.program_processes()}")


@h.needs_xpra
def test_real_client_is_told():
    """tcp:// where TLS is required: xpra shows why."""
    l = h.Listener(h.conf("allow", Listen=listen(RequireTLS="yes")))
    client = h.RealClient(f"tcp://foo:pw@127.0.0.1:{l.port}/")
    h.eventually(lambda: "requires SSL" in client.log(), 15, lambda: client.log()[-1000:])


# ---- from the xpra protocol in clear to TLS
def upgradable(**more):
    return x.hello65(username="john", digest=["xor"], **{"packet-types": ["challenge", "ssl-upgrade", "ping"], **more})


@h.each("1.2", "1.3", "slowly", "rencode")
def test_upgrade(how):
    """Who can is told to, and logs in inside TLS. Real clients wait for a second in between."""
    conn = spawn(module="password(value=pw)", RequireTLS="yes")
    if how == "rencode":
        conn.peer.encoder = x.RENCODE
    conn.peer.hello(upgradable())
    p = conn.peer.expect("ssl-upgrade")
    attributes = {x.text(k): v for k, v in p[1].items()}
    with open(certificate(user=None)[0], "rb") as f:
        assert x.text(attributes["cert-data"]).encode() == f.read(), attributes
    data = x.build(["ssl-upgrade", {}])
    for one in ([data[i:i + 1] for i in range(len(data))] if how == "slowly" else [data]):
        conn.peer.send_raw(one)
        time.sleep(0.005)
    if how == "slowly":
        time.sleep(1)
    conn.peer.start_tls(context(*((V12, V12) if how == "1.2" else (V13, V13))))
    conn.peer.hello(upgradable())
    p = conn.peer.expect("challenge")
    assert x.text(p[3]) == "xor", p  # protected, so this may be


def test_upgraded_session():
    """A whole session: the server is not told of the upgrade, nor that its client can do one."""
    server = h.Server()
    conn = h.spawn(h.conf(h.multifile(h.line("john", "pw", server.uri)), Listen=listen(RequireTLS="yes")))
    conn.peer.hello(upgradable())
    conn.peer.expect("ssl-upgrade")
    conn.peer.send_packet("ssl-upgrade", {})
    conn.peer.start_tls(context())
    conn.peer.login(upgradable(), "pw")
    session = server.get()
    assert "ssl-upgrade" not in [x.text(t) for t in session.caps.get("packet-types", [])]
    session.peer.send_packet("bell", 1)
    conn.peer.expect("bell")


@h.each("plain after it", "tls after it", "another packet", "a chunk", "too long", "garbage", "closed", "silent", "second offer")
def test_upgrade_gone_wrong(case):
    """Nothing that was sent in clear counts as said inside TLS; who does not answer is told in words."""
    conn = spawn(module="password(value=pw)", RequireTLS="yes")
    conn.peer.hello(upgradable())
    conn.peer.expect("ssl-upgrade")
    answer, hello = x.build(["ssl-upgrade", {}]), x.build(["hello", upgradable()])
    if case == "plain after it":
        conn.peer.send_raw(answer + hello)
        assert conn.peer.sock.recv(1) in (b"\x15", b""), "an alert, or the end"
        assert conn.wait() == 8
        conn.logged("TLS handshake failed")
        return
    if case == "tls after it":  # a client that does not wait: taken as it comes
        hand = ByHand(conn.peer.sock)
        try:
            hand.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        conn.peer.send_raw(answer + hand.outgoing.read())
        hand.incoming.write(conn.peer.sock.recv(65536))
        hand.do(lambda: hand.tls.do_handshake() or True)
        hand.do(lambda: hand.tls.write(hello))
        assert b"challenge" in hand.do(lambda: hand.tls.read(65536))
        return
    if case == "closed":
        conn.peer.close()
        assert conn.wait() == 0, conn.log()
        return
    began = time.monotonic()
    if case == "second offer":
        conn.peer.send_raw(hello)
    elif case != "silent":
        conn.peer.send_raw({"another packet": x.build(["ping", 1]), "a chunk": b"P\0\0\1\0\0\0\4abcd", "too long": x.build(["ssl-upgrade", {"x": "y" * 2000}]),
                            "garbage": b"\x16\x03\x01\x02\0\x01\0\0"}[case])
    p = conn.peer.read_packet(8)
    assert p.name == "disconnect" and "requires SSL" in x.text(p[2]), x.texts(p)
    assert (time.monotonic() - began > 4) == (case == "silent")
    conn.peer.close()
    assert conn.wait() == 4


@h.each("not listed", "not required", "aes", "more behind it", "no tls here", "inside tls", "unix", "websocket")
def test_no_upgrade(case):
    """Not offered to who could not take it, or need not."""
    keys = {"not required": {}, "no tls here": {"Encryption": "AES"}}.get(case, {"RequireTLS": "yes"})
    kind = "unix" if case == "unix" else "tcp"
    conn = spawn(kind, module="password(value=pw)", **keys) if case != "no tls here" else h.spawn(h.conf("password(value=pw)"))
    caps = upgradable()
    if case == "not listed":
        caps = upgradable(**{"packet-types": ["challenge", "ssl-upgrade-not", 7, {"ssl-upgrade": 1}]})
    if case == "aes":
        caps = upgradable(encryption={"cipher": "AES", "mode": "CBC", "iv": b"0" * 16, "key_salt": b"1" * 32, "key_size": 32,
                                      "key_stretch": "PBKDF2", "key_stretch_iterations": 1000, "key_hash": "SHA1"})
    if case == "inside tls":
        conn.peer.start_tls(context())
    if case == "websocket":
        conn.peer.sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: binary\r\n\r\n")
        assert b"403" in conn.peer.sock.recv(4096)
        return
    conn.peer.send_raw(x.build(["hello", caps]) + (x.build(["ping", 1]) if case == "more behind it" else b""))
    p = conn.peer.read_packet(5)
    if case in ("not required", "no tls here", "inside tls", "unix"):
        assert p.name in ("challenge", "disconnect") and "requires SSL" not in str(x.texts(p)), x.texts(p)
    else:
        assert p.name == "disconnect" and (case == "aes" or "requires SSL" in x.text(p[2])), x.texts(p)
