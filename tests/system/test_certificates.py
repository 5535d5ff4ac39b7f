# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a TLS handshake that say who is who and what is spoken: several certificates, protocols."""
import functools
import os
import re
import socket
import ssl
import subprocess

import harness as h
import test_tls
import xpranet as x

SECONDS = 60
ALIAS = "alias.example.org"


# ---- an authority
def make(name, *extensions, subject=None, issuer=None, days=("-days", "2"), key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    """(certificate, key), signed by issuer, a pair, or by itself."""
    d = h.make_dir("certificates", 0o755)
    pair = os.path.join(d, f"{name}.pem"), os.path.join(d, f"{name}.key")
    cmd = ["openssl", "req", "-x509", "-newkey", *key, "-nodes", *days, "-subj", subject or f"/CN={name}", "-utf8",
           "-keyout", pair[1], "-out", pair[0]]
    if issuer:
        cmd += ["-CA", issuer[0], "-CAkey", issuer[1]]
    for e in extensions:
        cmd += ["-addext", e]
    subprocess.run(cmd, check=True, capture_output=True)
    os.chmod(pair[1], 0o600)
    return pair


# ---- several certificates
RSA = ("rsa:2048",)


@functools.lru_cache(None)
def several():
    """The first for localhost; one by a wildcard, one by the name only, one with the key in the same file."""
    first = test_tls.certificate()
    wild = make("wild", "subjectAltName=DNS:*.example.org,DNS:example.net", key=RSA)
    named = make("named.example.com", "basicConstraints=CA:FALSE")
    return first, wild, named


def listen_several(pairs=None, **more):
    pairs = pairs or several()
    return {"TLSCertificate": [c for c, _ in pairs], "TLSKey": [k for _, k in pairs], **more}


def whose(conn, name, highest=None):
    """The certificate that a client gets who names this host."""
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if highest:
        c.maximum_version = highest
    s = c.wrap_socket(conn.peer.sock, server_hostname=name)
    return ssl.DER_cert_to_PEM_cert(s.getpeercert(True))


def pem(pair):
    with open(pair[0]) as f:
        return f.read()


@h.each("1.2", "1.3")
def test_server_names(version):
    """By DNS names, wildcards and, where there are none, the common name; the first for all else."""
    first, wild, named = several()
    highest = test_tls.V12 if version == "1.2" else None
    for name, pair in (("localhost", first), (None, first), ("unknown.example.com", first), ("a.example.org", wild),
                       ("A.Example.ORG", wild), ("a.b.example.org", first), ("example.net", wild), ("example.org", first),
                       ("named.example.com", named), ("wild", first), ("x" * 60 + ".example.org", wild)):
        conn = h.spawn(h.conf("allow", Listen=listen_several()))
        assert whose(conn, name, highest) == pem(pair), name
        conn.peer.close()


def test_session_with_another_certificate():
    """It is a session as with the first, verified by the client against that name."""
    _, wild, _ = several()
    c = ssl.create_default_context(cafile=wild[0])
    conn = h.spawn(h.conf("password(value=pw)", Listen=listen_several()))
    conn.peer.start_tls(c, "desk.example.org")
    conn.peer.hello(x.hello65(username="john", digest=["xor"]))
    conn.peer.expect("challenge")


def client_hello(name):
    """A ClientHello whose server name is these bytes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = ssl.create_default_context()
    place = ".".join(["x" * 60] * 4)[:len(name)]
    tls = c.wrap_bio(incoming, outgoing, server_hostname=place)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    data = outgoing.read()
    assert data.count(place.encode()) == 1
    return data.replace(place.encode(), name)


@h.each("zero byte", "only zeros", "control", "utf-8", "not a name", "long", "dots", "wildcard")
def test_malformed_server_name(case):
    """Refused by an alert, or the first certificate; never another one, never a crash."""
    name = {"zero byte": b"a.example.org\0.evil.example", "only zeros": b"\0" * 8, "control": b"a\n.example.org", "utf-8": "ä.example.org".encode(),
            "not a name": b"*%s%n../../etc", "long": b"y." * 120 + b"y", "dots": b"....example.org", "wildcard": b"*.example.org"}[case]
    conn = h.spawn(h.conf("allow", Listen=listen_several()), env=None)
    conn.peer.send_raw(client_hello(name))
    conn.peer.sock.settimeout(5)
    first = conn.peer.sock.recv(6, socket.MSG_WAITALL)
    if case in ("zero byte", "only zeros"):
        assert first[0] == 21, first.hex()  # an alert
        assert conn.wait() == 8
    else:
        assert first[0] == 22 and first[5] == 2, first.hex()  # a ServerHello
    conn.peer.close()
    assert conn.wait() in (0, 8), conn.log()


def test_keys_of_several():
    """Without TLSKey= all but the first have theirs with them; a number that does not fit is refused, and so is a key
    of another certificate."""
    first, wild, named = several()
    both = [h.make_file(f"both{i}.pem", pem(p) + open(p[1]).read(), 0o600) for i, p in enumerate((first, wild))]
    conn = h.spawn(h.conf("allow", Listen={"TLSCertificate": both}))
    assert whose(conn, "a.example.org") == pem(wild)
    test_tls.bad("TLSCertificate= has 2 files, TLSKey= has 1", TLSCertificate=[first[0], wild[0]], TLSKey=first[1])
    test_tls.bad("TLSCertificate= has 1 files, TLSKey= has 2", TLSCertificate=first[0], TLSKey=[first[1], wild[1]])
    test_tls.bad(rf"TLSKey={wild[1]}: ", TLSCertificate=[first[0], named[0]], TLSKey=[first[1], wild[1]])
    test_tls.bad("TLSCertificate=/none: No such file", TLSCertificate=[first[0], "/none"], TLSKey=[first[1], first[1]])


def test_check_of_several():
    """`xproxyctl check` looks at each."""
    first, wild, named = several()
    path = h.conf("none", Listen=listen_several())
    out = h.ctl("check", conf_path=path).stdout
    for cert, key in several():
        assert re.search(rf"TLS certificate.*{re.escape(cert)}: number 1 expires on", out), out
        assert re.search(rf"TLS key.*{re.escape(key)}", out), out
    r = h.ctl("check", conf_path=h.conf("none", Listen=listen_several([first, (named[0], wild[1])])))
    assert r.returncode == 1 and f"{wild[1]} does not belong to the certificate" in r.stdout, r.stdout
    r = h.ctl("check", conf_path=h.conf("none", Listen={"TLSCertificate": [first[0], wild[0]], "TLSKey": first[1]}))
    assert r.returncode == 1 and "TLSCertificate= has 2 files, TLSKey= has 1" in r.stdout, r.stdout


# ---- protocols
@h.each("1.2", "1.3")
def test_protocols(version):
    """ALPN: xpra before http/1.1; never another one, and a list without ours does no harm."""
    for offered, chosen in ((["xpra"], "xpra"), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (["h2"], None),
                            (["http/1.1", "xpra"], "xpra"), (["http/1.0", "xpra/7", "x" * 255], None), ([], None)):
        conn = h.spawn(h.conf("password(value=pw)", Listen=test_tls.listen()))
        c = test_tls.context(highest=test_tls.V12 if version == "1.2" else None)
        if offered:
            c.set_alpn_protocols(offered)
        conn.peer.start_tls(c)
        assert conn.peer.sock.selected_alpn_protocol() == chosen, (offered, conn.peer.sock.selected_alpn_protocol())
        conn.peer.hello(x.hello65(username="john", digest=["xor"]))
        conn.peer.expect("challenge")
        conn.peer.close()


@h.each("empty", "empty name", "too long", "cut off")
def test_malformed_protocols(case):
    """A ClientHello whose list of protocols is broken: an alert."""
    good = b"\x00\x10\x00\x0c\x00\x0a\x04xpra\x04xpra"
    broken = {"empty": b"\x00\x10\x00\x0c\x00\x00\x04xpra\x04xpra", "empty name": b"\x00\x10\x00\x0c\x00\x0a\x00" + b"\x01a" * 4 + b"\x00",
              "too long": b"\x00\x10\x00\x0c\x00\x0b\x04xpra\x04xpra", "cut off": b"\x00\x10\x00\x0c\x00\x0a\x04xpra\xffxpra"}[case]
    conn = h.spawn(h.conf("allow", Listen=test_tls.listen()))
    hand = test_tls.ByHand(conn.peer.sock, protocols=["xpra", "xpra"])
    try:
        hand.tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    data = hand.outgoing.read()
    assert data.count(good) == 1 and len(broken) == len(good)
    conn.peer.send_raw(data.replace(good, broken))
    conn.peer.sock.settimeout(5)
    assert conn.peer.sock.recv(1) == b"\x15"  # an alert
    conn.peer.close()
    assert conn.wait() == 8
    conn.logged("TLS handshake failed")


# ---- certificates of clients
@functools.lru_cache(None)
def authority(name="authority"):
    return make(name, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", subject=f"/O=Example/CN={name}")


CLIENT = "extendedKeyUsage=clientAuth"


@functools.lru_cache(None)
def client_of(name="alice", *extensions, subject=None, issuer=None):
    return make(name, "basicConstraints=critical,CA:FALSE", *(extensions or (CLIENT,)), subject=subject or f"/O=Example/CN={name}",
                issuer=issuer or authority())


def with_authority(**more):
    return test_tls.listen(TLSClientCA=authority()[0], **more)


def context(pair=None, version="1.3"):
    v = test_tls.V12 if version == "1.2" else test_tls.V13
    c = test_tls.context(v, v)
    if pair:
        c.load_cert_chain(*pair)
    return c


def refused_by_alert(conn, c):
    """The client is told by an alert that it can show: its own error, not a cut connection. With TLS 1.3 its
    handshake is over before the server has looked."""
    try:
        conn.peer.start_tls(c)
        conn.peer.send_raw(x.build(["hello", x.hello65(username="john")]))
        conn.peer.sock.settimeout(5)
        conn.peer.sock.recv(1)
    except ssl.SSLError as e:
        assert "ALERT" in e.reason.upper() or "alert" in str(e), e
        return e.reason
    raise AssertionError("no alert")


@h.each("1.2", "1.3")
def test_client_certificate(version):
    """One that the authority has signed is let in; the journal names it."""
    conn = h.spawn(h.conf("password(value=pw)", Listen=with_authority()))
    conn.peer.start_tls(context(client_of(), version))
    conn.peer.hello(x.hello65(username="john", digest=["xor"]))
    conn.peer.expect("challenge")
    conn.logged("certificate of the client: CN=alice,O=Example$")


@h.each(*(f"{case} {version}" for version in ("1.2", "1.3") for case in ("none", "unknown", "self", "server", "expired", "names")))
def test_client_certificate_refused(case):
    """Each: an alert, a line that says why and whose, exit 8."""
    case, version = case.split()
    pair, words = {
        "none": (lambda: None, "peer did not return a certificate"),
        "unknown": (lambda: client_of("mallory", issuer=authority("another")), "unable to get local issuer certificate: CN=mallory,O=Example"),
        "self": (lambda: make("self", CLIENT), "self-signed certificate: CN=self"),
        "server": (lambda: client_of("host", "extendedKeyUsage=serverAuth"), "unsuitable certificate purpose: CN=host,O=Example"),
        "expired": (expired, "certificate has expired: CN=old,O=Example"),
        "names": (lambda: client_of("control", CLIENT, subject="/O=Example/CN=ali\nce"), "its names are malformed or have control characters"),
    }[case]
    conn = h.spawn(h.conf("allow", Listen=with_authority()))
    refused_by_alert(conn, context(pair(), version))
    conn.peer.close()
    assert conn.wait() == 8
    conn.logged(f"TLS handshake failed: .*{words}")


@functools.lru_cache(None)
def expired():
    """Made by hand: openssl's command takes no days of the past."""
    import datetime
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID
    pair = client_of("old")
    with open(authority()[1], "rb") as f:
        key = serialization.load_pem_private_key(f.read(), None)
    with open(authority()[0], "rb") as f:
        issuer = x509.load_pem_x509_certificate(f.read()).subject
    with open(pair[1], "rb") as f:
        own = serialization.load_pem_private_key(f.read(), None)
    now = datetime.datetime.utcnow()
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"), x509.NameAttribute(NameOID.COMMON_NAME, "old")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(own.public_key()).serial_number(7)
    made = made.not_valid_before(now - datetime.timedelta(9)).not_valid_after(now - datetime.timedelta(1)).sign(key, hashes.SHA256())
    path = os.path.join(os.path.dirname(pair[0]), "expired.pem")
    with open(path, "wb") as f:
        f.write(made.public_bytes(serialization.Encoding.PEM))
    return path, pair[1]


@h.each("plain", "plain optional", "none optional", "unknown optional", "unix", "page")
def test_who_needs_one(case):
    """Without TLS nobody can show one: refused, unless it is optional or the socket is local. A browser is sent to
    https://."""
    optional = "optional" in case
    conn = h.spawn(h.conf("password(value=pw)", Listen=with_authority(TLSVerifyClient="optional" if optional else "require")),
                   "unix" if case == "unix" else "tcp")
    if case == "page":
        conn.peer.send_raw(b"GET / HTTP/1.1\r\nHost: proxy.example\r\n\r\n")
        assert b"https://proxy.example" in conn.peer.sock.recv(4096)
        return
    if case == "unknown optional":
        refused_by_alert(conn, context(client_of("mallory", issuer=authority("another"))))
        return
    if case == "none optional":
        conn.peer.start_tls(context())
    conn.peer.hello(x.hello65(username="john", **{"packet-types": ["challenge"]}))  # it cannot be upgraded
    p = conn.peer.read_packet(5)
    if case == "plain":
        assert p.name == "disconnect" and "requires SSL" in x.text(p[2]), x.texts(p)
    else:
        assert p.name == "challenge", x.texts(p)


def revocations(*revoked, days="2", issuer=None):
    """The authority's list."""
    issuer = issuer or authority()
    d = h.make_dir("revocations")
    index, conf, out = os.path.join(d, "index.txt"), os.path.join(d, "ca.conf"), os.path.join(d, f"list-{len(revoked)}-{days}.pem")
    h.make_file("revocations/index.txt", "")
    h.make_file("revocations/ca.conf", f"[ca]\ndefault_ca=c\n[c]\ndatabase={index}\ndefault_md=sha256\n")
    run = ["openssl", "ca", "-config", conf, "-cert", issuer[0], "-keyfile", issuer[1]]
    for pair in revoked:
        subprocess.run([*run, "-revoke", pair[0]], check=True, capture_output=True)
    when = ["-crldays", days] if days[0] != "-" else ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z"]
    subprocess.run([*run, "-gencrl", *when, "-out", out], check=True, capture_output=True)
    return out


def test_revoked():
    """Refused with the list, let in without; everybody is refused when the list is too old or another authority's."""
    bad, good = client_of("revoked"), client_of()
    for crl, pair, words in ((revocations(bad), bad, "certificate revoked: CN=revoked"), (revocations(bad), good, None),
                             (revocations(), bad, None), (revocations(days="-1"), good, "CRL has expired: CN=alice"),
                             (revocations(issuer=authority("another"), days="3"), good, "unable to get certificate CRL: CN=alice")):
        conn = h.spawn(h.conf("password(value=pw)", Listen=with_authority(TLSClientCRL=crl)))
        if words:
            refused_by_alert(conn, context(pair))
            conn.logged(words)
        else:
            conn.peer.start_tls(context(pair))
            conn.peer.hello(x.hello65(username="john"))
            conn.peer.expect("challenge")


def test_chain():
    """Through an authority between: only if the client brings it along."""
    between = make("between", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign", issuer=authority())
    cert, key = client_of("below", issuer=between)
    both = h.make_file("chain.pem", pem((cert,)) + pem(between))
    conn = h.spawn(h.conf("password(value=pw)", Listen=with_authority()))
    conn.peer.start_tls(context((both, key)))
    conn.peer.hello(x.hello65(username="john"))
    conn.peer.expect("challenge")
    conn = h.spawn(h.conf("allow", Listen=with_authority()))
    refused_by_alert(conn, context((cert, key)))
    conn.logged("unable to get local issuer certificate: CN=below")


def test_bad_authorities():
    empty = h.make_file("empty-ca.pem", "")
    test_tls.bad("TLSClientCA=/none: No such file", **test_tls.listen(TLSClientCA="/none"))
    test_tls.bad(rf"TLSClientCA={empty}: ", **test_tls.listen(TLSClientCA=empty))
    test_tls.bad("TLSClientCRL=/none: No such file", **with_authority(TLSClientCRL="/none"))
    test_tls.bad(rf"TLSClientCRL={empty}: ", **with_authority(TLSClientCRL=empty))
    test_tls.bad("TLSClientCA= needs tls in Transports=", Transports="tcp", TLSClientCA=authority()[0])
    test_tls.bad("TLSClientCA= needs a certificate: /etc/xproxy", TLSClientCA=authority()[0])
    r = h.ctl("check", conf_path=h.conf("none", Listen=with_authority(TLSClientCRL=revocations(days="-1"))))
    assert r.returncode == 1 and re.search(r"TLS clients' authority: .*authority.pem", r.stdout), r.stdout
    assert re.search("error +TLS clients' revocations: .* has expired on 2020-02-01: get a new one", r.stdout), r.stdout


@h.needs_xpra
@h.timeout(60)
@h.each("with", "without")
def test_real_client_certificate(how):
    """The real 3.1.3 client with --ssl-cert: a session; without: it ends and is told by TLS."""
    s = h.RealServer(h.alice)
    l = h.Listener(h.conf(h.multifile(h.line("foo", "pw", s.display)), Listen=with_authority()))
    cert, key = client_of()
    args = [f"--ssl-cert={cert}", f"--ssl-key={key}"] if how == "with" else []
    client = h.RealClient(f"ssl://foo:pw@127.0.0.1:{l.port}/", "--ssl-server-verify-mode=none", *args)
    if how == "with":
        client.attached(s.title)
        client.detach()
    else:
        h.eventually(lambda: "peer did not return a certificate" in l.log(), 15, lambda: l.log() + client.log()[-1000:])
        client.ended()


# ---- what the authority says of ours
def response(pair, issuer, days="2", name="response", serial=None):
    """An OCSP response of that authority, as it would be fetched from it."""
    d = h.make_dir("ocsp")
    show = subprocess.run(["openssl", "x509", "-in", pair[0], "-noout", "-serial"], check=True, capture_output=True, text=True)
    index = h.make_file("ocsp/index.txt", f"V\t491231235959Z\t\t{serial or show.stdout.strip().split('=')[1]}\tunknown\t/CN=x\n")
    out, request = os.path.join(d, f"{name}.der"), os.path.join(d, "request.der")
    subprocess.run(["openssl", "ocsp", "-issuer", issuer[0], "-cert", pair[0], "-no_nonce", "-reqout", request], check=True, capture_output=True)
    when = ["-ndays", days] if days else ["-nmin", "1"]
    subprocess.run(["openssl", "ocsp", "-index", index, "-rsigner", issuer[0], "-rkey", issuer[1], "-CA", issuer[0], "-reqin", request,
                    "-respout", out, *when], check=True, capture_output=True)
    return out


def old_response(pair, issuer):
    """One of last year, which openssl's command does not make."""
    import datetime
    from cryptography import x509
    from cryptography.x509 import ocsp
    from cryptography.hazmat.primitives import hashes, serialization
    load = lambda p: x509.load_pem_x509_certificate(pem((p,)).encode())
    with open(issuer[1], "rb") as f:
        key = serialization.load_pem_private_key(f.read(), None)
    then = datetime.datetime.utcnow() - datetime.timedelta(365)
    b = ocsp.OCSPResponseBuilder().add_response(
        cert=load(pair[0]), issuer=load(issuer[0]), algorithm=hashes.SHA1(), cert_status=ocsp.OCSPCertStatus.GOOD, this_update=then,
        next_update=then + datetime.timedelta(7), revocation_time=None, revocation_reason=None)
    b = b.responder_id(ocsp.OCSPResponderEncoding.HASH, load(issuer[0]))
    path = os.path.join(h.make_dir("ocsp"), "old.der")
    with open(path, "wb") as f:
        f.write(b.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    return path


@functools.lru_cache(None)
def signed():
    return make("localhost", "subjectAltName=DNS:localhost,DNS:*.stapled.example", issuer=authority())


def stapled(conn, *args):
    """What openssl s_client shows of the response that it got."""
    p = test_tls.s_client(conn, "-status", "-CAfile", authority()[0], *args, quiet=False)
    p.stdin.write(b"not xpra\n")
    p.stdin.flush()
    return p.communicate(timeout=20)[0].decode("latin1")


@h.each("1.2", "1.3")
def test_stapled(version):
    """With the certificate that it is about, to who asks."""
    listen = listen_several([test_tls.certificate(), signed()], TLSOCSPResponse=response(signed(), authority()))
    flag = "-tls1_2" if version == "1.2" else "-tls1_3"
    conn = h.spawn(h.conf("allow", Listen=listen))
    out = stapled(conn, flag, "-servername", "a.stapled.example")
    assert "OCSP Response Status: successful" in out and "Cert Status: good" in out, out
    conn = h.spawn(h.conf("allow", Listen=listen))
    out = stapled(conn, flag, "-servername", "localhost")
    assert "OCSP response: no response sent" in out, out


@h.each("old", "garbage", "empty", "cut off", "of another", "missing", "refusal")
def test_not_stapled(case):
    """A line in the journal says why; clients get in without."""
    good = response(signed(), authority(), name="good")
    with open(good, "rb") as f:
        data = f.read()
    other = h.make_dir("ocsp") + "/other.der"
    for name, some in (("garbage", b"\x30\x82\xff\xff" + bytes(200)), ("empty", b""), ("cut off", data[:-20]), ("refusal", b"\x30\x03\x0a\x01\x06")):
        if name == case:
            with open(other, "wb") as f:
                f.write(some)
    path = {"old": lambda: old_response(signed(), authority()), "of another": lambda: response(client_of(), authority(), name="another"),
            "missing": lambda: "/nonexistent"}.get(case, lambda: other)()
    words = {"old": "has expired", "of another": "about none of the certificates", "missing": "No such file", "refusal": "refused to answer"}
    conf = h.conf("allow", Listen={"TLSCertificate": signed()[0], "TLSKey": signed()[1], "TLSOCSPResponse": path})
    conn = h.spawn(conf)
    out = stapled(conn)
    assert "OCSP response: no response sent" in out, out
    conn.logged(f"TLSOCSPResponse={path} is not used: .*" + words.get(case, "no OCSP response in DER form"))
    r = subprocess.run([h.CONN, "-c", conf, "--check-config"], capture_output=True, text=True, timeout=10)
    assert r.returncode == 0 and "is not used" in r.stderr, r
    r = h.ctl("check", conf_path=conf)
    if case == "old":
        assert "is not used: fetch a new one" in r.stdout, r.stdout
    if case == "missing":
        assert r.returncode == 1 and "OCSP response: /nonexistent: No such file" in r.stdout, r.stdout


# ---- one of our own making
def paths(name):
    d = os.path.join(h.make_dir("made"), name)
    return {"TLSCertificate": f"{d}/cert.pem", "TLSKey": f"{d}/key.pem"}


def test_certificate_made():
    """Used as it is: by a client that is told to trust it, for the names and addresses that were given, and no others."""
    listen = paths("used")
    path = h.conf("password(value=pw)", Listen=listen)
    r = h.ctl("certificate", "--days", "20", "proxy.example.org", "192.0.2.1", "localhost", conf_path=path)
    assert r.returncode == 0, r
    assert os.stat(listen["TLSKey"]).st_mode & 0o777 == 0o600 and os.stat(listen["TLSCertificate"]).st_mode & 0o777 == 0o644
    shown = re.search("SHA-256 fingerprint: (.*)", r.stdout).group(1)
    text = subprocess.run(["openssl", "x509", "-in", listen["TLSCertificate"], "-noout", "-fingerprint", "-sha256", "-ext", "subjectAltName",
                           "-checkend", str(19 * 86400)], capture_output=True, text=True, check=True).stdout
    assert shown in text and "DNS:proxy.example.org, IP Address:192.0.2.1, DNS:localhost" in text, text
    subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", listen["TLSCertificate"], listen["TLSCertificate"]],
                   check=True, capture_output=True)
    for name, good in (("proxy.example.org", True), ("192.0.2.1", True), ("localhost", True), ("other.example.org", False)):
        conn = h.spawn(path)
        try:
            conn.peer.start_tls(ssl.create_default_context(cafile=listen["TLSCertificate"]), name)
        except ssl.SSLCertVerificationError:
            assert not good, name
            continue
        assert good, name
        conn.peer.hello(x.hello65(username="john"))
        conn.peer.expect("challenge")
    out = h.ctl("check", conf_path=path).stdout
    assert re.search(r"ok +TLS certificate", out) and re.search(r"ok +TLS key", out), out


def test_certificate_not_overwritten():
    """Either file: nothing is changed, and nothing is left behind."""
    for there in ("TLSCertificate", "TLSKey"):
        listen = paths(there)
        os.mkdir(os.path.dirname(listen[there]))
        with open(listen[there], "w") as f:
            f.write("mine")
        r = h.ctl("certificate", "a", conf_path=h.conf("none", Listen=listen))
        assert r.returncode == 1 and f"{listen[there]}: is there already" in r.stderr, r
        assert os.listdir(os.path.dirname(listen[there])) == [os.path.basename(listen[there])]
        with open(listen[there]) as f:
            assert f.read() == "mine"
    listen = paths("one")
    r = h.ctl("certificate", conf_path=h.conf("none", Listen={**listen, "TLSKey": listen["TLSCertificate"]}))
    assert r.returncode == 1 and "have to be two files" in r.stderr, r
    r = h.ctl("certificate", conf_path=h.conf("none", Listen=paths("no/such")))
    assert r.returncode == 1 and "No such file" in r.stderr, r


@h.each(*("a b", "a,DNS:evil", "-x", "*", "a..b", "", "x" * 254, "ä.example"))
def test_certificate_bad_name(name):
    listen = paths("bad")
    r = h.ctl("certificate", "--", name, conf_path=h.conf("none", Listen=listen))
    assert r.returncode == 2 and "neither a host name nor an address" in r.stderr, r
    assert not os.path.exists(listen["TLSKey"])


@h.each("0", "-1", "36501", "1d", "", "99999999999999999999")
def test_certificate_bad_days(days):
    r = h.ctl("certificate", "--days", days, conf_path=h.conf("none", Listen=paths("bad")))
    assert r.returncode == 2 and "--days takes a number" in r.stderr, r
    r = h.ctl("list", "--days", "3", conf_path=h.conf("none"))
    assert r.returncode == 2, r


@h.needs_root
def test_certificate_as_another_user():
    """Who may not write there is told so; where one may, the key is one's own. Without names it is this host's."""
    r = h.ctl("certificate", conf_path=h.conf("none", Listen=paths("forbidden")), user=h.bob)
    assert r.returncode == 1 and "xproxyctl: /" in r.stderr, r
    d = h.make_dir("bobs", 0o755, h.bob)
    listen = {"TLSCertificate": f"{d}/x/cert.pem", "TLSKey": f"{d}/x/key.pem"}
    r = h.ctl("certificate", conf_path=h.conf("none", Listen=listen), user=h.bob)
    assert r.returncode == 0 and os.stat(listen["TLSKey"]).st_uid == h.bob.uid, r
    assert socket.gethostname() in r.stdout or "localhost" in r.stdout, r.stdout


@h.needs_xpra
@h.timeout(60)
def test_certificate_and_real_client():
    """xpra 3.1.3, told to trust it, and to check the name."""
    s = h.RealServer(h.alice)
    listen = paths("real")
    conf = h.conf(h.multifile(h.line("foo", "pw", s.display)), Listen={**listen, "RequireTLS": "yes"})
    assert h.ctl("certificate", "localhost", "127.0.0.1", conf_path=conf).returncode == 0
    l = h.Listener(conf)
    client = h.RealClient(f"ssl://foo:pw@localhost:{l.port}/", "--ssl-ca-certs=" + listen["TLSCertificate"])
    client.attached(s.title)
    client.detach()
